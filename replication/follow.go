package replication

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/wire/resp"
)

// follower is a replica's link to its primary: one goroutine that connects, resyncs, applies the stream, and begins again.
type follower struct {
	m      *Manager
	host   string
	port   int
	cancel context.CancelFunc
	ended  chan struct{}

	x *engine.Executor

	// apply is held while a piece of the stream is run and appended: whoever holds it sees the data and the offset agree.
	apply sync.Mutex

	// guarded by m.mu
	state  linkState
	up     bool // the stream flows: state is linkConnected
	downAt time.Time
	lastIO time.Time
	conn   net.Conn
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
func (m *Manager) Follow(host string, port int) {
	m.role.Lock()
	defer m.role.Unlock()
	if m.follows(host, port) || m.ctx.Err() != nil {
		return
	}
	m.leave()
	ctx, cancel := context.WithCancel(m.ctx)
	f := &follower{m: m, host: host, port: port, cancel: cancel, ended: make(chan struct{}), state: linkConnect, downAt: m.Clock.Now(), total: -1}
	f.x = m.Engine.NewExecutor()
	s := m.Settings()
	m.Engine.Barrier(func() {
		set, clear := s.gates(false)
		m.Engine.SetGateLocked(set|engine.GateReplica, clear)
		// A primary that becomes a replica keeps its history: perhaps the new primary can go on from it.
		m.mu.Lock()
		m.follow = f
		m.mu.Unlock()
		if !m.Journal.On() {
			m.Journal.Start(m.Journal.End())
		}
	})
	m.cutReplicas()
	m.failWaiting()
	m.done.Add(1)
	go func() {
		defer m.done.Done()
		defer close(f.ended)
		f.run(ctx)
	}()
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
	promoted := false
	m.Engine.Barrier(func() {
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
		f.down()
		if ctx.Err() != nil {
			return
		}
		f.m.Log.Warn("Connection with primary lost", "primary", f.addr(), "error", err)
		if clock.Sleep(ctx, f.m.Clock, f.pause(err)) != nil {
			return
		}
	}
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
		f.state, f.up, f.conn = linkConnect, false, nil
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
	f.set(func() { f.conn, f.state = nc, linkHandshake })
	in := bufio.NewReaderSize(nc, 64<<10)
	ans, err := f.greet(nc, in)
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
	f.set(func() { f.state, f.up, f.lastIO = linkConnected, true, f.m.Clock.Now() })
	if f.m.Engine.Gate()&engine.GateStale != 0 {
		f.m.Engine.SetGate(0, engine.GateStale)
	}
	f.m.Log.Info("PRIMARY <-> REPLICA sync: Finished with success", "primary", f.addr())
	return fmt.Errorf("%w: %w", errApplied, f.stream(ctx, nc, in))
}

// greet runs the handshake.
func (f *follower) greet(nc net.Conn, in *bufio.Reader) (Answer, error) {
	m, s := f.m, f.m.Settings()
	h := &handshake{ask: Ask{User: s.User, Password: s.Password, ListeningPort: s.Port, AnnounceIP: s.AnnounceIP, Version: m.Version, ReplID: "?", Offset: -1}}
	h.ask.ReplID, h.ask.Offset = m.asks()
	for {
		nc.SetDeadline(m.Clock.Now().Add(limits.ReplicaHandshakeTimeout))
		if h.step == stepPsync {
			// A primary may think for as long as its snapshot takes to begin.
			nc.SetDeadline(m.Clock.Now().Add(s.Timeout))
		}
		if _, err := nc.Write(h.next()); err != nil {
			return Answer{}, err
		}
		line, err := readLine(in)
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

// readLine reads a line of the dialogue; empty ones only say that the primary lives.
func readLine(in *bufio.Reader) (string, error) {
	for {
		b, err := in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if s := strings.TrimRight(string(b), "\r\n"); s != "" {
			return s, nil
		}
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

// fullSync receives the snapshot into a file, and only then drops what the node has and loads it: a transfer that breaks off,
// or brings what can't be loaded, costs nothing.
func (f *follower) fullSync(ctx context.Context, nc net.Conn, in *bufio.Reader, ans Answer) error {
	m := f.m
	f.set(func() { f.state, f.loaded, f.total = linkSync, 0, -1 })
	tmp, err := os.CreateTemp(m.Settings().TempDir, "temp-sync-*.rdb")
	if err != nil {
		return err
	}
	// Without a name it is gone with the process, however that ends; where that can't be, it is removed at the end.
	if os.Remove(tmp.Name()) != nil {
		defer os.Remove(tmp.Name())
	}
	defer tmp.Close()
	if err := f.receive(nc, in, tmp); err != nil {
		return fmt.Errorf("receiving the primary's snapshot: %w", err)
	}
	again := func() (*bufio.Reader, error) {
		_, err := tmp.Seek(0, io.SeekStart)
		return bufio.NewReaderSize(tmp, 256<<10), err
	}
	r, err := again()
	if err == nil {
		err = m.Data.Check(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("checking the primary's snapshot: %w", err)
	}
	if r, err = again(); err != nil {
		return err
	}
	m.cutReplicas()
	m.Engine.SetGate(engine.GateLoading, 0)
	defer m.Engine.SetGate(0, engine.GateLoading)
	// Until all is loaded the node has no history that it could go on from, or hand on.
	m.Barrier(func() { f.restart(NewHistory(m.newID()), 0, 0) })
	db, err := m.Data.Load(ctx, r)
	if err != nil {
		return fmt.Errorf("loading the primary's snapshot: %w", err)
	}
	m.Barrier(func() { f.restart(NewHistory(ans.ReplID), ans.Offset, db) })
	return nil
}

func (f *follower) restart(h History, offset int64, db int) {
	f.m.mu.Lock()
	f.m.history, f.m.restored = h, false
	f.m.mu.Unlock()
	f.m.Journal.SetBacklog(f.m.Settings().BacklogSize)
	f.m.Journal.Start(offset)
	f.m.Journal.SetSelectedDB(db)
}

// receive copies the snapshot out of the stream.
func (f *follower) receive(nc net.Conn, in *bufio.Reader, w io.Writer) error {
	timeout := f.m.Settings().Timeout
	alive := func() { nc.SetReadDeadline(f.m.Clock.Now().Add(timeout)) }
	alive()
	defer nc.SetReadDeadline(time.Time{})
	frame, waiting, err := rdb.ReadFrame(in)
	for ; err == nil && waiting; frame, waiting, err = rdb.ReadFrame(in) {
		alive() // the primary is still preparing it
	}
	if err != nil {
		return err
	}
	if frame.Mark == nil {
		f.set(func() { f.total = frame.LenBytes })
	}
	r, err := rdb.NewFrameReader(in, frame)
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		alive()
		f.set(func() { f.loaded += int64(n) })
		if _, werr := w.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
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
