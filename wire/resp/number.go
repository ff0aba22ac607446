package resp

import (
	"math"
	"strconv"
)

// ParseInt reads an integer as Redis' string2ll does: an optional '-' and decimal digits that fit 64 bits, without '+', blanks,
// leading zeros or "-0", so that the text and the number are each other's only form.
func ParseInt(b []byte) (int64, bool) {
	digits, neg := b, false
	if len(b) > 0 && b[0] == '-' {
		digits, neg = b[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	if digits[0] == '0' {
		return 0, len(b) == 1
	}
	var v uint64 // 19 digits cannot overflow it
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + uint64(d)
	}
	if neg {
		return -int64(v), v <= 1<<63
	}
	return int64(v), v <= math.MaxInt64
}

// ParseFloat reads a double as Redis' string2d does, that is, as C's strtod: decimal or hexadecimal (0x1.8p3), with a
// sign, "inf" and "infinity" in any case. Blanks, anything left over, "nan", and what overflows or underflows to zero are refused.
func ParseFloat(b []byte) (float64, bool) {
	if n, ok := ParseInt(b); ok {
		return float64(n), true // rounded as the text would be: to the nearest, halves to even
	}
	kind := floatForm(b)
	if kind == formNone {
		return 0, false
	}
	text := string(b)
	if kind == formHexNoExp {
		text += "p0" // C does without the exponent, Go does not
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 && !zeroDigits(b, kind) {
		return 0, false
	}
	return f, true
}

// form is how a number is written.
type form int

const (
	formNone     form = iota // not a number
	formDecimal              // 1.5e3
	formHex                  // 0x1.8p3
	formHexNoExp             // 0x1.8
	formInf                  // inf, infinity
)

// floatForm says how a number is written, by the grammar of C's strtod.
func floatForm(b []byte) form {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	switch {
	case equalFold(b, "inf"), equalFold(b, "infinity"):
		return formInf
	case len(b) > 2 && b[0] == '0' && b[1]|0x20 == 'x':
		return hexForm(b[2:])
	}
	n := mantissa(b, func(c byte) bool { return c-'0' <= 9 })
	if n == 0 || n < len(b) && (b[n]|0x20 != 'e' || !exponent(b[n+1:])) {
		return formNone
	}
	return formDecimal
}

func hexForm(b []byte) form {
	n := mantissa(b, func(c byte) bool { return hexDigit(c) >= 0 })
	switch {
	case n == 0:
		return formNone
	case n == len(b):
		return formHexNoExp
	case b[n]|0x20 == 'p' && exponent(b[n+1:]):
		return formHex
	}
	return formNone
}

// mantissa is the length of the digits at the start of b, with at most one point among them, or 0 if there is no digit.
func mantissa(b []byte, digit func(byte) bool) int {
	i, digits, point := 0, 0, false
	for ; i < len(b); i++ {
		if b[i] == '.' && !point {
			point = true
		} else if digit(b[i]) {
			digits++
		} else {
			break
		}
	}
	if digits == 0 {
		return 0
	}
	return i
}

// exponent says whether all of b is an exponent: an optional sign and digits.
func exponent(b []byte) bool {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return len(b) > 0
}

// zeroDigits says whether a number that came out as zero was written as zero, rather than too small.
func zeroDigits(b []byte, kind form) bool {
	end := byte('e')
	if kind != formDecimal {
		end = 'p'
	}
	for _, c := range b {
		if c|0x20 == end {
			break
		}
		if c != '0' && c != '.' && c != '+' && c != '-' && c|0x20 != 'x' {
			return false
		}
	}
	return true
}

func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// AppendDouble appends a double as replies show it since Redis 7.2 and in Valkey: the fewest digits that read back as the same number
// (7.0 printed %.17g), integers up to 2^62 in full, "inf", "-inf", "nan", "-0". Redis' Grisu2 misses the fewest digits for a few numbers
// in a thousand and prints one or two more; that is not copied.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case f == 0 && math.Signbit(f):
		return append(dst, "-0"...)
	case math.Abs(f) <= 1<<62 && f == math.Trunc(f):
		return strconv.AppendInt(dst, int64(f), 10)
	}
	return appendShortest(dst, f)
}

// AppendShortest is AppendDouble without integers in full: 100000000 is 1e+8. Valkey's fingerprints (DEBUG DIGEST) are of that.
func AppendShortest(dst []byte, f float64) []byte {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return AppendDouble(dst, f)
	}
	return appendShortest(dst, f)
}

// appendShortest writes the shortest digits in the layout of fpconv, the library that Redis formats with.
func appendShortest(dst []byte, f float64) []byte {
	var text [32]byte
	e := strconv.AppendFloat(text[:0], math.Abs(f), 'e', -1, 64) // d.ddde±xx
	if f < 0 {
		dst = append(dst, '-')
	}
	mark := len(e) - 1
	for e[mark] != 'e' {
		mark--
	}
	exp, err := strconv.Atoi(string(e[mark+1:]))
	if err != nil { // cannot be: strconv wrote it
		return strconv.AppendFloat(dst, math.Abs(f), 'g', -1, 64)
	}
	digits := e[:1]
	if mark > 2 {
		digits = append(digits, e[2:mark]...)
	}
	k := exp - len(digits) + 1 // the number is digits × 10^k
	switch {
	case k >= 0 && exp < len(digits)+7:
		dst = append(dst, digits...)
		return appendZeros(dst, k)
	case k < 0 && (k > -7 || max(exp, -exp) < 4):
		if exp < 0 {
			dst = appendZeros(append(dst, '0', '.'), -exp-1)
			return append(dst, digits...)
		}
		dst = append(append(dst, digits[:exp+1]...), '.')
		return append(dst, digits[exp+1:]...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	dst = append(dst, 'e', '+')
	if exp < 0 {
		dst[len(dst)-1] = '-'
	}
	return strconv.AppendInt(dst, int64(max(exp, -exp)), 10)
}

func appendZeros(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}

// parseDouble reads a RESP3 double, which may be "nan".
func parseDouble(b []byte) (float64, bool) {
	if equalFold(b, "nan") || equalFold(b, "-nan") {
		return math.NaN(), true
	}
	return ParseFloat(b)
}
