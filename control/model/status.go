package model

import (
	"net/netip"

	"github.com/larder-cache/larder/nodeapi"
)

// The statuses that AWS says of groups, clusters and nodes, as far as larder has them. Source: the API pages of
// ReplicationGroup, NodeGroup, CacheCluster and CacheNode.
const (
	StatusCreating     = "creating"
	StatusAvailable    = "available"
	StatusModifying    = "modifying"
	StatusDeleting     = "deleting"
	StatusCreateFailed = "create-failed" // replication groups

	StatusIncompatibleNetwork = "incompatible-network"    // clusters: the node cannot have its address, or cannot start
	StatusRebootingCluster    = "rebooting cluster nodes" // clusters
	StatusRebooting           = "rebooting"               // nodes
)

// The words of NodeGroupMember.CurrentRole.
const (
	CurrentRolePrimary = "primary"
	CurrentRoleReplica = "replica"
)

// Busy reports whether the group is in the middle of what was last asked of it, so that a further modification is to be
// refused with AWS' Invalid…State. It does not look at whether nodes are healthy: a group that has lost a node can be
// modified.
func Busy(d Desired, a *Assignment) bool {
	return d.Deleting || a == nil || d.Generation != a.CompletedGeneration
}

// GroupStatus is the status of a replication group or standalone cluster. It is available only when a client can use it:
// what was asked for is done, and every shard's primary serves on its endpoint.
func GroupStatus(d Desired, a *Assignment, o Observed) string {
	if d.Kind == KindCluster {
		return standaloneStatus(d, a, o)
	}
	switch {
	case d.Deleting:
		return StatusDeleting
	case a != nil && a.Failed != "" && a.CompletedGeneration == 0:
		return StatusCreateFailed
	case a == nil || a.CompletedGeneration == 0:
		return StatusCreating
	case Busy(d, a):
		return StatusModifying
	}
	for i := range a.Shards {
		if !a.Shards[i].Usable(o) {
			return StatusModifying
		}
	}
	return StatusAvailable
}

func standaloneStatus(d Desired, a *Assignment, o Observed) string {
	if a != nil && len(a.Shards) == 1 && len(a.Shards[0].Nodes) == 1 {
		s := ClusterStatus(d, a, o, d.ID)
		if s == StatusAvailable && Busy(d, a) {
			return StatusModifying
		}
		return s
	}
	switch {
	case d.Deleting:
		return StatusDeleting
	case a != nil && a.Failed != "":
		return StatusIncompatibleNetwork
	default:
		return StatusCreating
	}
}

// ShardStatus is the status of a node group: creating, available, modifying or deleting.
func ShardStatus(d Desired, a *Assignment, o Observed, shard string) string {
	s := a.Shard(shard)
	switch {
	case d.Deleting:
		return StatusDeleting
	case s == nil || a.CompletedGeneration == 0:
		return StatusCreating
	case Busy(d, a) || !s.Usable(o):
		return StatusModifying
	default:
		return StatusAvailable
	}
}

// ClusterStatus is the status of a cache cluster: a member, or the standalone one.
func ClusterStatus(d Desired, a *Assignment, o Observed, cluster string) string {
	s, n := a.Member(cluster)
	switch {
	case d.Deleting || n != nil && n.State == NodeDeleting:
		return StatusDeleting
	case n != nil && n.State == NodeCreating && n.Problem != "":
		return StatusIncompatibleNetwork
	case n == nil || n.State == NodeCreating:
		return StatusCreating
	case n.Reboot != "":
		return StatusRebootingCluster
	case !s.nodeUsable(*n, o):
		return StatusModifying
	default:
		return StatusAvailable
	}
}

// CacheNodeStatus is the status of the node of a cache cluster: creating, available, rebooting or deleting. A node that
// died and is being started again is rebooting.
func CacheNodeStatus(d Desired, a *Assignment, o Observed, cluster string) string {
	switch s := ClusterStatus(d, a, o, cluster); s {
	case StatusRebootingCluster, StatusModifying:
		return StatusRebooting
	case StatusIncompatibleNetwork:
		return StatusCreating
	default:
		return s
	}
}

// CurrentRole is the role of a member cluster, as NodeGroupMember has it.
func CurrentRole(a *Assignment, cluster string) string {
	if s, n := a.Member(cluster); n != nil && s.Primary == n.ID() {
		return CurrentRolePrimary
	}
	return CurrentRoleReplica
}

// AutomaticFailoverStatus is AWS' word: enabled, disabled, enabling or disabling. While a change is being carried out it
// says the direction.
func AutomaticFailoverStatus(d Desired, a *Assignment) string {
	return enablement(d.AutomaticFailover, a == nil || a.CompletedGeneration == 0)
}

// MultiAZStatus is AWS' word: enabled or disabled.
func MultiAZStatus(d Desired) string { return enablement(d.MultiAZ, false) }

func enablement(on, underWay bool) string {
	switch {
	case on && underWay:
		return "enabling"
	case on:
		return "enabled"
	default:
		return "disabled"
	}
}

// Members are the ids of the group's member clusters, in order. Before the planner has seen the group, they are those
// that it is going to choose.
func Members(d Desired, a *Assignment) []string {
	var ids []string
	for _, n := range a.Nodes() {
		ids = append(ids, n.Cluster)
	}
	if a != nil {
		return ids
	}
	for _, s := range d.Shards {
		for n := range s.Replicas + 1 {
			ids = append(ids, d.MemberName(s.ID, n+1))
		}
	}
	return ids
}

// MemberName is the id of the n-th member of a shard, n from 1; of a standalone cluster, its own.
func (d Desired) MemberName(shard string, n int) string {
	if d.Kind == KindCluster {
		return d.ID
	}
	return MemberName(d.ID, shard, len(d.Shards) > 1, n)
}

// Usable reports whether a client can write to the shard on its endpoint.
func (s *Shard) Usable(o Observed) bool {
	n := s.Node(s.Primary)
	return n != nil && n.Role == nodeapi.RolePrimary && s.nodeUsable(*n, o)
}

// nodeUsable reports whether a client can use the node in its role. It does not ask whether the latest spec is applied:
// a change that does not concern clients must not make a node look unavailable for a moment.
func (s *Shard) nodeUsable(n Node, o Observed) bool {
	st, ok := o.Nodes[n.ID()]
	if !ok || n.Run == "" || st.Run != n.Run || n.Fenced || !st.Ready(n.Role, 0) {
		return false
	}
	switch n.Role {
	case nodeapi.RolePrimary:
		served := !s.PrimaryEndpoint.IsValid() || s.Holder == n.ID() && Listens(st, s.PrimaryEndpoint)
		return served && !n.Paused && !st.Paused
	case nodeapi.RoleReplica:
		return n.Follow != "" && Listens(st, n.Addr)
	default:
		return false
	}
}

// Listens reports whether the node serves clients on the address.
func Listens(st nodeapi.NodeStatus, addr netip.AddrPort) bool {
	for _, l := range st.Listening {
		if l.Addr == addr {
			return true
		}
	}
	return false
}
