package commands_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
)

// TestMigrateArguments: what is wrong with a call is told as redis-server tells it; of what is right the keys are found, and what is secret.
func TestMigrateArguments(t *testing.T) {
	var got commands.Migration
	migrate := commands.Migrate(func(c *spec.Call, m *commands.Migration) { got = *m; c.Out.Simple("NOKEY") })
	s := enginetest.New(t, enginetest.Start, migrate)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	for _, line := range []string{"h 1 k 0", "h 1 k x 1", "h 1 k 0 x", "h 1 k 0 1", "h 1 k 0 1 COPY REPLACE copy", "h 1 k 0 1 NOSUCH", "h 1 k 0 1 AUTH", "h 1 k 0 1 AUTH2 u",
		"h 1 k 0 1 AUTH p", "h 1 k 0 1 AUTH2 u p REPLACE", "h 1 k 0 1 KEYS a", "h 1 - 0 1 KEYS a keys b", "h 1 - 0 1 KEYS", "h 1 - 0 1 AUTH keys KEYS a", "h 1 - 0 -1 COPY", "h 99999 k 0 5"} {
		args := strings.Fields("MIGRATE " + line)
		for i, a := range args {
			if a == "-" {
				args[i] = ""
			}
		}
		if ours, theirs := string(c.Raw(args...)), string(real.Raw(args...)); ours != theirs {
			t.Errorf("%s: %q, redis-server %q", line, ours, theirs)
		}
		for _, how := range []string{"GETKEYS", "GETKEYSANDFLAGS"} {
			if strings.HasSuffix(line, "KEYS") {
				continue // there is none; redis-server shows the empty argument
			}
			call := append([]string{"COMMAND", how}, args...)
			if ours, theirs := string(c.Raw(call...)), string(real.Raw(call...)); ours != theirs {
				t.Errorf("%s of %s: %q, redis-server %q", how, line, ours, theirs)
			}
		}
	}
	c.Raw("MIGRATE", "h", "70000", "", "3", "0", "AUTH2", "u", "keys", "COPY", "KEYS", "a")
	if got.Host != "h" || got.Port != 0 || got.DB != 3 || got.Timeout.Milliseconds() != 1000 || !got.Copy || got.Replace || !slices.Equal(got.Auth, []string{"u", "keys"}) {
		t.Errorf("read as %+v", got)
	}
	for line, want := range map[string][]int{"migrate h 1 k 0 1": nil, "migrate h 1 k 0 1 AUTH p": {7}, "migrate h 1 k 0 1 auth2 u p COPY": {7, 8}, "migrate h 1 k 0 1 KEYS auth b": nil, "migrate h 1 k 0 1 AUTH2 u": {7}} {
		var args [][]byte
		for _, w := range strings.Fields(line) {
			args = append(args, []byte(w))
		}
		if hide := migrate.Secrets(args); !slices.Equal(hide, want) {
			t.Errorf("%s: hidden are %v", line, hide)
		}
	}
}
