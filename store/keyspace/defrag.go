package keyspace

import (
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// Defragged counts what a step of defragmentation did.
type Defragged struct {
	// Next is the position to go on at, 0 when the database was gone through.
	Next uint64
	// Hits are blocks that were moved, Misses those that were looked at and left.
	Hits, Misses int
	// KeyHits are keys of which something was moved, KeyMisses the others.
	KeyHits, KeyMisses int
}

// Defrag goes over one bucket of the index, some ten keys, from a position on, and moves those entries, values and parts of the index to new blocks whose runs are
// emptier than others of their size, so that these become free. No key, value or clock changes, no position either: walks and scans go on as if nothing
// had happened. Values that several keys or a snapshot share stay where they are. Handles on entries are not good any more. Rooted values with many elements are gone through in
// the steps that follow.
func (d *DB) Defrag(position uint64) (r Defragged) {
	if len(d.root.later) > 0 {
		d.defragLater(&r)
		r.Next = max(position, 1) // the low bits of a position say nothing
		return r
	}
	next, moved, left := d.root.dict.Defrag(&d.shard.env, position, func(ref arena.Ref) arena.Ref { return d.defragEntry(ref, &r) })
	if next == dict.End && len(d.root.later) == 0 {
		next = 0
	}
	r.Next, r.Hits, r.Misses = next, r.Hits+moved, r.Misses+left
	return r
}

// defragEntry moves an entry and its value, and returns where the entry is.
func (d *DB) defragEntry(ref arena.Ref, r *Defragged) arena.Ref {
	before := r.Hits
	if e := d.entry(ref); e.rooted() {
		d.defragRoot(e, r)
	} else if e.big() {
		d.defragBlock(e, r)
	}
	if h := d.shard.heap; h.ShouldMove(ref) {
		old := d.entry(ref)
		n := old.size()
		to := h.Alloc(n)
		copy(d.entry(to).bytes(0, n), old.bytes(0, n))
		d.fieldsMoved(d.entry(to), ref)
		h.Free(ref)
		ref = to
		r.Hits++
	} else {
		r.Misses++
	}
	if r.Hits > before {
		r.KeyHits++
	} else {
		r.KeyMisses++
	}
	return ref
}

// defragBlock moves a value's own block, or its root block. Its room to spare goes with it, so that it stays of its size.
func (d *DB) defragBlock(e Entry, r *Defragged) {
	off, _ := e.payload()
	ref := arena.Ref(e.u64(off))
	h := d.shard.heap
	if !h.ShouldMove(ref) || owners(d.arena, ref).Load() != 1 {
		r.Misses++
		return
	}
	n := d.arena.Size(ref)
	to := h.Alloc(n)
	copy(d.arena.Bytes(to, n), d.arena.Bytes(ref, n))
	h.Free(ref)
	e.putU64(off, uint64(to))
	r.Hits++
}

// laterValue is a rooted value that defragmentation goes on with, at a position. The key may hold something else by then: any position serves.
type laterValue struct {
	key string
	at  uint64
}

// defragParts is how many parts of a rooted value, some ten elements each, are gone through at once.
const defragParts = 16

// defragRoot moves a rooted value's blocks, and leaves what is too much for one step to later ones.
func (d *DB) defragRoot(e Entry, r *Defragged) {
	d.defragBlock(e, r)
	if at := d.defragSome(e, 0, r); at != 0 {
		d.root.later = append(d.root.later, laterValue{string(e.Key()), at})
	}
}

func (d *DB) defragSome(e Entry, at uint64, r *Defragged) (next uint64) {
	for range defragParts {
		var moved, left int
		at, moved, left = value.Defrag(&d.shard.values, e.Type(), e.Root(), at)
		if r.Hits, r.Misses = r.Hits+moved, r.Misses+left; at == 0 {
			break
		}
	}
	return at
}

// defragLater goes on with a value that was left.
func (d *DB) defragLater(r *Defragged) {
	last := len(d.root.later) - 1
	l := &d.root.later[last]
	key := []byte(l.key)
	if e := d.Find(d.shard.space.Hash(key), key); e.Found() && e.rooted() {
		if l.at = d.defragSome(e, l.at, r); l.at != 0 {
			return
		}
	}
	d.root.later[last] = laterValue{}
	d.root.later = d.root.later[:last]
}

// Fragmentation is how many bytes of the shard's runs of small blocks are free for no other size. One run of each size is not counted: no moving can do without it.
func (sh *Shard) Fragmentation() (bytes int64) {
	s := sh.heap.Stats()
	for i := range s.Classes {
		if c := &s.Classes[i]; c.Runs > 1 {
			bytes += (c.Total - c.Live) * int64(c.Size)
		}
	}
	return bytes
}
