package value

import "github.com/larder-cache/larder/store/arena"

// RootedSet is a handle on a set that has a root: encoding hashtable.
type RootedSet struct{ members }

// NewSet makes an empty set.
func NewSet(env *Env) RootedSet { return RootedSet{newMembers(env, membersRoot)} }

// OpenSet is a handle on the set with this root.
func OpenSet(env *Env, root arena.Ref) RootedSet { return RootedSet{members{env, root}} }

// Has reports whether member is in the set.
func (s RootedSet) Has(member []byte) bool { return s.Find(member).Found() }

// Add adds a member; false if it is there already.
func (s RootedSet) Add(member []byte) bool {
	h := s.env.Hash(member)
	if x, _ := s.find(h, member); x.Found() {
		return false
	}
	x := s.alloc(memberSize(member))
	x.writeMember(member)
	s.index().Insert(&s.env.Dict, h, x.ref, NoExpiry)
	return true
}
