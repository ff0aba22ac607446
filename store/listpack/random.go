package listpack

import "math/bits"

// Randomness is had from a function that gives 64 random bits at each call. Where each is more than 1, the entries come in groups of so many (2: fields
// and values), and the first ones of groups are picked.

// below returns a random number from 0 to n-1. The error of not rejecting is below n/2^64.
func below(n int, rnd func() uint64) int {
	hi, _ := bits.Mul64(rnd(), uint64(n))
	return int(hi)
}

// Random returns the position of a random entry, or None if there is none.
func Random(lp []byte, each int, rnd func() uint64) int {
	n := Count(lp) / each
	if n == 0 {
		return None
	}
	return Seek(lp, below(n, rnd)*each)
}

// RandomUnique appends to dst the positions of count different random entries, ascending, or of all when there are not so many. Every choice has the same chance.
func RandomUnique(dst []int, lp []byte, count, each int, rnd func() uint64) []int {
	left := Count(lp) / each
	count = min(count, left)
	for at := First(lp); count > 0; left-- {
		if below(left, rnd) < count {
			dst = append(dst, at)
			count--
		}
		at = Skip(lp, at, each)
	}
	return dst
}
