package tree

import (
	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/store/arena"
)

// Put inserts an item where its key, and Env.Compare, say. It must not be there yet.
func (t *Tree) Put(e *Env, it Item) {
	var c Cursor
	want := target{key: it.Key}
	if e.Layout.Ties {
		want.tie = func(other arena.Ref) int { return e.Compare(other, it.Ref) }
	}
	t.descend(e, &c, &want)
	t.Insert(e, &c, it)
}

// Append inserts an item behind the last one, Prepend before the first. Its key must fit.
func (t *Tree) Append(e *Env, it Item) {
	var c Cursor
	t.End(e, &c)
	t.Insert(e, &c, it)
}

// Prepend inserts an item before the first one. Its key must fit.
func (t *Tree) Prepend(e *Env, it Item) {
	var c Cursor
	t.First(e, &c)
	t.Insert(e, &c, it)
}

// Insert inserts an item before the one that c is at. Its key must fit. c is at the new item then: who loads many does
// Insert and Next by turns, and none of them looks for its place.
func (t *Tree) Insert(e *Env, c *Cursor, it Item) {
	w := e.Layout.weigh(it)
	if invariant.Enabled {
		invariant.Check(w > 0, "tree: an item without weight")
	}
	t.items++
	t.weight += w
	var buf entry
	ent := e.leafEntry(&buf, it)
	if t.height == 0 {
		t.root, t.height = e.newNode(0, ent, 1), 1
		t.end(e, c, false)
		return
	}
	t.own(e, c)
	for l := 1; l < c.height; l++ {
		e.node(c.path[l].ref, l).addWeight(c.path[l].i, w)
	}
	if c.leaf(e).len() < e.Layout.most(0) {
		t.put(e, c, 0, ent)
		return
	}
	rank := c.Rank(e)
	t.split(e, c, 0, ent)
	t.seekRank(e, c, uint64(rank))
}

// put inserts an entry in the node of a level where c is. All nodes on c's path are owned.
func (t *Tree) put(e *Env, c *Cursor, level int, ent []byte) {
	n := e.node(c.path[level].ref, level)
	if n.len() == e.Layout.most(level) {
		t.split(e, c, level, ent)
		return
	}
	if n.len() == n.cap() {
		n = t.resize(e, c, level, n.len()+1)
	}
	n.insert(c.path[level].i, ent)
	if c.path[level].i == 0 {
		t.fixFirst(e, c, level)
	}
}

// resize gives the node of a level a block of the least class for room entries.
func (t *Tree) resize(e *Env, c *Cursor, level, room int) node {
	old := c.path[level].ref
	n := e.node(old, level)
	ref := e.newNode(level, n.bytes(0, n.len()), room)
	e.Heap.Free(old)
	t.relink(e, c, level, ref)
	return e.node(ref, level)
}

// relink puts another node in the place of that of a level.
func (t *Tree) relink(e *Env, c *Cursor, level int, ref arena.Ref) {
	c.path[level].ref = ref
	if level == t.top() {
		t.root = ref
		return
	}
	p := c.path[level+1]
	e.node(p.ref, level+1).setChild(p.i, ref)
}

// fixFirst tells the nodes above that the first entry of the node of a level is another one.
func (t *Tree) fixFirst(e *Env, c *Cursor, level int) {
	n := e.node(c.path[level].ref, level)
	for l := level + 1; l < c.height; l++ {
		s := c.path[l]
		copy(e.node(s.ref, l).bytes(s.i, s.i+1)[:n.prefix], n.bytes(0, 1))
		if s.i != 0 {
			return
		}
	}
}

// split inserts an entry in a full node, which becomes two. c's path is of no use after it.
func (t *Tree) split(e *Env, c *Cursor, level int, ent []byte) {
	if level == t.top() {
		t.raise(e, c)
	}
	s := c.path[level]
	n := e.node(s.ref, level)
	var buf [nodeBytes + maxEntry]byte
	all := append(append(append(buf[:0], n.bytes(0, s.i)...), ent...), n.bytes(s.i, n.len())...)
	cut := t.cutAt(e, c, level) * n.stride
	left := e.rebuild(s.ref, level, all[:cut])
	right := e.newNode(level, all[cut:], 0)

	var child entry
	up := &c.path[level+1]
	parent, l, r := e.node(up.ref, level+1), e.node(left, level), e.node(right, level)
	total := parent.weight(up.i) // with what is inserted; only the smaller half is added up
	sumR := total
	if l.len() < r.len() {
		sumR -= l.sum(l.len())
	} else {
		sumR = r.sum(r.len())
	}
	copy(parent.bytes(up.i, up.i+1), l.childEntry(&child, left, total-sumR))
	if up.i == 0 {
		t.fixFirst(e, c, level+1)
	}
	up.i++
	t.put(e, c, level+1, r.childEntry(&child, right, sumR))
}

// cutAt says how many of a full node's entries and the one that comes to them go to the left one of two nodes. At the ends of the tree the new one stays alone, so that a tree that is
// filled from one end has full nodes; or, where items weigh something, with a few others: these are lists, which grow and shrink by turns at their ends, and a node of one entry
// would come and go.
func (t *Tree) cutAt(e *Env, c *Cursor, level int) int {
	most, others := e.Layout.most(level), 0
	if e.Layout.Weighted && level == 0 {
		others = most / 16
	}
	switch i := c.path[level].i; {
	case i == most && c.outermost(e, level, true):
		return most - others
	case i == 0 && c.outermost(e, level, false):
		return 1 + others
	default:
		return (most + 1) / 2
	}
}

// outermost reports whether the node of a level is the last one of it, or the first one.
func (c *Cursor) outermost(e *Env, level int, last bool) bool {
	for l := level + 1; l < c.height; l++ {
		i := c.path[l].i
		if last && i != e.node(c.path[l].ref, l).len()-1 || !last && i != 0 {
			return false
		}
	}
	return true
}

// raise puts a new root above the old one, which is about to have all that the tree has.
func (t *Tree) raise(e *Env, c *Cursor) {
	if invariant.Enabled {
		invariant.Check(t.height < maxHeight, "tree: too high")
	}
	var child entry
	t.root = e.newNode(int(t.height), e.node(t.root, t.top()).childEntry(&child, t.root, t.weight), 2)
	c.path[t.height] = step{t.root, 0}
	t.height++
	c.height++
}

// Set lets the item that c is at have another ref and weight; its key stays, and its place must be right. It returns the item as it was: the caller gives up its ref.
func (t *Tree) Set(e *Env, c *Cursor, ref arena.Ref, weight uint32) Item {
	t.own(e, c)
	n, i := c.leaf(e), c.path[0].i
	old := n.item(i)
	n.setItem(i, ref, weight)
	if d := n.weight(i) - uint64(old.Weight); d != 0 {
		t.weight += d
		for l := 1; l < c.height; l++ {
			e.node(c.path[l].ref, l).addWeight(c.path[l].i, d)
		}
	}
	if i == 0 && e.Layout.Ties {
		t.fixFirst(e, c, 0)
	}
	return old
}
