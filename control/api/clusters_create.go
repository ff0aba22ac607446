package api

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
)

func createClusterMembers() []Member {
	const ofGroup = "in a replication group it must be the group's"
	return members(
		effect("CacheClusterId", "1 to 50 characters, stored in lower case"),
		effect("ReplicationGroupId", "adds a replica to the group"),
		effect("Engine EngineVersion CacheNodeType Port", ofGroup),
		effect("PreferredAvailabilityZone PreferredAvailabilityZones", "of the one node"),
		effect("Tags.Key Tags.Value", ""),
		checked("NumCacheNodes", "1"),
		checked("CacheParameterGroupName", "the default group of the version's family; "+ofGroup),
		checked("AZMode", "single-az: a cluster has one node"),
		remembered("AutoMinorVersionUpgrade", rememberedFor+"; not with ReplicationGroupId"),
		remembered("PreferredMaintenanceWindow SnapshotWindow", windowNote+"; not with ReplicationGroupId"),
		refusedBut("SnapshotRetentionLimit", noRetention),
		refusedBut("NetworkType", ipv4), refusedBut("IpDiscovery", ipv4), refusedBut("TransitEncryptionEnabled", noTransit),
		refused("AuthToken CacheSecurityGroupNames CacheSubnetGroupName NotificationTopicArn OutpostMode PreferredOutpostArn"),
		refused("PreferredOutpostArns SecurityGroupIds SnapshotArns SnapshotName"),
		refused(logDelivery),
	)
}

func createCacheCluster(ctx context.Context, c *call, in *elasticache.CreateCacheClusterInput) (*elasticache.CreateCacheClusterOutput, error) {
	id, err := checkID("CacheClusterId", "Cache cluster ID", *in.CacheClusterId, limits.MaxCacheClusterIDRunes)
	if err != nil {
		return nil, err
	}
	if n := in.NumCacheNodes; n != nil && *n != 1 {
		return nil, invalidValue("Cannot create a %s cluster with a NumCacheNodes parameter other than 1.", engineWord(in.Engine))
	}
	zones, err := c.nodeZones(in)
	if err != nil {
		return nil, err
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	f, err := c.records.fleet(ctx)
	if err != nil {
		return nil, err
	}
	taken := wiretable.CacheClusterAlreadyExistsFault("Cache cluster with id %s already exists.", id)
	if f.cluster(id) != nil {
		return nil, taken
	}
	if err := c.checkQuota(f, 1); err != nil {
		return nil, err
	}
	var out *types.CacheCluster
	if in.ReplicationGroupId != nil {
		out, err = c.addMember(ctx, f, id, in, zones, tags)
	} else {
		out, err = c.createStandalone(ctx, id, in, zones, tags, taken)
	}
	return &elasticache.CreateCacheClusterOutput{CacheCluster: out}, err
}

// engineWord is the engine's name for a sentence.
func engineWord(engine *string) string {
	if strings.EqualFold(value(engine), model.EngineValkey) {
		return "Valkey"
	}
	return "Redis"
}

// nodeZones is the zone that is asked for, in one of two ways; empty if any will do.
func (c *call) nodeZones(in *elasticache.CreateCacheClusterInput) ([]string, error) {
	zones := slices.Clone(in.PreferredAvailabilityZones)
	if in.PreferredAvailabilityZone != nil {
		zones = append(zones, *in.PreferredAvailabilityZone)
	}
	switch {
	case in.PreferredAvailabilityZone != nil && len(in.PreferredAvailabilityZones) > 0:
		return nil, invalidCombination("Only one of PreferredAvailabilityZone and PreferredAvailabilityZones can be specified.")
	case len(zones) > 1:
		return nil, invalidCombination("The number of PreferredAvailabilityZones must be equal to NumCacheNodes, which is 1.")
	case in.AZMode == types.AZModeCrossAz:
		return nil, invalidCombination("AZMode cross-az needs more than one cache node; a cluster of Redis or Valkey has one.")
	}
	return zones, c.checkZones(zones)
}

// createStandalone makes a cluster of one node that is in no replication group.
func (c *call) createStandalone(ctx context.Context, id string, in *elasticache.CreateCacheClusterInput, zones []string,
	tags map[string]string, taken error) (*types.CacheCluster, error) {
	version, parameters, err := engineOf(engineChoice{in.Engine, in.EngineVersion, in.CacheParameterGroupName, in.CacheNodeType})
	if err != nil {
		return nil, err
	}
	port, err := checkPort(in.Port)
	if err != nil {
		return nil, err
	}
	maintenance, snapshot, err := windows(id, in.PreferredMaintenanceWindow, in.SnapshotWindow, "", "")
	if err != nil {
		return nil, err
	}
	d := c.newDesired(model.KindCluster, id, version)
	d.NodeType, d.Port, d.ParameterGroup = *in.CacheNodeType, port, parameters
	d.Shards = []model.DesiredShard{{ID: model.FirstShardID, Zones: zones}}
	d.MaintenanceWindow, d.SnapshotWindow, d.Tags = maintenance, snapshot, tags
	d.AutoMinorVersionUpgrade = in.AutoMinorVersionUpgrade == nil || *in.AutoMinorVersionUpgrade
	d.AZMode = string(types.AZModeSingleAz)
	g, err := c.create(ctx, d, taken)
	if err != nil {
		return nil, err
	}
	return g.clusterOutput(id, false), nil
}

// addMember adds a replica to a replication group.
func (c *call) addMember(ctx context.Context, f *fleet, id string, in *elasticache.CreateCacheClusterInput, zones []string,
	tags map[string]string) (*types.CacheCluster, error) {
	key := model.GroupKey(model.KindReplicationGroup, lookupID(in.ReplicationGroupId))
	g, err := c.update(ctx, key, groupNotFound(*in.ReplicationGroupId), func(g *group) ([]model.Event, error) {
		if err := g.sameAsGroup(in); err != nil {
			return nil, err
		}
		if err := g.modifiable(); err != nil {
			return nil, err
		}
		s := &g.d.Shards[0]
		if s.Replicas >= limits.MaxReplicasPerShard {
			return nil, wiretable.NodeQuotaForClusterExceededFault("A node group can have at most %d replicas.", limits.MaxReplicasPerShard)
		}
		if next := f.freeName(g, s.ID, f.members(g)); id != next {
			return nil, invalidValue("The CacheClusterId of the next member of replication group %s must be %s: this version of larder names members by their group.", g.d.ID, next)
		}
		if len(zones) > 0 {
			s.Zones = append(g.zones(s.ID), zones...)
		}
		g.dropMemberTags()
		if len(tags) > 0 {
			g.setMemberTags(id, tags)
		}
		s.Replicas, s.Remove = s.Replicas+1, nil
		g.d.Generation++
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return g.clusterOutput(id, false), nil
}

// sameAsGroup refuses a member that would be other than its group.
func (g *group) sameAsGroup(in *elasticache.CreateCacheClusterInput) error {
	same := func(parameter, given, group string) error {
		if given == "" || strings.EqualFold(given, group) {
			return nil
		}
		return invalidCombination("The parameter %s of a member of replication group %s must be %s, as it is the group's.", parameter, g.d.ID, group)
	}
	for _, p := range []struct{ name, given, group string }{
		{"Engine", value(in.Engine), g.d.Engine},
		{"CacheNodeType", value(in.CacheNodeType), g.d.NodeType},
		{"CacheParameterGroupName", value(in.CacheParameterGroupName), g.d.ParameterGroup},
	} {
		if err := same(p.name, p.given, p.group); err != nil {
			return err
		}
	}
	if in.EngineVersion != nil {
		if v, err := engineVersion(g.d.Engine, *in.EngineVersion); err != nil || v.Version != g.d.EngineVersion {
			return same("EngineVersion", *in.EngineVersion, shownVersion(g.d.EngineVersion))
		}
	}
	switch {
	case in.Port != nil && *in.Port != int32(g.d.Port):
		return invalidCombination("The parameter Port of a member of replication group %s must be %d, as it is the group's.", g.d.ID, g.d.Port)
	case in.AutoMinorVersionUpgrade != nil || in.PreferredMaintenanceWindow != nil || in.SnapshotWindow != nil:
		return invalidCombination("AutoMinorVersionUpgrade, PreferredMaintenanceWindow and SnapshotWindow cannot be used together with ReplicationGroupId: a member has its group's.")
	}
	return nil
}
