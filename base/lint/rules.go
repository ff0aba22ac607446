package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Finding is one place where a rule is broken.
type Finding struct {
	// Path is the file, relative to the module's root.
	Path string
	// Line is the line, from 1; 0 when the finding is about the whole file.
	Line int
	// Msg says what is wrong.
	Msg string
}

// String returns the finding in the form that editors jump to.
func (f Finding) String() string { return fmt.Sprintf("%s:%d: %s", f.Path, max(1, f.Line), f.Msg) }

// Rule is one rule over a module.
type Rule struct {
	// Name is the rule's name in the test's output.
	Name string
	// Why is what breaks where the rule is broken.
	Why string
	// Check returns where it is broken.
	Check func(*Module) []Finding
}

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		{"clock", "what reads the time by itself cannot be tested or simulated", eachGo(checkClock)},
		{"no-init", "wiring is an explicit slice or a constructor's argument, not a side effect of an import", eachGo(checkInit)},
		{"no-blank-import", "an import for its side effects is wiring that cannot be seen", eachGo(checkBlankImports)},
		{"package-doc", "each package says what it is and what it is not", checkPackageDocs},
		{"exported-doc", "who uses a name must not have to read its code", eachGo(checkExportedDocs)},
		{"places", "the source must not depend on one machine or one registry", checkPlaces},
		{"pages", "a table of tests is worth nothing if one of them is not there", checkPages},
		{"gofmt", "one form, so that a difference is a change", eachGo(checkFormat)},
		{"file-length", fmt.Sprintf("a file over %d lines has more than one purpose", maxFileLines), eachGo(checkFileLength)},
	}
}

// eachGo makes a check of a module from a check of one Go file.
func eachGo(check func(*File) []Finding) func(*Module) []Finding {
	return func(m *Module) []Finding {
		var all []Finding
		for _, f := range m.Files {
			if f.AST != nil {
				all = append(all, check(f)...)
			}
		}
		return all
	}
}

// found makes a finding at pos.
func (f *File) found(pos token.Pos, format string, args ...any) Finding {
	return Finding{Path: f.Path, Line: f.Fset.Position(pos).Line, Msg: fmt.Sprintf(format, args...)}
}

// importName returns the name under which the file imports the package p; "" if it does not.
func (f *File) importName(p string) string {
	for _, imp := range f.AST.Imports {
		if got, err := strconv.Unquote(imp.Path.Value); err != nil || got != p {
			continue
		}
		if imp.Name != nil {
			return imp.Name.Name
		}
		return path.Base(p)
	}
	return ""
}

// clockFuncs are the functions of package time that read a clock or wait on it.
var clockFuncs = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}

// clockAllowed are the folders that may use the system's clock, each with the reason.
var clockAllowed = map[string]string{
	"base/clock": "it is the clock",
	"cmd":        "the edge: it makes the real clock and hands it on",
	"test":       "it watches real processes",
}

// checkClock finds uses of the system's clock outside clockAllowed and tests.
func checkClock(f *File) []Finding {
	name := f.importName("time")
	if name == "" || f.IsTest() || inAny(f.Dir(), clockAllowed) {
		return nil
	}
	if name == "." {
		return []Finding{f.found(f.AST.Name.Pos(), "package time is imported with a dot, which hides who reads the clock")}
	}
	var all []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && x.Obj == nil && slices.Contains(clockFuncs, sel.Sel.Name) {
			all = append(all, f.found(sel.Pos(), "time.%s; take a clock.Clock instead", sel.Sel.Name))
		}
		return true
	})
	return all
}

// inAny reports whether dir is one of the folders, or below one.
func inAny(dir string, folders map[string]string) bool {
	for folder := range folders {
		if dir == folder || strings.HasPrefix(dir, folder+"/") {
			return true
		}
	}
	return false
}

// checkInit finds init functions.
func checkInit(f *File) []Finding {
	var all []Finding
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			all = append(all, f.found(fn.Pos(), "func init; wire it up explicitly"))
		}
	}
	return all
}

// checkBlankImports finds imports for side effects, except of embed, in tests, and in files for the build tag tools.
func checkBlankImports(f *File) []Finding {
	if f.IsTest() || bytes.HasPrefix(f.Src, []byte("//go:build tools")) {
		return nil
	}
	var all []Finding
	for _, imp := range f.AST.Imports {
		if imp.Name != nil && imp.Name.Name == "_" && imp.Path.Value != `"embed"` {
			all = append(all, f.found(imp.Pos(), "blank import of %s", imp.Path.Value))
		}
	}
	return all
}

// checkFormat finds files that gofmt would change.
func checkFormat(f *File) []Finding {
	formatted, err := format.Source(f.Src)
	if err == nil && bytes.Equal(formatted, f.Src) {
		return nil
	}
	return []Finding{{Path: f.Path, Msg: "is not formatted; run gofmt -w on it"}}
}

// maxFileLines is the length of a Go file at most.
const maxFileLines = 800

// checkFileLength finds files over maxFileLines. Generated ones are exempt.
func checkFileLength(f *File) []Finding {
	lines := bytes.Count(f.Src, []byte("\n"))
	if lines <= maxFileLines || f.IsGenerated() {
		return nil
	}
	return []Finding{{Path: f.Path, Msg: fmt.Sprintf("%d lines; %d at most", lines, maxFileLines)}}
}

// registryHosts are hosts that packages are fetched from. The names are put together here, so that this file does not
// break its own rule.
func registryHosts() []string {
	var hosts []string
	for domain, subs := range map[string][]string{
		"golang.org":       {"proxy", "sum"},
		"npmjs.org":        {"registry"},
		"pythonhosted.org": {"files"},
		"debian.org":       {"deb", "security", "snapshot"},
		"ubuntu.com":       {"archive", "security"},
		"docker.io":        {"registry-1"},
		"maven.org":        {"repo1"},
		"crates.io":        {"static", "index"},
	} {
		for _, sub := range subs {
			hosts = append(hosts, regexp.QuoteMeta(sub+"."+domain))
		}
	}
	slices.Sort(hosts)
	return hosts
}

// placePattern matches a registry's host, or a path in the folder where this project is worked on.
func placePattern() *regexp.Regexp {
	return regexp.MustCompile(`\b(` + strings.Join(registryHosts(), "|") + `)|(^|[^\w.~/-])/` + `work/`)
}

// checkPlaces looks through all files, Go or not.
func checkPlaces(m *Module) []Finding {
	pattern := placePattern()
	var all []Finding
	for _, f := range m.Files {
		if !pattern.Match(f.Src) {
			continue
		}
		for i, line := range bytes.Split(f.Src, []byte("\n")) {
			if at := pattern.Find(line); at != nil {
				all = append(all, Finding{Path: f.Path, Line: i + 1, Msg: fmt.Sprintf("names %q", bytes.TrimSpace(at))})
			}
		}
	}
	return all
}
