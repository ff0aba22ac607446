package node

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
)

// epollLoops are loops on locked OS threads: each has its epoll, its connections and its executor. One read takes what a
// socket has, every complete command in it is run, one write answers them.
type epollLoops struct {
	all  []*epollLoop
	next atomic.Uint32
	done sync.WaitGroup
}

type epollLoop struct {
	shared *shared
	x      *engine.Executor
	ep     int
	wakeFD int
	box    mailbox
	spare  []func()
	conns  map[int]*epollConn // by descriptor
	thread atomic.Int32       // the system's number of the thread that it runs on
	again  []*epollConn       // with commands left over from their last turn
	late   []*epollConn       // whose replies wait for settle
	buf    []byte             // what one read takes; shared by the connections, one at a time
	tls    tlsBuffers         // the same for connections behind TLS
	hot    bool               // the last wait found something at once
	quit   bool
	// current is the connection whose commands run, busy what the others are served with while its script is busy.
	current *epollConn
	busy    *busyLoop
}

// epollConn is one connection of an epollLoop. Only its loop touches it, but for the engine.Conn methods.
type epollConn struct {
	session
	loop          *epollLoop
	fd            int
	remote, local string
	sent          int    // bytes of Out that are written already
	queued        bool   // in the loop's again
	late          bool   // in the loop's late
	mask          uint32 // what epoll is asked for
	gone          bool
	inScript      bool // its script is busy, and the loop sees to the others
	endsLater     bool // it was to end meanwhile
	detached      atomic.Pointer[net.Conn]
}

func newEpollLoops(n int, sh *shared) (loops, error) {
	ls := &epollLoops{}
	for range n {
		l, err := newEpollLoop(sh)
		if err != nil {
			ls.close()
			return nil, err
		}
		ls.all = append(ls.all, l)
		ls.done.Add(1)
		go func() { defer ls.done.Done(); l.run() }()
	}
	return ls, nil
}

func newEpollLoop(sh *shared) (*epollLoop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(ep)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &epollLoop{shared: sh, x: sh.engine.NewExecutor(), ep: ep, wakeFD: wake, conns: map[int]*epollConn{}, buf: make([]byte, limits.ReadChunkBytes)}
	l.x.SetPoll(l.pollBusy, func() bool { return int32(unix.Gettid()) == l.thread.Load() })
	return l, l.ctl(unix.EPOLL_CTL_ADD, wake, unix.EPOLLIN)
}

func (ls *epollLoops) add(nc net.Conn, ln *listener) {
	l := ls.all[int(ls.next.Add(1))%len(ls.all)]
	c := &epollConn{loop: l, remote: addrName(nc.RemoteAddr(), ln), local: addrName(nc.LocalAddr(), ln), mask: unix.EPOLLIN}
	if tc, ok := nc.(*tlsConn); ok {
		nc, c.tls = tc.pipe.Conn, newTLSSide(tc)
	}
	var err error
	if c.fd, err = takeFD(nc); err == nil {
		if l.post(func() { l.open(c, ln.admin) }) {
			return
		}
		unix.Close(c.fd)
	}
	if !ln.admin {
		l.shared.open.Add(-1)
	}
}

func (ls *epollLoops) trim() {
	for _, l := range ls.all {
		l.post(l.trim)
	}
}

func (ls *epollLoops) close() {
	for _, l := range ls.all {
		l.post(func() { l.quit = true })
	}
	ls.done.Wait()
}

// takeFD takes the socket out of Go's hands: a non-blocking descriptor of our own.
func takeFD(nc net.Conn) (int, error) {
	defer nc.Close()
	sc, ok := nc.(interface{ File() (*os.File, error) })
	if !ok {
		return -1, errors.New("not a socket")
	}
	f, err := sc.File()
	if err != nil {
		return -1, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (l *epollLoop) post(fn func()) bool {
	wake, ok := l.box.post(fn)
	if wake {
		one := uint64(1)
		rawWrite(l.wakeFD, (*[8]byte)(unsafe.Pointer(&one))[:])
	}
	return ok
}

func (l *epollLoop) ctl(op, fd int, mask uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.ep, op, fd, &unix.EpollEvent{Events: mask, Fd: int32(fd)}))
}

func (l *epollLoop) run() {
	runtime.LockOSThread()
	l.thread.Store(int32(unix.Gettid()))
	defer l.finish()
	events := make([]unix.EpollEvent, 256)
	for !l.quit {
		n := l.wait(events)
		l.x.BeginTurn()
		for i := range n {
			if l.event(&events[i]); len(l.late) >= maxLate {
				l.settle()
			}
		}
		l.settle()
		l.runAgain()
		l.settle()
		l.x.EndTurn()
	}
}

// answer has a connection's replies written when the turn's other commands have run too. Then one waking of a client brings it the replies of many, and what
// the turn changed is in the replicas' sockets before: what a client is told to be done survives the death of this process.
func (l *epollLoop) answer(c *epollConn) {
	if !c.late {
		c.late = true
		l.late = append(l.late, c)
	}
}

// settle hands the turn's changes to the replicas, and then writes the replies.
func (l *epollLoop) settle() {
	if len(l.late) == 0 {
		return
	}
	l.shared.engine.Journal.Wake()
	late := l.late
	l.late = l.late[:0]
	for _, c := range late {
		if c.late = false; !c.gone {
			c.flush()
		}
	}
}

// maxLate is how many connections' replies wait for each other at most.
const maxLate = 64

// hotWaitMs is how long a loop that was busy just now waits for events without telling Go's scheduler. Telling costs more than such a wait takes, on this
// thread and on those that look after the processors of waiting threads. Longer than this it must not keep a processor from the others.
const hotWaitMs = 2

// wait waits for events. There may be none: a signal ends a wait.
func (l *epollLoop) wait(events []unix.EpollEvent) int {
	timeout := 0
	if l.hot && len(l.again) == 0 {
		timeout = hotWaitMs
	}
	n := rawEpollWait(l.ep, events, timeout)
	l.hot = n != 0
	if n != 0 || len(l.again) > 0 {
		return max(n, 0)
	}
	for {
		n, err := unix.EpollWait(l.ep, events, -1)
		if err != unix.EINTR {
			return max(n, 0)
		}
	}
}

func (l *epollLoop) event(ev *unix.EpollEvent) {
	fd := int(ev.Fd)
	if fd == l.wakeFD {
		l.mail()
		return
	}
	c := l.conns[fd]
	if c == nil {
		return
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		if c.flush(); !c.gone && !c.full() && len(c.in) > 0 && c.mayRun() {
			c.more()
		}
	}
	if !c.gone && !c.mayRun() && ev.Events&unix.EPOLLRDHUP != 0 {
		c.end()
		return
	}
	if !c.gone && ev.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) != 0 {
		c.readable()
	}
}

func (l *epollLoop) mail() {
	l.settle() // a message finds no replies that only wait for the turn's end
	var b [8]byte
	rawRead(l.wakeFD, b[:])
	msgs := l.box.take(l.spare)
	for i, fn := range msgs {
		fn()
		msgs[i] = nil
	}
	l.spare = msgs
}

// runAgain gives another turn to connections that have commands left.
func (l *epollLoop) runAgain() {
	if len(l.again) == 0 {
		return
	}
	again := l.again
	l.again = nil
	for _, c := range again {
		c.queued = false
		if !c.gone && !c.full() && c.mayRun() {
			c.more()
		}
	}
}

func (l *epollLoop) finish() {
	l.box.close()
	for _, fn := range l.box.take(nil) {
		fn()
	}
	for _, c := range l.conns {
		c.flush()
		c.end()
	}
	unix.Close(l.ep)
	unix.Close(l.wakeFD)
}

func (l *epollLoop) open(c *epollConn, admin bool) {
	c.cl = l.shared.engine.NewClient(c)
	c.lastMs = l.shared.engine.Clock.Now().UnixMilli()
	if admin {
		c.cl.SetAdmin()
	}
	if l.ctl(unix.EPOLL_CTL_ADD, c.fd, c.mask) != nil || l.quit {
		l.shared.gone(c.cl)
		l.shared.engine.Drop(l.x, c.cl)
		unix.Close(c.fd)
		return
	}
	l.conns[c.fd] = c
	if c.tls != nil {
		c.decipher(nil) // commands may have come with the end of the handshake
	}
}

// trim looks at the buffers of some of the connections, and whether they are to be read ahead: all of them in about a second.
func (l *epollLoop) trim() {
	now, n := l.shared.engine.Clock.Now().UnixMilli(), trimAtLeast+len(l.conns)/int(time.Second/trimEvery)
	for _, c := range l.conns {
		if n--; n < 0 {
			return
		}
		if c.inScript {
			continue
		}
		if c.trim(now) {
			c.account(l.shared.stats)
		}
		if c.mayReadAhead() {
			c.ask(unix.EPOLLOUT | unix.EPOLLIN)
		}
	}
}

// readable takes what the socket has, and runs it.
func (c *epollConn) readable() {
	if !c.mayRun() {
		c.peek()
		return
	}
	if c.queued {
		return // enough is there for now
	}
	if c.full() {
		c.readAhead()
		return
	}
	l := c.loop
	if c.tls != nil {
		c.readTLS()
		return
	}
	into, fresh := l.buf, len(c.in) == 0
	if !fresh {
		c.grow(true)
		into = c.in[len(c.in):cap(c.in)]
	}
	n, ok := c.take(into)
	if !ok {
		return
	}
	c.read += int64(n)
	if fresh {
		c.run(into[:n])
		return
	}
	c.in = c.in[:len(c.in)+n]
	c.more()
}

// take reads from the socket. At its end, or at an error, the connection ends.
func (c *epollConn) take(into []byte) (int, bool) {
	n, errno := rawRecv(c.fd, into)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return 0, false
	}
	if n <= 0 || errno != 0 {
		c.end()
		return 0, false
	}
	c.loop.shared.stats.read(n)
	return n, true
}

// grow makes room in the connection's own buffer: for a big argument that is on its way, for as much again as has come of it
// (1 MiB at first), as its length is only what the client says. With exact, what follows a big argument is left for another read, so that
// equal commands take equal memory, however they come in.
func (c *epollConn) grow(exact bool) {
	room, need := cap(c.in)-len(c.in), c.parser.Need()
	want := min(need, max(len(c.in), firstBigStep))
	if !exact || need == 0 || len(c.in) < limits.BigArgBytes {
		want = max(want, limits.ReadChunkBytes/4)
	}
	if room >= min(want, limits.ReadChunkBytes/4) {
		return
	}
	bigger := make([]byte, len(c.in), len(c.in)+want)
	copy(bigger, c.in)
	c.grown(bigger)
}

// mayReadAhead reports whether the connection's socket is full, and nothing is read from it. A client that has written for so long without reading may not come to that before all
// is written: then it and the server would wait for each other for ever.
func (c *epollConn) mayReadAhead() bool {
	return c.mask == unix.EPOLLOUT && c.full() && c.mayRun() && c.cl.Authenticated() && (c.tls == nil || !c.tls.eof)
}

// readAhead takes what the client has sent while its socket is full. The commands run once it reads.
func (c *epollConn) readAhead() {
	into := c.loop.buf
	if c.tls != nil {
		into = c.loop.tlsRead()
	}
	n, errno := rawRecv(c.fd, into)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0:
		c.end()
		return
	case n <= 0: // it sends no more, and may read yet
		c.ask(unix.EPOLLOUT)
		return
	}
	c.loop.shared.stats.read(n)
	had, data := len(c.in), into[:n]
	if c.tls == nil {
		c.grown(append(c.in, data...))
	} else {
		plain, err := c.tls.decipher(c.in, data)
		if c.grown(plain); err != nil {
			c.ask(unix.EPOLLOUT) // its end, which is seen to once it has its replies
		}
	}
	c.read += int64(len(c.in) - had)
	if c.over(c.loop.shared, c.unsent()) {
		c.cut()
		return
	}
	c.account(c.loop.shared.stats)
}

const firstBigStep = 1 << 20

// peek notices that a connection which waits has been closed by its client.
func (c *epollConn) peek() {
	var b [1]byte
	n, _, err := unix.Recvfrom(c.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if n <= 0 || err != nil {
		c.end()
		return
	}
	c.ask(c.mask&^unix.EPOLLIN | unix.EPOLLRDHUP) // there is more to read, later; what is of interest now is its end
}

// more runs what is in the connection's own buffer.
func (c *epollConn) more() { c.run(c.in) }

// run processes data, which is either the loop's buffer or c.in, keeps the rest and answers.
func (c *epollConn) run(data []byte) {
	l := c.loop
	l.current = c
	done, result := c.process(l.x, l.shared.limits.Load(), data)
	if c.endsLater {
		c.end()
		return
	}
	rest := data[done:]
	if done > 0 || len(c.in) == 0 {
		c.keep(rest)
	}
	if c.detach {
		c.leave()
		return
	}
	if c.over(l.shared, c.unsent()) {
		c.cut()
		return
	}
	if c.tls != nil && c.tls.eof && c.ended(result) {
		return
	}
	if result == turnMore && !c.queued {
		c.queued = true
		l.again = append(l.again, c)
	}
	l.answer(c)
}

// flush writes what there is to write. While the socket is full the connection's commands wait; what it sends is read ahead after a while (readAhead).
func (c *epollConn) flush() {
	if c.tls != nil {
		c.flushTLS()
		return
	}
	out := c.cl.Out.Buf
	if c.sent == 0 {
		c.publish(c.loop.x.NowMs(), int64(len(out)))
	}
	for c.sent < len(out) {
		n, errno := rawSend(c.fd, out[c.sent:])
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.EAGAIN {
			c.stalled()
			return
		}
		if errno != 0 {
			c.end()
			return
		}
		c.sent += n
	}
	c.flushed()
}

// stalled: the socket is full.
func (c *epollConn) stalled() {
	c.compact()
	c.cl.PublishUnsent(int64(c.unsent()))
	c.account(c.loop.shared.stats)
	c.ask(unix.EPOLLOUT)
}

// compact gives up what was sent of output that never is sent as a whole, since more of it keeps coming (MONITOR). One byte of it
// stays: a sent of 0 would say that this output was not counted yet.
func (c *epollConn) compact() {
	if out := c.cl.Out.Buf; c.sent > keptOutput && c.sent > len(out)/2 {
		c.cl.Out.Buf = out[:copy(out, out[c.sent-1:])]
		c.sent = 1
	}
}

// flushed: everything is written.
func (c *epollConn) flushed() {
	written := c.sent
	if written > 0 {
		c.loop.shared.stats.bytesOut.Add(int64(written))
		c.loop.shared.stats.writes.Add(1)
	}
	c.sent = 0
	c.written(written)
	if c.closing || c.cl.Killed() {
		c.end()
		return
	}
	c.cl.PublishUnsent(0)
	c.account(c.loop.shared.stats)
	c.ask(unix.EPOLLIN)
}

// full: the socket takes no more for now, so the connection's commands wait.
func (c *epollConn) full() bool {
	return c.sent < len(c.cl.Out.Buf) || c.tls != nil && c.tls.unsent() > 0
}

// unsent is how many bytes of output wait.
func (c *epollConn) unsent() int {
	n := len(c.cl.Out.Buf) - c.sent
	if c.tls != nil {
		n += c.tls.unsent()
	}
	return n
}

// cut ends a connection that is above one of its limits: what it has not read yet, it never gets.
func (c *epollConn) cut() {
	c.loop.shared.overLimit(c.cl, c.unsent())
	c.end()
}

// ask tells epoll what to wait for.
func (c *epollConn) ask(mask uint32) {
	if c.mask != mask && !c.gone {
		c.mask = mask
		c.loop.ctl(unix.EPOLL_CTL_MOD, c.fd, mask)
	}
}

// end closes the connection and forgets it.
func (c *epollConn) end() {
	if c.gone {
		return
	}
	if c.inScript {
		c.endsLater = true
		return
	}
	c.gone = true
	delete(c.loop.conns, c.fd)
	c.release(c.loop.shared.stats)
	c.loop.shared.gone(c.cl)
	c.loop.shared.engine.Drop(c.loop.x, c.cl) // before its peer can know
	if c.tls != nil {
		c.bye()
	}
	unix.Close(c.fd)
}

// leave hands the socket over to whoever the command said, once the answers to what came before it are written. They are short; a
// client that does not take even them is closed.
func (c *epollConn) leave() {
	if !c.writeAll() {
		c.end()
		return
	}
	c.gone = true
	l := c.loop
	c.release(l.shared.stats)
	delete(l.conns, c.fd)
	l.ctl(unix.EPOLL_CTL_DEL, c.fd, 0) //nolint:errcheck // it was there
	f := os.NewFile(uintptr(c.fd), "replica")
	nc, err := net.FileConn(f)
	f.Close()
	fn := c.cl.TakeDetached()
	var own net.Conn
	if err == nil {
		var tc *tlsConn
		if c.tls != nil {
			tc = c.tls.conn
		}
		own, err = detached(nc, tc, l.shared, c.cl)
	}
	if err != nil {
		l.shared.gone(c.cl)
		l.shared.engine.Drop(l.x, c.cl)
		return
	}
	c.detached.Store(&own)
	fn(own, append([]byte(nil), c.in...))
}

// writeAll writes the answers, if the socket takes them without waiting.
func (c *epollConn) writeAll() bool {
	if c.tls != nil {
		return c.sendAllTLS() == sendDone
	}
	for out := c.cl.Out.Buf; c.sent < len(out); {
		n, errno := rawSend(c.fd, out[c.sent:])
		if errno != 0 && errno != unix.EINTR {
			return false
		}
		c.sent += max(n, 0)
	}
	return true
}

// The methods below are engine.Conn.

// Resume implements engine.Conn.
func (c *epollConn) Resume() {
	c.loop.post(func() {
		if c.gone {
			return
		}
		if c.resume(); c.mayRun() && !c.full() {
			c.more()
		}
	})
}

// Do implements engine.Conn.
func (c *epollConn) Do(fn func()) {
	c.loop.post(func() {
		if c.gone {
			return
		}
		fn()
		if c.over(c.loop.shared, c.unsent()) {
			c.cut()
			return
		}
		c.flush()
	})
}

// Close implements engine.Conn.
func (c *epollConn) Close(soft bool) {
	if nc := c.detached.Load(); nc != nil {
		(*nc).Close()
		return
	}
	c.loop.post(func() {
		switch nc := c.detached.Load(); {
		case nc != nil:
			(*nc).Close()
		case c.gone:
		case soft && c.full():
			c.closing = true
			c.flush()
		default:
			c.end()
		}
	})
}

// RemoteAddr implements engine.Conn.
func (c *epollConn) RemoteAddr() string { return c.remote }

// LocalAddr implements engine.Conn.
func (c *epollConn) LocalAddr() string { return c.local }

// FD implements engine.Conn.
func (c *epollConn) FD() int { return c.fd }

// The raw calls never block, so they need not tell Go's scheduler.

func rawRead(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func rawWrite(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

// rawRecv and rawSend are rawRead and rawWrite for sockets: a shorter way through the kernel.
func rawRecv(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func rawSend(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// rawEpollWait returns how many events there are, below zero if a signal came.
func rawEpollWait(ep int, events []unix.EpollEvent, timeoutMs int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(timeoutMs), 0, 0)
	if errno != 0 {
		return -1
	}
	return int(n)
}
