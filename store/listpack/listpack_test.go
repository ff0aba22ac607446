package listpack

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/decimal"
)

// of makes a listpack of strings.
func of(all ...string) []byte {
	lp := New(0)
	for _, s := range all {
		lp = Append(lp, []byte(s))
	}
	return lp
}

// TestBytes compares whole listpacks with bytes worked out by hand from docs/formats/listpack.md.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		all  []string
		want string
	}{
		{nil, "070000000000ff"},
		{[]string{"", "a"}, "0c0000000200 8001 816102 ff"},
		{[]string{"0", "127"}, "0b0000000200 0001 7f01 ff"},
		{[]string{"128", "-1", "-4096", "4095"}, "130000000400 c08002 dfff02 d00002 cfff02 ff"},
		{[]string{"4096", "-4097"}, "0f0000000200 f1001003 f1ffef03 ff"},
		{[]string{"32768", "-8388608"}, "110000000200 f200800004 f200008004 ff"},
		{[]string{"8388608", "-2147483648"}, "130000000200 f30000800005 f30000008005 ff"},
		{[]string{"2147483648", "-9223372036854775808"}, "1b0000000200 f4000000800000000009 f4000000000000008009 ff"},
		{[]string{"-0", "+1", "007"}, "140000000300 822d3003 822b3103 8330303704 ff"},
		{[]string{strings.Repeat("a", 64)}, "4a0000000100 e040" + strings.Repeat("61", 64) + "42 ff"},
		{[]string{strings.Repeat("a", 126)}, "890000000100 e07e" + strings.Repeat("61", 126) + "0180 ff"},
		{[]string{strings.Repeat("a", 4096)}, "0e1000000100 f000100000" + strings.Repeat("61", 4096) + "2085 ff"},
		// Redis takes a third byte for a back length of 16383, which two could hold.
		{[]string{strings.Repeat("a", 16378)}, "094000000100 f0fa3f0000" + strings.Repeat("61", 16378) + "00ffff ff"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := of(c.all...); !bytes.Equal(got, want) {
			t.Errorf("%.50q: %.100x, want %.100x", c.all, got, want)
		}
	}
}

// TestInPlace: an edit moves a listpack only when its capacity does not suffice.
func TestInPlace(t *testing.T) {
	buf := make([]byte, 0, 40)
	lp := Init(buf)
	lp = Append(lp, []byte("0123456789abcdefghij"))
	lp = Replace(lp, First(lp), []byte("0123456789abcdefghijklmnopqrstu"))
	lp = Replace(lp, First(lp), []byte("short"))
	lp = Replace(lp, First(lp), []byte("0123456789abcdefghijklmnopqrstu"))
	if &lp[0] != &buf[:1][0] || len(lp) != 40 {
		t.Fatalf("%d bytes, moved %v", len(lp), &lp[0] != &buf[:1][0])
	}
	before := slices.Clone(lp)
	moved := AppendInt(lp, 1)
	if &moved[0] == &buf[:1][0] {
		t.Fatal("41 bytes were written to 40")
	}
	if !bytes.Equal(buf[:40], before) {
		t.Fatal("a listpack that had to move was changed where it was")
	}
}

// TestUnknownCount: from 65535 entries on the header does not know how many, and it learns it again.
func TestUnknownCount(t *testing.T) {
	w := newTwin(t, 0)
	for i := range countUnknown + 3 {
		w.lp = AppendInt(w.lp, int64(i%100))
		w.all = append(w.all, strconv.Itoa(i%100))
		if i > countUnknown-3 {
			w.check()
		}
	}
	for _, i := range []int{0, 1, 40000, countUnknown + 2, -1, -2, -60000, -countUnknown - 3} {
		at := Seek(w.lp, i)
		if want := (i + len(w.all)) % len(w.all); at != w.at(want) {
			t.Errorf("Seek(%d) is %d, want %d", i, at, w.at(want))
		}
	}
	if Seek(w.lp, len(w.all)) != None || Seek(w.lp, -len(w.all)-1) != None {
		t.Error("Seek found what is not there")
	}
	half := AppendFrom(New(0), w.lp, First(w.lp), 3)
	if Count(half) != 3 || Count(Merge(half, w.lp)) != len(w.all)+3 {
		t.Error("AppendFrom counts wrongly")
	}
	for range 6 {
		w.remove(5, 1, true)
		w.check()
	}
	w.remove(-3, 2, true)
	w.check()
}

func TestSeek(t *testing.T) {
	for n := range 8 {
		lp := New(0)
		for i := range n {
			lp = AppendInt(lp, int64(i*1000))
		}
		for i := -n - 2; i < n+2; i++ {
			at := Seek(lp, i)
			if i < -n || i >= n {
				if at != None {
					t.Fatalf("Seek(%d) of %d is %d", i, n, at)
				}
				continue
			}
			if got, ok := Int(lp, at); !ok || got != int64((i+n)%n*1000) {
				t.Fatalf("Seek(%d) of %d found %d", i, n, got)
			}
		}
	}
}

// TestForeignText: integers that a foreign writer kept as text are found, and are integers.
func TestForeignText(t *testing.T) {
	lp := of("x1", "12")
	lp[HeaderBytes+1] = '7' // "x1" becomes "71" as text
	at := First(lp)
	if n, ok := Int(lp, at); !ok || n != 71 || Find(lp, at, []byte("71"), 0) != at || !Equal(lp, at, []byte("71")) {
		t.Fatalf("%d %v", n, ok)
	}
	if _, ok := Int(of("x"), HeaderBytes); ok {
		t.Fatal("x is an integer")
	}
}

func TestDuplicate(t *testing.T) {
	if at := Duplicate(of("a", "1", "b", "1", "2", "1"), 2); at != None {
		t.Errorf("values count as fields: %d", at)
	}
	lp := of("a", "1", "b", "1", "a", "2")
	if at := Duplicate(lp, 2); at != Seek(lp, 4) {
		t.Errorf("%d", at)
	}
	if at := Duplicate(of("a", "1", "1"), 1); at == None {
		t.Error("1 is there twice")
	}
}

func TestCanAdd(t *testing.T) {
	lp := of("a")
	if room := limits.MaxListpackBytes - len(lp); !CanAdd(lp, room) || CanAdd(lp, room+1) {
		t.Error("the bound is elsewhere")
	}
}

// TestRandom: every entry, or group, has its chance, and unique picks are different and ascend.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var all []string
	for i := range 10 {
		all = append(all, "f"+strconv.Itoa(i), strconv.Itoa(i))
	}
	lp := of(all...)
	seen := make(map[string]int)
	var scratch [decimal.MaxLen]byte
	note := func(at int) { seen[string(Text(lp, at, &scratch))]++ }
	const rounds = 2000
	for range rounds {
		for range 6 {
			note(Random(lp, 2, r.Uint64))
		}
		unique := RandomUnique(nil, lp, 4, 2, r.Uint64)
		if !slices.IsSorted(unique) || len(slices.Compact(slices.Clone(unique))) != 4 {
			t.Fatalf("%d", unique)
		}
		for _, at := range unique {
			note(at)
		}
	}
	for i := range 10 {
		if n := seen[all[2*i]]; n < rounds*9/10 || n > rounds*11/10 {
			t.Errorf("%s was picked %d times of %d", all[2*i], n, rounds*10)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d different picks", len(seen))
	}
	if got := RandomUnique(nil, lp, 100, 2, r.Uint64); len(got) != 10 {
		t.Errorf("%d of 10", len(got))
	}
	if Random(New(0), 1, r.Uint64) != None || len(RandomUnique(nil, New(0), 3, 1, r.Uint64)) != 0 {
		t.Error("an empty listpack has random entries")
	}
}

// TestValidateRefuses: every wrong byte that matters is seen.
func TestValidateRefuses(t *testing.T) {
	good := of("abc", "12345", strings.Repeat("x", 200), "-1", "1234567890123")
	if n, ok := Validate(good); !ok || n != 5 {
		t.Fatal(n, ok)
	}
	for i := range len(good) {
		if ValidHeader(good[:i]) {
			t.Errorf("cut to %d bytes it counts as valid", i)
		}
		if _, ok := Validate(good[:i]); ok {
			t.Errorf("cut to %d bytes it is valid", i)
		}
	}
	refused := 0
	for i := range good {
		for bit := range 8 {
			bad := slices.Clone(good)
			bad[i] ^= 1 << bit
			if n, ok := Validate(bad); ok {
				walk(t, bad, n)
			} else {
				refused++
			}
		}
	}
	if refused < 8*16 { // of the header, the lengths, the back lengths and the end
		t.Errorf("only %d wrong bits were seen", refused)
	}
	if _, ok := Validate(append(of("a"), 0)); ok {
		t.Error("a byte behind the end")
	}
	for c := firstNoMore; c <= 0xFF; c++ {
		if _, ok := Validate([]byte{9, 0, 0, 0, 1, 0, byte(c), 1, 0xFF}); ok {
			t.Errorf("an entry that begins with %#x", c)
		}
	}
}

// walk uses a valid listpack of n entries in all ways that read.
func walk(tb testing.TB, lp []byte, n int) {
	var scratch [decimal.MaxLen]byte
	forward := 0
	for at := First(lp); at != None; at = Next(lp, at) {
		s := slices.Clone(Text(lp, at, &scratch))
		if !Equal(lp, at, s) || Find(lp, at, s, 0) != at {
			tb.Fatalf("the entry at %d is not equal to itself", at)
		}
		forward++
	}
	back := 0
	for at := Last(lp); at != None; at = Prev(lp, at) {
		back++
	}
	if forward != n || back != n || Count(lp) != n {
		tb.Fatalf("%d entries forwards, %d backwards, Count %d, Validate says %d", forward, back, Count(lp), n)
	}
}

// FuzzValidate: what Validate takes can be walked, changed and compacted; nothing panics.
func FuzzValidate(f *testing.F) {
	f.Add(of("a", "1", strings.Repeat("x", 70)))
	f.Add(of("-5000", "8388609", strings.Repeat("y", 4096)))
	f.Add([]byte{9, 0, 0, 0, 0xFF, 0xFF, 1, 1, 0xFF})
	f.Add([]byte{13, 0, 0, 0, 1, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 5, 0xFF})
	f.Fuzz(func(t *testing.T, in []byte) {
		n, ok := Validate(in)
		if !ok {
			return
		}
		if !ValidHeader(in) {
			t.Fatal("valid with a header that is not")
		}
		walk(t, in, n)
		again := New(0)
		var scratch [decimal.MaxLen]byte
		for at := First(in); at != None; at = Next(in, at) {
			again = Append(again, Text(in, at, &scratch))
		}
		if m, ok := Validate(again); !ok || m != n || len(again) > len(in) {
			t.Fatalf("%d entries of %d bytes became %d of %d", n, len(in), m, len(again))
		}
		lp := DeleteRange(Prepend(slices.Clone(in), []byte("new")), 1, 1)
		if _, ok := Validate(lp); !ok {
			t.Fatalf("an edit spoilt %x: %x", in, lp)
		}
	})
}
