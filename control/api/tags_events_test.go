package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"

	"github.com/larder-cache/larder/control/model"
)

const arnPrefix = "arn:aws:elasticache:" + testRegion + ":" + testAccount + ":"

// tagged gives the tags as one line.
func (b *bed) tagged(arn string) string {
	b.t.Helper()
	out, err := b.client.ListTagsForResource(b.t.Context(), &elasticache.ListTagsForResourceInput{ResourceName: &arn})
	if err != nil {
		b.t.Fatal(err)
	}
	return tagLine(out.TagList)
}

func tagLine(list []types.Tag) string {
	var all []string
	for _, t := range list {
		all = append(all, *t.Key+"="+*t.Value)
	}
	return strings.Join(all, " ")
}

func (b *bed) addTags(arn string, pairs ...string) (string, error) {
	in := &elasticache.AddTagsToResourceInput{ResourceName: &arn}
	for _, p := range pairs {
		key, text, _ := strings.Cut(p, "=")
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: &text})
	}
	out, err := b.client.AddTagsToResource(b.t.Context(), in)
	if err != nil {
		return "", err
	}
	return tagLine(out.TagList), nil
}

func (b *bed) removeTags(arn string, keys ...string) (string, error) {
	out, err := b.client.RemoveTagsFromResource(b.t.Context(), &elasticache.RemoveTagsFromResourceInput{ResourceName: &arn, TagKeys: keys})
	if err != nil {
		return "", err
	}
	return tagLine(out.TagList), nil
}

func TestTags(t *testing.T) {
	b := newBed(t)
	b.createGroup("web", 2)
	group, member := arnPrefix+"replicationgroup:web", arnPrefix+"cluster:web-002"
	if got := must(b.addTags(group, "b=2", "a=1"))(t); got != "a=1 b=2" {
		t.Errorf("added: %s", got)
	}
	if got := b.tagged(member); got != "a=1 b=2" {
		t.Errorf("a member has its group's: %s", got)
	}
	if got := must(b.addTags(member, "own=x"))(t); got != "a=1 b=2 own=x" {
		t.Errorf("member: %s", got)
	}
	if got := must(b.removeTags(member, "a"))(t); got != "b=2 own=x" {
		t.Errorf("member: %s", got)
	}
	must(b.addTags(group, "c=3", "b=4"))(t)
	if got := must(b.removeTags(group, "a"))(t); got != "b=4 c=3" {
		t.Errorf("group: %s", got)
	}
	if got := b.tagged(member); got != "b=4 c=3 own=x" {
		t.Errorf("member after the group's: %s", got)
	}
	if g := b.describe("web"); *g.Status != "available" {
		t.Errorf("tags make the group %s", *g.Status)
	}
	_, err := b.removeTags(group, "nothing")
	wantError(t, err, "TagNotFound", "nothing")
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("k%d=v", i))
	}
	_, err = b.addTags(group, many...)
	wantError(t, err, "TagQuotaPerResourceExceeded", "50")
	_, err = b.addTags(group, many[:49]...)
	wantError(t, err, "TagQuotaPerResourceExceeded", "50") // with those that are there
	_, err = b.addTags(group, strings.Repeat("k", 129)+"=v")
	wantError(t, err, "InvalidParameterValue", "128")
	_, err = b.addTags(group, "x=1", "x=2")
	wantError(t, err, "InvalidParameterValue", "more than once")
	for arn, code := range map[string]string{
		"web": "InvalidARN", "arn:aws:s3:::bucket": "InvalidARN", arnPrefix + "thing:x": "InvalidARN",
		"arn:aws:elasticache:mars:" + testAccount + ":cluster:web-001": "InvalidARN",
		arnPrefix + "replicationgroup:nobody":                          "ReplicationGroupNotFoundFault", arnPrefix + "cluster:nobody": "CacheClusterNotFound",
		arnPrefix + "user:me": "UserNotFound", arnPrefix + "snapshot:s": "SnapshotNotFoundFault",
	} {
		_, err := b.client.ListTagsForResource(t.Context(), &elasticache.ListTagsForResourceInput{ResourceName: &arn})
		wantError(t, err, code, "")
	}
}

func TestWritesAtOnceAllCount(t *testing.T) {
	b := newBed(t)
	b.createGroup("web", 1)
	const writers = 8 // each attempt that fails is one of another that succeeded: at most 8
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() { _, errs[i] = b.addTags(arnPrefix+"replicationgroup:web", fmt.Sprintf("k%d=v", i)) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if got := len(b.desired(model.KindReplicationGroup, "web").Tags); got != writers {
		t.Errorf("%d tags", got)
	}
}

func TestEvents(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	now := b.clock.Now().UTC().Truncate(time.Millisecond)
	for i := range 45 {
		b.addEvent(model.EventNodeAdded(now.Add(-time.Duration(i)*time.Minute), "web-001", fmt.Sprintf("%04d", i), "a"), i)
	}
	b.addEvent(model.EventGroupCreated(now.Add(-50*time.Hour), "web"), 100)
	b.addEvent(model.EventGroupDeleted(now.Add(-20*24*time.Hour), "old"), 101)
	get := func(in elasticache.DescribeEventsInput) []types.Event {
		t.Helper()
		out, err := b.client.DescribeEvents(ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		return out.Events
	}
	if e := get(elasticache.DescribeEventsInput{}); len(e) != 45 || *e[0].Message != "Added cache node 0000 in availability zone a" || e[0].SourceType != "cache-cluster" ||
		*e[0].SourceIdentifier != "web-001" || !e[0].Date.Equal(now) {
		t.Errorf("the last hour, newest first: %d %+v", len(e), e[0])
	}
	if e := get(elasticache.DescribeEventsInput{Duration: aws.Int32(20160)}); len(e) != 46 {
		t.Errorf("14 days: %d", len(e))
	}
	if e := get(elasticache.DescribeEventsInput{StartTime: aws.Time(now.Add(-30 * 24 * time.Hour)), SourceType: "replication-group"}); len(e) != 1 {
		t.Errorf("groups since long ago: %d", len(e))
	}
	if e := get(elasticache.DescribeEventsInput{EndTime: aws.Time(now.Add(-10 * time.Minute)), Duration: aws.Int32(5), SourceIdentifier: aws.String("WEB-001"), SourceType: "cache-cluster"}); len(e) != 6 {
		t.Errorf("five minutes: %d", len(e))
	}
	pages, total := elasticache.NewDescribeEventsPaginator(b.client, &elasticache.DescribeEventsInput{MaxRecords: aws.Int32(20)}), 0
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		total += len(p.Events)
	}
	if total != 45 {
		t.Errorf("all pages have %d", total)
	}
	for name, in := range map[string]elasticache.DescribeEventsInput{
		"duration": {Duration: aws.Int32(20161)}, "records": {MaxRecords: aws.Int32(19)}, "marker": {Marker: aws.String("bogus")},
		"all three": {StartTime: &now, EndTime: &now, Duration: aws.Int32(1)}, "order": {StartTime: &now, EndTime: aws.Time(now.Add(-time.Hour))},
		"source": {SourceType: "cloud"},
	} {
		if _, err := b.client.DescribeEvents(ctx, &in); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantInvalid(t, err)
		}
	}
}

func wantInvalid(t *testing.T, err error) {
	t.Helper()
	if !strings.Contains(err.Error(), "InvalidParameter") {
		t.Error(err)
	}
}

func TestTestFailoverWritesItsEvent(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	b.createGroup("web", 2)
	if _, err := b.client.TestFailover(ctx, &elasticache.TestFailoverInput{ReplicationGroupId: aws.String("web"), NodeGroupId: aws.String("0001")}); err != nil {
		t.Fatal(err)
	}
	out, err := b.client.DescribeEvents(ctx, &elasticache.DescribeEventsInput{SourceIdentifier: aws.String("web"), SourceType: "replication-group"})
	if err != nil || len(out.Events) != 1 || *out.Events[0].Message != "Test Failover API called for node group 0001" {
		t.Errorf("%v %+v", err, out)
	}
}

func TestEngineVersions(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	get := func(in elasticache.DescribeCacheEngineVersionsInput) string {
		t.Helper()
		out, err := b.client.DescribeCacheEngineVersions(ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, v := range out.CacheEngineVersions {
			all = append(all, *v.Engine+" "+*v.EngineVersion+" "+*v.CacheParameterGroupFamily)
		}
		return strings.Join(all, ", ")
	}
	type in = elasticache.DescribeCacheEngineVersionsInput
	for _, c := range []struct {
		in   in
		want string
	}{
		{in{Engine: aws.String("valkey")}, "valkey 7.2 valkey7, valkey 8.0 valkey8, valkey 8.1 valkey8"},
		{in{DefaultOnly: aws.Bool(true)}, "redis 7.1 redis7, valkey 8.1 valkey8"},
		{in{CacheParameterGroupFamily: aws.String("redis5.0"), DefaultOnly: aws.Bool(true)}, "redis 5.0.6 redis5.0"},
		{in{EngineVersion: aws.String("7.0")}, "redis 7.0 redis7"},
		{in{Engine: aws.String("memcached")}, ""},
	} {
		if got := get(c.in); got != c.want {
			t.Errorf("%+v: %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestPagesOfGroups(t *testing.T) {
	b, ctx := newBed(t), t.Context()
	for i := range 45 {
		b.createGroup(fmt.Sprintf("g%02d", i), 1)
	}
	pages := elasticache.NewDescribeReplicationGroupsPaginator(b.client, &elasticache.DescribeReplicationGroupsInput{MaxRecords: aws.Int32(20)})
	var ids []string
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range p.ReplicationGroups {
			ids = append(ids, *g.ReplicationGroupId)
		}
		if len(ids) == 20 { // what goes meanwhile makes nothing appear twice or be left out
			if _, err := b.client.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: aws.String("g19")}); err != nil {
				t.Fatal(err)
			}
			b.converge()
		}
	}
	if len(ids) != 45 || ids[44] != "g44" || ids[20] != "g20" {
		t.Errorf("%q", ids)
	}
}
