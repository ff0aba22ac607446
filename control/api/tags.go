package api

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/api/wiretable"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/wire/awsquery"
)

func tagOperations() []Operation {
	kinds := []string{arnGroup, arnCluster}
	differs := []string{"Tags can be read and changed whatever the resource's status is, unless it is being deleted."}
	return []Operation{
		handle(Operation{Service: elastiCache, Name: "AddTagsToResource", Action: "elasticache:AddTagsToResource", Resources: kinds, Differs: differs,
			Members: members(effect("ResourceName", "a replication group or cache cluster"), effect("Tags.Key Tags.Value", "a group's are given to its members, too")),
		}, addTagsToResource),
		handle(Operation{Service: elastiCache, Name: "RemoveTagsFromResource", Action: "elasticache:RemoveTagsFromResource", Resources: kinds, Differs: differs,
			Members: members(effect("ResourceName", "a replication group or cache cluster"), effect("TagKeys", "")),
		}, removeTagsFromResource),
		handle(Operation{Service: elastiCache, Name: "ListTagsForResource", Action: "elasticache:ListTagsForResource", Resources: kinds, Differs: differs,
			Members: members(effect("ResourceName", "a replication group or cache cluster")),
		}, listTagsForResource),
	}
}

// tagged names what has tags: a group, or a member cluster of it.
type tagged struct {
	groupKey string
	member   string // the member cluster's id; "" for the group itself or a standalone cluster
	absent   error
}

// noSuch is the error for a resource of a kind that cannot be made yet: there are none. False: there is no such kind.
func noSuch(kind, arn string) (error, bool) {
	faults := map[string]func(string, ...any) *awsquery.Error{
		"parametergroup":          wiretable.CacheParameterGroupNotFoundFault,
		"securitygroup":           wiretable.CacheSecurityGroupNotFoundFault,
		"subnetgroup":             wiretable.CacheSubnetGroupNotFoundFault,
		"snapshot":                wiretable.SnapshotNotFoundFault,
		"user":                    wiretable.UserNotFoundFault,
		"usergroup":               wiretable.UserGroupNotFoundFault,
		"reserved-instance":       wiretable.ReservedCacheNodeNotFoundFault,
		"serverlesscache":         wiretable.ServerlessCacheNotFoundFault,
		"serverlesscachesnapshot": wiretable.ServerlessCacheSnapshotNotFoundFault,
		"globalreplicationgroup":  wiretable.GlobalReplicationGroupNotFoundFault,
	}
	fault, ok := faults[kind]
	if !ok {
		return nil, false
	}
	return fault("%s not found.", clip(arn)), true
}

// resolve finds what an ARN names.
func (c *call) resolve(ctx context.Context, arn string) (tagged, error) {
	parts := strings.Split(arn, ":")
	ours := strings.Split(model.ClusterARN(c.config.Region, c.config.Account, "id"), ":")
	if len(parts) == len(ours) && parts[5] == "globalreplicationgroup" {
		ours[3] = "" // these belong to no region
	}
	if len(parts) != len(ours) || !slices.Equal(parts[:5], ours[:5]) || parts[6] == "" {
		return tagged{}, wiretable.InvalidARNFault("The ARN %s is not valid: it must begin with %s: and go on with a kind and an id.",
			clip(arn), strings.Join(ours[:5], ":"))
	}
	kind, id := parts[5], strings.ToLower(parts[6])
	if err, ok := noSuch(kind, arn); ok {
		return tagged{}, err
	}
	switch kind {
	case arnGroup:
		return tagged{groupKey: model.GroupKey(model.KindReplicationGroup, id), absent: groupNotFound(id)}, nil
	case arnCluster:
		key, err := c.groupOfCluster(ctx, id)
		t := tagged{groupKey: key, absent: clusterNotFound(id)}
		if key != model.GroupKey(model.KindCluster, id) {
			t.member = id
		}
		return t, err
	}
	return tagged{}, wiretable.InvalidARNFault("The ARN %s is not valid: ElastiCache has no resources of the kind %s.", clip(arn), clip(kind))
}

// tags are those of the group or, with an id, of its member. A member that was never tagged by itself has its group's.
func (g *group) tags(member string) map[string]string {
	tags := g.d.Tags
	if own, ok := g.d.MemberTags[member]; ok && member != "" {
		tags = own
	}
	return maps.Clone(tags)
}

// setMemberTags gives a member tags of its own beside its group's.
func (g *group) setMemberTags(member string, more map[string]string) {
	tags := g.tags(member)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, more)
	if g.d.MemberTags == nil {
		g.d.MemberTags = map[string]map[string]string{}
	}
	g.d.MemberTags[member] = tags
}

// tagChange is what a request does to tags: check refuses it, apply does it.
type tagChange struct {
	check func(tags map[string]string) error
	apply func(tags map[string]string)
}

// changeTags changes the tags of a group, and those that its members have of their own; or those of one member.
func (c *call) changeTags(ctx context.Context, arn string, change tagChange) ([]types.Tag, error) {
	t, err := c.resolve(ctx, arn)
	if err != nil {
		return nil, err
	}
	g, err := c.update(ctx, t.groupKey, t.absent, func(g *group) ([]model.Event, error) {
		if g.d.Deleting {
			return nil, wiretable.InvalidReplicationGroupStateFault("Cluster not in available state to perform tagging operations.")
		}
		g.dropMemberTags()
		if err := change.check(g.tags(t.member)); err != nil {
			return nil, err
		}
		if t.member != "" {
			g.setMemberTags(t.member, nil)
			change.apply(g.d.MemberTags[t.member])
			return nil, checkTagCount(g.d.MemberTags[t.member])
		}
		if g.d.Tags == nil {
			g.d.Tags = map[string]string{}
		}
		change.apply(g.d.Tags)
		for _, own := range g.d.MemberTags {
			change.apply(own)
			if err := checkTagCount(own); err != nil {
				return nil, err
			}
		}
		return nil, checkTagCount(g.d.Tags)
	})
	if err != nil {
		return nil, err
	}
	return tagList(g.tags(t.member)), nil
}

// dropMemberTags forgets the tags of members that are gone. In the middle of a modification a member may not have been
// placed yet.
func (g *group) dropMemberTags() {
	if model.Busy(g.d, g.a) {
		return
	}
	maps.DeleteFunc(g.d.MemberTags, func(id string, _ map[string]string) bool {
		_, n := g.a.Member(id)
		return n == nil
	})
}

// tagList is sorted by key.
func tagList(tags map[string]string) []types.Tag {
	list := make([]types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: new(key), Value: new(tags[key])})
	}
	return list
}

func addTagsToResource(ctx context.Context, c *call, in *elasticache.AddTagsToResourceInput) (*elasticache.AddTagsToResourceOutput, error) {
	more, err := checkTags(in.Tags)
	if err != nil {
		return nil, err
	}
	list, err := c.changeTags(ctx, *in.ResourceName, tagChange{
		check: func(map[string]string) error { return nil },
		apply: func(tags map[string]string) { maps.Copy(tags, more) },
	})
	return &elasticache.AddTagsToResourceOutput{TagList: list}, err
}

func removeTagsFromResource(ctx context.Context, c *call, in *elasticache.RemoveTagsFromResourceInput) (*elasticache.RemoveTagsFromResourceOutput, error) {
	list, err := c.changeTags(ctx, *in.ResourceName, tagChange{
		check: func(tags map[string]string) error {
			for _, key := range in.TagKeys {
				if _, ok := tags[key]; !ok {
					return wiretable.TagNotFoundFault("The resource has no tag with the key %s.", clip(key))
				}
			}
			return nil
		},
		apply: func(tags map[string]string) {
			for _, key := range in.TagKeys {
				delete(tags, key)
			}
		},
	})
	return &elasticache.RemoveTagsFromResourceOutput{TagList: list}, err
}

func listTagsForResource(ctx context.Context, c *call, in *elasticache.ListTagsForResourceInput) (*elasticache.ListTagsForResourceOutput, error) {
	t, err := c.resolve(ctx, *in.ResourceName)
	if err != nil {
		return nil, err
	}
	g, err := c.records.group(ctx, t.groupKey)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return nil, t.absent
	}
	return &elasticache.ListTagsForResourceOutput{TagList: tagList(g.tags(t.member))}, nil
}
