package keyspace

import (
	"github.com/larder-cache/larder/store/arena"
)

// Detached is what was taken out of a keyspace at once and is to be freed in slices: a flushed database or an unlinked value. Its memory counts as used until then.
type Detached struct {
	shard *Shard
	root  *root
	slot  uint64
	block arena.Ref
}

// Shard is the number of the shard whose lock FreeSome needs.
func (x *Detached) Shard() int { return x.shard.index }

// FreeSome frees some n keys (whole segments: up to a few hundred more) and reports whether all is free. While a walk that began before still has to go
// through it, nothing is freed and the answer is false.
func (x *Detached) FreeSome(n int) (done bool) {
	if x.block != 0 {
		x.shard.release(x.block)
		x.block = 0
	}
	if x.root == nil {
		return true
	}
	if x.root.dict.Walking() {
		return false
	}
	free := func(ref arena.Ref) {
		n--
		x.shard.free(ref)
	}
	for n > 0 {
		var more bool
		if x.slot, more = x.root.dict.FreeSegment(&x.shard.env, x.slot, free); !more {
			x.root = nil
			return true
		}
	}
	return false
}

// free frees an entry that is in no index any more.
func (sh *Shard) free(ref arena.Ref) {
	e := sh.reader.entry(ref)
	if e.big() {
		block, _ := e.bigValue()
		sh.release(block)
	}
	sh.heap.Free(ref)
}

// Flush empties a database in this shard by taking its content out, however much it is. It returns nil if there was nothing.
func (sh *Shard) Flush(db int) *Detached {
	if !sh.Used(db) || sh.dbs[db].Len() == 0 {
		return nil
	}
	old := sh.dbs[db].root
	sh.dbs[db].setRoot(&root{})
	return &Detached{shard: sh, root: old}
}

// lazyBytes is from what size on DeleteLazy leaves the freeing of a value to its caller.
const lazyBytes = 64 << 10

// DeleteLazy deletes a key like Delete, but a big value is left to be freed: UNLINK. rest is nil if there is nothing left to do.
func (d *DB) DeleteLazy(hash uint64, key []byte) (rest *Detached, ok bool) {
	e, ok := d.unlink(hash, key)
	if !ok {
		return nil, false
	}
	if e.big() {
		block, n := e.bigValue()
		if n >= lazyBytes {
			rest = &Detached{shard: d.shard, block: block}
		} else {
			d.shard.release(block)
		}
	}
	d.shard.heap.Free(e.ref)
	return rest, true
}
