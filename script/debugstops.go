package script

import "github.com/yuin/gopher-lua/ast"

// The interpreter has no hook for lines. A chunk that is to be debugged calls lineHelper where Lua 5.1 would call its line hook: before
// what begins on another line than what ran before it, at the begin of functions and of loops' bodies, when a loop goes back to its
// head, and at the end of a function. Statements are what counts: one that goes over several lines is one stop, on its first line, or,
// as Lua has it, on its last if it makes a function. The helper finds the line in the call itself.

// stop is a call of lineHelper on a line.
func (w *rewriter) stop(line int) ast.Stmt {
	w.uses[lineHelper] = true
	fn := &ast.IdentExpr{Value: helperNames[lineHelper]}
	call := &ast.FuncCallExpr{Func: fn}
	s := &ast.FuncCallStmt{Expr: call}
	for _, n := range []ast.PositionHolder{fn, call, s} {
		n.SetLine(line)
		n.SetLastLine(line)
	}
	return s
}

// anyLine is the line of what ran before a block where each line is another one.
const anyLine = 0

// withStops puts stops into a block. before is the line of what ran before it; the line of what ran last is returned, too.
func (w *rewriter) withStops(stmts []ast.Stmt, before int) (out []ast.Stmt, last int) {
	last = before
	for _, s := range stmts {
		line := firstLine(s)
		if line != last {
			out = append(out, w.stop(line))
		}
		out = append(out, s)
		if last = line; nests(s) && s.LastLine() != line {
			last = anyLine
		}
	}
	return out, last
}

// firstLine is where a statement first does something.
func firstLine(s ast.Stmt) int {
	var values []ast.Expr
	switch s := s.(type) {
	case *ast.FuncDefStmt:
		return s.Func.LastLine()
	case *ast.LocalAssignStmt:
		values = s.Exprs
	case *ast.AssignStmt:
		values = s.Rhs
	}
	if len(values) == 1 {
		if fn, ok := values[0].(*ast.FunctionExpr); ok {
			return fn.LastLine()
		}
	}
	return s.Line()
}

// nests reports whether a statement has others within it.
func nests(s ast.Stmt) bool {
	switch s.(type) {
	case *ast.DoBlockStmt, *ast.WhileStmt, *ast.RepeatStmt, *ast.IfStmt, *ast.NumberForStmt, *ast.GenericForStmt:
		return true
	}
	return false
}

// goesOn reports whether a block may be left at its end.
func goesOn(stmts []ast.Stmt) bool {
	if len(stmts) == 0 {
		return true
	}
	switch stmts[len(stmts)-1].(type) {
	case *ast.ReturnStmt, *ast.BreakStmt:
		return false
	}
	return true
}

// endingAt adds stops at a block's end, on lines that come one after another.
func (w *rewriter) endingAt(stmts []ast.Stmt, last int, lines ...int) []ast.Stmt {
	if !goesOn(stmts) {
		return stmts
	}
	for _, line := range lines {
		if line != last {
			stmts = append(stmts, w.stop(line))
		}
		last = line
	}
	return stmts
}

func (w *rewriter) chunkStops(stmts []ast.Stmt) []ast.Stmt {
	end := 0
	if n := len(stmts); n > 0 {
		end = max(firstLine(stmts[n-1]), stmts[n-1].LastLine())
	}
	out, last := w.withStops(stmts, anyLine)
	if end == 0 {
		return out
	}
	return w.endingAt(out, last, end)
}

func (w *rewriter) functionStops(f *ast.FunctionExpr) {
	out, last := w.withStops(f.Stmts, anyLine)
	f.Stmts = w.endingAt(out, last, f.LastLine())
}

// loopStops puts stops into what a statement nests, but for an if's blocks.
func (w *rewriter) loopStops(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.DoBlockStmt:
		s.Stmts, _ = w.withStops(s.Stmts, s.Line())
	case *ast.WhileStmt:
		head := s.Condition.Line()
		out, last := w.withStops(s.Stmts, head)
		if out = w.endingAt(out, last, s.LastLine()); goesOn(out) {
			out = append(out, w.stop(head)) // back, so that it counts on the same line, too
		}
		s.Stmts = out
	case *ast.RepeatStmt:
		out, last := w.withStops(s.Stmts, anyLine)
		s.Stmts = w.endingAt(out, last, s.Condition.Line())
	case *ast.NumberForStmt:
		s.Stmts = w.forStops(s.Stmts, s.Line())
	case *ast.GenericForStmt:
		s.Stmts = w.forStops(s.Stmts, s.Line())
	}
}

func (w *rewriter) forStops(stmts []ast.Stmt, head int) []ast.Stmt {
	out, last := w.withStops(stmts, anyLine)
	return w.endingAt(out, last, head)
}

func (w *rewriter) ifStops(s *ast.IfStmt) {
	s.Then, _ = w.withStops(s.Then, s.Line())
	s.Else, _ = w.withStops(s.Else, s.Line())
}
