package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/porttest"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/wire/resp"
)

// server is a node or a redis-server.
type server interface{ dial() *peer }

func portOf(s server) string {
	switch s := s.(type) {
	case *testNode:
		return s.cfg.Get("port")
	case *redis:
		return strconv.Itoa(s.port)
	}
	panic("no server")
}

func follow(s, primary server) {
	p := s.dial()
	p.want("REPLICAOF 127.0.0.1 "+portOf(primary), "OK")
}

func linked(t *testing.T, s server) {
	t.Helper()
	p := s.dial()
	until(t, "the replica's link is up", func() bool { return p.info("master_link_status") == "up" })
}

// caughtUp waits until a replica has what its primary has now.
func caughtUp(t *testing.T, primary, replica server) {
	t.Helper()
	pp, rp := primary.dial(), replica.dial()
	until(t, "the replica has caught up", func() bool {
		return rp.info("master_link_status") == "up" && pp.info("master_repl_offset") == rp.info("master_repl_offset")
	})
}

// same compares all keys, values and expiries of the databases 0, 3 and 9.
func same(t *testing.T, a, b server) {
	t.Helper()
	pa, pb := a.dial(), b.dial()
	total := 0
	for _, db := range []string{"0", "3", "9"} {
		pa.want("SELECT "+db, "OK")
		pb.want("SELECT "+db, "OK")
		if x, y := pa.do("DBSIZE"), pb.do("DBSIZE"); x != y {
			t.Fatalf("database %s: %s and %s keys", db, x, y)
		}
		keys, err := pa.values("KEYS", "*")
		if err != nil {
			t.Fatal(err)
		}
		for some := range slices.Chunk(keys, 500) {
			pa.send(about(some))
			pb.send(about(some))
			for _, k := range some {
				if x, y := pa.reply()+", expires at "+pa.reply(), pb.reply()+", expires at "+pb.reply(); x != y {
					t.Fatalf("%q in database %s: %s and %s", k, db, x, y)
				}
			}
		}
		total += len(keys)
	}
	if total == 0 {
		t.Fatal("there is nothing to compare")
	}
}

// about asks for the values of keys and when they expire.
func about(keys []string) string {
	var b []byte
	for _, k := range keys {
		b = resp.AppendCommandStrings(b, "GET", k)
		b = resp.AppendCommandStrings(b, "PEXPIRETIME", k)
	}
	return string(b)
}

func (p *peer) values(args ...string) ([]string, error) {
	p.send(string(resp.AppendCommandStrings(nil, args...)))
	v, err := p.in.ReadValue()
	out := make([]string, len(v.Elems))
	for i, e := range v.Elems {
		out[i] = string(e.Str)
	}
	return out, err
}

// load writes to a server until stop is called, which returns when the last write is answered.
func load(t *testing.T, s server, clients int) (stop func()) {
	var end atomic.Bool
	var wg sync.WaitGroup
	for c := range clients {
		p := s.dial()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; !end.Load(); i++ {
				if !p.batch(c, i) {
					return
				}
			}
		}()
	}
	var once sync.Once
	stop = func() { once.Do(func() { end.Store(true); wg.Wait() }) }
	t.Cleanup(stop)
	return stop
}

// batch sends a few writes of all kinds at once; false when the connection is gone.
func (p *peer) batch(c, i int) bool {
	var calls [][]string
	cmd := func(args ...string) { calls = append(calls, args) }
	cmd("SELECT", []string{"0", "3", "9"}[i%3])
	cmd("SET", fmt.Sprintf("k:%d:%d", c, i%500), strings.Repeat("v", i%300)+strconv.Itoa(i))
	cmd("INCR", fmt.Sprintf("n:%d", i%20))
	cmd("APPEND", fmt.Sprintf("a:%d", i%10), "x")
	cmd("SET", fmt.Sprintf("t:%d:%d", c, i%200), "ttl", "EX", "1000")
	cmd("DEL", fmt.Sprintf("k:%d:%d", c, (i*7)%500))
	cmd("MULTI")
	cmd("SET", fmt.Sprintf("m:%d", i%50), strconv.Itoa(i))
	cmd("SELECT", "3")
	cmd("INCR", "multi")
	cmd("EXEC")
	if i%40 == 0 {
		cmd("SET", fmt.Sprintf("big:%d", i%3), strings.Repeat("b", 100_000))
	}
	if invariant.Enabled {
		// A guarded replica is so slow that a redis-server would cut it, over and over: 256 MB of its stream wait in no time.
		cmd("WAIT", "1", "100")
	}
	return p.answered(calls)
}

// fill puts some keys in, so that a snapshot takes a while.
func fill(t *testing.T, s server, keys int) {
	t.Helper()
	if invariant.Enabled {
		keys /= 10
	}
	p := s.dial()
	var b []byte
	for i := range keys {
		b = resp.AppendCommandStrings(b, "SET", fmt.Sprintf("fill:%d", i), strings.Repeat("f", 200))
	}
	go p.nc.Write(b) //nolint:errcheck // the replies tell
	for range keys {
		if r := p.reply(); r != "OK" {
			t.Fatal(r)
		}
	}
}

// pairs are the three combinations of a primary and a replica of which at least one is larder.
func pairs(t *testing.T, body func(t *testing.T, primary, replica server)) {
	for name, mk := range map[string][2]func(t *testing.T) server{
		"larder of redis":  {func(t *testing.T) server { return startRedis(t, "--repl-backlog-size", "64mb") }, func(t *testing.T) server { return start(t) }},
		"redis of larder":  {func(t *testing.T) server { return start(t) }, func(t *testing.T) server { return startRedis(t) }},
		"larder of larder": {func(t *testing.T) server { return start(t) }, func(t *testing.T) server { return start(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body(t, mk[0](t), mk[1](t))
		})
	}
}

func TestFullSyncUnderLoad(t *testing.T) {
	pairs(t, func(t *testing.T, primary, replica server) {
		fill(t, primary, raced.Fewer(20_000))
		replica.dial().want("SET old gone", "OK")
		stop := load(t, primary, 3)
		follow(replica, primary)
		linked(t, replica)
		stop()
		caughtUp(t, primary, replica)
		same(t, primary, replica)
		if n := primary.dial().info("sync_full"); n != "1" {
			t.Errorf("%s full resyncs", n)
		}
	})
}

func TestPartialResyncUnderLoad(t *testing.T) {
	pairs(t, func(t *testing.T, primary, replica server) {
		fill(t, primary, 1000)
		follow(replica, primary)
		linked(t, replica)
		stop := load(t, primary, 2)
		pp := primary.dial()
		for i := range 5 {
			if i%2 == 0 {
				pp.want("CLIENT KILL TYPE replica", "1")
			} else if got := replica.dial().do("CLIENT KILL TYPE master"); got != "1" {
				t.Fatalf("CLIENT KILL TYPE master: %s", got)
			}
			until(t, "the replica is back", func() bool { return pp.info("sync_partial_ok") == strconv.Itoa(i+1) })
			linked(t, replica)
		}
		stop()
		caughtUp(t, primary, replica)
		same(t, primary, replica)
		if n := pp.info("sync_full"); n != "1" {
			t.Errorf("%s full resyncs", n)
		}
	})
}

// TestFailover: the primary is left, a replica is promoted, the other replica and then the old primary follow it, all by partial
// resyncs.
func TestFailover(t *testing.T) {
	for name, mk := range map[string]func(t *testing.T) [3]server{
		"larder":            func(t *testing.T) [3]server { return [3]server{start(t), start(t), start(t)} },
		"redis is promoted": func(t *testing.T) [3]server { return [3]server{start(t), startRedis(t), start(t)} },
		"redis is demoted":  func(t *testing.T) [3]server { return [3]server{startRedis(t), start(t), start(t)} },
		"redis is repointed": func(t *testing.T) [3]server {
			return [3]server{start(t), start(t), startRedis(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mk(t)
			old, next, third := s[0], s[1], s[2]
			fill(t, old, 500)
			follow(next, old)
			follow(third, old)
			linked(t, next)
			linked(t, third)
			stop := load(t, old, 1)
			p := old.dial()
			until(t, "some writes are in", func() bool { n, _ := strconv.Atoi(p.info("master_repl_offset")); return n > 200_000 })
			stop()
			caughtUp(t, old, next)
			caughtUp(t, old, third)
			np := next.dial()
			np.want("REPLICAOF NO ONE", "OK")
			np.want("SELECT 9", "OK")
			np.want("SET after promotion", "OK")
			follow(third, next)
			linked(t, third)
			follow(old, next)
			linked(t, old)
			np.want("SET last one", "OK")
			for _, r := range []server{third, old} {
				caughtUp(t, next, r)
				same(t, next, r)
				if got := r.dial().do("SET x y"); got != "-READONLY You can't write against a read only replica." {
					t.Errorf("a replica takes writes: %s", got)
				}
			}
			if full, part := np.info("sync_full"), np.info("sync_partial_ok"); full != "0" || part != "2" {
				t.Errorf("%s full and %s partial resyncs", full, part)
			}
		})
	}
}

func TestSubReplicas(t *testing.T) {
	top, mid := start(t), start(t)
	bottoms := []server{start(t), startRedis(t)}
	tp := top.dial()
	tp.want("SELECT 9", "OK")
	tp.want("SET k 1", "OK")
	follow(mid, top)
	linked(t, mid)
	// The stream is in database 9 when these come: they must be told.
	tp.want("INCR k", "2")
	caughtUp(t, top, mid)
	for _, b := range bottoms {
		follow(b, mid)
		linked(t, b)
	}
	tp.want("INCR k", "3")
	stop := load(t, top, 2)
	mid.dial().want("CLIENT KILL TYPE master", "1")
	linked(t, mid)
	stop()
	for _, b := range bottoms {
		caughtUp(t, top, b)
		same(t, top, b)
	}
	// Promoting the middle one keeps those below it by partial resyncs.
	mp := mid.dial()
	full := mp.info("sync_full")
	mp.want("REPLICAOF NO ONE", "OK")
	mp.want("SET below still", "OK")
	for _, b := range bottoms {
		caughtUp(t, mid, b)
		same(t, mid, b)
	}
	if n := mp.info("sync_full"); n != full {
		t.Errorf("%s full resyncs, %s before the promotion", n, full)
	}
}

// TestStreamDatabaseOutlivesTheLink: a link that is cut while the stream is in another database than 0 goes on in that one, also
// when it goes on with another primary.
func TestStreamDatabaseOutlivesTheLink(t *testing.T) {
	a, b := start(t), start(t)
	ap := a.dial()
	follow(b, a)
	linked(t, b)
	ap.want("SELECT 9", "OK")
	ap.want("SET k 1", "OK")
	caughtUp(t, a, b)
	ap.want("CLIENT KILL TYPE replica", "1")
	ap.want("INCR k", "2")
	caughtUp(t, a, b)
	same(t, a, b)
}

func TestExpiryOnReplica(t *testing.T) {
	pairs(t, func(t *testing.T, primary, replica server) {
		follow(replica, primary)
		linked(t, replica)
		pp, rp := primary.dial(), replica.dial()
		pp.want("SET gone v PX 30", "OK")
		pp.want("SET stays v EX 1000", "OK")
		caughtUp(t, primary, replica)
		until(t, "the key is gone", func() bool { return rp.do("GET gone") == "nil" })
		until(t, "the primary's DEL has come", func() bool { return rp.do("DBSIZE") == "1" })
		same(t, primary, replica)
	})
}

func TestReplicaWithUser(t *testing.T) {
	for name, mk := range map[string]func(*testing.T, ...string) server{
		"larder": func(t *testing.T, a ...string) server { return start(t, a...) },
		"redis":  func(t *testing.T, a ...string) server { return startRedis(t, a...) }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := start(t, "--user", "repl", "on", ">secret", "+psync", "+replconf", "+ping", "--requirepass", "pw")
			ap := primary.dial()
			ap.want("AUTH pw", "OK")
			ap.want("SET k v", "OK")
			wrong := mk(t, "--masteruser", "repl", "--masterauth", "wrong")
			follow(wrong, primary)
			replica := mk(t, "--masteruser", "repl", "--masterauth", "secret")
			follow(replica, primary)
			linked(t, replica)
			replica.dial().want("GET k", `"v"`)
			if st := wrong.dial().info("master_link_status"); st != "down" {
				t.Errorf("with the wrong password the link is %s", st)
			}
		})
	}
}

func TestWait(t *testing.T) {
	for name, mk := range map[string]func(*testing.T) server{
		"larder": func(t *testing.T) server { return start(t) }, "redis": func(t *testing.T) server { return startRedis(t) }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, replica := start(t), mk(t)
			p := primary.dial()
			p.want("SET k v", "OK")
			p.want("WAIT 0 0", "0")
			p.want("WAIT 1 10", "0")
			follow(replica, primary)
			linked(t, replica)
			p.want("SET k w", "OK")
			p.want("WAIT 1 0", "1")
			p.want("WAIT 2 20", "1")
			p.want("MULTI", "OK")
			p.want("SET k x", "QUEUED")
			p.want("WAIT 5 0", "QUEUED")
			if got := p.do("EXEC"); got != "[OK 0]" && got != "[OK 1]" {
				t.Errorf("WAIT within MULTI: %s", got)
			}
			for line, want := range map[string]string{"WAIT 1 -1": "-ERR timeout is negative", "WAIT 1 x": "-ERR timeout is not an integer or out of range",
				"WAIT 1 9223372036854775807": "-ERR timeout is out of range", "WAIT x 1": "-ERR value is not an integer or out of range"} {
				p.want(line, want)
			}
			// One that waits for ever is told when the node is a primary no more.
			waiter, admin := primary.dial(), primary.dial()
			waiter.want("SET k y", "OK")
			waiter.send("WAIT 9 0\r\n")
			until(t, "it waits", func() bool { return admin.info("blocked_clients") == "1" })
			admin.want("REPLICAOF 127.0.0.1 1", "OK")
			if got := waiter.reply(); !strings.HasPrefix(got, "-UNBLOCKED ") {
				t.Errorf("after the demotion: %s", got)
			}
			admin.want("WAIT 0 0", "-ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.")
		})
	}
}

// TestStoppedReplicaIsCut: a replica that does not read is cut when it is too far behind, at once, and costs no more memory.
func TestStoppedReplicaIsCut(t *testing.T) {
	primary := start(t, "--client-output-buffer-limit", "replica", "4mb", "0", "0", "--repl-backlog-size", "1mb")
	replica := startRedis(t)
	follow(replica, primary)
	linked(t, replica)
	p := primary.dial()
	if err := replica.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	val := strings.Repeat("x", 1<<20)
	until(t, "the replica is cut", func() bool {
		if r := p.run("SET", "k", val); r != "OK" {
			t.Fatal(r)
		}
		return p.info("connected_slaves") == "0"
	})
	if n, _ := strconv.Atoi(p.info("mem_replication_backlog")); n > 8<<20 {
		t.Errorf("the journal holds %d bytes", n)
	}
	if err := replica.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, primary, replica)
	same(t, primary, replica)
}

// TestLimitBelowBacklog: a replica that is no further behind than the backlog reaches is not cut, whatever its limit is.
func TestLimitBelowBacklog(t *testing.T) {
	primary := start(t, "--client-output-buffer-limit", "replica", "1mb", "0", "0", "--repl-backlog-size", "1mb")
	replica := startRedis(t)
	follow(replica, primary)
	linked(t, replica)
	p := primary.dial()
	p.want("CONFIG SET repl-backlog-size 32mb", "OK")
	if err := replica.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		p.run("SET", "k", strings.Repeat("x", 1<<20))
	}
	if err := replica.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, primary, replica)
	if full, partial := p.info("sync_full"), p.info("sync_partial_ok"); full != "1" || partial != "0" {
		t.Errorf("sync_full:%s, sync_partial_ok:%s: it was cut", full, partial)
	}
}

func TestSoftLimitCutsReplica(t *testing.T) {
	primary := start(t, "--client-output-buffer-limit", "replica", "0", "1mb", "0")
	replica := startRedis(t)
	follow(replica, primary)
	linked(t, replica)
	if err := replica.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer replica.cmd.Process.Signal(syscall.SIGCONT) //nolint:errcheck // it is killed next
	p := primary.dial()
	val := strings.Repeat("x", 1<<20)
	until(t, "the replica is cut", func() bool { return p.run("SET", "k", val) == "OK" && p.info("connected_slaves") == "0" })
}

// fakePrimary answers the handshake of one replica after the other, and gives each connection to serve once it asks for PSYNC.
func fakePrimary(t *testing.T, serve func(nc net.Conn, psync string)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				in := resp.NewReader(nc)
				for {
					v, err := in.ReadValue()
					if err != nil {
						return
					}
					if strings.EqualFold(string(v.Elems[0].Str), "psync") {
						serve(nc, string(v.Elems[1].Str)+" "+string(v.Elems[2].Str))
						return
					}
					io.WriteString(nc, "+OK\r\n") //nolint:errcheck // the next read tells
				}
			}()
		}
	}()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// TestBrokenSnapshotKeepsData: whatever a primary sends in place of a snapshot, what the replica has stays.
func TestBrokenSnapshotKeepsData(t *testing.T) {
	donor := start(t)
	fill(t, donor, 500)
	donor.dial().want("SAVE", "OK")
	good, err := os.ReadFile(filepath.Join(donor.dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 0x40
	sized := func(b []byte, n int) string { return fmt.Sprintf("$%d\r\n%s", n, b) }
	mark := strings.Repeat("m", 40)
	module, err := moduleRDB()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"ends in the middle":      sized(good[:len(good)/2], len(good)),
		"corrupt":                 sized(flipped, len(flipped)),
		"corrupt, with end mark":  "$EOF:" + mark + "\r\n" + string(flipped) + mark,
		"no end mark":             "$EOF:" + mark + "\r\n" + string(good),
		"not an RDB file":         sized([]byte("hello"), 5),
		"empty":                   sized(nil, 0),
		"no length":               "$x\r\n",
		"an error":                "-ERR no\r\n",
		"a type that is not here": sized(module, len(module)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t)
			p := n.dial()
			p.want("SET mine still", "OK")
			asked := make(chan string, 100)
			port := fakePrimary(t, func(nc net.Conn, psync string) {
				fmt.Fprintf(nc, "+FULLRESYNC %s 100\r\n%s", strings.Repeat("a", 40), data)
				select {
				case asked <- psync:
				default:
				}
			})
			p.want("REPLICAOF 127.0.0.1 "+port, "OK")
			for range 2 { // the second try comes when the first has failed
				select {
				case <-asked:
				case <-time.After(patience):
					t.Fatal("the replica did not ask")
				}
			}
			p.want("GET mine", `"still"`)
			p.want("REPLICAOF NO ONE", "OK")
			p.want("GET mine", `"still"`)
			p.want("SET mine again", "OK")
		})
	}
}

// moduleRDB is a snapshot with a value of a module.
func moduleRDB() ([]byte, error) {
	var out bytes.Buffer
	w := rdb.NewWriter(&out, rdb.WriterOptions{Checksum: true})
	err := errors.Join(w.Header(nil), w.SelectDB(0, 0, 0),
		w.Object([]byte("m"), rdb.Value{Type: rdb.TypeModule2, Raw: []byte{byte(rdb.TypeModule2), 1, 0}}, rdb.Meta{}), w.Close())
	return out.Bytes(), err
}

// TestUnknownCommandInStream: a command of the primary's that the replica does not have is left out, as propagation-error-behavior says; the log
// and INFO tell of it, and the stream goes on.
func TestUnknownCommandInStream(t *testing.T) {
	primary, replica := startRedis(t), start(t, "--rename-command", "XADD", "")
	follow(replica, primary)
	linked(t, replica)
	p, rp := primary.dial(), replica.dial()
	p.want("XADD s 1-1 f v", `"1-1"`)
	p.want("SET k v", "OK")
	caughtUp(t, primary, replica)
	rp.want("GET k", `"v"`)
	rp.want("EXISTS s", "0")
	if got := rp.info("unexpected_error_replies"); got != "1" {
		t.Errorf("%s errors are counted, want 1", got)
	}
	const line = "== CRITICAL == This replica is sending an error to its primary: 'ERR unknown command 'XADD', with args beginning with: 's' '1-1' 'f' 'v'' " +
		"after processing the command '<unknown>'"
	if log := replica.log.String(); strings.Count(log, line) != 1 {
		t.Errorf("the log does not have the line %s:\n%s", line, log)
	}
}

// TestPrimaryRestartsWithItsDump: replicas go on where the dump is, unless they have got more than the dump has.
func TestPrimaryRestartsWithItsDump(t *testing.T) {
	for name, tt := range map[string]struct {
		more    bool
		partial string
	}{"replica has the dump's data": {false, "1"}, "replica has more": {true, "0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, port := t.TempDir(), strconv.Itoa(porttest.Free(t))
			args := []string{"--dir", dir, "--port", port}
			primary, replica := start(t, args...), start(t)
			fill(t, primary, 100)
			follow(replica, primary)
			linked(t, replica)
			p := primary.dial()
			p.want("SELECT 9", "OK")
			p.want("SET k 1", "OK")
			caughtUp(t, primary, replica)
			p.want("SAVE", "OK")
			if tt.more {
				p.want("SET lost 1", "OK")
				caughtUp(t, primary, replica)
			}
			primary.stop()
			again := start(t, args...)
			ap := again.dial()
			ap.want("SELECT 9", "OK")
			for range 50 { // past what the replica has got of the old stream
				ap.do("INCR k")
			}
			caughtUp(t, again, replica)
			same(t, again, replica)
			if n := ap.info("sync_partial_ok"); n != tt.partial {
				t.Errorf("%s partial resyncs, want %s", n, tt.partial)
			}
		})
	}
}

func TestReplicaRestartsWithItsDump(t *testing.T) {
	primary := start(t)
	fill(t, primary, 100)
	dir := t.TempDir()
	replica := start(t, "--dir", dir)
	follow(replica, primary)
	stop := load(t, primary, 2)
	linked(t, replica)
	for range 3 {
		// The dump is taken while the stream comes in: data and offset must be those of one instant, or an INCR counts twice.
		replica.dial().want("SAVE", "OK")
		replica.stop()
		replica = start(t, "--dir", dir)
		follow(replica, primary)
		linked(t, replica)
	}
	stop()
	caughtUp(t, primary, replica)
	same(t, primary, replica)
	if n := primary.dial().info("sync_partial_ok"); n != "3" {
		t.Errorf("%s partial resyncs", n)
	}
}

func TestRoleChangesRace(t *testing.T) {
	a, b, n := start(t), start(t), start(t)
	a.dial().want("SET who a", "OK")
	b.dial().want("SET who b", "OK")
	var wg sync.WaitGroup
	for i := range 4 {
		p := n.dial()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 10 {
				switch (i + j) % 3 {
				case 0:
					p.do("REPLICAOF 127.0.0.1 " + portOf(a))
				case 1:
					p.do("REPLICAOF 127.0.0.1 " + portOf(b))
				case 2:
					p.do("REPLICAOF NO ONE")
				}
			}
		}()
	}
	wg.Wait()
	// It may follow b already, which the answer then says.
	if got := n.dial().do("REPLICAOF 127.0.0.1 " + portOf(b)); !strings.HasPrefix(got, "OK") {
		t.Fatal(got)
	}
	caughtUp(t, b, n)
	n.dial().want("GET who", `"b"`)
	// The other is followed by nobody any more.
	ap := a.dial()
	until(t, "only one link is left", func() bool { return ap.info("connected_slaves") == "0" })
}
