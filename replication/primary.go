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
	"sync"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/journal"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// replica is one node that follows this one.
type replica struct {
	m      *Manager
	client *engine.Client
	conn   net.Conn
	cancel context.CancelFunc

	// What the replica told before PSYNC; set by its connection's loop, read once it is detached.
	hello hello

	// guarded by m.mu
	reader  *journal.Reader
	lagging time.Time // since when it is above the soft limit; zero while it is not
	online  bool      // has its snapshot, and receives the stream
	ack     int64     // the offset that it says it has
	ackAt   time.Time
}

// hello is what a replica says of itself with REPLCONF.
type hello struct {
	port    int
	ip      string
	eof     bool // reads a snapshot without a length in front
	psync2  bool
	version string
}

// name is the replica's address as INFO and ROLE show it.
func (r *replica) name() string {
	return net.JoinHostPort(r.host(), strconv.Itoa(r.hello.port))
}

func (r *replica) host() string {
	if r.hello.ip != "" {
		return r.hello.ip
	}
	host, _, err := net.SplitHostPort(r.client.Conn().RemoteAddr())
	if err != nil {
		return ""
	}
	return host
}

// start is what is decided about a new replica while all shards are held.
type start struct {
	reader *journal.Reader
	snap   Snapshot // nil: the replica goes on where it was
	h      History
	offset int64
}

// errNotReady: a replica whose own link is down has no stream to pass on.
var errNotReady = errors.New("NOMASTERLINK Can't SYNC while not connected with my master")

// begin decides between a partial and a full resync, and fixes where the stream begins.
func (m *Manager) begin(id string, offset int64) (start, error) {
	var st start
	var err error
	m.Barrier(func() {
		if m.notReady() {
			err = errNotReady
			return
		}
		m.keepJournal()
		s := m.Settings()
		limit := s.replicaLimit()
		m.mu.Lock()
		h, primary := m.history, m.follow == nil
		m.mu.Unlock()
		st.h = h
		from, end := m.Journal.Range()
		if h.CanContinue(id, offset, from, end) {
			st.offset = offset - 1
			st.reader, err = m.Journal.Reader(st.offset, limit)
			return
		}
		st.offset = end
		if primary { // a replica passes on what it gets: its snapshot tells the database instead
			m.Journal.ForgetDB()
		}
		if st.reader, err = m.Journal.Reader(end, limit); err != nil {
			return
		}
		if st.snap, err = m.Data.Begin(); err != nil {
			st.reader.Close()
		}
	})
	return st, err
}

// psync serves PSYNC (or SYNC, with bare true): the connection leaves its loop and becomes a feed.
func (m *Manager) psync(c *spec.Call, id string, offset int64, bare bool) {
	cl, x := c.Session.(*engine.Client), c.Engine.(*engine.Executor)
	if m.notReady() {
		c.Out.Error(errNotReady.Error())
		return
	}
	r := &replica{m: m, client: cl, hello: helloOf(cl)}
	x.Detach(cl, func(nc net.Conn, rest []byte) {
		r.conn = nc
		ctx, cancel := context.WithCancel(m.ctx)
		r.cancel = cancel
		cl.SetClass(engine.ClassReplica)
		if !m.add(r) {
			cancel()
			nc.Close()
			return
		}
		go func() {
			defer m.done.Done()
			defer m.remove(r)
			err := r.serve(ctx, id, offset, bare, rest)
			if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) && ctx.Err() == nil {
				m.Log.Warn("Connection with replica lost", "replica", r.name(), "error", err)
			}
		}()
	})
}

func (m *Manager) notReady() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.follow != nil && !m.follow.up
}

// add counts a replica, and its goroutine; false if the manager is closed.
func (m *Manager) add(r *replica) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return false
	}
	m.done.Add(1)
	m.replicas[r] = struct{}{}
	m.noneAt = time.Time{}
	return true
}

func (m *Manager) remove(r *replica) {
	r.cancel()
	r.conn.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.replicas, r)
	if len(m.replicas) == 0 {
		m.noneAt = m.Clock.Now()
	}
}

func (r *replica) serve(ctx context.Context, id string, offset int64, bare bool, rest []byte) error {
	m := r.m
	st, err := m.begin(id, offset)
	if err != nil {
		text := "-ERR " + err.Error() + "\r\n"
		if errors.Is(err, errNotReady) {
			text = "-" + err.Error() + "\r\n"
		}
		io.WriteString(r.conn, text)
		return err
	}
	defer st.reader.Close()
	m.mu.Lock()
	r.reader = st.reader
	m.mu.Unlock()
	// One who is cut, or told to go, may be stuck in a write to a replica that does not read.
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-st.reader.Ended():
		case <-ctx.Done():
		case <-ended:
			return
		}
		r.conn.Close()
	}()
	m.count(st, id)
	marked, err := r.greet(ctx, &st, bare)
	if err != nil {
		return err
	}
	heard := make(chan struct{})
	go func() {
		r.acks(rest, sync.OnceFunc(func() { close(heard) }))
		r.cancel()
	}()
	if marked {
		// A replica takes a snapshot with an end mark for complete when the mark is the last that has come: until it says that
		// it has it, nothing may follow.
		select {
		case <-heard:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	r.online, r.ack, r.ackAt = true, max(r.ack, st.offset), m.Clock.Now()
	m.mu.Unlock()
	m.serveWaiting()
	m.Log.Info("Synchronization with replica " + r.name() + " succeeded")
	return r.feed(ctx, st.reader)
}

func (m *Manager) count(st start, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case st.snap == nil:
		m.counts.PartialOK++
	default:
		m.counts.Full++
		if id != "?" {
			m.counts.PartialErr++
		}
	}
}

// greet answers PSYNC and, for a full resync, sends the snapshot; marked says that it ended with a mark.
func (r *replica) greet(ctx context.Context, st *start, bare bool) (marked bool, err error) {
	if st.snap == nil {
		line := "+CONTINUE\r\n"
		if r.hello.psync2 {
			line = "+CONTINUE " + st.h.ReplID + "\r\n"
		}
		_, err := io.WriteString(r.conn, line)
		r.m.Log.Info("Partial resynchronization request from "+r.name()+" accepted", "offset", st.offset)
		return false, err
	}
	r.m.Log.Info("Full resync requested by replica " + r.name())
	if !bare {
		if _, err := fmt.Fprintf(r.conn, "+FULLRESYNC %s %d\r\n", st.h.ReplID, st.offset); err != nil {
			st.snap.Close()
			return false, err
		}
	}
	if !r.hello.eof {
		return false, r.sendSized(ctx, st)
	}
	mark := r.m.newID()
	w := bufio.NewWriterSize(patient{r}, 64<<10)
	if _, err := w.Write(rdb.Frame{Mark: []byte(mark)}.AppendHeader(nil)); err != nil {
		st.snap.Close()
		return true, err
	}
	if err := st.snap.WriteTo(ctx, w, r.rdbVersion(), st.h, st.offset); err != nil {
		return true, err
	}
	if _, err := w.WriteString(mark); err != nil {
		return true, err
	}
	return true, w.Flush()
}

// patient writes to a replica, which must take each piece within repl-timeout.
type patient struct{ r *replica }

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	m := p.r.m
	if err := p.r.conn.SetWriteDeadline(m.Clock.Now().Add(m.Settings().Timeout)); err != nil {
		return 0, err
	}
	return p.r.conn.Write(b)
}

// sendSized sends the snapshot with its length in front, for a replica that knows no end mark: by way of a file.
func (r *replica) sendSized(ctx context.Context, st *start) error {
	f, err := os.CreateTemp(r.m.Settings().TempDir, "temp-sync-*.rdb")
	if err != nil {
		st.snap.Close()
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := st.snap.WriteTo(ctx, w, r.rdbVersion(), st.h, st.offset); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := r.conn.Write(rdb.Frame{LenBytes: size}.AppendHeader(nil)); err != nil {
		return err
	}
	_, err = io.Copy(patient{r}, f)
	return err
}

// rdbVersion is the newest RDB version that the replica can read: one that does not tell its version is an old one.
func (r *replica) rdbVersion() int {
	if r.hello.version == "" {
		return rdb.OldReplicaVersion
	}
	return rdb.DefaultVersion
}

// feed sends the stream until the replica is cut or ctx ends. While the replica's socket takes it, the loops send themselves.
func (r *replica) feed(ctx context.Context, rd *journal.Reader) error {
	rd.Push(pushTo(r.conn))
	buf := make([]byte, 0, 64<<10)
	for {
		out, err := rd.Next(ctx, buf)
		if err != nil {
			return err
		}
		if _, err := (patient{r}).Write(out); err != nil {
			return err
		}
	}
}

// acks reads what the replica says: REPLCONF ACK, and nothing else. It calls first with each, until the connection ends.
func (r *replica) acks(rest []byte, first func()) {
	var p resp.Parser
	lim := resp.DefaultLimits()
	lim.MaxBulk, lim.MaxMultibulk = limits.MaxPreAuthBulkBytes, limits.MaxPreAuthMultibulkArgs
	in := append(make([]byte, 0, 4096), rest...)
	var args [][]byte
	for {
		n, a, err := p.Next(in, args, &lim)
		if err != nil {
			return
		}
		if args = a; n > 0 {
			if r.heard(args) {
				first()
			}
			in = in[:copy(in, in[n:])]
			continue
		}
		if len(in) == cap(in) {
			in = append(in, 0)[:len(in)]
		}
		k, err := r.conn.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+k]
	}
}

// heard takes an acknowledgement; false if it is none.
func (r *replica) heard(args [][]byte) bool {
	if len(args) < 3 || !spec.EqualFold(args[0], "replconf") || !spec.EqualFold(args[1], "ack") {
		return false
	}
	off, ok := resp.ParseInt(args[2])
	if !ok {
		return false
	}
	r.m.mu.Lock()
	r.ack, r.ackAt = max(r.ack, off), r.m.Clock.Now()
	r.m.mu.Unlock()
	r.m.serveWaiting()
	return true
}

// pingReplicas puts a PING into the stream every repl-ping-replica-period, by which replicas see that the link lives.
func (m *Manager) pingReplicas(now time.Time, s Settings) {
	m.mu.Lock()
	due := m.follow == nil && len(m.replicas) > 0 && now.Sub(m.pingedAt) >= s.PingEvery
	if due {
		m.pingedAt = now
	}
	m.mu.Unlock()
	if due {
		m.say("PING")
	}
}

// ReplicasHave reports whether every replica that receives the stream has said that it has it up to an offset. One that follows
// another node has nobody to wait for.
func (m *Manager) ReplicasHave(offset int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.follow != nil {
		return true
	}
	for r := range m.replicas {
		if r.online && r.ack < offset {
			return false
		}
	}
	return true
}

// AskForAcks makes the replicas say how far they are, without waiting for their second.
func (m *Manager) AskForAcks() { m.say("REPLCONF", "GETACK", "*") }

// say puts a command of no database into the stream. A node that has become a replica meanwhile has nothing to say.
func (m *Manager) say(args ...string) {
	m.Engine.WithShard(0, func(*keyspace.Shard) {
		if m.Engine.Gate()&engine.GateReplica != 0 {
			return
		}
		m.Journal.AppendRaw(resp.AppendCommandStrings(nil, args...))
	})
	m.Journal.Wake()
}

// helloOf is what a connection said of itself with REPLCONF; its own loop keeps it with the client.
func helloOf(cl *engine.Client) hello {
	h, _ := cl.Aux().(hello)
	return h
}
