package script

import (
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// The tokens of JSON, by the names that error texts have.
const (
	tokObjBegin = "T_OBJ_BEGIN"
	tokObjEnd   = "T_OBJ_END"
	tokArrBegin = "T_ARR_BEGIN"
	tokArrEnd   = "T_ARR_END"
	tokString   = "T_STRING"
	tokNumber   = "T_NUMBER"
	tokBoolean  = "T_BOOLEAN"
	tokNull     = "T_NULL"
	tokColon    = "T_COLON"
	tokComma    = "T_COMMA"
	tokEnd      = "T_END"
)

// jsonReader decodes one text.
type jsonReader struct {
	a     args
	cfg   *jsonConfig
	s     string
	pos   int
	depth int
	n     int

	tok   string // the current token, or what is wrong with it
	at    int    // where it stands
	value lua.LValue
}

func jsonDecode(a args) int {
	if a.len() != 1 {
		a.argError(1, "expected 1 argument")
	}
	s := a.str(1)
	if len(s) >= 2 && (s[0] == 0 || s[1] == 0) {
		a.fail("JSON parser does not support UTF-16 or UTF-32")
	}
	r := &jsonReader{a: a, cfg: &a.vm.json, s: s}
	r.next()
	v := r.read()
	if r.next(); r.tok != tokEnd {
		r.expected("the end")
	}
	return a.push(v)
}

func (r *jsonReader) expected(what string) {
	r.a.fail("Expected " + what + " but found " + r.tok + " at character " + strconv.Itoa(r.at+1))
}

// wrong makes the token an error at the place that is reached.
func (r *jsonReader) wrong(text string) { r.tok, r.at = text, r.pos }

// byteAt is a byte of the text, 0 behind its end.
func (r *jsonReader) byteAt(i int) byte {
	if i < len(r.s) {
		return r.s[i]
	}
	return 0
}

// next goes to the next token. As in C, a NUL ends the text.
func (r *jsonReader) next() {
	if r.n++; r.n%stepsPerTick == 0 {
		r.a.vm.hook.patient()
	}
	for c := r.byteAt(r.pos); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = r.byteAt(r.pos) {
		r.pos++
	}
	r.at = r.pos
	c := r.byteAt(r.pos)
	if c == 0 {
		r.tok = tokEnd
		return
	}
	if i := strings.IndexByte("{}[],:", c); i >= 0 {
		r.tok = [...]string{tokObjBegin, tokObjEnd, tokArrBegin, tokArrEnd, tokComma, tokColon}[i]
		r.pos++
		return
	}
	switch rest := r.s[r.pos:]; {
	case c == '"':
		r.text()
	case c == '-' || isDigit(c):
		if r.cfg.decodeInvalid == 0 && r.oddNumber() {
			r.wrong("invalid number")
			return
		}
		r.number()
	case strings.HasPrefix(rest, "true"):
		r.word(tokBoolean, lua.LTrue, 4)
	case strings.HasPrefix(rest, "false"):
		r.word(tokBoolean, lua.LFalse, 5)
	case strings.HasPrefix(rest, "null"):
		r.word(tokNull, jsonNull, 4)
	case strings.IndexByte("fFiInNtT+", c) >= 0 && r.cfg.decodeInvalid != 0 && r.oddNumber():
		r.number()
	default:
		r.wrong("invalid token")
	}
}

func (r *jsonReader) word(tok string, v lua.LValue, n int) { r.tok, r.value, r.pos = tok, v, r.pos+n }

// oddNumber reports whether a number is one that C reads and JSON does not have.
func (r *jsonReader) oddNumber() bool {
	i := r.pos
	if r.byteAt(i) == '+' {
		return true
	}
	if r.byteAt(i) == '-' {
		i++
	}
	if r.byteAt(i) == '0' {
		c := r.byteAt(i + 1)
		return c|0x20 == 'x' || isDigit(c)
	}
	if r.byteAt(i) <= '9' {
		return false
	}
	w := strings.ToLower(r.s[i:min(i+3, len(r.s))])
	return w == "inf" || w == "nan"
}

// number reads as much as C's strtod would.
func (r *jsonReader) number() {
	n := numberLen(r.s[r.pos:])
	f, ok := parseNumber(r.s[r.pos : r.pos+n])
	if n == 0 || !ok {
		r.wrong("invalid number")
		return
	}
	r.word(tokNumber, lua.LNumber(f), n)
}

// numberLen is how long the number is that a text begins with.
func numberLen(s string) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	lower := strings.ToLower(s[i:min(len(s), i+8)])
	for _, w := range []string{"infinity", "inf", "nan"} {
		if strings.HasPrefix(lower, w) {
			return i + len(w)
		}
	}
	if strings.HasPrefix(lower, "0x") && len(s) > i+2 && hexDigit(s[i+2]) >= 0 {
		return i + 2 + digitsLen(s[i+2:], func(c byte) bool { return hexDigit(c) >= 0 })
	}
	whole := digitsLen(s[i:], isDigit)
	i += whole
	if i < len(s) && s[i] == '.' {
		frac := digitsLen(s[i+1:], isDigit)
		if whole+frac == 0 {
			return 0
		}
		i += 1 + frac
	} else if whole == 0 {
		return 0
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		if n := digitsLen(s[j:], isDigit); n > 0 {
			return j + n
		}
	}
	return i
}

func digitsLen(s string, is func(byte) bool) (n int) {
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func (r *jsonReader) text() {
	var b strings.Builder
	r.pos++
	for {
		c := r.byteAt(r.pos)
		switch {
		case c == '"':
			r.pos++
			r.a.vm.charge(r.a.L, b.Len())
			r.tok, r.value = tokString, lua.LString(b.String())
			return
		case c == 0:
			r.wrong("unexpected end of string")
			return
		case c != '\\':
			b.WriteByte(c)
			r.pos++
		default:
			if !r.unescape(&b) {
				return
			}
		}
	}
}

func (r *jsonReader) unescape(b *strings.Builder) bool {
	c := r.byteAt(r.pos + 1)
	if c == 'u' {
		n := r.unicode(b)
		if n == 0 {
			r.wrong("invalid unicode escape code")
		}
		r.pos += n
		return n > 0
	}
	for i := range len(escapeLetters) {
		if c == escapeLetters[i] && c != 0 {
			b.WriteByte(shortEscapes[i])
			r.pos += 2
			return true
		}
	}
	r.wrong("invalid escape code")
	return false
}

// unicode reads \uXXXX, or two of them for a character beyond 16 bits, and returns how long that is; 0 if it is wrong.
func (r *jsonReader) unicode(b *strings.Builder) int {
	c, ok := r.hex4(r.pos + 2)
	if !ok {
		return 0
	}
	if c&0xF800 != 0xD800 {
		b.Write(utf8.AppendRune(nil, c))
		return 6
	}
	low, ok := r.hex4(r.pos + 8)
	if c&0x400 != 0 || !ok || r.byteAt(r.pos+6) != '\\' || r.byteAt(r.pos+7) != 'u' || low&0xFC00 != 0xDC00 {
		return 0
	}
	b.Write(utf8.AppendRune(nil, (c&0x3FF<<10|low&0x3FF)+0x10000))
	return 12
}

func (r *jsonReader) hex4(i int) (c rune, ok bool) {
	for j := range 4 {
		d := hexDigit(r.byteAt(i + j))
		if d < 0 {
			return 0, false
		}
		c = c<<4 | rune(d)
	}
	return c, true
}

// read is the value that begins with the current token.
func (r *jsonReader) read() lua.LValue {
	switch r.tok {
	case tokString, tokNumber, tokBoolean, tokNull:
		return r.value
	case tokObjBegin:
		return r.nested(r.object)
	case tokArrBegin:
		return r.nested(r.array)
	}
	r.expected("value")
	return nil
}

func (r *jsonReader) nested(read func(t *lua.LTable)) lua.LValue {
	if r.depth++; r.depth > r.cfg.decodeDepth || r.depth > maxJSONDepth {
		r.a.fail("Found too many nested data structures (" + strconv.Itoa(r.depth) + ") at character " + strconv.Itoa(r.pos))
	}
	t := r.a.L.CreateTable(0, 0)
	r.next()
	read(t)
	r.depth--
	return t
}

func (r *jsonReader) object(t *lua.LTable) {
	if r.tok == tokObjEnd {
		return
	}
	for {
		if r.tok != tokString {
			r.expected("object key string")
		}
		key := r.value
		if r.next(); r.tok != tokColon {
			r.expected("colon")
		}
		r.next()
		t.RawSet(key, r.read())
		r.next()
		if r.tok == tokObjEnd {
			return
		}
		if r.tok != tokComma {
			r.expected("comma or object end")
		}
		r.next()
	}
}

func (r *jsonReader) array(t *lua.LTable) {
	if r.tok == tokArrEnd {
		return
	}
	for i := 1; ; i++ {
		t.RawSetInt(i, r.read())
		r.next()
		if r.tok == tokArrEnd {
			return
		}
		if r.tok != tokComma {
			r.expected("comma or array end")
		}
		r.next()
	}
}
