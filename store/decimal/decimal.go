// Package decimal says which strings are integers: those that are exactly what an int64 prints as. Strings, listpacks and sets all keep such a
// string as its number and give it back as text, so they must agree on which they are.
//
// It is not a parser for arguments of commands (spec.Call has that), and knows no fractions.
package decimal

// MaxLen is the length of the longest int64 in decimal.
const MaxLen = 20

// Parse reads a decimal int64 in its one canonical form: no sign but one minus, no leading zero, no space, no -0.
func Parse(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > MaxLen {
		return 0, false
	}
	neg := b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || b[0] == '0' && (neg || len(b) > 1) {
		return 0, false
	}
	var u uint64
	for _, c := range b {
		c -= '0'
		if c > 9 || u > (1<<64-1)/10 {
			return 0, false
		}
		next := u*10 + uint64(c)
		if next < u*10 {
			return 0, false
		}
		u = next
	}
	switch {
	case neg && u <= 1<<63:
		return -int64(u), true
	case !neg && u < 1<<63:
		return int64(u), true
	}
	return 0, false
}
