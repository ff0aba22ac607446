package listpack

import (
	"fmt"
	"testing"
)

// fields returns a listpack of n fields and values.
func fields(n int) []byte {
	lp := New(0)
	for i := range n {
		lp = AppendInt(Append(lp, fmt.Appendf(nil, "field:%06d", i)), int64(i*37))
	}
	return lp
}

// BenchmarkFind looks for the last of the fields, as HGET does.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{8, 128, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			lp, s := fields(n), fmt.Appendf(nil, "field:%06d", n-1)
			b.ReportAllocs()
			for b.Loop() {
				if Find(lp, First(lp), s, 1) == None {
					b.Fatal("not found")
				}
			}
		})
	}
}

// BenchmarkReplace sets the value in the middle of 128 fields, in place.
func BenchmarkReplace(b *testing.B) {
	lp := fields(128)
	lp = append(make([]byte, 0, len(lp)+64), lp...)
	at := Seek(lp, 129)
	values := [][]byte{[]byte("a value"), []byte("a longer value"), []byte("12345")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		lp = Replace(lp, at, values[i%3])
	}
}

// BenchmarkPushPop adds at one end and takes from the other, as a queue does.
func BenchmarkPushPop(b *testing.B) {
	lp := fields(64)
	lp = append(make([]byte, 0, len(lp)+64), lp...)
	item := []byte("an item of a queue")
	b.ReportAllocs()
	for b.Loop() {
		lp = Delete(Append(lp, item), HeaderBytes, 1)
	}
}

// BenchmarkWalk reads all of 128 fields and values.
func BenchmarkWalk(b *testing.B) {
	lp := fields(128)
	total := 0
	b.ReportAllocs()
	for b.Loop() {
		for at := First(lp); at != None; at = Next(lp, at) {
			s, n := Get(lp, at)
			total += len(s) + int(n)
		}
	}
}

// BenchmarkValidate checks 128 fields and values, as RESTORE does.
func BenchmarkValidate(b *testing.B) {
	lp := fields(128)
	b.SetBytes(int64(len(lp)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Validate(lp); !ok {
			b.Fatal("not valid")
		}
	}
}
