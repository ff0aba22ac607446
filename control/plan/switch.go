package plan

import (
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// startSwitch begins to move the primary's role to a healthy replica without losing a write.
func (p *planner) startSwitch(s *model.Shard, to *model.Node, request, reason string) {
	s.Op = &model.Op{Kind: model.OpSwitch, Phase: model.PhasePausing, Epoch: p.a.Epoch, From: s.Primary, To: to.ID(),
		Request: request, Reason: reason, Started: p.now, Deadline: p.now.Add(pauseWait)}
	s.Node(s.Primary).Paused = true
	p.why("shard %s: planned failover from %s to %s: holding writes", s.ID, s.Op.From, s.Op.To)
}

// switchOver makes one step of a planned failover.
func (p *planner) switchOver(s *model.Shard) {
	op := s.Op
	if op.Phase == model.PhasePromoting {
		p.promoting(s)
		return
	}
	from, to := s.Node(op.From), s.Node(op.To)
	if reason := p.lostOrGone(from); reason != "" {
		p.startElection(s, from, reason)
		return
	}
	if reason := p.lostOrGone(to); reason != "" {
		p.abortSwitch(s, to.Cluster+" "+reason)
		return
	}
	switch op.Phase {
	case model.PhasePausing:
		p.pausing(s, from, to)
	case model.PhaseReleasing:
		p.releasing(s, from, to)
	}
}

// lostOrGone is lost for a node that must exist.
func (p *planner) lostOrGone(n *model.Node) string {
	if n == nil || n.State == model.NodeDeleting {
		return "is gone"
	}
	return p.lost(n)
}

// pausing waits until no write is under way and the replica has them all.
func (p *planner) pausing(s *model.Shard, from, to *model.Node) {
	if p.paused(from) && p.caughtUp(from, to) {
		p.startReleasing(s)
		return
	}
	if !p.before(s.Op.Deadline) {
		p.abortSwitch(s, to.Cluster+" did not catch up in time")
		return
	}
	p.why("shard %s: waiting for %s to have all that %s has", s.ID, to.ID(), from.ID())
}

// startReleasing takes the endpoint away from the old primary.
func (p *planner) startReleasing(s *model.Shard) {
	p.a.Epoch++
	s.Op.Phase, s.Op.Epoch, s.Op.Deadline = model.PhaseReleasing, p.a.Epoch, p.now.Add(releaseWait)
	s.Holder = ""
	p.why("shard %s: epoch %d, %s closes the primary endpoint", s.ID, p.a.Epoch, s.Op.From)
}

// releasing waits until the old primary no longer serves the endpoint. Offsets are compared again: they are the proof
// that nothing was written since.
func (p *planner) releasing(s *model.Shard, from, to *model.Node) {
	st, _ := p.status(from)
	if p.paused(from) && !model.Listens(st, s.PrimaryEndpoint) && p.applied(to) && p.caughtUp(from, to) {
		p.promote(s, to)
		return
	}
	if !p.before(s.Op.Deadline) {
		p.abortSwitch(s, from.Cluster+" did not hand over in time")
		return
	}
	p.why("shard %s: waiting for %s to let go of the primary endpoint", s.ID, from.ID())
}

// paused reports whether the node is known to hold all writes.
func (p *planner) paused(n *model.Node) bool {
	st, _ := p.status(n)
	return p.applied(n) && st.Paused && n.Paused
}

// caughtUp reports whether a replica has everything that its paused primary has.
func (p *planner) caughtUp(from, to *model.Node) bool {
	a, _ := p.status(from)
	b, _ := p.status(to)
	return p.alive(to) && b.Role == nodeapi.RoleReplica && b.LinkUp && !b.Syncing && a.Offset == b.Offset &&
		!a.SeenAt.IsZero() && !b.SeenAt.IsZero()
}

// abortSwitch leaves the roles as they were. Nobody else has listened on the endpoint meanwhile, so the old primary can
// have it back at once.
func (p *planner) abortSwitch(s *model.Shard, why string) {
	op := s.Op
	if op.Back {
		s.Op = &model.Op{Kind: model.OpRefill, Phase: model.PhaseRefilling, Epoch: p.a.Epoch, From: op.To, To: op.From,
			Request: op.Request, Reason: op.Reason, Started: p.now}
		p.why("shard %s: %s: refilling goes on", s.ID, why)
		return
	}
	from := s.Node(op.From)
	s.Op, s.Holder = nil, op.From
	from.Paused = false
	p.handle(op.Request)
	p.event(model.EventFailoverAborted(p.now, p.d.ID, from.Cluster, why))
	p.why("shard %s: planned failover given up: %s", s.ID, why)
}
