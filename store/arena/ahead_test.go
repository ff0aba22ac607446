package arena

import "testing"

// TestPeek: what is committed can be looked at, and nothing else.
func TestPeek(t *testing.T) {
	a, err := New(Config{Reserve: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if p := a.Peek(0, 1); p != nil {
		t.Errorf("an empty arena has a byte at %p", p)
	}
	h := a.NewHeap()
	for _, size := range []int{100, 5000, 3 << 20} {
		r := h.Alloc(size)
		off := r.Offset()
		if p := a.Peek(off, uintptr(size)); p != a.Ptr(r) {
			t.Errorf("block of %d bytes: %p, want %p", size, p, a.Ptr(r))
		}
	}
	reach := uintptr(a.pages.reach.Load())
	if reach != a.pages.blocks.done {
		t.Errorf("reach %d, committed %d", reach, a.pages.blocks.done)
	}
	for _, out := range []struct{ off, n uintptr }{{reach, 1}, {reach - 7, 8}, {^uintptr(0), 8}, {^uintptr(0) - 7, 8}, {0, reach + 1}, {8, ^uintptr(0)}} {
		if p := a.Peek(out.off, out.n); p != nil {
			t.Errorf("%d bytes at %d: %p beyond %d", out.n, out.off, p, reach)
		}
	}
	if p := a.Peek(reach-8, 8); p == nil {
		t.Error("the last word is out of reach")
	}
}
