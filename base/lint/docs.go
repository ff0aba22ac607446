package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
)

// checkPackageDocs finds packages without a doc comment, with more than one, or with one that begins otherwise than
// 'Package x' ('Command x' for a main package, x being the folder).
func checkPackageDocs(m *Module) []Finding {
	folders := map[string][]*File{}
	for _, f := range m.Files {
		if f.AST != nil {
			folders[f.Dir()] = append(folders[f.Dir()], f)
		}
	}
	var all []Finding
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		all = append(all, checkPackageDoc(dir, folders[dir])...)
	}
	return all
}

// checkPackageDoc checks one folder's files. Test files count only where there are no others, a package x_test never.
func checkPackageDoc(dir string, files []*File) []Finding {
	own := slices.DeleteFunc(slices.Clone(files), func(f *File) bool { return f.IsTest() })
	if len(own) == 0 {
		own = files
	}
	documented := slices.DeleteFunc(slices.Clone(own), func(f *File) bool { return f.AST.Doc.Text() == "" })
	if len(documented) == 0 {
		return []Finding{{Path: own[0].Path, Msg: "the package has no doc comment"}}
	}
	var all []Finding
	for _, f := range documented[1:] {
		all = append(all, f.found(f.AST.Name.Pos(), "a second package comment; %s has one", documented[0].Path))
	}
	f := documented[0]
	want := "Package " + strings.TrimSuffix(f.AST.Name.Name, "_test")
	if f.AST.Name.Name == "main" {
		want = "Command " + path.Base(dir)
	}
	if text := f.AST.Doc.Text(); !strings.HasPrefix(text, want+" ") && !strings.HasPrefix(text, want+"\n") {
		all = append(all, f.found(f.AST.Name.Pos(), "the package comment does not begin with %q", want))
	}
	return all
}

// checkExportedDocs finds exported names without a comment. Of constants and variables, a comment on the group or on the
// line does. Tests and generated files are exempt.
func checkExportedDocs(f *File) []Finding {
	if f.IsTest() || f.IsGenerated() {
		return nil
	}
	var all []Finding
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc.Text() == "" && receiverExported(d) {
				all = append(all, f.found(d.Pos(), "%s has no comment", funcName(d)))
			}
		case *ast.GenDecl:
			last := "" // the comment above, which may speak of several names: "A and B are …"
			for _, spec := range d.Specs {
				all = append(all, f.undocumented(d, spec, last)...)
				if v, ok := spec.(*ast.ValueSpec); ok && v.Doc.Text() != "" {
					last = v.Doc.Text()
				}
			}
		}
	}
	return all
}

// undocumented finds the exported names of spec, one of group's, that have no comment and that above, the comment of an
// earlier one, does not name.
func (f *File) undocumented(group *ast.GenDecl, spec ast.Spec, above string) []Finding {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc.Text() == "" && (group.Lparen.IsValid() || group.Doc.Text() == "") {
			return []Finding{f.found(s.Pos(), "type %s has no comment", s.Name.Name)}
		}
	case *ast.ValueSpec:
		if s.Doc.Text() != "" || s.Comment.Text() != "" || group.Doc.Text() != "" {
			return nil
		}
		var all []Finding
		for _, name := range s.Names {
			if name.IsExported() && !slices.Contains(strings.FieldsFunc(above, notInName), name.Name) {
				all = append(all, f.found(name.Pos(), "%s %s has no comment", kindOf(group), name.Name))
			}
		}
		return all
	}
	return nil
}

func notInName(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func kindOf(group *ast.GenDecl) string {
	if group.Tok == token.CONST {
		return "constant"
	}
	return "variable"
}

// receiverExported reports whether a function is no method, or one of an exported type.
func receiverExported(d *ast.FuncDecl) bool {
	name := receiver(d)
	return name == "" || ast.IsExported(name)
}

// receiver returns the name of the type that d is a method of; "" if of none.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	x := d.Recv.List[0].Type
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.ParenExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.IndexListExpr:
			x = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

func funcName(d *ast.FuncDecl) string {
	if r := receiver(d); r != "" {
		return fmt.Sprintf("method %s.%s", r, d.Name.Name)
	}
	return "func " + d.Name.Name
}

// maxFuncLines is the length of a function that shortFuncsPercent of a package's functions keep to.
const (
	maxFuncLines      = 50
	shortFuncsPercent = 95
)

// FuncLengths reports, one line a package, the packages of which fewer than 95 % of the functions have at most 50
// lines, each with its longest function. It is a report and not a rule: what to do about a long function is a judgement.
// Tests and generated files do not count.
func FuncLengths(m *Module) []string {
	type pkg struct {
		funcs, long, longest int
		where                string
	}
	pkgs := map[string]*pkg{}
	for _, f := range m.Files {
		if f.AST == nil || f.IsTest() || f.IsGenerated() {
			continue
		}
		p := pkgs[f.Dir()]
		if p == nil {
			p = &pkg{}
			pkgs[f.Dir()] = p
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			first := f.Fset.Position(fn.Pos()).Line
			lines := f.Fset.Position(fn.End()).Line - first + 1
			p.funcs++
			if lines > maxFuncLines {
				p.long++
			}
			if lines > p.longest {
				p.longest, p.where = lines, fmt.Sprintf("%s:%d %s", f.Path, first, funcName(fn))
			}
		}
	}
	var report []string
	for _, dir := range slices.Sorted(maps.Keys(pkgs)) {
		if p := pkgs[dir]; (p.funcs-p.long)*100 < p.funcs*shortFuncsPercent {
			report = append(report, fmt.Sprintf("%s: %d of %d functions over %d lines; the longest, %s, has %d",
				dir, p.long, p.funcs, maxFuncLines, p.where, p.longest))
		}
	}
	return report
}
