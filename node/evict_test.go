package node

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine"
)

func (p *peer) infoInt(name string) int64 {
	p.t.Helper()
	n, err := strconv.ParseInt(p.info(name), 10, 64)
	if err != nil {
		p.t.Fatalf("INFO's %s: %v", name, err)
	}
	return n
}

// TestHundredKilobytes: a node with 100 KiB of maxmemory takes any number of keys, and stays within it.
func TestHundredKilobytes(t *testing.T) {
	for _, policy := range engine.PolicyNames()[1:] {
		n := start(t, "--maxmemory", "100kb", "--maxmemory-policy", policy)
		p := n.dial()
		for i := range 3000 {
			p.want(fmt.Sprintf("SETEX key:%d 10000 x", i), "OK")
		}
		if used := p.infoInt("used_memory"); used > 100<<10+4096 || used < 50<<10 {
			t.Errorf("%s: %d bytes used", policy, used)
		}
		// What connections take counts too, so keys may go between two questions.
		until(t, policy+": what is not there was evicted", func() bool {
			keys, err := strconv.Atoi(p.do("DBSIZE"))
			return err == nil && keys >= 500 && int64(keys)+p.infoInt("evicted_keys") == 3000
		})
		n.stop()
	}
}

// TestLowerMaxmemory: what is over a new limit is evicted with no command's help, and the replica follows though it would not evict by itself.
func TestLowerMaxmemory(t *testing.T) {
	n := start(t, "--maxmemory-policy", "allkeys-lru", "--repl-backlog-size", "100kb")
	r := start(t, "--replicaof", "127.0.0.1 "+n.cfg.Get("port"), "--maxmemory", "1mb", "--maxmemory-policy", "allkeys-random")
	p, q := n.dial(), r.dial()
	until(t, "the replica is in sync", func() bool { return q.info("master_link_status") == "up" })
	for i := range 400 {
		p.want(fmt.Sprintf("SET key:%d %s", i, strings.Repeat("v", 10_000)), "OK")
	}
	until(t, "the replica has all", func() bool { return q.do("DBSIZE") == "400" }) // four times its own limit
	p.want("CONFIG SET maxmemory 2mb", "OK")
	until(t, "memory is within the limit", func() bool { return n.engine.EvictionStats().Keys > 0 && n.countedMemory() <= 2<<20 })
	keys := p.do("DBSIZE")
	if k, err := strconv.Atoi(keys); err != nil || k < 120 || k > 220 {
		t.Errorf("%s of 400 keys are left", keys)
	}
	until(t, "the replica has the evictions", func() bool { return q.do("DBSIZE") == keys })
	if got := q.info("evicted_keys"); got != "0" {
		t.Errorf("the replica evicted %s keys itself", got)
	}
	p.want("CONFIG RESETSTAT", "OK")
	if got := p.info("evicted_keys"); got != "0" {
		t.Errorf("evicted_keys:%s after a reset", got)
	}
}

// TestClientBuffersCount: what clients have sent and not finished counts, so keys go for it.
func TestClientBuffersCount(t *testing.T) {
	n := start(t, "--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru")
	p := n.dial()
	for i := range 20 {
		p.want(fmt.Sprintf("SET key:%d %s", i, strings.Repeat("v", 100_000)), "OK")
	}
	for range 10 {
		n.dial().send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000\r\n" + strings.Repeat("x", 300_000))
	}
	until(t, "keys are evicted", func() bool { p.do("PING"); return p.infoInt("evicted_keys") > 0 })
}

// TestInvalidationsEvictNothing: to tell many clients of evicted keys takes memory, for which no more keys go.
func TestInvalidationsEvictNothing(t *testing.T) {
	n := start(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory-eviction-tenacity", "100", "--latency-tracking", "no")
	p := n.dial()
	var trackers []*peer
	for range 10 {
		c := n.speak(3)
		c.want("CLIENT TRACKING on", "OK")
		trackers = append(trackers, c)
	}
	pad := strings.Repeat("x", 1000)
	for i := range 300 {
		p.want(fmt.Sprintf("SET %d%s x", i, pad), "OK")
		for _, c := range trackers {
			c.want(fmt.Sprintf("GET %d%s", i, pad), `"x"`)
		}
	}
	p.want(fmt.Sprintf("CONFIG SET maxmemory %d", n.countedMemory()-40_000), "OK")
	until(t, "memory is within the limit", func() bool { return p.infoInt("evicted_keys") > 0 && n.countedMemory() <= n.engine.Eviction().Limit })
	for range 100 { // and stays there
		p.want("SET another 1", "OK")
	}
	if keys := p.infoInt("evicted_keys"); keys < 10 || keys > 50 {
		t.Errorf("%d keys were evicted to make room of some thirty", keys)
	}
}

func TestEvictionParameters(t *testing.T) {
	n := start(t)
	p := n.dial()
	for name, want := range map[string]string{"maxmemory-policy": "noeviction", "maxmemory-samples": "5", "maxmemory-eviction-tenacity": "10", "lfu-log-factor": "10",
		"lfu-decay-time": "1", "lazyfree-lazy-eviction": "yes", "replica-ignore-maxmemory": "yes", "activedefrag": "no", "active-defrag-ignore-bytes": "104857600",
		"active-defrag-threshold-lower": "10", "active-defrag-threshold-upper": "100", "active-defrag-cycle-min": "1", "active-defrag-cycle-max": "25",
		"active-defrag-max-scan-fields": "1000"} {
		p.want("CONFIG GET "+name, fmt.Sprintf("[%q %q]", name, want))
	}
	p.want("CONFIG SET maxmemory 50mb maxmemory-policy VOLATILE-lfu maxmemory-samples 10 maxmemory-eviction-tenacity 50 lfu-log-factor 3 lfu-decay-time 0"+
		" lazyfree-lazy-eviction no replica-ignore-maxmemory no", "OK")
	want := engine.Eviction{Limit: 50 << 20, Policy: engine.VolatileLFU, Samples: 10, Tenacity: 50, LFULogFactor: 3, Lazy: false}
	if got := n.engine.Eviction(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := p.info("maxmemory_policy"); got != "volatile-lfu" {
		t.Errorf("maxmemory_policy:%s", got)
	}
	p.want("CONFIG SET maxmemory-samples 65", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - argument must be between 1 and 64 inclusive")
	if got := p.do("CONFIG SET maxmemory-policy some"); !strings.HasPrefix(got, "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: ") {
		t.Error(got)
	}
}

// TestActiveDefrag: most of many keys are deleted; defragmentation begins by itself, ends by itself, and nothing is lost.
func TestActiveDefrag(t *testing.T) {
	n := start(t, "--active-defrag-ignore-bytes", "1mb", "--active-defrag-threshold-lower", "20", "--active-defrag-cycle-min", "40", "--active-defrag-cycle-max", "60")
	p := n.dial()
	var all, most strings.Builder
	const keys = 40_000
	for i := range keys {
		fmt.Fprintf(&all, "SET key:%d value:%d%s\r\n", i, i, strings.Repeat(".", 100+i%100))
		if i%8 != 0 {
			fmt.Fprintf(&most, "DEL key:%d\r\n", i)
		}
	}
	p.bulk(all.String(), keys)
	p.bulk(most.String(), keys*7/8)
	before := p.infoInt("allocator_frag_bytes")
	if got := p.info("active_defrag_hits"); got != "0" || before < 1<<20 {
		t.Fatalf("off, and active_defrag_hits:%s, %d bytes are fragmentation", got, before)
	}
	p.want("CONFIG SET activedefrag yes", "OK")
	until(t, "it has run and ended", func() bool { return p.infoInt("active_defrag_hits") > 0 && p.info("active_defrag_running") == "0" })
	if after := p.infoInt("allocator_frag_bytes"); after > before/2 {
		t.Errorf("fragmentation: %d bytes before, %d after", before, after)
	}
	if hits, total := p.infoInt("active_defrag_key_hits"), p.info("total_active_defrag_time"); hits == 0 || total == "" {
		t.Errorf("%d keys were moved in %s ms", hits, total)
	}
	for i := 0; i < keys; i += 8 {
		p.want(fmt.Sprintf("GET key:%d", i), strconv.Quote(fmt.Sprintf("value:%d%s", i, strings.Repeat(".", 100+i%100))))
	}
	p.want("DBSIZE", strconv.Itoa(keys/8))
}

// bulk sends many commands at once and reads their replies, none of which may be an error.
func (p *peer) bulk(lines string, n int) {
	p.t.Helper()
	go p.nc.Write([]byte(lines)) //nolint:errcheck // the replies tell
	for range n {
		if got := p.reply(); strings.HasPrefix(got, "-") {
			p.t.Fatal(got)
		}
	}
}
