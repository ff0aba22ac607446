package engine

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

// sampleKeys is how many volatile keys one step of the expiry cycle looks at before it lets go of the shard, with an effort of 1; each step of effort more adds effortKeys.
const (
	sampleKeys = 64
	effortKeys = 16
)

// stalePercent is the part of what a step has looked at that is over from which on it looks on at once, with an effort of 1; each step of effort more takes one away.
const stalePercent = 10

// SetEffort is active-expire-effort, 1 to 10: how much the cycle does to leave little that is over.
func (c *Cycle) SetEffort(effort int) { c.effort.Store(int64(effort - 1)) }

// Cycle is the background work of an engine, in small steps under one shard's lock at a time: expired keys are deleted, and
// what was flushed or unlinked is freed. One goroutine uses it.
type Cycle struct {
	x   *Executor
	cl  *Client
	pos map[place]uint64 // where the expiry of a database of a shard goes on
	// fields is where that of hashes' fields does.
	fields map[place]uint64

	effort atomic.Int64 // active-expire-effort less 1

	idle atomic.Bool // nothing is expired by the cycle: DEBUG SET-ACTIVE-EXPIRE

	freed atomic.Uint64 // keys that were freed behind the scenes

	nanos        atomic.Int64  // spent on expiry
	stale        atomic.Uint64 // float64: of volatile keys those that are over, percent, about and of late
	looked, over int           // of the volatile keys of this run

	mu   sync.Mutex
	free []*keyspace.Detached
}

// ExpiryStats is what the expiry cycle has done since the start or ResetStats.
type ExpiryStats struct {
	// StalePercent is about how many of the volatile keys are over and still there.
	StalePercent float64
	// Nanos is the time it took.
	Nanos int64
}

// Expiry returns the cycle's counts.
func (c *Cycle) Expiry() ExpiryStats {
	return ExpiryStats{StalePercent: math.Float64frombits(c.stale.Load()), Nanos: c.nanos.Load()}
}

// ResetStats begins the counts anew.
func (c *Cycle) ResetStats() {
	c.nanos.Store(0)
	c.stale.Store(0)
}

// staleWeight is what one run's share of keys that are over counts against those of the runs before.
const staleWeight = 0.05

// noteStale takes a run's share into the running average.
func (c *Cycle) noteStale() {
	now := 0.0
	if c.looked > 0 {
		now = 100 * float64(c.over) / float64(c.looked)
	}
	was := math.Float64frombits(c.stale.Load())
	c.stale.Store(math.Float64bits(was + (now-was)*staleWeight))
	c.looked, c.over = 0, 0
}

// SetExpiring switches the deletion of expired keys that nobody asks for.
func (c *Cycle) SetExpiring(on bool) { c.idle.Store(!on) }

// place is a database of a shard.
type place struct{ shard, db int }

// NewCycle makes the background work of an engine. Only one is to be used.
func (e *Engine) NewCycle() *Cycle {
	c := &Cycle{x: e.NewExecutor(), cl: &Client{}, pos: map[place]uint64{}, fields: map[place]uint64{}}
	e.cycle.Store(c)
	return c
}

// Free leaves something to be freed in slices. The caller may hold shards.
func (e *Engine) Free(d *keyspace.Detached) {
	if d == nil {
		return
	}
	c := e.cycle.Load()
	if c == nil {
		return // memory of an engine without background work stays: it is a test's
	}
	c.mu.Lock()
	c.free = append(c.free, d)
	c.mu.Unlock()
}

// Run goes once through all shards. It takes as long as there is work, and lets go of a shard after each step: sampleKeys says how long one is.
func (c *Cycle) Run() {
	c.freeSome()
	c.x.e.freeTracked()
	for i := range c.x.e.shards {
		if c.idle.Load() {
			break
		}
		c.expireShard(i)
	}
	c.noteStale()
	c.x.EndTurn()
}

// expireShard deletes what is expired in one shard, as long as a good part of what it looks at is.
func (c *Cycle) expireShard(i int) {
	for again := true; again; {
		c.x.BeginTurn()
		c.x.seeEviction()
		c.x.e.lockData(i)
		c.x.e.shards[i].ks.SetClock(c.x.mem.fresh)
		c.x.client = c.cl
		if c.x.e.shards[i].local != nil {
			c.expireLocal(i)
		}
		if !c.x.mayExpire() {
			c.x.broadcast()
			c.x.e.unlock(i)
			return
		}
		c.x.held.add(i)
		begin := c.x.e.Clock.MonoNanos()
		again = c.expireLocked(i)
		took := c.x.e.Clock.MonoNanos() - begin
		c.nanos.Add(took)
		c.x.e.Latency("expire-cycle", took/1e6)
		c.x.commitEach(0)
		c.x.held = lockSet{}
		c.x.e.unlock(i)
		c.x.e.Journal.Wake()
	}
}

func (c *Cycle) expireLocked(i int) (again bool) {
	x, ks := c.x, c.x.e.shards[i].ks
	x.call.Now = x.now()
	effort := int(c.effort.Load())
	for db := range x.e.Space.Databases() {
		if !ks.Used(db) {
			continue
		}
		d, at := ks.DB(db), place{i, db}
		again = c.expireFields(at) || again
		if d.Volatile() == 0 {
			continue
		}
		s := d.SampleExpired(c.pos[at], x.call.Now, sampleKeys+effortKeys*effort, func(ent keyspace.Entry) bool {
			k := spec.KeyRef{Name: append([]byte(nil), ent.Key()...), DB: d}
			k.Hash = x.e.Space.Hash(k.Name)
			x.expire(&k)
			return true
		})
		c.pos[at] = s.Next
		c.looked, c.over = c.looked+s.Checked, c.over+s.Expired
		again = again || s.Expired*100 > s.Checked*(stalePercent-effort) && s.Expired > 0
	}
	return again
}

// freeSome frees a slice of everything that waits to be freed.
func (c *Cycle) freeSome() {
	c.mu.Lock()
	waiting := c.free
	c.free = nil
	c.mu.Unlock()
	var left []*keyspace.Detached
	for _, d := range waiting {
		done := false
		for slice := 0; !done && slice < freeSlices; slice++ {
			c.x.e.WithShard(d.Shard(), func(*keyspace.Shard) { done = d.FreeSome(freeKeys) })
		}
		if !done {
			left = append(left, d)
			continue
		}
		c.freed.Add(uint64(d.Keys()))
	}
	c.mu.Lock()
	c.free = append(left, c.free...)
	c.mu.Unlock()
}

// take takes something out of what waits to be freed, for one who needs its memory; nil if there is nothing.
func (c *Cycle) take() *keyspace.Detached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) == 0 {
		return nil
	}
	last := len(c.free) - 1
	d := c.free[last]
	c.free = c.free[:last]
	return d
}

// freeKeys are freed under one hold of a shard's lock, freeSlices times a run.
const (
	freeKeys   = 500
	freeSlices = 64
)

// Waiting is how many flushed databases and unlinked values still wait to be freed.
func (c *Cycle) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.free)
}

// Freed is how many keys were freed in slices since the start or the last reset.
func (c *Cycle) Freed() uint64 { return c.freed.Load() }

// ExpireEvery is how often Run is to be called.
const ExpireEvery = limits.ActiveExpireEvery
