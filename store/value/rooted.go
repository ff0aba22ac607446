package value

import (
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
)

// What follows serves rooted values of every type. The root of a type that is not built cannot be: where one is given nevertheless, it counts as empty.

func indexed(t Type) bool { return t == Set || t == Hash || t == ZSet }

// Len is the number of elements of a rooted value.
func Len(env *Env, t Type, root arena.Ref) int {
	switch {
	case indexed(t):
		return members{env, root}.Len()
	case t == List:
		return OpenList(env, root).Len()
	case t == Stream:
		return int(OpenStream(env, root).Figures().Length)
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
	case List:
		n += OpenList(env, root).bytes()
	case Stream:
		n += OpenStream(env, root).bytes()
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
	case List:
		return OpenList(env, root).freeSome(n)
	case Stream:
		return OpenStream(env, root).freeSome(n)
	}
	return true
}

// Clone makes a copy of a value of env in the env of another shard, or the same one, and returns its root. Both shards are held. The copy of a list or stream shares
// everything with it until one of them changes; of the others it is a deep copy.
func Clone(to, env *Env, t Type, root arena.Ref) arena.Ref {
	switch t {
	case Set, Hash:
		return members{env, root}.clone(to, t).root
	case ZSet:
		return OpenZSet(env, root).clone(to).root
	case List:
		return OpenList(env, root).clone(to).root
	case Stream:
		return OpenStream(env, root).clone(to).root
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
	case List:
		return OpenList(env, root).defrag(position)
	case Stream:
		return OpenStream(env, root).defrag(position)
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
	case List:
		return OpenList(env, root).check()
	case Stream:
		return OpenStream(env, root).check()
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

// Frozen reports whether a walk reads values of a type from a Clone of its own, which costs nothing, by AppendNodes, and not through an index.
func Frozen(t Type) bool { return t == List || t == Stream }

// Nodes is how many nodes AppendNodes appends of a value in all.
func Nodes(env *Env, t Type, root arena.Ref) int {
	switch t {
	case List:
		return OpenList(env, root).Nodes()
	case Stream:
		return OpenStream(env, root).Nodes()
	}
	return 0
}

// AppendNodes appends nodes of a Frozen type's value, in the form in which walks emit them, from a position on (0 at first) until dst is at least so many bytes longer. It
// returns the position to go on at, 0 at the end.
func AppendNodes(dst []byte, env *Env, t Type, root arena.Ref, position uint64, bytes int) (to []byte, next uint64) {
	switch t {
	case List:
		return OpenList(env, root).appendNodes(dst, position, bytes)
	case Stream:
		return OpenStream(env, root).appendNodes(dst, position, bytes)
	}
	return dst, 0
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
