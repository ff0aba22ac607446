package commands

import (
	"math"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// hashExpireCommands are Valkey 9's, for hashes of which fields expire.
func hashExpireCommands() []*spec.Command {
	const linear = "O(N) where N is the number of specified fields."
	fields := spec.After("FIELDS", spec.Block("fields", spec.Int("numfields"), spec.Many(spec.Str("field"))))
	condition := spec.Opt(spec.OneOf("condition", spec.Token("NX"), spec.Token("XX"), spec.Token("GT"), spec.Token("LT")))
	set := func(name, doc, when string, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: "9.0.0", Doc: doc, Complex: linear, Group: spec.Hash, Arity: -6, Flags: spec.Write | spec.Fast,
			Keys: spec.One(1, spec.RW|spec.Updates), Args: spec.Args(keyArg, spec.Int(when), condition, fields), Run: run}
	}
	get := func(name, doc string, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: "9.0.0", Doc: doc, Complex: linear, Group: spec.Hash, Arity: -5, Flags: spec.ReadOnly | spec.Fast,
			Keys: spec.One(1, spec.RO|spec.Reads), Args: spec.Args(keyArg, fields), Run: run}
	}
	data := spec.After("FIELDS", spec.Block("fields", spec.Int("numfields"), spec.Many(spec.Block("data", spec.Str("field"), spec.Str("value")))))
	return []*spec.Command{
		set("hexpire", "Sets expiry time on hash fields.", "seconds", func(c *spec.Call) { hexpire(c, c.Now, 1000) }),
		set("hpexpire", "Sets expiry time on hash object.", "milliseconds", func(c *spec.Call) { hexpire(c, c.Now, 1) }),
		set("hexpireat", "Sets expiry time on hash fields.", "unix-time-seconds", func(c *spec.Call) { hexpire(c, 0, 1000) }),
		set("hpexpireat", "Sets expiration time on hash field.", "unix-time-milliseconds", func(c *spec.Call) { hexpire(c, 0, 1) }),
		{Name: "hpersist", Since: "9.0.0", Doc: "Remove the existing expiration on a hash key's field(s).", Complex: linear, Group: spec.Hash, Arity: -5,
			Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Updates), Args: spec.Args(keyArg, fields), Run: hpersistRun},
		get("httl", "Returns the remaining time to live (in seconds) of a hash key's field(s) that have an associated expiration.",
			func(c *spec.Call) { httl(c, c.Now, 1000) }),
		get("hpttl", "Returns the remaining time to live in milliseconds of a hash key's field(s) that have an associated expiration.",
			func(c *spec.Call) { httl(c, c.Now, 1) }),
		get("hexpiretime", "Returns Unix timestamps in seconds since the epoch at which the given key's field(s) will expire.",
			func(c *spec.Call) { httl(c, 0, 1000) }),
		get("hpexpiretime", "Returns the Unix timestamp in milliseconds since Unix epoch at which the given key's field(s) will expire.",
			func(c *spec.Call) { httl(c, 0, 1) }),
		{Name: "hsetex", Since: "9.0.0", Doc: "Sets the value of one or more fields of a given hash key, and optionally sets their expiration time.",
			Complex: linear, Group: spec.Hash, Arity: -6, Flags: spec.Write | spec.DenyOOM | spec.Fast, Keys: spec.One(1, spec.RW|spec.Inserts),
			Args: spec.Args(keyArg, spec.Opt(spec.OneOf("key-condition", spec.Token("NX"), spec.Token("XX"))),
				spec.Opt(spec.OneOf("fields-condition", spec.Token("FNX"), spec.Token("FXX"))), expiryArgs("", "", spec.Token("KEEPTTL")), data), Run: hsetexRun},
		{Name: "hgetex", Since: "9.0.0", Doc: "Gets the value of one or more fields of a given hash key, and optionally sets their expiration time or time-to-live (TTL).",
			Complex: linear, Group: spec.Hash, Arity: -5, Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Reads),
			Args: spec.Args(keyArg, expiryArgs("", "", spec.Token("PERSIST")), fields), Run: hgetexRun},
		{Name: "hgetdel", Since: "9.1.0", Doc: "Returns the values of one or more fields and deletes them from a hash.",
			Complex: "O(N) where N is the number of fields to be retrieved and deleted.", Group: spec.Hash, Arity: -5, Flags: spec.Write | spec.Fast,
			Keys: spec.One(1, spec.RW|spec.Reads|spec.Deletes), Args: spec.Args(keyArg, fields), Run: hgetdelRun},
	}
}

// overBefore is since when fields are over for a call: those that expired before are not there. What comes from the primary is obeyed: there a field lives until
// the primary deletes it, and so does what comes from an import source.
func overBefore(c *spec.Call) int64 {
	if c.Engine.SeesExpired() {
		return 0
	}
	return c.Now
}

// fieldOver reports whether a field that is about to be overwritten is over: then it counts as new.
func fieldOver(c *spec.Call, h *collection.Hash, field []byte) bool {
	at, found := h.Expiry(field)
	return found && at >= 0 && past(c, at)
}

// fieldsOver tells that n fields of the call's hash were over, and are so no more because the call wrote to them.
func fieldsOver(c *spec.Call, n int) {
	if n > 0 {
		c.Engine.FieldsExpired(n)
		c.Engine.Notify(eventHash, "hexpired", c.Key(0))
	}
}

// setField gives the field that the call names a value and an expiry, or keyspace.NoExpiry, and tells so.
func setField(c *spec.Call, h *collection.Hash, event string, val []byte, at int64) {
	over := 0
	if h.Volatile() > 0 && fieldOver(c, h, c.Args[2]) {
		over = 1
	}
	h.SetAt(c.Args[2], val, at)
	fieldsOver(c, over)
	hashChanged(c, h, event, 1)
}

// propagateField tells replicas what the field that the call names is now.
func propagateField(c *spec.Call, val []byte, at int64) {
	if at < 0 {
		c.Engine.Propagate(wordHSet, c.Args[1], c.Args[2], val)
		return
	}
	c.Engine.Propagate(wordHSetEx, c.Args[1], wordPXAT, decimal(at), wordFields, []byte("1"), c.Args[2], val)
}

// deleteField deletes a field unless it is over, which makes it not there; false if it was not.
func deleteField(h *collection.Hash, field []byte) bool {
	if h.Volatile() > 0 {
		if _, there := h.Get(field); !there {
			return false
		}
	}
	return h.Delete(field)
}

const badNumFields = "ERR numfields should be greater than 0 and match the provided number of fields"

// namedFields gives what stands behind FIELDS and the number of fields, which is at index at: so many times each words; false after it has answered misfit, or that it is no number.
func namedFields(c *spec.Call, at, each int, misfit string) ([][]byte, bool) {
	n := int64(0)
	if at < len(c.Args) {
		var ok bool
		if n, ok = c.Int(c.Args[at]); !ok {
			return nil, false
		}
	}
	rest := c.Args[min(at+1, len(c.Args)):]
	if n <= 0 || n > math.MaxInt64/2 || n*int64(each) != int64(len(rest)) {
		c.Out.Error(misfit)
		return nil, false
	}
	return rest, true
}

// fieldsWord is where the word FIELDS stands, from an index on, or the end of the arguments.
func fieldsWord(c *spec.Call, from int) int {
	for i := from; i < len(c.Args)-1; i++ {
		if spec.EqualFold(c.Args[i], "FIELDS") {
			return i
		}
	}
	return len(c.Args)
}

// fieldTime reads a time that counts from base, ms since 1970, in units of ms milliseconds, as a point in time; false after it has answered the error.
func fieldTime(c *spec.Call, arg []byte, base, ms int64) (at int64, ok bool) {
	n, ok := c.Int(arg)
	if ok && (n < 0 || n > math.MaxInt64/ms || n*ms > math.MaxInt64-base) {
		badExpire(c)
		return 0, false
	}
	return n*ms + base, ok
}

// fieldDeadline is fieldTime of one of the options EX, PX, EXAT and PXAT.
func fieldDeadline(c *spec.Call, o *spec.Option) (at int64, ok bool) {
	base, ms := c.Now, int64(1000)
	if o.Arg.Token == "PX" || o.Arg.Token == "PXAT" {
		ms = 1
	}
	if o.Arg.Token == "EXAT" || o.Arg.Token == "PXAT" {
		base = 0
	}
	return fieldTime(c, o.Value, base, ms)
}

// hexpire is HEXPIRE and its kin: the time counts from base, ms since 1970, in units of ms milliseconds.
func hexpire(c *spec.Call, base, ms int64) {
	word := fieldsWord(c, 3)
	var cond condition
	if word < len(c.Args) && !cond.parse(c, c.Args[3:word]) {
		return
	}
	fields, ok := namedFields(c, word+1, 1, badNumFields)
	if !ok {
		return
	}
	at, ok := fieldTime(c, c.Args[2], base, ms)
	var h collection.Hash
	if !ok || !writeHash(c, &h) {
		return
	}
	over := past(c, at)
	c.Out.Array(len(fields))
	var did [][]byte
	for _, field := range fields {
		_, has, there := h.Look(field)
		switch {
		case !there:
			c.Out.Int(-2)
			continue
		case !cond.holds(has, at):
			c.Out.Int(0)
			continue
		case over:
			h.Delete(field)
			c.Out.Int(2)
		default:
			h.SetExpiry(field, at)
			c.Out.Int(1)
		}
		did = append(did, field)
	}
	switch {
	case len(did) == 0:
	case over:
		removedOver(c, &h, did)
	default:
		hashChanged(c, &h, "hexpire", len(did))
		c.Engine.Propagate(slices.Concat([][]byte{wordHPExpireAt, c.Args[1], decimal(at)}, c.Args[3:])...)
	}
}

// removedOver ends a call that has deleted fields in place of giving them an expiry that is over.
func removedOver(c *spec.Call, h *collection.Hash, fields [][]byte) {
	c.Engine.FieldsExpired(len(fields))
	hashChanged(c, h, "hexpired", len(fields))
	c.Engine.Propagate(slices.Concat([][]byte{wordHDel, c.Args[1]}, fields)...)
}

func hpersistRun(c *spec.Call) {
	fields, ok := namedFields(c, 3, 1, badNumFields)
	var h collection.Hash
	if !ok || !writeHash(c, &h) {
		return
	}
	c.Out.Array(len(fields))
	n := 0
	for _, field := range fields {
		_, at, there := h.Look(field)
		switch {
		case !there:
			c.Out.Int(-2)
		case at == keyspace.NoExpiry:
			c.Out.Int(-1)
		default:
			h.SetExpiry(field, keyspace.NoExpiry)
			c.Out.Int(1)
			n++
		}
	}
	if n > 0 {
		hashChanged(c, &h, "hpersist", n)
	}
}

// httl answers when fields expire, counted from base (ms since 1970) in units of ms milliseconds, rounded.
func httl(c *spec.Call, base, ms int64) {
	fields, ok := namedFields(c, 3, 1, spec.ErrSyntax)
	var h collection.Hash
	if !ok || !readHash(c, &h) {
		return
	}
	c.Out.Array(len(fields))
	for _, field := range fields {
		_, at, there := h.Look(field)
		switch {
		case !there:
			c.Out.Int(-2)
		case at == keyspace.NoExpiry:
			c.Out.Int(-1)
		default:
			left := max(at-base, 0)
			c.Out.Int(left/ms + left%ms*2/ms)
		}
	}
}

func hgetdelRun(c *spec.Call) {
	fields, ok := namedFields(c, 3, 1, badNumFields)
	var h collection.Hash
	if !ok || !writeHash(c, &h) {
		return
	}
	c.Out.Array(len(fields))
	n := 0
	for _, field := range fields {
		if replyField(c, &h, field); deleteField(&h, field) {
			n++
		}
	}
	if n > 0 {
		hashChanged(c, &h, "hdel", n)
	}
}
