package commands_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

const (
	wrongType    = "-WRONGTYPE Operation against a key holding the wrong kind of value"
	badBitOffset = "-ERR bit offset is not an integer or out of range"
	badField     = "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
)

func TestBits(t *testing.T) {
	runSteps(t, []step{
		{"SETBIT k 7 1", "0", []string{"SETBIT k 7 1"}},
		{"SETBIT k 7 1", "1", nil},
		{"SETBIT k 23 0", "0", []string{"SETBIT k 23 0"}},
		{"GET k", `"\x01\x00\x00"`, nil},
		{"SETBIT k 7 0", "1", []string{"SETBIT k 7 0"}},
		{"SETBIT k 0 2", "-ERR bit is not an integer or out of range", nil},
		{"SETBIT k 0 -1", "-ERR bit is not an integer or out of range", nil},
		{"SETBIT k x 1", badBitOffset, nil},
		{"SETBIT k -1 1", badBitOffset, nil},
		{"SETBIT k #1 1", badBitOffset, nil},
		{"SETBIT k 4294967296 1", badBitOffset, nil},
		{"GETBIT k 4294967296", badBitOffset, nil},
		{"GETBIT k 4294967295", "0", nil},
		{"GETBIT none 3", "0", nil},
		{"SET n 12", "OK", []string{"SET n 12"}},
		{"GETBIT n 3", "1", nil},
		{"OBJECT ENCODING n", `"int"`, nil},
		{"SETBIT n 3 1", "1", nil},
		{"OBJECT ENCODING n", `"raw"`, nil},
		{"SET foo foobar EX 100", "OK", []string{"SET foo foobar PXAT " + in(100_000)}},
		{"BITCOUNT foo", "26", nil},
		{"BITCOUNT foo 0 0", "4", nil},
		{"BITCOUNT foo 1 1 BYTE", "6", nil},
		{"BITCOUNT foo 5 30 bit", "17", nil},
		{"BITCOUNT foo -2", "7", nil},
		{"BITCOUNT foo -1 -2", "0", nil},
		{"BITCOUNT foo 0 0 nosuch", "-ERR syntax error", nil},
		{"BITCOUNT foo 0 0 BIT x", "-ERR syntax error", nil},
		{"BITCOUNT none x", "-ERR value is not an integer or out of range", nil},
		{"BITCOUNT none", "0", nil},
		{"BITPOS none 0", "0", nil},
		{"BITPOS none 1", "-1", nil},
		{"BITPOS none 2", "-ERR The bit argument must be 1 or 0.", nil},
		{`SET bits "\xff\xf0\x00"`, "OK", []string{`SET bits "\xff\xf0\x00"`}},
		{"BITPOS bits 0", "12", nil},
		{"BITPOS bits 1 2", "-1", nil},
		{"BITPOS bits 0 0 0", "-1", nil},
		{"BITPOS bits 0 0 11 BIT", "-1", nil},
		{"BITPOS bits 0 3 12 BIT", "12", nil},
		{"BITPOS bits 1 -22 -13 BIT", "2", nil},
		{`SET bits "\xff\xff"`, "OK", []string{`SET bits "\xff\xff"`}},
		{"BITPOS bits 0", "16", nil},
		{"BITPOS bits 0 1", "16", nil},
		{"BITPOS bits 0 2", "-1", nil},
		{"BITPOS bits 0 0 1 BIT 3", "-ERR syntax error", nil},
	})
}

func TestBitOp(t *testing.T) {
	s := runSteps(t, []step{
		{`MSET a abc b "\xff" n 12`, "OK", []string{`MSET a abc b "\xff" n 12`}},
		{"BITOP AND d a b none", "3", []string{"BITOP AND d a b none"}},
		{"GET d", `"\x00\x00\x00"`, nil},
		{"OBJECT ENCODING d", `"raw"`, nil},
		{"BITOP XOR d a b", "3", []string{"BITOP XOR d a b"}},
		{"GET d", `"\x9ebc"`, nil},
		{"EXPIRE d 100", "1", []string{"PEXPIREAT d " + in(100_000)}},
		{"BITOP not d d", "3", []string{"BITOP not d d"}},
		{"GET d", `"a\x9d\x9c"`, nil},
		{"TTL d", "-1", nil},
		{"BITOP OR n n a", "3", []string{"BITOP OR n n a"}},
		{"GET n", `"qrc"`, nil},
		{"BITOP OR long a", "3", []string{"BITOP OR long a"}},
		{"BITOP OR long b", "1", []string{"BITOP OR long b"}},
		{"BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.", nil},
		{"BITOP NAND d a", "-ERR syntax error", nil},
		{"BITOP AND d none none2", "0", []string{"BITOP AND d none none2"}},
		{"EXISTS d", "0", nil},
		{"BITOP AND d none", "0", nil},
	})
	if got := strings.Join(s.Events, ","); !strings.Contains(got, "$ set 0 n,$ set 0 long") || !strings.HasSuffix(got, "g del 0 d") {
		t.Errorf("events %s", got)
	}
}

func TestBitField(t *testing.T) {
	const k = "BITFIELD k "
	wrote := func(s string) []string { return []string{s} }
	runSteps(t, []step{
		{k, "[]", nil},
		{k + "GET u8 0 GET i5 100", "[0 0]", nil},
		{"EXISTS k", "0", nil},
		{k + "SET u8 0 255 GET i8 0 INCRBY u4 #1 1", "[0 -1 0]", wrote(k + "SET u8 0 255 GET i8 0 INCRBY u4 #1 1")},
		{k + "SET u8 0 240", "[240]", nil},
		{k + "OVERFLOW sat INCRBY i8 0 -128 OVERFLOW FAIL INCRBY i8 0 -1 SET i8 0 1000 OVERFLOW WRAP INCRBY i8 0 -1", "[-128 nil nil 127]",
			wrote(k + "OVERFLOW sat INCRBY i8 0 -128 OVERFLOW FAIL INCRBY i8 0 -1 SET i8 0 1000 OVERFLOW WRAP INCRBY i8 0 -1")},
		{k + "OVERFLOW SAT SET u4 8 -1 GET u4 8", "[0 15]", wrote(k + "OVERFLOW SAT SET u4 8 -1 GET u4 8")},
		{k + "OVERFLOW SAT SET i8 8 -9223372036854775808 GET i8 8", "[-16 127]", wrote(k + "OVERFLOW SAT SET i8 8 -9223372036854775808 GET i8 8")},
		{k + "SET u8 8 240", "[127]", wrote(k + "SET u8 8 240")},
		{k + "SET i64 3 -9223372036854775808 OVERFLOW FAIL INCRBY i64 3 -1 OVERFLOW WRAP INCRBY i64 3 -1", "[-36028797018963968 nil 9223372036854775807]",
			wrote(k + "SET i64 3 -9223372036854775808 OVERFLOW FAIL INCRBY i64 3 -1 OVERFLOW WRAP INCRBY i64 3 -1")},
		{k + "GET u64 0", badField, nil},
		{k + "GET i65 0", badField, nil},
		{k + "GET u0 0", badField, nil},
		{k + "GET s8 0", badField, nil},
		{k + `GET "" 0`, badField, nil},
		{k + "GET u8 -1", badBitOffset, nil},
		{k + "GET u8 #536870912", badBitOffset, nil},
		{k + "GET u8 #9223372036854775807", badBitOffset, nil},
		{k + "GET u8", "-ERR syntax error", nil},
		{k + "OVERFLOW", "-ERR syntax error", nil},
		{k + "OVERFLOW SOME GET u8 0", "-ERR Invalid OVERFLOW type specified", nil},
		{k + "SET u8 0 x", "-ERR value is not an integer or out of range", nil},
		{"BITFIELD_RO k GET u8 0 SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand", nil},
		{"BITFIELD_RO k GET u1 2 GET u1 3", "[1 0]", nil},
		// Redis makes the key, and tells neither replicas nor watchers.
		{"BITFIELD grown OVERFLOW FAIL SET u1 20 5", "[nil]", wrote("BITFIELD grown OVERFLOW FAIL SET u1 20 5")},
		{"STRLEN grown", "3", nil},
		{"COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 OVERFLOW SAT GET u8 1", `[["k" [RO access]]]`, nil},
		{"COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 SET u8 0 1", `[["k" [RW access update]]]`, nil},
		{"COMMAND GETKEYSANDFLAGS BITFIELD k GET u8", `[["k" [RW access update]]]`, nil},
	})
}

// TestBitLimits: proto-max-bulk-len bounds which bits there are, and the primary is obeyed.
func TestBitLimits(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	s.Engine.SetMaxString(1000)
	for line, want := range map[string]string{"SETBIT k 7999 1": "0", "SETBIT k 8000 1": badBitOffset, "GETBIT k 8000": badBitOffset,
		"BITFIELD f SET u8 #999 1": "[0]", "BITFIELD f SET u8 #1000 1": badBitOffset} {
		if got := c.Do(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	s.Primary().Raw("SETBIT", "k", "8000", "1")
	if got := c.Do("STRLEN k"); got != "1001" {
		t.Errorf("the primary is not obeyed: %s bytes", got)
	}
}

// TestBitsAsRedis compares random commands on strings of all sizes: in an entry, in a block, of a size at which words begin and end.
func TestBitsAsRedis(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	r := rand.New(rand.NewPCG(*seed, 11))
	both := func(args ...string) {
		if ours, theirs := c.Raw(args...), real.Raw(args...); string(ours) != string(theirs) {
			t.Fatalf("%q:\n  ours %q\ntheirs %q", args, ours, theirs)
		}
	}
	g := bitGenerator{r}
	for i := range 4000 {
		if i%5 == 0 {
			both("SET", g.key(), g.value())
		}
		both(g.command()...)
		if i%7 == 0 {
			k := g.key()
			both("GET", k)
			both("OBJECT", "ENCODING", k)
		}
	}
}

type bitGenerator struct{ *rand.Rand }

func (g bitGenerator) key() string { return fmt.Sprintf("k%d", g.IntN(5)) }

func (g bitGenerator) value() string {
	if g.IntN(10) == 0 {
		return strconv.Itoa(g.IntN(100_000))
	}
	var b strings.Builder
	for n := []int{0, 1, 7, 8, 9, 30, 33, 900, 1024, 1025, 5000}[g.IntN(11)]; b.Len() < n; {
		part := string([]byte{[]byte{0, 0xff, byte(g.IntN(256))}[g.IntN(3)]})
		b.WriteString(strings.Repeat(part, 1+g.IntN(1+n/2)))
	}
	return b.String()
}

func (g bitGenerator) index(most int) string { return strconv.Itoa(g.IntN(2*most) - most) }

func (g bitGenerator) command() []string {
	// What is illegal for a key that is not there is compared elsewhere: 7.0 did not look.
	part := []string{"", g.index(10_000), g.index(10_000), []string{"BIT", "BYTE"}[g.IntN(2)]}
	switch g.IntN(8) {
	case 0:
		return []string{"SETBIT", g.key(), strconv.Itoa(g.IntN(20_000)), strconv.Itoa(g.IntN(2))}
	case 1:
		return []string{"GETBIT", g.key(), strconv.Itoa(g.IntN(20_000))}
	case 2:
		return append([]string{"BITCOUNT", g.key()}, part[1:1+g.IntN(2)*(2+g.IntN(2))]...)
	case 3:
		return append([]string{"BITPOS", g.key(), strconv.Itoa(g.IntN(2))}, part[1:1+g.IntN(4)]...)
	case 4:
		return []string{"BITOP", "NOT", g.key(), g.key()}
	case 5:
		args := []string{"BITOP", []string{"AND", "OR", "XOR"}[g.IntN(3)], g.key()}
		for range 1 + g.IntN(4) {
			args = append(args, g.key())
		}
		return args
	}
	return g.bitfield()
}

func (g bitGenerator) bitfield() []string {
	args := []string{"BITFIELD", g.key()}
	for range 1 + g.IntN(5) {
		typ := fmt.Sprintf("i%d", 1+g.IntN(64))
		if g.IntN(2) == 0 {
			typ = fmt.Sprintf("u%d", 1+g.IntN(63))
		}
		at := []string{"", "#"}[g.IntN(2)] + strconv.Itoa(g.IntN(300))
		n := strconv.FormatInt(int64(g.Uint64()>>g.IntN(64))*int64(1-2*g.IntN(2)), 10)
		switch g.IntN(4) {
		case 0:
			args = append(args, "OVERFLOW", []string{"WRAP", "SAT", "FAIL"}[g.IntN(3)])
		case 1:
			args = append(args, "GET", typ, at)
		case 2:
			args = append(args, "SET", typ, at, n)
		case 3:
			args = append(args, "INCRBY", typ, at, n)
		}
	}
	return args
}
