package commands

import (
	"bytes"
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

var setHistory = [][2]string{{"2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."}, {"6.0.0", "Added the `KEEPTTL` option."},
	{"6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."}, {"7.0.0", "Allowed the `NX` and `GET` options to be used together."},
	{"8.1.0", "Added the `IFEQ` option."}}

func setArgs() []spec.Arg {
	return spec.Args(keyArg, spec.Str("value"),
		spec.Opt(spec.OneOf("condition", spec.Since("2.6.12", spec.Token("NX")), spec.Since("2.6.12", spec.Token("XX")),
			spec.Since("8.1.0", spec.After("IFEQ", spec.Str("comparison-value"))))),
		spec.Since("6.2.0", spec.Opt(spec.Token("GET"))),
		expiryArgs("2.6.12", "6.2.0", spec.Since("6.0.0", spec.Token("KEEPTTL"))))
}

func setKeys() spec.Keys {
	return spec.Keys{{Notes: "RW and ACCESS due to the optional `GET` argument", Begin: spec.Begin{At: 1}, Find: spec.Find{Step: 1},
		Access: spec.RW | spec.Reads | spec.Updates | spec.VariableFlg, Vary: setAccess}}
}

// setAccess: SET reads the key only with GET, and with IFEQ, which tells what the key does not hold.
func setAccess(args [][]byte) spec.Access {
	for i := 3; i < len(args); i++ {
		if spec.EqualFold(args[i], "GET") || spec.EqualFold(args[i], "IFEQ") {
			return spec.RW | spec.Reads | spec.Updates
		}
	}
	return spec.OW | spec.Updates
}

// setting is what SET is asked for.
type setting struct {
	at          int64 // ms since 1970, NoExpiry or KeepTTL
	timed       bool  // at is a point in time
	asSent      bool  // and it was given as such, in ms: the call is propagated as it stands
	nx, xx, get bool
	ifeq        bool
	wanted      []byte // ifeq: what the key must hold
}

func setRun(c *spec.Call) {
	if len(c.Args) == 3 {
		k := c.Key(0)
		k.DB.Overwrite(c.Engine.Write(k), k.Hash, k.Name, c.Args[2])
		changed(c, k, eventString, "set")
		c.Out.OK()
		return
	}
	s := setting{at: keyspace.NoExpiry}
	if s.setOptions(c, 3) {
		s.run(c)
	}
}

// setOptions reads the words behind what is set; false after it has answered the error.
func (s *setting) setOptions(c *spec.Call, from int) bool {
	opts, ok := c.Options(from)
	if !ok {
		return false
	}
	var expiry *spec.Option
	for i := range opts {
		switch o := &opts[i]; o.Arg.Name {
		case "nx":
			s.nx = true
		case "xx":
			s.xx = true
		case "get":
			s.get = true
		case "comparison-value":
			s.ifeq, s.wanted = true, o.Value
		case "keepttl":
			s.at = keyspace.KeepTTL
		default:
			expiry = o
		}
	}
	if expiry == nil {
		return true
	}
	s.timed, s.asSent = true, expiry.Arg.Token == "PXAT"
	s.at, ok = deadline(c, *expiry)
	return ok
}

// deadline gives the point in time, ms since 1970, that an expiry option means; false after it has answered the error.
func deadline(c *spec.Call, o spec.Option) (int64, bool) {
	n, ok := c.Int(o.Value)
	if !ok {
		return 0, false
	}
	switch o.Arg.Token {
	case "EX":
		return expiryIn(c, n, 1000)
	case "PX":
		return expiryIn(c, n, 1)
	case "EXAT":
		return expiryAt(c, n, 1000)
	}
	return expiryAt(c, n, 1)
}

// expiryAt checks a point in time that must be above zero, in units of ms milliseconds.
func expiryAt(c *spec.Call, n, ms int64) (int64, bool) {
	if n <= 0 || n > math.MaxInt64/ms {
		badExpire(c)
		return 0, false
	}
	return n * ms, true
}

// expiryIn is expiryAt for a time from now.
func expiryIn(c *spec.Call, n, ms int64) (int64, bool) {
	at, ok := expiryAt(c, n, ms)
	if ok && at > math.MaxInt64-c.Now {
		badExpire(c)
		return 0, false
	}
	return at + c.Now, ok
}

func (s *setting) run(c *spec.Call) {
	k := c.Key(0)
	var ent keyspace.Entry
	if s.get {
		var found bool
		if ent, found = read(c); ent.Found() && !found {
			return // not a string
		}
	} else {
		ent = c.Engine.Write(k)
	}
	if s.ifeq && !s.get && ent.Found() && !isString(c, ent) {
		return
	}
	if (s.nx && ent.Found()) || (s.xx && !ent.Found()) || s.ifeq && !holds(ent, s.wanted) {
		if !s.get {
			c.Out.Null()
		}
		return
	}
	if !s.get {
		c.Out.OK()
	}
	if s.timed && past(c, s.at) {
		if ent.Found() {
			remove(c, k)
		}
		return
	}
	k.DB.SetString(k.Hash, k.Name, c.Args[2], s.at)
	changed(c, k, eventString, "set")
	switch {
	case s.timed:
		c.Engine.Notify(eventGeneric, "expire", k)
		if !s.asSent || s.ifeq {
			c.Engine.Propagate(wordSet, k.Name, c.Args[2], wordPXAT, decimal(s.at))
		}
	case s.ifeq && s.at == keyspace.KeepTTL:
		c.Engine.Propagate(wordSet, k.Name, c.Args[2], wordKeepTTL)
	case s.ifeq: // older replicas do not know the word, and need not compare
		c.Engine.Propagate(wordSet, k.Name, c.Args[2])
	case s.get:
		c.Engine.Propagate(withoutGet(c.Args)...)
	}
}

// holds reports whether an entry, found or not, is a string of these bytes.
func holds(ent keyspace.Entry, want []byte) bool {
	if !ent.Found() || ent.Type() != value.String {
		return false
	}
	var scratch [value.MaxIntLen]byte
	return bytes.Equal(ent.String(&scratch), want)
}

// withoutGet leaves the word GET out of a SET, which has no option with a value.
func withoutGet(args [][]byte) [][]byte {
	out := append(make([][]byte, 0, len(args)), args[:3]...)
	for _, a := range args[3:] {
		if !spec.EqualFold(a, "GET") {
			out = append(out, a)
		}
	}
	return out
}

func setnxRun(c *spec.Call) {
	k := c.Key(0)
	if c.Engine.Write(k).Found() {
		c.Out.Int(0)
		return
	}
	k.DB.SetString(k.Hash, k.Name, c.Args[2], keyspace.NoExpiry)
	changed(c, k, eventString, "set")
	c.Out.Int(1)
}

// setexRun is SETEX and PSETEX.
func setexRun(c *spec.Call) {
	n, ok := c.Int(c.Args[2])
	if !ok {
		return
	}
	unit := int64(1000)
	if c.Cmd.Name == "psetex" {
		unit = 1
	}
	at, ok := expiryIn(c, n, unit)
	if !ok {
		return
	}
	k, val := c.Key(0), c.Args[3]
	c.Engine.Write(k)
	k.DB.SetString(k.Hash, k.Name, val, at)
	changed(c, k, eventString, "set")
	c.Engine.Notify(eventGeneric, "expire", k)
	c.Engine.Propagate(wordSet, k.Name, val, wordPXAT, decimal(at))
	c.Out.OK()
}
