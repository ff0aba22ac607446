package keydump_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/rdb"
)

// TestPayloadsWithRedis: larder restores what redis-server 7.0.15 dumps, and, of version 10, which that one reads, the other way round.
func TestPayloadsWithRedis(t *testing.T) {
	s := newServer(t)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	for _, v := range values() {
		real.Value("SET", "k", v)
		c.Value("RESTORE", "k", "0", string(real.Value("DUMP", "k").Str), "REPLACE")
		if got := string(c.Value("GET", "k").Str); got != v {
			t.Errorf("%.50q of redis: %.50q", v, got)
		}
		_, val, err := rdb.OpenDump(c.Value("DUMP", "k").Str, rdb.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		old, err := rdb.DumpValue(val, rdb.WriterOptions{Version: 10, Compress: true})
		if err != nil {
			t.Fatal(err)
		}
		real.Value("RESTORE", "k", "0", string(old), "REPLACE")
		if got := string(real.Value("GET", "k").Str); got != v {
			t.Errorf("%.50q of larder: %.50q", v, got)
		}
	}
}

// TestRestoreAsRedis gives both the same random calls of RESTORE, right and wrong, and compares replies and what is then there. (Redis
// looks neither for bytes behind the value, nor whether a value that is too short goes on in the footer.)
func TestRestoreAsRedis(t *testing.T) {
	s := newServer(t)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	r := rand.New(rand.NewPCG(20261121, 9))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for i := range 3000 {
		payload := seal(pick("\x00\x05hello", "\x00\xc0\x07", "\x00\x00", "\x00\xc3\x01\x02a", "\xf0\x00"), uint16(1+r.IntN(10)))
		if r.IntN(8) == 0 {
			payload = payload[:r.IntN(len(payload))]
		}
		args := []string{pick("RESTORE", "restore-asking"), "key:" + strconv.Itoa(r.IntN(4)), pick("0", "0", "100000000", "-1", "x", ""), payload}
		for r.IntN(2) == 0 {
			args = append(args, pick("REPLACE", "replace", "ABSTTL", "IDLETIME", "FREQ", "0", "5", "-1", "256", "x"))
		}
		if r.IntN(6) == 0 {
			args = []string{"DEL", args[1]}
		}
		for _, args := range [][]string{args, {"GET", args[1]}, {"OBJECT", "ENCODING", args[1]}} {
			if ours, theirs := c.Raw(args...), real.Raw(args...); string(ours) != string(theirs) {
				t.Fatalf("call %d, %q:\n  ours %q\ntheirs %q", i, args, ours, theirs)
			}
		}
	}
}
