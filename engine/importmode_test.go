package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// TestImportMode: while another server's data is written here nothing expires by itself, and who writes it sees what is over.
func TestImportMode(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	cycle := s.Engine.NewCycle()
	clients := map[string]*enginetest.Client{"source": s.Client(), "other": s.Client()}
	say := func(steps []step) {
		t.Helper()
		for _, st := range steps {
			if got := clients[st.client].Do(st.line); got != st.want {
				t.Errorf("%s: %s: %s, want %s", st.client, st.line, got, st.want)
			}
		}
	}
	say([]step{{"source", "CLIENT IMPORT-SOURCE ON", "-ERR Server is not in import mode"}, {"source", "CLIENT IMPORT-SOURCE OFF", "OK"}})
	s.Engine.SetGate(engine.GateImport, 0)
	say([]step{{"source", "CLIENT IMPORT-SOURCE perhaps", "-ERR syntax error"}, {"source", "CLIENT IMPORT-SOURCE ON", "OK"},
		{"source", "SET k 1 PX 1", "OK"}, {"source", "SET gone v", "OK"}, {"source", "PEXPIREAT gone 5", "1"}, {"source", "SET h2 v PX 1", "OK"}})
	s.Journal()
	s.Clock.Advance(10 * time.Millisecond)
	cycle.Run()
	say([]step{{"other", "DBSIZE", "3"}, {"other", "GET k", nilReply}, {"other", "TTL k", "-2"}, {"other", "KEYS *", "[]"},
		{"source", "GET k", `"1"`}, {"source", "TTL k", "0"}, {"source", "INCR k", "2"}, {"source", "KEYS k", `["k"]`}, {"source", `EVAL "return redis.call('get', KEYS[1])" 1 k`, `"2"`},
		{"other", "GET k", nilReply}})
	if got := strings.Join(s.Journal(), ", "); got != "INCR k" {
		t.Errorf("journal %q", got)
	}
	say([]step{{"other", "APPEND h2 w", "1"}, {"other", "DBSIZE", "3"}})
	if got := strings.Join(s.Journal(), ", "); got != "MULTI, UNLINK h2, APPEND h2 w, EXEC" {
		t.Errorf("journal of a write by another: %q", got)
	}
	if line := s.Client().Do("CLIENT LIST"); !strings.Contains(line, "flags=I ") {
		t.Errorf("CLIENT LIST: %s", line)
	}
	// A replica is not concerned, and when the mode ends all is as ever.
	s.Engine.SetGate(0, engine.GateImport)
	say([]step{{"source", "GET k", nilReply}, {"other", "DBSIZE", "2"}})
	cycle.Run()
	say([]step{{"other", "DBSIZE", "1"}})
}

// TestImportModeEvictsNothing: what does not fit is refused.
func TestImportModeEvictsNothing(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET k v")
	s.Engine.SetEviction(engine.Eviction{Limit: 1, Policy: engine.AllKeysRandom, Samples: 5})
	s.Engine.SetGate(engine.GateImport, 0)
	if got := c.Do("SET l v"); got != "-OOM command not allowed when used memory > 'maxmemory'." {
		t.Errorf("SET: %s", got)
	}
	s.Engine.SetGate(0, engine.GateImport)
	if c.Do("SET l v"); c.Do("EXISTS k") != "0" {
		t.Error("without import mode nothing was evicted")
	}
}
