package value

import (
	"encoding/binary"
	"fmt"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/tree"
)

// appendNodes appends nodes from the one that the element of number position is in, until dst is at least so many bytes longer.
func (l RootedList) appendNodes(dst []byte, position uint64, bytes int) (to []byte, next uint64) {
	e := &l.env.list
	var c tree.Cursor
	if _, ok := l.tree().At(e, &c, int(position)); !ok {
		return dst, 0
	}
	for end := len(dst) + bytes; len(dst) < end; {
		it := c.Item(e)
		n := nodeAt(l.env.Arena, it.Ref)
		dst = binary.AppendUvarint(append(dst, byte(n.container())), uint64(n.len()))
		dst = append(dst, n.view()...)
		if position += uint64(it.Weight); !c.Next(e) {
			return dst, 0
		}
	}
	return dst, position
}

// bytes is how much memory the list takes but its root block: exactly the nodes (those that another list has too are counted with both), nearly the tree.
func (l RootedList) bytes() int64 { return *l.nodeBytes() + int64(l.tree().Bytes(&l.env.list)) }

// freeSome frees some n nodes of a list without owners, and reports whether all is free, the root block included.
func (l RootedList) freeSome(n int) (done bool) {
	if !l.tree().FreeSome(&l.env.list, n) {
		return false
	}
	l.env.Heap.Free(l.root)
	return true
}

// clone makes a copy in env, which may be another shard's, that shares all nodes until they change.
func (l RootedList) clone(env *Env) RootedList {
	to := NewList(env)
	*to.tree() = l.tree().Snapshot(&l.env.list)
	*to.nodeBytes() = *l.nodeBytes()
	return to
}

// defrag goes over one leaf of the tree from a position on, and moves nodes and parts of the tree where that wins memory.
func (l RootedList) defrag(position uint64) (next uint64, moved, left int) {
	h, a := l.env.Heap, l.env.Arena
	nodes, kept := 0, 0
	rank, moved, left := l.tree().Defrag(&l.env.list, int(position), func(ref arena.Ref) arena.Ref {
		if nodeAt(a, ref).owners().Load() > 1 || !h.ShouldMove(ref) {
			kept++
			return ref
		}
		n := a.Size(ref)
		to := h.Alloc(n)
		copy(a.Bytes(to, n), a.Bytes(ref, n))
		h.Free(ref)
		nodes++
		return to
	})
	return uint64(rank), moved + nodes, left + kept
}

// check verifies the tree, each node's count of elements, and the count of bytes.
func (l RootedList) check() error {
	e, a := &l.env.list, l.env.Arena
	if err := l.tree().Check(e); err != nil {
		return err
	}
	var c tree.Cursor
	bytes := int64(0)
	for ok := l.tree().First(e, &c); ok; ok = c.Next(e) {
		it := c.Item(e)
		n := nodeAt(a, it.Ref)
		bytes += int64(a.Size(it.Ref))
		count, valid := 1, n.container() == PlainNode
		if n.container() == PackedNode {
			count, valid = listpack.Validate(n.view())
		}
		if !valid || count != int(it.Weight) || n.owners().Load() == 0 {
			return fmt.Errorf("value: node %x of container %d has %d elements, valid %v, %d expected", it.Ref, n.container(), count, valid, it.Weight)
		}
	}
	if bytes != *l.nodeBytes() {
		return fmt.Errorf("value: %d bytes of nodes, counted %d", bytes, *l.nodeBytes())
	}
	return nil
}
