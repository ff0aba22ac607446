package commands

import (
	"bytes"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

const (
	notHLL     = "WRONGTYPE Key is not a valid HyperLogLog string value."
	corruptHLL = "INVALIDOBJ Corrupted HLL object detected"
)

func hllCommands() []*spec.Command {
	const write = spec.Write | spec.DenyOOM
	return []*spec.Command{
		{Name: "pfadd", Since: "2.8.9", Doc: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.", Complex: "O(1) to add every element.",
			Group: spec.HyperLogLog, Arity: -2, Flags: write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Inserts),
			Args: spec.Args(keyArg, spec.Opt(spec.Many(spec.Str("element")))), Run: pfaddRun},
		{Name: "pfcount", Since: "2.8.9", Doc: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
			Complex: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger " +
				"constant times, when called with multiple keys.",
			Group: spec.HyperLogLog, Arity: -2, Flags: spec.ReadOnly | spec.MayReplicate,
			Keys: spec.Keys{{Notes: "RW because it may change the internal representation of the key, and propagate to replicas", Begin: spec.Begin{At: 1},
				Find: spec.Find{Last: -1, Step: 1}, Access: spec.RW | spec.Reads}},
			Args: spec.Args(spec.Many(keyArg)), Run: pfcountRun},
		{Name: "pfmerge", Since: "2.8.9", Doc: "Merges one or more HyperLogLog values into a single key.",
			Complex: "O(N) to merge N HyperLogLogs, but with high constant times.", Group: spec.HyperLogLog, Arity: -2, Flags: write,
			Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{Step: 1}, Access: spec.RW | spec.Reads | spec.Inserts},
				{Begin: spec.Begin{At: 2}, Find: spec.Find{Last: -1, Step: 1}, Access: spec.RO | spec.Reads}},
			Args: spec.Args(spec.Key("destkey"), spec.Opt(spec.Many(spec.Arg{Name: "sourcekey", Type: spec.TypeKey, KeySpec: 1}))), Run: pfmergeRun},
		{Name: "pfdebug", Since: "2.8.9", Doc: "Internal commands for debugging HyperLogLog values.", Complex: "N/A", Group: spec.HyperLogLog, Arity: 3,
			Flags: write | spec.Admin, Internal: true, Keys: spec.One(2, spec.RW|spec.Reads), Args: spec.Args(spec.Str("subcommand"), keyArg),
			Run: pfdebugRun},
		{Name: "pfselftest", Since: "2.8.9", Doc: "An internal command for testing HyperLogLog values.", Complex: "N/A", Group: spec.HyperLogLog,
			Arity: 1, Flags: spec.Admin, Internal: true, Run: pfselftestRun},
	}
}

// hllOf gives the HyperLogLog of a key that was found, in the keyspace; false after it has answered that it is none.
func hllOf(c *spec.Call, ent keyspace.Entry) (value.HLL, bool) {
	if !isString(c, ent) {
		return nil, false
	}
	var scratch [value.MaxIntLen]byte
	if ent.Encoding() != value.Int {
		if h := value.HLL(ent.String(&scratch)); h.Valid() {
			return h, true
		}
	}
	c.Out.Error(notHLL)
	return nil, false
}

// rawHLL is hllOf, and makes the string raw, which Redis does before it looks into it: a short one, that SET or RESTORE made, is not.
func rawHLL(c *spec.Call, k *spec.KeyRef, ent keyspace.Entry) (value.HLL, bool) {
	h, ok := hllOf(c, ent)
	if ok && ent.Encoding() != value.Raw {
		return k.DB.Mutable(k.Hash, k.Name, len(h)), true
	}
	return h, ok
}

func pfaddRun(c *spec.Call) {
	k := c.Key(0)
	ent := c.Engine.Write(k)
	h, changes := value.NewHLL(), 1
	if ent.Found() {
		var ok bool
		if h, ok = rawHLL(c, k, ent); !ok {
			return
		}
		if h.Dense() {
			pfaddDense(c, h)
			return
		}
		h, changes = slices.Clone(h), 0
	}
	for _, element := range c.Args[2:] {
		register, count := value.HLLPosition(element)
		next, raised, ok := h.Raise(register, count, c.Engine.HLLSparseMost())
		if !ok {
			c.Out.Error(corruptHLL)
			return
		}
		h = next
		if raised {
			changes++
		}
	}
	if changes > 0 {
		h.Invalidate()
		k.DB.SetRaw(k.Hash, k.Name, h, keyspace.KeepTTL)
	}
	pfadded(c, changes)
}

// pfaddDense writes into the string in place, if there is anything to write.
func pfaddDense(c *spec.Call, h value.HLL) {
	k, changes := c.Key(0), 0
	for _, element := range c.Args[2:] {
		register, count := value.HLLPosition(element)
		if h.Register(register) >= count {
			continue
		}
		if changes == 0 {
			h = k.DB.Mutable(k.Hash, k.Name, len(h))
		}
		h.Raise(register, count, 0)
		changes++
	}
	pfadded(c, changes)
}

func pfadded(c *spec.Call, changes int) {
	if changes == 0 {
		c.Out.Int(0)
		return
	}
	k := c.Key(0)
	c.Engine.Modified(k)
	c.Engine.Notify(eventString, "pfadd", k)
	c.Engine.Dirty(changes)
	c.Out.Int(1)
}

func pfcountRun(c *spec.Call) {
	if len(c.Keys) > 1 {
		var m value.HLLMax
		if _, ok := mergeHLLs(c, &m); ok {
			c.Out.Int(int64(m.Count()))
		}
		return
	}
	k := c.Key(0)
	ent := c.Engine.Read(k)
	if !ent.Found() {
		c.Out.Int(0)
		return
	}
	h, ok := rawHLL(c, k, ent)
	if !ok {
		return
	}
	n, fresh := h.Cached()
	if !fresh {
		if n, ok = h.Count(); !ok {
			c.Out.Error(corruptHLL)
			return
		}
		value.HLL(k.DB.Mutable(k.Hash, k.Name, len(h))).SetCached(n)
		// The estimate is a part of the string, so replicas are told of it.
		c.Engine.Modified(k)
		c.Engine.Dirty(1)
	}
	c.Out.Int(int64(n))
}

// mergeHLLs takes the highest registers of all keys, and tells whether one of them is dense; ok is false after it has answered an error.
func mergeHLLs(c *spec.Call, m *value.HLLMax) (dense, ok bool) {
	for i := range c.Keys {
		ent := c.Engine.Read(c.Key(i))
		if !ent.Found() {
			continue
		}
		h, ok := hllOf(c, ent)
		if !ok {
			return false, false
		}
		if !m.Merge(h) {
			c.Out.Error(corruptHLL)
			return false, false
		}
		dense = dense || h.Dense()
	}
	return dense, true
}

func pfmergeRun(c *spec.Call) {
	var m value.HLLMax
	dense, ok := mergeHLLs(c, &m)
	if !ok {
		return
	}
	k := c.Key(0)
	h, inPlace := value.NewHLL(), false
	if ent := c.Engine.Write(k); ent.Found() {
		if h, ok = hllOf(c, ent); !ok {
			return
		}
		if inPlace = h.Dense(); inPlace {
			h = k.DB.Mutable(k.Hash, k.Name, len(h))
		} else {
			h = slices.Clone(h)
		}
	}
	if dense {
		if h, ok = h.ToDense(); !ok {
			c.Out.Error(corruptHLL)
			return
		}
	}
	for register, count := range m {
		if count > 0 {
			h, _, _ = h.Raise(register, count, c.Engine.HLLSparseMost())
		}
	}
	h.Invalidate()
	if !inPlace {
		k.DB.SetRaw(k.Hash, k.Name, h, keyspace.KeepTTL)
	}
	changed(c, k, eventString, "pfadd")
	c.Out.OK()
}

func pfdebugRun(c *spec.Call) {
	k := c.Key(0)
	ent := c.Engine.Write(k)
	if !ent.Found() {
		c.Out.Error("ERR The specified key does not exist")
		return
	}
	h, ok := rawHLL(c, k, ent)
	if !ok {
		return
	}
	switch word := c.Args[1]; {
	case spec.EqualFold(word, "GETREG"):
		pfdebugGetReg(c, h)
	case spec.EqualFold(word, "DECODE"):
		pfdebugDecode(c, h)
	case spec.EqualFold(word, "ENCODING"):
		if h.Dense() {
			c.Out.Simple("dense")
		} else {
			c.Out.Simple("sparse")
		}
	case spec.EqualFold(word, "TODENSE"):
		was := h.Dense()
		if _, ok := makeDense(c, h); !ok {
			return
		}
		if was {
			c.Out.Int(0)
		} else {
			c.Out.Int(1)
		}
	default:
		word, _, _ = bytes.Cut(word, []byte{0}) // a C string ends there
		c.Out.Error("ERR Unknown PFDEBUG subcommand '" + string(word) + "'")
	}
}

// makeDense makes the key's HyperLogLog dense; false after it has answered that it is corrupt.
func makeDense(c *spec.Call, h value.HLL) (value.HLL, bool) {
	if h.Dense() {
		return h, true
	}
	h, ok := h.ToDense()
	if !ok {
		c.Out.Error(corruptHLL)
		return nil, false
	}
	k := c.Key(0)
	k.DB.SetRaw(k.Hash, k.Name, h, keyspace.KeepTTL)
	c.Engine.Dirty(1) // replicas are told, but nobody who watches the key: what is counted is the same
	return h, true
}

func pfdebugGetReg(c *spec.Call, h value.HLL) {
	h, ok := makeDense(c, h)
	if !ok {
		return
	}
	c.Out.Array(value.HLLRegisters)
	for i := range value.HLLRegisters {
		c.Out.Int(int64(h.Register(i)))
	}
}

func pfdebugDecode(c *spec.Call, h value.HLL) {
	if h.Dense() {
		c.Out.Error("ERR HLL encoding is not sparse")
		return
	}
	text, ok := h.AppendRuns(nil)
	if !ok {
		c.Out.Error(corruptHLL)
		return
	}
	c.Out.Bulk(text)
}
