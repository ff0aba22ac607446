// Package keydump is DUMP and RESTORE: a key's value as bytes that Redis and Valkey understand, and back.
//
// It stands apart from package commands because that may not import persist; the bytes are persist/rdb's (docs/formats/rdb.md). They know all types but
// modules': such a payload, valid or not, is refused with the reason. What RESTORE builds values with, Load, serves loading snapshots, too. It has no file, lock or clock.
//
// Reading order: keydump.go (the declarations, DUMP), dump.go (payloads), load.go, restore.go.
package keydump

import (
	"github.com/larder-cache/larder/commands/spec"
)

// Config is what the commands ask of their node.
type Config struct {
	// Compress tells whether DUMP compresses (rdbcompression). Called with a shard held; nil: it does not.
	Compress func() bool
	// SkipChecksum tells whether RESTORE takes a payload whose checksum is wrong (DEBUG SET-SKIP-CHECKSUM-VALIDATION); nil: it does not.
	SkipChecksum func() bool
	// Sanitize tells whether RESTORE looks into what a caller's payload packs (sanitize-dump-payload); nil: it does.
	Sanitize func(caller spec.Session) bool
	// Corrupt is told what is wrong with a payload that was refused; nil: nobody wants to know.
	Corrupt func(what string)
}

// Commands declares DUMP, RESTORE and RESTORE-ASKING.
func Commands(cfg Config) []*spec.Command {
	const strings = "For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1)."
	key := spec.Key("key")
	restore := func(name string, group spec.Group, since string, flags spec.Flag, doc string) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc,
			Complex: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of objects composing the value " +
				"and M their average size. " + strings + " However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
			Group: group, Arity: -4, Flags: spec.Write | spec.DenyOOM | flags, Categories: spec.CatKeyspace | spec.CatDangerous,
			Keys: spec.One(1, spec.OW|spec.Updates), History: [][2]string{{"3.0.0", "Added the `REPLACE` modifier."},
				{"5.0.0", "Added the `ABSTTL` modifier."}, {"5.0.0", "Added the `IDLETIME` and `FREQ` options."}},
			Args: spec.Args(key, spec.Int("ttl"), spec.Str("serialized-value"), spec.Since("3.0.0", spec.Opt(spec.Token("REPLACE"))),
				spec.Since("5.0.0", spec.Opt(spec.Token("ABSTTL"))), spec.Since("5.0.0", spec.Opt(spec.After("IDLETIME", spec.Int("seconds")))),
				spec.Since("5.0.0", spec.Opt(spec.After("FREQ", spec.Int("frequency"))))), Run: cfg.restoreRun}
	}
	asking := restore("restore-asking", spec.Server, "3.0.0", spec.Asking, "An internal command for migrating keys in a cluster.")
	asking.Internal = true
	return []*spec.Command{
		{Name: "dump", Since: "2.6.0", Doc: "Returns a serialized representation of the value stored at a key.",
			Complex: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of objects composing the value and M their average size. " + strings,
			Group:   spec.Generic, Arity: 2, Flags: spec.ReadOnly, Keys: spec.One(1, spec.RO|spec.Reads), Args: spec.Args(key),
			Tips: []string{"nondeterministic_output"}, Run: cfg.dumpRun},
		restore("restore", spec.Generic, "2.6.0", 0, "Creates a key from the serialized representation of a value."),
		asking,
	}
}

func (cfg Config) dumpRun(c *spec.Call) {
	ent := c.Engine.Read(c.Key(0))
	if !ent.Found() {
		c.Out.Null()
		return
	}
	payload, err := Payload(ent, cfg.Compress != nil && cfg.Compress())
	if err != nil {
		c.Out.Error("ERR " + err.Error())
		return
	}
	c.Out.Bulk(payload)
}
