//go:build invariants

package arena

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/invariant"
)

// violates runs f and returns the message of the Violation that it panics with, or "".
func violates(f func()) (msg string) {
	defer func() {
		if v, ok := recover().(invariant.Violation); ok {
			msg = v.Msg
		}
	}()
	f()
	return ""
}

// faults reports whether f touches memory that is protected.
func faults(f func()) (yes bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(interface{ Addr() uintptr }); !ok {
				panic(v)
			}
			yes = true
		}
	}()
	f()
	return false
}

func TestMisuseIsNoticed(t *testing.T) {
	cases := map[string]struct {
		f    func(a *Arena, h, other *Heap)
		want string
	}{
		"freed twice":                  {func(a *Arena, h, other *Heap) { r := h.Alloc(64); h.Free(r); h.Free(r) }, "no block in use"},
		"freed by its owner and other": {func(a *Arena, h, other *Heap) { r := h.Alloc(64); other.Free(r); h.Free(r) }, "no block in use"},
		"freed inside a block":         {func(a *Arena, h, other *Heap) { h.Free(h.Alloc(64) + 1) }, "no block in use"},
		"freed inside a big block":     {func(a *Arena, h, other *Heap) { h.Free(h.Alloc(1<<20) + 512) }, "no block in use"},
		"big block freed twice":        {func(a *Arena, h, other *Heap) { r := h.Alloc(1 << 20); other.Free(r); h.Free(r) }, "no block in use"},
		"freed nil":                    {func(a *Arena, h, other *Heap) { h.Free(Nil) }, "nil"},
		"freed beyond the arena":       {func(a *Arena, h, other *Heap) { h.Free(1 << 39) }, "out of the arena"},
		"size of a freed block":        {func(a *Arena, h, other *Heap) { r := h.Alloc(64); h.Free(r); a.Size(r) }, "no block in use"},
		"address of nil":               {func(a *Arena, h, other *Heap) { a.Ptr(Nil) }, "nil ref"},
		"written after it was freed":   {func(a *Arena, h, other *Heap) { r := h.Alloc(64); h.Free(r); a.Bytes(r, 64)[63] = 1; h.Alloc(64) }, "written to after"},
		"link overwritten": {func(a *Arena, h, other *Heap) {
			r := h.Alloc(72)
			h.Alloc(72)
			h.Free(r)
			a.Bytes(r, 64)[4] = 1
			h.Alloc(72)
		}, "link"},
		"used while its shard is loose": {func(a *Arena, h, other *Heap) { h.Unlock(); defer h.Lock(); h.Alloc(64) }, "unlocked"},
	}
	for name, c := range cases {
		a := newArena(t, 64<<20) // each its own: after a violation its lists cannot be trusted
		h, other := a.NewHeap(), a.NewHeap()
		h.Alloc(64) // keeps the run
		if got := violates(func() { c.f(a, h, other) }); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q does not contain %q", name, got, c.want)
		}
	}
}

func TestFreedBlocksAreUnreadable(t *testing.T) {
	a := newArena(t, 64<<20)
	h := a.NewHeap()
	h.Alloc(64)
	r := h.Alloc(64)
	fill(a.Bytes(r, 64), 1)
	h.Free(r)
	for i, c := range a.Bytes(r, 64)[8:] {
		if c != poisonByte {
			t.Fatalf("byte %d of a freed block is %#x", i+8, c)
		}
	}
	big := h.Alloc(1 << 20)
	h.Free(big)
	if !faults(func() { a.Bytes(big, 1)[0] = 1 }) {
		t.Error("a big block can be written to after it was freed")
	}
}

func TestBlocksAreOutOfReachWhileUnlocked(t *testing.T) {
	a := newArena(t, 64<<20)
	h, other := a.NewHeap(), a.NewHeap()
	small, big, foreign := h.Alloc(64), h.Alloc(1<<20), other.Alloc(64)
	touch := func(r Ref) func() { return func() { a.Bytes(r, 1)[0]++ } }
	for round := range 2 {
		h.Unlock()
		if !faults(touch(small)) || !faults(touch(big)) {
			t.Fatalf("round %d: a block of an unlocked shard can be used", round)
		}
		if faults(touch(foreign)) {
			t.Fatalf("round %d: another shard's block cannot be used", round)
		}
		h.Lock()
		if faults(touch(small)) || faults(touch(big)) {
			t.Fatalf("round %d: a block of a locked shard cannot be used", round)
		}
	}
	h.Share()
	h.Unlock()
	if faults(touch(small)) || faults(touch(big)) {
		t.Fatal("a shared block cannot be used")
	}
	h.Lock()
	fresh := h.Alloc(2048)
	h.Unlock()
	if !faults(touch(fresh)) {
		t.Fatal("a run taken after Share is not protected")
	}
	h.Lock()
}

// A snapshot walker frees under any lock what was handed to it, while the owner's shard is unlocked.
func TestRemoteFreeIntoAnUnlockedHeap(t *testing.T) {
	a := newArena(t, 64<<20)
	owner, other := a.NewHeap(), a.NewHeap()
	var refs []Ref
	for range 100 {
		refs = append(refs, owner.Alloc(64), owner.Alloc(100_000))
	}
	owner.Unlock()
	for _, r := range refs {
		other.Free(r)
	}
	if !faults(func() { a.Bytes(refs[0], 1)[0] = 1 }) {
		t.Fatal("the run stayed usable")
	}
	owner.Lock()
	owner.Collect()
	a.Scavenge(true)
	if a.Used() != 0 || a.Committed() != 0 {
		t.Fatalf("%d bytes used, %d committed", a.Used(), a.Committed())
	}
}
