package commands_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

func TestLCS(t *testing.T) {
	runSteps(t, []step{
		{"LCS a b", `""`, nil},
		{"LCS a b LEN", "0", nil},
		{"LCS a b IDX", `["matches" [] "len" 0]`, nil},
		{"MSET a ohmytext b mynewtext n 12345", "OK", []string{"MSET a ohmytext b mynewtext n 12345"}},
		{"LCS a b", `"mytext"`, nil},
		{"LCS a b LEN", "6", nil},
		{"LCS a b LEN WITHMATCHLEN", "6", nil},
		{"LCS a b IDX", `["matches" [[[4 7] [5 8]] [[2 3] [0 1]]] "len" 6]`, nil},
		{"LCS a b idx MinMatchLen 4 WITHMATCHLEN", `["matches" [[[4 7] [5 8] 4]] "len" 6]`, nil},
		{"LCS a b IDX MINMATCHLEN -1", `["matches" [[[4 7] [5 8]] [[2 3] [0 1]]] "len" 6]`, nil},
		{"LCS a b IDX MINMATCHLEN", "-ERR syntax error", nil},
		{"LCS a b IDX MINMATCHLEN x", "-ERR value is not an integer or out of range", nil},
		{"LCS a b IDX LEN", "-ERR If you want both the length and indexes, please just use IDX.", nil},
		{"LCS n n", `"12345"`, nil},
	})
}

// TestLCSBounds: how long LCS may hold its shards does not depend on what it is given.
func TestLCSBounds(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SETRANGE a 19999 x")
	c.Do("SETRANGE b 6700 x")
	const tooMuch = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
	if got := c.Do("LCS a b LEN"); got != "6701" {
		t.Errorf("just within the bound: %s", got)
	}
	c.Do("APPEND b 0123456789")
	if got := c.Do("LCS a b LEN"); got != tooMuch {
		t.Errorf("just beyond the bound: %s", got)
	}
	s.Engine.SetMaxString(1 << 40)
	if got := c.Do("LCS a b LEN"); got != "-ERR Insufficient memory, failed allocating transient memory for LCS" {
		t.Errorf("beyond larder's own bound: %s", got)
	}
	s.Engine.SetMaxString(1 << 20)
	c.Do("SET b xyz")
	c.Do("SETRANGE a 70000 x")
	if got := c.Do("LCS a b LEN"); got != tooMuch {
		t.Errorf("with a small proto-max-bulk-len: %s", got)
	}
}

// TestLCSAsRedis compares, over strings of few letters, which have many common subsequences of the greatest length, and of
// lengths around those of the words that LCS works with.
func TestLCSAsRedis(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	r := rand.New(rand.NewPCG(*seed, 7))
	lengths := []int{0, 1, 2, 5, 63, 64, 65, 127, 128, 129, 200}
	for range 300 {
		alphabet := "abcdefgh"[:1+r.IntN(8)]
		word := func() string {
			var b strings.Builder
			for range lengths[r.IntN(len(lengths))] {
				b.WriteByte(alphabet[r.IntN(len(alphabet))])
			}
			return b.String()
		}
		set := []string{"MSET", "a", word(), "b", word()}
		c.Raw(set...)
		real.Raw(set...)
		for _, args := range [][]string{{"LCS", "a", "b"}, {"LCS", "a", "b", "LEN"}, {"LCS", "a", "b", "IDX", "WITHMATCHLEN"},
			{"LCS", "a", "b", "IDX", "MINMATCHLEN", fmt.Sprint(r.IntN(5))}} {
			if ours, theirs := c.Raw(args...), real.Raw(args...); string(ours) != string(theirs) {
				t.Fatalf("%q after %q:\n  ours %q\ntheirs %q", args, set, ours, theirs)
			}
		}
	}
}
