package arena

import "github.com/larder-cache/larder/base/invariant"

// ClassStats is one size class of one heap.
type ClassStats struct {
	// Size is the bytes of a block.
	Size int
	// Runs is the number of runs.
	Runs int
	// Live is the blocks in use; those that other heaps freed count until this one takes them in.
	Live int64
	// Total is the blocks that the runs have room for.
	Total int64
}

// Stats is what a heap has of blocks up to 32 KiB; big blocks belong to no heap.
type Stats struct {
	// Classes are in ascending order of Size.
	Classes [NumClasses]ClassStats
}

// Stats counts the heap's blocks by class.
func (h *Heap) Stats() Stats {
	var s Stats
	for c := range s.Classes {
		cs := &h.classes[c]
		s.Classes[c] = ClassStats{Size: int(sizeOf(uint(c))), Runs: int(cs.runs), Live: cs.live, Total: cs.total}
	}
	return s
}

// ShouldMove says whether memory is won by copying block r to a new block of the same size and freeing r: when its run
// is less used than the class's other runs that have room, by more than an eighth, so it will empty while they fill.
// A small block from another heap's run should move too, as it keeps that heap's run; a big one never.
func (h *Heap) ShouldMove(r Ref) bool {
	if invariant.Enabled {
		h.guard.checkOpen()
		h.arena.guards.checkLive(r)
	}
	run := h.arena.pages.runOf(r)
	if run.state == stateBig {
		return false
	}
	if run.owner != h.id {
		return true
	}
	if run.state != statePartial {
		return false
	}
	cs := &h.classes[run.class]
	room := cs.total - cs.full - int64(run.cap) // blocks in the other runs with room
	live := cs.live - cs.full - int64(run.used)
	if room-live < int64(run.used) {
		return false // the others cannot take them in: moving would need a new run
	}
	return int64(run.used)*room*8 <= live*int64(run.cap)*9
}
