package value

import "github.com/larder-cache/larder/store/decimal"

// EmbStrMax is the longest string that Redis keeps in one block with its object: OBJECT ENCODING says embstr up to it, raw beyond.
const EmbStrMax = 44

// MaxIntLen is the length of the longest int64 in decimal.
const MaxIntLen = decimal.MaxLen

// MaxStringBytes is the longest string (proto-max-bulk-len's default, which APPEND and SETRANGE check too).
const MaxStringBytes = 512 << 20

// EncodeString tells how Redis encodes a string that is set as a whole: as an integer if it is exactly what that integer prints as, else by its length.
// n is the integer.
func EncodeString(b []byte) (enc Encoding, n int64) {
	if len(b) <= MaxIntLen {
		if n, ok := ParseInt(b); ok {
			return Int, n
		}
		return EmbStr, 0
	}
	if len(b) <= EmbStrMax {
		return EmbStr, 0
	}
	return Raw, 0
}

// ParseInt reads a decimal int64 in its one canonical form, as decimal.Parse says.
func ParseInt(b []byte) (int64, bool) { return decimal.Parse(b) }
