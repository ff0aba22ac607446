// Package glob matches the patterns of KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET and ACL rules.
//
// It decides as Redis' stringmatchlen does, including what a file system's glob would do otherwise: '*' and '?' match any
// byte, '/' too; an unclosed '[' ends with the pattern; "[z-a]" is "[a-z]"; a '\' at the end stands for itself.
// It is not an index: each call walks the pattern.
package glob

// maxStars is how many '*' that are not the pattern's last element a match may pass; beyond it nothing matches. Redis needs the
// bound for its recursion (CVE-2024-31228). Here there is none, but the answers are to be the same.
const maxStars = 1000

// Match says whether all of s matches the pattern; nocase takes ASCII letters of both cases as equal.
//
// '*' matches any bytes, '?' one, "[abc]", "[a-z]" and "[^a]" one of (not of) a class, '\' takes the next byte literally. The empty
// string matches only the empty pattern, not even "*": callers that want all take "*" out first, as Redis does.
//
// Memory is constant. Everything but '*' takes exactly one byte of s, so only the last '*' passed has to be tried again: if the part
// between two stars matches somewhere, its first place is as good as any (CVE-2022-36021). That makes len(s)² / 2 steps at most, and a
// long class, the one element whose test is not one step, is walked once a byte value, as long as it is not in turn with another.
func Match(pattern, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	p, i := 0, 0
	retryP, retryI := -1, 0 // behind the last '*', and where in s it was tried
	var known verdicts
	for stars := 0; i < len(s); {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				if p = pastStars(pattern, p); p == len(pattern) {
					return true
				}
				if stars++; stars > maxStars {
					return false
				}
				retryP, retryI = p, i
				continue
			case c == s[i] && c != '[' && c != '\\': // a letter, most often
				p, i = p+1, i+1
				continue
			}
			if next, ok := one(pattern, p, s[i], nocase, &known); ok {
				p, i = next, i+1
				continue
			}
		}
		if retryP < 0 {
			return false
		}
		retryI++
		p, i = retryP, retryI
	}
	return pastStars(pattern, p) == len(pattern)
}

// pastStars is where the first element from p on begins that is not '*'.
func pastStars(pattern []byte, p int) int {
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p
}

// longClass is the length from which on the verdicts of a class are kept: walking a shorter one is as quick.
const longClass = 64

// verdicts remembers what one class, whose '[' stands before at and which ends before next, said of the bytes asked so far.
// Without it a pattern such as "*[" with 100 KB behind would be walked for each byte of s.
type verdicts struct {
	at, next     int // at 0: none
	asked, match [4]uint64
}

func (v *verdicts) learn(at, next int, c byte, ok bool) {
	if v.at != at {
		*v = verdicts{at: at, next: next}
	}
	v.asked[c/64] |= 1 << (c % 64)
	if ok {
		v.match[c/64] |= 1 << (c % 64)
	}
}

// one matches the element at pattern[p], which is not '*', with one byte; next is where the element behind it begins.
func one(pattern []byte, p int, c byte, nocase bool, known *verdicts) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		if known.at == p+1 && known.asked[c/64]&(1<<(c%64)) != 0 {
			return known.next, known.match[c/64]&(1<<(c%64)) != 0
		}
		next, ok = class(pattern, p+1, c, nocase)
		if next-p > longClass {
			known.learn(p+1, next, c, ok)
		}
		return next, ok
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, pattern[p] == c || nocase && lower(pattern[p]) == lower(c)
}

// class matches a byte with the class whose '[' stands before p. A class without ']' ends with the pattern. As in Redis, an
// escaped byte is compared exactly even without case, and "a-]" is a range.
func class(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	match := false
	for p < len(pattern) && pattern[p] != ']' {
		left := len(pattern) - p
		switch {
		case pattern[p] == '\\' && left >= 2:
			p++
			match = match || pattern[p] == c
		case left >= 3 && pattern[p+1] == '-':
			match = match || inRange(pattern[p], pattern[p+2], c, nocase)
			p += 2
		default:
			match = match || pattern[p] == c || nocase && lower(pattern[p]) == lower(c)
		}
		p++
	}
	if p < len(pattern) {
		p++ // the ']'
	}
	return p, match != negated
}

// inRange compares as C's signed char does: bytes from 0x80 on come before the others. The ends are put in order before case is folded.
func inRange(from, to, c byte, nocase bool) bool {
	lo, hi := int8(from), int8(to)
	if lo > hi {
		lo, hi = hi, lo
	}
	if nocase {
		lo, hi, c = int8(lower(byte(lo))), int8(lower(byte(hi))), lower(c)
	}
	return lo <= int8(c) && int8(c) <= hi
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
