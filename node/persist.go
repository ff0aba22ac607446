package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/wire/resp"
)

// saver writes snapshots to disk, one at a time. A snapshot that fails, is cancelled or meets the end of the process leaves the file
// of the one before as it was.
type saver struct {
	n  *Node
	fs vfs.FS

	mu        sync.Mutex
	running   bool
	stopping  bool // the running one was told to end
	scheduled bool // BGSAVE was asked for where it could not begin: the next tick begins it
	lastSave  time.Time
	lastTry   time.Time
	lastOK    bool
	lastTook  time.Duration
	startedAt time.Time
	saved     uint64 // the engine's dirty count at the last good snapshot
	tries     int64  // that came to an end, good or bad
	count     int64  // good ones
	cow       int64  // the most bytes of pre-images that waited during the last one
	snap      *snapshot
	cancel    context.CancelFunc
	idle      *sync.Cond
}

func newSaver(n *Node) *saver {
	s := &saver{n: n, fs: vfs.OS{}, lastSave: n.clock.Now(), lastOK: true}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// dirty is how many changes the last snapshot does not have.
func (s *saver) dirty() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n.engine.DirtyCount() - s.saved
}

// loaded says that all data is that of a file: nothing is to be saved.
func (s *saver) loaded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = s.n.engine.DirtyCount()
}

// tick begins a snapshot that was scheduled, or when a save point is reached.
func (s *saver) tick(now time.Time) {
	if s.n.loading() { // half of what is being loaded must not replace a whole
		return
	}
	if s.due(now) {
		s.background() //nolint:errcheck // it has begun, or another one has
	}
}

func (s *saver) due(now time.Time) bool {
	dirty := s.n.engine.DirtyCount()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return false
	}
	if s.scheduled {
		s.scheduled = false
		return true
	}
	if !s.lastOK && now.Sub(s.lastTry) <= retrySave { // as Redis does
		return false
	}
	points, _ := parseSave(s.n.cfg.get("save").string()) // checked when it was set
	for _, p := range points {
		if changes := dirty - s.saved; changes > 0 && changes >= uint64(p.changes) && now.Sub(s.lastSave) > time.Duration(p.seconds)*time.Second {
			s.n.log.Info(fmt.Sprintf("%d changes in %d seconds. Saving...", p.changes, p.seconds))
			return true
		}
	}
	return false
}

// retrySave is how long to wait after a failed snapshot.
const retrySave = 5 * time.Second

// errSaving says that another snapshot is being written.
const errSaving = redisText("Background save already in progress")

// background begins a snapshot of this instant, and returns. The caller holds no shard.
func (s *saver) background() error {
	run, err := s.begin(false)
	if err != nil {
		return err
	}
	s.n.log.Info(fmt.Sprintf("Background saving started by pid %d", os.Getpid()))
	s.n.done.Add(1)
	go func() {
		defer s.n.done.Done()
		switch err := run(); {
		case err == nil:
			s.n.log.Info("Background saving terminated with success")
		case errors.Is(err, context.Canceled):
			s.n.log.Warn("Background saving terminated: it was cancelled")
		default:
			s.n.log.Warn("Background saving error", "error", err)
		}
	}()
	return nil
}

// foreground writes a snapshot and waits for it.
func (s *saver) foreground() error {
	run, err := s.begin(true)
	if err != nil {
		return err
	}
	return run()
}

// begin fixes what the snapshot shows; run writes it. s.mu is not held while all shards are, as FLUSHALL takes it when it holds them.
func (s *saver) begin(hurry bool) (run func() error, err error) {
	ctx, ok := s.claim()
	if !ok {
		return nil, errSaving
	}
	var snap *snapshot
	var dirty uint64
	var h replication.History
	var offset int64
	s.n.repl.Barrier(func() {
		dirty = s.n.engine.DirtyCount()
		h, offset = s.n.repl.History()
		snap, err = s.n.begin()
	})
	if err != nil {
		s.finish(err, 0, 0)
		return nil, err
	}
	snap.hurry = hurry
	s.mu.Lock()
	s.snap = snap
	s.mu.Unlock()
	return func() error {
		start := s.n.clock.MonoNanos()
		err := s.file(ctx, snap, h, offset)
		s.finish(err, dirty, clock.SinceMono(s.n.clock, start))
		return err
	}, nil
}

// claim makes the caller the one who saves; false if somebody does.
func (s *saver) claim() (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return nil, false
	}
	ctx, cancel := context.WithCancel(s.n.ctx)
	s.running, s.stopping, s.snap, s.cancel = true, false, nil, cancel
	s.startedAt = s.n.clock.Now()
	s.lastTry = s.startedAt
	return ctx, true
}

// file makes the file: a temporary one beside it, synced, then renamed.
func (s *saver) file(ctx context.Context, snap *snapshot, h replication.History, offset int64) error {
	dir := s.n.dir()
	temp := filepath.Join(dir, fmt.Sprintf("temp-%d.rdb", os.Getpid()))
	f, err := vfs.Create(s.fs, temp, 0o644)
	if err != nil {
		snap.Close()
		return err
	}
	err = s.fill(ctx, f, snap, h, offset)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.fs.Rename(temp, filepath.Join(dir, s.n.cfg.get("dbfilename").string()))
	}
	if err != nil {
		s.fs.Remove(temp) //nolint:errcheck // the error that matters is the one before
		return err
	}
	if err := s.fs.SyncDir(dir); err != nil {
		return err
	}
	s.n.log.Info("DB saved on disk")
	return nil
}

func (s *saver) fill(ctx context.Context, f vfs.File, snap *snapshot, h replication.History, offset int64) error {
	a := &autoSync{f: f, on: s.n.cfg.get("rdb-save-incremental-fsync")}
	w := bufio.NewWriterSize(a, 256<<10)
	err := snap.WriteTo(ctx, w, replication.Form{}, h, offset)
	if err == nil {
		err = w.Flush()
	}
	if err := errors.Join(err, a.wait()); err != nil {
		return err
	}
	return f.Sync()
}

// autoSync syncs a file every few megabytes, so that the sync at its end has little left to write. The disk does that while the file goes on being written: who waited for it
// would keep those waiting who write to what the snapshot has yet to take. Only a disk that falls far behind is waited for.
type autoSync struct {
	f        vfs.File
	on       *value
	unsynced int
	syncing  chan error // gets the result of the sync that is under way; nil: none is
}

// Write implements io.Writer.
func (a *autoSync) Write(b []byte) (int, error) {
	n, err := a.f.Write(b)
	if a.unsynced += n; err != nil || a.unsynced < limits.AutoSyncBytes || !a.on.bool() {
		return n, err
	}
	if len(a.syncing) < cap(a.syncing) && a.unsynced < limits.MaxUnsyncedBytes {
		return n, nil
	}
	if err := a.wait(); err != nil {
		return n, err
	}
	a.unsynced, a.syncing = 0, make(chan error, 1)
	go func(done chan<- error) { done <- a.f.SyncData() }(a.syncing)
	return n, nil
}

// wait returns when no sync is under way, and how that went.
func (a *autoSync) wait() error {
	if a.syncing == nil {
		return nil
	}
	err := <-a.syncing
	a.syncing = nil
	return err
}

var _ io.Writer = (*autoSync)(nil)

func (s *saver) finish(err error, dirty uint64, took time.Duration) {
	s.mu.Lock()
	s.cancel()
	if s.snap != nil {
		s.cow = s.snap.peak
	}
	s.running, s.snap, s.lastTook = false, nil, took
	s.tries++
	switch {
	case err == nil:
		s.lastSave, s.saved, s.lastOK = s.n.clock.Now(), dirty, true
		s.count++
	case s.stopping && errors.Is(err, context.Canceled):
		// Whoever ends a snapshot on purpose has no failed one: writes go on.
	default:
		s.lastOK = false
	}
	s.idle.Broadcast()
	s.mu.Unlock()
	s.gate()
}

// gate keeps stop-writes-on-bgsave-error.
func (s *saver) gate() {
	s.mu.Lock()
	ok := s.lastOK
	s.mu.Unlock()
	stopWrites := !ok && s.n.cfg.get("stop-writes-on-bgsave-error").bool() && s.n.cfg.get("save").string() != ""
	if stopWrites != (s.n.engine.Gate()&engine.GateDiskError != 0) {
		if stopWrites {
			s.n.engine.SetGate(engine.GateDiskError, 0)
		} else {
			s.n.engine.SetGate(0, engine.GateDiskError)
		}
	}
}

// stop ends a snapshot that is being written, without waiting for its end; false if none is. It takes no shard.
func (s *saver) stop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running || s.stopping {
		return false
	}
	s.stopping = true
	s.cancel()
	return true
}

// abort ends a snapshot that is being written and forgets a scheduled one, and returns when nothing is left of either.
func (s *saver) abort() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.scheduled = false; s.running; s.scheduled = false {
		s.idle.Wait()
	}
}

// schedule asks for a snapshot at the next tick.
func (s *saver) schedule() {
	s.mu.Lock()
	s.scheduled = true
	s.mu.Unlock()
}

// unschedule takes that back; false if there was nothing to take back.
func (s *saver) unschedule() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.scheduled
	s.scheduled = false
	return was
}

// status is a reading for INFO and LASTSAVE.
type saveStatus struct {
	running          bool
	lastSave         time.Time
	lastOK           bool
	took, runningFor time.Duration
	tries, count     int64
	cow, currentCow  int64
	done, total      int64 // keys of the running one
}

func (s *saver) status() saveStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := saveStatus{running: s.running, lastSave: s.lastSave, lastOK: s.lastOK, took: s.lastTook, tries: s.tries, count: s.count, cow: s.cow}
	if s.running {
		st.runningFor = s.n.clock.Now().Sub(s.startedAt)
		if s.snap != nil {
			st.done, st.total = s.snap.written.Load(), s.snap.total
		}
		st.currentCow, _ = s.n.space.PreImages()
	}
	return st
}

// flushed is engine.Config.Flushed: FLUSHALL ends what is being written of the data that is gone, and if there are save points the
// empty data set is saved, so that a restart brings nothing back. The client's next command waits for that.
func (n *Node) flushed(x *engine.Executor, cl *engine.Client) {
	n.saver.stop()
	n.repl.FailSyncs()
	if n.cfg.get("save").string() == "" || n.loading() {
		return
	}
	var b *engine.Block
	if !cl.FromPrimary() && !cl.InMulti() {
		b = &engine.Block{}
		x.Block(cl, b)
	}
	n.done.Add(1)
	go func() {
		defer n.done.Done()
		n.saver.abort()
		if err := n.saver.foreground(); err != nil && !errors.Is(err, errSaving) {
			n.log.Warn("Saving the empty data set after FLUSHALL failed", "error", err)
		}
		if b != nil {
			cl.Unblock(b, func(*resp.Writer) {})
		}
	}()
}
