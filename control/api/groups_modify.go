package api

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
)

func modifyGroupMembers() []Member {
	return members(
		effect("ReplicationGroupId", ""),
		effect("ReplicationGroupDescription", "at most 255 characters"),
		effect("AutomaticFailoverEnabled MultiAZEnabled", ""),
		effect("PrimaryClusterId", "a planned failover to that member; automatic failover must be disabled, as with AWS"),
		checked("ApplyImmediately", "see below"),
		remembered("AutoMinorVersionUpgrade", rememberedFor),
		remembered("PreferredMaintenanceWindow SnapshotWindow", windowNote),
		refusedBut("SnapshotRetentionLimit", noRetention),
		refusedBut("ClusterMode", modeDisabled), refusedBut("IpDiscovery", ipv4),
		refusedBut("Durability", "default", "disabled"),
		refusedBut("TransitEncryptionEnabled", noTransit), refusedBut("RemoveUserGroups", "false"),
		refused("AuthToken AuthTokenUpdateStrategy CacheNodeType CacheParameterGroupName CacheSecurityGroupNames Engine EngineVersion"),
		refused("NodeGroupId NotificationTopicArn NotificationTopicStatus SecurityGroupIds SnapshottingClusterId TransitEncryptionMode"),
		refused("UserGroupIdsToAdd UserGroupIdsToRemove"),
		refused(logDelivery),
	)
}

func modifyReplicationGroup(ctx context.Context, c *call, in *elasticache.ModifyReplicationGroupInput) (*elasticache.ModifyReplicationGroupOutput, error) {
	if in.ReplicationGroupDescription != nil {
		if err := checkDescription(*in.ReplicationGroupDescription); err != nil {
			return nil, err
		}
	}
	effects := in.AutomaticFailoverEnabled != nil || in.MultiAZEnabled != nil || in.PrimaryClusterId != nil
	if effects && in.ApplyImmediately != nil && !*in.ApplyImmediately {
		return nil, invalidCombination("ApplyImmediately=false is not supported by this version of larder for AutomaticFailoverEnabled, " +
			"MultiAZEnabled and PrimaryClusterId: there is no maintenance window in which they could be changed.")
	}
	key := model.GroupKey(model.KindReplicationGroup, lookupID(in.ReplicationGroupId))
	g, err := c.update(ctx, key, groupNotFound(*in.ReplicationGroupId), func(g *group) ([]model.Event, error) {
		if !effects && nothingElse(in) {
			return nil, invalidCombination("No modifications were requested")
		}
		if err := g.modifiable(); err != nil {
			return nil, err
		}
		return nil, c.modify(g, in)
	})
	if err != nil {
		return nil, err
	}
	out, err := c.show(ctx, g)
	return &elasticache.ModifyReplicationGroupOutput{ReplicationGroup: out}, err
}

// nothingElse reports whether none of the members without an effect on nodes is given. Those whose only accepted value is
// what the group has count: who asks for it gets it.
func nothingElse(in *elasticache.ModifyReplicationGroupInput) bool {
	return in.ReplicationGroupDescription == nil && in.PreferredMaintenanceWindow == nil && in.SnapshotWindow == nil &&
		in.AutoMinorVersionUpgrade == nil && in.SnapshotRetentionLimit == nil && in.ClusterMode == "" && in.IpDiscovery == "" &&
		in.Durability == "" && in.TransitEncryptionEnabled == nil && in.RemoveUserGroups == nil
}

// modify changes the group's record as the request says.
func (c *call) modify(g *group, in *elasticache.ModifyReplicationGroupInput) error {
	automatic, multiAZ := g.d.AutomaticFailover, g.d.MultiAZ
	if in.AutomaticFailoverEnabled != nil {
		automatic = *in.AutomaticFailoverEnabled
	}
	if in.MultiAZEnabled != nil {
		multiAZ = *in.MultiAZEnabled
	}
	if automatic != g.d.AutomaticFailover || multiAZ != g.d.MultiAZ {
		if err := c.checkFailover(automatic, multiAZ, g.d.Shards[0].Replicas, g.zones(model.FirstShardID)); err != nil {
			return err
		}
		g.d.AutomaticFailover, g.d.MultiAZ = automatic, multiAZ
		g.d.Generation++
	}
	if in.PrimaryClusterId != nil {
		if err := c.promote(g, strings.ToLower(*in.PrimaryClusterId)); err != nil {
			return err
		}
	}
	var err error
	g.d.MaintenanceWindow, g.d.SnapshotWindow, err = windows(g.d.ID, in.PreferredMaintenanceWindow, in.SnapshotWindow,
		g.d.MaintenanceWindow, g.d.SnapshotWindow)
	if err != nil {
		return err
	}
	if in.ReplicationGroupDescription != nil {
		g.d.Description = *in.ReplicationGroupDescription
	}
	if in.AutoMinorVersionUpgrade != nil {
		g.d.AutoMinorVersionUpgrade = *in.AutoMinorVersionUpgrade
	}
	if in.Durability != "" {
		g.d.Durability = string(in.Durability)
	}
	return nil
}

// promote asks for a planned failover to a member. One that is the primary already is as asked for.
func (c *call) promote(g *group, id string) error {
	s, n := g.a.Member(id)
	switch {
	case n == nil || n.State == model.NodeDeleting:
		return wiretable.CacheClusterNotFoundFault("CacheCluster not found: %s", clip(id))
	case g.primary(s.ID) == id:
		return nil
	case g.d.AutomaticFailover:
		return invalidCombination("Cannot manually promote a new primary cache cluster while autofailover is enabled")
	case model.ClusterStatus(g.d, g.a, g.o, id) != model.StatusAvailable:
		return wiretable.InvalidCacheClusterStateFault("Cache cluster %s is not in available state.", id)
	}
	g.d.Generation++
	g.d.Failovers = append(g.d.Failovers, model.FailoverRequest{ID: c.requestID, Kind: model.FailoverPromote, Shard: s.ID, To: id, At: c.now})
	return nil
}

// zones are those of a shard's nodes, sorted.
func (g *group) zones(shard string) []string {
	var zones []string
	for _, n := range g.activeMembers(shard) {
		zones = append(zones, n.Zone)
	}
	slices.Sort(zones)
	return zones
}
