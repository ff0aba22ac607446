package node

import (
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
