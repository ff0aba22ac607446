package differential

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/node"
	"github.com/larder-cache/larder/wire/resp"
)

// place is one of the two servers, with its connections.
type place struct {
	t         *testing.T
	name      string
	path      string
	observers []*enginetest.Peer // one for each loop: nobody else's database is selected there
	clients   [crowdSize]*client
	known     map[int64]int // whose a client's ID is or was
	dumps     map[string]string
}

// client is a connection that sends commands, and what it received and is not compared yet.
type client struct {
	nc     *net.UnixConn
	raw    syscall.RawConn
	id     int64
	got    []byte
	closed bool
}

// startNode runs larder with so many loops on a unix socket, until the test ends.
func startNode(t *testing.T, loops int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "larder") // not the test's folder: a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	cfg := node.NewConfig()
	args := []string{"--port", "0", "--unixsocket", path, "--dir", dir, "--save", "", "--io-threads", strconv.Itoa(loops), "--enable-debug-command", "yes"}
	if err := cfg.LoadArgs(args); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	n, err := node.New(cfg, &log, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	if err := n.Serve(); err != nil {
		t.Fatal(err)
	}
	return path
}

// observed is the database that observers have selected, so that MONITOR tells them apart.
const observed = 15

// idsFrom is how many connections a server has seen before the first that counts, so that no other number of a reply is taken for an ID.
const idsFrom = 1000

func newPlace(t *testing.T, name, path string, loops int) *place {
	p := &place{t: t, name: name, path: path, known: map[int64]int{}, dumps: map[string]string{}}
	for range idsFrom {
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = nc.Write([]byte("PING\r\n")); err == nil {
			_, err = nc.Read(make([]byte, 16)) // those that it has not accepted yet may only be some
		}
		if nc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range loops {
		o := enginetest.Dial(t, path)
		o.Value("SELECT", strconv.Itoa(observed))
		p.observers = append(p.observers, o)
	}
	return p
}

// must gives the observer a command that has to succeed.
func (p *place) must(args ...string) resp.Value {
	p.t.Helper()
	v := p.observers[0].Value(args...)
	if v.IsError() {
		p.t.Fatalf("%s: %s: %s", p.name, quote(args), v.Str)
	}
	return v
}

// prepare sets what holds for the whole test, and takes payloads of the real server for RESTORE.
func (p *place) prepare(real *enginetest.Peer) {
	p.must("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	p.must("CONFIG", "SET", "tracking-table-max-keys", "0")
	for typ, args := range map[string][]string{"%list": {"RPUSH", "k", "a", "b"}, "%zset": {"ZADD", "k", "1", "a"}, "%string": {"SET", "k", "x"},
		"%stream": {"XADD", "k", "5-5", "f", "v"}} {
		real.Value("DEL", "k")
		real.Value(args...)
		p.dumps[typ] = string(real.Value("DUMP", "k").Str)
	}
	real.Value("DEL", "k")
}

// library has functions that do what they are told.
const library = "#!lua name=lib\nredis.register_function('call', function(keys, args) return redis.call(unpack(args)) end)\n" +
	"redis.register_function('push', function(keys, args) redis.call('rpush', keys[1], args[1]) return redis.call('lpush', keys[2], args[1]) end)"

// reset ends all connections and makes new ones, on an empty server.
func (p *place) reset() {
	p.t.Helper()
	p.must("CLIENT", "UNPAUSE")
	p.must("CONFIG", "SET", "notify-keyspace-events", "")
	for i := range p.clients {
		p.redial(i)
	}
	p.rest()
	for _, args := range [][]string{{"ACL", "DELUSER", "u1", "u2"}, {"FLUSHALL"}, {"FUNCTION", "FLUSH"}, {"SCRIPT", "FLUSH"}, {"FUNCTION", "LOAD", library},
		{"CONFIG", "RESETSTAT"}} {
		p.must(args...)
	}
}

// redial makes a connection anew.
func (p *place) redial(i int) {
	p.t.Helper()
	if c := p.clients[i]; c != nil {
		c.nc.Close()
	}
	p.rest()
	nc, err := net.Dial("unix", p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { nc.Close() })
	c := &client{nc: nc.(*net.UnixConn)}
	if c.raw, err = c.nc.SyscallConn(); err != nil {
		p.t.Fatal(err)
	}
	c.send([]string{"CLIENT", "ID"})
	v, err := resp.NewReader(nc).ReadValue()
	if err != nil || v.Kind != resp.KindInt {
		p.t.Fatalf("%s: CLIENT ID: %v %v", p.name, v, err)
	}
	c.id = v.Int
	p.known[c.id] = i
	p.clients[i] = c
}

// bound replaces what stands for something of this server.
func (p *place) bound(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if dump := p.dumps[w]; dump != "" {
			out[i] = dump
		} else if n, err := strconv.Atoi(strings.TrimPrefix(w, "%")); err == nil && strings.HasPrefix(w, "%") && n < crowdSize {
			out[i] = strconv.FormatInt(p.clients[n].id, 10)
		}
	}
	return out
}

func (c *client) send(words []string) {
	_, _ = c.nc.Write(resp.AppendCommandStrings(nil, words...)) // whether it was closed is seen by what is read
}

// restRounds is over how many loops what a command has left may go.
const restRounds = 3

// rest returns when the server has done what it was given, and what that has left for other loops.
func (p *place) rest() {
	p.t.Helper()
	for range restRounds {
		for _, o := range p.observers {
			o.Raw("PING")
		}
	}
}

// drain takes what has arrived.
func (p *place) drain() {
	p.t.Helper()
	for _, c := range p.clients {
		for c.take() {
		}
	}
}

// take reads what a connection has at once, and reports whether that was something.
func (c *client) take() bool {
	if c.closed {
		return false
	}
	var buf [16 << 10]byte
	n, failed := 0, error(nil)
	err := c.raw.Read(func(fd uintptr) bool {
		n, failed = syscall.Read(int(fd), buf[:])
		return true
	})
	switch {
	case failed == syscall.EAGAIN || failed == syscall.EINTR:
		return failed == syscall.EINTR
	case err != nil || failed != nil || n == 0:
		c.closed = true
		return false
	}
	c.got = append(c.got, buf[:n]...)
	return true
}
