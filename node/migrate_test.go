package node

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// begin sends a command whose words stand between blanks; "" is an empty one.
func (p *peer) begin(line string) {
	p.t.Helper()
	words := strings.Fields(line)
	for i, w := range words {
		if w == `""` {
			words[i] = ""
		}
	}
	p.send(string(resp.AppendCommandStrings(nil, words...)))
}

// hostPort is where a node is, as two words.
func (n *testNode) hostPort() string { return strings.ReplaceAll(n.addr, ":", " ") }

func TestMigrate(t *testing.T) {
	from, to := start(t), start(t)
	p, q := from.dial(), to.dial()
	stream := rawReplica(t, from)
	at := to.hostPort()
	p.want("SET s text EX 1000", "OK")
	p.want("RPUSH l a b c", "3")
	p.want("ZADD z 1 a 2.5 b", "2")
	p.want("HSET h f v", "1")
	p.want("SADD set 1 2 3", "3")
	p.want("MIGRATE "+at+" s 3 5000 COPY", "OK")
	p.want("EXISTS s", "1")
	p.want("MIGRATE "+at+" s 3 5000", "-ERR Target instance replied with error: BUSYKEY Target key name already exists.")
	p.want("EXISTS s", "1")
	p.want("MIGRATE "+at+" s 3 5000 REPLACE", "OK")
	p.want("EXISTS s", "0")
	p.want("MIGRATE "+at+" s 3 5000", "NOKEY")
	if p.begin("MIGRATE " + at + ` "" 3 5000 KEYS l nosuch z h set keys`); p.reply() != "OK" {
		t.Fatal("several keys")
	}
	p.want("DBSIZE", "1") // warm, of rawReplica
	q.want("SELECT 3", "OK")
	for _, c := range [][2]string{{"GET s", `"text"`}, {"LRANGE l 0 -1", `["a" "b" "c"]`}, {"ZRANGE z 0 -1 WITHSCORES", `["a" "1" "b" "2.5"]`},
		{"HGET h f", `"v"`}, {"SCARD set", "3"}, {"TTL l", "-1"}} {
		q.want(c[0], c[1])
	}
	if ttl := q.do("TTL s"); ttl != "1000" && ttl != "999" {
		t.Errorf("TTL %s", ttl)
	}
	p.want("MIGRATE "+at+" warm 99 5000", "-ERR Target instance replied with error: ERR DB index is out of range")
	p.want("MIGRATE 127.0.0.1 1 warm 0 5000", "-IOERR error or timeout writing to target instance")
	if got := p.info("migrate_cached_sockets"); got != "1" {
		t.Errorf("%s sockets are kept", got)
	}
	p.want("SET last one", "OK")
	buf, got := make([]byte, 64<<10), ""
	until(t, "the stream is there", func() bool { got += readNow(t, stream, buf); return strings.Contains(got, "last") })
	del := string(resp.AppendCommandStrings(nil, "DEL", "l", "z", "h", "set"))
	if strings.Contains(strings.ToLower(got), "migrate") || !strings.Contains(got, del) || !strings.Contains(got, string(resp.AppendCommandStrings(nil, "DEL", "s"))) {
		t.Errorf("the stream is %q", got)
	}
}

func TestMigrateAuth(t *testing.T) {
	from, to := start(t), start(t)
	p, q := from.dial(), to.dial()
	q.want("ACL SETUSER mover on >secret ~* +@all", "OK")
	q.want("CONFIG SET requirepass other", "OK")
	at := "MIGRATE " + to.hostPort() + " k 0 5000 COPY REPLACE"
	const wrong = "-ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled."
	p.want("SET k v", "OK")
	p.want(at, "-ERR Target instance replied with error: NOAUTH Authentication required.")
	p.want(at+" AUTH secret", wrong)
	p.want(at+" AUTH other", "OK")
	p.want(at+" AUTH2 mover secret", "OK")
	p.want(at+" AUTH2 mover other", wrong)
	q.want("CONFIG SET requirepass third", "OK") // a connection that was kept is no way in
	p.want(at+" AUTH other", wrong)
	p.want("CONFIG SET slowlog-log-slower-than 0", "OK")
	p.want(at+" AUTH2 mover secret", "OK")
	if log := p.do("SLOWLOG GET 10"); strings.Contains(log, "secret") || !strings.Contains(log, "(redacted)") {
		t.Errorf("the slow log tells: %s", log)
	}
}

// target is a server that answers a MIGRATE when it is told to.
type fakeTarget struct {
	t  *testing.T
	ln net.Listener
	at string
}

func newTarget(t *testing.T) *fakeTarget {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &fakeTarget{t, ln, strings.ReplaceAll(ln.Addr().String(), ":", " ")}
}

// accept takes a connection and reads up to a RESTORE of so many keys; answer answers all of it.
func (f *fakeTarget) accept(keys int) (nc net.Conn, answer func(restores ...string)) {
	f.t.Helper()
	nc, err := f.ln.Accept()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { nc.Close() })
	return nc, f.read(nc, keys)
}

func (f *fakeTarget) read(nc net.Conn, keys int) (answer func(restores ...string)) {
	f.t.Helper()
	in := resp.NewReader(bufio.NewReader(nc))
	for keys > 0 {
		v, err := in.ReadValue()
		if err != nil {
			f.t.Fatal(err)
		}
		if name := string(v.Elems[0].Str); name == "RESTORE" {
			keys--
		} else if _, err := nc.Write([]byte("+OK\r\n")); err != nil {
			f.t.Fatal(err)
		}
	}
	return func(restores ...string) {
		f.t.Helper()
		if _, err := nc.Write([]byte(strings.Join(restores, "\r\n") + "\r\n")); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestMigrateHoldsItsKeys: while the target has not answered, writes to the keys wait and all else goes on; then they find the keys gone.
func TestMigrateHoldsItsKeys(t *testing.T) {
	n, f := start(t), newTarget(t)
	p, admin := n.dial(), n.dial()
	admin.want("MSET a 1 b 2 c 3 other 4", "OK")
	p.begin("MIGRATE " + f.at + ` "" 0 60000 KEYS a b c`)
	_, answer := f.accept(3)
	admin.want("GET a", `"1"`)
	admin.want("SET other 5", "OK")
	var waiting []*peer
	for i, line := range []string{"APPEND a x", "MIGRATE 127.0.0.1 1 a 0 1000", "EVAL redis.call('append',KEYS[1],'y') 1 b", "FLUSHALL"} {
		w := n.dial()
		w.begin(line)
		waiting = append(waiting, w)
		until(t, "it waits: "+line, func() bool { return admin.info("blocked_clients") == fmt.Sprint(i+2) })
	}
	tx := n.dial()
	tx.want("MULTI", "OK")
	tx.want("INCR b", "QUEUED")
	tx.begin("EXEC")
	until(t, "the transaction waits", func() bool { return admin.info("blocked_clients") == "6" })
	waiting[3].nc.Close() // the FLUSHALL
	until(t, "it is gone", func() bool { return admin.info("blocked_clients") == "5" })
	answer("+OK", "-ERR no", "+OK")
	if got := p.reply(); got != "-ERR Target instance replied with error: ERR no" {
		t.Error(got)
	}
	if got := waiting[0].reply(); got != "1" {
		t.Errorf("APPEND to a key that has gone: %s", got)
	}
	if got := waiting[1].reply(); got != "NOKEY" && !strings.Contains(got, "IOERR") {
		t.Errorf("MIGRATE of a key that has gone: %s", got)
	}
	waiting[2].reply()
	if got := tx.reply(); !strings.HasPrefix(got, "[") {
		t.Errorf("EXEC: %s", got)
	}
	admin.want("GET a", `"x"`)
	admin.want("EXISTS c", "0")
	admin.want("GET other", `"5"`)
	if got := admin.info("total_watched_keys") + admin.info("blocked_clients"); got != "00" {
		t.Errorf("left over: %s", got)
	}
}

// TestMigrateChanged: a script that did not say which keys it writes reaches a key on its way. It is not deleted, and the client is told.
func TestMigrateChanged(t *testing.T) {
	n, f := start(t), newTarget(t)
	p, admin := n.dial(), n.dial()
	admin.want("MSET a 1 b 2", "OK")
	p.begin("MIGRATE " + f.at + ` "" 0 60000 KEYS a b`)
	_, answer := f.accept(2)
	if got := admin.run("EVAL", "return redis.call('SET','b','new')", "0"); got != "OK" {
		t.Fatal(got)
	}
	answer("+OK", "+OK")
	if got := p.reply(); got != "-ERR a key changed while it was sent: it is on both servers" {
		t.Error(got)
	}
	admin.want("EXISTS a", "0")
	admin.want("GET b", `"new"`)
}

// TestMigrateInPause: what the target has is deleted when the pause is over, and not by a node that has become a replica.
func TestMigrateInPause(t *testing.T) {
	n, f := start(t), newTarget(t)
	p, admin := n.dial(), n.dial()
	admin.want("SET a 1", "OK")
	p.begin("MIGRATE " + f.at + " a 0 60000")
	nc, answer := f.accept(1)
	admin.want("CLIENT PAUSE 100000 WRITE", "OK")
	answer("+OK")
	admin.want("GET a", `"1"`)
	admin.want("CLIENT UNPAUSE", "OK")
	if got := p.reply(); got != "OK" {
		t.Fatal(got)
	}
	admin.want("EXISTS a", "0")
	admin.want("SET a 2", "OK")
	p.begin("MIGRATE " + f.at + " a 0 60000")
	answer = f.read(nc, 1)
	admin.want("REPLICAOF 127.0.0.1 1", "OK")
	answer("+OK")
	if got := p.reply(); got != "-ERR this node became a replica while the keys were sent: they are on both servers" {
		t.Error(got)
	}
	admin.want("GET a", `"2"`)
}

// TestMigrateSockets: a connection that the target has closed is made anew; one that does not answer is at an end.
func TestMigrateSockets(t *testing.T) {
	n, f := start(t), newTarget(t)
	p, admin := n.dial(), n.dial()
	move := func(timeout string) { p.begin("MIGRATE " + f.at + " a 0 " + timeout + " COPY") }
	admin.want("SET a 1", "OK")
	move("60000")
	nc, answer := f.accept(1)
	answer("+OK")
	if got := p.reply(); got != "OK" {
		t.Fatal(got)
	}
	nc.Close()
	move("60000")
	nc, answer = f.accept(1)
	answer("+OK")
	if got := p.reply(); got != "OK" {
		t.Fatal(got)
	}
	move("1")
	f.read(nc, 1)
	if got := p.reply(); got != "-IOERR error or timeout reading from target instance" {
		t.Error(got)
	}
	if got := admin.info("migrate_cached_sockets"); got != "0" {
		t.Errorf("%s sockets are kept", got)
	}
}

// TestMigrateAlone: a transaction or a script cannot wait for another server.
func TestMigrateAlone(t *testing.T) {
	p := start(t).dial()
	p.want("SET a 1", "OK")
	p.want("MULTI", "OK")
	p.want("MIGRATE 127.0.0.1 1 a 0 1000", "QUEUED")
	p.want("EXEC", "["+errShown+"]")
	if got := p.run("EVAL", "return redis.pcall('MIGRATE','127.0.0.1','1',KEYS[1],'0','1000')", "1", "a"); got != errShown {
		t.Error(got)
	}
}

const errShown = "-" + errMigrateWhole

// TestMigrateFromRedis: a redis-server moves keys here.
func TestMigrateFromRedis(t *testing.T) {
	n, real := start(t), startRedis(t)
	p, q := n.dial(), real.dial()
	q.want("SET a text PX 100000", "OK")
	q.want("HSET h f v", "1")
	if q.begin("MIGRATE " + n.hostPort() + ` "" 2 5000 KEYS a h nosuch`); q.reply() != "OK" {
		t.Fatal("redis-server did not move them")
	}
	q.want("DBSIZE", "0")
	p.want("SELECT 2", "OK")
	p.want("GET a", `"text"`)
	p.want("HGETALL h", `["f" "v"]`)
}

// TestMigrateLosesNothing: what clients add while the keys are moved away again and again is, all in all, what was told to be done. Some add by
// transactions, some by scripts.
func TestMigrateLosesNothing(t *testing.T) {
	from, to := start(t), start(t)
	const writers = 4
	var stop atomic.Bool
	var wg sync.WaitGroup
	acked := make([]int, writers)
	for w := range writers {
		p := from.dial()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for ; !stop.Load(); acked[w]++ {
				got := ""
				switch w {
				case 0, 1:
					got = p.do("INCR a")
				case 2:
					p.send("MULTI\r\nINCR b\r\nINCR a\r\nEXEC\r\n")
					got = p.reply() + p.reply() + p.reply() + p.reply()
				case 3:
					got = p.run("EVAL", "return redis.call('INCR', KEYS[1])", "1", "b")
				}
				if strings.Contains(got, "-") {
					t.Error(got)
					return
				}
			}
		}()
	}
	p, q := from.dial(), to.dial()
	sum := map[string]int{}
	take := func(c *peer) {
		for _, k := range []string{"a", "b"} {
			n, _ := strconv.Atoi(strings.Trim(c.do("GETDEL "+k), `"`)) // nil: there is none
			sum[k] += n
		}
	}
	for range 200 {
		p.begin("MIGRATE " + to.hostPort() + ` "" 0 60000 KEYS a b`)
		if got := p.reply(); got != "OK" && got != "NOKEY" {
			t.Error(got)
			break
		}
		take(q)
	}
	stop.Store(true)
	wg.Wait()
	take(p)
	if want := acked[0] + acked[1] + acked[2]; sum["a"] != want {
		t.Errorf("a: %d, told were %d", sum["a"], want)
	}
	if want := acked[2] + acked[3]; sum["b"] != want {
		t.Errorf("b: %d, told were %d", sum["b"], want)
	}
}
