package collection

import (
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// Scored is a handle for reading a sorted set, or a set as one: its members have the score 1.
type Scored struct {
	z     ZSet // of a sorted set; of a set, only its frame
	isSet bool
}

// Open opens an entry of a set or a sorted set, or one that was not found as an empty one; false if it is of another type.
func (s *Scored) Open(k Key, e keyspace.Entry) bool {
	if s.isSet = e.Found() && e.Type() == value.Set; s.isSet {
		s.z.open(k, e, value.Set)
		return true
	}
	s.z.Open(k, e)
	return !e.Found() || e.Type() == value.ZSet
}

func (s *Scored) setRoot() value.RootedSet { return value.OpenSet(s.z.k.DB.Values(), s.z.e.Root()) }

func (s *Scored) isIntSet() bool { return s.z.lp != nil && s.z.enc == value.IntSet }

// Len is the number of members.
func (s *Scored) Len() int {
	switch {
	case !s.isSet:
		return s.z.Len()
	case s.isIntSet():
		return intset.Len(s.z.lp)
	case s.z.lp != nil:
		return listpack.Count(s.z.lp)
	}
	return s.setRoot().Len()
}

// Score is a member's score; false if there is no such member.
func (s *Scored) Score(member []byte) (score float64, ok bool) {
	switch {
	case !s.isSet:
		return s.z.Score(member)
	case s.isIntSet():
		n, whole := decimal.Parse(member)
		ok = whole && intset.Has(s.z.lp, n)
	case s.z.lp != nil:
		ok = listpack.Find(s.z.lp, listpack.First(s.z.lp), member, 0) != listpack.None
	default:
		ok = s.setRoot().Has(member)
	}
	return 1, ok
}

// Each gives fn all members and scores until it says no. fn must change neither; it may ask another handle, or this one for a Score.
func (s *Scored) Each(fn func(member []byte, score float64) bool) {
	switch {
	case !s.isSet:
		s.z.each(fn)
	case s.isIntSet():
		for i, more := 0, true; more && i < intset.Len(s.z.lp); i++ {
			more = fn(s.z.digits(intset.At(s.z.lp, i), 0), 1)
		}
	case s.z.lp != nil:
		for at, more := listpack.First(s.z.lp), true; more && at != listpack.None; at = listpack.Next(s.z.lp, at) {
			more = fn(s.z.text(at, 0), 1)
		}
	default:
		s.setRoot().Each(func(x value.Element) bool { return fn(x.Member(), 1) })
	}
}

// ZMember is a member of a sorted set and its score.
type ZMember struct {
	Member []byte
	Score  float64
}

// StoreZSet makes a key a sorted set of these members, of which there is at least one and no two are equal, whatever was there before. They are in order, and
// not parts of the arena.
func StoreZSet(k Key, members []ZMember) {
	var z ZSet
	l, bytes, longest := k.DB.Shard().Space().Limits(), 0, 0
	for _, m := range members {
		bytes, longest = bytes+len(m.Member)+scoreText+2*listpack.EntryOverhead, max(longest, len(m.Member))
	}
	z.open(k, keyspace.Entry{}, value.ZSet)
	lp := listpack.Init(k.DB.Scratch(listpack.EmptyBytes))
	if len(members) > l.ZSetEntries || longest > l.ZSetValueBytes || !listpack.CanAdd(lp, bytes) {
		to := value.NewZSet(k.DB.Values())
		for _, m := range members {
			to.Set(m.Member, m.Score)
		}
		k.DB.SetRoot(k.Hash, k.Name, value.ZSet, value.SkipList, to.Root(), keyspace.NoExpiry)
		return
	}
	for _, m := range members {
		lp = listpack.Append(lp, m.Member)
		lp = z.insertScore(lp, listpack.Last(lp), m.Score)
	}
	k.DB.SetPacked(k.Hash, k.Name, value.ZSet, value.ListPack, lp, keyspace.NoExpiry)
	k.DB.KeepScratch(lp)
}
