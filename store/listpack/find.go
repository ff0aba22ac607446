package listpack

import "github.com/larder-cache/larder/store/decimal"

// Equal reports whether the entry at at is string s.
func Equal(lp []byte, at int, s []byte) bool {
	n, isInt := decimal.Parse(s)
	return equal(lp, at, s, n, isInt)
}

// equal is Equal with s as an integer, if it is one.
func equal(lp []byte, at int, s []byte, n int64, isInt bool) bool {
	text, m := Get(lp, at)
	if text == nil {
		return isInt && m == n
	}
	return string(text) == string(s)
}

// Find returns the position of the first entry, from the one at at on, that is string s, or None. Between two that are compared skip entries are passed over: with 1,
// fields are compared and values are not. At None there is nothing to be found.
func Find(lp []byte, at int, s []byte, skip int) int {
	if at == None {
		return None
	}
	n, isInt := decimal.Parse(s)
	short := firstStr6 | byte(len(s))
	if len(s) > 63 {
		short = endMark // is no entry's
	}
	for end := End(lp); at < end; {
		c := lp[at]
		switch {
		case c == short:
			if string(lp[at+1:at+1+len(s)]) == string(s) {
				return at
			}
			at += 2 + len(s)
		case c >= firstStr6 && c < firstInt13: // a string of another length
			at += 2 + int(c&0x3F)
		default:
			if equal(lp, at, s, n, isInt) {
				return at
			}
			at = after(lp, at)
		}
		for range skip {
			if at >= end {
				return None
			}
			at = after(lp, at)
		}
	}
	return None
}

// Duplicate returns the position of an entry that is equal to an earlier one, or None; of every each entries the first is looked at. It is for bytes
// from outside, and allocates.
func Duplicate(lp []byte, each int) int {
	seen := make(map[string]struct{}, Count(lp)/each)
	var scratch [decimal.MaxLen]byte
	for at := First(lp); at != None; at = Skip(lp, at, each) {
		s := Text(lp, at, &scratch)
		if _, twice := seen[string(s)]; twice {
			return at
		}
		seen[string(s)] = struct{}{}
	}
	return None
}
