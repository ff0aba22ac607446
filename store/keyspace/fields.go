package keyspace

import (
	"fmt"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// Hashes of which fields have an expiry of their own are *timed*: so that the expiry cycle finds them, each database has an index of their entries beside that of all keys
// (root.timed). There an entry is volatile, with a time before which none of its fields expires. The entry's flag says that it is in that index: what deletes, overwrites or
// moves an entry looks at the flag alone.

// TimedHashes is the number of hashes of which fields have an expiry.
func (d *DB) TimedHashes() int { return d.root.timed.Len() }

// NoteFields must follow changes of a rooted hash in which a field got or lost an expiry: hash is that of its key, e its entry, at a time before which none of the changed
// fields expires, in milliseconds since 1970, or NoExpiry if none got an expiry that is earlier than it was.
func (d *DB) NoteFields(hash uint64, e Entry, at int64) {
	h := value.OpenHash(&d.shard.values, e.Root())
	timed := e.flags()&flagTimed != 0
	switch {
	case h.Volatile() == 0:
		if timed {
			d.forgetFields(hash, e)
		}
	case !timed:
		due, _ := h.NextDue()
		d.root.timed.Insert(&d.shard.env, hash, e.ref, due)
		*e.byteAt(1) |= flagTimed
	case at >= 0:
		env := &d.shard.env
		d.root.timed.SetVolatile(env, hash, d.root.timed.Find(env, hash, e.ref), at)
	}
}

// forgetFields takes an entry out of the index of timed hashes.
func (d *DB) forgetFields(hash uint64, e Entry) {
	env := &d.shard.env
	d.root.timed.Remove(env, hash, d.root.timed.Find(env, hash, e.ref))
	*e.byteAt(1) &^= flagTimed
}

// fieldsMoved lets the index of timed hashes follow an entry that had another block before.
func (d *DB) fieldsMoved(e Entry, from arena.Ref) {
	if e.flags()&flagTimed != 0 {
		p := d.root.timed.Find(&d.shard.env, d.shard.space.Hash(e.Key()), from)
		d.root.timed.Replace(p, e.ref)
	}
}

// fieldsDue is a time before which no field of a timed hash expires.
func (sh *Shard) fieldsDue(ref arena.Ref) int64 {
	at, _ := value.OpenHash(&sh.values, sh.reader.entry(ref).Root()).NextDue()
	return at
}

// SampleFields is a step of the active expiry of fields: from a position on it gives fn hashes of which fields may have expired before now, some dozens at most. fn removes
// such fields, ends with NoteFields or with the key deleted, and returns a time before which no field that is left expires, or NoExpiry if none is left that does. It
// changes nothing else. Checked and Expired count hashes.
func (d *DB) SampleFields(position uint64, now int64, fn func(Entry) (next int64)) Sampled {
	var buf [dueBatch]arena.Ref
	env := &d.shard.env
	r := d.root.timed.Due(env, position, now, d.shard.fieldsDueAt, buf[:])
	for _, ref := range buf[:r.N] {
		e := d.entry(ref)
		hash := d.shard.space.Hash(e.Key())
		if next := fn(e); next >= 0 {
			d.root.timed.Keep(env, hash, next)
		}
	}
	s := Sampled{Next: r.Next, Checked: r.Checked, Expired: r.N}
	if r.Next == dict.End || d.root.timed.Len() == 0 {
		s.Next = 0
	}
	return s
}

// checkTimed verifies the index of timed hashes: it has the entries of which fields expire, each due no earlier than it says, and no others.
func (d *DB) checkTimed() (err error) {
	env := &d.shard.env
	if err = d.root.timed.Check(env); err != nil {
		return err
	}
	n := 0
	d.root.dict.Walkthrough(env, func(ref arena.Ref) {
		e := d.entry(ref)
		timed := e.rooted() && e.Type() == value.Hash && value.OpenHash(&d.shard.values, e.Root()).Volatile() > 0
		if timed {
			n++
		}
		switch {
		case err != nil:
		case timed != (e.flags()&flagTimed != 0):
			err = fmt.Errorf("keyspace: key %q: fields expire: %v; the flag says otherwise", e.Key(), timed)
		case timed && !d.root.timed.Find(env, d.shard.space.Hash(e.Key()), ref).Found():
			err = fmt.Errorf("keyspace: the timed hash %q is not in the index", e.Key())
		}
	})
	if err == nil && (n != d.root.timed.Len() || n != d.root.timed.Volatile()) {
		err = fmt.Errorf("keyspace: %d timed hashes; the index has %d, %d volatile", n, d.root.timed.Len(), d.root.timed.Volatile())
	}
	return err
}
