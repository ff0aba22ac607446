package collection

import (
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// Hash is a handle on a hash: a listpack of fields and values by turns, or rooted.
//
// A field may have an expiry (hashfields.go): then the hash is rooted. What is over stays until somebody removes it; Now says from when on it is not shown.
type Hash struct {
	frame
	now    int64 // fields that expired before are not there, but for Len; 0: all are
	due    int64 // fields got expiries, none earlier; value.NoExpiry: none did
	forget bool  // a field with an expiry was removed, or lost it
}

// Open opens the hash of an entry of that type, or with one that was not found an empty hash.
func (h *Hash) Open(k Key, e keyspace.Entry) {
	h.now, h.due, h.forget = 0, value.NoExpiry, false
	h.open(k, e, value.Hash)
}

func (h *Hash) root() value.RootedHash { return value.OpenHash(h.k.DB.Values(), h.e.Root()) }

// Len is the number of fields, also of those that are over.
func (h *Hash) Len() int {
	switch {
	case h.lp != nil:
		return listpack.Count(h.lp) / 2
	case h.rooted():
		return h.root().Len()
	}
	return 0
}

// find is the position of a field in the listpack.
func (h *Hash) find(field []byte) int {
	return listpack.Find(h.lp, listpack.First(h.lp), field, 1)
}

// Get is a field's value; false if there is no such field.
func (h *Hash) Get(field []byte) (val []byte, ok bool) {
	switch {
	case h.lp != nil:
		at := h.find(field)
		if at == listpack.None {
			return nil, false
		}
		return h.text(listpack.Next(h.lp, at), 1), true
	case h.rooted():
		if x := h.root().Find(field); x.Found() {
			return x.Live(h.now)
		}
	}
	return nil, false
}

// Fits converts the hash if one of these fields and values is too long to be packed, or all of them are too many or too much. As in Redis a field that stands there
// twice counts twice. It comes before Set.
func (h *Hash) Fits(words [][]byte) {
	if h.rooted() {
		return
	}
	if len(words)/2 > h.limits().HashEntries {
		h.convert()
		return
	}
	most, sum := h.limits().HashValueBytes, 0
	for _, w := range words {
		if len(w) > most {
			h.convert()
			return
		}
		sum += len(w) + listpack.EntryOverhead
	}
	if !listpack.CanAdd(h.lp, sum) {
		h.convert()
	}
}

// Set gives a field a value, and takes its expiry away; true if the field is new.
func (h *Hash) Set(field, val []byte) (created bool) {
	most := h.limits().HashValueBytes
	if !h.rooted() && (len(field) > most || len(val) > most) {
		h.convert()
	}
	if h.rooted() {
		h.change()
		root := h.root()
		h.forget = h.forget || root.Volatile() > 0
		return root.Set(field, val, value.NoExpiry)
	}
	h.edit(listpack.EntryBytes(field) + listpack.EntryBytes(val))
	if h.lp == nil {
		h.enc, h.lp = value.ListPack, listpack.Init(h.k.DB.Scratch(listpack.EmptyBytes + len(field) + len(val) + 2*listpack.EntryOverhead)[:listpack.EmptyBytes])
	}
	if at := h.find(field); at != listpack.None {
		h.lp = listpack.Replace(h.lp, listpack.Next(h.lp, at), val)
		return false
	}
	h.lp = listpack.Append(listpack.Append(h.lp, field), val)
	if h.Len() > h.limits().HashEntries {
		h.convert()
	}
	return true
}

// convert makes the hash a rooted one.
func (h *Hash) convert() {
	to := value.NewHash(h.k.DB.Values())
	h.each(func(field, val []byte) bool {
		to.Set(field, val, value.NoExpiry)
		return true
	})
	h.setRoot(to.Root(), value.HashTable)
}

// Delete deletes a field, over or not; false if it was not there.
func (h *Hash) Delete(field []byte) bool {
	switch {
	case h.lp != nil:
		at := h.find(field)
		if at == listpack.None {
			return false
		}
		h.edit(0)
		h.lp = listpack.Delete(h.lp, at, 2)
		return true
	case h.rooted():
		h.change()
		root := h.root()
		h.forget = h.forget || root.Volatile() > 0
		return root.Remove(field)
	}
	return false
}

// Commit ends changes. It deletes the key if the hash is empty, and reports whether it did.
func (h *Hash) Commit() (deleted bool) {
	if h.forget || h.due >= 0 {
		h.k.DB.NoteFields(h.k.Hash, h.e, h.due)
		h.forget, h.due = false, value.NoExpiry
	}
	return h.commit(h.Len())
}

// Each gives fn all fields and values until it says no. A packed hash has them in the order in which the fields were added. fn must not change the hash.
func (h *Hash) Each(fn func(field, val []byte) bool) { h.each(fn) }

func (h *Hash) each(fn func(field, val []byte) bool) {
	if h.rooted() {
		h.root().Each(func(x value.Element) bool {
			val, live := x.Live(h.now)
			return !live || fn(x.Member(), val)
		})
		return
	}
	if h.lp == nil {
		return
	}
	for at, more := listpack.First(h.lp), true; more && at != listpack.None; {
		field := h.text(at, 0)
		at = listpack.Next(h.lp, at)
		more = fn(field, h.text(at, 1))
		at = listpack.Next(h.lp, at)
	}
}

// Scan gives fn about count fields and values from a cursor on, and returns the next cursor, 0 at the end; starting at 0, every field that is there throughout is given at
// least once. A packed hash is given whole.
func (h *Hash) Scan(cursor uint64, count int, fn func(field, val []byte)) (next uint64) {
	if h.rooted() {
		return h.root().Scan(cursor, count, func(x value.Element) {
			if val, live := x.Live(h.now); live {
				fn(x.Member(), val)
			}
		})
	}
	h.each(func(field, val []byte) bool {
		fn(field, val)
		return true
	})
	return 0
}

// at gives fn the packed field at a position, and its value.
func (h *Hash) at(at int, fn func(field, val []byte)) {
	fn(h.text(at, 0), h.text(listpack.Next(h.lp, at), 1))
}

// Random gives fn a field picked with equal chances, and its value. There is at least one (Live).
func (h *Hash) Random(rnd func() uint64, fn func(field, val []byte)) {
	if h.rooted() {
		x := h.randomLive(rnd)
		fn(x.Member(), x.Value())
		return
	}
	h.at(listpack.Random(h.lp, 2, rnd), fn)
}

// RandomDistinct gives fn n different fields and their values, or all if there are fewer.
func (h *Hash) RandomDistinct(n int, rnd func() uint64, fn func(field, val []byte)) {
	tell := func(x value.Element) { fn(x.Member(), x.Value()) }
	switch {
	case h.someOver():
		h.pickLive(n, rnd, tell)
		return
	case h.rooted():
		h.root().RandomDistinct(n, rnd, tell)
		return
	}
	if h.lp == nil {
		return
	}
	for _, at := range listpack.RandomUnique(nil, h.lp, n, 2, rnd) {
		h.at(at, fn)
	}
}
