package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"

	"github.com/larder-cache/larder/control/server/local"
	"github.com/larder-cache/larder/test/harness"
)

var (
	kills   = flag.Int("kills", 300, "how often the primary of native nodes is killed")
	foreign = flag.Int("foreign-kills", 50, "how often a primary that is a redis-server is killed")
	stops   = flag.Int("stops", 50, "how often the primary is stopped by a signal")
	creates = flag.Int("creates", 20, "how often a group of three nodes is created")
	outFile = flag.String("out", "", "file to add the figures to, as lines of a table; empty: only the test's log")
)

// TestKillPrimary kills the primary under load: an outage has a length, acknowledged writes may be lost (replication is
// asynchronous), and the group is whole again afterwards.
func TestKillPrimary(t *testing.T) {
	t.Run("native", func(t *testing.T) { outages(t, harness.Options{}, "kill -9, larder-server", *kills, syscall.SIGKILL) })
	t.Run("redis-server", func(t *testing.T) {
		outages(t, harness.Options{Redis: harness.RedisServer(t)}, "kill -9, redis-server", *foreign, syscall.SIGKILL)
	})
}

// TestStopPrimary stops the primary under load: it is alive, and does not answer.
func TestStopPrimary(t *testing.T) {
	outages(t, harness.Options{}, "SIGSTOP, larder-server", *stops, syscall.SIGSTOP)
}

func outages(t *testing.T, o harness.Options, name string, times int, sig syscall.Signal) {
	l := harness.Start(t, o)
	create(t, l, "web", 3)
	cache := whole(t, l, "web", 3)
	var took []time.Duration
	lost, acked := 0, 0
	for i := range times {
		w := startWriter(cache.Primary.String(), fmt.Sprintf("r%d", i), 4)
		harness.WaitFor(t, "writes before the fault", func() bool { return w.count() > 200 })
		pid := primary(t, cache).PID
		_, recovered := w.mark()
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
		select {
		case <-recovered:
		case <-time.After(harness.Patience):
			t.Fatalf("round %d: no write was acknowledged after the fault", i)
		}
		took = append(took, w.outage())
		cache = whole(t, l, "web", 3)
		keys := w.halt()
		n, err := missing(cache.Primary.String(), keys)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		lost, acked = lost+n, acked+len(keys)
		// Each round begins empty, so that the rounds are alike and none comes near maxmemory.
		if err := command(cache.Primary.String(), "FLUSHALL"); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	report(t, name, took, fmt.Sprintf("%d of %d acknowledged writes lost", lost, acked))
}

// TestCreate measures from the request to a group that clients can use.
func TestCreate(t *testing.T) {
	l := harness.Start(t, harness.Options{})
	var took []time.Duration
	for i := range *creates {
		id := fmt.Sprintf("g%d", i)
		begin := time.Now()
		create(t, l, id, 3)
		available(t, l, id)
		took = append(took, time.Since(begin))
		if _, err := l.Client().DeleteReplicationGroup(t.Context(), &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: &id}); err != nil {
			t.Fatal(err)
		}
	}
	report(t, "create 1+2 to available", took, "")
}

func create(t *testing.T, l *harness.Larder, id string, nodes int32) {
	t.Helper()
	_, err := l.Client().CreateReplicationGroup(t.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: &id, ReplicationGroupDescription: aws.String("faults"), Engine: aws.String("redis"), CacheNodeType: aws.String("cache.t3.micro"),
		NumCacheClusters: &nodes, AutomaticFailoverEnabled: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
}

// available asks the API, as a user would, until the group is available.
func available(t *testing.T, l *harness.Larder, id string) {
	t.Helper()
	client, ctx := l.Client(), context.Background()
	harness.WaitFor(t, id+" available", func() bool {
		out, err := client.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
		return err == nil && *out.ReplicationGroups[0].Status == "available"
	})
}

// whole waits until one primary and all replicas are up and linked.
func whole(t *testing.T, l *harness.Larder, id string, nodes int) local.Cache {
	t.Helper()
	return l.WaitCache(id, "whole", func(c local.Cache) bool {
		primaries, linked := 0, 0
		for _, n := range c.Nodes {
			if n.Process != "up" {
				return false
			}
			if n.Role == "primary" {
				primaries++
			} else if n.LinkUp {
				linked++
			}
		}
		return c.Status == "available" && primaries == 1 && linked == nodes-1
	})
}

func primary(t *testing.T, c local.Cache) local.Node {
	t.Helper()
	for _, n := range c.Nodes {
		if n.Role == "primary" {
			return n
		}
	}
	t.Fatal("no primary")
	return local.Node{}
}

// report logs the figures, and adds them to the file.
func report(t *testing.T, name string, took []time.Duration, more string) {
	t.Helper()
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	at := func(q float64) time.Duration {
		return took[min(len(took)-1, int(q*float64(len(took))))].Round(100 * time.Microsecond)
	}
	line := fmt.Sprintf("| %s | %d | %v | %v | %v | %s |\n", name, len(took), at(0.5), at(0.99), took[len(took)-1].Round(100*time.Microsecond), more)
	t.Log(strings.TrimSpace(line))
	if *outFile == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(*outFile), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(*outFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
}
