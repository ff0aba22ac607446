package arena

import (
	"sync/atomic"

	"github.com/larder-cache/larder/base/invariant"
)

// freeOther frees a block that is not of a small run of this heap.
func (h *Heap) freeOther(run *run, r Ref) {
	switch run.state {
	case stateCurrent, statePartial, stateFull:
		h.rec.used -= int64(run.size)
		if invariant.Enabled {
			h.arena.guards.of(run.owner).open(h.arena, run, func() { h.freeRemote(run, r) })
			return
		}
		h.freeRemote(run, r)
	case stateBig:
		h.freeBig(run, r)
	default:
		bug("arena: Free of a ref that is no block")
	}
}

// freeRemote hands block r to the heap that owns its run. It may run at the same time as the owner's methods and other
// heaps' frees. The owner cannot give the run back before it has seen r, so the header stays what it is until the push
// on the pending list is done.
func (h *Heap) freeRemote(run *run, r Ref) {
	p := &h.arena.pages
	owner := h.arena.rec(run.owner)
	if invariant.Enabled {
		poison(h.arena.Bytes(r, int(run.size)))
	}
	for {
		old := atomic.LoadUint64(&run.remote)
		*p.link(r) = Ref(old & remoteMask)
		if !atomic.CompareAndSwapUint64(&run.remote, old, uint64(r)|(old>>remoteShift+1)<<remoteShift) {
			continue
		}
		if old != 0 {
			return // whoever made it non-empty has pushed the run, or is about to
		}
		break
	}
	i := p.indexOf(run)
	for {
		head := atomic.LoadUint32(&owner.pending)
		atomic.StoreUint32(&run.pend, head)
		if atomic.CompareAndSwapUint32(&owner.pending, head, i) {
			return
		}
	}
}

// takePending takes in the blocks that other heaps freed.
func (h *Heap) takePending() {
	p := &h.arena.pages
	i := atomic.SwapUint32(&h.rec.pending, 0)
	for i != 0 {
		run := p.header(i)
		// Before takeRemote: after it, another heap may push the run again, and after absorb it may be someone else's.
		i = atomic.LoadUint32(&run.pend)
		first, n := run.takeRemote()
		h.absorb(run, first, n)
	}
}

// absorb puts a chain of n blocks, all of them freed, into the free list of their run.
func (h *Heap) absorb(run *run, first Ref, n uint32) {
	if run.free != Nil {
		// Walking costs a look at each block; only a run that has other free blocks needs it.
		p := &h.arena.pages
		last := first
		for next := *p.link(last); next != Nil; next = *p.link(last) {
			last = next
		}
		*p.link(last) = run.free
	}
	run.free = first
	run.used -= n
	h.classes[run.class].live -= int64(n)
	if run.state == stateFull || run.used == 0 {
		h.settle(run)
	}
}

// Collect takes in the blocks of this heap that others freed, and gives back its empty runs. Call it now and then for
// each heap: a heap that allocates nothing takes in nothing by itself.
func (h *Heap) Collect() {
	if invariant.Enabled {
		h.guard.checkOpen()
	}
	h.takePending()
	none := h.arena.pages.header(0)
	for c, run := range h.cur {
		if run != none && run.used == 0 {
			h.cur[c] = none
			h.dropRun(run)
		}
	}
	h.arena.pages.scavenge(false, freeBudget)
}
