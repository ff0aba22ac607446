package tree

import (
	"github.com/larder-cache/larder/store/arena"
)

// Cursor is a position in a tree: at an item, or behind the last one. It is good until the tree is changed by other means than this cursor. The zero Cursor is at nothing.
type Cursor struct {
	height int
	path   [maxHeight]step // by level; path[height-1] is the root
}

// step is a node and an entry of it. In a leaf it may be the one behind the last.
type step struct {
	ref arena.Ref
	i   int
}

// target is what a search by key looks for.
type target struct {
	key Key
	// tie says of an item with that key whether it is before what is sought (negative); with nil, all are before if after is set, none if not.
	tie   func(item arena.Ref) int
	after bool
}

// passes reports whether entry i is, or begins, before the target.
func (n node) passes(i int, want *target) bool {
	k := n.keyAt(i)
	if k != want.key {
		return k.Less(want.key)
	}
	if want.tie != nil {
		return want.tie(n.ref(i)) < 0
	}
	return want.after
}

// count is how many entries pass. The tree has keys.
func (n node) count(want *target) int {
	lo, hi := 0, n.len()
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		k := load8(n.at(mid)) // mostly enough to tell
		if k < want.key.Hi || k == want.key.Hi && n.passes(mid, want) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// descend goes to the first item that does not pass, or behind the last item of the leaf before it.
func (t *Tree) descend(e *Env, c *Cursor, want *target) {
	c.height = int(t.height)
	ref := t.root
	for l := t.top(); l >= 0; l-- {
		n := e.node(ref, l)
		i := n.count(want)
		if l > 0 {
			i = max(i-1, 0)
			c.path[l] = step{ref, i}
			ref = n.child(i)
			continue
		}
		c.path[0] = step{ref, i}
	}
}

// settle moves a cursor that is behind the last item of a leaf to the next leaf, if there is one. It reports whether the cursor is at an item.
func (c *Cursor) settle(e *Env) bool {
	return c.Valid(e) || c.advance(e, 1)
}

func (c *Cursor) leaf(e *Env) node { return e.node(c.path[0].ref, 0) }

// advance goes to the first item below the entry that comes after the one on a level.
func (c *Cursor) advance(e *Env, level int) bool {
	for l := level; l < c.height; l++ {
		s := &c.path[l]
		n := e.node(s.ref, l)
		if s.i+1 == n.len() {
			continue
		}
		s.i++
		for ; l > 0; l-- {
			c.path[l-1] = step{e.node(c.path[l].ref, l).child(c.path[l].i), 0}
		}
		return true
	}
	return false
}

// First puts c at the first item. It is false if there is none.
func (t *Tree) First(e *Env, c *Cursor) bool {
	t.end(e, c, false)
	return t.items > 0
}

// Last puts c at the last item. It is false if there is none.
func (t *Tree) Last(e *Env, c *Cursor) bool {
	t.end(e, c, true)
	if t.items == 0 {
		return false
	}
	c.path[0].i--
	return true
}

// End puts c behind the last item, where Insert appends.
func (t *Tree) End(e *Env, c *Cursor) { t.end(e, c, true) }

// end goes to the first item, or behind the last one.
func (t *Tree) end(e *Env, c *Cursor, last bool) {
	c.height = int(t.height)
	ref := t.root
	for l := t.top(); l >= 0; l-- {
		n := e.node(ref, l)
		i := 0
		if last {
			i = n.len() - min(l, 1)
		}
		c.path[l] = step{ref, i}
		if l > 0 {
			ref = n.child(i)
		}
	}
}

// Seek puts c at the first item whose key is not less than k. It is false, and c behind the last item, if there is none.
func (t *Tree) Seek(e *Env, c *Cursor, k Key) bool {
	t.descend(e, c, &target{key: k})
	return c.settle(e)
}

// SeekAfter puts c at the first item whose key is greater than k. It is false, and c behind the last item, if there is none.
func (t *Tree) SeekAfter(e *Env, c *Cursor, k Key) bool {
	t.descend(e, c, &target{key: k, after: true})
	return c.settle(e)
}

// SeekTie puts c at the first item with a greater key than k, or with key k and a tie of at least 0: tie is asked of items with key k, and is negative for those
// that are before what is sought. It needs Layout.Ties. It is false, and c behind the last item, if there is none.
func (t *Tree) SeekTie(e *Env, c *Cursor, k Key, tie func(item arena.Ref) int) bool {
	t.descend(e, c, &target{key: k, tie: tie})
	return c.settle(e)
}

// Find puts c at the item with key k and, in a tree with ties, equal to item by Env.Compare. It is false if there is none.
func (t *Tree) Find(e *Env, c *Cursor, k Key, item arena.Ref) bool {
	want := target{key: k}
	if e.Layout.Ties {
		want.tie = func(other arena.Ref) int { return e.Compare(other, item) }
	}
	t.descend(e, c, &want)
	if !c.settle(e) {
		return false
	}
	n, i := c.leaf(e), c.path[0].i
	return n.keyAt(i) == k && (want.tie == nil || want.tie(n.ref(i)) == 0)
}

// At puts c at the item that rank falls in, and returns by how many elements that is behind the item's first. With a rank that is not below Weight it is false, and c is behind the last item.
func (t *Tree) At(e *Env, c *Cursor, rank int) (offset int, ok bool) {
	if rank < 0 || uint64(rank) >= t.weight {
		t.end(e, c, true)
		return 0, false
	}
	return int(t.seekRank(e, c, uint64(rank))), true
}

// seekRank is At for a rank that may be Weight: behind the last item.
func (t *Tree) seekRank(e *Env, c *Cursor, rank uint64) (offset uint64) {
	if rank >= t.weight {
		t.end(e, c, true)
		return 0
	}
	c.height = int(t.height)
	ref := t.root
	for l := t.top(); l >= 0; l-- {
		n := e.node(ref, l)
		i := 0
		if n.leaf && !n.weighted {
			i, rank = int(rank), 0
		} else {
			for w := n.weight(0); rank >= w; w = n.weight(i) {
				rank -= w
				i++
			}
		}
		c.path[l] = step{ref, i}
		if l > 0 {
			ref = n.child(i)
		}
	}
	return rank
}

// Valid reports whether c is at an item.
func (c *Cursor) Valid(e *Env) bool {
	return c.height > 0 && c.path[0].i < node{p: e.Arena.Ptr(c.path[0].ref)}.len()
}

// Item is the item that c is at. c must be at one.
func (c *Cursor) Item(e *Env) Item { return c.leaf(e).item(c.path[0].i) }

// Next goes to the next item. It is false, and c behind the last item, if there is none.
func (c *Cursor) Next(e *Env) bool {
	if !c.Valid(e) {
		return false
	}
	c.path[0].i++
	return c.settle(e)
}

// Prev goes to the item before. It is false, and c stays, if there is none.
func (c *Cursor) Prev(e *Env) bool {
	for l := 0; l < c.height; l++ {
		if c.path[l].i == 0 {
			continue
		}
		c.path[l].i--
		for ; l > 0; l-- {
			ref := e.node(c.path[l].ref, l).child(c.path[l].i)
			c.path[l-1] = step{ref, e.node(ref, l-1).len() - 1}
		}
		return true
	}
	return false
}

// Rank is the weight of all items before the one that c is at: the rank of its first element.
func (c *Cursor) Rank(e *Env) int {
	var w uint64
	for l := range c.height {
		w += e.node(c.path[l].ref, l).sum(c.path[l].i)
	}
	return int(w)
}
