package tree

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
)

const (
	// nodeBytes is the largest node.
	nodeBytes = 1024
	headBytes = 8
	refBytes  = 5
	// sumBytes is the weight of a child, itemWeightBytes that of an item.
	sumBytes        = 5
	itemWeightBytes = 4
	// maxEntry is the longest entry: an inner node's with keys of 16 bytes and ties.
	maxEntry = 16 + refBytes + refBytes + sumBytes
)

// node is a node's block, seen with its tree's layout.
type node struct {
	p        unsafe.Pointer
	stride   int // bytes of an entry
	key      int // bytes of its key
	prefix   int // in an inner node: where the child's ref is
	leaf     bool
	weighted bool // a leaf whose items have weights
}

// stride is the bytes of an entry on a level.
func (y Layout) stride(level int) int {
	if level > 0 {
		return y.prefix() + refBytes + sumBytes
	}
	if y.Weighted {
		return y.KeyBytes + refBytes + itemWeightBytes
	}
	return y.KeyBytes + refBytes
}

// prefix is the bytes of an inner entry that tell the first item below.
func (y Layout) prefix() int {
	if y.Ties {
		return y.KeyBytes + refBytes
	}
	return y.KeyBytes
}

// most is how many entries a node has at most, least how many it has unless it is at an end of its level, join how many two nodes may have
// together to be joined.
func (y Layout) most(level int) int  { return (nodeBytes - headBytes) / y.stride(level) }
func (y Layout) least(level int) int { return y.most(level) / 4 }
func (y Layout) join(level int) int  { return y.most(level) * 3 / 4 }

func (e *Env) node(ref arena.Ref, level int) node {
	y := e.Layout
	return node{
		p: e.Arena.Ptr(ref), stride: y.stride(level), key: y.KeyBytes, prefix: y.prefix(),
		leaf: level == 0, weighted: level == 0 && y.Weighted,
	}
}

// newNode makes a node with the entries given and room for some entries more, if its class has that.
func (e *Env) newNode(level int, entries []byte, room int) arena.Ref {
	stride := e.Layout.stride(level)
	count := len(entries) / stride
	n := headBytes + max(count, room)*stride
	ref := e.Heap.Alloc(n)
	b := e.Arena.Bytes(ref, headBytes+len(entries))
	binary.LittleEndian.PutUint64(b, 0)
	b[4] = byte(count)
	b[5] = byte(min((arena.ClassSize(n)-headBytes)/stride, e.Layout.most(level)))
	b[6] = byte(level)
	copy(b[headBytes:], entries)
	e.owners(ref).Store(1)
	return ref
}

// rebuild lets a node that its caller alone owns have other entries, in another block if that has another size. It returns where it is.
func (e *Env) rebuild(ref arena.Ref, level int, entries []byte) arena.Ref {
	n := e.node(ref, level)
	if arena.ClassSize(headBytes+len(entries)) != n.class() {
		e.Heap.Free(ref)
		return e.newNode(level, entries, 0)
	}
	n.setLen(len(entries) / n.stride)
	copy(n.bytes(0, n.len()), entries)
	return ref
}

func (e *Env) owners(ref arena.Ref) *atomic.Uint32 { return (*atomic.Uint32)(e.Arena.Ptr(ref)) }

func (n node) byteAt(off int) *byte { return (*byte)(unsafe.Add(n.p, off)) }

func (n node) len() int     { return int(*n.byteAt(4)) }
func (n node) setLen(c int) { *n.byteAt(4) = byte(c) }
func (n node) cap() int     { return int(*n.byteAt(5)) }
func (n node) level() int   { return int(*n.byteAt(6)) }

// class is the size of the node's block.
func (n node) class() int { return arena.ClassSize(headBytes + n.cap()*n.stride) }

func (n node) at(i int) unsafe.Pointer { return unsafe.Add(n.p, headBytes+i*n.stride) }

// bytes is the entries from i up to j.
func (n node) bytes(i, j int) []byte {
	return unsafe.Slice((*byte)(n.at(i)), (j-i)*n.stride)
}

// load5 reads 5 bytes as the end of 8, which are in the block too: a header comes before the first entry.
func load5(p unsafe.Pointer) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, -3))[:]) >> 24
}

func store5(p unsafe.Pointer, v uint64) {
	b := (*[5]byte)(p)
	binary.LittleEndian.PutUint32(b[:], uint32(v))
	b[4] = byte(v >> 32)
}

func load8(p unsafe.Pointer) uint64 { return binary.LittleEndian.Uint64((*[8]byte)(p)[:]) }

// keyAt is the key of an item, or of the first item below a child.
func (n node) keyAt(i int) Key {
	p := n.at(i)
	switch n.key {
	case 0:
		return Key{}
	case 8:
		return Key{Hi: load8(p)}
	default:
		return Key{Hi: load8(p), Lo: load8(unsafe.Add(p, 8))}
	}
}

// ref is an item, or in an inner node of a tree with ties the first item below a child.
func (n node) ref(i int) arena.Ref { return arena.Ref(load5(unsafe.Add(n.at(i), n.key))) }

// weight is that of an item, or of all below a child.
func (n node) weight(i int) uint64 {
	switch {
	case !n.leaf:
		return load5(unsafe.Add(n.at(i), n.prefix+refBytes))
	case n.weighted:
		return uint64(binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(n.at(i), n.key+refBytes))[:]))
	default:
		return 1
	}
}

func (n node) item(i int) Item {
	return Item{Key: n.keyAt(i), Ref: n.ref(i), Weight: uint32(n.weight(i))}
}

// setItem changes an item's ref and weight.
func (n node) setItem(i int, ref arena.Ref, weight uint32) {
	p := unsafe.Add(n.at(i), n.key)
	store5(p, uint64(ref))
	if n.weighted {
		binary.LittleEndian.PutUint32((*[4]byte)(unsafe.Add(p, refBytes))[:], weight)
	}
}

func (n node) child(i int) arena.Ref { return arena.Ref(load5(unsafe.Add(n.at(i), n.prefix))) }

func (n node) setChild(i int, ref arena.Ref) { store5(unsafe.Add(n.at(i), n.prefix), uint64(ref)) }

// addWeight adds to what a child weighs. Less is more than 2⁶⁴.
func (n node) addWeight(i int, w uint64) {
	p := unsafe.Add(n.at(i), n.prefix+refBytes)
	store5(p, load5(p)+w)
}

// sum is the weight of the first entries.
func (n node) sum(count int) (w uint64) {
	switch {
	case n.leaf && !n.weighted:
		return uint64(count)
	case n.leaf:
		for i := range count {
			w += n.weight(i)
		}
		return w
	}
	// What an inner node's entry ends with; the loop is what a rank costs.
	p := unsafe.Add(n.p, headBytes+n.prefix+refBytes)
	for range count {
		w += load5(p)
		p = unsafe.Add(p, n.stride)
	}
	return w
}

// insert puts an entry before number i. There is room.
func (n node) insert(i int, ent []byte) {
	c := n.len()
	copy(n.bytes(i+1, c+1), n.bytes(i, c))
	copy(n.bytes(i, i+1), ent)
	n.setLen(c + 1)
}

// remove takes out count entries from number i on.
func (n node) remove(i, count int) {
	c := n.len()
	copy(n.bytes(i, c-count), n.bytes(i+count, c))
	n.setLen(c - count)
}

// entry is room for one.
type entry [maxEntry]byte

// leafEntry writes an item as a leaf has it.
func (e *Env) leafEntry(buf *entry, it Item) []byte {
	y := e.Layout
	if y.KeyBytes > 0 {
		binary.LittleEndian.PutUint64(buf[:], it.Key.Hi)
	}
	if y.KeyBytes > 8 {
		binary.LittleEndian.PutUint64(buf[8:], it.Key.Lo)
	}
	store5(unsafe.Pointer(&buf[y.KeyBytes]), uint64(it.Ref))
	if y.Weighted {
		binary.LittleEndian.PutUint32(buf[y.KeyBytes+refBytes:], it.Weight)
	}
	return buf[:y.stride(0)]
}

// childEntry writes what a parent has of a node.
func (e *Env) childEntry(buf *entry, ref arena.Ref, level int) []byte {
	n := e.node(ref, level)
	return n.childEntry(buf, ref, n.sum(n.len()))
}

// childEntry writes what a parent has of the node, whose ref and sum of weights its caller knows.
func (n node) childEntry(buf *entry, ref arena.Ref, sum uint64) []byte {
	copy(buf[:n.prefix], n.bytes(0, 1))
	store5(unsafe.Pointer(&buf[n.prefix]), uint64(ref))
	store5(unsafe.Pointer(&buf[n.prefix+refBytes]), sum)
	return buf[:n.prefix+refBytes+sumBytes]
}
