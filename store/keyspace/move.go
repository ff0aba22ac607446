package keyspace

import "github.com/larder-cache/larder/store/value"

// Copy sets key in dst to what src has: value, expiry and access clock. dst may be in another shard, and both are held. src must not be that very key. A big value is
// not copied but shared, until one of its keys is written to. Of a rooted value a copy is made, of the whole or, of a list, piece by piece as either changes.
func (d *DB) Copy(src Entry, hash uint64, key []byte) Entry {
	if src.rooted() {
		if src.db.shard != d.shard {
			src.db.shard.heap.Share() // a list's copy has nodes in common with it
		}
		root := value.Clone(&d.shard.values, &src.db.shard.values, src.Type(), src.Root())
		e := d.SetRoot(hash, key, src.Type(), src.Encoding(), root, src.ExpireAt())
		e.SetLRU(src.LRU())
		return e
	}
	if src.big() {
		ref, _ := src.bigValue()
		owners(d.arena, ref).Add(1)
	}
	return d.receive(src, hash, key)
}

// Move is Copy that takes the key away from where it was, at the same cost whatever the value's size: RENAME and MOVE. srcHash is the hash of src's key.
func (d *DB) Move(src Entry, srcHash uint64, hash uint64, key []byte) Entry {
	from := src.db
	if src.rooted() {
		from.root.dict.BeforeWrite(&from.shard.env, srcHash) // the walks that want it open their parts where it is now
		if from.shard != d.shard {
			d.shard.space.moveParts(src, d.shard)
		}
	}
	e := d.receive(src, hash, key)
	if src.flags()&flagTimed != 0 {
		from.forgetFields(srcHash, src)
	}
	p := from.root.dict.Find(&from.shard.env, srcHash, src.ref)
	from.root.dict.Remove(&from.shard.env, srcHash, p)
	from.shard.heap.Free(src.ref)
	return e
}

// receive sets a key to the content of an entry, and takes over its ownership of a big value.
func (d *DB) receive(src Entry, hash uint64, key []byte) Entry {
	if src.big() && src.db.shard != d.shard {
		src.db.shard.heap.Share()
	}
	off, n := src.payload()
	c := content{typ: src.Type(), enc: src.Encoding(), big: src.big(), root: src.rooted(), payload: src.bytes(off, n)}
	e := d.put(hash, key, src.ExpireAt(), &c)
	e.SetLRU(src.LRU())
	if src.flags()&flagTimed != 0 {
		d.NoteFields(hash, e, NoExpiry)
	}
	return e
}
