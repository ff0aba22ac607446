// Package intset is Redis' intset: a small set of integers in one piece of memory, sorted, with 2, 4 or 8 bytes a member. docs/formats/listpack.md has the
// bytes; dumps hold them as they are.
//
// It is functions over []byte, which is the whole intset. Nothing is allocated except by Add when it needs more room than the slice's capacity has: edits work
// in place and return the slice, like append, so that the slice may lie over a block of the arena. Bytes from outside are checked once by Validate;
// all other functions trust them: on bytes that are no intset they may panic (never read elsewhere). Whoever adds keeps to limits.MaxIntsetMembers.
//
// It knows no strings: decimal.Parse says which ones are integers.
package intset

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	// HeaderBytes is the length of the header.
	HeaderBytes = 8

	width16 = 2
	width32 = 4
	width64 = 8
)

// New returns an empty intset with room for capacity bytes.
func New(capacity int) []byte { return Init(make([]byte, 0, max(capacity, HeaderBytes))) }

// Init makes an empty intset at the beginning of b, whatever b holds, and returns it.
func Init(b []byte) []byte { return append(b[:0], width16, 0, 0, 0, 0, 0, 0, 0) }

// Len returns the number of members.
func Len(is []byte) int { return int(binary.LittleEndian.Uint32(is[4:])) }

// Width returns how many bytes a member takes: 2, 4 or 8.
func Width(is []byte) int { return int(binary.LittleEndian.Uint32(is)) }

// WidthOf returns how many bytes n takes as a member.
func WidthOf(n int64) int {
	switch {
	case n == int64(int16(n)):
		return width16
	case n == int64(int32(n)):
		return width32
	}
	return width64
}

// BytesWith returns how long the intset is when n, which it does not have, is added.
func BytesWith(is []byte, n int64) int {
	return HeaderBytes + (Len(is)+1)*max(Width(is), WidthOf(n))
}

// At returns the member of number i, from 0, in ascending order.
func At(is []byte, i int) int64 { return load(is, i, Width(is)) }

// load returns the member of number i where members take width bytes.
func load(is []byte, i, width int) int64 {
	p := is[HeaderBytes+i*width:]
	switch width {
	case width16:
		return int64(int16(binary.LittleEndian.Uint16(p)))
	case width32:
		return int64(int32(binary.LittleEndian.Uint32(p)))
	}
	return int64(binary.LittleEndian.Uint64(p))
}

// save writes n as the member of number i.
func save(is []byte, i, width int, n int64) {
	p := is[HeaderBytes+i*width:]
	switch width {
	case width16:
		binary.LittleEndian.PutUint16(p, uint16(n))
	case width32:
		binary.LittleEndian.PutUint32(p, uint32(n))
	default:
		binary.LittleEndian.PutUint64(p, uint64(n))
	}
}

// Find returns the number of n among the members, or where it would have to be added.
func Find(is []byte, n int64) (i int, found bool) {
	width, size := Width(is), Len(is)
	if size == 0 || n > load(is, size-1, width) {
		return size, false // so that ascending members are added quickly
	}
	low, high := 0, size
	for low < high {
		mid := int(uint(low+high) >> 1)
		if load(is, mid, width) < n {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < size && load(is, low, width) == n
}

// Has reports whether n is a member.
func Has(is []byte, n int64) bool {
	_, found := Find(is, n)
	return found
}

// Add makes n a member and reports whether it was none before.
func Add(is []byte, n int64) ([]byte, bool) {
	i, found := Find(is, n)
	if found {
		return is, false
	}
	size, width := Len(is), Width(is)
	wide := max(width, WidthOf(n))
	is = slices.Grow(is, HeaderBytes+(size+1)*wide-len(is))[:HeaderBytes+(size+1)*wide]
	if wide == width {
		copy(is[HeaderBytes+(i+1)*width:], is[HeaderBytes+i*width:HeaderBytes+size*width])
	} else {
		widen(is, size, width, wide, i)
	}
	save(is, i, wide, n)
	setHeader(is, wide, size+1)
	return is, true
}

// widen moves size members of from bytes apart, to ones of to bytes, from behind, and leaves a gap at number gap.
func widen(is []byte, size, from, to, gap int) {
	for i := size - 1; i >= 0; i-- {
		target := i
		if i >= gap {
			target++
		}
		save(is, target, to, load(is, i, from))
	}
}

// Remove makes n no member and reports whether it was one. The width of the others stays.
func Remove(is []byte, n int64) ([]byte, bool) {
	i, found := Find(is, n)
	if !found {
		return is, false
	}
	return RemoveAt(is, i), true
}

// RemoveAt removes the member of number i.
func RemoveAt(is []byte, i int) []byte {
	width, size := Width(is), Len(is)
	is = slices.Delete(is, HeaderBytes+i*width, HeaderBytes+(i+1)*width)
	setHeader(is, width, size-1)
	return is
}

// setHeader writes the header.
func setHeader(is []byte, width, size int) {
	binary.LittleEndian.PutUint32(is, uint32(width))
	binary.LittleEndian.PutUint32(is[4:], uint32(size))
}

// Random returns a random member of an intset that is not empty; rnd gives 64 random bits.
func Random(is []byte, rnd func() uint64) int64 {
	hi, _ := bits.Mul64(rnd(), uint64(Len(is)))
	return At(is, int(hi))
}

// Validate reports whether b is an intset with at least one member. It reads nothing outside of b, whatever b holds.
func Validate(b []byte) bool {
	if len(b) <= HeaderBytes {
		return false
	}
	width := binary.LittleEndian.Uint32(b)
	if width != width16 && width != width32 && width != width64 || uint64(len(b)-HeaderBytes) != uint64(binary.LittleEndian.Uint32(b[4:]))*uint64(width) {
		return false
	}
	for i := 1; i < Len(b); i++ {
		if At(b, i-1) >= At(b, i) {
			return false
		}
	}
	return true
}
