package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

var (
	oneRead  = spec.One(1, spec.RO|spec.Reads)
	oneWrite = spec.One(1, spec.OW|spec.Updates)
	keyArg   = spec.Key("key")
	keyValue = spec.Args(keyArg, spec.Str("value"))
	pairs    = spec.Args(spec.Many(spec.Block("data", keyArg, spec.Str("value"))))
)

// expiryArgs are the alternatives in which SET and GETEX take an expiry; older says which version has EX and PX.
func expiryArgs(older, newer string, last spec.Arg) spec.Arg {
	return spec.Opt(spec.OneOf("expiration", spec.Since(older, spec.After("EX", spec.Int("seconds"))), spec.Since(older, spec.After("PX", spec.Int("milliseconds"))),
		spec.Since(newer, spec.After("EXAT", spec.UnixTime("unix-time-seconds"))), spec.Since(newer, spec.After("PXAT", spec.UnixTime("unix-time-milliseconds"))), last))
}

func stringCommands() []*spec.Command {
	const write = spec.Write | spec.DenyOOM
	return []*spec.Command{
		{Name: "get", Since: "1.0.0", Doc: "Returns the string value of a key.", Complex: "O(1)", Group: spec.String, Arity: 2,
			Flags: spec.ReadOnly | spec.Fast, Keys: oneRead, Args: spec.Args(keyArg), Run: getRun},
		{Name: "set", Since: "1.0.0", Doc: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.", Complex: "O(1)",
			Group: spec.String, Arity: -3, Flags: write, Keys: setKeys(), Args: setArgs(), History: setHistory, Run: setRun},
		{Name: "setnx", Since: "1.0.0", Doc: "Set the string value of a key only when the key doesn't exist.", Complex: "O(1)", Group: spec.String, Arity: 3,
			Flags: write | spec.Fast, Keys: spec.One(1, spec.OW|spec.Inserts), Args: keyValue, Deprecated: "2.6.12", Instead: "`SET` with the `NX` argument", Run: setnxRun},
		{Name: "setex", Since: "2.0.0", Doc: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.", Complex: "O(1)",
			Group: spec.String, Arity: 4, Flags: write, Keys: oneWrite, Args: spec.Args(keyArg, spec.Int("seconds"), spec.Str("value")),
			Deprecated: "2.6.12", Instead: "`SET` with the `EX` argument", Run: setexRun},
		{Name: "psetex", Since: "2.6.0", Doc: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
			Complex: "O(1)", Group: spec.String, Arity: 4, Flags: write, Keys: oneWrite, Args: spec.Args(keyArg, spec.Int("milliseconds"), spec.Str("value")),
			Deprecated: "2.6.12", Instead: "`SET` with the `PX` argument", Run: setexRun},
		{Name: "mget", Since: "1.0.0", Doc: "Atomically returns the string values of one or more keys.", Complex: "O(N) where N is the number of keys to retrieve.",
			Group: spec.String, Arity: -2, Flags: spec.ReadOnly | spec.Fast, Keys: spec.From(1, spec.RO|spec.Reads), Args: spec.Args(spec.Many(keyArg)),
			Tips: []string{"request_policy:multi_shard"}, Run: mgetRun},
		{Name: "mset", Since: "1.0.1", Doc: "Atomically creates or modifies the string values of one or more keys.",
			Complex: "O(N) where N is the number of keys to set.", Group: spec.String, Arity: -3, Flags: write, Keys: spec.EverySecond(1, spec.OW|spec.Updates), Args: pairs,
			Tips: []string{"request_policy:multi_shard", "response_policy:all_succeeded"}, Run: msetRun},
		{Name: "msetnx", Since: "1.0.1", Doc: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
			Complex: "O(N) where N is the number of keys to set.", Group: spec.String, Arity: -3, Flags: write, Keys: spec.EverySecond(1, spec.OW|spec.Inserts), Args: pairs,
			Run: msetnxRun},
		{Name: "getset", Since: "1.0.0", Doc: "Returns the previous string value of a key after setting it to a new value.", Complex: "O(1)", Group: spec.String, Arity: 3,
			Flags: write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Reads|spec.Updates), Args: keyValue,
			Deprecated: "6.2.0", Instead: "`SET` with the `!GET` argument", Run: getsetRun},
		{Name: "getdel", Since: "6.2.0", Doc: "Returns the string value of a key after deleting the key.", Complex: "O(1)", Group: spec.String, Arity: 2,
			Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Reads|spec.Deletes), Args: spec.Args(keyArg), Run: getdelRun},
		{Name: "getex", Since: "6.2.0", Doc: "Returns the string value of a key after setting its expiration time.", Complex: "O(1)", Group: spec.String, Arity: -2,
			Flags: spec.Write | spec.Fast, Keys: spec.Keys{{Notes: "RW and UPDATE because it changes the TTL", Begin: spec.Begin{At: 1},
				Find: spec.Find{Step: 1}, Access: spec.RW | spec.Reads | spec.Updates}},
			Args: spec.Args(keyArg, expiryArgs("", "", spec.Token("PERSIST"))), Run: getexRun},
	}
}

// read finds a string for reading and answers it; found is false if there was none, which is answered, too.
func read(c *spec.Call) (ent keyspace.Entry, found bool) {
	ent = c.Engine.Read(c.Key(0))
	switch {
	case !ent.Found():
		c.Out.Null()
	case isString(c, ent):
		replyString(c, ent)
		return ent, true
	}
	return ent, false
}

func getRun(c *spec.Call) { read(c) }

func mgetRun(c *spec.Call) {
	c.Out.Array(len(c.Keys))
	for i := range c.Keys {
		if ent := c.Engine.Read(c.Key(i)); ent.Found() && ent.Type() == value.String {
			replyString(c, ent)
		} else {
			c.Out.Null()
		}
	}
}

func msetRun(c *spec.Call) {
	if len(c.Args)%2 == 0 {
		badArity(c)
		return
	}
	msetAll(c)
	c.Out.OK()
}

func msetAll(c *spec.Call) {
	for i := range c.Keys {
		k := c.Key(i)
		c.Engine.Write(k)
		k.DB.SetString(k.Hash, k.Name, c.Args[k.Arg+1], keyspace.NoExpiry)
		changed(c, k, eventString, "set")
	}
}

func msetnxRun(c *spec.Call) {
	if len(c.Args)%2 == 0 {
		badArity(c)
		return
	}
	for i := range c.Keys {
		if c.Engine.Write(c.Key(i)).Found() {
			c.Out.Int(0)
			return
		}
	}
	msetAll(c)
	c.Out.Int(1)
}

func getsetRun(c *spec.Call) {
	if ent, found := read(c); ent.Found() && !found {
		return // not a string
	}
	k := c.Key(0)
	k.DB.SetString(k.Hash, k.Name, c.Args[2], keyspace.NoExpiry)
	changed(c, k, eventString, "set")
	c.Engine.Propagate(wordSet, k.Name, c.Args[2])
}

func getdelRun(c *spec.Call) {
	if _, found := read(c); found {
		removeAs(c, c.Key(0), wordDel)
	}
}

func getexRun(c *spec.Call) {
	opts, ok := c.Options(2)
	if !ok {
		return
	}
	k := c.Key(0)
	ent := c.Engine.Read(k)
	if !ent.Found() {
		c.Out.Null()
		return
	}
	if !isString(c, ent) {
		return
	}
	at := int64(keyspace.NoExpiry)
	if len(opts) > 0 && opts[0].Arg.Type != spec.TypePureToken {
		if at, ok = deadline(c, opts[len(opts)-1]); !ok {
			return
		}
	}
	replyString(c, ent)
	switch {
	case at != keyspace.NoExpiry && past(c, at):
		remove(c, k)
	case at != keyspace.NoExpiry:
		k.DB.SetExpire(ent, at)
		changed(c, k, eventGeneric, "expire")
		c.Engine.Propagate(wordPExpireAt, k.Name, decimal(at))
	case len(opts) > 0 && ent.ExpireAt() != keyspace.NoExpiry:
		k.DB.SetExpire(ent, keyspace.NoExpiry)
		changed(c, k, eventGeneric, "persist")
		c.Engine.Propagate(wordPersist, k.Name)
	}
}
