package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// readValidators takes from validators.go the required members.
func (c *classic) readValidators(file *ast.File) error {
	return functions(file, func(fn *ast.FuncDecl, receiver string) error {
		if receiver != "" || !strings.HasPrefix(fn.Name.Name, valShape) {
			return nil
		}
		typ, slice, err := paramType(fn, 1)
		if err != nil || slice {
			return err
		}
		for _, stmt := range fn.Body.List {
			check, ok := stmt.(*ast.IfStmt)
			if !ok || !callsRequired(check.Body) {
				continue
			}
			field := fieldOf(check.Cond, "v")
			if field == "" {
				return fmt.Errorf("%s requires what is no member", fn.Name.Name)
			}
			c.required[typ] = append(c.required[typ], field)
		}
		return nil
	})
}

func callsRequired(body *ast.BlockStmt) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && callee(call) == "smithy.NewErrParamRequired" {
			found = true
		}
		return !found
	})
	return found
}

// readErrors takes from types/errors.go each error's code and whose fault it is.
func (c *classic) readErrors(file *ast.File) error {
	return functions(file, func(fn *ast.FuncDecl, receiver string) error {
		e := c.errors[receiver]
		e.Name = receiver
		switch fn.Name.Name {
		case "ErrorCode":
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if ret, ok := n.(*ast.ReturnStmt); ok && e.Code == "" {
					e.Code, _ = literal(ret.Results[0])
				}
				return true
			})
			if e.Code == "" {
				return fmt.Errorf("error %s has no code", receiver)
			}
		case "ErrorFault":
			ret, ok := fn.Body.List[0].(*ast.ReturnStmt)
			if !ok {
				return fmt.Errorf("error %s has no fault", receiver)
			}
			e.Client = exprName(ret.Results[0]) == "smithy.FaultClient"
		default:
			return nil
		}
		c.errors[receiver] = e
		return nil
	})
}
