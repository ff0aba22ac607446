package value

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
)

// Element is a handle on an element of a rooted set, hash or sorted set, good until that element is changed or removed. The zero Element is "not found".
// docs/formats/value.md has the bytes of its block.
type Element struct {
	p   unsafe.Pointer
	ref arena.Ref
}

func elementAt(a *arena.Arena, ref arena.Ref) Element { return Element{a.Ptr(ref), ref} }

// Found reports whether there is such an element.
func (x Element) Found() bool { return x.p != nil }

// Ref is the element's block.
func (x Element) Ref() arena.Ref { return x.ref }

func (x Element) bytes(off, n int) []byte { return unsafe.Slice((*byte)(unsafe.Add(x.p, off)), n) }

// uvarint reads a number at off, and tells where it ends.
func (x Element) uvarint(off int) (v uint64, end int) {
	for shift := uint(0); ; shift += 7 {
		b := *(*byte)(unsafe.Add(x.p, off))
		off++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, off
		}
	}
}

// Member is the member of a set or sorted set, or the field of a hash.
func (x Element) Member() []byte {
	n, off := x.uvarint(0)
	return x.bytes(off, int(n))
}

// behind is where a block goes on behind the member.
func (x Element) behind() int {
	n, off := x.uvarint(0)
	return off + int(n)
}

// value is where a field's value is, how long, and whether an expiry follows.
func (x Element) value() (off, n int, volatile bool) {
	v, off := x.uvarint(x.behind())
	return off, int(v >> 1), v&1 != 0
}

// Value is the value of a hash's field.
func (x Element) Value() []byte {
	off, n, _ := x.value()
	return x.bytes(off, n)
}

// ExpireAt is when a hash's field expires, in milliseconds since 1970, or NoExpiry.
func (x Element) ExpireAt() int64 {
	off, n, volatile := x.value()
	if !volatile {
		return NoExpiry
	}
	return int64(binary.LittleEndian.Uint64(x.bytes(off+n, 8)))
}

// Live is the value of a hash's field, false if the field expired before now (milliseconds since 1970).
func (x Element) Live(now int64) (val []byte, ok bool) {
	off, n, volatile := x.value()
	if volatile && int64(binary.LittleEndian.Uint64(x.bytes(off+n, 8))) < now {
		return nil, false
	}
	return x.bytes(off, n), true
}

// setExpiry writes the expiry of a field whose value stands at off, n bytes long, in a block that has the room; at < 0: there is none.
func (x Element) setExpiry(off, n int, at int64) {
	word := (*byte)(unsafe.Add(x.p, x.behind())) // its lowest bit says so
	if at < 0 {
		*word &^= 1
		return
	}
	*word |= 1
	binary.LittleEndian.PutUint64(x.bytes(off+n, 8), uint64(at))
}

// Score is the score of a sorted set's member.
func (x Element) Score() float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(x.bytes(x.behind(), 8)))
}

// uvarintLen is how many bytes a number takes.
func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func memberSize(member []byte) int { return uvarintLen(uint64(len(member))) + len(member) }

// fieldWord is what stands before a field's value.
func fieldWord(val []byte, at int64) uint64 {
	w := uint64(len(val)) << 1
	if at >= 0 {
		w |= 1
	}
	return w
}

func fieldSize(field, val []byte, at int64) int {
	w := fieldWord(val, at)
	return memberSize(field) + uvarintLen(w) + len(val) + int(w&1)*8
}

// writeMember writes the beginning of a block, and tells where it goes on.
func (x Element) writeMember(member []byte) int {
	off := binary.PutUvarint(x.bytes(0, uvarintLen(uint64(len(member)))), uint64(len(member)))
	return off + copy(x.bytes(off, len(member)), member)
}

// writeValue writes a field's value and expiry behind the field.
func (x Element) writeValue(off int, val []byte, at int64) {
	w := fieldWord(val, at)
	off += binary.PutUvarint(x.bytes(off, uvarintLen(w)), w)
	off += copy(x.bytes(off, len(val)), val)
	if at >= 0 {
		binary.LittleEndian.PutUint64(x.bytes(off, 8), uint64(at))
	}
}

func (x Element) writeScore(off int, score float64) {
	binary.LittleEndian.PutUint64(x.bytes(off, 8), math.Float64bits(score))
}

// appendTo appends the element as a walk emits it; ttl: with its expiry, if it is a hash's field.
func (x Element) appendTo(dst []byte, t Type, ttl bool) []byte {
	member := x.Member()
	dst = append(binary.AppendUvarint(dst, uint64(len(member))), member...)
	switch t {
	case ZSet:
		return append(dst, x.bytes(x.behind(), 8)...)
	case Hash:
		val := x.Value()
		dst = append(binary.AppendUvarint(dst, uint64(len(val))), val...)
		if ttl {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(x.ExpireAt()))
		}
	}
	return dst
}

// emitSize is how many bytes appendTo appends.
func (x Element) emitSize(t Type, ttl bool) int {
	n := x.behind()
	switch t {
	case ZSet:
		n += 8
	case Hash:
		_, vlen, _ := x.value()
		if n += uvarintLen(uint64(vlen)) + vlen; ttl {
			n += 8
		}
	}
	return n
}
