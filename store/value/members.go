package value

import (
	"fmt"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
)

// The root block of a set, hash or sorted set: owners, bytes of all element blocks, index. A sorted set has more behind it.
const (
	ownersAt    = 0
	bytesAt     = 8
	indexAt     = 16
	membersRoot = indexAt + int(unsafe.Sizeof(dict.Dict{}))
)

// members is a handle on the index of elements that a rooted set, hash or sorted set has. What changes it leaves to its types what stands behind the
// member in an element's block.
type members struct {
	env  *Env
	root arena.Ref
}

// newMembers makes an empty one with a root block of size bytes. It belongs to an entry.
func newMembers(env *Env, size int) members {
	m := members{env, env.Heap.AllocZero(size)}
	Owners(env.Arena, m.root).Store(1)
	return m
}

// Root is the ref of the value's root block.
func (m members) Root() arena.Ref { return m.root }

func (m members) index() *dict.Dict {
	return (*dict.Dict)(unsafe.Add(m.env.Arena.Ptr(m.root), indexAt))
}

// blockBytes is the count of bytes in the root.
func (m members) blockBytes() *int64 {
	return (*int64)(unsafe.Add(m.env.Arena.Ptr(m.root), bytesAt))
}

// Len is the number of elements.
func (m members) Len() int { return m.index().Len() }

func (m members) alloc(n int) Element {
	ref := m.env.Heap.Alloc(n)
	*m.blockBytes() += int64(arena.ClassSize(n))
	return elementAt(m.env.Arena, ref)
}

func (m members) free(ref arena.Ref) {
	*m.blockBytes() -= int64(m.env.Arena.Size(ref))
	m.env.Heap.Free(ref)
}

// Find finds an element.
func (m members) Find(member []byte) Element {
	x, _ := m.find(m.env.Hash(member), member)
	return x
}

func (m members) find(h uint64, member []byte) (Element, dict.Place) {
	p := m.index().Probe(&m.env.Dict, h)
	for p.Next() {
		if x := elementAt(m.env.Arena, p.Ref()); string(x.Member()) == string(member) {
			return x, p.Place()
		}
	}
	return Element{}, dict.Place{}
}

// replace gives an element a block of size bytes: its own one if that is of the size class, else a new one, in which the member is written. behind is where the block goes on.
// The walks have been handed the bucket.
func (m members) replace(x Element, p dict.Place, size int) (n Element, behind int) {
	if arena.ClassSize(size) == m.env.Arena.Size(x.ref) {
		return x, x.behind()
	}
	n = m.alloc(size)
	behind = n.writeMember(x.Member())
	m.index().Replace(p, n.ref)
	m.free(x.ref)
	return n, behind
}

// Remove removes an element; false if it was not there.
func (m members) Remove(member []byte) bool {
	h := m.env.Hash(member)
	x, p := m.find(h, member)
	if !x.Found() {
		return false
	}
	m.index().Remove(&m.env.Dict, h, p)
	m.free(x.ref)
	return true
}

// cursorShift makes a cursor of a position, whose low bits are zero.
const cursorShift = 64 - dict.PositionBits

// Scan gives fn about count elements from a cursor on, and returns the next cursor, or 0 at the end. Starting at 0 until it answers 0 gives every
// element that is there throughout at least once. It goes by whole buckets, so there may be some more, and gives up after 10 × count empty ones. fn must not change the value.
func (m members) Scan(cursor uint64, count int, fn func(Element)) (next uint64) {
	n, count := 0, max(count, 1)
	at := cursor << cursorShift
	for empty := 10 * count; n < count && empty > 0; empty-- {
		at = m.index().Visit(&m.env.Dict, at, func(ref arena.Ref) {
			n++
			fn(elementAt(m.env.Arena, ref))
		})
		if at == dict.End {
			return 0
		}
	}
	return at >> cursorShift
}

// Each gives fn every element, in no order that means anything, until it says no. fn must not change the value.
func (m members) Each(fn func(Element) bool) {
	more := true
	for at := uint64(0); more && at != dict.End; {
		at = m.index().Visit(&m.env.Dict, at, func(ref arena.Ref) {
			more = more && fn(elementAt(m.env.Arena, ref))
		})
	}
}

// Random is an element picked with equal chances; there is at least one. rnd gives 64 random bits at each call.
func (m members) Random(rnd func() uint64) Element {
	return elementAt(m.env.Arena, m.index().Random(&m.env.Dict, rnd))
}

// RandomDistinct gives fn n different elements, or all if there are fewer, each set of n with equal chances. fn must not change the value.
func (m members) RandomDistinct(n int, rnd func() uint64, fn func(Element)) {
	size := m.Len()
	if n = min(n, size); n > size/3 {
		m.shuffled(n, rnd, fn)
		return
	}
	seen := make(map[arena.Ref]struct{}, n)
	for len(seen) < n {
		x := m.Random(rnd)
		if _, old := seen[x.ref]; !old {
			seen[x.ref] = struct{}{}
			fn(x)
		}
	}
}

// shuffled is RandomDistinct by the first n of a shuffled list of all.
func (m members) shuffled(n int, rnd func() uint64, fn func(Element)) {
	refs := make([]arena.Ref, 0, m.Len())
	m.index().Walkthrough(&m.env.Dict, func(ref arena.Ref) { refs = append(refs, ref) })
	for i := range n {
		j := i + int(rnd()%uint64(len(refs)-i))
		refs[i], refs[j] = refs[j], refs[i]
		fn(elementAt(m.env.Arena, refs[i]))
	}
}

// bytes is how much memory the value takes but its root block: exactly the elements, nearly the index.
func (m members) bytes() int64 {
	return *m.blockBytes() + m.index().Bytes(&m.env.Dict)
}

// freeSome frees up to n elements (whole segments of the index: up to some hundred more) of a value without owners, and reports whether all is free.
func (m members) freeSome(n int) (done bool) {
	slot := (*uint64)(m.env.Arena.Ptr(m.root))
	free := func(ref arena.Ref) {
		n--
		m.env.Heap.Free(ref)
	}
	for n > 0 {
		next, more := m.index().FreeSegment(&m.env.Dict, *slot, free)
		if !more {
			m.env.Heap.Free(m.root)
			return true
		}
		*slot = next
	}
	return false
}

// clone makes a deep copy in env, which may be another shard's.
func (m members) clone(env *Env, t Type) members {
	to := newMembers(env, m.env.Arena.Size(m.root))
	m.index().Walkthrough(&m.env.Dict, func(ref arena.Ref) {
		x := to.copyOf(m, ref)
		to.index().Insert(&env.Dict, env.Hash(x.Member()), x.ref, x.expiry(t))
	})
	return to
}

// copyOf makes a copy of an element's block of another value. It is not in the index yet.
func (m members) copyOf(from members, ref arena.Ref) Element {
	n := from.env.Arena.Size(ref)
	x := m.alloc(n)
	copy(x.bytes(0, n), elementAt(from.env.Arena, ref).bytes(0, n))
	return x
}

// expiry is an element's expiry, whatever type it is of.
func (x Element) expiry(t Type) int64 {
	if t != Hash {
		return NoExpiry
	}
	return x.ExpireAt()
}

// defrag goes over one bucket of the index from a position on, and moves elements and parts of the index where that wins memory. fn, if not nil, is told of each element that
// was copied to another block, before the old one is freed.
func (m members) defrag(at uint64, fn func(from, to arena.Ref)) (next uint64, moved, left int) {
	h, a := m.env.Heap, m.env.Arena
	elements, kept := 0, 0
	next, moved, left = m.index().Defrag(&m.env.Dict, at, func(ref arena.Ref) arena.Ref {
		if !h.ShouldMove(ref) {
			kept++
			return ref
		}
		n := a.Size(ref)
		to := h.Alloc(n)
		copy(a.Bytes(to, n), a.Bytes(ref, n))
		if fn != nil {
			fn(ref, to)
		}
		h.Free(ref)
		elements++
		return to
	})
	return next, moved + elements, left + kept
}

// check verifies the index, that each element is found by its member, and the count of bytes.
func (m members) check(t Type) (err error) {
	if err = m.index().Check(&m.env.Dict); err != nil {
		return err
	}
	n, volatile := int64(0), 0
	m.Each(func(x Element) bool {
		n += int64(m.env.Arena.Size(x.ref))
		if x.expiry(t) >= 0 {
			volatile++
		}
		if found := m.Find(x.Member()); found.ref != x.ref {
			err = fmt.Errorf("value: element %q is in block %x, found in %x", x.Member(), x.ref, found.ref)
		}
		return err == nil
	})
	if err == nil && (n != *m.blockBytes() || volatile != m.index().Volatile()) {
		err = fmt.Errorf("value: %d bytes of elements, %d volatile; counted %d, %d", n, volatile, *m.blockBytes(), m.index().Volatile())
	}
	return err
}
