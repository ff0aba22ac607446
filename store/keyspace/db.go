package keyspace

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// KeepTTL as expireAt keeps the expiry that the key has; a new key gets none.
const KeepTTL = -2

// DB is one database's keys in one shard.
type DB struct {
	shard *Shard
	arena *arena.Arena
	index int
	root  *root
	ahead atomic.Pointer[root] // root, for Ahead, which has no lock
}

// root is a database's content. FLUSHDB and SWAPDB exchange it; a walk follows it, wherever it is.
type root struct {
	dict  dict.Dict
	timed dict.Dict    // of the hashes of which fields expire (fields.go)
	later []laterValue // rooted values that Defrag has not gone through to their end
}

func (d *DB) setRoot(r *root) {
	d.root = r
	d.ahead.Store(r)
}

func swapRoots(a, b *DB) {
	x, y := a.root, b.root
	a.setRoot(y)
	b.setRoot(x)
}

// Index is the database's number.
func (d *DB) Index() int { return d.index }

// Shard is the shard that it is a part of.
func (d *DB) Shard() *Shard { return d.shard }

// Len is the number of keys, expired ones that are still there included.
func (d *DB) Len() int { return d.root.dict.Len() }

// Volatile is the number of keys with an expiry.
func (d *DB) Volatile() int { return d.root.dict.Volatile() }

// ttlSamples is how many keys AvgTTL looks at.
const ttlSamples = 16

// AvgTTL is about how many milliseconds volatile keys have left at a time (ms since 1970): the average of some that chance picks; 0 if there are none. Those that are over
// have nothing left.
func (d *DB) AvgTTL(now int64, rnd func() uint64) (ms int64) {
	if d.Volatile() == 0 {
		return 0
	}
	for range ttlSamples {
		if e := d.RandomVolatile(rnd); e.Found() {
			ms += max(e.ExpireAt()-now, 0) / ttlSamples
		}
	}
	return ms
}

func (d *DB) entry(ref arena.Ref) Entry { return Entry{d, d.arena.Ptr(ref), ref} }

// Find finds a key, whether it is expired or not. hash is Space.Hash of it, here and everywhere.
func (d *DB) Find(hash uint64, key []byte) Entry {
	e, _ := d.find(hash, key)
	return e
}

func (d *DB) find(hash uint64, key []byte) (Entry, dict.Place) {
	p := d.root.dict.Probe(&d.shard.env, hash)
	for p.Next() {
		if e := d.entry(p.Ref()); e.hasKey(key) {
			return e, p.Place()
		}
	}
	return Entry{}, dict.Place{}
}

// content is what an entry is to have but its key: the value's type and encoding and its part in the entry's block.
type content struct {
	typ     value.Type
	enc     value.Encoding
	big     bool
	root    bool // with big
	payload []byte
}

func (c *content) flags(at int64, key []byte) byte {
	var f byte
	if at >= 0 {
		f = flagExpiry
	}
	if len(key) > shortKeyMax {
		f |= flagLongKey
	}
	if c.big {
		f |= flagBig
	}
	if c.root {
		f |= flagRoot
	}
	return f
}

// sizeOf is the size of an entry.
func sizeOf(key []byte, at int64, payload int) int {
	n := headBytes + len(key) + payload
	if at >= 0 {
		n += 8
	}
	if len(key) > shortKeyMax {
		n += 4
	}
	return n
}

// write fills an entry's block. The clock stays as it is. key may be the block's own, where it will be or 8 bytes before or behind.
func (e Entry) write(key []byte, at int64, c *content) {
	f := c.flags(at, key)
	off := headBytes + int(f)&flagExpiry*8
	if f&flagLongKey != 0 {
		off += 4
	}
	copy(e.bytes(off, len(key)), key)
	if f&flagLongKey != 0 {
		binary.LittleEndian.PutUint32(e.bytes(off-4, 4), uint32(len(key)))
		*e.byteAt(5) = 0
	} else {
		*e.byteAt(5) = byte(len(key))
	}
	if at >= 0 {
		e.putU64(headBytes, uint64(at))
	}
	*e.byteAt(0) = byte(c.typ) | byte(c.enc)<<4
	*e.byteAt(1) = f
	binary.LittleEndian.PutUint16(e.bytes(6, 2), uint16(len(c.payload)))
	copy(e.bytes(off+len(key), len(c.payload)), c.payload)
}

// put sets a key to a content. If the key is there, what it has is given up; its clock stays.
func (d *DB) put(hash uint64, key []byte, at int64, c *content) Entry {
	env := &d.shard.env
	d.root.dict.BeforeWrite(env, hash)
	e, p := d.find(hash, key)
	if !e.Found() {
		at = max(at, NoExpiry)
		e = d.entry(d.shard.heap.Alloc(sizeOf(key, at, len(c.payload))))
		e.write(key, at, c)
		e.SetLRU(d.shard.clock)
		d.root.dict.Insert(env, hash, e.ref, at)
		return e
	}
	old := e.ExpireAt()
	if at == KeepTTL {
		at = old
	} else {
		at = max(at, NoExpiry)
	}
	if e.big() {
		if e.flags()&flagTimed != 0 {
			d.forgetFields(hash, e)
		}
		d.shard.giveUp(e)
	}
	if at != old {
		d.root.dict.SetVolatile(env, hash, p, at)
	}
	return d.rewrite(e, p, at, c)
}

// rewrite gives an entry another content, in its block if that is of the right size. The payload must not be the entry's own.
func (d *DB) rewrite(e Entry, p dict.Place, at int64, c *content) Entry {
	key := e.Key()
	size := sizeOf(key, at, len(c.payload))
	if arena.ClassSize(size) == arena.ClassSize(e.size()) {
		e.write(key, at, c)
		return e
	}
	n := d.entry(d.shard.heap.Alloc(size))
	n.SetLRU(e.LRU())
	n.write(key, at, c)
	d.root.dict.Replace(p, n.ref)
	d.shard.heap.Free(e.ref)
	return n
}

// SetString sets a key to a string, encoded as Redis would. expireAt is in milliseconds since 1970, NoExpiry or KeepTTL.
// A key that is overwritten keeps its access clock; a new one gets the shard's.
func (d *DB) SetString(hash uint64, key, val []byte, expireAt int64) Entry {
	enc, n := value.EncodeString(val)
	if enc == value.Int {
		return d.SetInt(hash, key, n, expireAt)
	}
	if len(val) > InlineMax {
		ref := newBlock(d.shard.heap, d.arena, len(val))
		copy(blockBytes(d.arena, ref, len(val)), val)
		return d.setBlock(hash, key, value.String, value.Raw, ref, len(val), expireAt)
	}
	c := content{typ: value.String, enc: enc, payload: val}
	return d.put(hash, key, expireAt, &c)
}

// SetRaw is SetString without looking for an integer or a short string: OBJECT ENCODING is raw, as after SETRANGE on a new key.
func (d *DB) SetRaw(hash uint64, key, val []byte, expireAt int64) Entry {
	if len(val) > InlineMax {
		return d.SetString(hash, key, val, expireAt)
	}
	c := content{typ: value.String, enc: value.Raw, payload: val}
	return d.put(hash, key, expireAt, &c)
}

// SetInt sets a key to a string that is an integer.
func (d *DB) SetInt(hash uint64, key []byte, n, expireAt int64) Entry {
	var b [intBytes]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	c := content{typ: value.String, enc: value.Int, payload: b[:]}
	return d.put(hash, key, expireAt, &c)
}

// setBlock sets a key to a string or packed value that has a block of its own, which the entry owns from then on.
func (d *DB) setBlock(hash uint64, key []byte, t value.Type, enc value.Encoding, ref arena.Ref, n int, expireAt int64) Entry {
	var b [bigBytes]byte
	binary.LittleEndian.PutUint64(b[:], uint64(ref))
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	c := content{typ: t, enc: enc, big: true, payload: b[:]}
	return d.put(hash, key, expireAt, &c)
}

// SetExpire sets a key's expiry, in milliseconds since 1970, or takes it away with NoExpiry. It returns the entry's handle, which may be another one.
func (d *DB) SetExpire(e Entry, at int64) Entry {
	at = max(at, NoExpiry)
	old := e.ExpireAt()
	if at == old {
		return e
	}
	env := &d.shard.env
	hash := d.shard.space.Hash(e.Key())
	d.root.dict.BeforeWrite(env, hash)
	p := d.root.dict.Find(env, hash, e.ref)
	d.root.dict.SetVolatile(env, hash, p, at)
	if at < 0 || old < 0 {
		e = d.resizeExpiry(e, p, at >= 0)
	}
	if at >= 0 {
		e.putU64(headBytes, uint64(at))
	}
	return e
}

// resizeExpiry makes or takes away the room for an expiry. What comes after it is one stretch, from the long key's length to the value.
func (d *DB) resizeExpiry(e Entry, p dict.Place, with bool) Entry {
	size := e.size()
	from, to := headBytes+8, headBytes
	if with {
		from, to = to, from
	}
	n, flags := e, e.flags()^flagExpiry
	if arena.ClassSize(size) != arena.ClassSize(size+to-from) {
		n = d.entry(d.shard.heap.Alloc(size + to - from))
		n.putU64(0, e.u64(0))
	}
	copy(n.bytes(to, size-from), e.bytes(from, size-from))
	*n.byteAt(1) = flags
	if n.ref != e.ref {
		d.root.dict.Replace(p, n.ref)
		d.fieldsMoved(n, e.ref)
		d.shard.heap.Free(e.ref)
	}
	return n
}

// Delete deletes a key, value and all; false if it was not there. Of a rooted value that has many elements the rest is left to whom Space.NotifyDetached named.
func (d *DB) Delete(hash uint64, key []byte) bool {
	e, ok := d.unlink(hash, key)
	if !ok {
		return false
	}
	if e.big() {
		d.shard.giveUp(e)
	}
	d.shard.heap.Free(e.ref)
	return true
}

// unlink takes an entry out of the index. Its block is the caller's.
func (d *DB) unlink(hash uint64, key []byte) (Entry, bool) {
	env := &d.shard.env
	e, p := d.find(hash, key)
	if !e.Found() {
		return e, false
	}
	if e.flags()&flagTimed != 0 {
		d.forgetFields(hash, e)
	}
	d.root.dict.Remove(env, hash, p)
	return e, true
}

// Check verifies the index, every entry's own bytes against it, and what rooted values have. It is for tests and DEBUG: it visits everything.
func (d *DB) Check() (err error) {
	if err = d.root.dict.Check(&d.shard.env); err != nil {
		return err
	}
	d.root.dict.Walkthrough(&d.shard.env, func(ref arena.Ref) {
		if e := d.entry(ref); err == nil && e.rooted() {
			err = value.Check(&d.shard.values, e.Type(), e.Root())
		}
	})
	if err == nil {
		err = d.checkTimed()
	}
	return err
}
