package keyspace

import (
	"encoding/binary"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/value"
)

// SetPacked sets a key to a packed collection: type and encoding (listpack or intset) say what the bytes are. They are copied. expireAt is in milliseconds since 1970,
// NoExpiry or KeepTTL.
func (d *DB) SetPacked(hash uint64, key []byte, t value.Type, enc value.Encoding, b []byte, expireAt int64) Entry {
	if len(b) <= InlineMax {
		c := content{typ: t, enc: enc, payload: b}
		return d.put(hash, key, expireAt, &c)
	}
	ref := newBlock(d.shard.heap, d.arena, len(b))
	copy(blockBytes(d.arena, ref, len(b)), b)
	return d.setBlock(hash, key, t, enc, ref, len(b), expireAt)
}

// ReplacePacked is SetPacked, with the expiry kept, for a key that holds a packed collection already: e is what Find returned. Where the bytes fit in
// the place of the old ones they are written there.
func (d *DB) ReplacePacked(e Entry, hash uint64, enc value.Encoding, b []byte) Entry {
	big := len(b) > InlineMax
	if big != e.big() || big && !d.fits(e, len(b)) || !big && arena.ClassSize(e.size()) != arena.ClassSize(e.sizeWith(len(b))) {
		return d.SetPacked(hash, e.Key(), e.Type(), enc, b, KeepTTL)
	}
	d.root.dict.BeforeWrite(&d.shard.env, hash)
	if big && !d.alone(e) { // a walk has just taken a share
		return d.SetPacked(hash, e.Key(), e.Type(), enc, b, KeepTTL)
	}
	*e.byteAt(0) = byte(e.Type()) | byte(enc)<<4
	off, _ := e.payload()
	if big {
		e.putU64(off+8, uint64(len(b)))
		copy(e.Packed(), b)
		return e
	}
	binary.LittleEndian.PutUint16(e.bytes(6, 2), uint16(len(b)))
	copy(e.bytes(off, len(b)), b)
	return e
}

// EditPacked lets a packed value be changed where it is. It returns the bytes, with the capacity that their place has, if nobody shares it and there is room for some bytes
// more, else nil. Between it and EditedPacked, which must follow, nothing else is done with the key.
func (d *DB) EditPacked(e Entry, hash uint64, room int) []byte {
	place, n := d.packedPlace(e)
	big := e.big()
	if n+room > len(place) || big && !d.alone(e) {
		return nil
	}
	d.root.dict.BeforeWrite(&d.shard.env, hash)
	if big && !d.alone(e) { // a walk has just taken a share
		return nil
	}
	return place[:n]
}

// EditedPacked ends what EditPacked has begun: b is what has become of the bytes, in their place or, if they outgrew it, elsewhere.
func (d *DB) EditedPacked(e Entry, hash uint64, enc value.Encoding, b []byte) Entry {
	if place, _ := d.packedPlace(e); unsafe.SliceData(place) == unsafe.SliceData(b) {
		big := e.big()
		switch off, _ := e.payload(); {
		case big && len(b) > InlineMax && len(place) <= blockHead+2*len(b):
			*e.byteAt(0) = byte(e.Type()) | byte(enc)<<4
			e.putU64(off+8, uint64(len(b)))
			return e
		case !big && len(b) <= InlineMax && arena.ClassSize(off+len(b)) == off+len(place):
			*e.byteAt(0) = byte(e.Type()) | byte(enc)<<4
			binary.LittleEndian.PutUint16(e.bytes(6, 2), uint16(len(b)))
			return e
		case big && len(b) <= InlineMax:
			b = append(d.Scratch(len(b)), b...) // the block is given up before the entry is written
		}
	}
	return d.SetPacked(hash, e.Key(), e.Type(), enc, b, KeepTTL)
}

// packedPlace is all the memory that a packed value has where it is, and how many bytes of it the value takes.
func (d *DB) packedPlace(e Entry) (place []byte, n int) {
	if e.big() {
		ref, n := e.bigValue()
		return blockBytes(d.arena, ref, d.arena.Size(ref)-blockHead), n
	}
	off, n := e.payload()
	return e.bytes(off, arena.ClassSize(off+n)-off), n
}

// sizeWith is what an entry would need with another payload.
func (e Entry) sizeWith(payload int) int {
	off, _ := e.payload()
	return off + payload
}

func (d *DB) alone(e Entry) bool {
	ref, _ := e.bigValue()
	return owners(d.arena, ref).Load() == 1
}

// fits reports whether an entry's block is its alone, big enough for n bytes, and not more than twice that.
func (d *DB) fits(e Entry, n int) bool {
	ref, _ := e.bigValue()
	size := d.arena.Size(ref)
	return d.alone(e) && size >= blockHead+n && size <= 2*(blockHead+n)
}

// keptScratchBytes is how big a shard's scratch buffer may stay.
const keptScratchBytes = 64 << 10

// Scratch is an empty buffer with room for n bytes, in which a packed value can be put together. It is the shard's, and good until the next call of Scratch.
func (d *DB) Scratch(n int) []byte {
	if sh := d.shard; cap(sh.packed) >= n {
		return sh.packed[:0]
	}
	return make([]byte, 0, n)
}

// KeepScratch gives a buffer back that came of Scratch, and may have grown.
func (d *DB) KeepScratch(b []byte) {
	if sh := d.shard; cap(b) > cap(sh.packed) && cap(b) <= keptScratchBytes {
		sh.packed = b[:0]
	}
}
