package arena

import (
	"sync/atomic"
	"unsafe"
)

// run is the header of a number of adjacent pages: a small run, a big block or free pages. docs/formats/arena.md says
// what each field means in which state. Small runs' fields are guarded by their owner's shard lock, except remote and
// pend (atomic), and page, pages and state's free values (the mutex of pages).
type run struct {
	free   Ref
	remote uint64
	page   uint32
	pages  uint32
	owner  uint32
	size   uint32
	used   uint32
	notify uint32
	cap    uint32
	fresh  uint32
	next   uint32
	prev   uint32
	pend   uint32
	class  uint8
	state  runState
	_      uint16
}

const runHeaderSize = 64

var _ [0]struct{} = [unsafe.Sizeof(run{}) - runHeaderSize]struct{}{}

// runState says whose a run is and which list it stands in.
type runState uint8

const (
	stateNone    runState = iota // header not in use, or header 0
	stateCurrent                 // its heap allocates from it
	statePartial                 // in its class's list
	stateFull                    // in no list
	stateBig                     // one big block
	stateDirty                   // free, may be resident
	stateClean                   // free, given back or never touched
	stateBusy                    // free, being given back just now
)

// remote is the number and the first of the blocks that other heaps freed: count << 40 | ref.
const (
	remoteShift = 40
	remoteMask  = 1<<remoteShift - 1
)

// heapRec is the part of a Heap that others read and write without its lock, on two cache lines. It lies off the heap
// as its run headers do; used is written by plain stores under the shard's lock (aligned words do not tear).
type heapRec struct {
	used    int64 // bytes allocated − bytes freed through this heap; may be negative
	_       [56]byte
	pending uint32 // header of the first run with remote frees
	_       [60]byte
}

const heapRecSize = 128

var _ [0]struct{} = [unsafe.Sizeof(heapRec{}) - heapRecSize]struct{}{}

// header returns run header i.
func (p *pages) header(i uint32) *run {
	return (*run)(unsafe.Add(p.headers.base, uintptr(i)*runHeaderSize))
}

// indexOf is the inverse of header.
func (p *pages) indexOf(r *run) uint32 {
	return uint32((uintptr(unsafe.Pointer(r)) - uintptr(p.headers.base)) / runHeaderSize)
}

// entry returns the page table's word for a page.
func (p *pages) entry(page uint32) *uint32 {
	return (*uint32)(unsafe.Add(p.table.base, uintptr(page)*4))
}

// runOf returns the header of the run that block r is in.
func (p *pages) runOf(r Ref) *run {
	return p.header(*p.entry(uint32(r >> refShift)))
}

// link returns the word in which free block r names the next one.
func (p *pages) link(r Ref) *Ref {
	return (*Ref)(unsafe.Add(p.blocks.base, uintptr(r)<<unitShift))
}

// takeRemote empties the run's remote list and returns its first block and its length.
func (r *run) takeRemote() (Ref, uint32) {
	w := atomic.SwapUint64(&r.remote, 0)
	return Ref(w & remoteMask), uint32(w >> remoteShift)
}
