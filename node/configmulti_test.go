package node

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestConfigSetInMulti: CONFIG may stand in a transaction, what needs every shard included; and those who set it within and outside
// of transactions at once do not wait for each other for ever.
func TestConfigSetInMulti(t *testing.T) {
	n := start(t, "--io-threads", "4")
	p := n.dial()
	p.want("MULTI", "OK")
	for _, cmd := range []string{"SET k v", "CONFIG SET maxmemory-samples 7", "CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 10", "SET k w",
		"CONFIG GET maxmemory-samples", "CONFIG SET nosuch 1", "CONFIG RESETSTAT"} {
		p.want(cmd, "QUEUED")
	}
	p.want("EXEC", `[OK OK OK OK ["maxmemory-samples" "7"] -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch' OK]`)
	p.want("SET k x", "-NOREPLICAS Not enough good replicas to write.")
	p.want("CONFIG SET min-replicas-to-write 0", "OK")
	p.want("SET k x", "OK")

	var wg sync.WaitGroup
	for w := range 6 {
		c := n.dial()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 30 {
				set := fmt.Sprintf("CONFIG SET replica-serve-stale-data %s min-replicas-max-lag 10", []string{"yes", "no"}[i%2])
				if w%2 == 0 {
					c.do(set)
					continue
				}
				c.do("MULTI")
				c.do(fmt.Sprintf("SET key:%d:%d v", w, i))
				c.do(set)
				if got := c.do("EXEC"); strings.Contains(got, "-") {
					t.Errorf("EXEC: %s", got)
				}
			}
		}()
	}
	wg.Wait()
	p.want("DBSIZE", "91")
}

// TestInfoDebug: the section is shown to those who ask for it by name.
func TestInfoDebug(t *testing.T) {
	n := start(t)
	p := n.dial()
	if all := p.do("INFO everything"); strings.Contains(all, "eventloop_duration_max") {
		t.Error("INFO everything shows the debug section")
	}
	p.send(strings.Repeat("PING\r\n", 20))
	for range 20 {
		p.reply()
	}
	got := p.do("INFO debug")
	for _, field := range []string{"eventloop_duration_aof_sum:0", "eventloop_duration_cron_sum:", "eventloop_duration_max:", "eventloop_cmd_per_cycle_max:"} {
		if !strings.Contains(got, field) {
			t.Errorf("INFO debug without %s: %s", field, got)
		}
	}
	if strings.Contains(got, "eventloop_cmd_per_cycle_max:0") || strings.Contains(got, "eventloop_duration_max:0\\r") {
		t.Errorf("nothing is counted: %s", got)
	}
}

// TestOutputLimitLeavesAChunk: as in Redis, 16 KiB are never too much.
func TestOutputLimitLeavesAChunk(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		n := start(t, "--io-backend", backend)
		p, big := n.dial(), n.dial()
		p.want("SET big "+strings.Repeat("x", 100_000), "OK")
		if got := p.run("CONFIG", "SET", "client-output-buffer-limit", "normal 10 0 0"); got != "OK" {
			t.Fatal(got)
		}
		p.want("PING "+strings.Repeat("y", 8000), `"`+strings.Repeat("y", 8000)+`"`)
		big.send("GET big\r\n")
		big.closed()
		if got := p.info("client_output_buffer_limit_disconnections"); got != "1" {
			t.Errorf("%s: %s clients were cut, want 1", backend, got)
		}
	}
}
