package engine

import (
	"math"
	"sync/atomic"

	"github.com/larder-cache/larder/store/keyspace"
)

// Policy is a maxmemory-policy: which key goes when there is no room.
type Policy uint8

// The policies, in the order of PolicyNames.
const (
	NoEviction Policy = iota
	AllKeysLRU
	AllKeysLFU
	AllKeysRandom
	VolatileLRU
	VolatileLFU
	VolatileRandom
	VolatileTTL
)

// PolicyNames are the values of maxmemory-policy: each policy's name at its number.
func PolicyNames() []string {
	return []string{"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"}
}

// volatile: only keys with an expiry are evicted.
func (p Policy) volatile() bool { return p >= VolatileLRU }

func (p Policy) lfu() bool { return p == AllKeysLFU || p == VolatileLFU }

func (p Policy) lru() bool { return p == AllKeysLRU || p == VolatileLRU }

// random: any key is as good as another.
func (p Policy) random() bool { return p == AllKeysRandom || p == VolatileRandom }

// Eviction is how used memory is kept within its limit: maxmemory and what belongs to it.
type Eviction struct {
	Limit  int64 // maxmemory, bytes; 0: none
	Policy Policy
	// Samples is maxmemory-samples, at least 1: how many keys each look for a victim adds to the candidates.
	Samples int
	// Tenacity is maxmemory-eviction-tenacity, 0 to 100: how long one command may take to make room.
	Tenacity int
	// LFULogFactor and LFUDecayMinutes are lfu-log-factor and lfu-decay-time.
	LFULogFactor, LFUDecayMinutes int
	// Lazy is lazyfree-lazy-eviction: what takes long to free is freed later.
	Lazy bool
	// ReplicaIgnores is replica-ignore-maxmemory: a replica evicts only what its primary does.
	ReplicaIgnores bool
}

// defaultEviction is what an engine begins with: no limit, and the defaults of Redis' configuration.
var defaultEviction = Eviction{Samples: 5, Tenacity: 10, LFULogFactor: 10, LFUDecayMinutes: 1, Lazy: true, ReplicaIgnores: true}

// nanos is how long one command may evict: up to half a millisecond at a tenacity of 10, 15 % more for each step above (two minutes at 99), without end at 100.
func (s *Eviction) nanos() int64 {
	switch t := s.Tenacity; {
	case t <= 10:
		return int64(t) * 50_000
	case t < 100:
		return int64(500_000 * math.Pow(1.15, float64(t-10)))
	}
	return math.MaxInt64
}

// SetEviction changes how memory is limited. Commands that begin after it obey it; what is over the new limit is evicted in the background.
func (e *Engine) SetEviction(s Eviction) {
	e.eviction.settings.Store(&s)
	if s.Limit > 0 {
		e.wakeEvictor()
	}
}

// Eviction is how memory is limited.
func (e *Engine) Eviction() Eviction { return *e.eviction.settings.Load() }

// eviction is the engine's part of evicting.
type eviction struct {
	settings atomic.Pointer[Eviction]
	pool     pool
	wake     chan struct{} // the background's
	evicted  atomic.Uint64
	// since is when memory began to be over the limit without there being room made, monotonic ns and 1 (0: it is not); total is how long that was before, ns.
	since, total atomic.Int64
}

func (v *eviction) init() {
	s := defaultEviction
	v.settings.Store(&s)
	v.wake = make(chan struct{}, 1)
}

// EvictionStats is a reading of what eviction did.
type EvictionStats struct {
	Keys uint64 // evicted so far
	// ExceededNanos is for how long memory has been over its limit now, 0 if it is not; TotalExceededNanos since the start, that included.
	ExceededNanos, TotalExceededNanos int64
}

// EvictionStats reads what eviction did.
func (e *Engine) EvictionStats() EvictionStats {
	v := &e.eviction
	out := EvictionStats{Keys: v.evicted.Load(), TotalExceededNanos: v.total.Load()}
	if since := v.since.Load(); since != 0 {
		out.ExceededNanos = e.Clock.MonoNanos() - (since - 1)
		out.TotalExceededNanos += out.ExceededNanos
	}
	return out
}

func (v *eviction) resetStats() {
	v.evicted.Store(0)
	v.total.Store(0)
}

// noteExceeded keeps the time over the limit.
func (e *Engine) noteExceeded(over bool) {
	v := &e.eviction
	since := v.since.Load()
	switch {
	case over && since == 0:
		v.since.CompareAndSwap(0, e.Clock.MonoNanos()+1)
	case !over && since != 0 && v.since.CompareAndSwap(since, 0):
		v.total.Add(e.Clock.MonoNanos() - (since - 1))
	}
}

// roomState is what became of making room.
type roomState uint8

const (
	roomOK      roomState = iota // there is room, or none may be made now
	roomRunning                  // not yet, but the background goes on
	roomNone                     // there is nothing to evict
)

// memoryTurn is what an executor knows of memory. Reading it exactly costs a word of each shard, which the other loops write, so a loop
// that has found room to spare goes on until it has used up a part of it, and looks again at its next turn at the latest.
type memoryTurn struct {
	ev *Eviction // the settings that the rest was found under
	// looked: memory was read in this turn.
	looked bool
	// room is how many bytes this loop may add before it looks again: a quarter of what there was, divided by the number of loops.
	room int64
	// fresh is the access clock of a new key.
	fresh uint32
	// lfu: access clocks are LFU's.
	lfu     bool
	minutes uint16
}

// beginTurn forgets what may have changed between two turns.
func (m *memoryTurn) beginTurn() { m.ev, m.looked, m.room = nil, false, 0 }

// seeEviction takes the settings that hold for the next command.
func (x *Executor) seeEviction() {
	ev := x.e.eviction.settings.Load()
	if x.mem.ev == ev {
		return
	}
	m := &x.mem
	m.ev, m.looked, m.room, m.lfu = ev, false, 0, ev.Policy.lfu()
	m.minutes = keyspace.LFUMinutes(x.wallMs / 1000)
	if m.fresh = x.lruClock; m.lfu {
		m.fresh = keyspace.LFUClock(m.minutes, keyspace.LFUInitial)
	}
}

// touched is an access clock after an access now.
func (x *Executor) touched(clock uint32) uint32 {
	if !x.mem.lfu {
		return x.lruClock
	}
	return keyspace.LFUTouched(clock, x.mem.minutes, x.mem.ev.LFUDecayMinutes, x.mem.ev.LFULogFactor, x.rand.Float64())
}

// over is by how many bytes used memory is above the limit; below zero: what is left.
func (e *Engine) over(ev *Eviction) int64 { return e.Memory() - ev.Limit }

// mayEvict is mayExpire's cousin: a replica leaves it to its primary unless it is told otherwise.
func (x *Executor) mayEvict(ev *Eviction) bool {
	g := x.e.Gate()
	return g&(GateLoading|GatePauseWrite|GatePauseAll|holdsWrites) == 0 && (g&GateReplica == 0 || !ev.ReplicaIgnores)
}

const errOOM = "OOM command not allowed when used memory > 'maxmemory'."

// outOfMemory makes room before a command, and reports whether there is none for one that needs it. The caller holds no shard.
func (x *Executor) outOfMemory(needy bool) bool {
	m := &x.mem
	if m.room > 0 || !needy && (m.looked || m.ev.Policy == NoEviction) {
		return false
	}
	return x.makeRoom() == roomNone && needy
}

// makeRoom brings used memory within its limit as far as one command may: docs of maxmemory-eviction-tenacity. The caller holds no shard.
func (x *Executor) makeRoom() roomState {
	m := &x.mem
	m.looked = true
	if !x.mayEvict(m.ev) {
		return roomOK
	}
	over := x.e.over(m.ev)
	state := roomOK
	if over > 0 {
		begin := x.e.Clock.MonoNanos()
		state, over = x.evict(over)
		x.e.Latency("eviction-cycle", (x.e.Clock.MonoNanos()-begin)/1e6)
	}
	x.e.noteExceeded(state != roomOK)
	if m.room = max(-over, 0) / int64(len(x.e.shards)); state == roomRunning {
		x.e.wakeEvictor()
	}
	return state
}

// checkEvery is how many keys are evicted between two looks at the time and at other loops' work, and wakeEvery between two hand-outs to the replicas.
const (
	checkEvery = 8
	wakeEvery  = 16
)

// evict evicts keys until memory is no more over its limit, time is over, or there are none, and returns by how much it is over at last.
func (x *Executor) evict(over int64) (roomState, int64) {
	ev, start := x.mem.ev, x.e.Clock.MonoNanos()
	if ev.Policy == NoEviction || x.Importing() {
		return roomNone, over
	}
	for n := 1; over > 0; n++ {
		freed, ok := x.freeWaiting()
		if !ok {
			freed, ok = x.evictOne()
		}
		if !ok {
			// Other loops may have made room meanwhile, or there is nothing left.
			if over = x.e.over(ev); over > 0 {
				return roomNone, over
			}
			break
		}
		// What is shared or replaced by something bigger frees nothing: then only reading tells.
		if over -= freed; over <= 0 || freed <= 0 || n%checkEvery == 0 {
			over = x.e.over(ev)
		}
		if n%wakeEvery == 0 {
			x.e.Journal.Wake()
		}
		if over > 0 && n%checkEvery == 0 && (x.e.Clock.MonoNanos()-start > ev.nanos() || !x.mayEvict(ev)) {
			return roomRunning, over
		}
	}
	return roomOK, over
}

// freeWaiting frees a slice of what was flushed or unlinked before and still counts; false if nothing is left of that.
func (x *Executor) freeWaiting() (freed int64, ok bool) {
	c := x.e.cycle.Load()
	if c == nil {
		return 0, false
	}
	d := c.take()
	if d == nil {
		return 0, false
	}
	done := false
	x.e.WithShard(d.Shard(), func(s *keyspace.Shard) {
		before := s.Heap().Used()
		done = d.FreeSome(freeKeys)
		freed = before - s.Heap().Used()
	})
	if done {
		c.freed.Add(uint64(d.Keys()))
	} else {
		x.e.Free(d)
	}
	return freed, done || freed > 0
}

// grown takes what a command has added off the room that its loop knows of.
func (x *Executor) grown(before int64) { x.mem.room -= max(x.heldBytes()-before, 0) }

// heldBytes is what the held shards have allocated.
func (x *Executor) heldBytes() (n int64) {
	if len(x.shards) == 1 {
		return x.e.shards[x.shards[0]].ks.Heap().Used()
	}
	x.held.each(func(i int) { n += x.e.shards[i].ks.Heap().Used() })
	return n
}
