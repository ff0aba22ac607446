package script

import (
	"fmt"
	"strconv"
	"strings"
)

// lexer takes a chunk's tokens as Lua 5.1 does, for syntax.go.
type lexer struct {
	s    string
	pos  int
	line int
}

// nulToken is a byte 0 where a token should be. Lua takes it for none, so that its errors name none.
const nulToken = "char(0)"

// fail ends the check. near is how the token is written at which Lua finds it, "" if it does not say.
func (l *lexer) fail(text, near string) {
	if near != "" && near != nulToken {
		if len(near) > maxNear {
			near = near[:maxNear]
		}
		text += " near '" + near + "'"
	}
	panic(syntaxPanic(strconv.Itoa(l.line) + ": " + text))
}

// at is a byte of the source, relative to the place that is reached; 0 behind the end.
func (l *lexer) at(i int) byte {
	if l.pos+i < len(l.s) {
		return l.s[l.pos+i]
	}
	return 0
}

const keywords = " and break do else elseif end false for function if in local nil not or repeat return then true until while "

// token takes a token: its kind, and how it is written where that is not the kind itself.
func (l *lexer) token() (kind, text string) {
	l.blank()
	if l.pos >= len(l.s) {
		return tokEOF, ""
	}
	c := l.s[l.pos]
	switch {
	case isLetter(c) || c == '_':
		return l.word()
	case isDigit(c) || c == '.' && isDigit(l.at(1)):
		return tokNum, l.number()
	case c == '"' || c == '\'':
		return tokText, l.quoted(c)
	case c == '[':
		if n := l.bracket(); n >= 0 {
			return tokText, l.long(n, "unfinished long string")
		} else if n < -1 {
			l.fail("invalid long string delimiter", l.s[l.pos:l.pos-n])
		}
	}
	for _, op := range []string{"...", "..", "==", "~=", "<=", ">="} {
		if strings.HasPrefix(l.s[l.pos:], op) {
			l.pos += len(op)
			return op, ""
		}
	}
	l.pos++
	if c < ' ' || c == 127 {
		return fmt.Sprintf("char(%d)", c), ""
	}
	return string([]byte{c}), ""
}

// newline goes over a line's end, of one byte or two.
func (l *lexer) newline() {
	if c, d := l.at(0), l.at(1); c+d == '\r'+'\n' && c != d {
		l.pos++
	}
	l.pos++
	l.line++
}

// blank goes over blanks and comments.
func (l *lexer) blank() {
	for l.pos < len(l.s) {
		switch c := l.s[l.pos]; {
		case c == '\n' || c == '\r':
			l.newline()
		case c == ' ' || '\t' <= c && c <= '\r':
			l.pos++
		case c == '-' && l.at(1) == '-':
			l.comment()
		default:
			return
		}
	}
}

func (l *lexer) comment() {
	l.pos += 2
	if l.at(0) == '[' {
		if n := l.bracket(); n >= 0 {
			l.long(n, "unfinished long comment")
			return
		}
	}
	for l.pos < len(l.s) && l.s[l.pos] != '\n' && l.s[l.pos] != '\r' {
		l.pos++
	}
}

// bracket is how many = stand in the long bracket that begins here: -1 if it is a plain bracket, and -1 less the number of = if these
// are not followed by another bracket.
func (l *lexer) bracket() int {
	n := 1
	for l.at(n) == '=' {
		n++
	}
	if l.at(n) == '[' {
		return n - 1
	}
	return -n
}

// long takes a long string or comment with so many =.
func (l *lexer) long(n int, unfinished string) string {
	start, end := l.pos, "]"+strings.Repeat("=", n)+"]"
	for l.pos += n + 2; !strings.HasPrefix(l.s[l.pos:], end); {
		switch c := l.at(0); {
		case l.pos >= len(l.s):
			l.fail(unfinished, tokEOF)
		case c == '\n' || c == '\r':
			l.newline()
		default:
			l.pos++
		}
	}
	l.pos += len(end)
	return l.s[start:l.pos]
}

func (l *lexer) word() (kind, text string) {
	start := l.pos
	for c := l.at(0); isLetter(c) || isDigit(c) || c == '_'; c = l.at(0) {
		l.pos++
	}
	text = l.s[start:l.pos]
	if strings.Contains(keywords, " "+text+" ") {
		return text, ""
	}
	return tokName, text
}

func (l *lexer) number() string {
	start := l.pos
	for isDigit(l.at(0)) || l.at(0) == '.' {
		l.pos++
	}
	if l.at(0)|0x20 == 'e' {
		if l.pos++; l.at(0) == '+' || l.at(0) == '-' {
			l.pos++
		}
	}
	for c := l.at(0); isLetter(c) || isDigit(c) || c == '_'; c = l.at(0) {
		l.pos++
	}
	text := l.s[start:l.pos]
	if _, ok := parseNumber(text); !ok {
		l.fail("malformed number", text)
	}
	return text
}

func (l *lexer) quoted(quote byte) string {
	start := l.pos
	for l.pos++; l.at(0) != quote; {
		switch c := l.at(0); {
		case l.pos >= len(l.s):
			l.fail("unfinished string", tokEOF)
		case c == '\n' || c == '\r':
			l.fail("unfinished string", l.s[start:l.pos])
		case c == '\\':
			l.escape(start)
		default:
			l.pos++
		}
	}
	l.pos++
	return l.s[start:l.pos]
}

// escape goes over a backslash and what it stands before.
func (l *lexer) escape(start int) {
	l.pos++
	c := l.at(0)
	switch {
	case l.pos >= len(l.s): // the end is seen next
	case c == '\n' || c == '\r':
		l.newline()
	case !isDigit(c):
		l.pos++
	default:
		n, from := 0, l.pos
		for l.pos < from+3 && isDigit(l.at(0)) {
			n = n*10 + int(l.at(0)-'0')
			l.pos++
		}
		if n > 255 {
			l.fail("escape sequence too large", l.s[start:from-1])
		}
	}
}
