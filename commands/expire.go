package commands

import (
	"bytes"
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

func expireCommands() []*spec.Command {
	set := func(name, since, doc string, when spec.Arg, run func(*spec.Call)) *spec.Command {
		condition := spec.Since("7.0.0", spec.Opt(spec.OneOf("condition", spec.Token("NX"), spec.Token("XX"), spec.Token("GT"), spec.Token("LT"))))
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(1)", Group: spec.Generic, Arity: -3, Flags: spec.Write | spec.Fast,
			Keys: spec.One(1, spec.RW|spec.Updates), Args: spec.Args(keyArg, when, condition),
			History: [][2]string{{"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."}}, Run: run}
	}
	get := func(name, since, doc string, tips []string, history [][2]string, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(1)", Group: spec.Generic, Arity: 2, Flags: spec.ReadOnly | spec.Fast,
			Keys: oneRead, Args: spec.Args(keyArg), Tips: tips, History: history, Run: run}
	}
	ttlHistory := [][2]string{{"2.8.0", "Added the -2 reply."}}
	return []*spec.Command{
		set("expire", "1.0.0", "Sets the expiration time of a key in seconds.", spec.Int("seconds"), func(c *spec.Call) { expire(c, c.Now, 1000) }),
		set("pexpire", "2.6.0", "Sets the expiration time of a key in milliseconds.", spec.Int("milliseconds"), func(c *spec.Call) { expire(c, c.Now, 1) }),
		set("expireat", "1.2.0", "Sets the expiration time of a key to a Unix timestamp.", spec.UnixTime("unix-time-seconds"), func(c *spec.Call) { expire(c, 0, 1000) }),
		set("pexpireat", "2.6.0", "Sets the expiration time of a key to a Unix milliseconds timestamp.", spec.UnixTime("unix-time-milliseconds"),
			func(c *spec.Call) { expire(c, 0, 1) }),
		get("ttl", "1.0.0", "Returns the expiration time in seconds of a key.", tipRandom, ttlHistory, func(c *spec.Call) { ttl(c, c.Now, 1000) }),
		get("pttl", "2.6.0", "Returns the expiration time in milliseconds of a key.", tipRandom, ttlHistory, func(c *spec.Call) { ttl(c, c.Now, 1) }),
		get("expiretime", "7.0.0", "Returns the expiration time of a key as a Unix timestamp.", nil, nil, func(c *spec.Call) { ttl(c, 0, 1000) }),
		get("pexpiretime", "7.0.0", "Returns the expiration time of a key as a Unix milliseconds timestamp.", nil, nil, func(c *spec.Call) { ttl(c, 0, 1) }),
		{Name: "persist", Since: "2.2.0", Doc: "Removes the expiration time of a key.", Complex: "O(1)", Group: spec.Generic, Arity: 2,
			Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Updates), Args: spec.Args(keyArg), Run: persistRun},
	}
}

// condition is when EXPIRE or HEXPIRE is to do anything.
type condition struct{ nx, xx, gt, lt bool }

// parse reads the words behind the time, of EXPIRE or HEXPIRE. They are not as the declaration's grammar has them: XX goes with GT or LT, and the
// errors are EXPIRE's own. False after it has answered one.
func (d *condition) parse(c *spec.Call, words [][]byte) bool {
	for _, a := range words {
		switch {
		case spec.EqualFold(a, "NX"):
			d.nx = true
		case spec.EqualFold(a, "XX"):
			d.xx = true
		case spec.EqualFold(a, "GT"):
			d.gt = true
		case spec.EqualFold(a, "LT"):
			d.lt = true
		default:
			a, _, _ = bytes.Cut(a, []byte{0}) // a C string ends there
			c.Out.Error("ERR Unsupported option " + string(a))
			return false
		}
	}
	if d.nx && (d.xx || d.gt || d.lt) {
		c.Out.Error("ERR NX and XX, GT or LT options at the same time are not compatible")
		return false
	}
	if d.gt && d.lt {
		c.Out.Error("ERR GT and LT options at the same time are not compatible")
		return false
	}
	return true
}

// holds tells whether a key or field that expires at has (NoExpiry: never) may get the expiry at.
func (d *condition) holds(has, at int64) bool {
	never := has == keyspace.NoExpiry
	return !(d.nx && !never || d.xx && never || d.gt && (never || at <= has) || d.lt && !never && at >= has)
}

// expire is EXPIRE and its kin: the argument counts from base, ms since 1970, in units of ms milliseconds.
func expire(c *spec.Call, base, ms int64) {
	var cond condition
	if !cond.parse(c, c.Args[3:]) {
		return
	}
	at, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	if at > math.MaxInt64/ms || at < math.MinInt64/ms || at*ms > math.MaxInt64-base {
		badExpire(c)
		return
	}
	at = at*ms + base
	k := c.Key(0)
	ent := c.Engine.Write(k)
	if !ent.Found() || !cond.holds(ent.ExpireAt(), at) {
		c.Out.Int(0)
		return
	}
	c.Out.Int(1)
	if past(c, at) {
		remove(c, k)
		return
	}
	k.DB.SetExpire(ent, max(at, 0)) // a primary may give any time; below zero they mean something else here
	changed(c, k, eventGeneric, "expire")
	c.Engine.Propagate(append([][]byte{wordPExpireAt, k.Name, decimal(at)}, c.Args[3:]...)...)
}

// ttl answers when a key expires, counted from base (ms since 1970) in units of ms milliseconds, rounded.
func ttl(c *spec.Call, base, ms int64) {
	ent := peek(c, c.Key(0))
	switch {
	case !ent.Found():
		c.Out.Int(-2)
	case ent.ExpireAt() == keyspace.NoExpiry:
		c.Out.Int(-1)
	default:
		left := max(ent.ExpireAt()-base, 0)
		c.Out.Int(left/ms + left%ms*2/ms)
	}
}

func persistRun(c *spec.Call) {
	k := c.Key(0)
	ent := c.Engine.Write(k)
	if !ent.Found() || ent.ExpireAt() == keyspace.NoExpiry {
		c.Out.Int(0)
		return
	}
	k.DB.SetExpire(ent, keyspace.NoExpiry)
	changed(c, k, eventGeneric, "persist")
	c.Out.Int(1)
}
