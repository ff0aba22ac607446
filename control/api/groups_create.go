package api

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
)

const (
	ipv4          = "ipv4"
	modeDisabled  = "disabled"
	noAtRest      = "false"
	noTransit     = "false"
	noRetention   = "0"
	rememberedFor = "remembered and shown; versions are not upgraded by themselves"
	windowNote    = "remembered and shown; no maintenance and no snapshot is made in it"
)

func createGroupMembers() []Member {
	return members(
		effect("ReplicationGroupId", "1 to 40 characters, stored in lower case"),
		effect("ReplicationGroupDescription", "at most 255 characters"),
		effect("Engine", "redis (the default) or valkey"),
		effect("EngineVersion", "one of DescribeCacheEngineVersions; without it the engine's default"),
		effect("CacheNodeType", "gives maxmemory, capped so that all nodes fit their host"),
		effect("Port", "6379 without it; with `--addresses ports`, each endpoint has its own port instead"),
		effect("NumCacheClusters ReplicasPerNodeGroup", "1 primary and 0 to 5 replicas"),
		effect("PreferredCacheClusterAZs", "as many as nodes, the primary's first"),
		effect("NodeGroupConfiguration.ReplicaCount NodeGroupConfiguration.PrimaryAvailabilityZone NodeGroupConfiguration.ReplicaAvailabilityZones", "of one node group"),
		effect("AutomaticFailoverEnabled MultiAZEnabled", "off without them"),
		effect("Tags.Key Tags.Value", "shown for the members, too"),
		checked("CacheParameterGroupName", "the default group of the version's family"),
		checked("NumNodeGroups", "1: there is no cluster mode yet"),
		checked("NodeGroupConfiguration.NodeGroupId", "0001"),
		remembered("AutoMinorVersionUpgrade", rememberedFor),
		remembered("PreferredMaintenanceWindow SnapshotWindow", windowNote),
		refusedBut("SnapshotRetentionLimit", noRetention),
		refusedBut("ClusterMode", modeDisabled),
		refusedBut("NetworkType", ipv4), refusedBut("IpDiscovery", ipv4),
		refusedBut("AtRestEncryptionEnabled", noAtRest), refusedBut("TransitEncryptionEnabled", noTransit),
		refusedBut("DataTieringEnabled", "false"),
		refusedBut("Durability", "default", "disabled"),
		refused("AuthToken CacheSecurityGroupNames CacheSubnetGroupName GlobalReplicationGroupId KmsKeyId NotificationTopicArn"),
		refused("NodeGroupConfiguration.PrimaryOutpostArn NodeGroupConfiguration.ReplicaOutpostArns NodeGroupConfiguration.Slots"),
		refused("PrimaryClusterId SecurityGroupIds ServerlessCacheSnapshotName SnapshotArns SnapshotName TransitEncryptionMode UserGroupIds"),
		refused(logDelivery),
	)
}

func createReplicationGroup(ctx context.Context, c *call, in *elasticache.CreateReplicationGroupInput) (*elasticache.CreateReplicationGroupOutput, error) {
	d, err := c.newGroup(in)
	if err != nil {
		return nil, err
	}
	f, err := c.records.fleet(ctx)
	if err != nil {
		return nil, err
	}
	taken := wiretable.ReplicationGroupAlreadyExistsFault("Replication group with id %s already exists.", d.ID)
	if f.find(d.Kind, d.ID) != nil {
		return nil, taken
	}
	if err := c.checkQuota(f, d.Shards[0].Replicas+1); err != nil {
		return nil, err
	}
	g, err := c.create(ctx, d, taken)
	if err != nil {
		return nil, err
	}
	return &elasticache.CreateReplicationGroupOutput{ReplicationGroup: f.groupOutput(g)}, nil
}

// newGroup checks the request and makes the record of it.
func (c *call) newGroup(in *elasticache.CreateReplicationGroupInput) (model.Desired, error) {
	var d model.Desired
	id, err := checkID("ReplicationGroupId", "Replication Group ID", *in.ReplicationGroupId, limits.MaxReplicationGroupIDRunes)
	if err != nil {
		return d, err
	}
	if err := checkDescription(*in.ReplicationGroupDescription); err != nil {
		return d, err
	}
	version, parameters, err := engineOf(engineChoice{in.Engine, in.EngineVersion, in.CacheParameterGroupName, in.CacheNodeType})
	if err != nil {
		return d, err
	}
	shard, err := c.newShard(in)
	if err != nil {
		return d, err
	}
	if err := c.checkFailover(value(in.AutomaticFailoverEnabled), value(in.MultiAZEnabled), shard.Replicas, shard.Zones); err != nil {
		return d, err
	}
	port, err := checkPort(in.Port)
	if err != nil {
		return d, err
	}
	maintenance, snapshot, err := windows(id, in.PreferredMaintenanceWindow, in.SnapshotWindow, "", "")
	if err != nil {
		return d, err
	}
	tags, err := checkTags(in.Tags)
	if err != nil {
		return d, err
	}
	d = c.newDesired(model.KindReplicationGroup, id, version)
	d.Description, d.NodeType, d.Port, d.ParameterGroup = *in.ReplicationGroupDescription, *in.CacheNodeType, port, parameters
	d.Shards = []model.DesiredShard{shard}
	d.AutomaticFailover, d.MultiAZ = value(in.AutomaticFailoverEnabled), value(in.MultiAZEnabled)
	d.MaintenanceWindow, d.SnapshotWindow, d.Tags = maintenance, snapshot, tags
	d.AutoMinorVersionUpgrade = in.AutoMinorVersionUpgrade == nil || *in.AutoMinorVersionUpgrade
	d.Durability = string(in.Durability)
	return d, nil
}

// newDesired is what all new groups have alike.
func (c *call) newDesired(kind model.Kind, id string, v model.EngineVersion) model.Desired {
	return model.Desired{
		Kind: kind, ID: id, ARN: model.GroupARN(c.config.Region, c.config.Account, kind, id),
		Account: c.config.Account, Region: c.config.Region, Generation: 1, CreatedAt: c.now.Truncate(0),
		Engine: v.Engine, EngineVersion: v.Version, NetworkType: ipv4, IPDiscovery: ipv4, ClusterMode: modeDisabled,
		StorageEncryption: "none",
	}
}

// newShard is the one node group that is asked for.
func (c *call) newShard(in *elasticache.CreateReplicationGroupInput) (model.DesiredShard, error) {
	s := model.DesiredShard{ID: model.FirstShardID}
	if in.NumNodeGroups != nil && *in.NumNodeGroups != 1 || len(in.NodeGroupConfiguration) > 1 {
		return s, invalidValue("The parameter NumNodeGroups must be 1: cluster mode is not supported by this version of larder.")
	}
	replicas, err := replicaCount(in)
	if err != nil {
		return s, err
	}
	s.Replicas, s.Zones = replicas, slices.Clone(in.PreferredCacheClusterAZs)
	if len(in.NodeGroupConfiguration) == 1 {
		if s.Zones, err = configuredZones(in, replicas); err != nil {
			return s, err
		}
	} else if len(s.Zones) > 0 && len(s.Zones) != replicas+1 {
		return s, invalidCombination("The number of PreferredCacheClusterAZs, %d, must be equal to the number of cache clusters, %d.", len(s.Zones), replicas+1)
	}
	return s, c.checkZones(s.Zones)
}

// replicaCount is how many replicas are asked for, in one of three ways.
func replicaCount(in *elasticache.CreateReplicationGroupInput) (int, error) {
	var configured *int32
	if len(in.NodeGroupConfiguration) == 1 {
		configured = in.NodeGroupConfiguration[0].ReplicaCount
		if zones := in.NodeGroupConfiguration[0].ReplicaAvailabilityZones; configured == nil && in.ReplicasPerNodeGroup == nil && len(zones) > 0 {
			configured = new(int32(len(zones)))
		}
	}
	perGroup := in.ReplicasPerNodeGroup
	if configured != nil {
		perGroup = configured
	}
	switch {
	case in.NumCacheClusters != nil && perGroup != nil:
		return 0, invalidCombination("NumCacheClusters cannot be used together with ReplicasPerNodeGroup or a ReplicaCount in NodeGroupConfiguration.")
	case in.NumCacheClusters != nil:
		if n := *in.NumCacheClusters; n < 1 || n > limits.MaxReplicasPerShard+1 {
			return 0, invalidValue("Invalid NumCacheClusters: %d. Must be between 1 and %d.", n, limits.MaxReplicasPerShard+1)
		}
		return int(*in.NumCacheClusters) - 1, nil
	case perGroup == nil:
		return 0, nil
	case *perGroup < 0 || *perGroup > limits.MaxReplicasPerShard:
		return 0, invalidValue("Invalid number of replicas: %d. Must be between 0 and %d.", *perGroup, limits.MaxReplicasPerShard)
	}
	return int(*perGroup), nil
}

// configuredZones are the zones of the node group's configuration, the primary's first.
func configuredZones(in *elasticache.CreateReplicationGroupInput, replicas int) ([]string, error) {
	n := in.NodeGroupConfiguration[0]
	primary, others := value(n.PrimaryAvailabilityZone), n.ReplicaAvailabilityZones
	switch {
	case n.NodeGroupId != nil && *n.NodeGroupId != model.FirstShardID:
		return nil, invalidValue("The NodeGroupId of a replication group with cluster mode disabled must be %s.", model.FirstShardID)
	case len(in.PreferredCacheClusterAZs) > 0:
		return nil, invalidCombination("PreferredCacheClusterAZs cannot be used together with NodeGroupConfiguration.")
	case len(others) > 0 && len(others) != replicas:
		return nil, invalidCombination("The number of ReplicaAvailabilityZones, %d, must be equal to the number of replicas, %d.", len(others), replicas)
	case len(others) > 0 && primary == "":
		return nil, invalidCombination("ReplicaAvailabilityZones needs a PrimaryAvailabilityZone in the same NodeGroupConfiguration.")
	case primary == "":
		return nil, nil
	}
	return append([]string{primary}, others...), nil
}

// checkFailover checks what automatic failover and Multi-AZ need. zones are those of the nodes as far as they are asked
// for or known.
func (c *call) checkFailover(automatic, multiAZ bool, replicas int, zones []string) error {
	switch {
	case automatic && replicas < 1:
		return invalidCombination("When using automatic failover, there must be at least 2 cache clusters in the replication group.")
	case multiAZ && !automatic:
		return invalidCombination("Automatic failover must be enabled to use Multi-AZ.")
	case multiAZ && (len(c.config.Zones) < 2 || len(zones) == replicas+1 && len(slices.Compact(slices.Sorted(slices.Values(zones)))) < 2):
		return invalidCombination("When using Multi-AZ, the cache clusters must be in at least 2 availability zones.")
	}
	return nil
}
