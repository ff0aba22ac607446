package intset

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBytes compares with bytes worked out by hand from docs/formats/listpack.md.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		all  []int64
		want string
	}{
		{nil, "0200000000000000"},
		{[]int64{5, -1, 5}, "0200000002000000ffff0500"},
		{[]int64{1, 40000}, "040000000200000001000000409c0000"},
		{[]int64{1, math.MinInt64}, "080000000200000000000000000000800100000000000000"},
	} {
		is := New(0)
		for _, n := range c.all {
			is, _ = Add(is, n)
		}
		if want, _ := hex.DecodeString(c.want); !bytes.Equal(is, want) {
			t.Errorf("%d: %x, want %s", c.all, is, c.want)
		}
	}
}

// edge returns a number near to where a width ends, or a small one, so that members meet.
func edge(r *rand.Rand) int64 {
	edges := []int64{0, math.MaxInt16, math.MinInt16, math.MaxInt32, math.MinInt32, math.MaxInt64 - 2, math.MinInt64 + 2}
	return edges[r.IntN(1+r.IntN(len(edges)))] + int64(r.IntN(5)) - 2
}

// twin is a set beside a sorted slice; it lies in a bigger buffer whose bytes behind the capacity must stay as they are.
type twin struct {
	tb    testing.TB
	is    []byte
	all   []int64
	width int
	room  []byte
}

const guards = 16

func newTwin(tb testing.TB, capacity int) *twin {
	room := bytes.Repeat([]byte{0xA5}, max(capacity, HeaderBytes)+guards)
	return &twin{tb: tb, is: Init(room[: 0 : len(room)-guards]), width: width16, room: room}
}

// step finds n, and adds or removes it.
func (w *twin) step(n int64, add bool) {
	i, has := slices.BinarySearch(w.all, n)
	if at, found := Find(w.is, n); at != i || found != has || Has(w.is, n) != has {
		w.tb.Fatalf("Find(%d): %d %v, want %d %v", n, at, found, i, has)
	}
	var did bool
	if !add {
		if w.is, did = Remove(w.is, n); did != has {
			w.tb.Fatalf("Remove(%d): %v", n, did)
		}
		if did {
			w.all = slices.Delete(w.all, i, i+1)
		}
		return
	}
	want := BytesWith(w.is, n)
	if w.is, did = Add(w.is, n); did == has || did && len(w.is) != want {
		w.tb.Fatalf("Add(%d): %v, %d bytes, want %d", n, did, len(w.is), want)
	}
	if did {
		w.all, w.width = slices.Insert(w.all, i, n), max(w.width, WidthOf(n))
	}
}

// check compares the two.
func (w *twin) check(rnd func() uint64) {
	w.tb.Helper()
	is, all := w.is, w.all
	if Len(is) != len(all) || Width(is) != w.width || len(is) != HeaderBytes+len(all)*w.width || Validate(is) != (len(all) > 0) {
		w.tb.Fatalf("%x is not %d", is, all)
	}
	for i, n := range all {
		if At(is, i) != n {
			w.tb.Fatalf("member %d is %d, want %d", i, At(is, i), n)
		}
	}
	if len(all) > 0 && !slices.Contains(all, Random(is, rnd)) {
		w.tb.Fatal("a random member is none")
	}
	if !bytes.Equal(w.room[len(w.room)-guards:], bytes.Repeat([]byte{0xA5}, guards)) {
		w.tb.Fatal("written behind the capacity")
	}
}

// TestTwin does random things.
func TestTwin(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newTwin(t, 84)
		for range 200 {
			w.step(edge(r), r.IntN(5) < 3)
			w.check(r.Uint64)
		}
	}
}

// FuzzOps lets the fuzzer choose the operations: a byte for what and how far to shift, two for the number.
func FuzzOps(f *testing.F) {
	f.Add([]byte("\x01\x05\x00\x03\xff\xff\x21\x00\x80\x61\x00\x80\x60\x00\x80\x00\x05\x00"), uint16(20))
	f.Add([]byte("\x7f\xff\xff\x7e\xff\xff\x41\x01\x00\x01\x01\x00\x01\x01\x00"), uint16(300))
	f.Fuzz(func(t *testing.T, in []byte, capacity uint16) {
		w, n := newTwin(t, int(capacity)), uint64(0)
		for ; len(in) >= 3; in = in[3:] {
			shift := in[0] >> 1 & 63
			w.step(int64(int16(binary.LittleEndian.Uint16(in[1:])))<<shift, in[0]&1 != 0)
			w.check(func() uint64 { n += 0x9e3779b97f4a7c15; return n })
		}
	})
}

// TestRandom: every member has its chance.
func TestRandom(t *testing.T) {
	is := New(0)
	for n := range int64(10) {
		is, _ = Add(is, n)
	}
	r := rand.New(rand.NewPCG(3, 3))
	var seen [10]int
	for range 10000 {
		seen[Random(is, r.Uint64)]++
	}
	for n, times := range seen {
		if times < 850 || times > 1150 {
			t.Errorf("%d was picked %d times of 10000", n, times)
		}
	}
}

// FuzzValidate: what Validate takes can be used; nothing panics.
func FuzzValidate(f *testing.F) {
	for _, s := range []string{"0200000000000000", "0200000002000000ffff0500", "0400000002000000ffffffff00000080", "0300000001000000000000", "02000000ffffffff0100"} {
		p, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p, int64(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, n int64) {
		if !Validate(in) {
			return
		}
		for i := range Len(in) {
			if at, found := Find(in, At(in, i)); !found || at != i {
				t.Fatalf("member %d is found at %d, %v", i, at, found)
			}
		}
		is, added := Add(slices.Clone(in), n)
		if added == Has(in, n) || !Validate(is) {
			t.Fatalf("%x with %d: %x", in, n, is)
		}
		if is, _ = Remove(is, n); Len(is) > 0 && !Validate(is) || Has(is, n) {
			t.Fatalf("%x without %d: %x", in, n, is)
		}
	})
}

func BenchmarkHas(b *testing.B) {
	is := New(0)
	for n := range int64(512) {
		is, _ = Add(is, n*3)
	}
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		Has(is, i&1023)
	}
}
