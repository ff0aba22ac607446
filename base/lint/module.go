// Package lint holds larder's own rules for its source, as functions that a test runs over the whole module; go vet and
// staticcheck do the rest. A rule that matters is a test, and each rule here has a case that shows that it fires.
//
// It reads what git tracks or would track, so a build's output is not looked at. It is no general linter, rewrites
// nothing, and nothing but tests imports it.
package lint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxFileBytes is the longest file that is read; a longer one is data, not source.
const maxFileBytes = 8 << 20

// Module is a source tree, read and parsed.
type Module struct {
	// Path is the module's import path.
	Path string
	// Files are all files, sorted by Path. Those in testdata are left out, as are binary ones.
	Files []*File
}

// File is one file of a module.
type File struct {
	// Path is relative to the module's root, with slashes.
	Path string
	// Src is what the file holds.
	Src []byte
	// AST is the parsed file, with comments; nil when it is not Go.
	AST *ast.File
	// Fset places AST's positions.
	Fset *token.FileSet
}

// Dir returns the folder that the file is in, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// IsTest reports whether the file is built for tests only.
func (f *File) IsTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// IsGenerated reports whether the file says of itself that a program wrote it.
func (f *File) IsGenerated() bool { return f.AST != nil && ast.IsGenerated(f.AST) }

// Parse makes a File of src. A Go file that does not parse is an error.
func Parse(name string, src []byte) (*File, error) {
	f := &File{Path: name, Src: src, Fset: token.NewFileSet()}
	if !strings.HasSuffix(name, ".go") {
		return f, nil
	}
	var err error
	f.AST, err = parser.ParseFile(f.Fset, name, src, parser.ParseComments)
	return f, err
}

// Root returns the folder of the go.mod that governs the current directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in this folder or above it")
		}
		dir = up
	}
}

// Load reads the module whose go.mod is in root.
func Load(root string) (*Module, error) {
	mod, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	names, err := list(root)
	if err != nil {
		return nil, err
	}
	m := &Module{Path: mod}
	for _, name := range names {
		f, err := load(root, name)
		if err != nil {
			return nil, err
		}
		if f != nil {
			m.Files = append(m.Files, f)
		}
	}
	return m, nil
}

// load reads one file; nil if it is not source, or not there any more.
func load(root, name string) (*File, error) {
	full := filepath.Join(root, filepath.FromSlash(name))
	info, err := os.Stat(full)
	if errors.Is(err, fs.ErrNotExist) { // tracked, and removed since
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, nil
	}
	src, err := os.ReadFile(full)
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(src, 0) >= 0 {
		return nil, nil
	}
	return Parse(name, src)
}

// modulePath reads the module line of a go.mod.
func modulePath(name string) (string, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(bytes.NewReader(src))
	for lines.Scan() {
		if mod, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(mod), nil
		}
	}
	return "", fmt.Errorf("%s has no module line", name)
}

// list names the files that git tracks or would track, outside testdata, sorted. Without git (an unpacked archive) it is
// all files except those in hidden folders.
func list(root string) ([]string, error) {
	var names []string
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("git ls-files: %w", err)
		}
		names = strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	} else if names, err = walk(root); err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "" || slices.Contains(strings.Split(name, "/"), "testdata")
	})
	slices.Sort(names)
	return slices.Compact(names), nil
}

// walk names all files below root except those in hidden folders.
func walk(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && full != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		name, err := filepath.Rel(root, full)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}
