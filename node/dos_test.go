package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/wire/resp"
)

// The tests here are of what somebody does who wants to take a node down, or who takes it down without wanting to. Each says what it
// costs him and the node, in bytes, connections or turns, never in time.

// held is what the node has in connections' buffers.
func (n *testNode) held() int64 { return n.shared.stats.buffers.Load() }

// drained reads a connection to its end; false if it has none.
func drained(nc net.Conn) bool {
	nc.SetDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, nc)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// TestDoSHugeHeaders is CVE-2021-32675: lengths that are announced and never come cost nothing, before and after logging in.
func TestDoSHugeHeaders(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		for range 100 {
			p := n.dial()
			p.send("*1048576\r\n$536870912\r\n")
			p.send("x")
		}
		admin := n.dial()
		until(t, "all of it has come", func() bool { return n.shared.stats.bytesIn.Load() >= 100*23 })
		admin.want("ECHO x", `"x"`)
		// A client that may run commands gets room ahead for what it announced, up to 1 MiB each.
		if b := n.held(); b > 100*(1<<20+64<<10) {
			t.Errorf("%d bytes for 100 announcements", b)
		}
		admin.want("CONFIG SET requirepass pw", "OK")
		before := n.held()
		for range 100 {
			p := n.dial()
			p.send("*1048576\r\n$536870912\r\n")
			if got := p.reply(); got != "-ERR Protocol error: unauthenticated multibulk length" {
				t.Fatal(got)
			}
			p.closed()
		}
		for range 50 {
			n.dial().send("*10\r\n$16384\r\nx")
		}
		admin.want("ECHO x", `"x"`)
		if b := n.held() - before; b > 50*64<<10 {
			t.Errorf("%d bytes more for 50 strangers", b)
		}
	})
}

// TestDoSUnreadErrors is CVE-2025-21605: a stranger who never reads gets errors up to a bound, and then nothing is run for him.
func TestDoSUnreadErrors(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--requirepass", "pw")
		admin := n.dial()
		admin.want("AUTH pw", "OK")
		floods := make([]*peer, 10)
		for i := range floods {
			floods[i] = n.dial()
			go floods[i].nc.Write(bytes.Repeat([]byte("GET x\r\n"), 300_000)) //nolint:errcheck // it stands still
		}
		standsStillBytes(t, n)
		if b := n.held(); b > int64(len(floods))*4*limits.MaxPreAuthOutputBytes+2<<20 {
			t.Errorf("%d bytes of buffers", b)
		}
		admin.want("SET alive 1", "OK")
		for _, f := range floods {
			f.nc.Close()
		}
		until(t, "they are forgotten", func() bool { return n.shared.open.Load() == 1 })
	})
}

// standsStillBytes waits until clients send no more.
func standsStillBytes(t *testing.T, n *testNode) {
	t.Helper()
	var before int64
	until(t, "nothing more is read", func() bool {
		was := before
		before = n.shared.stats.bytesIn.Load()
		time.Sleep(30 * time.Millisecond)
		return before > 0 && before == was
	})
}

// TestDoSProtocolErrors is CVE-2025-48367: endless protocol errors end each connection, and others are served.
func TestDoSProtocolErrors(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--requirepass", "pw", "--io-threads", "1")
		p := n.dial()
		p.want("AUTH pw", "OK")
		var stop atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for !stop.Load() {
					nc, err := net.Dial("tcp", n.addr)
					if err != nil {
						continue
					}
					nc.Write(bytes.Repeat([]byte("*1\r\nPING\r\n"), 1000)) //nolint:errcheck // it is closed at the first
					nc.Close()
				}
			})
		}
		for i := range 1000 {
			p.want("SET k "+strconv.Itoa(i), "OK")
		}
		stop.Store(true)
		wg.Wait()
		until(t, "they are forgotten", func() bool { return n.shared.open.Load() == 1 })
	})
}

// TestDoSEmptyRequests is CVE-2026-27623: requests of nothing, in every mixture, before logging in and after.
func TestDoSEmptyRequests(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		for _, pass := range []string{"", "pw"} {
			n := m.start(t, "--requirepass", pass)
			empty := []string{"*0\r\n", "\r\n", "*-1\r\n", "\n", "*-2147483648\r\n", " \r\n", "*0\r\n\r\n*-1\r\n"}
			for _, a := range empty {
				for _, b := range empty {
					p := n.dial()
					p.send(a + b + "*1\r\n$4\r\nPING\r\n" + b + "PING\r\n" + a)
					want := "PONG"
					if pass != "" {
						want = "-NOAUTH Authentication required."
					}
					if x, y := p.reply(), p.reply(); x != want || y != want {
						t.Fatalf("%q and %q: %s, %s", a, b, x, y)
					}
					p.nc.Close()
				}
			}
		}
	})
}

// TestDoSWrongTerminators: what does not end where it says is an error, and never the beginning of another command.
func TestDoSWrongTerminators(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		admin := n.dial()
		admin.want("SET canary 1", "OK")
		const after = "*2\r\n$3\r\nDEL\r\n$6\r\ncanary\r\n"
		for _, bad := range []string{"*2\r\n$3\r\nGET\n$1\r\nx\r\n", "*2\r\n$3\r\nGETxx$1\r\nx\r\n", "*2\r\n$3\r\nGET\r$1\r\nx\r\n", "*2\r\n$3\r\nGET\n\r$1\r\nx\r\n",
			"*2\r\n$3\r\nGET\r\n$1\r\nx\n\n", "*1\r\n$3\r\nGETS\r\n", "*1\n$4\r\nPING\r\n", "*1\r\n$4\nPING\r\n"} {
			p := n.dial()
			p.send(bad + after)
			if got := p.reply(); !strings.HasPrefix(got, "-ERR Protocol error") {
				t.Errorf("%q: %s", bad, got)
			}
			if !drained(p.nc) {
				t.Errorf("%q: still open", bad)
			}
			admin.want("GET canary", `"1"`)
		}
	})
}

// TestDoSSlowReader: GET of a megabyte, many times, unread: by default the commands wait; with a limit the client goes.
func TestDoSSlowReader(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		admin := n.dial()
		admin.run("SET", "mb", strings.Repeat("v", 1<<20))
		slow := make([]*peer, 5)
		for i := range slow {
			slow[i] = n.dial()
			slow[i].send(strings.Repeat("GET mb\r\n", 2000))
		}
		standsStillBytes(t, n)
		if b := n.held(); b > int64(len(slow))*(3<<20) {
			t.Errorf("%d bytes for %d clients that do not read", b, len(slow))
		}
		admin.want("ECHO alive", `"alive"`)
		admin.run("CONFIG", "SET", "client-output-buffer-limit", "normal 0 65536 1")
		until(t, "the soft limit has closed them", func() bool { return n.shared.open.Load() == 1 })
		admin.run("CONFIG", "SET", "client-output-buffer-limit", "normal 500000 0 0")
		hard := n.dial()
		hard.send("GET mb\r\nSET ran 1\r\n")
		if v, err := hard.in.ReadValue(); err == nil {
			t.Errorf("%d bytes came past the hard limit", len(v.Str))
		}
		until(t, "the log has it", func() bool {
			return strings.Contains(n.log.String(), "scheduled to be closed ASAP for overcoming of output")
		})
	})
}

// TestDoSSlowWriter: 500 clients who send their commands byte by byte cost a bounded buffer each, and all are served.
func TestDoSSlowWriter(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		admin := n.dial()
		clients := raced.Fewer(500)
		slow := make([]*peer, clients)
		for i := range slow {
			slow[i] = n.dial()
		}
		request := string(resp.AppendCommandStrings(nil, "SET", "slow", "writer"))
		for i := range len(request) {
			for _, p := range slow {
				p.send(request[i : i+1])
			}
			admin.want("ECHO x", `"x"`)
			if b := n.held(); b > int64(clients)*(limits.MinQueryBytes+1<<10)+1<<20 {
				t.Fatalf("after %d bytes of each: %d bytes of buffers", i+1, b)
			}
		}
		for _, p := range slow {
			if got := p.reply(); got != "OK" {
				t.Fatal(got)
			}
		}
		until(t, "idle clients hold nothing", func() bool { return n.held() < 64<<10 })
	})
}

// TestDoSHalfOpen: connections that come and say nothing take a place of maxclients, and with timeout they lose it.
func TestDoSHalfOpen(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--maxclients", "50", "--timeout", "1")
		mute := make([]net.Conn, 50)
		for i := range mute {
			mute[i] = n.dial().nc
		}
		until(t, "all places are taken", func() bool { return n.shared.open.Load() == 50 })
		p := n.dial()
		if got := p.reply(); got != "-ERR max number of clients reached" {
			t.Fatal(got)
		}
		until(t, "they have been sent away", func() bool { return n.shared.open.Load() == 0 })
		n.dial().want("ECHO x", `"x"`)
		for _, nc := range mute {
			if !drained(nc) {
				t.Fatal("still open")
			}
		}
	})
}

// TestMaxClientsExact: however fast they come, never more than maxclients are in, and CONFIG SET moves the mark both ways.
func TestMaxClientsExact(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--maxclients", "20")
		admin := n.dial()
		admin.want("ECHO x", `"x"`)
		var in, out atomic.Int64
		var wg sync.WaitGroup
		conns := make(chan net.Conn, 100)
		for range 100 {
			wg.Go(func() {
				nc, err := net.Dial("tcp", n.addr)
				if err != nil {
					t.Error(err)
					return
				}
				conns <- nc
				nc.SetDeadline(time.Now().Add(patience))
				nc.Write([]byte("ECHO in\r\n")) //nolint:errcheck // reading tells
				b := make([]byte, 100)
				if k, _ := io.ReadAtLeast(nc, b, 4); strings.HasPrefix(string(b[:k]), "$2") {
					in.Add(1)
				} else {
					out.Add(1)
				}
			})
		}
		wg.Wait()
		if in.Load() != 19 || out.Load() != 81 {
			t.Errorf("%d were let in, %d were not", in.Load(), out.Load())
		}
		if got := admin.info("rejected_connections"); got != "81" {
			t.Errorf("rejected_connections:%s", got)
		}
		admin.want("CONFIG SET maxclients 21", "OK")
		n.dial().want("ECHO x", `"x"`)
		admin.want("CONFIG SET maxclients 5", "OK") // nobody is sent away
		if got := n.dial().reply(); got != "-ERR max number of clients reached" {
			t.Error(got)
		}
		admin.want("ECHO x", `"x"`)
		if got := admin.do("CONFIG SET maxclients 4000000000"); !strings.HasPrefix(got, "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - "+
			"The operating system is not able to handle the specified number of clients, try with ") {
			t.Error(got)
		}
		admin.want("CONFIG GET maxclients", `["maxclients" "5"]`)
		close(conns)
		for nc := range conns {
			nc.Close()
		}
		until(t, "they are gone", func() bool { return n.shared.open.Load() == 2 })
	})
}

// TestAcceptErrorsDoNotSpin: a listener that can't accept waits a moment each time, and goes on when it can.
func TestAcceptErrorsDoNotSpin(t *testing.T) {
	poor := &poorListener{errs: 5, conn: make(chan net.Conn, 1)}
	pauses, accepted := 0, make(chan net.Conn, 1)
	ls := newListeners(func(nc net.Conn, _ *listener) { accepted <- nc }, func() { pauses++ }, 0)
	one, other := net.Pipe()
	defer other.Close()
	poor.conn <- one
	ls.mu.Lock()
	ls.start(&listener{Listener: poor, addr: "x"})
	ls.mu.Unlock()
	<-accepted
	ls.close()
	if pauses != 5 {
		t.Errorf("%d pauses for 5 errors", pauses)
	}
}

// poorListener has no descriptors left for a while.
type poorListener struct {
	errs int
	conn chan net.Conn
	once sync.Once
}

func (p *poorListener) Accept() (net.Conn, error) {
	if p.errs > 0 {
		p.errs--
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	if nc, ok := <-p.conn; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (p *poorListener) Close() error   { p.once.Do(func() { close(p.conn) }); return nil }
func (p *poorListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestFairness: a pipeline of 100,000 commands on one connection does not keep another on the same loop from being served: its
// command is answered after a turn or two, when most of the pipeline has still to run.
func TestFairness(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--io-threads", "1")
		long, short := n.dial(), n.dial()
		short.want("ECHO x", `"x"`)
		count := raced.Fewer(100_000)
		var b bytes.Buffer
		for i := range count {
			fmt.Fprintf(&b, "INCR n\r\nSET k%d v\r\n", i%1000)
		}
		go long.nc.Write(b.Bytes()) //nolint:errcheck // the replies tell
		read := make(chan error, 1)
		go func() {
			for range 2 * count {
				if _, err := long.in.ReadValue(); err != nil {
					read <- err
					return
				}
			}
			read <- nil
		}()
		answers := 0
		for {
			v, _ := strconv.Atoi(strings.Trim(short.do("GET n"), `"`))
			if v == count {
				break
			}
			if v > 0 {
				answers++
			}
		}
		if answers < 10 {
			t.Errorf("only %d answers while the pipeline ran", answers)
		}
		if err := <-read; err != nil {
			t.Fatal(err)
		}
	})
}

// TestDoSKeys: KEYS * over many keys with a limit on output ends the client, not the node; and names of clients replace each other.
func TestDoSKeys(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		admin := n.dial()
		var b []byte
		for i := range 20_000 {
			b = resp.AppendCommandStrings(b, "SET", fmt.Sprintf("a-key-with-a-long-name-%d", i), "")
		}
		go admin.nc.Write(b) //nolint:errcheck // the replies tell
		for range 20_000 {
			if got := admin.reply(); got != "OK" {
				t.Fatal(got)
			}
		}
		admin.run("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
		p := n.dial()
		p.send("KEYS *\r\n")
		p.closed()
		admin.want("ECHO alive", `"alive"`)
		until(t, "its output is given up", func() bool { return n.held() < 512<<10 })
		used := func() int64 { v, _ := strconv.ParseInt(admin.info("used_memory"), 10, 64); return v }
		name := strings.Repeat("n", 60_000)
		names := raced.Fewer(5000)
		for i := range names {
			admin.send(string(resp.AppendCommandStrings(nil, "CLIENT", "SETNAME", name+strconv.Itoa(i))))
			if got := admin.reply(); got != "OK" {
				t.Fatal(got)
			}
		}
		if u := used(); u > int64(names)*13_000 {
			t.Errorf("%d bytes used after %d names", u, names)
		}
	})
}

// TestDoSHashFlood: the hash of a key depends on a seed of each node's own, so that no list of keys is bad for all of them.
func TestDoSHashFlood(t *testing.T) {
	a, b := start(t), start(t)
	differ := 0
	for i := range 64 {
		key := []byte(fmt.Sprintf("key%d", i))
		if a.space.Hash(key) != b.space.Hash(key) {
			differ++
		}
	}
	if differ < 60 {
		t.Errorf("of 64 keys only %d have another hash on another node", differ)
	}
}

// TestDoSHugeBulkLimit: with proto-max-bulk-len as high as it goes an announcement is still only an announcement.
func TestDoSHugeBulkLimit(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--proto-max-bulk-len", strconv.FormatInt(1<<62, 10), "--client-query-buffer-limit", "1048576")
		for _, size := range []string{"4294967296", "1099511627776", "4611686018427387904", "9223372036854775807"} {
			p := n.dial()
			p.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$" + size + "\r\nabc")
			if len(size) == 19 && size[0] == '9' {
				if got := p.reply(); got != "-ERR Protocol error: invalid bulk length" {
					t.Errorf("%s: %s", size, got)
				}
				continue
			}
			go p.nc.Write(make([]byte, 4<<20)) //nolint:errcheck // it is cut off
			if !drained(p.nc) {
				t.Errorf("%s: still open", size)
			}
		}
		n.dial().want("ECHO alive", `"alive"`)
		until(t, "nothing is left", func() bool { return n.held() < 64<<10 })
	})
}

// TestQueryBuffer: a client that is silent holds no buffer, one that is busy a small one.
func TestQueryBuffer(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p, admin := n.dial(), n.dial()
		p.want("CLIENT SETNAME target", "OK")
		size := func() (total int) {
			text, _ := strconv.Unquote(admin.do("CLIENT LIST"))
			for _, line := range strings.Split(text, "\n") {
				if !strings.Contains(line, "name=target") {
					continue
				}
				for _, f := range strings.Fields(line) {
					if k, v, _ := strings.Cut(f, "="); k == "qbuf" || k == "qbuf-free" {
						i, _ := strconv.Atoi(v)
						total += i
					}
				}
			}
			return total
		}
		p.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nx")
		until(t, "a part of the command is kept", func() bool { return size() > 0 })
		p.send("y")
		if m.backend == "epoll" {
			until(t, "there is room for the argument", func() bool { return size() >= 1_000_000 })
		}
		until(t, "a silent client's buffer shrinks", func() bool { s := size(); return s > 0 && s < 1000 })
		p.send(strings.Repeat("z", 1_000_000-2) + "\r\n")
		if got := p.reply(); got != "OK" {
			t.Fatal(got)
		}
		until(t, "a busy client's buffer is small", func() bool { p.want("SET k v", "OK"); return size() <= limits.MinQueryBytes*9/8 })
		until(t, "an idle client has none", func() bool { return size() == 0 })
		p.want("STRLEN k", "1")
	})
}

// TestTLSHandshakeStall: connections that do not shake hands are dropped, take a bounded place, and keep nobody out.
func TestTLSHandshakeStall(t *testing.T) {
	ca := newAuthority(t)
	s := startTLS(t, ca)
	for range limits.MaxTLSHandshakes + 40 {
		nc, err := net.Dial("tcp", s.tls)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.Write([]byte("\x16\x03\x01\x02")) //nolint:errcheck // it may be dropped already
	}
	s.client().want("ECHO through", `"through"`)
	if n := s.shakes.pending(); n > limits.MaxTLSHandshakes {
		t.Errorf("%d handshakes at a time", n)
	}
	s.dial().want("ECHO plain", `"plain"`)
	s.stop() // ends them all
	if n := s.shared.open.Load(); n > 2 {
		t.Errorf("%d connections are counted after the end", n)
	}
}
