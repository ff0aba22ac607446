package lzf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// compress returns the compressed src with room for any.
func compress(c *Compressor, src []byte) []byte {
	dst := make([]byte, len(src)+len(src)/maxLiteral+4)
	return dst[:c.Compress(dst, src)]
}

// compressible draws bytes with repetitions near and far.
func compressible(t *rapid.T) []byte {
	var out []byte
	for _, part := range rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange('a', 'd'), 0, 40), 0, 60).Draw(t, "parts") {
		out = append(out, part...)
		if n := rapid.IntRange(0, 400).Draw(t, "again"); n > 300 && len(out) > 0 {
			back := rapid.IntRange(1, len(out)).Draw(t, "back")
			for range n {
				out = append(out, out[len(out)-back])
			}
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	var c Compressor // one for all: what one call leaves in the table must not disturb the next
	rapid.Check(t, func(t *rapid.T) {
		src := compressible(t)
		packed := compress(&c, src)
		if len(src) == 0 {
			return
		}
		if len(packed) == 0 {
			t.Fatalf("%d bytes were not compressed though there was room", len(src))
		}
		if !Plausible(uint64(len(packed)), uint64(len(src))) {
			t.Fatalf("%d bytes from %d are called implausible", len(packed), len(src))
		}
		got := make([]byte, len(src))
		if err := Decompress(got, packed); err != nil || !bytes.Equal(got, src) {
			t.Fatalf("came back as %q (%v), want %q", got, err, src)
		}
		for _, size := range []int{len(src) - 1, len(src) + 1} {
			if err := Decompress(make([]byte, size), packed); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d bytes were accepted as the form of %d: %v", len(packed), size, err)
			}
		}
	})
}

func TestRepetitionShrinks(t *testing.T) {
	var c Compressor
	for _, n := range []int{32, 264, 1000, 1 << 20} {
		src := bytes.Repeat([]byte("larder "), n/7+1)
		if got, most := len(compress(&c, src)), len(src)/20+16; got == 0 || got > most {
			t.Errorf("%d bytes of repetition took %d, want at most %d", len(src), got, most)
		}
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	var c Compressor
	src := bytes.Repeat([]byte("0123456789abcdef"), 8)
	need := len(compress(&c, src))
	for n := range need {
		dst := make([]byte, n, need+8)
		canary := dst[:cap(dst)][n:]
		for i := range canary {
			canary[i] = 0xEE
		}
		if got := c.Compress(dst, src); got != 0 {
			t.Fatalf("with room for %d bytes %d were written, need %d", n, got, need)
		}
		for i, b := range canary {
			if b != 0xEE {
				t.Fatalf("with room for %d bytes, byte %d was written", n, n+i)
			}
		}
	}
	if got := c.Compress(make([]byte, need), src); got != need {
		t.Fatalf("with just enough room %d bytes were written, want %d", got, need)
	}
}

// TestTableWrapsAround moves the base to where the table must be cleared.
func TestTableWrapsAround(t *testing.T) {
	var c Compressor
	src := bytes.Repeat([]byte("wrap around "), 50)
	compress(&c, src)
	c.base = maxBase - uint32(len(src)) + 1
	packed := compress(&c, src)
	if c.base != 1+uint32(len(src)) {
		t.Fatalf("the base is %d, want it to have begun anew", c.base)
	}
	got := make([]byte, len(src))
	if err := Decompress(got, packed); err != nil || !bytes.Equal(got, src) {
		t.Fatalf("came back as %q (%v)", got, err)
	}
}

func TestDecompressVectors(t *testing.T) {
	for _, v := range []struct{ packed, want string }{
		{"0461626364" + "65", "abcde"},
		{"0061" + "e0" + "0a" + "00", "aaaaaaaaaaaaaaaaaaaa"}, // 1 literal, a copy of 19 that overlaps itself
		{"02616263" + "2002" + "2002", "abcabcabc"},           // copies of 3 from 3 back
	} {
		packed, err := hex.DecodeString(v.packed)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(v.want))
		if err := Decompress(got, packed); err != nil || string(got) != v.want {
			t.Errorf("%s came out as %q (%v), want %q", v.packed, got, err, v.want)
		}
	}
}

func TestDecompressRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"literals cut off":          "0361",
		"copy from before the data": "00612001",
		"copy without its distance": "006120",
		"long copy without length":  "0061e0",
		"long copy cut off":         "0061e001",
		"more than expected":        "0661626364656667",
		"less than expected":        "0061",
		"nothing":                   "",
	} {
		packed, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := Decompress(make([]byte, 5), packed); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
	if Plausible(0, 1) || Plausible(1, 0) || Plausible(10, 10*maxPerByte+maxPerByte) {
		t.Error("impossible lengths are called plausible")
	}
}

// FuzzLZF feeds any bytes to both directions.
func FuzzLZF(f *testing.F) {
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), uint16(40))
	f.Add([]byte{0, 'a', 0xe0, 10, 0}, uint16(20))
	f.Add([]byte{0x20, 0xff, 0xff}, uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		if err := Decompress(make([]byte, size), in); err == nil && size > 0 && !Plausible(uint64(len(in)), uint64(size)) {
			t.Fatalf("%d bytes became %d, which is called implausible", len(in), size)
		}
		var c Compressor
		packed := compress(&c, in)
		got := make([]byte, len(in))
		if err := Decompress(got, packed); err != nil || !bytes.Equal(got, in) {
			t.Fatalf("%q came back as %q (%v)", in, got, err)
		}
	})
}

func BenchmarkLZF(b *testing.B) {
	src := bytes.Repeat([]byte(`{"id":1234567,"name":"somebody","tags":["a","b"]}`), 200)
	var c Compressor
	dst := make([]byte, len(src))
	b.Run("compress", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			c.Compress(dst, src)
		}
	})
	packed := compress(&c, src)
	b.Run("decompress", func(b *testing.B) {
		b.SetBytes(int64(len(src)))
		for b.Loop() {
			if err := Decompress(dst, packed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
