package keyspace

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// one is a space of one shard, locked, and its database 0.
func one(tb testing.TB) (*Space, *DB) {
	s := newSpace(tb, 1, 2)
	s.Shard(0).Heap().Lock()
	tb.Cleanup(func() { s.Arena().Close() })
	return s, s.Shard(0).DB(0)
}

func get(s *Space, d *DB, key string) (string, value.Encoding) {
	e := d.Find(s.Hash([]byte(key)), []byte(key))
	if !e.Found() {
		return "(nil)", 0
	}
	var scratch [value.MaxIntLen]byte
	return string(e.String(&scratch)), e.Encoding()
}

// TestEncodings: OBJECT ENCODING as Redis 7 answers it after each of these.
func TestEncodings(t *testing.T) {
	s, d := one(t)
	key := []byte("k")
	h := s.Hash(key)
	for _, c := range []struct {
		name string
		do   func()
		val  string
		enc  string
	}{
		{"SET k 123", func() { d.SetString(h, key, []byte("123"), NoExpiry) }, "123", "int"},
		{"APPEND k 4", func() { d.Append(h, key, []byte("4")) }, "1234", "raw"},
		{"SET k 1234", func() { d.SetString(h, key, []byte("1234"), NoExpiry) }, "1234", "int"},
		{"INCR k", func() { d.SetInt(h, key, 1235, KeepTTL) }, "1235", "int"},
		{"SET k abc", func() { d.SetString(h, key, []byte("abc"), NoExpiry) }, "abc", "embstr"},
		{"SET k 44", func() { d.SetString(h, key, bytes.Repeat([]byte("x"), 44), NoExpiry) }, strings.Repeat("x", 44), "embstr"},
		{"SET k 45", func() { d.SetString(h, key, bytes.Repeat([]byte("x"), 45), NoExpiry) }, strings.Repeat("x", 45), "raw"},
		{"SET k empty", func() { d.SetString(h, key, nil, NoExpiry) }, "", "embstr"},
		{"SETRANGE k 2 z", func() { d.SetRange(h, key, 2, []byte("z")) }, "\x00\x00z", "raw"},
		{"DEL k", func() { d.Delete(h, key) }, "(nil)", "raw"},
		{"APPEND k abc (new)", func() { d.Append(h, key, []byte("abc")) }, "abc", "embstr"},
		{"DEL k", func() { d.Delete(h, key) }, "(nil)", "raw"},
		{"APPEND k 12 (new)", func() { d.Append(h, key, []byte("12")) }, "12", "int"},
		{"DEL k", func() { d.Delete(h, key) }, "(nil)", "raw"},
		{"SETRANGE k 0 abc (new)", func() { d.SetRange(h, key, 0, []byte("abc")) }, "abc", "raw"},
		{"SET k 2000", func() { d.SetString(h, key, bytes.Repeat([]byte("y"), 2000), NoExpiry) }, strings.Repeat("y", 2000), "raw"},
		{"SET k 5", func() { d.SetString(h, key, []byte("5"), NoExpiry) }, "5", "int"},
	} {
		c.do()
		if val, enc := get(s, d, "k"); val != c.val || enc.String() != c.enc {
			t.Errorf("%s: %q %v, want %q %v", c.name, val, enc, c.val, c.enc)
		}
	}
}

// TestMemoryPerKey: 16-byte keys with 64-byte values take at most 105 bytes each, all in, at every size.
func TestMemoryPerKey(t *testing.T) {
	for _, shards := range []int{1, 8} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			s := newSpace(t, shards, 16)
			defer s.Arena().Close()
			for i := range s.Shards() {
				s.Shard(i).Heap().Lock()
			}
			val := bytes.Repeat([]byte("v"), 64)
			worst, at := 0.0, 0
			for n := 1; n <= 400_000; n++ {
				key := fmt.Appendf(nil, "key:%012d", n)
				h := s.Hash(key)
				s.Shard(s.ShardOf(h)).DB(0).SetString(h, key, val, NoExpiry)
				if n >= 100_000 && n%5_000 == 0 {
					if per := float64(s.Arena().Used()) / float64(n); per > worst {
						worst, at = per, n
					}
				}
			}
			t.Logf("at most %.2f bytes a key, with %d keys; %.2f at the end", worst, at, float64(s.Arena().Used())/400_000)
			if worst > 105 {
				t.Errorf("%.2f bytes a key", worst)
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	s, d := one(t)
	key, val := []byte("key:000000000001"), bytes.Repeat([]byte("v"), 64)
	h := s.Hash(key)
	d.SetString(h, key, val, NoExpiry)
	var scratch [value.MaxIntLen]byte
	for name, fn := range map[string]func(){
		"get":    func() { _ = d.Find(s.Hash(key), key).String(&scratch) },
		"set":    func() { d.SetString(s.Hash(key), key, val, NoExpiry) },
		"int":    func() { d.SetInt(h, key, math.MinInt64, KeepTTL); _ = d.Find(h, key).String(&scratch) },
		"resize": func() { d.SetString(h, key, val[:10], 5); d.SetString(h, key, val, NoExpiry) },
		"expire": func() { d.SetExpire(d.SetExpire(d.Find(h, key), 77), NoExpiry) },
		"new":    func() { d.Delete(h, key); d.SetString(h, key, val, 9) },
		"append": func() { d.Append(h, key, val[:1]); d.SetString(h, key, val, NoExpiry) },
	} {
		if n := testing.AllocsPerRun(200, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestInPlace: a value of the same size class does not move, so that a hot key's SET touches one entry only.
func TestInPlace(t *testing.T) {
	s, d := one(t)
	key := []byte("key")
	h := s.Hash(key)
	first := d.SetString(h, key, []byte("hello"), NoExpiry)
	if again := d.SetString(h, key, []byte("world"), NoExpiry); again.ref != first.ref {
		t.Error("the entry moved")
	}
	if other := d.SetString(h, key, bytes.Repeat([]byte("x"), 500), NoExpiry); other.ref == first.ref {
		t.Error("the entry did not move")
	}
}

// TestBigValueMovesByRef: RENAME and COPY of a big value, also to another shard, take no memory for it, and a write to one copy leaves the other.
func TestBigValueMovesByRef(t *testing.T) {
	s := newSpace(t, 2, 1)
	defer s.Arena().Close()
	s.Shard(0).Heap().Lock()
	s.Shard(1).Heap().Lock()
	keys := [2][]byte{}
	for i := 0; keys[0] == nil || keys[1] == nil; i++ {
		k := fmt.Appendf(nil, "k%d", i)
		keys[s.ShardOf(s.Hash(k))] = k
	}
	a, b := s.Shard(0).DB(0), s.Shard(1).DB(0)
	ha, hb := s.Hash(keys[0]), s.Hash(keys[1])
	big := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	a.SetString(ha, keys[0], big, 12345)
	used := s.Arena().Used()

	b.Move(a.Find(ha, keys[0]), ha, hb, keys[1])
	if got := s.Arena().Used(); got > used+4096 {
		t.Errorf("a move took %d bytes", got-used)
	}
	if val, _ := get(s, b, string(keys[1])); val != string(big) || a.Len() != 0 || b.Volatile() != 1 {
		t.Error("the value did not arrive")
	}
	a.Copy(b.Find(hb, keys[1]), ha, keys[0])
	if got := s.Arena().Used(); got > used+4096 {
		t.Errorf("a copy took %d bytes", got-used)
	}
	a.SetRange(ha, keys[0], 0, []byte("changed"))
	if val, _ := get(s, b, string(keys[1])); val != string(big) {
		t.Error("a write to the copy changed the original")
	}
	if val, _ := get(s, a, string(keys[0])); val != "changed"+string(big[7:]) {
		t.Error("the copy was not changed")
	}
	a.Delete(ha, keys[0])
	b.Delete(hb, keys[1])
	if got := s.Arena().Used(); got != 0 {
		t.Errorf("%d bytes left", got)
	}
}

// TestAppendIsAmortized: many small appends to a big string copy it rarely.
func TestAppendIsAmortized(t *testing.T) {
	s, d := one(t)
	key := []byte("log")
	h := s.Hash(key)
	line := bytes.Repeat([]byte("l"), 100)
	moved, last := 0, arena.Ref(0)
	for i := range 20_000 {
		if n := d.Append(h, key, line); n != 100*(i+1) {
			t.Fatalf("length %d after %d", n, i+1)
		}
		if e := d.Find(h, key); e.big() {
			if ref, _ := e.bigValue(); ref != last {
				moved, last = moved+1, ref
			}
		}
	}
	if moved > 30 {
		t.Errorf("2 MB in 20,000 appends: %d copies", moved)
	}
}

func TestCursor(t *testing.T) {
	s := newSpace(t, 8, 1)
	defer s.Arena().Close()
	for i := range s.Shards() {
		s.Shard(i).Heap().Lock()
	}
	const n = 20_000
	for i := range n {
		key := fmt.Appendf(nil, "key:%d", i)
		h := s.Hash(key)
		s.Shard(s.ShardOf(h)).DB(0).SetString(h, key, key, NoExpiry)
	}
	seen, calls := map[string]int{}, 0
	for cursor := uint64(0); ; {
		shard, pos, ok := s.SplitCursor(cursor)
		if !ok {
			t.Fatalf("cursor %x is ours and not known", cursor)
		}
		calls++
		next := s.Shard(shard).DB(0).Scan(pos, 10, func(e Entry) { seen[string(e.Key())]++ })
		if next == 0 {
			if shard++; shard == s.Shards() {
				break
			}
		}
		cursor = s.Cursor(shard, next)
		if cursor == 0 || cursor>>56 != 0 {
			t.Fatalf("cursor %x", cursor)
		}
	}
	if len(seen) != n || calls < n/25 || calls > n/5 {
		t.Errorf("%d keys in %d calls", len(seen), calls)
	}
	for _, wild := range []uint64{8 << 48, math.MaxUint64} {
		if _, _, ok := s.SplitCursor(wild); ok {
			t.Errorf("cursor %x is of no shard", wild)
		}
	}
	// Any other number is some position.
	shard, pos, ok := s.SplitCursor(3<<48 | 0xdeadbeef)
	if !ok || shard != 3 {
		t.Errorf("shard %d %v", shard, ok)
	}
	s.Shard(shard).DB(0).Scan(pos, 10, func(Entry) {})
}

func TestHash(t *testing.T) {
	a, b := newHasher([2]uint64{1, 2}), newHasher([2]uint64{1, 3})
	if a.sum([]byte("key")) == b.sum([]byte("key")) {
		t.Error("the seed has no effect")
	}
	if c := newHasher([2]uint64{1, 2}); c.sum([]byte("a longer key than sixteen bytes")) != a.sum([]byte("a longer key than sixteen bytes")) {
		t.Error("the same seed gives another hash")
	}
	seen := map[uint64]string{}
	for n := range 70 {
		for i := range 300 {
			key := bytes.Repeat([]byte{0}, n)
			if n > 0 {
				key[i%n] ^= byte(1 + i/n)
			}
			h := a.sum(key)
			if was, ok := seen[h]; ok && was != string(key) {
				t.Fatalf("%q and %q both hash to %x", was, key, h)
			}
			seen[h] = string(key)
		}
	}
}

// TestHashAvalanche: each bit of a key changes each bit of its hash half the time.
func TestHashAvalanche(t *testing.T) {
	k := newHasher([2]uint64{7, 7})
	r := rand.New(rand.NewPCG(1, 1))
	const rounds = 3000
	for _, n := range []int{2, 3, 4, 7, 8, 12, 16, 17, 31, 40} {
		key := make([]byte, n)
		var flips [64]int
		for range rounds {
			for i := range key {
				key[i] = byte(r.Uint32())
			}
			h := k.sum(key)
			bit := r.IntN(8 * n)
			key[bit/8] ^= 1 << (bit % 8)
			for x, j := h^k.sum(key), 0; j < 64; j++ {
				flips[j] += int(x >> j & 1)
			}
		}
		for j, f := range flips {
			// Six standard deviations.
			if math.Abs(float64(f)-rounds/2) > 6*math.Sqrt(rounds)/2 {
				t.Errorf("%d bytes: bit %d flips in %d of %d", n, j, f, rounds)
			}
		}
	}
}

// TestHashSpreadsCounters: sequential keys fill shards, positions and fingerprints evenly.
func TestHashSpreadsCounters(t *testing.T) {
	k := newHasher([2]uint64{3, 4})
	const n = 1 << 17
	var low, mid, high [256]int
	for i := range n {
		h := k.sum(fmt.Appendf(nil, "user:%d:name", i))
		low[h&255]++
		mid[h>>8&255]++
		high[h>>56]++
	}
	for name, c := range map[string][256]int{"low": low, "mid": mid, "high": high} {
		for i, x := range c {
			if want := n / 256.0; math.Abs(float64(x)-want) > 6*math.Sqrt(want) {
				t.Errorf("%s byte %d: %d of %v", name, i, x, want)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	a, err := arena.New(arena.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, c := range []Config{
		{Shards: 1, Databases: 1},
		{Arena: a, Shards: 0, Databases: 1},
		{Arena: a, Shards: 3, Databases: 1},
		{Arena: a, Shards: 512, Databases: 1},
		{Arena: a, Shards: 1, Databases: 0},
		{Arena: a, Shards: 1, Databases: 1 << 20},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if _, err := New(Config{Arena: a, Shards: 1, Databases: 1, Slots: true}); !errors.Is(err, ErrSlots) {
		t.Errorf("slots: %v", err)
	}
}

func TestTooManyWalks(t *testing.T) {
	s, d := one(t)
	d.SetInt(s.Hash([]byte("k")), []byte("k"), 1, NoExpiry)
	var walks []*Walk
	for range dict.MaxWalks {
		w, err := NewWalk(s)
		if err != nil {
			t.Fatal(err)
		}
		walks = append(walks, w)
	}
	if _, err := NewWalk(s); err != ErrTooManyWalks {
		t.Error(err)
	}
	walks[1].Close()
	walks[1].Close()
	w, err := NewWalk(s)
	if err != nil {
		t.Fatal(err)
	}
	for !w.Step(0, 0, 1, func(*Item) {}) {
	}
}

// TestWalkBudget: a step is short, however much there is, and big values come in pieces.
func TestWalkBudget(t *testing.T) {
	s, d := one(t)
	for i := range 5000 {
		key := fmt.Appendf(nil, "key:%d", i)
		d.SetString(s.Hash(key), key, bytes.Repeat([]byte("v"), 100), NoExpiry)
	}
	key := []byte("big")
	d.SetString(s.Hash(key), key, make([]byte, 10<<20), NoExpiry)
	w, err := NewWalk(s)
	if err != nil {
		t.Fatal(err)
	}
	items, steps := 0, 0
	for done := false; !done; steps++ {
		cost := 0
		done = w.Step(0, 0, 10_000, func(it *Item) { cost += len(it.Key) + len(it.Value) + 64; items++ })
		if cost > 10_000+ChunkBytes+64*100 {
			t.Fatalf("a step of %d bytes", cost)
		}
	}
	if items != 5000+10<<20/ChunkBytes || steps < 150 {
		t.Errorf("%d items in %d steps", items, steps)
	}
}

// TestWalkPending: what waits for the walk is counted, and is gone when it has been taken.
func TestWalkPending(t *testing.T) {
	s, d := one(t)
	key := []byte("big")
	h := s.Hash(key)
	d.SetString(h, key, make([]byte, 1<<20), NoExpiry)
	w, err := NewWalk(s)
	if err != nil {
		t.Fatal(err)
	}
	d.Delete(h, key)
	if got := w.Pending(0); got < 3 || got > 500 {
		t.Errorf("pending %d", got)
	}
	if all, bound := s.PreImages(); all < 1<<20+int64(w.Pending(0)) || all > 1<<20+10_000 || bound != limits.MinPreImageQueueBytes {
		t.Errorf("in all shards %d of %d", all, bound)
	}
	if got := s.PreImageCopies(); got != int64(w.Pending(0)) {
		t.Errorf("%d bytes of copies, %d pending", got, w.Pending(0))
	}
	if s.Arena().Used() < 1<<20 {
		t.Error("the value is gone before the walk took it")
	}
	total := 0
	for !w.Step(0, 0, 1, func(it *Item) { total += len(it.Value) }) {
	}
	if total != 1<<20 || w.Pending(0) != 0 || s.Arena().Used() != 0 {
		t.Errorf("%d bytes emitted, %d pending, %d used", total, w.Pending(0), s.Arena().Used())
	}
}

// TestWalkFull: notice is given, once each, when more waits than should and when more waits than may, and when that is over again, by what was emitted or with the walk.
func TestWalkFull(t *testing.T) {
	for name, end := range map[string]func(w *Walk){
		"drained": func(w *Walk) {
			for !w.Drain(0, 0, 10_000, func(*Item) {}) {
			}
		},
		"stepped": func(w *Walk) {
			for !w.Step(0, 0, 10_000, func(*Item) {}) {
			}
		},
		"given up": func(w *Walk) { w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s, d := one(t)
			var heard []Pressure
			s.NotifyPreImages(func(p Pressure) { heard = append(heard, p) })
			set := func(i int, val byte) {
				key := fmt.Appendf(nil, "key:%d", i)
				d.SetString(s.Hash(key), key, bytes.Repeat([]byte{val}, 10_000), NoExpiry)
			}
			for i := range 2000 {
				set(i, 'a')
			}
			w, err := NewWalk(s)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2000 {
				set(i, 'b')
			}
			if all, bound := s.PreImages(); !slices.Equal(heard, []Pressure{Slow, Full}) || all <= bound+bound/2 {
				t.Fatalf("heard %v with %d waiting of %d", heard, all, bound)
			}
			end(w)
			if all, _ := s.PreImages(); !slices.Equal(heard, []Pressure{Slow, Full, Slow, Easy}) || all != 0 {
				t.Errorf("heard %v, %d wait", heard, all)
			}
			w.Close()
		})
	}
}

// TestAvgTTL: it is what volatile keys have left, on average; what has no expiry does not count, and what is over has nothing left.
func TestAvgTTL(t *testing.T) {
	s, d := one(t)
	rnd := rand.New(rand.NewPCG(1, 2)).Uint64
	set := func(i int, at int64) {
		key := fmt.Appendf(nil, "key:%d", i)
		d.SetString(s.Hash(key), key, []byte("v"), at)
	}
	set(0, NoExpiry)
	if got := d.AvgTTL(1000, rnd); got != 0 {
		t.Errorf("without volatile keys: %d", got)
	}
	for i := range 100 {
		set(1+i, 17_000)
	}
	if got := d.AvgTTL(1000, rnd); got != 16_000 {
		t.Errorf("of keys that have 16 seconds left: %d", got)
	}
	if got := d.AvgTTL(20_000, rnd); got != 0 {
		t.Errorf("of keys that are over: %d", got)
	}
}

// TestPressureIsSteady: what waits must be well below a bound before that is forgotten, so that writers are not told of each step over it.
func TestPressureIsSteady(t *testing.T) {
	var p preImages
	p.fixed = 32 << 20
	p.setBound(0)
	bound, full := p.bound.Load(), most(p.bound.Load())
	for _, tt := range []struct {
		was     Pressure
		waiting int64
		want    Pressure
	}{
		{Easy, bound, Easy}, {Easy, bound + 1, Slow}, {Easy, full + 1, Full}, {Easy, again(bound) + 1, Easy},
		{Slow, bound, Slow}, {Slow, again(bound) + 1, Slow}, {Slow, again(bound), Easy}, {Slow, full, Slow}, {Slow, full + 1, Full},
		{Full, full, Full}, {Full, again(full) + 1, Full}, {Full, again(full), Slow}, {Full, again(bound), Easy}, {Full, 0, Easy},
	} {
		if got := p.after(tt.was, tt.waiting); got != tt.want {
			t.Errorf("after %v with %d of %d and %d: %v, want %v", tt.was, tt.waiting, bound, full, got, tt.want)
		}
	}
}

// TestShardsInParallel runs a writer per shard with values going between shards and a walk over all, each under the locks that it needs.
func TestShardsInParallel(t *testing.T) {
	const shards, keys = 4, 300
	s := newSpace(t, shards, 1)
	defer s.Arena().Close()
	var locks [shards]sync.Mutex
	with := func(i, j int, fn func()) {
		i, j = min(i, j), max(i, j)
		locks[i].Lock()
		s.Shard(i).Heap().Lock()
		if i != j {
			locks[j].Lock()
			s.Shard(j).Heap().Lock()
		}
		fn()
		if i != j {
			s.Shard(j).Heap().Unlock()
			locks[j].Unlock()
		}
		s.Shard(i).Heap().Unlock()
		locks[i].Unlock()
	}
	var wg sync.WaitGroup
	for g := range shards {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 4))
			for range 4000 {
				key, other := fmt.Appendf(nil, "k%d", r.IntN(keys)), fmt.Appendf(nil, "k%d", r.IntN(keys))
				h, ho := s.Hash(key), s.Hash(other)
				i, j := s.ShardOf(h), s.ShardOf(ho)
				with(i, j, func() { mixed(s.Shard(i).DB(0), s.Shard(j).DB(0), h, ho, key, other, r) })
			}
		})
	}
	for range 3 {
		walkInParallel(t, s, locks[:], with)
	}
	wg.Wait()
	for i := range shards {
		with(i, i, func() {
			if x := s.Shard(i).Flush(0); x != nil {
				for !x.FreeSome(50) {
				}
			}
		})
	}
	if got := s.Arena().Used(); got != 0 {
		t.Errorf("%d bytes left", got)
	}
}

// walkInParallel makes a walk while others write, and counts its keys.
func walkInParallel(t *testing.T, s *Space, locks []sync.Mutex, with func(i, j int, fn func())) {
	for i := range locks {
		locks[i].Lock()
		s.Shard(i).Heap().Lock()
	}
	w, err := NewWalk(s)
	want := 0
	for i := range locks {
		want += s.Shard(i).Len()
		s.Shard(i).Heap().Unlock()
		locks[i].Unlock()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range locks {
		for done := false; !done; {
			with(i, i, func() {
				done = w.Step(i, i, 5000, func(it *Item) {
					if it.Offset == 0 {
						want--
					}
				})
			})
		}
	}
	if want != 0 {
		t.Errorf("%d keys too few", want)
	}
}

// mixed does one operation on two keys.
func mixed(a, b *DB, ha, hb uint64, ka, kb []byte, r *rand.Rand) {
	switch e := a.Find(ha, ka); r.IntN(6) {
	case 0, 1:
		a.SetString(ha, ka, make([]byte, 1+r.IntN(3000)), NoExpiry)
	case 2:
		a.Append(ha, ka, make([]byte, 1+r.IntN(100)))
	case 3:
		a.Delete(ha, ka)
	case 4:
		if e.Found() && !bytes.Equal(ka, kb) {
			b.Move(e, ha, hb, kb)
		}
	case 5:
		if e.Found() && !bytes.Equal(ka, kb) {
			b.Copy(e, hb, kb)
		}
	}
}

func benchSpace(b *testing.B, n int) (*Space, *DB, [][]byte) {
	s := newSpace(b, 1, 1)
	b.Cleanup(func() { s.Arena().Close() })
	d := s.Shard(0).DB(0)
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key:%012d", i)
		d.SetString(s.Hash(keys[i]), keys[i], make([]byte, 64), NoExpiry)
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return s, d, keys
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, d, keys := benchSpace(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				key := keys[i%n]
				if !d.Find(s.Hash(key), key).Found() {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkMiss(b *testing.B) {
	s, d, keys := benchSpace(b, 1000)
	miss := append([]byte(nil), keys[0]...)
	miss[0] = 'x'
	for i := 0; b.Loop(); i++ {
		miss[1], miss[2] = byte(i), byte(i>>8)
		if d.Find(s.Hash(miss), miss).Found() {
			b.Fatal("found")
		}
	}
}

func BenchmarkSet(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, d, keys := benchSpace(b, n)
			val := make([]byte, 64)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				key := keys[i%n]
				d.SetString(s.Hash(key), key, val, NoExpiry)
			}
		})
	}
}

func BenchmarkInsert(b *testing.B) {
	s := newSpace(b, 1, 1)
	defer s.Arena().Close()
	d := s.Shard(0).DB(0)
	key, val := []byte("key:000000000000"), make([]byte, 64)
	for i := 0; b.Loop(); i++ {
		for j, x := 15, i; x > 0; j, x = j-1, x/10 {
			key[j] = byte('0' + x%10)
		}
		d.SetString(s.Hash(key), key, val, NoExpiry)
	}
}

func BenchmarkHash16(b *testing.B) {
	s := newSpace(b, 1, 1)
	defer s.Arena().Close()
	key := []byte("key:000000000001")
	for b.Loop() {
		s.Hash(key)
	}
}

func BenchmarkWalk(b *testing.B) {
	s, _, _ := benchSpace(b, 100_000)
	for b.Loop() {
		w, err := NewWalk(s)
		if err != nil {
			b.Fatal(err)
		}
		for !w.Step(0, 0, 1<<16, func(*Item) {}) {
		}
	}
}
