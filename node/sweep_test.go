package node

import (
	"testing"
	"time"
)

// stubConn is a connection that only notes its end.
type stubConn struct{ closed bool }

func (*stubConn) Resume()            {}
func (*stubConn) Do(fn func())       { fn() }
func (c *stubConn) Close(bool)       { c.closed = true }
func (*stubConn) RemoteAddr() string { return "127.0.0.1:1" }
func (*stubConn) LocalAddr() string  { return "127.0.0.1:2" }
func (*stubConn) FD() int            { return -1 }

// TestSoftLimitBeginsAnew: who has read between two looks has been above the soft limit only since then.
func TestSoftLimitBeginsAnew(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes", "--client-output-buffer-limit", "normal 0 200000 10")
	n.dial().want("DEBUG PAUSE-CRON 1", "OK")
	conn := &stubConn{}
	cl := n.engine.NewClient(conn)
	s, begin := newSweeper(n.Node), time.Now()
	look := func(seconds int) bool { s.tick(begin.Add(time.Duration(seconds) * time.Second)); return conn.closed }
	cl.PublishUnsent(300_000)
	if look(1) || look(9) {
		t.Fatal("closed before its time")
	}
	cl.PublishUnsent(100)
	cl.PublishUnsent(300_000)
	if look(10) || look(13) || look(20) {
		t.Fatal("closed, and it has read meanwhile")
	}
	if !look(21) {
		t.Fatal("not closed")
	}
}
