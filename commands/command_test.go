package commands_test

import (
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

func TestCommandGetKeys(t *testing.T) {
	const noKeys = "-ERR The command has no key arguments"
	runSteps(t, []step{
		{"COMMAND GETKEYS GET a", `["a"]`, nil},
		{"COMMAND GETKEYS MSET a b c d", `["a" "c"]`, nil},
		{"COMMAND GETKEYS DEL a b", `["a" "b"]`, nil},
		{"COMMAND GETKEYS NOSUCH a", "-ERR Invalid command specified", nil},
		{"COMMAND GETKEYS ACL NOSUCH", "-ERR Invalid command specified", nil},
		{"COMMAND GETKEYS ACL SETUSER x", noKeys, nil},
		{"COMMAND GETKEYS PING", noKeys, nil},
		{"COMMAND GETKEYS GET a b", "-ERR Invalid number of arguments specified for command", nil},
		{"COMMAND GETKEYS GET", "-ERR Invalid number of arguments specified for command", nil},
		{"COMMAND GETKEYSANDFLAGS SET a b", `[["a" [OW update]]]`, nil},
		{"COMMAND GETKEYSANDFLAGS SET a b GET", `[["a" [RW access update]]]`, nil},
		{"COMMAND GETKEYSANDFLAGS GETDEL a", `[["a" [RW access delete]]]`, nil},
	})
}

func TestCommandList(t *testing.T) {
	runSteps(t, []step{
		{"COMMAND LIST FILTERBY PATTERN *Getr*", `["getrange" "client|getredir"]`, nil},
		{"COMMAND LIST FILTERBY ACLCAT transaction", `["multi" "exec" "discard" "watch" "unwatch"]`, nil},
		{"COMMAND LIST FILTERBY ACLCAT nosuch", "[]", nil},
		{"COMMAND LIST FILTERBY MODULE any", "[]", nil},
		{"COMMAND LIST FILTERBY NOSUCH x", "-ERR syntax error", nil},
		{"COMMAND LIST FILTERBY PATTERN", "-ERR syntax error", nil},
		{"COMMAND LIST nosuch", "-ERR syntax error", nil},
	})
}

// TestCommandAgrees: COMMAND, its COUNT, INFO and DOCS tell of the same commands.
func TestCommandAgrees(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, proto := range []string{"2", "3"} {
		c.Value("HELLO", proto)
		all, info, docs := c.Value("COMMAND"), c.Value("COMMAND", "INFO"), c.Value("COMMAND", "DOCS")
		n := c.Value("COMMAND", "COUNT").Int
		if n == 0 || len(all.Elems) != int(n) || enginetest.Show(all) != enginetest.Show(info) || len(docs.Elems) != 2*int(n) {
			t.Errorf("RESP%s: COUNT %d, COMMAND %d, INFO %d, DOCS %d", proto, n, len(all.Elems), len(info.Elems), len(docs.Elems)/2)
		}
		if docs.Kind != resp.KindMap && proto == "3" {
			t.Errorf("DOCS is a %c", docs.Kind)
		}
	}
	if got := enginetest.Show(c.Value("COMMAND", "INFO", "nosuch", "acl|nosuch")); got != "[nil nil]" {
		t.Errorf("INFO of what is not there: %s", got)
	}
	if got := c.Value("COMMAND", "DOCS", "nosuch", "acl|whoami"); len(got.Elems) != 2 || string(got.Elems[0].Str) != "acl|whoami" {
		t.Errorf("DOCS: %s", enginetest.Show(got))
	}
}

// TestHelpNamesEverySubcommand, so that a new one is not forgotten.
func TestHelpNamesEverySubcommand(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, cmd := range s.Table.Commands() {
		if cmd.Name != "command" && cmd.Name != "acl" {
			continue
		}
		help := c.Value(cmd.Name, "HELP")
		for _, sub := range cmd.Sub {
			found := false
			for _, line := range help.Elems {
				word, _, _ := strings.Cut(string(line.Str), " ")
				found = found || strings.EqualFold(word, sub.Name)
			}
			if !found {
				t.Errorf("%s HELP does not name %s", cmd.Name, sub.Name)
			}
		}
	}
}

// TestDeclarationsAreComplete: every declaration has what COMMAND DOCS needs. Of XREAD and MONITOR Valkey itself tells no complexity.
func TestDeclarationsAreComplete(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	for _, cmd := range s.Table.All() {
		if cmd.Doc == "" || cmd.Since == "" || cmd.Complex == "" && cmd.Name != "xread" && cmd.Name != "monitor" {
			t.Errorf("%s lacks Doc, Since or Complex", cmd.FullName())
		}
		if (cmd.Deprecated == "") != (cmd.Instead == "") {
			t.Errorf("%s: Deprecated and Instead go together", cmd.FullName())
		}
		checkArgs(t, cmd, cmd.Args)
	}
}

func checkArgs(t *testing.T, cmd *spec.Command, args []spec.Arg) {
	t.Helper()
	for _, a := range args {
		group := a.Type == spec.TypeOneOf || a.Type == spec.TypeBlock
		if a.Name == "" || group != (len(a.Sub) > 0) || a.Type == spec.TypeKey && a.KeySpec >= len(cmd.Keys) {
			t.Errorf("%s: argument %q is not complete", cmd.FullName(), a.Name)
		}
		checkArgs(t, cmd, a.Sub)
	}
}
