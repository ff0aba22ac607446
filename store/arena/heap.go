package arena

import (
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/base/invariant"
)

// Heap is one shard's part of an arena: the runs that its blocks come from. All of its methods but Used need the
// shard's lock; a block may be freed through any heap of the arena.
type Heap struct {
	base  unsafe.Pointer // of the blocks region
	rec   *heapRec
	arena *Arena
	id    uint32
	guard *guard // nil without invariants
	// cur is the run that each class allocates from; header 0, which has no free block, where there is none.
	cur     [NumClasses]*run
	classes [NumClasses]classState
}

// classState is what a heap knows of its runs of one class.
type classState struct {
	live    int64  // blocks in use; remote frees that were not taken in count as in use
	total   int64  // blocks in all runs
	full    int64  // blocks in full runs
	partial uint32 // first of the list of partial runs
	runs    uint32
}

// NewHeap returns a heap with no memory yet. There is one per shard, for as long as the arena lives: at most 4096.
func (a *Arena) NewHeap() *Heap {
	a.heapMu.Lock()
	defer a.heapMu.Unlock()
	id := a.heapN.Load() + 1
	if id > maxHeaps {
		bug("arena: more than 4096 heaps")
	}
	if !a.recs.ensure(uintptr(id) * heapRecSize) {
		exhausted(heapRecSize, a.size)
	}
	h := &Heap{base: a.base, rec: a.rec(id), arena: a, id: id}
	if invariant.Enabled {
		h.guard = a.guards.add()
	}
	none := a.pages.header(0)
	for c := range h.cur {
		h.cur[c] = none
	}
	a.heapN.Store(id)
	return h
}

// Used returns the bytes allocated minus those freed through this heap, by class sizes. It may be read from anywhere.
// A heap that frees what another allocated (a value that changed shards) can be below zero; the sum is what counts.
func (h *Heap) Used() int64 { return atomic.LoadInt64(&h.rec.used) }

// Alloc returns a block of at least n bytes, 8-aligned, whose content is undefined. It panics with ErrExhausted when
// the reserve or the system has no more; n below 1 counts as 1.
func (h *Heap) Alloc(n int) Ref {
	if n > maxSmall {
		return h.allocBig(n, false)
	}
	c := classOf(uint(max(n, 1)))
	if invariant.Enabled {
		h.guard.checkOpen()
	}
	run := h.cur[c]
	if run.free == Nil {
		run = h.refill(c)
	}
	if invariant.Enabled {
		h.checkHandout(run)
	}
	r := run.free
	run.free = *(*Ref)(unsafe.Add(h.base, uintptr(r)<<unitShift))
	run.used++
	h.classes[c].live++
	h.rec.used += int64(run.size)
	return r
}

// AllocZero is Alloc with the whole block (all of Size) set to zero.
func (h *Heap) AllocZero(n int) Ref {
	if n > maxSmall {
		return h.allocBig(n, true)
	}
	r := h.Alloc(n)
	clear(unsafe.Slice((*byte)(unsafe.Add(h.base, uintptr(r)<<unitShift)), ClassSize(n)))
	return r
}

// Free gives block r back, whichever heap of the arena it came from. r must be a block in use.
func (h *Heap) Free(r Ref) {
	if invariant.Enabled {
		h.guard.checkOpen()
		h.arena.guards.checkFree(r)
	}
	run := h.arena.pages.runOf(r)
	if run.owner != h.id {
		h.freeOther(run, r)
		return
	}
	if invariant.Enabled {
		poison(h.arena.Bytes(r, int(run.size)))
	}
	*(*Ref)(unsafe.Add(h.base, uintptr(r)<<unitShift)) = run.free
	run.free = r
	run.used--
	h.classes[run.class].live--
	h.rec.used -= int64(run.size)
	if run.used == run.notify {
		h.settle(run)
	}
}

// refill makes a run with a free block the current one of class c and returns it: by cutting more of the current run,
// by taking in remote frees, from the list of partial runs, or with new pages.
func (h *Heap) refill(c uint) *run {
	cur := h.cur[c]
	if h.cut(cur) {
		return cur
	}
	if atomic.LoadUint32(&h.rec.pending) != 0 {
		h.takePending()
		if cur = h.cur[c]; cur.free != Nil {
			return cur
		}
	}
	cs := &h.classes[c]
	var next *run
	if cs.partial != 0 {
		next = h.arena.pages.header(cs.partial)
		h.unlink(next)
	} else {
		next = h.newRun(c)
	}
	h.retireFull(cur)
	next.state = stateCurrent
	h.cur[c] = next
	if next.free == Nil {
		h.cut(next)
	}
	return next
}

// retireFull takes the current run, which has no free block left, out of use until one of its blocks is freed.
func (h *Heap) retireFull(run *run) {
	if run.state != stateCurrent {
		return // header 0
	}
	run.state = stateFull
	run.notify = run.cap - 1
	h.classes[run.class].full += int64(run.cap)
}

// newRun takes pages for class c from the arena.
func (h *Heap) newRun(c uint) *run {
	cs := &h.classes[c]
	run := h.arena.pages.alloc(nextRunPages(c, cs.total), uint32(runPages[c]))
	size := uint32(sizeOf(c))
	run.owner, run.size, run.class = h.id, size, uint8(c)
	run.cap = run.pages << pageShift / size
	run.used, run.notify, run.fresh, run.free = 0, 0, 0, Nil
	cs.runs++
	cs.total += int64(run.cap)
	if invariant.Enabled {
		h.guard.add(run)
	}
	return run
}

// cut turns blocks of the run that were never used into its free list, about a page's worth, and reports whether there
// were any. The run's free list is empty.
func (h *Heap) cut(run *run) bool {
	n := min(run.cap-run.fresh, max(1, pageSize/max(run.size, 1)))
	if n == 0 {
		return false
	}
	units := Ref(run.size >> unitShift)
	first := Ref(run.page)<<refShift + Ref(run.fresh)*units
	p := &h.arena.pages
	r := first
	for range n - 1 {
		*p.link(r) = r + units
		r += units
	}
	*p.link(r) = Nil
	if invariant.Enabled {
		for b := first; b <= r; b += units {
			poisonTail(h.arena.Bytes(b, int(run.size)))
		}
	}
	run.free = first
	run.fresh += n
	return true
}

// settle is called after a free for which run.used reached run.notify: a full run becomes partial, an empty one goes.
func (h *Heap) settle(run *run) {
	if run.state == stateFull {
		h.classes[run.class].full -= int64(run.cap)
		run.state, run.notify = statePartial, 0
		h.link(run)
	}
	if run.used != 0 {
		return
	}
	if run.state == stateCurrent {
		if keepable(run) {
			return
		}
		h.cur[run.class] = h.arena.pages.header(0)
	} else {
		h.unlink(run)
	}
	h.dropRun(run)
}

// keepable says whether an empty current run stays with its heap: small ones do, or a block that comes and goes would
// take the arena's mutex each time; large ones do not, or an emptied node of 256 heaps would keep a run a class each.
func keepable(run *run) bool {
	return run.pages <= 4 && run.pages == uint32(runPages[run.class])
}

// dropRun gives an empty run, which is in no list, back to the arena.
func (h *Heap) dropRun(run *run) {
	cs := &h.classes[run.class]
	cs.runs--
	cs.total -= int64(run.cap)
	if invariant.Enabled {
		h.guard.remove(h.arena, run)
	}
	h.arena.pages.release(run)
}

// link puts a run in front of its class's list of partial runs.
func (h *Heap) link(run *run) {
	p := &h.arena.pages
	cs := &h.classes[run.class]
	i := p.indexOf(run)
	run.next, run.prev = cs.partial, 0
	if cs.partial != 0 {
		p.header(cs.partial).prev = i
	}
	cs.partial = i
}

// unlink takes a run out of its class's list of partial runs.
func (h *Heap) unlink(run *run) {
	p := &h.arena.pages
	if run.prev != 0 {
		p.header(run.prev).next = run.next
	} else {
		h.classes[run.class].partial = run.next
	}
	if run.next != 0 {
		p.header(run.next).prev = run.prev
	}
}
