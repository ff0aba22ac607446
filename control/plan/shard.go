package plan

import (
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// shard makes one step of one shard.
func (p *planner) shard(s *model.Shard) {
	p.bindRuns(s)
	p.lineage(s)
	switch {
	case s.Op != nil:
		p.operation(s)
	case s.Primary == "":
		p.firstPrimary(s)
	case p.checkPrimary(s):
	case p.requests(s):
	default:
		p.scale(s)
	}
	p.giveRoles(s)
	p.lives(s)
	p.readers(s)
	p.dropDeleted(s)
}

func (p *planner) operation(s *model.Shard) {
	switch s.Op.Kind {
	case model.OpElect:
		p.elect(s)
	case model.OpSwitch:
		p.switchOver(s)
	case model.OpRefill:
		p.refill(s)
	}
}

// status is what is known of a node, and whether anything is.
func (p *planner) status(n *model.Node) (nodeapi.NodeStatus, bool) {
	st, ok := p.in.Observed.Nodes[n.ID()]
	return st, ok
}

// bindRuns takes note of new runs. What a node was in an earlier run says nothing about this one.
func (p *planner) bindRuns(s *model.Shard) {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		st, ok := p.status(n)
		if !ok || n.State == model.NodeDeleting || n.Fenced {
			continue
		}
		if st.Process != nodeapi.ProcessUp || st.Run == "" || st.Run == n.Run {
			continue
		}
		p.why("%s: new run %s", n.ID(), st.Run)
		rebooted := p.rebooted(n, st)
		if n.Run != "" && !rebooted && n.State == model.NodeJoined && s.Op == nil && n.ID() != s.Primary && !n.Recovering {
			n.Recovering = true
			p.event(model.EventRecovering(p.now, n.Cluster, n.Node))
		}
		n.Run, n.Role, n.Follow = st.Run, nodeapi.RoleNone, ""
		n.Paused, n.Reader, n.Revoked = false, false, false
	}
}

// lineage remembers the replication id of whoever is primary, so that an election knows whose data is the shard's.
func (p *planner) lineage(s *model.Shard) {
	src := p.source(s)
	if src == nil {
		return
	}
	st, ok := p.status(src)
	if ok && p.alive(src) && st.Role == nodeapi.RolePrimary && st.Applied >= src.Generation && st.ReplID != "" {
		s.Lineage = st.ReplID
	}
}

// source is the node that replicas are to follow now, or nil.
func (p *planner) source(s *model.Shard) *model.Node {
	id := s.Primary
	if s.Op != nil {
		switch s.Op.Phase {
		case model.PhaseFencing:
			return nil
		case model.PhaseRefilling, model.PhasePromoting:
			id = s.Op.To
		case model.PhasePausing, model.PhaseReleasing:
			id = s.Op.From
		}
	}
	n := s.Node(id)
	if n == nil || n.Role != nodeapi.RolePrimary {
		return nil
	}
	return n
}

// giveRoles makes every node without a role a replica of the primary, and lets replicas follow it.
func (p *planner) giveRoles(s *model.Shard) {
	src := p.source(s)
	if src == nil {
		return
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n == src || n.State == model.NodeDeleting || n.Fenced || n.Role == nodeapi.RolePrimary {
			continue
		}
		if n.Run == "" || p.dead(n, n.Run) {
			continue
		}
		if n.Role != nodeapi.RoleReplica || n.Follow != src.ID() {
			n.Role, n.Follow, n.Revoked = nodeapi.RoleReplica, src.ID(), false
			p.why("%s: replica of %s", n.ID(), src.ID())
		}
	}
}

// alive reports whether the process that has the node's role answers.
func (p *planner) alive(n *model.Node) bool {
	st, ok := p.status(n)
	return ok && n.Run != "" && st.Run == n.Run && st.Process == nodeapi.ProcessUp && !n.Fenced
}

// applied reports whether the node's present spec is fully true of the process that has its role.
func (p *planner) applied(n *model.Node) bool {
	st, _ := p.status(n)
	return p.alive(n) && st.Applied >= n.Generation && st.Epoch >= p.a.Epoch
}

// ready reports whether the node does all that it is to do; a primary, on its endpoint.
func (p *planner) ready(s *model.Shard, n *model.Node) bool {
	st, _ := p.status(n)
	if !p.applied(n) || n.Role == nodeapi.RoleNone || !st.Ready(n.Role, n.Generation) {
		return false
	}
	if n.Role == nodeapi.RolePrimary && s.PrimaryEndpoint.IsValid() {
		return s.Holder == n.ID() && model.Listens(st, s.PrimaryEndpoint)
	}
	return n.Role == nodeapi.RolePrimary || n.Follow != ""
}

// dead reports whether the node's process of that run is known to be dead.
func (p *planner) dead(n *model.Node, run string) bool {
	st, ok := p.status(n)
	if !ok {
		return false
	}
	over := st.Process == nodeapi.ProcessDead || st.Process == nodeapi.ProcessAbsent || st.Process == nodeapi.ProcessFailed
	return over && (st.Run == run || st.Run == "") || st.Run != run && st.Run != ""
}

// lost says why the node can no longer fill its role, or "" if it can or nothing is known.
func (p *planner) lost(n *model.Node) string {
	st, ok := p.status(n)
	switch {
	case n.Run == "":
		return ""
	case n.Fenced:
		return "is fenced"
	case n.Role == nodeapi.RoleNone:
		return "was restarted"
	case !ok:
		return ""
	case st.Run != "" && st.Run != n.Run:
		return "was restarted"
	case p.dead(n, n.Run):
		return "died"
	case st.Process == nodeapi.ProcessHung:
		return "does not answer"
	default:
		return ""
	}
}

// hungFor reports whether the node has been silent for hungWait, and if not when it asks to be called.
func (p *planner) hungFor(n *model.Node) bool {
	st, ok := p.status(n)
	return ok && st.Process == nodeapi.ProcessHung && (st.SeenAt.IsZero() || !p.before(st.SeenAt.Add(hungWait)))
}

// checkPrimary starts an election when the primary is lost.
func (p *planner) checkPrimary(s *model.Shard) bool {
	n := s.Node(s.Primary)
	if n == nil || n.State == model.NodeDeleting { // cannot happen by our own doing
		p.startElection(s, nil, "has no primary")
		return true
	}
	reason := p.lost(n)
	if reason == "" {
		if _, ok := p.status(n); !ok {
			p.why("%s: waiting for the agent of host %s to report it", n.ID(), n.Host)
		}
		return false
	}
	st, _ := p.status(n)
	if st.Process == nodeapi.ProcessHung && st.Run == n.Run && !p.canFailOver(s) && !p.hungFor(n) {
		p.why("%s: does not answer; nobody can take over, so it gets some time", n.ID())
		return true
	}
	p.startElection(s, n, reason)
	return true
}

// canFailOver reports whether a failover is allowed and a replica is there to take over.
func (p *planner) canFailOver(s *model.Shard) bool {
	return p.d.AutomaticFailover && p.bestReplica(s) != nil
}

// lives follows each node from creating to joined, and through recovery.
func (p *planner) lives(s *model.Shard) {
	joined := false
	for i := range s.Nodes {
		n := &s.Nodes[i]
		p.problem(s, n)
		p.linkDown(s, n)
		if n.State == model.NodeDeleting || !p.ready(s, n) {
			continue
		}
		if n.State == model.NodeCreating {
			n.State, joined = model.NodeJoined, true
			p.event(model.EventClusterCreated(p.now, n.Cluster), model.EventNodeAdded(p.now, n.Cluster, n.Node, n.Zone))
		}
		if n.Recovering {
			n.Recovering = false
			p.event(model.EventRecovered(p.now, n.Cluster, n.Node))
		}
	}
	if joined {
		p.scaled(s)
	}
	p.replaceHung(s)
}

// problem notes why a node does not start, or why a new one that runs cannot serve.
func (p *planner) problem(s *model.Shard, n *model.Node) {
	st, ok := p.status(n)
	if !ok {
		return
	}
	problem := ""
	switch {
	case n.State == model.NodeDeleting:
	case st.Process == nodeapi.ProcessFailed:
		problem = st.Message
		if problem == "" {
			problem = "the node cannot be started"
		}
	case n.State == model.NodeCreating && st.Message != "" && !p.ready(s, n) && !p.before(n.CreatedAt.Add(startWait)):
		problem = st.Message
	}
	if problem != "" && n.Problem == "" && p.a.CompletedGeneration > 0 && n.State == model.NodeCreating {
		p.event(model.EventNodeAddFailed(p.now, n.Cluster, n.Node, problem))
	}
	n.Problem = problem
}

// replaceHung restarts replicas that do not answer. Primaries are checkPrimary's, and operations look after themselves.
func (p *planner) replaceHung(s *model.Shard) {
	if s.Op != nil {
		return
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		switch {
		case n.Fenced && p.fenceConfirmed(n):
			n.Fenced, n.FenceRun = false, ""
		case n.Role == nodeapi.RoleReplica && n.State != model.NodeDeleting && !n.Fenced && p.lost(n) != "" && p.hungFor(n):
			p.why("%s: does not answer, it is started anew", n.ID())
			n.Fenced, n.FenceRun = true, n.Run
		}
	}
}
