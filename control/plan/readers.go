package plan

import (
	"slices"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// readers says who listens on the reader endpoint: the healthy replicas, or the primary when there is none. During the
// first phase of an election it is left alone: a changed spec would only delay the replicas.
func (p *planner) readers(s *model.Shard) {
	if !s.ReaderEndpoint.IsValid() || s.Op != nil && s.Op.Phase == model.PhaseFencing {
		return
	}
	var chosen []string
	for i := range s.Nodes {
		if p.reads(s, &s.Nodes[i]) {
			chosen = append(chosen, s.Nodes[i].ID())
		}
	}
	if len(chosen) == 0 && s.Holder != "" {
		chosen = []string{s.Holder}
	}
	if !p.shared(s) {
		chosen = p.oneReader(s, chosen)
	}
	for i := range s.Nodes {
		s.Nodes[i].Reader = slices.Contains(chosen, s.Nodes[i].ID())
	}
}

// reads reports whether a replica is fit to be read by strangers. One that already is stays so for linkWait after its
// link broke, and while the shard is busy with its primary: then no replica has a link.
func (p *planner) reads(s *model.Shard, n *model.Node) bool {
	st, known := p.status(n)
	if !known {
		return n.Reader && n.Role == nodeapi.RoleReplica && n.State == model.NodeJoined
	}
	fit := n.State == model.NodeJoined && n.Role == nodeapi.RoleReplica && n.Follow != "" && p.alive(n) &&
		st.Role == nodeapi.RoleReplica && !st.Syncing
	if !fit || st.LinkUp {
		return fit
	}
	return n.Reader && (s.Op != nil || n.LinkDown.IsZero() || p.before(n.LinkDown.Add(linkWait)))
}

// shared reports whether several nodes of the shard can listen on one address.
func (p *planner) shared(s *model.Shard) bool {
	for _, n := range s.Nodes {
		if h, ok := p.in.Observed.Host(n.Host); ok && !h.SharedReader {
			return false
		}
	}
	return true
}

// oneReader reduces the choice to one node, whose turn comes only when no other one still listens.
func (p *planner) oneReader(s *model.Shard, chosen []string) []string {
	for i := range s.Nodes {
		n := &s.Nodes[i]
		st, ok := p.status(n)
		if !ok || !model.Listens(st, s.ReaderEndpoint) || p.dead(n, st.Run) {
			continue
		}
		if slices.Contains(chosen, n.ID()) {
			return []string{n.ID()}
		}
		return nil
	}
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Reader && slices.Contains(chosen, n.ID()) {
			return []string{n.ID()}
		}
	}
	return chosen[:min(1, len(chosen))]
}
