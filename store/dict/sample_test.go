package dict

import (
	"math/rand/v2"
	"testing"

	"github.com/larder-cache/larder/store/arena"
)

// TestSampleFindsTheVolatile: ten volatile entries among a hundred thousand are found by the summaries: the number of buckets that are
// looked at does not depend on how many others there are.
func TestSampleFindsTheVolatile(t *testing.T) {
	for _, others := range []int{1000, 100_000} {
		w := newWorld(t, t)
		r := rand.New(rand.NewPCG(7, 7))
		for range others {
			w.insert(r.Uint64(), -1)
		}
		for range 10 {
			w.insert(r.Uint64(), 5000)
		}
		seen := map[arena.Ref]bool{}
		for range 300 {
			got, looked := w.dict.Sample(&w.env, r.Uint64(), 5, true, func(ref arena.Ref) {
				if w.rec(ref).at < 0 {
					t.Fatal("not volatile")
				}
				seen[ref] = true
			})
			if got != 5 || looked > 7*32 {
				t.Fatalf("of %d: %d found in %d buckets", others, got, looked)
			}
		}
		if len(seen) != 10 {
			t.Errorf("of %d: %d of 10 were ever sampled", others, len(seen))
		}
		w.close()
	}
}

// TestSampleReachesAll: every entry has its chance, and a sample names none twice.
func TestSampleReachesAll(t *testing.T) {
	for _, n := range []int{0, 1, 3, 10, 11, 200, 3000} {
		w := newWorld(t, t)
		r := rand.New(rand.NewPCG(8, uint64(n)))
		for i := range n {
			w.insert(r.Uint64(), int64(i%3)-1)
		}
		for _, volatile := range []bool{false, true} {
			seen := map[arena.Ref]int{}
			for range max(n*20, 1) {
				once := map[arena.Ref]bool{}
				got, _ := w.dict.Sample(&w.env, r.Uint64(), 5, volatile, func(ref arena.Ref) {
					if once[ref] {
						t.Fatalf("%d entries: one is given twice", n)
					}
					once[ref] = true
					seen[ref]++
				})
				want := w.dict.Len()
				if volatile {
					want = w.dict.Volatile()
				}
				if got != len(once) || got > 5 || got < min(want, 5) {
					t.Fatalf("%d entries, volatile %v: %d given, %d said", n, volatile, len(once), got)
				}
			}
			for ref, rec := range w.twin {
				if seen[ref] == 0 && (!volatile || rec.at >= 0) {
					t.Errorf("%d entries, volatile %v: one is never given", n, volatile)
				}
			}
		}
		w.close()
	}
}

// TestDefragMovesTheIndex: entries and the index's own blocks are moved while a walk goes on, and nothing is lost.
func TestDefragMovesTheIndex(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	r := rand.New(rand.NewPCG(9, 9))
	for range 40_000 {
		w.insert(r.Uint64(), int64(r.IntN(3))-1)
	}
	for range 30_000 {
		w.remove(r.IntN(len(w.refs)))
	}
	w.beginWalk(0)
	w.stepWalk(0, 50)
	moved, entries := 0, 0
	for at := uint64(0); at != End; {
		next, m, _ := w.dict.Defrag(&w.env, at, func(ref arena.Ref) arena.Ref {
			to := relocate(&w.env, ref, w.env.Arena.Size(ref))
			if to != ref {
				entries++
				w.moved(ref, to)
			}
			return to
		})
		if moved += m; next <= at {
			t.Fatalf("from %x to %x", at, next)
		}
		at = next
	}
	if moved == 0 || entries == 0 {
		t.Errorf("%d blocks of the index and %d entries were moved", moved, entries)
	}
	if err := w.dict.Check(&w.env); err != nil {
		t.Fatal(err)
	}
	for ref := range w.twin {
		w.find(ref)
	}
	w.stepWalk(0, 1<<20)
}

// moved tells the twin that an entry is elsewhere now.
func (w *world) moved(from, to arena.Ref) {
	rec := w.twin[from]
	delete(w.twin, from)
	w.twin[to] = rec
	for i := range w.refs {
		if w.refs[i] == from {
			w.refs[i] = to
			break
		}
	}
	for i := range w.walks {
		if rec, ok := w.walks[i][from]; ok {
			delete(w.walks[i], from)
			w.walks[i][to] = rec
		}
	}
}

// TestDueIsBounded: where nothing is due, a step ends after so many segments, and the next one goes on there.
func TestDueIsBounded(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	r := rand.New(rand.NewPCG(10, 10))
	for range 400_000 {
		w.insert(r.Uint64(), 5000)
	}
	steps, segments := 0, 0
	for at := uint64(0); at != End; steps++ {
		res := w.dict.Due(&w.env, at, 50, func(arena.Ref) int64 { t.Fatal("looked at"); return 0 }, make([]arena.Ref, 64))
		if res.Segments > dueSegments || res.Next <= at {
			t.Fatalf("%+v", res)
		}
		at, segments = res.Next, segments+res.Segments
	}
	if steps < 3 || segments < 1000 {
		t.Errorf("%d segments in %d steps", segments, steps)
	}
}
