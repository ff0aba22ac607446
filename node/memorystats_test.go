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
	if got := p.info("allocator_frag_ratio"); got != "1.00" {
		t.Errorf("allocator_frag_ratio of a new node is %s", got)
	}
	p.want("SELECT 9", "OK")
	p.want("SET k v", "OK")
	p.want("DEL k", "1")
	if stats := p.do("MEMORY STATS"); !strings.Contains(stats, `"db.9" ["overhead.hashtable.main" 0 "overhead.hashtable.expires" 0]`) {
		t.Errorf("the emptied database is not listed, or with something else: %s", stats)
	}
}
