package keyspace

import (
	"encoding/binary"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/value"
)

// SetRoot sets a key to a rooted collection, whose root is the entry's from then on. expireAt is in milliseconds since 1970, NoExpiry or KeepTTL. The root must be of this
// shard's Values.
func (d *DB) SetRoot(hash uint64, key []byte, t value.Type, enc value.Encoding, root arena.Ref, expireAt int64) Entry {
	var b [rootBytes]byte
	binary.LittleEndian.PutUint64(b[:], uint64(root))
	c := content{typ: t, enc: enc, big: true, root: true, payload: b[:]}
	e := d.put(hash, key, expireAt, &c)
	if t == value.Hash {
		d.NoteFields(hash, e, NoExpiry)
	}
	return e
}

// BeforeChange must be called before anything changes below the root of an entry. Walks that have not passed it are handed the bucket that it is in.
func (d *DB) BeforeChange(e Entry) {
	if d.root.dict.Walking() {
		d.root.dict.BeforeWrite(&d.shard.env, e.Hash())
	}
}

// Values is what the rooted values of the shard are worked with.
func (d *DB) Values() *value.Env { return &d.shard.values }

// Values is what the rooted values of the shard are worked with.
func (sh *Shard) Values() *value.Env { return &sh.values }

// giveUp gives up what an entry has besides its own block.
func (sh *Shard) giveUp(e Entry) {
	if e.rooted() {
		sh.releaseRoot(e.Type(), e.Root(), limits.MaxElementsFreedAtOnce)
		return
	}
	ref, _ := e.bigValue()
	sh.release(ref)
}

// releaseRoot gives up an entry's root. If walks still go through it, it is theirs from then on; else up to n elements are freed, and what is left is detached.
func (sh *Shard) releaseRoot(t value.Type, root arena.Ref, n int) {
	if sh.letGo(t, root) {
		sh.dispose(t, root, n)
	}
}

// letGo takes an entry's share off a root, and reports whether that was the last one. All owners of a root are in the shard that it is in.
func (sh *Shard) letGo(t value.Type, root arena.Ref) (last bool) {
	if owners(sh.space.arena, root).Add(-1) == 0 {
		return true
	}
	sh.space.walkHeld.Add(value.Bytes(&sh.values, t, root))
	return false
}

// letWalkGo takes a walk's share off a root, and frees it if that was the last one.
func (sh *Shard) letWalkGo(t value.Type, root arena.Ref) {
	if owners(sh.space.arena, root).Add(-walkShare) == 0 {
		sh.space.walkHeld.Add(-value.Bytes(&sh.values, t, root))
		sh.dispose(t, root, limits.MaxElementsFreedAtOnce)
	}
}

// dispose frees up to n elements of a root without owners, and detaches what is left.
func (sh *Shard) dispose(t value.Type, root arena.Ref, n int) {
	if value.Free(&sh.values, t, root, n) {
		return
	}
	x := &Detached{shard: sh, typ: t, value: root}
	if fn := sh.space.detached; fn != nil {
		fn(x)
		return
	}
	for !x.FreeSome(limits.MaxElementsFreedAtOnce) {
	}
}

// NotifyDetached sets who frees what is left of a big rooted value whose key was deleted or overwritten: fn is called under its shard's lock, and must neither wait nor
// take a shard. Without it, such values are freed at once. Once, before the space is used.
func (s *Space) NotifyDetached(fn func(*Detached)) { s.detached = fn }
