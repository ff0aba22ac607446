package plan

import (
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// startRefill lets a lost primary get its data back: the replica with the most data serves it, without the endpoint and
// with writes held, so that nothing is written that the primary would not have.
func (p *planner) startRefill(s *model.Shard, old, source *model.Node) {
	p.a.Epoch++ // as in promote
	s.Op = &model.Op{Kind: model.OpRefill, Phase: model.PhaseRefilling, Epoch: p.a.Epoch, From: old.ID(), To: source.ID(),
		Request: s.Op.Request, Reason: s.Op.Reason, Started: p.now}
	source.Role, source.Follow, source.Paused, source.Revoked = nodeapi.RolePrimary, "", true, false
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Fenced, n.FenceRun = false, ""
		if n != source && n.Role == nodeapi.RoleReplica {
			n.Follow = source.ID()
		}
	}
	if !old.Recovering {
		old.Recovering = true
		p.event(model.EventRecovering(p.now, old.Cluster, old.Node))
	}
	p.why("shard %s: automatic failover is disabled: %s is refilled from %s", s.ID, old.ID(), source.ID())
}

// refill makes one step of it.
func (p *planner) refill(s *model.Shard) {
	source, old := s.Node(s.Op.To), s.Node(s.Op.From)
	if reason := p.lostOrGone(source); reason != "" {
		p.startElection(s, source, reason)
		return
	}
	if old == nil || old.State == model.NodeDeleting || p.d.AutomaticFailover || p.wantsPrimary(s, source) {
		p.refillToFailover(s, source)
		return
	}
	if old.Role == nodeapi.RoleReplica && old.Follow == source.ID() && p.applied(old) && p.paused(source) && p.caughtUp(source, old) {
		p.switchBack(s, old, source)
		return
	}
	p.why("shard %s: waiting for %s to have all that %s has", s.ID, old.ID(), source.ID())
}

// switchBack gives the role back to the node that had it, by a planned failover from the source.
func (p *planner) switchBack(s *model.Shard, old, source *model.Node) {
	p.a.Epoch++ // as in promote
	s.Op = &model.Op{Kind: model.OpSwitch, From: source.ID(), To: old.ID(), Request: s.Op.Request, Reason: s.Op.Reason,
		Started: s.Op.Started, Back: true}
	p.startReleasing(s)
}

// refillToFailover makes the source the primary after all: failover was enabled, or asked for, meanwhile.
func (p *planner) refillToFailover(s *model.Shard, source *model.Node) {
	s.Op.Kind = model.OpElect
	for _, r := range p.pendingFailovers(s) {
		p.handle(r.ID)
	}
	p.promote(s, source)
}

// wantsPrimary reports whether a pending request is fulfilled by making the node primary.
func (p *planner) wantsPrimary(s *model.Shard, n *model.Node) bool {
	for _, r := range p.pendingFailovers(s) {
		if r.Kind == model.FailoverTest || r.To == n.Cluster {
			return true
		}
	}
	return false
}
