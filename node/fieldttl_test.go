package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// timedHashes are commands that make hashes of which some fields expire, all far in the future.
func timedHashes(rnd *rand.Rand) (calls [][]string) {
	for i := range 50 {
		key := "hash:" + strconv.Itoa(i)
		set := []string{"HSET", key}
		for range 1 + rnd.IntN(200) {
			set = append(set, fmt.Sprint("f", rnd.IntN(1000)), strconv.Itoa(rnd.Int()))
		}
		calls = append(calls, set)
		if i%3 > 0 {
			calls = append(calls, []string{"HSETEX", key, "EX", "100000", "FIELDS", "2", "timed", "v", "f1", "w"}, []string{"HEXPIRE", key, strconv.Itoa(100_000 + i), "FIELDS", "3", "f2", "f3", "f4"})
		}
	}
	return calls
}

// expiries tells when the fields of the hashes expire.
func expiries(s server) string {
	p := s.dial()
	var all []string
	for i := range 50 {
		all = append(all, p.do(fmt.Sprintf("HPEXPIRETIME hash:%d FIELDS 5 timed f1 f2 f3 f4", i)))
	}
	return strings.Join(all, " ")
}

// TestDigestWithoutExpired: what is over is not in the fingerprint, whether it has been deleted or not.
func TestDigestWithoutExpired(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes")
	p := n.dial()
	p.all([][]string{{"DEBUG", "SET-ACTIVE-EXPIRE", "0"}, {"HSET", "h", "a", "1", "b", "2"}, {"HSET", "g", "a", "1"}})
	if p.do("DEBUG DIGEST-VALUE h") == p.do("DEBUG DIGEST-VALUE g") {
		t.Error("two hashes that differ have one digest")
	}
	p.want("HPEXPIRE h 1 FIELDS 1 b", "[1]")
	until(t, "the field is over", func() bool { return p.do("HEXISTS h b") == "0" })
	if h, g := p.do("DEBUG DIGEST-VALUE h"), p.do("DEBUG DIGEST-VALUE g"); h != g || p.do("HLEN h") != "2" {
		t.Errorf("digest %s, and %s without the field, which is still there: %s", h, g, p.do("HLEN h"))
	}
}

// TestFieldTTLsTravel: what fields' expiries are gets to a replica by a full sync and by the stream, and through a file.
func TestFieldTTLsTravel(t *testing.T) {
	debug := []string{"--enable-debug-command", "yes"}
	n := start(t, debug...)
	n.dial().all(timedHashes(rand.New(rand.NewPCG(20261121, 7))))
	replica := start(t, debug...)
	same := func(what string, s server) {
		t.Helper()
		if digestOf(s) != digestOf(n) || expiries(s) != expiries(n) {
			t.Errorf("%s: the data differs", what)
		}
		if got, want := s.dial().info("db0"), n.dial().info("db0"); got[strings.Index(got, "keys_with"):] != want[strings.Index(want, "keys_with"):] {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	follow(replica, n)
	linked(t, replica)
	same("after a full sync", replica)
	n.dial().all(timedHashes(rand.New(rand.NewPCG(20261121, 8))))
	n.dial().all([][]string{{"HPERSIST", "hash:1", "FIELDS", "1", "timed"}, {"HINCRBY", "hash:2", "f2", "1"}, {"HEXPIRE", "hash:2", "0", "FIELDS", "1", "timed"},
		{"HGETDEL", "hash:4", "FIELDS", "1", "timed"}, {"COPY", "hash:5", "hash:7", "REPLACE"}, {"RENAME", "hash:8", "hash:10"}})
	caughtUp(t, n, replica)
	same("after the stream", replica)
	n.dial().want("SAVE", "OK")
	if head := fileHead(t, n); head != "VALKEY080" {
		t.Errorf("the file begins with %s", head)
	}
	n.dial().want("DEBUG RELOAD", "OK")
	replica.dial().want("REPLICAOF NO ONE", "OK")
	same("after DEBUG RELOAD", replica)
	n.dial().want("FLUSHALL", "OK")
	n.dial().want("HSET h f v", "1")
	n.dial().want("SAVE", "OK")
	if head := fileHead(t, n); head != "REDIS0011" {
		t.Errorf("a file that needs no more begins with %s", head)
	}
}

func fileHead(t *testing.T, n *testNode) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(n.dir, "dump.rdb"))
	if err != nil || len(b) < 9 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	return string(b[:9])
}

// TestOldReplicaIsRefused: a replica that cannot read expiries of fields is told so, and gets the data once there are none.
func TestOldReplicaIsRefused(t *testing.T) {
	n := start(t)
	p := n.dial()
	p.want("HSETEX h EX 1000 FIELDS 1 f v", "1")
	old := startRedis(t)
	follow(old, n)
	const reason = "fields of hashes have an expiry, which RDB has from version 80 (Valkey 9) on, and version 10 is the newest that can be read"
	until(t, "the replica was told why", func() bool { return bytes.Contains([]byte(old.log.String()), []byte(reason)) })
	p.want("HPERSIST h FIELDS 1 f", "[1]")
	linked(t, old)
	if got := old.dial().run("HGET", "h", "f"); got != `"v"` {
		t.Errorf("the replica has %s", got)
	}
}

// TestFieldsOverAreLeftOut: a node that starts leaves fields out that are over, and a hash that has no others.
func TestFieldsOverAreLeftOut(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes")
	p := n.dial()
	p.want("DEBUG SET-ACTIVE-EXPIRE 0", "OK")
	p.want("HSET h stay 1", "1")
	p.want("HSETEX h PX 1 FIELDS 2 a 1 b 2", "1")
	p.want("HSETEX gone PX 1 FIELDS 1 a 1", "1")
	until(t, "the fields are over", func() bool { return p.do("HGETALL gone")+p.do("HMGET h a b") == "[][nil nil]" })
	p.want("SAVE", "OK")
	p.want("DEBUG RELOAD NOSAVE", "OK")
	if got := p.do("HLEN h") + p.do("EXISTS gone") + p.do("HGET h stay"); got != `101` && got != `10"1"` {
		t.Errorf("after the load: %s", got)
	}
}
