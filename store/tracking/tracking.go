// Package tracking is the table of client-side caching: which clients may hold a copy of which key. Everything in it lies in the
// arena, found through a dict: a node that serves millions of keys to caching clients has no Go object a key for it.
//
// There is a table for each shard, under that shard's lock. A key is known by its name alone, whatever its database, as the messages to
// clients name no database either. It knows no client: an id is a number.
package tracking

import (
	"encoding/binary"
	"slices"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
)

// An entry is a block: the key's length and the number of ids, 4 bytes each; the key, filled up to a multiple of 8 bytes; the ids, 8
// bytes each, ascending. The block may have room for more ids.
const (
	headBytes = 8
	idBytes   = 8
)

// Table maps keys to ids. Its methods need the lock of the shard that its heap belongs to.
type Table struct {
	env   dict.Env
	index dict.Dict
	items int
	freed uint64 // where FreeSome goes on
}

// New makes an empty table. hash tells a key's hash, the one that the methods are given with it.
func New(a *arena.Arena, h *arena.Heap, hash func(key []byte) uint64) *Table {
	t := &Table{}
	t.env = dict.Env{Arena: a, Heap: h, Hash: func(ref arena.Ref) uint64 { return hash(t.key(ref)) }}
	return t
}

// Len is the number of keys.
func (t *Table) Len() int { return t.index.Len() }

// Items is the number of ids of all keys together.
func (t *Table) Items() int { return t.items }

func (t *Table) head(ref arena.Ref) []byte { return t.env.Arena.Bytes(ref, headBytes) }

func (t *Table) keyLen(ref arena.Ref) int { return int(binary.LittleEndian.Uint32(t.head(ref))) }
func (t *Table) count(ref arena.Ref) int  { return int(binary.LittleEndian.Uint32(t.head(ref)[4:])) }

func (t *Table) setCount(ref arena.Ref, n int) {
	binary.LittleEndian.PutUint32(t.head(ref)[4:], uint32(n))
}

func (t *Table) key(ref arena.Ref) []byte {
	n := t.keyLen(ref)
	return t.env.Arena.Bytes(ref, headBytes+n)[headBytes:]
}

// idsAt is where the ids of an entry begin whose key is n bytes long.
func idsAt(n int) int { return headBytes + (n+7)&^7 }

// ids are n ids' bytes of an entry, in use or not.
func (t *Table) ids(ref arena.Ref, n int) []byte {
	at := idsAt(t.keyLen(ref))
	return t.env.Arena.Bytes(ref, at+n*idBytes)[at:]
}

func idAt(ids []byte, i int) int64 { return int64(binary.LittleEndian.Uint64(ids[i*idBytes:])) }

// room is how many ids an entry's block has room for.
func (t *Table) room(ref arena.Ref) int {
	return (t.env.Arena.Size(ref) - idsAt(t.keyLen(ref))) / idBytes
}

func (t *Table) find(hash uint64, key []byte) (arena.Ref, dict.Place) {
	p := t.index.Probe(&t.env, hash)
	for p.Next() {
		if ref := p.Ref(); string(t.key(ref)) == string(key) {
			return ref, p.Place()
		}
	}
	return 0, dict.Place{}
}

// Add notes an id for a key. newKey and newID report whether the key, and the id for it, were unknown. dropped is how many ids were
// forgotten on the way: when an entry must grow, those that alive says no to go first, so that a key that is read for ever by clients
// that come and go takes a bounded room.
func (t *Table) Add(hash uint64, key []byte, id int64, alive func(id int64) bool) (newKey, newID bool, dropped int) {
	ref, place := t.find(hash, key)
	if ref == 0 {
		ref = t.env.Heap.Alloc(idsAt(len(key)) + idBytes)
		binary.LittleEndian.PutUint32(t.head(ref), uint32(len(key)))
		t.setCount(ref, 1)
		copy(t.key(ref), key)
		binary.LittleEndian.PutUint64(t.ids(ref, 1), uint64(id))
		t.index.Insert(&t.env, hash, ref, -1)
		t.items++
		return true, true, 0
	}
	n := t.count(ref)
	if _, found := t.search(ref, n, id); found {
		return false, false, 0
	}
	if n == t.room(ref) {
		dropped = n - t.prune(ref, n, alive)
		if n -= dropped; dropped <= n { // little was won: the next ones want room too
			ref = t.enlarge(ref, n, place)
		}
	}
	i, _ := t.search(ref, n, id)
	ids := t.ids(ref, n+1)
	copy(ids[(i+1)*idBytes:], ids[i*idBytes:n*idBytes])
	binary.LittleEndian.PutUint64(ids[i*idBytes:], uint64(id))
	t.setCount(ref, n+1)
	t.items += 1 - dropped
	return false, true, dropped
}

// search finds an id among an entry's first n, or where it belongs.
func (t *Table) search(ref arena.Ref, n int, id int64) (int, bool) {
	ids := t.ids(ref, n)
	low, high := 0, n
	for low < high {
		mid := int(uint(low+high) >> 1)
		if idAt(ids, mid) < id {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < n && idAt(ids, low) == id
}

// prune keeps those of an entry's n ids that are alive, and returns how many these are.
func (t *Table) prune(ref arena.Ref, n int, alive func(int64) bool) int {
	ids, kept := t.ids(ref, n), 0
	for i := range n {
		if alive(idAt(ids, i)) {
			copy(ids[kept*idBytes:], ids[i*idBytes:(i+1)*idBytes])
			kept++
		}
	}
	t.setCount(ref, kept)
	return kept
}

// enlarge gives an entry with n ids a block with room for twice as many.
func (t *Table) enlarge(ref arena.Ref, n int, place dict.Place) arena.Ref {
	used := idsAt(t.keyLen(ref)) + n*idBytes
	to := t.env.Heap.Alloc(used + max(n, 1)*idBytes)
	copy(t.env.Arena.Bytes(to, used), t.env.Arena.Bytes(ref, used))
	t.index.Replace(place, to)
	t.env.Heap.Free(ref)
	return to
}

// Take appends a key's ids to dst, ascending, and forgets the key.
func (t *Table) Take(hash uint64, key []byte, dst []int64) []int64 {
	ref, place := t.find(hash, key)
	if ref == 0 {
		return dst
	}
	n := t.count(ref)
	ids := t.ids(ref, n)
	dst = slices.Grow(dst, n)
	for i := range n {
		dst = append(dst, idAt(ids, i))
	}
	t.items -= n
	t.index.Remove(&t.env, hash, place)
	t.env.Heap.Free(ref)
	return dst
}

// Random appends the name of a key to dst, each with about the same chance; false if there is none. rnd gives 64 random bits at each call.
func (t *Table) Random(dst []byte, rnd func() uint64) ([]byte, bool) {
	ref := t.index.Random(&t.env, rnd)
	if ref == 0 {
		return dst, false
	}
	return append(dst, t.key(ref)...), true
}

// FreeSome forgets about n keys, and reports whether the table is empty then. It is for a table that nobody uses any more.
func (t *Table) FreeSome(n int) bool {
	var refs []arena.Ref
	for n > 0 && t.index.Len() > 0 {
		refs = refs[:0]
		t.freed = t.index.Visit(&t.env, t.freed, func(ref arena.Ref) { refs = append(refs, ref) })
		if t.freed == dict.End {
			t.freed = 0
		}
		for _, ref := range refs {
			h := t.env.Hash(ref)
			t.items -= t.count(ref)
			t.index.Remove(&t.env, h, t.index.Find(&t.env, h, ref))
			t.env.Heap.Free(ref)
		}
		n -= max(len(refs), 1)
	}
	return t.index.Len() == 0
}
