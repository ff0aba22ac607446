package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cores are where servers run and where the load does.
type cores struct {
	server, load []int
	apart        bool // no core is in both
}

// server is one running process.
type server struct {
	kind    *kind
	cores   cores
	port    int
	cmd     *exec.Cmd
	log     *tail
	tls     *tls.Config
	dir     string
	follows *server // its primary; nil: it is one
	replica *server // that syncing started
	exited  chan struct{}
	waitErr error
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *server) pid() int     { return s.cmd.Process.Pid }

// primary: replicas are there to cost their primary something, and are not measured themselves.
func (s *server) primary() bool { return s.follows == nil }

// errRefused says that a server does not take what it was started with; the text behind it is its own.
var errRefused = errors.New("does not start")

// start runs a server on a free port, and returns when it answers.
func start(k *kind, c cores, o options) (*server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o.port = ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	o.threads = max(o.threads, 1)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{kind: k, cores: c, port: o.port, dir: o.dir, log: &tail{}, exited: make(chan struct{})}
	if o.tls != nil {
		s.tls = o.tls.client
	}
	s.cmd = exec.Command(self, append([]string{pinWord, joinInts(c.server), k.path}, k.args(o)...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Env = append(os.Environ(), k.env...)
	s.cmd.SysProcAttr = endWithUs()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.waitErr = s.cmd.Wait(); close(s.exited) }()
	return s, s.awaitStart()
}

func (s *server) awaitStart() error {
	for range 1000 {
		select {
		case <-s.exited:
			return fmt.Errorf("%s %w: %v: %s", s.kind.name, errRefused, s.waitErr, s.log.last())
		default:
		}
		if nc, err := s.dial(); err == nil {
			nc.Close()
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return fmt.Errorf("%s %w: nobody answers on its port: %s", s.kind.name, errRefused, s.log.last())
}

// stop ends a server at once: nothing of it is kept.
func (s *server) stop() {
	s.cmd.Process.Kill() //nolint:errcheck // it may be gone
	<-s.exited
}

func joinInts(ns []int) string {
	var out []string
	for _, n := range ns {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

// tail keeps what a server prints: its last words, and the garbage collector's lines.
type tail struct {
	mu   sync.Mutex
	rest []byte
	said []string
	gc   time.Duration // the collector's processor time so far
	runs int           // how often it ran
}

// tailLines are how many lines are kept.
const tailLines = 8

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, p...)
	for {
		end := bytes.IndexByte(t.rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		line := string(t.rest[:end])
		t.rest = t.rest[end+1:]
		if cpu, ok := gcLine(line); ok {
			t.gc += cpu
			t.runs++
			continue
		}
		if t.said = append(t.said, strings.TrimSpace(line)); len(t.said) > tailLines {
			t.said = t.said[1:]
		}
	}
}

// last is what was said last: a reason may have a hint behind it.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := slices.DeleteFunc(slices.Clone(t.said), func(line string) bool { return line == "" })
	if len(said) == 0 {
		return "(it printed nothing)"
	}
	return strings.Join(said[max(len(said)-3, 0):], " / ")
}

// collected is the collector's processor time and runs so far.
func (t *tail) collected() (time.Duration, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gc, t.runs
}

// gcLine reads the processor time from a line of GODEBUG=gctrace=1:
// "gc 1 @0.01s 2%: … ms clock, 0.1+0.2/0.3/0.4+0.5 ms cpu, …".
func gcLine(line string) (time.Duration, bool) {
	if !strings.HasPrefix(line, "gc ") {
		return 0, false
	}
	_, rest, ok := strings.Cut(line, " ms clock, ")
	if !ok {
		return 0, false
	}
	parts, _, ok := strings.Cut(rest, " ms cpu")
	if !ok {
		return 0, false
	}
	var ms float64
	for _, f := range strings.FieldsFunc(parts, func(r rune) bool { return r == '+' || r == '/' }) {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, false
		}
		ms += n
	}
	return time.Duration(ms * float64(time.Millisecond)), true
}

// admin is a connection for single commands, in Redis' inline form or Memcached's.
type admin struct {
	nc net.Conn
	in *bufio.Reader
}

func (s *server) admin() (*admin, error) {
	nc, err := s.dial()
	if err != nil {
		return nil, err
	}
	return &admin{nc, bufio.NewReader(nc)}, nil
}

func (a *admin) close() { a.nc.Close() }

// do runs one command and gives its reply: a line, or a bulk string.
func (a *admin) do(line string) (string, error) {
	if _, err := fmt.Fprintf(a.nc, "%s\r\n", line); err != nil {
		return "", err
	}
	reply, err := a.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	reply = strings.TrimRight(reply, "\r\n")
	if strings.HasPrefix(reply, "-") {
		return "", fmt.Errorf("%s: %s", line, reply[1:])
	}
	if !strings.HasPrefix(reply, "$") {
		return reply, nil
	}
	n, err := strconv.Atoi(reply[1:])
	if err != nil || n < 0 {
		return "", fmt.Errorf("%s: %s", line, reply)
	}
	body := make([]byte, n+2)
	for at := 0; at < len(body); {
		got, err := a.in.Read(body[at:])
		if err != nil {
			return "", err
		}
		at += got
	}
	return string(body[:n]), nil
}

// field is a field of INFO.
func (a *admin) field(section, name string) (string, error) {
	text, err := a.do("INFO " + section)
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(text, "\r\n") {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("INFO %s has no %s", section, name)
}

// stat is a field of Memcached's stats.
func (a *admin) stat(name string) (v string, err error) {
	if _, err := fmt.Fprint(a.nc, "stats\r\n"); err != nil {
		return "", err
	}
	for {
		line, err := a.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		f := strings.Fields(line)
		if len(f) == 3 && f[1] == name {
			v = f[2]
		}
		if len(f) == 1 && f[0] == "END" {
			return v, nil
		}
	}
}

// used is what the server says it uses for data, in bytes; 0 if it does not say.
func (s *server) used() (int64, error) {
	if s.kind.name == "pogocache" {
		return 0, nil
	}
	a, err := s.admin()
	if err != nil {
		return 0, err
	}
	defer a.close()
	var v string
	if s.kind.isRedis {
		v, err = a.field("memory", "used_memory")
	} else {
		v, err = a.stat("bytes")
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(v, 10, 64)
}

// count is how many keys there are.
func (s *server) count() (string, error) {
	a, err := s.admin()
	if err != nil {
		return "", err
	}
	defer a.close()
	if _, isMemcache := s.kind.proto.(memcacheText); isMemcache {
		return a.stat("curr_items")
	}
	reply, err := a.do("DBSIZE")
	return strings.TrimPrefix(reply, ":"), err
}

// fillBatch is how many keys are set in one write: less than a TLS record. memcached 1.6.18 never answers the rest of a batch that spans two.
const fillBatch = 64

// patience is how long a server may be silent when it has been asked.
const patience = 30 * time.Second

// fill sets keys from to to, each once, and checks that all are there.
func (s *server) fill(from, to int) error {
	nc, err := s.dial()
	if err != nil {
		return err
	}
	defer nc.Close()
	in := make([]byte, 1<<16)
	for at := from; at < to; at += fillBatch {
		if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		n := min(fillBatch, to-at)
		b := newBatch(s.kind.proto, set, n)
		for i := range n {
			b.put(i, uint64(at+i))
		}
		if _, err := nc.Write(b.bytes); err != nil {
			return err
		}
		for have := 0; n > 0; {
			got, err := nc.Read(in[have:])
			if err != nil {
				return fmt.Errorf("filling %s: %w", s.kind.name, err)
			}
			replies, used, err := s.kind.proto.replies(in[:have+got])
			if err != nil {
				return fmt.Errorf("filling %s: %w", s.kind.name, err)
			}
			have = copy(in, in[used:have+got])
			n -= replies
		}
	}
	got, err := s.count()
	if err == nil && got != strconv.Itoa(to) {
		err = fmt.Errorf("%s has %s keys of %d", s.kind.name, got, to)
	}
	return err
}

// awaitReplica waits until the server follows its primary.
func (s *server) awaitReplica() error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.close()
	for range 3000 {
		if v, err := a.field("replication", "master_link_status"); err != nil || v == "up" {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("a replica of %s does not come up: %s", s.kind.name, s.log.last())
}
