package keyspace

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
	"pgregory.net/rapid"
)

// model is what the twin has of a key.
type model struct {
	val string
	enc value.Encoding
	at  int64
	lru uint32
	typ value.Type
	// coll is what a rooted collection has; val is empty then.
	coll *coll
}

// twin is a Space beside Go maps. It locks the heaps of just the shards that an operation may touch, so that with the build tag invariants
// a reach into another shard's memory is a fault.
type twin struct {
	t     fataler
	s     *Space
	dbs   []map[string]model
	walks []*walking
	junk  []*Detached
	rnd   *rand.Rand
	now   int64
	held  []int // how deep shard i is locked
}

// walking is a walk and what it must still emit, by database.
type walking struct {
	w    *Walk
	want []map[string]model
	part map[string]string   // the beginning of a value that comes in pieces
	coll [2]map[string]*coll // or of a rooted one, by lane and the walk's shard
	done []bool
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func newSpace(tb testing.TB, shards, databases int) *Space {
	tb.Helper()
	a, err := arena.New(arena.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := New(Config{Shards: shards, Databases: databases, Arena: a, Seed: [2]uint64{1, 2}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newTwin(tb testing.TB, t fataler, shards, databases int, seed uint64) *twin {
	w := &twin{t: t, s: newSpace(tb, shards, databases), rnd: rand.New(rand.NewPCG(seed, 9)), now: 1000, held: make([]int, shards)}
	for range databases {
		w.dbs = append(w.dbs, map[string]model{})
	}
	w.s.NotifyDetached(func(x *Detached) { w.junk = append(w.junk, x) })
	return w
}

// at runs fn for a key with its shard locked.
func (w *twin) at(db int, key string, fn func(d *DB, hash uint64)) {
	h := w.s.Hash([]byte(key))
	w.shard(w.s.ShardOf(h), func(sh *Shard) { fn(sh.DB(db), h) })
}

func (w *twin) shard(i int, fn func(*Shard)) {
	sh := w.s.Shard(i)
	if w.held[i]++; w.held[i] == 1 {
		sh.Heap().Lock()
	}
	sh.SetClock(uint32(w.now))
	fn(sh)
	if w.held[i]--; w.held[i] == 0 {
		sh.Heap().Unlock()
	}
}

func (w *twin) all(fn func()) {
	for i := range w.s.Shards() {
		inner := fn
		fn = func() { w.shard(i, func(*Shard) { inner() }) }
	}
	fn()
}

// batch runs fn, with an only shard locked throughout: with the build tag invariants locking is most of the time.
func (w *twin) batch(fn func()) {
	if w.s.Shards() == 1 {
		w.all(fn)
		return
	}
	fn()
}

// randomKey is one of some hundred keys, so that they are often there.
func (w *twin) randomKey() (int, string) {
	key := fmt.Sprintf("key:%d", w.rnd.IntN(700))
	switch w.rnd.IntN(40) {
	case 2:
		return w.rnd.IntN(len(w.dbs)), w.collKey()
	case 0:
		key = strings.Repeat("long", 70) + key
	case 1:
		key = ""
	}
	return w.rnd.IntN(len(w.dbs)), key
}

func (w *twin) randomValue() string {
	switch w.rnd.IntN(12) {
	case 0, 1, 2:
		return fmt.Sprint(w.rnd.Int64() >> w.rnd.IntN(64))
	case 3:
		return w.text(w.rnd.IntN(4000))
	case 4:
		if w.rnd.IntN(10) == 0 {
			return w.text(ChunkBytes + w.rnd.IntN(3*ChunkBytes))
		}
		return w.text(900 + w.rnd.IntN(300))
	}
	return w.text(w.rnd.IntN(120))
}

func (w *twin) text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte((i*7+n)%26)
	}
	if n > 0 {
		b[w.rnd.IntN(n)] = byte(w.rnd.IntN(256))
	}
	return string(b)
}

func (w *twin) randomExpiry() int64 {
	if w.rnd.IntN(2) == 0 {
		return NoExpiry
	}
	return w.now + w.rnd.Int64N(500) - 100
}

func encodingOf(val string) value.Encoding {
	enc, _ := value.EncodeString([]byte(val))
	return enc
}

// set is one SET.
func (w *twin) set() {
	db, key := w.randomKey()
	val, at := w.randomValue(), w.randomExpiry()
	if w.rnd.IntN(4) == 0 {
		at = KeepTTL
	}
	m, had := w.dbs[db][key]
	w.at(db, key, func(d *DB, h uint64) { d.SetString(h, []byte(key), []byte(val), at) })
	if at == KeepTTL {
		if at = NoExpiry; had {
			at = m.at
		}
	}
	if !had {
		m.lru = uint32(w.now)
	}
	w.dbs[db][key] = model{val: val, enc: encodingOf(val), at: at, lru: m.lru}
}

func (w *twin) appendTo() {
	db, key := w.randomKey()
	suffix := w.randomValue()
	m, had := w.dbs[db][key]
	if m.typ != value.String {
		return
	}
	var n int
	w.at(db, key, func(d *DB, h uint64) { n = d.Append(h, []byte(key), []byte(suffix)) })
	if had {
		m.val, m.enc = m.val+suffix, value.Raw
	} else {
		m = model{val: suffix, enc: encodingOf(suffix), at: NoExpiry, lru: uint32(w.now)}
	}
	if n != len(m.val) {
		w.t.Fatalf("append %s: %d, want %d", key, n, len(m.val))
	}
	w.dbs[db][key] = m
}

func (w *twin) setRange() {
	db, key := w.randomKey()
	val, off := w.randomValue(), w.rnd.IntN(1500)
	m, had := w.dbs[db][key]
	if m.typ != value.String {
		return
	}
	var n int
	w.at(db, key, func(d *DB, h uint64) { n = d.SetRange(h, []byte(key), off, []byte(val)) })
	if !had {
		m = model{at: NoExpiry, lru: uint32(w.now)}
	}
	b := []byte(m.val)
	for len(b) < off+len(val) {
		b = append(b, 0)
	}
	copy(b[off:], val)
	m.val, m.enc = string(b), value.Raw
	if n != len(b) {
		w.t.Fatalf("setrange %s: %d, want %d", key, n, len(b))
	}
	w.dbs[db][key] = m
}

func (w *twin) expire() {
	db, key := w.randomKey()
	at := w.randomExpiry()
	m, had := w.dbs[db][key]
	w.at(db, key, func(d *DB, h uint64) {
		if e := d.Find(h, []byte(key)); e.Found() {
			e = d.SetExpire(e, at)
			e.SetLRU(uint32(w.now))
		}
	})
	if had {
		m.at, m.lru = at, uint32(w.now)
		w.dbs[db][key] = m
	}
}

func (w *twin) del() {
	db, key := w.randomKey()
	_, had := w.dbs[db][key]
	var ok bool
	w.at(db, key, func(d *DB, h uint64) {
		if w.rnd.IntN(2) == 0 {
			ok = d.Delete(h, []byte(key))
			return
		}
		var rest *Detached
		if rest, ok = d.DeleteLazy(h, []byte(key)); rest != nil {
			w.junk = append(w.junk, rest)
		}
	})
	if ok != had {
		w.t.Fatalf("delete %s: %v, want %v", key, ok, had)
	}
	delete(w.dbs[db], key)
}

// transfer is RENAME, MOVE or COPY, within a shard or between two.
func (w *twin) transfer() {
	db1, key1 := w.randomKey()
	db2, key2 := w.randomKey()
	w.transferKey(db1, key1, db2, key2)
}

func (w *twin) transferKey(db1 int, key1 string, db2 int, key2 string) {
	m, had := w.dbs[db1][key1]
	if !had || db1 == db2 && key1 == key2 {
		return
	}
	move := w.rnd.IntN(2) == 0
	h1, h2 := w.s.Hash([]byte(key1)), w.s.Hash([]byte(key2))
	i, j := w.s.ShardOf(h1), w.s.ShardOf(h2)
	act := func() {
		from, to := w.s.Shard(i).DB(db1), w.s.Shard(j).DB(db2)
		if e := from.Find(h1, []byte(key1)); move {
			to.Move(e, h1, h2, []byte(key2))
		} else {
			to.Copy(e, h2, []byte(key2))
		}
	}
	w.shard(i, func(*Shard) {
		if i == j {
			act()
		} else {
			w.shard(j, func(*Shard) { act() })
		}
	})
	if !move && m.coll != nil {
		m.coll = m.coll.clone()
	}
	w.dbs[db2][key2] = m
	if move {
		delete(w.dbs[db1], key1)
	}
}

func (w *twin) flush(db int) {
	for i := range w.s.Shards() {
		w.shard(i, func(sh *Shard) {
			if x := sh.Flush(db); x != nil {
				w.junk = append(w.junk, x)
			}
		})
	}
	w.dbs[db] = map[string]model{}
}

func (w *twin) swap(a, b int) {
	w.all(func() { w.s.SwapDB(a, b) })
	w.dbs[a], w.dbs[b] = w.dbs[b], w.dbs[a]
}

// tidy frees some of what was detached.
func (w *twin) tidy(n int) {
	junk := w.junk
	w.junk = nil // FreeSome may add to it
	w.junk = append(filter(junk, func(x *Detached) (keep bool) {
		w.shard(x.Shard(), func(*Shard) { keep = !x.FreeSome(n) })
		return keep
	}), w.junk...)
}

func filter[T any](in []T, keep func(T) bool) (out []T) {
	for _, x := range in {
		if keep(x) {
			out = append(out, x)
		}
	}
	return out
}

// sample runs the expiry cycle once through everything.
func (w *twin) sample(remove bool) {
	w.now += w.rnd.Int64N(100)
	for db := range w.dbs {
		for i := range w.s.Shards() {
			w.shard(i, func(sh *Shard) { w.sampleShard(sh, db, remove) })
		}
		for key, m := range w.dbs[db] {
			if remove && m.at >= 0 && m.at < w.now {
				w.t.Fatalf("%s expired at %d and was not found at %d", key, m.at, w.now)
			}
		}
	}
}

func (w *twin) sampleShard(sh *Shard, db int, remove bool) {
	d := sh.DB(db)
	for pos := uint64(0); ; {
		r := d.SampleExpired(pos, w.now, 20, func(e Entry) bool {
			key := string(e.Key())
			if m, ok := w.dbs[db][key]; !ok || m.at < 0 || m.at >= w.now {
				w.t.Fatalf("%q given as expired: %v %v at %d", key, ok, m.at, w.now)
			}
			if remove {
				d.Delete(w.s.Hash(e.Key()), []byte(key))
				delete(w.dbs[db], key)
			}
			return remove
		})
		if pos = r.Next; pos == 0 {
			return
		}
	}
}

// mustBe compares an entry with its model.
func (w *twin) mustBe(e Entry, key string, m model) {
	w.t.Helper()
	if !e.Found() {
		w.t.Fatalf("%q is not there", key)
	}
	if m.coll != nil {
		w.mustBeColl(e, key, m)
		return
	}
	var scratch [value.MaxIntLen]byte
	got := model{val: string(e.String(&scratch)), enc: e.Encoding(), at: e.ExpireAt(), lru: e.LRU(), typ: e.Type()}
	if string(e.Key()) != key || got != m || e.StringLen() != len(m.val) || m.typ != value.String && string(e.Packed()) != m.val {
		w.t.Fatalf("%q: %d bytes %v %d %d, want %d bytes %v %d %d", key, len(got.val), got.enc, got.at, got.lru, len(m.val), m.enc, m.at, m.lru)
	}
	n, isInt := e.Int()
	if isInt != (m.enc == value.Int) || isInt && fmt.Sprint(n) != m.val {
		w.t.Fatalf("%q: int %d %v, want %q", key, n, isInt, m.val)
	}
}

func (w *twin) check() {
	w.t.Helper()
	for db, keys := range w.dbs {
		w.all(func() {
			for key, m := range keys {
				h := w.s.Hash([]byte(key))
				w.mustBe(w.s.Shard(w.s.ShardOf(h)).DB(db).Find(h, []byte(key)), key, m)
			}
		})
		w.checkDB(db, keys)
	}
}

func (w *twin) checkDB(db int, keys map[string]model) {
	w.t.Helper()
	n, volatile := 0, 0
	seen := map[string]bool{}
	for i := range w.s.Shards() {
		w.shard(i, func(sh *Shard) {
			d := sh.DB(db)
			n += d.Len()
			volatile += d.Volatile()
			if err := d.Check(); err != nil {
				w.t.Fatalf("shard %d db %d: %v", i, db, err)
			}
			for pos, first := uint64(0), true; first || pos != 0; first = false {
				pos = d.Scan(pos, 10, func(e Entry) { seen[string(e.Key())] = true })
			}
			if e := d.Random(w.rnd.Uint64); e.Found() != (d.Len() > 0) {
				w.t.Fatalf("random of %d keys: %v", d.Len(), e.Found())
			}
			if e := d.RandomVolatile(w.rnd.Uint64); e.Found() != (d.Volatile() > 0) || e.Found() && e.ExpireAt() < 0 {
				w.t.Fatalf("random of %d volatile keys: %v", d.Volatile(), e.Found())
			}
		})
	}
	want := 0
	for _, m := range keys {
		if m.at >= 0 {
			want++
		}
	}
	if n != len(keys) || len(seen) != len(keys) || volatile != want {
		w.t.Fatalf("db %d: %d keys, %d scanned, %d volatile, want %d, %d", db, n, len(seen), volatile, len(keys), want)
	}
}

func (w *twin) begin() {
	w.all(func() {
		x, err := NewWalk(w.s)
		if err != nil {
			if err != ErrTooManyWalks || len(w.walks) < dict.MaxWalks {
				w.t.Fatalf("%v with %d walks", err, len(w.walks))
			}
			return
		}
		if len(w.walks) >= dict.MaxWalks {
			w.t.Fatalf("%d walks at once", len(w.walks)+1)
		}
		k := &walking{w: x, part: map[string]string{}, coll: [2]map[string]*coll{{}, {}}, done: make([]bool, w.s.Shards())}
		for _, keys := range w.dbs {
			k.want = append(k.want, freeze(keys))
		}
		w.walks = append(w.walks, k)
	})
}

// step goes on with one walk in one shard.
func (w *twin) step(budget int) {
	if len(w.walks) == 0 {
		return
	}
	n := w.rnd.IntN(len(w.walks))
	k := w.walks[n]
	i := w.rnd.IntN(len(k.done))
	if w.rnd.IntN(3) == 0 {
		held := k.w.NeedsAside(i)
		w.shard(held, func(*Shard) { k.w.Aside(i, held, budget, func(it *Item) { w.emitted(k, asideLane, i, it) }) })
	}
	held := k.w.Needs(i)
	if wrong := w.rnd.IntN(w.s.Shards()); wrong != held {
		w.shard(wrong, func(*Shard) {
			k.w.Step(i, wrong, budget, func(it *Item) { w.t.Fatalf("emits %q under the wrong lock", it.Key) })
			if n := k.w.Within(i, wrong); n != 0 {
				w.t.Fatalf("tells of %d bytes under the wrong lock", n)
			}
		})
	}
	w.shard(held, func(*Shard) {
		if !k.done[i] && w.rnd.IntN(4) == 0 {
			empty := k.w.Drain(i, held, budget, func(it *Item) { w.emitted(k, mainLane, i, it) })
			if k.w.Needs(i) == held && empty != (k.w.Pending(i)-k.w.shards[i].lanes[asideLane].waiting() == 0) && held == i {
				w.t.Fatalf("drained says %v, and %d bytes are pending", empty, k.w.Pending(i))
			}
			return
		}
		k.done[i] = k.w.Step(i, held, budget, func(it *Item) { w.emitted(k, mainLane, i, it) })
		if k.done[i] && k.w.Pending(i) != 0 {
			w.t.Fatalf("%d bytes pending at the end", k.w.Pending(i))
		}
	})
	for _, done := range k.done {
		if !done {
			return
		}
	}
	for db, keys := range k.want {
		if len(keys) > 0 {
			w.t.Fatalf("walk: %d keys of db %d not emitted", len(keys), db)
		}
	}
	w.walks = append(w.walks[:n], w.walks[n+1:]...)
}

func (w *twin) emitted(k *walking, lane, shard int, it *Item) {
	key := string(it.Key)
	m, ok := k.want[it.DB][key]
	if !ok {
		w.t.Fatalf("walk: %q of db %d is emitted and should not be (again)", key, it.DB)
	}
	if w.s.ShardOf(w.s.Hash(it.Key)) != shard || it.ExpireAt != m.at || it.Encoding != m.enc || it.Type != m.typ || it.Total != len(m.val) || it.Rooted != (m.coll != nil) {
		w.t.Fatalf("walk: %q: %+v, want %d %v %d bytes", key, it, m.at, m.enc, len(m.val))
	}
	if it.Rooted {
		w.emittedColl(k.coll[lane], k, shard, it, m)
		return
	}
	id := fmt.Sprint(it.DB, key)
	if it.Total <= ChunkBytes && !it.Last() || len(k.part[id]) != it.Offset {
		w.t.Fatalf("walk: %q: piece at %d of %d, after %d", key, it.Offset, it.Total, len(k.part[id]))
	}
	k.part[id] += string(it.Value)
	if !it.Last() {
		return
	}
	if k.part[id] != m.val {
		w.t.Fatalf("walk: %q has another value", key)
	}
	delete(k.part, id)
	delete(k.want[it.DB], key)
}

func (w *twin) abort() {
	if len(w.walks) == 0 {
		return
	}
	n := w.rnd.IntN(len(w.walks))
	k := w.walks[n]
	if w.rnd.IntN(2) == 0 {
		w.all(k.w.Close)
	} else {
		for i := range k.done {
			for done := false; !done; {
				held := k.w.Needs(i)
				w.shard(held, func(*Shard) { done = k.w.CloseShard(i, held) })
			}
		}
	}
	w.walks = append(w.walks[:n], w.walks[n+1:]...)
}

// end finishes all walks, deletes all keys, and looks for leaks.
func (w *twin) end() {
	for len(w.walks) > 0 {
		w.step(1 << 20)
	}
	w.check()
	for db := range w.dbs {
		if db == 0 {
			w.flush(db)
			continue
		}
		for _, key := range sorted(w.dbs[db]) {
			w.at(db, key, func(d *DB, h uint64) { d.Delete(h, []byte(key)) })
		}
	}
	for len(w.junk) > 0 {
		w.tidy(100)
	}
	if got := w.s.WalkHeld(); got != 0 {
		w.t.Fatalf("%d bytes held for no walk", got)
	}
	if got := w.s.Arena().Used(); got != 0 {
		w.t.Fatalf("%d bytes used after all was deleted", got)
	}
	if got, _ := w.s.PreImages(); got != 0 {
		w.t.Fatalf("%d bytes of pre-images wait for nobody", got)
	}
	w.s.Arena().Close()
}

func sorted(m map[string]model) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// TestTwin drives a Space and Go maps with the same operations, with snapshots going on all the time.
func TestTwin(t *testing.T) {
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newTwin(t, rt, shards, 3, rapid.Uint64().Draw(rt, "seed"))
				rt.Repeat(w.actions())
				w.end()
			})
		})
	}
}

func (w *twin) actions() map[string]func(*rapid.T) {
	some := func(most int, fn func()) func(*rapid.T) {
		return func(t *rapid.T) {
			n := rapid.IntRange(1, most).Draw(t, "n")
			w.batch(func() {
				for range n {
					fn()
				}
			})
		}
	}
	return map[string]func(*rapid.T){
		"":         func(*rapid.T) {},
		"set":      some(400, w.set),
		"append":   some(30, w.appendTo),
		"setrange": some(30, w.setRange),
		"expire":   some(60, w.expire),
		"delete":   some(400, w.del),
		"transfer": some(40, w.transfer),
		"mixed":    some(100, func() { w.set(); w.del(); w.expire(); w.transfer() }),
		"flush": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
				w.flush(w.rnd.IntN(len(w.dbs)))
			}
		},
		"swap":   func(*rapid.T) { w.swap(w.rnd.IntN(len(w.dbs)), w.rnd.IntN(len(w.dbs))) },
		"tidy":   func(*rapid.T) { w.tidy(50) },
		"sample": func(t *rapid.T) { w.sample(rapid.Bool().Draw(t, "remove")) },
		"begin":  func(*rapid.T) { w.begin() },
		"step":   func(t *rapid.T) { w.step(rapid.IntRange(1, 20000).Draw(t, "budget")) },
		"finish": func(t *rapid.T) {
			w.batch(func() {
				for range 20 {
					w.step(1 << 20)
				}
			})
		},
		"abort": func(t *rapid.T) {
			if rapid.IntRange(0, 2).Draw(t, "really") == 0 {
				w.abort()
			}
		},
		"defrag":  func(*rapid.T) { w.defrag() },
		"packed":  some(40, w.packed),
		"collect": some(60, w.collect),
		"bulk":    some(2, w.bulk),
		"shift":   some(10, func() { w.transferKey(w.rnd.IntN(len(w.dbs)), w.collKey(), w.rnd.IntN(len(w.dbs)), w.collKey()) }),
		"fields":  func(*rapid.T) { w.sampleFields() },
		"check":   func(*rapid.T) { w.check() },
	}
}
