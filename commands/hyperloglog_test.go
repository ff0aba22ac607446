package commands_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
)

const (
	notHLL     = "-WRONGTYPE Key is not a valid HyperLogLog string value."
	corruptHLL = "-INVALIDOBJ Corrupted HLL object detected"
)

func TestHyperLogLog(t *testing.T) {
	s := runSteps(t, []step{
		{"PFADD h", "1", []string{"PFADD h"}},
		{"PFADD h", "0", nil},
		{"PFCOUNT h", "0", []string{"PFCOUNT h"}},
		{"PFCOUNT h", "0", nil},
		{"PFADD h a b c", "1", []string{"PFADD h a b c"}},
		{"PFADD h a b c a", "0", nil},
		{"EXPIRE h 100", "1", []string{"PEXPIREAT h " + in(100_000)}},
		{"PFADD h d", "1", []string{"PFADD h d"}},
		{"TTL h", "100", nil},
		{"PFCOUNT h none", "4", nil},
		{"PFCOUNT none", "0", nil},
		{"PFCOUNT none none", "0", nil},
		{"PFADD g d e f", "1", []string{"PFADD g d e f"}},
		{"PFCOUNT h g none", "6", nil},
		{"PFMERGE m h none g", "OK", []string{"PFMERGE m h none g"}},
		{"PFCOUNT m", "6", []string{"PFCOUNT m"}},
		{"PFMERGE m", "OK", []string{"PFMERGE m"}},
		{"PFMERGE new", "OK", []string{"PFMERGE new"}},
		{"PFDEBUG ENCODING m", "sparse", nil},
		{"PFDEBUG DECODE new", `"Z:16384"`, nil},
		{"PFDEBUG TODENSE new", "1", []string{"PFDEBUG TODENSE new"}},
		{"PFDEBUG TODENSE new", "0", nil},
		{"PFDEBUG ENCODING new", "dense", nil},
		{"PFDEBUG DECODE new", "-ERR HLL encoding is not sparse", nil},
		{"PFDEBUG NOSUCH new", "-ERR Unknown PFDEBUG subcommand 'NOSUCH'", nil},
		{"PFDEBUG ENCODING none", "-ERR The specified key does not exist", nil},
		{"PFMERGE m new", "OK", []string{"PFMERGE m new"}},
		{"PFDEBUG ENCODING m", "dense", nil},
		{"PFADD m a b c d e f", "0", nil},
		{"PFADD m g", "1", []string{"PFADD m g"}},
		{"PFCOUNT m", "7", []string{"PFCOUNT m"}},
		{"PFSELFTEST", "OK", nil},
	})
	if got := strings.Join(s.Events, ","); !strings.HasPrefix(got, "$ pfadd 0 h,$ pfadd 0 h,g expire 0 h,$ pfadd 0 h,$ pfadd 0 g,$ pfadd 0 m") {
		t.Errorf("events %s", got)
	}
}

// TestHyperLogLogCrafted: strings that are none, or corrupt (CVE-2019-10192, CVE-2025-32023), are refused in Redis' words, and stay
// as they are.
func TestHyperLogLogCrafted(t *testing.T) {
	const head = "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
	for name, s := range map[string]struct{ value, want string }{
		"a word":                 {"hello", notHLL},
		"a number":               {"12345678901234567", notHLL},
		"short":                  {head[:15], notHLL},
		"of encoding 2":          {"HYLL\x02" + head[5:], notHLL},
		"short dense":            {"HYLL\x00" + head[5:] + strings.Repeat("\x00", 12287), notHLL},
		"long dense":             {"HYLL\x00" + head[5:] + strings.Repeat("\x00", 12289), notHLL},
		"without runs":           {head, corruptHLL},
		"too few registers":      {head + "\x7f\xfe", corruptHLL},
		"too many registers":     {head + "\x7f\xff\x00", corruptHLL},
		"far too many registers": {head + strings.Repeat("\x7f\xff", 131_072) + "\xff", corruptHLL},
		"cut off":                {head + "\x7f", corruptHLL},
	} {
		server := enginetest.New(t, enginetest.Start)
		c := server.Client()
		c.Raw("SET", "k", s.value)
		c.Do("PFADD other x")
		for _, line := range []string{"PFCOUNT k", "PFCOUNT other k", "PFMERGE to k other", "PFMERGE k other", "PFDEBUG GETREG k", "PFDEBUG TODENSE k", "PFDEBUG DECODE k"} {
			if got := c.Do(line); got != s.want {
				t.Errorf("%s: %s: %s, want %s", name, line, got, s.want)
			}
		}
		if got := c.Do("PFADD k"); s.want == notHLL && got != notHLL {
			t.Errorf("%s: PFADD: %s", name, got)
		}
		if got := c.Value("GET", "k"); string(got.Str) != s.value {
			t.Errorf("%s: has changed", name)
		}
	}
}

// TestHyperLogLogAsRedis: the same commands leave the same bytes, as GET and DUMP show them, whatever hll-sparse-max-bytes is; and what
// has grown there is gone on with here.
func TestHyperLogLogAsRedis(t *testing.T) {
	s := enginetest.New(t, enginetest.Start, keydump.Commands(keydump.Config{})...)
	c, real := s.Client(), enginetest.StartRedis(t, "--rdbcompression", "no").Dial()
	r := rand.New(rand.NewPCG(*seed, 13))
	both := func(args ...string) []byte {
		ours, theirs := c.Raw(args...), real.Raw(args...)
		if string(ours) != string(theirs) {
			t.Fatalf("%q:\n  ours %q\ntheirs %q", args, ours, theirs)
		}
		return ours
	}
	key := func() string { return fmt.Sprintf("h%d", r.IntN(4)) }
	dense := 0
	for _, most := range []int{0, 20, 100, 300, 3000, 16_000} {
		both("FLUSHALL")
		real.Raw("CONFIG", "SET", "hll-sparse-max-bytes", strconv.Itoa(most))
		s.Engine.SetHLLSparse(int64(most))
		for range 400 {
			switch r.IntN(10) {
			case 0:
				both("PFCOUNT", key())
			case 1:
				both("PFCOUNT", key(), key(), "none")
			case 2:
				both("PFMERGE", key(), key(), key())
			case 3:
				moveBoth(t, c, real, key(), key())
			case 4:
				both("DEL", key())
			default:
				both(elements(r, key())...)
			}
			k := key()
			both("GET", k)
			if d := dumpBody(c, real, k); d[0] != d[1] {
				t.Fatalf("%s is dumped as\n%q\n%q", k, d[0], d[1])
			}
			both("OBJECT", "ENCODING", k)
			if string(both("PFDEBUG", "ENCODING", k)) == "+dense\r\n" {
				dense++
			} else {
				both("PFDEBUG", "DECODE", k)
			}
		}
		both("PFDEBUG", "GETREG", "h1")
		both("PFDEBUG", "GETREG", "h2")
	}
	if dense < 500 || dense > 2000 {
		t.Errorf("%d of 2400 looks were at dense ones: too few of a kind", dense)
	}
}

// elements is a PFADD of random ones, of all lengths that the hash takes differently.
func elements(r *rand.Rand, key string) []string {
	args := []string{"PFADD", key}
	for range []int{1, 5, 40, 400}[r.IntN(4)] {
		word := strconv.FormatUint(r.Uint64(), 36) + strings.Repeat("long", r.IntN(3))
		args = append(args, word[:r.IntN(len(word)+1)])
	}
	return args
}

// dumpBody is what DUMP gives on both sides without the version and the checksum, which are each server's own.
func dumpBody(c *enginetest.Client, real *enginetest.Peer, key string) (body [2]string) {
	for i, v := range []string{string(c.Value("DUMP", key).Str), string(real.Value("DUMP", key).Str)} {
		body[i] = v[:max(len(v)-10, 0)]
	}
	return body
}

// moveBoth gives ours what redis-server has dumped, and has it go on with a copy of its own.
func moveBoth(t *testing.T, c *enginetest.Client, real *enginetest.Peer, from, to string) {
	t.Helper()
	payload := real.Value("DUMP", from)
	if len(payload.Str) == 0 || from == to {
		return
	}
	for _, got := range []string{enginetest.Show(c.Value("RESTORE", to, "0", string(payload.Str), "REPLACE")),
		enginetest.Show(real.Value("RESTORE", to, "0", string(payload.Str), "REPLACE"))} {
		if got != "OK" {
			t.Fatalf("RESTORE: %s", got)
		}
	}
}

// TestWatchedHLL: PFDEBUG's change of the encoding is nothing to those who watch the key; PFADD's is.
func TestWatchedHLL(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, other := s.Client(), s.Client()
	for _, tt := range [][2]string{{"PFDEBUG GETREG k", "[1]"}, {"PFDEBUG TODENSE k", "[1]"}, {"PFADD k b", "nil"}} {
		c.Do("DEL k")
		c.Do("PFADD k a")
		c.Do("WATCH k")
		other.Do(tt[0])
		c.Do("MULTI")
		c.Do("PFCOUNT k")
		if got := c.Do("EXEC"); got != tt[1] {
			t.Errorf("%s: EXEC answers %s, want %s", tt[0], got, tt[1])
		}
	}
}
