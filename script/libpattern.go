package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
)

const maxString = limits.MaxScriptStringBytes

// matcher matches one pattern of Lua 5.1 against a string.
type matcher struct {
	a        args
	s, p     string
	captures []capture
	depth    int
	steps    uint32
}

// capture is where a capture begins and how long it is.
type capture struct{ start, len int }

const (
	captureOpen     = -1 // is not closed yet
	capturePosition = -2 // "()": the place itself
	maxCaptures     = 32
	maxMatchDepth   = 200 // as Lua's C stack has it, with Redis' settings
	stepsPerTick    = 1 << 12
)

// step counts work, so that a pattern that takes long can be interrupted.
func (m *matcher) step() {
	if m.steps++; m.steps%stepsPerTick == 0 {
		m.a.vm.hook.patient()
	}
}

// match matches the pattern from p on at s and returns where the match ends, -1 if there is none.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxMatchDepth {
		m.a.fail("pattern too complex")
	}
	defer func() { m.depth-- }()
	for {
		m.step()
		if p == len(m.p) {
			return s
		}
		switch c := m.p[p]; {
		case c == '(':
			return m.open(s, p)
		case c == ')':
			return m.closeCapture(s, p+1)
		case c == '$' && p+1 == len(m.p):
			if s == len(m.s) {
				return s
			}
			return -1
		case c == '%' && p+1 < len(m.p) && m.p[p+1] == 'b':
			if s = m.balance(s, p+2); s < 0 {
				return -1
			}
			p += 4
			continue
		case c == '%' && p+1 < len(m.p) && m.p[p+1] == 'f':
			end, ok := m.frontier(s, p+2)
			if !ok {
				return -1
			}
			p = end
			continue
		case c == '%' && p+1 < len(m.p) && isDigit(m.p[p+1]):
			if s = m.again(s, m.p[p+1]); s < 0 {
				return -1
			}
			p += 2
			continue
		}
		end := m.classEnd(p)
		suffix := byte(0)
		if end < len(m.p) {
			suffix = m.p[end]
		}
		switch suffix {
		case '?':
			if m.single(s, p, end) {
				if r := m.match(s+1, end+1); r >= 0 {
					return r
				}
			}
			p = end + 1
		case '*':
			return m.most(s, p, end, 0)
		case '+':
			return m.most(s, p, end, 1)
		case '-':
			return m.least(s, p, end)
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s, p = s+1, end
		}
	}
}

func (m *matcher) open(s, p int) int {
	kind := captureOpen
	if p++; p < len(m.p) && m.p[p] == ')' {
		kind, p = capturePosition, p+1
	}
	if len(m.captures) >= maxCaptures {
		m.a.fail("too many captures")
	}
	m.captures = append(m.captures, capture{s, kind})
	n := len(m.captures)
	r := m.match(s, p)
	if r < 0 {
		m.captures = m.captures[:n-1]
	}
	return r
}

func (m *matcher) closeCapture(s, p int) int {
	for i := len(m.captures) - 1; i >= 0; i-- {
		if m.captures[i].len == captureOpen {
			m.captures[i].len = s - m.captures[i].start
			r := m.match(s, p)
			if r < 0 {
				m.captures[i].len = captureOpen
			}
			return r
		}
	}
	m.a.fail("invalid pattern capture")
	return -1
}

func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.p) {
		m.a.fail("unbalanced pattern")
	}
	if s >= len(m.s) || m.s[s] != m.p[p] {
		return -1
	}
	open, end, depth := m.p[p], m.p[p+1], 1
	for i := s + 1; i < len(m.s); i++ {
		m.step()
		switch m.s[i] {
		case end:
			if depth--; depth == 0 {
				return i + 1
			}
		case open:
			depth++
		}
	}
	return -1
}

func (m *matcher) frontier(s, p int) (next int, ok bool) {
	if p >= len(m.p) || m.p[p] != '[' {
		m.a.fail("missing '[' after '%f' in pattern")
	}
	end := m.classEnd(p)
	before, here := byte(0), byte(0)
	if s > 0 {
		before = m.s[s-1]
	}
	if s < len(m.s) {
		here = m.s[s]
	}
	return end, !m.inSet(before, p, end-1) && m.inSet(here, p, end-1)
}

// again matches what a capture has matched.
func (m *matcher) again(s int, digit byte) int {
	i := int(digit) - '1'
	if i < 0 || i >= len(m.captures) || m.captures[i].len == captureOpen {
		m.a.fail("invalid capture index")
	}
	c := m.captures[i]
	if n := max(c.len, 0); len(m.s)-s >= n && m.s[c.start:c.start+n] == m.s[s:s+n] {
		return s + n
	}
	return -1
}

// classEnd is where a single character class that begins at p ends.
func (m *matcher) classEnd(p int) int {
	c := m.p[p]
	p++
	switch {
	case c == '%' && p == len(m.p):
		m.a.fail("malformed pattern (ends with '%')")
	case c == '%':
		return p + 1
	case c == '[':
		if p < len(m.p) && m.p[p] == '^' {
			p++
		}
		for first := true; first || p >= len(m.p) || m.p[p] != ']'; first = false {
			if p >= len(m.p) {
				m.a.fail("malformed pattern (missing ']')")
			}
			p++
			if m.p[p-1] == '%' && p < len(m.p) {
				p++
			}
		}
		return p + 1
	}
	return p
}

// single reports whether the character at s is of the class from p to end.
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.s) {
		return false
	}
	switch c := m.p[p]; c {
	case '.':
		return true
	case '%':
		return inClass(m.s[s], m.p[p+1])
	case '[':
		return m.inSet(m.s[s], p, end-1)
	default:
		return c == m.s[s]
	}
}

// inSet reports whether c is in the set whose brackets stand at p and end.
func (m *matcher) inSet(c byte, p, end int) bool {
	in := true
	if m.p[p+1] == '^' {
		in, p = false, p+1
	}
	for p++; p < end; p++ {
		switch {
		case m.p[p] == '%':
			p++
			if inClass(c, m.p[p]) {
				return in
			}
		case p+2 < end && m.p[p+1] == '-':
			if m.p[p] <= c && c <= m.p[p+2] {
				return in
			}
			p += 2
		case m.p[p] == c:
			return in
		}
	}
	return !in
}

// most matches a class as often as it can.
func (m *matcher) most(s, p, end, least int) int {
	n := 0
	for m.single(s+n, p, end) {
		m.step()
		n++
	}
	for ; n >= least; n-- {
		if r := m.match(s+n, end+1); r >= 0 {
			return r
		}
	}
	return -1
}

// least matches a class as seldom as it can.
func (m *matcher) least(s, p, end int) int {
	for {
		if r := m.match(s, end+1); r >= 0 {
			return r
		}
		if !m.single(s, p, end) {
			return -1
		}
		s++
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// inClass reports whether c is of a class such as %a; a letter in upper case means all others.
func inClass(c, class byte) bool {
	var in bool
	lower := c|0x20 >= 'a' && c|0x20 <= 'z'
	switch class | 0x20 {
	case 'a':
		in = lower
	case 'c':
		in = c < ' ' || c == 127
	case 'd':
		in = isDigit(c)
	case 'l':
		in = 'a' <= c && c <= 'z'
	case 'p':
		in = c > ' ' && c < 127 && !lower && !isDigit(c)
	case 's':
		in = isBlank(c)
	case 'u':
		in = 'A' <= c && c <= 'Z'
	case 'w':
		in = lower || isDigit(c)
	case 'x':
		in = hexDigit(c) >= 0
	case 'z':
		in = c == 0
	default:
		return class == c
	}
	if class&0x20 == 0 {
		return !in && isLetter(class)
	}
	return in && isLetter(class) || !isLetter(class) && class == c
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// get is the i-th capture; of none, the whole match.
func (m *matcher) get(i, s, e int) lua.LValue {
	if i >= len(m.captures) {
		if i != 0 {
			m.a.fail("invalid capture index")
		}
		return lua.LString(m.s[s:e])
	}
	switch c := m.captures[i]; c.len {
	case captureOpen:
		m.a.fail("unfinished capture")
	case capturePosition:
		return lua.LNumber(c.start + 1)
	default:
		return lua.LString(m.s[c.start : c.start+c.len])
	}
	return lua.LNil
}

// all are the captures, or, if whole and there is none, the match.
func (m *matcher) all(s, e int, whole bool) []lua.LValue {
	n := len(m.captures)
	if n == 0 && whole {
		n = 1
	}
	out := make([]lua.LValue, n)
	for i := range out {
		out[i] = m.get(i, s, e)
	}
	return out
}

// at matches at one place.
func (m *matcher) at(s, p int) int {
	m.captures, m.depth = m.captures[:0], 0
	return m.match(s, p)
}

func strFind(a args) int  { return findOrMatch(a, true) }
func strMatch(a args) int { return findOrMatch(a, false) }

func findOrMatch(a args, find bool) int {
	s, p := a.str(1), a.str(2)
	init := max(at(a.optInt(3, 1), len(s)), 1) - 1
	if init > len(s) {
		init = len(s)
	}
	if find && (lua.LVAsBool(a.L.Get(4)) || !strings.ContainsAny(p, "^$*+?.([%-")) {
		i := strings.Index(s[init:], p)
		if i < 0 {
			return a.push(lua.LNil)
		}
		return a.push(lua.LNumber(init+i+1), lua.LNumber(init+i+len(p)))
	}
	m := &matcher{a: a, s: s, p: p}
	from, anchored := 0, strings.HasPrefix(p, "^")
	if anchored {
		from = 1
	}
	for i := init; i <= len(s); i++ {
		e := m.at(i, from)
		if e >= 0 && find {
			return a.push(append([]lua.LValue{lua.LNumber(i + 1), lua.LNumber(e)}, m.all(i, e, false)...)...)
		}
		if e >= 0 {
			return a.push(m.all(i, e, true)...)
		}
		if anchored {
			break
		}
	}
	return a.push(lua.LNil)
}

func strGmatch(a args) int {
	s, p, pos := a.str(1), a.str(2), 0
	return a.push(a.vm.fn("gmatch", func(a args) int {
		m := &matcher{a: a, s: s, p: p}
		for ; pos <= len(s); pos++ {
			i := pos
			if e := m.at(i, 0); e >= 0 {
				if pos = e; e == i {
					pos++
				}
				return a.push(m.all(i, e, true)...)
			}
		}
		return 0
	}))
}

func strGsub(a args) int {
	s, p := a.str(1), a.str(2)
	repl := a.L.Get(3)
	switch repl.Type() {
	case lua.LTNumber, lua.LTString, lua.LTTable, lua.LTFunction:
	default:
		a.argError(3, "string/function/table expected")
	}
	most := a.optInt(4, len(s)+1)
	m := &matcher{a: a, s: s, p: p}
	from, anchored := 0, strings.HasPrefix(p, "^")
	if anchored {
		from = 1
	}
	var b strings.Builder
	i, n := 0, 0
	for n < most {
		e := m.at(i, from)
		if e >= 0 {
			n++
			text := m.replacement(repl, i, e)
			a.vm.charge(a.L, b.Len()+len(text)-min(b.Len(), b.Cap()-b.Len()))
			if b.Len()+len(text) > maxString {
				a.fail("string length overflow")
			}
			b.WriteString(text)
		}
		switch {
		case e > i:
			i = e
		case i < len(s):
			b.WriteByte(s[i])
			i++
		default:
			i++
		}
		if i > len(s) || anchored {
			break
		}
	}
	if i < len(s) {
		b.WriteString(s[i:])
	}
	return a.push(lua.LString(b.String()), lua.LNumber(n))
}

// replacement is what a match is replaced by.
func (m *matcher) replacement(repl lua.LValue, s, e int) string {
	var v lua.LValue
	switch r := repl.(type) {
	case *lua.LFunction:
		captures := m.all(s, e, true)
		saved, depth := append([]capture(nil), m.captures...), m.depth
		v = m.a.vm.call(m.a.L, r, captures...)
		m.captures, m.depth = saved, depth
	case *lua.LTable:
		v = m.a.L.GetTable(r, m.get(0, s, e))
	default:
		return m.expand(toString(repl), s, e)
	}
	if v == lua.LNil || v == lua.LFalse {
		return m.s[s:e]
	}
	if !isText(v) {
		m.a.fail("invalid replacement value (a " + v.Type().String() + ")")
	}
	return toString(v)
}

// expand puts captures into a replacement text.
func (m *matcher) expand(text string, s, e int) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch {
		case i >= len(text):
			b.WriteByte(0)
		case !isDigit(text[i]):
			b.WriteByte(text[i])
		case text[i] == '0':
			b.WriteString(m.s[s:e])
		default:
			b.WriteString(toString(m.get(int(text[i]-'1'), s, e)))
		}
		if b.Len() > maxString {
			m.a.fail("string length overflow")
		}
	}
	return b.String()
}
