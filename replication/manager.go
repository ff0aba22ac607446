package replication

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/journal"
)

// Snapshot is the data of one instant, on its way out.
type Snapshot interface {
	// WriteTo writes it as an RDB file and releases it.
	WriteTo(ctx context.Context, w io.Writer, form Form, h History, offset int64) error
	// Close releases a snapshot that was not written.
	Close()
}

// Form is what an RDB file is to be like.
type Form struct {
	Version             int  // the newest version that the reader knows; 0: the default
	NoKeys, NoFunctions bool // what is left out
}

// Data is what replication needs of the keyspace. Package node has it.
type Data interface {
	// Begin takes a snapshot of the present instant, for one who is to get form; a *rdb.UnsupportedError says that it cannot hold the data. All
	// shards are held: it must be short.
	Begin(form Form) (Snapshot, error)
	// Empty reports whether there is no key.
	Empty() bool
	// Check reads an RDB file as Load would, and changes nothing: it fails on what Load could not take.
	Check(ctx context.Context, r io.Reader) error
	// Load reads an RDB file of size bytes (0: not known). Otherwise than beside the data it replaces that at once; then a failure
	// leaves nothing. Beside it, nothing is seen of it before Commit, and a failure changes nothing.
	Load(ctx context.Context, r io.Reader, size int64, beside bool) (Loaded, error)
}

// Loaded is what Load has read.
type Loaded struct {
	StreamDB int    // the database that was selected in the stream when the snapshot was made
	Commit   func() // puts it in the place of the data; all shards are held
}

// LoadMode is repl-diskless-load.
type LoadMode uint8

// The ways to take a full resync's snapshot.
const (
	LoadFromFile   LoadMode = iota // receive it into a file, check that, and load it
	LoadOnEmpty                    // load it from the socket if there is nothing to lose
	LoadBeside                     // load it from the socket beside the data, and swap
	LoadAfterFlush                 // drop the data and load it from the socket
)

// Settings are the configuration parameters that replication obeys. They are read anew whenever they matter.
type Settings struct {
	Port           int    // what a replica announces
	AnnounceIP     string // replica-announce-ip
	User, Password string // masteruser, masterauth
	ReadOnly       bool   // replica-read-only
	ServeStale     bool   // replica-serve-stale-data
	PanicOnError   bool   // propagation-error-behavior: a replica that is read-only ends when a command of the stream fails
	Timeout        time.Duration
	PingEvery      time.Duration
	ReplicaLimit   int64 // hard limit of a replica's unsent bytes; 0: none
	ReplicaSoft    int64 // a replica that has more unsent for ReplicaSoftFor is cut; 0: none
	ReplicaSoftFor time.Duration
	MinReplicas    int
	MinReplicasLag time.Duration
	BacklogTTL     time.Duration
	BacklogSize    int64
	TempDir        string
	Diskless       bool          // repl-diskless-sync
	DisklessDelay  time.Duration // repl-diskless-sync-delay
	DisklessMax    int           // repl-diskless-sync-max-replicas; 0: no bound
	DisableNoDelay bool          // repl-disable-tcp-nodelay
	Load           LoadMode
}

// Config is what a Manager is made of.
type Config struct {
	Engine   *engine.Engine
	Journal  *journal.Journal
	Data     Data
	Settings func() Settings
	Clock    clock.Clock
	Rand     *rand.Rand
	Log      *slog.Logger
	Version  string // of the node, told to its primary
	// Dial connects to a primary. With TLS it returns when the handshake is done.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Fatal reports why the node cannot go on, and ends it.
	Fatal func(why string)
	// FS is where snapshots are kept on their way; nil: the system's.
	FS vfs.FS
}

// Manager is a node's part in replication: a primary or a replica, with replicas of its own either way.
type Manager struct {
	Config
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	role sync.Mutex // held while the node's role changes: one change at a time. Taken before mu and before any shard.

	mu       sync.Mutex
	history  History
	restored bool      // history continues a snapshot's, and nothing was written since
	follow   *follower // nil on a primary
	replicas map[*replica]struct{}
	waiting  map[*waiting]struct{}
	pingedAt time.Time
	noneAt   time.Time // since when there is no replica; the zero time while there is one
	counts   Counts
	failover *failover                  // nil unless FAILOVER is under way
	pending  map[transferKind]*transfer // full resyncs that have not begun
	making   *transfer                  // whose snapshot is being made; nil: none

	syncing chan struct{} // has a place taken for each snapshot that is being made
	waitAt  int64         // since when writers wait for snapshots, monotonic ns; for Tick

	netIn, netOut atomic.Int64 // bytes from the primary, and to replicas
}

// Counts are the resynchronisations served, for INFO.
type Counts struct{ Full, PartialOK, PartialErr int64 }

// Traffic is how many bytes came from a primary, and went to replicas.
func (m *Manager) Traffic() (in, out int64) { return m.netIn.Load(), m.netOut.Load() }

// ResetCounts zeroes what CONFIG RESETSTAT resets.
func (m *Manager) ResetCounts() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts = Counts{}
	m.netIn.Store(0)
	m.netOut.Store(0)
}

// New makes the manager of a primary without a replica. id is its history's name.
func New(cfg Config) *Manager {
	m := &Manager{Config: cfg, replicas: map[*replica]struct{}{}, waiting: map[*waiting]struct{}{},
		pending: map[transferKind]*transfer{}, syncing: make(chan struct{}, limits.MaxSyncSnapshots)}
	if m.FS == nil {
		m.FS = vfs.OS{}
	}
	m.history = NewHistory(m.newID())
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Close ends all links and returns when their goroutines have.
func (m *Manager) Close() {
	m.stop()
	m.role.Lock()
	defer m.role.Unlock()
	m.mu.Lock()
	f := m.follow
	for r := range m.replicas {
		r.conn.Close()
	}
	m.mu.Unlock()
	if f != nil {
		f.cancel()
	}
	m.done.Wait()
}

// Restore goes on from the history that a loaded snapshot says it has, so that replicas can go on too. It is a new history
// that continues that one: a replica may have got more of the old one than the snapshot has, and must not take what is written
// from now on for that. streamDB is the database that was selected in the stream. Only before the node serves.
func (m *Manager) Restore(replID string, offset int64, streamDB int) {
	if len(replID) != 40 || offset < 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history = NewHistory(replID).Promoted(m.newIDLocked(), offset)
	m.restored = true
	m.noneAt = m.Clock.Now()
	m.Journal.SetBacklog(m.Settings().BacklogSize)
	m.Journal.Start(offset)
	m.Journal.SetSelectedDB(streamDB)
}

// ChangeID begins a new history, which continues none: DEBUG CHANGE-REPL-ID. Replicas that come back need all data.
func (m *Manager) ChangeID() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history = NewHistory(m.newIDLocked())
}

// newID makes the name of a history.
func (m *Manager) newID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.newIDLocked()
}

func (m *Manager) newIDLocked() string { return NewReplID(m.Rand) }

// Barrier runs fn with every shard held, while the data and the journal's offset agree: on a replica nothing of the primary's
// stream is run and not yet appended. fn must be short.
func (m *Manager) Barrier(fn func()) {
	m.mu.Lock()
	f := m.follow
	m.mu.Unlock()
	if f != nil {
		f.apply.Lock()
		defer f.apply.Unlock()
	}
	m.Engine.Barrier(fn)
}

// History is the present history and the offset behind its last byte.
func (m *Manager) History() (History, int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.history, m.offsetLocked()
}

func (m *Manager) offsetLocked() int64 { return m.Journal.End() }

// keepJournal switches the journal on when someone begins to follow. What changed while it was off is in no stream, so the
// history gets a new name. All shards are held.
func (m *Manager) keepJournal() {
	if m.Journal.On() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history, m.restored = NewHistory(m.newIDLocked()), false
	m.Journal.SetBacklog(m.Settings().BacklogSize)
	m.Journal.Start(m.Journal.End())
}

// Tick does what time does: pings replicas, drops silent ones, frees an unused backlog, ends waits. Package node calls it
// every 100 ms or oftener.
func (m *Manager) Tick() {
	now := m.Clock.Now()
	s := m.Settings()
	m.dropSilent(now, s)
	m.dropLagging(now, s)
	m.checkFewReplicas(now, s)
	m.freeBacklog(now, s)
	m.pingReplicas(now, s)
	m.dropStalled()
	m.adjustPatience(s)
	m.dropSilentPrimary(now, s)
	m.stepFailover(now)
}

func (m *Manager) dropSilent(now time.Time, s Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.replicas {
		if r.online() && now.Sub(r.ackAt) > s.Timeout {
			m.Log.Warn("Disconnecting timedout replica (streaming sync)", "replica", r.name())
			r.conn.Close()
		}
	}
}

// dropLagging cuts the replicas that have been above the soft limit for too long.
func (m *Manager) dropLagging(now time.Time, s Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.replicas {
		if r.reader != nil && r.reader.Cut() {
			r.conn.Close() // also while it is still getting its snapshot
			continue
		}
		switch {
		case s.ReplicaSoft <= 0 || r.reader == nil || r.reader.Behind() <= s.ReplicaSoft:
			r.lagging = time.Time{}
		case r.lagging.IsZero():
			r.lagging = now
		case now.Sub(r.lagging) > s.ReplicaSoftFor:
			m.Log.Warn("Disconnecting a replica that has been too far behind for too long", "replica", r.name())
			r.reader.Close()
		}
	}
}

// ApplySettings carries changed parameters into effect that are more than read where they matter.
func (m *Manager) ApplySettings() {
	m.role.Lock()
	defer m.role.Unlock()
	s := m.Settings()
	defer m.checkFewReplicas(m.Clock.Now(), s)
	m.Engine.Barrier(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.follow != nil {
			set, clear := s.gates(m.follow.up)
			m.Engine.SetGateLocked(set, clear)
		}
		for r := range m.replicas {
			if r.reader != nil {
				r.reader.SetLimit(s.replicaLimit())
			}
		}
	})
}

// gates are the gate bits that the settings ask of a replica, and those that they do not.
func (s *Settings) gates(up bool) (set, clear engine.Gate) {
	add := func(g engine.Gate, on bool) {
		if on {
			set |= g
		} else {
			clear |= g
		}
	}
	add(engine.GateReadOnly, s.ReadOnly)
	add(engine.GateStale, !s.ServeStale && !up)
	return set, clear
}

// replicaLimit is how far behind a replica may be, bytes. It is not below the backlog, which is kept anyway: who is cut within it would
// come back and go on where it was.
func (s *Settings) replicaLimit() int64 {
	if s.ReplicaLimit <= 0 {
		return 1 << 62
	}
	return max(s.ReplicaLimit, s.BacklogSize)
}

// freeBacklog gives the backlog up when no replica has been there for repl-backlog-ttl.
func (m *Manager) freeBacklog(now time.Time, s Settings) {
	m.mu.Lock()
	idle := m.follow == nil && len(m.replicas) == 0 && !m.noneAt.IsZero() && s.BacklogTTL > 0 && now.Sub(m.noneAt) > s.BacklogTTL
	if idle {
		m.noneAt = time.Time{}
	}
	m.mu.Unlock()
	if !idle {
		return
	}
	m.Engine.Barrier(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.replicas) == 0 && m.follow == nil {
			m.Journal.Stop()
			m.history, m.restored = NewHistory(m.newIDLocked()), false
		}
	})
}

// checkFewReplicas keeps min-replicas-to-write.
func (m *Manager) checkFewReplicas(now time.Time, s Settings) {
	few := s.MinReplicas > 0 && m.goodReplicas(now, s) < s.MinReplicas
	if few != (m.Engine.Gate()&engine.GateFewReplicas != 0) {
		if few {
			m.Engine.SetGate(engine.GateFewReplicas, 0)
		} else {
			m.Engine.SetGate(0, engine.GateFewReplicas)
		}
	}
}

func (m *Manager) goodReplicas(now time.Time, s Settings) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.goodLocked(now, s)
}

func (m *Manager) goodLocked(now time.Time, s Settings) int {
	good := 0
	for r := range m.replicas {
		if r.online() && now.Sub(r.ackAt) <= s.MinReplicasLag {
			good++
		}
	}
	return good
}
