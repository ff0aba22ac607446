package node

import (
	"strings"
	"testing"
)

// TestMemoryStatsListsDatabases: a database is listed from its first key on, also when it is empty again, with what its index then takes: nothing.
func TestMemoryStatsListsDatabases(t *testing.T) {
	p := start(t).dial()
	if stats := p.do("MEMORY STATS"); strings.Contains(stats, `"db.0"`) || strings.Contains(stats, `"db.9"`) {
		t.Errorf("a new node lists databases: %s", stats)
	}
	p.want("SELECT 9", "OK")
	p.want("SET k v", "OK")
	p.want("DEL k", "1")
	if stats := p.do("MEMORY STATS"); !strings.Contains(stats, `"db.9" ["overhead.hashtable.main" 0 "overhead.hashtable.expires" 0]`) {
		t.Errorf("the emptied database is not listed, or with something else: %s", stats)
	}
}
