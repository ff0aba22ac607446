package commands

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

func numberCommands() []*spec.Command {
	count := func(name, since, doc string, arity int, by []spec.Arg, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(1)", Group: spec.String, Arity: arity,
			Flags: spec.Write | spec.DenyOOM | spec.Fast, Keys: spec.One(1, spec.RW|spec.Reads|spec.Updates),
			Args: append(spec.Args(keyArg), by...), Run: run}
	}
	return []*spec.Command{
		count("incr", "1.0.0", "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", 2, nil,
			func(c *spec.Call) { add(c, 1) }),
		count("decr", "1.0.0", "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", 2, nil,
			func(c *spec.Call) { add(c, -1) }),
		count("incrby", "1.0.0", "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.", 3,
			spec.Args(spec.Int("increment")), incrbyRun),
		count("decrby", "1.0.0", "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.", 3,
			spec.Args(spec.Int("decrement")), decrbyRun),
		count("incrbyfloat", "2.6.0", "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.", 3,
			spec.Args(spec.Double("increment")), incrbyfloatRun),
	}
}

func incrbyRun(c *spec.Call) {
	if n, ok := c.Int(c.Args[2]); ok {
		add(c, n)
	}
}

func decrbyRun(c *spec.Call) {
	n, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	if n == math.MinInt64 {
		c.Out.Error("ERR decrement would overflow")
		return
	}
	add(c, -n)
}

func add(c *spec.Call, by int64) {
	k := c.Key(0)
	n, ok := integer(c, c.Engine.Write(k))
	if !ok {
		return
	}
	if (by < 0 && n < math.MinInt64-by) || (by > 0 && n > math.MaxInt64-by) {
		c.Out.Error(spec.ErrOverflow)
		return
	}
	n += by
	k.DB.SetInt(k.Hash, k.Name, n, keyspace.KeepTTL)
	changed(c, k, eventString, "incrby")
	c.Out.Int(n)
}

// integer reads a string as an integer, 0 if there is none; false after it has answered the error.
func integer(c *spec.Call, ent keyspace.Entry) (int64, bool) {
	if !ent.Found() {
		return 0, true
	}
	if !isString(c, ent) {
		return 0, false
	}
	if n, ok := ent.Int(); ok {
		return n, true
	}
	var scratch [value.MaxIntLen]byte
	return c.Int(ent.String(&scratch))
}

func incrbyfloatRun(c *spec.Call) {
	k := c.Key(0)
	ent := c.Engine.Write(k)
	var n resp.LongDouble
	if ent.Found() {
		if !isString(c, ent) {
			return
		}
		var scratch [value.MaxIntLen]byte
		var ok bool
		if n, ok = resp.ParseLongDouble(ent.String(&scratch)); !ok {
			c.Out.Error(spec.ErrNotFloat)
			return
		}
	}
	by, ok := resp.ParseLongDouble(c.Args[2])
	if !ok {
		c.Out.Error(spec.ErrNotFloat)
		return
	}
	n = n.Add(by)
	if !n.Finite() {
		c.Out.Error("ERR increment would produce NaN or Infinity")
		return
	}
	text := n.Append(nil)
	k.DB.SetText(k.Hash, k.Name, text, keyspace.KeepTTL) // also a sum that is an integer
	changed(c, k, eventString, "incrbyfloat")
	// The sum goes on, not the addition: a replica that counts otherwise must not differ.
	c.Engine.Propagate(wordSet, k.Name, text, wordKeepTTL)
	c.Out.Bulk(text)
}
