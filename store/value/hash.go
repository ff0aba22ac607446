package value

import (
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
)

// RootedHash is a handle on a hash that has a root: encoding hashtable.
type RootedHash struct{ members }

// NewHash makes an empty hash.
func NewHash(env *Env) RootedHash { return RootedHash{newMembers(env, membersRoot)} }

// OpenHash is a handle on the hash with this root.
func OpenHash(env *Env, root arena.Ref) RootedHash { return RootedHash{members{env, root}} }

// Get is a field's value, false if there is no such field.
func (m RootedHash) Get(field []byte) ([]byte, bool) {
	x := m.Find(field)
	if !x.Found() {
		return nil, false
	}
	return x.Value(), true
}

// Set gives a field a value; true if the field is new. at is its expiry in milliseconds since 1970, NoExpiry, or KeepTTL for the one it has.
func (m RootedHash) Set(field, val []byte, at int64) (created bool) {
	h := m.env.Hash(field)
	x, p := m.find(h, field)
	if x.Found() {
		m.put(h, x, p, val, at)
		return false
	}
	at = max(at, NoExpiry)
	x = m.alloc(fieldSize(field, val, at))
	x.writeValue(x.writeMember(field), val, at)
	m.index().Insert(&m.env.Dict, h, x.ref, at)
	return true
}

// put changes what an element has. val must not be its own.
func (m RootedHash) put(h uint64, x Element, p dict.Place, val []byte, at int64) {
	m.index().BeforeWrite(&m.env.Dict, h)
	old := x.ExpireAt()
	if at == KeepTTL {
		at = old
	}
	if at = max(at, NoExpiry); at != old {
		m.index().SetVolatile(&m.env.Dict, h, p, at)
	}
	x, behind := m.replace(x, p, fieldSize(x.Member(), val, at))
	x.writeValue(behind, val, at)
}

// SetExpire sets a field's expiry, or takes it away with NoExpiry; false if there is no such field. The value stays where it is if the block's size class does.
func (m RootedHash) SetExpire(field []byte, at int64) bool {
	h := m.env.Hash(field)
	x, p := m.find(h, field)
	if !x.Found() {
		return false
	}
	if at = max(at, NoExpiry); at == x.ExpireAt() {
		return true
	}
	m.index().BeforeWrite(&m.env.Dict, h)
	m.index().SetVolatile(&m.env.Dict, h, p, at)
	off, n, _ := x.value()
	size := off + n
	if at >= 0 {
		size += 8
	}
	if arena.ClassSize(size) != m.env.Arena.Size(x.ref) {
		to := m.alloc(size)
		copy(to.bytes(0, off+n), x.bytes(0, off+n))
		m.index().Replace(p, to.ref)
		m.free(x.ref)
		x = to
	}
	x.setExpiry(off, n, at)
	return true
}

// Volatile is the number of fields with an expiry.
func (m RootedHash) Volatile() int { return m.index().Volatile() }

// NextDue is a time before which no field expires, and mostly that of the next one; false if no field has an expiry.
func (m RootedHash) NextDue() (at int64, ok bool) { return m.index().Earliest(&m.env.Dict) }

// dueMost is how many fields one call of Due gives at most.
const dueMost = 64

// Due gives fn fields that expired before now, from a position on (0 at first), and returns the position to go on at, or 0 at the end. fn removes the field by
// Remove with a copy of its name, and returns true, or leaves it and returns false. It must be called again for all to be seen.
func (m RootedHash) Due(position uint64, now int64, fn func(Element) (removed bool)) (next uint64) {
	var buf [dueMost]arena.Ref
	r := m.index().Due(&m.env.Dict, position, now, func(ref arena.Ref) int64 { return elementAt(m.env.Arena, ref).ExpireAt() }, buf[:])
	for _, ref := range buf[:r.N] {
		x := elementAt(m.env.Arena, ref)
		h, at := m.env.Hash(x.Member()), x.ExpireAt()
		if !fn(x) {
			m.index().Keep(&m.env.Dict, h, at)
		}
	}
	if r.Next == dict.End {
		return 0
	}
	return r.Next
}
