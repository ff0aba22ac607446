package engine

import (
	"bytes"
	"sync"

	"github.com/larder-cache/larder/store/keyspace"
)

// poolSize is how many candidates are remembered: as many as in Redis, whose measurements show that it is enough.
const poolSize = 16

// pool is the best candidates of all samples so far. Sampling a few keys at each eviction and taking the best of these comes near to the best of all.
// One pool serves all loops. Its mutex is a leaf: whoever has it takes no other lock.
type pool struct {
	mu     sync.Mutex
	policy Policy // whose scores these are
	n      int
	all    [poolSize]candidate // all[:n] is ascending by score
}

// candidate is a key that may be evicted. The key's buffer is kept for the next one.
type candidate struct {
	score     uint64
	shard, db int
	hash      uint64
	key       []byte
}

// use makes the pool that of a policy: scores of another one mean nothing.
func (p *pool) use(policy Policy) {
	if p.policy != policy {
		p.policy, p.n = policy, 0
	}
}

// offer takes a key in if it is better than the worst candidate, or there is room. mu is held, and the key's shard.
func (p *pool) offer(score uint64, shard, db int, ent keyspace.Entry) {
	if p.n == poolSize && score <= p.all[0].score {
		return
	}
	hash, key := ent.Hash(), ent.Key()
	p.drop(db, hash, key)
	if p.n == poolSize {
		p.remove(0)
	}
	spare, at := p.all[p.n], p.n
	for ; at > 0 && p.all[at-1].score > score; at-- {
		p.all[at] = p.all[at-1]
	}
	p.all[at] = candidate{score, shard, db, hash, append(spare.key[:0], key...)}
	p.n++
}

// drop takes out what was remembered of a key.
func (p *pool) drop(db int, hash uint64, key []byte) {
	for i := range p.n {
		if c := &p.all[i]; c.hash == hash && c.db == db && bytes.Equal(c.key, key) {
			p.remove(i)
			return
		}
	}
}

// remove takes candidate i out. Its buffer goes behind the others.
func (p *pool) remove(i int) {
	c := p.all[i]
	p.n--
	copy(p.all[i:p.n], p.all[i+1:p.n+1])
	if cap(c.key) > maxKeptKey {
		c.key = nil
	}
	p.all[p.n] = c
}

// maxKeptKey is how long a candidate's key may be for its buffer to be kept.
const maxKeptKey = 255

// best takes the best candidate out and copies it to v; false if there is none.
func (p *pool) best(v *candidate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return false
	}
	c := &p.all[p.n-1]
	*v = candidate{c.score, c.shard, c.db, c.hash, append(v.key[:0], c.key...)}
	p.remove(p.n - 1)
	return true
}
