package keydump_test

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/persist/rdb"
)

func newServer(t testing.TB) *enginetest.Server {
	t.Helper()
	return enginetest.New(t, enginetest.Start, keydumpCommands()...)
}

func keydumpCommands() []*spec.Command {
	return keydump.Commands(keydump.Config{Compress: func() bool { return true }})
}

// in is a point in time, as it is propagated.
func in(ms int64) string { return strconv.FormatInt(enginetest.Start.UnixMilli()+ms, 10) }

// values are strings of every encoding of a payload: small and big integers, plain, compressed, of all kinds of length.
func values() []string {
	out := []string{"", "a", "0", "-1", "127", "128", "-32768", "65536", "-2147483648", "2147483648", "9223372036854775807", "007", "\x00\xff\r\n"}
	for _, n := range []int{20, 21, 44, 45, 63, 64, 1024, 1025, 16383, 16384, 100_000} {
		out = append(out, strings.Repeat("x", n), strings.Repeat("abcdefghij0123456789\x00", n/21+1)[:n])
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	s := newServer(t)
	c := s.Client()
	for _, v := range values() {
		c.Value("SET", "a", v)
		payload := string(c.Value("DUMP", "a").Str)
		if got := enginetest.Show(c.Value("RESTORE", "b", "0", payload, "REPLACE")); got != "OK" {
			t.Fatalf("%.50q: %s", v, got)
		}
		if got := string(c.Value("GET", "b").Str); got != v {
			t.Errorf("%.50q came back as %.50q", v, got)
		}
		if a, b := c.Do("OBJECT ENCODING a"), c.Do("OBJECT ENCODING b"); a != b {
			t.Errorf("%.50q: %s came back as %s", v, a, b)
		}
		if len(v) == 16384 && len(payload) > 2000 {
			t.Errorf("%.50q is not compressed: %d bytes", v, len(payload))
		}
	}
	if got := c.Do("DUMP none"); got != "nil" {
		t.Errorf("DUMP of no key: %s", got)
	}
}

// payloadOf is a payload of a value, with a good checksum.
func payloadOf(t *testing.T, v string) string {
	t.Helper()
	p, err := rdb.DumpValue(rdb.Value{Type: rdb.TypeString, String: []byte(v)}, rdb.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// step is a command, its reply and what is then in the journal.
type step struct {
	args    []string
	want    string
	journal string // "" for nothing; P stands for the payload
}

func runSteps(t *testing.T, payload string, steps []step) *enginetest.Server {
	t.Helper()
	s := newServer(t)
	c := s.Client()
	for _, st := range steps {
		for i, a := range st.args {
			if a == "P" {
				st.args[i] = payload
			}
		}
		if got := enginetest.Show(c.Value(st.args...)); got != st.want {
			t.Errorf("%.80q: %s, want %s", st.args, got, st.want)
		}
		want := strings.ReplaceAll(st.journal, " P", " "+enginetest.Quote([]byte(payload)))
		if got := strings.Join(s.Journal(), "; "); got != want {
			t.Errorf("%.80q: journal %q, want %q", st.args, got, want)
		}
	}
	return s
}

func words(line string) []string { return strings.Fields(line) }

func TestRestore(t *testing.T) {
	const busy, badTTL = "-BUSYKEY Target key name already exists.", "-ERR Invalid TTL value, must be >= 0"
	s := runSteps(t, payloadOf(t, "hello"), []step{
		{words("RESTORE a 0 P"), "OK", "RESTORE a 0 P"},
		{words("GET a"), `"hello"`, ""},
		{words("RESTORE a 0 P"), busy, ""},
		{words("RESTORE a x P"), busy, ""},
		{words("RESTORE a 0 P REPLACE"), "OK", "RESTORE a 0 P REPLACE"},
		{words("PTTL a"), "-1", ""},
		{words("RESTORE a 5000 P REPLACE"), "OK", "RESTORE a " + in(5000) + " P REPLACE ABSTTL"},
		{words("PTTL a"), "5000", ""},
		{words("RESTORE a " + in(7000) + " P absttl replace"), "OK", "RESTORE a " + in(7000) + " P absttl replace"},
		{words("PTTL a"), "7000", ""},
		{words("RESTORE a " + in(-1) + " P ABSTTL REPLACE"), "OK", "UNLINK a"},
		{words("EXISTS a"), "0", ""},
		{words("RESTORE a " + in(-1) + " P ABSTTL"), "OK", ""},
		{words("EXISTS a"), "0", ""},
		{words("RESTORE a -1 P"), badTTL, ""},
		{words("RESTORE a x P"), "-ERR value is not an integer or out of range", ""},
		{words("RESTORE a 9223372036854775807 P"), "-ERR invalid expire time in 'restore' command", ""},
		{words("RESTORE a 0 P NOSUCH"), "-ERR syntax error", ""},
		{words("RESTORE a 0 P IDLETIME"), "-ERR syntax error", ""},
		{words("RESTORE a 0 P IDLETIME 1 FREQ 1"), "-ERR syntax error", ""},
		{words("RESTORE a 0 P IDLETIME -1"), "-ERR Invalid IDLETIME value, must be >= 0", ""},
		{words("RESTORE a 0 P FREQ 256"), "-ERR Invalid FREQ value, must be >= 0 and <= 255", ""},
		{words("RESTORE a 0 P IDLETIME 1000"), "OK", "RESTORE a 0 P IDLETIME 1000"},
		{words("OBJECT IDLETIME a"), "1000", ""},
		{words("RESTORE a 0 garbage REPLACE"), "-ERR DUMP payload version or checksum are wrong", ""},
		{words("OBJECT IDLETIME a"), "1000", ""}, // what fails does not touch the key
		{words("RESTORE-ASKING b 0 P FREQ 5"), "OK", "RESTORE-ASKING b 0 P FREQ 5"},
	})
	want := "[g restore 0 a g restore 0 a g restore 0 a g restore 0 a g del 0 a g restore 0 a g restore 0 b]"
	if got := fmt.Sprint(s.Events); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

// TestRestoreFromPrimary: a replica keeps what its primary gave it, however late it is.
func TestRestoreFromPrimary(t *testing.T) {
	s := newServer(t)
	s.Primary().Raw("RESTORE", "a", in(-1000), payloadOf(t, "hello"), "ABSTTL")
	if got := s.Client().Do("DBSIZE"); got != "1" {
		t.Errorf("DBSIZE %s", got)
	}
}

func TestRestoreFailsTransactions(t *testing.T) {
	s := newServer(t)
	c, by := s.Client(), s.Client()
	c.Do("WATCH a")
	by.Value("RESTORE", "a", "0", payloadOf(t, "x"))
	c.Do("MULTI")
	c.Do("PING")
	if got := c.Do("EXEC"); got != "nil" {
		t.Errorf("EXEC: %s", got)
	}
}

// packedTwice is a hash of a listpack: a 1 a 2.
const packedTwice = "\x10\x11\x11\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81a\x02\x02\x01\xff"

// TestBadPayloads: what is wrong with a payload is told, and the key that was to be replaced stays.
func TestBadPayloads(t *testing.T) {
	const bad, format = "-ERR DUMP payload version or checksum are wrong", "-ERR Bad data format"
	good := payloadOf(t, "hello")
	body, version := good[:len(good)-10], uint16(rdb.DefaultVersion)
	for what, c := range map[string]struct{ payload, want string }{
		"nothing":              {"", bad},
		"a footer alone":       {good[len(good)-10:], bad},
		"a byte less":          {good[:len(good)-1], bad},
		"a byte more":          {good + "x", bad},
		"a newer version":      {seal(body, 99), bad},
		"no value":             {seal(body[:1], version), format},
		"a short value":        {seal(body[:3], version), format},
		"trailing bytes":       {seal(body+"x", version), format},
		"no such type":         {seal("\xf0"+body[1:], version), format},
		"a huge length":        {seal("\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xff", version), format},
		"a length over bound":  {seal("\x00\x80\x40\x00\x00\x00", version), format},
		"an LZF bomb":          {seal("\x00\xc3\x01\x80\x1f\xff\xff\xff\x00", version), format},
		"a module's value":     {seal("\x07\x01\x00", version), "-ERR RESTORE of a module is not built yet"},
		"an empty list":        {seal("\x01\x00", version), format},
		"an empty set":         {seal("\x02\x00", version), format},
		"an empty hash":        {seal("\x04\x00", version), format},
		"an empty sorted set":  {seal("\x05\x00", version), format},
		"an empty listpack":    {seal("\x10\x07\x07\x00\x00\x00\x00\x00\xff", version), format},
		"an empty intset":      {seal("\x0b\x08\x02\x00\x00\x00\x00\x00\x00\x00", version), format},
		"empty nodes":          {seal("\x12\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff", version), format},
		"an integer twice":     {seal("\x02\x02\x011\x011", version), format},
		"a member twice":       {seal("\x02\x03\x01a\x01b\x01a", version), format},
		"a long member twice":  {seal("\x02\x02"+strings.Repeat("\x40\x50"+strings.Repeat("x", 80), 2), version), format},
		"a field twice":        {seal("\x04\x02\x01a\x01b\x01a\x01c", version), format},
		"a scored one twice":   {seal("\x05\x02"+"\x01a\x00\x00\x00\x00\x00\x00\x00\x00"+"\x01a\x00\x00\x00\x00\x00\x00\x00\x40", version), format},
		"a packed field twice": {seal(packedTwice, version), format},
		"no number":            {seal("\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f", version), format},
		"a member too few":     {seal("\x02\x02\x01a", version), format},
		"more than claimed":    {seal("\x02\x01\x01a\x01b", version), format},
		"a huge count":         {seal("\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a", version), format},
	} {
		s := newServer(t)
		cl := s.Client()
		cl.Do("SET a old")
		s.Journal()
		if got := enginetest.Show(cl.Value("RESTORE", "a", "0", c.payload, "REPLACE")); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
		if got := cl.Do("GET a"); got != `"old"` || len(s.Journal()) > 0 {
			t.Errorf("%s: the key is now %s", what, got)
		}
	}
	for i := range good {
		s := newServer(t)
		flipped := []byte(good)
		flipped[i] ^= 1
		if got := enginetest.Show(s.Client().Value("RESTORE", "a", "0", string(flipped))); got != bad {
			t.Errorf("byte %d flipped: %s", i, got)
		}
	}
}

// seal puts a footer with a good checksum behind a payload's body.
func seal(body string, version uint16) string {
	b := binary.LittleEndian.AppendUint16([]byte(body), version)
	return string(binary.LittleEndian.AppendUint64(b, crc64(b)))
}

// crc64 is the checksum of RDB files, bit by bit: Jones' polynomial, reflected.
func crc64(b []byte) (crc uint64) {
	for _, c := range b {
		crc ^= uint64(c)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0x95ac9329ac4bc9b5
			}
		}
	}
	return crc
}

// TestRestoredOver: a key over which one is restored whose time is over is told as lazyfree-lazy-server-del wants it.
func TestRestoredOver(t *testing.T) {
	s := newServer(t)
	c, payload := s.Client(), payloadOf(t, "hello")
	for lazy, want := range map[bool]string{true: "UNLINK a", false: "DEL a"} {
		s.Engine.SetLazyDel(lazy)
		c.Do("SET a 1")
		s.Journal()
		c.Value("RESTORE", "a", in(-1), payload, "REPLACE", "ABSTTL")
		if got := s.Journal(); len(got) != 1 || got[0] != want {
			t.Errorf("lazy %v: %q", lazy, got)
		}
	}
}

// TestCorruptIsTold: what is wrong with a payload is told in the words of Redis' log.
func TestCorruptIsTold(t *testing.T) {
	var told []string
	c := enginetest.New(t, enginetest.Start, keydump.Commands(keydump.Config{Corrupt: func(what string) { told = append(told, what) }})...).Client()
	for _, body := range []string{"\x0c\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x01\x00\xff", "\x0b\x03abc", "\x02\x00"} {
		if got := enginetest.Show(c.Value("RESTORE", "k", "0", seal(body, 11))); got != "-ERR Bad data format" {
			t.Errorf("%q: %s", body, got)
		}
	}
	c.Value("RESTORE", "k", "0", "no payload at all")
	c.Value("RESTORE", "k", "0", seal("\x00\x01v", 11))
	want := []string{"Zset ziplist integrity check failed: ", "Intset integrity check failed: ", "Value integrity check failed: there are no elements"}
	if len(told) != len(want) {
		t.Fatalf("told: %q", told)
	}
	for i := range want {
		if !strings.HasPrefix(told[i], want[i]) {
			t.Errorf("told: %q", told[i])
		}
	}
}

// TestZipmapsValues: a hash of the oldest files is packed only if its values are short enough.
func TestZipmapsValues(t *testing.T) {
	c := newServer(t).Client()
	for long, want := range map[int]string{60: `"listpack"`, 70: `"hashtable"`} {
		val := strings.Repeat("v", long)
		blob := "\x01\x01a" + string(rune(long)) + "\x00" + val + "\xff"
		if got := enginetest.Show(c.Value("RESTORE", "h", "0", seal("\x09\x40"+string(rune(len(blob)))+blob, 11), "REPLACE")); got != "OK" {
			t.Fatal(got)
		}
		if got := c.Do("OBJECT ENCODING h"); got != want {
			t.Errorf("a value of %d bytes: %s", long, got)
		}
		if got := c.Do("HGET h a"); got != strconv.Quote(val) {
			t.Errorf("the value is %s", got)
		}
	}
}
