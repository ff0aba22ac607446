package dict

import (
	"math/rand/v2"
	"testing"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/store/arena"
)

// aheadFinds checks that Home and Candidate name the memory that a look-up of the hash reads.
func (w *world) aheadFinds(ref arena.Ref) (same bool) {
	w.t.Helper()
	h := w.twin[ref].hash
	p := w.dict.Home(w.env.Arena, h)
	if b := w.dict.home(&w.env, h); p != b.p {
		w.t.Fatalf("hash %x: home %p, want %p", h, p, b.p)
	}
	return Candidate(p, h) == ref.Offset()
}

// TestAhead: what is read ahead is what will be read, however the dict has grown, shrunk and been moved.
func TestAhead(t *testing.T) {
	w := newWorld(t, t)
	defer w.close()
	if p := w.dict.Home(w.env.Arena, 1); p != nil {
		t.Fatalf("an empty dict has a bucket at %p", p)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, step := range []int{1, 10, 1000, 12_000, -11_000, -1500, 400} {
		for range max(step, 0) {
			w.insert(r.Uint64(), -1)
		}
		for range max(-step, 0) {
			w.remove(r.IntN(len(w.refs)))
		}
		hits := 0
		for _, ref := range w.refs {
			if w.aheadFinds(ref) {
				hits++
			}
		}
		// The others have a neighbour with the same fingerprint, or are in an overflow bucket.
		if hits < len(w.refs)*9/10 {
			t.Errorf("after %d: %d of %d entries found ahead", step, hits, len(w.refs))
		}
	}
	for len(w.refs) > 0 {
		w.remove(0)
	}
	if p := w.dict.Home(w.env.Arena, 1); p != nil {
		t.Errorf("an emptied dict has a bucket at %p", p)
	}
}

// TestAheadOfAnything: whatever stands where the directory and the buckets were, only committed memory is read.
func TestAheadOfAnything(t *testing.T) {
	if invariant.Enabled {
		t.Skip("freed memory may not be read in this build, and nobody reads ahead")
	}
	w := newWorld(t, t)
	defer w.close()
	for range 2000 {
		w.insert(rand.Uint64(), -1)
	}
	r := rand.New(rand.NewPCG(5, 6))
	const blockBytes = 4096
	block := w.env.Heap.Alloc(blockBytes)
	words := w.env.Arena.Bytes(block, blockBytes)
	for range 20_000 {
		for i := range words {
			words[i] = byte(r.Uint32())
		}
		d := Dict{hint: r.Uint64()>>r.IntN(64) | 1}
		if r.IntN(2) == 0 {
			d.hint = uint64(block) | uint64(r.IntN(12))<<refBits
		}
		if p := d.Home(w.env.Arena, r.Uint64()); p != nil {
			if off := Candidate(p, r.Uint64()); off != 0 {
				if q := w.env.Arena.Peek(off, 128); q != nil {
					words[0] += *(*byte)(q)
				}
			}
		}
	}
}
