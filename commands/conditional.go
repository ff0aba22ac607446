package commands

import (
	"math"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// conditionalCommands are those of Valkey 9: MSETEX and DELIFEQ.
func conditionalCommands() []*spec.Command {
	return []*spec.Command{
		{Name: "delifeq", Since: "9.0.0", Doc: "Delete key if value matches string.", Complex: "O(1)", Group: spec.String, Arity: 3,
			Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RM|spec.Deletes), Args: keyValue, Run: delifeqRun},
		{Name: "msetex", Since: "9.1.0", Doc: "Atomically creates or modifies the string values of one or more keys, and optionally set their expiration.",
			Complex: "O(N) where N is the number of keys to set.", Group: spec.String, Arity: -4, Flags: spec.Write | spec.DenyOOM | spec.MovableKeys,
			Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 2}, Access: spec.OW | spec.Updates}},
			Args: append(spec.Args(spec.Int("numkeys"), pairs[0], spec.Opt(spec.OneOf("condition", spec.Token("NX"), spec.Token("XX")))),
				expiryArgs("", "", spec.Token("KEEPTTL"))),
			Tips: []string{"request_policy:multi_shard", "response_policy:all_succeeded"}, BadKeys: msetexBadKeys, Run: msetexRun},
	}
}

func delifeqRun(c *spec.Call) {
	k := c.Key(0)
	ent := c.Engine.Write(k)
	switch {
	case ent.Found() && !isString(c, ent):
	case holds(ent, c.Args[2]):
		removeAs(c, k, wordDel)
		c.Out.Int(1)
	default:
		c.Out.Int(0)
	}
}

const badNumKeys = "ERR invalid numkeys value or out of range"

// msetexBadKeys tells a number of keys that is none from one that is only too high.
func msetexBadKeys(args [][]byte) string {
	if n, ok := resp.ParseInt(args[1]); !ok || n < 1 || n > math.MaxInt32 {
		return badNumKeys
	}
	return spec.ErrSyntax
}

func msetexRun(c *spec.Call) {
	if len(c.Keys) == 0 {
		c.Out.Error(badNumKeys)
		return
	}
	values := 2 + 2*len(c.Keys)
	if values > len(c.Args) {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	s := setting{at: keyspace.NoExpiry}
	if !s.setOptions(c, values) {
		return
	}
	for i := range c.Keys {
		if found := c.Engine.Write(c.Key(i)).Found(); s.nx && found || s.xx && !found {
			c.Out.Int(0)
			return
		}
	}
	if s.timed && past(c, s.at) {
		removeAll(c)
	} else {
		s.setAll(c, values)
	}
	c.Out.Int(1)
}

// removeAll deletes the keys that are there, in place of giving them an expiry that is over. They are propagated as one UNLINK.
func removeAll(c *spec.Call) {
	gone := [][]byte{wordUnlink}
	for i := range c.Keys {
		if k := c.Key(i); k.DB.Delete(k.Hash, k.Name) {
			changed(c, k, eventGeneric, "del")
			gone = append(gone, k.Name)
		}
	}
	if len(gone) > 1 {
		c.Engine.Propagate(gone...)
	}
}

// setAll sets all keys; values is how many arguments they and their values are, with those before.
func (s *setting) setAll(c *spec.Call, values int) {
	for i := range c.Keys {
		k := c.Key(i)
		k.DB.SetString(k.Hash, k.Name, c.Args[k.Arg+1], s.at)
		changed(c, k, eventString, "set")
		if s.timed {
			c.Engine.Notify(eventGeneric, "expire", k)
		}
	}
	if s.timed && !s.asSent {
		c.Engine.Propagate(slices.Concat(c.Args[:values], [][]byte{wordPXAT, decimal(s.at)})...)
	}
}
