package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/wire/resp"
)

// connLimits bound what a connection may send and leave unread.
type connLimits struct {
	open, preAuth  resp.Limits // preAuth: of a client that has not logged in
	query          int64       // client-query-buffer-limit
	normal, pubsub outputLimit // client-output-buffer-limit
}

// output is the limit of a client's class; replicas have their own.
func (l *connLimits) output(cl *engine.Client) outputLimit {
	switch {
	case cl.Admin():
		return outputLimit{}
	case cl.Class() == engine.ClassNormal:
		return l.normal
	case cl.Class() == engine.ClassPubSub:
		return l.pubsub
	}
	return outputLimit{}
}

// outputLimit is how many bytes of replies may wait for a client, whatever its class is just now; 0: any number.
func (n *Node) outputLimit(cl *engine.Client) int64 {
	if hard := n.shared.limits.Load().output(cl).hard; hard > 0 {
		return max(hard, engine.OutChunk)
	}
	return 0
}

// loops serve connections. The two kinds, epoll (Linux) and portable (a goroutine a connection), do the same.
type loops interface {
	// add takes over a connection. ln is where it came in.
	add(nc net.Conn, ln *listener)
	// trim gives back what connections hold in buffers and do not use; soon, not at once.
	trim()
	// close ends every connection and returns when all are gone.
	close()
}

// shared is what all loops of a node have in common.
type shared struct {
	engine *engine.Engine
	log    *slog.Logger
	limits atomic.Pointer[connLimits]
	stats  *connStats
	open   atomic.Int64 // connections, with those that shake hands and those of replicas, without the control plane's: maxclients bounds it
}

// gone counts a connection out that has ended.
func (s *shared) gone(cl *engine.Client) {
	if !cl.Admin() {
		s.open.Add(-1)
	}
}

// overLimit tells of a client that is cut for what it has not read, or has sent.
func (s *shared) overLimit(cl *engine.Client, unsent int) {
	s.log.Warn(fmt.Sprintf("Client %s scheduled to be closed ASAP for overcoming of output or query buffer limits.", cl.Line(s.engine.Clock.Now().UnixMilli())), "unsent", unsent)
}

// trimEvery is how often some of the connections' buffers are looked at, trimAtLeast how many of a loop's.
const (
	trimEvery   = 100 * time.Millisecond
	trimAtLeast = 64
)

// connStats counts what INFO shows of connections and traffic.
type connStats struct {
	received, rejected atomic.Int64
	bytesIn, bytesOut  atomic.Int64
	buffers            atomic.Int64 // bytes in connections' own buffers
	spare              atomic.Int64 // of them those of empty output buffers that grew for what was pushed
	queryLimit         atomic.Int64 // connections that were ended for what they sent
	outputLimit        atomic.Int64 // and for what they did not read
	reads, writes      atomic.Int64 // of sockets
}

// read counts one read of a socket, of n bytes.
func (s *connStats) read(n int) {
	s.bytesIn.Add(int64(n))
	s.reads.Add(1)
}

// reset zeroes what CONFIG RESETSTAT resets.
func (s *connStats) reset() {
	for _, c := range []*atomic.Int64{&s.received, &s.rejected, &s.bytesIn, &s.bytesOut, &s.queryLimit, &s.outputLimit, &s.reads, &s.writes} {
		c.Store(0)
	}
}

// mailbox is the messages that other goroutines leave for a loop. The zero value is empty and open.
type mailbox struct {
	mu     sync.Mutex
	msgs   []func()
	closed bool
}

// post leaves a message and reports whether it is the first since the last take: then the loop must be woken.
func (m *mailbox) post(fn func()) (wake, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	m.msgs = append(m.msgs, fn)
	return len(m.msgs) == 1, true
}

// take empties the mailbox. spare is a slice to go on with.
func (m *mailbox) take(spare []func()) []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	msgs := m.msgs
	m.msgs = spare[:0]
	return msgs
}

func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
}

// detached wraps a connection that left its loop, a socket or TLS over one: closing it, once, forgets its client.
func detached(nc net.Conn, tc *tlsConn, sh *shared, cl *engine.Client) (net.Conn, error) {
	gone := func() { sh.gone(cl); sh.engine.DropDetached(cl) }
	if tc != nil {
		return newTLSFeed(tc, nc, gone)
	}
	return &detachedConn{Conn: nc, gone: sync.OnceFunc(gone)}, nil
}

type detachedConn struct {
	net.Conn
	gone func()
}

// SyscallConn implements syscall.Conn, for those who send without waiting.
func (c *detachedConn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.New("node: not a socket")
	}
	return sc.SyscallConn()
}

// Close implements net.Conn.
func (c *detachedConn) Close() error {
	err := c.Conn.Close()
	c.gone()
	return err
}

// addrName is an address as CLIENT LIST shows it.
func addrName(a net.Addr, ln *listener) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return ln.path + ":0"
	}
	ip := t.IP.String()
	if t.IP.To4() == nil {
		ip = "[" + ip + "]"
	}
	return ip + ":" + strconv.Itoa(t.Port)
}
