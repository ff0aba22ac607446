package node

import (
	"io"
	"net"
	"strings"
	"testing"
)

// exec runs a transaction and shows its reply.
func (p *peer) exec(lines ...string) string {
	p.t.Helper()
	p.want("MULTI", "OK")
	for _, l := range lines {
		p.want(l, "QUEUED")
	}
	return p.do("EXEC")
}

// TestFailoverInMulti: what a transaction writes behind FAILOVER is handed over too, however long it takes.
func TestFailoverInMulti(t *testing.T) {
	old, next := start(t), start(t)
	follow(next, old)
	linked(t, next)
	p, np := old.dial(), next.dial()
	until(t, "the replica is online", func() bool { return strings.Contains(p.info("slave0"), "state=online") })
	p.run("SET", "a", strings.Repeat("a", 10_000))
	p.run("SET", "b", strings.Repeat("b", 10_000))
	caughtUp(t, old, next)
	p.want("WAIT 1 0", "1")
	np.want("CLIENT PAUSE 100000 WRITE", "OK") // it has everything, and takes nothing more
	const long = "LCS a b LEN"                 // takes longer than a replica that has everything needs to be noticed
	got := p.exec("FAILOVER TO 127.0.0.1 "+portOf(next), long, long, long, long, long, long, long, long, "SET after 1", "FAILOVER")
	if want := `[OK 0 0 0 0 0 0 0 0 OK -ERR FAILOVER already in progress.]`; got != want {
		t.Errorf("EXEC: %s, want %s", got, want)
	}
	if got := p.info("master_failover_state"); got != "waiting-for-sync" {
		t.Errorf("master_failover_state:%s", got)
	}
	np.want("CLIENT UNPAUSE", "OK")
	until(t, "it is over", func() bool { return p.info("master_failover_state") == "no-failover" && p.info("role") == "slave" })
	np.want("GET after", `"1"`)
	np.want("SET later 1", "OK")
	caughtUp(t, next, old)
	same(t, next, old)
	if got := np.info("sync_full"); got != "0" {
		t.Errorf("sync_full:%s", got)
	}
	// A replica that is told so in a transaction stays one, and its link is made again.
	if got := p.exec("FAILOVER", "PING"); got != "[-ERR FAILOVER is not valid when server is a replica. PONG]" {
		t.Errorf("on a replica: %s", got)
	}
	np.want("SET again 1", "OK")
	caughtUp(t, next, old)
}

// TestFailoverAbortInMulti: a transaction ends a failover, one that waits and one whose target does not answer.
func TestFailoverAbortInMulti(t *testing.T) {
	asked := make(chan struct{}, 100)
	port := fakePrimary(t, func(nc net.Conn, _ string) {
		asked <- struct{}{}
		io.Copy(io.Discard, nc) //nolint:errcheck // until it hangs up
	})
	n := start(t)
	defer rawReplicaOf(t, n, port).Close()
	p := n.dial()
	p.want("SET k v", "OK") // which the replica does not acknowledge
	if got := p.exec("FAILOVER ABORT", "FAILOVER", "FAILOVER ABORT", "SET k v"); got != "[-ERR No failover in progress. OK OK OK]" {
		t.Errorf("at once: %s", got)
	}
	p.want("FAILOVER TO 127.0.0.1 "+port+" FORCE TIMEOUT 1", "OK")
	<-asked
	if got := p.info("master_failover_state"); got != "failover-in-progress" {
		t.Errorf("master_failover_state:%s", got)
	}
	if got := p.exec("FAILOVER TIMEOUT 5", "FAILOVER ABORT", "ROLE"); !strings.HasPrefix(got, `[-ERR FAILOVER already in progress. OK ["master"`) {
		t.Errorf("under way: %s", got)
	}
	p.want("SET k w", "OK")
}
