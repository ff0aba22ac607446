package api

import (
	"slices"
	"time"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
)

// stuckAfter is how long a creation of which nothing is known may take before it can be given up by deleting.
const stuckAfter = 10 * time.Minute

// modifiable returns AWS' error if a replication group is in the middle of something.
func (g *group) modifiable() error {
	if model.Busy(g.d, g.a) {
		return wiretable.InvalidReplicationGroupStateFault("Replication group must be in available state to modify.")
	}
	return nil
}

// deletable reports whether the group may be deleted: it is at rest, or what it is in the middle of does not go on.
// Otherwise, as with AWS, it is to be waited for.
func (c *call) deletable(g *group) bool {
	switch {
	case g.d.Deleting:
		return false
	case !model.Busy(g.d, g.a):
		return true
	case g.a == nil || g.a.CompletedGeneration == 0:
		return g.a != nil && g.a.Failed != "" || c.now.Sub(g.d.CreatedAt) > stuckAfter
	default:
		return !g.moving()
	}
}

// moving reports whether a node is being made or removed, or a role is being moved.
func (g *group) moving() bool {
	for i := range g.a.Shards {
		s := &g.a.Shards[i]
		if s.Op != nil {
			return true
		}
		for _, n := range s.Nodes {
			if n.State == model.NodeDeleting || n.State == model.NodeCreating && n.Problem == "" || n.Reboot != "" {
				return true
			}
		}
	}
	return false
}

// handled reports whether a request has been carried out.
func (g *group) handled(id string) bool { return g.a != nil && slices.Contains(g.a.Handled, id) }

// primary is the cluster id of a shard's primary; "" while there is none.
func (g *group) primary(shard string) string {
	s := g.a.Shard(shard)
	if s == nil {
		return ""
	}
	if n := s.Node(s.Primary); n != nil {
		return n.Cluster
	}
	return ""
}

// activeMembers are the nodes of a shard that are not being deleted.
func (g *group) activeMembers(shard string) []model.Node {
	s := g.a.Shard(shard)
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Nodes), func(n model.Node) bool { return n.State == model.NodeDeleting })
}
