package script

import "github.com/yuin/gopher-lua/ast"

// The interpreter has no hook for lines. A chunk that is to be debugged calls lineHelper where Lua 5.1 would call its line hook: before
// what begins on another line than what ran before it, at the begin of functions and of loops' bodies, when a loop goes back to its
// head, and at the end of a function. Statements are what counts: one that goes over several lines is one stop, where Lua has one for
// each line; on its first line or, as in Lua, on its last if it makes a function. The helper finds the line in the call itself.

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
		if line != noLine && line != last {
			out = append(out, w.stop(line))
		}
		out = append(out, s)
		switch {
		case line == noLine, nests(s) && s.LastLine() != line:
			last = anyLine
		default:
			last = line
		}
	}
	return out, last
}

// noLine is the first line of a statement that does nothing itself before what it nests does.
const noLine = 0

// firstLine is where a statement first does something.
func firstLine(s ast.Stmt) int {
	switch s := s.(type) {
	case *ast.DoBlockStmt:
		if s.Line() != s.LastLine() {
			return noLine
		}
	case *ast.RepeatStmt:
		return noLine
	case *ast.WhileStmt:
		if always(s.Condition) && len(s.Stmts) > 0 {
			return noLine
		}
	case *ast.FuncDefStmt:
		return s.Func.LastLine()
	case *ast.LocalAssignStmt:
		return valueLine(s, s.Exprs)
	case *ast.ReturnStmt:
		return valueLine(s, s.Exprs)
	case *ast.AssignStmt:
		if _, ok := s.Rhs[0].(*ast.FunctionExpr); ok {
			return valueLine(s, s.Rhs)
		}
	}
	return s.Line()
}

// valueLine is where a statement's first value is made.
func valueLine(s ast.Stmt, values []ast.Expr) int {
	if len(values) == 0 {
		return s.Line()
	}
	if fn, ok := values[0].(*ast.FunctionExpr); ok {
		return fn.LastLine()
	}
	return max(values[0].Line(), s.Line())
}

// always reports whether a condition is a constant that is true: nothing is done to find out.
func always(e ast.Expr) bool {
	switch e.(type) {
	case *ast.TrueExpr, *ast.NumberExpr, *ast.StringExpr:
		return true
	}
	return false
}

// fromBegin is withStops for a function's block. Variables without a value that it begins with are there already.
func (w *rewriter) fromBegin(stmts []ast.Stmt) (out []ast.Stmt, last int) {
	n := 0
	for ; n < len(stmts); n++ {
		if s, ok := stmts[n].(*ast.LocalAssignStmt); !ok || len(s.Exprs) > 0 {
			break
		}
	}
	out, last = w.withStops(stmts[n:], anyLine)
	return append(stmts[:n:n], out...), last
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

// endingAt adds a stop at a block's end. last is the line of what ran before it.
func (w *rewriter) endingAt(stmts []ast.Stmt, last, line int) []ast.Stmt {
	if !goesOn(stmts) || line == last {
		return stmts
	}
	return append(stmts, w.stop(line))
}

func (w *rewriter) chunkStops(stmts []ast.Stmt) []ast.Stmt {
	end := 0
	if n := len(stmts); n > 0 {
		end = max(firstLine(stmts[n-1]), stmts[n-1].LastLine())
	}
	out, last := w.fromBegin(stmts)
	if end == 0 {
		return out
	}
	return w.endingAt(out, last, end)
}

func (w *rewriter) functionStops(f *ast.FunctionExpr) {
	out, last := w.fromBegin(f.Stmts)
	f.Stmts = w.endingAt(out, last, f.LastLine())
}

// loopStops puts stops into what a statement nests, but for an if's blocks.
func (w *rewriter) loopStops(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.DoBlockStmt:
		s.Stmts, _ = w.withStops(s.Stmts, firstLine(s))
	case *ast.WhileStmt:
		w.whileStops(s)
	case *ast.RepeatStmt:
		out, last := w.withStops(s.Stmts, anyLine)
		s.Stmts = w.endingAt(out, last, s.Condition.Line())
	case *ast.NumberForStmt:
		s.Stmts = w.forStops(s.Stmts, s.Line())
	case *ast.GenericForStmt:
		s.Stmts = w.forStops(s.Stmts, s.Line())
	}
}

func (w *rewriter) whileStops(s *ast.WhileStmt) {
	if firstLine(s) == noLine {
		s.Stmts, _ = w.withStops(s.Stmts, anyLine)
		return
	}
	head := s.Condition.Line()
	out, _ := w.withStops(s.Stmts, head)
	s.Stmts = w.endingAt(out, anyLine, head) // it goes back, which counts on the same line, too
}

func (w *rewriter) forStops(stmts []ast.Stmt, head int) []ast.Stmt {
	out, last := w.withStops(stmts, anyLine)
	return w.endingAt(out, last, head)
}

func (w *rewriter) ifStops(s *ast.IfStmt) {
	s.Then, _ = w.withStops(s.Then, s.Line())
	s.Else, _ = w.withStops(s.Else, s.Line())
}
