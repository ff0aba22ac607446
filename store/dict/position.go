package dict

import (
	"math/bits"

	"github.com/larder-cache/larder/store/arena"
)

// PositionBits is how many high bits of a hash a position uses; the other ones are zero in every position but End.
const PositionBits = maxPrefix

// each visits a chain's entries. fn must not change the dict.
func (b bucket) each(e *Env, fn func(arena.Ref)) {
	for ; b.p != nil; b = b.next(e) {
		for m := *b.meta() & occupied; m != 0; m &= m - 1 {
			fn(b.ref(uint(bits.TrailingZeros32(m))))
		}
	}
}

// Visit gives fn all entries of the bucket that position at lies in, and returns the next bucket's position, or End. Starting at 0 and going on
// to End, every entry that is in the dict throughout is visited at least once, whatever is inserted, removed, split
// and merged in between (after a merge some are visited again). fn must not change the dict.
func (d *Dict) Visit(e *Env, at uint64, fn func(arena.Ref)) uint64 {
	if d.dir == 0 || at == End {
		return End
	}
	s := d.at(e, at)
	b := s.w.index(at)
	s.bucket(b).each(e, fn)
	return s.after(d, b)
}

// randomTries bounds the search for an occupied slot: with uniform hashes, and not just after a mass deletion, a try hits with a chance of 1 in 8.
const randomTries = 256

// chainMost is how long a chain can be without making Random prefer the entries of short ones.
const chainMost = 2 * slots

// Random is an entry picked with equal chances (unless its chain has more than 20 entries), or 0 if the dict is empty.
// rnd gives 64 random bits at each call. A random bucket is tried, and a random number in it; that the bucket of a less deep
// segment is hit twice as often is made up for by twice as many numbers.
func (d *Dict) Random(e *Env, rnd func() uint64) arena.Ref {
	if d.dir == 0 {
		return 0
	}
	at := uint64(0)
	for range randomTries {
		at = rnd()
		s := d.at(e, at)
		numbers := uint64(chainMost) << (uint(d.dirBits) - s.w.depth())
		if n := rnd() % numbers; n < chainMost {
			if ref := s.bucket(s.w.index(at)).nth(e, int(n)); ref != 0 {
				return ref
			}
		}
	}
	return d.firstFrom(e, at)
}

// nth is entry number n of a chain, or 0. Only a chain's last bucket has free slots, and those are its last ones or were filled.
func (b bucket) nth(e *Env, n int) arena.Ref {
	for ; b.p != nil; b = b.next(e) {
		m := *b.meta() & occupied
		c := bits.OnesCount32(m)
		if n >= c {
			n -= c
			continue
		}
		for ; n > 0; n-- {
			m &= m - 1
		}
		return b.ref(uint(bits.TrailingZeros32(m)))
	}
	return 0
}

// firstFrom is the first entry at or behind a position, from the beginning again if there is none. The dict must not be empty.
func (d *Dict) firstFrom(e *Env, at uint64) (found arena.Ref) {
	for found == 0 {
		at = d.Visit(e, at, func(ref arena.Ref) { found = ref })
		if at == End {
			at = 0
		}
	}
	return found
}

// NextVolatile is the first position at or behind one whose segment has volatile entries; false if there is none.
// It costs a look at one bit for each segment in between.
func (d *Dict) NextVolatile(e *Env, at uint64) (uint64, bool) {
	if d.volatile == 0 || at == End {
		return End, false
	}
	s := d.at(e, at)
	if s.hdr.volatile > 0 {
		return at, true
	}
	slot := s.slot + 1
	for i := slot / 64; i <= (d.dirSlots()-1)/64; i++ {
		w := *d.summaryAt(e, i)
		if i == slot/64 {
			w = w >> (slot % 64) << (slot % 64)
		}
		if w != 0 {
			return (i*64 + uint64(bits.TrailingZeros64(w))) << (64 - uint(d.dirBits)), true
		}
	}
	return End, false
}

// RandomVolatile is some volatile entry at or behind a random position, or 0 if there is none. Not all have equal chances: those
// behind a stretch without any are likelier.
func (d *Dict) RandomVolatile(e *Env, rnd func() uint64) arena.Ref {
	if d.volatile == 0 {
		return 0
	}
	at, ok := d.NextVolatile(e, rnd()&^(1<<(64-maxPrefix)-1))
	if !ok {
		at, _ = d.NextVolatile(e, 0)
	}
	s := d.at(e, at)
	n := uint(1) << s.w.bits()
	first := s.w.index(at)
	for i := range n {
		if ref := s.bucket((first+i)%n).nthVolatile(e, rnd()); ref != 0 {
			return ref
		}
	}
	return 0
}

// nthVolatile is one of a chain's volatile entries, or 0.
func (b bucket) nthVolatile(e *Env, r uint64) arena.Ref {
	n := uint64(0)
	for c := b; c.p != nil; c = c.next(e) {
		n += uint64(bits.OnesCount32(c.volatiles()))
	}
	if n == 0 {
		return 0
	}
	r %= n
	for ; ; b = b.next(e) {
		m := b.volatiles()
		if c := uint64(bits.OnesCount32(m)); r >= c {
			r -= c
			continue
		}
		for ; r > 0; r-- {
			m &= m - 1
		}
		return b.ref(uint(bits.TrailingZeros32(m)))
	}
}

// volatiles is a bit for each slot with a volatile entry.
func (b bucket) volatiles() uint32 {
	m := *b.meta()
	return m >> volShift & m & occupied
}

// DueResult is what Due found.
type DueResult struct {
	// N entries were put in the buffer, of Checked volatile ones looked at.
	N, Checked int
	// Next is where to go on; End if the dict is through.
	Next uint64
	// Segments is how many headers were looked at.
	Segments int
}

// dueSegments is how many segments Due skips at most: some tens of microseconds' work.
const dueSegments = 512

// Due looks at the volatile entries of one segment, the first at or behind a position that has some that may be due, and puts those whose expiry is
// before now in buf, which has room for at least 32. Segments without volatile entries, or whose earliest expiry is not yet due, are skipped, but no more than dueSegments of the latter.
// The caller then removes the entries, or calls Keep for each that it does not remove.
func (d *Dict) Due(e *Env, at uint64, now int64, expireAt func(arena.Ref) int64, buf []arena.Ref) (r DueResult) {
	for {
		var ok bool
		if at, ok = d.NextVolatile(e, at); !ok {
			r.Next = End
			return r
		}
		s := d.at(e, at)
		r.Segments++
		if s.hdr.earliest < now {
			d.dueIn(e, &s, at, now, expireAt, buf, &r)
			return r
		}
		if at = s.end(d); r.Segments >= dueSegments {
			r.Next = at
			return r
		}
	}
}

func (d *Dict) dueIn(e *Env, s *segment, at uint64, now int64, expireAt func(arena.Ref) int64, buf []arena.Ref, r *DueResult) {
	whole := s.w.index(at) == 0 && at == s.first(d)
	earliest := int64(noExpiry)
	for i := s.w.index(at); i < 1<<s.w.bits(); i++ {
		if r.N > 0 && r.N+chainMost > len(buf) {
			r.Next = s.start(d, i)
			return
		}
		for b := s.bucket(i); b.p != nil; b = b.next(e) {
			for m := b.volatiles(); m != 0; m &= m - 1 {
				ref := b.ref(uint(bits.TrailingZeros32(m)))
				t := expireAt(ref)
				r.Checked++
				if t < now && r.N < len(buf) {
					buf[r.N] = ref
					r.N++
					continue
				}
				earliest = min(earliest, t)
			}
		}
	}
	if whole {
		s.hdr.earliest = earliest
	}
	r.Next = s.end(d)
}

// Keep says that an entry which Due gave stays: its segment must be looked at again.
func (d *Dict) Keep(e *Env, h uint64, at int64) {
	s := d.at(e, h)
	s.hdr.earliest = min(s.hdr.earliest, at)
}

// FreeSegment frees the next segment of a dict that is being thrown away: fn is given each of its entries. It starts with slot 0, returns the next slot, and
// false when the dict was the last and is empty. No walk may be active, and nothing else may be done with the dict from the first call on.
func (d *Dict) FreeSegment(e *Env, slot uint64, fn func(arena.Ref)) (next uint64, more bool) {
	if d.dir == 0 {
		return 0, false
	}
	w := *d.wordAt(e, slot)
	base := segment{base: e.Arena.Ptr(w.buckets())}
	for i := uint(0); i < 1<<w.bits(); i++ {
		base.bucket(i).each(e, fn)
	}
	if next = d.freeSegment(e, slot); next < d.dirSlots() {
		return next, true
	}
	d.freeDir(e)
	d.count, d.volatile = 0, 0
	return 0, false
}
