package tree

import "github.com/larder-cache/larder/store/arena"

// Remove takes out the item that c is at, and puts c at the next one, or behind the last. The item's ref is the caller's.
func (t *Tree) Remove(e *Env, c *Cursor) (it Item) {
	t.removeRun(e, c, 1, func(removed Item) { it = removed })
	return it
}

// RemoveSome takes out up to n items from where c is on, and puts c at the next one, or behind the last. fn is given each item, whose ref is the caller's; it must not
// use the tree. It returns how many there were. Who removes many does it in slices of his own choice.
func (t *Tree) RemoveSome(e *Env, c *Cursor, n int, fn func(Item)) (removed int) {
	for removed < n && c.Valid(e) {
		removed += t.removeRun(e, c, n-removed, fn)
	}
	return removed
}

// removeRun takes out up to n items of c's leaf.
func (t *Tree) removeRun(e *Env, c *Cursor, n int, fn func(Item)) int {
	t.own(e, c)
	leaf, i := c.leaf(e), c.path[0].i
	n = min(n, leaf.len()-i)
	var w uint64
	for j := i; j < i+n; j++ {
		w += leaf.weight(j)
		fn(leaf.item(j))
	}
	leaf.remove(i, n)
	t.items -= uint64(n)
	t.weight -= w
	for l := 1; l < c.height; l++ {
		e.node(c.path[l].ref, l).addWeight(c.path[l].i, -w)
	}
	if i == 0 && leaf.len() > 0 {
		t.fixFirst(e, c, 0)
	}
	if t.thin(e, c, 0) {
		rank := c.Rank(e)
		t.mend(e, c)
		t.seekRank(e, c, uint64(rank))
		return n
	}
	t.shrink(e, c, 0)
	c.settle(e)
	return n
}

// thin reports whether the node of a level has so few entries that something must be done.
func (t *Tree) thin(e *Env, c *Cursor, level int) bool {
	n := e.node(c.path[level].ref, level).len()
	if level == t.top() {
		return n == 0 || n == 1 && level > 0
	}
	if n == 0 || n >= e.Layout.least(level) {
		return n == 0
	}
	parent, i := e.node(c.path[level+1].ref, level+1), c.path[level+1].i
	if parent.len() == 1 {
		return false // the only child of an outermost node
	}
	if i+1 < parent.len() {
		i++
	} else {
		i--
	}
	return n+e.node(parent.child(i), level).len() <= e.Layout.join(level) ||
		!c.outermost(e, level, false) && !c.outermost(e, level, true)
}

// mend does what thin demands, from the leaf upwards. c's path is of no use after it.
func (t *Tree) mend(e *Env, c *Cursor) {
	for l := 0; t.thin(e, c, l); l++ {
		if l == t.top() {
			t.lower(e)
			return
		}
		if ref := c.path[l].ref; e.node(ref, l).len() == 0 {
			e.Heap.Free(ref)
			t.removeChild(e, c, l+1, c.path[l+1].i)
		} else {
			t.even(e, c, l)
		}
		t.shrink(e, c, l+1)
	}
}

// removeChild takes an entry out of the inner node of a level.
func (t *Tree) removeChild(e *Env, c *Cursor, level, i int) {
	n := e.node(c.path[level].ref, level)
	n.remove(i, 1)
	if i == 0 && n.len() > 0 {
		t.fixFirst(e, c, level)
	}
}

// even joins the node of a level with a neighbour, or gives both the same number of entries.
func (t *Tree) even(e *Env, c *Cursor, level int) {
	parent, i := e.node(c.path[level+1].ref, level+1), c.path[level+1].i
	if i+1 == parent.len() {
		i--
	}
	left, right := e.ownChild(parent, i, level), e.ownChild(parent, i+1, level)
	a, b := e.node(left, level), e.node(right, level)
	var buf [2 * nodeBytes]byte
	all := append(append(buf[:0], a.bytes(0, a.len())...), b.bytes(0, b.len())...)
	count, join := a.len()+b.len(), e.Layout.join(level)

	var child entry
	cut := len(all)
	if count > join {
		cut = count / 2 * a.stride
		right = e.rebuild(right, level, all[cut:])
		copy(parent.bytes(i+1, i+2), e.childEntry(&child, right, level))
	} else {
		e.Heap.Free(right)
		parent.remove(i+1, 1)
	}
	left = e.rebuild(left, level, all[:cut])
	copy(parent.bytes(i, i+1), e.childEntry(&child, left, level))
	if c.path[level+1].i = i; i == 0 {
		t.fixFirst(e, c, level+1)
	}
}

// shrink gives the node of a level a smaller block when that is smaller by a quarter.
func (t *Tree) shrink(e *Env, c *Cursor, level int) {
	n := e.node(c.path[level].ref, level)
	if n.len() > 0 && arena.ClassSize(headBytes+n.len()*n.stride)*4 <= n.class()*3 {
		t.resize(e, c, level, n.len())
	}
}

// lower lets a root give way that has no entry, or is the parent of one node.
func (t *Tree) lower(e *Env) {
	for t.height > 0 {
		n := e.node(t.root, t.top())
		if n.len() > 1 || n.len() == 1 && n.leaf {
			return
		}
		old := t.root
		if n.len() == 0 {
			*t = Tree{}
		} else {
			t.root = n.child(0)
			t.height--
		}
		e.Heap.Free(old)
	}
}
