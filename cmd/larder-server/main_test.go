package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-cache/larder/base/porttest"
)

// TestMain lets the test binary be larder-server, so that the tests need no build of their own.
func TestMain(m *testing.M) {
	if os.Getenv("LARDER_SERVER_TEST") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

const patience = 20 * time.Second

type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	port int
	dir  string
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func command(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), "LARDER_SERVER_TEST=1")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	return p
}

// start runs a server until it takes connections.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	port, dir := porttest.Free(t), t.TempDir()
	p := command(t, append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir}, args...)...)
	p.port, p.dir = port, dir
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill() //nolint:errcheck // it may be gone
		p.cmd.Wait()         //nolint:errcheck // killed
		if t.Failed() {
			t.Logf("output:\n%s", p.text())
		}
	})
	until(t, "it serves", func() bool { return strings.Contains(p.text(), "Ready to accept connections") })
	return p
}

// until waits for what must come.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

func (p *process) client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", p.port)})
	p.t.Cleanup(func() { c.Close() })
	return c
}

func TestBadArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(file, []byte("port 0\nbogus-parameter 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--bogus", "1"}, []string{"FATAL CONFIG FILE ERROR", "--bogus"}},
		{[]string{file}, []string{"FATAL CONFIG FILE ERROR", "line 2 of " + file, "bogus-parameter"}},
		{[]string{"--appendonly", "yes"}, []string{"--appendonly", "not built in this version"}},
		{[]string{"/no/such/file"}, []string{"/no/such/file"}},
		{[]string{"--port", "x"}, []string{"--port", "integer"}},
		{[]string{"--dir", "/no/such/folder"}, []string{"/no/such/folder"}},
		{[]string{"--port", "0", "word"}, []string{"wrong number of arguments"}},
		{[]string{"check-rdb"}, []string{"Usage"}},
		{[]string{"check-aof", "file"}, []string{"check-aof is not built in this version"}},
		{[]string{"memcached", "-p", "0"}, []string{"memcached is not built in this version"}},
		{[]string{"check-rdb", "/no/such/file"}, []string{"Cannot open file", "/no/such/file"}},
	} {
		p := command(t, tt.args...)
		err := p.cmd.Run()
		if ee, ok := err.(*exec.ExitError); !ok || ee.ExitCode() != 1 {
			t.Errorf("%q: %v", tt.args, err)
		}
		for _, w := range tt.want {
			if !strings.Contains(p.text(), w) {
				t.Errorf("%q: output lacks %q: %s", tt.args, w, p.text())
			}
		}
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := command(t, "--bind", "127.0.0.1", "--port", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), "--dir", t.TempDir())
	if err := p.cmd.Run(); err == nil || !strings.Contains(p.text(), "Failed listening on port") || !strings.Contains(p.text(), "choose another address or port") {
		t.Errorf("%v: %s", err, p.text())
	}
}

func TestVersionAndHelp(t *testing.T) {
	for arg, want := range map[string]string{"--version": "larder-server v=", "--help": "Usage:"} {
		p := command(t, arg)
		if err := p.cmd.Run(); err != nil || !strings.HasPrefix(p.text(), want) {
			t.Errorf("%s: %v: %s", arg, err, p.text())
		}
	}
}

// TestSignals: SIGTERM saves where there are save points; kill -9 leaves the last snapshot.
func TestSignals(t *testing.T) {
	for _, tt := range []struct {
		save  string
		saved bool
	}{{"3600 1", true}, {"", false}} {
		p := start(t, "--save", tt.save)
		if err := p.client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Fatalf("save %q: %v", tt.save, err)
		}
		_, err := os.Stat(filepath.Join(p.dir, "dump.rdb"))
		if (err == nil) != tt.saved {
			t.Errorf("save %q: %v", tt.save, err)
		}
		if !strings.Contains(p.text(), "ready to exit, bye bye") {
			t.Error("no farewell")
		}
		if tt.saved {
			again := start(t, "--dir", p.dir)
			if v, err := again.client().Get(t.Context(), "k").Result(); v != "v" || err != nil {
				t.Errorf("after the restart: %q, %v", v, err)
			}
		}
	}
}

// TestOutlivesItsTerminal: as redis-server does it goes on when its terminal closes, and when nobody reads its output any more.
func TestOutlivesItsTerminal(t *testing.T) {
	p := start(t)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := p.client().Ping(t.Context()).Err(); err != nil {
		t.Errorf("after SIGHUP: %v", err)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p = command(t, "--port", "0", "--unixsocket", filepath.Join(t.TempDir(), "s"), "--dir", t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() }) //nolint:errcheck // it may be gone
	w.Close()
	for lines := bufio.NewScanner(r); lines.Scan() && !strings.Contains(lines.Text(), "Ready to accept connections"); {
	}
	r.Close()
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: p.cmd.Args[4]})
	defer c.Close()
	for range 2 { // the first one writes to the log
		if err := c.Do(t.Context(), "BGSAVE").Err(); err != nil && !strings.Contains(err.Error(), "already in progress") {
			t.Errorf("with nobody who reads its output: %v", err)
		}
	}
}

func TestGoRedis(t *testing.T) {
	c, ctx := start(t).client(), context.Background()
	if err := c.Set(ctx, "k", 41, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Incr(ctx, "k").Result(); n != 42 || err != nil {
		t.Fatal(n, err)
	}
	if ttl, err := c.PTTL(ctx, "k").Result(); ttl <= 0 || ttl > time.Minute || err != nil {
		t.Fatal(ttl, err)
	}
	if _, err := c.Get(ctx, "none").Result(); err != redis.Nil {
		t.Fatal(err)
	}
	cmds, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 100 {
			p.Set(ctx, fmt.Sprint("p", i), i, 0)
		}
		p.DBSize(ctx)
		return nil
	})
	if err != nil || cmds[100].(*redis.IntCmd).Val() != 101 {
		t.Fatal(err, cmds[100])
	}
	keys, _, err := c.Scan(ctx, 0, "p*", 1000).Result()
	if err != nil || len(keys) != 100 {
		t.Fatal(len(keys), err)
	}
	err = c.Watch(ctx, func(tx *redis.Tx) error {
		c.Set(ctx, "k", "other", 0)
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Set(ctx, "k", "mine", 0); return nil })
		return err
	}, "k")
	if err != redis.TxFailedErr {
		t.Fatal(err)
	}
}

func TestRedisCli(t *testing.T) {
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal("this test needs redis-cli (apt install redis-tools)")
	}
	p := start(t)
	run := func(args ...string) string {
		out, err := exec.Command(cli, append([]string{"-p", strconv.Itoa(p.port)}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for line, want := range map[string]string{"PING": "PONG", "SET k v": "OK", "-3 ECHO hi": "hi", "--no-raw INCR n": "(integer) 1"} {
		if got := run(strings.Fields(line)...); got != want {
			t.Errorf("redis-cli %s: %s", line, got)
		}
	}
	rdb := filepath.Join(t.TempDir(), "copy.rdb")
	run("--rdb", rdb) // it replicates as a replica does
	if out, err := exec.Command("redis-check-rdb", rdb).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("RDB looks OK")) {
		t.Errorf("redis-check-rdb: %v: %s", err, out)
	}
}

func TestConfigFileAndStdin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(file, []byte("# a file\nmaxmemory 100mb\nsave 900 1\nsave 300 10\nuser bob on >pw ~* +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := porttest.Free(t)
	p := command(t, file, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--maxmemory", "200mb", "--pidfile", filepath.Join(t.TempDir(), "pid"))
	p.port = port
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { p.cmd.Process.Kill(); p.cmd.Wait() }() //nolint:errcheck // killed
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), Username: "bob", Password: "pw", MaxRetries: 50, MaxRetryBackoff: 50 * time.Millisecond})
	defer c.Close()
	got, err := c.ConfigGet(t.Context(), "*a*").Result()
	if err != nil || got["maxmemory"] != "209715200" || got["save"] != "900 1 300 10" {
		t.Errorf("%v: maxmemory %q, save %q\n%s", err, got["maxmemory"], got["save"], p.text())
	}
}

// TestLongestStringInScript: a script may read a string of proto-max-bulk-len.
func TestLongestStringInScript(t *testing.T) {
	p := start(t, "--save", "")
	c := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", p.port), ReadTimeout: -1, MaxRetries: -1})
	defer c.Close()
	if err := c.SetRange(t.Context(), "k", 512<<20-1, "x").Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Eval(t.Context(), "return #redis.call('get', KEYS[1])", []string{"k"}).Int(); n != 512<<20 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
