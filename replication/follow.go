package replication

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/wire/resp"
)

// follower is a replica's link to its primary: one goroutine that connects, resyncs, applies the stream, and begins again.
type follower struct {
	m      *Manager
	host   string
	port   int
	ctx    context.Context // the link's life
	cancel context.CancelFunc
	ended  chan struct{}

	x *engine.Executor

	// failover makes the next PSYNC one that asks the other node to take over; nil from when it has answered. For the link's goroutine.
	failover *failover

	// told is the last complaint, when it was logged, and how often it was the same since. For the link's goroutine.
	told   string
	toldAt time.Time
	untold int

	// apply is held while a piece of the stream is run and appended: whoever holds it sees the data and the offset agree.
	apply sync.Mutex

	// readTo is the offset behind what was read of the stream, applied or not; 0: nothing yet.
	readTo atomic.Int64

	// guarded by m.mu
	state  linkState
	up     bool // the stream flows: state is linkConnected
	downAt time.Time
	lastIO time.Time
	conn   net.Conn
	// busy: it reads nothing of the link or at its own pace, as it loads the snapshot or a pause holds the stream back.
	busy bool
	// loaded and total are the snapshot's bytes so far, and all of them if known, while syncing.
	loaded, total int64
}

// linkState is where a link is; the names are ROLE's.
type linkState string

const (
	linkConnect    linkState = "connect"
	linkConnecting linkState = "connecting"
	linkHandshake  linkState = "handshake"
	linkSync       linkState = "sync"
	linkConnected  linkState = "connected"
)

// Follow makes the node a replica of another one, or, if it is one already, of that one instead. It returns at once.
func (m *Manager) Follow(host string, port int) { m.followAs(host, port, nil) }

// followAs is Follow; fo is the failover that it is a part of, if it is one: the other node is asked to take over.
func (m *Manager) followAs(host string, port int, fo *failover) {
	m.role.Lock()
	defer m.role.Unlock()
	if m.follows(host, port) || m.ctx.Err() != nil || fo != nil && !m.still(fo) {
		return
	}
	m.leave()
	m.followLeft(host, port, fo, m.Engine.Barrier, nil).start()
}

// followLeft is followAs for who holds role and has left the primary, if there was one. barrier is Engine.Barrier, or an executor's.
// strayed tells, within it, whether the data may be something else than the history says, so that nobody can go on from it; nil: it is not.
// The link is to be started.
func (m *Manager) followLeft(host string, port int, fo *failover, barrier func(func()), strayed func() bool) *follower {
	f := m.newFollower(host, port, fo)
	m.Engine.SetPrimaryAddr(fmt.Sprintf("%s:%d", host, port))
	s, other := m.Settings(), false
	barrier(func() {
		set, clear := s.gates(false)
		m.Engine.SetGateLocked(set|engine.GateReplica, clear)
		// A primary that becomes a replica keeps its history: perhaps the new primary can go on from it.
		m.mu.Lock()
		m.follow = f
		if other = strayed != nil && strayed(); other {
			m.history, m.restored = NewHistory(m.newIDLocked()), false
		}
		m.mu.Unlock()
		if !m.Journal.On() {
			m.Journal.Start(m.Journal.End())
		}
	})
	if other {
		m.cutReplicas() // else they stay until it is known whether their stream goes on: goOn, install
	}
	m.failWaiting()
	m.Engine.FailWaiting()
	return f
}

// newFollower makes a link, which start sets going.
func (m *Manager) newFollower(host string, port int, fo *failover) *follower {
	f := &follower{m: m, host: host, port: port, ended: make(chan struct{}), state: linkConnect, downAt: m.Clock.Now(), total: -1, failover: fo}
	f.ctx, f.cancel = context.WithCancel(m.ctx)
	f.x = m.Engine.NewExecutor()
	return f
}

// start sets a new link going. The caller holds role.
func (f *follower) start() {
	f.m.done.Add(1)
	go func() {
		defer f.m.done.Done()
		defer close(f.ended)
		f.run(f.ctx)
	}()
}

// still reports whether a failover was not aborted meanwhile. The role's lock is held, so that it will not be.
func (m *Manager) still(fo *failover) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failover == fo
}

// cutReplicas ends the feeds: their stream is about to be another one. They come back and resync.
func (m *Manager) cutReplicas() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.replicas {
		r.conn.Close()
	}
}

// leave ends the link to the primary, if there is one, and returns when nothing more will be applied. The caller holds role.
func (m *Manager) leave() {
	m.mu.Lock()
	f := m.follow
	m.mu.Unlock()
	if f == nil {
		return
	}
	f.cancel() // which closes the connection
	<-f.ended
}

// Promote makes the node a primary that goes on from where it is, under a new history; false if it was one already.
func (m *Manager) Promote() bool {
	m.role.Lock()
	defer m.role.Unlock()
	m.leave()
	return m.promoteLeft(m.Engine.Barrier)
}

// promoteLeft is Promote for who holds role and has left the primary. barrier is Engine.Barrier, or an executor's.
func (m *Manager) promoteLeft(barrier func(func())) bool {
	promoted := false
	barrier(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.follow == nil {
			return
		}
		m.follow, promoted = nil, true
		m.history, m.restored = m.history.Promoted(m.newIDLocked(), m.Journal.End()), false
		m.Journal.ForgetDB()
		m.noneAt = m.Clock.Now()
		m.Engine.SetGateLocked(0, engine.GateReplica|engine.GateReadOnly|engine.GateStale)
	})
	if promoted {
		// Their stream goes on, under a new name: they learn it by a partial resync.
		m.cutReplicas()
	}
	return promoted
}

func (f *follower) addr() string { return net.JoinHostPort(f.host, strconv.Itoa(f.port)) }

func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.once(ctx)
		if ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) {
			f.set(func() { f.m.tellSilent(f.state) }) // its reads have noticed before dropSilentPrimary
		}
		f.down()
		if ctx.Err() != nil {
			return
		}
		f.complain(err)
		if clock.Sleep(ctx, f.m.Clock, f.pause(err)) != nil {
			return
		}
	}
}

// complain logs why a link has ended; what says the same time and again, as of a primary that is not there, once in a while.
func (f *follower) complain(err error) {
	now, text := f.m.Clock.Now(), err.Error()
	if text == f.told && now.Sub(f.toldAt) < limits.RepeatedLogEvery {
		f.untold++
		return
	}
	f.m.Log.Warn("Connection with primary lost", "primary", f.addr(), "error", text, "since_the_last_such_line", f.untold)
	f.told, f.toldAt, f.untold = text, now, 0
}

// pause is how long to wait before the next try: next to nothing after a link that worked, which most likely meets a failover.
func (f *follower) pause(err error) time.Duration {
	var later errTryLater
	if errors.As(err, &later) || errors.Is(err, errApplied) {
		return limits.ReplicaReconnectEvery / 10
	}
	return limits.ReplicaReconnectEvery / 4
}

// errApplied marks the end of a link by which a stream had come.
var errApplied = errors.New("the stream ended")

func (f *follower) set(fn func()) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	fn()
}

func (f *follower) down() {
	f.set(func() {
		if f.up {
			f.downAt = f.m.Clock.Now()
		}
		f.state, f.up, f.conn, f.busy = linkConnect, false, nil, false
	})
	s := f.m.Settings()
	if !s.ServeStale {
		f.m.Engine.SetGate(engine.GateStale, 0)
	}
}

// once connects, resyncs and applies, until the link ends. The error says why.
func (f *follower) once(ctx context.Context) error {
	f.set(func() { f.state = linkConnecting })
	nc, err := f.m.Dial(ctx, f.addr())
	if err != nil {
		return err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	f.set(func() { f.conn, f.state, f.lastIO = nc, linkHandshake, f.m.Clock.Now() })
	in := bufio.NewReaderSize(nc, 64<<10)
	ans, err := f.greet(nc, in)
	f.settleFailover(err)
	if err != nil {
		return err
	}
	if ans.Full {
		err = f.fullSync(ctx, nc, in, ans)
	} else {
		f.goOn(ans)
	}
	if err != nil {
		return err
	}
	f.set(func() { f.state, f.up, f.busy, f.lastIO = linkConnected, true, false, f.m.Clock.Now() })
	if f.m.Engine.Gate()&engine.GateStale != 0 {
		f.m.Engine.SetGate(0, engine.GateStale)
	}
	f.m.Log.Info("PRIMARY <-> REPLICA sync: Finished with success", "primary", f.addr())
	return fmt.Errorf("%w: %w", errApplied, f.stream(ctx, nc, in))
}

// settleFailover ends a failover when its target has answered PSYNC. While it can't be reached it is asked again.
func (f *follower) settleFailover(err error) {
	fo := f.failover
	if fo == nil {
		return
	}
	var refused errRefused
	var later errTryLater
	switch {
	case err == nil:
		f.failover = nil
		f.m.endFailover(fo, f.m.Engine.Barrier)
	case errors.As(err, &refused), errors.As(err, &later):
		f.failover = nil
		// Becoming the primary again waits for the end of this very goroutine.
		f.m.done.Add(1)
		go func() {
			defer f.m.done.Done()
			f.m.abortFailover("Failover target rejected psync request")
		}()
	}
}

// greet runs the handshake.
func (f *follower) greet(nc net.Conn, in *bufio.Reader) (Answer, error) {
	m, s := f.m, f.m.Settings()
	h := &handshake{ask: Ask{User: s.User, Password: s.Password, ListeningPort: s.Port, AnnounceIP: s.AnnounceIP, Version: m.Version, ReplID: "?", Offset: -1}}
	h.ask.ReplID, h.ask.Offset = m.asks()
	h.ask.Failover = f.failover != nil
	for {
		nc.SetDeadline(m.Clock.Now().Add(limits.ReplicaHandshakeTimeout))
		if h.step == stepPsync {
			// A primary may think for as long as its snapshot takes to begin.
			nc.SetDeadline(m.Clock.Now().Add(s.Timeout))
		}
		if _, err := nc.Write(h.next()); err != nil {
			return Answer{}, err
		}
		line, err := readLine(in, func() {
			f.set(func() { f.lastIO = m.Clock.Now() })
			nc.SetDeadline(m.Clock.Now().Add(m.Settings().Timeout)) //nolint:errcheck // the read fails as well
		})
		if err != nil {
			return Answer{}, err
		}
		ans, done, err := h.line(line)
		if err != nil || done {
			nc.SetDeadline(time.Time{})
			return ans, err
		}
	}
}

// dropSilentPrimary ends the link to a primary that has been silent for repl-timeout, which may have been made shorter since the
// link's goroutine began to wait.
func (m *Manager) dropSilentPrimary(now time.Time, s Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.follow
	if f == nil || f.conn == nil || f.busy || now.Sub(f.lastIO) <= s.Timeout {
		return
	}
	m.tellSilent(f.state)
	f.conn.Close()
	f.conn = nil
}

// tellSilent logs that the primary has been silent for too long.
func (m *Manager) tellSilent(state linkState) {
	switch state {
	case linkHandshake:
		m.Log.Warn("Timeout connecting to the PRIMARY...")
	case linkSync:
		m.Log.Warn("Timeout receiving bulk data from PRIMARY... If the problem persists try to set the 'repl-timeout' parameter to a larger value.")
	default:
		m.Log.Warn("PRIMARY timeout: no data nor PING received...")
	}
}

// asks is the history that the node could go on with, and its first missing byte; "?" and -1 for none.
func (m *Manager) asks() (id string, offset int64) {
	if !m.Journal.On() {
		return "?", -1
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h, next := m.history, m.offsetLocked()+1
	if m.restored && next == h.SecondOffset {
		// Its data is a snapshot's, as it was: what others know is the snapshot's history, and nobody the name it has got since.
		return h.ReplID2, next
	}
	return h.ReplID, next
}

// readLine reads a line of the dialogue; empty ones, at which it calls alive, only say that the primary lives.
func readLine(in *bufio.Reader, alive func()) (string, error) {
	for {
		b, err := in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if s := strings.TrimRight(string(b), "\r\n"); s != "" {
			return s, nil
		}
		alive()
	}
}

// goOn takes over the name that the primary's history now has: the bytes so far are the same.
func (f *follower) goOn(ans Answer) {
	m := f.m
	m.mu.Lock()
	renamed := ans.ReplID != m.history.ReplID
	if renamed {
		m.history = History{ReplID: ans.ReplID, ReplID2: ans.asked, SecondOffset: m.Journal.End() + 1}
	}
	m.restored = false
	m.mu.Unlock()
	if renamed {
		m.cutReplicas()
	}
	m.Log.Info("Successful partial resynchronization with primary.")
}

// fullSync takes the primary's snapshot, the way that repl-diskless-load says.
func (f *follower) fullSync(ctx context.Context, nc net.Conn, in *bufio.Reader, ans Answer) error {
	m := f.m
	f.set(func() { f.state, f.loaded, f.total, f.lastIO = linkSync, 0, -1, m.Clock.Now() })
	src, err := f.snapshot(nc, in)
	if err != nil {
		return fmt.Errorf("receiving the primary's snapshot: %w", err)
	}
	switch mode := m.Settings().Load; {
	case mode == LoadBeside:
		h, _ := m.History()
		return f.install(ctx, nc, ans, src, installation{beside: true, served: h.ReplID == ans.ReplID})
	case mode == LoadAfterFlush, mode == LoadOnEmpty && m.Data.Empty():
		return f.install(ctx, nc, ans, src, installation{})
	}
	return f.fromFile(ctx, nc, ans, src)
}

// fromFile receives the snapshot into a file, and only then drops what the node has and loads it: a transfer that breaks off,
// or brings what can't be loaded, costs nothing.
func (f *follower) fromFile(ctx context.Context, nc net.Conn, ans Answer, src *snapshotReader) error {
	m := f.m
	name := filepath.Join(m.Settings().TempDir, "temp-sync-"+m.newID()[:12]+".rdb")
	tmp, err := vfs.Create(m.FS, name, 0o600)
	if err != nil {
		return err
	}
	defer tmp.Close()
	// Without a name it is gone with the process, however that ends; where that can't be, it is removed at the end.
	if m.FS.Remove(name) != nil {
		defer m.FS.Remove(name) //nolint:errcheck // a leftover does no harm
	}
	size, err := io.Copy(tmp, src)
	if err != nil {
		return fmt.Errorf("receiving the primary's snapshot: %w", err)
	}
	again := func() (*bufio.Reader, error) {
		_, err := tmp.Seek(0, io.SeekStart)
		return bufio.NewReaderSize(tmp, 256<<10), err
	}
	r, err := again()
	f.set(func() { f.busy = true })    // until the link is up, or down
	if err == nil && !m.Data.Empty() { // there is something to lose by a bad one
		err = m.Data.Check(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("checking the primary's snapshot: %w", err)
	}
	if r, err = again(); err != nil {
		return err
	}
	return f.install(ctx, nc, ans, &snapshotReader{r: r, size: size}, installation{})
}

// installation is how a snapshot becomes the data.
type installation struct {
	beside bool // loaded beside the data, which stays if that fails
	served bool // and clients are served from the data meanwhile
}

// install loads the snapshot. From the swap on the node has the primary's history.
func (f *follower) install(ctx context.Context, nc net.Conn, ans Answer, src *snapshotReader, how installation) error {
	m := f.m
	gate := engine.GateLoading
	if how.served {
		gate = engine.GateAsyncLoading
	}
	m.cutReplicas()
	m.Engine.SetGate(gate, 0)
	defer m.Engine.SetGate(0, gate)
	stop := f.showLife(ctx, nc)
	defer stop()
	m.Log.Info("PRIMARY <-> REPLICA sync: Loading DB in memory")
	if !how.beside {
		// Until all is loaded the node has no history that it could go on from, or hand on.
		m.Barrier(func() { f.restart(NewHistory(m.newID()), 0, 0) })
	}
	f.set(func() { f.busy = true })
	l, err := m.Data.Load(ctx, src, src.size, how.beside)
	if err == nil {
		_, err = io.Copy(io.Discard, src) // the end mark
	}
	if err != nil {
		return fmt.Errorf("loading the primary's snapshot: %w", err)
	}
	m.Barrier(func() {
		l.Commit()
		f.restart(NewHistory(ans.ReplID), ans.Offset, l.StreamDB)
	})
	return nil
}

// showLife sends the primary an empty line a second: it drops who is silent for repl-timeout, and a load may take longer.
func (f *follower) showLife(ctx context.Context, nc net.Conn) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for clock.Sleep(ctx, f.m.Clock, limits.ReplicaAckEvery) == nil {
			nc.SetWriteDeadline(f.m.Clock.Now().Add(limits.ReplicaHandshakeTimeout)) //nolint:errcheck // the write fails as well
			nc.Write([]byte("\n"))                                                   //nolint:errcheck // the next read tells
		}
	}()
	return func() { cancel(); <-ended }
}

func (f *follower) restart(h History, offset int64, db int) {
	f.m.mu.Lock()
	f.m.history, f.m.restored = h, false
	f.m.mu.Unlock()
	f.m.Journal.SetBacklog(f.m.Settings().BacklogSize)
	f.m.Journal.Start(offset)
	f.m.Journal.SetSelectedDB(db)
}

// snapshotReader is the snapshot's bytes, from the link or from a file.
type snapshotReader struct {
	r    io.Reader
	size int64 // 0: not known
	took func(n int)
}

// Read implements io.Reader.
func (s *snapshotReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if s.took != nil {
		s.took(n)
	}
	return n, err
}

// snapshot is the snapshot's bytes, which are next on the link. Each read must bring something within repl-timeout.
func (f *follower) snapshot(nc net.Conn, in *bufio.Reader) (*snapshotReader, error) {
	timeout := f.m.Settings().Timeout
	alive := func() { nc.SetReadDeadline(f.m.Clock.Now().Add(timeout)) } //nolint:errcheck // the read fails as well
	alive()
	frame, waiting, err := rdb.ReadFrame(in)
	for ; err == nil && waiting; frame, waiting, err = rdb.ReadFrame(in) {
		alive() // the primary is still preparing it
	}
	if err != nil {
		return nil, err
	}
	if frame.Mark == nil {
		f.set(func() { f.total = frame.LenBytes })
	}
	r, err := rdb.NewFrameReader(in, frame)
	if err != nil {
		return nil, err
	}
	took := func(n int) {
		f.m.netIn.Add(int64(n))
		alive()
		f.set(func() { f.loaded += int64(n); f.lastIO = f.m.Clock.Now() })
	}
	return &snapshotReader{r: r, size: max(frame.LenBytes, 0), took: took}, nil
}

// acknowledge tells the primary the offset once a second.
func (f *follower) acknowledge(ctx context.Context, nc net.Conn) {
	t := f.m.Clock.NewTicker(limits.ReplicaAckEvery)
	defer t.Stop()
	for {
		f.ack(nc)
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		}
	}
}

func (f *follower) ack(nc net.Conn) {
	nc.SetWriteDeadline(f.m.Clock.Now().Add(limits.ReplicaHandshakeTimeout))
	nc.Write(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", strconv.FormatInt(f.m.Journal.End(), 10)))
}
