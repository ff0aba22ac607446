package keyspace

import (
	"encoding/binary"
	"strconv"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// Append adds to the end of a string and returns its new length. A key that is not there is set as by SetString. The key must hold a string.
// The result is raw, its expiry stays.
func (d *DB) Append(hash uint64, key, suffix []byte) int {
	e, p := d.find(hash, key)
	if !e.Found() {
		d.SetString(hash, key, suffix, NoExpiry)
		return len(suffix)
	}
	n := e.StringLen()
	copy(d.mutable(hash, e, p, n+len(suffix), []Span{{n, n + len(suffix)}})[n:], suffix)
	return n + len(suffix)
}

// SetRange overwrites a string from an offset on and returns its length. Where it is too short it is filled up with zero bytes; a key that is
// not there counts as empty. The key must hold a string. The result is raw, its expiry stays.
func (d *DB) SetRange(hash uint64, key []byte, offset int, val []byte) int {
	b := d.Mutable(hash, key, offset+len(val), Span{offset, offset + len(val)})
	copy(b[offset:], val)
	return len(b)
}

// Span is a part of a string: the bytes From, and those up to but without To.
type Span struct{ From, To int }

// Mutable gives a string's bytes for writing, at least n of them: a shorter one is filled up with zero bytes, a key that is not there is made. The spans are what may be written
// to; without any, that is everything. The key must hold a string, and the bytes be written before anything else is done with the shard. The result is raw, its expiry stays.
// If a walk still needs the bytes as they are, the spans' chunks are copied first. If another key does, the first Mutable after COPY copies the whole.
func (d *DB) Mutable(hash uint64, key []byte, n int, spans ...Span) []byte {
	e, p := d.find(hash, key)
	if !e.Found() {
		return d.Zeros(hash, key, n)
	}
	n = max(n, e.StringLen())
	if len(spans) == 0 {
		return d.mutable(hash, e, p, n, []Span{{0, n}})
	}
	return d.mutable(hash, e, p, n, spans)
}

// Zeros sets a key to a string of n zero bytes, raw and without an expiry, and gives them for writing, as Mutable does. What the key
// had, whatever its type, is given up.
func (d *DB) Zeros(hash uint64, key []byte, n int) []byte {
	if n > InlineMax {
		ref := newBlock(d.shard.heap, d.arena, n)
		b := blockBytes(d.arena, ref, n)
		clear(b)
		d.setBlock(hash, key, value.String, value.Raw, ref, n, NoExpiry)
		return b
	}
	clear(d.shard.scratch[:n])
	return inlineBytes(d.SetRaw(hash, key, d.shard.scratch[:n], NoExpiry))
}

func inlineBytes(e Entry) []byte {
	off, n := e.payload()
	return e.bytes(off, n)
}

// mutable makes a string raw and n bytes long, which it is at most now, and gives those bytes, of which the spans may be written to.
func (d *DB) mutable(hash uint64, e Entry, p dict.Place, n int, spans []Span) []byte {
	d.root.dict.BeforeWrite(&d.shard.env, hash)
	if e.big() {
		return d.mutableBlock(e, n, spans)
	}
	if n > InlineMax {
		return d.moveOut(e, p, n)
	}
	b := d.shard.scratch[:n]
	clear(b[copyString(b, e):])
	c := content{typ: value.String, enc: value.Raw, payload: b}
	return inlineBytes(d.rewrite(e, p, e.ExpireAt(), &c))
}

// copyString copies a string that is not big.
func copyString(to []byte, e Entry) int {
	if n, ok := e.Int(); ok {
		return len(strconv.AppendInt(to[:0], n, 10))
	}
	return copy(to, inlineBytes(e))
}

// moveOut gives a string that becomes too long for its entry a block.
func (d *DB) moveOut(e Entry, p dict.Place, n int) []byte {
	ref := newBlock(d.shard.heap, d.arena, n)
	b := blockBytes(d.arena, ref, n)
	clear(b[copyString(b, e):])
	var payload [bigBytes]byte
	binary.LittleEndian.PutUint64(payload[:], uint64(ref))
	binary.LittleEndian.PutUint64(payload[8:], uint64(n))
	c := content{typ: value.String, enc: value.Raw, big: true, payload: payload[:]}
	d.rewrite(e, p, e.ExpireAt(), &c)
	return b
}

// mutableBlock makes a big value's block long enough, and such that the spans of it may be written to.
func (d *DB) mutableBlock(e Entry, n int, spans []Span) []byte {
	ref, old := e.bigValue()
	if !d.shard.writable(ref) || d.arena.Size(ref) < blockHead+n && !d.shard.heap.Grow(ref, blockHead+n) {
		ref = d.copyBlock(ref, old, n)
	} else {
		for _, s := range spans {
			d.shard.save(ref, s)
		}
	}
	b := blockBytes(d.arena, ref, n)
	clear(b[old:])
	off, _ := e.payload()
	e.putU64(off, uint64(ref))
	e.putU64(off+8, uint64(n))
	return b
}

// copyBlock copies a block to a new one, and gives up the old one. One that grows gets room to spare, as Redis' strings do: as
// much again up to 1 MiB, so that many small appends copy each byte a bounded number of times.
func (d *DB) copyBlock(ref arena.Ref, old, n int) arena.Ref {
	room := n
	if n > old {
		room += min(n, spareMost)
	}
	to := newBlock(d.shard.heap, d.arena, room)
	copy(blockBytes(d.arena, to, old), blockBytes(d.arena, ref, old))
	d.shard.release(ref)
	return to
}

const spareMost = 1 << 20

// Overwrite is SetString without an expiry by one who has just looked for the key: e is what Find returned, nothing has changed since. A
// value that fits where the old one is needs no second look-up.
func (d *DB) Overwrite(e Entry, hash uint64, key, val []byte) Entry {
	if !e.Found() || e.flags()&(flagBig|flagExpiry) != 0 || len(val) <= value.MaxIntLen || len(val) > InlineMax {
		return d.SetString(hash, key, val, NoExpiry)
	}
	off, n := e.payload()
	if n != len(val) && arena.ClassSize(off+n) != arena.ClassSize(off+len(val)) {
		return d.SetString(hash, key, val, NoExpiry)
	}
	d.root.dict.BeforeWrite(&d.shard.env, hash)
	enc, _ := value.EncodeString(val)
	*e.byteAt(0) = byte(value.String) | byte(enc)<<4
	binary.LittleEndian.PutUint16(e.bytes(6, 2), uint16(len(val)))
	copy(e.bytes(off, len(val)), val)
	return e
}
