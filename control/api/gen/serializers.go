package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// readSerializers takes from serializers.go the operations, the API version and
// how inputs and their structures stand in a request.
func (c *classic) readSerializers(file *ast.File) error {
	return functions(file, func(fn *ast.FuncDecl, receiver string) error {
		name := fn.Name.Name
		switch {
		case strings.HasPrefix(receiver, serOp) && name == "HandleSerialize":
			c.operations = append(c.operations, strings.TrimPrefix(receiver, serOp))
			return c.readVersion(fn)
		case receiver != "":
			return nil
		case strings.HasPrefix(name, serInput), strings.HasPrefix(name, serShape):
			code, err := readSerializer(fn)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			c.ser[name] = code
		}
		return nil
	})
}

// readVersion finds body.Key("Version").String("2015-02-02").
func (c *classic) readVersion(fn *ast.FuncDecl) error {
	version := ""
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "String" {
			return true
		}
		if key, ok := sel.X.(*ast.CallExpr); ok && len(key.Args) == 1 {
			if name, ok := literal(key.Args[0]); ok && name == "Version" {
				version, _ = literal(call.Args[0])
			}
		}
		return true
	})
	if version == "" || c.version != "" && c.version != version {
		return fmt.Errorf("the API version is missing or not the same for all operations")
	}
	c.version = version
	return nil
}

func readSerializer(fn *ast.FuncDecl) (*codec, error) {
	typ, slice, err := paramType(fn, 1)
	if err != nil {
		return nil, err
	}
	if slice {
		return readListSerializer(fn)
	}
	code := &codec{typ: typ}
	for _, stmt := range fn.Body.List {
		switch stmt := stmt.(type) {
		case *ast.AssignStmt, *ast.ReturnStmt: // object := value.Object(), _ = object, return nil
		case *ast.IfStmt:
			m, err := readMemberSerializer(stmt)
			if err != nil {
				return nil, err
			}
			code.members = append(code.members, m)
		default:
			return nil, fmt.Errorf("statement %T is not known here", stmt)
		}
	}
	return code, nil
}

// readMemberSerializer reads "if v.F != nil { objectKey := object.Key("F"); … }".
func readMemberSerializer(stmt *ast.IfStmt) (rawMember, error) {
	m := rawMember{field: fieldOf(stmt.Cond, "v")}
	if m.field == "" || len(stmt.Body.List) != 2 {
		return m, fmt.Errorf("a condition that is no member")
	}
	key, ok := stmt.Body.List[0].(*ast.AssignStmt)
	if !ok {
		return m, fmt.Errorf("member %s has no key", m.field)
	}
	call, ok := key.Rhs[0].(*ast.CallExpr)
	if !ok || callee(call) != "object.Key" {
		return m, fmt.Errorf("member %s has no key (a flat list?)", m.field)
	}
	if m.wire, ok = literal(call.Args[0]); !ok {
		return m, fmt.Errorf("member %s has no literal key", m.field)
	}
	var err error
	m.enc, m.ref, err = readEncoding(stmt.Body.List[1], "objectKey")
	if err != nil {
		return m, fmt.Errorf("member %s: %w", m.field, err)
	}
	return m, nil
}

// readEncoding reads how a value is written: target.String(…), or a call of
// another function with the target.
func readEncoding(stmt ast.Stmt, target string) (enc encoding, ref string, err error) {
	switch stmt := stmt.(type) {
	case *ast.ExprStmt:
		call, ok := stmt.X.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			break
		}
		if enc := scalarEncoding(call, target); enc != "" {
			return enc, "", nil
		}
	case *ast.IfStmt:
		init, ok := stmt.Init.(*ast.AssignStmt)
		if !ok {
			break
		}
		if call, ok := init.Rhs[0].(*ast.CallExpr); ok && strings.HasPrefix(callee(call), serShape) {
			return "", callee(call), nil
		}
	}
	return "", "", fmt.Errorf("its encoding is not known here")
}

func scalarEncoding(call *ast.CallExpr, target string) encoding {
	switch callee(call) {
	case target + ".Integer":
		return encInt
	case target + ".Boolean":
		return encBool
	case target + ".Double":
		return encFloat
	case target + ".String":
		inner, ok := call.Args[0].(*ast.CallExpr)
		switch {
		case !ok:
			return encString
		case callee(inner) == "string":
			return encEnum
		case callee(inner) == "smithytime.FormatDateTime":
			return encTime
		}
	}
	return ""
}

// readListSerializer reads array := value.Array("Element") and the loop after it.
func readListSerializer(fn *ast.FuncDecl) (*codec, error) {
	element := &rawMember{}
	for _, stmt := range fn.Body.List {
		switch stmt := stmt.(type) {
		case *ast.AssignStmt:
			call, ok := stmt.Rhs[0].(*ast.CallExpr)
			if !ok || callee(call) != "value.Array" {
				return nil, fmt.Errorf("a list that is no array")
			}
			if element.wire, ok = literal(call.Args[0]); !ok {
				return nil, fmt.Errorf("a list whose elements have no literal name")
			}
		case *ast.RangeStmt:
			last := stmt.Body.List[len(stmt.Body.List)-1]
			var err error
			if element.enc, element.ref, err = readEncoding(last, "av"); err != nil {
				return nil, fmt.Errorf("element: %w", err)
			}
		}
	}
	if element.wire == "" || element.enc == "" && element.ref == "" {
		return nil, fmt.Errorf("a list that is not understood")
	}
	return &codec{list: element}, nil
}
