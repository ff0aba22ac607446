// Package aws drives larder as its users do: the AWS CLI and boto3 as they are, redis-cli and go-redis as clients of the cache.
package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/larder-cache/larder/test/harness"
)

// forBoth runs a test with larder's own nodes and with redis-server's.
func forBoth(t *testing.T, test func(t *testing.T, o harness.Options)) {
	t.Run("native", func(t *testing.T) { test(t, harness.Options{}) })
	t.Run("redis-server", func(t *testing.T) { test(t, harness.Options{Redis: harness.RedisServer(t)}) })
}

// group is what the CLI shows of a replication group, as far as the test looks.
type group struct {
	Status                     string
	MemberClusters             []string
	AutomaticFailover, MultiAZ string
	NodeGroups                 []struct {
		PrimaryEndpoint, ReaderEndpoint struct {
			Address string
			Port    int
		}
		NodeGroupMembers []struct{ CacheClusterId, CurrentRole, PreferredAvailabilityZone string }
	}
}

// cli runs the AWS CLI through `larder aws`.
func cli(t *testing.T, l *harness.Larder, out any, args ...string) {
	t.Helper()
	text := l.MustRun(append([]string{"aws", "elasticache"}, append(args, "--output", "json")...)...)
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("aws %s printed %q: %v", args[0], text, err)
	}
}

func describe(t *testing.T, l *harness.Larder, id string) group {
	t.Helper()
	var out struct{ ReplicationGroups []group }
	cli(t, l, &out, "describe-replication-groups", "--replication-group-id", id)
	if len(out.ReplicationGroups) != 1 {
		t.Fatalf("%d groups of the name %s", len(out.ReplicationGroups), id)
	}
	return out.ReplicationGroups[0]
}

// waitAvailable uses the CLI's own waiter.
func waitAvailable(t *testing.T, l *harness.Larder, id string) {
	t.Helper()
	l.MustRun("aws", "elasticache", "wait", "replication-group-available", "--replication-group-id", id)
}

// TestReplicationGroup is the main job: create, use, tag, grow, fail over, shrink, delete, with clients writing throughout.
func TestReplicationGroup(t *testing.T) {
	forBoth(t, func(t *testing.T, o harness.Options) {
		l := harness.Start(t, o)
		const id = "orders"
		var created struct{ ReplicationGroup group }
		cli(t, l, &created, "create-replication-group", "--replication-group-id", id, "--replication-group-description", "orders of the shop",
			"--engine", "redis", "--cache-node-type", "cache.t3.micro", "--num-cache-clusters", "3", "--automatic-failover-enabled", "--multi-az-enabled",
			"--tags", "Key=team,Value=shop")
		if created.ReplicationGroup.Status != "creating" {
			t.Errorf("born %q", created.ReplicationGroup.Status)
		}
		waitAvailable(t, l, id)
		g := describe(t, l, id)
		if len(g.MemberClusters) != 3 || g.AutomaticFailover != "enabled" || g.MultiAZ != "enabled" {
			t.Fatalf("available as %+v", g)
		}
		zones := map[string]bool{}
		for _, m := range g.NodeGroups[0].NodeGroupMembers {
			zones[m.PreferredAvailabilityZone] = true
		}
		if len(zones) != 3 {
			t.Errorf("three nodes in %d zones", len(zones))
		}
		traffic := writeForever(t, g)
		defer traffic.stop()
		redisCLI(t, g)
		checkTags(t, l, id)
		checkReplicas(t, l, id, g)
		checkFailover(t, l, id)
		decrease(t, l, id)
		traffic.check()
		cli(t, l, nil, "delete-replication-group", "--replication-group-id", id)
		traffic.stop()
		l.MustRun("aws", "elasticache", "wait", "replication-group-deleted", "--replication-group-id", id)
		if pids := harness.NodePIDs(t, l.Data); len(pids) != 0 {
			t.Errorf("processes %v are left of a deleted group", pids)
		}
	})
}

func primaryAddr(g group) string {
	e := g.NodeGroups[0].PrimaryEndpoint
	return fmt.Sprintf("%s:%d", e.Address, e.Port)
}

// traffic is a go-redis client that writes without pause and remembers how many writes were acknowledged.
type traffic struct {
	t      *testing.T
	client *redis.Client
	cancel context.CancelFunc
	done   chan struct{}
	acked  atomic.Int64
}

func writeForever(t *testing.T, g group) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{t: t, cancel: cancel, done: make(chan struct{}), client: redis.NewClient(&redis.Options{Addr: primaryAddr(g), MaxRetries: -1})}
	go func() {
		defer close(tr.done)
		for i := 0; ctx.Err() == nil; i++ {
			if tr.client.Set(ctx, fmt.Sprintf("traffic:%d", i%1000), i, 0).Err() == nil {
				tr.acked.Add(1)
			}
		}
	}()
	return tr
}

func (tr *traffic) stop() { tr.cancel(); <-tr.done; tr.client.Close() }

// check waits until writes go through now.
func (tr *traffic) check() {
	tr.t.Helper()
	before := tr.acked.Load()
	harness.WaitFor(tr.t, "writes are acknowledged", func() bool { return tr.acked.Load() > before })
}

func redisCLI(t *testing.T, g group) {
	t.Helper()
	e := g.NodeGroups[0].PrimaryEndpoint
	for _, want := range [][2]string{{"set greeting hello", "OK"}, {"get greeting", "hello"}, {"incr counter", "1"}} {
		args := append([]string{"redis-cli", "-h", e.Address, "-p", fmt.Sprint(e.Port)}, strings.Fields(want[0])...)
		if out, errs, code := harness.Command(t, nil, args...); strings.TrimSpace(out) != want[1] || code != 0 {
			t.Errorf("%s: %q %q", want[0], out, errs)
		}
	}
	r := g.NodeGroups[0].ReaderEndpoint
	harness.WaitFor(t, "the reader endpoint has what was written", func() bool {
		out, _, _ := harness.Command(t, nil, "redis-cli", "-h", r.Address, "-p", fmt.Sprint(r.Port), "get", "greeting")
		return strings.TrimSpace(out) == "hello"
	})
	if out, _, _ := harness.Command(t, nil, "redis-cli", "-h", r.Address, "-p", fmt.Sprint(r.Port), "set", "greeting", "x"); !strings.HasPrefix(out, "READONLY") {
		t.Errorf("a write to the reader endpoint answered %q", out)
	}
}

func checkTags(t *testing.T, l *harness.Larder, id string) {
	t.Helper()
	arn := "arn:aws:elasticache:us-east-1:" + l.Status().Info.Account + ":replicationgroup:" + id
	type tags struct{ TagList []struct{ Key, Value string } }
	var out tags
	cli(t, l, nil, "add-tags-to-resource", "--resource-name", arn, "--tags", "Key=env,Value=test")
	cli(t, l, &out, "list-tags-for-resource", "--resource-name", arn)
	if len(out.TagList) != 2 {
		t.Errorf("tags %v", out.TagList)
	}
	cli(t, l, nil, "remove-tags-from-resource", "--resource-name", arn, "--tag-keys", "team")
	out = tags{}
	cli(t, l, &out, "list-tags-for-resource", "--resource-name", arn)
	if len(out.TagList) != 1 || out.TagList[0].Key != "env" {
		t.Errorf("tags %v", out.TagList)
	}
}

func checkReplicas(t *testing.T, l *harness.Larder, id string, before group) {
	t.Helper()
	cli(t, l, nil, "increase-replica-count", "--replication-group-id", id, "--new-replica-count", "3", "--apply-immediately")
	waitAvailable(t, l, id)
	after := describe(t, l, id)
	if len(after.MemberClusters) != 4 || primaryAddr(after) != primaryAddr(before) {
		t.Fatalf("after the increase: %+v", after)
	}
}

func checkFailover(t *testing.T, l *harness.Larder, id string) {
	t.Helper()
	before := roles(describe(t, l, id))
	cli(t, l, nil, "test-failover", "--replication-group-id", id, "--node-group-id", "0001")
	waitAvailable(t, l, id)
	after := roles(describe(t, l, id))
	if after["primary"] == before["primary"] || after["primary"] == "" {
		t.Errorf("primary %q before and %q after the failover", before["primary"], after["primary"])
	}
	var out struct{ Events []struct{ Message string } }
	cli(t, l, &out, "describe-events", "--duration", "60")
	want := fmt.Sprintf("Failover from primary node %s to replica node %s completed", before["primary"], after["primary"])
	found := false
	for _, e := range out.Events {
		found = found || e.Message == want
	}
	if !found {
		t.Errorf("no event says %q: %v", want, out.Events)
	}
}

// roles maps "primary" to the primary's cluster.
func roles(g group) map[string]string {
	out := map[string]string{}
	for _, m := range g.NodeGroups[0].NodeGroupMembers {
		out[m.CurrentRole] = m.CacheClusterId
	}
	return out
}

func decrease(t *testing.T, l *harness.Larder, id string) {
	t.Helper()
	cli(t, l, nil, "decrease-replica-count", "--replication-group-id", id, "--new-replica-count", "1", "--apply-immediately")
	waitAvailable(t, l, id)
	if g := describe(t, l, id); len(g.MemberClusters) != 2 {
		t.Fatalf("after the decrease: %+v", g)
	}
}

// TestBoto3 is the same by boto3, shorter, and its errors are boto3's typed ones.
func TestBoto3(t *testing.T) {
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	l := harness.Start(t, harness.Options{})
	var env []string
	for k, v := range l.Env() {
		env = append(env, k+"="+v)
	}
	out, errs, code := harness.Command(t, env, python, "testdata/group.py", l.Endpoint())
	if code != 0 || !strings.HasSuffix(strings.TrimSpace(out), "done") {
		t.Fatalf("group.py: %s\n%s", out, errs)
	}
}

// TestSurvivesItself: larder is killed, the caches go on, and the next start has them as they were.
func TestSurvivesItself(t *testing.T) {
	forBoth(t, func(t *testing.T, o harness.Options) {
		l := harness.Start(t, o)
		cli(t, l, nil, "create-replication-group", "--replication-group-id", "web", "--replication-group-description", "d",
			"--cache-node-type", "cache.t3.micro", "--num-cache-clusters", "2", "--automatic-failover-enabled")
		cache := l.WaitAvailable("web")
		client := redis.NewClient(&redis.Options{Addr: cache.Primary.String()})
		defer client.Close()
		ctx := harness.Context(t)
		if err := client.Set(ctx, "kept", "yes", 0).Err(); err != nil {
			t.Fatal(err)
		}
		l.Kill()
		if v, err := client.Get(ctx, "kept").Result(); v != "yes" {
			t.Fatalf("while larder is dead: %q, %v", v, err)
		}
		second := l.Again()
		after := second.WaitAvailable("web")
		for i := range after.Nodes {
			if after.Nodes[i].PID != cache.Nodes[i].PID {
				t.Errorf("%s was restarted: pid %d, then %d", after.Nodes[i].ID, cache.Nodes[i].PID, after.Nodes[i].PID)
			}
		}
		second.Stop()
		if _, err := client.Get(ctx, "kept").Result(); err == nil {
			t.Error("the cache answers after larder was stopped in order")
		}
		third := second.Again()
		back := third.WaitAvailable("web")
		if back.Primary != cache.Primary {
			t.Errorf("endpoint %v, then %v", cache.Primary, back.Primary)
		}
		harness.WaitFor(t, "the data is back", func() bool {
			v, err := client.Get(ctx, "kept").Result()
			return err == nil && v == "yes"
		})
	})
}

// TestPrimaryKilled: the client of a killed primary goes on at the same address.
func TestPrimaryKilled(t *testing.T) {
	forBoth(t, func(t *testing.T, o harness.Options) {
		l := harness.Start(t, o)
		cli(t, l, nil, "create-replication-group", "--replication-group-id", "web", "--replication-group-description", "d",
			"--cache-node-type", "cache.t3.micro", "--num-cache-clusters", "3", "--automatic-failover-enabled")
		cache := l.WaitAvailable("web")
		g := describe(t, l, "web")
		tr := writeForever(t, g)
		defer tr.stop()
		tr.check()
		for _, n := range cache.Nodes {
			if n.Role == "primary" {
				kill(t, n.PID)
			}
		}
		tr.check()
		l.WaitAvailable("web")
		// One that was under way when the primary died may still fail, as may one on a connection that the pool takes for good.
		harness.WaitFor(t, "a write after it", func() bool { return tr.client.Set(harness.Context(t), "after", 1, 0).Err() == nil })
	})
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPorts: with one address for everything, each endpoint has a port, and keeps it when its primary dies.
func TestPorts(t *testing.T) {
	l := harness.Start(t, harness.Options{Args: []string{"--addresses", "ports", "--ports", "28610-28650"}})
	cli(t, l, nil, "create-replication-group", "--replication-group-id", "web", "--replication-group-description", "d",
		"--cache-node-type", "cache.t3.micro", "--num-cache-clusters", "3", "--automatic-failover-enabled")
	cache := l.WaitAvailable("web")
	seen := map[uint16]bool{}
	for _, n := range cache.Nodes {
		seen[n.Address.Port()] = true
	}
	if seen[cache.Primary.Port()] = true; len(seen) != 4 || cache.Primary.Addr().String() != "127.0.0.1" {
		t.Fatalf("endpoints %+v", cache)
	}
	tr := writeForever(t, describe(t, l, "web"))
	defer tr.stop()
	tr.check()
	for _, n := range cache.Nodes {
		if n.Role == "primary" {
			kill(t, n.PID)
		}
	}
	tr.check()
	if after := l.WaitAvailable("web"); after.Primary != cache.Primary {
		t.Errorf("primary endpoint %v, then %v", cache.Primary, after.Primary)
	}
}
