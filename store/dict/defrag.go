package dict

import "github.com/larder-cache/larder/store/arena"

// Defrag goes over the bucket that position at lies in, and returns the position behind it, or End. The index's own blocks (a segment's with its first
// bucket) are moved where Heap.ShouldMove says that it wins memory. move is given each entry and returns where it is from now on: the same ref, or a new block that holds
// the same (it has freed the old one). It changes nothing else.
//
// Nothing changes its place in the order of positions, so walks and scans go on as if nothing had happened. It returns the index's blocks that were moved, and
// those that were not.
func (d *Dict) Defrag(e *Env, at uint64, move func(arena.Ref) arena.Ref) (next uint64, moved, left int) {
	if d.dir == 0 || at == End {
		return End, 0, 0
	}
	count := func(ref, to arena.Ref) bool {
		if ref == to {
			left++
			return false
		}
		moved++
		return true
	}
	s := d.at(e, at)
	b := s.w.index(at)
	if b == 0 {
		d.defragSegment(e, &s, count)
		s = d.at(e, at)
	}
	s.bucket(b).defrag(e, move, count)
	return s.after(d, b), moved, left
}

// defragSegment moves a segment's buckets and header, and with the first segment the directory.
func (d *Dict) defragSegment(e *Env, s *segment, count func(ref, to arena.Ref) bool) {
	if s.slot == 0 {
		if to := relocate(e, d.dir, dirBytes(d.dirBits)); count(d.dir, to) {
			d.dir = to
			d.setHint()
		}
	}
	hdr := *d.headerAt(e, s.slot)
	buckets, header := relocate(e, s.w.buckets(), bucketSize<<s.w.bits()), relocate(e, hdr, headerSize)
	if a, b := count(s.w.buckets(), buckets), count(hdr, header); a || b {
		d.set(e, s.slot, makeWord(buckets, s.w.depth(), s.w.bits()), header)
	}
}

// defrag moves a chain's entries, and its overflow buckets.
func (b bucket) defrag(e *Env, move func(arena.Ref) arena.Ref, count func(ref, to arena.Ref) bool) {
	for ; b.p != nil; b = b.next(e) {
		b.touch(e)
		for i := uint(0); i < slots; i++ {
			if *b.meta()>>i&1 != 0 {
				b.setRef(i, move(b.ref(i)))
			}
		}
		if b.linked() {
			old := b.ref(linkSlot)
			if to := relocate(e, old, bucketSize); count(old, to) {
				b.setRef(linkSlot, to)
			}
		}
	}
}

// relocate copies a block of n bytes to a new one and frees it, where that wins memory. It returns where the content is.
func relocate(e *Env, ref arena.Ref, n int) arena.Ref {
	if !e.Heap.ShouldMove(ref) {
		return ref
	}
	to := e.Heap.Alloc(n)
	copy(e.Arena.Bytes(to, n), e.Arena.Bytes(ref, n))
	e.Heap.Free(ref)
	return to
}
