package dict

import (
	"fmt"

	"github.com/larder-cache/larder/store/arena"
)

// Check verifies the whole structure and returns what is wrong with it first. It is for tests and for DEBUG commands: it visits every entry.
func (d *Dict) Check(e *Env) error {
	if d.dir == 0 {
		if d.count != 0 || d.volatile != 0 {
			return fmt.Errorf("dict: no directory but %d entries, %d volatile", d.count, d.volatile)
		}
		return nil
	}
	var count, volatile uint64
	var deep uint32
	for slot := uint64(0); slot < d.dirSlots(); {
		s := d.at(e, slot<<(64-uint(d.dirBits)))
		if s.slot != slot {
			return fmt.Errorf("dict: slot %d: segment begins at slot %d", slot, s.slot)
		}
		if err := d.checkSegment(e, &s); err != nil {
			return err
		}
		count += uint64(s.hdr.count)
		volatile += uint64(s.hdr.volatile)
		if s.w.depth() == uint(d.dirBits) {
			deep++
		}
		slot += 1 << (uint(d.dirBits) - s.w.depth())
	}
	if count != d.count || volatile != d.volatile || deep != d.deep {
		return fmt.Errorf("dict: counts %d %d %d, found %d %d %d", d.count, d.volatile, d.deep, count, volatile, deep)
	}
	return nil
}

func (d *Dict) checkSegment(e *Env, s *segment) error {
	if s.w.depth() > 0 && s.w.bits() != segmentBits {
		return fmt.Errorf("dict: slot %d: depth %d with 1<<%d buckets", s.slot, s.w.depth(), s.w.bits())
	}
	for i := s.slot; i < s.slot+1<<(uint(d.dirBits)-s.w.depth()); i++ {
		on := *d.summaryAt(e, i/64)>>(i%64)&1 != 0
		if *d.wordAt(e, i) != s.w || *d.headerAt(e, i) != *d.headerAt(e, s.slot) || on != (i == s.slot && s.hdr.volatile > 0) {
			return fmt.Errorf("dict: slot %d differs from the segment's first, %d", i, s.slot)
		}
	}
	var count, volatile uint32
	for i := uint(0); i < 1<<s.w.bits(); i++ {
		c, v, err := d.checkChain(e, s, i)
		if err != nil {
			return err
		}
		count += c
		volatile += v
	}
	if count != s.hdr.count || volatile != s.hdr.volatile {
		return fmt.Errorf("dict: slot %d: counts %d %d, found %d %d", s.slot, s.hdr.count, s.hdr.volatile, count, volatile)
	}
	return nil
}

func (d *Dict) checkChain(e *Env, s *segment, i uint) (count, volatile uint32, err error) {
	for b := s.bucket(i); b.p != nil; b = b.next(e) {
		n := uint32(0)
		for j := uint(0); j < slots; j++ {
			if *b.meta()>>j&1 == 0 {
				if b.volatile(j) {
					return 0, 0, fmt.Errorf("dict: bucket %x: empty slot is volatile", s.start(d, i))
				}
				continue
			}
			n++
			h := e.Hash(b.ref(j))
			home := d.at(e, h)
			if home.slot != s.slot || home.w.index(h) != i || *b.fp(j) != fingerprint(h) {
				return 0, 0, fmt.Errorf("dict: bucket %x holds hash %x", s.start(d, i), h)
			}
			if b.volatile(j) {
				volatile++
			}
		}
		if b.linked() && n != slots-1 || !b.linked() && n == 0 && b.p != s.bucket(i).p {
			return 0, 0, fmt.Errorf("dict: bucket %x: %d entries, linked %v", s.start(d, i), n, b.linked())
		}
		count += n
	}
	return count, volatile, nil
}

// Walkthrough calls fn for each entry, in the order of hash prefixes. fn must not change the dict.
func (d *Dict) Walkthrough(e *Env, fn func(arena.Ref)) {
	for at := uint64(0); at != End; {
		at = d.Visit(e, at, fn)
	}
}
