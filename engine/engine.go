// Package engine runs commands: it locks the shards that a command's keys are in, checks what may refuse it, runs its handler,
// journals what it changed, and lets go. MULTI, WATCH, pauses, the client registry, publish and subscribe, client tracking and the expiry cycle
// are here too.
//
// It has no socket, file or goroutine of its own, and no command of a data type: package node brings connections and time,
// package commands the handlers. The rules that keep it correct on all cores:
//
//   - A command has all its shards before it runs. It tries them all, and if one is taken it lets go of the rest and waits
//     holding nothing (locks.go). Only one at a time, who has the token, waits while holding some. So whoever holds a shard is
//     running, or waits for one who is, and ends.
//   - What may refuse a command because of the node's state (role, pause, loading) is one word, the gate, read after the locks
//     are held. Whoever changes it holds all shards for that instant: Barrier. So once a change returns, no command that
//     began under the old state is still running.
//   - The journal is appended while the shards are held (executor.go), so its order is the order of the changes.
//   - No slice of arena memory outlives its shard's lock: replies and journal copy.
//
// A panic under a shard's lock is not recovered: the data may be half changed. It ends the process.
//
// Reading order: engine.go, locks.go, executor.go, effects.go, client.go, multi.go, blocking.go, roam.go, pause.go, expire.go,
// evict.go with evictkey.go, evictpool.go and evictcycle.go, defrag.go; feed.go and attend.go (what clients are sent that they did not ask for) with
// monitor.go, pubsub.go and pubsubcmd.go, notify.go, tracking.go with broadcast.go and trackingcmd.go.
package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/journal"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/tracking"
)

// Gate bits say what refuses commands now. They change only within Barrier.
type Gate uint32

const (
	// GateReplica: the node follows a primary; clients' writes are refused if GateReadOnly is set too, and nothing expires by itself.
	GateReplica Gate = 1 << iota
	// GateReadOnly: replica-read-only.
	GateReadOnly
	// GateLoading: data is being loaded.
	GateLoading
	// GateStale: the link to the primary is down, and replica-serve-stale-data is no.
	GateStale
	// GatePauseWrite and GatePauseAll: CLIENT PAUSE.
	GatePauseWrite
	GatePauseAll
	// GateFewReplicas: fewer good replicas than min-replicas-to-write.
	GateFewReplicas
	// GateDiskError: the last snapshot failed and stop-writes-on-bgsave-error is yes.
	GateDiskError
	// GateHoldWrites: a failover is under way, and writes wait for its end.
	GateHoldWrites
	// GatePreImages: so much waits for snapshots that writes wait until it is less. It changes outside Barrier, as GateSlowWrites does.
	GatePreImages
	// GateMoving: writes wait for the keys that are on their way to another server (moving.go). It changes outside Barrier, too.
	GateMoving
	// GateAsyncLoading: new data is being loaded beside the old, which is still served.
	GateAsyncLoading
	// GateBusy: a script runs for longer than busy-reply-threshold. It changes outside Barrier, by the script's executor.
	GateBusy
	// GateSlowWrites: so much waits for snapshots, or for a replica that gets one, that each write waits a little (hold.go). It is set as well while
	// GatePreImages is.
	GateSlowWrites
	// GateImport: import-mode. Another server's data is being written here, so that nothing expires or is evicted by itself; a replica takes no notice of it.
	GateImport
)

// Config is what an Engine is made of.
type Config struct {
	Space   *keyspace.Space
	Shards  int // as in Space
	Journal *journal.Journal
	Table   *spec.Table
	ACL     *acl.ACL
	Clock   clock.Clock
	// Memory tells how many bytes count towards maxmemory. It is called only while there is one: about once a turn of a loop, and
	// for each command when little is left.
	Memory func() int64
	// Events gets the keyspace events of what commands do, but not of new and missing keys, beside those who are subscribed to what
	// SetEvents says; may be nil.
	Events func(db int, class byte, event string, key []byte)
	Seed   uint64 // of the executors' chance
	// Flushed is called when FLUSHALL has emptied all databases, with all shards held; nil: nobody wants to know.
	Flushed func(x *Executor, c *Client)
	// RoleChanged is called within the barrier in which GateReplica changes; it must be short. May be nil.
	RoleChanged func()
	// Version is what HELLO tells.
	Version string
	// Zone is the availability zone that HELLO tells, "" for none; may be nil.
	Zone func() string
	// ScriptLog writes a line of a script's redis.log, at script.LogDebug to LogWarning; may be nil.
	ScriptLog func(level int, line string)
	// Debug starts a goroutine for a debugging session; ctx ends with the node. May be nil: then no script is debugged.
	Debug func(serve func(ctx context.Context))
	// HeapMemory tells how many bytes of Go's heap are held by what outlives commands; a script is not blamed for its growth. May be nil.
	HeapMemory func() int64
	// Libraries is the codec of FUNCTION DUMP and RESTORE; with none, they are refused.
	Libraries LibraryCodec
	// Match is glob matching, for FUNCTION LIST.
	Match func(pattern, text []byte) bool
	// OutputLimit tells how many bytes of replies may wait for a client before its loop closes it, 0 for any number; nil: there are no limits.
	OutputLimit func(*Client) int64
	// Evicted is told of a client that was ended for its memory, as CLIENT LIST shows it; may be nil.
	Evicted func(line string)
}

// Engine is the state that executors share.
type Engine struct {
	Config
	shards []shard
	gate   atomic.Uint32
	// maxString is proto-max-bulk-len, in bytes.
	maxString atomic.Int64
	hllSparse atomic.Int64 // hll-sparse-max-bytes
	eagerDel  atomic.Bool  // lazyfree-lazy-server-del no
	// token is held by whoever waits for shards while holding some: one at a time (locks.go).
	token sync.Mutex

	exec     *spec.Command // EXEC, whose shards are those of what is queued
	selects  *spec.Command // SELECT, which changes the database within a transaction
	steering []bool        // by command ID: runs at once within MULTI
	brief    []bool        // by command ID: may be timed together with others (timing.go)

	clients registry
	pause   pause
	slow    slowing
	sleep   sleep
	stats   Stats
	seeds   atomic.Uint64
	cycle   atomic.Pointer[Cycle]

	primaryAddr atomic.Pointer[string]
	notice      atomic.Pointer[notice]
	observed    observed
	logs        [numLogs]commandLog
	latency     latency
	hists       [histStripes]histograms
	executors   atomic.Uint32
	clientLimit atomic.Int64 // maxmemory-clients, bytes
	scripts     scripting
	evicting    sync.Mutex // one at a time ends clients for their memory
	watchedKeys atomic.Int64
	listening   []listening   // by command ID
	events      atomic.Uint32 // classes of keyspace events that are wanted (notify.go)
	pubsub      pubsub
	track       trackState
	eviction    eviction
	waits       waits
	moving      moving
}

// shard is a part of the keyspace and its lock, alone on its cache lines.
type shard struct {
	mu       sync.Mutex
	scripted bool // a busy script has it, and has let go of mu only so that others can be told (scriptbusy.go)
	ks       *keyspace.Shard
	watchers map[watchKey][]*watch   // nil while no key of the shard is watched
	waiting  map[watchKey]*waitQueue // nil while nobody waits for a key of the shard (blocking.go)
	local    map[watchKey]struct{}   // keys to be expired by a replica itself (localexpiry.go); nil while there is none
	tracked  *tracking.Table         // clients that have read keys for their caches; nil before there is one
	// untracked are tables that were given up, to be freed in slices.
	untracked []*tracking.Table
	_         [56]byte
}

// New makes an engine around a keyspace.
func New(cfg Config) *Engine {
	e := &Engine{Config: cfg, shards: make([]shard, cfg.Shards)}
	for i := range e.shards {
		e.shards[i].ks = cfg.Space.Shard(i)
		e.shards[i].ks.SetClock(keyspace.LRUClock(cfg.Clock.Now().Unix()))
	}
	e.SetMaxString(limits.MaxBulkBytesDefault)
	e.SetHLLSparse(limits.HLLSparseBytesDefault)
	e.eviction.init()
	e.exec, e.selects = cfg.Table.Lookup([]byte("exec")), cfg.Table.Lookup([]byte("select"))
	e.scripts.init(e)
	e.brief = briefCommands(cfg.Table)
	e.listening = listeningOf(cfg.Table)
	e.pubsub.init()
	e.SetEvents("")
	e.track.max.Store(limits.TrackedKeysDefault)
	for _, c := range cfg.Table.All() {
		e.steering = append(e.steering, steersTransaction(c))
	}
	e.clients.byID, e.clients.blocked = map[int64]*Client{}, map[*Client]struct{}{}
	e.pause.parked = map[*Client]parking{}
	e.stats.commands = make([]commandCounters, cfg.Table.Len())
	e.slow.wake = make(chan struct{}, 1)
	cfg.Space.NotifyPreImages(e.preImagePressure)
	cfg.Space.NotifyDetached(e.Free)
	e.clients.e = e
	for i := range e.hists {
		e.hists[i].of = make([]atomic.Pointer[histogram], cfg.Table.Len())
	}
	e.Observe(Observe{})
	return e
}

// SetMaxString says how long, in bytes, commands may make a string (proto-max-bulk-len). Until then it is
// limits.MaxBulkBytesDefault.
func (e *Engine) SetMaxString(n int64) { e.maxString.Store(n) }

// SetLazyDel says what is told of keys that commands delete as empty (lazyfree-lazy-server-del): UNLINK, as it is until then, or DEL.
func (e *Engine) SetLazyDel(on bool) { e.eagerDel.Store(!on) }

// SetHLLSparse says how long, in bytes, a sparse HyperLogLog may become (hll-sparse-max-bytes). Until then it is
// limits.HLLSparseBytesDefault.
func (e *Engine) SetHLLSparse(n int64) { e.hllSparse.Store(n) }

// Gate is what refuses commands now.
func (e *Engine) Gate() Gate { return Gate(e.gate.Load()) }

// SetGate sets and clears gate bits, with all shards held: when it returns, no command that began before is still running.
func (e *Engine) SetGate(set, clear Gate) {
	e.Barrier(func() { e.SetGateLocked(set, clear) })
}

// SetGateLocked is SetGate for a caller that is within Barrier already.
func (e *Engine) SetGateLocked(set, clear Gate) {
	was := e.Gate()
	e.changeGate(set, clear)
	if was&^e.Gate()&(GateLoading|GateAsyncLoading) != 0 {
		e.wakeLoadedLocked()
	}
	if (was^e.Gate())&GateReplica != 0 && e.RoleChanged != nil {
		e.RoleChanged()
	}
}

func (e *Engine) changeGate(set, clear Gate) {
	for old := e.gate.Load(); !e.gate.CompareAndSwap(old, uint32(Gate(old)&^clear|set)); old = e.gate.Load() {
	}
}

// Barrier runs fn with every shard held. fn must be short: nothing else runs meanwhile.
func (e *Engine) Barrier(fn func()) {
	e.lockAll()
	e.stats.allShardLocks.Add(1)
	fn()
	e.unlockAll()
}

// Barrier is Engine.Barrier for a command that may run within a transaction, which then holds all shards as its Scope wants.
func (x *Executor) Barrier(fn func()) {
	if !x.inExec {
		x.e.Barrier(fn)
		return
	}
	if x.held != fullSet(len(x.e.shards)) {
		panic("engine: " + x.call.Cmd.FullName() + " needs all shards, and its scope does not say so")
	}
	fn()
}

// ForgetChanges is for a command that makes the node, within a transaction, another one's replica: what the transaction changed so far
// is not journaled, as Redis does it, and what follows will not be, as the node is a replica then. It reports whether the transaction
// has a write at all, so that the data may be something else than the history says.
func (x *Executor) ForgetChanges() (writes bool) {
	x.fx.reset()
	for i := range x.client.multi.queued {
		writes = writes || x.client.multi.queued[i].cmd.Is(spec.Write)
	}
	return writes
}

// EachShard runs fn for every shard, one after another, each under its lock, until fn says no.
func (e *Engine) EachShard(fn func(*keyspace.Shard) bool) {
	for i := range e.shards {
		e.lockData(i)
		more := fn(e.shards[i].ks)
		e.unlock(i)
		if !more {
			return
		}
	}
}

// WithShard runs fn under the lock of one shard.
func (e *Engine) WithShard(i int, fn func(*keyspace.Shard)) {
	e.lockData(i)
	fn(e.shards[i].ks)
	e.unlock(i)
}

// Collect takes back what other shards have freed of each shard's memory, so that it can be given to the system.
func (e *Engine) Collect() {
	e.EachShard(func(s *keyspace.Shard) bool { s.Heap().Collect(); return true })
}

// freshClock is the access clock of a new key.
func (e *Engine) freshClock() uint32 {
	now := e.Clock.Now().Unix()
	if e.eviction.settings.Load().Policy.lfu() {
		return keyspace.LFUClock(keyspace.LFUMinutes(now), keyspace.LFUInitial)
	}
	return keyspace.LRUClock(now)
}

func (e *Engine) newRand() *rand.Rand {
	return rand.New(rand.NewPCG(e.Seed, e.seeds.Add(1)))
}

// FlushAllLocked empties all databases at once, for a load; nothing is journaled. The caller is within Barrier.
func (e *Engine) FlushAllLocked() {
	for i := range e.shards {
		for db := range e.Space.Databases() {
			if e.shards[i].ks.Used(db) {
				e.Free(e.shards[i].ks.Flush(db))
			}
		}
		e.shards[i].touchAll(-1)
	}
	e.forgetTracked()
}
