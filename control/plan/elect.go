package plan

import (
	"time"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// firstPrimary makes the first node of a new shard that runs its primary.
func (p *planner) firstPrimary(s *model.Shard) {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if !p.alive(n) {
			continue
		}
		if i > 0 && s.Nodes[0].Problem == "" {
			break // the first one is coming; its zone is the one that was asked for
		}
		s.Op = &model.Op{Kind: model.OpElect, Reason: "is new", Started: p.now}
		p.promote(s, n)
		return
	}
	p.why("shard %s: waiting for its first node to run", s.ID)
}

// startElection begins to look for a primary at a new epoch. lost is the node that has lost the role, if there is one; its
// process is fenced. A primary that lives, such as the other end of a planned failover, gives the role up and keeps what
// it has. Replicas are told to finish reading what their links still hold.
func (p *planner) startElection(s *model.Shard, lost *model.Node, reason string) {
	p.a.Epoch++
	op := &model.Op{Kind: model.OpElect, Phase: model.PhaseFencing, Epoch: p.a.Epoch, From: s.Primary, Reason: reason, Started: p.now}
	if s.Op != nil {
		op.Request = s.Op.Request
	}
	s.Op, s.Holder = op, ""
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Paused, n.LinkDown = false, time.Time{}
		switch {
		case n.State == model.NodeDeleting || n.Fenced:
		case n == lost && p.lost(n) != "":
			p.fence(n)
		case n.Role == nodeapi.RolePrimary:
			n.Role, n.Revoked, n.Reader = nodeapi.RoleNone, true, false
		case n.Role == nodeapi.RoleReplica:
			n.Follow = ""
			if st, _ := p.status(n); p.alive(n) && st.Role != nodeapi.RoleReplica { // it has not begun to follow anybody
				n.Role, n.Reader = nodeapi.RoleNone, false
			}
		}
	}
	p.why("shard %s: its primary %s %s: epoch %d, electing", s.ID, op.From, reason, op.Epoch)
}

// fence orders the process that had the role to be killed, unless another run of the node proves it dead.
func (p *planner) fence(n *model.Node) {
	had := n.Role
	n.Role, n.Follow, n.Reader = nodeapi.RoleNone, "", false
	st, ok := p.status(n)
	if ok && st.Run != "" && st.Run != n.Run || n.Run == "" {
		return
	}
	roleless := had == nodeapi.RoleNone && st.Role != nodeapi.RolePrimary && len(st.Listening) == 0
	if ok && roleless { // a new run, which has not been given anything: see bindRuns
		return
	}
	n.Fenced, n.FenceRun = true, n.Run
}

// fenceConfirmed reports whether the process is known to be dead.
func (p *planner) fenceConfirmed(n *model.Node) bool {
	st, ok := p.status(n)
	if !ok {
		return false
	}
	over := st.Process == nodeapi.ProcessDead || st.Process == nodeapi.ProcessAbsent || st.Process == nodeapi.ProcessFailed
	return over && (st.Run == n.FenceRun || st.Applied >= n.Generation)
}

// elect makes one step of an election.
func (p *planner) elect(s *model.Shard) {
	switch s.Op.Phase {
	case model.PhaseFencing:
		p.electing(s)
	case model.PhasePromoting:
		p.promoting(s)
	}
}

// electing waits until the old primary is dead and the replicas are drained, and chooses.
func (p *planner) electing(s *model.Shard) {
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Fenced && n.State != model.NodeDeleting && !p.fenceConfirmed(n) {
			p.why("shard %s: waiting for run %s of %s to be dead", s.ID, n.FenceRun, n.ID())
			return
		}
	}
	if p.revoking(s) || p.draining(s) {
		return
	}
	best := p.best(s, s.Op.From)
	if best != nil && p.survivor(s, best) {
		p.choose(s, best)
		return
	}
	if p.release(s) || p.loading(s, best) {
		return
	}
	if best == nil {
		p.why("shard %s: no node can be primary", s.ID)
		return
	}
	p.choose(s, best)
}

// revoking reports whether a primary that lives has yet to give up its role. One that does not in time is fenced.
func (p *planner) revoking(s *model.Shard) bool {
	waiting := false
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if !n.Revoked || n.State == model.NodeDeleting || p.applied(n) || p.dead(n, n.Run) {
			continue
		}
		waiting = true
		if p.before(s.Op.Started.Add(drainWait)) {
			p.why("shard %s: waiting for %s to give up its role", s.ID, n.ID())
			continue
		}
		p.why("shard %s: %s does not give up its role and is killed", s.ID, n.ID())
		n.Revoked, n.Fenced, n.FenceRun = false, true, n.Run
	}
	return waiting
}

// draining reports whether a replica that has survived may still have something to read. A replica that does not answer
// is waited for only for drainWait, and one that has not been ready in this run, or has half a snapshot, not at all: it
// cannot have the most.
func (p *planner) draining(s *model.Shard) bool {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Role != nodeapi.RoleReplica || n.State == model.NodeDeleting || n.Fenced || p.dead(n, n.Run) {
			continue
		}
		st, _ := p.status(n)
		if n.Recovering || n.State == model.NodeCreating || st.Syncing || p.applied(n) && !st.LinkUp && !st.SeenAt.IsZero() {
			continue
		}
		if p.before(s.Op.Started.Add(drainWait)) {
			p.why("shard %s: waiting for %s to drain", s.ID, n.ID())
			return true
		}
	}
	return false
}

// survivor reports whether the loss of the primary has not touched the node and it has the shard's data: then it is not
// necessary to wait for those that are being started again.
func (p *planner) survivor(s *model.Shard, n *model.Node) bool {
	return (n.Role == nodeapi.RoleReplica && !n.Recovering || n.Revoked) && p.synced(s, n)
}

// release lets fenced nodes start again, because what they have on disk may be all that is left. It reports whether it
// did anything.
func (p *planner) release(s *model.Shard) bool {
	released := false
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Fenced && n.State != model.NodeDeleting {
			n.Fenced, n.FenceRun = false, ""
			released = true
			p.why("shard %s: no replica with data is left, %s is started again with what it has saved", s.ID, n.ID())
		}
	}
	return released
}

// loading reports whether a node is still to be waited for in an election that no replica has survived: all of them for
// electWait, those that are loading for loadWait or until somebody has data.
func (p *planner) loading(s *model.Shard, best *model.Node) bool {
	hasData := false
	if best != nil {
		st, _ := p.status(best)
		hasData = !st.Empty
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.State != model.NodeJoined || p.applied(n) {
			continue
		}
		st, _ := p.status(n)
		limit := s.Op.Started.Add(electWait)
		if st.Process == nodeapi.ProcessStarting {
			limit = s.Op.Started.Add(loadWait)
			if !hasData {
				limit = p.now.Add(loadWait)
			}
		}
		if p.before(limit) {
			p.why("shard %s: waiting for %s, which may have more data", s.ID, n.ID())
			return true
		}
	}
	return false
}

// choose settles an election. With automatic failover disabled the roles stay as they are: the old primary gets its
// data back from the winner.
func (p *planner) choose(s *model.Shard, winner *model.Node) {
	old := s.Node(s.Op.From)
	if old != nil && old != winner && !p.d.AutomaticFailover && old.State == model.NodeJoined {
		p.startRefill(s, old, winner)
		return
	}
	p.promote(s, winner)
}

// promote gives the role and the endpoint to a node, and lets all others follow it. The former holder of the endpoint
// must be known to have let go of it. The epoch is a new one, because a run becomes primary only by a spec of an epoch
// above all that were known when it began: a spec that was on its way to an earlier run can then never be taken for it.
func (p *planner) promote(s *model.Shard, winner *model.Node) {
	p.a.Epoch++
	op := s.Op
	op.Phase, op.Epoch, op.To, op.Deadline = model.PhasePromoting, p.a.Epoch, winner.ID(), p.now.Add(promoteWait)
	s.Primary, s.Holder = winner.ID(), winner.ID()
	winner.Role, winner.Follow, winner.Paused, winner.Revoked = nodeapi.RolePrimary, "", false, false
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Fenced, n.FenceRun = false, ""
		if n != winner && n.Role == nodeapi.RoleReplica {
			n.Follow = winner.ID()
		}
	}
	p.why("shard %s: %s becomes primary at epoch %d", s.ID, winner.ID(), p.a.Epoch)
}

// promoting waits until clients can use the new primary; if it is lost, all begins anew at a higher epoch.
func (p *planner) promoting(s *model.Shard) {
	to := s.Node(s.Op.To)
	if to == nil {
		p.startElection(s, nil, "is gone")
		return
	}
	if p.ready(s, to) {
		p.promoted(s, to)
		return
	}
	if reason := p.lost(to); reason != "" {
		p.startElection(s, to, reason)
		return
	}
	if !p.before(s.Op.Deadline) && p.bestOther(s, to) != nil {
		p.startElection(s, to, "did not take its role in time")
		return
	}
	p.why("shard %s: waiting for %s to serve as primary", s.ID, to.ID())
}

// promoted ends an election or a planned failover.
func (p *planner) promoted(s *model.Shard, to *model.Node) {
	op := s.Op
	s.Op = nil
	if p.isFailover(op.Request) {
		p.handle(op.Request)
	}
	if from := s.Node(op.From); from != nil {
		if from != to && from.Role == nodeapi.RolePrimary {
			from.Role, from.Follow, from.Paused = nodeapi.RoleReplica, to.ID(), false
		}
		if !op.Back {
			p.tellFailover(from, to)
		}
	}
	if op.Kind == model.OpElect && op.From != "" && op.From != op.To {
		p.satisfyTests(s)
	}
	p.why("shard %s: %s is primary", s.ID, to.ID())
}

// tellFailover writes the events of a completed change of roles, or of a primary that came back itself.
func (p *planner) tellFailover(from, to *model.Node) {
	if from == to {
		p.event(model.EventRecovering(p.now, to.Cluster, to.Node), model.EventRecovered(p.now, to.Cluster, to.Node))
		return
	}
	p.event(model.EventsFailover(p.now, p.d.ID, from.Cluster, to.Cluster)...)
	p.event(model.EventRecovering(p.now, from.Cluster, from.Node))
	from.Recovering = true
}
