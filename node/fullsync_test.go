package node

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/wire/resp"
)

// TestReplicaHasItBeforeTheClientIsTold: when a client reads its answer, the write is in the replica's socket already.
func TestReplicaHasItBeforeTheClientIsTold(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend)
			link := rawReplica(t, n)
			p := n.dial()
			buf := make([]byte, 64<<10)
			for i := range 300 {
				val := fmt.Sprintf("value-%d-", i)
				p.want("SET k "+val, "OK")
				// A deadline that is over lets a read take only what is there.
				got := readNow(t, link, buf)
				if !strings.Contains(got, val) {
					t.Fatalf("write %d is answered, and the replica's socket has %q", i, got)
				}
			}
		})
	}
}

// rawReplica is a connection that has got its snapshot and now gets the stream.
func rawReplica(t *testing.T, n *testNode) *net.TCPConn {
	t.Helper()
	return rawReplicaOf(t, n, "1")
}

// rawReplicaOf is a rawReplica that says it listens on a port.
func rawReplicaOf(t *testing.T, n *testNode, port string) *net.TCPConn {
	t.Helper()
	p := n.dial()
	p.want("REPLCONF listening-port "+port+" capa eof capa psync2", "OK")
	p.send("PSYNC ? -1\r\n")
	nc := p.nc.(*net.TCPConn)
	skipSnapshot(t, nc)
	if _, err := nc.Write(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", "0")); err != nil {
		t.Fatal(err)
	}
	admin := n.dial()
	until(t, "the replica is online", func() bool { return strings.Contains(admin.info("slave0"), "state=online") })
	// The feed's goroutine hands the sending over to the loops when it has nothing left to send.
	buf := make([]byte, 4096)
	until(t, "the loops send themselves", func() bool {
		admin.want("SET warm up", "OK")
		return strings.Contains(readNow(t, nc, buf), "warm")
	})
	return nc
}

// skipSnapshot reads the answer to PSYNC and a snapshot with an end mark.
func skipSnapshot(t *testing.T, nc net.Conn) {
	t.Helper()
	nc.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails as well
	var all []byte
	one := make([]byte, 1)
	next := func() {
		if _, err := io.ReadFull(nc, one); err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		all = append(all, one[0])
	}
	for bytes.Count(all, []byte("\r\n")) < 2 {
		next()
	}
	i := bytes.Index(all, []byte("$EOF:"))
	if i < 0 {
		t.Fatalf("no snapshot with an end mark: %q", all)
	}
	mark := bytes.Clone(all[i+5 : i+45])
	for all = all[:0]; !bytes.HasSuffix(all, mark); {
		next()
	}
}

// readNow reads what a socket has at this moment.
func readNow(t *testing.T, nc *net.TCPConn, buf []byte) string {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	nc.SetDeadline(time.Time{}) //nolint:errcheck // the read fails as well
	if err := raw.Read(func(fd uintptr) bool {
		n = recvNow(int(fd), buf)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return string(buf[:max(n, 0)])
}

// stallSync sets 500 keys and has a replica ask for them that takes nothing. It returns their value when the snapshot is under way.
func stallSync(t *testing.T, n *testNode, p *peer) (val string) {
	t.Helper()
	p.want("CONFIG SET rdbcompression no", "OK")
	val = strings.Repeat("v", 60_000)
	for i := range 500 { // more than the sockets' buffers hold
		p.run("SET", fmt.Sprintf("k%d", i), val)
	}
	stalled := n.dial()
	stalled.want("REPLCONF listening-port 1 capa eof capa psync2", "OK")
	stalled.send("PSYNC ? -1\r\n")
	until(t, "the snapshot is under way", func() bool { return n.repl.Snapshotting() })
	return val
}

// TestStalledSyncIsCut: a replica that takes nothing of its snapshot, while writers wait for that, is cut soon; they go on.
func TestStalledSyncIsCut(t *testing.T) {
	n := start(t)
	p := n.dial()
	val := stallSync(t, n, p)
	for i := range 500 {
		p.run("SET", fmt.Sprintf("k%d", i), strings.ToUpper(val))
	}
	until(t, "the replica is gone", func() bool { return p.info("connected_slaves") == "0" })
	if n.engine.WritesWait() {
		t.Error("writes still wait")
	}
}

// TestFlushAllEndsFullSync: the data of the snapshot is gone, so the replica gets another one.
func TestFlushAllEndsFullSync(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		t.Run("diskless "+diskless, func(t *testing.T) {
			t.Parallel()
			primary, replica := start(t, "--repl-diskless-sync", diskless), start(t)
			fill(t, primary, 300)
			p := primary.dial()
			p.want("CONFIG SET rdb-key-save-delay 10000000", "OK")
			follow(replica, primary)
			until(t, "the snapshot is under way", func() bool { return p.info("rdb_bgsave_in_progress") == "1" })
			p.want("FLUSHALL", "OK")
			p.want("CONFIG SET rdb-key-save-delay 0", "OK")
			p.want("SET after flush", "OK")
			caughtUp(t, primary, replica)
			same(t, primary, replica)
			if got := p.info("sync_full"); got != "2" {
				t.Errorf("sync_full:%s", got)
			}
		})
	}
}

// TestReplicasShareASnapshot: those that come within repl-diskless-sync-delay, or until they are enough, get the same one.
func TestReplicasShareASnapshot(t *testing.T) {
	for name, tt := range map[string]struct{ most, over string }{
		"enough of them": {"3", ""},
		"the delay":      {"0", "CONFIG SET repl-diskless-sync-delay 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := start(t, "--repl-diskless-sync-delay", "1000", "--repl-diskless-sync-max-replicas", tt.most)
			fill(t, primary, 2000)
			// They share what they can all read: a redis-server 7.0 needs another version of the file than these.
			replicas := []server{start(t), start(t), start(t)}
			for _, r := range replicas {
				follow(r, primary)
			}
			p := primary.dial()
			stop := load(t, primary, 1)
			if tt.over != "" {
				until(t, "all wait", func() bool { return strings.Count(p.do("INFO replication"), "state=wait_bgsave") == len(replicas) })
				p.want(tt.over, "OK") // as when it has passed
			}
			for _, r := range replicas {
				linked(t, r)
			}
			stop()
			for _, r := range replicas {
				caughtUp(t, primary, r)
				same(t, primary, r)
			}
			if n := strings.Count(primary.log.String(), "Starting BGSAVE for SYNC"); n != 1 || p.info("sync_full") != "3" {
				t.Errorf("%d snapshots, sync_full:%s", n, p.info("sync_full"))
			}
		})
	}
}

// TestOneOfTwoLeavesASharedSync: the other one gets its snapshot to the end.
func TestOneOfTwoLeavesASharedSync(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		t.Run("diskless "+diskless, func(t *testing.T) {
			t.Parallel()
			primary := start(t, "--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "1000", "--repl-diskless-sync-max-replicas", "2", "--rdb-key-save-delay", "1000")
			fill(t, primary, 2000)
			stays, leaves := start(t), start(t)
			p := primary.dial()
			follow(stays, primary)
			follow(leaves, primary)
			until(t, "the snapshot is under way", func() bool { return p.info("rdb_bgsave_in_progress") == "1" })
			leaves.dial().want("REPLICAOF NO ONE", "OK")
			p.want("CONFIG SET rdb-key-save-delay 0", "OK")
			caughtUp(t, primary, stays)
			same(t, primary, stays)
			until(t, "the other is forgotten", func() bool { return p.info("connected_slaves") == "1" })
			noTemp(t, primary)
		})
	}
}

// TestSyncByFile: repl-diskless-sync no, both ways, under load.
func TestSyncByFile(t *testing.T) {
	for name, mk := range map[string]func(t *testing.T) (primary, replica server){
		"larder of redis": func(t *testing.T) (server, server) {
			return startRedis(t, "--repl-diskless-sync", "no", "--repl-backlog-size", "64mb"), start(t)
		},
		"redis of larder": func(t *testing.T) (server, server) { return start(t, "--repl-diskless-sync", "no"), startRedis(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, replica := mk(t)
			fill(t, primary, raced.Fewer(5000))
			stop := load(t, primary, 2)
			follow(replica, primary)
			linked(t, replica)
			p := primary.dial()
			p.want("CLIENT KILL TYPE replica", "1")
			until(t, "it goes on where it was", func() bool { return p.info("sync_partial_ok") == "1" })
			stop()
			caughtUp(t, primary, replica)
			same(t, primary, replica)
			if n, ok := primary.(*testNode); ok {
				noTemp(t, n)
			}
		})
	}
}

// TestDisklessLoad: each way to take a snapshot gives the primary's data, from a larder and from a redis-server.
func TestDisklessLoad(t *testing.T) {
	for _, mode := range []string{"disabled", "on-empty-db", "swapdb", "flush-before-load"} {
		for _, diskless := range []string{"yes", "no"} {
			for name, primary := range map[string]func(t *testing.T) server{
				"larder": func(t *testing.T) server { return start(t, "--repl-diskless-sync", diskless) },
				"redis":  func(t *testing.T) server { return startRedis(t, "--repl-diskless-sync", diskless) },
			} {
				t.Run(mode+"/"+diskless+"/"+name, func(t *testing.T) {
					t.Parallel()
					p, replica := primary(t), start(t, "--repl-diskless-load", mode)
					fill(t, p, 1000)
					follow(replica, p)
					linked(t, replica)
					replica.dial().want("REPLICAOF NO ONE", "OK")
					replica.dial().want("SET own data", "OK") // a second sync, with data of its own
					p.dial().want("SET k v", "OK")
					stop := load(t, p, 1)
					follow(replica, p)
					linked(t, replica)
					stop()
					caughtUp(t, p, replica)
					same(t, p, replica)
					if replica.gateClear() {
						return
					}
					t.Error("it still loads")
				})
			}
		}
	}
}

func (n *testNode) gateClear() bool { return !n.loading() && n.dial().info("async_loading") == "0" }

// TestSwapDBServesMeanwhile: with repl-diskless-load swapdb and a history that the primary shares, what the replica has is served
// while the new is loaded, and stays if that fails.
func TestSwapDBServesMeanwhile(t *testing.T) {
	primary := start(t, "--repl-backlog-size", "16kb")
	replica := start(t, "--repl-diskless-load", "swapdb")
	fill(t, primary, 500)
	p, r := primary.dial(), replica.dial()
	p.want("SET k old", "OK")
	follow(replica, primary)
	linked(t, replica)
	caughtUp(t, primary, replica)
	r.want("CONFIG SET key-load-delay 10000000", "OK")
	// The link is held down until the backlog does not reach back any more.
	r.want("REPLICAOF 127.0.0.1 1", "OK")
	p.want("SET k new", "OK")
	for range 10 {
		p.run("SET", "filler", strings.Repeat("x", 60_000))
	}
	follow(replica, primary)
	until(t, "it loads beside", func() bool { return r.info("async_loading") == "1" })
	r.want("GET k", `"old"`)
	if got := r.info("loading"); got != "0" {
		t.Errorf("loading:%s", got)
	}
	r.want("CONFIG SET repl-diskless-load disabled", "-LOADING Redis is loading the dataset in memory")
	p.want("CLIENT KILL TYPE replica", "1")
	r.want("CONFIG SET key-load-delay 0", "OK")
	caughtUp(t, primary, replica)
	r.want("GET k", `"new"`)
	same(t, primary, replica)
}

// TestFailoverCommand: the replica takes over with everything, and the primary follows it without a full resync; writers wait for it.
func TestFailoverCommand(t *testing.T) {
	for name, mk := range map[string]func(t *testing.T) [2]server{
		"larder to larder": func(t *testing.T) [2]server { return [2]server{start(t), start(t)} },
		"larder to redis":  func(t *testing.T) [2]server { return [2]server{start(t), startRedis(t)} },
		"redis to larder":  func(t *testing.T) [2]server { return [2]server{startRedis(t), start(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mk(t)
			old, next := s[0], s[1]
			fill(t, old, 500)
			follow(next, old)
			linked(t, next)
			p := old.dial()
			until(t, "the replica is online", func() bool { return strings.Contains(p.info("slave0"), "state=online") })
			count := writeUntilRefused(t, old)
			until(t, "some writes are in", func() bool { n, _ := strconv.Atoi(strings.Trim(p.do("GET count"), `"`)); return n > 100 })
			p.want("FAILOVER TO 127.0.0.1 "+portOf(next), "OK")
			acked := <-count
			until(t, "it is over", func() bool { return p.info("master_failover_state") == "no-failover" })
			if role := p.info("role"); role != "slave" {
				t.Fatalf("role:%s", role)
			}
			np := next.dial()
			np.want("GET count", strconv.Quote(strconv.Itoa(acked)))
			np.want("SET after failover", "OK")
			caughtUp(t, next, old)
			same(t, next, old)
			if got := np.info("sync_full"); got != "0" {
				t.Errorf("sync_full:%s", got)
			}
		})
	}
}

// writeUntilRefused counts up until a write is refused, and then tells how many were not.
func writeUntilRefused(t *testing.T, s server) <-chan int {
	out := make(chan int, 1)
	p := s.dial()
	go func() {
		n := 0
		for p.do("INCR count") == strconv.Itoa(n+1) {
			n++
		}
		out <- n
	}()
	return out
}

func TestFailoverIsRefused(t *testing.T) {
	n, replica := start(t), start(t)
	p := n.dial()
	p.want("FAILOVER", "-ERR FAILOVER requires connected replicas.")
	p.want("FAILOVER ABORT", "-ERR No failover in progress.")
	p.want("FAILOVER NONSENSE", "-ERR syntax error")
	p.want("FAILOVER TIMEOUT 0", "-ERR FAILOVER timeout must be greater than 0")
	follow(replica, n)
	linked(t, replica)
	p.want("FAILOVER FORCE TIMEOUT 100", "-ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
	p.want("FAILOVER TO 127.0.0.1 1", "-ERR FAILOVER target HOST and PORT is not a replica.")
	replica.dial().want("FAILOVER", "-ERR FAILOVER is not valid when server is a replica.")
	p.send("PSYNC ? -1 FAILOVER\r\n")
	if got := p.reply(); got != "-ERR PSYNC FAILOVER can't be sent to a master." {
		t.Error(got)
	}
	replica.dial().want("PSYNC x 1 FAILOVER", "-ERR PSYNC FAILOVER replid must match my replid.")
}

// TestFailoverAborts: a target that does not catch up leaves all as it was, and writers go on.
func TestFailoverAborts(t *testing.T) {
	n := start(t)
	link := rawReplica(t, n)
	defer link.Close()
	p, w := n.dial(), n.dial()
	p.want("SET k v", "OK") // which the replica does not acknowledge
	for _, args := range []string{"", " TIMEOUT 50"} {
		p.want("FAILOVER"+args, "OK")
		w.send("SET k w\r\n")
		if args == "" {
			p.want("FAILOVER", "-ERR FAILOVER already in progress.")
			p.want("REPLICAOF 127.0.0.1 1", "-ERR REPLICAOF not allowed while failing over.")
			until(t, "the write waits", func() bool { return p.info("blocked_clients") == "1" })
			if got := p.info("master_failover_state"); got != "waiting-for-sync" {
				t.Errorf("master_failover_state:%s", got)
			}
			p.want("GET k", `"v"`)
			p.want("FAILOVER ABORT", "OK")
		}
		if got := w.reply(); got != "OK" {
			t.Fatal(got)
		}
		if got := p.info("master_failover_state"); got != "no-failover" || p.info("role") != "master" {
			t.Errorf("master_failover_state:%s, role:%s", got, p.info("role"))
		}
		p.want("SET k v", "OK")
	}
}

// TestBacklogShrinks: the backlog's size is changed at run time, its figures follow, and without replicas it is given up.
func TestBacklogShrinks(t *testing.T) {
	n, replica := start(t, "--repl-backlog-size", "1mb"), start(t)
	follow(replica, n)
	linked(t, replica)
	p := n.dial()
	for range 40 {
		p.run("SET", "k", strings.Repeat("x", 60_000))
	}
	caughtUp(t, n, replica)
	num := func(name string) int { v, _ := strconv.Atoi(p.info(name)); return v }
	if size, hist := num("repl_backlog_size"), num("repl_backlog_histlen"); size != 1<<20 || hist != size {
		t.Errorf("repl_backlog_size:%d, repl_backlog_histlen:%d", size, hist)
	}
	if first, hist, end := num("repl_backlog_first_byte_offset"), num("repl_backlog_histlen"), num("master_repl_offset"); first+hist-1 != end {
		t.Errorf("%d bytes from %d end at %d", hist, first, end)
	}
	p.want("CONFIG SET repl-backlog-size 16kb", "OK")
	if hist := num("repl_backlog_histlen"); hist != 16<<10 {
		t.Errorf("repl_backlog_histlen:%d", hist)
	}
	if m := num("mem_replication_backlog"); m > 256<<10 {
		t.Errorf("mem_replication_backlog:%d", m)
	}
	p.want("CONFIG SET repl-backlog-ttl 1", "OK")
	replica.dial().want("REPLICAOF NO ONE", "OK")
	until(t, "the backlog is given up", func() bool { return p.info("repl_backlog_active") == "0" })
}

// TestMinReplicas: writes are refused while too few replicas are good, from the moment that it is asked for.
func TestMinReplicas(t *testing.T) {
	n, replica := start(t), start(t)
	p := n.dial()
	p.want("CONFIG SET min-replicas-to-write 1", "OK")
	p.want("SET k v", "-NOREPLICAS Not enough good replicas to write.")
	p.want("GET k", "nil")
	follow(replica, n)
	until(t, "the replica counts", func() bool { return p.info("min_slaves_good_slaves") == "1" && p.do("SET k v") == "OK" })
	p.want("CONFIG SET min-replicas-to-write 2", "OK")
	p.want("SET k v", "-NOREPLICAS Not enough good replicas to write.")
	p.want("CONFIG SET min-replicas-to-write 0", "OK")
	p.want("SET k v", "OK")
}

// TestAnnounced: what a replica says of itself is what its primary shows.
func TestAnnounced(t *testing.T) {
	n := start(t)
	replica := start(t, "--replica-announce-ip", "127.0.0.9", "--replica-announce-port", "1234")
	follow(replica, n)
	linked(t, replica)
	p := n.dial()
	until(t, "it is online", func() bool { return strings.Contains(p.info("slave0"), "state=online") })
	if got := p.info("slave0"); !strings.HasPrefix(got, "ip=127.0.0.9,port=1234,") {
		t.Error(got)
	}
	if got := p.do("ROLE"); !strings.Contains(got, `["127.0.0.9" "1234" `) {
		t.Error(got)
	}
}

// TestSilentPrimaryIsLeft: a shorter repl-timeout counts for a link that waits already.
func TestSilentPrimaryIsLeft(t *testing.T) {
	asked := make(chan struct{}, 100)
	port := fakePrimary(t, func(nc net.Conn, _ string) {
		asked <- struct{}{}
		io.Copy(io.Discard, nc) //nolint:errcheck // until the replica hangs up
	})
	n := start(t)
	p := n.dial()
	p.want("REPLICAOF 127.0.0.1 "+port, "OK")
	<-asked
	p.want("CONFIG SET repl-timeout 1", "OK")
	until(t, "it is left", func() bool { return strings.Contains(n.log.String(), "Timeout connecting to the PRIMARY") })
	<-asked
}

// TestWritableReplicaExpires: what clients write to a replica expires there, and nothing else does.
func TestWritableReplicaExpires(t *testing.T) {
	n := start(t, "--replica-read-only", "no")
	primary := start(t)
	follow(n, primary)
	linked(t, n)
	p := n.dial()
	p.want("SET local v PX 20", "OK")
	p.want("SET later v", "OK")
	p.want("PEXPIRE later 30", "1")
	p.want("SET kept v EX 1000", "OK")
	primary.dial().want("SET theirs v EX 1000", "OK")
	until(t, "they are gone", func() bool { return p.do("DBSIZE") == "2" })
	p.want("GET kept", `"v"`)
	// What the primary has not deleted yet is over for who reads, and begins anew for who writes.
	primary.dial().want("CLIENT PAUSE 100000 WRITE", "OK") // nothing expires there meanwhile
	caughtUp(t, primary, n)
	p.want("SET theirs 5 PX 1", "OK")
	until(t, "it is over", func() bool { return p.do("GET theirs") == "nil" })
	p.want("INCR theirs", "1")
	p.want("PTTL theirs", "-1")
}

func TestRedirect(t *testing.T) {
	n, primary := start(t), start(t)
	p := n.dial()
	p.want("CLIENT CAPA redirect other", "OK")
	p.want("MULTI", "OK")
	p.want("SET k v", "QUEUED")
	follow(n, primary)
	linked(t, n)
	to := "-REDIRECT 127.0.0.1:" + portOf(primary)
	p.want("EXEC", to)
	p.want("SET k v", to)
	p.want("GET k", to)
	p.want("PING", "PONG")
	p.want("READONLY", "OK")
	p.want("GET k", "nil")
	p.want("SET k v", to)
	p.want("READWRITE", "OK")
	p.want("GET k", to)
	n.dial().want("GET k", "nil")
}

// TestShorterTimeoutCutsSync: a repl-timeout that is made shorter counts for a write of a snapshot that waits already.
func TestShorterTimeoutCutsSync(t *testing.T) {
	n := start(t, "--repl-timeout", "3600", "--repl-diskless-sync-delay", "0")
	p := n.dial()
	stallSync(t, n, p)
	p.want("CONFIG SET repl-timeout 1", "OK")
	until(t, "the replica is gone", func() bool { return p.info("connected_slaves") == "0" })
	if log := n.log.String(); !strings.Contains(log, "Disconnecting timedout replica (full sync)") {
		t.Error("the log does not say why")
	}
}

// TestPartOfASnapshot: redis-cli gets a snapshot as a replica would that wants no stream; of all, or of the functions alone.
func TestPartOfASnapshot(t *testing.T) {
	n := start(t)
	p := n.dial()
	p.want("SET k v", "OK")
	p.run("FUNCTION", "LOAD", testLibrary)
	for option, keys := range map[string]string{"--rdb": "1", "--functions-rdb": "0"} {
		dir := t.TempDir()
		out, err := exec.Command("redis-cli", "-p", n.cfg.Get("port"), option, filepath.Join(dir, "dump.rdb")).CombinedOutput()
		if err != nil {
			t.Fatalf("redis-cli %s: %v\n%s", option, err, out)
		}
		loaded := start(t, "--dir", dir).dial()
		loaded.want("DBSIZE", keys)
		if got := loaded.run("FCALL", "answer", "0", "x"); got != `"x"` {
			t.Errorf("%s: %s", option, got)
		}
		if option == "--functions-rdb" {
			continue
		}
		p.want("HSETEX h EX 1000 FIELDS 1 f v", "1") // which redis-cli cannot be given; libraries alone it can
		if out, err := exec.Command("redis-cli", "-p", n.cfg.Get("port"), "--functions-rdb", filepath.Join(dir, "functions.rdb")).CombinedOutput(); err != nil {
			t.Errorf("redis-cli --functions-rdb, with fields that expire: %v\n%s", err, out)
		}
		p.want("DEL h", "1")
	}
	until(t, "they have gone", func() bool { return p.info("connected_slaves") == "0" })
	p.want("REPLCONF rdb-filter-only keys", "-ERR Unsupported rdb-filter-only option: keys")
	p.want("REPLCONF rdb-only 2", "-ERR value is out of range, value must between 0 and 1")
}

// TestSnapshotAlone: who wants no stream gets none behind its snapshot.
func TestSnapshotAlone(t *testing.T) {
	n := start(t)
	link, p := n.dial(), n.dial()
	link.want("REPLCONF capa eof rdb-only 1 rdb-filter-only functions", "OK")
	link.send("PSYNC ? -1\r\n")
	nc := link.nc.(*net.TCPConn)
	skipSnapshot(t, nc)
	p.want("SET k v", "OK") // a replica would have it before this is answered
	buf := make([]byte, 100)
	if got := readNow(t, nc, buf); got != "" {
		t.Errorf("%q follows the snapshot", got)
	}
}
