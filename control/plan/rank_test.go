package plan

import (
	"testing"
	"time"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// TestWhoHasMost: of two candidates the first must win, in either order.
func TestWhoHasMost(t *testing.T) {
	type st = nodeapi.NodeStatus
	for _, c := range []struct {
		name          string
		winner, loser st
	}{
		{"offset", st{ReplID: "L", Offset: 7}, st{ReplID: "L", Offset: 6}},
		{"data before an offset", st{ReplID: "L", Offset: 1}, st{ReplID: "L", Offset: 9, Empty: true}},
		{"data of another history before none", st{ReplID: "X", Offset: 1}, st{ReplID: "L", Offset: 9, Empty: true}},
		{"the shard's history before another", st{ReplID: "L", Offset: 5}, st{ReplID: "X", Offset: 900}},
		{"one that continues the shard's history", st{ReplID: "M", ReplID2: "L", SecondOffset: 5, Offset: 8}, st{ReplID: "X", Offset: 900}},
		{"one that continues the other's", st{ReplID: "M", ReplID2: "L", SecondOffset: 5, Offset: 6}, st{ReplID: "L", Offset: 8}},
		{"none of them is of the shard's history", st{ReplID: "X", Offset: 8}, st{ReplID: "Y", Offset: 7}},
		{"the preferred one of two equals", st{ID: "b/0001", ReplID: "L", Offset: 7}, st{ID: "a/0001", ReplID: "L", Offset: 7}},
		{"two empty ones", st{ReplID: "L", Offset: 7, Empty: true}, st{ReplID: "X", Offset: 8, Empty: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &model.Shard{Lineage: "L"}
			observed := map[string]st{}
			node := func(cluster string, status st) *model.Node {
				observed[cluster+"/0001"] = status
				return &model.Node{Cluster: cluster, Node: "0001"}
			}
			w, l := node("b", c.winner), node("a", c.loser)
			p := &planner{in: Input{Observed: model.Observed{Nodes: observed}}, now: time.Unix(0, 0)}
			if !p.more(s, w, l, "b/0001") || p.more(s, l, w, "b/0001") {
				t.Errorf("%+v should win over %+v", c.winner, c.loser)
			}
		})
	}
}

// TestElectable: half a snapshot, an undrained link, and a status without figures are no basis for an election.
func TestElectable(t *testing.T) {
	good := nodeapi.NodeStatus{Process: nodeapi.ProcessUp, Run: "r", Epoch: 4, Applied: 9, Role: nodeapi.RoleReplica, SeenAt: time.Unix(1, 0)}
	for name, spoil := range map[string]func(*nodeapi.NodeStatus){
		"good":            func(*nodeapi.NodeStatus) {},
		"syncing":         func(s *nodeapi.NodeStatus) { s.Syncing = true },
		"link up":         func(s *nodeapi.NodeStatus) { s.LinkUp = true },
		"old epoch":       func(s *nodeapi.NodeStatus) { s.Epoch = 3 },
		"not applied":     func(s *nodeapi.NodeStatus) { s.Applied = 8 },
		"another run":     func(s *nodeapi.NodeStatus) { s.Run = "q" },
		"hung":            func(s *nodeapi.NodeStatus) { s.Process = nodeapi.ProcessHung },
		"without figures": func(s *nodeapi.NodeStatus) { s.SeenAt = time.Time{} },
	} {
		st := good
		spoil(&st)
		n := &model.Node{Cluster: "a", Node: "0001", Run: "r", Generation: 9, Role: nodeapi.RoleReplica}
		p := &planner{in: Input{Observed: model.Observed{Nodes: map[string]nodeapi.NodeStatus{"a/0001": st}}}, a: &model.Assignment{Epoch: 4}}
		if got := p.electable(n); got != (name == "good") {
			t.Errorf("%s: electable %v", name, got)
		}
	}
}
