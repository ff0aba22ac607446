package node

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/replication"
)

// tlsConn is a client's connection behind TLS. What is below crypto/tls changes with who has the connection: while hands are
// shaken, and on a portable loop, it is the socket; on an epoll loop a tlsSide; for a replica's feed a tlsFeed.
type tlsConn struct {
	*tls.Conn
	pipe *tlsPipe
}

// tlsPipe is what crypto/tls reads from and writes to. Its fields change only while nobody uses it.
type tlsPipe struct {
	net.Conn // the socket: its addresses and deadlines
	in       interface{ Read([]byte) (int, error) }
	out      interface{ Write([]byte) (int, error) }
}

// Read implements net.Conn.
func (p *tlsPipe) Read(b []byte) (int, error) { return p.in.Read(b) }

// Write implements net.Conn.
func (p *tlsPipe) Write(b []byte) (int, error) { return p.out.Write(b) }

// newTLSConn begins TLS on a connection that has just been accepted.
func newTLSConn(nc net.Conn, cfg *tls.Config) *tlsConn {
	p := &tlsPipe{Conn: nc, in: nc, out: nc}
	return &tlsConn{Conn: tls.Server(p, cfg), pipe: p}
}

// wouldBlock is what crypto/tls is told when there is nothing to read for now: it keeps what it has and can be asked again.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock net.Error = wouldBlock{}

// tlsSide is TLS on a loop. crypto/tls reads what the loop has read from the socket, and writes into a buffer that the loop
// writes out: it never sees the socket and never waits.
type tlsSide struct {
	conn     *tlsConn
	in       []byte // read and not yet deciphered: empty between two events
	out      []byte // enciphered; its first sent bytes are written
	sent     int
	borrowed bool // out is the loop's buffer: only while the loop is at this connection
	eof      bool // the client has said that no more will come
	room     int  // the most that crypto/tls had room for: the size of its own buffer
}

func newTLSSide(tc *tlsConn) *tlsSide {
	t := &tlsSide{conn: tc}
	tc.pipe.in, tc.pipe.out = t, t
	return t
}

// Read implements io.Reader for crypto/tls.
func (t *tlsSide) Read(b []byte) (int, error) {
	t.room = max(t.room, len(b))
	if len(t.in) == 0 {
		return 0, errWouldBlock
	}
	n := copy(b, t.in)
	t.in = t.in[n:]
	return n, nil
}

// Write implements io.Writer for crypto/tls.
func (t *tlsSide) Write(b []byte) (int, error) {
	t.out = append(t.out, b...)
	return len(b), nil
}

// decipher appends to dst what the records in cipher, together with what came before, hold. Those that are incomplete stay with
// crypto/tls. At the client's end eof is set.
func (t *tlsSide) decipher(dst, cipher []byte) ([]byte, error) {
	t.in = cipher
	defer func() { t.in = nil }()
	for {
		if cap(dst)-len(dst) < minDecipherRoom {
			dst = slices.Grow(dst, limits.MaxTLSRecordBytes)
		}
		n, err := t.conn.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case err == nil:
		case errors.Is(err, errWouldBlock):
			return dst, nil
		default:
			t.eof = true
			return dst, err
		}
	}
}

// minDecipherRoom keeps decipher from taking a record out in crumbs.
const minDecipherRoom = 512

// unsent is how many enciphered bytes wait.
func (t *tlsSide) unsent() int { return len(t.out) - t.sent }

// memory is what TLS holds beside the session's own buffers, in bytes.
func (t *tlsSide) memory() int64 { return limits.TLSConnBytes + int64(t.room) + int64(cap(t.out)) }

// tlsFeed is a TLS connection that has left its loop, a replica's: one goroutine reads, one writes, and loops push (see
// journal.Reader.Push) without ever waiting.
type tlsFeed struct {
	*tls.Conn
	nc      net.Conn
	push    func(b []byte) int // replication.PushTo
	sending sync.Mutex         // held by whoever sends, until tail is empty
	gone    func()

	mu   sync.Mutex
	tail []byte // guarded by mu: enciphered and unsent
}

// newTLSFeed lets a connection go on over nc, which nobody else uses. gone is called at its end.
func newTLSFeed(tc *tlsConn, nc net.Conn, gone func()) (*tlsFeed, error) {
	push := replication.PushTo(nc)
	if push == nil {
		return nil, errors.New("node: not a socket")
	}
	f := &tlsFeed{Conn: tc.Conn, nc: nc, push: push, gone: sync.OnceFunc(gone)}
	tc.pipe.Conn, tc.pipe.in, tc.pipe.out = nc, nc, (*feedTail)(f)
	return f, nil
}

// feedTail is where crypto/tls writes: it never waits, so neither does who holds one of crypto/tls' locks.
type feedTail tlsFeed

// Write implements io.Writer.
func (f *feedTail) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tail) > limits.MaxTLSTailBytes {
		return 0, errors.New("node: a TLS connection that does not read")
	}
	f.tail = append(f.tail, b...)
	return len(b), nil
}

// Write implements net.Conn: it returns once the socket has taken everything.
func (f *tlsFeed) Write(b []byte) (int, error) {
	f.sending.Lock()
	defer f.sending.Unlock()
	done := 0
	for done < len(b) {
		n, err := f.Conn.Write(b[done:min(len(b), done+limits.TLSChunkBytes)])
		done += n
		if err == nil {
			err = f.drain()
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Push sends what it can without waiting and returns how much of b it took. What is enciphered can't be taken back: if the
// socket takes only a part, the rest follows by itself, and whoever sends next waits for it.
func (f *tlsFeed) Push(b []byte) int {
	if !f.sending.TryLock() {
		return 0
	}
	n, err := f.Conn.Write(b[:min(len(b), limits.TLSChunkBytes)])
	if err != nil {
		f.sending.Unlock()
		return 0
	}
	f.mu.Lock()
	f.tail = f.tail[:copy(f.tail, f.tail[f.push(f.tail):])]
	rest := len(f.tail)
	f.mu.Unlock()
	if rest == 0 {
		f.sending.Unlock()
		return n
	}
	go func() {
		defer f.sending.Unlock()
		if f.drain() != nil {
			f.nc.Close() // whoever reads or writes next sees it
		}
	}()
	return n
}

// drain writes tail out. The caller holds sending.
func (f *tlsFeed) drain() error {
	for {
		f.mu.Lock()
		out := f.tail
		f.tail = nil
		f.mu.Unlock()
		if len(out) == 0 {
			return nil
		}
		if _, err := f.nc.Write(out); err != nil {
			return err
		}
	}
}

// SetWriteDeadline implements net.Conn. crypto/tls' own would end it at the first Write that is late.
func (f *tlsFeed) SetWriteDeadline(t time.Time) error { return f.nc.SetWriteDeadline(t) }

// Close implements net.Conn, at once: a replica that is cut may not be reading.
func (f *tlsFeed) Close() error {
	err := f.nc.Close()
	f.gone()
	return err
}
