package arena

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkAllocFree is a block that comes and goes.
func BenchmarkAllocFree(b *testing.B) {
	a := newArena(b, 0)
	h := a.NewHeap()
	h.Alloc(80) // an empty run takes the slow path
	for b.Loop() {
		h.Free(h.Alloc(80))
	}
}

// BenchmarkBatch allocates 40 blocks and frees them: no slow path, no chain of one block's words.
func BenchmarkBatch(b *testing.B) {
	a := newArena(b, 0)
	h := a.NewHeap()
	h.Alloc(80)
	var refs [40]Ref
	for b.Loop() {
		for i := range refs {
			refs[i] = h.Alloc(80)
		}
		for _, r := range refs {
			h.Free(r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(refs)), "ns/pair")
}

// BenchmarkReplace frees a random one of many blocks and allocates another of a random size: what overwrites do.
func BenchmarkReplace(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 20} {
		b.Run(map[int]string{1 << 10: "1k", 1 << 20: "1M"}[n], func(b *testing.B) {
			a := newArena(b, 0)
			h := a.NewHeap()
			rng := rand.New(rand.NewPCG(1, 1))
			refs := make([]Ref, n)
			for i := range refs {
				refs[i] = h.Alloc(64 + rng.IntN(64))
			}
			x := uint32(1)
			for b.Loop() {
				x = x*1664525 + 1013904223
				i := x >> 8 & uint32(n-1)
				h.Free(refs[i])
				refs[i] = h.Alloc(64 + int(x>>16&63))
			}
		})
	}
}

// BenchmarkRemote frees through another heap, 1000 at a time.
func BenchmarkRemote(b *testing.B) {
	a := newArena(b, 0)
	from, to := a.NewHeap(), a.NewHeap()
	var refs [1000]Ref
	for b.Loop() {
		for i := range refs {
			refs[i] = from.Alloc(80)
		}
		for _, r := range refs {
			to.Free(r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/block")
}

// BenchmarkBig allocates and frees big blocks without touching them.
func BenchmarkBig(b *testing.B) {
	a := newArena(b, 0)
	h := a.NewHeap()
	for b.Loop() {
		h.Free(h.Alloc(100_000))
	}
}

// BenchmarkPtr reads through refs.
func BenchmarkPtr(b *testing.B) {
	a := newArena(b, 0)
	h := a.NewHeap()
	r := h.AllocZero(64)
	sum := byte(0)
	for b.Loop() {
		sum += *(*byte)(a.Ptr(r))
	}
	_ = sum
}

// BenchmarkUsed256 reads the count of a node with the most heaps.
func BenchmarkUsed256(b *testing.B) {
	a := newArena(b, 0)
	for range 256 {
		a.NewHeap().Alloc(8)
	}
	for b.Loop() {
		a.Used()
	}
}
