package engine

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

// maxGhosts is how many candidates may turn out to be gone, or used again, before an eviction gives up: with others at work on the same keys.
const maxGhosts = 64

// evictOne evicts one key. It returns how many bytes of its shard that freed, and false if there is none that may go.
func (x *Executor) evictOne() (freed int64, ok bool) {
	if x.mem.ev.Policy.random() {
		return x.evictRandom()
	}
	for range maxGhosts {
		if !x.sample() {
			return 0, false
		}
		for x.e.eviction.pool.best(&x.victim) {
			if freed, ok = x.evictVictim(&x.victim); ok {
				return freed, true
			}
		}
	}
	return 0, false
}

// sample adds keys to the pool of candidates: those of a random shard, and of the following ones while they are too few. It reports whether it found any.
func (x *Executor) sample() bool {
	ev, found := x.mem.ev, 0
	x.eachShardFrom(func(i int) bool {
		x.e.shards[i].ks.EachUsed(func(d *keyspace.DB) bool {
			if d.Evictable(ev.Policy.volatile()) > 0 {
				found += x.sampleDB(i, d)
			}
			return true
		})
		return found < ev.Samples
	})
	return found > 0
}

// eachShardFrom calls fn for every shard, each under its lock, from a random one on, until fn says no.
func (x *Executor) eachShardFrom(fn func(i int) bool) {
	n := len(x.e.shards)
	first := x.rand.IntN(n)
	for k := range n {
		i := (first + k) % n
		x.e.lockData(i)
		more := fn(i)
		x.e.unlock(i)
		if !more {
			return
		}
	}
}

func (x *Executor) sampleDB(shard int, d *keyspace.DB) int {
	ev, p := x.mem.ev, &x.e.eviction.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	p.use(ev.Policy)
	n, _ := d.Sample(x.rand.Uint64(), ev.Samples, ev.Policy.volatile(), func(ent keyspace.Entry) {
		p.offer(x.score(ent), shard, d.Index(), ent)
	})
	return n
}

// score is how good it is to evict a key: more is better.
func (x *Executor) score(ent keyspace.Entry) uint64 {
	switch p := x.mem.ev.Policy; {
	case p.lfu():
		return uint64(math.MaxUint8 - x.Frequency(ent))
	case p == VolatileTTL:
		return math.MaxUint64 - uint64(max(ent.ExpireAt(), 0))
	default:
		return uint64(x.IdleSeconds(ent))
	}
}

// evictVictim evicts a candidate, unless it is gone, may not go any more, or was used since it was chosen.
func (x *Executor) evictVictim(v *candidate) (freed int64, ok bool) {
	x.e.lockData(v.shard)
	defer x.e.unlock(v.shard)
	ks := x.e.shards[v.shard].ks
	if !ks.Used(v.db) {
		return 0, false
	}
	d := ks.DB(v.db)
	ent := d.Find(v.hash, v.key)
	if !ent.Found() || x.mem.ev.Policy.volatile() && ent.ExpireAt() < 0 || x.score(ent) < v.score {
		return 0, false
	}
	return x.evictLocked(v.shard, &spec.KeyRef{Name: v.key, Hash: v.hash, DB: d})
}

// evictRandom evicts some key of a random shard that has any.
func (x *Executor) evictRandom() (freed int64, ok bool) {
	volatile := x.mem.ev.Policy.volatile()
	x.eachShardFrom(func(i int) bool {
		ks := x.e.shards[i].ks
		n := ks.Evictable(volatile)
		if n == 0 {
			return true
		}
		freed, ok = x.evictRandomOf(i, x.rand.IntN(n))
		return !ok
	})
	return freed, ok
}

// evictRandomOf evicts a random key of the database that number n of the shard's keys is in.
func (x *Executor) evictRandomOf(shard, n int) (freed int64, ok bool) {
	volatile := x.mem.ev.Policy.volatile()
	x.e.shards[shard].ks.EachUsed(func(d *keyspace.DB) bool {
		if n -= d.Evictable(volatile); n >= 0 {
			return true
		}
		var ent keyspace.Entry
		if volatile {
			ent = d.RandomVolatile(x.rand.Uint64)
		} else {
			ent = d.Random(x.rand.Uint64)
		}
		x.victim.key = append(x.victim.key[:0], ent.Key()...)
		freed, ok = x.evictLocked(shard, &spec.KeyRef{Name: x.victim.key, Hash: ent.Hash(), DB: d})
		return false
	})
	return freed, ok
}

var del = []byte("DEL")

// evictLocked deletes a key for want of memory. Its shard is held, by this and nothing else.
func (x *Executor) evictLocked(shard int, k *spec.KeyRef) (freed int64, ok bool) {
	if !x.mayEvict(x.mem.ev) {
		return 0, false
	}
	was := x.client
	x.client = &x.nobody
	x.held.add(shard)
	heap := x.e.shards[shard].ks.Heap()
	before := heap.Used()
	name := del
	if x.mem.ev.Lazy {
		name = unlink
		x.unlink(k)
	} else {
		for rest, _ := k.DB.DeleteLazy(k.Hash, k.Name); rest != nil && !rest.FreeSome(freeKeys); {
		}
	}
	freed = before - heap.Used()
	if x.e.Journal.On() {
		x.fx.add(x.keyDB(k), name, k.Name)
	}
	x.e.eviction.evicted.Add(1)
	x.Modified(k)
	x.Notify('e', "evicted", k)
	x.commit()
	x.held, x.client = lockSet{}, was
	return freed, true
}

// unlink deletes a key, and as much of its value as does not take long: the rest is left to the cycle.
func (x *Executor) unlink(k *spec.KeyRef) {
	if rest, _ := k.DB.DeleteLazy(k.Hash, k.Name); rest != nil && !rest.FreeSome(freeKeys) {
		x.e.Free(rest)
	}
}
