package collection

import (
	"bytes"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// Draft begins a set, packed as an intset or listpack, that may become a key's by Store; else it is to be given up by Discard. While it lasts, other sets may be read, and
// their members be added to it. A database's shard is held until it ends.
func (s *Set) Draft(k Key, enc value.Encoding) {
	*s = Set{frame: frame{k: k, typ: value.Set}, drafted: true}
	s.start(enc)
}

// Store makes a draft that is not empty the value of its key, whatever that held, with an expiry in milliseconds since 1970, keyspace.NoExpiry or keyspace.KeepTTL. It ends
// the draft.
func (s *Set) Store(expireAt int64) {
	if s.draft != arena.Nil {
		s.k.DB.SetRoot(s.k.Hash, s.k.Name, value.Set, value.HashTable, s.draft, expireAt)
	} else {
		s.k.DB.SetPacked(s.k.Hash, s.k.Name, value.Set, s.enc, s.lp, expireAt)
	}
	*s = Set{}
}

// Discard gives a draft up.
func (s *Set) Discard() {
	if s.draft != arena.Nil {
		env := s.k.DB.Values()
		value.Owners(env.Arena, s.draft).Store(0)
		for !value.Free(env, value.Set, s.draft, limits.MaxElementsFreedAtOnce) {
		}
	}
	*s = Set{}
}

// Settle makes a draft an intset if it can be one.
func (s *Set) Settle() {
	if s.lp != nil && s.enc == value.IntSet || s.Len() > s.mostInts() {
		return
	}
	integers := true
	s.Each(func(member []byte) bool {
		_, integers = decimal.Parse(member)
		return integers
	})
	if !integers {
		return
	}
	var to Set
	to.Draft(s.k, value.IntSet)
	s.Each(func(member []byte) bool { return to.Add(member) })
	s.Discard()
	*s = to
}

// PackedInts reports whether the set is an intset.
func (s *Set) PackedInts() bool { return s.lp != nil && s.enc == value.IntSet }

// Pop removes a member picked with equal chances, and returns a copy of it. There is at least one. Commit is to follow.
func (s *Set) Pop(rnd func() uint64) []byte {
	member := bytes.Clone(s.Random(rnd))
	s.Delete(member)
	return member
}

// keepSome is by how many times what is taken out of a set must exceed what stays, for the set to be made anew of what stays. Redis: SPOP_MOVE_STRATEGY_MUL.
const keepSome = 5

// PopMany removes n different members, fewer than there are, and gives fn each; a slice that fn is given is good until fn returns. Each choice has the same chance. It ends
// the use of the handle, without Commit.
func (s *Set) PopMany(n int, rnd func() uint64, fn func(member []byte)) {
	stay := s.Len() - n
	if !s.rooted() || stay*keepSome > n {
		for range n {
			fn(s.Pop(rnd))
		}
		s.Commit()
		return
	}
	var kept Set
	kept.Draft(s.k, value.ListPack)
	s.RandomDistinct(stay, rnd, func(member []byte) { kept.Add(member) })
	s.Each(func(member []byte) bool {
		if !kept.Has(member) {
			fn(member)
		}
		return true
	})
	kept.Store(keyspace.KeepTTL)
}
