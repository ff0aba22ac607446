package api

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/wire/awsquery"
)

// Coverage returns the page docs/coverage.md: of every built operation what becomes of every input member, and the
// operations that are not built. It fails when a member is not accounted for, or a declaration names none.
func Coverage() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# What larder's API does\n\n" +
		"Generated from the declarations in control/api by `go test ./control/api -run Coverage -update`; a test fails when it is stale.\n\n" +
		"Of every input member of every built operation: *effect* (it does what AWS says), *checked* (validated, no effect beyond that), " +
		"*remembered* (validated, stored and shown, no effect on nodes) or *refused* (an error names it, except for the values given here). " +
		"Operations that are not built answer HTTP 501 with the code NotImplemented.\n")
	for _, op := range Operations() {
		if err := coverOperation(&b, op); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"elasticache", "sts"} {
		list := NotBuilt()[name]
		fmt.Fprintf(&b, "\n## Not built: %s (%d)\n\n%s\n", name, len(list), strings.Join(list, ", "))
	}
	return b.Bytes(), nil
}

func coverOperation(b *bytes.Buffer, op Operation) error {
	service, ok := wiretable.Services()[op.Service]
	if !ok {
		return fmt.Errorf("api: the service %s of %s is unknown", op.Service, op.Name)
	}
	wire, ok := service.Operation(op.Name)
	if !ok {
		return fmt.Errorf("api: %s has no operation %s", op.Service, op.Name)
	}
	fmt.Fprintf(b, "\n## %s\n\n`%s` on %s\n", op.Name, op.Action, strings.Join(op.Resources, ", "))
	rows, err := coverMembers(op, wire)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		b.WriteString("\n| member | | |\n|---|---|---|\n" + strings.Join(rows, ""))
	}
	for i, d := range op.Differs {
		if i == 0 {
			b.WriteString("\nOtherwise than with AWS:\n\n")
		}
		b.WriteString("- " + d + "\n")
	}
	return nil
}

// coverMembers accounts for every input member.
func coverMembers(op Operation, wire *awsquery.Operation) ([]string, error) {
	var rows []string
	used := map[string]bool{}
	required := wire.RequiredMembers()
	for _, name := range wire.InputMembers() {
		i := slices.IndexFunc(op.Members, func(m Member) bool { return name == m.Name || strings.HasPrefix(name, m.Name+".") })
		if i < 0 {
			return nil, fmt.Errorf("api: the member %s of %s is not accounted for", name, op.Name)
		}
		m := op.Members[i]
		used[m.Name] = true
		note := m.Note
		if len(m.Only) > 0 {
			note = "except " + strings.Join(m.Only, ", ")
		}
		if slices.Contains(required, name) {
			note = strings.TrimSuffix("required; "+note, "; ")
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", name, m.Fate, note))
	}
	seen := map[string]bool{}
	for _, m := range op.Members {
		if !used[m.Name] || seen[m.Name] {
			return nil, fmt.Errorf("api: %s declares the member %s, which it does not have or has declared before", op.Name, m.Name)
		}
		seen[m.Name] = true
	}
	return rows, nil
}
