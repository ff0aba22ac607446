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
	"github.com/larder-cache/larder/commands/spec"
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

	x  *engine.Executor
	cl *engine.Client

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
	m.mu.Lock()
	if f := m.follow; f != nil && f.host == host && f.port == port {
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	m.leave()
	ctx, cancel := context.WithCancel(m.ctx)
	f := &follower{m: m, host: host, port: port, cancel: cancel, ended: make(chan struct{}), state: linkConnect, downAt: m.Clock.Now(), total: -1}
	f.x, f.cl = m.Engine.NewExecutor(), m.Engine.NewPrimaryClient()
	s := m.Settings()
	m.Engine.Barrier(func() {
		set, clear := engine.GateReplica, engine.Gate(0)
		if s.ReadOnly {
			set |= engine.GateReadOnly
		}
		if !s.ServeStale {
			set |= engine.GateStale
		}
		m.Engine.SetGateLocked(set, clear)
		// A primary that becomes a replica keeps its history: perhaps the new primary can go on from it.
		m.mu.Lock()
		m.follow = f
		m.mu.Unlock()
		if !m.Journal.On() {
			m.Journal.Start(m.Journal.End())
		}
	})
	m.cutReplicas()
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

// leave ends the link to the primary, if there is one, and returns when nothing more will be applied.
func (m *Manager) leave() {
	m.mu.Lock()
	f := m.follow
	m.mu.Unlock()
	if f == nil {
		return
	}
	f.cancel()
	m.mu.Lock()
	if f.conn != nil {
		f.conn.Close()
	}
	m.mu.Unlock()
	<-f.ended
}

// Promote makes the node a primary that goes on from where it is, under a new history.
func (m *Manager) Promote() {
	m.leave()
	m.Engine.Barrier(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.follow == nil {
			return
		}
		m.follow = nil
		m.history = m.history.Promoted(NewReplID(m.Rand), m.Journal.End())
		m.Journal.ForgetDB()
		m.noneAt = m.Clock.Now()
		m.Engine.SetGateLocked(0, engine.GateReplica|engine.GateReadOnly|engine.GateStale)
	})
	// Their stream goes on, under a new name: they learn it by a partial resync.
	m.cutReplicas()
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
	if hist, off := m.History(); m.Journal.On() {
		h.ask.ReplID, h.ask.Offset = hist.ReplID, off+1
	}
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
		m.history = History{ReplID: ans.ReplID, ReplID2: m.history.ReplID, SecondOffset: m.Journal.End() + 1}
	}
	m.mu.Unlock()
	if renamed {
		m.cutReplicas()
	}
	m.Log.Info("Successful partial resynchronization with primary.")
}

// fullSync receives the snapshot into a file, and only then drops what the node has and loads it: a transfer that breaks off
// costs nothing.
func (f *follower) fullSync(ctx context.Context, nc net.Conn, in *bufio.Reader, ans Answer) error {
	m := f.m
	f.set(func() { f.state, f.loaded, f.total = linkSync, 0, -1 })
	tmp, err := os.CreateTemp(m.Settings().TempDir, "temp-sync-*.rdb")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := f.receive(nc, in, tmp); err != nil {
		return fmt.Errorf("receiving the primary's snapshot: %w", err)
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m.cutReplicas()
	m.Engine.SetGate(engine.GateLoading, 0)
	defer m.Engine.SetGate(0, engine.GateLoading)
	// Until all is loaded the node has no history that it could go on from, or hand on.
	m.Engine.Barrier(func() { f.restart(NewHistory(NewReplID(m.Rand)), 0) })
	if err := m.Data.Load(ctx, bufio.NewReaderSize(tmp, 256<<10)); err != nil {
		return fmt.Errorf("loading the primary's snapshot: %w", err)
	}
	m.Engine.Barrier(func() { f.restart(NewHistory(ans.ReplID), ans.Offset) })
	return nil
}

func (f *follower) restart(h History, offset int64) {
	f.m.mu.Lock()
	f.m.history = h
	f.m.mu.Unlock()
	f.m.Journal.SetBacklog(f.m.Settings().BacklogSize)
	f.m.Journal.Start(offset)
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

// stream applies what the primary sends, and tells it how far it got.
func (f *follower) stream(ctx context.Context, nc net.Conn, in *bufio.Reader) error {
	ackCtx, stop := context.WithCancel(ctx)
	defer stop()
	f.m.done.Add(1)
	go func() {
		defer f.m.done.Done()
		f.acknowledge(ackCtx, nc)
	}()
	var p resp.Parser
	lim := resp.DefaultLimits()
	lim.MaxBulk = 1 << 40 // the primary has checked what it passes on
	buf := make([]byte, 0, 64<<10)
	for {
		nc.SetReadDeadline(f.m.Clock.Now().Add(f.m.Settings().Timeout))
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(p.Need(), len(buf)))...)[:len(buf)]
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+n]
		f.set(func() { f.lastIO = f.m.Clock.Now() })
		done, err := f.applyAll(&p, &lim, nc, buf)
		if err != nil {
			return err
		}
		buf = buf[:copy(buf, buf[done:])]
	}
}

// applyAll runs the complete commands in buf. A transaction is appended to this node's own stream as a whole, once it is run.
func (f *follower) applyAll(p *resp.Parser, lim *resp.Limits, nc net.Conn, buf []byte) (int, error) {
	f.apply.Lock()
	defer f.apply.Unlock()
	f.x.BeginTurn()
	defer f.x.EndTurn()
	done, appended := 0, 0
	var args [][]byte
	for {
		n, a, err := p.Next(buf[done:], args, lim)
		if err != nil {
			return done, fmt.Errorf("the primary sent what is no command: %w", err)
		}
		if args = a; n == 0 {
			return appended, f.rewind(p, done, appended)
		}
		done += n
		getack := len(args) > 1 && spec.EqualFold(args[0], "replconf") && spec.EqualFold(args[1], "getack")
		if len(args) > 0 && !getack {
			f.x.Run(f.cl, args)
			f.cl.Out.Buf = f.cl.Out.Buf[:0]
		}
		if f.cl.Transaction() {
			continue
		}
		f.m.Journal.AppendRaw(buf[appended:done])
		appended = done
		if getack {
			f.ack(nc)
		}
	}
}

// rewind forgets the open part of a transaction: its bytes stay in the buffer and are read again with the rest.
func (f *follower) rewind(p *resp.Parser, done, appended int) error {
	if done > appended {
		p.Reset()
		f.x.Run(f.cl, [][]byte{[]byte("DISCARD")})
		f.cl.Out.Buf = f.cl.Out.Buf[:0]
	}
	return nil
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
