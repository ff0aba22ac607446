package node

import (
	"strings"
	"sync"
	"testing"
)

// TestReplicaofInMulti: a change of role is part of a transaction, in its place, while the stream flows and others change the role too.
func TestReplicaofInMulti(t *testing.T) {
	a, b := start(t), start(t)
	pa, pb := a.dial(), b.dial()
	stopped, done := make(chan struct{}), sync.WaitGroup{}
	load := a.dial()
	done.Add(1)
	go func() {
		defer done.Done()
		for {
			select {
			case <-stopped:
				return
			default:
				load.do("INCR counter")
			}
		}
	}()
	exec := func(lines ...string) string {
		t.Helper()
		pb.want("MULTI", "OK")
		for _, l := range lines {
			pb.want(l, "QUEUED")
		}
		return pb.do("EXEC")
	}
	follow := "REPLICAOF 127.0.0.1 " + portOf(a)
	linked := func() bool {
		return pb.info("master_link_status") == "up" && !strings.HasPrefix(pb.do("DBSIZE"), "-LOADING")
	}
	got := exec("SET before 1", follow, "INFO replication", "SET after 1", "GET before")
	for _, want := range []string{"[OK OK ", "role:slave", "master_link_status:down", "OK \"1\"]"} {
		if !strings.Contains(got, want) {
			t.Errorf("EXEC: %s, want %s in it", got, want)
		}
	}
	until(t, "the replica is in sync", linked)
	pb.want("EXISTS before after", "0") // the primary's data replaced them
	if got := exec(follow); got != "[OK Already connected to specified master]" {
		t.Errorf("again: %s", got)
	}
	if got := exec("REPLICAOF 127.0.0.1 port"); !strings.Contains(got, "Invalid master port") {
		t.Errorf("a bad port: %s", got)
	}
	until(t, "the link is made again", linked)
	for range 20 {
		exec("REPLICAOF NO ONE", follow)
		until(t, "the replica is in sync again", linked) // while it loads it takes no such commands
		pb.want("REPLICAOF NO ONE", "OK")
		exec(follow, "REPLICAOF NO ONE", follow)
		until(t, "the replica is in sync once more", linked)
	}
	if got := exec("REPLICAOF NO ONE", "ROLE"); !strings.HasPrefix(got, `[OK ["master"`) {
		t.Errorf("promoted: %s", got)
	}
	close(stopped)
	done.Wait()
	pb.want("SET own 1", "OK")
	pb.want(follow, "OK")
	until(t, "the replica has everything", func() bool { return linked() && pb.do("GET counter") == pa.do("GET counter") })
	pb.want("EXISTS own", "0")
}
