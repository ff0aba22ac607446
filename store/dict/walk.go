package dict

import "github.com/larder-cache/larder/store/arena"

// BeginWalk starts walk number i (0 … MaxWalks-1, not active in this dict): from now until it is over, each entry that is in the dict
// at this moment is given to Env.Hand exactly once, as it is at this moment: by WalkStep when the walk comes to its bucket, or before that by BeforeWrite
// when anything in its bucket is about to change. Entries that are inserted later are not given.
//
// The unit is a bucket: its whole chain is handed over together, and a mark in its segment's header remembers that. So nothing is kept per entry, a new
// walk costs nothing (marks of an older generation do not count), an aborted one leaves nothing to clean up, and the extra work of a write is at most one bucket.
func (d *Dict) BeginWalk(i int) {
	d.gen++
	d.gens[i] = d.gen
	d.pos[i] = 0
	if d.dir == 0 {
		d.pos[i] = End
	}
	d.walking |= 1 << i
}

// EndWalk ends a walk, at its end or before.
func (d *Dict) EndWalk(i int) { d.walking &^= 1 << i }

// Walked reports whether every entry has been handed to the walk.
func (d *Dict) Walked(i int) bool { return d.pos[i] == End }

// Walking reports whether any walk is active.
func (d *Dict) Walking() bool { return d.walking != 0 }

// BeforeWrite must be called before an entry with hash h is inserted, removed, replaced or changed.
func (d *Dict) BeforeWrite(e *Env, h uint64) {
	if d.walking != 0 && d.dir != 0 {
		d.handAhead(e, h)
	}
}

func (d *Dict) handAhead(e *Env, h uint64) {
	s := d.at(e, h)
	b := s.w.index(h)
	for i := range MaxWalks {
		if d.walking>>i&1 == 0 || d.handed(&s, b, i) {
			continue
		}
		s.setMark(d, b, i)
		d.hand(e, s.bucket(b), i)
	}
}

// WalkStep hands the next bucket to a walk and goes behind it; false if there is none.
func (d *Dict) WalkStep(e *Env, i int) bool {
	at := d.pos[i]
	if at == End {
		return false
	}
	s := d.at(e, at)
	b := s.w.index(at)
	if !d.handed(&s, b, i) {
		d.hand(e, s.bucket(b), i)
	}
	d.pos[i] = s.after(d, b)
	return true
}

// after is the position behind bucket b, End if it is the last one.
func (s *segment) after(d *Dict, b uint) uint64 {
	if next := s.start(d, b) + s.span(); next != 0 {
		return next
	}
	return End
}

// handed reports whether bucket b was handed to walk i. A bucket that only in part lies before the position came of a merge, which handed over the rest.
func (d *Dict) handed(s *segment, b uint, i int) bool {
	m := s.hdr.walks[i]
	return s.start(d, b) < d.pos[i] || m.gen == d.gens[i] && m.done>>b&1 != 0
}

func (s *segment) setMark(d *Dict, b uint, i int) {
	s.hdr.walks[i].set(d.gens[i], b)
}

func (m *mark) set(gen uint32, b uint) {
	if m.gen != gen {
		*m = mark{gen: gen}
	}
	m.done |= 1 << b
}

func (d *Dict) hand(e *Env, b bucket, i int) {
	b.touch(e)
	b.each(e, func(ref arena.Ref) { e.Hand(d, i, ref) })
}

// joinMarks prepares the merge of two adjacent buckets into bucket `to` of a segment whose marks are given: of each walk that was handed only
// one of the two, the other is handed over now.
func (d *Dict) joinMarks(e *Env, ls *segment, l uint, rs *segment, r, to uint, marks *[MaxWalks]mark) {
	if d.walking == 0 {
		return
	}
	for i := range MaxWalks {
		if d.walking>>i&1 == 0 {
			continue
		}
		left, right := d.handed(ls, l, i), d.handed(rs, r, i)
		if !left && !right {
			continue
		}
		if !left {
			d.hand(e, ls.bucket(l), i)
		}
		if !right {
			d.hand(e, rs.bucket(r), i)
		}
		marks[i].set(d.gens[i], to)
	}
}
