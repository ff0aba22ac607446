package model

import (
	"net/netip"
	"testing"

	"github.com/larder-cache/larder/nodeapi"
)

// healthy is a group of a primary and a replica that is as it should be.
func healthy() (Desired, *Assignment, Observed) {
	endpoint, reader := netip.MustParseAddrPort("127.0.0.3:6379"), netip.MustParseAddrPort("127.0.0.4:6379")
	one, two := netip.MustParseAddrPort("127.0.0.1:6379"), netip.MustParseAddrPort("127.0.0.2:6379")
	d := Desired{Kind: KindReplicationGroup, ID: "web", Generation: 3, Shards: []DesiredShard{{ID: "0001", Replicas: 1}}}
	a := &Assignment{CompletedGeneration: 3, Shards: []Shard{{ID: "0001", PrimaryEndpoint: endpoint, ReaderEndpoint: reader,
		Primary: "web-001/0001", Holder: "web-001/0001", Nodes: []Node{
			{Cluster: "web-001", Node: "0001", Addr: one, State: NodeJoined, Role: nodeapi.RolePrimary, Run: "r1"},
			{Cluster: "web-002", Node: "0001", Addr: two, State: NodeJoined, Role: nodeapi.RoleReplica, Follow: "web-001/0001", Run: "r2"},
		}}}}
	o := Observed{Nodes: map[string]nodeapi.NodeStatus{
		"web-001/0001": {ID: "web-001/0001", Process: nodeapi.ProcessUp, Run: "r1", Role: nodeapi.RolePrimary,
			Listening: []nodeapi.Listener{{Addr: one}, {Addr: endpoint}}},
		"web-002/0001": {ID: "web-002/0001", Process: nodeapi.ProcessUp, Run: "r2", Role: nodeapi.RoleReplica, LinkUp: true,
			Listening: []nodeapi.Listener{{Addr: two}, {Addr: reader}}},
	}}
	return d, a, o
}

// TestStatus: what is said of the group, its shard, and both members with their nodes, after each change to the three
// records.
func TestStatus(t *testing.T) {
	type records struct {
		d *Desired
		a *Assignment
		o Observed
	}
	observe := func(id string, f func(*nodeapi.NodeStatus)) func(records) {
		return func(r records) {
			st := r.o.Nodes[id]
			f(&st)
			r.o.Nodes[id] = st
		}
	}
	const one, two = "web-001/0001", "web-002/0001"
	for _, c := range []struct {
		name                              string
		change                            func(records)
		group, shard, first, second, node string // node: of the first member
	}{
		{"healthy", func(records) {}, "available", "available", "available", "available", "available"},
		{"asked for more", func(r records) { r.d.Generation++ }, "modifying", "modifying", "available", "available", "available"},
		{"deleting", func(r records) { r.d.Deleting = true }, "deleting", "deleting", "deleting", "deleting", "deleting"},
		{"being created", func(r records) { r.a.CompletedGeneration = 0 }, "creating", "creating", "available", "available", "available"},
		{"cannot be created", func(r records) {
			r.a.CompletedGeneration, r.a.Failed = 0, "port in use"
			r.a.Shards[0].Nodes[0].State, r.a.Shards[0].Nodes[0].Problem = NodeCreating, "port in use"
		}, "create-failed", "creating", "incompatible-network", "available", "creating"},
		{"primary dead", observe(one, func(s *nodeapi.NodeStatus) { s.Process = nodeapi.ProcessDead }),
			"modifying", "modifying", "modifying", "available", "rebooting"},
		{"primary hung", observe(one, func(s *nodeapi.NodeStatus) { s.Process = nodeapi.ProcessHung }),
			"modifying", "modifying", "modifying", "available", "rebooting"},
		{"primary in another run", observe(one, func(s *nodeapi.NodeStatus) { s.Run = "r9" }),
			"modifying", "modifying", "modifying", "available", "rebooting"},
		{"primary not on the endpoint", observe(one, func(s *nodeapi.NodeStatus) { s.Listening = s.Listening[:1] }),
			"modifying", "modifying", "modifying", "available", "rebooting"},
		{"primary paused", observe(one, func(s *nodeapi.NodeStatus) { s.Paused = true }),
			"modifying", "modifying", "modifying", "available", "rebooting"},
		{"nobody holds the endpoint", func(r records) { r.a.Shards[0].Holder = "" },
			"modifying", "modifying", "modifying", "available", "rebooting"},
		{"nothing is known", func(r records) { clear(r.o.Nodes) }, "modifying", "modifying", "modifying", "modifying", "rebooting"},
		{"replica dead", observe(two, func(s *nodeapi.NodeStatus) { s.Process = nodeapi.ProcessDead }),
			"available", "available", "available", "modifying", "available"},
		{"replica syncing", observe(two, func(s *nodeapi.NodeStatus) { s.Syncing = true }),
			"available", "available", "available", "modifying", "available"},
		{"replica without link", observe(two, func(s *nodeapi.NodeStatus) { s.LinkUp = false }),
			"available", "available", "available", "modifying", "available"},
		{"replica added", func(r records) { r.a.Shards[0].Nodes[1].State = NodeCreating; r.d.Generation++ },
			"modifying", "modifying", "available", "creating", "available"},
		{"replica removed", func(r records) { r.a.Shards[0].Nodes[1].State = NodeDeleting; r.d.Generation++ },
			"modifying", "modifying", "available", "deleting", "available"},
		{"primary rebooting", func(r records) { r.a.Shards[0].Nodes[0].Reboot = "r"; r.d.Generation++ },
			"modifying", "modifying", "rebooting cluster nodes", "available", "rebooting"},
		{"a newer spec is being applied", func(r records) { r.a.Shards[0].Nodes[0].Generation = 9 },
			"available", "available", "available", "available", "available"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, a, o := healthy()
			c.change(records{&d, a, o})
			got := []string{GroupStatus(d, a, o), ShardStatus(d, a, o, "0001"), ClusterStatus(d, a, o, "web-001"),
				ClusterStatus(d, a, o, "web-002"), CacheNodeStatus(d, a, o, "web-001")}
			for i, want := range []string{c.group, c.shard, c.first, c.second, c.node} {
				if what := []string{"group", "shard", "web-001", "web-002", "node of web-001"}[i]; got[i] != want {
					t.Errorf("%s: %q, want %q", what, got[i], want)
				}
			}
		})
	}
}

func TestStatusBeforeTheFirstPlan(t *testing.T) {
	for _, kind := range []Kind{KindReplicationGroup, KindCluster} {
		d := Desired{Kind: kind, ID: "web", Generation: 1, AutomaticFailover: true, Shards: []DesiredShard{{ID: "0001"}}}
		if got := GroupStatus(d, nil, Observed{}); got != StatusCreating {
			t.Errorf("%s: %s", kind, got)
		}
		if got := ClusterStatus(d, nil, Observed{}, d.MemberName("0001", 1)); got != StatusCreating {
			t.Errorf("%s, its cluster: %s", kind, got)
		}
		if !Busy(d, nil) || AutomaticFailoverStatus(d, nil) != "enabling" {
			t.Errorf("%s: not busy, or automatic failover %s", kind, AutomaticFailoverStatus(d, nil))
		}
		if got := GroupStatus(d, &Assignment{Failed: "no room"}, Observed{}); got == StatusCreating || got == StatusAvailable {
			t.Errorf("%s that has no room: %s", kind, got)
		}
	}
}

func TestStandaloneStatus(t *testing.T) {
	d, a, o := healthy()
	d.Kind, d.ID = KindCluster, "web-001"
	s := &a.Shards[0]
	s.PrimaryEndpoint, s.ReaderEndpoint, s.Nodes = netip.AddrPort{}, netip.AddrPort{}, s.Nodes[:1]
	if got := GroupStatus(d, a, o); got != StatusAvailable {
		t.Error(got)
	}
	d.Generation++
	if got := GroupStatus(d, a, o); got != StatusModifying {
		t.Error(got)
	}
	s.Nodes[0].Reboot = "r"
	if got := GroupStatus(d, a, o); got != StatusRebootingCluster {
		t.Error(got)
	}
}

func TestRolesAndSettings(t *testing.T) {
	d, a, _ := healthy()
	if CurrentRole(a, "web-001") != "primary" || CurrentRole(a, "web-002") != "replica" {
		t.Error(CurrentRole(a, "web-001"), CurrentRole(a, "web-002"))
	}
	d.AutomaticFailover, d.MultiAZ = true, true
	if AutomaticFailoverStatus(d, a) != "enabled" || MultiAZStatus(d) != "enabled" || Busy(d, a) {
		t.Error(AutomaticFailoverStatus(d, a), MultiAZStatus(d), Busy(d, a))
	}
}
