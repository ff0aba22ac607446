package api

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
)

const elastiCache = "elasticache"

// logDelivery and userGroups are what several operations refuse alike.
const (
	logDelivery = "LogDeliveryConfigurations"
	pageMembers = "Marker MaxRecords"
)

// The kinds of resource in ARNs.
const (
	arnGroup   = "replicationgroup"
	arnCluster = "cluster"
)

func groupOperations() []Operation {
	return []Operation{
		handle(Operation{Service: elastiCache, Name: "CreateReplicationGroup", Action: "elasticache:CreateReplicationGroup",
			Resources: []string{arnGroup, arnCluster, "parametergroup"}, Members: createGroupMembers(),
			Differs: []string{"The maintenance and snapshot windows that are chosen when none are given do not depend on the region."},
		}, createReplicationGroup),
		handle(Operation{Service: elastiCache, Name: "DescribeReplicationGroups", Action: "elasticache:DescribeReplicationGroups",
			Resources: []string{arnGroup},
			Members:   members(effect("ReplicationGroupId", "in any case"), effect(pageMembers, "pages of 20 to 100")),
		}, describeReplicationGroups),
		handle(Operation{Service: elastiCache, Name: "ModifyReplicationGroup", Action: "elasticache:ModifyReplicationGroup",
			Resources: []string{arnGroup}, Members: modifyGroupMembers(),
			Differs: []string{
				"Without ApplyImmediately, a change is made at once, too: there is no maintenance window in which it could be made. With ApplyImmediately=false, changes of AutomaticFailoverEnabled, MultiAZEnabled and PrimaryClusterId are refused.",
				"A group whose nodes are not all healthy can be modified; one that is in the middle of a modification cannot, as with AWS."},
		}, modifyReplicationGroup),
		handle(Operation{Service: elastiCache, Name: "DeleteReplicationGroup", Action: "elasticache:DeleteReplicationGroup",
			Resources: []string{arnGroup},
			Members: members(effect("ReplicationGroupId", ""), refusedBut("RetainPrimaryCluster", "false"),
				refused("FinalSnapshotIdentifier")),
			Differs: []string{"A group that cannot be created, or whose modification does not go on (no node is being made or removed, no role is being moved), can be deleted: with AWS one waits for support."},
		}, deleteReplicationGroup),
		handle(Operation{Service: elastiCache, Name: "TestFailover", Action: "elasticache:TestFailover",
			Resources: []string{arnGroup},
			Members:   members(effect("ReplicationGroupId NodeGroupId", "")),
			Differs:   []string{"There is no limit of 15 shards a day."},
		}, testFailover),
	}
}

func groupNotFound(id string) error {
	return wiretable.ReplicationGroupNotFoundFault("ReplicationGroup %s not found.", clip(id))
}

func describeReplicationGroups(ctx context.Context, c *call, in *elasticache.DescribeReplicationGroupsInput) (*elasticache.DescribeReplicationGroupsOutput, error) {
	pager, err := newPager("DescribeReplicationGroups", in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	f, err := c.records.fleet(ctx)
	if err != nil {
		return nil, err
	}
	var found []*group
	for _, g := range f.groups {
		if g.d.Kind == model.KindReplicationGroup && (in.ReplicationGroupId == nil || g.d.ID == lookupID(in.ReplicationGroupId)) {
			found = append(found, g)
		}
	}
	if in.ReplicationGroupId != nil && len(found) == 0 {
		return nil, groupNotFound(*in.ReplicationGroupId)
	}
	found, next := page(pager, found, func(g *group) string { return g.d.ID })
	out := &elasticache.DescribeReplicationGroupsOutput{Marker: next}
	for _, g := range found {
		out.ReplicationGroups = append(out.ReplicationGroups, *f.groupOutput(g))
	}
	return out, nil
}

// groupOutput is a replication group as AWS shows it.
func (f *fleet) groupOutput(g *group) *types.ReplicationGroup {
	d := g.d
	out := &types.ReplicationGroup{
		ReplicationGroupId: new(d.ID), ARN: new(d.ARN), Description: new(d.Description),
		Status:                     new(model.GroupStatus(d, g.a, g.o)),
		ReplicationGroupCreateTime: new(d.CreatedAt),
		Engine:                     new(d.Engine), CacheNodeType: new(d.NodeType),
		AutomaticFailover:        types.AutomaticFailoverStatus(model.AutomaticFailoverStatus(d, g.a)),
		MultiAZ:                  types.MultiAZStatus(model.MultiAZStatus(d)),
		ClusterEnabled:           new(false),
		ClusterMode:              types.ClusterModeDisabled,
		AuthTokenEnabled:         new(false),
		AtRestEncryptionEnabled:  new(d.AtRestEncryption),
		TransitEncryptionEnabled: new(d.TransitEncryption),
		StorageEncryptionType:    types.StorageEncryptionTypeNone,
		DataTiering:              types.DataTieringStatusDisabled,
		EffectiveDurability:      types.EffectiveDurabilityDisabled,
		Durability:               types.Durability(d.Durability),
		AutoMinorVersionUpgrade:  new(d.AutoMinorVersionUpgrade),
		SnapshotRetentionLimit:   new(d.SnapshotRetention), SnapshotWindow: new(d.SnapshotWindow),
		NetworkType: types.NetworkType(d.NetworkType), IpDiscovery: types.IpDiscovery(d.IPDiscovery),
		MemberClusters: f.members(g), UserGroupIds: []string{}, LogDeliveryConfigurations: []types.LogDeliveryConfiguration{},
		PendingModifiedValues: g.pending(),
	}
	if g.a != nil && *out.Status != model.StatusCreating {
		for i := range g.a.Shards {
			out.NodeGroups = append(out.NodeGroups, g.nodeGroup(&g.a.Shards[i]))
		}
	}
	return out
}

// pending are the modifications that are under way.
func (g *group) pending() *types.ReplicationGroupPendingModifiedValues {
	p := &types.ReplicationGroupPendingModifiedValues{}
	for _, r := range g.d.Failovers {
		if r.Kind == model.FailoverPromote && !g.handled(r.ID) {
			p.PrimaryClusterId = new(r.To)
		}
	}
	return p
}

func (g *group) nodeGroup(s *model.Shard) types.NodeGroup {
	out := types.NodeGroup{
		NodeGroupId: new(s.ID), Status: new(model.ShardStatus(g.d, g.a, g.o, s.ID)),
		PrimaryEndpoint: endpointOutput(s.PrimaryEndpoint), ReaderEndpoint: endpointOutput(s.ReaderEndpoint),
	}
	for _, n := range s.Nodes {
		out.NodeGroupMembers = append(out.NodeGroupMembers, types.NodeGroupMember{
			CacheClusterId: new(n.Cluster), CacheNodeId: new(n.Node), PreferredAvailabilityZone: new(n.Zone),
			CurrentRole: new(model.CurrentRole(g.a, n.Cluster)), ReadEndpoint: endpointOutput(n.Addr),
		})
	}
	return out
}

// endpointOutput is nil for an address that is not chosen yet.
func endpointOutput(addr netip.AddrPort) *types.Endpoint {
	if !addr.IsValid() {
		return nil
	}
	return &types.Endpoint{Address: new(addr.Addr().String()), Port: new(int32(addr.Port()))}
}

func deleteReplicationGroup(ctx context.Context, c *call, in *elasticache.DeleteReplicationGroupInput) (*elasticache.DeleteReplicationGroupOutput, error) {
	id := lookupID(in.ReplicationGroupId)
	g, err := c.update(ctx, model.GroupKey(model.KindReplicationGroup, id), groupNotFound(*in.ReplicationGroupId), func(g *group) ([]model.Event, error) {
		if !c.deletable(g) {
			return nil, wiretable.InvalidReplicationGroupStateFault("Replication group %s has status %s which is not valid for deletion.",
				g.d.ID, model.GroupStatus(g.d, g.a, g.o))
		}
		g.d.Deleting = true
		g.d.Generation++
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	out, err := c.show(ctx, g)
	return &elasticache.DeleteReplicationGroupOutput{ReplicationGroup: out}, err
}

// show is the group as it is after a write.
func (c *call) show(ctx context.Context, g *group) (*types.ReplicationGroup, error) {
	f, err := c.records.fleet(ctx)
	if err != nil {
		return nil, err
	}
	return f.groupOutput(g), nil
}

func testFailover(ctx context.Context, c *call, in *elasticache.TestFailoverInput) (*elasticache.TestFailoverOutput, error) {
	key := model.GroupKey(model.KindReplicationGroup, lookupID(in.ReplicationGroupId))
	g, err := c.update(ctx, key, groupNotFound(*in.ReplicationGroupId), func(g *group) ([]model.Event, error) {
		shard, ok := g.d.Shard(*in.NodeGroupId)
		switch {
		case !ok:
			return nil, wiretable.NodeGroupNotFoundFault("Node group %s not found in replication group %s.", clip(*in.NodeGroupId), g.d.ID)
		case !g.d.AutomaticFailover:
			return nil, invalidCombination("Automatic failover must be enabled for replication group %s to test it.", g.d.ID)
		}
		if err := g.modifiable(); err != nil {
			return nil, err
		}
		if shard.Replicas == 0 {
			return nil, wiretable.TestFailoverNotAvailableFault("Node group %s has no replica to fail over to.", shard.ID)
		}
		g.d.Generation++
		g.d.Failovers = append(g.d.Failovers, model.FailoverRequest{ID: c.requestID, Kind: model.FailoverTest, Shard: shard.ID, At: c.now})
		return []model.Event{model.EventTestFailover(c.now, g.d.ID, shard.ID)}, nil
	})
	if err != nil {
		return nil, err
	}
	out, err := c.show(ctx, g)
	return &elasticache.TestFailoverOutput{ReplicationGroup: out}, err
}
