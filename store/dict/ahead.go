package dict

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
)

// Reading ahead: whoever is about to look up many hashes first finds out, for all of them and without any lock, which memory the look-ups will
// read, and reads a byte of each. The reads of different hashes do not wait for each other, so that their cache misses are paid once and not one by one.
//
// Nothing that is read here is trusted. The dict may change meanwhile, so a word may be stale or of something else altogether; it is used as an
// address only within the memory that the arena has committed, which stays readable for good. (Builds with the tag invariants take
// that memory away: they must not read ahead.)

// setHint publishes the directory for Home. Called whenever it is another one.
func (d *Dict) setHint() {
	atomic.StoreUint64(&d.hint, uint64(d.dir)|uint64(d.dirBits)<<refBits)
}

const (
	refBits = 40
	refMask = 1<<refBits - 1
)

// Home is where the bucket of a hash seems to be, or nil. It needs no lock.
func (d *Dict) Home(a *arena.Arena, h uint64) unsafe.Pointer {
	hint := atomic.LoadUint64(&d.hint)
	if hint == 0 {
		return nil
	}
	slot := h >> 1 >> (63 - hint>>refBits)
	p := a.Peek(arena.Ref(hint&refMask).Offset()+uintptr(slot)*8, 8)
	if p == nil {
		return nil
	}
	w := word(atomic.LoadUint64((*uint64)(p)))
	return a.Peek(w.buckets().Offset()+uintptr(w.index(h))*bucketSize, bucketSize)
}

// Candidate is the distance from the arena's start of the first entry in the bucket at p, as Home found it, that may have hash h; 0 if there is
// none. It needs no lock.
func Candidate(p unsafe.Pointer, h uint64) uintptr {
	b := bucket{p}
	hits := b.match(fingerprint(h))
	if hits == 0 {
		return 0
	}
	return b.ref(uint(bits.TrailingZeros32(hits))).Offset()
}
