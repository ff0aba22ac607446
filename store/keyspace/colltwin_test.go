package keyspace

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/value"
)

// coll is the twin of a rooted collection: a set's members or a hash's fields, which have a value and an expiry.
type coll struct {
	elems map[string]elem
	list  []string // of a list (listtwin_test.go)
	nodes int      // that were emitted of it

	stream string // of a stream (streamtwin_test.go)
}

type elem struct {
	val string
	at  int64
}

func (c *coll) clone() *coll {
	return &coll{elems: maps.Clone(c.elems), list: slices.Clone(c.list), stream: c.stream}
}

func (c *coll) volatile() bool {
	for _, x := range c.elems {
		if x.at >= 0 {
			return true
		}
	}
	return false
}

// due is the earliest expiry, or NoExpiry.
func (c *coll) due() int64 {
	at := int64(NoExpiry)
	for _, x := range c.elems {
		if x.at >= 0 && (at < 0 || x.at < at) {
			at = x.at
		}
	}
	return at
}

// freeze copies a database's models.
func freeze(keys map[string]model) map[string]model {
	out := maps.Clone(keys)
	for key, m := range out {
		if m.coll != nil {
			m.coll = m.coll.clone()
			out[key] = m
		}
	}
	return out
}

// collKey is one of a few keys, so that collections become big.
func (w *twin) collKey() string { return fmt.Sprint("coll:", w.rnd.IntN(8)) }

// packed sets or replaces a packed value; nobody here looks into its bytes.
func (w *twin) packed() {
	db, key := w.randomKey()
	if w.rnd.IntN(3) > 0 {
		key = fmt.Sprint("packed:", w.rnd.IntN(40))
	}
	val := w.text(w.rnd.IntN(200))
	if w.rnd.IntN(4) == 0 {
		val = w.text(900 + w.rnd.IntN(3000))
	}
	m, had := w.dbs[db][key]
	if m.enc == value.ListPack && len(m.val) > 0 && w.rnd.IntN(2) == 0 {
		val = w.text(len(m.val)) // fits where it was
	}
	n := model{val: val, enc: value.ListPack, at: NoExpiry, lru: uint32(w.now), typ: value.Hash}
	w.at(db, key, func(d *DB, h uint64) {
		e, there := d.Find(h, []byte(key)), had && m.enc == value.ListPack
		if there && w.rnd.IntN(2) == 0 {
			// Half of the time with less room than is needed then.
			if b := d.EditPacked(e, h, w.rnd.IntN(2)*max(len(val)-len(m.val), 0)); b != nil {
				d.EditedPacked(e, h, value.ListPack, append(b[:0], val...))
				return
			}
		}
		if there && w.rnd.IntN(4) > 0 {
			d.ReplacePacked(e, h, value.ListPack, []byte(val))
		} else {
			d.SetPacked(h, []byte(key), value.Hash, value.ListPack, []byte(val), KeepTTL)
		}
	})
	if had {
		n.at, n.lru = m.at, m.lru
	}
	w.dbs[db][key] = n
}

// collect makes some changes to a collection, which it makes if there is none under the key.
func (w *twin) collect() {
	db, key := w.rnd.IntN(len(w.dbs)), w.collKey()
	w.change(db, key, 1+w.rnd.IntN(30), func() string { return fmt.Sprint("elem:", w.rnd.IntN(400)) })
}

// bulk makes a collection bigger than is freed, or emitted, at once.
func (w *twin) bulk() {
	if w.rnd.IntN(10) > 0 {
		return
	}
	i := 0
	w.change(w.rnd.IntN(len(w.dbs)), w.collKey(), 3000, func() string {
		i++
		return fmt.Sprint("bulk:", i)
	})
}

func (w *twin) change(db int, key string, n int, name func() string) {
	m, had := w.dbs[db][key]
	if m.coll == nil {
		m = model{enc: value.HashTable, at: m.at, lru: m.lru, typ: value.Hash, coll: &coll{elems: map[string]elem{}}}
		if !had {
			m.at, m.lru = NoExpiry, uint32(w.now)
		}
		switch w.rnd.IntN(5) {
		case 4:
			m.typ, m.enc = value.Stream, value.StreamEncoding
		case 3:
			m.typ, m.enc = value.List, value.QuickList
		case 0:
			m.typ = value.Set
		case 1:
			m.typ, m.enc = value.ZSet, value.SkipList
		}
	}
	w.at(db, key, func(d *DB, h uint64) {
		e := d.Find(h, []byte(key))
		if !e.Found() || e.Root() == 0 {
			fresh := func() arena.Ref { return value.NewHash(d.Values()).Root() }
			switch m.typ {
			case value.Stream:
				fresh = func() arena.Ref { return value.NewStream(d.Values()).Root() }
			case value.List:
				fresh = func() arena.Ref { return value.NewList(d.Values()).Root() }
			case value.Set:
				fresh = func() arena.Ref { return value.NewSet(d.Values()).Root() }
			case value.ZSet:
				fresh = func() arena.Ref { return value.NewZSet(d.Values()).Root() }
			}
			e = d.SetRoot(h, []byte(key), m.typ, m.enc, fresh(), KeepTTL)
		}
		d.BeforeChange(e)
		for range n {
			switch m.typ {
			case value.Stream:
				w.changeStream(value.OpenStream(d.Values(), e.Root()), m.coll, name())
			case value.List:
				w.changeList(value.OpenList(d.Values(), e.Root()), m.coll, name())
			case value.Set:
				w.changeSet(value.OpenSet(d.Values(), e.Root()), m.coll, name())
			case value.ZSet:
				w.changeZSet(value.OpenZSet(d.Values(), e.Root()), m.coll, name())
			default:
				w.changeHash(value.OpenHash(d.Values(), e.Root()), m.coll, name())
			}
		}
		if m.typ == value.Stream {
			m.coll.freezeStream(value.OpenStream(d.Values(), e.Root()), d.Values())
		}
		if m.typ == value.Hash {
			d.NoteFields(h, e, m.coll.due())
		}
		if m.coll.len() == 0 {
			d.Delete(h, []byte(key))
		}
	})
	if w.dbs[db][key] = m; m.coll.len() == 0 {
		delete(w.dbs[db], key)
	}
}

func (w *twin) changeSet(s value.RootedSet, c *coll, name string) {
	_, had := c.elems[name]
	if w.rnd.IntN(3) == 0 {
		if s.Remove([]byte(name)) != had {
			w.t.Fatalf("remove %s: want %v", name, had)
		}
		delete(c.elems, name)
		return
	}
	if s.Add([]byte(name)) == had {
		w.t.Fatalf("add %s: want %v", name, !had)
	}
	c.elems[name] = elem{at: NoExpiry}
}

// changeZSet keeps a score's bytes as the element's value.
func (w *twin) changeZSet(z value.RootedZSet, c *coll, name string) {
	_, had := c.elems[name]
	if w.rnd.IntN(3) == 0 {
		if z.Remove([]byte(name)) != had {
			w.t.Fatalf("remove %s: want %v", name, had)
		}
		delete(c.elems, name)
		return
	}
	score := float64(w.rnd.IntN(50)) / 4
	if _, created := z.Set([]byte(name), score); created == had {
		w.t.Fatalf("set %s: want %v", name, !had)
	}
	c.elems[name] = elem{scoreText(score), NoExpiry}
}

func scoreText(score float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(score)))
}

func (w *twin) changeHash(m value.RootedHash, c *coll, name string) {
	x, had := c.elems[name]
	switch w.rnd.IntN(6) {
	case 0, 1:
		if m.Remove([]byte(name)) != had {
			w.t.Fatalf("remove %s: want %v", name, had)
		}
		delete(c.elems, name)
	case 2:
		at := w.randomExpiry()
		if m.SetExpire([]byte(name), at) != had {
			w.t.Fatalf("expire %s: want %v", name, had)
		}
		if had {
			c.elems[name] = elem{x.val, max(at, NoExpiry)}
		}
	default:
		val, at := w.text(w.rnd.IntN(40)), int64(value.KeepTTL)
		switch w.rnd.IntN(100) {
		case 0:
			val = strings.Repeat(val, 50)
		case 1, 2, 3, 4, 5:
			at = w.randomExpiry()
		}
		if m.Set([]byte(name), []byte(val), at) == had {
			w.t.Fatalf("set %s: want %v", name, !had)
		}
		if at == value.KeepTTL {
			if at = NoExpiry; had {
				at = x.at
			}
		}
		c.elems[name] = elem{val, max(at, NoExpiry)}
	}
}

// sampleFields runs the expiry of fields once through everything.
func (w *twin) sampleFields() {
	w.now += w.rnd.Int64N(100)
	for db := range w.dbs {
		for i := range w.s.Shards() {
			w.shard(i, func(sh *Shard) {
				for pos := uint64(0); ; {
					if pos = sh.DB(db).SampleFields(pos, w.now, func(e Entry) int64 { return w.removeOver(sh.DB(db), db, e) }).Next; pos == 0 {
						return
					}
				}
			})
		}
		for key, m := range w.dbs[db] {
			if m.typ == value.Hash && m.coll != nil && m.coll.volatile() && m.coll.due() < w.now {
				w.t.Fatalf("%s: a field expired at %d and was not found at %d", key, m.coll.due(), w.now)
			}
		}
	}
}

// removeOver removes the fields of a hash that are over.
func (w *twin) removeOver(d *DB, db int, e Entry) int64 {
	key := string(e.Key())
	h, m := w.s.Hash(e.Key()), w.dbs[db][key]
	if m.coll == nil || m.typ != value.Hash || !m.coll.volatile() {
		w.t.Fatalf("%q given as a hash with fields that expire", key)
	}
	d.BeforeChange(e)
	root := value.OpenHash(d.Values(), e.Root())
	for name, x := range m.coll.elems {
		if x.at >= 0 && x.at < w.now {
			root.Remove([]byte(name))
			delete(m.coll.elems, name)
		}
	}
	d.NoteFields(h, e, NoExpiry)
	if m.coll.len() == 0 {
		d.Delete(h, []byte(key))
		delete(w.dbs[db], key)
	}
	return m.coll.due()
}

// mustBeColl compares a rooted value with its model.
func (w *twin) mustBeColl(e Entry, key string, m model) {
	w.t.Helper()
	if e.Type() != m.typ || e.Encoding() != m.enc || e.ExpireAt() != m.at || e.LRU() != m.lru || e.Root() == 0 {
		w.t.Fatalf("%q: %v %v %d %d %x, want %v %v %d %d", key, e.Type(), e.Encoding(), e.ExpireAt(), e.LRU(), e.Root(), m.typ, m.enc, m.at, m.lru)
	}
	got := &coll{elems: map[string]elem{}}
	env := e.DB().Values()
	if m.typ == value.Stream {
		if got.freezeStream(value.OpenStream(env, e.Root()), env); got.stream != m.coll.stream {
			w.t.Fatalf("%q: another stream, of %d bytes, want %d", key, len(got.stream), len(m.coll.stream))
		}
		return
	}
	if m.typ == value.List {
		w.mustBeList(value.OpenList(env, e.Root()), key, m.coll)
		return
	}
	add := func(x value.Element) bool {
		el := elem{at: NoExpiry}
		switch m.typ {
		case value.Hash:
			el = elem{string(x.Value()), x.ExpireAt()}
		case value.ZSet:
			el.val = scoreText(x.Score())
		}
		got.elems[string(x.Member())] = el
		return true
	}
	switch m.typ {
	case value.Set:
		value.OpenSet(env, e.Root()).Each(add)
	case value.ZSet:
		value.OpenZSet(env, e.Root()).Each(add)
	default:
		value.OpenHash(env, e.Root()).Each(add)
	}
	if n := value.Len(env, m.typ, e.Root()); n != len(m.coll.elems) || !maps.Equal(got.elems, m.coll.elems) {
		w.t.Fatalf("%q: %d elements, %d found, want %d", key, n, len(got.elems), len(m.coll.elems))
	}
}

// emittedColl takes an item of a rooted value. open are those of its lane of which more is to come.
func (w *twin) emittedColl(open map[string]*coll, k *walking, shard int, it *Item, m model) {
	id := fmt.Sprint(shard, it.DB, string(it.Key))
	c := open[id]
	if it.First() != (c == nil) || !value.Frozen(it.Type) && it.Count != len(m.coll.elems) || it.FieldTTL != m.coll.volatile() {
		w.t.Fatalf("walk: %q: first %v, %d elements, TTLs %v; want %v, %d, %v", it.Key, it.First(), it.Count, it.FieldTTL, c == nil, len(m.coll.elems), m.coll.volatile())
	}
	for other := range open {
		if other != id && strings.HasPrefix(other, fmt.Sprint(shard, it.DB)) {
			w.t.Fatalf("walk: %q between the pieces of %s", id, other)
		}
	}
	if c == nil {
		c = &coll{elems: map[string]elem{}}
		open[id] = c
	}
	switch it.Type {
	case value.List:
		c.emittedList(it.Value)
	case value.Stream:
		c.stream += string(it.Value)
	}
	next := func(b []byte) ([]byte, string) {
		n, size := binary.Uvarint(b)
		return b[size+int(n):], string(b[size : size+int(n)])
	}
	for b := it.Value; len(b) > 0 && !value.Frozen(it.Type); {
		var name string
		el := elem{at: NoExpiry}
		b, name = next(b)
		switch it.Type {
		case value.ZSet:
			el.val, b = string(b[:8]), b[8:]
		case value.Hash:
			if b, el.val = next(b); it.FieldTTL {
				el.at = int64(binary.LittleEndian.Uint64(b))
				b = b[8:]
			}
		}
		if _, twice := c.elems[name]; twice {
			w.t.Fatalf("walk: %q: %s twice", it.Key, name)
		}
		c.elems[name] = el
	}
	if !it.Last() {
		return
	}
	if !maps.Equal(c.elems, m.coll.elems) || !slices.Equal(c.list, m.coll.list) || c.stream != m.coll.stream || it.Type == value.List && it.Count != c.nodes {
		w.t.Fatalf("walk: %q has %d elements, want %d, or other ones", it.Key, c.len(), m.coll.len())
	}
	delete(open, id)
	delete(k.want[it.DB], string(it.Key))
}
