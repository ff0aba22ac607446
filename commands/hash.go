package commands

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

func hashCommands() []*spec.Command {
	const write, read = spec.Write | spec.DenyOOM | spec.Fast, spec.ReadOnly
	field, fields := spec.Str("field"), spec.Many(spec.Str("field"))
	data := spec.Many(spec.Block("data", field, spec.Str("value")))
	seen, peeked := spec.One(1, spec.RO|spec.Reads), spec.One(1, spec.RO)
	updates, counts := spec.One(1, spec.RW|spec.Updates), spec.One(1, spec.RW|spec.Reads|spec.Updates)
	whole := func(name, doc string, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: "2.0.0", Doc: doc, Complex: "O(N) where N is the size of the hash.", Group: spec.Hash, Arity: 2, Flags: read,
			Keys: seen, Args: spec.Args(keyArg), Tips: []string{"nondeterministic_output_order"}, Run: run}
	}
	return []*spec.Command{
		{Name: "hset", Since: "2.0.0", Doc: "Creates or modifies the value of a field in a hash.",
			Complex: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
			Group:   spec.Hash, Arity: -4, Flags: write, Keys: updates, Args: spec.Args(keyArg, data),
			History: [][2]string{{"4.0.0", "Accepts multiple `field` and `value` arguments."}}, Run: hsetRun},
		{Name: "hmset", Since: "2.0.0", Doc: "Sets the values of multiple fields.", Complex: "O(N) where N is the number of fields being set.", Group: spec.Hash,
			Arity: -4, Flags: write, Keys: updates, Args: spec.Args(keyArg, data), Deprecated: "4.0.0", Instead: "`HSET` with multiple field-value pairs", Run: hmsetRun},
		{Name: "hsetnx", Since: "2.0.0", Doc: "Sets the value of a field in a hash only when the field doesn't exist.", Complex: "O(1)", Group: spec.Hash, Arity: 4,
			Flags: write, Keys: spec.One(1, spec.RW|spec.Inserts), Args: spec.Args(keyArg, field, spec.Str("value")), Run: hsetnxRun},
		{Name: "hget", Since: "2.0.0", Doc: "Returns the value of a field in a hash.", Complex: "O(1)", Group: spec.Hash, Arity: 3, Flags: read | spec.Fast,
			Keys: seen, Args: spec.Args(keyArg, field), Run: hgetRun},
		{Name: "hmget", Since: "2.0.0", Doc: "Returns the values of all fields in a hash.", Complex: "O(N) where N is the number of fields being requested.",
			Group: spec.Hash, Arity: -3, Flags: read | spec.Fast, Keys: seen, Args: spec.Args(keyArg, fields), Run: hmgetRun},
		{Name: "hdel", Since: "2.0.0", Doc: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
			Complex: "O(N) where N is the number of fields to be removed.", Group: spec.Hash, Arity: -3, Flags: spec.Write | spec.Fast,
			Keys: spec.One(1, spec.RW|spec.Deletes), Args: spec.Args(keyArg, fields), History: [][2]string{{"2.4.0", "Accepts multiple `field` arguments."}}, Run: hdelRun},
		{Name: "hlen", Since: "2.0.0", Doc: "Returns the number of fields in a hash.", Complex: "O(1)", Group: spec.Hash, Arity: 2, Flags: read | spec.Fast,
			Keys: peeked, Args: spec.Args(keyArg), Run: hlenRun},
		{Name: "hstrlen", Since: "3.2.0", Doc: "Returns the length of the value of a field.", Complex: "O(1)", Group: spec.Hash, Arity: 3, Flags: read | spec.Fast,
			Keys: peeked, Args: spec.Args(keyArg, field), Run: hstrlenRun},
		{Name: "hexists", Since: "2.0.0", Doc: "Determines whether a field exists in a hash.", Complex: "O(1)", Group: spec.Hash, Arity: 3, Flags: read | spec.Fast,
			Keys: peeked, Args: spec.Args(keyArg, field), Run: hexistsRun},
		{Name: "hincrby", Since: "2.0.0", Doc: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.",
			Complex: "O(1)", Group: spec.Hash, Arity: 4, Flags: write, Keys: counts, Args: spec.Args(keyArg, field, spec.Int("increment")), Run: hincrbyRun},
		{Name: "hincrbyfloat", Since: "2.6.0", Doc: "Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.",
			Complex: "O(1)", Group: spec.Hash, Arity: 4, Flags: write, Keys: counts, Args: spec.Args(keyArg, field, spec.Double("increment")), Run: hincrbyfloatRun},
		whole("hgetall", "Returns all fields and values in a hash.", hgetallRun),
		whole("hkeys", "Returns all fields in a hash.", hkeysRun),
		whole("hvals", "Returns all values in a hash.", hvalsRun),
		{Name: "hrandfield", Since: "6.2.0", Doc: "Returns one or more random fields from a hash.", Complex: "O(N) where N is the number of fields returned",
			Group: spec.Hash, Arity: -2, Flags: read, Keys: seen, Tips: tipRandom,
			Args: spec.Args(keyArg, spec.Opt(spec.Block("options", spec.Int("count"), spec.Opt(spec.Token("WITHVALUES"))))), Run: hrandfieldRun},
		{Name: "hscan", Since: "2.8.0", Doc: "Iterates over fields and values of a hash.",
			Complex: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. " +
				"N is the number of elements inside the collection.",
			Group: spec.Hash, Arity: -3, Flags: read, Keys: seen, Tips: tipRandom,
			Args: spec.Args(keyArg, spec.Int("cursor"), spec.Opt(spec.After("MATCH", spec.Pattern("pattern"))), spec.Opt(spec.After("COUNT", spec.Int("count"))),
				spec.Opt(spec.Token("NOVALUES"))), Run: hscanRun},
	}
}

// isType reports whether an entry that was found is of a type; false after it has answered WRONGTYPE.
func isType(c *spec.Call, ent keyspace.Entry, t value.Type) bool {
	if ent.Type() == t {
		return true
	}
	c.Out.Error(spec.ErrWrongType)
	return false
}

func collKey(k *spec.KeyRef) collection.Key {
	return collection.Key{DB: k.DB, Hash: k.Hash, Name: k.Name}
}

// openHash opens the hash that was found under a key, or an empty one; false after it has answered WRONGTYPE.
func openHash(c *spec.Call, h *collection.Hash, ent keyspace.Entry) bool {
	if ent.Found() && !isType(c, ent, value.Hash) {
		return false
	}
	h.Open(collKey(c.Key(0)), ent)
	h.Now(overBefore(c))
	return true
}

func readHash(c *spec.Call, h *collection.Hash) bool {
	return openHash(c, h, c.Engine.Read(c.Key(0)))
}

func writeHash(c *spec.Call, h *collection.Hash) bool {
	return openHash(c, h, c.Engine.Write(c.Key(0)))
}

// hashChanged ends n changes of a hash.
func hashChanged(c *spec.Call, h *collection.Hash, event string, n int) {
	deleted := h.Commit()
	changed(c, c.Key(0), eventHash, event)
	c.Engine.Dirty(n - 1)
	if deleted {
		c.Engine.Notify(eventGeneric, "del", c.Key(0))
	}
}

func hsetRun(c *spec.Call) {
	if created, ok := hset(c); ok {
		c.Out.Int(int64(created))
	}
}

func hmsetRun(c *spec.Call) {
	if _, ok := hset(c); ok {
		c.Out.OK()
	}
}

func hset(c *spec.Call) (created int, ok bool) {
	if len(c.Args)%2 != 0 {
		badArity(c)
		return 0, false
	}
	var h collection.Hash
	if !writeHash(c, &h) {
		return 0, false
	}
	pairs, over := c.Args[2:], 0
	h.Fits(pairs)
	timed := h.Volatile() > 0
	for i := 0; i < len(pairs); i += 2 {
		was := timed && fieldOver(c, &h, pairs[i])
		if h.Set(pairs[i], pairs[i+1]) || was {
			created++
		}
		if was {
			over++
		}
	}
	fieldsOver(c, over)
	hashChanged(c, &h, "hset", len(pairs)/2)
	return created, true
}

func hsetnxRun(c *spec.Call) {
	var h collection.Hash
	if !writeHash(c, &h) {
		return
	}
	if _, there := h.Get(c.Args[2]); there {
		c.Out.Int(0)
		return
	}
	h.Fits(c.Args[2:])
	timed := h.Volatile() > 0
	setField(c, &h, "hset", c.Args[3], keyspace.NoExpiry)
	if timed { // a replica may still have the field
		c.Engine.Propagate(wordHSet, c.Args[1], c.Args[2], c.Args[3])
	}
	c.Out.Int(1)
}

func hgetRun(c *spec.Call) {
	var h collection.Hash
	if readHash(c, &h) {
		replyField(c, &h, c.Args[2])
	}
}

func replyField(c *spec.Call, h *collection.Hash, field []byte) {
	if val, ok := h.Get(field); ok {
		c.Out.Bulk(val)
	} else {
		c.Out.Null()
	}
}

func hmgetRun(c *spec.Call) {
	var h collection.Hash
	if !readHash(c, &h) {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, field := range c.Args[2:] {
		replyField(c, &h, field)
	}
}

func hdelRun(c *spec.Call) {
	var h collection.Hash
	if !writeHash(c, &h) {
		return
	}
	n := 0
	for _, field := range c.Args[2:] {
		if deleteField(&h, field) {
			n++
		}
	}
	if n > 0 {
		hashChanged(c, &h, "hdel", n)
	}
	c.Out.Int(int64(n))
}

func hlenRun(c *spec.Call) {
	var h collection.Hash
	if readHash(c, &h) {
		c.Out.Int(int64(h.Len()))
	}
}

func hstrlenRun(c *spec.Call) {
	var h collection.Hash
	if readHash(c, &h) {
		val, _ := h.Get(c.Args[2])
		c.Out.Int(int64(len(val)))
	}
}

func hexistsRun(c *spec.Call) {
	var h collection.Hash
	if !readHash(c, &h) {
		return
	}
	n := int64(0)
	if _, ok := h.Get(c.Args[2]); ok {
		n = 1
	}
	c.Out.Int(n)
}

func hincrbyRun(c *spec.Call) {
	by, ok := c.Int(c.Args[3])
	var h collection.Hash
	if !ok || !writeHash(c, &h) {
		return
	}
	n := int64(0)
	val, at, there := h.Look(c.Args[2])
	if there {
		if n, ok = resp.ParseInt(val); !ok {
			c.Out.Error("ERR hash value is not an integer")
			return
		}
	}
	if by < 0 && n < math.MinInt64-by || by > 0 && n > math.MaxInt64-by {
		c.Out.Error(spec.ErrOverflow)
		return
	}
	timed, sum := h.Volatile() > 0, decimal(n+by)
	setField(c, &h, "hincrby", sum, at)
	if timed { // what the field is on a replica by then is not known
		propagateField(c, sum, at)
	}
	c.Out.Int(n + by)
}

func hincrbyfloatRun(c *spec.Call) {
	by, ok := resp.ParseLongDouble(c.Args[3])
	if !ok {
		c.Out.Error(spec.ErrNotFloat)
		return
	}
	if !by.Finite() {
		c.Out.Error("ERR value is NaN or Infinity")
		return
	}
	var h collection.Hash
	if !writeHash(c, &h) {
		return
	}
	var n resp.LongDouble
	val, at, there := h.Look(c.Args[2])
	if there {
		if n, ok = resp.ParseLongDouble(val); !ok {
			c.Out.Error("ERR hash value is not a float")
			return
		}
	}
	if n = n.Add(by); !n.Finite() {
		c.Out.Error("ERR increment would produce NaN or Infinity")
		return
	}
	text := n.Append(nil)
	setField(c, &h, "hincrbyfloat", text, at)
	propagateField(c, text, at) // the sum, not the addition: a replica that counts otherwise must not differ
	c.Out.Bulk(text)
}

func hgetallRun(c *spec.Call) {
	var h collection.Hash
	if !readHash(c, &h) {
		return
	}
	c.Out.Map(h.Live())
	h.Each(func(field, val []byte) bool {
		c.Out.Bulk(field)
		c.Out.Bulk(val)
		return true
	})
}

func hkeysRun(c *spec.Call) {
	eachOfHash(c, func(field, _ []byte) { c.Out.Bulk(field) })
}

func hvalsRun(c *spec.Call) {
	eachOfHash(c, func(_, val []byte) { c.Out.Bulk(val) })
}

func eachOfHash(c *spec.Call, tell func(field, val []byte)) {
	var h collection.Hash
	if !readHash(c, &h) {
		return
	}
	c.Out.Array(h.Live())
	h.Each(func(field, val []byte) bool {
		tell(field, val)
		return true
	})
}

func hscanRun(c *spec.Call) {
	scanElements(c, value.Hash, func(s *elementScan, ent keyspace.Entry) uint64 {
		var h collection.Hash
		h.Open(collKey(c.Key(0)), ent)
		h.Now(overBefore(c))
		return h.Scan(s.cursor, s.count, func(field, val []byte) {
			if !s.wants(field) {
				return
			}
			if s.tell(field); !s.noValues {
				s.tell(val)
			}
		})
	})
}

func hrandfieldRun(c *spec.Call) {
	if len(c.Args) > 2 {
		hrandfieldMany(c)
		return
	}
	var h collection.Hash
	if !readHash(c, &h) {
		return
	}
	if h.Live() == 0 {
		c.Out.Null()
		return
	}
	h.Random(c.Engine.Rand, func(field, _ []byte) { c.Out.Bulk(field) })
}

func hrandfieldMany(c *spec.Call) {
	n, with, ok := randomCount(c, "withvalues")
	var h collection.Hash
	if !ok || !readHash(c, &h) {
		return
	}
	live := h.Live()
	if n == 0 || live == 0 {
		c.Out.EmptyArray()
		return
	}
	tell := func(field, val []byte) {
		if with && c.Out.Proto > 2 {
			c.Out.Array(2)
		}
		if c.Out.Bulk(field); with {
			c.Out.Bulk(val)
		}
	}
	total := min(max(n, -n), int64(live))
	if n < 0 {
		if total = -n; !mayRepeat(c, total) {
			return
		}
	}
	if with && c.Out.Proto == 2 {
		c.Out.Array(int(2 * total))
	} else {
		c.Out.Array(int(total))
	}
	if n > 0 {
		h.RandomDistinct(int(total), c.Engine.Rand, tell)
		return
	}
	repeat(c, total, func() { h.Random(c.Engine.Rand, tell) })
}
