package value

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// bit is the slow twin's way to a bit.
func bit(b []byte, i uint64) byte {
	if i/8 >= uint64(len(b)) {
		return 0
	}
	return b[i/8] >> (7 - i%8) & 1
}

// someBytes are long stretches of the same bits, as bitmaps have them, and others between.
func someBytes(t *rapid.T, name string) []byte {
	var b []byte
	for range rapid.IntRange(0, 5).Draw(t, name+" parts") {
		fill := rapid.SampledFrom([]byte{0, 0, 0xff, 0xff, 1, 0x80, 0x5a}).Draw(t, name)
		b = append(b, bytes.Repeat([]byte{fill}, rapid.IntRange(0, 40).Draw(t, name+" size"))...)
	}
	return b
}

func TestCountAndFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := append(someBytes(t, "bytes"), rapid.Byte().Draw(t, "last"))
		first := rapid.Int64Range(0, int64(len(b))*8-1).Draw(t, "first bit")
		last := rapid.Int64Range(first, int64(len(b))*8-1).Draw(t, "last bit")
		count, found := int64(0), [2]int64{-1, -1}
		for i := last; i >= first; i-- {
			v := bit(b, uint64(i))
			count += int64(v)
			found[v] = i
		}
		if got := CountBits(b, first, last); got != count {
			t.Errorf("%x has %d bits from %d to %d, want %d", b, got, first, last, count)
		}
		for v, want := range found {
			if got := FindBit(b, v == 1, first, last); got != want {
				t.Errorf("%x has its first %d from %d to %d at %d, want %d", b, v, first, last, got, want)
			}
		}
	})
}

func TestCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := someBytes(t, "a"), someBytes(t, "b")
		for op, f := range map[BitOp]func(x, y byte) byte{BitAnd: func(x, y byte) byte { return x & y }, BitOr: func(x, y byte) byte { return x | y },
			BitXor: func(x, y byte) byte { return x ^ y }, BitNot: func(_, y byte) byte { return ^y }} {
			got, want := bytes.Clone(a), bytes.Clone(a)
			for i := range want {
				var y byte
				if i < len(b) {
					y = b[i]
				}
				want[i] = f(want[i], y)
			}
			if op.Combine(got, b); !bytes.Equal(got, want) {
				t.Errorf("%x op %d %x is %x, want %x", a, op, b, got, want)
			}
		}
	})
}

func TestFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := append(someBytes(t, "bytes"), make([]byte, 9)...)
		n := rapid.IntRange(1, 64).Draw(t, "bits")
		at := rapid.Uint64Range(0, uint64(len(b)*8-n)).Draw(t, "offset")
		v := rapid.Uint64().Draw(t, "value")
		want := bytes.Clone(b)
		var old, kept uint64
		for i := range uint64(n) {
			old = old<<1 | uint64(bit(b, at+i))
			one := byte(v >> (uint64(n) - 1 - i) & 1)
			want[(at+i)/8] = want[(at+i)/8]&^(1<<(7-(at+i)%8)) | one<<(7-(at+i)%8)
			kept = kept<<1 | uint64(one)
		}
		if got := Field(b, at, n); got != old {
			t.Fatalf("%x has %x in %d bits at %d, want %x", b, got, n, at, old)
		}
		if SetField(b, at, n, v); !bytes.Equal(b, want) {
			t.Fatalf("%x, want %x", b, want)
		}
		// Where the string ends, zeros follow.
		cut := b[:rapid.IntRange(0, len(b)).Draw(t, "cut")]
		padded := append(bytes.Clone(cut), make([]byte, len(b)-len(cut)+9)...)
		if got, want := Field(cut, at, n), Field(padded, at, n); got != want {
			t.Fatalf("at the end %x, want %x", got, want)
		}
		if got := Field(b, at, n); got != kept {
			t.Fatalf("%x was written, %x is read", kept, got)
		}
	})
}
