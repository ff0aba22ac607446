package arena

import (
	"bytes"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/base/invariant"
)

const (
	// poisonByte fills freed blocks.
	poisonByte = 0xFB
	// maxPoison is how much of a big block is filled.
	maxPoison = 64 << 10
	// maxGuarded is how many runs of a heap are protected: 256 heaps stay below the system's bound on mappings, and a
	// lock and unlock below a millisecond.
	maxGuarded = 64
)

// This file acts only in builds with the tag invariants; every call from elsewhere stands behind invariant.Enabled.

// guards is the arena's part: which blocks are in use, and the heaps' guards by id − 1.
type guards struct {
	live region // one bit for each unit; committed as far as blocks are exposed

	mu   sync.Mutex
	heap []*guard
}

// guard protects the runs of one heap while its shard is unlocked. mu guards its fields and the runs' protection.
type guard struct {
	mu     sync.Mutex
	closed bool
	runs   map[*run]bool
}

// Lock is called when the heap's shard is locked: with the build tag invariants it makes the heap's runs usable again.
func (h *Heap) Lock() {
	if invariant.Enabled {
		h.guard.set(h.arena, false)
	}
}

// Unlock is called just before the heap's shard is unlocked: with the build tag invariants any use of the heap's blocks
// until Lock is a fault. That begins with the first Unlock, so code without a shard's lock may use a heap as it is.
func (h *Heap) Unlock() {
	if invariant.Enabled {
		h.guard.set(h.arena, true)
	}
}

// Share says that blocks of this heap are about to be reached under another shard's lock, because a value goes there by
// its ref. It does nothing but with the build tag invariants: the heap's present runs are not protected any more.
func (h *Heap) Share() {
	if invariant.Enabled {
		h.guard.checkOpen()
		h.guard.mu.Lock()
		defer h.guard.mu.Unlock()
		clear(h.guard.runs)
	}
}

// add makes the guard of the next heap.
func (g *guards) add() *guard {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := &guard{runs: make(map[*run]bool)}
	g.heap = append(g.heap, n)
	return n
}

// of returns the guard of heap id.
func (g *guards) of(id uint32) *guard {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heap[id-1]
}

// set protects or opens the runs.
func (g *guard) set(a *Arena, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == closed {
		return
	}
	g.closed = closed
	for r := range g.runs {
		a.pages.protect(r, !closed)
	}
}

// checkOpen fails when the heap is used while its shard is unlocked.
func (g *guard) checkOpen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	invariant.Check(!g.closed, "arena: heap used while its shard is unlocked")
}

// add puts a new run of the heap, which is open, under guard.
func (g *guard) add(r *run) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.runs) < maxGuarded && osZeroes {
		g.runs[r] = true
	}
}

// remove takes a run that goes back to the arena out of guard, usable.
func (g *guard) remove(a *Arena, r *run) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.runs[r] && g.closed {
		a.pages.protect(r, true)
	}
	delete(g.runs, r)
}

// open runs f while run r is usable, for a block that is freed under another heap's lock.
func (g *guard) open(a *Arena, r *run, f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.runs[r] && g.closed {
		a.pages.protect(r, true)
		defer a.pages.protect(r, false)
	}
	f()
}

// protect makes the pages of r usable or untouchable. A refusal to protect is the bound on mappings: the run then stays
// usable, which only weakens the check.
func (p *pages) protect(r *run, usable bool) {
	err := osProtect(p.blocks.at(uintptr(r.page)<<pageShift), uintptr(r.pages)<<pageShift, usable)
	invariant.Check(err == nil || !usable, "arena: a run cannot be made usable again")
}

// expose makes a run that was just taken usable.
func (p *pages) expose(r *run) { p.protect(r, true) }

// conceal makes a run that goes free untouchable, and checks nothing: its blocks were checked one by one.
func (p *pages) conceal(r *run) { p.protect(r, false) }

// word returns the word and the bit that tell whether block r is in use.
func (g *guards) word(r Ref) (*uint64, uint64) {
	return (*uint64)(g.live.at(uintptr(r) >> 6 << 3)), 1 << (r & 63)
}

// reaches says whether r is in the part of the arena that live has bits for.
func (g *guards) reaches(r Ref) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return r != Nil && uintptr(r)>>6<<3 < g.live.done
}

// checkLive fails when r is not a block in use.
func (g *guards) checkLive(r Ref) {
	invariant.Check(g.reaches(r), "arena: ref is nil or out of the arena")
	w, bit := g.word(r)
	invariant.Check(atomic.LoadUint64(w)&bit != 0, "arena: ref is no block in use")
}

// checkFree fails when r is not a block in use, and marks it as free.
func (g *guards) checkFree(r Ref) {
	invariant.Check(g.reaches(r), "arena: Free of a ref that is nil or out of the arena")
	w, bit := g.word(r)
	invariant.Check(atomic.AndUint64(w, ^bit)&bit != 0, "arena: Free of a ref that is no block in use (freed twice?)")
}

// setLive marks r as a block in use.
func (g *guards) setLive(r Ref) {
	g.mu.Lock()
	ok := g.live.ensure(uintptr(r)>>6<<3 + 8)
	g.mu.Unlock()
	invariant.Check(ok, "arena: no memory for the bits of blocks in use")
	w, bit := g.word(r)
	invariant.Check(atomic.OrUint64(w, bit)&bit == 0, "arena: a block in use was handed out again")
}

// checkHandout checks the first free block of run, which is about to be handed out, and marks it as in use.
func (h *Heap) checkHandout(run *run) {
	r := run.free
	h.arena.guards.setLive(r)
	b := h.arena.Bytes(r, int(run.size))
	invariant.Check(isPoisoned(b[min(8, len(b)):]), "arena: a block was written to after it was freed")
	next := *(*Ref)(unsafe.Pointer(unsafe.SliceData(b)))
	page := next >> refShift
	invariant.Check(next == Nil || page >= Ref(run.page) && page < Ref(run.page+run.pages),
		"arena: the link of a free block was overwritten")
}

// poisoned is what freed blocks are filled from and compared with: by the page, as these checks stand on every path.
var poisoned = string(bytes.Repeat([]byte{poisonByte}, pageSize))

// poison fills a freed block.
func poison(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, poisoned):]
	}
}

// poisonTail fills a block but for its link.
func poisonTail(b []byte) { poison(b[min(8, len(b)):]) }

// isPoisoned says whether nobody wrote to b since poison.
func isPoisoned(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(poisoned))
		if string(b[:n]) != poisoned[:n] {
			return false
		}
		b = b[n:]
	}
	return true
}
