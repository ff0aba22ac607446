package node

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/porttest"
)

// slowly begins a node that has a thousand keys to load and takes its time over each, and returns it while it loads, with what Serve
// returns at last.
func slowly(t *testing.T) (*testNode, chan error) {
	t.Helper()
	maker := start(t, "--enable-debug-command", "yes")
	p := maker.dial()
	p.do("DEBUG POPULATE 1000 key 100")
	p.want("SAVE", "OK")
	dump, err := os.ReadFile(filepath.Join(maker.dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := NewConfig()
	port := strconv.Itoa(porttest.Free(t))
	// A fifth of a second a key: the load outlasts any test, until the delay is taken away.
	if err := cfg.LoadArgs([]string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--key-load-delay", "200000", "--enable-protected-configs", "yes"}); err != nil {
		t.Fatal(err)
	}
	tn := &testNode{t: t, addr: "127.0.0.1:" + port, dir: dir, log: &logBuffer{}}
	if tn.Node, err = New(cfg, tn.log, clock.Real{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tn.Close)
	served := make(chan error, 1)
	go func() { served <- tn.Serve() }()
	until(t, "the load has begun", func() bool {
		return strings.Contains(tn.log.String(), "Loading DB in memory") && tn.progress.loaded.Load() > 0
	})
	return tn, served
}

func TestServesWhileLoading(t *testing.T) {
	n, served := slowly(t)
	p := n.dial()
	p.want("GET key:1", "-LOADING Redis is loading the dataset in memory")
	p.want("CONFIG SET dir /", "-LOADING Redis is loading the dataset in memory")
	if got := p.info("loading"); got != "1" {
		t.Errorf("loading:%s", got)
	}
	for _, field := range []string{"loading_start_time", "loading_total_bytes", "loading_loaded_bytes", "loading_eta_seconds"} {
		if v, err := strconv.ParseInt(p.info(field), 10, 64); err != nil || v <= 0 {
			t.Errorf("%s: %d, %v", field, v, err)
		}
	}
	p.want("CONFIG SET loglevel debug key-load-delay 0", "OK")
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	p.want("DBSIZE", "1000")
	if got := p.info("loading"); got != "0" {
		t.Errorf("loading:%s", got)
	}
	for _, line := range []string{"Done loading RDB, keys loaded: 1000, keys expired: 0.", "DB loaded from disk", "Ready to accept connections"} {
		if !strings.Contains(n.log.String(), line) {
			t.Errorf("no log line %q", line)
		}
	}
}

func TestShutdownWhileLoading(t *testing.T) {
	n, served := slowly(t)
	before, err := os.ReadFile(filepath.Join(n.dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	n.dial().send("SHUTDOWN SAVE\r\n")
	<-n.Done()
	n.Close()
	if err := <-served; err != nil || strings.Contains(n.log.String(), "Ready to accept") {
		t.Errorf("Serve: %v, or the node was ready", err)
	}
	if after, err := os.ReadFile(filepath.Join(n.dir, "dump.rdb")); err != nil || string(after) != string(before) {
		t.Errorf("the snapshot has changed: %v", err)
	}
}

// TestShutdownAbort: a shutdown that waits for a replica can be taken back, and writes go on.
func TestShutdownAbort(t *testing.T) {
	n := start(t, "--shutdown-timeout", "3600", "--enable-debug-command", "yes")
	p, q := n.dial(), n.dial()
	p.want("SHUTDOWN ABORT", "-ERR No shutdown in progress.")
	p.want("SHUTDOWN ABORT NOW", "-ERR syntax error")
	p.want("SHUTDOWN SAVE NOSAVE", "-ERR syntax error")
	replica := start(t, "--replicaof", "127.0.0.1 "+strings.TrimPrefix(n.addr, "127.0.0.1:"), "--enable-debug-command", "yes")
	until(t, "the replica follows", func() bool { return replica.dial().info("master_link_status") == "up" })
	// The replica sleeps, so it has not got what is written now.
	sleeper := replica.dial()
	sleeper.send("DEBUG SLEEP 3000\r\n")
	until(t, "the replica sleeps", replica.engine.Asleep)
	p.want("SET k v", "OK")
	p.send("SHUTDOWN\r\n")
	until(t, "the shutdown waits", func() bool { return n.shutdownUntil() > 0 && strings.Contains(n.log.String(), "Waiting for replicas") })
	if ms, err := strconv.Atoi(q.info("shutdown_in_milliseconds")); err != nil || ms <= 0 {
		t.Errorf("shutdown_in_milliseconds: %d, %v", ms, err)
	}
	second := n.dial()
	second.send("SHUTDOWN\r\n")
	until(t, "two wait", func() bool { return q.info("blocked_clients") == "2" })
	q.want("SHUTDOWN ABORT", "OK")
	for _, c := range []*peer{p, second} {
		if got := c.reply(); got != "-ERR Errors trying to SHUTDOWN. Check logs." {
			t.Errorf("the aborted SHUTDOWN answers %s", got)
		}
	}
	q.want("SET k w", "OK")
	p.send("SHUTDOWN NOW\r\n")
	<-n.Done()
}

// TestSignalHeldBack: DEBUG PAUSE-CRON holds a signal's shutdown back, so that it can be aborted.
func TestSignalHeldBack(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes", "--save", "900 1")
	p := n.dial()
	p.want("DEBUG PAUSE-CRON 1", "OK")
	ended := make(chan error, 1)
	go func() { ended <- n.Signalled("shutdown-on-sigterm") }()
	until(t, "the shutdown waits", func() bool { return n.shutdownUntil() > 0 })
	p.want("SHUTDOWN ABORT", "OK")
	if err := <-ended; err == nil {
		t.Error("the aborted shutdown succeeded")
	}
	if !strings.Contains(n.log.String(), "Shutdown manually aborted") {
		t.Errorf("log: %s", n.log)
	}
	p.want("DEBUG PAUSE-CRON 0", "OK")
	p.want("PING", "PONG")
}
