package node

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/replication"
)

// saver writes snapshots to disk, one at a time.
type saver struct {
	n *Node

	mu        sync.Mutex
	running   bool
	again     bool // BGSAVE SCHEDULE while one was running
	lastSave  time.Time
	lastTry   time.Time
	lastOK    bool
	lastTook  time.Duration
	startedAt time.Time
	saved     uint64 // the engine's dirty count at the last good snapshot
	count     int64
	cancel    context.CancelFunc
	idle      *sync.Cond
}

func newSaver(n *Node) *saver {
	s := &saver{n: n, lastSave: n.clock.Now(), lastOK: true}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// dirty is how many changes the last snapshot does not have.
func (s *saver) dirty() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n.engine.DirtyCount() - s.saved
}

// tick begins a snapshot when a save point is reached.
func (s *saver) tick(now time.Time) {
	text := s.n.cfg.get("save").string()
	if text == "" || s.n.loading() { // half of what is being loaded must not replace a whole
		return
	}
	dirty := s.n.engine.DirtyCount()
	s.mu.Lock()
	points, _ := parseSave(text)
	due := false
	for _, p := range points {
		due = due || dirty-s.saved >= uint64(p.changes) && dirty != s.saved && now.Sub(s.lastSave) > time.Duration(p.seconds)*time.Second
	}
	// After a failure the next try waits, as Redis does.
	due = due && !s.running && (s.lastOK || now.Sub(s.lastTry) > retrySave)
	s.mu.Unlock()
	if due {
		s.background()
	}
}

// retrySave is how long to wait after a failed snapshot.
const retrySave = 5 * time.Second

// background begins a snapshot, unless one is running.
func (s *saver) background() bool {
	ctx, ok := s.begin()
	if !ok {
		return false
	}
	s.n.done.Add(1)
	go func() {
		defer s.n.done.Done()
		if err := s.write(ctx); err != nil {
			s.n.log.Warn("Background saving error", "error", err)
		} else {
			s.n.log.Info("Background saving terminated with success")
		}
	}()
	return true
}

// foreground writes a snapshot and waits for it.
func (s *saver) foreground() error {
	ctx, ok := s.begin()
	if !ok {
		return errSaving
	}
	return s.write(ctx)
}

// errSaving says that another snapshot is being written.
const errSaving = redisText("Background save already in progress")

func (s *saver) begin() (context.Context, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return nil, false
	}
	ctx, cancel := context.WithCancel(s.n.ctx)
	s.running, s.cancel, s.startedAt = true, cancel, s.n.clock.Now()
	s.lastTry = s.startedAt
	return ctx, true
}

// write makes the file: a temporary one beside it, synced, then renamed.
func (s *saver) write(ctx context.Context) error {
	start := s.n.clock.MonoNanos()
	var snap *snapshot
	var err error
	var dirty uint64
	var h replication.History
	var offset int64
	s.n.repl.Barrier(func() {
		dirty = s.n.engine.DirtyCount()
		h, offset = s.n.repl.History()
		snap, err = s.n.begin()
	})
	if err == nil {
		err = s.file(ctx, snap, h, offset)
	}
	s.finish(err, dirty, clock.SinceMono(s.n.clock, start))
	return err
}

func (s *saver) file(ctx context.Context, snap *snapshot, h replication.History, offset int64) error {
	dir := s.n.dir()
	f, err := os.CreateTemp(dir, "temp-*.rdb")
	if err != nil {
		snap.Close()
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriterSize(f, 256<<10)
	if err := snap.WriteTo(ctx, w, 0, h, offset); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, s.n.cfg.get("dbfilename").string())); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (s *saver) finish(err error, dirty uint64, took time.Duration) {
	s.mu.Lock()
	s.running, s.lastOK, s.lastTook = false, err == nil, took
	s.cancel()
	if err == nil {
		s.lastSave, s.saved = s.n.clock.Now(), dirty
		s.count++
	}
	again := s.again
	s.again = false
	s.idle.Broadcast()
	s.mu.Unlock()
	stopWrites := err != nil && s.n.cfg.get("stop-writes-on-bgsave-error").bool() && s.n.cfg.get("save").string() != ""
	if stopWrites != (s.n.engine.Gate()&engine.GateDiskError != 0) {
		if stopWrites {
			s.n.engine.SetGate(engine.GateDiskError, 0)
		} else {
			s.n.engine.SetGate(0, engine.GateDiskError)
		}
	}
	if again {
		s.background()
	}
}

// abort ends a snapshot that is being written, and returns when it has.
func (s *saver) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.again = false; s.running; s.again = false {
		s.cancel()
		s.idle.Wait()
	}
}

// status is a reading for INFO and LASTSAVE.
type saveStatus struct {
	running          bool
	lastSave         time.Time
	lastOK           bool
	took, runningFor time.Duration
	count            int64
}

func (s *saver) status() saveStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := saveStatus{running: s.running, lastSave: s.lastSave, lastOK: s.lastOK, took: s.lastTook, count: s.count}
	if s.running {
		st.runningFor = s.n.clock.Now().Sub(s.startedAt)
	}
	return st
}

// schedule asks for a snapshot after the one that is running; false if none is.
func (s *saver) schedule() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again = s.running
	return s.running
}
