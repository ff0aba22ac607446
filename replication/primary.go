package replication

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
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

	full    fullState
	writing writing

	// guarded by m.mu
	reader  *journal.Reader
	lagging time.Time // since when it is above the soft limit; zero while it is not
	state   string    // "" before its resync is decided, then one of state…
	ack     int64     // the offset that it says it has
	synced  int64     // the offset that it says is in its append-only file
	ackAt   time.Time
}

// online: it has its snapshot, and receives the stream. m.mu is held.
func (r *replica) online() bool { return r.state == stateOnline }

// hello is what a replica says of itself with REPLCONF.
type hello struct {
	port    int
	ip      string
	eof     bool // reads a snapshot without a length in front
	psync2  bool
	version string
	rdbOnly bool // wants a snapshot and no stream
	// filtered: of the snapshot it wants the functions at most, and those if functions says so.
	filtered, functions bool
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

// errNotReady: a replica whose own link is down has no stream to pass on.
var errNotReady = errors.New("NOMASTERLINK Can't SYNC while not connected with my master")

// atInstant runs fn while nothing is written, for streams that begin at this point of the journal: readers of it may be behind by limit
// bytes. m.mu is held.
func (m *Manager) atInstant(fn func(limit int64) error) (err error) {
	m.Barrier(func() {
		if m.notReady() {
			err = errNotReady
			return
		}
		m.keepJournal()
		s := m.Settings()
		limit := s.replicaLimit()
		m.mu.Lock()
		defer m.mu.Unlock()
		err = fn(limit)
	})
	return err
}

// goOn lets a replica go on where it was, if it can.
func (m *Manager) goOn(r *replica, id string, offset int64) (h History, ok bool, err error) {
	err = m.atInstant(func(limit int64) (err error) {
		h = m.history
		from, end := m.Journal.Range()
		if ok = h.CanContinue(id, offset, from, end); ok {
			r.reader, err = m.Journal.Reader(offset-1, limit)
			r.ack = offset - 1
			m.counts.PartialOK++
			return err
		}
		m.counts.Full++
		if id != "?" {
			m.counts.PartialErr++
		}
		return nil
	})
	return h, ok, err
}

// psync serves PSYNC (or SYNC, with bare true): the connection leaves its loop and becomes a feed.
func (m *Manager) psync(c *spec.Call, id string, offset int64, bare bool) {
	cl, x := c.Session.(*engine.Client), c.Engine.(*engine.Executor)
	if text := m.refuses(); text != "" {
		c.Out.Error(text)
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

// refuses says why no replica can be served now, "" if one can.
func (m *Manager) refuses() string {
	m.mu.Lock()
	failing := m.failover != nil
	m.mu.Unlock()
	switch {
	case failing:
		return "NOMASTERLINK Can't SYNC while failing over"
	case m.notReady():
		return errNotReady.Error()
	}
	return ""
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
	if t := r.full.transfer; t != nil {
		t.leaveLocked(r)
	}
	if len(m.replicas) == 0 {
		m.noneAt = m.Clock.Now()
	}
}

func (r *replica) serve(ctx context.Context, id string, offset int64, bare bool, rest []byte) error {
	m := r.m
	r.full.done, r.full.bare = make(chan error, 1), bare
	if m.Settings().DisableNoDelay {
		delaySmall(r.conn)
	}
	heard := make(chan struct{})
	go func() {
		r.acks(rest, sync.OnceFunc(func() { close(heard) }))
		r.cancel()
	}()
	h, partial, err := m.goOn(r, id, offset)
	switch {
	case err != nil:
		r.refuse(err)
		return err
	case partial:
		err = r.greet(h, offset)
	default:
		err = r.fullSync(ctx)
	}
	if err != nil {
		return err
	}
	if r.hello.rdbOnly && !partial {
		r.linger(ctx)
		return nil
	}
	defer r.reader.Close()
	defer r.closeWhenCut(ctx)()
	if !partial && r.full.transfer.kind.marked {
		// A replica takes a snapshot with an end mark for complete when the mark is the last that has come: until it says that
		// it has it, nothing may follow.
		select {
		case <-heard:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	r.state, r.ackAt = stateOnline, m.Clock.Now()
	m.mu.Unlock()
	m.serveWaiting()
	m.Log.Info("Synchronization with replica " + r.name() + " succeeded")
	return r.feed(ctx, r.reader)
}

func (r *replica) refuse(err error) {
	text := "-ERR " + err.Error() + "\r\n"
	if errors.Is(err, errNotReady) {
		text = "-" + err.Error() + "\r\n"
	}
	io.WriteString(patient{r}, text) //nolint:errcheck // it is closed next
}

// closeWhenCut closes the connection when the reader is cut or ctx ends: one who is cut, or told to go, may be stuck in a write to a
// replica that does not read. stop ends that.
func (r *replica) closeWhenCut(ctx context.Context) (stop func()) {
	ended := make(chan struct{})
	go func() {
		select {
		case <-r.reader.Ended():
		case <-ctx.Done():
		case <-ended:
			return
		}
		r.conn.Close()
	}()
	return func() { close(ended) }
}

// greet answers a PSYNC that goes on.
func (r *replica) greet(h History, offset int64) error {
	line := "+CONTINUE\r\n"
	if r.hello.psync2 {
		line = "+CONTINUE " + h.ReplID + "\r\n"
	}
	r.m.Log.Info("Partial resynchronization request from "+r.name()+" accepted", "offset", offset-1)
	_, err := io.WriteString(patient{r}, line)
	return err
}

// fullSync gives the replica a snapshot; from then on its reader has the stream.
func (r *replica) fullSync(ctx context.Context) error {
	r.m.Log.Info("Full resync requested by replica " + r.name())
	r.m.join(r)
	var err error
	select {
	case err = <-r.full.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	f := r.took(err)
	if f != nil {
		defer f.release()
	}
	if err == nil && f != nil {
		err = r.sendFile(f)
	}
	if err != nil && r.reader != nil {
		r.reader.Close()
	}
	var unreadable *rdb.UnsupportedError
	if errors.Is(err, errNotReady) || errors.As(err, &unreadable) {
		r.refuse(err)
	}
	return err
}

// took is the file that the replica is to send from, nil if there is none. After an error it will not be given one any more.
func (r *replica) took(err error) *sharedFile {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if err != nil {
		r.full.transfer.leaveLocked(r)
	}
	return r.full.file
}

// form is of the newest RDB version that the replica can read: one that does not tell its version is an old one, and those from Valkey 9 on read
// Valkey's.
func (r *replica) form() Form {
	f := Form{Version: rdb.DefaultVersion, NoKeys: r.hello.filtered, NoFunctions: r.hello.filtered && !r.hello.functions}
	if r.hello.version == "" {
		f.Version = rdb.OldReplicaVersion
	}
	major, _, _ := strings.Cut(r.hello.version, ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 9 {
		f.Version = rdb.ValkeyVersion
	}
	return f
}

// linger keeps the connection of one who wants a snapshot and no stream, until it has read it and goes.
func (r *replica) linger(ctx context.Context) {
	r.m.mu.Lock()
	reader := r.reader
	r.reader = nil
	r.m.mu.Unlock()
	reader.Close()
	clock.Sleep(ctx, r.m.Clock, r.m.Settings().Timeout) //nolint:errcheck // it is at an end either way
}

// feed sends the stream until the replica is cut or ctx ends. While the replica's socket takes it, the loops send themselves.
func (r *replica) feed(ctx context.Context, rd *journal.Reader) error {
	rd.Push(r.m.counted(PushTo(r.conn)))
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

// acks reads what the replica says: REPLCONF ACK, and nothing else. It calls first with each, until the connection ends, or is to end
// because the replica wants an answer, for which there is no place in the stream.
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
			if r.asks(args) {
				return
			}
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

// asks reports, and logs, that a replica has sent a command that is answered.
func (r *replica) asks(args [][]byte) bool {
	if len(args) == 0 || spec.EqualFold(args[0], "replconf") {
		return false
	}
	name := string(args[0])
	if cmd, ok := r.m.Engine.Table.Resolve(args); ok {
		name = cmd.FullName()
		if cmd.Is(spec.ReadOnly) || cmd.Is(spec.Write) || cmd.Is(spec.MayReplicate) {
			r.m.Log.Warn("== CRITICAL == This primary is sending an error to its replica: 'Replica can't interact with the keyspace' after processing the command '" + name + "'")
		}
	}
	r.m.Log.Warn("Replica generated a reply to command '" + name + "', disconnecting it: " + r.client.Line(r.m.Clock.Now().UnixMilli()))
	return true
}

// heard takes an acknowledgement; false if it is none.
func (r *replica) heard(args [][]byte) bool {
	if len(args) == 0 { // an empty line: it lives, and is busy loading
		r.m.mu.Lock()
		r.ackAt = r.m.Clock.Now()
		r.m.mu.Unlock()
		return false
	}
	if len(args) < 3 || !spec.EqualFold(args[0], "replconf") || !spec.EqualFold(args[1], "ack") {
		return false
	}
	off, ok := resp.ParseInt(args[2])
	if !ok {
		return false
	}
	synced := int64(0)
	if len(args) > 4 && spec.EqualFold(args[3], "fack") {
		if n, ok := resp.ParseInt(args[4]); ok {
			synced = n
		}
	}
	r.m.mu.Lock()
	r.ack, r.ackAt = max(r.ack, off), r.m.Clock.Now()
	r.synced = max(r.synced, synced)
	r.m.mu.Unlock()
	r.m.serveWaiting()
	return true
}

// pingReplicas puts a PING into the stream every repl-ping-replica-period, by which replicas see that the link lives.
func (m *Manager) pingReplicas(now time.Time, s Settings) {
	m.mu.Lock()
	if len(m.replicas) == 0 || m.pingedAt.IsZero() {
		m.pingedAt = now // the first replica has just heard of the primary, even if it was there before the first look
	}
	// The target of a failover is to have all there is: nothing more is said to it.
	due := m.follow == nil && m.failover == nil && now.Sub(m.pingedAt) >= s.PingEvery
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
		if r.online() && r.ack < offset {
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
