package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const outDir = "../wiretable"

// TestCommittedFilesAreCurrent fails when the SDK, facts.json or the generator
// changed and the tables were not written again.
func TestCommittedFilesAreCurrent(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if string(again[name]) != string(want) {
			t.Errorf("%s: two runs differ", name)
		}
		got, err := os.ReadFile(filepath.Join(outDir, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not what the generator writes (%v); run: go generate ./control/api/wiretable", name, err)
		}
	}
	committed, err := filepath.Glob(filepath.Join(outDir, "zz_*.go"))
	if err != nil {
		t.Fatal(err)
	}
	if len(committed) != len(files) {
		t.Errorf("%d generated files are committed, the generator writes %d", len(committed), len(files))
	}
}

func TestRunWritesAndRemoves(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "zz_old.go")
	kept := filepath.Join(dir, "hand.go")
	for _, path := range []string{stale, kept} {
		if err := os.WriteFile(path, []byte("package x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("a file that is no longer made is still there: %v", err)
	}
	for _, path := range []string{kept, filepath.Join(dir, "zz_sts_errors.go")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// TestNothingIsOverlooked counts in the SDK's source, by other means, what the
// front end must have found.
func TestNothingIsOverlooked(t *testing.T) {
	for _, want := range []struct {
		service                      string
		operations, errors, noResult int
	}{
		{"elasticache", 77, 79, 3},
		{"sts", 11, 12, 0},
	} {
		dir, err := moduleDir(modulePrefix + want.service)
		if err != nil {
			t.Fatal(err)
		}
		s, err := readClassic(want.service, dir)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "api_op_*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Operations) != want.operations || len(files) != want.operations {
			t.Errorf("%s: %d operations, %d files, want %d", want.service, len(s.Operations), len(files), want.operations)
		}
		if n := structsIn(t, filepath.Join(dir, "types/errors.go")); len(s.Errors) != want.errors || n != want.errors {
			t.Errorf("%s: %d errors, %d types, want %d", want.service, len(s.Errors), n, want.errors)
		}
		noResult := 0
		for _, op := range s.Operations {
			if op.NoResult {
				noResult++
			}
		}
		if noResult != want.noResult {
			t.Errorf("%s: %d operations without a result, want %d", want.service, noResult, want.noResult)
		}
	}
}

func structsIn(t *testing.T, path string) int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		if _, ok := node.(*ast.StructType); ok {
			n++
		}
		return true
	})
	return n
}

func TestFactsMustAllBeUsed(t *testing.T) {
	fresh := func() (*facts, *service) {
		return &facts{XMLNS: "x", Endpoint: "y", ErrorStatus: map[string]int{"A": 400}},
			&service{Errors: []errorShape{{Name: "A"}}, Shapes: []*shape{{Type: "types.T", Members: []member{{Field: "F", Wire: "F"}}}}}
	}
	f, s := fresh()
	if err := f.merge(s); err != nil || s.Errors[0].Status != 400 {
		t.Fatalf("merge: %v, status %d", err, s.Errors[0].Status)
	}
	for name, breakIt := range map[string]func(*facts, *service){
		"no namespace":          func(f *facts, _ *service) { f.XMLNS = "" },
		"error without status":  func(_ *facts, s *service) { s.Errors = append(s.Errors, errorShape{Name: "B"}) },
		"status without error":  func(f *facts, _ *service) { f.ErrorStatus["C"] = 404 },
		"status given twice":    func(f *facts, _ *service) { f.ErrorStatusByHand = map[string]int{"A": 400} },
		"limits without member": func(f *facts, _ *service) { f.Limits = map[string]limitsPair{"T.G": {}} },
		"label without member":  func(f *facts, _ *service) { f.Labels = map[string]string{"G": "g"} },
	} {
		f, s := fresh()
		breakIt(f, s)
		if err := f.merge(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestUnknownSourceIsAnError feeds code that the SDK does not have today.
func TestUnknownSourceIsAnError(t *testing.T) {
	const head = "package p\n"
	for name, source := range map[string]string{
		"flat list": `func awsAwsquery_serializeDocumentT(v *types.T, value query.Value) error {
			if v.F != nil { objectKey := object.FlatKey("F"); objectKey.String(*v.F) }; return nil }`,
		"unknown encoding": `func awsAwsquery_serializeDocumentT(v *types.T, value query.Value) error {
			if v.F != nil { objectKey := object.Key("F"); objectKey.Base64EncodeBytes(v.F) }; return nil }`,
		"map": `func awsAwsquery_serializeDocumentL(v []string, value query.Value) error {
			array := value.Map("k", "v"); return nil }`,
		"unknown statement": `func awsAwsquery_serializeDocumentT(v *types.T, value query.Value) error { for {} }`,
		"two versions":      `func (m *awsAwsquery_serializeOpA) HandleSerialize(ctx context.Context) { body.Key("Version").String("9") }`,
	} {
		c := &classic{ser: map[string]*codec{}, version: "1"}
		if err := c.readSerializers(parse(t, head+source)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c := &classic{des: map[string]*codec{}}
	flat := `func awsAwsquery_deserializeDocumentT(v **types.T, decoder smithyxml.NodeDecoder) error {
		switch { case strings.EqualFold("F", t.Name.Local): awsAwsquery_deserializeDocumentLUnwrapped(&sv.F, nodeDecoder) } }`
	if err := c.readDeserializers(parse(t, head+flat)); err == nil {
		t.Error("flat list in an answer: no error")
	}
}

func parse(t *testing.T, source string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", strings.NewReader(source), 0)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
