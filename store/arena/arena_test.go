package arena

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/limits"
)

func TestDefaultReserve(t *testing.T) {
	a := newArena(t, 0)
	if got := a.pages.blocks.size; got < limits.MinArenaReserveBytes || got > limits.ArenaReserveBytes {
		t.Fatalf("reserved %d bytes", got)
	}
	r := a.NewHeap().Alloc(100)
	fill(a.Bytes(r, 100), 1)
	if b := a.Bytes(r, 100); len(b) != 100 || cap(b) != 100 || !matches(b, 1) {
		t.Fatalf("len %d cap %d", len(b), cap(b))
	}
}

func TestReserveOutOfRange(t *testing.T) {
	for _, n := range []int64{-1, 1, minReserve - 1, limits.ArenaReachBytes + 1} {
		if a, err := New(Config{Reserve: n}); err == nil {
			t.Errorf("New with a reserve of %d bytes gave %v", n, a.Close())
		}
	}
}

func TestCloseTwice(t *testing.T) {
	a := newArena(t, 0)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestExhaustion(t *testing.T) {
	for _, n := range []int{64, 100, 5000, 40 << 10, 1 << 20} {
		a := newArena(t, minReserve)
		h := a.NewHeap()
		var refs []Ref
		for round := range 2 {
			for !exhausts(func() { refs = append(refs, h.Alloc(n)) }) {
			}
			if got := h.Used(); got < minReserve*3/4 || got != int64(len(refs)*ClassSize(n)) {
				t.Fatalf("size %d round %d: exhausted with %d bytes in %d blocks", n, round, got, len(refs))
			}
			for _, r := range refs {
				h.Free(r)
			}
			refs = refs[:0]
			h.Collect()
		}
		if err := checkPages(a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTooLargeForTheReserve(t *testing.T) {
	a := newArena(t, minReserve)
	h := a.NewHeap()
	for _, n := range []int{minReserve, 1 << 45, 1 << 62} {
		if !exhausts(func() { h.Alloc(n) }) {
			t.Errorf("Alloc(%d) in a reserve of %d", n, minReserve)
		}
	}
	if r := h.Alloc(2 << 20); h.Grow(r, 1<<62) || h.Grow(r, minReserve) {
		t.Error("grew beyond the reserve")
	}
}

// Small blocks in every second run, then the rest freed: what was cut up must serve one big block again.
func TestCoalescing(t *testing.T) {
	a := newArena(t, minReserve)
	h, other := a.NewHeap(), a.NewHeap()
	var refs []Ref
	for !exhausts(func() { refs = append(refs, h.Alloc(1000)) }) {
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
	for i, r := range refs {
		if i == len(refs)/2 {
			a.Scavenge(true) // one half of the pages is clean, the other dirty
		}
		h.Free(r)
	}
	h.Collect()
	r := other.Alloc(minReserve - 2*pageSize)
	other.Free(r)
	if err := checkPages(a); err != nil {
		t.Fatal(err)
	}
}

func TestGrowInPlace(t *testing.T) {
	a := newArena(t, 64<<20)
	h := a.NewHeap()
	r := h.Alloc(100 << 10)
	fill(a.Bytes(r, 100<<10), 3)
	if !h.Grow(r, 200<<10) || a.Size(r) != 200<<10 || h.Used() != 200<<10 {
		t.Fatalf("at the end of the arena: size %d, used %d", a.Size(r), h.Used())
	}
	wall := h.Alloc(100 << 10)
	if h.Grow(r, 201<<10) {
		t.Fatal("grew into a block in use")
	}
	h.Alloc(40 << 10) // keeps the hole that wall leaves from the end
	h.Free(wall)
	if !h.Grow(r, 250<<10) || a.Size(r) != 252<<10 {
		t.Fatalf("into a free run: size %d", a.Size(r))
	}
	if !matches(a.Bytes(r, 100<<10), 3) {
		t.Fatal("content lost")
	}
	small := h.Alloc(100)
	if !h.Grow(small, 104) || h.Grow(small, 105) {
		t.Fatal("a small block grows within its class and no further")
	}
	if err := checkPages(a); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryGoesBackToTheSystem(t *testing.T) {
	if !osZeroes {
		t.Skip("needs Linux with 4 KiB pages: elsewhere the system takes pages when it likes")
	}
	const total = 32 << 20
	refs := make([]Ref, 0, total/64)
	clear(refs[:cap(refs)]) // resident before anything is measured
	for _, n := range []int{64, 1000, 20 << 10, 1 << 20, total} {
		a := newArena(t, 1<<30)
		h := a.NewHeap()
		before := rss(t)
		for range total / n {
			r := h.Alloc(n)
			for b := a.Bytes(r, n); len(b) > 0; b = b[min(len(b), pageSize):] {
				b[0] = 1
			}
			refs = append(refs, r)
		}
		full := rss(t)
		for _, r := range refs {
			h.Free(r)
		}
		refs = refs[:0]
		h.Collect()
		a.Scavenge(false)
		after := rss(t)
		// Half, as the runtime's own memory comes and goes meanwhile; Committed is exact.
		if full-before < total/2 {
			t.Errorf("size %d: %d MiB in use made %d MiB resident", n, total>>20, (full-before)>>20)
		}
		if full-after < total/2 {
			t.Errorf("size %d: freeing %d MiB gave back %d MiB", n, total>>20, (full-after)>>20)
		}
		if a.Committed() > 4<<20 {
			t.Errorf("size %d: %d bytes committed with nothing in use", n, a.Committed())
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Frees alone, with neither Collect nor Scavenge, must bound what stays resident, for blocks below the budget of a free.
func TestFreesAloneGiveMemoryBack(t *testing.T) {
	a := newArena(t, 1<<30)
	h := a.NewHeap()
	var refs []Ref
	for range 1 << 18 {
		refs = append(refs, h.Alloc(64))
	}
	for _, r := range refs {
		h.Free(r)
	}
	if got := a.Committed(); got > 4<<20 {
		t.Fatalf("%d bytes committed", got)
	}
}

func TestManyHeapsAreSmall(t *testing.T) {
	before := rss(t)
	a := newArena(t, 0)
	var heaps []*Heap
	for range limits.MaxShards {
		h := a.NewHeap()
		clear(a.Bytes(h.Alloc(64), 64))
		clear(a.Bytes(h.Alloc(200), 200))
		heaps = append(heaps, h)
	}
	if got := a.Committed(); got > int64(len(heaps))*2*pageSize {
		t.Errorf("%d heaps with two classes each: %d bytes committed", len(heaps), got)
	}
	if grew := rss(t) - before; grew > 6<<20 && !raceOrInvariants {
		t.Errorf("%d heaps made %d KiB resident", len(heaps), grew>>10)
	}
}

func TestClearsWhatWasUsed(t *testing.T) {
	a := newArena(t, 64<<20)
	h := a.NewHeap()
	for _, n := range []int{8, 300, 30000, 300000} {
		r := h.Alloc(n)
		fill(a.Bytes(r, n), 5)
		h.Free(r)
		r = h.AllocZero(n)
		for i, c := range a.Bytes(r, a.Size(r)) {
			if c != 0 {
				t.Fatalf("size %d: byte %d is %#x", n, i, c)
			}
		}
	}
}

func TestStats(t *testing.T) {
	a := newArena(t, 64<<20)
	h := a.NewHeap()
	for range 100 {
		h.Alloc(64)
	}
	s := h.Stats().Classes[classOf(64)]
	if s != (ClassStats{Size: 64, Runs: 2, Live: 100, Total: 128}) {
		t.Fatalf("%+v", s)
	}
}

// Nine blocks in ten freed at random leave sparse runs; moving what ShouldMove says must give most of the pages back.
func TestShouldMoveCompacts(t *testing.T) {
	a := newArena(t, 64<<20)
	h := a.NewHeap()
	rng := rand.New(rand.NewPCG(3, 4))
	var refs []Ref
	for range 100_000 {
		refs = append(refs, h.Alloc(80))
	}
	kept := refs[:0]
	for _, r := range refs {
		if rng.IntN(10) == 0 {
			kept = append(kept, r)
		} else {
			h.Free(r)
		}
	}
	c := classOf(80)
	before := h.Stats().Classes[c]
	for range 3 {
		for i, r := range kept {
			if h.ShouldMove(r) {
				kept[i] = h.Alloc(80)
				h.Free(r)
			}
		}
	}
	after := h.Stats().Classes[c]
	if after.Live != before.Live || after.Live*10 < after.Total*7 {
		t.Fatalf("before %+v, after %+v", before, after)
	}
	for _, r := range kept {
		if h.ShouldMove(r) {
			return // some may still be worth it; what matters is the total above
		}
	}
}

func TestForeignSmallBlocksShouldMoveAndBigOnesNever(t *testing.T) {
	a := newArena(t, 64<<20)
	h, other := a.NewHeap(), a.NewHeap()
	if r := other.Alloc(64); !h.ShouldMove(r) || other.ShouldMove(r) {
		t.Error("small block of another heap")
	}
	if r := other.Alloc(1 << 20); h.ShouldMove(r) || other.ShouldMove(r) {
		t.Error("big block")
	}
}

// message is a block that changes shards.
type message struct {
	ref  Ref
	n    int
	seed uint64
}

// Each goroutine is a shard with its own heap: it allocates, gives blocks to the others and frees what it gets.
func TestRemoteFrees(t *testing.T) {
	const shards, rounds = 4, 20_000
	a := newArena(t, 1<<30)
	var inbox [shards]chan message
	for i := range inbox {
		inbox[i] = make(chan message, 256)
	}
	heaps := make([]*Heap, shards)
	var producers, consumers sync.WaitGroup
	locks := make([]sync.Mutex, shards)
	for i := range heaps {
		heaps[i] = a.NewHeap()
		producers.Go(func() { produce(t, a, heaps[i], &locks[i], inbox[:], uint64(i), rounds) })
		consumers.Go(func() { consume(t, a, heaps[i], &locks[i], inbox[i]) })
	}
	producers.Wait()
	for i := range inbox {
		close(inbox[i])
	}
	consumers.Wait()
	for _, h := range heaps {
		h.Lock()
		h.Collect()
		h.Unlock()
	}
	a.Scavenge(true)
	if a.Used() != 0 || a.Committed() != 0 {
		t.Fatalf("at the end %d bytes used, %d committed", a.Used(), a.Committed())
	}
	if err := checkPages(a); err != nil {
		t.Fatal(err)
	}
}

// produce allocates under the shard's lock and sends each block to a shard chosen at random.
func produce(t *testing.T, a *Arena, h *Heap, mu *sync.Mutex, inbox []chan message, seed uint64, rounds int) {
	rng := rand.New(rand.NewPCG(seed, 7))
	for i := range rounds {
		n := 1 + rng.IntN(300)
		if i%500 == 0 {
			n = maxSmall + rng.IntN(100_000)
		}
		m := message{n: n, seed: seed<<32 + uint64(i)}
		mu.Lock()
		h.Lock()
		m.ref = h.Alloc(n)
		fill(a.Bytes(m.ref, n), m.seed)
		h.Share()
		h.Unlock()
		mu.Unlock()
		inbox[rng.IntN(len(inbox))] <- m
	}
}

// consume checks and frees, under its own shard's lock only, what other shards allocated.
func consume(t *testing.T, a *Arena, h *Heap, mu *sync.Mutex, inbox chan message) {
	for m := range inbox {
		mu.Lock()
		h.Lock()
		if !matches(a.Bytes(m.ref, m.n), m.seed) {
			t.Errorf("block %#x of %d bytes does not hold what was written", m.ref, m.n)
		}
		h.Free(m.ref)
		h.Unlock()
		mu.Unlock()
	}
}

// Pages given back by one goroutine while others take, grow and free them must be nobody's.
func TestScavengeWhileOthersWork(t *testing.T) {
	a := newArena(t, 1<<30)
	var workers, scavenger sync.WaitGroup
	done := make(chan struct{})
	for i := range 3 {
		h := a.NewHeap()
		workers.Go(func() { churn(t, a, h, uint64(i)) })
	}
	scavenger.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				a.Scavenge(true)
			}
		}
	})
	workers.Wait()
	close(done)
	scavenger.Wait()
	a.Scavenge(true)
	if err := checkPages(a); err != nil || a.Committed() != 0 {
		t.Fatalf("%d bytes committed, %v", a.Committed(), err)
	}
}

// churn keeps some blocks of a few pages, replacing one after the other, and checks each before it goes.
func churn(t *testing.T, a *Arena, h *Heap, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	var held [16]message
	for i := range 3000 {
		m := &held[rng.IntN(len(held))]
		if m.ref != Nil {
			if !matches(a.Bytes(m.ref, m.n), m.seed) {
				t.Errorf("block %#x of %d bytes does not hold what was written", m.ref, m.n)
			}
			h.Free(m.ref)
		}
		*m = message{n: 1 + rng.IntN(80_000), seed: seed<<32 + uint64(i)}
		m.ref = h.Alloc(m.n)
		if more := m.n + rng.IntN(40_000); h.Grow(m.ref, more) {
			m.n = more
		}
		m.n = min(m.n, 5000) // the pattern's part: writing all of it is what the time would go to
		fill(a.Bytes(m.ref, m.n), m.seed)
	}
	for _, m := range held {
		if m.ref != Nil {
			h.Free(m.ref)
		}
	}
	h.Collect()
}

// A value moves to another shard, which frees it while the first one allocates nothing: the sum is right at once, the
// pages come with Collect.
func TestRemoteFreeCountsAtOnce(t *testing.T) {
	a := newArena(t, 64<<20)
	from, to := a.NewHeap(), a.NewHeap()
	var refs []Ref
	for range 10_000 {
		refs = append(refs, from.Alloc(100))
	}
	for _, r := range refs {
		to.Free(r)
	}
	if a.Used() != 0 || from.Used() != -to.Used() || to.Used() != -10_000*104 {
		t.Fatalf("used %d: %d and %d", a.Used(), from.Used(), to.Used())
	}
	from.Collect()
	a.Scavenge(true)
	if a.Committed() != 0 {
		t.Fatalf("%d bytes committed", a.Committed())
	}
}

// Without Collect too, an owner takes its blocks back before it asks for pages.
func TestOwnerReusesRemoteFrees(t *testing.T) {
	a := newArena(t, 64<<20)
	from, to := a.NewHeap(), a.NewHeap()
	for range 100 {
		var refs []Ref
		for range 1000 {
			refs = append(refs, from.Alloc(100))
		}
		for _, r := range refs {
			to.Free(r)
		}
	}
	if got := a.Committed(); got > 2<<20 {
		t.Fatalf("%d bytes committed for 104,000 in use at a time", got)
	}
}

func TestFreeOfNoBlock(t *testing.T) {
	a := newArena(t, 64<<20)
	h := a.NewHeap()
	big := h.Alloc(1 << 20)
	h.Free(big)
	for _, r := range []Ref{Nil, big} {
		func() {
			defer func() {
				if _, ok := recover().(invariant.Violation); !ok {
					t.Errorf("Free(%#x) did not panic with a Violation", r)
				}
			}()
			h.Free(r)
		}()
	}
}
