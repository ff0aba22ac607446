package keyspace

import (
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/value"
)

// Detached is what was taken out of a keyspace at once and is to be freed in slices: a flushed database or an unlinked value. Its memory counts as used until then.
type Detached struct {
	shard *Shard
	root  *root
	slot  uint64
	keys  bool // all keys of root are freed; then slot is of its index of timed hashes
	block arena.Ref
	// value is the root of a collection that nobody owns.
	value arena.Ref
	typ   value.Type

	flushed int // how many keys root had
}

// Keys is of how many keys it is what they had.
func (x *Detached) Keys() int { return max(x.flushed, 1) }

// Shard is the number of the shard whose lock FreeSome needs.
func (x *Detached) Shard() int { return x.shard.index }

// FreeSome frees some n keys or elements (whole segments: up to a few hundred more) and reports whether all is free. While a walk that began before still has to go
// through it, nothing is freed and the answer is false.
func (x *Detached) FreeSome(n int) (done bool) {
	if x.block != 0 {
		x.shard.release(x.block)
		x.block = 0
	}
	if x.value != 0 {
		if !value.Free(&x.shard.values, x.typ, x.value, n) {
			return false
		}
		x.value = 0
	}
	if x.root == nil {
		return true
	}
	if x.root.dict.Walking() {
		return false
	}
	free := func(ref arena.Ref) {
		n -= x.shard.free(ref, max(n, 0))
	}
	for more := true; !x.keys && n > 0; x.keys = !more {
		x.slot, more = x.root.dict.FreeSegment(&x.shard.env, x.slot, free)
	}
	for x.keys && n > 0 {
		var more bool
		if x.slot, more = x.root.timed.FreeSegment(&x.shard.env, x.slot, func(arena.Ref) { n-- }); !more {
			x.root = nil
			return true
		}
	}
	return false
}

// free frees an entry that is in no index any more, and of a rooted value some n elements; the rest is detached. It returns how much it did: 1 for a key or an element.
func (sh *Shard) free(ref arena.Ref, n int) (did int) {
	e := sh.reader.entry(ref)
	switch {
	case e.rooted():
		n = max(n, lazyElements)
		did = min(n, value.Len(&sh.values, e.Type(), e.Root()))
		sh.releaseRoot(e.Type(), e.Root(), n)
	case e.big():
		sh.giveUp(e)
	}
	sh.heap.Free(ref)
	return did + 1
}

// Flush empties a database in this shard by taking its content out, however much it is. It returns nil if there was nothing.
func (sh *Shard) Flush(db int) *Detached {
	if !sh.Used(db) || sh.dbs[db].Len() == 0 {
		return nil
	}
	old, n := sh.dbs[db].root, sh.dbs[db].Len()
	sh.dbs[db].setRoot(&root{})
	return &Detached{shard: sh, root: old, flushed: n}
}

// lazyBytes and lazyElements are from what size on DeleteLazy leaves the freeing of a value to its caller.
const (
	lazyBytes    = 64 << 10
	lazyElements = 64
)

// DeleteLazy deletes a key like Delete, but a big value is left to be freed: UNLINK. rest is nil if there is nothing left to do.
func (d *DB) DeleteLazy(hash uint64, key []byte) (rest *Detached, ok bool) {
	e, ok := d.unlink(hash, key)
	if !ok {
		return nil, false
	}
	if e.big() {
		rest = d.shard.detach(e)
	}
	d.shard.heap.Free(e.ref)
	return rest, true
}

// detach gives up what an entry has besides its own block, and returns it if freeing it takes long.
func (sh *Shard) detach(e Entry) *Detached {
	if !e.rooted() {
		block, n := e.bigValue()
		if n >= lazyBytes {
			return &Detached{shard: sh, block: block}
		}
		sh.release(block)
		return nil
	}
	t, root := e.Type(), e.Root()
	if !sh.letGo(t, root) || value.Len(&sh.values, t, root) <= lazyElements && value.Free(&sh.values, t, root, lazyElements+1) {
		return nil
	}
	return &Detached{shard: sh, typ: t, value: root}
}
