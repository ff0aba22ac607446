// Package lzf is the LZF compression of strings in Redis' dumps: a Compressor and Decompress. The format is liblzf's.
//
// A compressed string is a row of instructions, told apart by their first byte c:
//
//	c < 32        c+1 bytes follow as they are
//	c >= 32       a copy of c>>5 + 2 bytes (c>>5 < 7), or of 9 + the next byte (c>>5 = 7), from
//	              (c&31)<<8 + the last byte of the instruction + 1 bytes back in the output
//
// A copy may reach into what it is itself writing. Neither length stands in the data: the dump has both beside it.
//
// It is not a general-purpose compressor: it has no framing, no checksum and no streaming.
package lzf

import (
	"encoding/binary"
	"errors"
)

const (
	maxLiteral = 1 << 5        // bytes of one literal instruction
	maxBack    = 1 << 13       // how far back a copy reaches
	maxCopy    = 9 + 255       // bytes of one copy
	minMatch   = 3             // bytes of the shortest copy
	hashBits   = 14            // of the Compressor's table: 64 KiB
	maxPerByte = maxCopy / 3   // what one byte of input can become at most
	missShift  = 6             // after so many misses (as a power of two) the steps get longer: random bytes cost less
	maxBase    = 1<<32 - 1<<30 // from here on the table starts anew, so that positions stay within 32 bits
)

// ErrCorrupt says that the input of Decompress is not the compressed form of as many bytes as were expected.
var ErrCorrupt = errors.New("lzf: corrupt data")

// MaxInput is the longest input that Compress takes, in bytes.
const MaxInput = 1 << 30

// Compressor compresses strings one after the other. It keeps its table between calls; the zero value is ready. It must
// not be used by two goroutines at once.
type Compressor struct {
	table *[1 << hashBits]uint32 // the last position of each hash, plus base
	// base is added to positions, so that what earlier calls left in the table (all below base) needs no clearing.
	// Invariant: every entry of table < base + the present position.
	base uint32
}

// Compress writes the compressed src to dst and returns how many bytes it took, or 0 when that is more than len(dst)
// (which then holds garbage) or src is longer than MaxInput.
func (c *Compressor) Compress(dst, src []byte) int {
	if len(src) > MaxInput {
		return 0
	}
	c.begin(len(src))
	n := c.compress(dst, src)
	c.base += uint32(len(src)) // also when it did not fit: positions have been entered
	return n
}

// compress is Compress with a table that is ready.
func (c *Compressor) compress(dst, src []byte) int {
	out, lit := 0, 0 // bytes written; where the pending literals begin
	misses := 0      // positions looked at since the last match
	for i := 0; i+minMatch < len(src); {
		at, ok := c.find(src, i)
		if !ok {
			i += 1 + misses>>missShift
			misses++
			continue
		}
		misses = 0
		n := matchLen(src, at, i)
		if out = putLiterals(dst, out, src[lit:i]); out < 0 {
			return 0
		}
		if out = putCopy(dst, out, i-at-1, n); out < 0 {
			return 0
		}
		i += n
		lit = i
		c.note(src, i-2)
		c.note(src, i-1)
	}
	return max(putLiterals(dst, out, src[lit:]), 0)
}

// begin makes the table ready for n bytes.
func (c *Compressor) begin(n int) {
	switch {
	case c.table == nil:
		c.table = new([1 << hashBits]uint32)
		c.base = 1
	case c.base > maxBase-uint32(n):
		clear(c.table[:])
		c.base = 1
	}
}

// find enters position i and returns an earlier one with the same three bytes that a copy can reach. i+3 < len(src).
func (c *Compressor) find(src []byte, i int) (int, bool) {
	word := binary.LittleEndian.Uint32(src[i:]) & 0xFFFFFF
	slot := hash(word)
	seen := c.table[slot]
	c.table[slot] = c.base + uint32(i)
	if seen < c.base {
		return 0, false
	}
	at := int(seen - c.base)
	if i-at > maxBack || binary.LittleEndian.Uint32(src[at:])&0xFFFFFF != word {
		return 0, false
	}
	return at, true
}

// note enters position i when four bytes stand there.
func (c *Compressor) note(src []byte, i int) {
	if i+minMatch < len(src) {
		c.table[hash(binary.LittleEndian.Uint32(src[i:])&0xFFFFFF)] = c.base + uint32(i)
	}
}

// hash maps three bytes to a slot of the table.
func hash(word uint32) uint32 { return word * 0x9E3779B1 >> (32 - hashBits) }

// matchLen returns how many bytes from at and from i are equal, at most maxCopy. at < i, and minMatch bytes are equal.
func matchLen(src []byte, at, i int) int {
	n, most := minMatch, min(len(src)-i, maxCopy)
	for n < most && src[at+n] == src[i+n] {
		n++
	}
	return n
}

// putLiterals writes p at dst[out:] as literal instructions and returns the new end, or -1 when dst is too short.
func putLiterals(dst []byte, out int, p []byte) int {
	for len(p) > 0 {
		n := min(len(p), maxLiteral)
		if out+1+n > len(dst) {
			return -1
		}
		dst[out] = byte(n - 1)
		copy(dst[out+1:], p[:n])
		out += 1 + n
		p = p[n:]
	}
	return out
}

// putCopy writes the copy of n bytes from back+1 bytes ago at dst[out:] and returns the new end, or -1 when dst is too
// short.
func putCopy(dst []byte, out, back, n int) int {
	if out+3 > len(dst) {
		return -1
	}
	n -= 2
	if n < 7 {
		dst[out] = byte(n<<5 | back>>8)
		dst[out+1] = byte(back)
		return out + 2
	}
	dst[out] = byte(7<<5 | back>>8)
	dst[out+1] = byte(n - 7)
	dst[out+2] = byte(back)
	return out + 3
}

// Plausible says whether n compressed bytes can be the form of a string of size bytes. Who has only read these two
// lengths asks it before allocating.
func Plausible(n, size uint64) bool {
	return n > 0 && size > 0 && size/maxPerByte <= n
}

// Decompress fills dst with the string whose compressed form is src. It returns ErrCorrupt when src is not the form of
// exactly len(dst) bytes; dst then holds garbage.
func Decompress(dst, src []byte) error {
	out := 0
	for i := 0; i < len(src); {
		c := int(src[i])
		i++
		if c < maxLiteral {
			n := c + 1
			if n > len(src)-i || n > len(dst)-out {
				return ErrCorrupt
			}
			copy(dst[out:], src[i:i+n])
			i, out = i+n, out+n
			continue
		}
		n := c>>5 + 2
		if n == 9 {
			if i == len(src) {
				return ErrCorrupt
			}
			n += int(src[i])
			i++
		}
		if i == len(src) {
			return ErrCorrupt
		}
		at := out - (c&31<<8 + int(src[i]) + 1)
		i++
		if at < 0 || n > len(dst)-out {
			return ErrCorrupt
		}
		copyBack(dst, at, out, n)
		out += n
	}
	if out != len(dst) {
		return ErrCorrupt
	}
	return nil
}

// copyBack copies n bytes of dst from at to out. at < out; where they overlap, what was copied is copied again: the
// distance that can be copied at once doubles.
func copyBack(dst []byte, at, out, n int) {
	end := out + n
	for out < end {
		out += copy(dst[out:end], dst[at:out])
	}
}
