package node

import (
	"strconv"
	"testing"

	"github.com/larder-cache/larder/base/porttest"
)

// TestSubReplicasStay: a replica that is told to follow another node keeps its own replicas until it knows whether their stream goes on. It does after a
// partial resync, and the replicas notice nothing; after a full one they begin anew.
func TestSubReplicasStay(t *testing.T) {
	top, other, mid, sub := start(t), start(t), start(t), start(t)
	top.dial().want("SET k 1", "OK")
	other.dial().want("SET k other", "OK")
	follow(mid, top)
	linked(t, mid)
	follow(sub, mid)
	linked(t, sub)
	m := mid.dial()
	m.want("REPLICAOF 127.0.0.1 "+strconv.Itoa(porttest.Free(t)), "OK") // where nobody is
	until(t, "the link is down", func() bool { return m.info("master_link_status") == "down" })
	follow(mid, top)
	linked(t, mid)
	top.dial().want("SET k 2", "OK")
	caughtUp(t, top, mid)
	caughtUp(t, mid, sub)
	sub.dial().want("GET k", `"2"`)
	if got := m.info("sync_full") + m.info("sync_partial_ok"); got != "10" {
		t.Errorf("full and partial resyncs of the sub-replica: %s, want one and none", got)
	}
	if got := top.dial().info("sync_full") + top.dial().info("sync_partial_ok"); got != "11" {
		t.Errorf("full and partial resyncs of the replica: %s, want one and one", got)
	}
	follow(mid, other)
	linked(t, mid)
	until(t, "the sub-replica has the other data", func() bool { return sub.dial().do("GET k") == `"other"` })
	if got := m.info("sync_full"); got != "2" {
		t.Errorf("after the full resync: %s", got)
	}
}
