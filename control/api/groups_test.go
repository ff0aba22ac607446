package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/model"
)

func (b *bed) describe(id string) types.ReplicationGroup {
	b.t.Helper()
	out, err := b.client.DescribeReplicationGroups(b.t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(out.ReplicationGroups) != 1 {
		b.t.Fatalf("%d groups", len(out.ReplicationGroups))
	}
	return out.ReplicationGroups[0]
}

func TestReplicationGroupLifecycle(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	out, err := b.client.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("Web"), ReplicationGroupDescription: aws.String("the web's cache"),
		CacheNodeType: aws.String("cache.t3.micro"), Engine: aws.String("valkey"), EngineVersion: aws.String("8.0"), Port: aws.Int32(7000),
		NumCacheClusters: aws.Int32(3), AutomaticFailoverEnabled: aws.Bool(true), MultiAZEnabled: aws.Bool(true),
		PreferredCacheClusterAZs: []string{testRegion + "b", testRegion + "a", testRegion + "c"},
		Tags:                     []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := out.ReplicationGroup
	if *g.Status != "creating" || *g.ReplicationGroupId != "web" || len(g.NodeGroups) != 0 || g.PendingModifiedValues == nil ||
		*g.ARN != "arn:aws:elasticache:eu-central-1:123456789012:replicationgroup:web" ||
		!slices.Equal(g.MemberClusters, []string{"web-001", "web-002", "web-003"}) {
		t.Errorf("after creation: %+v", g)
	}
	d := b.desired(model.KindReplicationGroup, "web")
	if d.EngineVersion != "8.0.1" || d.ParameterGroup != "default.valkey8" || d.Shards[0].Replicas != 2 || d.Generation != 1 || d.Port != 7000 {
		t.Errorf("desired: %+v", d)
	}
	if b.woken[0] != "replicationgroup:web" {
		t.Errorf("woken: %q", b.woken)
	}
	b.converge()
	available := elasticache.NewReplicationGroupAvailableWaiter(b.client, func(o *elasticache.ReplicationGroupAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, time.Millisecond
	})
	if err := available.Wait(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("WEB")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	checkAvailable(t, b.describe("web"))
	b.stepModify(t)
	b.stepReplicas(t)
	b.stepDelete(t)
}

func checkAvailable(t *testing.T, g types.ReplicationGroup) {
	t.Helper()
	ng := g.NodeGroups[0]
	if *g.Status != "available" || *ng.Status != "available" || *ng.NodeGroupId != "0001" || *ng.PrimaryEndpoint.Port != 7000 ||
		*ng.PrimaryEndpoint.Address == *ng.ReaderEndpoint.Address || len(ng.NodeGroupMembers) != 3 {
		t.Fatalf("available: %+v %+v", g, ng)
	}
	m := ng.NodeGroupMembers[0]
	if *m.CacheClusterId != "web-001" || *m.CacheNodeId != "0001" || *m.CurrentRole != "primary" || *m.PreferredAvailabilityZone != testRegion+"b" ||
		*m.ReadEndpoint.Port != 7000 || *ng.NodeGroupMembers[1].CurrentRole != "replica" {
		t.Errorf("members: %+v", ng.NodeGroupMembers)
	}
	if g.AutomaticFailover != "enabled" || g.MultiAZ != "enabled" || *g.ClusterEnabled || g.ClusterMode != "disabled" || *g.AuthTokenEnabled ||
		*g.TransitEncryptionEnabled || *g.AtRestEncryptionEnabled || g.DataTiering != "disabled" || *g.SnapshotRetentionLimit != 0 ||
		*g.SnapshotWindow == "" || !*g.AutoMinorVersionUpgrade || *g.CacheNodeType != "cache.t3.micro" || g.ReplicationGroupCreateTime == nil ||
		*g.Engine != "valkey" || *g.Description != "the web's cache" || g.NetworkType != "ipv4" || g.ConfigurationEndpoint != nil {
		t.Errorf("group: %+v", g)
	}
}

func (b *bed) modify(in elasticache.ModifyReplicationGroupInput) (types.ReplicationGroup, error) {
	in.ReplicationGroupId = aws.String("web")
	out, err := b.client.ModifyReplicationGroup(b.t.Context(), &in)
	if err != nil {
		return types.ReplicationGroup{}, err
	}
	return *out.ReplicationGroup, nil
}

func (b *bed) stepModify(t *testing.T) {
	t.Helper()
	type in = elasticache.ModifyReplicationGroupInput
	_, err := b.modify(in{ApplyImmediately: aws.Bool(true)})
	wantError(t, err, "InvalidParameterCombination", "No modifications were requested")
	if g := must(b.modify(in{ReplicationGroupDescription: aws.String("new"), PreferredMaintenanceWindow: aws.String("SUN:23:00-mon:01:30"),
		SnapshotWindow: aws.String("05:00-06:00"), ApplyImmediately: aws.Bool(false)}))(t); *g.Status != "available" || *g.Description != "new" || *g.SnapshotWindow != "05:00-06:00" {
		t.Errorf("description: %+v", g)
	}
	if d := b.desired(model.KindReplicationGroup, "web"); d.MaintenanceWindow != "sun:23:00-mon:01:30" || d.Generation != 1 {
		t.Errorf("a change without effect on nodes: %+v", d)
	}
	_, err = b.modify(in{PrimaryClusterId: aws.String("web-002")})
	wantError(t, err, "InvalidParameterCombination", "while autofailover is enabled")
	_, err = b.modify(in{AutomaticFailoverEnabled: aws.Bool(false)})
	wantError(t, err, "InvalidParameterCombination", "Multi-AZ")
	_, err = b.modify(in{AutomaticFailoverEnabled: aws.Bool(false), MultiAZEnabled: aws.Bool(false), ApplyImmediately: aws.Bool(false)})
	wantError(t, err, "InvalidParameterCombination", "ApplyImmediately")
	if g := must(b.modify(in{AutomaticFailoverEnabled: aws.Bool(false), MultiAZEnabled: aws.Bool(false), ApplyImmediately: aws.Bool(true)}))(t); *g.Status != "modifying" ||
		g.AutomaticFailover != "disabled" || g.MultiAZ != "disabled" {
		t.Errorf("failover off: %+v", g)
	}
	_, err = b.modify(in{ReplicationGroupDescription: aws.String("newer")})
	wantError(t, err, "InvalidReplicationGroupState", "must be in available state")
	b.converge()
	_, err = b.modify(in{PrimaryClusterId: aws.String("nobody")})
	wantError(t, err, "CacheClusterNotFound", "nobody")
	if g := must(b.modify(in{PrimaryClusterId: aws.String("Web-003")}))(t); *g.PendingModifiedValues.PrimaryClusterId != "web-003" {
		t.Errorf("promotion: %+v", g.PendingModifiedValues)
	}
	b.converge()
	if g := b.describe("web"); *g.NodeGroups[0].NodeGroupMembers[2].CurrentRole != "primary" || g.PendingModifiedValues.PrimaryClusterId != nil {
		t.Errorf("promoted: %+v", g)
	}
	must(b.modify(in{AutomaticFailoverEnabled: aws.Bool(true)}))(t)
	b.converge()
	if d := b.desired(model.KindReplicationGroup, "web"); len(d.Failovers) != 0 {
		t.Errorf("handled requests stay: %+v", d.Failovers)
	}
}

func (b *bed) stepReplicas(t *testing.T) {
	t.Helper()
	ctx, web, yes := t.Context(), aws.String("web"), aws.Bool(true)
	_, err := b.client.TestFailover(ctx, &elasticache.TestFailoverInput{ReplicationGroupId: web, NodeGroupId: aws.String("0002")})
	wantError(t, err, "NodeGroupNotFoundFault", "0002")
	tested, err := b.client.TestFailover(ctx, &elasticache.TestFailoverInput{ReplicationGroupId: web, NodeGroupId: aws.String("0001")})
	if err != nil || *tested.ReplicationGroup.Status != "modifying" {
		t.Fatalf("TestFailover: %v %+v", err, tested)
	}
	b.converge()
	if g := b.describe("web"); *g.NodeGroups[0].NodeGroupMembers[0].CurrentRole != "primary" {
		t.Errorf("after TestFailover: %+v", g.NodeGroups[0].NodeGroupMembers)
	}
	more, err := b.client.IncreaseReplicaCount(ctx, &elasticache.IncreaseReplicaCountInput{ReplicationGroupId: web, NewReplicaCount: aws.Int32(4), ApplyImmediately: yes})
	if err != nil || *more.ReplicationGroup.Status != "modifying" || len(more.ReplicationGroup.MemberClusters) != 5 {
		t.Fatalf("IncreaseReplicaCount: %v %+v", err, more)
	}
	b.converge()
	_, err = b.client.DecreaseReplicaCount(ctx, &elasticache.DecreaseReplicaCountInput{ReplicationGroupId: web, ReplicasToRemove: []string{"web-001"}, ApplyImmediately: yes})
	wantError(t, err, "InvalidParameterValue", "serving as primary")
	_, err = b.client.DecreaseReplicaCount(ctx, &elasticache.DecreaseReplicaCountInput{ReplicationGroupId: web, NewReplicaCount: aws.Int32(0), ApplyImmediately: yes})
	wantError(t, err, "InvalidParameterValue", "Must have at least 1 replica")
	_, err = b.client.DecreaseReplicaCount(ctx, &elasticache.DecreaseReplicaCountInput{ReplicationGroupId: web, ReplicasToRemove: []string{"WEB-003", "web-002"}, ApplyImmediately: yes})
	if err != nil {
		t.Fatal(err)
	}
	b.converge()
	if g := b.describe("web"); !slices.Equal(g.MemberClusters, []string{"web-001", "web-004", "web-005"}) || *g.Status != "available" {
		t.Errorf("after DecreaseReplicaCount: %q", g.MemberClusters)
	}
}

func (b *bed) stepDelete(t *testing.T) {
	t.Helper()
	ctx, web := t.Context(), aws.String("web")
	out, err := b.client.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: web, RetainPrimaryCluster: aws.Bool(false)})
	if err != nil || *out.ReplicationGroup.Status != "deleting" {
		t.Fatalf("DeleteReplicationGroup: %v %+v", err, out)
	}
	_, err = b.client.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: web})
	wantError(t, err, "InvalidReplicationGroupState", "has status deleting which is not valid for deletion")
	b.converge()
	_, err = b.client.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: web})
	wantError(t, err, "ReplicationGroupNotFoundFault", "ReplicationGroup web not found.")
	_, err = b.client.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: web})
	wantError(t, err, "ReplicationGroupNotFoundFault", "web")
	b.createGroup("web", 1) // the name is free again
}

func TestCreateReplicationGroupRefusals(t *testing.T) {
	type in = elasticache.CreateReplicationGroupInput
	a, bz := testRegion+"a", testRegion+"b"
	config := func(c types.NodeGroupConfiguration) func(*in) {
		return func(i *in) { i.NodeGroupConfiguration = []types.NodeGroupConfiguration{c} }
	}
	for name, c := range map[string]struct {
		change     func(*in)
		code, part string
	}{
		"id empty":            {func(i *in) { i.ReplicationGroupId = aws.String("") }, "InvalidParameterValue", "ReplicationGroupId"},
		"id underscore":       {func(i *in) { i.ReplicationGroupId = aws.String("a_b") }, "InvalidParameterValue", "not a valid identifier"},
		"id digit first":      {func(i *in) { i.ReplicationGroupId = aws.String("1a") }, "InvalidParameterValue", "begin with a letter"},
		"id double hyphen":    {func(i *in) { i.ReplicationGroupId = aws.String("a--b") }, "InvalidParameterValue", "two consecutive hyphens"},
		"id hyphen last":      {func(i *in) { i.ReplicationGroupId = aws.String("a-") }, "InvalidParameterValue", "end with a hyphen"},
		"id long":             {func(i *in) { i.ReplicationGroupId = aws.String(strings.Repeat("a", 41)) }, "InvalidParameterValue", "Replication Group ID cannot be longer than 40 characters."},
		"description empty":   {func(i *in) { i.ReplicationGroupDescription = aws.String("") }, "InvalidParameterValue", "ReplicationGroupDescription"},
		"description long":    {func(i *in) { i.ReplicationGroupDescription = aws.String(strings.Repeat("ä", 256)) }, "InvalidParameterValue", "255"},
		"engine":              {func(i *in) { i.Engine = aws.String("oracle") }, "InvalidParameterValue", "oracle"},
		"memcached":           {func(i *in) { i.Engine = aws.String("memcached") }, "InvalidParameterValue", "memcached"},
		"version unknown":     {func(i *in) { i.EngineVersion = aws.String("4.0.13") }, "InvalidParameterCombination", "Cannot find version 4.0.13 for redis"},
		"version with patch":  {func(i *in) { i.EngineVersion = aws.String("7.1.0") }, "InvalidParameterValue", "please use '7.1'"},
		"no node type":        {func(i *in) { i.CacheNodeType = nil }, "InvalidParameterValue", "CacheNodeType must be provided and must not be null."},
		"node type":           {func(i *in) { i.CacheNodeType = aws.String("cache.huge") }, "InvalidParameterValue", "cache.huge"},
		"node type of valkey": {func(i *in) { i.CacheNodeType = aws.String("cache.r8g.large") }, "InvalidParameterCombination", "valkey"},
		"node type tiering":   {func(i *in) { i.CacheNodeType = aws.String("cache.r6gd.xlarge") }, "InvalidParameterValue", "data tiering"},
		"family":              {func(i *in) { i.CacheParameterGroupName = aws.String("default.redis5.0") }, "InvalidParameterCombination", "Expected a parameter group of family redis7 but found one of family redis5.0"},
		"cluster.on":          {func(i *in) { i.CacheParameterGroupName = aws.String("default.redis7.cluster.on") }, "InvalidParameterValue", "cluster mode"},
		"parameter group":     {func(i *in) { i.CacheParameterGroupName = aws.String("mine") }, "CacheParameterGroupNotFound", "mine"},
		"clusters 7":          {func(i *in) { i.NumCacheClusters = aws.Int32(7) }, "InvalidParameterValue", "7"},
		"clusters 0":          {func(i *in) { i.NumCacheClusters = aws.Int32(0) }, "InvalidParameterValue", "0"},
		"replicas 6":          {func(i *in) { i.ReplicasPerNodeGroup = aws.Int32(6) }, "InvalidParameterValue", "6"},
		"both counts":         {func(i *in) { i.ReplicasPerNodeGroup, i.NumCacheClusters = aws.Int32(1), aws.Int32(2) }, "InvalidParameterCombination", "NumCacheClusters"},
		"shards":              {func(i *in) { i.NumNodeGroups = aws.Int32(2) }, "InvalidParameterValue", "NumNodeGroups"},
		"two configurations": {func(i *in) {
			i.NodeGroupConfiguration = []types.NodeGroupConfiguration{{NodeGroupId: aws.String("0001")}, {NodeGroupId: aws.String("0002")}}
		}, "InvalidParameterValue", "cluster mode"},
		"configuration id":    {config(types.NodeGroupConfiguration{NodeGroupId: aws.String("0007")}), "InvalidParameterValue", "0001"},
		"configuration slots": {config(types.NodeGroupConfiguration{Slots: aws.String("0-16383")}), "InvalidParameterCombination", "NodeGroupConfiguration.Slots"},
		"configuration zones": {config(types.NodeGroupConfiguration{ReplicaAvailabilityZones: []string{a}}), "InvalidParameterCombination", "PrimaryAvailabilityZone"},
		"zones mismatch":      {func(i *in) { i.PreferredCacheClusterAZs = []string{a, bz} }, "InvalidParameterCombination", "PreferredCacheClusterAZs"},
		"zone unknown":        {func(i *in) { i.PreferredCacheClusterAZs = []string{"mars-1a"} }, "InvalidParameterValue", "mars-1a is not a valid availability zone"},
		"failover alone":      {func(i *in) { i.AutomaticFailoverEnabled = aws.Bool(true) }, "InvalidParameterCombination", "at least 2 cache clusters"},
		"multi-az alone":      {func(i *in) { i.MultiAZEnabled, i.NumCacheClusters = aws.Bool(true), aws.Int32(2) }, "InvalidParameterCombination", "Automatic failover"},
		"port":                {func(i *in) { i.Port = aws.Int32(70000) }, "InvalidParameterValue", "70000"},
		"window":              {func(i *in) { i.PreferredMaintenanceWindow = aws.String("sunday") }, "InvalidParameterValue", "PreferredMaintenanceWindow"},
		"window short":        {func(i *in) { i.PreferredMaintenanceWindow = aws.String("sun:01:00-sun:01:30") }, "InvalidParameterValue", "60 minutes"},
		"windows overlap": {func(i *in) {
			i.PreferredMaintenanceWindow, i.SnapshotWindow = aws.String("sat:23:00-sun:02:00"), aws.String("23:30-00:30")
		}, "InvalidParameterCombination", "overlap"},
		"tag reserved":    {func(i *in) { i.Tags = []types.Tag{{Key: aws.String("aws:x")}} }, "InvalidParameterValue", "aws:x"},
		"tag without key": {func(i *in) { i.Tags = []types.Tag{{Value: aws.String("x")}} }, "InvalidParameterValue", "Tag.Key"},
		"tls":             {func(i *in) { i.TransitEncryptionEnabled = aws.Bool(true) }, "InvalidParameterValue", "TransitEncryptionEnabled"},
		"auth token":      {func(i *in) { i.AuthToken = aws.String("secret-secret-secret") }, "InvalidParameterCombination", "AuthToken"},
		"logs": {func(i *in) {
			i.LogDeliveryConfigurations = []types.LogDeliveryConfigurationRequest{{Enabled: aws.Bool(true)}}
		}, "InvalidParameterCombination", "LogDeliveryConfigurations"},
		"cluster mode": {func(i *in) { i.ClusterMode = types.ClusterModeEnabled }, "InvalidParameterValue", "ClusterMode"},
		"snapshots":    {func(i *in) { i.SnapshotRetentionLimit = aws.Int32(3) }, "InvalidParameterValue", "SnapshotRetentionLimit"},
		"multi-az in one zone": {func(i *in) {
			i.MultiAZEnabled, i.AutomaticFailoverEnabled, i.NumCacheClusters, i.PreferredCacheClusterAZs = aws.Bool(true), aws.Bool(true), aws.Int32(2), []string{a, a}
		}, "InvalidParameterCombination", "at least 2 availability zones"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			i := &in{ReplicationGroupId: aws.String("web"), ReplicationGroupDescription: aws.String("d"), CacheNodeType: aws.String("cache.t3.micro")}
			c.change(i)
			_, err := b.client.CreateReplicationGroup(t.Context(), i)
			wantError(t, err, c.code, c.part)
			if b.store.Mutations() != 0 {
				t.Error("something was written")
			}
			if strings.Contains(b.log.String(), "secret-secret") {
				t.Error("a secret is in the log")
			}
		})
	}
}

func TestCreateReplicationGroupAccepts(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	a, bz, cz := testRegion+"a", testRegion+"b", testRegion+"c"
	_, err := b.client.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("web"), ReplicationGroupDescription: aws.String("d"), CacheNodeType: aws.String("cache.t3.micro"),
		NumNodeGroups: aws.Int32(1), CacheParameterGroupName: aws.String("default.redis7"), EngineVersion: aws.String("7.x"),
		NodeGroupConfiguration:  []types.NodeGroupConfiguration{{PrimaryAvailabilityZone: &cz, ReplicaAvailabilityZones: []string{a, bz}, ReplicaCount: aws.Int32(2)}},
		AtRestEncryptionEnabled: aws.Bool(false), TransitEncryptionEnabled: aws.Bool(false), ClusterMode: types.ClusterModeDisabled,
		NetworkType: types.NetworkTypeIpv4, IpDiscovery: types.IpDiscoveryIpv4, SnapshotRetentionLimit: aws.Int32(0),
		AutoMinorVersionUpgrade: aws.Bool(false), DataTieringEnabled: aws.Bool(false),
	})
	if err != nil {
		t.Fatal(err)
	}
	d := b.desired(model.KindReplicationGroup, "web")
	if !slices.Equal(d.Shards[0].Zones, []string{cz, a, bz}) || d.Shards[0].Replicas != 2 || d.EngineVersion != "7.1.0" || d.AutoMinorVersionUpgrade || d.Port != 6379 {
		t.Errorf("%+v", d)
	}
	_, err = b.client.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("WEB"), ReplicationGroupDescription: aws.String("d"), CacheNodeType: aws.String("cache.t3.micro")})
	wantError(t, err, "ReplicationGroupAlreadyExists", "web")
}

func TestNodeQuota(t *testing.T) {
	b := newBed(t)
	for i := range 50 {
		b.createGroup(fmt.Sprintf("g%d", i), 6)
	}
	_, err := b.client.CreateReplicationGroup(t.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("web"), ReplicationGroupDescription: aws.String("d"), CacheNodeType: aws.String("cache.t3.micro")})
	wantError(t, err, "NodeQuotaForCustomerExceeded", "300")
}

func TestReplicaCountRefusals(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	b.createGroup("web", 2)
	web, yes := aws.String("web"), aws.Bool(true)
	shard := func(id string, n int32, zones ...string) []types.ConfigureShard {
		return []types.ConfigureShard{{NodeGroupId: &id, NewReplicaCount: &n, PreferredAvailabilityZones: zones}}
	}
	type up = elasticache.IncreaseReplicaCountInput
	a, bz := testRegion+"a", testRegion+"b"
	for name, c := range map[string]struct {
		in         up
		code, part string
	}{
		"not at once":   {up{NewReplicaCount: aws.Int32(2), ApplyImmediately: aws.Bool(false)}, "InvalidParameterValue", "ApplyImmediately"},
		"nothing":       {up{ApplyImmediately: yes}, "InvalidParameterCombination", "NewReplicaCount"},
		"both":          {up{NewReplicaCount: aws.Int32(2), ReplicaConfiguration: shard("0001", 2), ApplyImmediately: yes}, "InvalidParameterCombination", "Only one"},
		"same":          {up{NewReplicaCount: aws.Int32(1), ApplyImmediately: yes}, "NoOperationFault", "no changes"},
		"fewer":         {up{NewReplicaCount: aws.Int32(0), ApplyImmediately: yes}, "InvalidParameterValue", "greater"},
		"too many":      {up{NewReplicaCount: aws.Int32(6), ApplyImmediately: yes}, "InvalidParameterValue", "at most 5"},
		"other shard":   {up{ReplicaConfiguration: shard("0002", 2), ApplyImmediately: yes}, "InvalidParameterValue", "0002"},
		"zones count":   {up{ReplicaConfiguration: shard("0001", 2, a, bz), ApplyImmediately: yes}, "InvalidParameterCombination", "PreferredAvailabilityZones"},
		"zones of ours": {up{ReplicaConfiguration: shard("0001", 2, a, a, a), ApplyImmediately: yes}, "InvalidParameterValue", "nodes that are there"},
		"zone unknown":  {up{ReplicaConfiguration: shard("0001", 2, a, bz, "mars"), ApplyImmediately: yes}, "InvalidParameterValue", "mars"},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.ReplicationGroupId = web
			_, err := b.client.IncreaseReplicaCount(ctx, &c.in)
			wantError(t, err, c.code, c.part)
		})
	}
	if _, err := b.client.IncreaseReplicaCount(ctx, &up{ReplicationGroupId: web, ReplicaConfiguration: shard("0001", 3, a, bz, a, bz), ApplyImmediately: yes}); err != nil {
		t.Fatal(err)
	}
	_, err := b.client.DecreaseReplicaCount(ctx, &elasticache.DecreaseReplicaCountInput{ReplicationGroupId: web, NewReplicaCount: aws.Int32(1), ApplyImmediately: yes})
	wantError(t, err, "InvalidReplicationGroupState", "available")
	b.converge()
	type down = elasticache.DecreaseReplicaCountInput
	for name, c := range map[string]struct {
		in         down
		code, part string
	}{
		"nothing":     {down{}, "InvalidParameterCombination", "ReplicasToRemove"},
		"more":        {down{NewReplicaCount: aws.Int32(4)}, "InvalidParameterValue", "less"},
		"same":        {down{NewReplicaCount: aws.Int32(3)}, "NoOperationFault", "3"},
		"negative":    {down{NewReplicaCount: aws.Int32(-1)}, "InvalidParameterValue", "negative"},
		"stranger":    {down{ReplicasToRemove: []string{"other-001"}}, "InvalidParameterValue", "other-001 is not a replica"},
		"twice":       {down{ReplicasToRemove: []string{"web-002", "WEB-002"}}, "InvalidParameterValue", "more than once"},
		"disagree":    {down{ReplicasToRemove: []string{"web-002"}, NewReplicaCount: aws.Int32(1)}, "InvalidParameterCombination", "ReplicasToRemove"},
		"zones":       {down{ReplicaConfiguration: shard("0001", 1, a, bz)}, "InvalidParameterCombination", "PreferredAvailabilityZones"},
		"not at once": {down{NewReplicaCount: aws.Int32(1), ApplyImmediately: aws.Bool(false)}, "InvalidParameterValue", "ApplyImmediately"},
	} {
		t.Run("decrease "+name, func(t *testing.T) {
			c.in.ReplicationGroupId = web
			if c.in.ApplyImmediately == nil {
				c.in.ApplyImmediately = yes
			}
			_, err := b.client.DecreaseReplicaCount(ctx, &c.in)
			wantError(t, err, c.code, c.part)
		})
	}
}

func TestDeletionOfWhatDoesNotGoOn(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	web := aws.String("web")
	_, err := b.client.CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: web, ReplicationGroupDescription: aws.String("d"), CacheNodeType: aws.String("cache.t3.micro")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.client.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: web})
	wantError(t, err, "InvalidReplicationGroupState", "has status creating which is not valid for deletion")
	record, err := model.EncodeAssignment(model.Assignment{Failed: "no free address", Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.writeAssignment("replicationgroup:web", record)
	if g := b.describe("web"); *g.Status != "create-failed" {
		t.Errorf("status %s", *g.Status)
	}
	if _, err = b.client.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: web}); err != nil {
		t.Error(err)
	}
}
