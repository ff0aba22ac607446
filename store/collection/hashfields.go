package collection

import (
	"bytes"

	"github.com/larder-cache/larder/store/value"
)

// Expiry of a hash's fields. Times are milliseconds since 1970.

// Now says from when on fields are over: those that expired before now are shown by nothing but Len, Expiry and Delete. Without it, or with 0, all are there.
func (h *Hash) Now(now int64) { h.now = now }

// Volatile is the number of fields with an expiry, also of those that are over.
func (h *Hash) Volatile() int {
	if h.rooted() {
		return h.root().Volatile()
	}
	return 0
}

// someOver reports whether a field may be over.
func (h *Hash) someOver() bool {
	if h.now == 0 || h.Volatile() == 0 {
		return false
	}
	at, ok := h.root().NextDue()
	return ok && at < h.now
}

// Live is the number of fields that are not over. If some are, it looks at all of them.
func (h *Hash) Live() int {
	if !h.someOver() {
		return h.Len()
	}
	n := 0
	h.each(func(_, _ []byte) bool { n++; return true })
	return n
}

// Look is Get that tells as well when the field expires, or value.NoExpiry.
func (h *Hash) Look(field []byte) (val []byte, at int64, ok bool) {
	if !h.rooted() {
		val, ok = h.Get(field)
		return val, value.NoExpiry, ok
	}
	if x := h.root().Find(field); x.Found() {
		if val, ok = x.Live(h.now); ok {
			return val, x.ExpireAt(), true
		}
	}
	return nil, value.NoExpiry, false
}

// Expiry is when a field expires, over or not, or value.NoExpiry; false if there is no such field.
func (h *Hash) Expiry(field []byte) (at int64, ok bool) {
	if !h.rooted() {
		_, ok = h.Get(field)
		return value.NoExpiry, ok
	}
	x := h.root().Find(field)
	if !x.Found() {
		return value.NoExpiry, false
	}
	return x.ExpireAt(), true
}

// SetAt gives a field a value and an expiry, or with value.KeepTTL leaves the one that it has; true if the field is new.
func (h *Hash) SetAt(field, val []byte, at int64) (created bool) {
	if at == value.NoExpiry || at < 0 && h.Volatile() == 0 {
		return h.Set(field, val)
	}
	if !h.rooted() {
		h.convert()
	}
	h.change()
	h.noteDue(at)
	return h.root().Set(field, val, at)
}

// SetExpiry sets the expiry of a field, or takes it away with value.NoExpiry; false if there is no such field.
func (h *Hash) SetExpiry(field []byte, at int64) (found bool) {
	if !h.rooted() {
		if _, found = h.Get(field); !found || at < 0 {
			return found
		}
		h.convert()
	}
	h.change()
	h.noteDue(at)
	return h.root().SetExpire(field, at)
}

// noteDue remembers that a field gets an expiry, or loses it.
func (h *Hash) noteDue(at int64) {
	switch {
	case at < 0:
		h.forget = true
	case h.due < 0 || at < h.due:
		h.due = at
	}
}

// RemoveOver removes fields that expired before now, up to most of them, and gives fn the name of each, in memory of its own. It is committed: gone says that no field is left, and the
// key is deleted. next is a time before which none of the others expires: 0 if there may be more that are over, value.NoExpiry if no field has an expiry any more. A call looks at
// each part of the index in which fields have expiries.
func (h *Hash) RemoveOver(now int64, most int, fn func(field []byte)) (next int64, gone bool) {
	if h.Volatile() == 0 {
		return value.NoExpiry, false
	}
	h.change()
	root, n := h.root(), 0
	for at, before := uint64(0), 0; n < most; {
		at = root.Due(at, now, func(x value.Element) bool {
			if n == most {
				return false
			}
			n++
			field := bytes.Clone(x.Member())
			root.Remove(field)
			fn(field)
			return true
		})
		if at > 0 {
			continue
		}
		if due, ok := root.NextDue(); n == before || !ok || due >= now {
			break
		}
		before = n // of a long chain not all is seen at once
	}
	h.forget = h.forget || n > 0
	if next = value.NoExpiry; root.Volatile() > 0 {
		if next = 0; n < most {
			next, _ = root.NextDue()
		}
	}
	return next, h.Commit()
}

// luckyDraws is how often a field is drawn from all of them before those that are over are left out first.
const luckyDraws = 32

// randomLive is a field of a rooted hash that is not over, picked with equal chances. There is at least one.
func (h *Hash) randomLive(rnd func() uint64) (x value.Element) {
	for range luckyDraws {
		x = h.root().Random(rnd)
		if _, live := x.Live(h.now); live {
			return x
		}
	}
	h.pickLive(1, rnd, func(one value.Element) { x = one })
	return x
}

// pickLive gives fn n different fields of a rooted hash that are not over, or all of them if there are fewer, each choice with the same chance. It looks at all.
func (h *Hash) pickLive(n int, rnd func() uint64, fn func(value.Element)) {
	var all []value.Element
	h.root().Each(func(x value.Element) bool {
		if _, live := x.Live(h.now); live {
			all = append(all, x)
		}
		return true
	})
	for i := range min(n, len(all)) {
		j := i + int(rnd()%uint64(len(all)-i))
		all[i], all[j] = all[j], all[i]
		fn(all[i])
	}
}
