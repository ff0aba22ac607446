package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The names that the SDK's generator gives to what is read here.
const (
	serOp       = "awsAwsquery_serializeOp"
	serInput    = "awsAwsquery_serializeOpDocument"
	serShape    = "awsAwsquery_serializeDocument"
	desOp       = "awsAwsquery_deserializeOp"
	desOutput   = "awsAwsquery_deserializeOpDocument"
	desOpError  = "awsAwsquery_deserializeOpError"
	desError    = "awsAwsquery_deserializeError"
	desShape    = "awsAwsquery_deserializeDocument"
	valOp       = "validateOp"
	valShape    = "validate"
	typesPrefix = "types."
)

// codec is what a serializing or deserializing function says: of a struct its
// members, of a list its elements. References to other functions are names until
// all functions are read.
type codec struct {
	typ     goType // of a struct; "" for a list
	members []rawMember
	list    *rawMember // of a list: the element
}

type rawMember struct {
	field, wire string
	enc         encoding // "" if ref is set
	ref         string   // the function that handles it
}

// classic reads one SDK package.
type classic struct {
	name       string
	version    string
	operations []string
	ser, des   map[string]*codec // by function name
	required   map[goType][]string
	opErrors   map[string][]string // shapes by operation
	codes      map[string]string   // code by shape, as operations match it
	results    map[string]bool     // operations with a result element
	errors     map[string]errorShape
}

// readClassic reads the classic layout of an SDK package in dir.
func readClassic(name, dir string) (*service, error) {
	c := &classic{
		name: name,
		ser:  make(map[string]*codec), des: make(map[string]*codec),
		required: make(map[goType][]string), opErrors: make(map[string][]string),
		codes: make(map[string]string), results: make(map[string]bool), errors: make(map[string]errorShape),
	}
	for _, part := range []struct {
		file string
		read func(*ast.File) error
	}{
		{"types/errors.go", c.readErrors},
		{"serializers.go", c.readSerializers},
		{"deserializers.go", c.readDeserializers},
		{"validators.go", c.readValidators},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, part.file), nil, 0)
		if err != nil {
			return nil, err
		}
		if err := part.read(file); err != nil {
			return nil, fmt.Errorf("%s: %w", part.file, err)
		}
	}
	return c.service()
}

// service resolves references and puts both directions together.
func (c *classic) service() (*service, error) {
	s := &service{Name: c.name, Version: c.version}
	shapes := make(map[goType]*shape)
	for _, side := range []map[string]*codec{c.ser, c.des} {
		for _, fn := range sortedKeys(side) {
			if err := c.addShape(shapes, side, side[fn]); err != nil {
				return nil, fmt.Errorf("%s: %w", fn, err)
			}
		}
	}
	slices.Sort(c.operations)
	for _, name := range c.operations {
		op := operation{Name: name, NoResult: !c.results[name], Errors: slices.Sorted(slices.Values(c.opErrors[name]))}
		s.Operations = append(s.Operations, op)
		for _, typ := range []goType{goType(name + "Input"), goType(name + "Output")} {
			if shapes[typ] == nil { // an operation that says or answers nothing
				shapes[typ] = &shape{Type: typ}
			}
		}
	}
	if err := c.addRequired(shapes); err != nil {
		return nil, err
	}
	for _, typ := range sortedKeys(shapes) {
		sh := shapes[typ]
		sh.Role = roleOf(typ)
		s.Shapes = append(s.Shapes, sh)
	}
	return s, c.addErrors(s)
}

func roleOf(typ goType) role {
	switch {
	case strings.HasPrefix(string(typ), typesPrefix):
		return roleStructure
	case strings.HasSuffix(string(typ), "Input"):
		return roleInput
	}
	return roleOutput
}

// addShape adds a struct that one side knows, or checks it against what the other
// side said: the wire names of both must agree.
func (c *classic) addShape(shapes map[goType]*shape, side map[string]*codec, code *codec) error {
	if code.typ == "" {
		return nil
	}
	if _, isError := c.errors[strings.TrimPrefix(string(code.typ), typesPrefix)]; isError {
		return nil
	}
	sh := &shape{Type: code.typ}
	for _, raw := range code.members {
		m, err := resolve(side, raw)
		if err != nil {
			return err
		}
		sh.Members = append(sh.Members, m)
	}
	slices.SortFunc(sh.Members, func(a, b member) int { return strings.Compare(a.Field, b.Field) })
	if other := shapes[code.typ]; other != nil && !slices.Equal(other.Members, sh.Members) {
		return fmt.Errorf("%s is not the same in requests and answers", code.typ)
	}
	shapes[code.typ] = sh
	return nil
}

func resolve(side map[string]*codec, raw rawMember) (member, error) {
	m := member{Field: raw.field, Wire: raw.wire, Encoding: raw.enc}
	if raw.ref == "" {
		return m, nil
	}
	target := side[raw.ref]
	switch {
	case target == nil:
		return m, fmt.Errorf("member %s: function %s is unknown", raw.field, raw.ref)
	case target.typ != "":
		m.Encoding, m.Target = encStruct, target.typ
		return m, nil
	}
	m.Encoding, m.Element, m.ElemEnc = encList, target.list.wire, target.list.enc
	if target.list.ref == "" {
		return m, nil
	}
	element := side[target.list.ref]
	if element == nil || element.typ == "" {
		return m, fmt.Errorf("member %s: elements of %s are no structures", raw.field, raw.ref)
	}
	m.ElemEnc, m.Target = encStruct, element.typ
	return m, nil
}

func (c *classic) addRequired(shapes map[goType]*shape) error {
	for _, typ := range sortedKeys(c.required) {
		sh := shapes[typ]
		if sh == nil {
			return fmt.Errorf("validators.go checks %s, which no request has", typ)
		}
		for _, field := range c.required[typ] {
			if !slices.ContainsFunc(sh.Members, func(m member) bool { return m.Field == field }) {
				return fmt.Errorf("validators.go checks %s.%s, which no request has", typ, field)
			}
		}
		sh.Required = c.required[typ]
	}
	return nil
}

func (c *classic) addErrors(s *service) error {
	for _, name := range sortedKeys(c.errors) {
		e := c.errors[name]
		if code, ok := c.codes[name]; ok && code != e.Code {
			return fmt.Errorf("error %s: operations match code %q, its type says %q", name, code, e.Code)
		}
		s.Errors = append(s.Errors, e)
	}
	for shape := range c.codes {
		if _, ok := c.errors[shape]; !ok {
			return fmt.Errorf("error %s has no type", shape)
		}
	}
	return nil
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// literal returns the value of a string literal.
func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// callee returns the name of what is called: "f" or "pkg.f".
func callee(call *ast.CallExpr) string { return exprName(call.Fun) }

func exprName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return exprName(e.X) + "." + e.Sel.Name
	case *ast.ParenExpr:
		return exprName(e.X)
	}
	return "?"
}

// fieldOf returns F of an expression "<base>.F" within e.
func fieldOf(e ast.Node, base string) (field string) {
	ast.Inspect(e, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if ok && exprName(sel.X) == base && field == "" {
			field = sel.Sel.Name
		}
		return field == ""
	})
	return field
}

// paramType returns the first parameter's type without its n pointers, and
// whether it is a slice.
func paramType(fn *ast.FuncDecl, pointers int) (typ goType, slice bool, err error) {
	if len(fn.Type.Params.List) == 0 {
		return "", false, fmt.Errorf("%s has no parameter", fn.Name.Name)
	}
	e := fn.Type.Params.List[0].Type
	for range pointers {
		star, ok := e.(*ast.StarExpr)
		if !ok {
			break
		}
		e = star.X
	}
	if _, ok := e.(*ast.ArrayType); ok {
		return "", true, nil
	}
	name := exprName(e)
	if strings.Contains(name, "?") {
		return "", false, fmt.Errorf("%s takes a type that is not known here", fn.Name.Name)
	}
	return goType(name), false, nil
}

// functions calls do for each function of the file, with its receiver's type.
func functions(file *ast.File, do func(fn *ast.FuncDecl, receiver string) error) error {
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		receiver := ""
		if fn.Recv != nil {
			t := fn.Recv.List[0].Type
			if star, ok := t.(*ast.StarExpr); ok {
				t = star.X
			}
			receiver = exprName(t)
		}
		if err := do(fn, receiver); err != nil {
			return err
		}
	}
	return nil
}
