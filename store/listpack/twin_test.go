package listpack

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/decimal"
)

// twin is a listpack beside a slice of what must be in it. The listpack lies in a bigger buffer whose bytes behind the capacity must stay as they are.
type twin struct {
	tb   testing.TB
	lp   []byte
	all  []string
	room []byte // the buffer that lp lies in, until an edit moved it
}

const (
	guard  = 0xA5
	guards = 16
)

// newTwin makes an empty one with room for capacity bytes.
func newTwin(tb testing.TB, capacity int) *twin {
	room := bytes.Repeat([]byte{guard}, max(capacity, EmptyBytes)+guards)
	end := len(room) - guards
	return &twin{tb: tb, lp: Init(room[:0:end]), room: room}
}

// at returns the position of entry i by walking from the front.
func (w *twin) at(i int) int {
	at := HeaderBytes
	for range i {
		at = after(w.lp, at)
	}
	return at
}

// check compares the two, forwards, backwards and by number.
func (w *twin) check() {
	w.tb.Helper()
	for _, c := range w.room[len(w.room)-guards:] {
		if c != guard {
			w.tb.Fatal("written behind the capacity")
		}
	}
	if n, ok := Validate(w.lp); !ok || n != len(w.all) || Count(w.lp) != n || Bytes(w.lp) != len(w.lp) {
		w.tb.Fatalf("Validate: %d %v, Count %d, Bytes %d of %d; want %d entries", n, ok, Count(w.lp), Bytes(w.lp), len(w.lp), len(w.all))
	}
	if stored := storedCount(w.lp); stored != min(len(w.all), countUnknown) {
		w.tb.Fatalf("the header has %d entries of %d", stored, len(w.all))
	}
	var scratch [decimal.MaxLen]byte
	i := 0
	for at := First(w.lp); at != None; at = Next(w.lp, at) {
		if got := Text(w.lp, at, &scratch); string(got) != w.all[i] {
			w.tb.Fatalf("entry %d is %.100q, want %.100q", i, got, w.all[i])
		}
		i++
	}
	for at := Last(w.lp); at != None; at = Prev(w.lp, at) {
		i--
		if got := Text(w.lp, at, &scratch); string(got) != w.all[i] {
			w.tb.Fatalf("backwards, entry %d is %.100q, want %.100q", i, got, w.all[i])
		}
	}
	if i != 0 || Empty(w.lp) != (len(w.all) == 0) {
		w.tb.Fatalf("%d entries were not met backwards; Empty %v", i, Empty(w.lp))
	}
}

// find compares Find and Equal.
func (w *twin) find(s string, from, skip int) {
	w.tb.Helper()
	want := None
	for i := from; i < len(w.all); i += skip + 1 {
		if w.all[i] == s {
			want = w.at(i)
			break
		}
	}
	start := None
	if from < len(w.all) {
		start = w.at(from)
		if Equal(w.lp, start, []byte(s)) != (w.all[from] == s) {
			w.tb.Fatalf("Equal of entry %d and %.100q", from, s)
		}
	}
	if got := Find(w.lp, start, []byte(s), skip); got != want {
		w.tb.Fatalf("Find(%.100q) from %d, skip %d: %d, want %d", s, from, skip, got, want)
	}
}

// insert adds s before entry i, in one of the ways that there are.
func (w *twin) insert(i int, s string, way int) {
	n, isInt := decimal.Parse([]byte(s))
	bytesBefore, size := len(w.lp), EntryBytes([]byte(s))
	switch b := []byte(s); {
	case way%4 == 0 && i == len(w.all) && isInt:
		w.lp = AppendInt(w.lp, n)
	case way%4 == 0 && i == len(w.all):
		w.lp = Append(w.lp, b)
	case way%4 == 1 && i == 0:
		w.lp = Prepend(w.lp, b)
	case way%4 == 2 && i > 0:
		before, want := w.at(i-1), w.at(i)
		var at int
		if isInt {
			w.lp, at = InsertIntAfter(w.lp, before, n)
		} else {
			w.lp, at = InsertAfter(w.lp, before, b)
		}
		if at != want {
			w.tb.Fatalf("InsertAfter says %d, want %d", at, want)
		}
	default:
		w.lp = Insert(w.lp, w.at(i), b)
	}
	if len(w.lp) != bytesBefore+size {
		w.tb.Fatalf("%.100q took %d bytes, EntryBytes says %d", s, len(w.lp)-bytesBefore, size)
	}
	w.all = slices.Insert(w.all, i, s)
}

// replace makes entry i s.
func (w *twin) replace(i int, s string, asInt bool) {
	at := w.at(i)
	if n, isInt := decimal.Parse([]byte(s)); isInt && asInt {
		w.lp = ReplaceInt(w.lp, at, n)
	} else {
		w.lp = Replace(w.lp, at, []byte(s))
	}
	w.all[i] = s
}

// remove removes count entries from number i on.
func (w *twin) remove(i, count int, byIndex bool) {
	if byIndex {
		w.lp = DeleteRange(w.lp, i, count)
		if i < 0 {
			i += len(w.all)
		}
		if i < 0 || i >= len(w.all) {
			return
		}
	} else {
		w.lp = Delete(w.lp, w.at(i), count)
	}
	if count > len(w.all)-i {
		count = len(w.all) - i
	}
	w.all = slices.Delete(w.all, i, i+count)
}

// split moves the entries from number i on to a listpack of their own, and back to the end or the beginning.
func (w *twin) split(i int, back bool) {
	if i >= len(w.all) {
		return
	}
	at := w.at(i)
	right := &twin{tb: w.tb, lp: AppendFrom(New(0), w.lp, at, All), all: slices.Clone(w.all[i:]), room: w.room}
	right.check()
	w.lp, w.all = Delete(w.lp, at, All), w.all[:i]
	w.check()
	if back {
		w.lp, w.all = Merge(w.lp, right.lp), append(w.all, right.all...)
		return
	}
	w.lp, w.all = Merge(right.lp, w.lp), append(right.all, w.all...)
}

// removeEach removes what pick says.
func (w *twin) removeEach(pick func(i int) bool) {
	var positions []int
	var left []string
	for i, s := range w.all {
		if pick(i) {
			positions = append(positions, w.at(i))
		} else {
			left = append(left, s)
		}
	}
	w.lp, w.all = DeleteEach(w.lp, positions, 1), left
}

// interesting are values at which an encoding changes.
func interesting() []string {
	all := []string{"", "a", "-", "-0", "01", "1x", "9223372036854775808", "-9223372036854775809", " 1"}
	for _, n := range []int64{0, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2147483647, 2147483648, 9223372036854775807} {
		all = append(all, strconv.FormatInt(n, 10), strconv.FormatInt(-n-1, 10), strconv.FormatInt(-n, 10))
	}
	for _, n := range []int{62, 63, 64, 125, 126, 127, 4095, 4096, 16377, 16378, 16379, 16380} {
		all = append(all, strings.Repeat("s", n), strings.Repeat("s", n-1)+"t")
	}
	return all
}

// drawn returns a value: one of interesting, or a random string or integer.
func drawn(r *rand.Rand, values []string) string {
	switch r.IntN(4) {
	case 0:
		return values[r.IntN(len(values))]
	case 1:
		return strconv.FormatInt(int64(r.Uint64())>>r.IntN(64), 10)
	case 2:
		return strconv.Itoa(r.IntN(20))
	}
	p := make([]byte, r.IntN(100))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return string(p)
}

// step does something random.
func (w *twin) step(r *rand.Rand, values []string) {
	s, n := drawn(r, values), len(w.all)
	switch op := r.IntN(12); {
	case op < 5 || n == 0:
		w.insert(r.IntN(n+1), s, r.IntN(8))
	case op < 7:
		w.replace(r.IntN(n), s, r.IntN(2) == 0)
	case op == 7:
		w.remove(r.IntN(n), 1+r.IntN(3), false)
	case op == 8:
		w.remove(r.IntN(2*n+4)-n-2, r.IntN(4), true)
	case op == 9:
		w.split(r.IntN(n), r.IntN(2) == 0)
	case op == 10:
		w.removeEach(func(int) bool { return r.IntN(4) == 0 })
	default:
		if r.IntN(2) == 0 {
			s = w.all[r.IntN(n)]
		}
		w.find(s, r.IntN(n+1), r.IntN(3))
	}
}

// TestTwin does random things to listpacks of all beginnings.
func TestTwin(t *testing.T) {
	values := interesting()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newTwin(t, r.IntN(4000))
		for range 150 {
			w.step(r, values)
			w.check()
		}
	}
}

// FuzzListpackOps lets the fuzzer choose the operations: a byte for what, one for where, one for how much, then a string.
func FuzzListpackOps(f *testing.F) {
	f.Add([]byte("\x00\x00\x03abc\x05\x00\x012\x07\x00\x00"), uint16(64))
	f.Add([]byte("\x01\x00\x0512345\x02\x01\x02-1\x09\x01\x00\x0a\x02\x00\x0b\x00\x02-1"), uint16(7))
	f.Fuzz(func(t *testing.T, in []byte, capacity uint16) {
		w := newTwin(t, int(capacity))
		for len(in) >= 3 {
			op, where, size := in[0], int(in[1]), int(in[2])
			in = in[3:]
			s := string(in[:min(size, len(in))])
			in = in[len(s):]
			if size > 200 {
				s = strings.Repeat(s, size-199)
			}
			w.fuzzed(int(op), where, s)
			w.check()
		}
	})
}

// fuzzed does one operation of the fuzzer's.
func (w *twin) fuzzed(op, where int, s string) {
	n := len(w.all)
	switch op %= 12; {
	case op < 5 || n == 0:
		w.insert(where%(n+1), s, op)
	case op < 7:
		w.replace(where%n, s, op == 5)
	case op == 7:
		w.remove(where%n, len(s), false)
	case op == 8:
		w.remove(where-n, len(s), true)
	case op == 9:
		w.split(where%n, len(s)%2 == 0)
	case op == 10:
		w.removeEach(func(i int) bool { return (i+where)%(len(s)+1) == 0 })
	default:
		w.find(s, where%(n+1), len(s)%3)
		w.find(w.all[where%n], 0, where%3)
	}
}
