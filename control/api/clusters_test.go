package api

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/model"
)

func (b *bed) describeClusters(in elasticache.DescribeCacheClustersInput) []types.CacheCluster {
	b.t.Helper()
	out, err := b.client.DescribeCacheClusters(b.t.Context(), &in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out.CacheClusters
}

func TestStandaloneCluster(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	one := aws.String("one")
	out, err := b.client.CreateCacheCluster(ctx, &elasticache.CreateCacheClusterInput{CacheClusterId: aws.String("One"),
		Engine: aws.String("redis"), CacheNodeType: aws.String("cache.t3.small"), NumCacheNodes: aws.Int32(1),
		PreferredAvailabilityZone: aws.String(testRegion + "c"), CacheParameterGroupName: aws.String("default.redis7")})
	if err != nil {
		t.Fatal(err)
	}
	if cc := out.CacheCluster; *cc.CacheClusterStatus != "creating" || *cc.CacheClusterId != "one" || *cc.PreferredAvailabilityZone != testRegion+"c" || cc.ReplicationGroupId != nil {
		t.Errorf("%+v", cc)
	}
	_, err = b.client.CreateCacheCluster(ctx, &elasticache.CreateCacheClusterInput{CacheClusterId: one, CacheNodeType: aws.String("cache.t3.small")})
	wantError(t, err, "CacheClusterAlreadyExists", "one")
	b.converge()
	waiter := elasticache.NewCacheClusterAvailableWaiter(b.client, func(o *elasticache.CacheClusterAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, time.Millisecond
	})
	if err := waiter.Wait(ctx, &elasticache.DescribeCacheClustersInput{CacheClusterId: one}, time.Minute); err != nil {
		t.Fatal(err)
	}
	cc := b.describeClusters(elasticache.DescribeCacheClustersInput{CacheClusterId: one, ShowCacheNodeInfo: aws.Bool(true)})[0]
	n := cc.CacheNodes[0]
	if *cc.EngineVersion != "7.1.0" || *n.CacheNodeId != "0001" || *n.CacheNodeStatus != "available" || *n.Endpoint.Port != 6379 || n.Endpoint.Address == nil ||
		*n.CustomerAvailabilityZone != testRegion+"c" || *cc.CacheParameterGroup.CacheParameterGroupName != "default.redis7" || *cc.NumCacheNodes != 1 ||
		*cc.ARN != "arn:aws:elasticache:eu-central-1:123456789012:cluster:one" || *cc.PreferredMaintenanceWindow == "" || cc.CacheClusterCreateTime == nil {
		t.Errorf("%+v %+v", cc, n)
	}
	rebooted, err := b.client.RebootCacheCluster(ctx, &elasticache.RebootCacheClusterInput{CacheClusterId: one, CacheNodeIdsToReboot: []string{"0001"}})
	if err != nil || *rebooted.CacheCluster.CacheClusterStatus != "rebooting cluster nodes" {
		t.Fatalf("reboot: %v", err)
	}
	if d := b.desired(model.KindCluster, "one"); len(d.Reboots) != 1 || d.Reboots[0].Nodes[0] != "one/0001" {
		t.Errorf("%+v", d.Reboots)
	}
	_, err = b.client.RebootCacheCluster(ctx, &elasticache.RebootCacheClusterInput{CacheClusterId: one, CacheNodeIdsToReboot: []string{"0001"}})
	wantError(t, err, "InvalidCacheClusterState", "not in available state")
	_, err = b.client.RebootCacheCluster(ctx, &elasticache.RebootCacheClusterInput{CacheClusterId: one, CacheNodeIdsToReboot: []string{"0002"}})
	wantError(t, err, "InvalidParameterValue", "0002")
	b.converge()
	gone, err := b.client.DeleteCacheCluster(ctx, &elasticache.DeleteCacheClusterInput{CacheClusterId: one})
	if err != nil || *gone.CacheCluster.CacheClusterStatus != "deleting" {
		t.Fatalf("delete: %v", err)
	}
	b.converge()
	_, err = b.client.DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{CacheClusterId: one})
	wantError(t, err, "CacheClusterNotFound", "CacheCluster not found: one")
}

func TestCreateCacheClusterRefusals(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	b.createGroup("web", 2)
	type in = elasticache.CreateCacheClusterInput
	web, small := aws.String("web"), aws.String("cache.t3.small")
	for name, c := range map[string]struct {
		in         in
		code, part string
	}{
		"two nodes":        {in{CacheNodeType: small, NumCacheNodes: aws.Int32(2)}, "InvalidParameterValue", "NumCacheNodes"},
		"cross az":         {in{CacheNodeType: small, AZMode: types.AZModeCrossAz}, "InvalidParameterCombination", "AZMode"},
		"no type":          {in{}, "InvalidParameterValue", "The parameter CacheNodeType must be provided and must not be null."},
		"two zones":        {in{CacheNodeType: small, PreferredAvailabilityZones: []string{testRegion + "a", testRegion + "b"}}, "InvalidParameterCombination", "PreferredAvailabilityZones"},
		"zone":             {in{CacheNodeType: small, PreferredAvailabilityZone: aws.String("x")}, "InvalidParameterValue", "x is not"},
		"memcached":        {in{CacheNodeType: small, Engine: aws.String("memcached")}, "InvalidParameterValue", "memcached"},
		"snapshot":         {in{CacheNodeType: small, SnapshotName: aws.String("s")}, "InvalidParameterCombination", "SnapshotName"},
		"member's name":    {in{CacheClusterId: aws.String("web-001"), CacheNodeType: small}, "CacheClusterAlreadyExists", "web-001"},
		"no group":         {in{ReplicationGroupId: aws.String("nobody")}, "ReplicationGroupNotFoundFault", "nobody"},
		"group: name":      {in{ReplicationGroupId: web}, "InvalidParameterValue", "must be web-003"},
		"group: type":      {in{CacheClusterId: aws.String("web-003"), ReplicationGroupId: web, CacheNodeType: small}, "InvalidParameterCombination", "CacheNodeType"},
		"group: version":   {in{CacheClusterId: aws.String("web-003"), ReplicationGroupId: web, EngineVersion: aws.String("6.2")}, "InvalidParameterCombination", "EngineVersion"},
		"group: port":      {in{CacheClusterId: aws.String("web-003"), ReplicationGroupId: web, Port: aws.Int32(1)}, "InvalidParameterCombination", "Port"},
		"group: window":    {in{CacheClusterId: aws.String("web-003"), ReplicationGroupId: web, SnapshotWindow: aws.String("01:00-02:00")}, "InvalidParameterCombination", "SnapshotWindow"},
		"id with a hyphen": {in{CacheClusterId: aws.String("a-")}, "InvalidParameterValue", "CacheClusterId is not a valid identifier"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.CacheClusterId == nil {
				c.in.CacheClusterId = aws.String("one")
			}
			_, err := b.client.CreateCacheCluster(ctx, &c.in)
			wantError(t, err, c.code, c.part)
		})
	}
}

func TestMembersAsClusters(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	b.createGroup("web", 2)
	out, err := b.client.CreateCacheCluster(ctx, &elasticache.CreateCacheClusterInput{CacheClusterId: aws.String("web-003"), ReplicationGroupId: aws.String("web"),
		PreferredAvailabilityZone: aws.String(testRegion + "a"), Tags: []types.Tag{{Key: aws.String("n"), Value: aws.String("3")}}})
	if err != nil || *out.CacheCluster.CacheClusterStatus != "creating" || *out.CacheCluster.ReplicationGroupId != "web" {
		t.Fatalf("%v %+v", err, out)
	}
	// Waiters ask for the new member before the planner has placed it.
	if cc := b.describeClusters(elasticache.DescribeCacheClustersInput{CacheClusterId: aws.String("web-003")}); *cc[0].CacheClusterStatus != "creating" {
		t.Errorf("%+v", cc)
	}
	if d := b.desired(model.KindReplicationGroup, "web"); !slices.Equal(d.Shards[0].Zones, []string{testRegion + "a", testRegion + "b", testRegion + "a"}) {
		t.Errorf("zones %q", d.Shards[0].Zones)
	}
	b.converge()
	tags, err := b.client.ListTagsForResource(ctx, &elasticache.ListTagsForResourceInput{ResourceName: out.CacheCluster.ARN})
	if err != nil || len(tags.TagList) != 1 {
		t.Errorf("tags: %v %+v", err, tags)
	}
	b.createStandalone("alone")
	if all := b.describeClusters(elasticache.DescribeCacheClustersInput{}); len(all) != 4 || *all[0].CacheClusterId != "alone" || *all[1].ReplicationGroupId != "web" || len(all[1].CacheNodes) != 0 {
		t.Errorf("%+v", all)
	}
	if some := b.describeClusters(elasticache.DescribeCacheClustersInput{ShowCacheClustersNotInReplicationGroups: aws.Bool(true)}); len(some) != 1 {
		t.Errorf("%+v", some)
	}
	b.checkMemberDeletion(t)
}

func (b *bed) createStandalone(id string) {
	b.t.Helper()
	if _, err := b.client.CreateCacheCluster(b.t.Context(), &elasticache.CreateCacheClusterInput{CacheClusterId: &id, CacheNodeType: aws.String("cache.t3.small")}); err != nil {
		b.t.Fatal(err)
	}
	b.converge()
}

func (b *bed) checkMemberDeletion(t *testing.T) {
	t.Helper()
	remove := func(id string) error {
		_, err := b.client.DeleteCacheCluster(t.Context(), &elasticache.DeleteCacheClusterInput{CacheClusterId: &id})
		return err
	}
	wantError(t, remove("web-001"), "InvalidCacheClusterState", "Cache cluster web-001 is serving as primary for replication group web and cannot be deleted.")
	wantError(t, remove("web-009"), "CacheClusterNotFound", "web-009")
	if err := remove("web-002"); err != nil {
		t.Fatal(err)
	}
	wantError(t, remove("web-003"), "InvalidCacheClusterState", "only read replica") // before the busy group is looked at
	b.converge()
	if g := b.describe("web"); !slices.Equal(g.MemberClusters, []string{"web-001", "web-003"}) {
		t.Errorf("%q", g.MemberClusters)
	}
	wantError(t, remove("web-003"), "InvalidCacheClusterState", "it is the only read replica for replication group web which has autofailover")
	b.createGroup("single", 1)
	wantError(t, remove("single-001"), "InvalidCacheClusterState", "only member of a replication group")
}
