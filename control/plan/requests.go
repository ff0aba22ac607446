package plan

import (
	"slices"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// pendingFailovers are the shard's requests that have not been carried out, oldest first.
func (p *planner) pendingFailovers(s *model.Shard) []model.FailoverRequest {
	return slices.DeleteFunc(slices.Clone(p.d.Failovers), func(r model.FailoverRequest) bool {
		return r.Shard != s.ID || p.handled(r.ID)
	})
}

func (p *planner) isFailover(id string) bool {
	return slices.ContainsFunc(p.d.Failovers, func(r model.FailoverRequest) bool { return r.ID == id })
}

// satisfyTests counts a failover that has just happened by itself as the one that was asked for.
func (p *planner) satisfyTests(s *model.Shard) {
	for _, r := range p.pendingFailovers(s) {
		if r.Kind == model.FailoverTest {
			p.handle(r.ID)
		}
	}
}

// requests starts the oldest failover that was asked for. It reports whether one is pending.
func (p *planner) requests(s *model.Shard) bool {
	pending := p.pendingFailovers(s)
	if len(pending) == 0 {
		return false
	}
	r, primary := pending[0], s.Node(s.Primary)
	if r.Kind == model.FailoverPromote && r.To == primary.Cluster {
		p.handle(r.ID)
		return true
	}
	if !p.ready(s, primary) {
		p.why("shard %s: a failover is asked for; waiting for %s to be ready", s.ID, primary.ID())
		return true
	}
	if to := p.switchTarget(s, r.To); to != nil {
		p.startSwitch(s, to, r.ID, "was asked to hand over")
		return true
	}
	if p.unreported(s) || p.before(r.At.Add(requestWait)) {
		p.why("shard %s: a failover is asked for; waiting for a healthy replica", s.ID)
		return true
	}
	p.handle(r.ID)
	p.event(model.EventFailoverAborted(p.now, p.d.ID, primary.Cluster, "no healthy replica"))
	return true
}

// unreported reports whether a node has not been reported yet, so that nothing can be said of its health.
func (p *planner) unreported(s *model.Shard) bool {
	return slices.ContainsFunc(s.Nodes, func(n model.Node) bool { _, ok := p.status(&n); return !ok })
}

// switchTarget is the healthy, linked replica of that cluster id, or the best of all for an empty one; nil if none is.
func (p *planner) switchTarget(s *model.Shard, cluster string) *model.Node {
	var best *model.Node
	for i := range s.Nodes {
		n := &s.Nodes[i]
		st, _ := p.status(n)
		if cluster != "" && n.Cluster != cluster || !p.healthyReplica(s, n) || !p.applied(n) || !st.Ready(nodeapi.RoleReplica, n.Generation) {
			continue
		}
		if best == nil || p.more(s, n, best, "") {
			best = n
		}
	}
	return best
}

// reboots carries out the oldest reboot that was asked for.
func (p *planner) reboots() {
	for _, r := range p.d.Reboots {
		if p.handled(r.ID) {
			continue
		}
		done := true
		for _, id := range r.Nodes {
			done = p.reboot(r.ID, id) && done
		}
		if done {
			p.handle(r.ID)
		}
		return
	}
}

// reboot makes one step of the reboot of one node, and reports whether it is done with it. A primary that another node
// can take over from hands over first: a reboot drops the node's data.
func (p *planner) reboot(request, id string) bool {
	cluster, _, err := nodeapi.SplitNodeID(id)
	s, n := p.a.Member(cluster)
	if err != nil || n == nil || n.ID() != id || n.State == model.NodeDeleting {
		return true
	}
	switch {
	case n.Rebooted == request:
		return p.ready(s, n)
	case n.Reboot == request || s.Op != nil || !p.alive(n):
		return false
	case n.ID() == s.Primary && p.d.AutomaticFailover:
		if to := p.switchTarget(s, ""); to != nil {
			p.startSwitch(s, to, request, "is to be rebooted")
			return false
		}
	}
	n.Reboot, n.RebootRun = request, n.Run
	p.why("%s: reboot", n.ID())
	return false
}

// rebooted ends the reboot that the new run is the result of, and reports whether there was one.
func (p *planner) rebooted(n *model.Node, st nodeapi.NodeStatus) bool {
	if n.Reboot == "" || st.Run == n.RebootRun {
		return false
	}
	n.Rebooted, n.Reboot, n.RebootRun = n.Reboot, "", ""
	p.event(model.EventsRebooted(p.now, n.Cluster, n.Node)...)
	return true
}
