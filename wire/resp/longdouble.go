package resp

import (
	"math"
	"math/big"
)

// Bounds of the x86 80-bit long double, which is what INCRBYFLOAT and HINCRBYFLOAT calculate in.
const (
	longDoublePrec = 64     // bits of its mantissa
	longDoubleMax  = 16384  // values are below 2^16384
	longDoubleMin  = -16445 // 2^-16445 is the smallest above zero
	longDoubleText = 5 * 1024
	// decimalMax and decimalMin are powers of ten safely outside its range.
	decimalMax = 4940
	decimalMin = -4960
)

// LongDouble is a number of 64 bits of precision, so that 0.1 + 0.2 is 0.3 for INCRBYFLOAT as it is in Redis. The zero value is 0.
type LongDouble struct {
	f   big.Float
	nan bool
}

// ParseLongDouble reads a number as Redis' string2ld does. It accepts what ParseFloat accepts, in the wider range of a
// long double, and at most 5 KiB of text.
func ParseLongDouble(b []byte) (LongDouble, bool) {
	kind := floatForm(b)
	if kind == formNone || len(b) >= longDoubleText {
		return LongDouble{}, false
	}
	if n, ok := ParseInt(b); ok {
		var v LongDouble
		v.f.SetPrec(longDoublePrec).SetInt64(n)
		return v, true
	}
	neg := b[0] == '-'
	if b[0] == '+' || neg {
		b = b[1:]
	}
	var v LongDouble
	ok := true
	switch kind {
	case formInf:
		v.f.SetInf(false)
	case formDecimal:
		ok = v.setDigits(b, 10, 'e')
	default:
		ok = v.setDigits(b[2:], 16, 'p')
	}
	if neg {
		v.f.Neg(&v.f)
	}
	return v, ok
}

// setDigits sets v from a mantissa in the base and an exponent (of ten or of two) behind the mark; false if it overflows, or underflows to
// zero. The exact value is made of integers and rounded once.
func (v *LongDouble) setDigits(b []byte, base int, mark byte) bool {
	v.f.SetPrec(longDoublePrec)
	digits := make([]byte, 0, len(b))
	exp, point, perDigit := 0, false, 1
	if base == 16 {
		perDigit = 4
	}
	for i, c := range b {
		if c|0x20 == mark {
			exp += clampedInt(b[i+1:])
			break
		}
		if c == '.' {
			point = true
			continue
		}
		if point {
			exp -= perDigit
		}
		if c != '0' || len(digits) > 0 {
			digits = append(digits, c)
		}
	}
	if len(digits) == 0 {
		return true
	}
	m, ok := new(big.Int).SetString(string(digits), base)
	if !ok {
		return false
	}
	if base == 16 {
		v.f.SetInt(m)
		v.f.SetMantExp(&v.f, exp)
	} else if size := len(digits) + exp; size > decimalMax || size < decimalMin {
		return false
	} else {
		v.setDecimal(m, exp)
	}
	return v.inRange()
}

// inRange says whether v, which is not zero, is neither too big nor rounds to zero: just half of the smallest value does.
func (v *LongDouble) inRange() bool {
	var mant big.Float
	exp := v.f.MantExp(&mant) // mant in [0.5, 1)
	half := mant.MinPrec() == 1
	return !v.f.IsInf() && exp <= longDoubleMax && (exp > longDoubleMin || exp == longDoubleMin && !half)
}

// setDecimal sets v to m × 10^exp, rounded once.
func (v *LongDouble) setDecimal(m *big.Int, exp int) {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		v.f.SetInt(m.Mul(m, scale))
		return
	}
	v.f.Quo(new(big.Float).SetInt(m), new(big.Float).SetInt(scale))
}

// clampedInt reads an exponent; what no number can need is cut, far outside the range and far inside an int.
func clampedInt(b []byte) int {
	neg := b[0] == '-'
	if b[0] == '+' || neg {
		b = b[1:]
	}
	n := 0
	for _, c := range b {
		if n = n*10 + int(c-'0'); n > 1<<20 {
			n = 1 << 20
		}
	}
	if neg {
		return -n
	}
	return n
}

// Add returns v + w.
func (v LongDouble) Add(w LongDouble) LongDouble {
	if v.nan || w.nan || v.f.IsInf() && w.f.IsInf() && v.f.Signbit() != w.f.Signbit() {
		return LongDouble{nan: true}
	}
	var sum LongDouble
	sum.f.SetPrec(longDoublePrec).Add(&v.f, &w.f)
	if !sum.f.IsInf() && sum.f.MantExp(nil) > longDoubleMax {
		sum.f.SetInf(sum.f.Signbit())
	}
	return sum
}

// Finite says whether v is a number and not infinite; INCRBYFLOAT refuses other results.
func (v LongDouble) Finite() bool { return !v.nan && !v.f.IsInf() }

// Float64 is the nearest double.
func (v LongDouble) Float64() float64 {
	if v.nan {
		return math.NaN()
	}
	f, _ := v.f.Float64()
	return f
}

// Append appends v as INCRBYFLOAT stores it: no exponent, at most 17 digits behind the point, no zeros at their end.
func (v LongDouble) Append(dst []byte) []byte {
	switch {
	case v.nan:
		return append(dst, "nan"...)
	case v.f.IsInf() && v.f.Signbit():
		return append(dst, "-inf"...)
	case v.f.IsInf():
		return append(dst, "inf"...)
	}
	start := len(dst)
	dst = v.f.Append(dst, 'f', 17)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	if string(dst[start:]) == "-0" {
		return append(dst[:start], '0')
	}
	return dst
}

// FormatFloat is LongDouble.Append for a double. The sum of two doubles is less exact than Redis' sum: increments go through LongDouble.
func FormatFloat(f float64) string {
	var v LongDouble
	if math.IsNaN(f) {
		v.nan = true
	} else {
		v.f.SetPrec(longDoublePrec).SetFloat64(f)
	}
	return string(v.Append(nil))
}
