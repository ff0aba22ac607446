package node

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

func TestMonitorOverSockets(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend)
			m, ctl := n.dial(), n.dial()
			m.want("MONITOR", "OK")
			const writers, rounds = 4, 50
			var wg sync.WaitGroup
			for w := range writers {
				p := n.dial()
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := range rounds {
						p.do(fmt.Sprintf("APPEND k %d-%d;", w, i))
					}
				}()
			}
			wg.Wait()
			ctl.want("ECHO over", `"over"`)
			var got strings.Builder
			for line := m.reply(); !strings.Contains(line, `"ECHO" "over"`); line = m.reply() {
				if _, word, ok := strings.Cut(line, `"APPEND" "k" "`); ok {
					got.WriteString(strings.TrimSuffix(word, `"`))
				}
			}
			if want := ctl.do("GET k"); strconv.Quote(got.String()) != want {
				t.Error("the monitor saw another order than the one of the value")
			}
			m.send("RESET\r\n")
			for m.reply() != "RESET" {
			}
			m.want("GET nosuch", "nil")
		})
	}
}

// TestMonitorThatDoesNotRead is cut by the output limit, and holds nobody up.
func TestMonitorThatDoesNotRead(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend, "--client-output-buffer-limit", "normal 1mb 0 0")
			m, p := n.dial(), n.dial()
			m.want("MONITOR", "OK")
			big := strings.Repeat("x", 256<<10)
			// It may have limits.MaxFeedBytes before it, and what the kernel takes.
			for sent := 0; p.info("connected_clients") != "1"; sent += len(big) {
				if sent > 4*limits.MaxFeedBytes {
					t.Fatal("the monitor is still there")
				}
				p.run("SET", "k", big)
			}
			if got := p.info("client_output_buffer_limit_disconnections"); backend == "auto" && got != "1" {
				t.Errorf("%s disconnections are counted", got)
			}
		})
	}
}

func TestClientEvictionOverSockets(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend, "--maxmemory-clients", "1mb")
			p, greedy, spared := n.dial(), n.dial(), n.dial()
			p.want("CONFIG GET maxmemory-clients", `["maxmemory-clients" "1048576"]`)
			p.want("CLIENT NO-EVICT on", "OK")
			spared.want("CLIENT NO-EVICT on", "OK")
			spared.send("*2\r\n$3\r\nGET\r\n$300000\r\n" + strings.Repeat("x", 200_000))
			greedy.want("SET k v", "OK")
			greedy.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n" + strings.Repeat("x", 2_000_000) + "\r\n")
			greedy.closed()
			p.want("GET k", `"v"`)
			if got := p.info("evicted_clients"); got != "1" {
				t.Errorf("evicted_clients: %s", got)
			}
			spared.send(strings.Repeat("x", 100_000) + "\r\n")
			if got := spared.reply(); got != "nil" {
				t.Errorf("who was spared got %s", got)
			}
			if !strings.Contains(n.log.String(), "Evicting client: id=") {
				t.Error("nothing in the log")
			}
		})
	}
}

func TestObserveSettings(t *testing.T) {
	n := start(t)
	p := n.dial()
	for _, st := range []struct{ set, reply, get string }{
		{"maxmemory-clients 7%", "OK", "7%"}, {"maxmemory-clients 1gb", "OK", "1073741824"},
		{"maxmemory-clients 101%", "percentage argument must be less or equal to 100", ""}, {"maxmemory-clients x", "argument must be a memory or percent value", ""},
		{"slowlog-max-len 5", "OK", "5"}, {"commandlog-slow-execution-max-len 6", "OK", "6"}, {"slowlog-log-slower-than -1", "OK", "-1"},
		{"latency-tracking no", "OK", "no"}, {"latency-monitor-threshold 100", "OK", "100"},
	} {
		name, _, _ := strings.Cut(st.set, " ")
		if st.get == "" {
			st.reply = "-ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + st.reply
		}
		p.want("CONFIG SET "+st.set, st.reply)
		if st.get != "" {
			p.want("CONFIG GET "+name, fmt.Sprintf("[%q %q]", name, st.get))
		}
	}
	const percentiles = "latency-tracking-info-percentiles"
	for value, want := range map[string]string{"0.0 50.0 100.0": "OK", "": "OK", "10 x": "- Invalid " + percentiles + " parameters",
		"101": "- " + percentiles + " parameters should sit between [0.0,100.0]"} {
		if got := p.run("CONFIG", "SET", percentiles, value); !strings.HasSuffix(got, want) {
			t.Errorf("percentiles %q: %s", value, got)
		}
	}
	p.run("CONFIG", "SET", percentiles, "0.0 50.5 100.0", "latency-tracking", "yes")
	p.want("CONFIG GET "+percentiles, `["`+percentiles+`" "0 50.5 100"]`)
	p.want("SET k v", "OK")
	if got := p.info("latency_percentiles_usec_set"); !strings.HasPrefix(got, "p0=") || !strings.Contains(got, ",p50.5=") || !strings.Contains(got, ",p100=") {
		t.Errorf("latencystats: %q", got)
	}
}

func TestSecretsInTheSlowlog(t *testing.T) {
	n := start(t, "--slowlog-log-slower-than", "0")
	p := n.dial()
	p.want("CONFIG SET maxclients 100 masterauth hush", "OK")
	p.want("CONFIG SET nosuch 1 requirepass hush", "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'")
	got := p.do("SLOWLOG GET")
	for _, want := range []string{`["CONFIG" "SET" "maxclients" "100" "masterauth" "(redacted)"]`, `["CONFIG" "SET" "nosuch" "1" "requirepass" "(redacted)"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if addr := p.nc.LocalAddr().String(); !strings.Contains(got, addr) {
		t.Errorf("no address %s in %s", addr, got)
	}
}

func TestQueryBufferLimitIsOfCompleteCommandsToo(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend, "--client-query-buffer-limit", "1mb")
			p, big := n.dial(), n.dial()
			big.send(string(resp.AppendCommandStrings(nil, "SET", "k", strings.Repeat("x", 1<<20))))
			big.closed()
			p.want("EXISTS k", "0")
			if got := p.info("client_query_buffer_limit_disconnections"); got != "1" {
				t.Errorf("%s disconnections are counted", got)
			}
		})
	}
}

// TestResetStat zeroes what Redis zeroes, and no more.
func TestResetStat(t *testing.T) {
	n := start(t, "--slowlog-log-slower-than", "0")
	p := n.dial()
	p.do("SET k v")
	p.do("GET k")
	p.do("GET nosuch")
	p.do("NOSUCH")
	p.do("AUTH x y")
	p.do("CONFIG RESETSTAT")
	for name, want := range map[string]string{"total_connections_received": "0", "keyspace_hits": "0", "keyspace_misses": "0", "total_error_replies": "0", "errorstat_ERR": "",
		"cmdstat_set": "", "evicted_clients": "0", "latency_percentiles_usec_set": "", "sync_full": "0", "total_net_repl_input_bytes": "0",
		// The last is what Redis leaves: resetting it would hide an attack.
		"acl_access_denied_auth": "1"} {
		if got := p.info(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := p.do("SLOWLOG LEN"); got == "0" {
		t.Error("the slow log is empty")
	}
	if got := p.info("used_memory_peak"); got == "0" {
		t.Error("the peak is gone")
	}
}

func TestRates(t *testing.T) {
	var r rates
	now := int64(1e9)
	if !r.due(now) {
		t.Error("no first sample")
	}
	var v [numRates]int64
	r.sample(now, v)
	if r.due(now + int64(rateEvery) - 1) {
		t.Error("sampled too often")
	}
	for range rateSamples {
		now += int64(rateEvery)
		v[rateOps] += 50
		v[rateIn] += 1024
		v[rateCycles] += 4
		v[rateCycleTime] += 4 * 3000
		r.sample(now, v)
	}
	got := r.read()
	if got[rateOps] != 500 || got[rateIn] != 10240 || got[rateCycles] != 40 || got[rateCycleTime] != 3000 || got[rateReplIn] != 0 {
		t.Errorf("rates %v", got)
	}
	r.sample(now+int64(rateEvery), [numRates]int64{}) // the counters were reset
	if got := r.read(); got[rateOps] != 500*(rateSamples-1)/rateSamples {
		t.Errorf("after a reset of the counters: %v", got)
	}
}

// TestCronTimeIsCounted: every tick of the node's clockwork counts as its time, not only those that take a sample of rates.
func TestCronTimeIsCounted(t *testing.T) {
	n := start(t)
	sample := func() (next int) {
		n.rates.mu.Lock()
		defer n.rates.mu.Unlock()
		return n.rates.next
	}
	last, at, grown := n.engine.Counters().CronNanos, sample(), 0
	until(t, "its time grows twice between two samples", func() bool {
		now, next := n.engine.Counters().CronNanos, sample()
		switch {
		case next != at:
			at, grown = next, 0
		case now > last:
			grown++
		}
		last = now
		return grown == 2
	})
}
