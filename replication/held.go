package replication

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// linkConn is the connection to the primary, as the client list shows it. A pause (CLIENT PAUSE on this replica) holds the stream
// back: what comes is read on, up to limits.MaxHeldStreamBytes, and run when the pause is over.
type linkConn struct {
	nc      net.Conn
	resumed chan struct{} // has one element from the end of a pause until the link's goroutine sees it

	mu   sync.Mutex
	held bool // the stream is held back: the end of the pause interrupts a read
}

func newLinkConn(nc net.Conn) *linkConn { return &linkConn{nc: nc, resumed: make(chan struct{}, 1)} }

// hold says that a command has been parked. Its pause may be over already.
func (c *linkConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = len(c.resumed) == 0
}

func (c *linkConn) isHeld() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Resume implements engine.Conn: the pause is over.
func (c *linkConn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.resumed <- struct{}{}:
	default:
	}
	if c.held {
		c.held = false
		c.nc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // the read fails as well
	}
}

// arm sets the deadline of the next read; false if the pause has ended instead, and what was held back is to be run.
func (c *linkConn) arm(deadline time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.takeResumed() {
		return false
	}
	c.nc.SetReadDeadline(deadline) //nolint:errcheck // the read fails as well
	return true
}

// interrupted reports whether the end of a pause ended a read.
func (c *linkConn) interrupted(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Is(err, os.ErrDeadlineExceeded) && c.takeResumed()
}

func (c *linkConn) takeResumed() bool {
	select {
	case <-c.resumed:
		return true
	default:
		return false
	}
}

// Do implements engine.Conn: nobody answers the primary.
func (c *linkConn) Do(func()) {}

// Close implements engine.Conn.
func (c *linkConn) Close(bool) { c.nc.Close() }

// RemoteAddr implements engine.Conn.
func (c *linkConn) RemoteAddr() string { return c.nc.RemoteAddr().String() }

// LocalAddr implements engine.Conn.
func (c *linkConn) LocalAddr() string { return c.nc.LocalAddr().String() }

// FD implements engine.Conn: it is not told.
func (c *linkConn) FD() int { return -1 }

// read brings more of the stream into s.buf, and says how much. It is 0 when a pause has ended, and what is there can be run.
func (f *follower) read(ctx context.Context, in io.Reader, s *incoming) (int, error) {
	if s.conn.isHeld() && len(s.buf) >= limits.MaxHeldStreamBytes {
		return 0, f.awaitResumed(ctx, s.conn)
	}
	if !s.conn.arm(f.m.Clock.Now().Add(f.m.Settings().Timeout)) {
		return 0, nil
	}
	s.grow()
	n, err := in.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	f.readTo.Store(f.m.Journal.End() + int64(len(s.buf)))
	if s.conn.interrupted(err) {
		err = nil
	}
	f.set(func() { f.lastIO = f.m.Clock.Now() })
	f.m.netIn.Add(int64(n))
	return n, err
}

// awaitResumed waits for the end of the pause and reads nothing, for which nobody holds the primary to be silent.
func (f *follower) awaitResumed(ctx context.Context, c *linkConn) error {
	f.set(func() { f.busy = true })
	defer f.set(func() { f.busy, f.lastIO = false, f.m.Clock.Now() })
	select {
	case <-c.resumed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
