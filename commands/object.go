package commands

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

func objectCommands() []*spec.Command {
	sub := func(name, since, doc string, answer func(*spec.Call, keyspace.Entry)) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(1)", Arity: 3, Flags: spec.ReadOnly, Categories: spec.CatKeyspace,
			Keys: spec.One(2, spec.RO), Args: spec.Args(keyArg), Tips: tipRandom, Run: func(c *spec.Call) { objectRun(c, answer) }}
	}
	help := &spec.Command{Name: "help", Since: "6.2.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2,
		Flags: spec.Loading | spec.Stale, Categories: spec.CatKeyspace, Run: objectHelpRun}
	return []*spec.Command{{Name: "object", Since: "2.2.3", Doc: "A container for object introspection commands.", Complex: "Depends on subcommand.",
		Group: spec.Generic, Arity: -2, Sub: []*spec.Command{
			sub("encoding", "2.2.3", "Returns the internal encoding of an object.", objectEncoding),
			sub("freq", "4.0.0", "Returns the logarithmic access frequency counter of an object.", objectFreq),
			help,
			sub("idletime", "2.2.3", "Returns the time since the last access to an object.", objectIdletime),
			sub("refcount", "2.2.3", "Returns the reference count of a value of a key.", objectRefcount),
		}}}
}

// objectRun looks at a key without counting as its use.
func objectRun(c *spec.Call, answer func(*spec.Call, keyspace.Entry)) {
	ent := peek(c, c.Key(0))
	if !ent.Found() {
		c.Out.Null()
		return
	}
	answer(c, ent)
}

func objectEncoding(c *spec.Call, ent keyspace.Entry) { c.Out.BulkString(ent.Encoding().String()) }

const policyNote = " Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."

func objectFreq(c *spec.Call, ent keyspace.Entry) {
	if !c.Engine.LFU() {
		c.Out.Error("ERR An LFU maxmemory policy is not selected, access frequency not tracked." + policyNote)
		return
	}
	c.Out.Int(int64(c.Engine.Frequency(ent)))
}

func objectIdletime(c *spec.Call, ent keyspace.Entry) {
	if c.Engine.LFU() {
		c.Out.Error("ERR An LFU maxmemory policy is selected, idle time not tracked." + policyNote)
		return
	}
	c.Out.Int(c.Engine.IdleSeconds(ent))
}

// sharedIntegers is how many small integers Redis keeps one object for, whoever has that value.
const sharedIntegers = 10_000

// objectRefcount answers 1: a value belongs to one key, and two that share a block after COPY do not show it. A small integer has no
// memory of its own, which Redis says by the greatest count.
func objectRefcount(c *spec.Call, ent keyspace.Entry) {
	if n, ok := ent.Int(); ok && n >= 0 && n < sharedIntegers && c.Engine.SharesIntegers() {
		c.Out.Int(math.MaxInt32)
		return
	}
	c.Out.Int(1)
}

func objectHelpRun(c *spec.Call) {
	c.Help(
		"ENCODING <key>",
		"    Return the kind of internal representation used in order to store the value",
		"    associated with a <key>.",
		"FREQ <key>",
		"    Return the access frequency index of the <key>. The returned integer is",
		"    proportional to the logarithm of the recent access frequency of the key.",
		"IDLETIME <key>",
		"    Return the idle time of the <key>, that is the approximated number of",
		"    seconds elapsed since the last access to the key.",
		"REFCOUNT <key>",
		"    Return the number of references of the value associated with the specified",
		"    <key>.",
	)
}
