package listpack

import "encoding/binary"

// ValidHeader reports whether b is framed as a listpack: the header's length is that of b, and b ends with the end mark. It does not look at the entries.
func ValidHeader(b []byte) bool {
	return len(b) >= EmptyBytes && uint64(binary.LittleEndian.Uint32(b)) == uint64(len(b)) && b[len(b)-1] == endMark
}

// Validate reports whether b is a listpack through and through, so that every function of this package works on it, and how many entries it has.
// It reads nothing outside of b, whatever b holds.
func Validate(b []byte) (count int, ok bool) {
	if !ValidHeader(b) {
		return 0, false
	}
	for rest := b[HeaderBytes : len(b)-1]; len(rest) > 0; count++ {
		n, ok := validEntry(rest)
		if !ok {
			return 0, false
		}
		rest = rest[n:]
	}
	stored := storedCount(b)
	return count, stored == countUnknown || stored == count
}

// validEntry returns the length of the entry at the beginning of p, its back length included, if it is one.
func validEntry(p []byte) (int, bool) {
	head := headBytes(p[0])
	if head == 0 || head > len(p) {
		return 0, false
	}
	n := uint64(head)
	switch c := p[0]; {
	case c < firstStr6:
	case c < firstInt13:
		n += uint64(c & 0x3F)
	case c < firstStr12:
		n++
	case c < firstStr32:
		n += uint64(c&0x0F)<<8 | uint64(p[1])
	case c == firstStr32:
		n += uint64(binary.LittleEndian.Uint32(p[1:]))
	default:
		n = uint64(entryBytes(p, 0))
	}
	if n >= uint64(len(p)) {
		return 0, false
	}
	back := backLenBytes(int(n))
	if back > len(p)-int(n) || !validBackLen(p[n:int(n)+back], int(n)) {
		return 0, false
	}
	return int(n) + back, true
}

// headBytes returns how many bytes of an entry that begins with c say how long it is; 0 when none begins so.
func headBytes(c byte) int {
	switch {
	case c < firstStr12:
		return 1
	case c < firstStr32:
		return 2
	case c == firstStr32:
		return 5
	case c < firstNoMore:
		return 1
	}
	return 0
}

// validBackLen reports whether p is the back length of an entry of n bytes.
func validBackLen(p []byte, n int) bool {
	for i := len(p) - 1; i > 0; i-- {
		if p[i] != byte(n)|0x80 {
			return false
		}
		n >>= 7
	}
	return int(p[0]) == n
}
