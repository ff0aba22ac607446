package listpack

import (
	"encoding/binary"
	"strconv"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/store/decimal"
)

const (
	// HeaderBytes is the length of the header, and so the position of the first entry.
	HeaderBytes = 6
	// EmptyBytes is the length of a listpack without entries.
	EmptyBytes = HeaderBytes + 1
	// None is the position of no entry.
	None = 0

	endMark = 0xFF
	// countUnknown in the header says that the entries must be counted.
	countUnknown = 0xFFFF
)

// The first byte of an entry: its encoding, with the first bits of a small integer or of a length.
const (
	firstStr6   = 0x80 // below: integers from 0 to 127
	firstInt13  = 0xC0
	firstStr12  = 0xE0
	firstStr32  = 0xF0
	firstInt16  = 0xF1
	firstInt24  = 0xF2
	firstInt32  = 0xF3
	firstInt64  = 0xF4
	firstNoMore = 0xF5 // from here on no encodings
)

// New returns an empty listpack with room for capacity bytes.
func New(capacity int) []byte { return Init(make([]byte, 0, max(capacity, EmptyBytes))) }

// Init makes an empty listpack at the beginning of b, whatever b holds, and returns it.
func Init(b []byte) []byte {
	return append(b[:0], EmptyBytes, 0, 0, 0, 0, 0, endMark)
}

// Bytes returns the length of the listpack at the beginning of b, which may be longer.
func Bytes(b []byte) int { return int(binary.LittleEndian.Uint32(b)) }

// Count returns the number of entries. It is in the header unless there are 65535 or more (or were, and nothing was deleted since): then they are counted.
func Count(lp []byte) int {
	if n := storedCount(lp); n != countUnknown {
		return n
	}
	n := 0
	for at, end := HeaderBytes, End(lp); at < end; n++ {
		at = after(lp, at)
	}
	return n
}

// Empty reports whether there are no entries.
func Empty(lp []byte) bool { return len(lp) == EmptyBytes }

// storedCount returns the number of entries that the header has.
func storedCount(lp []byte) int { return int(binary.LittleEndian.Uint16(lp[4:])) }

// End returns the position behind the last entry, where Insert appends.
func End(lp []byte) int { return len(lp) - 1 }

// First returns the position of the first entry, or None.
func First(lp []byte) int { return orNone(lp, HeaderBytes) }

// Last returns the position of the last entry, or None.
func Last(lp []byte) int { return Prev(lp, End(lp)) }

// Next returns the position of the entry behind the one at at, or None.
func Next(lp []byte, at int) int { return orNone(lp, after(lp, at)) }

// Prev returns the position of the entry before the one at at (which may be End), or None.
func Prev(lp []byte, at int) int {
	if at == HeaderBytes {
		return None
	}
	n := backLen(lp, at)
	return at - n - backLenBytes(n)
}

// Seek returns the position of the entry of number index, from 0, or from the end with −1 being the last; None where there are not so many.
func Seek(lp []byte, index int) int {
	if n := storedCount(lp); n != countUnknown {
		if index < 0 {
			index += n
		}
		if index < 0 || index >= n {
			return None
		}
		if index > n/2 {
			index -= n // it is nearer from behind
		}
	}
	if index < 0 {
		at := Last(lp)
		for ; index < -1 && at != None; index++ {
			at = Prev(lp, at)
		}
		return at
	}
	at := First(lp)
	for ; index > 0 && at != None; index-- {
		at = Next(lp, at)
	}
	return at
}

// Skip returns the position of the n-th entry behind the one at at, or None.
func Skip(lp []byte, at, n int) int {
	for ; n > 0 && at != None; n-- {
		at = Next(lp, at)
	}
	return at
}

// Get returns the entry at at: a string, which is a part of lp, or with a nil string an integer.
func Get(lp []byte, at int) (s []byte, n int64) {
	switch c := lp[at]; {
	case c < firstStr6:
		return nil, int64(c)
	case c < firstInt13:
		return view(lp, at+1, int(c&0x3F)), 0
	case c < firstStr12:
		return nil, int64(int16(uint16(c)<<11|uint16(lp[at+1])<<3) >> 3)
	case c < firstStr32:
		return view(lp, at+2, int(c&0x0F)<<8|int(lp[at+1])), 0
	case c == firstStr32:
		return view(lp, at+5, int(binary.LittleEndian.Uint32(lp[at+1:]))), 0
	}
	return nil, wideInt(lp, at)
}

// wideInt returns the integer of 16 bits or more at at.
func wideInt(lp []byte, at int) int64 {
	p := lp[at+1:]
	switch lp[at] {
	case firstInt16:
		return int64(int16(binary.LittleEndian.Uint16(p)))
	case firstInt24:
		return int64(int32(uint32(p[0])<<8|uint32(p[1])<<16|uint32(p[2])<<24) >> 8)
	case firstInt32:
		return int64(int32(binary.LittleEndian.Uint32(p)))
	case firstInt64:
		return int64(binary.LittleEndian.Uint64(p))
	}
	invariant.Check(false, "listpack: a position that is no entry's")
	return 0
}

// Text returns the entry at at as a string: a part of lp, or an integer's text in scratch.
func Text(lp []byte, at int, scratch *[decimal.MaxLen]byte) []byte {
	s, n := Get(lp, at)
	if s == nil {
		return strconv.AppendInt(scratch[:0], n, 10)
	}
	return s
}

// Int returns the entry at at as an integer, and whether it is one.
func Int(lp []byte, at int) (int64, bool) {
	s, n := Get(lp, at)
	if s != nil {
		return decimal.Parse(s) // a foreign writer may have kept an integer as text
	}
	return n, true
}

// view returns n bytes of lp from at on, and never nil.
func view(lp []byte, at, n int) []byte { return lp[at : at+n : at+n] }

// orNone returns at, or None when at is the end.
func orNone(lp []byte, at int) int {
	if at >= End(lp) {
		return None
	}
	return at
}

// after returns the position behind the entry at at: the next entry's or the end's.
func after(lp []byte, at int) int {
	if c := lp[at]; c < firstStr6 {
		return at + 2
	} else if c < firstInt13 {
		return at + 2 + int(c&0x3F)
	}
	n := entryBytes(lp, at)
	return at + n + backLenBytes(n)
}

// entryBytes returns how many bytes the encoding and the data of the entry at at take.
func entryBytes(lp []byte, at int) int {
	switch c := lp[at]; {
	case c < firstStr6:
		return 1
	case c < firstInt13:
		return 1 + int(c&0x3F)
	case c < firstStr12:
		return 2
	case c < firstStr32:
		return 2 + (int(c&0x0F)<<8 | int(lp[at+1]))
	case c == firstStr32:
		return 5 + int(binary.LittleEndian.Uint32(lp[at+1:]))
	case c < firstInt64:
		return 3 + int(c-firstInt16)
	case c == firstInt64:
		return 9
	}
	invariant.Check(false, "listpack: a position that is no entry's")
	return 1
}

// backLenBytes returns how many bytes the back length of an entry of n bytes takes. The bounds are Redis' own: from the second on one less than seven
// bits a byte would allow.
func backLenBytes(n int) int {
	switch {
	case n <= 127:
		return 1
	case n < 16383:
		return 2
	case n < 2097151:
		return 3
	case n < 268435455:
		return 4
	}
	return 5
}

// backLen returns the back length that ends before at.
func backLen(lp []byte, at int) int {
	c := lp[at-1]
	n := int(c & 0x7F)
	for shift := 7; c >= 0x80 && shift <= 28; shift += 7 {
		at--
		c = lp[at-1]
		n |= int(c&0x7F) << shift
	}
	return n
}
