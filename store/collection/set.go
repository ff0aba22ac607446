package collection

import (
	"bytes"
	"math"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// Set is a handle on a set: an intset, a listpack of members, or rooted. It may be a draft: a set that is no key's until it is stored.
type Set struct {
	frame
	drafted bool
	draft   arena.Ref // the root of a rooted draft
}

// Open opens the set of an entry of that type, or with one that was not found an empty set.
func (s *Set) Open(k Key, e keyspace.Entry) {
	s.drafted, s.draft = false, arena.Nil
	s.open(k, e, value.Set)
}

// Key is the key that the handle was opened for.
func (s *Set) Key() Key { return s.k }

// Same reports whether two handles that were opened are of the same key of one database.
func (s *Set) Same(as *Set) bool { return s.k.Hash == as.k.Hash && bytes.Equal(s.k.Name, as.k.Name) }

func (s *Set) rooted() bool { return s.draft != arena.Nil || s.frame.rooted() }

func (s *Set) root() value.RootedSet {
	root := s.draft
	if root == arena.Nil {
		root = s.e.Root()
	}
	return value.OpenSet(s.k.DB.Values(), root)
}

// change is root, for a change.
func (s *Set) change() value.RootedSet {
	if !s.drafted {
		s.frame.change()
	}
	return s.root()
}

// Len is the number of members.
func (s *Set) Len() int {
	switch {
	case s.rooted():
		return s.root().Len()
	case s.lp == nil:
		return 0
	case s.enc == value.IntSet:
		return intset.Len(s.lp)
	}
	return listpack.Count(s.lp)
}

// Has reports whether member is in the set.
func (s *Set) Has(member []byte) bool {
	switch {
	case s.rooted():
		return s.root().Has(member)
	case s.lp == nil:
		return false
	case s.enc == value.IntSet:
		n, ok := decimal.Parse(member)
		return ok && intset.Has(s.lp, n)
	}
	return s.find(member) != listpack.None
}

// find is the position of a member in the listpack.
func (s *Set) find(member []byte) int {
	return listpack.Find(s.lp, listpack.First(s.lp), member, 0)
}

func (s *Set) mostInts() int { return min(s.limits().SetIntSetEntries, limits.MaxIntsetMembers) }

// Expect converts the set if n members are too many for it to be packed; an empty one begins as n members with this first one would. As in Redis, members that are there
// already count too. It comes before Add.
func (s *Set) Expect(first []byte, n int) {
	switch {
	case s.rooted():
	case s.lp == nil:
		s.begin(first, n)
	case s.enc == value.IntSet && n > s.mostInts(), s.enc == value.ListPack && n > s.limits().SetEntries:
		s.convert()
	}
}

func (s *Set) begin(first []byte, n int) {
	_, integer := decimal.Parse(first)
	switch {
	case integer && n <= s.mostInts():
		s.start(value.IntSet)
	case n <= s.limits().SetEntries:
		s.start(value.ListPack)
	default:
		s.convert()
	}
}

// start makes an empty set one that is packed.
func (s *Set) start(enc value.Encoding) {
	const room = 256
	var b []byte
	if s.drafted {
		b = make([]byte, room) // the shard's scratch buffer may be needed while there is a draft
	} else {
		b = s.k.DB.Scratch(room)[:room]
	}
	if s.enc, s.edited = enc, true; enc == value.IntSet {
		s.lp = intset.Init(b)
	} else {
		s.lp = listpack.Init(b)
	}
}

// Add adds a member; false if it is there already.
func (s *Set) Add(member []byte) bool {
	if !s.rooted() && s.lp == nil {
		s.begin(member, 1)
	}
	switch {
	case s.rooted():
		return s.change().Add(member)
	case s.enc == value.ListPack:
		return s.addPacked(member)
	}
	n, ok := decimal.Parse(member)
	if !ok {
		s.leaveInts(member)
		return s.Add(member)
	}
	if intset.Has(s.lp, n) {
		return false
	}
	s.edit(intset.BytesWith(s.lp, n) - len(s.lp))
	if s.lp, _ = intset.Add(s.lp, n); intset.Len(s.lp) > s.mostInts() {
		s.convert()
	}
	return true
}

// addPacked is Add to a listpack.
func (s *Set) addPacked(member []byte) bool {
	if s.find(member) != listpack.None {
		return false
	}
	room := listpack.EntryBytes(member)
	if listpack.Count(s.lp) >= s.limits().SetEntries || len(member) > s.limits().SetValueBytes || !listpack.CanAdd(s.lp, room) {
		s.convert()
		return s.change().Add(member)
	}
	s.edit(room)
	s.lp = listpack.Append(s.lp, member)
	return true
}

// leaveInts converts an intset to which a member that is no integer is to be added: to a listpack, if that may be one with it.
func (s *Set) leaveInts(member []byte) {
	n, most := intset.Len(s.lp), s.limits().SetValueBytes
	longest := 0
	if n > 0 {
		longest = max(len(s.digits(intset.At(s.lp, 0), 0)), len(s.digits(intset.At(s.lp, n-1), 0)))
	}
	if n >= s.limits().SetEntries || len(member) > most || longest > most || !listpack.CanAdd(nil, listpack.EmptyBytes+n*listpack.IntEntryBytes(math.MinInt64)+listpack.EntryBytes(member)) {
		s.convert()
		return
	}
	lp := listpack.New(listpack.EmptyBytes + 2*len(s.lp) + listpack.EntryBytes(member))
	for i := range n {
		lp = listpack.AppendInt(lp, intset.At(s.lp, i))
	}
	s.enc, s.lp, s.edited = value.ListPack, lp, true
}

// convert makes the set a rooted one.
func (s *Set) convert() {
	to := value.NewSet(s.k.DB.Values())
	s.Each(func(member []byte) bool {
		to.Add(member)
		return true
	})
	if s.drafted {
		s.draft, s.lp = to.Root(), nil
		return
	}
	s.setRoot(to.Root(), value.HashTable)
}

// Delete removes a member; false if it was not there.
func (s *Set) Delete(member []byte) bool {
	switch {
	case s.rooted():
		return s.change().Remove(member)
	case s.lp == nil:
		return false
	case s.enc == value.IntSet:
		n, ok := decimal.Parse(member)
		if !ok {
			return false
		}
		i, found := intset.Find(s.lp, n)
		if found {
			s.edit(0)
			s.lp = intset.RemoveAt(s.lp, i)
		}
		return found
	}
	at := s.find(member)
	if at == listpack.None {
		return false
	}
	s.edit(0)
	s.lp = listpack.Delete(s.lp, at, 1)
	return true
}

// Commit ends changes. It deletes the key if the set is empty, and reports whether it did.
func (s *Set) Commit() (deleted bool) { return s.commit(s.Len()) }

// Each gives fn all members until it says no: of an intset in ascending order, of a listpack in the order in which they were added. fn must not change the set.
func (s *Set) Each(fn func(member []byte) bool) {
	switch {
	case s.rooted():
		s.root().Each(func(x value.Element) bool { return fn(x.Member()) })
	case s.lp == nil:
	case s.enc == value.IntSet:
		for i := 0; i < intset.Len(s.lp) && fn(s.digits(intset.At(s.lp, i), 0)); {
			i++
		}
	default:
		for at := listpack.First(s.lp); at != listpack.None && fn(s.text(at, 0)); {
			at = listpack.Next(s.lp, at)
		}
	}
}

// Scan gives fn about count members from a cursor on, and returns the next cursor, 0 at the end; starting at 0, every member that is there throughout is given at least
// once. A packed set is given whole.
func (s *Set) Scan(cursor uint64, count int, fn func(member []byte)) (next uint64) {
	if s.rooted() {
		return s.root().Scan(cursor, count, func(x value.Element) { fn(x.Member()) })
	}
	s.Each(func(member []byte) bool {
		fn(member)
		return true
	})
	return 0
}

// Random is a member picked with equal chances. There is at least one.
func (s *Set) Random(rnd func() uint64) []byte {
	switch {
	case s.rooted():
		return s.root().Random(rnd).Member()
	case s.enc == value.IntSet:
		return s.digits(intset.Random(s.lp, rnd), 0)
	}
	return s.text(listpack.Random(s.lp, 1, rnd), 0)
}

// RandomDistinct gives fn n different members, or all if there are fewer; each choice has the same chance.
func (s *Set) RandomDistinct(n int, rnd func() uint64, fn func(member []byte)) {
	switch {
	case s.rooted():
		s.root().RandomDistinct(n, rnd, func(x value.Element) { fn(x.Member()) })
	case s.lp == nil:
	case s.enc == value.IntSet:
		// Each member is taken with the chance that makes those still wanted come of those still to be seen.
		size := intset.Len(s.lp)
		for i := 0; i < size && n > 0; i++ {
			if rnd()%uint64(size-i) < uint64(n) {
				n--
				fn(s.digits(intset.At(s.lp, i), 0))
			}
		}
	default:
		for _, at := range listpack.RandomUnique(nil, s.lp, n, 1, rnd) {
			fn(s.text(at, 0))
		}
	}
}
