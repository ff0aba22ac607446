package listpack

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/decimal"
)

// All is a number of entries that is never reached: all that follow.
const All = math.MaxInt

// CanAdd reports whether a listpack may grow by so many bytes (see EntryBytes).
func CanAdd(lp []byte, bytes int) bool { return bytes <= limits.MaxListpackBytes-len(lp) }

// EntryOverhead is the most that an entry takes beside its string: what encodes the length before it and behind it. Of a string that is kept
// as an integer it is also enough.
const EntryOverhead = 10

// EntryBytes returns how many bytes string s takes as an entry, its back length included.
func EntryBytes(s []byte) int {
	if n, ok := decimal.Parse(s); ok {
		return IntEntryBytes(n)
	}
	n := strBytes(len(s))
	return n + backLenBytes(n)
}

// IntEntryBytes returns how many bytes the integer n takes as an entry, its back length included.
func IntEntryBytes(n int64) int { return intBytes(n) + 1 }

// Append adds string s behind the last entry.
func Append(lp, s []byte) []byte { return put(lp, End(lp), 0, s) }

// AppendInt adds n behind the last entry.
func AppendInt(lp []byte, n int64) []byte { return putInt(lp, End(lp), 0, n) }

// Prepend adds string s before the first entry.
func Prepend(lp, s []byte) []byte { return put(lp, HeaderBytes, 0, s) }

// Insert adds string s before the entry at at, which may be End. The new entry's position is at.
func Insert(lp []byte, at int, s []byte) []byte { return put(lp, at, 0, s) }

// InsertAfter adds string s behind the entry at at and returns the new entry's position.
func InsertAfter(lp []byte, at int, s []byte) ([]byte, int) {
	at = after(lp, at)
	return put(lp, at, 0, s), at
}

// InsertIntAfter is InsertAfter of an integer.
func InsertIntAfter(lp []byte, at int, n int64) ([]byte, int) {
	at = after(lp, at)
	return putInt(lp, at, 0, n), at
}

// Replace makes the entry at at string s. Its position stays.
func Replace(lp []byte, at int, s []byte) []byte { return put(lp, at, after(lp, at)-at, s) }

// ReplaceInt makes the entry at at the integer n. Its position stays.
func ReplaceInt(lp []byte, at int, n int64) []byte { return putInt(lp, at, after(lp, at)-at, n) }

// Delete removes the entry at at, and as many of those behind it as make count (All: all of them). The entry that followed them is then at at, unless that is End.
func Delete(lp []byte, at, count int) []byte {
	to, n := at, 0
	for end := End(lp); n < count && to < end; n++ {
		to = after(lp, to)
	}
	return cut(lp, at, to, n)
}

// DeleteRange removes count entries from number index on (see Seek), or as many as there are.
func DeleteRange(lp []byte, index, count int) []byte {
	at := Seek(lp, index)
	if at == None {
		return lp
	}
	return Delete(lp, at, count)
}

// DeleteEach removes the entries at these positions, which ascend, each with as many of those behind it as make count.
func DeleteEach(lp []byte, positions []int, count int) []byte {
	if len(positions) == 0 {
		return lp
	}
	dst, deleted := positions[0], 0
	for i, at := range positions {
		from := at
		for n := 0; n < count && from < End(lp); n++ {
			from = after(lp, from)
			deleted++
		}
		to := len(lp)
		if i+1 < len(positions) {
			to = positions[i+1]
		}
		dst += copy(lp[dst:], lp[from:to])
	}
	return shrunk(lp[:dst], deleted)
}

// AppendFrom appends to dst count entries (All: all that follow) of another listpack, src, from the one at at on. At None nothing is appended. With Delete it
// splits a listpack, with First and All it merges two.
func AppendFrom(dst, src []byte, at, count int) []byte {
	if at == None {
		return dst
	}
	to, n := at, 0
	if stored := storedCount(src); at == HeaderBytes && stored != countUnknown && count >= stored {
		to, n = End(src), stored
	}
	for end := End(src); n < count && to < end; n++ {
		to = after(src, to)
	}
	size := to - at
	dst = splice(dst, End(dst), 0, size)
	copy(dst[End(dst)-size:], src[at:to])
	grown(dst, n)
	return dst
}

// Merge appends all entries of second to first.
func Merge(first, second []byte) []byte { return AppendFrom(first, second, First(second), All) }

// put writes string s over old bytes (none, or one entry) at at.
func put(lp []byte, at, old int, s []byte) []byte {
	if n, ok := decimal.Parse(s); ok {
		return putInt(lp, at, old, n)
	}
	size := strBytes(len(s))
	back := backLenBytes(size)
	lp = splice(lp, at, old, size+back)
	p := lp[at:]
	switch head := size - len(s); head {
	case 1:
		p[0] = firstStr6 | byte(len(s))
	case 2:
		p[0], p[1] = firstStr12|byte(len(s)>>8), byte(len(s))
	default:
		p[0] = firstStr32
		binary.LittleEndian.PutUint32(p[1:], uint32(len(s)))
	}
	copy(p[size-len(s):], s)
	putBackLen(p[size:size+back], size)
	if old == 0 {
		grown(lp, 1)
	}
	return lp
}

// putInt writes n over old bytes (none, or one entry) at at.
func putInt(lp []byte, at, old int, n int64) []byte {
	size := intBytes(n)
	lp = splice(lp, at, old, size+1)
	p := lp[at:]
	switch size {
	case 1:
		p[0] = byte(n)
	case 2:
		p[0], p[1] = firstInt13|byte(n>>8)&0x1F, byte(n)
	case 9:
		p[0] = firstInt64
		binary.LittleEndian.PutUint64(p[1:], uint64(n))
	default:
		p[0] = firstInt16 + byte(size-3)
		for i := 1; i < size; i++ {
			p[i] = byte(n)
			n >>= 8
		}
	}
	p[size] = byte(size)
	if old == 0 {
		grown(lp, 1)
	}
	return lp
}

// strBytes returns how many bytes the encoding and the data of a string of n bytes take.
func strBytes(n int) int {
	switch {
	case n < 64:
		return 1 + n
	case n < 4096:
		return 2 + n
	}
	return 5 + n
}

// intBytes returns how many bytes the encoding and the data of n take.
func intBytes(n int64) int {
	switch {
	case uint64(n) < 128:
		return 1
	case n >= -1<<12 && n < 1<<12:
		return 2
	case n == int64(int16(n)):
		return 3
	case n >= -1<<23 && n < 1<<23:
		return 4
	case n == int64(int32(n)):
		return 5
	}
	return 9
}

// putBackLen fills p with the back length n.
func putBackLen(p []byte, n int) {
	for i := len(p) - 1; i > 0; i-- {
		p[i] = byte(n) | 0x80
		n >>= 7
	}
	p[0] = byte(n)
}

// splice makes the old bytes at at n bytes, of undefined content, and sets the length in the header.
func splice(lp []byte, at, old, n int) []byte {
	size := len(lp)
	if n > old {
		lp = slices.Grow(lp, n-old)
	}
	grownTo := size + n - old
	invariant.Check(grownTo <= limits.MaxListpackBytes, "listpack: grown without CanAdd")
	if n != old {
		copy(lp[at+n:cap(lp)], lp[at+old:size])
		lp = lp[:grownTo]
		binary.LittleEndian.PutUint32(lp, uint32(grownTo))
	}
	return lp
}

// cut removes the bytes between two positions, which are n entries.
func cut(lp []byte, at, to, n int) []byte {
	return shrunk(lp[:at+copy(lp[at:], lp[to:])], n)
}

// grown adds n to the number of entries.
func grown(lp []byte, n int) {
	if stored := storedCount(lp); stored != countUnknown {
		binary.LittleEndian.PutUint16(lp[4:], uint16(min(stored+n, countUnknown)))
	}
}

// shrunk sets the header of lp, n of whose entries have been removed.
func shrunk(lp []byte, n int) []byte {
	binary.LittleEndian.PutUint32(lp, uint32(len(lp)))
	stored := storedCount(lp) - n
	if storedCount(lp) == countUnknown {
		stored = min(Count(lp), countUnknown)
	}
	binary.LittleEndian.PutUint16(lp[4:], uint16(stored))
	return lp
}
