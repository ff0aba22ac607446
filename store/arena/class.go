package arena

import "math/bits"

const (
	// maxSmall is the largest block, in bytes, that comes from a run of its class; a bigger one has its own pages.
	maxSmall = 32 << 10
	// NumClasses is how many size classes there are for blocks of up to 32 KiB.
	NumClasses = 80
	// maxRunPages is how far the runs of a class grow where its smallest run is not larger anyway.
	maxRunPages = 16
)

// classOf returns the size class for n bytes, 1 ≤ n ≤ maxSmall. Eight classes to a doubling: docs/formats/arena.md.
func classOf(n uint) uint {
	v := (n - 1) >> unitShift
	s := max(bits.Len(v), 4) - 4
	return uint(s)<<3 + v>>(uint(s)&63)
}

// sizeOf returns the bytes of a block of class c.
func sizeOf(c uint) uint {
	if c < 16 {
		return (c + 1) << unitShift
	}
	return (c&7 + 9) << (c>>3 - 1) << unitShift
}

// ClassSize returns the bytes that Alloc(n) takes: n rounded up by at most 12.5 % (or to the next 8 bytes).
func ClassSize(n int) int {
	if n <= 0 {
		return 1 << unitShift
	}
	if n <= maxSmall {
		return int(sizeOf(classOf(uint(n))))
	}
	return int(roundUp(uintptr(n), pageSize))
}

// runPages holds, for each class, the pages of its smallest run.
var runPages = smallestRuns()

// smallestRuns finds the least pages that waste at most 1/16 of the run (larger runs waste less) and hold four blocks: a
// class whose runs hold one block would take the arena's mutex for each of them.
func smallestRuns() (t [NumClasses]uint8) {
	for c := range t {
		size := sizeOf(uint(c))
		for p := uint(1); ; p++ {
			bytes := p << pageShift
			if bytes/size >= 4 && bytes%size <= bytes/16 {
				t[c] = uint8(p)
				break
			}
		}
	}
	return t
}

// fullPages holds, for each class, the pages of the runs that a heap with many blocks of it has.
var fullPages = fullestRuns()

// fullestRuns finds, of the larger runs, those that waste least: of 2560 bytes there are 24 in 15 pages, and 25 in 16 with 1536 bytes over.
func fullestRuns() (t [NumClasses]uint8) {
	for c := range t {
		size, least := sizeOf(uint(c)), 1.0
		t[c] = runPages[c]
		for p := max(uint(runPages[c]), maxRunPages/2+1); p <= maxRunPages; p++ {
			bytes := p << pageShift
			if waste := float64(bytes%size) / float64(bytes); waste <= least {
				t[c], least = uint8(p), waste
			}
		}
	}
	return t
}

// nextRunPages says how many pages the next run of class c takes when a heap has total blocks of it. Runs grow with
// the class, to at most an eighth of it: large ones keep their headers in the processor's cache, small ones keep a small heap small.
func nextRunPages(c uint, total int64) uint32 {
	p, full := uint(runPages[c]), uint(fullPages[c])
	for p < full {
		next := p * 2
		if next > maxRunPages/2 {
			next = full
		}
		if int64(next<<pageShift/sizeOf(c))*8 > total {
			break
		}
		p = next
	}
	return uint32(p)
}
