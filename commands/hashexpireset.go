package commands

import (
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// fieldOptions are what stands before FIELDS in HSETEX and HGETEX.
type fieldOptions struct {
	nx, xx, fnx, fxx bool
	keep, persist    bool
	expiry           *spec.Option // EX, PX, EXAT or PXAT, or nil
	at               int64        // its point in time, ms since 1970, once it was asked for
	over             bool         // and that is over
}

// parse reads the options, and gives what stands behind the number of fields: each words for a field. False after it has answered an error.
func (o *fieldOptions) parse(c *spec.Call, each int) (words [][]byte, ok bool) {
	*o = fieldOptions{at: keyspace.NoExpiry}
	word := fieldsWord(c, 2)
	if word < len(c.Args) {
		opts, fit := c.Cmd.Options(nil, c.Args[:word], 2)
		if !fit {
			c.Out.Error(spec.ErrSyntax)
			return nil, false
		}
		for i := range opts {
			o.take(&opts[i])
		}
	}
	return namedFields(c, word+1, each, badNumFields)
}

func (o *fieldOptions) take(opt *spec.Option) {
	switch opt.Arg.Name {
	case "nx":
		o.nx = true
	case "xx":
		o.xx = true
	case "fnx":
		o.fnx = true
	case "fxx":
		o.fxx = true
	case "keepttl":
		o.keep = true
	case "persist":
		o.persist = true
	default:
		o.expiry = opt
	}
}

// deadline reads the point in time, if there is one; false after it has answered an error.
func (o *fieldOptions) deadline(c *spec.Call) (ok bool) {
	if o.expiry == nil {
		return true
	}
	if o.at, ok = fieldDeadline(c, o.expiry); ok {
		o.over = past(c, o.at)
	}
	return ok
}

// allowed reports whether the fields are there, or not there, as FXX and FNX want it.
func (o *fieldOptions) allowed(h *collection.Hash, pairs [][]byte) bool {
	if !o.fnx && !o.fxx {
		return true
	}
	for i := 0; i < len(pairs); i += 2 {
		if _, there := h.Get(pairs[i]); there == o.fnx {
			return false
		}
	}
	return true
}

// asSent: the call may be propagated as it stands.
func (o *fieldOptions) asSent() bool {
	return !o.nx && !o.xx && !o.fnx && !o.fxx && (o.expiry == nil || o.expiry.Arg.Token == "PXAT")
}

func hsetexRun(c *spec.Call) {
	var o fieldOptions
	pairs, ok := o.parse(c, 2)
	if !ok {
		return
	}
	ent := c.Engine.Write(c.Key(0))
	var h collection.Hash
	if !openHash(c, &h, ent) {
		return
	}
	if o.nx && ent.Found() || o.xx && !ent.Found() {
		c.Out.Int(0)
		return
	}
	if !o.deadline(c) {
		return
	}
	if !o.allowed(&h, pairs) {
		c.Out.Int(0)
		return
	}
	if o.over {
		hsetexOver(c, &h, pairs)
	} else {
		o.setAll(c, &h, pairs)
	}
	c.Out.Int(1)
}

// hsetexOver deletes the fields, over or not, in place of giving them an expiry that is over. To those who listen it looks as if each had been set first, even in a key that was not there.
func hsetexOver(c *spec.Call, h *collection.Hash, pairs [][]byte) {
	gone := [][]byte{wordHDel, c.Args[1]}
	for i := 0; i < len(pairs); i += 2 {
		if h.Delete(pairs[i]) {
			gone = append(gone, pairs[i])
		}
	}
	c.Engine.FieldsExpired(len(pairs) / 2)
	k, empty := c.Key(0), h.Len() == 0
	h.Commit()
	if n := len(gone) - 2; n > 0 {
		c.Engine.Modified(k)
		c.Engine.Dirty(n)
		c.Engine.Propagate(gone...)
	}
	for _, event := range []string{"hset", "hexpire", "hexpired"} {
		c.Engine.Notify(eventHash, event, k)
	}
	if empty {
		c.Engine.Notify(eventGeneric, "del", k)
	}
}

// setAll sets all fields.
func (o *fieldOptions) setAll(c *spec.Call, h *collection.Hash, pairs [][]byte) {
	h.Fits(pairs)
	over := [][]byte{wordHDel, c.Args[1]}
	for i := 0; i < len(pairs); i += 2 {
		at := o.at
		if o.keep {
			at = keyspace.KeepTTL
		}
		if h.Volatile() > 0 && fieldOver(c, h, pairs[i]) {
			over = append(over, pairs[i])
			at = o.at // of what is over nothing is kept
		}
		h.SetAt(pairs[i], pairs[i+1], at)
	}
	fieldsOver(c, len(over)-2)
	if o.keep && len(over) > 2 { // a replica does not know that they were over, and would keep their expiry
		c.Engine.Propagate(over...)
	}
	hashChanged(c, h, "hset", len(pairs)/2)
	if o.expiry != nil {
		c.Engine.Notify(eventHash, "hexpire", c.Key(0))
	}
	if !o.asSent() || o.keep && len(over) > 2 {
		c.Engine.Propagate(o.absolute(c, pairs)...)
	}
}

// absolute is the call without conditions, and with its expiry as a point in time.
func (o *fieldOptions) absolute(c *spec.Call, pairs [][]byte) [][]byte {
	out := append(make([][]byte, 0, len(c.Args)), wordHSetEx, c.Args[1])
	switch {
	case o.keep:
		out = append(out, wordKeepTTL)
	case o.expiry != nil:
		out = append(out, wordPXAT, decimal(o.at))
	}
	out = append(out, wordFields, decimal(int64(len(pairs)/2)))
	return append(out, pairs...)
}

func hgetexRun(c *spec.Call) {
	var o fieldOptions
	fields, ok := o.parse(c, 1)
	var h collection.Hash
	if !ok || !readHash(c, &h) || !o.deadline(c) {
		return
	}
	c.Out.Array(len(fields))
	var did [][]byte
	for _, field := range fields {
		val, at, there := h.Look(field)
		if !there {
			c.Out.Null()
			continue
		}
		c.Out.Bulk(val)
		switch {
		case o.over:
			h.Delete(field)
		case o.expiry != nil:
			h.SetExpiry(field, o.at)
		case o.persist && at != keyspace.NoExpiry:
			h.SetExpiry(field, keyspace.NoExpiry)
		default:
			continue
		}
		did = append(did, field)
	}
	if len(did) > 0 {
		o.hgetexDone(c, &h, did)
	}
}

// hgetexDone ends a HGETEX that has changed fields. It is propagated as what it did.
func (o *fieldOptions) hgetexDone(c *spec.Call, h *collection.Hash, did [][]byte) {
	n := decimal(int64(len(did)))
	switch {
	case o.over:
		removedOver(c, h, did)
	case o.persist:
		hashChanged(c, h, "hpersist", len(did))
		c.Engine.Propagate(slices.Concat([][]byte{wordHPersist, c.Args[1], wordFields, n}, did)...)
	default:
		hashChanged(c, h, "hexpire", len(did))
		c.Engine.Propagate(slices.Concat([][]byte{wordHPExpireAt, c.Args[1], decimal(o.at), wordFields, n}, did)...)
	}
}
