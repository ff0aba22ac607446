package plan

import (
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// best is the node with the most of the shard's data among those that could be made primary now, or nil. prefer is the
// id of the node that wins among equals.
func (p *planner) best(s *model.Shard, prefer string) *model.Node {
	var best *model.Node
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if !p.electable(n) {
			continue
		}
		if best == nil || p.more(s, n, best, prefer) {
			best = n
		}
	}
	return best
}

// bestOther is the best one that is not the node given.
func (p *planner) bestOther(s *model.Shard, not *model.Node) *model.Node {
	var best *model.Node
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n != not && n.State != model.NodeDeleting && p.alive(n) && (best == nil || p.more(s, n, best, "")) {
			best = n
		}
	}
	return best
}

// bestReplica is the replica that a failover would make primary, or nil if none is healthy.
func (p *planner) bestReplica(s *model.Shard) *model.Node {
	var best *model.Node
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if p.healthyReplica(s, n) && (best == nil || p.more(s, n, best, "")) {
			best = n
		}
	}
	return best
}

// healthyReplica reports whether the node is a replica with the shard's data. Its link may be down: when the primary is
// lost, all links are.
func (p *planner) healthyReplica(s *model.Shard, n *model.Node) bool {
	st, _ := p.status(n)
	return n.State == model.NodeJoined && n.Role == nodeapi.RoleReplica && !n.Recovering && p.alive(n) && !st.Syncing && p.synced(s, n)
}

// synced reports whether the node has the shard's data, be it none: a replica that has never got any is empty as well, but
// not of the shard's lineage.
func (p *planner) synced(s *model.Shard, n *model.Node) bool {
	st, _ := p.status(n)
	return !st.Empty || s.Lineage != "" && related(st, s.Lineage)
}

// electable reports whether the node's data can be compared and used: it answers, its link is drained, and nothing of
// what it has is half a snapshot.
func (p *planner) electable(n *model.Node) bool {
	st, _ := p.status(n)
	return n.State != model.NodeDeleting && p.applied(n) && !st.Syncing && !st.LinkUp && !st.SeenAt.IsZero()
}

// more reports whether x has more of the shard's data than y. Data comes before none, the shard's lineage before others,
// a history that continues another before that one, then the higher offset counts. Among equals the preferred node wins,
// then the earlier one.
func (p *planner) more(s *model.Shard, x, y *model.Node, prefer string) bool {
	a, _ := p.status(x)
	b, _ := p.status(y)
	if a.Empty != b.Empty {
		return b.Empty
	}
	if ra, rb := related(a, s.Lineage), related(b, s.Lineage); ra != rb {
		return ra
	}
	if a.ReplID != b.ReplID && a.ReplID != "" && b.ReplID != "" {
		switch {
		case a.ReplID2 == b.ReplID:
			return true
		case b.ReplID2 == a.ReplID:
			return false
		}
	}
	if a.Offset != b.Offset {
		return a.Offset > b.Offset
	}
	return x.ID() == prefer && y.ID() != prefer
}

// related reports whether the node's data is of that lineage or continues it.
func related(st nodeapi.NodeStatus, lineage string) bool {
	return lineage == "" || st.ReplID == lineage || st.ReplID2 == lineage
}
