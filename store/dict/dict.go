package dict

import (
	"math"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
)

// MaxWalks is how many snapshot walks can go through one dict at once.
const MaxWalks = 4

// segmentBits is log2 of the buckets in a full-size segment. All segments of a dict with more than one have this size.
const segmentBits = 5

// maxPrefix bounds the bits of the hash that choose a bucket (segment depth + bucket bits), so a position's low 16 bits are zero: the
// fingerprint and the shard are taken from those.
const maxPrefix = 48

// End is the position behind the last bucket.
const End = math.MaxUint64

// noExpiry is a segment's earliest expiry when it has no volatile entry.
const noExpiry = math.MaxInt64

// Env is what a dict works with. One serves all dicts of a shard.
type Env struct {
	Arena *arena.Arena
	Heap  *arena.Heap
	// Hash tells the hash that an entry was inserted under. Called when buckets are split.
	Hash func(arena.Ref) uint64
	// Hand is given the entries that a walk comes to, or that are about to change before it does (see BeginWalk).
	// It must not change the dict. It may be nil while no walk is active.
	Hand func(d *Dict, walk int, ref arena.Ref)

	touched byte // what bucket.touch read, so that the compiler keeps the reads
}

// Dict is the index. Its zero value is an empty one, which owns no memory. It must not be copied while it is not empty.
type Dict struct {
	dir      arena.Ref // the directory, 0 while empty
	count    uint64
	volatile uint64
	gen      uint32 // of the last walk
	dirBits  uint8  // log2 of the directory's slots
	walking  uint8  // bit i: walk i is active
	deep     uint32 // segments whose depth is dirBits
	hint     uint64 // dir and dirBits as Home reads them, atomically (ahead.go)
	// pos and gens belong to the active walks. Invariant: every entry in a bucket that starts before pos[i] has been handed to walk i.
	pos  [MaxWalks]uint64
	gens [MaxWalks]uint32
}

// Len is the number of entries.
func (d *Dict) Len() int { return int(d.count) }

// Volatile is the number of entries with an expiry.
func (d *Dict) Volatile() int { return int(d.volatile) }

// A directory word: ref of the segment's first bucket (40 bits), depth (8 bits), log2 of its buckets (8 bits).
type word uint64

func makeWord(ref arena.Ref, depth, bits uint) word {
	return word(uint64(ref) | uint64(depth)<<40 | uint64(bits)<<48)
}

func (w word) buckets() arena.Ref { return arena.Ref(w & (1<<40 - 1)) }
func (w word) depth() uint        { return uint(w>>40) & 0xff }
func (w word) bits() uint         { return uint(w >> 48) }

// index is the number of h's bucket in the segment.
func (w word) index(h uint64) uint { return uint((h << w.depth()) >> (64 - w.bits())) }

// header is a segment's header, 48 bytes in the arena.
type header struct {
	count    uint32
	volatile uint32
	earliest int64 // no volatile entry expires before this; noExpiry if there is none
	walks    [MaxWalks]mark
}

// mark tells which buckets have been handed to the walk that has this generation; with another generation, none.
type mark struct {
	gen  uint32
	done uint32
}

const (
	headerSize = int(unsafe.Sizeof(header{}))
	bucketSize = 64
)

// segment is a segment as found in the directory.
type segment struct {
	w    word
	slot uint64 // its first directory slot
	hdr  *header
	base unsafe.Pointer
}

func (s *segment) bucket(i uint) bucket { return bucket{unsafe.Add(s.base, i*bucketSize)} }

// start is the first position of bucket i.
func (s *segment) start(d *Dict, i uint) uint64 {
	return s.first(d) + uint64(i)*s.span()
}

func (s *segment) first(d *Dict) uint64 { return s.slot << (64 - uint(d.dirBits)) }

// span is the number of hashes that fall in one bucket; 0 means all.
func (s *segment) span() uint64 { return 1 << (64 - s.w.depth() - s.w.bits()) }

// end is the position behind the segment, End if it is the last one.
func (s *segment) end(d *Dict) uint64 {
	if e := s.first(d) + 1<<(64-s.w.depth()); e != 0 {
		return e
	}
	return End
}

func (d *Dict) dirSlots() uint64 { return 1 << d.dirBits }

func (d *Dict) slotOf(h uint64) uint64 { return h >> 1 >> (63 - d.dirBits) }

func (d *Dict) wordAt(e *Env, slot uint64) *word {
	return (*word)(unsafe.Add(e.Arena.Ptr(d.dir), slot*8))
}

func (d *Dict) headerAt(e *Env, slot uint64) *arena.Ref {
	return (*arena.Ref)(unsafe.Add(e.Arena.Ptr(d.dir), (d.dirSlots()+slot)*8))
}

// summaryAt is the summary's word number i: bit s%64 of word s/64 is set if the segment whose first slot is s has volatile entries.
func (d *Dict) summaryAt(e *Env, i uint64) *uint64 {
	return (*uint64)(unsafe.Add(e.Arena.Ptr(d.dir), (2*d.dirSlots()+i)*8))
}

func dirBytes(bits uint8) int {
	n := 1 << bits
	return 16*n + 8*((n+63)/64)
}

// at finds the segment of a hash. The dict must not be empty.
func (d *Dict) at(e *Env, h uint64) segment {
	slot := d.slotOf(h)
	w := *d.wordAt(e, slot)
	slot &^= 1<<(uint(d.dirBits)-w.depth()) - 1
	return segment{
		w:    w,
		slot: slot,
		hdr:  (*header)(e.Arena.Ptr(*d.headerAt(e, slot))),
		base: e.Arena.Ptr(w.buckets()),
	}
}

// home is the first bucket of a hash's chain.
func (d *Dict) home(e *Env, h uint64) bucket {
	w := *d.wordAt(e, d.slotOf(h))
	return bucket{unsafe.Add(e.Arena.Ptr(w.buckets()), w.index(h)*bucketSize)}
}

// set makes a segment known: all its directory slots, its depth's count and its summary bit.
func (d *Dict) set(e *Env, slot uint64, w word, hdr arena.Ref) {
	n := uint64(1) << (uint(d.dirBits) - w.depth())
	for i := slot; i < slot+n; i++ {
		*d.wordAt(e, i) = w
		*d.headerAt(e, i) = hdr
	}
	d.summarize(e, slot, (*header)(e.Arena.Ptr(hdr)).volatile > 0)
}

func (d *Dict) summarize(e *Env, slot uint64, on bool) {
	p := d.summaryAt(e, slot/64)
	if on {
		*p |= 1 << (slot % 64)
	} else {
		*p &^= 1 << (slot % 64)
	}
}

// create gives an empty dict its first bucket.
func (d *Dict) create(e *Env) {
	d.dirBits, d.deep = 0, 1
	d.dir = e.Heap.AllocZero(dirBytes(0))
	d.set(e, 0, makeWord(e.Heap.AllocZero(bucketSize), 0, 0), d.newHeader(e))
	d.setHint()
}

func (d *Dict) newHeader(e *Env) arena.Ref {
	ref := e.Heap.AllocZero(headerSize)
	(*header)(e.Arena.Ptr(ref)).earliest = noExpiry
	return ref
}

// Insert adds an entry. at is its expiry, or -1. The caller has made sure that it is not there yet.
func (d *Dict) Insert(e *Env, h uint64, ref arena.Ref, at int64) {
	if d.dir == 0 {
		d.create(e)
	}
	d.BeforeWrite(e, h)
	s := d.at(e, h)
	s.bucket(s.w.index(h)).add(e, fingerprint(h), ref, at >= 0)
	s.hdr.count++
	d.count++
	if at >= 0 {
		d.addVolatile(e, &s, at)
	}
	if s.hdr.count > limit(&s, d) {
		d.grow(e, &s)
	}
}

// Remove takes an entry out of the index; its block stays the caller's. p is where a Probe or Find found it.
func (d *Dict) Remove(e *Env, h uint64, p Place) {
	d.BeforeWrite(e, h)
	s := d.at(e, h)
	if p.b.volatile(p.i) {
		d.dropVolatile(e, &s)
	}
	s.bucket(s.w.index(h)).remove(e, p)
	s.hdr.count--
	d.count--
	if d.count == 0 {
		d.vanish(e)
		return
	}
	d.shrink(e, &s)
}

// vanish frees the memory of a dict that became empty. All that was there at the start of a walk has then been handed to it.
func (d *Dict) vanish(e *Env) {
	for i := range d.pos {
		d.pos[i] = End
	}
	for slot := uint64(0); slot < d.dirSlots(); {
		slot = d.freeSegment(e, slot)
	}
	d.freeDir(e)
}

// freeSegment frees a segment's buckets and header, and returns the slot behind it.
func (d *Dict) freeSegment(e *Env, slot uint64) uint64 {
	w := *d.wordAt(e, slot)
	base := e.Arena.Ptr(w.buckets())
	for i := uint(0); i < 1<<w.bits(); i++ {
		bucket{unsafe.Add(base, i*bucketSize)}.freeTail(e)
	}
	e.Heap.Free(w.buckets())
	e.Heap.Free(*d.headerAt(e, slot))
	return slot + 1<<(uint(d.dirBits)-w.depth())
}

func (d *Dict) freeDir(e *Env) {
	e.Heap.Free(d.dir)
	d.dir, d.dirBits, d.deep = 0, 0, 0
	d.setHint()
}

// Replace lets an entry's place hold another ref: the entry was moved to another block.
func (d *Dict) Replace(p Place, ref arena.Ref) { p.b.setRef(p.i, ref) }

// SetVolatile records an entry's expiry, or with -1 that it has none any more.
func (d *Dict) SetVolatile(e *Env, h uint64, p Place, at int64) {
	s := d.at(e, h)
	was := p.b.volatile(p.i)
	switch {
	case at >= 0 && was:
		s.hdr.earliest = min(s.hdr.earliest, at)
	case at >= 0:
		p.b.setVolatile(p.i, true)
		d.addVolatile(e, &s, at)
	case was:
		p.b.setVolatile(p.i, false)
		d.dropVolatile(e, &s)
	}
}

func (d *Dict) addVolatile(e *Env, s *segment, at int64) {
	s.hdr.earliest = min(s.hdr.earliest, at)
	s.hdr.volatile++
	d.volatile++
	if s.hdr.volatile == 1 {
		d.summarize(e, s.slot, true)
	}
}

func (d *Dict) dropVolatile(e *Env, s *segment) {
	s.hdr.volatile--
	d.volatile--
	if s.hdr.volatile == 0 {
		s.hdr.earliest = noExpiry
		d.summarize(e, s.slot, false)
	}
}
