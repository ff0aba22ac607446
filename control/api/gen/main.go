// Command gen writes the wire tables of control/api/wiretable.
//
// It reads the source of the SDK modules that clients use (the classic layout:
// serializers.go, deserializers.go, validators.go, types/errors.go) and facts.json,
// which holds what an SDK does not say: the XML namespace, the HTTP status of each
// error, lengths and patterns. Those come from AWS' published models of April 2025
// (aws/api-models-aws); what is newer than the models stands under
// errorStatusByHand.
//
// Anything in the SDK's source that it does not know is an error, not a guess: a
// new SDK either generates right or does not generate. The output is
// deterministic; a test compares it with what is committed.
//
//	go run ./control/api/gen
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// services are the SDK packages that tables are made of.
var services = []string{"elasticache", "sts"}

const modulePrefix = "github.com/aws/aws-sdk-go-v2/service/"

func main() {
	out := flag.String("out", "control/api/wiretable", "the folder to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run generates everything before it writes anything, and removes generated
// files that are no longer made.
func run(out string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "zz_*.go"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, ok := files[filepath.Base(path)]; !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of every generated file by its name.
func generate() (map[string][]byte, error) {
	facts, err := loadFacts()
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, name := range services {
		dir, err := moduleDir(modulePrefix + name)
		if err != nil {
			return nil, err
		}
		s, err := readClassic(name, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f := facts[name]
		if err := f.merge(s); err != nil {
			return nil, fmt.Errorf("%s: facts.json: %w", name, err)
		}
		if err := emit(s, files); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return files, nil
}

func moduleDir(module string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return "", fmt.Errorf("the source of module %s is not there (run: go mod download): %v", module, err)
	}
	return dir, nil
}
