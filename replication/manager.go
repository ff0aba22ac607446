package replication

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/journal"
)

// Snapshot is the data of one instant, on its way out.
type Snapshot interface {
	// WriteTo writes it as an RDB file and releases it. version is the newest RDB version that the reader knows, 0: the default.
	WriteTo(ctx context.Context, w io.Writer, version int, h History, offset int64) error
	// Close releases a snapshot that was not written.
	Close()
}

// Data is what replication needs of the keyspace. Package node has it.
type Data interface {
	// Begin takes a snapshot of the present instant. All shards are held: it must be short.
	Begin() (Snapshot, error)
	// Load replaces all data by an RDB file's.
	Load(ctx context.Context, r io.Reader) error
}

// Settings are the configuration parameters that replication obeys. They are read anew whenever they matter.
type Settings struct {
	Port            int    // what a replica announces
	AnnounceIP      string // replica-announce-ip
	User, Password  string // masteruser, masterauth
	ReadOnly        bool   // replica-read-only
	ServeStale      bool   // replica-serve-stale-data
	Timeout         time.Duration
	PingEvery       time.Duration
	ReplicaLimit    int64 // hard limit of a replica's unsent bytes; 0: none
	MinReplicas     int
	MinReplicasLag  time.Duration
	ReplicaPriority int
	BacklogTTL      time.Duration
	BacklogSize     int64
	TempDir         string
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
	Dial     func(ctx context.Context, addr string) (net.Conn, error)
}

// Manager is a node's part in replication: a primary or a replica, with replicas of its own either way.
type Manager struct {
	Config
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex
	history  History
	follow   *follower // nil on a primary
	replicas map[*replica]struct{}
	waiting  map[*waiting]struct{}
	pingedAt time.Time
	noneAt   time.Time // since when there is no replica; the zero time while there is one
	counts   Counts
}

// Counts are the resynchronisations served, for INFO.
type Counts struct{ Full, PartialOK, PartialErr int64 }

// New makes the manager of a primary without a replica. id is its history's name.
func New(cfg Config) *Manager {
	m := &Manager{Config: cfg, replicas: map[*replica]struct{}{}, waiting: map[*waiting]struct{}{}}
	m.history = NewHistory(NewReplID(cfg.Rand))
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Close ends all links and returns when their goroutines have.
func (m *Manager) Close() {
	m.stop()
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

// Restore takes over the history that a loaded snapshot says it has, so that replicas can go on. Only before the node serves.
func (m *Manager) Restore(replID string, offset int64) {
	if len(replID) != 40 || offset < 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.history = NewHistory(replID)
	m.Journal.Start(offset)
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
	m.history = NewHistory(NewReplID(m.Rand))
	m.Journal.SetBacklog(m.Settings().BacklogSize)
	m.Journal.Start(m.Journal.End() + 1)
}

// Tick does what time does: pings replicas, drops silent ones, frees an unused backlog, ends waits. Package node calls it
// every 100 ms or oftener.
func (m *Manager) Tick() {
	now := m.Clock.Now()
	s := m.Settings()
	m.dropSilent(now, s)
	m.checkFewReplicas(now, s)
	m.freeBacklog(now, s)
	m.pingReplicas(now, s)
}

func (m *Manager) dropSilent(now time.Time, s Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.replicas {
		if r.online && now.Sub(r.ackAt) > s.Timeout {
			m.Log.Warn("Disconnecting timedout replica (streaming sync)", "replica", r.name())
			r.conn.Close()
		}
	}
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
			m.history = NewHistory(NewReplID(m.Rand))
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
	good := 0
	for r := range m.replicas {
		if r.online && now.Sub(r.ackAt) <= s.MinReplicasLag {
			good++
		}
	}
	return good
}
