package arena

import (
	"testing"

	"pgregory.net/rapid"
)

// twinBlock is what the slow twin knows of a block: where it came from and what it must hold.
type twinBlock struct {
	ref  Ref
	n    int // bytes that hold the pattern
	size int // what it counts for
	seed uint64
}

// twin is an arena together with a Go slice of the blocks that must be in it.
type twin struct {
	a      *Arena
	heaps  []*Heap
	blocks []twinBlock
	used   []int64 // by heap
	seed   uint64
}

var sizes = rapid.OneOf(rapid.IntRange(0, 128), rapid.IntRange(0, 4096), rapid.IntRange(0, maxSmall+1), rapid.IntRange(maxSmall+1, 1<<20))

func (w *twin) add(t *rapid.T, zero bool) {
	i := rapid.IntRange(0, len(w.heaps)-1).Draw(t, "heap")
	n := sizes.Draw(t, "n")
	h := w.heaps[i]
	var b twinBlock
	if zero {
		b.ref = h.AllocZero(n)
		for at, c := range w.a.Bytes(b.ref, w.a.Size(b.ref)) {
			if c != 0 {
				t.Fatalf("AllocZero(%d): byte %d is %#x", n, at, c)
			}
		}
	} else {
		b.ref = h.Alloc(n)
	}
	w.seed++
	b.n, b.size, b.seed = n, ClassSize(n), w.seed
	if got := w.a.Size(b.ref); got != b.size {
		t.Fatalf("Size after Alloc(%d) = %d, ClassSize says %d", n, got, b.size)
	}
	if b.ref == Nil || b.ref >= 1<<40 || uintptr(w.a.Ptr(b.ref))%8 != 0 {
		t.Fatalf("ref %#x", b.ref)
	}
	fill(w.a.Bytes(b.ref, b.n), b.seed)
	w.used[i] += int64(b.size)
	w.blocks = append(w.blocks, b)
}

// drop frees a block through any heap: its own or, mostly, another.
func (w *twin) drop(t *rapid.T) {
	i := rapid.IntRange(0, len(w.blocks)-1).Draw(t, "block")
	heap := rapid.IntRange(0, len(w.heaps)-1).Draw(t, "heap")
	w.dropAt(t, i, heap)
}

func (w *twin) dropAt(t *rapid.T, i, heap int) {
	b := w.blocks[i]
	w.verify(t, b)
	w.heaps[heap].Free(b.ref)
	w.used[heap] -= int64(b.size)
	last := len(w.blocks) - 1
	w.blocks[i] = w.blocks[last]
	w.blocks = w.blocks[:last]
}

func (w *twin) grow(t *rapid.T) {
	i := rapid.IntRange(0, len(w.blocks)-1).Draw(t, "block")
	heap := rapid.IntRange(0, len(w.heaps)-1).Draw(t, "heap")
	b := &w.blocks[i]
	n := b.n + rapid.IntRange(0, 256<<10).Draw(t, "more")
	ok := w.heaps[heap].Grow(b.ref, n)
	size := w.a.Size(b.ref)
	if ok != (size >= n) || !ok && size != b.size {
		t.Fatalf("Grow(%d → %d) = %v, size %d, before %d", b.n, n, ok, size, b.size)
	}
	w.verify(t, *b)
	w.used[heap] += int64(size - b.size)
	b.size = size
	if ok {
		b.n = n
		fill(w.a.Bytes(b.ref, b.n), b.seed)
	}
}

func (w *twin) verify(t *rapid.T, b twinBlock) {
	if !matches(w.a.Bytes(b.ref, b.n), b.seed) {
		t.Fatalf("block %#x of %d bytes does not hold what was written", b.ref, b.n)
	}
}

// check is what must hold after every step.
func (w *twin) check(t *rapid.T) {
	var sum int64
	for i, h := range w.heaps {
		if h.Used() != w.used[i] {
			t.Fatalf("heap %d: Used %d, want %d", i, h.Used(), w.used[i])
		}
		if err := checkHeap(h); err != nil {
			t.Fatal(err)
		}
		sum += w.used[i]
	}
	if w.a.Used() != sum {
		t.Fatalf("Used %d, want %d", w.a.Used(), sum)
	}
	if w.a.Committed() < sum {
		t.Fatalf("Committed %d is less than Used %d", w.a.Committed(), sum)
	}
	if err := checkPages(w.a); err != nil {
		t.Fatal(err)
	}
}

// empty frees all and expects every page back.
func (w *twin) empty(t *rapid.T) {
	for len(w.blocks) > 0 {
		w.dropAt(t, len(w.blocks)-1, len(w.blocks)%len(w.heaps))
	}
	for _, h := range w.heaps {
		h.Collect()
	}
	w.check(t)
	w.a.Scavenge(true)
	if w.a.Used() != 0 || w.a.Committed() != 0 {
		t.Fatalf("emptied: Used %d, Committed %d", w.a.Used(), w.a.Committed())
	}
	if w.a.pages.clean.pages != int64(w.a.pages.top)-firstPage {
		t.Fatalf("emptied: %d clean pages of %d", w.a.pages.clean.pages, w.a.pages.top-firstPage)
	}
}

func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := New(Config{Reserve: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		w := &twin{a: a}
		for range rapid.IntRange(1, 4).Draw(t, "heaps") {
			w.heaps = append(w.heaps, a.NewHeap())
			w.used = append(w.used, 0)
		}
		unless := func(empty bool, f func(*rapid.T)) func(*rapid.T) {
			return func(t *rapid.T) {
				if empty && len(w.blocks) == 0 {
					t.Skip("no block")
				}
				f(t)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"":        w.check,
			"alloc":   func(t *rapid.T) { w.add(t, false) },
			"alloc2":  func(t *rapid.T) { w.add(t, false) },
			"zero":    func(t *rapid.T) { w.add(t, true) },
			"free":    unless(true, w.drop),
			"grow":    unless(true, w.grow),
			"collect": func(t *rapid.T) { w.heaps[rapid.IntRange(0, len(w.heaps)-1).Draw(t, "heap")].Collect() },
			"scavenge": func(t *rapid.T) {
				w.a.Scavenge(rapid.Bool().Draw(t, "all"))
			},
			"many": func(t *rapid.T) {
				h := rapid.IntRange(0, len(w.heaps)-1).Draw(t, "heap")
				n := rapid.IntRange(1, 600).Draw(t, "n")
				for range rapid.IntRange(1, 200).Draw(t, "count") {
					w.seed++
					b := twinBlock{ref: w.heaps[h].Alloc(n), n: n, size: ClassSize(n), seed: w.seed}
					fill(a.Bytes(b.ref, n), b.seed)
					w.used[h] += int64(b.size)
					w.blocks = append(w.blocks, b)
				}
			},
		})
		w.empty(t)
	})
}
