package engine

import "math/bits"

// maxShards bounds the shards of a node (limits.MaxShards); a lock set is a bit for each.
const maxShards = 256

// lockSet is a set of shards.
type lockSet [maxShards / 64]uint64

func (s *lockSet) add(i int)           { s[i>>6] |= 1 << (i & 63) }
func (s *lockSet) remove(i int)        { s[i>>6] &^= 1 << (i & 63) }
func (s *lockSet) has(i int) bool      { return s[i>>6]&(1<<(i&63)) != 0 }
func (s *lockSet) empty() bool         { return s[0]|s[1]|s[2]|s[3] == 0 }
func (s *lockSet) each(fn func(i int)) { s.all(func(i int) bool { fn(i); return true }) }

// all visits the members in ascending order until fn says no, and reports whether it never did.
func (s *lockSet) all(fn func(i int) bool) bool {
	for w, word := range s {
		for word != 0 {
			if !fn(w<<6 + bits.TrailingZeros64(word)) {
				return false
			}
			word &= word - 1
		}
	}
	return true
}

// fullSet is all shards of an engine with n.
func fullSet(n int) (s lockSet) {
	for i := range n {
		s.add(i)
	}
	return s
}

// lock takes a shard, also one that a busy script has claimed: who touches the data then looks at the gate, as commands do, or is to call
// lockData.
func (e *Engine) lock(i int) {
	s := &e.shards[i]
	s.mu.Lock()
	s.ks.Heap().Lock()
}

func (e *Engine) tryLock(i int) bool {
	s := &e.shards[i]
	if !s.mu.TryLock() {
		return false
	}
	s.ks.Heap().Lock()
	return true
}

func (e *Engine) unlock(i int) {
	s := &e.shards[i]
	s.ks.Heap().Unlock()
	s.mu.Unlock()
}

// maxTries is how often lockMany begins anew before it takes its turn with the token: on a busy node many shards are never
// all free at the same moment.
const maxTries = 8

// lockMany takes all shards of a set. It does not wait while it holds one: if a shard is taken it lets go of the others, waits
// for that one with empty hands, and tries the rest again.
func (e *Engine) lockMany(set *lockSet) {
	waited := -1
	for range maxTries {
		if waited >= 0 {
			e.lock(waited)
		}
		busy := e.tryRest(set, waited)
		if busy < 0 {
			return
		}
		waited = busy
	}
	e.lockInOrder(set)
}

// tryRest takes the shards of a set but `first`, which is held if it is not negative. If one is taken, all are let go and it is
// returned, otherwise -1.
func (e *Engine) tryRest(set *lockSet, first int) int {
	busy := -1
	if set.all(func(i int) bool {
		if i == first || e.tryLock(i) {
			return true
		}
		busy = i
		return false
	}) {
		return -1
	}
	set.all(func(i int) bool {
		if i < busy && i != first {
			e.unlock(i)
		}
		return i < busy
	})
	if first >= 0 {
		e.unlock(first)
	}
	return busy
}

// lockInOrder takes all shards of a set, waiting for one after the other while it holds those before. One at a time does so,
// and everyone else who holds shards waits for nothing, so it comes through. The caller holds none.
func (e *Engine) lockInOrder(set *lockSet) {
	e.token.Lock()
	set.each(e.lock)
	e.token.Unlock()
}

// lockScript takes all shards of a set for an executor whose turn it is to run Lua, and who so has the token: it may wait for one while
// it holds others.
func (e *Engine) lockScript(set *lockSet) { set.each(e.lock) }

func (e *Engine) unlockMany(set *lockSet) { set.each(e.unlock) }

func (e *Engine) lockAll() {
	set := fullSet(len(e.shards))
	for e.lockInOrder(&set); e.Gate()&GateBusy != 0; e.lockInOrder(&set) {
		done := e.scripts.busyEnd()
		e.unlockAll()
		e.awaitScript(done)
	}
}

// lockData is lock for who touches the data and looks at no gate: it waits for a busy script that has claimed the shard.
func (e *Engine) lockData(i int) {
	for e.lock(i); e.shards[i].scripted; e.lock(i) {
		done := e.scripts.busyEnd()
		e.unlock(i)
		e.awaitScript(done)
	}
}

func (e *Engine) unlockAll() {
	for i := range e.shards {
		e.unlock(i)
	}
}
