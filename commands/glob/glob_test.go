package glob_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands/glob"
)

var cases = []struct {
	pattern, s    string
	match, nocase bool // nocase: what it is without regard to case
}{
	{"", "", true, true},
	{"", "a", false, false},
	{"a", "", false, false},
	{"*", "", false, false}, // Redis' own oddity: its callers take "*" out first
	{"**", "", false, false},
	{"?", "", false, false},
	{"*", "a", true, true},
	{"*", "a/b\x00\r\n", true, true},
	{"**", "a", true, true},
	{"a*", "a", true, true},
	{"a**", "a", true, true},
	{"*a", "a", true, true},
	{"*a", "ba", true, true},
	{"*a", "ab", false, false},
	{"?", "a", true, true},
	{"?", "\xff", true, true},
	{"??", "a", false, false},
	{"h?llo", "hello", true, true},
	{"h?llo", "HELLO", false, true},
	{"h*llo", "heeeello", true, true},
	{"h[ae]llo", "hallo", true, true},
	{"h[ae]llo", "hillo", false, false},
	{"h[^e]llo", "hallo", true, true},
	{"h[^e]llo", "hello", false, false},
	{"h[^e]llo", "hEllo", true, false},
	{"h[a-b]llo", "hbllo", true, true},
	{"h[b-a]llo", "hallo", true, true},
	{"h[a-b]llo", "hBllo", false, true},
	{"h[A-B]llo", "hbllo", false, true},
	{"[Z-a]", "_", true, false}, // folded after the ends are put in order: z-a is empty
	{"[\x01-\xff]", "\x00", true, true},
	{"[\x01-\xff]", "\x02", false, false}, // bytes from 0x80 on are negative
	{"[\x80-\xff]", "\x90", true, true},
	{"[\x80-\x7f]", "a", true, true},
	{"[]", "a", false, false},
	{"[]", "]", false, false},
	{"[^]", "a", true, true},
	{"[]a]", "a]", false, false},
	{"[", "[", false, false},
	{"[", "a", false, false},
	{"[^", "a", true, true},
	{"[a", "a", true, true},
	{"[abc", "c", true, true},
	{"[abc", "abc", false, false},
	{"[a-", "a", true, true},
	{"[a-", "-", true, true},
	{"[a-]", "]", true, true}, // the range from 'a' down to ']', and the class ends with the pattern
	{"[a-]", "b", false, false},
	{"[a-]x", "^", true, true},
	{"[a-c]x", "bx", true, true},
	{"[-a]", "-", true, true},
	{"[a-c-e]", "d", false, false},
	{"[a-c-e]", "-", true, true},
	{`[\]]`, "]", true, true},
	{`[\-]`, "-", true, true},
	{`[\^]`, "^", true, true},
	{`[^\^]`, "^", false, false},
	{`[\a]`, "a", true, true},
	{`[\a]`, "A", false, false}, // an escaped byte is compared exactly
	{`[\`, `\`, true, true},
	{`[a\`, `\`, true, true},
	{`[\]`, `]`, true, true},
	{`[a-\]`, `]`, true, true}, // a backslash that ends a range escapes nothing; ']' lies in it
	{`[a-\]]`, `b]`, false, false},
	{`[^^]`, "^", false, false},
	{`\*`, "*", true, true},
	{`\*`, "a", false, false},
	{`\a`, "a", true, true},
	{`\a`, "A", false, true},
	{`\`, `\`, true, true},
	{`a\`, `a\`, true, true},
	{`\\`, `\`, true, true},
	{`\[a]`, "[a]", true, true},
	{"a*b*c", "aXbYbZc", true, true},
	{"a*b*c", "aXbYbZ", false, false},
	{"*aab", "aaaab", true, true},
	{"*ab*ab*", "abab", true, true},
	{"*ab*aba*", "abab", false, false},
	{"a*a*a*a*a*a*b", strings.Repeat("a", 60), false, false},
	{"*[ab]?*", "xa", false, false},
	{"*[ab]?*", "xab", true, true},
	{"news.*", "news.", true, true},
	{"news.*.eu", "news.sport.eu", true, true},
	{"ÄB", "äb", false, false},                                    // only ASCII letters have case
	{"*[" + strings.Repeat("xyz", 30) + "]c", "xbzc", true, true}, // classes long enough to be remembered
	{"*[" + strings.Repeat("xyz", 30) + "]c", "xzbcXC", false, true},
	{"*[^" + strings.Repeat("xyz", 30) + "][" + strings.Repeat("x", 70) + "]?c", "xxbbxxbxyc", true, true},
	{"*[^" + strings.Repeat("xyz", 30) + "][" + strings.Repeat("x", 70) + "]?c", "xxbbxxbyxc", false, false},
	{"a\x00b", "a\x00b", true, true},
	{"a\x00*", "a\x00bc", true, true},
}

func TestMatch(t *testing.T) {
	for _, c := range cases {
		if got := glob.Match([]byte(c.pattern), []byte(c.s), false); got != c.match {
			t.Errorf("%q, %q: %v", c.pattern, c.s, got)
		}
		if got := glob.Match([]byte(c.pattern), []byte(c.s), true); got != c.nocase {
			t.Errorf("%q, %q without case: %v", c.pattern, c.s, got)
		}
	}
}

// matches is the slow twin: each '*' tries every rest, and an element is taken from the pattern as text.
func matches(pattern, s string, nocase bool) bool {
	if s == "" {
		return pattern == ""
	}
	return rest(pattern, s, nocase)
}

func rest(pattern, s string, nocase bool) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		for i := 0; i <= len(s); i++ {
			if rest(pattern[1:], s[i:], nocase) {
				return true
			}
		}
		return false
	case s == "":
		return false
	}
	n, set := element(pattern, nocase)
	return set[s[0]] && rest(pattern[n:], s[1:], nocase)
}

// element is the length of the first element of a pattern and the bytes that it matches.
func element(pattern string, nocase bool) (n int, set [256]bool) {
	switch pattern[0] {
	case '?':
		for i := range set {
			set[i] = true
		}
		return 1, set
	case '[':
		return classElement(pattern, nocase)
	case '\\':
		if len(pattern) > 1 {
			addFolded(&set, pattern[1], nocase)
			return 2, set
		}
	}
	addFolded(&set, pattern[0], nocase)
	return 1, set
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func addFolded(set *[256]bool, c byte, nocase bool) {
	set[c] = true
	if nocase && strings.IndexByte(letters, c) >= 0 {
		set[c^0x20] = true
	}
}

func classElement(pattern string, nocase bool) (n int, set [256]bool) {
	body := pattern[1:]
	negated := strings.HasPrefix(body, "^")
	body = strings.TrimPrefix(body, "^")
	for body != "" && body[0] != ']' {
		switch {
		case len(body) > 1 && body[0] == '\\':
			set[body[1]] = true
			body = body[2:]
		case len(body) > 2 && body[1] == '-':
			addRange(&set, min(int8(body[0]), int8(body[2])), max(int8(body[0]), int8(body[2])), nocase)
			body = body[3:]
		default:
			addFolded(&set, body[0], nocase)
			body = body[1:]
		}
	}
	if body != "" {
		body = body[1:]
	}
	if negated {
		for i := range set {
			set[i] = !set[i]
		}
	}
	return len(pattern) - len(body), set
}

func addRange(set *[256]bool, lo, hi int8, nocase bool) {
	fold := func(c int8) int8 {
		if nocase && c >= 'A' && c <= 'Z' {
			return c + 32
		}
		return c
	}
	for c := range 256 {
		if v := fold(int8(uint8(c))); fold(lo) <= v && v <= fold(hi) {
			set[c] = true
		}
	}
}

// random makes texts of few letters, so that matches are common.
func random(rng *rand.Rand, pieces []string, most int) string {
	var b strings.Builder
	for range rng.IntN(most + 1) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

var (
	patternPieces = []string{"[" + strings.Repeat("ab-", 30) + "]", "[^" + strings.Repeat("a", 70), "*", "*", "?", "a", "b", "A", "B", "[", "[", "]", "]", "^", "-", "-", "\\", "a-c", "[ab]", "[^a]", "c"}
	textPieces    = []string{"a", "b", "A", "B", "c", "-", "]", "^", "\\", "["}
)

func TestMatchAsSlowTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for range 100000 {
		pattern, s, nocase := random(rng, patternPieces, 8), random(rng, textPieces, 6), rng.IntN(2) == 0
		want := matches(pattern, s, nocase)
		if got := glob.Match([]byte(pattern), []byte(s), nocase); got != want {
			t.Fatalf("%q, %q, nocase %v: got %v", pattern, s, nocase, got)
		}
		if want {
			hits++
		}
	}
	if hits < 2500 {
		t.Errorf("only %d matches: the generator is off", hits)
	}
}

// The bad input of CVE-2024-31228 and CVE-2022-36021: no deep recursion, no exponential time (that would not end at all).
func TestAbusivePatterns(t *testing.T) {
	const size = 100 << 10
	text := []byte(strings.Repeat("a", 2000))
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{strings.Repeat("*", size), true},
		{strings.Repeat("?", size), false},
		{strings.Repeat("*?[", size/3), false},
		{strings.Repeat("*?", size/2), false},
		{strings.Repeat("*[", size/2), false},
		{strings.Repeat("[", size), false},
		{strings.Repeat("*a", size/2), false},
		{strings.Repeat("a*", size/2), false},
		{strings.Repeat("\\", size), false},
		{strings.Repeat("*a", 500) + "b", false},
		{strings.Repeat("?*", 900), true},
		{"*" + strings.Repeat("a", size) + "b", false},
		{"*[" + strings.Repeat("b-c", size/3), false},
	} {
		if got := glob.Match([]byte(c.pattern), text, false); got != c.want {
			t.Errorf("%.10q… of %d bytes: %v", c.pattern, len(c.pattern), got)
		}
		glob.Match([]byte(c.pattern), text, true)
	}
}

// As in Redis and Valkey since CVE-2024-31228: 1000 stars with something behind match, 1001 never do.
func TestStarsAreBounded(t *testing.T) {
	text := []byte(strings.Repeat("a", 3000))
	for stars, want := range map[int]bool{1: true, 999: true, 1000: true, 1001: false, 2000: false} {
		if got := glob.Match([]byte(strings.Repeat("*a", stars)), text, false); got != want {
			t.Errorf("%d stars: %v", stars, got)
		}
	}
	if !glob.Match([]byte(strings.Repeat("*a", 1000)+"*"), text, false) {
		t.Error("the last star counts")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	pattern, s := []byte("user:*:[a-z]?\\*"), []byte("user:1000:ab*")
	if got := testing.AllocsPerRun(100, func() { glob.Match(pattern, s, true) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// FuzzGlob: the answer is the slow twin's, wherever that can say it in time.
func FuzzGlob(f *testing.F) {
	for _, c := range cases {
		f.Add(c.pattern, c.s, false)
	}
	f.Add(strings.Repeat("*?[", 40), "aaaa", true)
	f.Fuzz(func(t *testing.T, pattern, s string, nocase bool) {
		got := glob.Match([]byte(pattern), []byte(s), nocase)
		if strings.Count(pattern, "*") > 4 || len(s) > 30 || len(pattern) > 100 {
			return
		}
		if want := matches(pattern, s, nocase); got != want {
			t.Fatalf("%q, %q, nocase %v: got %v", pattern, s, nocase, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	pattern, s := []byte("user:*:session"), []byte("user:1000:session")
	for b.Loop() {
		glob.Match(pattern, s, false)
	}
}
