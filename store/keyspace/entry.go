package keyspace

import (
	"encoding/binary"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/value"
)

// InlineMax is the longest value that is kept in its entry's block. A longer one has a block of its own.
const InlineMax = 1024

// NoExpiry is the expiry of a key that has none, as PEXPIRETIME tells it.
const NoExpiry = -1

// The layout is docs/formats/entry.md:
//
//	0 type | encoding<<4   1 flags   2…4 clock   5 key length   6…7 value length
//	[8 expiry]  [4 long key's length]  key  value (bytes | int64 | ref, length | root)
const (
	headBytes = 8

	flagExpiry  = 1
	flagLongKey = 2
	flagBig     = 4
	flagRoot    = 8  // with flagBig
	flagTimed   = 16 // with flagRoot: a hash of which fields expire

	shortKeyMax = 255
	clockMask   = 1<<24 - 1
	bigBytes    = 16 // ref and length
	rootBytes   = 8  // ref of a root block
	intBytes    = 8
)

// Entry is a handle on a key and its value. The zero Entry is "not found".
type Entry struct {
	db  *DB
	p   unsafe.Pointer
	ref arena.Ref
}

// Found reports whether there is such a key.
func (e Entry) Found() bool { return e.p != nil }

func (e Entry) byteAt(off int) *byte { return (*byte)(unsafe.Add(e.p, off)) }

func (e Entry) flags() byte { return *e.byteAt(1) }

func (e Entry) bytes(off, n int) []byte { return unsafe.Slice(e.byteAt(off), n) }

func (e Entry) u64(off int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(e.p, off))[:])
}

func (e Entry) putU64(off int, v uint64) {
	binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(e.p, off))[:], v)
}

// Type is the value's type.
func (e Entry) Type() value.Type { return value.Type(*e.byteAt(0) & 15) }

// Encoding is what OBJECT ENCODING says.
func (e Entry) Encoding() value.Encoding { return value.Encoding(*e.byteAt(0) >> 4) }

// ExpireAt is when the key expires, in milliseconds since 1970, or NoExpiry.
func (e Entry) ExpireAt() int64 {
	if e.flags()&flagExpiry == 0 {
		return NoExpiry
	}
	return int64(e.u64(headBytes))
}

// LRU is the access clock, 24 bits.
func (e Entry) LRU() uint32 {
	return uint32(*e.byteAt(2)) | uint32(*e.byteAt(3))<<8 | uint32(*e.byteAt(4))<<16
}

// SetLRU sets the access clock. A walk does not count it as a change.
func (e Entry) SetLRU(clock uint32) {
	*e.byteAt(2), *e.byteAt(3), *e.byteAt(4) = byte(clock), byte(clock>>8), byte(clock>>16)
}

// keySpan is where the key is, and how long.
func (e Entry) keySpan() (off, n int) {
	f := int(e.flags())
	off = headBytes + f&flagExpiry*8
	if f&flagLongKey == 0 {
		return off, int(*e.byteAt(5))
	}
	return off + 4, int(binary.LittleEndian.Uint32(e.bytes(off, 4)))
}

// hasKey reports whether key is the entry's key.
func (e Entry) hasKey(key []byte) bool {
	off, n := e.keySpan()
	return n == len(key) && string(e.bytes(off, n)) == string(key)
}

// Key is the key. It points into the arena.
func (e Entry) Key() []byte {
	off, n := e.keySpan()
	return e.bytes(off, n)
}

// payload is what the entry's block has of the value: its bytes, its integer, or ref and length.
func (e Entry) payload() (off, n int) {
	off, n = e.keySpan()
	return off + n, int(binary.LittleEndian.Uint16(e.bytes(6, 2)))
}

// size is how many bytes the entry needs.
func (e Entry) size() int {
	off, n := e.payload()
	return off + n
}

func (e Entry) big() bool { return e.flags()&flagBig != 0 }

// bigValue is the value's own block, and how many bytes of it are the value.
func (e Entry) bigValue() (arena.Ref, int) {
	off, _ := e.payload()
	return arena.Ref(e.u64(off)), int(e.u64(off + 8))
}

// Int is the value if it is encoded as an integer.
func (e Entry) Int() (int64, bool) {
	if e.Encoding() != value.Int {
		return 0, false
	}
	off, _ := e.payload()
	return int64(e.u64(off)), true
}

// String is a string's bytes. They point into the arena, or into scratch if the value is an integer.
func (e Entry) String(scratch *[value.MaxIntLen]byte) []byte {
	if n, ok := e.Int(); ok {
		return strconv.AppendInt(scratch[:0], n, 10)
	}
	if e.big() {
		ref, n := e.bigValue()
		return blockBytes(e.db.arena, ref, n)
	}
	off, n := e.payload()
	return e.bytes(off, n)
}

// Packed is a packed collection's bytes: those of its listpack or intset. They point into the arena, and nobody writes to them but DB.
func (e Entry) Packed() []byte {
	if e.big() {
		ref, n := e.bigValue()
		return blockBytes(e.db.arena, ref, n)
	}
	return inlineBytes(e)
}

func (e Entry) rooted() bool { return e.flags()&flagRoot != 0 }

// Root is the root block of a rooted value (hashtable, skiplist, quicklist, stream), Nil of any other. What changes it, or anything below it, calls DB.BeforeChange first.
func (e Entry) Root() arena.Ref {
	if !e.rooted() {
		return arena.Nil
	}
	off, _ := e.payload()
	return arena.Ref(e.u64(off))
}

// DB is the database that the entry is in.
func (e Entry) DB() *DB { return e.db }

// StringLen is the length of a string, or of a packed value's bytes.
func (e Entry) StringLen() int {
	if e.big() {
		_, n := e.bigValue()
		return n
	}
	if n, ok := e.Int(); ok {
		var b [value.MaxIntLen]byte
		return len(strconv.AppendInt(b[:0], n, 10))
	}
	_, n := e.payload()
	return n
}

// Bytes is how much memory the key takes, its part of the index not counted.
func (e Entry) Bytes() int {
	n := e.db.arena.Size(e.ref)
	if e.rooted() {
		return n + int(value.Bytes(&e.db.shard.values, e.Type(), e.Root()))
	}
	if e.big() {
		ref, _ := e.bigValue()
		n += e.db.arena.Size(ref)
	}
	return n
}

// A big value's block begins with the number of its owners: entries (more than one after COPY) in the low half, and in the high half walks that have yet to
// take it. With more than one nobody moves it, or writes to it but as bigimage.go says. Owners may be in different shards, hence the atomic.
const (
	blockHead = 8
	walkShare = value.WalkShare
	entryMask = walkShare - 1
)

func newBlock(h *arena.Heap, a *arena.Arena, n int) arena.Ref {
	ref := h.Alloc(blockHead + n)
	owners(a, ref).Store(1)
	return ref
}

func owners(a *arena.Arena, ref arena.Ref) *atomic.Int64 { return value.Owners(a, ref) }

func blockBytes(a *arena.Arena, ref arena.Ref, n int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(a.Ptr(ref), blockHead)), n)
}

// release gives up an entry's ownership of a block. If only walks are left, its bytes count as held for them from then on.
func (sh *Shard) release(ref arena.Ref) {
	a := sh.space.arena
	if owners(a, ref).Load() == 1 { // nobody can join but through the owner, whose shard is held
		sh.heap.Free(ref)
		return
	}
	size := int64(a.Size(ref)) // asked for before: then others may free it
	switch n := owners(a, ref).Add(-1); {
	case n == 0:
		sh.heap.Free(ref)
	case n&entryMask == 0:
		sh.space.walkHeld.Add(size)
		sh.space.preImages.addBlock(size)
	}
}

// releaseWalk gives up a walk's share in a block.
func (sh *Shard) releaseWalk(ref arena.Ref) {
	a := sh.space.arena
	size := int64(a.Size(ref))
	if owners(a, ref).Add(-walkShare) == 0 {
		sh.heap.Free(ref)
		sh.space.walkHeld.Add(-size)
		sh.space.preImages.addBlock(-size)
	}
}
