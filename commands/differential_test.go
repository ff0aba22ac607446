package commands_test

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// Random commands of all kinds are compared in test/differential.
var seed = flag.Uint64("seed", 20261121, "seed of what is random")

// TestUnknownAsRedis: what is said of a command that does not exist quotes it, within bounds.
func TestUnknownAsRedis(t *testing.T) {
	c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
	long := strings.Repeat("x", 200)
	for _, args := range [][]string{{"PFADD", "hll", "a"}, {"SET", "k", "v"}} {
		c.Value(args...)
		real.Value(args...)
	}
	for _, args := range [][]string{{"nosuch"}, {"nosuch", "a", "b"}, {long, long}, {"nosuch", long[:60], long[:60], "c", "d"}, {"no\x00such", "a\x00b", ""},
		{"nosuch", "", "\r\n", long[:119], "d"}, {"OBJECT", "no\x00such", "k"}, {"PFDEBUG", "no\x00such", "hll"}, {"EXPIRE", "k", "9", "no\x00such"},
		{"FUNCTION", "LOAD", "no\x00such", "x"}, {"FUNCTION", "LIST", "no\x00such"}, {"HELLO", "2", "no\x00such"}, {"OBJECT", long, "k"}, {"OBJECT"}} {
		if ours, theirs := c.Raw(args...), real.Raw(args...); !bytes.Equal(ours, theirs) {
			t.Errorf("%q:\n  ours %q\ntheirs %q", args, ours, theirs)
		}
	}
}
