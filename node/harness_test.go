package node

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/porttest"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// patience is how long a test waits for what must come; none passes by waiting it out, so it is long: the machine may have much else to do. The guarded arena is slow.
var patience = func() time.Duration {
	if invariant.Enabled {
		return 5 * time.Minute
	}
	return 3 * time.Minute
}()

// testNode is a node that runs in the test's process.
type testNode struct {
	*Node
	t    *testing.T
	addr string
	dir  string
	log  *logBuffer
	stop func()
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a node with larder-server's arguments, in a folder of its own unless --dir says another.
func start(t *testing.T, args ...string) *testNode {
	t.Helper()
	n, err := try(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func try(t *testing.T, args ...string) (*testNode, error) {
	t.Helper()
	port := porttest.Free(t)
	cfg := NewConfig()
	dir := t.TempDir()
	base := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--save", "", "--io-threads", "2", "--repl-backlog-size", "64mb"}
	if err := cfg.LoadArgs(append(base, args...)); err != nil {
		return nil, err
	}
	return run(t, cfg)
}

// startFile runs a node with a configuration file, and arguments behind it.
func startFile(t *testing.T, path string, args ...string) *testNode {
	t.Helper()
	cfg := NewConfig()
	if err := cfg.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	if err := cfg.LoadArgs(args); err != nil {
		t.Fatal(err)
	}
	n, err := run(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func run(t *testing.T, cfg *Config) (*testNode, error) {
	t.Helper()
	tn := &testNode{t: t, addr: fmt.Sprintf("127.0.0.1:%s", cfg.Get("port")), dir: cfg.Get("dir"), log: &logBuffer{}}
	n, err := New(cfg, tn.log, clock.Real{})
	if err != nil {
		return nil, err
	}
	tn.Node = n
	tn.stop = sync.OnceFunc(n.Close)
	t.Cleanup(func() {
		if t.Failed() {
			n.engine.AbortScript() // there may be one without an end
		}
		tn.stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", tn.addr, tn.log)
		}
	})
	return tn, n.Serve()
}

// peer is a connection to a server.
type peer struct {
	t  *testing.T
	nc net.Conn
	in *resp.Reader
}

func (n *testNode) dial() *peer { n.t.Helper(); return dial(n.t, "tcp", n.addr) }

func dial(t *testing.T, network, addr string) *peer {
	t.Helper()
	nc, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &peer{t, nc, resp.NewReader(nc)}
}

func (p *peer) send(raw string) {
	p.t.Helper()
	p.nc.SetDeadline(time.Now().Add(patience))
	if _, err := p.nc.Write([]byte(raw)); err != nil {
		p.t.Fatal(err)
	}
}

// reply reads one reply and shows it on a line.
func (p *peer) reply() string {
	p.t.Helper()
	p.nc.SetDeadline(time.Now().Add(patience))
	v, err := p.in.ReadValue()
	if err != nil {
		p.t.Fatal(err)
	}
	return enginetest.Show(v)
}

// do runs a command whose words stand between blanks.
func (p *peer) do(line string) string {
	p.t.Helper()
	return p.run(strings.Fields(line)...)
}

func (p *peer) run(args ...string) string {
	p.t.Helper()
	p.send(string(resp.AppendCommandStrings(nil, args...)))
	return p.reply()
}

func (p *peer) want(line, reply string) {
	p.t.Helper()
	if got := p.do(line); got != reply {
		p.t.Fatalf("%s: %s, want %s", line, got, reply)
	}
}

// closed fails unless the server has closed the connection, with nothing more to read.
func (p *peer) closed() {
	p.t.Helper()
	p.nc.SetDeadline(time.Now().Add(patience))
	if v, err := p.in.ReadValue(); err == nil {
		p.t.Fatalf("still open: %s", enginetest.Show(v))
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		p.t.Fatal("still open, and silent")
	}
}

// info is a field of INFO, "" if it is not there.
func (p *peer) info(name string) string {
	p.t.Helper()
	text, err := strconv.Unquote(p.do("INFO everything"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, l := range strings.Split(text, "\r\n") {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			return v
		}
	}
	return ""
}

// until waits for a condition that another process or goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// redis is a real redis-server, or what REDIS_SERVER names, on TCP.
type redis struct {
	t    *testing.T
	addr string
	port int
	dir  string
	cmd  *exec.Cmd
	log  *logBuffer
}

func startRedis(t *testing.T, args ...string) *redis {
	t.Helper()
	r := &redis{t: t, port: porttest.Free(t), dir: t.TempDir(), log: &logBuffer{}}
	r.addr = fmt.Sprintf("127.0.0.1:%d", r.port)
	r.cmd = exec.Command(enginetest.RealServer(), append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir, "--save", "",
		"--repl-diskless-sync-delay", "0", "--unixsocket", filepath.Join(r.dir, "s")}, args...)...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatalf("these tests need redis-server (apt install redis-server): %v", err)
	}
	t.Cleanup(func() {
		r.cmd.Process.Kill() //nolint:errcheck // it may be gone
		r.cmd.Wait()         //nolint:errcheck // killed
		if t.Failed() {
			t.Logf("log of redis-server %s:\n%s", r.addr, r.log)
		}
	})
	until(t, "redis-server serves", func() bool { return strings.Contains(r.log.String(), "eady to accept connections") })
	return r
}

func (r *redis) dial() *peer { r.t.Helper(); return dial(r.t, "tcp", r.addr) }

// answered sends calls at once, and reads as many replies, whatever they say; false when the connection is gone.
func (p *peer) answered(calls [][]string) bool {
	var b []byte
	for _, c := range calls {
		b = resp.AppendCommandStrings(b, c...)
	}
	p.nc.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails as well
	if _, err := p.nc.Write(b); err != nil {
		return false
	}
	for range calls {
		if _, err := p.in.ReadValue(); err != nil {
			return false
		}
	}
	return true
}

// repeatedly does something over and over, on its own, until it is false or stop is called.
func repeatedly(t *testing.T, once func() bool) (stop func()) {
	t.Helper()
	var end atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !end.Load() && once() {
		}
	}()
	stop = sync.OnceFunc(func() { end.Store(true); <-done })
	t.Cleanup(stop)
	return stop
}
