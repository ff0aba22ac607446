package collection

import (
	"bytes"
	"math"
	"strconv"

	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// ZSet is a handle on a sorted set: a listpack of members and scores by turns, in order, or rooted. The order is that of scores, and of the members' bytes where they
// are equal; rank 0 is the first. Scores are no NaN.
type ZSet struct {
	frame
	emptied bool // all was removed at once; Commit deletes the key
	found   int  // where in the listpack the member is that Score was asked of last; listpack.None: nowhere
}

// scoreText is the longest text of a score.
const scoreText = 32

// Open opens the sorted set of an entry of that type, or with one that was not found an empty one.
func (z *ZSet) Open(k Key, e keyspace.Entry) {
	z.open(k, e, value.ZSet)
	z.emptied, z.found = false, listpack.None
}

func (z *ZSet) root() value.RootedZSet { return value.OpenZSet(z.k.DB.Values(), z.e.Root()) }

// Len is the number of members.
func (z *ZSet) Len() int {
	switch {
	case z.emptied:
		return 0
	case z.lp != nil:
		return listpack.Count(z.lp) / 2
	case z.rooted():
		return z.root().Len()
	}
	return 0
}

// packedScore is the score at a position of a listpack. One that is no number, which only a damaged value has, is 0.
func packedScore(lp []byte, at int) float64 {
	s, n := listpack.Get(lp, at)
	if s == nil {
		return float64(n)
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if math.IsNaN(f) || err != nil && !math.IsInf(f, 0) {
		return 0
	}
	return f
}

// wholeScore is a score as the integer that is packed for it, if it is one. −0 becomes 0, as in Redis.
func wholeScore(score float64) (int64, bool) {
	if score != math.Trunc(score) || math.Abs(score) > math.MaxInt64/2 {
		return 0, false
	}
	return int64(score), true
}

// appendScoreText appends any other score as it is packed.
func appendScoreText(b []byte, score float64) []byte {
	switch {
	case math.IsInf(score, 1):
		return append(b, "inf"...)
	case math.IsInf(score, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, score, 'g', -1, 64)
}

// find is the position of a member in the listpack.
func (z *ZSet) find(member []byte) int {
	return listpack.Find(z.lp, listpack.First(z.lp), member, 1)
}

// Score is a member's score; false if there is no such member.
func (z *ZSet) Score(member []byte) (score float64, ok bool) {
	switch {
	case z.lp != nil:
		if z.found = z.find(member); z.found != listpack.None {
			return packedScore(z.lp, listpack.Next(z.lp, z.found)), true
		}
	case z.rooted():
		if x := z.root().Find(member); x.Found() {
			return x.Score(), true
		}
	}
	return 0, false
}

// Rank is a member's rank and score; false if there is no such member.
func (z *ZSet) Rank(member []byte) (rank int, score float64, ok bool) {
	if z.rooted() {
		root := z.root()
		if x := root.Find(member); x.Found() {
			return root.Rank(x), x.Score(), true
		}
		return 0, 0, false
	}
	z.each(func(m []byte, s float64) bool {
		if ok = bytes.Equal(m, member); ok {
			score = s
			return false
		}
		rank++
		return true
	})
	return rank, score, ok
}

// Fits converts the sorted set if n members more than it has, or one of so many bytes, cannot be packed. It comes before Set of several, and without need before Set of one.
func (z *ZSet) Fits(n, longest int) {
	if l := z.limits(); !z.rooted() && (n > l.ZSetEntries || longest > l.ZSetValueBytes) {
		z.convert()
	}
}

// Set gives a member a score, which is no NaN; the member may be new.
func (z *ZSet) Set(member []byte, score float64) {
	at := listpack.None
	if z.lp != nil {
		at = z.find(member)
	}
	z.setAt(at, member, score)
}

// SetAsked is Set for a member of which Score was just asked.
func (z *ZSet) SetAsked(member []byte, score float64) { z.setAt(z.found, member, score) }

// setAt is Set for a member that is at a position of the listpack, if there is one and it is in it.
func (z *ZSet) setAt(at int, member []byte, score float64) {
	if z.rooted() {
		z.change()
		z.root().Set(member, score)
		return
	}
	if at == listpack.None && !z.packs(member) {
		z.convert()
		z.root().Set(member, score)
		return
	}
	z.edit(listpack.EntryBytes(member) + scoreText)
	from := listpack.HeaderBytes
	if at != listpack.None {
		if old := packedScore(z.lp, listpack.Next(z.lp, at)); old < score {
			from = at // all before it stay before
		}
		z.lp = listpack.Delete(z.lp, at, 2)
	} else if z.lp == nil {
		z.enc, z.lp = value.ListPack, listpack.Init(z.k.DB.Scratch(listpack.EmptyBytes + len(member) + 2*scoreText)[:listpack.EmptyBytes])
	}
	z.insert(from, member, score)
}

// packs reports whether a new member can be packed with the others.
func (z *ZSet) packs(member []byte) bool {
	l := z.limits()
	return z.Len() < l.ZSetEntries && len(member) <= l.ZSetValueBytes && listpack.CanAdd(z.lp, len(member)+scoreText+2*listpack.EntryOverhead)
}

// insert packs a new member where it belongs, which is not before a position.
func (z *ZSet) insert(from int, member []byte, score float64) {
	at := from
	for at < listpack.End(z.lp) {
		next := listpack.Next(z.lp, at)
		if s := packedScore(z.lp, next); s > score || s == score && bytes.Compare(z.text(at, 0), member) > 0 {
			break
		}
		if at = listpack.Next(z.lp, next); at == listpack.None {
			at = listpack.End(z.lp)
		}
	}
	z.lp = z.insertScore(listpack.Insert(z.lp, at, member), at, score)
}

// insertScore packs a score behind the member at a position.
func (z *ZSet) insertScore(lp []byte, at int, score float64) []byte {
	if n, ok := wholeScore(score); ok {
		lp, _ = listpack.InsertIntAfter(lp, at, n)
	} else {
		var text [scoreText]byte
		lp, _ = listpack.InsertAfter(lp, at, appendScoreText(text[:0], score))
	}
	return lp
}

// convert makes the sorted set a rooted one.
func (z *ZSet) convert() {
	to := value.NewZSet(z.k.DB.Values())
	z.each(func(member []byte, score float64) bool {
		to.Set(member, score)
		return true
	})
	z.setRoot(to.Root(), value.SkipList)
}

// Delete deletes a member; false if it was not there.
func (z *ZSet) Delete(member []byte) bool {
	switch {
	case z.emptied:
		return false
	case z.lp != nil:
		at := z.find(member)
		if at == listpack.None {
			return false
		}
		z.edit(0)
		z.lp = listpack.Delete(z.lp, at, 2)
		return true
	case z.rooted():
		z.change()
		return z.root().Remove(member)
	}
	return false
}

// DeleteRange deletes n members from a rank on; there are as many. If that is all, Commit must be next.
func (z *ZSet) DeleteRange(from, n int) {
	switch {
	case n == 0:
	case n == z.Len():
		z.emptied = true
	case z.rooted():
		z.change()
		c := z.root().At(from)
		c.RemoveSome(n, nil)
	default:
		z.edit(0)
		z.lp = listpack.DeleteRange(z.lp, 2*from, 2*n)
	}
}

// Commit ends changes. It deletes the key if the sorted set is empty, and reports whether it did.
func (z *ZSet) Commit() (deleted bool) { return z.commit(z.Len()) }

// Seek is how many members have a score of less than score, or with after of score as well.
func (z *ZSet) Seek(score float64, after bool) (rank int) {
	switch {
	case after && math.IsInf(score, 1):
		return z.Len()
	case !after && math.IsInf(score, -1):
		return 0
	}
	if z.rooted() {
		c := z.root().Seek(score, after)
		return c.Rank()
	}
	z.each(func(_ []byte, s float64) bool {
		if s > score || s == score && !after {
			return false
		}
		rank++
		return true
	})
	return rank
}

// SeekLex is how many members are less than member by their bytes, or with after equal to it as well, in a sorted set whose scores are all the same.
func (z *ZSet) SeekLex(member []byte, after bool) (rank int) {
	if z.rooted() {
		c := z.root().SeekLex(member, after)
		return c.Rank()
	}
	z.each(func(m []byte, _ float64) bool {
		if cmp := bytes.Compare(m, member); cmp > 0 || cmp == 0 && !after {
			return false
		}
		rank++
		return true
	})
	return rank
}

// Range gives fn n members and their scores, from that of a rank on upwards, or with reverse downwards; there are as many. fn must not change the sorted set.
func (z *ZSet) Range(rank, n int, reverse bool, fn func(member []byte, score float64)) {
	if n <= 0 {
		return
	}
	if z.rooted() {
		c := z.root().At(rank)
		for more := c.Valid(); more && n > 0; n-- {
			x := c.Element()
			if fn(x.Member(), x.Score()); reverse {
				more = c.Prev()
			} else {
				more = c.Next()
			}
		}
		return
	}
	for at := listpack.Seek(z.lp, 2*rank); at != listpack.None && n > 0; n-- {
		score := listpack.Next(z.lp, at)
		if fn(z.text(at, 0), packedScore(z.lp, score)); !reverse {
			at = listpack.Next(z.lp, score)
		} else if at = listpack.Prev(z.lp, at); at != listpack.None {
			at = listpack.Prev(z.lp, at)
		}
	}
}

// Each gives fn all members and scores until it says no, packed ones in order. fn must not change the sorted set.
func (z *ZSet) Each(fn func(member []byte, score float64) bool) { z.each(fn) }

func (z *ZSet) each(fn func(member []byte, score float64) bool) {
	if z.rooted() {
		z.root().Each(func(x value.Element) bool { return fn(x.Member(), x.Score()) })
		return
	}
	if z.lp == nil {
		return
	}
	for at, more := listpack.First(z.lp), true; more && at != listpack.None; {
		member := z.text(at, 0)
		at = listpack.Next(z.lp, at)
		more = fn(member, packedScore(z.lp, at))
		at = listpack.Next(z.lp, at)
	}
}

// Scan gives fn about count members and scores from a cursor on, and returns the next cursor, 0 at the end; starting at 0, every member that is there throughout is given at
// least once. A packed sorted set is given whole.
func (z *ZSet) Scan(cursor uint64, count int, fn func(member []byte, score float64)) (next uint64) {
	if z.rooted() {
		return z.root().Scan(cursor, count, func(x value.Element) { fn(x.Member(), x.Score()) })
	}
	z.each(func(member []byte, score float64) bool {
		fn(member, score)
		return true
	})
	return 0
}

// Packed reports whether the sorted set is packed.
func (z *ZSet) Packed() bool { return !z.rooted() }

// at gives fn the packed member at a position, and its score.
func (z *ZSet) at(at int, fn func(member []byte, score float64)) {
	fn(z.text(at, 0), packedScore(z.lp, listpack.Next(z.lp, at)))
}

// Random gives fn a member picked with equal chances, and its score. There is at least one.
func (z *ZSet) Random(rnd func() uint64, fn func(member []byte, score float64)) {
	if z.rooted() {
		x := z.root().Random(rnd)
		fn(x.Member(), x.Score())
		return
	}
	z.at(listpack.Random(z.lp, 2, rnd), fn)
}

// RandomDistinct gives fn n different members and their scores, or all if there are fewer.
func (z *ZSet) RandomDistinct(n int, rnd func() uint64, fn func(member []byte, score float64)) {
	if z.rooted() {
		z.root().RandomDistinct(n, rnd, func(x value.Element) { fn(x.Member(), x.Score()) })
		return
	}
	if z.lp == nil {
		return
	}
	for _, at := range listpack.RandomUnique(nil, z.lp, n, 2, rnd) {
		z.at(at, fn)
	}
}
