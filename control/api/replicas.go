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

func replicaOperations() []Operation {
	shared := members(
		effect("ReplicationGroupId NewReplicaCount", ""),
		effect("ReplicaConfiguration.NewReplicaCount ReplicaConfiguration.NodeGroupId", "of the one node group, 0001"),
		checked("ApplyImmediately", "must be true, as with AWS"),
		refused("ReplicaConfiguration.PreferredOutpostArns"),
	)
	return []Operation{
		handle(Operation{Service: elastiCache, Name: "IncreaseReplicaCount", Action: "elasticache:IncreaseReplicaCount",
			Resources: []string{arnGroup},
			Members: members(shared, effect("ReplicaConfiguration.PreferredAvailabilityZones",
				"one for each node, with those of the nodes that are there among them")),
		}, increaseReplicaCount),
		handle(Operation{Service: elastiCache, Name: "DecreaseReplicaCount", Action: "elasticache:DecreaseReplicaCount",
			Resources: []string{arnGroup},
			Members: members(shared, effect("ReplicasToRemove", "cluster ids; without it the last ones go"),
				refused("ReplicaConfiguration.PreferredAvailabilityZones")),
		}, decreaseReplicaCount),
	}
}

// countChange is what both operations ask for; count is nil when the request does not say it.
type countChange struct {
	count *int32
	zones []string
}

// newCountChange reads the two ways of saying a number of replicas.
func newCountChange(apply *bool, count *int32, shards []types.ConfigureShard) (countChange, error) {
	switch {
	case apply != nil && !*apply:
		return countChange{}, invalidValue("ApplyImmediately=false is not currently supported: it must be true.")
	case count != nil && len(shards) > 0:
		return countChange{}, invalidCombination("Only one of NewReplicaCount and ReplicaConfiguration can be specified.")
	case len(shards) == 0:
		return countChange{count: count}, nil
	case len(shards) > 1:
		return countChange{}, invalidValue("ReplicaConfiguration must have exactly one node group: cluster mode is disabled.")
	case *shards[0].NodeGroupId != model.FirstShardID:
		return countChange{}, invalidValue("Node group %s does not exist: the node group of a replication group with cluster mode disabled is %s.",
			clip(*shards[0].NodeGroupId), model.FirstShardID)
	}
	return countChange{shards[0].NewReplicaCount, shards[0].PreferredAvailabilityZones}, nil
}

func increaseReplicaCount(ctx context.Context, c *call, in *elasticache.IncreaseReplicaCountInput) (*elasticache.IncreaseReplicaCountOutput, error) {
	ask, err := newCountChange(in.ApplyImmediately, in.NewReplicaCount, in.ReplicaConfiguration)
	if err != nil {
		return nil, err
	}
	if ask.count == nil {
		return nil, invalidCombination("One of NewReplicaCount and ReplicaConfiguration must be specified.")
	}
	if err := c.checkZones(ask.zones); err != nil {
		return nil, err
	}
	f, err := c.records.fleet(ctx)
	if err != nil {
		return nil, err
	}
	key := model.GroupKey(model.KindReplicationGroup, lookupID(in.ReplicationGroupId))
	g, err := c.update(ctx, key, groupNotFound(*in.ReplicationGroupId), func(g *group) ([]model.Event, error) {
		return nil, c.increase(f, g, int(*ask.count), ask.zones)
	})
	if err != nil {
		return nil, err
	}
	return &elasticache.IncreaseReplicaCountOutput{ReplicationGroup: f.groupOutput(g)}, nil
}

// increase asks for more replicas; zones may be empty.
func (c *call) increase(f *fleet, g *group, count int, zones []string) error {
	if err := g.modifiable(); err != nil {
		return err
	}
	s := &g.d.Shards[0]
	switch {
	case count == s.Replicas:
		return wiretable.NoOperationFault("The operation was not performed because no changes were required: there are %d replicas.", count)
	case count < s.Replicas:
		return invalidValue("The new replica count %d must be greater than the current one, %d.", count, s.Replicas)
	case count > limits.MaxReplicasPerShard:
		return invalidValue("The new replica count %d is too high: a node group can have at most %d replicas.", count, limits.MaxReplicasPerShard)
	case len(zones) > 0 && len(zones) != count+1:
		return invalidCombination("The number of PreferredAvailabilityZones, %d, must be equal to the number of nodes, %d.", len(zones), count+1)
	case len(zones) > 0 && !containsAll(zones, g.zones(s.ID)):
		return invalidValue("PreferredAvailabilityZones must have the zones of the nodes that are there among them: %s.", strings.Join(g.zones(s.ID), ", "))
	}
	if err := c.checkQuota(f, count-s.Replicas); err != nil {
		return err
	}
	if len(zones) > 0 {
		s.Zones = slices.Clone(zones)
	}
	g.dropMemberTags()
	s.Replicas, s.Remove = count, nil
	g.d.Generation++
	return nil
}

// containsAll compares as often as each occurs.
func containsAll(have, want []string) bool {
	left := map[string]int{}
	for _, z := range have {
		left[z]++
	}
	for _, z := range want {
		if left[z]--; left[z] < 0 {
			return false
		}
	}
	return true
}

func decreaseReplicaCount(ctx context.Context, c *call, in *elasticache.DecreaseReplicaCountInput) (*elasticache.DecreaseReplicaCountOutput, error) {
	ask, err := newCountChange(in.ApplyImmediately, in.NewReplicaCount, in.ReplicaConfiguration)
	if err != nil {
		return nil, err
	}
	var remove []string
	for _, id := range in.ReplicasToRemove {
		remove = append(remove, strings.ToLower(id))
	}
	slices.Sort(remove)
	if ask.count == nil && len(remove) == 0 {
		return nil, invalidCombination("One of NewReplicaCount, ReplicaConfiguration and ReplicasToRemove must be specified.")
	}
	if len(slices.Compact(slices.Clone(remove))) < len(remove) {
		return nil, invalidValue("ReplicasToRemove must not name a replica more than once.")
	}
	key := model.GroupKey(model.KindReplicationGroup, lookupID(in.ReplicationGroupId))
	g, err := c.update(ctx, key, groupNotFound(*in.ReplicationGroupId), func(g *group) ([]model.Event, error) {
		return nil, g.decrease(ask.count, remove)
	})
	if err != nil {
		return nil, err
	}
	out, err := c.show(ctx, g)
	return &elasticache.DecreaseReplicaCountOutput{ReplicationGroup: out}, err
}

// decrease asks for fewer replicas; a nil count is what the named ones leave.
func (g *group) decrease(ask *int32, remove []string) error {
	if err := g.modifiable(); err != nil {
		return err
	}
	s := &g.d.Shards[0]
	count := s.Replicas - len(remove)
	if ask != nil {
		count = int(*ask)
	}
	if err := g.removable(s.ID, remove); err != nil {
		return err
	}
	switch {
	case count == s.Replicas:
		return wiretable.NoOperationFault("The operation was not performed because no changes were required: there are %d replicas.", count)
	case count > s.Replicas:
		return invalidValue("The new replica count %d must be less than the current one, %d.", count, s.Replicas)
	case count < 0:
		return invalidValue("The new replica count must not be negative.")
	case len(remove) > 0 && len(remove) != s.Replicas-count:
		return invalidCombination("The number of ReplicasToRemove, %d, must be equal to the difference of the replica counts, %d.", len(remove), s.Replicas-count)
	case count == 0 && g.d.AutomaticFailover:
		return invalidValue("Must have at least 1 replica when cluster mode is disabled with auto failover enabled.")
	}
	s.Replicas, s.Remove = count, remove
	g.d.Generation++
	return nil
}

// removable refuses what is no replica of the shard.
func (g *group) removable(shard string, remove []string) error {
	for _, id := range remove {
		s, n := g.a.Member(id)
		switch {
		case n == nil || s.ID != shard || n.State == model.NodeDeleting:
			return invalidValue("%s is not a replica of replication group %s.", clip(id), g.d.ID)
		case g.primary(shard) == id:
			return invalidValue("Cache cluster %s is serving as primary for replication group %s and cannot be removed.", id, g.d.ID)
		}
	}
	return nil
}
