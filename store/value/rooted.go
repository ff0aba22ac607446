package value

import (
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
)

// What follows serves rooted values of every type. The root of a type that is not built cannot be: where one is given nevertheless, it counts as empty.

func indexed(t Type) bool { return t == Set || t == Hash || t == ZSet }

// Len is the number of elements of a rooted value.
func Len(env *Env, t Type, root arena.Ref) int {
	if indexed(t) {
		return members{env, root}.Len()
	}
	return 0
}

// Bytes is how much memory a rooted value takes, its root block included.
func Bytes(env *Env, t Type, root arena.Ref) int64 {
	n := int64(env.Arena.Size(root))
	switch t {
	case Set, Hash:
		n += members{env, root}.bytes()
	case ZSet:
		n += OpenZSet(env, root).bytes()
	}
	return n
}

// Free frees up to n elements (and up to some hundred more) of a value that nobody owns or walks through any more, and reports whether all is
// free, the root block included. Until then it is to be called again, and nothing else done with the value.
func Free(env *Env, t Type, root arena.Ref, n int) (done bool) {
	switch t {
	case Set, Hash:
		return members{env, root}.freeSome(n)
	case ZSet:
		return OpenZSet(env, root).freeSome(n)
	}
	return true
}

// Clone makes a deep copy of a value of env in the env of another shard, or the same one, and returns its root. Both shards are held.
func Clone(to, env *Env, t Type, root arena.Ref) arena.Ref {
	switch t {
	case Set, Hash:
		return members{env, root}.clone(to, t).root
	case ZSet:
		return OpenZSet(env, root).clone(to).root
	}
	return arena.Nil
}

// Defrag goes over some part of a value, a bucket of its index, from a position on (0 at first) and moves blocks where that wins memory; not the root block, which is its
// entry's to move. It returns the position to go on at, 0 at the end, and how many blocks were moved and left. Nothing else changes.
func Defrag(env *Env, t Type, root arena.Ref, position uint64) (next uint64, moved, left int) {
	next = dict.End
	switch t {
	case Set, Hash:
		next, moved, left = members{env, root}.defrag(position, nil)
	case ZSet:
		next, moved, left = OpenZSet(env, root).defrag(position)
	}
	if next == dict.End {
		next = 0
	}
	return next, moved, left
}

// Check verifies a value's structures; for tests and DEBUG.
func Check(env *Env, t Type, root arena.Ref) error {
	switch t {
	case Set, Hash:
		return members{env, root}.check(t)
	case ZSet:
		return OpenZSet(env, root).check()
	}
	return nil
}

// Index is a value's index of elements, through which a walk goes, or nil if its type has none.
func Index(env *Env, t Type, root arena.Ref) *dict.Dict {
	if !indexed(t) {
		return nil
	}
	return members{env, root}.index()
}

// AppendElement appends an element of an index, by its ref, in the form in which walks emit it; ttl says whether a hash's fields come with their
// expiry.
func AppendElement(dst []byte, env *Env, t Type, ref arena.Ref, ttl bool) []byte {
	return elementAt(env.Arena, ref).appendTo(dst, t, ttl)
}

// ElementBytes is how many bytes AppendElement appends.
func ElementBytes(env *Env, t Type, ref arena.Ref, ttl bool) int {
	return elementAt(env.Arena, ref).emitSize(t, ttl)
}
