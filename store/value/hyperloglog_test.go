package value

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// must gives the dense form of what is not corrupt.
func must(t interface{ Fatalf(string, ...any) }, h HLL) HLL {
	d, ok := h.ToDense()
	if !ok {
		t.Fatalf("%x is corrupt", h)
	}
	return d
}

// TestHLLForms: whatever is raised, the dense form, the sparse one and a byte for each register have the same registers, and the same
// estimate; and the sparse one is exactly all registers, in runs of which no two could be one.
func TestHLLForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sparse, dense := NewHLL(), must(t, NewHLL())
		var want HLLMax
		most := rapid.SampledFrom([]int{20, 100, 3000, 20_000}).Draw(t, "hll-sparse-max-bytes")
		near := rapid.IntRange(0, HLLRegisters-1).Draw(t, "near")
		for range rapid.IntRange(0, 300).Draw(t, "raises") {
			i := rapid.IntRange(0, HLLRegisters-1).Draw(t, "register")
			if rapid.Bool().Draw(t, "close") {
				i = (near + i%30) % HLLRegisters
			}
			v := uint8(rapid.SampledFrom([]int{1, 1, 2, 2, 3, 32, 33, 51}).Draw(t, "count"))
			if v > 31 && most == 20_000 {
				v = 31
			}
			changes := v > want[i]
			want[i] = max(want[i], v)
			for _, h := range []*HLL{&sparse, &dense} {
				out, changed, ok := h.Raise(i, v, most)
				if !ok || changed != changes {
					t.Fatalf("raised %v, not corrupt %v; want %v", changed, ok, changes)
				}
				if _, fresh := out.Cached(); changed && fresh {
					t.Fatalf("the estimate is not stale")
				}
				*h = out
			}
			if len(sparse) > most && !sparse.Dense() {
				t.Fatalf("%d bytes, and not dense", len(sparse))
			}
		}
		var merged HLLMax
		if !merged.Merge(sparse) || merged != want {
			t.Fatalf("the sparse form has other registers")
		}
		if merged = (HLLMax{}); !merged.Merge(dense) || merged != want {
			t.Fatalf("the dense form has other registers")
		}
		if d := must(t, sparse); !bytes.Equal(d[hllHead:], dense[hllHead:]) {
			t.Fatalf("made dense it has other registers")
		}
		n := want.Count()
		for _, h := range []HLL{sparse, dense} {
			if got, ok := h.Count(); !ok || got != n {
				t.Fatalf("estimates %d and %d", got, n)
			}
		}
	})
}

func TestHLLRuns(t *testing.T) {
	h := NewHLL()
	for _, c := range []struct {
		register int
		count    uint8
		want     string
	}{
		{0, 0, "Z:16384"},
		{100, 3, "Z:100 v:3,1 Z:16283"},
		{99, 2, "Z:99 v:2,1 v:3,1 Z:16283"},
		{99, 3, "Z:99 v:3,2 Z:16283"},
		{101, 3, "Z:99 v:3,3 Z:16282"},
		{102, 3, "Z:99 v:3,4 Z:16281"},
		{103, 3, "Z:99 v:3,4 v:3,1 Z:16280"},
		{100, 7, "Z:99 v:3,1 v:7,1 v:3,3 Z:16280"},
		{100, 5, "Z:99 v:3,1 v:7,1 v:3,3 Z:16280"},
		{105, 1, "Z:99 v:3,1 v:7,1 v:3,3 z:1 v:1,1 Z:16278"},
		{104, 1, "Z:99 v:3,1 v:7,1 v:3,3 v:1,2 Z:16278"},
		{16383, 32, "Z:99 v:3,1 v:7,1 v:3,3 v:1,2 Z:16277 v:32,1"},
	} {
		h, _, _ = h.Raise(c.register, c.count, 3000)
		if got, ok := h.AppendRuns(nil); string(got) != c.want || !ok {
			t.Fatalf("register %d raised to %d: %s %v, want %s", c.register, c.count, got, ok, c.want)
		}
	}
}

// TestHLLError: the estimate is within what is expected (1.04/√16384), at all sizes.
func TestHLLError(t *testing.T) {
	h := NewHLL()
	next := 1
	for n := 1; n <= 1_000_000; n++ {
		register, count := HLLPosition([]byte("element:" + strconv.Itoa(n)))
		h, _, _ = h.Raise(register, count, 3000)
		if n != next {
			continue
		}
		next *= 10
		got, ok := h.Count()
		if off := math.Abs(float64(got) - float64(n)); !ok || off > math.Ceil(4*1.04/128*float64(n)) {
			t.Errorf("of %d elements the estimate is %d", n, got)
		}
	}
}

// crafted are strings that begin as a HyperLogLog and are none.
func crafted() map[string]string {
	const head = "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
	valid := NewHLL()
	valid, _, _ = valid.Raise(5000, 3, 3000)
	return map[string]string{
		"no runs":                    head,
		"too few registers":          head + "\x7f\xfe",
		"too many registers":         head + "\x7f\xff\x00",
		"far too many (2019-10192)":  head + strings.Repeat("\x7f\xff", 10_000) + "\xff",
		"values past the end":        head + "\x7f\xfd\x87",
		"a run that is cut off":      head + "\x40",
		"cut off at the right place": head + "\x7f\xfe\x40",
		"overflow of 32 bits (2025-32023)": head + strings.Repeat("\x7f\xff", (1<<31)/16384) + strings.Repeat("\xff", 4) + strings.Repeat("\x7f\xff", (1<<31)/16384-1) +
			"\x7f\xef",
		"more at its end": string(valid) + "hello",
		"a value cut off": string(valid[:len(valid)-3]),
	}
}

// TestHLLCorrupt: what is corrupt is said to be, by whatever has to read all of it, and nothing is read or written outside.
func TestHLLCorrupt(t *testing.T) {
	for name, s := range crafted() {
		h := HLL(guarded(s))
		if !h.Valid() {
			t.Errorf("%s: its head is refused", name)
			continue
		}
		if n, ok := h.Count(); ok {
			t.Errorf("%s: the estimate is %d", name, n)
		}
		if _, ok := h.ToDense(); ok {
			t.Errorf("%s: becomes dense", name)
		}
		if new(HLLMax).Merge(h) {
			t.Errorf("%s: is merged", name)
		}
		if _, ok := h.AppendRuns(nil); ok {
			t.Errorf("%s: its runs are shown", name)
		}
		if _, _, ok := h.Raise(3, 33, 3000); ok {
			t.Errorf("%s: is made dense by what only a dense one can hold", name)
		}
	}
	dense := must(t, NewHLL())
	for name, s := range map[string]string{"short": "HYLL\x01", "no head": "hello, this is no HyperLogLog", "encoding 2": "HYLL\x02" + string(NewHLL()[5:]),
		"dense and short": string(dense[:len(dense)-1]), "dense and long": string(dense) + "x", "empty": ""} {
		if HLL(s).Valid() {
			t.Errorf("%s: is taken for a HyperLogLog", name)
		}
	}
	if n, ok := HLL(slices.Concat([]byte(dense[:hllHead]), bytes.Repeat([]byte{0xff}, 12288))).Count(); !ok || n != hllOverflow {
		t.Errorf("registers that no element can give: %d %v", n, ok)
	}
}

// guarded is a copy without room behind it.
func guarded[T string | []byte](s T) []byte { return slices.Clip(append([]byte(nil), s...)) }

// FuzzHLL does with any string all that commands do, and holds it to what they rely on.
func FuzzHLL(f *testing.F) {
	for _, s := range crafted() {
		if len(s) < 1<<16 {
			f.Add([]byte(s), uint16(3), uint8(2), uint16(3000))
		}
	}
	h := NewHLL()
	for i := range 200 {
		h, _, _ = h.Raise(i*i%HLLRegisters, uint8(i%32+1), 3000)
		if i%20 == 0 {
			f.Add([]byte(h), uint16(i*i), uint8(i%40), uint16(3000))
		}
	}
	f.Add([]byte(must(f, h)), uint16(77), uint8(51), uint16(0))
	f.Add([]byte("HYLL"), uint16(0), uint8(0), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, register uint16, count uint8, most uint16) {
		h := HLL(guarded(b))
		if !h.Valid() {
			return
		}
		_, fine := h.Count()
		if _, ok := h.ToDense(); ok != fine {
			t.Fatalf("dense %v, counted %v", ok, fine)
		}
		if ok := new(HLLMax).Merge(h); ok != fine {
			t.Fatalf("merged %v, counted %v", ok, fine)
		}
		if !h.Dense() {
			if _, ok := h.AppendRuns(nil); ok != fine {
				t.Fatalf("shown %v, counted %v", ok, fine)
			}
		}
		i, v := int(register)%HLLRegisters, count%51+1
		out, changed, ok := h.Raise(i, v, int(most))
		if fine != ok && fine {
			t.Fatalf("fine, and then corrupt")
		}
		if !fine {
			return // and nothing was touched outside
		}
		var was, is HLLMax
		was.Merge(HLL(b))
		if !out.Valid() || !is.Merge(out) {
			t.Fatalf("corrupt once register %d is raised to %d: %x", i, v, out)
		}
		if changed != (v > was[i]) {
			t.Fatalf("changed %v from %d to %d", changed, was[i], v)
		}
		if was[i] = max(was[i], v); was != is {
			t.Fatalf("other registers than raised ones changed")
		}
	})
}
