package value

import (
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/tree"
)

// The root block of a list: owners, bytes of all nodes' blocks, tree.
const (
	listTreeAt = 16
	listRoot   = listTreeAt + int(unsafe.Sizeof(tree.Tree{}))
)

// RootedList is a handle on a list that has a root: encoding quicklist. Strings that are given to it must not be parts of lists.
type RootedList struct {
	env  *Env
	root arena.Ref
}

// NewList makes an empty list.
func NewList(env *Env) RootedList {
	l := RootedList{env, env.Heap.AllocZero(listRoot)}
	Owners(env.Arena, l.root).Store(1)
	return l
}

// OpenList is a handle on the list with this root.
func OpenList(env *Env, root arena.Ref) RootedList { return RootedList{env, root} }

// Root is the ref of the list's root block.
func (l RootedList) Root() arena.Ref { return l.root }

func (l RootedList) tree() *tree.Tree {
	return (*tree.Tree)(unsafe.Add(l.env.Arena.Ptr(l.root), listTreeAt))
}

// nodeBytes is the count of bytes in the root.
func (l RootedList) nodeBytes() *int64 {
	return (*int64)(unsafe.Add(l.env.Arena.Ptr(l.root), bytesAt))
}

// Len is the number of elements.
func (l RootedList) Len() int { return l.tree().Weight() }

// Nodes is the number of nodes.
func (l RootedList) Nodes() int { return l.tree().Items() }

// Push adds an element before the first or behind the last one.
func (l RootedList) Push(f ListFill, s []byte, front bool) {
	t, e := l.tree(), &l.env.list
	var c tree.Cursor
	var ok bool
	if front {
		ok = t.First(e, &c)
	} else {
		ok = t.Last(e, &c)
	}
	if ok && l.admits(f, c.Item(e), len(s)) {
		l.edit(&c, listpack.EntryBytes(s), func(lp []byte) []byte {
			if front {
				return listpack.Prepend(lp, s)
			}
			return listpack.Append(lp, s)
		})
		return
	}
	it := tree.Item{Ref: l.newElement(f, s), Weight: 1}
	switch {
	case !front:
		t.Append(e, it)
	case ok:
		t.Insert(e, &c, it)
	default:
		t.Prepend(e, it)
	}
}

// AppendNode adds a node behind the last one: one element, or a listpack, which has been validated and is not empty.
func (l RootedList) AppendNode(c Container, b []byte) {
	count := 1
	if c == PackedNode {
		count = listpack.Count(b)
	}
	l.tree().Append(&l.env.list, tree.Item{Ref: l.newFilled(c, b, 0).ref, Weight: uint32(count)})
}

// Packed is the list's one node as a listpack, if it has but one, that is one, and it is not too big for a list without a root; where a list is
// shrinking, half of that is too big, so that it does not come and go. It is a part of the list.
func (l RootedList) Packed(f ListFill, shrinking bool) (lp []byte, ok bool) {
	if l.Nodes() != 1 {
		return nil, false
	}
	var c tree.Cursor
	l.tree().First(&l.env.list, &c)
	it := c.Item(&l.env.list)
	node := nodeAt(l.env.Arena, it.Ref)
	bytes, count := f.most()
	if shrinking {
		bytes, count = bytes/2, count/2
	}
	if node.container() != PackedNode || f.Size < 0 && node.len() > bytes || int(it.Weight) > count {
		return nil, false
	}
	return node.view(), true
}

// Insert adds an element before that of number index, or with Len behind the last one.
func (l RootedList) Insert(f ListFill, index int, s []byte) {
	if index <= 0 || index >= l.Len() {
		l.Push(f, s, index <= 0)
		return
	}
	t, e := l.tree(), &l.env.list
	var c tree.Cursor
	off, _ := t.At(e, &c, index)
	if l.admits(f, c.Item(e), len(s)) {
		l.edit(&c, listpack.EntryBytes(s), func(lp []byte) []byte { return listpack.Insert(lp, listpack.Seek(lp, off), s) })
		return
	}
	if off > 0 {
		l.split(&c, off)
	}
	if prev := c; prev.Prev(e) && l.admits(f, prev.Item(e), len(s)) {
		l.edit(&prev, listpack.EntryBytes(s), func(lp []byte) []byte { return listpack.Append(lp, s) })
	} else {
		t.Insert(e, &c, tree.Item{Ref: l.newElement(f, s), Weight: 1})
	}
	if off > 0 {
		l.mergeAround(f, index)
	}
}

// split makes two nodes of the packed one that c is at, the second of which begins at element off. c is there then.
func (l RootedList) split(c *tree.Cursor, off int) {
	t, e, a := l.tree(), &l.env.list, l.env.Arena
	it := t.Own(e, c)
	lp := nodeAt(a, it.Ref).view()
	at := listpack.Seek(lp, off)
	right := l.newNode(PackedNode, listpack.EmptyBytes+listpack.End(lp)-at)
	rest := listpack.AppendFrom(listpack.Init(right.bytes(a.Size(right.ref))), lp, at, listpack.All)
	right.setLen(len(rest))
	l.edit(c, 0, func(lp []byte) []byte { return listpack.Delete(lp, at, listpack.All) })
	c.Next(e)
	t.Insert(e, c, tree.Item{Ref: right.ref, Weight: it.Weight - uint32(off)})
}

// mergeAround joins nodes that became small, near the one with element index.
func (l RootedList) mergeAround(f ListFill, index int) {
	e := &l.env.list
	var c tree.Cursor
	l.tree().At(e, &c, min(index, l.Len()-1))
	c.Prev(e)
	c.Prev(e)
	for range 4 {
		if !l.mergeNext(f, &c) && !c.Next(e) {
			return
		}
	}
}

// mergeNext appends the node behind c's to that of c, if both may be one.
func (l RootedList) mergeNext(f ListFill, c *tree.Cursor) bool {
	t, e, a := l.tree(), &l.env.list, l.env.Arena
	next := *c
	if !c.Valid(e) || !next.Next(e) {
		return false
	}
	ia, ib := c.Item(e), next.Item(e)
	na, nb := nodeAt(a, ia.Ref), nodeAt(a, ib.Ref)
	if na.container() != PackedNode || nb.container() != PackedNode ||
		f.Exceeded(nodeHead+na.len()+nb.len()-listpack.EmptyBytes, int(ia.Weight+ib.Weight)) {
		return false
	}
	rank := c.Rank(e)
	l.edit(c, nb.len()-listpack.EmptyBytes, func(lp []byte) []byte { return listpack.Merge(lp, nb.view()) })
	c.Next(e)
	l.release(t.Remove(e, c).Ref)
	t.At(e, c, rank)
	return true
}

// Set gives the element of number index another value; false if there is none.
func (l RootedList) Set(f ListFill, index int, s []byte) bool {
	t, e := l.tree(), &l.env.list
	var c tree.Cursor
	off, ok := t.At(e, &c, index)
	if !ok {
		return false
	}
	large := f.Large(len(s))
	node := nodeAt(l.env.Arena, c.Item(e).Ref)
	if more := listpack.EntryBytes(s); !large && node.container() == PackedNode && listpack.CanAdd(node.view(), more) {
		l.edit(&c, more, func(lp []byte) []byte { return listpack.Replace(lp, listpack.Seek(lp, off), s) })
		return true
	}
	if off > 0 {
		l.split(&c, off)
	}
	if c.Item(e).Weight == 1 {
		l.release(t.Set(e, &c, l.newElement(f, s), 1).Ref)
	} else {
		l.edit(&c, 0, func(lp []byte) []byte { return listpack.Delete(lp, listpack.First(lp), 1) })
		t.Insert(e, &c, tree.Item{Ref: l.newElement(f, s), Weight: 1})
	}
	l.mergeAround(f, index)
	return true
}

// Delete removes n elements from number index on, or as many as there are.
func (l RootedList) Delete(index, n int) {
	t, e := l.tree(), &l.env.list
	for n > 0 {
		var c tree.Cursor
		off, ok := t.At(e, &c, index)
		if !ok {
			return
		}
		w := int(c.Item(e).Weight)
		if off == 0 && n >= w {
			l.release(t.Remove(e, &c).Ref)
			n -= w
			continue
		}
		k := min(n, w-off)
		l.edit(&c, 0, func(lp []byte) []byte { return listpack.DeleteRange(lp, off, k) })
		n -= k
	}
}

// DeleteAt removes the element that c is at. c is of no use after it.
func (l RootedList) DeleteAt(c *ListCursor) {
	t, e := l.tree(), &l.env.list
	if c.c.Item(e).Weight == 1 {
		l.release(t.Remove(e, &c.c).Ref)
		return
	}
	at := c.at
	l.edit(&c.c, 0, func(lp []byte) []byte { return listpack.Delete(lp, at, 1) })
}

// Remove removes elements that are equal to s, at most so many if most is not 0, from the first one on or, if reverse, from the last one backwards. It returns how
// many it removed.
func (l RootedList) Remove(s []byte, most int, reverse bool) (removed int) {
	t, e := l.tree(), &l.env.list
	var c tree.Cursor
	var buf [64]int
	step := c.Next
	ok := t.First(e, &c)
	if reverse {
		step, ok = c.Prev, t.Last(e, &c)
	}
	for ok && (most == 0 || removed < most) {
		it := c.Item(e)
		node := nodeAt(l.env.Arena, it.Ref)
		places := matches(node, s, buf[:0])
		if n := len(places); most > 0 && n > most-removed {
			if n -= most - removed; reverse {
				places = places[n:]
			} else {
				places = places[:len(places)-n]
			}
		}
		removed += len(places)
		switch len(places) {
		case 0:
			ok = step(e)
		case int(it.Weight):
			l.release(t.Remove(e, &c).Ref)
			if ok = c.Valid(e); reverse {
				ok = c.Prev(e)
			}
		default:
			l.edit(&c, 0, func(lp []byte) []byte { return listpack.DeleteEach(lp, places, 1) })
			ok = step(e)
		}
	}
	return removed
}

// matches appends where in a node elements are equal to s: positions in its listpack, or 0 in a plain node.
func matches(node listNode, s []byte, to []int) []int {
	b := node.view()
	if node.container() == PlainNode {
		if string(b) == string(s) {
			to = append(to, 0)
		}
		return to
	}
	for at := listpack.Find(b, listpack.First(b), s, 0); at != listpack.None; at = listpack.Find(b, listpack.Next(b, at), s, 0) {
		to = append(to, at)
	}
	return to
}

// ListCursor is at an element of a list, until that is changed.
type ListCursor struct {
	l     RootedList
	c     tree.Cursor
	node  []byte // what c is at: a listpack, or one element
	plain bool
	at    int // position in the listpack
}

// Seek puts c at the element of number index; negative ones count from behind, −1 being the last. It is false if there is none.
func (l RootedList) Seek(c *ListCursor, index int) bool {
	if index < 0 {
		index += l.Len()
	}
	c.l = l
	off, ok := l.tree().At(&l.env.list, &c.c, index)
	if !ok {
		return false
	}
	c.load()
	if !c.plain {
		c.at = listpack.Seek(c.node, off)
	}
	return true
}

// load looks at the node that c is at.
func (c *ListCursor) load() {
	n := nodeAt(c.l.env.Arena, c.c.Item(&c.l.env.list).Ref)
	c.node, c.plain = n.view(), n.container() == PlainNode
}

// Get is the element: a string, which is a part of the list, or with a nil string an integer.
func (c *ListCursor) Get() (s []byte, n int64) {
	if c.plain {
		return c.node, 0
	}
	return listpack.Get(c.node, c.at)
}

// Equal reports whether the element is s.
func (c *ListCursor) Equal(s []byte) bool {
	if c.plain {
		return string(c.node) == string(s)
	}
	return listpack.Equal(c.node, c.at, s)
}

// Next goes to the next element, false if there is none.
func (c *ListCursor) Next() bool {
	if !c.plain {
		if at := listpack.Next(c.node, c.at); at != listpack.None {
			c.at = at
			return true
		}
	}
	if !c.c.Next(&c.l.env.list) {
		return false
	}
	if c.load(); !c.plain {
		c.at = listpack.First(c.node)
	}
	return true
}

// Prev goes to the element before, false if there is none.
func (c *ListCursor) Prev() bool {
	if !c.plain {
		if at := listpack.Prev(c.node, c.at); at != listpack.None {
			c.at = at
			return true
		}
	}
	if !c.c.Prev(&c.l.env.list) {
		return false
	}
	if c.load(); !c.plain {
		c.at = listpack.Last(c.node)
	}
	return true
}
