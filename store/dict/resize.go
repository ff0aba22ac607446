package dict

import "github.com/larder-cache/larder/store/arena"

// limits is how many entries a segment takes before it is split, in eighths of an entry a bucket, by the first four bits of its prefix: from 10.7
// entries down to 7.7. Hashes are uniform, so with one limit for all every segment of a dict would split at nearly the same time, and the index would
// swing by a factor of two. Spread over half an octave, it takes 10 to 12.4 bytes an entry at every size (an octave would need more: those with a low limit are at half of it after a split).
var limits = [16]uint32{86, 84, 82, 81, 79, 77, 76, 74, 72, 71, 69, 68, 66, 65, 64, 62}

func limit(s *segment, d *Dict) uint32 {
	return limits[s.first(d)>>60] << s.w.bits() / 8
}

// entriesPerSlot bounds the directory: it is doubled only if there are this many entries for each slot. With uniform hashes there are over 100.
const entriesPerSlot = 16

// grow makes a segment that is above its limit bigger, or two. If the hash has no more bits to tell its entries apart, or hashes are so
// uneven that the directory would outgrow the entries, chains grow instead.
func (d *Dict) grow(e *Env, s *segment) {
	switch {
	case s.w.depth()+s.w.bits() >= maxPrefix:
	case s.w.bits() < segmentBits:
		d.double(e, s)
	case s.w.depth() == uint(d.dirBits) && 2*d.dirSlots() > d.count/entriesPerSlot:
	default:
		d.split(e, s)
	}
}

// double gives the only segment of a small dict twice as many buckets.
func (d *Dict) double(e *Env, s *segment) {
	old, n := s.w, uint(1)<<s.w.bits()
	w := makeWord(e.Heap.AllocZero(int(2*n)*bucketSize), old.depth(), old.bits()+1)
	to := segment{w: w, base: e.Arena.Ptr(w.buckets())}
	for i := uint(0); i < n; i++ {
		d.scatter(e, s.bucket(i), 64-w.depth()-w.bits(), to.bucket(2*i), to.bucket(2*i+1))
	}
	for i := range s.hdr.walks {
		m := &s.hdr.walks[i]
		m.done = spread(m.done)
	}
	d.set(e, s.slot, w, *d.headerAt(e, s.slot))
	e.Heap.Free(old.buckets())
}

// split makes two segments of one, each with the buckets of half its range at twice the resolution.
func (d *Dict) split(e *Env, s *segment) {
	old, oldHeader := s.w, *d.headerAt(e, s.slot)
	if old.depth() == uint(d.dirBits) {
		d.doubleDir(e)
		s.slot *= 2
	}
	const half = 1 << (segmentBits - 1)
	for side := uint(0); side < 2; side++ {
		w := makeWord(e.Heap.AllocZero(bucketSize<<segmentBits), old.depth()+1, segmentBits)
		ref := d.newHeader(e)
		to := segment{w: w, base: e.Arena.Ptr(w.buckets()), hdr: (*header)(e.Arena.Ptr(ref))}
		for i := uint(0); i < half; i++ {
			c, v := d.scatter(e, s.bucket(side*half+i), 64-w.depth()-w.bits(), to.bucket(2*i), to.bucket(2*i+1))
			to.hdr.count += c
			to.hdr.volatile += v
		}
		if to.hdr.volatile > 0 {
			to.hdr.earliest = s.hdr.earliest
		}
		for i, m := range s.hdr.walks {
			to.hdr.walks[i] = mark{m.gen, spread(m.done >> (side * half))}
		}
		d.set(e, s.slot+uint64(side)<<(uint(d.dirBits)-w.depth()), w, ref)
	}
	if old.depth()+1 == uint(d.dirBits) {
		d.deep += 2
	}
	e.Heap.Free(old.buckets())
	e.Heap.Free(oldHeader)
}

// spread doubles each of the low 16 bits: the marks of buckets that were split.
func spread(m uint32) uint32 {
	m &= 0xffff
	m = (m | m<<8) & 0x00ff00ff
	m = (m | m<<4) & 0x0f0f0f0f
	m = (m | m<<2) & 0x33333333
	m = (m | m<<1) & 0x55555555
	return m | m<<1
}

// scatter moves a chain's entries to two buckets by one bit of their hash, and frees the chain's overflow buckets.
func (d *Dict) scatter(e *Env, from bucket, bit uint, left, right bucket) (count, volatile uint32) {
	for b := from; b.p != nil; b = b.next(e) {
		b.touch(e)
		for i := uint(0); i < slots; i++ {
			if *b.meta()>>i&1 == 0 {
				continue
			}
			to, ref, v := left, b.ref(i), b.volatile(i)
			if e.Hash(ref)>>bit&1 != 0 {
				to = right
			}
			to.add(e, *b.fp(i), ref, v)
			count++
			if v {
				volatile++
			}
		}
	}
	from.freeTail(e)
	return count, volatile
}

// gather moves a chain's entries to another and frees its overflow buckets.
func gather(e *Env, from, to bucket) {
	for b := from; b.p != nil; b = b.next(e) {
		for i := uint(0); i < slots; i++ {
			if *b.meta()>>i&1 != 0 {
				to.add(e, *b.fp(i), b.ref(i), b.volatile(i))
			}
		}
	}
	from.freeTail(e)
}

// shrink makes a segment smaller, or one with its sibling, when what results would be at most half its limit.
func (d *Dict) shrink(e *Env, s *segment) {
	depth := s.w.depth()
	if depth == 0 {
		if s.w.bits() > 0 && s.hdr.count <= limit(s, d)/4 {
			d.halve(e, s)
		}
		return
	}
	if s.hdr.count > limit(s, d)/2 {
		return
	}
	other := d.at(e, s.first(d)^1<<(64-depth))
	if other.w.depth() != depth {
		return
	}
	left, right := s, &other
	if right.slot < left.slot {
		left, right = right, left
	}
	if left.hdr.count+right.hdr.count <= limit(left, d)/2 {
		d.merge(e, left, right)
	}
}

// halve gives the only segment of a small dict half as many buckets.
func (d *Dict) halve(e *Env, s *segment) {
	old := s.w
	w := makeWord(e.Heap.AllocZero(bucketSize<<(old.bits()-1)), old.depth(), old.bits()-1)
	to := segment{w: w, slot: s.slot, hdr: s.hdr, base: e.Arena.Ptr(w.buckets())}
	var marks [MaxWalks]mark
	for i := uint(0); i < 1<<w.bits(); i++ {
		d.joinMarks(e, s, 2*i, s, 2*i+1, i, &marks)
		gather(e, s.bucket(2*i), to.bucket(i))
		gather(e, s.bucket(2*i+1), to.bucket(i))
	}
	s.hdr.walks = marks
	d.set(e, s.slot, w, *d.headerAt(e, s.slot))
	e.Heap.Free(old.buckets())
}

// merge makes one segment of two siblings.
func (d *Dict) merge(e *Env, left, right *segment) {
	depth := left.w.depth()
	w := makeWord(e.Heap.AllocZero(bucketSize<<segmentBits), depth-1, segmentBits)
	ref := d.newHeader(e)
	to := segment{w: w, slot: left.slot, hdr: (*header)(e.Arena.Ptr(ref)), base: e.Arena.Ptr(w.buckets())}
	const half = 1 << (segmentBits - 1)
	for i := uint(0); i < 2*half; i++ {
		from := left
		if i >= half {
			from = right
		}
		j := i % half * 2
		d.joinMarks(e, from, j, from, j+1, i, &to.hdr.walks)
		gather(e, from.bucket(j), to.bucket(i))
		gather(e, from.bucket(j+1), to.bucket(i))
	}
	to.hdr.count = left.hdr.count + right.hdr.count
	to.hdr.volatile = left.hdr.volatile + right.hdr.volatile
	to.hdr.earliest = min(left.hdr.earliest, right.hdr.earliest)
	oldLeft, oldRight := *d.headerAt(e, left.slot), *d.headerAt(e, right.slot)
	d.summarize(e, right.slot, false)
	d.set(e, left.slot, w, ref)
	for _, r := range []arena.Ref{left.w.buckets(), right.w.buckets(), oldLeft, oldRight} {
		e.Heap.Free(r)
	}
	if depth == uint(d.dirBits) {
		d.deep -= 2
	}
	d.halveDir(e)
}

// doubleDir gives the directory twice as many slots.
func (d *Dict) doubleDir(e *Env) {
	old := *d
	d.dirBits++
	d.dir = e.Heap.AllocZero(dirBytes(d.dirBits))
	d.deep = 0
	d.refill(e, &old)
}

// halveDir halves the directory while no segment needs its last bit. It waits until the dict is far smaller
// than what would make it double again, so that a dict at the border does not copy its directory at every step.
func (d *Dict) halveDir(e *Env) {
	for d.dirBits > 0 && d.deep == 0 && d.count < d.dirSlots()*32 {
		old := *d
		d.dirBits--
		d.dir = e.Heap.AllocZero(dirBytes(d.dirBits))
		d.refill(e, &old)
	}
}

// refill makes a new directory name the segments of the old one, which it frees.
func (d *Dict) refill(e *Env, old *Dict) {
	for slot := uint64(0); slot < old.dirSlots(); {
		w := *old.wordAt(e, slot)
		if w.depth() == uint(d.dirBits) {
			d.deep++
		}
		to := slot << d.dirBits >> old.dirBits
		d.set(e, to, w, *old.headerAt(e, slot))
		slot += 1 << (uint(old.dirBits) - w.depth())
	}
	d.setHint()
	e.Heap.Free(old.dir)
}
