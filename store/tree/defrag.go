package tree

import "github.com/larder-cache/larder/store/arena"

// Defrag goes over the leaf that a rank falls in, and returns the rank behind it, or 0 when that is the last one. The leaf, and with the first leaf below them the inner nodes, are moved where Heap.ShouldMove says that it wins memory;
// move, if it is not nil, is given each item of the leaf, and returns where it is from now on: the same ref, or a new block that holds the same (it has freed the old one). Nodes that others own stay, and so do their items.
// It counts the tree's own blocks that were moved, and those that were not. Cursors are of no use after it.
func (t *Tree) Defrag(e *Env, rank int, move func(arena.Ref) arena.Ref) (next, moved, left int) {
	var c Cursor
	if _, ok := t.At(e, &c, rank); !ok {
		return 0, 0, 0
	}
	c.path[0].i = 0
	next = c.Rank(e) + int(c.leaf(e).sum(c.leaf(e).len()))
	if next == t.Weight() {
		next = 0
	}
	for l := t.top(); l >= 0; l-- {
		ref := c.path[l].ref
		if e.owners(ref).Load() > 1 {
			return next, moved, left + 1
		}
		if !c.leftmostBelow(l) {
			continue
		}
		if !e.Heap.ShouldMove(ref) {
			left++
			continue
		}
		moved++
		n := e.node(ref, l)
		t.resize(e, &c, l, n.cap())
	}
	if move != nil {
		t.moveItems(e, &c, move)
	}
	return next, moved, left
}

// leftmostBelow reports whether c is below the first entry of the node of a level, of all nodes in between.
func (c *Cursor) leftmostBelow(level int) bool {
	for l := 1; l <= level; l++ {
		if c.path[l].i != 0 {
			return false
		}
	}
	return true
}

// moveItems asks where each item of c's leaf is from now on.
func (t *Tree) moveItems(e *Env, c *Cursor, move func(arena.Ref) arena.Ref) {
	n := c.leaf(e)
	for i := range n.len() {
		it := n.item(i)
		if to := move(it.Ref); to != it.Ref {
			n.setItem(i, to, it.Weight)
		}
	}
	if e.Layout.Ties {
		t.fixFirst(e, c, 0)
	}
}
