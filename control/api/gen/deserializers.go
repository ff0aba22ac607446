package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// readDeserializers takes from deserializers.go how outputs and their structures
// stand in an answer, which operations have a result, and their errors.
func (c *classic) readDeserializers(file *ast.File) error {
	return functions(file, func(fn *ast.FuncDecl, receiver string) error {
		name := fn.Name.Name
		switch {
		case strings.HasPrefix(receiver, desOp) && name == "HandleDeserialize":
			return c.readResult(fn, strings.TrimPrefix(receiver, desOp))
		case receiver != "", strings.HasSuffix(name, "Unwrapped"):
			return nil // the unwrapped forms are for flat lists; a call of one is refused below
		case strings.HasPrefix(name, desOpError):
			return c.readOperationErrors(fn, strings.TrimPrefix(name, desOpError))
		case strings.HasPrefix(name, desOutput), strings.HasPrefix(name, desShape):
			code, err := readDeserializer(fn)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			c.des[name] = code
		}
		return nil
	})
}

// readResult finds decoder.GetElement("NameResult").
func (c *classic) readResult(fn *ast.FuncDecl, operation string) error {
	var err error
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || callee(call) != "decoder.GetElement" {
			return true
		}
		name, _ := literal(call.Args[0])
		if name != operation+"Result" {
			err = fmt.Errorf("the result of %s is called %q", operation, name)
		}
		c.results[operation] = true
		return true
	})
	return err
}

func (c *classic) readOperationErrors(fn *ast.FuncDecl, operation string) error {
	return cases(fn.Body, func(code string, body []ast.Stmt) error {
		ret, ok := body[0].(*ast.ReturnStmt)
		if !ok {
			return fmt.Errorf("error %s of %s is not returned", code, operation)
		}
		call, ok := ret.Results[0].(*ast.CallExpr)
		if !ok || !strings.HasPrefix(callee(call), desError) {
			return fmt.Errorf("error %s of %s has no function", code, operation)
		}
		shape := strings.TrimPrefix(callee(call), desError)
		if old, ok := c.codes[shape]; ok && old != code {
			return fmt.Errorf("error %s has codes %q and %q", shape, old, code)
		}
		c.codes[shape] = code
		c.opErrors[operation] = append(c.opErrors[operation], shape)
		return nil
	})
}

// cases calls do for each case strings.EqualFold("name", …) within n.
func cases(n ast.Node, do func(name string, body []ast.Stmt) error) (err error) {
	ast.Inspect(n, func(n ast.Node) bool {
		clause, ok := n.(*ast.CaseClause)
		if !ok || err != nil || len(clause.List) != 1 {
			return err == nil
		}
		call, ok := clause.List[0].(*ast.CallExpr)
		if !ok || callee(call) != "strings.EqualFold" || len(clause.Body) == 0 {
			err = fmt.Errorf("a case that is not understood")
			return false
		}
		name, ok := literal(call.Args[0])
		if !ok {
			err = fmt.Errorf("a case without a literal name")
			return false
		}
		err = do(name, clause.Body)
		return false
	})
	return err
}

func readDeserializer(fn *ast.FuncDecl) (*codec, error) {
	typ, slice, err := paramType(fn, 2)
	if err != nil {
		return nil, err
	}
	code := &codec{typ: typ}
	err = cases(fn.Body, func(name string, body []ast.Stmt) error {
		if !slice {
			m, err := readMemberDeserializer(name, body)
			code.members = append(code.members, m)
			return err
		}
		if code.list != nil {
			return fmt.Errorf("a list with two kinds of elements")
		}
		code.list = readElementDeserializer(name, body)
		if code.list == nil {
			return fmt.Errorf("elements %s are not understood", name)
		}
		return nil
	})
	if err == nil && slice && code.list == nil {
		err = fmt.Errorf("a list without elements")
	}
	return code, err
}

// readMemberDeserializer finds either sv.F = … or a call with &sv.F.
func readMemberDeserializer(wire string, body []ast.Stmt) (rawMember, error) {
	m := rawMember{wire: wire}
	for _, stmt := range body {
		ast.Inspect(stmt, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if sel, ok := n.Lhs[0].(*ast.SelectorExpr); ok && exprName(sel.X) == "sv" {
					m.field, m.enc = sel.Sel.Name, assignedEncoding(n.Rhs[0])
				}
			case *ast.CallExpr:
				if strings.HasPrefix(callee(n), desShape) {
					m.field, m.ref = fieldOf(n.Args[0], "sv"), callee(n)
				}
			}
			return true
		})
	}
	if m.field == "" || (m.enc == "") == (m.ref == "") || strings.HasSuffix(m.ref, "Unwrapped") {
		return m, fmt.Errorf("member %s is not understood", wire)
	}
	return m, nil
}

func assignedEncoding(e ast.Expr) encoding {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	switch name := callee(call); {
	case name == "ptr.String":
		return encString
	case name == "ptr.Int32":
		return encInt
	case name == "ptr.Float64":
		return encFloat
	case name == "ptr.Bool":
		return encBool
	case name == "ptr.Time":
		return encTime
	case strings.HasPrefix(name, typesPrefix):
		return encEnum
	}
	return ""
}

// readElementDeserializer reads "var col T", and whether a function fills it.
func readElementDeserializer(wire string, body []ast.Stmt) *rawMember {
	m := &rawMember{wire: wire}
	for _, stmt := range body {
		ast.Inspect(stmt, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if n.Names[0].Name == "col" {
					m.enc = encEnum
					if exprName(n.Type) == "string" {
						m.enc = encString
					}
				}
			case *ast.CallExpr:
				if strings.HasPrefix(callee(n), desShape) {
					m.ref = callee(n)
				}
			}
			return true
		})
	}
	if m.enc == "" {
		return nil
	}
	if m.ref != "" {
		m.enc = ""
	}
	return m
}
