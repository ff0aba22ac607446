package keyspace

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/value"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 11)) }

// defrag goes once over everything.
func (w *twin) defrag() (sum Defragged) {
	for i := range w.s.Shards() {
		w.shard(i, func(sh *Shard) {
			sh.EachUsed(func(d *DB) bool {
				for pos, first := uint64(0), true; first || pos != 0; first = false {
					r := d.Defrag(pos)
					pos = r.Next
					sum.Hits, sum.Misses = sum.Hits+r.Hits, sum.Misses+r.Misses
					sum.KeyHits, sum.KeyMisses = sum.KeyHits+r.KeyHits, sum.KeyMisses+r.KeyMisses
				}
				return true
			})
		})
	}
	return sum
}

// TestDefrag: most keys of many go, which leaves runs that are nearly empty. Defragmentation empties those, while a walk goes on, and changes nothing else.
func TestDefrag(t *testing.T) {
	w := newTwin(t, t, 2, 2, 5)
	fill := func(i int) (int, string, string) {
		val := fmt.Sprint("value of ", i, strings.Repeat(".", i%90))
		switch i % 100 {
		case 7:
			val = strings.Repeat("big", 500+i%200)
		case 8:
			val = fmt.Sprint(i)
		}
		return i % 2, fmt.Sprint("key:", i), val
	}
	const n = 30_000
	for i := range n {
		db, key, val := fill(i)
		at := int64(NoExpiry)
		if i%3 == 0 {
			at = 1 << 40
		}
		w.at(db, key, func(d *DB, h uint64) { d.SetString(h, []byte(key), []byte(val), at) })
		w.dbs[db][key] = model{val: val, enc: encodingOf(val), at: at, lru: uint32(w.now)}
	}
	for i := range n {
		if w.rnd.IntN(5) > 0 {
			db, key, _ := fill(i)
			w.at(db, key, func(d *DB, h uint64) { d.Delete(h, []byte(key)) })
			delete(w.dbs[db], key)
		}
	}
	w.begin()
	w.step(50_000)
	a := w.s.Arena()
	used, before := a.Used(), w.fragmentation()
	sum := w.defrag()
	if sum.KeyHits == 0 || sum.KeyHits+sum.KeyMisses != len(w.dbs[0])+len(w.dbs[1]) || sum.Hits < sum.KeyHits {
		t.Errorf("moved %+v of %d keys", sum, len(w.dbs[0])+len(w.dbs[1]))
	}
	for range 3 {
		w.defrag()
	}
	if after := w.fragmentation(); before < used || after > before/10 {
		t.Errorf("fragmentation of %d bytes used: %d before, %d after", used, before, after)
	}
	if got := a.Used(); got != used {
		t.Errorf("used %d before, %d after", used, got)
	}
	w.check()
	w.end()
}

func (w *twin) fragmentation() (n int64) {
	for i := range w.s.Shards() {
		w.shard(i, func(sh *Shard) { n += sh.Fragmentation() })
	}
	return n
}

// TestDefragCollections: the elements of rooted values are moved together, those of big ones in many steps, whatever becomes of the keys meanwhile.
func TestDefragCollections(t *testing.T) {
	w := newTwin(t, t, 1, 1, 5)
	for i := range 12 {
		n := 0
		w.change(0, fmt.Sprint("coll:", i), 8000, func() string {
			n++
			return fmt.Sprint("an element of some length ", n, strings.Repeat(".", n%60))
		})
	}
	for i := range 12 {
		w.change(0, fmt.Sprint("coll:", i), 9000, func() string { return fmt.Sprint("gone ", i) })
		m := w.dbs[0][fmt.Sprint("coll:", i)]
		w.at(0, fmt.Sprint("coll:", i), func(d *DB, h uint64) {
			e := d.Find(h, fmt.Append(nil, "coll:", i))
			for _, name := range slices.Sorted(maps.Keys(m.coll.elems)) { // in one order, so that each run removes the same
				if w.rnd.IntN(5) > 0 {
					if m.typ == value.ZSet {
						value.OpenZSet(d.Values(), e.Root()).Remove([]byte(name))
					} else {
						value.OpenSet(d.Values(), e.Root()).Remove([]byte(name))
					}
					delete(m.coll.elems, name)
				}
			}
		})
	}
	w.begin()
	w.step(50_000)
	used, before := w.s.Arena().Used(), w.fragmentation()
	sum := w.defrag()
	if sum.KeyHits+sum.KeyMisses != 12 || sum.Hits < 1000 {
		t.Errorf("moved %+v", sum)
	}
	for range 3 {
		w.defrag()
	}
	if after := w.fragmentation(); before < 1<<20 || after > before/8 {
		t.Errorf("fragmentation of %d bytes used: %d before, %d after", used, before, after)
	}
	w.check()
	w.at(0, "coll:0", func(d *DB, _ uint64) {
		pos := d.Defrag(0).Next
		w.del()
		w.flush(0)
		for pos != 0 {
			pos = d.Defrag(pos).Next
		}
	})
	w.end()
}
