package value

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/tree"
)

// Container is what a node of a rooted list is. The numbers are those of RDB files.
type Container uint8

// The containers: one element as it is, or a listpack of some.
const (
	PlainNode  Container = 1
	PackedNode Container = 2
)

// ListFill says how much a list's node holds.
type ListFill struct {
	// Size is list-max-listpack-size: so many elements, or from −1 to −5 4 KiB, 8 KiB … 64 KiB.
	Size int
	// PlainFrom, if not 0, is the length from which on an element gets a node of its own, whatever Size says. Tests set it (DEBUG QUICKLIST-PACKED-THRESHOLD).
	PlainFrom int
}

// safeNodeBytes bounds a node of several elements where Size is a number of elements.
const safeNodeBytes = 8192

// most is how many bytes and elements a listpack has at most. Source: quicklist of Redis.
func (f ListFill) most() (bytes, count int) {
	if f.Size >= 0 {
		return safeNodeBytes, max(1, f.Size)
	}
	return 4096 << min(-f.Size-1, 4), math.MaxInt
}

// Exceeded reports whether so many bytes or elements are too much for one listpack.
func (f ListFill) Exceeded(bytes, count int) bool {
	b, c := f.most()
	return bytes > b || count > c
}

// Large reports whether an element of n bytes has a node of its own.
func (f ListFill) Large(n int) bool {
	if f.PlainFrom > 0 {
		return n >= f.PlainFrom
	}
	b, _ := f.most()
	return n > b
}

// A node's block: u32 owners (leaves of trees), u8 container, 3 bytes 0, u64 length, the bytes.
const (
	nodeContainerAt = 4
	nodeLenAt       = 8
	nodeHead        = 16
)

// listNode is a handle on a node.
type listNode struct {
	p   unsafe.Pointer
	ref arena.Ref
}

func nodeAt(a *arena.Arena, ref arena.Ref) listNode { return listNode{a.Ptr(ref), ref} }

func (n listNode) owners() *atomic.Uint32 { return (*atomic.Uint32)(n.p) }

func (n listNode) container() Container {
	return Container(*(*uint8)(unsafe.Add(n.p, nodeContainerAt)))
}

func (n listNode) len() int { return int(*(*uint64)(unsafe.Add(n.p, nodeLenAt))) }

func (n listNode) setLen(l int) { *(*uint64)(unsafe.Add(n.p, nodeLenAt)) = uint64(l) }

// bytes is the listpack or element. room is the size of the block: the slice's capacity ends there.
func (n listNode) bytes(room int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(n.p, nodeHead)), room-nodeHead)[:n.len()]
}

// view is bytes to be read.
func (n listNode) view() []byte { return n.bytes(nodeHead + n.len()) }

// listEnv is what the trees of lists are worked with.
func listEnv(a *arena.Arena, h *arena.Heap) tree.Env {
	return tree.Env{
		Arena: a, Heap: h, Layout: tree.Layout{Weighted: true},
		Share: func(ref arena.Ref) arena.Ref {
			nodeAt(a, ref).owners().Add(1)
			return ref
		},
		Drop: func(ref arena.Ref) { dropNode(a, h, ref) },
	}
}

// dropNode gives up one ownership of a node.
func dropNode(a *arena.Arena, h *arena.Heap, ref arena.Ref) {
	if nodeAt(a, ref).owners().Add(^uint32(0)) == 0 {
		h.Free(ref)
	}
}

// newNode makes a node with room for n bytes, which has none yet.
func (l RootedList) newNode(c Container, n int) listNode {
	ref := l.env.Heap.Alloc(nodeHead + n)
	*l.nodeBytes() += int64(l.env.Arena.Size(ref))
	node := nodeAt(l.env.Arena, ref)
	node.owners().Store(1)
	*(*uint32)(unsafe.Add(node.p, nodeContainerAt)) = uint32(c)
	node.setLen(0)
	return node
}

// newFilled makes a node with these bytes and room for n in all.
func (l RootedList) newFilled(c Container, b []byte, n int) listNode {
	node := l.newNode(c, max(n, len(b)))
	node.setLen(len(b))
	copy(node.view(), b)
	return node
}

// newElement makes a node with one element.
func (l RootedList) newElement(f ListFill, s []byte) arena.Ref {
	if f.Large(len(s)) || !listpack.CanAdd(nil, listpack.EmptyBytes+listpack.EntryBytes(s)) {
		return l.newFilled(PlainNode, s, 0).ref
	}
	node := l.newNode(PackedNode, listpack.EmptyBytes+listpack.EntryBytes(s))
	lp := listpack.Append(listpack.Init(node.bytes(l.env.Arena.Size(node.ref))), s)
	node.setLen(len(lp))
	return node.ref
}

// release gives up a node that is in the list no more.
func (l RootedList) release(ref arena.Ref) {
	*l.nodeBytes() -= int64(l.env.Arena.Size(ref))
	dropNode(l.env.Arena, l.env.Heap, ref)
}

// edit changes the listpack of the node that c is at: change is given it with room for n bytes more, and must leave an element in it.
func (l RootedList) edit(c *tree.Cursor, n int, change func(lp []byte) []byte) {
	t, e, a := l.tree(), &l.env.list, l.env.Arena
	it := t.Own(e, c)
	node := nodeAt(a, it.Ref)
	if node.owners().Load() > 1 || nodeHead+node.len()+n > a.Size(it.Ref) {
		to := l.newFilled(PackedNode, node.view(), node.len()+n)
		l.release(node.ref)
		node = to
	}
	lp := change(node.bytes(a.Size(node.ref)))
	node.setLen(len(lp))
	count := uint32(listpack.Count(lp))
	if size := a.Size(node.ref); arena.ClassSize(nodeHead+len(lp))*4 <= size*3 {
		to := l.newFilled(PackedNode, lp, 0)
		l.release(node.ref)
		node = to
	}
	if node.ref != it.Ref || count != it.Weight {
		t.Set(e, c, node.ref, count)
	}
}

// admits reports whether an element of so many bytes may go into a node. Lengths are estimated as Redis does; in a node of a bounded number of bytes its head counts, so that blocks are of a size class.
func (l RootedList) admits(f ListFill, it tree.Item, n int) bool {
	node := nodeAt(l.env.Arena, it.Ref)
	const overhead = 8
	return node.container() == PackedNode && !f.Large(n) && !f.Exceeded(nodeHead+node.len()+n+overhead, int(it.Weight)+1)
}
