package dict

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"pgregory.net/rapid"
)

// rec is what the tests' refs point at.
type rec struct {
	hash uint64
	at   int64
}

// world is a dict beside its twin, a Go map.
type world struct {
	t    fataler
	env  Env
	dict Dict
	twin map[arena.Ref]rec
	refs []arena.Ref // the twin's keys, to pick from
	hash func() uint64
	// walks are the active ones: what they must still hand over.
	walks [MaxWalks]map[arena.Ref]rec
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func newWorld(tb testing.TB, t fataler) *world {
	a, err := arena.New(arena.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{t: t, twin: map[arena.Ref]rec{}}
	w.env = Env{Arena: a, Heap: a.NewHeap(), Hash: func(r arena.Ref) uint64 { return w.rec(r).hash }, Hand: w.handed}
	return w
}

func (w *world) close() { w.env.Arena.Close() }

func (w *world) rec(r arena.Ref) *rec { return (*rec)(w.env.Arena.Ptr(r)) }

func (w *world) handed(d *Dict, walk int, ref arena.Ref) {
	want, ok := w.walks[walk][ref]
	if got := *w.rec(ref); !ok || got != want {
		w.t.Fatalf("walk %d: handed %d %v, want %v %v", walk, ref, got, want, ok)
	}
	delete(w.walks[walk], ref)
}

func (w *world) insert(h uint64, at int64) arena.Ref {
	ref := w.env.Heap.Alloc(int(unsafe.Sizeof(rec{})))
	*w.rec(ref) = rec{h, at}
	w.dict.Insert(&w.env, h, ref, at)
	w.twin[ref] = rec{h, at}
	w.refs = append(w.refs, ref)
	return ref
}

func (w *world) find(ref arena.Ref) Place {
	p := w.dict.Find(&w.env, w.twin[ref].hash, ref)
	if !p.Found() || p.Ref() != ref {
		w.t.Fatalf("ref %d hash %x is not found", ref, w.twin[ref].hash)
	}
	return p
}

func (w *world) remove(i int) {
	ref := w.refs[i]
	w.dict.Remove(&w.env, w.twin[ref].hash, w.find(ref))
	w.env.Heap.Free(ref)
	delete(w.twin, ref)
	w.refs[i] = w.refs[len(w.refs)-1]
	w.refs = w.refs[:len(w.refs)-1]
}

func (w *world) expire(i int, at int64) {
	ref := w.refs[i]
	r := w.twin[ref]
	w.dict.BeforeWrite(&w.env, r.hash)
	w.dict.SetVolatile(&w.env, r.hash, w.find(ref), at)
	w.rec(ref).at = at
	r.at = at
	w.twin[ref] = r
}

// rename puts an entry in another block.
func (w *world) replace(i int) {
	old := w.refs[i]
	r := w.twin[old]
	w.dict.BeforeWrite(&w.env, r.hash)
	p := w.find(old)
	ref := w.env.Heap.Alloc(int(unsafe.Sizeof(rec{})))
	*w.rec(ref) = r
	w.dict.Replace(p, ref)
	delete(w.twin, old)
	w.twin[ref], w.refs[i] = r, ref
	w.env.Heap.Free(old)
}

func (w *world) beginWalk(i int) {
	if w.walks[i] != nil {
		return
	}
	w.walks[i] = map[arena.Ref]rec{}
	for ref, r := range w.twin {
		w.walks[i][ref] = r
	}
	w.dict.BeginWalk(i)
}

func (w *world) stepWalk(i, steps int) {
	for ; w.walks[i] != nil && steps > 0; steps-- {
		if w.dict.WalkStep(&w.env, i) {
			continue
		}
		if len(w.walks[i]) > 0 || !w.dict.Walked(i) {
			w.t.Fatalf("walk %d ended with %d entries missing", i, len(w.walks[i]))
		}
		w.abortWalk(i)
	}
}

func (w *world) abortWalk(i int) {
	if w.walks[i] != nil {
		w.dict.EndWalk(i)
		w.walks[i] = nil
	}
}

func (w *world) check() {
	w.t.Helper()
	if err := w.dict.Check(&w.env); err != nil {
		w.t.Fatalf("%v", err)
	}
	volatile := 0
	for ref, r := range w.twin {
		w.find(ref)
		if r.at >= 0 {
			volatile++
		}
	}
	if w.dict.Len() != len(w.twin) || w.dict.Volatile() != volatile {
		w.t.Fatalf("%d entries, %d volatile, want %d, %d", w.dict.Len(), w.dict.Volatile(), len(w.twin), volatile)
	}
	seen := map[arena.Ref]bool{}
	w.dict.Walkthrough(&w.env, func(ref arena.Ref) {
		if seen[ref] || w.twin[ref] != *w.rec(ref) {
			w.t.Fatalf("visited %d, twice %v", ref, seen[ref])
		}
		seen[ref] = true
	})
	if len(seen) != len(w.twin) {
		w.t.Fatalf("visited %d of %d", len(seen), len(w.twin))
	}
}

func (w *world) drop(used int64) {
	for len(w.refs) > 0 {
		w.remove(len(w.refs) - 1)
	}
	w.check()
	if got := w.env.Arena.Used(); got != used {
		w.t.Fatalf("%d bytes used after all was removed, %d at the start", got, used)
	}
}

// hashes are the ways to draw hashes: uniform, few distinct bits on top, few at all, and all alike.
var hashes = map[string]func(*rand.Rand) uint64{
	"uniform": func(r *rand.Rand) uint64 { return r.Uint64() },
	"top":     func(r *rand.Rand) uint64 { return r.Uint64()&^(1<<56-1<<20) | r.Uint64()>>61<<30 },
	"skewed":  func(r *rand.Rand) uint64 { return r.Uint64() >> (r.Uint64() % 64) },
	"same":    func(r *rand.Rand) uint64 { return 0xabcdef0123456789 },
}

func TestTwin(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			most := map[string]int{"uniform": 3000, "top": 1500, "skewed": 600, "same": 200}[name]
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(t, rt)
				defer w.close()
				used := w.env.Arena.Used()
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
				w.hash = func() uint64 { return hash(r) }
				rt.Repeat(w.actions(r, most))
				w.drop(used)
			})
		})
	}
}

func (w *world) actions(r *rand.Rand, most int) map[string]func(*rapid.T) {
	at := func() int64 { return max(-1, r.Int64N(2000)-1000) }
	some := func(t *rapid.T, fn func(int)) {
		for n := rapid.IntRange(1, 400).Draw(t, "n"); n > 0 && len(w.refs) > 0; n-- {
			fn(r.IntN(len(w.refs)))
		}
	}
	walk := func(t *rapid.T) int { return rapid.IntRange(0, MaxWalks-1).Draw(t, "walk") }
	return map[string]func(*rapid.T){
		"": func(*rapid.T) { w.check() },
		"insert": func(t *rapid.T) {
			for n := rapid.IntRange(1, 600).Draw(t, "n"); n > 0 && len(w.refs) < most; n-- {
				w.insert(w.hash(), at())
			}
		},
		"remove":  func(t *rapid.T) { some(t, w.remove) },
		"expire":  func(t *rapid.T) { some(t, func(i int) { w.expire(i, at()) }) },
		"replace": func(t *rapid.T) { some(t, w.replace) },
		"begin":   func(t *rapid.T) { w.beginWalk(walk(t)) },
		"step":    func(t *rapid.T) { w.stepWalk(walk(t), rapid.IntRange(1, 60).Draw(t, "steps")) },
		"abort":   func(t *rapid.T) { w.abortWalk(walk(t)) },
		"due":     func(t *rapid.T) { w.due(r.Int64N(1200), rapid.Bool().Draw(t, "remove")) },
		"random":  func(t *rapid.T) { w.random(r) },
	}
}

// due goes through the dict once, and must find everything that is due.
func (w *world) due(now int64, remove bool) {
	want := map[arena.Ref]bool{}
	for ref, r := range w.twin {
		if r.at >= 0 && r.at < now {
			want[ref] = true
		}
	}
	buf := make([]arena.Ref, 64)
	for at, calls := uint64(0), 0; at != End; calls++ {
		r := w.dict.Due(&w.env, at, now, func(ref arena.Ref) int64 { return w.rec(ref).at }, buf)
		if r.Next <= at {
			w.t.Fatalf("position %x after %x", r.Next, at)
		}
		at = r.Next
		for _, ref := range buf[:r.N] {
			if !want[ref] && remove {
				w.t.Fatalf("%d is not due", ref)
			}
			delete(want, ref)
			if !remove {
				w.dict.Keep(&w.env, w.twin[ref].hash, w.twin[ref].at)
				continue
			}
			for i := range w.refs {
				if w.refs[i] == ref {
					w.remove(i)
					break
				}
			}
		}
	}
	// A chain of more due entries than the buffer takes leaves some for the next cycle: only equal hashes make such chains.
	if len(want) > 0 && w.longest() <= chainMost {
		w.t.Fatalf("%d due entries not found", len(want))
	}
}

func (w *world) longest() (n int) {
	for at := uint64(0); at != End; {
		c := 0
		at = w.dict.Visit(&w.env, at, func(arena.Ref) { c++ })
		n = max(n, c)
	}
	return n
}

func (w *world) random(r *rand.Rand) {
	ref := w.dict.Random(&w.env, r.Uint64)
	if _, ok := w.twin[ref]; ok != (len(w.twin) > 0) || !ok && ref != 0 {
		w.t.Fatalf("random: %d", ref)
	}
	ref = w.dict.RandomVolatile(&w.env, r.Uint64)
	if (ref != 0) != (w.dict.Volatile() > 0) || ref != 0 && w.twin[ref].at < 0 {
		w.t.Fatalf("random volatile: %d", ref)
	}
}

// TestScanGuarantee: what is there throughout is visited, however the dict grows and shrinks meanwhile.
func TestScanGuarantee(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rt)
		defer w.close()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		for range rapid.IntRange(0, 1500).Draw(rt, "stay") {
			w.insert(r.Uint64(), -1)
		}
		stay := len(w.refs)
		missing := map[arena.Ref]bool{}
		for _, ref := range w.refs {
			missing[ref] = true
		}
		grow := true
		for at := uint64(0); at != End; {
			at = w.dict.Visit(&w.env, at, func(ref arena.Ref) { delete(missing, ref) })
			if r.IntN(8) == 0 {
				grow = !grow
			}
			for range r.IntN(120) {
				if grow {
					w.insert(r.Uint64(), -1)
				} else if len(w.refs) > stay {
					w.remove(stay + r.IntN(len(w.refs)-stay))
				}
			}
		}
		if len(missing) > 0 {
			rt.Fatalf("%d of %d not visited", len(missing), stay)
		}
	})
}

// TestOrder: whatever splits and merges happened, buckets come in the order of their hashes.
func TestOrder(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		w.insert(r.Uint64(), -1)
	}
	for len(w.refs) > 5000 {
		w.remove(r.IntN(len(w.refs)))
	}
	for at := uint64(0); at != End; {
		next := w.dict.Visit(&w.env, at, func(ref arena.Ref) {
			if h := w.twin[ref].hash; h < at {
				t.Fatalf("hash %x in bucket %x", h, at)
			}
		})
		w.dict.Visit(&w.env, at, func(ref arena.Ref) {
			if h := w.twin[ref].hash; h >= next && next != End {
				t.Fatalf("hash %x in bucket %x to %x", h, at, next)
			}
		})
		at = next
	}
}

// TestMemory: the index costs ≤ 13 bytes an entry at every size from 10,000 on, directory and headers included.
func TestMemory(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	const block = 16
	r := rand.New(rand.NewPCG(3, 3))
	best, worst, at := 99.0, 0.0, 0
	for n := 1; n <= 300000; n++ {
		w.insert(r.Uint64(), -1)
		if n >= 10000 && n%1000 == 0 {
			per := float64(w.env.Arena.Used())/float64(n) - block
			if best = min(best, per); per > worst {
				worst, at = per, n
			}
		}
	}
	t.Logf("%.2f to %.2f bytes an entry, most at %d", best, worst, at)
	if worst > 13 {
		t.Errorf("%.2f bytes an entry at %d", worst, at)
	}
	// Once most are gone the index is small again.
	for len(w.refs) > 10000 {
		w.remove(r.IntN(len(w.refs)))
	}
	if per := float64(w.env.Arena.Used())/10000 - block; per > 45 {
		t.Errorf("%.2f bytes an entry after shrinking", per)
	}
}

func TestSmallDict(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	w.insert(1, -1)
	if got := w.env.Arena.Used(); got > 200 {
		t.Errorf("a dict of one entry takes %d bytes", got)
	}
}

func TestRandomIsFair(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	r := rand.New(rand.NewPCG(5, 5))
	const n, draws = 500, 200000
	for range n {
		w.insert(r.Uint64(), -1)
	}
	count := map[arena.Ref]int{}
	for range draws {
		count[w.dict.Random(&w.env, r.Uint64)]++
	}
	// Chi-square with 499 degrees of freedom: beyond 640 once in 50,000 seeds, and the seed is fixed.
	chi, want := 0.0, float64(draws)/n
	for _, ref := range w.refs {
		diff := float64(count[ref]) - want
		chi += diff * diff / want
	}
	if chi > 640 {
		t.Errorf("chi-square %.0f", chi)
	}
}

// TestDueSkips: what has no volatile entries, or none that can be due, is not looked at.
func TestDueSkips(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	r := rand.New(rand.NewPCG(6, 6))
	for range 50000 {
		w.insert(r.Uint64(), -1)
	}
	w.insert(r.Uint64(), 100)
	w.insert(r.Uint64(), 900)
	looked := 0
	at := func(ref arena.Ref) int64 { looked++; return w.rec(ref).at }
	buf := make([]arena.Ref, 64)
	res := w.dict.Due(&w.env, 0, 50, at, buf)
	if looked != 0 || res.Next != End {
		t.Errorf("nothing is due: looked at %d, %+v", looked, res)
	}
	res = w.dict.Due(&w.env, 0, 500, at, buf)
	if looked != 1 || res.N != 1 || w.rec(buf[0]).at != 100 {
		t.Errorf("one is due: looked at %d, %+v", looked, res)
	}
	// It was not removed nor kept: the segment's earliest expiry is what is left, none.
	if res = w.dict.Due(&w.env, 0, 500, at, buf); res.N != 0 || looked != 1 {
		t.Errorf("looked at %d, %+v", looked, res)
	}
	w.dict.Keep(&w.env, w.rec(buf[0]).hash, 100)
	if res = w.dict.Due(&w.env, 0, 500, at, buf); res.N != 1 {
		t.Errorf("kept: %+v", res)
	}
}

func TestFreeSegments(t *testing.T) {
	for _, n := range []int{0, 1, 100, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, t)
			defer w.close()
			r := rand.New(rand.NewPCG(7, 7))
			for range n {
				w.insert(r.Uint64(), -1)
			}
			freed, most := 0, 0
			for slot, more := uint64(0), true; more; {
				before := freed
				slot, more = w.dict.FreeSegment(&w.env, slot, func(ref arena.Ref) { w.env.Heap.Free(ref); freed++ })
				most = max(most, freed-before)
			}
			if freed != n || w.env.Arena.Used() != 0 || w.dict.Len() != 0 || most > 400 {
				t.Errorf("freed %d, at most %d at once, used %d", freed, most, w.env.Arena.Used())
			}
		})
	}
}

func TestMatchFindsEverySlot(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	var mem [8]uint64
	b := bucket{unsafe.Pointer(&mem)}
	for range 20000 {
		mem = [8]uint64{}
		var want uint32
		fp := uint8(r.Uint32() % 3)
		for i := uint(0); i < slots; i++ {
			f, ref := uint8(r.Uint32()%3), arena.Ref(r.Uint64()>>24)
			if r.IntN(3) > 0 {
				b.put(i, f, ref, r.IntN(2) == 0)
				if b.ref(i) != ref {
					t.Fatalf("ref %x reads as %x", ref, b.ref(i))
				}
				if f == fp {
					want |= 1 << i
				}
			}
		}
		got := b.match(fp)
		if got&want != want || got&^(*b.meta()) != 0 {
			t.Fatalf("match %b, want %b, meta %b", got, want, *b.meta())
		}
	}
}
