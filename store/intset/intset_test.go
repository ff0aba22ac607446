package intset

import (
	"bytes"
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

// TestTwin does random things beside a sorted slice; what lies behind the capacity must stay.
func TestTwin(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		room := bytes.Repeat([]byte{0xA5}, 100)
		is := Init(room[:0:84])
		var all []int64
		width := width16
		for range 200 {
			n := edge(r)
			i, has := slices.BinarySearch(all, n)
			if at, found := Find(is, n); at != i || found != has || Has(is, n) != has {
				t.Fatalf("seed %d: Find(%d): %d %v, want %d %v", seed, n, at, found, i, has)
			}
			var did bool
			if r.IntN(5) < 3 {
				want := BytesWith(is, n)
				if is, did = Add(is, n); did == has || did && len(is) != want {
					t.Fatalf("seed %d: Add(%d): %v, %d bytes, want %d", seed, n, did, len(is), want)
				}
				if did {
					all, width = slices.Insert(all, i, n), max(width, WidthOf(n))
				}
			} else {
				if is, did = Remove(is, n); did != has {
					t.Fatalf("seed %d: Remove(%d): %v", seed, n, did)
				}
				if did {
					all = slices.Delete(all, i, i+1)
				}
			}
			compare(t, is, all, width, r)
		}
		if !bytes.Equal(room[84:], bytes.Repeat([]byte{0xA5}, 16)) {
			t.Fatal("written behind the capacity")
		}
	}
}

func compare(t *testing.T, is []byte, all []int64, width int, r *rand.Rand) {
	t.Helper()
	if Len(is) != len(all) || Width(is) != width || len(is) != HeaderBytes+len(all)*width || Validate(is) != (len(all) > 0) {
		t.Fatalf("%x is not %d", is, all)
	}
	for i, n := range all {
		if At(is, i) != n {
			t.Fatalf("member %d is %d, want %d", i, At(is, i), n)
		}
	}
	if len(all) > 0 && !slices.Contains(all, Random(is, r.Uint64)) {
		t.Fatal("a random member is none")
	}
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
