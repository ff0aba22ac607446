package value

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/tree"
)

// The groups of a stream are a tree of group blocks, by name. A group's block has two trees: its pending entries, by id, and its consumers, by name. A consumer's block has
// a tree of the ids that are pending for it, whose items are nothing. All blocks have owner counts, so that leaves share them after a clone: what changes one makes the path to
// it, and then the block, its own (OwnGroup, ownConsumer).
//
// A consumer's name is a block of its own, which never changes: pending entries refer to it. They own no share in it: where there is such an entry there is its consumer.

// groupBlock is what a group's block begins with; its name follows.
type groupBlock struct {
	owners    uint32
	nameLen   uint32
	last      StreamID
	read      int64
	bytes     int64 // of the blocks of consumers, and of their names
	pending   tree.Tree
	consumers tree.Tree
}

// consumerBlock is a consumer's block.
type consumerBlock struct {
	owners  uint32
	_       uint32
	name    arena.Ref // owned
	seen    int64
	active  int64
	pending tree.Tree
}

// nameBlock is what the block of a consumer's name begins with; its bytes follow.
type nameBlock struct {
	owners uint32
	len    uint32
}

// pendingBlock is the block of a pending entry.
type pendingBlock struct {
	owners    uint32
	_         uint32
	name      arena.Ref // the consumer's
	delivered int64
	count     uint64
}

// Sizes of blocks, or of what stands before the name in them.
const (
	groupHead    = int(unsafe.Sizeof(groupBlock{}))
	consumerSize = int(unsafe.Sizeof(consumerBlock{}))
	nameHead     = int(unsafe.Sizeof(nameBlock{}))
	pendingSize  = int(unsafe.Sizeof(pendingBlock{}))
)

// block is the Go view of a block that begins with a T.
func block[T any](a *arena.Arena, ref arena.Ref) *T { return (*T)(a.Ptr(ref)) }

// shared reports whether a block has other owners than the one who asks; drop gives up one ownership and reports whether it was the last.
func shared(owners *uint32) bool { return atomic.LoadUint32(owners) > 1 }

func drop(owners *uint32) (last bool) { return atomic.AddUint32(owners, ^uint32(0)) == 0 }

func bytesAfter[T any](b *T, n uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(b), unsafe.Sizeof(*b))), n)
}

func groupName(a *arena.Arena, ref arena.Ref) []byte {
	b := block[groupBlock](a, ref)
	return bytesAfter(b, b.nameLen)
}

func nameBytes(a *arena.Arena, ref arena.Ref) []byte {
	b := block[nameBlock](a, ref)
	return bytesAfter(b, b.len)
}

// nameKey is the first bytes of a name, as a number that sorts as they do.
func nameKey(name []byte) tree.Key {
	var b [8]byte
	copy(b[:], name)
	return tree.Key{Hi: binary.BigEndian.Uint64(b[:])}
}

// initStreams fills in what the trees of streams are worked with.
func (env *Env) initStreams() {
	a, h := env.Arena, env.Heap
	shareBlock := func(ref arena.Ref) arena.Ref { // they all begin with their owners
		atomic.AddUint32(block[uint32](a, ref), 1)
		return ref
	}
	named := tree.Layout{KeyBytes: 8, Ties: true}
	env.stream = listEnv(a, h)
	env.stream.Layout = tree.Layout{KeyBytes: streamIDBytes}
	env.groups = tree.Env{Arena: a, Heap: h, Layout: named, Share: shareBlock, Drop: env.dropGroup, Compare: func(x, y arena.Ref) int {
		return bytes.Compare(groupName(a, x), groupName(a, y))
	}}
	env.consumers = tree.Env{Arena: a, Heap: h, Layout: named, Share: shareBlock, Drop: env.dropConsumer, Compare: func(x, y arena.Ref) int {
		return bytes.Compare(env.consumerName(x), env.consumerName(y))
	}}
	env.pending = tree.Env{Arena: a, Heap: h, Layout: env.stream.Layout, Share: shareBlock, Drop: func(ref arena.Ref) {
		if drop(block[uint32](a, ref)) {
			h.Free(ref)
		}
	}}
	env.owned = tree.Env{Arena: a, Heap: h, Layout: env.stream.Layout}
}

func (env *Env) consumerName(ref arena.Ref) []byte {
	return nameBytes(env.Arena, block[consumerBlock](env.Arena, ref).name)
}

// dropGroup gives up one ownership of a group's block.
func (env *Env) dropGroup(ref arena.Ref) {
	b := block[groupBlock](env.Arena, ref)
	if !drop(&b.owners) {
		return
	}
	for !b.pending.FreeSome(&env.pending, b.pending.Items()) {
	}
	for !b.consumers.FreeSome(&env.consumers, b.consumers.Items()) {
	}
	env.Heap.Free(ref)
}

// dropConsumer gives up one ownership of a consumer's block.
func (env *Env) dropConsumer(ref arena.Ref) {
	b := block[consumerBlock](env.Arena, ref)
	if !drop(&b.owners) {
		return
	}
	for !b.pending.FreeSome(&env.owned, b.pending.Items()) {
	}
	if name := b.name; drop(&block[nameBlock](env.Arena, name).owners) {
		env.Heap.Free(name)
	}
	env.Heap.Free(ref)
}

func (s RootedStream) groups() *tree.Tree {
	return (*tree.Tree)(unsafe.Add(s.env.Arena.Ptr(s.root), streamGroupsAt))
}

// Groups is the number of groups.
func (s RootedStream) Groups() int { return s.groups().Items() }

// StreamGroup is a group of a stream, good to be read until the group is changed by another handle. It may be changed if it comes from OwnGroup or AddGroup, and
// the stream was not cloned since.
type StreamGroup struct {
	env *Env
	ref arena.Ref
}

// seekGroup puts c at the group of this name; false if there is none.
func (s RootedStream) seekGroup(c *tree.Cursor, name []byte) bool {
	e := &s.env.groups
	ok := s.groups().SeekTie(e, c, nameKey(name), func(ref arena.Ref) int { return bytes.Compare(groupName(e.Arena, ref), name) })
	return ok && string(groupName(e.Arena, c.Item(e).Ref)) == string(name)
}

// FindGroup is the group of this name, to be read.
func (s RootedStream) FindGroup(name []byte) (StreamGroup, bool) {
	var c tree.Cursor
	if !s.seekGroup(&c, name) {
		return StreamGroup{}, false
	}
	return StreamGroup{s.env, c.Item(&s.env.groups).Ref}, true
}

// OwnGroup is the group of this name, to be changed.
func (s RootedStream) OwnGroup(name []byte) (StreamGroup, bool) {
	var c tree.Cursor
	if !s.seekGroup(&c, name) {
		return StreamGroup{}, false
	}
	env, e := s.env, &s.env.groups
	old := s.groups().Own(e, &c).Ref
	b := block[groupBlock](env.Arena, old)
	if !shared(&b.owners) {
		return StreamGroup{env, old}, true
	}
	n := groupHead + int(b.nameLen)
	ref := env.Heap.Alloc(n)
	copy(env.Arena.Bytes(ref, n), env.Arena.Bytes(old, n))
	to := block[groupBlock](env.Arena, ref)
	to.owners = 1
	to.pending = b.pending.Snapshot(&env.pending)
	to.consumers = b.consumers.Snapshot(&env.consumers)
	s.groups().Set(e, &c, ref, 1)
	env.dropGroup(old)
	return StreamGroup{env, ref}, true
}

// AddGroup makes a group; false if there is one of this name.
func (s RootedStream) AddGroup(name []byte, last StreamID, read int64) (StreamGroup, bool) {
	var c tree.Cursor
	if s.seekGroup(&c, name) {
		return StreamGroup{}, false
	}
	g := StreamGroup{s.env, s.env.Heap.AllocZero(groupHead + len(name))}
	b := g.block()
	b.owners, b.nameLen, b.last, b.read = 1, uint32(len(name)), last, read
	copy(g.Name(), name)
	s.groups().Put(&s.env.groups, tree.Item{Key: nameKey(name), Ref: g.ref})
	return g, true
}

// RemoveGroup removes a group with all that it has; false if there is none of this name.
func (s RootedStream) RemoveGroup(name []byte) bool {
	var c tree.Cursor
	if !s.seekGroup(&c, name) {
		return false
	}
	s.env.dropGroup(s.groups().Remove(&s.env.groups, &c).Ref)
	return true
}

// EachGroup goes over the groups by name, to be read, until fn is false.
func (s RootedStream) EachGroup(fn func(StreamGroup) bool) {
	e := &s.env.groups
	var c tree.Cursor
	for ok := s.groups().First(e, &c); ok; ok = c.Next(e) {
		if !fn(StreamGroup{s.env, c.Item(e).Ref}) {
			return
		}
	}
}

func (g StreamGroup) block() *groupBlock { return block[groupBlock](g.env.Arena, g.ref) }

// Name is the group's name.
func (g StreamGroup) Name() []byte { return groupName(g.env.Arena, g.ref) }

// LastID is the last id that was delivered.
func (g StreamGroup) LastID() StreamID { return g.block().last }

// SetLastID sets it.
func (g StreamGroup) SetLastID(id StreamID) { g.block().last = id }

// EntriesRead is how many entries the group has read, or UnknownEntries.
func (g StreamGroup) EntriesRead() int64 { return g.block().read }

// SetEntriesRead sets it.
func (g StreamGroup) SetEntriesRead(n int64) { g.block().read = n }

// Pending is the number of pending entries.
func (g StreamGroup) Pending() int { return g.block().pending.Items() }

// Consumers is the number of consumers.
func (g StreamGroup) Consumers() int { return g.block().consumers.Items() }
