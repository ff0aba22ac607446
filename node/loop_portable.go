package node

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
)

// portableLoops serve a connection with three goroutines, for systems without epoll. Connections are spread over executors; the
// goroutines of those that share one take turns.
type portableLoops struct {
	all  []*portableLoop
	next atomic.Uint32
	done sync.WaitGroup

	mu     sync.Mutex
	conns  map[*portableConn]struct{}
	closed bool
}

type portableLoop struct {
	shared *shared
	mu     sync.Mutex // whoever holds it is the loop
	x      *engine.Executor
}

type portableConn struct {
	session
	loop          *portableLoop
	owner         *portableLoops
	nc            net.Conn
	secure        *tlsConn // nc, if it is behind TLS
	remote, local string
	box           mailbox
	wake          chan struct{}
	own           atomic.Pointer[net.Conn]
	tidying       atomic.Bool // a message to tidy is in box

	reads chan []byte // what reader has read
	taken chan bool   // its answer: whether to read on
	owed  bool        // reader waits for that; serve's
	eof   bool        // it has ended; serve's
	more  bool        // something was read while answers were written; serve's

	writes chan []byte // what writer is to write
	sent   chan error  // its answer
}

func newPortableLoops(n int, sh *shared) loops {
	ls := &portableLoops{conns: map[*portableConn]struct{}{}}
	for range n {
		ls.all = append(ls.all, &portableLoop{shared: sh, x: sh.engine.NewExecutor()})
	}
	return ls
}

func (ls *portableLoops) add(nc net.Conn, ln *listener) {
	l := ls.all[int(ls.next.Add(1))%len(ls.all)]
	c := &portableConn{loop: l, owner: ls, nc: nc, wake: make(chan struct{}, 1)}
	c.remote, c.local = addrName(nc.RemoteAddr(), ln), addrName(nc.LocalAddr(), ln)
	c.secure, _ = nc.(*tlsConn)
	ls.mu.Lock()
	if ls.closed {
		ls.mu.Unlock()
		nc.Close()
		if !ln.admin {
			l.shared.open.Add(-1)
		}
		return
	}
	ls.conns[c] = struct{}{}
	ls.done.Add(1)
	ls.mu.Unlock()
	c.cl = l.shared.engine.NewClient(c)
	c.lastMs = l.shared.engine.Clock.Now().UnixMilli()
	if ln.admin {
		c.cl.SetAdmin()
	}
	go func() { defer ls.done.Done(); c.serve() }()
}

func (ls *portableLoops) trim() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for c := range ls.conns {
		if c.tidying.CompareAndSwap(false, true) { // one is enough for a connection that is stuck in a write
			c.post(c.tidy)
		}
	}
}

// tidy gives back what the connection's buffer has too much of. A turn follows, which says so in CLIENT LIST.
func (c *portableConn) tidy() {
	c.tidying.Store(false)
	c.trim(c.loop.shared.engine.Clock.Now().UnixMilli())
}

// hangUp ends the connection without a word, which TLS would have to wait for.
func (c *portableConn) hangUp() {
	if c.secure != nil {
		c.secure.pipe.Conn.Close()
		return
	}
	c.nc.Close()
}

func (ls *portableLoops) close() {
	ls.mu.Lock()
	ls.closed = true
	for c := range ls.conns {
		c.hangUp()
	}
	ls.mu.Unlock()
	ls.done.Wait()
}

// serve runs commands; others read and write, so that messages get through while nothing is to be read, and reading goes on while the socket is full.
func (c *portableConn) serve() {
	c.reads, c.taken, c.writes, c.sent = make(chan []byte), make(chan bool), make(chan []byte), make(chan error)
	go c.reader()
	go c.writer()
	for gone := false; !gone; gone = gone || c.eof {
		// While its commands wait, a connection is read on for a while, as that is how its end is noticed.
		if c.mayRun() || len(c.in) < maxReadAhead {
			c.readOn(true)
		}
		select {
		case data, ok := <-c.reads:
			c.owed, c.eof = ok, !ok
			gone = !ok || !c.turn(func() { c.took(data) })
		case <-c.wake:
			gone = !c.turn(c.mail)
		}
	}
	c.readOn(false)
	c.finish()
}

// readOn answers the reader, if it waits for that.
func (c *portableConn) readOn(on bool) {
	if c.owed {
		c.owed = false
		c.taken <- on
	}
}

// took keeps what was read. The loop is held.
func (c *portableConn) took(data []byte) {
	c.grown(append(c.in, data...))
	c.read += int64(len(data))
}

// maxReadAhead is how much is read from a connection whose commands wait.
const maxReadAhead = 1 << 20

// reader gives what it reads to serve, one buffer at a time, until the socket ends or serve says stop.
func (c *portableConn) reader() {
	defer close(c.reads)
	buf := make([]byte, limits.ReadChunkBytes)
	for {
		n, err := c.nc.Read(buf)
		if n > 0 {
			c.loop.shared.stats.read(n)
			c.reads <- buf[:n]
			if !<-c.taken {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// turn runs fn and then what there is to run, as the loop, and writes the answers. False: the connection is over.
func (c *portableConn) turn(fn func()) bool {
	l := c.loop
	for first := true; ; first = false {
		l.mu.Lock()
		l.x.BeginTurn()
		if first {
			fn()
		}
		c.more = false
		result, lim := turnWait, l.shared.limits.Load()
		if c.mayRun() && !c.cl.Killed() {
			var done int
			done, result = c.process(l.x, lim, c.in)
			if done > 0 {
				c.keep(c.in[done:])
			}
		}
		out := c.cl.Out.Buf
		over := c.over(l.shared, len(out))
		c.publish(l.x.NowMs(), int64(len(out)))
		c.account(l.shared.stats)
		l.x.EndTurn()
		l.mu.Unlock()
		if over {
			l.shared.overLimit(c.cl, len(out))
			return false
		}
		if !c.write(out) || c.detach || c.closing || c.cl.Killed() {
			return false
		}
		if result != turnMore && !c.more {
			return true
		}
	}
}

// write sends the answers. Only serve's goroutine fills Out, so nobody changes it meanwhile.
func (c *portableConn) write(out []byte) bool {
	if len(out) > 0 {
		c.cl.PublishUnsent(int64(len(out))) // by which the soft limit sees a client that does not read
		if !c.send(out) {
			return false
		}
		c.loop.shared.stats.bytesOut.Add(int64(len(out)))
		c.loop.shared.stats.writes.Add(1)
	}
	c.written(len(out))
	c.cl.PublishUnsent(0)
	c.account(c.loop.shared.stats)
	return true
}

// send writes to the socket. A client that has written for long without reading may not come to that before all is written: so what it sends is read meanwhile, as otherwise it and
// the server would wait for each other for ever.
func (c *portableConn) send(out []byte) bool {
	c.writes <- out
	reads := c.reads
	if c.eof || !c.cl.Authenticated() {
		reads = nil
	}
	for {
		if reads != nil {
			c.readOn(true)
		}
		select {
		case err := <-c.sent:
			return err == nil
		case data, more := <-reads:
			if c.owed, c.eof = more, !more; !more {
				reads = nil // it sends no more, and may read yet
			} else if !c.ahead(data) {
				c.hangUp()
				<-c.sent
				return false
			}
		}
	}
}

// writer writes what serve gives it to the socket, one after another.
func (c *portableConn) writer() {
	for out := range c.writes {
		_, err := c.nc.Write(out)
		c.sent <- err
	}
}

// ahead keeps what was read while the socket is full; false: it is too much.
func (c *portableConn) ahead(data []byte) bool {
	l := c.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	c.took(data)
	c.more = true
	unsent := len(c.cl.Out.Buf)
	if c.over(l.shared, unsent) {
		l.shared.overLimit(c.cl, unsent)
		return false
	}
	c.account(l.shared.stats)
	return true
}

func (c *portableConn) mail() {
	for _, fn := range c.box.take(nil) {
		fn()
	}
}

// finish ends the reader, and then the connection, or hands the socket over.
func (c *portableConn) finish() {
	close(c.writes)
	c.box.close()
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	c.nc.SetReadDeadline(time.Unix(1, 0)) // the reader may be in a Read
	for data := range c.reads {
		c.in = append(c.in, data...)
		c.taken <- false
	}
	l := c.loop
	c.release(l.shared.stats)
	if c.detach {
		c.nc.SetReadDeadline(time.Time{})
		raw := c.nc
		if c.secure != nil {
			raw = c.secure.pipe.Conn
		}
		if own, err := detached(raw, c.secure, l.shared, c.cl); err == nil {
			c.own.Store(&own)
			c.cl.TakeDetached()(own, c.in)
			return
		}
		c.hangUp()
	}
	l.mu.Lock()
	l.shared.gone(c.cl)
	l.shared.engine.Drop(l.x, c.cl) // before its peer can know
	l.mu.Unlock()
	c.nc.Close()
}

func (c *portableConn) post(fn func()) {
	if wake, ok := c.box.post(fn); ok && wake {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// Resume implements engine.Conn.
func (c *portableConn) Resume() { c.post(c.resume) }

// Do implements engine.Conn.
func (c *portableConn) Do(fn func()) { c.post(fn) }

// Close implements engine.Conn.
func (c *portableConn) Close(soft bool) {
	if own := c.own.Load(); own != nil {
		(*own).Close()
		return
	}
	if soft {
		c.post(func() { c.closing = true })
		return
	}
	c.hangUp()
	c.post(func() { c.closing = true })
}

// RemoteAddr implements engine.Conn.
func (c *portableConn) RemoteAddr() string { return c.remote }

// LocalAddr implements engine.Conn.
func (c *portableConn) LocalAddr() string { return c.local }

// FD implements engine.Conn.
func (c *portableConn) FD() int {
	fd := -1
	nc := c.nc
	if c.secure != nil {
		nc = c.secure.pipe.Conn
	}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(p uintptr) { fd = int(p) })
		}
	}
	return fd
}
