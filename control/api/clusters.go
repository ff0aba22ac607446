package api

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
)

func clusterOperations() []Operation {
	return []Operation{
		handle(Operation{Service: elastiCache, Name: "CreateCacheCluster", Action: "elasticache:CreateCacheCluster",
			Resources: []string{arnCluster, arnGroup, "parametergroup"}, Members: createClusterMembers(),
			Differs: []string{
				"With ReplicationGroupId, the id must be the one that larder gives to the group's next member (the error names it): members are named by their group.",
				"Without NumCacheNodes, a cluster of Redis or Valkey has one node, the only number there is."},
		}, createCacheCluster),
		handle(Operation{Service: elastiCache, Name: "DescribeCacheClusters", Action: "elasticache:DescribeCacheClusters",
			Resources: []string{arnCluster},
			Members: members(effect("CacheClusterId", "in any case"), effect("ShowCacheNodeInfo ShowCacheClustersNotInReplicationGroups", ""),
				effect(pageMembers, "pages of 20 to 100")),
		}, describeCacheClusters),
		handle(Operation{Service: elastiCache, Name: "DeleteCacheCluster", Action: "elasticache:DeleteCacheCluster",
			Resources: []string{arnCluster},
			Members:   members(effect("CacheClusterId", "a standalone cluster, or a replica"), refused("FinalSnapshotIdentifier")),
		}, deleteCacheCluster),
		handle(Operation{Service: elastiCache, Name: "RebootCacheCluster", Action: "elasticache:RebootCacheCluster",
			Resources: []string{arnCluster},
			Members:   members(effect("CacheClusterId", ""), effect("CacheNodeIdsToReboot", "0001")),
		}, rebootCacheCluster),
	}
}

func clusterNotFound(id string) error {
	return wiretable.CacheClusterNotFoundFault("CacheCluster not found: %s", clip(id))
}

// shownCluster is one cache cluster and its group.
type shownCluster struct {
	id string
	g  *group
}

func describeCacheClusters(ctx context.Context, c *call, in *elasticache.DescribeCacheClustersInput) (*elasticache.DescribeCacheClustersOutput, error) {
	pager, err := newPager("DescribeCacheClusters", in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	f, err := c.records.fleet(ctx)
	if err != nil {
		return nil, err
	}
	var found []shownCluster
	for _, g := range f.groups {
		if value(in.ShowCacheClustersNotInReplicationGroups) && g.d.Kind != model.KindCluster {
			continue
		}
		for _, id := range f.members(g) {
			if in.CacheClusterId == nil || id == lookupID(in.CacheClusterId) {
				found = append(found, shownCluster{id, g})
			}
		}
	}
	if in.CacheClusterId != nil && len(found) == 0 {
		return nil, clusterNotFound(*in.CacheClusterId)
	}
	slices.SortFunc(found, func(a, b shownCluster) int { return strings.Compare(a.id, b.id) })
	found, next := page(pager, found, func(s shownCluster) string { return s.id })
	out := &elasticache.DescribeCacheClustersOutput{Marker: next}
	for _, s := range found {
		out.CacheClusters = append(out.CacheClusters, *s.g.clusterOutput(s.id, value(in.ShowCacheNodeInfo)))
	}
	return out, nil
}

// clusterOutput is a cache cluster as AWS shows it, with its node when nodes are asked for.
func (g *group) clusterOutput(id string, nodes bool) *types.CacheCluster {
	d := g.d
	out := &types.CacheCluster{
		CacheClusterId: new(id), ARN: new(model.ClusterARN(d.Region, d.Account, id)),
		CacheClusterStatus: new(model.ClusterStatus(d, g.a, g.o, id)),
		Engine:             new(d.Engine), EngineVersion: new(d.EngineVersion), CacheNodeType: new(d.NodeType), NumCacheNodes: new(int32(1)),
		CacheParameterGroup: &types.CacheParameterGroupStatus{
			CacheParameterGroupName: new(d.ParameterGroup), ParameterApplyStatus: new("in-sync"), CacheNodeIdsToReboot: []string{}},
		PreferredMaintenanceWindow: new(d.MaintenanceWindow),
		SnapshotWindow:             new(d.SnapshotWindow), SnapshotRetentionLimit: new(d.SnapshotRetention),
		AutoMinorVersionUpgrade: new(d.AutoMinorVersionUpgrade),
		AuthTokenEnabled:        new(false), TransitEncryptionEnabled: new(d.TransitEncryption), AtRestEncryptionEnabled: new(d.AtRestEncryption),
		NetworkType: types.NetworkType(d.NetworkType), IpDiscovery: types.IpDiscovery(d.IPDiscovery),
		ReplicationGroupLogDeliveryEnabled: new(false),
		ClientDownloadLandingPage:          new("https://console.aws.amazon.com/elasticache/home#client-download:"),
		CacheSecurityGroups:                []types.CacheSecurityGroupMembership{},
		SecurityGroups:                     []types.SecurityGroupMembership{},
		LogDeliveryConfigurations:          []types.LogDeliveryConfiguration{},
		PendingModifiedValues:              &types.PendingModifiedValues{},
	}
	if d.Kind == model.KindReplicationGroup {
		out.ReplicationGroupId = new(d.ID)
	} else {
		out.CacheClusterStatus = new(model.GroupStatus(d, g.a, g.o))
	}
	if _, n := g.a.Member(id); n != nil {
		out.PreferredAvailabilityZone, out.CacheClusterCreateTime = new(n.Zone), new(n.CreatedAt)
		if nodes {
			out.CacheNodes = []types.CacheNode{g.nodeOutput(n)}
		}
	} else if zones := d.Shards[0].Zones; d.Kind == model.KindCluster && len(zones) > 0 {
		out.PreferredAvailabilityZone = new(zones[0])
	}
	return out
}

func (g *group) nodeOutput(n *model.Node) types.CacheNode {
	return types.CacheNode{
		CacheNodeId: new(n.Node), CacheNodeStatus: new(model.CacheNodeStatus(g.d, g.a, g.o, n.Cluster)),
		CacheNodeCreateTime: new(n.CreatedAt), Endpoint: endpointOutput(n.Addr),
		ParameterGroupStatus: new("in-sync"), CustomerAvailabilityZone: new(n.Zone),
	}
}

func deleteCacheCluster(ctx context.Context, c *call, in *elasticache.DeleteCacheClusterInput) (*elasticache.DeleteCacheClusterOutput, error) {
	id := lookupID(in.CacheClusterId)
	key, err := c.groupOfCluster(ctx, id)
	if err != nil {
		return nil, err
	}
	g, err := c.update(ctx, key, clusterNotFound(id), func(g *group) ([]model.Event, error) {
		if g.d.Kind == model.KindReplicationGroup {
			return nil, g.deleteMember(id)
		}
		if !c.deletable(g) {
			return nil, wiretable.InvalidCacheClusterStateFault("Cache cluster %s has status %s which is not valid for deletion.",
				id, model.GroupStatus(g.d, g.a, g.o))
		}
		g.d.Deleting = true
		g.d.Generation++
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	out := g.clusterOutput(id, false)
	out.CacheClusterStatus = new(model.StatusDeleting) // a replica's node is marked by the planner, a moment later
	return &elasticache.DeleteCacheClusterOutput{CacheCluster: out}, nil
}

// groupOfCluster finds the group of a cache cluster.
func (c *call) groupOfCluster(ctx context.Context, id string) (string, error) {
	f, err := c.records.fleet(ctx)
	if err != nil {
		return "", err
	}
	g := f.cluster(id)
	if g == nil {
		return "", clusterNotFound(id)
	}
	return g.d.Key(), nil
}

// deleteMember takes a replica out of its group.
func (g *group) deleteMember(id string) error {
	state := wiretable.InvalidCacheClusterStateFault
	shard, n := g.a.Member(id)
	if n == nil || g.d.Deleting || n.State == model.NodeDeleting {
		return state("Cache cluster %s has status %s which is not valid for deletion.", id, model.ClusterStatus(g.d, g.a, g.o, id))
	}
	s := &g.d.Shards[slices.IndexFunc(g.d.Shards, func(s model.DesiredShard) bool { return s.ID == shard.ID })]
	switch {
	case len(g.activeMembers(shard.ID)) == 1:
		return state("Cannot delete the cache cluster since it is the only member of a replication group. Delete the replication group instead.")
	case g.primary(shard.ID) == id:
		return state("Cache cluster %s is serving as primary for replication group %s and cannot be deleted. "+
			"To delete the entire replication group, use DeleteReplicationGroup.", id, g.d.ID)
	case s.Replicas == 1 && g.d.AutomaticFailover:
		return state("Cannot delete the cache cluster because it is the only read replica for replication group %s which has autofailover "+
			"enabled or pending. You can disable autofailover and then delete this cache cluster. Alternatively, to delete the entire "+
			"replication group, use DeleteReplicationGroup.", g.d.ID)
	case model.Busy(g.d, g.a):
		return state("Replication group %s, which cache cluster %s is a member of, must be in available state to delete it.", g.d.ID, id)
	}
	s.Replicas, s.Remove = s.Replicas-1, []string{id}
	g.d.Generation++
	return nil
}

func rebootCacheCluster(ctx context.Context, c *call, in *elasticache.RebootCacheClusterInput) (*elasticache.RebootCacheClusterOutput, error) {
	id := lookupID(in.CacheClusterId)
	key, err := c.groupOfCluster(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, node := range in.CacheNodeIdsToReboot {
		if node != model.CacheNodeID {
			return nil, invalidValue("Cache node %s does not exist in cache cluster %s, whose only node is %s.", clip(node), id, model.CacheNodeID)
		}
	}
	g, err := c.update(ctx, key, clusterNotFound(id), func(g *group) ([]model.Event, error) {
		_, n := g.a.Member(id)
		if n == nil || model.Busy(g.d, g.a) || n.State != model.NodeJoined {
			return nil, wiretable.InvalidCacheClusterStateFault("Cache cluster %s is not in available state.", id)
		}
		g.d.Generation++
		g.d.Reboots = append(g.d.Reboots, model.RebootRequest{ID: c.requestID, Nodes: []string{n.ID()}, At: c.now})
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	out := g.clusterOutput(id, true)
	out.CacheClusterStatus = new(model.StatusRebootingCluster) // the planner says so a moment later
	return &elasticache.RebootCacheClusterOutput{CacheCluster: out}, nil
}
