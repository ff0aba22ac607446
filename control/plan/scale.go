package plan

import (
	"slices"
	"time"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// scale brings the number of nodes to what is asked for. It is called only when the shard has a primary and is in the
// middle of nothing.
func (p *planner) scale(s *model.Shard) {
	ds, ok := p.d.Shard(s.ID)
	if !ok {
		return // shards go only with cluster mode, which resharding must precede
	}
	want, have := ds.Replicas+1, active(s)
	switch {
	case have < want:
		p.grow(s, ds, want, have)
	case have > want:
		p.shrink(s, ds, want, have)
	}
}

func (p *planner) grow(s *model.Shard, ds model.DesiredShard, want, have int) {
	before := slices.Clone(s.Nodes)
	if err := p.addNodes(s, ds, want, p.taken()); err != nil {
		s.Nodes = before
		p.wake(p.now.Add(retryWait))
		p.why("shard %s: cannot place more nodes: %v", s.ID, err)
		return
	}
	p.event(model.EventReplicasChanging(p.now, p.d.ID, have-1, want-1))
	p.why("shard %s: from %d nodes to %d", s.ID, have, want)
}

// shrink removes those that were named, then the last ones; never the primary.
func (p *planner) shrink(s *model.Shard, ds model.DesiredShard, want, have int) {
	if want < 1 {
		return
	}
	p.event(model.EventReplicasChanging(p.now, p.d.ID, have-1, want-1))
	for _, name := range ds.Remove {
		if i := slices.IndexFunc(s.Nodes, func(n model.Node) bool { return n.Cluster == name }); i >= 0 && active(s) > want {
			p.remove(s, &s.Nodes[i])
		}
	}
	for i := len(s.Nodes) - 1; i >= 0 && active(s) > want; i-- {
		p.remove(s, &s.Nodes[i])
	}
}

func (p *planner) remove(s *model.Shard, n *model.Node) {
	if n.ID() == s.Primary || n.State == model.NodeDeleting {
		return
	}
	n.State, n.Role, n.Follow, n.Reader = model.NodeDeleting, nodeapi.RoleNone, "", false
	p.why("%s: removed", n.ID())
}

// scaled tells when the last node that was added or removed is done.
func (p *planner) scaled(s *model.Shard) {
	if p.a.CompletedGeneration == 0 || p.d.Deleting {
		return
	}
	for _, n := range s.Nodes {
		if n.State != model.NodeJoined {
			return
		}
	}
	p.event(model.EventReplicasChanged(p.now, p.d.ID, len(s.Nodes)-1))
}

// dropDeleted forgets the nodes whose process and data are known to be gone.
func (p *planner) dropDeleted(s *model.Shard) {
	dropped := false
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n model.Node) bool {
		if n.State != model.NodeDeleting || !p.deletedFor(&n) {
			return false
		}
		dropped = true
		p.event(model.EventClusterDeleted(p.now, n.Cluster))
		return true
	})
	if dropped {
		p.scaled(s)
	}
}

// deletedFor reports whether the agent has done what it was told: not before it has been told.
func (p *planner) deletedFor(n *model.Node) bool {
	_, told := p.in.Assignment.Member(n.Cluster)
	st, ok := p.status(n)
	done := told != nil && told.State == model.NodeDeleting && ok && st.Process == nodeapi.ProcessAbsent && st.Applied >= n.Generation
	if !done {
		p.why("%s: waiting for its process and data to be gone", n.ID())
	}
	return done
}

// linkDown notes since when a replica has had no link to its primary.
func (p *planner) linkDown(s *model.Shard, n *model.Node) {
	st, _ := p.status(n)
	switch {
	case n.Role != nodeapi.RoleReplica || !p.alive(n) || s.Op != nil || st.LinkUp:
		n.LinkDown = time.Time{}
	case n.LinkDown.IsZero():
		n.LinkDown = p.now
	}
}
