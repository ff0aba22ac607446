package spec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
)

func words(line string) (out [][]byte) {
	for _, w := range strings.Fields(line) {
		out = append(out, []byte(w))
	}
	return out
}

func TestOptions(t *testing.T) {
	cmd := &spec.Command{Args: spec.Args(spec.Key("key"), spec.Opt(spec.OneOf("condition", spec.Token("NX"), spec.Token("XX"))),
		spec.Opt(spec.After("COUNT", spec.Int("count"))), spec.Opt(spec.Token("GET")),
		spec.Opt(spec.OneOf("expiry", spec.After("EX", spec.Int("seconds")), spec.Token("KEEP"))))}
	for line, want := range map[string]string{
		"c k":                   "",
		"c k nx":                "nx",
		"c k GET xx":            "get xx",
		"c k COUNT 5 EX 6 NX":   "count=5 seconds=6 nx",
		"c k COUNT 5 count 6":   "count=5 count=6",
		"c k NX nx":             "nx nx",
		"c k COUNT NX":          "count=NX",
		"c k NX XX":             "nx; wrong",
		"c k EX 5 KEEP":         "seconds=5; wrong",
		"c k COUNT":             "; wrong",
		"c k GET EX":            "get; wrong",
		"c k key":               "; wrong",
		"c k condition":         "; wrong",
		"c k COUNT 5 what EX 6": "count=5; wrong",
	} {
		opts, ok := cmd.Options(nil, words(line), 2)
		var got []string
		for _, o := range opts {
			s := o.Arg.Name
			if o.Value != nil {
				s += "=" + string(o.Value)
			}
			got = append(got, s)
		}
		out := strings.Join(got, " ")
		if !ok {
			out += "; wrong"
		}
		if out != want {
			t.Errorf("%s: %q, want %q", line, out, want)
		}
	}
}

func TestPositions(t *testing.T) {
	numKeys := spec.Keys{{Begin: spec.Begin{At: 2}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: spec.RO}}
	keyword := spec.Keys{{Begin: spec.Begin{Keyword: "STREAMS", From: 1}, Find: spec.Find{Last: -1, Step: 1, Limit: 2}, Access: spec.RO}}
	vary := spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{Step: 1}, Access: spec.RW | spec.VariableFlg,
		Vary: func(args [][]byte) spec.Access {
			if len(args) > 2 {
				return spec.RW
			}
			return spec.OW
		}}}
	for _, c := range []struct {
		name string
		keys spec.Keys
		line string
		want string
	}{
		{"one", spec.One(1, spec.RO), "get k", "[{1 1}]"},
		{"missing", spec.One(2, spec.RO), "object freq", "[]"},
		{"from", spec.From(1, spec.RM), "del a b c", "[{1 8} {2 8} {3 8}]"},
		{"every second", spec.EverySecond(1, spec.OW), "mset a 1 b 2", "[{1 4} {3 4}]"},
		{"two places", append(spec.One(1, spec.RO), spec.One(2, spec.OW)...), "copy a b", "[{1 1} {2 4}]"},
		{"counted", numKeys, "eval s 2 a b arg", "[{3 1} {4 1}]"},
		{"counted, none", numKeys, "eval s 0 a", "[]"},
		{"counted, too many", numKeys, "eval s 3 a b", "error"},
		{"counted, not a number", numKeys, "eval s x a b", "error"},
		{"counted, a zero in front", numKeys, "eval s 01 a b", "error"},
		{"keyword", keyword, "xread count 1 streams a b 0 0", "[{4 1} {5 1}]"},
		{"no keyword", keyword, "xread count 1", "[]"},
		{"vary, short", vary, "set k", "[{1 4}]"},
		{"vary, long", vary, "set k get", "[{1 2}]"},
	} {
		pos, err := c.keys.Positions(nil, words(c.line))
		got := fmt.Sprint(pos)
		if err != nil {
			got = "error"
			if !errors.Is(err, spec.ErrBadKeys) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestTableRefusesContradictions(t *testing.T) {
	run := func(*spec.Call) {}
	good := spec.Command{Name: "c", Arity: 1, Group: spec.String, Run: run}
	for what, change := range map[string]func(*spec.Command){
		"upper case":                    func(c *spec.Command) { c.Name = "C" },
		"no arity":                      func(c *spec.Command) { c.Arity = 0 },
		"nothing to run":                func(c *spec.Command) { c.Run = nil },
		"write and readonly":            func(c *spec.Command) { c.Flags = spec.Write | spec.ReadOnly },
		"no group":                      func(c *spec.Command) { c.Group = "" },
		"a key spec without a step":     func(c *spec.Command) { c.Keys = spec.Keys{{Begin: spec.Begin{At: 1}}} },
		"changes a key, but no write":   func(c *spec.Command) { c.Keys = spec.One(1, spec.RW) },
		"roams, and is not movable":     func(c *spec.Command) { c.Roams = func([][]byte) bool { return true } },
		"a subcommand stands twice":     func(c *spec.Command) { c.Sub = []*spec.Command{&good, &good} },
		"a subcommand's contradictions": func(c *spec.Command) { c.Sub = []*spec.Command{{Name: "s", Run: run}} },
	} {
		bad := good
		change(&bad)
		if _, err := spec.NewTable([]*spec.Command{&bad}); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	if _, err := spec.NewTable([]*spec.Command{&good}, []*spec.Command{&good}); err == nil {
		t.Error("a command that stands twice is accepted")
	}
}
