package api

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/wire/awsquery"
)

var update = flag.Bool("update", false, "write docs/coverage.md")

const coveragePage = "../../docs/coverage.md"

func TestCoveragePage(t *testing.T) {
	page, err := Coverage()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(coveragePage, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(coveragePage); err != nil || !bytes.Equal(have, page) {
		t.Errorf("docs/coverage.md is stale (%v): go test ./control/api -run Coverage -update", err)
	}
}

func TestEveryOperationIsBuiltOrListed(t *testing.T) {
	for name, service := range wiretable.Services() {
		var known []string
		for _, op := range Operations() {
			if op.Service == name {
				known = append(known, op.Name)
				wire, ok := service.Operation(op.Name)
				if !ok || reflect.TypeOf(op.in) != reflect.TypeOf(wire.NewInput()) || op.Action == "" || len(op.Resources) == 0 {
					t.Errorf("%s is declared wrongly", op.Name)
				}
			}
		}
		known = append(known, NotBuilt()[name]...)
		slices.Sort(known)
		if all := service.Operations(); !slices.Equal(known, all) {
			t.Errorf("%s: built and listed are\n%q\nwant\n%q", name, known, all)
		}
	}
}

func TestCoverageFires(t *testing.T) {
	wire, _ := wiretable.ElastiCache().Operation("TestFailover")
	for name, list := range map[string][]Member{
		"missing":   effect("ReplicationGroupId", ""),
		"unknown":   effect("ReplicationGroupId NodeGroupId Colour", ""),
		"twice":     members(effect("ReplicationGroupId NodeGroupId", ""), refused("NodeGroupId")),
		"no prefix": effect("Replication NodeGroupId", ""),
	} {
		if _, err := coverMembers(Operation{Name: "TestFailover", Members: list}, wire); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// TestRefusedMembersAreRefused gives each of them, one by one.
func TestRefusedMembersAreRefused(t *testing.T) {
	for _, op := range Operations() {
		wire, _ := wiretable.Services()[op.Service].Operation(op.Name)
		for _, m := range op.Members {
			in := wire.NewInput()
			fill(t, reflect.ValueOf(in).Elem(), strings.Split(m.Name, "."), "other")
			err := refuseMembers(op.Members, in)
			if refused := err != nil; refused != (m.Fate == Refused) {
				t.Errorf("%s %s: %v", op.Name, m.Name, err)
			}
			if err != nil && !strings.Contains(awsquery.AsError(err).Message, m.Name) {
				t.Errorf("%s %s: not named: %v", op.Name, m.Name, err)
			}
			for _, only := range m.Only {
				in := wire.NewInput()
				fill(t, reflect.ValueOf(in).Elem(), strings.Split(m.Name, "."), only)
				if err := refuseMembers(op.Members, in); err != nil {
					t.Errorf("%s %s=%s: %v", op.Name, m.Name, only, err)
				}
			}
		}
	}
}

// fill sets the member at the path; a boolean or number of another text is true or 7.
func fill(t *testing.T, v reflect.Value, path []string, text string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path, text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), path, text)
	case reflect.Struct:
		if len(path) == 0 {
			return
		}
		field := v.FieldByName(path[0])
		if !field.IsValid() {
			t.Fatalf("no field %s in %s", path[0], v.Type())
		}
		fill(t, field, path[1:], text)
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text != "false")
	case reflect.Int32:
		v.SetInt(map[string]int64{"0": 0}[text])
		if text != "0" {
			v.SetInt(7)
		}
	}
}
