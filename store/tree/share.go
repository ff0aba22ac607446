package tree

import (
	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/store/arena"
)

// Snapshot returns the tree as it is, frozen, at the cost of one increment: both trees own the nodes from then on, and whoever changes one copies what is on the way. It
// must be freed like any tree, and may be changed like any: a copy of a list is a Snapshot that lives on.
func (t *Tree) Snapshot(e *Env) Tree {
	if t.height > 0 {
		e.owners(t.root).Add(1)
	}
	return *t
}

// Own makes the nodes on the way to c's item the tree's alone, as every change does first, and returns the item. If its leaf was shared the item has
// one more owner now, or is a copy (Env.Share): so who wants to change what an item refers to calls Own before it looks at the ref.
func (t *Tree) Own(e *Env, c *Cursor) Item {
	t.own(e, c)
	return c.Item(e)
}

// Sole reports whether all nodes on the way to c's item are the tree's alone: then the item is, too, unless it has other owners itself.
func (t *Tree) Sole(e *Env, c *Cursor) bool {
	for l := range c.height {
		if e.owners(c.path[l].ref).Load() > 1 {
			return false
		}
	}
	return true
}

// own copies the nodes of c's path that others own too.
func (t *Tree) own(e *Env, c *Cursor) {
	for l := c.height - 1; l >= 0; l-- {
		if ref := c.path[l].ref; e.owners(ref).Load() > 1 {
			t.relink(e, c, l, e.copyNode(ref, l))
			if l == 0 && e.Layout.Ties {
				t.fixFirst(e, c, 0) // Env.Share may have copied the first item
			}
		}
	}
}

// ownChild makes a child its parent's alone. The caller writes the parent's entry anew.
func (e *Env) ownChild(parent node, i, level int) arena.Ref {
	ref := parent.child(i)
	if e.owners(ref).Load() > 1 {
		return e.copyNode(ref, level)
	}
	return ref
}

// copyNode returns a copy of a node, and lets go of the node.
func (e *Env) copyNode(ref arena.Ref, level int) arena.Ref {
	n := e.node(ref, level)
	to := e.newNode(level, n.bytes(0, n.len()), 0)
	c := e.node(to, level)
	for i := range c.len() {
		if level > 0 {
			e.owners(c.child(i)).Add(1)
			continue
		}
		it := c.item(i)
		if e.Share != nil {
			c.setItem(i, e.Share(it.Ref), it.Weight)
		}
	}
	e.letGo(ref, level)
	return to
}

// letGo gives up one ownership of a node whose children this tree owns by another node, too. If that was the last one because somebody else did the same at this
// moment, the node is freed; so are not its children, which have owners left.
func (e *Env) letGo(ref arena.Ref, level int) {
	if e.owners(ref).Add(^uint32(0)) > 0 {
		return
	}
	n := e.node(ref, level)
	for i := range n.len() {
		if level > 0 {
			left := e.owners(n.child(i)).Add(^uint32(0))
			if invariant.Enabled {
				invariant.Check(left > 0, "tree: a child of a copied node has no owner left")
			}
		} else if e.Drop != nil {
			e.Drop(n.ref(i))
		}
	}
	e.Heap.Free(ref)
}

// FreeSome frees part of the tree: some n items, from its end, with the nodes that hold them; Env.Drop is given the items. Nodes that others own are left to them. It
// reports whether all is free. After the first call nothing else may be done with the tree.
func (t *Tree) FreeSome(e *Env, n int) (done bool) {
	for n > 0 && t.height > 0 {
		n -= t.freeLast(e)
	}
	return t.height == 0
}

// freeLast frees the last leaf, or lets go of the first node on the way to it that others own. It returns what that counts as.
func (t *Tree) freeLast(e *Env) int {
	var path [maxHeight]arena.Ref
	ref := t.root
	for l := t.top(); ; l-- {
		if !e.sole(ref) {
			t.cutLast(e, &path, l)
			return 1
		}
		n := e.node(ref, l)
		if l == 0 {
			count := n.len()
			for i := 0; e.Drop != nil && i < count; i++ {
				e.Drop(n.ref(i))
			}
			e.Heap.Free(ref)
			t.cutLast(e, &path, 0)
			return count + 1
		}
		path[l] = ref
		ref = n.child(n.len() - 1)
	}
}

// sole reports whether a node is this tree's alone; if not, it is let go of.
func (e *Env) sole(ref arena.Ref) bool {
	owners := e.owners(ref)
	if owners.Load() == 1 {
		return true
	}
	if owners.Add(^uint32(0)) > 0 {
		return false
	}
	owners.Store(1) // all others let go of it meanwhile
	return true
}

// cutLast takes the last node of a level, which is gone, out of its parent. Parents that become empty go, too.
func (t *Tree) cutLast(e *Env, path *[maxHeight]arena.Ref, level int) {
	for l := level + 1; l < int(t.height); l++ {
		n := e.node(path[l], l)
		n.setLen(n.len() - 1)
		if n.len() > 0 {
			return
		}
		e.Heap.Free(path[l])
	}
	*t = Tree{}
}
