package replication

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/persist/rdb"
)

// transfer is one snapshot for one or more replicas that need a full resync and can read the same bytes.
//
// It begins when its first replica has waited repl-diskless-sync-delay, or enough have come, and no other is being made. All its
// replicas' streams begin at its offset. With repl-diskless-sync it is written to their sockets as it is made; otherwise, and for
// those that know no end mark, to a file first, as its length stands in front.
type transfer struct {
	m       *Manager
	kind    transferKind
	ctx     context.Context
	cancel  context.CancelFunc
	since   time.Time
	crowded chan struct{} // closed when as many replicas wait as repl-diskless-sync-max-replicas

	// guarded by m.mu
	begun    bool // no more replicas may join
	replicas []*replica
}

// transferKind is what replicas must have in common to share a snapshot.
type transferKind struct {
	marked bool // to the sockets, with an end mark; otherwise by way of a file
	form   Form
}

// fullState is a full resync's part in a replica.
type fullState struct {
	transfer *transfer
	// done says how the transfer went for this replica, once.
	done chan error
	// file has the snapshot, for a replica that gets it with its length in front; the replica's goroutine sends and releases it.
	file *sharedFile
	bare bool // SYNC: no answer stands before the snapshot
}

// The states of a replica as INFO shows them. As in Redis, one that gets the snapshot as it is made waits until it has all of it.
const (
	stateWait   = "wait_bgsave"
	stateSend   = "send_bulk"
	stateOnline = "online"
)

// join makes a replica one of a transfer that has not begun, a new one if there is none of its kind.
func (m *Manager) join(r *replica) {
	s := m.Settings()
	kind := transferKind{marked: r.hello.eof && s.Diskless, form: r.form()}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.pending[kind]
	if t == nil {
		ctx, cancel := context.WithCancel(m.ctx)
		t = &transfer{m: m, kind: kind, ctx: ctx, cancel: cancel, since: m.Clock.Now(), crowded: make(chan struct{})}
		m.pending[kind] = t
		m.done.Add(1)
		go func() {
			defer m.done.Done()
			defer cancel()
			t.run()
		}()
	}
	r.full.transfer, r.state = t, stateWait
	t.replicas = append(t.replicas, r)
	if s.DisklessMax > 0 && len(t.replicas) == s.DisklessMax {
		close(t.crowded)
	}
}

// leave takes a replica out of its transfer, which ends when nobody is left. m.mu is held.
func (t *transfer) leaveLocked(r *replica) {
	for i, other := range t.replicas {
		if other == r {
			t.replicas = append(t.replicas[:i:i], t.replicas[i+1:]...)
			break
		}
	}
	if len(t.replicas) == 0 {
		if t.m.pending[t.kind] == t {
			delete(t.m.pending, t.kind)
		}
		t.cancel()
	}
}

// FailSyncs ends the full resyncs whose snapshot is being made: the data is gone. Their replicas come again. It takes no shard
// and does not wait.
func (m *Manager) FailSyncs() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.making != nil {
		m.making.cancel()
	}
}

// Snapshotting reports whether a snapshot for replicas is being made.
func (m *Manager) Snapshotting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.making != nil
}

// Syncing reports whether a replica is on its way to having all data: a snapshot is being made for it, or it loads one, while its stream waits here.
func (m *Manager) Syncing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.replicas {
		if r.reader != nil && !r.online() {
			return true
		}
	}
	return m.making != nil
}

func (t *transfer) run() {
	err := t.wait()
	if err == nil {
		err = t.make()
		<-t.m.syncing
	}
	m := t.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.making == t {
		m.making = nil
	}
	if m.pending[t.kind] == t {
		delete(m.pending, t.kind)
	}
	t.begun = true
	for _, r := range t.replicas {
		r.full.finish(err)
	}
}

// finish tells the replica's goroutine, if it was not told before.
func (f *fullState) finish(err error) {
	select {
	case f.done <- err:
	default:
	}
}

// wait returns when the snapshot is to begin, with the right to make it: m.syncing has a place taken.
func (t *transfer) wait() error {
	m := t.m
	stop := t.keepAlive()
	defer stop()
	if t.kind.marked {
		if err := t.gather(); err != nil {
			return err
		}
	}
	select {
	case m.syncing <- struct{}{}:
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// gather returns when the first replica has waited repl-diskless-sync-delay, which may be changed meanwhile, or when enough have come.
func (t *transfer) gather() error {
	m := t.m
	for {
		left := m.Settings().DisklessDelay - m.Clock.Now().Sub(t.since)
		if left <= 0 {
			return nil
		}
		look := m.Clock.NewTimer(min(left, limits.ReplicaAckEvery))
		select {
		case <-look.C():
		case <-t.crowded:
			look.Stop()
			return nil
		case <-t.ctx.Done():
			look.Stop()
			return t.ctx.Err()
		}
	}
}

// keepAlive sends the replicas an empty line a second, by which they see that the link lives, until stop is called.
func (t *transfer) keepAlive() (stop func()) {
	ctx, cancel := context.WithCancel(t.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for clock.Sleep(ctx, t.m.Clock, limits.ReplicaAckEvery) == nil {
			if t.m.Engine.Asleep() {
				continue // who is asleep does not live
			}
			for _, r := range t.members() {
				r.conn.SetWriteDeadline(t.m.Clock.Now().Add(limits.ReplicaHandshakeTimeout)) //nolint:errcheck // the write fails as well
				if _, err := r.conn.Write([]byte("\n")); err != nil {
					r.conn.Close()
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func (t *transfer) members() []*replica {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	return append([]*replica(nil), t.replicas...)
}

// make makes the snapshot.
func (t *transfer) make() error {
	m := t.m
	snap, h, offset, err := t.begin()
	if err != nil {
		return err
	}
	target, work := "disk", "saving"
	if t.kind.marked {
		target, work = "replicas sockets", "RDB transfer"
	}
	m.Log.Info("Starting BGSAVE for SYNC with target: " + target)
	m.Log.Info(fmt.Sprintf("Background %s started by pid %d", work, os.Getpid()))
	for _, r := range t.members() {
		if r.full.bare {
			continue
		}
		if _, err := fmt.Fprintf(patient{r}, "+FULLRESYNC %s %d\r\n", h.ReplID, offset); err != nil {
			t.drop(r, err)
		}
	}
	if t.kind.marked {
		return t.toSockets(snap, h, offset)
	}
	return t.toFile(snap, h, offset)
}

// begin fixes what the snapshot shows and where the streams begin.
func (t *transfer) begin() (snap Snapshot, h History, offset int64, err error) {
	m := t.m
	err = m.atInstant(func(limit int64) (err error) {
		t.begun = true
		delete(m.pending, t.kind)
		m.making = t
		h = m.history
		_, offset = m.Journal.Range()
		if m.follow == nil { // a replica passes on what it gets: its snapshot tells the database instead
			m.Journal.ForgetDB()
		}
		for _, r := range t.replicas {
			if r.reader, err = m.Journal.Reader(offset, limit); err != nil {
				return err
			}
			r.ack = offset
		}
		snap, err = m.Data.Begin(t.kind.form)
		return err
	})
	return snap, h, offset, err
}

// drop gives up one of several replicas.
func (t *transfer) drop(r *replica, err error) {
	r.conn.Close()
	r.full.finish(err)
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.leaveLocked(r)
}

// errNobodyLeft ends a snapshot whose last replica is gone.
var errNobodyLeft = errors.New("diskless rdb transfer, last replica dropped")

// Write sends a piece of the snapshot to all replicas. Who does not take it within repl-timeout is dropped.
func (t *transfer) Write(b []byte) (int, error) {
	left := 0
	for _, r := range t.members() {
		if _, err := (patient{r}).Write(b); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.m.Log.Warn("Disconnecting timedout replica (full sync)", "replica", r.name())
			}
			t.m.Log.Warn("Diskless rdb transfer, dropping a replica", "replica", r.name(), "error", err)
			t.drop(r, err)
			continue
		}
		left++
	}
	if left == 0 {
		return 0, errNobodyLeft
	}
	return len(b), nil
}

// toSockets sends the snapshot with an end mark, and logs how that went. The words are Valkey's, for which people search logs; here is neither a pipe nor a child.
func (t *transfer) toSockets(snap Snapshot, h History, offset int64) error {
	err := t.send(snap, h, offset)
	switch left := len(t.members()); {
	case err == nil:
		t.m.Log.Info(fmt.Sprintf("Diskless rdb transfer, done reading from pipe, %d replicas still up", left))
	case left == 0:
		t.m.Log.Warn("Diskless rdb transfer, last replica dropped, killing fork child")
	}
	return err
}

func (t *transfer) send(snap Snapshot, h History, offset int64) error {
	mark := t.m.newID()
	w := &steady{w: bufio.NewWriterSize(t, 64<<10), clock: t.m.Clock}
	if _, err := w.Write(rdb.Frame{Mark: []byte(mark)}.AppendHeader(nil)); err != nil {
		snap.Close()
		return err
	}
	if err := snap.WriteTo(t.ctx, w, t.kind.form, h, offset); err != nil {
		return err
	}
	if _, err := w.w.WriteString(mark); err != nil {
		return err
	}
	return w.w.Flush()
}

// steady is a buffered writer that holds nothing back for longer than a second: a replica waits for repl-timeout at most.
type steady struct {
	w     *bufio.Writer
	clock clock.Clock
	last  int64
}

// Write implements io.Writer.
func (s *steady) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		return n, err
	}
	if now := s.clock.MonoNanos(); now-s.last > int64(limits.ReplicaAckEvery) {
		s.last = now
		err = s.w.Flush()
	}
	return n, err
}

// toFile writes the snapshot to a file, from which each replica's goroutine sends it.
func (t *transfer) toFile(snap Snapshot, h History, offset int64) error {
	stop := t.keepAlive()
	f, err := t.spool(snap, h, offset)
	stop()
	if err != nil {
		return err
	}
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	f.users = len(t.replicas)
	for _, r := range t.replicas {
		r.full.file, r.state = f, stateSend
	}
	if f.users == 0 {
		f.close()
	}
	return nil
}

func (t *transfer) spool(snap Snapshot, h History, offset int64) (*sharedFile, error) {
	name := filepath.Join(t.m.Settings().TempDir, "temp-sync-"+t.m.newID()[:12]+".rdb")
	f, err := vfs.Create(t.m.FS, name, 0o600)
	if err != nil {
		snap.Close()
		return nil, err
	}
	sf := &sharedFile{m: t.m, f: f, name: name}
	w := bufio.NewWriterSize(f, 64<<10)
	if err = snap.WriteTo(t.ctx, w, t.kind.form, h, offset); err == nil {
		err = w.Flush()
	}
	if err == nil {
		sf.size, err = f.Size()
	}
	if err != nil {
		sf.close()
		return nil, err
	}
	return sf, nil
}

// sharedFile is a snapshot on disk that some replicas' goroutines send.
type sharedFile struct {
	m     *Manager
	f     vfs.File
	name  string
	size  int64
	users int // guarded by m.mu
}

func (s *sharedFile) release() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.users--; s.users == 0 {
		s.close()
	}
}

func (s *sharedFile) close() {
	s.f.Close()           //nolint:errcheck // it was only read since it was complete
	s.m.FS.Remove(s.name) //nolint:errcheck // a leftover does no harm
}

// sendFile sends the snapshot with its length in front.
func (r *replica) sendFile(f *sharedFile) error {
	if _, err := (patient{r}).Write(rdb.Frame{LenBytes: f.size}.AppendHeader(nil)); err != nil {
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{patient{r}}, io.NewSectionReader(f.f, 0, f.size), make([]byte, 64<<10))
	return err
}

// patient writes to a replica, which must take each piece within repl-timeout.
type patient struct{ r *replica }

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	m := p.r.m
	if err := p.r.startWriting(m.Settings().Timeout); err != nil {
		return 0, err
	}
	defer p.r.writing.end()
	n, err := p.r.conn.Write(b)
	p.r.m.netOut.Add(int64(n))
	return n, err
}

// counted counts what is pushed; nil stays nil.
func (m *Manager) counted(push func([]byte) int) func([]byte) int {
	if push == nil {
		return nil
	}
	return func(b []byte) int {
		n := push(b)
		m.netOut.Add(int64(n))
		return n
	}
}

// dropStalled cuts the replicas that take nothing of their snapshot while its walk makes writers wait.
func (m *Manager) dropStalled() {
	if !m.Engine.WritesWait() {
		m.waitAt = 0
		return
	}
	now := m.Clock.MonoNanos()
	if m.waitAt == 0 {
		m.waitAt = now
	}
	m.mu.Lock()
	t := m.making
	m.mu.Unlock()
	if t == nil || time.Duration(now-m.waitAt) <= limits.StalledSyncPatience {
		return
	}
	for _, r := range t.members() {
		if at := r.writing.since(); at > 0 && time.Duration(now-at) > limits.StalledSyncPatience {
			m.Log.Warn("Disconnecting a replica that takes nothing of its snapshot, for which writers wait", "replica", r.name())
			r.conn.Close()
		}
	}
}
