package script

import (
	"errors"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"github.com/larder-cache/larder/base/limits"
)

// site is what stands on a line that an error may be about: an expression that is called, or indexed with a key, and its name in Lua's
// words ("global 'x'"), or the operands of an operator, each with its name or "".
type site struct {
	call, key, name string
	operator        string
	operands        []string
}

// The operators that sites tell of.
const (
	arithmetic    = "perform arithmetic on"
	concatenation = "concatenate"
	lengthOf      = "get length of"
)

// sites are those of a chunk by line.
type sites map[int][]site

// helper is one of our functions that operators become calls of, as an index of helperNames.
type helper int

const (
	concatHelper helper = iota
	lengthHelper
	minusHelper
	lineHelper // begins a line of a script that is debugged (debugstops.go)
	helpers    // how many there are
)

// helperNames are the local variables that the helpers are in; no script can write these names.
var helperNames = [helpers]string{" concat", " length", " minus", " line"}

// chunk is a compiled chunk. Its function takes the helpers that are used, in their order, and returns the chunk's own function; if none
// is, it is the chunk's own function.
type chunk struct {
	proto *lua.FunctionProto
	uses  []helper
	sites sites
}

// compileChunk parses, checks, rewrites and compiles a chunk. With stops it calls lineHelper at each line.
func compileChunk(name, source string, stops bool) (*chunk, error) {
	if len(source) > limits.MaxScriptBytes {
		return nil, fmt.Errorf("%s:1: chunk is too long", name)
	}
	if strings.HasPrefix(source, "\x1bLua") {
		return nil, fmt.Errorf("%s: bad header in precompiled chunk", name)
	}
	if err := checkSyntax(source); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	stmts, err := parse.Parse(strings.NewReader(source), name)
	if err != nil {
		return nil, syntaxError(name, source, err)
	}
	w := rewriter{sites: sites{}, stops: stops}
	stmts = w.chunk(stmts)
	if w.err != "" {
		return nil, fmt.Errorf("%s:%d: %s", name, w.line, w.err)
	}
	c := &chunk{sites: w.sites}
	for h, used := range w.uses {
		if used {
			c.uses = append(c.uses, helper(h))
		}
	}
	if c.proto, err = compileAST(wrap(stmts, c.uses), name); err != nil {
		return nil, syntaxError(name, source, err)
	}
	for _, p := range ownFunction(c) {
		if len(p.DbgLocals) > 0 && p.IsVarArg&lua.VarArgHasArg != 0 {
			p.DbgLocals[0].Name = "(*temporary)" // the debugger has no arg to show
		}
	}
	for _, p := range append([]*lua.FunctionProto{c.proto}, ownFunction(c)...) {
		p.IsVarArg &^= lua.VarArgNeedsArg // a chunk has no arg in Lua 5.1, and the table is dear
	}
	return c, nil
}

// ownFunction is the chunk's own function within the one that takes the helpers.
func ownFunction(c *chunk) []*lua.FunctionProto {
	if len(c.uses) == 0 {
		return nil
	}
	return c.proto.FunctionPrototypes[:1]
}

// compileAST compiles; what the compiler panics with is an error.
func compileAST(stmts []ast.Stmt, name string) (proto *lua.FunctionProto, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return lua.Compile(stmts, name)
}

// wrap puts a chunk into a function that gives it the helpers that it uses.
func wrap(stmts []ast.Stmt, uses []helper) []ast.Stmt {
	if len(uses) == 0 {
		return stmts
	}
	local := &ast.LocalAssignStmt{Exprs: []ast.Expr{&ast.Comma3Expr{}}}
	for _, h := range uses {
		local.Names = append(local.Names, helperNames[h])
	}
	inner := &ast.FunctionExpr{ParList: &ast.ParList{HasVargs: true}, Stmts: stmts}
	ret := &ast.ReturnStmt{Exprs: []ast.Expr{inner}}
	for _, n := range []ast.PositionHolder{local, local.Exprs[0], inner, ret} {
		n.SetLine(1)
		n.SetLastLine(1)
	}
	return []ast.Stmt{local, ret}
}

// syntaxError words an error of the parser or compiler as Lua does.
func syntaxError(name, source string, err error) error {
	var pe *parse.Error
	var ce *lua.CompileError
	switch {
	case errors.As(err, &pe):
		return fmt.Errorf("%s:%d: %s", name, errorLine(pe, source), parseText(pe))
	case errors.As(err, &ce):
		return fmt.Errorf("%s:%d: %s", name, max(ce.Line, 1), ce.Message)
	}
	return fmt.Errorf("%s:1: %s", name, strings.TrimSpace(err.Error()))
}

func errorLine(pe *parse.Error, source string) int {
	if pe.Pos.Line == parse.EOF {
		return 1 + strings.Count(source, "\n")
	}
	return pe.Pos.Line
}

// parseText is the text of an error of the parser where Lua 5.1 finds none: goto is no keyword there.
func parseText(pe *parse.Error) string {
	near := pe.Token
	if pe.Pos.Line == parse.EOF {
		near = "<eof>"
	}
	return "unexpected symbol near '" + near[:min(len(near), maxNear)] + "'"
}

// maxNear is how much of a token an error quotes, in bytes.
const maxNear = 80

// rewriter goes through a chunk once: it checks how deep it nests and how many constants its functions have, notes what error texts
// need, reads numbers as Lua 5.1 does, and makes calls of the operators for which there are helpers.
type rewriter struct {
	sites sites
	uses  [helpers]bool
	stops bool // calls of lineHelper are wanted
	err   string
	line  int

	fn *fnScope
}

// fnScope is a function that is being gone through.
type fnScope struct {
	outer     *fnScope
	blocks    [][]string // names of the local variables, by block
	constants int
}

// local reports how a name is known: "local", "upvalue" or "global".
func (f *fnScope) local(name string) string {
	for depth, s := 0, f; s != nil; depth, s = depth+1, s.outer {
		for _, b := range s.blocks {
			for _, n := range b {
				if n == name && depth == 0 {
					return "local"
				}
				if n == name {
					return "upvalue"
				}
			}
		}
	}
	return "global"
}

func (f *fnScope) declare(names ...string) {
	last := len(f.blocks) - 1
	f.blocks[last] = append(f.blocks[last], names...)
}

// depth is how deeply something stands in the source: nest as Lua's parser counts it, total as Go's stack feels it.
type depth struct{ nest, total int }

func (d depth) in() depth   { return depth{d.nest + 1, d.total + 1} }
func (d depth) left() depth { return depth{d.nest, d.total + 1} }

func (w *rewriter) fail(line int, text string) {
	if w.err == "" {
		w.err, w.line = text, line
	}
}

// tooDeep stops at what nests too deeply.
func (w *rewriter) tooDeep(d depth, line int) bool {
	if d.nest > limits.MaxScriptNesting || d.total > limits.MaxScriptDepth {
		w.fail(line, "chunk has too many syntax levels")
	}
	return w.err != ""
}

func (w *rewriter) chunk(stmts []ast.Stmt) []ast.Stmt {
	w.fn = &fnScope{}
	w.block(stmts, depth{})
	if w.stops {
		return w.chunkStops(stmts)
	}
	return stmts
}

func (w *rewriter) block(stmts []ast.Stmt, d depth, names ...string) {
	w.fn.blocks = append(w.fn.blocks, names)
	w.stmts(stmts, d)
	w.fn.blocks = w.fn.blocks[:len(w.fn.blocks)-1]
}

func (w *rewriter) stmts(stmts []ast.Stmt, d depth) {
	for _, s := range stmts {
		if w.tooDeep(d, s.Line()) {
			return
		}
		w.stmt(s, d)
	}
}

func (w *rewriter) stmt(s ast.Stmt, d depth) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.exprs(s.Rhs, d)
		w.exprs(s.Lhs, d)
	case *ast.LocalAssignStmt:
		w.localAssign(s, d)
	case *ast.FuncCallStmt:
		s.Expr = w.expr(s.Expr, d)
	case *ast.DoBlockStmt:
		w.block(s.Stmts, d.in())
	case *ast.WhileStmt:
		s.Condition = w.expr(s.Condition, d)
		w.block(s.Stmts, d.in())
	case *ast.RepeatStmt:
		w.fn.blocks = append(w.fn.blocks, nil)
		w.stmts(s.Stmts, d.in())
		s.Condition = w.expr(s.Condition, d)
		w.fn.blocks = w.fn.blocks[:len(w.fn.blocks)-1]
	case *ast.IfStmt:
		w.ifStmt(s, d)
	case *ast.NumberForStmt:
		s.Init, s.Limit = w.expr(s.Init, d), w.expr(s.Limit, d)
		if s.Step != nil {
			s.Step = w.expr(s.Step, d)
		}
		w.block(s.Stmts, d.in(), s.Name)
	case *ast.GenericForStmt:
		w.exprs(s.Exprs, d)
		w.block(s.Stmts, d.in(), s.Names...)
	case *ast.FuncDefStmt:
		w.funcDef(s, d)
	case *ast.ReturnStmt:
		w.exprs(s.Exprs, d)
	}
	if w.stops {
		w.loopStops(s)
	}
}

func (w *rewriter) localAssign(s *ast.LocalAssignStmt, d depth) {
	// The parser makes `local function f` an assignment of a function that knows its own name.
	if len(s.Names) == 1 && len(s.Exprs) == 1 {
		if _, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
			w.fn.declare(s.Names...)
			w.exprs(s.Exprs, d)
			return
		}
	}
	w.exprs(s.Exprs, d)
	w.fn.declare(s.Names...)
}

func (w *rewriter) ifStmt(s *ast.IfStmt, d depth) {
	s.Condition = w.expr(s.Condition, d)
	w.block(s.Then, d.in())
	if len(s.Else) == 1 {
		if elseif, ok := s.Else[0].(*ast.IfStmt); ok {
			if !w.tooDeep(d.left(), elseif.Line()) {
				w.ifStmt(elseif, d.left())
			}
			if w.stops {
				w.ifStops(s)
			}
			return
		}
	}
	w.block(s.Else, d.in())
	if w.stops {
		w.ifStops(s)
	}
}

func (w *rewriter) funcDef(s *ast.FuncDefStmt, d depth) {
	if s.Name.Func != nil {
		s.Name.Func = w.expr(s.Name.Func, d)
	}
	if s.Name.Receiver != nil {
		s.Name.Receiver = w.expr(s.Name.Receiver, d)
		w.function(s.Func, d, "self")
		return
	}
	w.function(s.Func, d)
}

func (w *rewriter) function(f *ast.FunctionExpr, d depth, more ...string) {
	w.fn = &fnScope{outer: w.fn}
	w.block(f.Stmts, d.in(), append(more, f.ParList.Names...)...)
	w.fn = w.fn.outer
	if w.stops {
		w.functionStops(f)
	}
}

func (w *rewriter) exprs(list []ast.Expr, d depth) {
	for i, e := range list {
		list[i] = w.expr(e, d)
	}
}

// constant counts a constant of the function: the compiler's time grows with the square of their number.
func (w *rewriter) constant(line int) {
	if w.fn.constants++; w.fn.constants > limits.MaxScriptConstants {
		w.fail(line, "constant table overflow")
	}
}

func (w *rewriter) expr(e ast.Expr, d depth) ast.Expr {
	if e == nil || w.tooDeep(d, e.Line()) {
		return e
	}
	switch e := e.(type) {
	case *ast.NumberExpr:
		w.constant(e.Line())
		w.number(e)
	case *ast.StringExpr, *ast.IdentExpr:
		w.constant(e.Line())
	case *ast.AttrGetExpr:
		e.Object, e.Key = w.expr(e.Object, d.left()), w.expr(e.Key, d.in())
		if key, ok := e.Key.(*ast.StringExpr); ok {
			w.note(e.Line(), site{key: key.Value, name: w.name(e.Object)})
		}
	case *ast.TableExpr:
		w.table(e, d)
	case *ast.FuncCallExpr:
		w.call(e, d)
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = w.expr(e.Lhs, d.left()), w.expr(e.Rhs, d.in())
	case *ast.RelationalOpExpr:
		e.Lhs, e.Rhs = w.expr(e.Lhs, d.left()), w.expr(e.Rhs, d.in())
	case *ast.ArithmeticOpExpr:
		w.operator(e.Line(), arithmetic, e.Lhs, e.Rhs)
		e.Lhs, e.Rhs = w.expr(e.Lhs, d.left()), w.expr(e.Rhs, d.in())
	case *ast.UnaryMinusOpExpr:
		w.operator(e.Line(), arithmetic, e.Expr)
		e.Expr = w.expr(e.Expr, d.in())
		if _, constant := e.Expr.(*ast.NumberExpr); !constant {
			return w.help(minusHelper, e.Line(), e.Expr)
		}
	case *ast.UnaryNotOpExpr:
		e.Expr = w.expr(e.Expr, d.in())
	case *ast.UnaryLenOpExpr:
		w.operator(e.Line(), lengthOf, e.Expr)
		return w.help(lengthHelper, e.Line(), w.expr(e.Expr, d.in()))
	case *ast.FunctionExpr:
		w.function(e, d)
	case *ast.StringConcatOpExpr:
		return w.concat(e, d)
	}
	return e
}

// number makes a number's text one that the compiler reads as Lua 5.1 does.
func (w *rewriter) number(e *ast.NumberExpr) {
	f, ok := parseNumber(e.Value)
	if !ok {
		w.fail(e.Line(), "malformed number near '"+e.Value+"'")
		return
	}
	e.Value = exactNumber(f)
}

func (w *rewriter) table(e *ast.TableExpr, d depth) {
	for _, f := range e.Fields {
		if f.Key != nil {
			f.Key = w.expr(f.Key, d.in())
		}
		f.Value = w.expr(f.Value, d.in())
	}
}

func (w *rewriter) call(e *ast.FuncCallExpr, d depth) {
	if e.Func != nil {
		e.Func = w.expr(e.Func, d.left())
		w.note(e.Line(), site{call: "call", name: w.name(e.Func)})
	}
	if e.Receiver != nil {
		w.constant(e.Line())
		e.Receiver = w.expr(e.Receiver, d.left())
		w.note(e.Line(), site{call: "call", name: "method '" + e.Method + "'"})
		w.note(e.Line(), site{key: e.Method, name: w.name(e.Receiver)})
	}
	w.exprs(e.Args, d.in())
}

// name is an expression in the words of Lua's errors, "" if it has none.
func (w *rewriter) name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return w.fn.local(e.Value) + " '" + e.Value + "'"
	case *ast.AttrGetExpr:
		if key, ok := e.Key.(*ast.StringExpr); ok {
			return "field '" + key.Value + "'"
		}
		return "field '?'"
	}
	return ""
}

// operator notes an operator and its operands, before these are rewritten.
func (w *rewriter) operator(line int, operator string, operands ...ast.Expr) {
	s := site{operator: operator}
	for _, e := range operands {
		s.operands = append(s.operands, w.name(e))
	}
	w.note(line, s)
}

func (w *rewriter) note(line int, s site) { w.sites[line] = append(w.sites[line], s) }

// maxConcat is how many strings one call concatenates: each takes a register, of which a function has 200.
const maxConcat = 60

// concat makes `a .. b .. c` a call. Lua concatenates from the right.
func (w *rewriter) concat(e *ast.StringConcatOpExpr, d depth) ast.Expr {
	var parts []ast.Expr
	w.operator(e.Line(), concatenation, operands(e)...)
	for rest := ast.Expr(e); ; d = d.in() {
		c, ok := rest.(*ast.StringConcatOpExpr)
		if !ok || w.tooDeep(d, rest.Line()) {
			parts = append(parts, w.expr(rest, d))
			break
		}
		parts = append(parts, w.expr(c.Lhs, d.in()))
		rest = c.Rhs
	}
	out := w.help(concatHelper, e.Line(), parts[max(0, len(parts)-maxConcat):]...)
	for parts = parts[:max(0, len(parts)-maxConcat)]; len(parts) > 0; {
		from := max(0, len(parts)-maxConcat+1)
		out = w.help(concatHelper, e.Line(), append(parts[from:len(parts):len(parts)], out)...)
		parts = parts[:from]
	}
	return out
}

// operands are those of a .. b .. c.
func operands(e *ast.StringConcatOpExpr) (list []ast.Expr) {
	for {
		list = append(list, e.Lhs)
		rest, more := e.Rhs.(*ast.StringConcatOpExpr)
		if !more {
			return append(list, e.Rhs)
		}
		e = rest
	}
}

// help makes an operator a call of a helper.
func (w *rewriter) help(h helper, line int, operands ...ast.Expr) ast.Expr {
	w.uses[h] = true
	for _, e := range operands {
		single(e)
	}
	fn := &ast.IdentExpr{Value: helperNames[h]}
	c := &ast.FuncCallExpr{Func: fn, Args: operands, AdjustRet: true}
	for _, n := range []ast.PositionHolder{fn, c} {
		n.SetLine(line)
		n.SetLastLine(line)
	}
	return c
}

// single makes an expression that may have many values give one.
func single(e ast.Expr) {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
}
