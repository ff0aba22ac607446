// Package arena is the memory that a node's keyspace lives in: blocks outside the Go heap, named by 40-bit refs, handed
// out by one Heap per shard from runs of pages of one reserved range. docs/formats/arena.md has the layout.
//
// It is not a garbage collector and not safe by itself: whoever holds a ref frees it, once, and a Heap's methods need
// its shard's lock. It holds no Go pointers, so nothing that the collector must see may be stored in a block. It starts
// no goroutine and reads no clock; whoever owns an Arena calls Collect and Scavenge from time to time.
//
// Reading order: class.go (sizes), run.go (headers), heap.go (the hot path), remote.go (frees under another shard's
// lock), pages.go and scavenge.go (pages), big.go, guard.go (what the build tag invariants adds).
package arena

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/limits"
)

// A 40-bit ref and terabytes of address space need 64 bits; elsewhere this line does not compile.
const _ = uint(1 << 40)

// Ref names a block: its distance from the start of the arena in units of 8 bytes. 40 bits are used, so it fits in 5
// bytes of an index. It stays valid, and the block in its place, until it is freed.
type Ref uint64

// Nil is the ref of no block.
const Nil Ref = 0

const (
	pageShift = 12
	pageSize  = 1 << pageShift
	unitShift = 3
	refShift  = pageShift - unitShift // page number = ref >> refShift
	maxHeaps  = 4096
)

// ErrExhausted is in the panic of an allocation that the reserve, or the system, has no memory for. A node must not
// come here: maxmemory is checked before a command runs. It is a panic because no handler can go on half way.
var ErrExhausted = errors.New("arena: memory exhausted")

// Config says how an Arena is made.
type Config struct {
	// Reserve is how many bytes of address space to reserve for blocks; memory is taken only as it is used. 0 means
	// limits.ArenaReserveBytes. Where the system refuses so much, half is tried, down to limits.MinArenaReserveBytes (or
	// Reserve itself where that is less).
	Reserve int64
}

// Arena is one reserved range of memory. All of its methods may be called from any goroutine, but the content of a
// block is guarded by its shard's lock: no slice that Bytes returned may be used after that is given up.
type Arena struct {
	base  unsafe.Pointer // of the blocks region; set by New, constant after
	whole unsafe.Pointer // the reservation
	size  uintptr        // its bytes
	pages pages
	heapTable
	guards guards
}

// heapTable is where heaps get their ids and off-heap records.
type heapTable struct {
	heapMu sync.Mutex
	heapN  atomic.Uint32 // heaps made; ids are 1 … heapN
	recs   region
}

// New reserves the range of an arena. It fails when the system refuses the least reserve, or cfg is out of range.
func New(cfg Config) (*Arena, error) {
	want := cfg.Reserve
	if want == 0 {
		want = limits.ArenaReserveBytes
	}
	if want < minReserve || want > limits.ArenaReachBytes {
		return nil, fmt.Errorf("arena: reserve of %d bytes is outside %d to %d", want, minReserve, int64(limits.ArenaReachBytes))
	}
	want = int64(roundUp(uintptr(want), commitGrain))
	least := min(want, limits.MinArenaReserveBytes)
	for {
		a, err := reserveArena(uintptr(want))
		if err == nil {
			return a, nil
		}
		if want /= 2; want < least {
			return nil, fmt.Errorf("arena: reserving %d bytes of address space: %w", want*2, err)
		}
		want = int64(roundUp(uintptr(want), commitGrain))
	}
}

// minReserve is room for a run of each size class.
const minReserve = 4 << 20

// reserveArena lays out the regions of an arena with reserve bytes of blocks; docs/formats/arena.md has the table.
func reserveArena(reserve uintptr) (*Arena, error) {
	n := reserve >> pageShift
	sizes := [5]uintptr{
		reserve,
		roundUp(n*4, commitGrain),
		roundUp(n*runHeaderSize, commitGrain),
		roundUp(maxHeaps*heapRecSize, commitGrain),
		0,
	}
	if invariant.Enabled {
		sizes[4] = roundUp(reserve/64, commitGrain)
	}
	var total uintptr
	for _, s := range sizes {
		total += s
	}
	whole, err := osReserve(total)
	if err != nil {
		return nil, err
	}
	a := &Arena{base: whole, whole: whole, size: total}
	at := uintptr(0)
	for i, r := range []*region{&a.pages.blocks, &a.pages.table, &a.pages.headers, &a.recs, &a.guards.live} {
		*r = region{base: unsafe.Add(whole, at), size: sizes[i]}
		at += sizes[i]
	}
	if err := a.pages.init(uint32(n)); err != nil {
		return nil, errors.Join(err, osRelease(whole, total))
	}
	return a, nil
}

// Close gives the range back. No heap, ref or slice of the arena may be used after it.
func (a *Arena) Close() error {
	if a.whole == nil {
		return nil
	}
	whole := a.whole
	a.whole, a.base = nil, nil
	if err := osRelease(whole, a.size); err != nil {
		return fmt.Errorf("arena: releasing the reserved range: %w", err)
	}
	return nil
}

// Ptr returns the address of block r, which is not Nil. It is 8-byte aligned.
func (a *Arena) Ptr(r Ref) unsafe.Pointer {
	if invariant.Enabled {
		invariant.Check(r != Nil, "arena: Ptr of a nil ref")
	}
	return unsafe.Add(a.base, uintptr(r)<<unitShift)
}

// Bytes returns the first n bytes of block r, with n as capacity too; n is at most Size(r).
func (a *Arena) Bytes(r Ref, n int) []byte {
	return unsafe.Slice((*byte)(a.Ptr(r)), n)
}

// Size returns how many bytes block r has room for: ClassSize of what was asked for, or more after Grow.
func (a *Arena) Size(r Ref) int {
	if invariant.Enabled {
		a.guards.checkLive(r)
	}
	run := a.pages.runOf(r)
	if run.state == stateBig {
		return int(run.pages) << pageShift
	}
	return int(run.size)
}

// Used returns the bytes of all blocks in use, rounded up to their classes. It is exact when no shard is in the middle
// of a command. It reads one word for each heap, so ask once a turn of a loop rather than once a command.
func (a *Arena) Used() int64 {
	var sum int64
	for id := uint32(1); id <= a.heapN.Load(); id++ {
		sum += atomic.LoadInt64(&a.rec(id).used)
	}
	return sum
}

// Committed returns the bytes of block memory that may be resident: runs in use, whole, and free pages that were not
// given back to the system yet. Committed − Used is what fragmentation and caching cost.
func (a *Arena) Committed() int64 {
	return a.pages.committed.Load() << pageShift
}

// rec returns the off-heap record of heap id.
func (a *Arena) rec(id uint32) *heapRec {
	return (*heapRec)(unsafe.Add(a.recs.base, uintptr(id-1)*heapRecSize))
}

// exhausted is the panic of every allocation that cannot be served.
func exhausted(bytes int64, reserve uintptr) {
	panic(fmt.Errorf("%w: no room for %d bytes (address space reserved: %d bytes)", ErrExhausted, bytes, reserve))
}

// bug is the panic for misuse that is noticed in every build because noticing it costs nothing.
func bug(msg string) {
	panic(invariant.Violation{Msg: msg})
}

// roundUp rounds n up to a multiple of step, a power of two.
func roundUp(n, step uintptr) uintptr { return (n + step - 1) &^ (step - 1) }
