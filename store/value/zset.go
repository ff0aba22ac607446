package value

import (
	"bytes"
	"fmt"
	"math"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/tree"
)

// The root block of a sorted set has the tree behind what a set's has. The tree's items are the element blocks.
const (
	orderAt  = membersRoot
	zsetRoot = orderAt + int(unsafe.Sizeof(tree.Tree{}))
)

// orderEntryBytes is about what an element takes in the tree: key, ref and, of full and half full nodes, its share.
const orderEntryBytes = 18

// RootedZSet is a handle on a sorted set that has a root: encoding skiplist. Elements are in the order of score, and of the bytes of their members where scores
// are equal; rank 0 is the first. Scores are no NaN.
type RootedZSet struct{ members }

// NewZSet makes an empty sorted set.
func NewZSet(env *Env) RootedZSet { return RootedZSet{newMembers(env, zsetRoot)} }

// OpenZSet is a handle on the sorted set with this root.
func OpenZSet(env *Env, root arena.Ref) RootedZSet { return RootedZSet{members{env, root}} }

func zsetOrder(a *arena.Arena, h *arena.Heap) tree.Env {
	return tree.Env{Arena: a, Heap: h, Layout: tree.Layout{KeyBytes: 8, Ties: true}, Compare: func(x, y arena.Ref) int {
		return bytes.Compare(elementAt(a, x).Member(), elementAt(a, y).Member())
	}}
}

func (z RootedZSet) order() *tree.Tree {
	return (*tree.Tree)(unsafe.Add(z.env.Arena.Ptr(z.root), orderAt))
}

// scoreKey is a score as a number that sorts as it does. −0 and 0 are equal.
func scoreKey(score float64) tree.Key {
	b := math.Float64bits(score + 0)
	if b>>63 != 0 {
		return tree.Key{Hi: ^b}
	}
	return tree.Key{Hi: b | 1<<63}
}

// Set gives a member a score; created if it was not there, else old is the score that it had.
func (z RootedZSet) Set(member []byte, score float64) (old float64, created bool) {
	h := z.env.Hash(member)
	x, _ := z.find(h, member)
	if !x.Found() {
		x = z.alloc(memberSize(member) + 8)
		x.writeScore(x.writeMember(member), score)
		z.index().Insert(&z.env.Dict, h, x.ref, NoExpiry)
		z.order().Put(&z.env.zset, tree.Item{Key: scoreKey(score), Ref: x.ref})
		return 0, true
	}
	if old = x.Score(); math.Float64bits(old) == math.Float64bits(score) {
		return old, false
	}
	z.index().BeforeWrite(&z.env.Dict, h)
	if from, to := scoreKey(old), scoreKey(score); from != to {
		var c tree.Cursor
		z.order().Find(&z.env.zset, &c, from, x.ref)
		z.order().Remove(&z.env.zset, &c)
		z.order().Put(&z.env.zset, tree.Item{Key: to, Ref: x.ref})
	}
	x.writeScore(x.behind(), score)
	return old, false
}

// Remove removes a member; false if it was not there.
func (z RootedZSet) Remove(member []byte) bool {
	h := z.env.Hash(member)
	x, p := z.find(h, member)
	if !x.Found() {
		return false
	}
	var c tree.Cursor
	z.order().Find(&z.env.zset, &c, scoreKey(x.Score()), x.ref)
	z.order().Remove(&z.env.zset, &c)
	z.index().Remove(&z.env.Dict, h, p)
	z.free(x.ref)
	return true
}

// Rank is how many elements are before an element of this set.
func (z RootedZSet) Rank(x Element) int {
	var c tree.Cursor
	z.order().Find(&z.env.zset, &c, scoreKey(x.Score()), x.ref)
	return c.Rank(&z.env.zset)
}

// ZCursor is a position in a sorted set: at an element, or behind the last one. It is good until the set is changed by other means.
type ZCursor struct {
	z RootedZSet
	c tree.Cursor
}

// At is the position of a rank from 0 on; behind the last element if there is none of that rank.
func (z RootedZSet) At(rank int) (c ZCursor) {
	c.z = z
	z.order().At(&z.env.zset, &c.c, rank)
	return c
}

// Seek is the position of the first element with a score of at least score, or with after of more than that.
func (z RootedZSet) Seek(score float64, after bool) (c ZCursor) {
	c.z = z
	if after {
		z.order().SeekAfter(&z.env.zset, &c.c, scoreKey(score))
	} else {
		z.order().Seek(&z.env.zset, &c.c, scoreKey(score))
	}
	return c
}

// SeekLex is the position of the first element that is at least member, or with after is more than that, in a set whose elements all have the same score.
func (z RootedZSet) SeekLex(member []byte, after bool) (c ZCursor) {
	c = z.At(0)
	if !c.Valid() {
		return c
	}
	least := 0
	if after {
		least = 1
	}
	z.order().SeekTie(&z.env.zset, &c.c, scoreKey(c.Element().Score()), func(item arena.Ref) int {
		return bytes.Compare(elementAt(z.env.Arena, item).Member(), member) - least
	})
	return c
}

// Valid reports whether c is at an element.
func (c *ZCursor) Valid() bool { return c.c.Valid(&c.z.env.zset) }

// Element is the element that c is at.
func (c *ZCursor) Element() Element {
	return elementAt(c.z.env.Arena, c.c.Item(&c.z.env.zset).Ref)
}

// Rank is the rank of the element that c is at, or the number of elements if it is behind the last.
func (c *ZCursor) Rank() int { return c.c.Rank(&c.z.env.zset) }

// Next goes to the next element; false, and c behind the last one, if there is none.
func (c *ZCursor) Next() bool { return c.c.Next(&c.z.env.zset) }

// Prev goes to the element before; false, and c stays, if there is none.
func (c *ZCursor) Prev() bool { return c.c.Prev(&c.z.env.zset) }

// RemoveSome removes up to n elements from where c is on, and puts c at the next one. fn, which may be nil, is given each before it goes. It returns how many there were.
func (c *ZCursor) RemoveSome(n int, fn func(Element)) int {
	z := c.z
	return z.order().RemoveSome(&z.env.zset, &c.c, n, func(it tree.Item) {
		x := elementAt(z.env.Arena, it.Ref)
		if fn != nil {
			fn(x)
		}
		h := z.env.Hash(x.Member())
		z.index().Remove(&z.env.Dict, h, z.index().Find(&z.env.Dict, h, x.ref))
		z.free(x.ref)
	})
}

func (z RootedZSet) bytes() int64 {
	return z.members.bytes() + int64(z.order().Items())*orderEntryBytes
}

func (z RootedZSet) freeSome(n int) bool {
	return z.order().FreeSome(&z.env.zset, n) && z.members.freeSome(n)
}

// clone makes a deep copy in env. Blocks are made in order, which later ranges profit from.
func (z RootedZSet) clone(env *Env) members {
	to := NewZSet(env)
	for c := z.At(0); c.Valid(); c.Next() {
		x := to.copyOf(z.members, c.Element().ref)
		to.index().Insert(&env.Dict, env.Hash(x.Member()), x.ref, NoExpiry)
		to.order().Append(&env.zset, tree.Item{Key: scoreKey(x.Score()), Ref: x.ref})
	}
	return to.members
}

// A sorted set's positions of defragmentation are those of the index, whose low bits are zero, and then, odd, those of the tree: 2 × rank + 1.
func (z RootedZSet) defrag(at uint64) (next uint64, moved, left int) {
	if at&1 == 0 {
		next, moved, left = z.members.defrag(at, z.moved)
		if next == dict.End {
			next = 1
		}
		return next, moved, left
	}
	rank, moved, left := z.order().Defrag(&z.env.zset, int(at/2), nil)
	if rank == 0 {
		return dict.End, moved, left
	}
	return uint64(rank)*2 + 1, moved, left
}

// moved says that an element's block was copied to another, before the old one is freed.
func (z RootedZSet) moved(from, to arena.Ref) {
	var c tree.Cursor
	z.order().Find(&z.env.zset, &c, scoreKey(elementAt(z.env.Arena, from).Score()), from)
	z.order().Set(&z.env.zset, &c, to, 1)
}

func (z RootedZSet) check() error {
	if err := z.members.check(ZSet); err != nil {
		return err
	}
	if err := z.order().Check(&z.env.zset); err != nil {
		return err
	}
	if z.order().Items() != z.Len() {
		return fmt.Errorf("value: %d elements, %d of them in order", z.Len(), z.order().Items())
	}
	for c := z.At(0); c.Valid(); c.Next() {
		x := c.Element()
		if key := c.c.Item(&z.env.zset).Key; z.Find(x.Member()).ref != x.ref || key != scoreKey(x.Score()) {
			return fmt.Errorf("value: element %q of score %v is in order as %x", x.Member(), x.Score(), key)
		}
	}
	return nil
}
