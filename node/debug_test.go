package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDigest compares the fingerprints of the same data with a real server's.
func TestDigest(t *testing.T) {
	real := startRedis(t, "--enable-debug-command", "yes")
	n := start(t, "--enable-debug-command", "yes")
	a, b := n.dial(), dial(t, "tcp", real.addr)
	for _, cmd := range []string{"SET k v", "SET n 12345", "SET e x EX 1000", "APPEND k abc", "SELECT 3", "SET k other", "SELECT 0", "DEBUG POPULATE 50 p 20"} {
		if x, y := a.do(cmd), b.do(cmd); x != y {
			t.Fatalf("%s: %s, redis %s", cmd, x, y)
		}
	}
	for _, cmd := range []string{"DEBUG DIGEST", "DEBUG DIGEST-VALUE k n e gone", "DEBUG STRINGMATCH-LEN 1000 a*b"} {
		if x, y := a.do(cmd), b.do(cmd); x != y && !strings.HasPrefix(y, "-") {
			t.Errorf("%s: %s, redis %s", cmd, x, y)
		}
	}
	for _, kind := range strings.Fields("string integer double bignum null array set map attrib push verbatim true false nonsense") {
		for _, hello := range []string{"HELLO 2", "HELLO 3"} {
			a.do(hello)
			b.do(hello)
			x, y := a.do("DEBUG PROTOCOL "+kind), b.do("DEBUG PROTOCOL "+kind)
			if x != y {
				t.Errorf("%s, DEBUG PROTOCOL %s: %s, redis %s", hello, kind, x, y)
			}
			if kind == "push" && hello == "HELLO 3" {
				if x, y := a.reply(), b.reply(); x != y {
					t.Errorf("behind the push: %s, redis %s", x, y)
				}
			}
		}
	}
}

func TestReload(t *testing.T) {
	n := start(t, "--enable-debug-command", "local")
	p := n.dial()
	p.do("DEBUG POPULATE 1000 key 50")
	p.want("SET v x EX 5000", "OK")
	before := p.do("DEBUG DIGEST")
	p.want("DEBUG RELOAD", "OK")
	if after := p.do("DEBUG DIGEST"); after != before {
		t.Errorf("the digest was %s and is %s", before, after)
	}
	p.want("SET more x", "OK")
	p.want("DEBUG RELOAD NOSAVE", "OK")
	if after := p.do("DEBUG DIGEST"); after != before {
		t.Errorf("after NOSAVE the digest is %s, want %s", after, before)
	}
	p.want("SET more x", "OK")
	p.want("DEBUG RELOAD NOSAVE NOFLUSH", "-ERR Error trying to load the RDB dump, check server logs.")
	p.want("DEBUG RELOAD NOSAVE NOFLUSH MERGE", "OK")
	p.want("DBSIZE", "1002")
	p.want("DEBUG RELOAD LATER", "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
	if err := os.Remove(filepath.Join(n.dir, "dump.rdb")); err != nil {
		t.Fatal(err)
	}
	p.want("DEBUG RELOAD NOSAVE", "-ERR Error trying to load the RDB dump, check server logs.")
}

// TestSleepStopsAll: while DEBUG SLEEP lasts nobody is answered, not by another loop either.
func TestSleepStopsAll(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes", "--io-threads", "4")
	sleeper := n.dial()
	var others []*peer
	for range 6 {
		o := n.dial()
		o.want("PING", "PONG")
		others = append(others, o)
	}
	sleeper.send("DEBUG SLEEP 0.3\r\n")
	until(t, "it sleeps", n.engine.Asleep)
	for i, o := range others {
		o.send([]string{"PING\r\n", "SET k v\r\n", "GET k\r\n"}[i%3])
	}
	// Whoever is answered comes after the end of the sleep.
	for _, o := range others {
		o.reply()
		if n.engine.Asleep() {
			t.Fatal("a command was answered during the sleep")
		}
	}
	if got := sleeper.reply(); got != "OK" {
		t.Errorf("DEBUG SLEEP: %s", got)
	}
	sleeper.want("MULTI", "OK")
	sleeper.do("SET k v")
	sleeper.do("DEBUG SLEEP 0.001")
	if got := sleeper.do("EXEC"); !strings.Contains(got, "OK") {
		t.Errorf("EXEC: %s", got)
	}
}

func TestDebugMisc(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes")
	p := n.dial()
	p.want("DEBUG NONSENSE", "-ERR unknown subcommand or wrong number of arguments for 'NONSENSE'. Try DEBUG HELP.")
	p.want("DEBUG LOG hello", "OK")
	if !strings.Contains(n.log.String(), "DEBUG LOG: hello") {
		t.Errorf("log: %s", n.log)
	}
	p.want("DEBUG ERROR MYCODE", "-MYCODE")
	p.want("SET k 12", "OK")
	if got := p.do("DEBUG OBJECT k"); !strings.Contains(got, "refcount:1 encoding:int serializedlength:2 lru:") {
		t.Error(got)
	}
	p.want("DEBUG OBJECT gone", "-ERR no such key")
	p.want("CONFIG SET list-max-listpack-size 2 list-compress-depth 1", "OK")
	p.want("RPUSH l 1 2 3", "3")
	if got := p.do("DEBUG OBJECT l"); !strings.Contains(got, " encoding:quicklist ") || !strings.HasSuffix(got, " ql_nodes:2 ql_avg_node:1.50 ql_listpack_max:2 ql_compressed:1") {
		t.Error(got)
	}
	p.want("DEL l", "1")
	p.want("CONFIG SET list-max-listpack-size -2 list-compress-depth 0", "OK")
	before := p.info("master_replid")
	p.want("DEBUG CHANGE-REPL-ID", "OK")
	if after := p.info("master_replid"); after == before {
		t.Error("the replication id is the same")
	}
	p.want("DEBUG SET-ACTIVE-EXPIRE 0", "OK")
	p.want("DEBUG HTSTATS 99", "-ERR Out of range database")
	for _, cmd := range []string{"DEBUG HELP", "MEMORY HELP", "CONFIG HELP", "MEMORY STATS", "MEMORY DOCTOR", "MEMORY MALLOC-STATS", "MEMORY PURGE", "LOLWUT", "LOLWUT VERSION 5 40 2 3", "DEBUG STRUCTSIZE", "DEBUG HTSTATS 0"} {
		if got := p.do(cmd); strings.HasPrefix(got, "-") || len(got) < 2 {
			t.Errorf("%s: %s", cmd, got)
		}
	}
	if got := p.do("MEMORY USAGE k"); got == "nil" || strings.HasPrefix(got, "-") {
		t.Errorf("MEMORY USAGE: %s", got)
	}
	p.want("MEMORY USAGE gone", "nil")
	p.want("MEMORY USAGE k SAMPLES -1", "-ERR syntax error")
}

// TestMemoryUsageGrows: a value's memory is what it takes, within a size class.
func TestMemoryUsageGrows(t *testing.T) {
	n := start(t)
	p := n.dial()
	for _, size := range []int{100, 10_000, 1_000_000} {
		p.run("SET", "k", strings.Repeat("x", size))
		var got int
		if _, err := fmt.Sscanf(p.do("MEMORY USAGE k"), "%d", &got); err != nil || got < size || got > size*5/4+200 {
			t.Errorf("a value of %d bytes uses %d", size, got)
		}
	}
}
