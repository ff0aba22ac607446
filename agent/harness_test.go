package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-cache/larder/agent/driver"
	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/nodeapi"
)

const host = "h1"

// patience ends a wait for something that does not come. No test passes by it.
const patience = 20 * time.Second

// link is a control plane in a test: the specs that it is told, and all that was reported.
type link struct {
	mu      sync.Mutex
	changed *sync.Cond
	specs   map[string]nodeapi.NodeSpec
	out     chan nodeapi.HostSpecs
	last    map[string]nodeapi.NodeStatus
	all     []nodeapi.NodeStatus
}

func newLink() *link {
	l := &link{specs: map[string]nodeapi.NodeSpec{}, last: map[string]nodeapi.NodeStatus{}, out: make(chan nodeapi.HostSpecs, 1)}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Specs implements nodeapi.Link.
func (l *link) Specs(ctx context.Context, _ string) <-chan nodeapi.HostSpecs {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send()
	return l.out
}

// Report implements nodeapi.Link.
func (l *link) Report(_ context.Context, s nodeapi.NodeStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[s.ID] = s
	l.all = append(l.all, s)
	l.changed.Broadcast()
}

// set gives nodes new specs.
func (l *link) set(specs ...nodeapi.NodeSpec) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range specs {
		s.Listen = slices.Clone(s.Listen)
		l.specs[s.ID] = s
	}
	l.send()
}

func (l *link) send() {
	set := nodeapi.HostSpecs{Host: host}
	for _, s := range l.specs {
		set.Nodes = append(set.Nodes, s)
	}
	select {
	case <-l.out:
	default:
	}
	l.out <- set
}

// wait waits until a node's last status is as it should be.
func (l *link) wait(t *testing.T, id, what string, ok func(nodeapi.NodeStatus) bool) nodeapi.NodeStatus {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	late := false
	timer := time.AfterFunc(patience, func() { l.mu.Lock(); late = true; l.mu.Unlock(); l.changed.Broadcast() })
	defer timer.Stop()
	for {
		if s, seen := l.last[id]; seen && ok(s) {
			return s
		}
		if late {
			t.Fatalf("%s did not become %s; last: %+v", id, what, l.last[id])
		}
		l.changed.Wait()
	}
}

// applied waits until the node's present spec is true, in the state of process given.
func (l *link) applied(t *testing.T, id string, state nodeapi.ProcessState) nodeapi.NodeStatus {
	t.Helper()
	l.mu.Lock()
	gen := l.specs[id].Generation
	l.mu.Unlock()
	return l.wait(t, id, fmt.Sprintf("%s at generation %d", state, gen), func(s nodeapi.NodeStatus) bool {
		return s.Applied == gen && s.Process == state
	})
}

// env is one test's host: a data folder, addresses of its own, and an agent.
type env struct {
	t     *testing.T
	dir   string
	run   string // for sockets
	drv   driver.Driver
	link  *link
	agent *Agent
	base  [4]byte
	port  uint16
	gen   int64
	stop  func()
}

// drivers are both kinds of server. The tests of native need bin/larder-server, and say so if it is not there.
var drivers = map[string]func() driver.Driver{
	"process": func() driver.Driver { return driver.NewProcess("redis-server") },
	"native":  func() driver.Driver { return driver.NewNative(filepath.Join(binDir(), "larder-server")) },
}

func binDir() string {
	if dir := os.Getenv("LARDER_BIN"); dir != "" {
		return dir
	}
	return filepath.Join("..", "bin")
}

func newEnv(t *testing.T, make func() driver.Driver) *env {
	t.Helper()
	e := &env{t: t, dir: t.TempDir(), run: shortDir(t), drv: make(), link: newLink()}
	if err := e.drv.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	e.base = [4]byte{127, byte(64 + r.IntN(64)), byte(r.IntN(256)), byte(r.IntN(200))}
	e.port = uint16(20000 + r.IntN(30000))
	t.Cleanup(e.cleanup)
	e.start()
	return e
}

// start makes an agent on the folder and runs it.
func (e *env) start() {
	e.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(e.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	a, err := New(Config{Host: host, DataDir: e.dir, Drivers: map[string]driver.Driver{"redis": e.drv}, Link: e.link, Clock: clock.Real{}, Log: log, RuntimeDir: e.run})
	if err != nil {
		e.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	e.agent = a
	e.stop = func() { cancel(); <-done }
}

// drop ends the agent and leaves its nodes.
func (e *env) drop() {
	e.t.Helper()
	e.stop()
	if err := e.agent.Close(); err != nil {
		e.t.Fatal(err)
	}
	e.agent = nil
}

// cleanup kills what is left, by the agent's own means: only what it started.
func (e *env) cleanup() {
	if e.agent == nil {
		e.start()
	}
	e.stop()
	for _, r := range e.agent.running() {
		if err := r.process.Kill(); err != nil {
			e.t.Error(err)
		}
		<-r.process.Done()
	}
	if err := e.agent.Close(); err != nil {
		e.t.Error(err)
	}
}

// addr is the n-th address of the test.
func (e *env) addr(n int) netip.AddrPort {
	b := e.base
	b[3] += byte(n)
	return netip.AddrPortFrom(netip.AddrFrom4(b), e.port)
}

func node(n int) string { return fmt.Sprintf("web-%03d/0001", n) }

// spec is the n-th node's, without a role, at the next generation.
func (e *env) spec(n int) nodeapi.NodeSpec {
	return nodeapi.NodeSpec{ID: node(n), Host: host, Group: "web", Epoch: 1, Existence: nodeapi.Running, Engine: "redis",
		Role: nodeapi.RoleNone, MaxMemory: 64 << 20, ReplicationPassword: "s3cret word",
		Listen: []nodeapi.Listener{{Addr: e.addr(n), Purpose: nodeapi.PurposeNode}}}
}

// primaryAt and readerAt are the shard's endpoints.
func (e *env) endpoint() netip.AddrPort { return e.addr(40) }

func (e *env) primary(n int) nodeapi.NodeSpec {
	s := e.spec(n)
	s.Role = nodeapi.RolePrimary
	s.Listen = append(s.Listen, nodeapi.Listener{Addr: e.endpoint(), Purpose: nodeapi.PurposePrimary})
	return s
}

func (e *env) replica(n, of int) nodeapi.NodeSpec {
	s := e.spec(n)
	s.Role = nodeapi.RoleReplica
	if of != 0 {
		s.Primary = e.addr(of)
	}
	return s
}

// give hands specs over at the next generation.
func (e *env) give(specs ...nodeapi.NodeSpec) {
	e.gen++
	for i := range specs {
		specs[i].Generation = e.gen
	}
	e.link.set(specs...)
}

// shard makes a primary (node 1) with replicas (from node 2 on), in sync.
func (e *env) shard(replicas int) {
	e.t.Helper()
	for n := 1; n <= replicas+1; n++ {
		e.give(e.spec(n))
	}
	for n := 1; n <= replicas+1; n++ {
		e.link.applied(e.t, node(n), nodeapi.ProcessUp)
	}
	e.give(e.primary(1))
	for n := 2; n <= replicas+1; n++ {
		e.give(e.replica(n, 1))
	}
	e.link.applied(e.t, node(1), nodeapi.ProcessUp)
	for n := 2; n <= replicas+1; n++ {
		e.linked(n)
	}
}

// linked waits until a replica has its primary's data.
func (e *env) linked(n int) nodeapi.NodeStatus {
	e.t.Helper()
	e.link.applied(e.t, node(n), nodeapi.ProcessUp)
	return e.link.wait(e.t, node(n), "linked", func(s nodeapi.NodeStatus) bool { return s.LinkUp && !s.Syncing })
}

// client is a plain client of an address, without retries.
func (e *env) client(a netip.AddrPort) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: a.String(), MaxRetries: -1, DialerRetries: 1, Protocol: 2, DisableIdentity: true, PoolSize: 1})
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (e *env) put(a netip.AddrPort, key, value string) {
	e.t.Helper()
	if err := e.client(a).Set(context.Background(), key, value, 0).Err(); err != nil {
		e.t.Fatalf("SET at %s: %v", a, err)
	}
}

func (e *env) get(a netip.AddrPort, key string) string {
	e.t.Helper()
	v, err := e.client(a).Get(context.Background(), key).Result()
	if err != nil {
		e.t.Fatalf("GET %s at %s: %v", key, a, err)
	}
	return v
}

// signal sends a signal to a node's process.
func (e *env) signal(pid int, sig syscall.Signal) {
	e.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		e.t.Fatal(err)
	}
}

// closed reports whether nobody listens on an address.
func closed(a netip.AddrPort) bool {
	c, err := net.Dial("tcp", a.String())
	if err != nil {
		return strings.Contains(err.Error(), "refused")
	}
	_ = c.Close()
	return false
}

// config asks a node for parameters, as its agent would.
func (e *env) config(n int, names ...string) map[string]string {
	e.t.Helper()
	access, err := e.agent.access(node(n), "")
	if err != nil {
		e.t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: access.Socket, Username: driver.AdminUser, Password: string(access.Password), Protocol: 2})
	defer c.Close()
	values := map[string]string{}
	for _, name := range names {
		m, err := c.ConfigGet(context.Background(), name).Result()
		if err != nil {
			e.t.Fatal(err)
		}
		values[name] = m[name]
	}
	return values
}

// shortDir is a folder with a short name: a test's own one may be too long for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
