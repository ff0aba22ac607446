package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// testName is how a page names a test.
var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*)`")

// checkPages finds tests that a page (*.md) names and that are not there. A folder that stands before the name, as in "node `TestX`", is not looked at.
func checkPages(m *Module) []Finding {
	there := map[string]bool{}
	for _, f := range m.Files {
		if f.AST == nil || !f.IsTest() {
			continue
		}
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				there[fn.Name.Name] = true
			}
		}
	}
	var all []Finding
	for _, f := range m.Files {
		if !strings.HasSuffix(f.Path, ".md") {
			continue
		}
		for i, line := range bytes.Split(f.Src, []byte("\n")) {
			for _, name := range testName.FindAllSubmatch(line, -1) {
				if !there[string(name[1])] {
					all = append(all, Finding{Path: f.Path, Line: i + 1, Msg: fmt.Sprintf("names %s, and there is no such test", name[1])})
				}
			}
		}
	}
	return all
}
