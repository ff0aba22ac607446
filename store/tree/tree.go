package tree

import (
	"github.com/larder-cache/larder/store/arena"
)

// maxHeight bounds the levels of a tree: docs/formats/tree.md has the sum.
const maxHeight = 14

// Key is where an item belongs, in ascending order of Hi and then Lo. With 8 bytes a key only Hi is kept; without keys both are 0.
type Key struct{ Hi, Lo uint64 }

// Less reports whether k sorts before o.
func (k Key) Less(o Key) bool { return k.Hi < o.Hi || k.Hi == o.Hi && k.Lo < o.Lo }

// Item is what a tree keeps.
type Item struct {
	Key Key
	Ref arena.Ref
	// Weight is how many elements the item stands for, at least 1. In a tree without weights it is 1, and ignored when given.
	Weight uint32
}

// Layout says what the entries of a tree have. It never changes for a tree that is not empty.
type Layout struct {
	// KeyBytes is 0 (items are where they were put), 8 or 16.
	KeyBytes int
	// Ties says that several items may have the same key; Env.Compare orders them. Otherwise keys differ.
	Ties bool
	// Weighted says that items have weights of their own.
	Weighted bool
}

// Env is what a tree works with. One serves all trees of a layout in a shard.
type Env struct {
	Arena  *arena.Arena
	Heap   *arena.Heap
	Layout Layout
	// Compare orders items of equal key: negative if a comes before b, 0 if they are the same. Needed with Layout.Ties only.
	Compare func(a, b arena.Ref) int
	// Share makes one more owner of an item, because the leaf that it is in is copied, and returns the ref for the copy: the same, or that of a copy of the item.
	// Needed for trees that are shared by Snapshot.
	Share func(item arena.Ref) arena.Ref
	// Drop gives up one ownership of an item: its tree was freed. If nil, items belong to somebody else.
	Drop func(item arena.Ref)
}

// Tree is the root. Its zero value is an empty tree, which owns no memory. It must not be copied while it is not empty, but by Snapshot.
type Tree struct {
	root   arena.Ref
	items  uint64
	weight uint64
	height uint64 // levels; 0 while empty
}

// Items is the number of items.
func (t *Tree) Items() int { return int(t.items) }

// Weight is the sum of all items' weights: the number of ranks.
func (t *Tree) Weight() int { return int(t.weight) }

// weigh is the weight that counts for an item.
func (y Layout) weigh(it Item) uint64 {
	if y.Weighted {
		return uint64(it.Weight)
	}
	return 1
}

// top is the level of the root.
func (t *Tree) top() int { return int(t.height) - 1 }

// Bytes is about how much memory the nodes take: what they take where they are as full as splits leave them on average.
func (t *Tree) Bytes(e *Env) int {
	leaf := int(t.items) * e.Layout.stride(0)
	return leaf + leaf/16 + int(t.items)*e.Layout.stride(1)/e.Layout.most(0)
}
