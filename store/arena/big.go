package arena

import (
	"unsafe"

	"github.com/larder-cache/larder/base/invariant"
)

// allocBig returns a block of its own pages, set to zero where asked for.
func (h *Heap) allocBig(n int, zeroed bool) Ref {
	if invariant.Enabled {
		h.guard.checkOpen()
	}
	p := &h.arena.pages
	if uintptr(n) > p.blocks.size {
		exhausted(int64(n), p.blocks.size)
	}
	run, isZero := p.take(uint32(roundUp(uintptr(n), pageSize) >> pageShift))
	if run == nil {
		exhausted(int64(n), p.blocks.size)
	}
	run.state, run.used, run.cap = stateBig, 1, 1
	run.pend = h.id
	size := int(run.pages) << pageShift
	h.rec.used += int64(size)
	r := Ref(run.page) << refShift
	if invariant.Enabled {
		p.expose(run)
		h.arena.guards.setLive(r)
		h.guard.add(run)
		poison(h.arena.Bytes(r, min(size, maxPoison)))
		isZero = false
	}
	if zeroed && !isZero {
		clear(unsafe.Slice((*byte)(p.blocks.at(uintptr(run.page)<<pageShift)), size))
	}
	return r
}

// freeBig gives a big block back to the arena, whichever heap took it.
func (h *Heap) freeBig(run *run, r Ref) {
	if run.page != uint32(r>>refShift) || r&(1<<refShift-1) != 0 {
		bug("arena: Free of a ref into a big block")
	}
	h.rec.used -= int64(run.pages) << pageShift
	if invariant.Enabled {
		h.arena.guards.of(run.pend).remove(h.arena, run)
	}
	h.arena.pages.release(run)
}

// Grow makes block r at least n bytes long where it lies, and reports whether it could: always when Size(r) ≥ n, for
// other small blocks never, for a big block when the pages after it are free. New bytes are undefined; r and what it
// held stay. On false the caller allocates, copies and frees.
func (h *Heap) Grow(r Ref, n int) bool {
	size := h.arena.Size(r)
	if n <= size {
		return true
	}
	p := &h.arena.pages
	run := p.runOf(r)
	if run.state != stateBig || uintptr(n) > p.blocks.size {
		return false
	}
	more := uint32((roundUp(uintptr(n), pageSize) - uintptr(size)) >> pageShift)
	if !p.extend(run, more) {
		return false
	}
	if invariant.Enabled {
		p.expose(run)
	}
	h.rec.used += int64(int(run.pages)<<pageShift - size)
	return true
}

// extend adds the more pages after r, if they are free, to it.
func (p *pages) extend(r *run, more uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := r.page + r.pages
	var next *run
	if end == p.top {
		if next = p.takeTop(more); next == nil {
			return false
		}
	} else {
		next = p.header(*p.entry(end))
		if next.pages < more {
			return false
		}
		switch next.state {
		case stateDirty:
			next = p.carve(&p.dirty, next, more)
		case stateClean:
			p.committed.Add(int64(more))
			next = p.carve(&p.clean, next, more)
		default:
			return false
		}
	}
	r.pages += next.pages
	p.dropHeader(next)
	*p.entry(r.page + r.pages - 1) = p.indexOf(r)
	return true
}
