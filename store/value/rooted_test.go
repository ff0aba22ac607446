package value

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"pgregory.net/rapid"
)

// newEnv is an Env on an arena of its own, whose heap is locked.
func newEnv(tb testing.TB) *Env {
	a, err := arena.New(arena.Config{Reserve: 1 << 30})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { a.Close() })
	env := &Env{}
	env.Init(a, a.NewHeap(), func(b []byte) uint64 {
		h := fnv.New64a()
		h.Write(b)
		return h.Sum64() * 0x9e3779b97f4a7c15
	}, nil)
	env.Heap.Lock()
	return env
}

type field struct {
	val   string
	at    int64
	score float64
}

// rooted is a rooted value of one type beside a Go map.
type rooted struct {
	t    Type
	env  *Env
	root arena.Ref
	want map[string]field
	rnd  *rand.Rand
}

func newRooted(env *Env, t Type, seed uint64) *rooted {
	r := &rooted{t: t, env: env, want: map[string]field{}, rnd: rand.New(rand.NewPCG(seed, 1))}
	switch t {
	case Set:
		r.root = NewSet(env).Root()
	case Hash:
		r.root = NewHash(env).Root()
	case ZSet:
		r.root = NewZSet(env).Root()
	}
	return r
}

func (r *rooted) members() members { return members{r.env, r.root} }

func (r *rooted) name() string {
	if r.rnd.IntN(50) == 0 {
		return strings.Repeat("long", r.rnd.IntN(100))
	}
	return fmt.Sprint("m", r.rnd.IntN(1500))
}

var scores = []float64{0, math.Copysign(0, -1), 1, -1, 1.5, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}

func (r *rooted) score() float64 {
	if r.rnd.IntN(3) == 0 {
		return scores[r.rnd.IntN(len(scores))]
	}
	return float64(r.rnd.IntN(200) - 100)
}

func (r *rooted) add(t *rapid.T) {
	name := r.name()
	old, had := r.want[name]
	f, created := field{at: NoExpiry}, false
	switch r.t {
	case Set:
		created = OpenSet(r.env, r.root).Add([]byte(name))
	case Hash:
		f.val = strings.Repeat("v", r.rnd.IntN(100))
		at := []int64{NoExpiry, KeepTTL, r.rnd.Int64N(1000)}[r.rnd.IntN(3)]
		created = OpenHash(r.env, r.root).Set([]byte(name), []byte(f.val), at)
		if f.at = at; at == KeepTTL {
			if f.at = NoExpiry; had {
				f.at = old.at
			}
		}
	case ZSet:
		f.score = r.score()
		var was float64
		if was, created = OpenZSet(r.env, r.root).Set([]byte(name), f.score); had && math.Float64bits(was) != math.Float64bits(old.score) {
			t.Fatalf("%s had score %v, want %v", name, was, old.score)
		}
	}
	if created == had {
		t.Fatalf("add %s: created %v", name, created)
	}
	r.want[name] = f
}

func (r *rooted) remove(t *rapid.T) {
	name := r.name()
	_, had := r.want[name]
	ok := false
	if r.t == ZSet {
		ok = OpenZSet(r.env, r.root).Remove([]byte(name))
	} else {
		ok = r.members().Remove([]byte(name))
	}
	if ok != had {
		t.Fatalf("remove %s: %v", name, ok)
	}
	delete(r.want, name)
}

func (r *rooted) expire(t *rapid.T) {
	if r.t != Hash {
		return
	}
	name, at := r.name(), r.rnd.Int64N(1000)-300
	f, had := r.want[name]
	if OpenHash(r.env, r.root).SetExpire([]byte(name), at) != had {
		t.Fatalf("expire %s: want %v", name, had)
	}
	if f.at = max(at, NoExpiry); had {
		r.want[name] = f
	}
}

// due runs the expiry of fields through the hash.
func (r *rooted) due(t *rapid.T) {
	if r.t != Hash {
		return
	}
	now, h := r.rnd.Int64N(1000), OpenHash(r.env, r.root)
	for pos, first := uint64(0), true; first || pos != 0; first = false {
		pos = h.Due(pos, now, func(x Element) bool {
			name := string(x.Member())
			if f, ok := r.want[name]; !ok || f.at < 0 || f.at >= now {
				t.Fatalf("%s is due at %d, not at %d", name, f.at, now)
			}
			if r.rnd.IntN(5) == 0 {
				return false
			}
			delete(r.want, name)
			return h.Remove([]byte(name))
		})
	}
	volatile, next := 0, int64(math.MaxInt64)
	for _, f := range r.want {
		if f.at >= 0 {
			volatile++
			next = min(next, f.at)
		}
	}
	if at, ok := h.NextDue(); h.Volatile() != volatile || ok != (volatile > 0) || ok && at > next {
		t.Fatalf("%d volatile, next at %d %v; want %d, %d", h.Volatile(), at, ok, volatile, next)
	}
}

func (r *rooted) field(x Element) field {
	f := field{at: NoExpiry}
	switch r.t {
	case Hash:
		f.val, f.at = string(x.Value()), x.ExpireAt()
	case ZSet:
		f.score = x.Score()
	}
	return f
}

// same compares with −0 and 0 being different.
func same(a, b field) bool {
	return a.val == b.val && a.at == b.at && math.Float64bits(a.score) == math.Float64bits(b.score)
}

func (r *rooted) check(t *rapid.T) {
	if err := Check(r.env, r.t, r.root); err != nil {
		t.Fatal(err)
	}
	got := map[string]field{}
	r.members().Each(func(x Element) bool {
		got[string(x.Member())] = r.field(x)
		return true
	})
	if !maps.EqualFunc(got, r.want, same) || Len(r.env, r.t, r.root) != len(r.want) {
		t.Fatalf("%d elements, Len %d, want %d, or others", len(got), Len(r.env, r.t, r.root), len(r.want))
	}
	seen := map[string]bool{}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = r.members().Scan(cursor, 10, func(x Element) { seen[string(x.Member())] = true })
	}
	if len(seen) != len(r.want) {
		t.Fatalf("scanned %d of %d", len(seen), len(r.want))
	}
	n := r.rnd.IntN(len(r.want) + 2)
	picked := map[string]bool{}
	r.members().RandomDistinct(n, r.rnd.Uint64, func(x Element) { picked[string(x.Member())] = true })
	if len(picked) != min(n, len(r.want)) {
		t.Fatalf("%d different ones of %d asked for, of %d", len(picked), n, len(r.want))
	}
	if r.t == ZSet {
		r.checkOrder(t)
	}
}

// ordered are the members in their order.
func (r *rooted) ordered() []string {
	return slices.SortedFunc(maps.Keys(r.want), func(a, b string) int {
		if x, y := r.want[a].score, r.want[b].score; x != y {
			if x < y {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
}

func (r *rooted) checkOrder(t *rapid.T) {
	z, want := OpenZSet(r.env, r.root), r.ordered()
	var got, back []string
	for c := z.At(0); c.Valid(); c.Next() {
		if x := c.Element(); c.Rank() != len(got) || z.Rank(x) != len(got) {
			t.Fatalf("%s: rank %d and %d, want %d", x.Member(), c.Rank(), z.Rank(x), len(got))
		}
		got = append(got, string(c.Element().Member()))
	}
	for c := z.At(len(want) - 1); c.Valid(); {
		back = append(back, string(c.Element().Member()))
		if !c.Prev() {
			break
		}
	}
	slices.Reverse(back)
	if !slices.Equal(got, want) || !slices.Equal(back, want) {
		t.Fatalf("in order %q, and backwards, want %q", got, want)
	}
	s := r.score()
	for _, after := range []bool{false, true} {
		first := slices.IndexFunc(want, func(m string) bool { return r.want[m].score > s || !after && r.want[m].score == s })
		if first < 0 {
			first = len(want)
		}
		if c := z.Seek(s, after); c.Rank() != first {
			t.Fatalf("seek %v %v: rank %d, want %d", s, after, c.Rank(), first)
		}
	}
}

// removeRange removes some neighbours of a sorted set.
func (r *rooted) removeRange(t *rapid.T) {
	if r.t != ZSet || len(r.want) == 0 {
		return
	}
	order, from, n := r.ordered(), r.rnd.IntN(len(r.want)), r.rnd.IntN(100)
	c := OpenZSet(r.env, r.root).At(from)
	var got []string
	removed := c.RemoveSome(n, func(x Element) { got = append(got, string(x.Member())) })
	want := order[from:min(from+n, len(order))]
	if removed != len(want) || !slices.Equal(got, want) {
		t.Fatalf("removed %d: %q, want %q", removed, got, want)
	}
	for _, m := range want {
		delete(r.want, m)
	}
}

func (r *rooted) defrag() {
	for at, first := uint64(0), true; first || at != 0; first = false {
		at, _, _ = Defrag(r.env, r.t, r.root, at)
	}
}

func (r *rooted) free() {
	Owners(r.env.Arena, r.root).Store(0)
	for !Free(r.env, r.t, r.root, 1+r.rnd.IntN(200)) {
	}
}

// TestRooted drives rooted values and Go maps with the same operations; a clone lives on its own.
func TestRooted(t *testing.T) {
	for _, typ := range []Type{Set, Hash, ZSet} {
		t.Run(typ.String(), func(t *testing.T) {
			env := newEnv(t)
			rapid.Check(t, func(rt *rapid.T) {
				r := newRooted(env, typ, rapid.Uint64().Draw(rt, "seed"))
				some := func(most int, fn func(*rapid.T)) func(*rapid.T) {
					return func(t *rapid.T) {
						for range rapid.IntRange(1, most).Draw(t, "n") {
							fn(t)
						}
					}
				}
				rt.Repeat(map[string]func(*rapid.T){
					"":       func(*rapid.T) {},
					"add":    some(300, r.add),
					"remove": some(300, r.remove),
					"expire": some(50, r.expire),
					"due":    r.due,
					"range":  r.removeRange,
					"defrag": func(*rapid.T) { r.defrag() },
					"clone": func(t *rapid.T) {
						old := *r
						r.root = Clone(env, env, typ, r.root)
						old.free()
					},
					"check": r.check,
				})
				r.check(rt)
				r.free()
				if used := env.Arena.Used(); used != 0 {
					rt.Fatalf("%d bytes left", used)
				}
			})
		})
	}
}

// TestDefragElements: after most elements are gone, the rest is moved together, and stays what it was.
func TestDefragElements(t *testing.T) {
	for _, typ := range []Type{Set, Hash, ZSet} {
		env := newEnv(t)
		rapid.Check(t, func(rt *rapid.T) {
			r := newRooted(env, typ, 7)
			for range 4000 {
				r.add(rt)
			}
			for range 3000 {
				r.remove(rt)
			}
			moved := 0
			for at, first := uint64(0), true; first || at != 0; first = false {
				var n int
				at, n, _ = Defrag(env, typ, r.root, at)
				moved += n
			}
			if moved == 0 {
				rt.Fatalf("%v: nothing was moved", typ)
			}
			r.check(rt)
			r.free()
		})
	}
}

// TestSeekLex compares with a sorted list.
func TestSeekLex(t *testing.T) {
	env := newEnv(t)
	z := NewZSet(env)
	var want []string
	for i := range 500 {
		m := fmt.Sprintf("%03d", i*2)
		z.Set([]byte(m), 5)
		want = append(want, m)
	}
	for i := range 1000 {
		m := fmt.Sprintf("%03d", i)
		at, found := slices.BinarySearch(want, m)
		if c := z.SeekLex([]byte(m), false); c.Rank() != at {
			t.Fatalf("%s: rank %d, want %d", m, c.Rank(), at)
		}
		if found {
			at++
		}
		if c := z.SeekLex([]byte(m), true); c.Rank() != at {
			t.Fatalf("after %s: rank %d, want %d", m, c.Rank(), at)
		}
	}
}

// TestRandomIsFair: every element is picked about as often as any other, alone and among several.
func TestRandomIsFair(t *testing.T) {
	env, rnd := newEnv(t), rand.New(rand.NewPCG(3, 4))
	s := NewSet(env)
	const n, picks = 100, 200
	for i := range n {
		s.Add([]byte{byte(i)})
	}
	for _, each := range []int{1, 10, 60} {
		var hits [n]int
		for range picks * n / each {
			s.RandomDistinct(each, rnd.Uint64, func(x Element) { hits[x.Member()[0]]++ })
		}
		for i, got := range hits { // standard deviation 14
			if got < picks-75 || got > picks+75 {
				t.Errorf("%d at a time: %d was picked %d times, want about %d", each, i, got, picks)
			}
		}
	}
}

// TestAppendElement: what a walk emits, byte for byte, and how long that is.
func TestAppendElement(t *testing.T) {
	env := newEnv(t)
	long := strings.Repeat("x", 200)
	h := NewHash(env)
	h.Set([]byte("f"), []byte(long), NoExpiry)
	h.Set([]byte("g"), []byte("w"), 77)
	z := NewZSet(env)
	z.Set([]byte(long), -2.5)
	le := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
	for _, c := range []struct {
		t    Type
		x    Element
		ttl  bool
		want string
	}{
		{Hash, h.Find([]byte("f")), false, "\x01f\xc8\x01" + long},
		{Hash, h.Find([]byte("f")), true, "\x01f\xc8\x01" + long + le(math.MaxUint64)},
		{Hash, h.Find([]byte("g")), true, "\x01g\x01w" + le(77)},
		{ZSet, z.Find([]byte(long)), false, "\xc8\x01" + long + le(math.Float64bits(-2.5))},
	} {
		if got := AppendElement(nil, env, c.t, c.x.Ref(), c.ttl); string(got) != c.want || ElementBytes(env, c.t, c.x.Ref(), c.ttl) != len(c.want) {
			t.Errorf("%v: %q of %d, want %q", c.t, got, ElementBytes(env, c.t, c.x.Ref(), c.ttl), c.want)
		}
	}
}
