package value

// EmbStrMax is the longest string that Redis keeps in one block with its object: OBJECT ENCODING says embstr up to it, raw beyond.
const EmbStrMax = 44

// MaxIntLen is the length of the longest int64 in decimal.
const MaxIntLen = 20

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

// ParseInt reads a decimal int64 in its one canonical form: no sign but one minus, no leading zero, no space, no -0.
func ParseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > MaxIntLen {
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
