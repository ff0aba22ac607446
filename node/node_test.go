package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/porttest"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/wire/resp"
)

// mode is what every test of connections is run in.
type mode struct {
	backend string
	proto   int
}

func (m mode) start(t *testing.T, args ...string) *testNode {
	t.Helper()
	return start(t, append([]string{"--io-backend", m.backend}, args...)...)
}

func (m mode) dial(n *testNode) *peer {
	n.t.Helper()
	p := n.dial()
	if m.proto == 3 {
		p.do("HELLO 3")
	}
	return p
}

func modes(t *testing.T, body func(t *testing.T, m mode)) {
	for _, backend := range []string{"epoll", "portable"} {
		for _, proto := range []int{2, 3} {
			t.Run(fmt.Sprintf("%s RESP%d", backend, proto), func(t *testing.T) { body(t, mode{backend, proto}) })
		}
	}
}

// backends runs a test that is the same in both protocols.
func backends(t *testing.T, body func(t *testing.T, m mode)) {
	for _, backend := range []string{"epoll", "portable"} {
		t.Run(backend, func(t *testing.T) { body(t, mode{backend, 2}) })
	}
}

func TestPipeline(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		p := m.dial(m.start(t))
		n := raced.Fewer(10_000)
		var b []byte
		for i := range n {
			b = resp.AppendCommandStrings(b, "SET", fmt.Sprintf("k%d", i%100), strconv.Itoa(i))
			b = resp.AppendCommandStrings(b, "GET", fmt.Sprintf("k%d", i%100))
		}
		go p.nc.Write(b) //nolint:errcheck // the replies tell
		for i := range n {
			if s, g := p.reply(), p.reply(); s != "OK" || g != strconv.Quote(strconv.Itoa(i)) {
				t.Fatalf("%d: %s and %s", i, s, g)
			}
		}
	})
}

func TestSplitAtEveryByte(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		p := m.dial(m.start(t))
		request := string(resp.AppendCommandStrings(nil, "SET", "key", "a value")) + "GET key\r\n\r\n*0\r\n*-1\r\n" + string(resp.AppendCommandStrings(nil, "ECHO", "hi"))
		for i := 1; i < len(request); i++ {
			p.send(request[:i])
			p.send(request[i:])
			if a, b, c := p.reply(), p.reply(), p.reply(); a != "OK" || b != `"a value"` || c != `"hi"` {
				t.Fatalf("split at %d: %s, %s, %s", i, a, b, c)
			}
		}
		for i := range len(request) {
			p.send(request[i : i+1])
		}
		if a, b, c := p.reply(), p.reply(), p.reply(); a != "OK" || b != `"a value"` || c != `"hi"` {
			t.Fatalf("byte by byte: %s, %s, %s", a, b, c)
		}
	})
}

func TestBigValues(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p := m.dial(n)
		val := strings.Repeat("0123456789abcdef", 4<<20) // 64 MiB
		if r := p.run("SET", "big", val); r != "OK" {
			t.Fatal(r)
		}
		p.send("GET big\r\nSTRLEN big\r\n")
		v, err := p.in.ReadValue()
		if err != nil || string(v.Str) != val {
			t.Fatalf("%d bytes came back: %v", len(v.Str), err)
		}
		if r := p.reply(); r != strconv.Itoa(len(val)) {
			t.Fatal(r)
		}
		// The buffers that carried it are given up.
		p.want("ECHO x", `"x"`)
		if b := n.shared.stats.buffers.Load(); b > 1<<20 {
			t.Errorf("the connection holds %d bytes", b)
		}
	})
}

// TestSlowReader: while a client does not read, its commands wait: output does not pile up, and others are served.
func TestSlowReader(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p, other := m.dial(n), n.dial()
		size, count := 100_000, raced.Fewer(2000)
		other.run("SET", "k", strings.Repeat("v", size))
		var b []byte
		for range count {
			b = append(b, "GET k\r\nINCR done\r\n"...)
		}
		go p.nc.Write(b) //nolint:errcheck // the replies tell
		var before string
		until(t, "it waits", func() bool {
			was := before
			before = other.do("GET done")
			time.Sleep(20 * time.Millisecond)
			return before != "nil" && before == was
		})
		if n := n.shared.stats.buffers.Load(); n > 8<<20 {
			t.Errorf("%d bytes of buffers for a client that does not read", n)
		}
		for i := range count {
			if v, d := p.reply(), p.reply(); len(v) != size+2 || d != strconv.Itoa(i+1) {
				t.Fatalf("%d: %d bytes and %s", i, len(v), d)
			}
		}
	})
}

// TestVanish: a client that goes away in any state leaves nothing behind.
func TestVanish(t *testing.T) {
	states := map[string]func(p, admin *peer){
		"idle":             func(p, _ *peer) {},
		"half a request":   func(p, _ *peer) { p.send("*2\r\n$3\r\nGET\r\n$100\r\nabc") },
		"in MULTI":         func(p, _ *peer) { p.do("MULTI"); p.do("SET a b") },
		"watching":         func(p, _ *peer) { p.do("WATCH a b c") },
		"blocked":          func(p, _ *peer) { p.send("WAIT 3 0\r\n") },
		"blocked, more in": func(p, _ *peer) { p.send("WAIT 3 0\r\nPING\r\nSET a b\r\n") },
		"parked":           func(p, admin *peer) { admin.do("CLIENT PAUSE 100000 WRITE"); p.send("SET x y\r\n") },
		"parked, more in":  func(p, admin *peer) { admin.do("CLIENT PAUSE 100000 WRITE"); p.send("SET x y\r\nPING\r\n") },
		"not reading": func(p, admin *peer) {
			admin.run("SET", "big", strings.Repeat("x", 1<<20))
			p.send(strings.Repeat("GET big\r\n", 50))
		},
		"not authenticated": func(p, admin *peer) { admin.do("CONFIG SET requirepass pw"); p.send("GET x\r\n") },
	}
	backends(t, func(t *testing.T, m mode) {
		for name, state := range states {
			t.Run(name, func(t *testing.T) {
				n := m.start(t)
				p, admin := m.dial(n), n.dial()
				p.want("ECHO x", `"x"`)
				state(p, admin)
				admin.want("ECHO taken", `"taken"`)
				p.nc.Close()
				until(t, "it is forgotten", func() bool { c, b := n.engine.NumClients(); return c == 1 && b == 0 })
				admin.do("CLIENT UNPAUSE")
				admin.want("SET a 1", "OK")
			})
		}
	})
}

func TestMaxClients(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--maxclients", "2")
		a, b := n.dial(), n.dial()
		a.want("ECHO a", `"a"`)
		b.want("ECHO b", `"b"`)
		c := n.dial()
		if got := c.reply(); got != "-ERR max number of clients reached" {
			t.Fatal(got)
		}
		c.closed()
		b.nc.Close()
		until(t, "there is room", func() bool { c, _ := n.engine.NumClients(); return c == 1 })
		n.dial().want("ECHO c", `"c"`)
		if r := a.info("rejected_connections"); r != "1" {
			t.Errorf("rejected_connections:%s", r)
		}
	})
}

func TestMalformedRequests(t *testing.T) {
	tests := []struct{ request, want string }{
		{"*abc\r\n", "invalid multibulk length"}, {"*1048577\r\n", "invalid multibulk length"}, {"*99999999999999999999\r\n", "invalid multibulk length"},
		{"*1\n\n$4\r\nPING\r\n", ""}, {"*1\rX", "invalid CRLF in request"}, {"*1\r\n$4\rXPING\r\n", "invalid CRLF in request"},
		{"*1\r\nPING\r\n", "expected '$', got 'P'"}, {"*1\r\n:1\r\n", "expected '$', got ':'"}, {"*2\r\n$3\r\nGET\r\n*1\r\n", "expected '$', got '*'"},
		{"*1\r\n\r\n", "expected '$', got ' '"}, {"*1\r\n$-1\r\n", "invalid bulk length"}, {"*1\r\n$x\r\n", "invalid bulk length"},
		{"*1\r\n$ 4\r\nPING\r\n", "invalid bulk length"}, {"*1\r\n$536870913\r\n", "invalid bulk length"}, {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
		{"*1\r\n$04\r\nPING\r\n", "invalid bulk length"}, {"*1\r\n$9223372036854775808\r\n", "invalid bulk length"},
		{"*1\r\n$4\r\nPINGxx", "invalid CRLF in request"}, {"*1\r\n$4\r\nPING\n\n", "invalid CRLF in request"}, {"*2\r\n$4\r\nPING\r\n$3\r\nabcd\r\n", "invalid CRLF in request"},
		{"*" + strings.Repeat("1", 70_000), "too big mbulk count string"}, {"*1\r\n$" + strings.Repeat("1", 70_000), "too big bulk count string"},
		{strings.Repeat("x", 70_000), "too big inline request"}, {"GET \"unbalanced\r\n", "unbalanced quotes in request"}, {"SET k 'a'b\r\n", "unbalanced quotes in request"},
		{"*+1\r\n$4\r\nPING\r\n", "invalid multibulk length"}, {"* 1\r\n$4\r\nPING\r\n", "invalid multibulk length"},
	}
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		keep := m.dial(n)
		keep.want("SET kept value", "OK")
		for _, tt := range tests {
			if tt.want == "" {
				continue
			}
			p := m.dial(n)
			p.send("ECHO before\r\n" + tt.request)
			if got := p.reply(); got != `"before"` {
				t.Errorf("%.40q: before it: %s", tt.request, got)
			}
			if got := p.reply(); got != "-ERR Protocol error: "+tt.want {
				t.Errorf("%.40q: %s, want %s", tt.request, got, tt.want)
			}
			p.closed()
		}
		keep.want("GET kept", `"value"`)
		until(t, "they are forgotten", func() bool { c, _ := n.engine.NumClients(); return c == 1 })
	})
}

func TestMalformedAsRedis(t *testing.T) {
	r, n := startRedis(t), start(t)
	for _, request := range []string{"*abc\r\n", "*1\r\n$x\r\n", "*1\r\nPING\r\n", "*1\r\n$-1\r\n", "GET \"x\r\n", "*1\r\n$536870913\r\n", "*2147483648\r\n",
		"*1\r\n\r\n", "*2\r\n$3\r\nGET\r\n+k\r\n", "*0\r\nPING\r\n", "\r\nPING\r\n", "*-1\r\nPING\r\n", "\r\n*1\r\n$4\r\nPING\r\n"} {
		var got [2]string
		for i, s := range []server{r, n} {
			p := s.dial()
			p.send(request)
			got[i] = p.reply()
		}
		if got[0] != got[1] {
			t.Errorf("%q: redis-server %s, larder %s", request, got[0], got[1])
		}
	}
}

func TestBeforeAuthentication(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--requirepass", "pw")
		for request, want := range map[string]string{
			"*11\r\n": "unauthenticated multibulk length", "*1048576\r\n": "unauthenticated multibulk length",
			"*1\r\n$16385\r\n": "unauthenticated bulk length", "*10\r\n$536870912\r\n": "unauthenticated bulk length"} {
			p := n.dial()
			p.send(request)
			if got := p.reply(); got != "-ERR Protocol error: "+want {
				t.Errorf("%q: %s", request, got)
			}
			p.closed()
		}
		// One that never reads gets no more than a bound's worth of errors written for it.
		flood := n.dial()
		go flood.nc.Write([]byte(strings.Repeat("GET x\r\n", 500_000))) //nolint:errcheck // it blocks until the end
		var before int64
		until(t, "the flood stands still", func() bool {
			was := before
			before = n.shared.stats.bytesIn.Load()
			time.Sleep(20 * time.Millisecond)
			return before > 0 && before == was
		})
		if b := n.shared.stats.buffers.Load(); b > 4*limits.MaxPreAuthOutputBytes {
			t.Errorf("%d bytes of buffers before authentication", b)
		}
		p := n.dial()
		p.want("GET x", "-NOAUTH Authentication required.")
		p.want("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.")
		p.want("AUTH pw", "OK")
		p.want("GET x", "nil")
	})
}

func TestListenAtRunTime(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p := m.dial(n)
		port := porttest.Free(t)
		p.want(fmt.Sprintf("CONFIG SET port %d", port), "OK")
		p.want("ECHO still", `"still"`)
		dial(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port)).want("ECHO new", `"new"`)
		if nc, err := net.Dial("tcp", n.addr); err == nil {
			nc.Close()
			t.Error("the old port is still open")
		}
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		if got := p.do(fmt.Sprintf("CONFIG SET port %d", taken.Addr().(*net.TCPAddr).Port)); got != "-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs." ||
			!strings.Contains(n.log.String(), "in use") {
			t.Errorf("a port in use: %s", got)
		}
		p.want("CONFIG GET port", map[bool]string{true: fmt.Sprintf(`["port" "%d"]`, port)}[true])
		dial(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port)).want("ECHO old", `"old"`)
		p.run("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")
		dial(t, "tcp", fmt.Sprintf("127.0.0.2:%d", port)).want("ECHO two", `"two"`)
		if got := p.run("CONFIG", "SET", "bind", "127.0.0.1 nonsense"); !strings.HasSuffix(got, "Failed to bind to specified addresses.") || !strings.Contains(n.log.String(), "nonsense") {
			t.Errorf("a bad address: %s", got)
		}
		// Closing an address leaves who came by it, until they are told to go.
		two := dial(t, "tcp", fmt.Sprintf("127.0.0.2:%d", port))
		two.want("ECHO x", `"x"`)
		p.want("CONFIG SET bind 127.0.0.1", "OK")
		two.want("ECHO x", `"x"`)
		if got := p.do(fmt.Sprintf("CLIENT KILL LADDR 127.0.0.2:%d", port)); got != "2" {
			t.Errorf("CLIENT KILL LADDR: %s", got)
		}
		two.closed()
	})
}

func TestProtectedMode(t *testing.T) {
	var own string
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			own = ip.IP.String()
		}
	}
	if !loopback(&net.TCPAddr{IP: net.IPv4(127, 3, 2, 1)}) || !loopback(&net.TCPAddr{IP: net.IPv6loopback}) || loopback(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}) {
		t.Error("loopback addresses are not told from others")
	}
	n := start(t)
	nc, _ := net.Pipe()
	defer nc.Close()
	if got := n.refuse(fakeAddr{nc}, &listener{}); got != protectedText {
		t.Errorf("from 192.0.2.1 (this machine is %s): %q", own, got)
	}
	p := n.dial()
	p.want("CONFIG SET requirepass pw", "OK")
	if got := n.refuse(fakeAddr{nc}, &listener{}); got != "" {
		t.Errorf("with a password: %q", got)
	}
	p.want("CONFIG SET requirepass "+`""`, "OK")
}

// fakeAddr is a connection that comes from elsewhere.
type fakeAddr struct{ net.Conn }

func (fakeAddr) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9} }

func TestIdleTimeout(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		idle, blocked, admin := n.dial(), n.dial(), n.dial()
		idle.want("ECHO x", `"x"`)
		blocked.send("WAIT 1 0\r\n")
		admin.want("CONFIG SET timeout 1", "OK")
		until(t, "the idle one is closed", func() bool { admin.do("ECHO busy"); c, _ := n.engine.NumClients(); return c == 2 })
		idle.closed()
		if _, b := n.engine.NumClients(); b != 1 {
			t.Error("a blocked client is not idle")
		}
	})
}

func TestClientCommand(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		n := m.start(t)
		p := m.dial(n)
		p.want("CLIENT SETNAME me", "OK")
		p.want("CLIENT GETNAME", `"me"`)
		p.want("CLIENT SETINFO LIB-NAME lib", "OK")
		p.want("CLIENT SETINFO LIB-VER 1.2", "OK")
		p.want("CLIENT SETINFO FOO x", "-ERR Unrecognized option 'FOO'")
		p.want("CLIENT NO-TOUCH ON", "OK")
		info := p.do("CLIENT INFO")
		for _, want := range []string{"name=me", "lib-name=lib", "lib-ver=1.2", "flags=T", fmt.Sprintf("resp=%d", m.proto), "laddr=" + n.addr, "addr=" + p.nc.LocalAddr().String(), "cmd=client|info", "user=default"} {
			if !strings.Contains(info, " "+want) {
				t.Errorf("CLIENT INFO lacks %s: %s", want, info)
			}
		}
		victim := func() *peer { v := m.dial(n); v.want("ECHO x", `"x"`); return v }
		v := victim()
		p.want("CLIENT KILL "+v.nc.LocalAddr().String(), "OK")
		v.closed()
		p.want("CLIENT KILL 127.0.0.1:1", "-ERR No such client")
		v = victim()
		p.want("CLIENT KILL ADDR "+v.nc.LocalAddr().String(), "1")
		v.closed()
		v = victim()
		p.want("CLIENT KILL ID "+v.do("CLIENT ID"), "1")
		v.closed()
		v, w := victim(), victim()
		p.want("CLIENT KILL LADDR "+n.addr, "2")
		v.closed()
		w.closed()
		v = victim()
		p.want("ACL SETUSER bob on >pw +@all ~*", "OK")
		v.want("AUTH bob pw", "OK")
		p.want("CLIENT KILL USER bob", "1")
		v.closed()
		p.want("CLIENT KILL TYPE pubsub", "0")
		v = victim()
		p.want("CLIENT KILL TYPE normal SKIPME yes", "1")
		v.closed()
		p.want("CLIENT KILL TYPE nonsense", "-ERR Unknown client type 'nonsense'")
		p.want("CLIENT KILL ID 0", "-ERR client-id should be greater than 0")
		until(t, "the victims are forgotten", func() bool { return p.info("connected_clients") == "1" })
		p.want("CLIENT KILL TYPE normal SKIPME no", "1")
		p.closed()
	})
}

func TestPauseOnTheWire(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		a, b := m.dial(n), m.dial(n)
		a.want("CLIENT PAUSE 60 WRITE", "OK")
		b.send("GET k\r\nSET k 1\r\nINCR k\r\nGET k\r\n")
		if got := b.reply(); got != "nil" {
			t.Fatal(got)
		}
		if x, y, z := b.reply(), b.reply(), b.reply(); x != "OK" || y != "2" || z != `"2"` {
			t.Fatalf("%s %s %s", x, y, z)
		}
		a.want("CLIENT PAUSE 60 ALL", "OK") // nothing but time ends it, as in Redis
		b.send("PING\r\nSET k 5\r\n")
		a.want("CLIENT UNPAUSE", "OK")
		if x, y := b.reply(), b.reply(); x != "PONG" || y != "OK" {
			t.Fatalf("%s %s", x, y)
		}
	})
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	n := start(t, "--dir", dir, "--enable-debug-command", "yes")
	fill(t, n, 3000)
	p := n.dial()
	p.want("DEBUG SET-ACTIVE-EXPIRE 0", "OK") // an expiry is a change: none comes between SAVE and INFO
	p.want("SET soon v PX 20", "OK")
	p.want("SET later v EX 5000", "OK")
	at := p.do("PEXPIRETIME later")
	p.want("SET int 123", "OK")
	p.run("SET", "big", strings.Repeat("b", 300_000))
	p.run("SET", "", "empty key")
	p.run("SET", "binary\x00\r\n", "\xff\x00")
	p.want("SELECT 9", "OK")
	p.want("SET nine 9", "OK")
	p.want("SELECT 0", "OK")
	stop := load(t, n, 2)
	p.want("SAVE", "OK")
	p.want("BGSAVE", "Background saving started")
	until(t, "the snapshot is written", func() bool { return p.info("rdb_bgsave_in_progress") == "0" })
	stop()
	// A loop counts its changes at the end of the turn, when their clients may have been answered already.
	until(t, "nothing is left to save", func() bool { p.want("SAVE", "OK"); return p.info("rdb_changes_since_last_save") == "0" })
	dump, err := os.ReadFile(filepath.Join(dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the key is expired", func() bool { return p.do("GET soon") == "nil" })
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "dump.rdb"), dump, 0o600); err != nil {
		t.Fatal(err)
	}
	again := start(t, "--dir", other)
	same(t, n, again)
	q := again.dial()
	q.want("GET soon", "nil")
	q.want("PEXPIRETIME later", at)
	if err := os.WriteFile(filepath.Join(other, "dump.rdb"), dump[:len(dump)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := try(t, "--dir", other); err == nil || !strings.Contains(err.Error(), "dump.rdb") {
		t.Errorf("half a snapshot was loaded: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "temp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFailedSave(t *testing.T) {
	n := start(t, "--save", "3600 1", "--enable-protected-configs", "local")
	p := n.dial()
	p.want("SET k v", "OK")
	gone := filepath.Join(n.dir, "sub")
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	p.want("CONFIG SET dir "+gone, "OK")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if got := p.do("SAVE"); got != "-ERR" {
		t.Fatal(got)
	}
	if got := p.do("SET k w"); !strings.HasPrefix(got, "-MISCONF ") {
		t.Fatal(got)
	}
	p.want("GET k", `"v"`)
	if got := p.do("SHUTDOWN"); got != "-ERR Errors trying to SHUTDOWN. Check logs." {
		t.Fatal(got)
	}
	if got := p.do("CONFIG SET dir " + gone); !strings.HasPrefix(got, "-ERR CONFIG SET failed") {
		t.Fatalf("a folder that is not there: %s", got)
	}
	p.want("CONFIG SET dir "+n.dir, "OK")
	p.want("SAVE", "OK")
	p.want("SET k w", "OK")
}

func TestShutdown(t *testing.T) {
	for line, saved := range map[string]bool{"SHUTDOWN": false, "SHUTDOWN SAVE": true, "SHUTDOWN NOSAVE": false} {
		n := start(t)
		p := n.dial()
		p.want("SET k v", "OK")
		p.want("SHUTDOWN ABORT", "-ERR No shutdown in progress.")
		p.want("SHUTDOWN SAVE NOSAVE", "-ERR syntax error")
		p.send(line + "\r\n")
		<-n.Done()
		n.stop()
		p.closed()
		_, err := os.Stat(filepath.Join(n.dir, "dump.rdb"))
		if (err == nil) != saved {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestShutdownLosesNothing: what was acknowledged before a shutdown that saves is in the file and on the replica.
func TestShutdownLosesNothing(t *testing.T) {
	dir := t.TempDir()
	n, replica := start(t, "--dir", dir), start(t)
	follow(replica, n)
	linked(t, replica)
	acked := make(chan int, 1)
	p, admin := n.dial(), n.dial()
	started := make(chan struct{})
	go func() {
		defer close(acked)
		last := 0
		for i := 1; ; i++ {
			p.nc.SetDeadline(time.Now().Add(patience))
			if _, err := p.nc.Write([]byte("INCR n\r\n")); err != nil {
				break
			}
			if _, err := p.in.ReadValue(); err != nil {
				break
			}
			if last = i; i == 100 {
				close(started)
			}
		}
		acked <- last
	}()
	<-started
	admin.send("SHUTDOWN SAVE\r\n")
	<-n.Done()
	n.stop()
	want := strconv.Quote(strconv.Itoa(<-acked))
	replica.dial().want("GET n", want)
	start(t, "--dir", dir).dial().want("GET n", want)
}

func TestInfo(t *testing.T) {
	n := start(t)
	p, q := n.dial(), n.dial()
	q.want("ECHO x", `"x"`)
	for _, l := range []string{"SET a 1", "SET b 2 EX 100", "GET a", "GET none"} {
		p.do(l)
	}
	text, err := strconv.Unquote(p.do("INFO everything"))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for _, l := range strings.Split(text, "\r\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		k, v, ok := strings.Cut(l, ":")
		if !ok || k == "" || strings.ContainsAny(k, " \n") || strings.ContainsAny(v, "\n") {
			t.Errorf("not key:value: %q", l)
		}
		if _, twice := fields[k]; twice {
			t.Errorf("%s stands twice", k)
		}
		fields[k] = v
	}
	for k, want := range map[string]string{"connected_clients": "2", "role": "master", "tcp_port": n.cfg.Get("port"), "process_id": strconv.Itoa(os.Getpid()), "keyspace_hits": "1",
		"keyspace_misses": "1", "total_connections_received": "2", "rdb_changes_since_last_save": "2", "maxmemory": "0", "loading": "0", "connected_slaves": "0", "blocked_clients": "0"} {
		if fields[k] != want {
			t.Errorf("%s:%s, want %s", k, fields[k], want)
		}
	}
	if !strings.HasPrefix(fields["db0"], "keys=2,expires=1,") || !strings.HasPrefix(fields["cmdstat_set"], "calls=2,") {
		t.Errorf("db0:%s cmdstat_set:%s", fields["db0"], fields["cmdstat_set"])
	}
	if used, _ := strconv.Atoi(fields["used_memory"]); used <= 0 {
		t.Errorf("used_memory:%s", fields["used_memory"])
	}
	// Within a transaction that holds shards.
	p.want("MULTI", "OK")
	p.want("SET a 2", "QUEUED")
	p.want("INFO keyspace", "QUEUED")
	if got := p.do("EXEC"); !strings.Contains(got, "db0:keys=2") {
		t.Errorf("INFO within MULTI: %s", got)
	}
	p.want("CONFIG RESETSTAT", "OK")
	if got := p.info("keyspace_hits"); got != "0" {
		t.Errorf("after RESETSTAT keyspace_hits:%s", got)
	}
}

func TestMaxMemory(t *testing.T) {
	n := start(t, "--maxmemory", "3mb")
	p := n.dial()
	const oom = "-OOM command not allowed when used memory > 'maxmemory'."
	got := ""
	for i := 0; i < 100 && got != oom; i++ {
		if got = p.run("SET", fmt.Sprintf("k%d", i), strings.Repeat("x", 100_000)); got != oom && got != "OK" {
			t.Fatal(got)
		}
	}
	if got != oom {
		t.Fatal("10 MB fit into 3")
	}
	p.do("GET k1")
	p.want("DEL k1 k2 k3 k4 k5", "5")
	p.want("SET small x", "OK")
}

func TestConfig(t *testing.T) {
	n := start(t)
	p := n.dial()
	p.want("CONFIG SET maxmemory 100mb maxclients 500", "OK")
	p.want("CONFIG GET maxmemory", `["maxmemory" "104857600"]`)
	p.want("CONFIG SET maxclients 600 maxmemory nonsense", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value")
	p.want("CONFIG GET maxclients", `["maxclients" "500"]`)
	p.want("CONFIG SET nosuch 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'")
	p.want("CONFIG SET databases 3", "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config")
	p.want("CONFIG SET maxclients 1 maxclients 2", "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - duplicate parameter")
	p.want("CONFIG GET slave-read-only", `["slave-read-only" "yes"]`)
	for range 20 { // the parameters' map has no order
		if got := p.do("CONFIG GET *read-only"); got != `["replica-read-only" "yes" "slave-read-only" "yes"]` {
			t.Fatal(got)
		}
	}
	p.want("REPLICAOF 127.0.0.1 1", "OK")
	p.want("SET k v", "-READONLY You can't write against a read only replica.")
	p.want("CONFIG SET replica-read-only no", "OK")
	p.want("SET k v", "OK")
	p.want("CONFIG SET replica-serve-stale-data no", "OK")
	p.want("GET k", "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
	p.want("CONFIG SET replica-serve-stale-data yes", "OK")
	p.want("GET k", `"v"`)
}

func TestConfigErrors(t *testing.T) {
	for text, want := range map[string][]string{
		"port 6379\n\n# fine\nnosuch yes\n": {"line 4", "nosuch"}, "port abc": {"line 1", "port abc", "integer"}, "port 70000": {"line 1", "65535"},
		"save \"900": {"line 1", "Unbalanced quotes"}, "maxmemory 1x": {"line 1", "memory value"}, "appendonly yes": {"line 1", "not built"},
		"requirepass a b": {"line 1", "wrong number"}, "loglevel loud": {"line 1", "verbose"}, "save 900": {"line 1", "Invalid save"}} {
		cfg := NewConfig()
		err := cfg.LoadText(text)
		if err == nil {
			err = cfg.Check()
		}
		var ce *ConfigError
		if !errors.As(err, &ce) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %q lacks %q", text, err, w)
			}
		}
	}
	if err := NewConfig().LoadText("requirepass s3cret x"); strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a password is told: %v", err)
	}
	if err := NewConfig().LoadArgs([]string{"--nosuch", "1"}); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("%v", err)
	}
	if _, err := try(t, "--dir", "/nonexistent/folder"); err == nil || !strings.Contains(err.Error(), "/nonexistent/folder") {
		t.Errorf("%v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := try(t, "--port", strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port in use: %v", err)
	}
}

// TestManyConnections opens, uses and drops connections from many sides at once.
func TestManyConnections(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t, "--io-threads", "4")
		var wg sync.WaitGroup
		for c := range 20 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range 20 {
					nc, err := net.Dial("tcp", n.addr)
					if err != nil {
						t.Error(err)
						return
					}
					fmt.Fprintf(nc, "SET k%d %d\r\nMSET a %d b %d\r\nCLIENT LIST\r\n", c, i, i, i)
					if i%3 != 0 {
						io.ReadFull(nc, make([]byte, 10)) //nolint:errcheck // some go without reading on
					}
					nc.Close()
				}
			}()
		}
		wg.Wait()
		until(t, "all are gone", func() bool { c, _ := n.engine.NumClients(); return c == 0 })
		until(t, "their buffers are gone", func() bool { return n.shared.stats.buffers.Load() == 0 })
		if r := n.shared.stats.received.Load(); r != 400 {
			t.Errorf("%d connections were counted", r)
		}
	})
}
