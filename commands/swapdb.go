package commands

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

func swapCommands() []*spec.Command {
	return []*spec.Command{{Name: "swapdb", Since: "4.0.0", Doc: "Swaps two databases.",
		Complex: "O(N) where N is the count of clients watching or blocking on keys from both databases.", Group: spec.Server, Arity: 3,
		Flags: spec.Write | spec.Fast, Categories: spec.CatKeyspace | spec.CatDangerous, Scope: spec.AllShards,
		Args: spec.Args(spec.Int("index1"), spec.Int("index2")), DatabaseArgs: spec.DatabasesAt(1, 2), Run: swapdbRun}}
}

// swapdbRun exchanges two databases; clients that have selected one of them find the other's keys in it.
func swapdbRun(c *spec.Call) {
	a, ok := dbNumber(c, c.Args[1], "first")
	if !ok {
		return
	}
	b, ok := dbNumber(c, c.Args[2], "second")
	if !ok {
		return
	}
	if most := int64(c.Engine.Space().Databases()); a < 0 || a >= most || b < 0 || b >= most {
		c.Out.Error(errDBRange)
		return
	}
	c.Engine.SwapDB(int(a), int(b))
	c.Engine.Dirty(1)
	c.Out.OK()
}

// dbNumber reads a number that a database might have; false after it has answered that it cannot be one.
func dbNumber(c *spec.Call, arg []byte, which string) (int64, bool) {
	n, ok := resp.ParseInt(arg)
	if !ok || n < math.MinInt32 || n > math.MaxInt32 {
		c.Out.Error("ERR invalid " + which + " DB index")
		return 0, false
	}
	return n, true
}
