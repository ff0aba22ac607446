package value

import (
	"encoding/binary"
	"math/bits"
)

// A string's bits are counted from the highest one of its first byte on, as SETBIT numbers them. The functions of this file work on
// eight bytes at a time.

// CountBits is the number of bits from first to last, inclusive, that are set. 0 ≤ first ≤ last < 8·len(b).
func CountBits(b []byte, first, last int64) int64 {
	from, to := first>>3, last>>3
	head, tail := byte(0xff)>>(first&7), byte(0xff)<<(7-last&7)
	if from == to {
		return int64(bits.OnesCount8(b[from] & head & tail))
	}
	return int64(bits.OnesCount8(b[from]&head)) + countBytes(b[from+1:to]) + int64(bits.OnesCount8(b[to]&tail))
}

func countBytes(b []byte) int64 {
	n := 0
	for ; len(b) >= 32; b = b[32:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b)) + bits.OnesCount64(binary.LittleEndian.Uint64(b[8:])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(b[16:])) + bits.OnesCount64(binary.LittleEndian.Uint64(b[24:]))
	}
	for _, c := range b {
		n += bits.OnesCount8(c)
	}
	return int64(n)
}

// FindBit is the first bit from first to last, inclusive, that is set, or, if set is false, that is clear; -1 if there is none.
// 0 ≤ first ≤ last < 8·len(b).
func FindBit(b []byte, set bool, first, last int64) int64 {
	var flip uint64 // makes what is looked for a one
	if !set {
		flip = ^uint64(0)
	}
	at, end := first>>3, last>>3+1
	if v := (b[at] ^ byte(flip)) << (first & 7) >> (first & 7); v != 0 {
		return upTo(at*8+int64(bits.LeadingZeros8(v)), last)
	}
	for at++; at+8 <= end; at += 8 {
		if v := binary.BigEndian.Uint64(b[at:]) ^ flip; v != 0 {
			return upTo(at*8+int64(bits.LeadingZeros64(v)), last)
		}
	}
	for ; at < end; at++ {
		if v := b[at] ^ byte(flip); v != 0 {
			return upTo(at*8+int64(bits.LeadingZeros8(v)), last)
		}
	}
	return -1
}

func upTo(bit, last int64) int64 {
	if bit > last {
		return -1
	}
	return bit
}

// BitOp is an operation of BITOP.
type BitOp uint8

// The operations.
const (
	BitAnd BitOp = iota
	BitOr
	BitXor
	BitNot
)

// Combine works b into dst: dst = dst op b, or for BitNot, dst = not b. Where b is shorter it counts as zero.
func (op BitOp) Combine(dst, b []byte) {
	n := min(len(dst), len(b))
	rest := dst[n:]
	for dst, b = dst[:n], b[:n]; len(dst) >= 8 && len(b) >= 8; dst, b = dst[8:], b[8:] {
		binary.LittleEndian.PutUint64(dst, op.of(binary.LittleEndian.Uint64(dst), binary.LittleEndian.Uint64(b)))
	}
	for i := range b {
		dst[i] = byte(op.of(uint64(dst[i]), uint64(b[i])))
	}
	switch op {
	case BitAnd:
		clear(rest)
	case BitNot:
		for i := range rest {
			rest[i] = 0xff
		}
	}
}

func (op BitOp) of(x, y uint64) uint64 {
	switch op {
	case BitAnd:
		return x & y
	case BitOr:
		return x | y
	case BitXor:
		return x ^ y
	}
	return ^y
}

// fieldBytes is how many bytes an integer of 64 bits can lie in, wherever it begins.
const fieldBytes = 9

// Field reads n bits, 1 to 64, from bit at on. What is beyond the string is zero.
func Field(b []byte, at uint64, n int) uint64 {
	var window [fieldBytes]byte
	if from := at >> 3; from < uint64(len(b)) {
		copy(window[:], b[from:])
	}
	shift := at & 7
	v := binary.BigEndian.Uint64(window[:])<<shift | uint64(window[8])>>(8-shift)
	return v >> (64 - n)
}

// SetField writes the lowest n bits of v, 1 to 64, from bit at on. The string must have them.
func SetField(b []byte, at uint64, n int, v uint64) {
	var window [fieldBytes]byte
	part := b[at>>3:]
	copy(window[:], part)
	shift := at & 7
	mask := ^uint64(0) << (64 - n)
	v <<= 64 - n
	high := binary.BigEndian.Uint64(window[:])
	binary.BigEndian.PutUint64(window[:], high&^(mask>>shift)|v>>shift)
	window[8] = window[8]&^byte(mask<<(8-shift)) | byte(v<<(8-shift))
	copy(part, window[:])
}
