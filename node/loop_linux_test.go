package node

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/larder-cache/larder/base/clock"
)

// TestResumedWhileRepliesWait: a connection that is resumed in the turn in which it was answered goes on, though its replies are only
// written at the turn's end.
func TestResumedWhileRepliesWait(t *testing.T) {
	cfg := NewConfig()
	if err := cfg.LoadArgs([]string{"--port", "0", "--dir", t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	n, err := New(cfg, t.Output(), clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	l, err := newEpollLoop(n.shared) // nobody runs it: the test is its thread
	if err != nil {
		t.Fatal(err)
	}
	defer l.finish()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	c := &epollConn{loop: l, fd: fds[0], mask: unix.EPOLLIN}
	l.open(c, false)
	l.x.BeginTurn()
	c.run([]byte("ECHO first\r\n"))
	if len(l.late) != 1 {
		t.Fatalf("%d connections wait for the turn's end", len(l.late))
	}
	c.parked, c.in = true, append(c.in, "ECHO on\r\n"...)
	c.Resume()
	l.mail()
	l.settle()
	l.x.EndTurn()
	var b [100]byte
	got, err := unix.Read(fds[1], b[:])
	if err != nil {
		t.Fatal(err)
	}
	for {
		more, err := unix.Read(fds[1], b[got:])
		if err != nil {
			break
		}
		got += more
	}
	if want := "$5\r\nfirst\r\n$2\r\non\r\n"; string(b[:got]) != want {
		t.Errorf("answers %q, want %q", b[:got], want)
	}
}

// TestEqualCommandsTakeEqualMemory: what a big command takes does not depend on the pieces in which it comes, so that of equal clients
// maxmemory-clients ends as many as it says.
func TestEqualCommandsTakeEqualMemory(t *testing.T) {
	n := start(t, "--io-threads", "1")
	p := n.dial()
	p.want("CLIENT NO-EVICT on", "OK")
	p.want("CLIENT SETNAME control", "OK")
	field := func(client, name string) int {
		t.Helper()
		for _, l := range strings.Split(p.do("CLIENT LIST"), `\n`) {
			if _, rest, ok := strings.Cut(l, " name="+client+" "); ok {
				_, rest, _ = strings.Cut(rest, " "+name+"=")
				v, _, _ := strings.Cut(rest, " ")
				got, err := strconv.Atoi(v)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
		}
		t.Fatalf("no client %s", client)
		return 0
	}
	const size, clients = 300_000, 6
	whole := fmt.Sprintf("*2\r\n$%d\r\n%s", size, strings.Repeat("x", size))
	sum, mem := 0, 0
	for i, cut := range [clients][]int{{}, {4}, {20}, {100_000}, {len(whole) - 600}, {len(whole) - 20_000, len(whole) - 2}} {
		name := fmt.Sprintf("c%d", i)
		c := n.dial()
		c.want("CLIENT SETNAME "+name, "OK")
		sent, before := 0, field(name, "tot-net-in")
		for _, to := range append(cut, len(whole)) {
			c.send(whole[sent:to])
			sent = to
			until(t, "the piece is read", func() bool { return field(name, "tot-net-in") == before+sent })
		}
		got := field(name, "tot-mem")
		if mem == 0 {
			mem = got
		}
		if sum += got; got != mem || got < size || got > size+10_000 {
			t.Errorf("%d bytes when it is cut at %v, %d in one piece", got, cut, mem)
		}
	}
	limit := sum + field("control", "tot-mem")
	p.want(fmt.Sprintf("CONFIG SET maxmemory-clients %d", limit), "OK")
	p.want(fmt.Sprintf("CONFIG SET maxmemory-clients %d", limit-mem), "OK")
	until(t, "one is ended", func() bool { c, _ := n.engine.NumClients(); return c == clients })
	if got := p.info("evicted_clients"); got != "1" {
		t.Errorf("%s clients were ended", got)
	}
}
