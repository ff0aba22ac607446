package script

import (
	"errors"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/base/limits"
)

// The parser of the interpreter does not say what Lua 5.1 says of a chunk that is wrong, and takes some that are. So a chunk is gone
// through before, by Lua 5.1's grammar. The functions below are named after what stands at the current token; each takes all of it, or
// ends the check by a panic with a syntaxPanic that checkSyntax catches.

// checkSyntax is what Lua 5.1 says is wrong with a chunk, "LINE: TEXT"; nil if it finds nothing.
func checkSyntax(source string) (err error) {
	p := &syntax{lexer: lexer{s: source, line: 1}, vararg: true}
	defer func() {
		if r := recover(); r != nil {
			stop, ours := r.(syntaxPanic)
			if !ours {
				panic(r)
			}
			err = errors.New(string(stop))
		}
	}()
	p.next()
	p.chunk()
	p.check(tokEOF)
	return nil
}

// syntaxPanic is the text of the first syntax error.
type syntaxPanic string

// What a token is: a keyword or an operator is its own kind, these are the others.
const (
	tokEOF  = "<eof>"
	tokName = "<name>"
	tokText = "<string>"
	tokNum  = "<number>"
)

// syntax goes through a chunk's tokens.
type syntax struct {
	lexer
	kind, text string // the current token, and how it is written
	last       int    // the line of the token before
	ahead      bool   // a token has been looked at that is not yet the current one
	kind2      string
	text2      string
	depth      int
	loops      int  // that are open in the function
	vararg     bool // the function takes any number of arguments
}

func (p *syntax) next() {
	p.last = p.line
	if p.ahead {
		p.kind, p.text, p.ahead = p.kind2, p.text2, false
		return
	}
	p.kind, p.text = p.token()
}

// peek is the kind of the token behind the current one.
func (p *syntax) peek() string {
	if !p.ahead {
		p.kind2, p.text2 = p.token()
		p.ahead = true
	}
	return p.kind2
}

// wrong ends the check at the current token.
func (p *syntax) wrong(text string) {
	near := p.kind
	if p.text != "" {
		near = p.text
	}
	p.fail(text, near)
}

func (p *syntax) is(kind string) bool { return p.kind == kind }

// skip takes a token if it is there.
func (p *syntax) skip(kind string) bool {
	if !p.is(kind) {
		return false
	}
	p.next()
	return true
}

func (p *syntax) check(kind string) {
	if !p.is(kind) {
		p.wrong("'" + kind + "' expected")
	}
}

func (p *syntax) take(kind string) {
	p.check(kind)
	p.next()
}

// match takes what closes something that stands on a line.
func (p *syntax) match(what, who string, line int) {
	if !p.is(what) && line != p.line {
		p.wrong("'" + what + "' expected (to close '" + who + "' at line " + strconv.Itoa(line) + ")")
	}
	p.take(what)
}

// deeper bounds how the chunk nests; the function that it returns ends the level.
func (p *syntax) deeper() func() {
	if p.depth++; p.depth > limits.MaxScriptNesting {
		p.fail("chunk has too many syntax levels", "")
	}
	return func() { p.depth-- }
}

// ends reports whether a block ends at the current token.
func (p *syntax) ends() bool {
	switch p.kind {
	case "else", "elseif", "end", "until", tokEOF:
		return true
	}
	return false
}

func (p *syntax) chunk() {
	defer p.deeper()()
	for last := false; !last && !p.ends(); {
		last = p.statement()
		p.skip(";")
	}
}

// statement reports whether it must be a block's last.
func (p *syntax) statement() (last bool) {
	line := p.line
	switch p.kind {
	case "if":
		p.ifStatement(line)
	case "while":
		p.next()
		p.expr()
		p.loops++
		p.block("do", "while", line)
		p.loops--
	case "do":
		p.block("do", "do", line)
	case "for":
		p.forStatement(line)
	case "repeat":
		p.next()
		p.loops++
		p.chunk()
		p.match("until", "repeat", line)
		p.loops--
		p.expr()
	case "function":
		p.functionStatement(line)
	case "local":
		p.local()
	case "return":
		if p.next(); !p.ends() && !p.is(";") {
			p.exprs()
		}
		return true
	case "break":
		if p.next(); p.loops == 0 {
			p.wrong("no loop to break")
		}
		return true
	default:
		p.assignmentOrCall()
	}
	return false
}

// block is "do … end" of who.
func (p *syntax) block(begin, who string, line int) {
	p.take(begin)
	p.chunk()
	p.match("end", who, line)
}

func (p *syntax) ifStatement(line int) {
	for {
		p.next()
		p.expr()
		p.take("then")
		p.chunk()
		if !p.is("elseif") {
			break
		}
	}
	if p.skip("else") {
		p.chunk()
	}
	p.match("end", "if", line)
}

func (p *syntax) forStatement(line int) {
	p.next()
	p.take(tokName)
	switch p.kind {
	case "=":
		p.next()
		p.expr()
		p.take(",")
		p.expr()
		if p.skip(",") {
			p.expr()
		}
	case ",", "in":
		for p.skip(",") {
			p.take(tokName)
		}
		p.take("in")
		p.exprs()
	default:
		p.wrong("'=' or 'in' expected")
	}
	p.loops++
	p.block("do", "for", line)
	p.loops--
}

func (p *syntax) functionStatement(line int) {
	p.next()
	p.take(tokName)
	for p.is(".") {
		p.next()
		p.take(tokName)
	}
	if p.skip(":") {
		p.take(tokName)
	}
	p.body(line)
}

// body is a function from its parameters on.
func (p *syntax) body(line int) {
	loops, vararg := p.loops, p.vararg
	p.loops, p.vararg = 0, false
	p.take("(")
	if !p.is(")") {
		for more := true; more; {
			switch p.kind {
			case tokName:
				p.next()
				more = p.skip(",")
			case "...":
				p.next()
				p.vararg, more = true, false
			default:
				p.wrong("<name> or '...' expected")
			}
		}
	}
	p.take(")")
	p.chunk()
	p.match("end", "function", line)
	p.loops, p.vararg = loops, vararg
}

func (p *syntax) local() {
	p.next()
	if p.skip("function") {
		p.take(tokName)
		p.body(p.line)
		return
	}
	p.take(tokName)
	for p.skip(",") {
		p.take(tokName)
	}
	if p.skip("=") {
		p.exprs()
	}
}

func (p *syntax) assignmentOrCall() {
	what := p.primary()
	if what == aCall {
		return
	}
	for {
		if what != aVariable {
			p.wrong("syntax error")
		}
		if !p.skip(",") {
			break
		}
		what = p.primary()
	}
	p.take("=")
	p.exprs()
}

func (p *syntax) exprs() {
	p.expr()
	for p.skip(",") {
		p.expr()
	}
}

// binaryOperators are the operators between two operands. Which binds closer makes no difference to what is an error.
const binaryOperators = " + - * / % ^ .. ~= == < <= > >= and or "

func (p *syntax) expr() {
	defer p.deeper()()
	for {
		for p.is("not") || p.is("-") || p.is("#") {
			p.next()
		}
		p.operand()
		if !strings.Contains(binaryOperators, " "+p.kind+" ") {
			return
		}
		p.next()
	}
}

func (p *syntax) operand() {
	switch p.kind {
	case "...":
		if !p.vararg {
			p.wrong("cannot use '...' outside a vararg function")
		}
		p.next()
	case tokNum, tokText, "nil", "true", "false":
		p.next()
	case "{":
		p.constructor()
	case "function":
		p.next()
		p.body(p.line)
	default:
		p.primary()
	}
}

// What an expression is to a statement.
const (
	aValue = iota
	aVariable
	aCall
)

// primary is a variable, or a call, or something in parentheses, which is neither.
func (p *syntax) primary() (what int) {
	switch {
	case p.is(tokName):
		p.next()
		what = aVariable
	case p.is("("):
		line := p.line
		p.next()
		p.expr()
		p.match(")", "(", line)
	default:
		p.wrong("unexpected symbol")
	}
	for {
		switch p.kind {
		case ".":
			p.next()
			p.take(tokName)
			what = aVariable
		case "[":
			p.next()
			p.expr()
			p.take("]")
			what = aVariable
		case ":":
			p.next()
			p.take(tokName)
			p.arguments()
			what = aCall
		case "(", tokText, "{":
			p.arguments()
			what = aCall
		default:
			return what
		}
	}
}

func (p *syntax) arguments() {
	switch p.kind {
	case "(":
		line := p.line
		if line != p.last {
			p.wrong("ambiguous syntax (function call x new statement)")
		}
		if p.next(); !p.is(")") {
			p.exprs()
		}
		p.match(")", "(", line)
	case tokText:
		p.next()
	case "{":
		p.constructor()
	default:
		p.wrong("function arguments expected")
	}
}

func (p *syntax) constructor() {
	line := p.line
	p.take("{")
	for !p.is("}") {
		switch {
		case p.is("["):
			p.next()
			p.expr()
			p.take("]")
			p.take("=")
		case p.is(tokName) && p.peek() == "=":
			p.next()
			p.next()
		}
		p.expr()
		if !p.skip(",") && !p.skip(";") {
			break
		}
	}
	p.match("}", "{", line)
}
