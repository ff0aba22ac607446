package commands_test

import (
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// remembered is how many of the commands before a difference are told.
const remembered = 12

// asRedis runs the same n commands, drawn by next, on a client here and on a real server, both with a version of the protocol, and fails at the
// first whose replies, as show shows them, differ. met, if it is not nil, is given every command and what both said.
func asRedis(t *testing.T, proto string, c *enginetest.Client, real *enginetest.Peer, n int, next func() []string, show func(args []string, v resp.Value) string, met func(args []string, said string)) {
	t.Helper()
	c.Value("HELLO", proto)
	real.Value("HELLO", proto)
	var last []string
	for i := range n {
		args := next()
		if last = append(last, strings.Join(args, " ")); len(last) > remembered {
			last = last[1:]
		}
		a, b := show(args, c.Value(args...)), show(args, real.Value(args...))
		if a != b {
			t.Fatalf("RESP%s, command %d: %q\n  ours %s\ntheirs %s\nbefore it:\n%s", proto, i, args, a, b, strings.Join(last, "\n"))
		}
		if met != nil {
			met(args, a)
		}
	}
}

// effect is a command, and what is journaled and which events are told of it, each joined by commas.
type effect struct{ line, journal, events string }

// check runs the command and returns its reply.
func (e *effect) check(t *testing.T, s *enginetest.Server, c *enginetest.Client) (reply string) {
	t.Helper()
	s.Events = nil
	s.Journal()
	reply = c.Do(e.line)
	if got := strings.Join(s.Journal(), ","); got != e.journal {
		t.Errorf("%s: journal %q, want %q", e.line, got, e.journal)
	}
	if got := strings.Join(s.Events, ","); got != e.events {
		t.Errorf("%s: events %q, want %q", e.line, got, e.events)
	}
	return reply
}
