package value

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/listpack"
	"pgregory.net/rapid"
)

// listWorld is a rooted list beside a slice, with copies and shares of it.
type listWorld struct {
	t     interface{ Fatalf(string, ...any) }
	env   Env
	r     *rand.Rand
	fill  ListFill
	list  *listPair
	other []*listPair
	share []*listPair // as walks have them: nobody changes them
}

type listPair struct {
	RootedList
	twin []string
}

func newListWorld(tb testing.TB, seed uint64) *listWorld {
	a, err := arena.New(arena.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &listWorld{t: tb, r: rand.New(rand.NewPCG(seed, 7)), fill: ListFill{Size: -2}}
	w.env.Init(a, a.NewHeap(), func([]byte) uint64 { return 0 }, nil)
	w.list = &listPair{RootedList: NewList(&w.env)}
	return w
}

func (w *listWorld) close() { w.env.Arena.Close() }

// element draws numbers, short strings that meet, and long ones.
func (w *listWorld) element() string {
	switch w.r.IntN(20) {
	case 0:
		return strconv.FormatInt(int64(w.r.Uint64())>>w.r.IntN(64), 10)
	case 1:
		return string(bytes.Repeat([]byte{'a' + byte(w.r.IntN(3))}, w.r.IntN(12000)))
	case 2:
		return string(bytes.Repeat([]byte{'x'}, w.r.IntN(300)))
	default:
		return []string{"", "7", "a", "bb", "ccc", "-5", "04"}[w.r.IntN(7)]
	}
}

func (w *listWorld) push(front bool) {
	s := w.element()
	w.list.Push(w.fill, []byte(s), front)
	if front {
		w.list.twin = slices.Insert(w.list.twin, 0, s)
	} else {
		w.list.twin = append(w.list.twin, s)
	}
}

func (w *listWorld) insert(i int) {
	s := w.element()
	w.list.Insert(w.fill, i, []byte(s))
	w.list.twin = slices.Insert(w.list.twin, i, s)
}

func (w *listWorld) set(i int) {
	s := w.element()
	if w.list.Set(w.fill, i, []byte(s)) != (i < len(w.list.twin)) {
		w.t.Fatalf("set %d of %d", i, len(w.list.twin))
	}
	if i < len(w.list.twin) {
		w.list.twin[i] = s
	}
}

func (w *listWorld) delete(i, n int) {
	w.list.Delete(i, n)
	w.list.twin = slices.Delete(w.list.twin, min(i, len(w.list.twin)), min(i+n, len(w.list.twin)))
}

// deleteAt removes the element that a cursor is at.
func (w *listWorld) deleteAt(i int) {
	var c ListCursor
	if ok := w.list.Seek(&c, i); ok != (i < len(w.list.twin)) {
		w.t.Fatalf("index %d of %d: %v", i, len(w.list.twin), ok)
	} else if ok {
		w.list.DeleteAt(&c)
		w.list.twin = slices.Delete(w.list.twin, i, i+1)
	}
}

func (w *listWorld) remove(most int, reverse bool) {
	s, removed := w.element(), 0
	if reverse {
		slices.Reverse(w.list.twin)
	}
	w.list.twin = slices.DeleteFunc(w.list.twin, func(x string) bool {
		if x != s || most > 0 && removed == most {
			return false
		}
		removed++
		return true
	})
	if reverse {
		slices.Reverse(w.list.twin)
	}
	if got := w.list.Remove([]byte(s), most, reverse); got != removed {
		w.t.Fatalf("removed %d times %q, want %d", got, s, removed)
	}
}

func (c *ListCursor) text() string {
	s, n := c.Get()
	if s == nil {
		return strconv.FormatInt(n, 10)
	}
	return string(s)
}

func (w *listWorld) seek(i int) {
	var c ListCursor
	l := w.list
	at := i
	if i < 0 {
		at += len(l.twin)
	}
	ok := l.Seek(&c, i)
	if ok != (at >= 0 && at < len(l.twin)) {
		w.t.Fatalf("index %d of %d: %v", i, len(l.twin), ok)
	}
	for range 20 {
		if !ok {
			return
		}
		if got := c.text(); got != l.twin[at] || !c.Equal([]byte(got)) || c.Equal([]byte(got+"?")) {
			w.t.Fatalf("element %d is %q, want %q", at, got, l.twin[at])
		}
		if w.r.IntN(3) > 0 {
			if ok = c.Next(); ok {
				at++
			}
		} else if ok = c.Prev(); ok {
			at--
		}
	}
}

func (w *listWorld) check(p *listPair) {
	if err := Check(&w.env, List, p.root); err != nil {
		w.t.Fatalf("%v", err)
	}
	if p.Len() != len(p.twin) {
		w.t.Fatalf("%d elements, want %d", p.Len(), len(p.twin))
	}
	var c ListCursor
	i := 0
	for ok := p.Seek(&c, 0); ok; ok = c.Next() {
		if got := c.text(); got != p.twin[i] {
			w.t.Fatalf("element %d is %q, want %q", i, got, p.twin[i])
		}
		i++
	}
	for ok := p.Seek(&c, -1); ok; ok = c.Prev() {
		i--
		if got := c.text(); got != p.twin[i] {
			w.t.Fatalf("element %d from behind is %q, want %q", i, got, p.twin[i])
		}
	}
	if i != 0 {
		w.t.Fatalf("%d elements not seen from behind", i)
	}
}

// checkShare reads a frozen list as a walk does.
func (w *listWorld) checkShare(p *listPair) {
	var got []string
	nodes := 0
	w.nodes(p.root, 1+w.r.IntN(20000), func(c Container, node []byte) {
		nodes++
		if c == PlainNode {
			got = append(got, string(node))
			return
		}
		var scratch [20]byte
		for at := listpack.First(node); at != listpack.None; at = listpack.Next(node, at) {
			got = append(got, string(listpack.Text(node, at, &scratch)))
		}
	})
	if !slices.Equal(got, p.twin) || nodes != Nodes(&w.env, List, p.root) || Len(&w.env, List, p.root) != len(p.twin) {
		w.t.Fatalf("a share has %d elements in %d nodes, want %d in %d", len(got), nodes, len(p.twin), p.Nodes())
	}
}

// nodes gives fn what a walk emits, which it does some bytes at a time.
func (w *listWorld) nodes(root arena.Ref, bytes int, fn func(c Container, node []byte)) {
	for pos, more := uint64(0), true; more; more = pos > 0 {
		var b []byte
		b, pos = AppendNodes(nil, &w.env, List, root, pos, bytes)
		for len(b) > 0 {
			n, used := binary.Uvarint(b[1:])
			fn(Container(b[0]), b[1+used:][:n])
			b = b[1+used+int(n):]
		}
	}
}

// load makes a list of another one's nodes.
func (w *listWorld) load() {
	to := NewList(&w.env)
	w.nodes(w.list.root, 1, to.AppendNode)
	for !Free(&w.env, List, w.list.root, 3) {
	}
	w.list.RootedList = to
}

func (w *listWorld) defrag() {
	for pos, first := uint64(0), true; first || pos > 0; first = false {
		pos, _, _ = Defrag(&w.env, List, w.list.root, pos)
	}
}

func (w *listWorld) finish(t interface{ Fatalf(string, ...any) }) {
	for _, p := range append(w.other, w.list) {
		w.check(p)
		for !Free(&w.env, List, p.root, 1+w.r.IntN(10)) {
		}
	}
	for _, p := range w.share {
		w.checkShare(p)
		for !Free(&w.env, List, p.root, 1+w.r.IntN(10)) {
		}
	}
	if used := w.env.Arena.Used(); used != 0 {
		t.Fatalf("%d bytes used after all was freed", used)
	}
}

var listFills = []ListFill{{Size: -2}, {Size: -1}, {Size: -5}, {Size: -100}, {Size: 0}, {Size: 1}, {Size: 3}, {Size: 500}, {Size: -2, PlainFrom: 2}, {Size: 4, PlainFrom: 3}}

func TestListTwin(t *testing.T) {
	for _, fill := range listFills {
		t.Run(fmt.Sprint(fill), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newListWorld(t, rapid.Uint64().Draw(rt, "seed"))
				defer w.close()
				w.fill = fill
				rt.Repeat(w.actions(rt))
				w.finish(rt)
			})
		})
	}
}

func (w *listWorld) actions(rt *rapid.T) map[string]func(*rapid.T) {
	size := func() int { return len(w.list.twin) }
	some := func(most int, fn func(i int)) func(*rapid.T) {
		return func(t *rapid.T) {
			for n := rapid.IntRange(1, most).Draw(t, "n"); n > 0; n-- {
				fn(w.r.IntN(size() + 1))
			}
		}
	}
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			w.t = t
			w.check(w.list)
		},
		"push":   some(300, func(int) { w.push(false) }),
		"lpush":  some(100, func(int) { w.push(true) }),
		"insert": some(30, w.insert),
		"set":    some(30, w.set),
		"seek":   some(10, func(i int) { w.seek(i - w.r.IntN(2)*(size()+1)) }),
		"pop":    some(50, func(int) { w.delete(w.r.IntN(2)*max(0, size()-1), 1) }),
		"popAt":  some(50, func(int) { w.deleteAt(w.r.IntN(2) * max(0, size()-1)) }),
		"cut":    some(5, w.deleteAt),
		"delete": some(5, func(i int) { w.delete(i, w.r.IntN(60)) }),
		"remove": some(2, func(i int) { w.remove(w.r.IntN(4), w.r.IntN(2) > 0) }),
		"copy": func(*rapid.T) {
			if len(w.other) < 3 {
				w.other = append(w.other, &listPair{w.list.clone(&w.env), slices.Clone(w.list.twin)})
			}
		},
		"swap": func(*rapid.T) {
			if len(w.other) > 0 {
				i := w.r.IntN(len(w.other))
				w.list, w.other[i] = w.other[i], w.list
				w.check(w.other[i])
			}
		},
		"share": func(*rapid.T) {
			if len(w.share) < 3 {
				w.share = append(w.share, &listPair{OpenList(&w.env, Clone(&w.env, &w.env, List, w.list.root)), slices.Clone(w.list.twin)})
			}
		},
		"load":   func(*rapid.T) { w.load() },
		"defrag": func(*rapid.T) { w.defrag() },
	}
}

// TestListPacked: when a list may lose its root is what Redis says.
func TestListPacked(t *testing.T) {
	for _, c := range []struct {
		size, count, bytes int
		grown, shrunk      bool
	}{
		{-2, 1, 4000, true, true}, {-2, 2, 3000, true, false}, {-2, 2, 4090, false, false},
		{-1, 1, 3000, true, false}, {4, 2, 10, true, true}, {4, 3, 10, true, false}, {4, 4, 10, true, false}, {4, 5, 10, false, false},
		{1, 1, 10, true, false}, {2, 1, 10, true, true}, {-2, 1, 9000, false, false},
	} {
		w := newListWorld(t, 1)
		w.fill.Size = c.size
		for range c.count {
			w.list.Push(w.fill, bytes.Repeat([]byte{'x'}, c.bytes), false)
		}
		_, grown := w.list.Packed(w.fill, false)
		_, shrunk := w.list.Packed(w.fill, true)
		if grown != c.grown || shrunk != c.shrunk {
			t.Errorf("%+v: grown %v, shrunk %v", c, grown, shrunk)
		}
		w.close()
	}
}

// TestListMemory: 8 KiB nodes fill blocks of 8 KiB.
func TestListMemory(t *testing.T) {
	w := newListWorld(t, 1)
	defer w.close()
	const n, size = 100_000, 20
	for i := range n {
		w.list.Push(w.fill, fmt.Appendf(nil, "%020d", i), i%2 == 0)
	}
	per := float64(w.env.Arena.Used()) / n
	t.Logf("%.2f bytes an element of %d", per, size)
	if per > size+2.5 {
		t.Errorf("%.2f bytes an element of %d", per, size)
	}
	if got := w.list.bytes(); float64(got) < 0.95*float64(w.env.Arena.Used()) || float64(got) > 1.05*float64(w.env.Arena.Used()) {
		t.Errorf("it says that it takes %d bytes, %d are used", got, w.env.Arena.Used())
	}
}

// TestListCopyIsCheap: a copy of a big list costs nothing, a change in it one node and its way.
func TestListCopyIsCheap(t *testing.T) {
	w := newListWorld(t, 1)
	defer w.close()
	for i := range 200_000 {
		w.list.Push(w.fill, fmt.Appendf(nil, "element %d", i), false)
	}
	used := w.env.Arena.Used()
	c := w.list.clone(&w.env)
	if got := w.env.Arena.Used() - used; got > 64 {
		t.Errorf("a copy takes %d bytes", got)
	}
	c.Set(w.fill, 100_000, []byte("another"))
	if got := w.env.Arena.Used() - used; got > 20_000 {
		t.Errorf("a change in the copy takes %d bytes", got)
	}
	var at ListCursor
	if w.list.Seek(&at, 100_000); at.text() != "element 100000" {
		t.Errorf("the list changed with its copy: %q", at.text())
	}
}

func BenchmarkList(b *testing.B) {
	w := newListWorld(b, 1)
	defer w.close()
	s := []byte("an element of some length")
	for range 100_000 {
		w.list.Push(w.fill, s, false)
	}
	b.Run("PushPop", func(b *testing.B) {
		for b.Loop() {
			w.list.Push(w.fill, s, false)
			w.list.Delete(0, 1)
		}
	})
	b.Run("Index", func(b *testing.B) {
		var c ListCursor
		for i := 0; b.Loop(); i++ {
			w.list.Seek(&c, i%w.list.Len())
		}
	})
	b.Run("Next", func(b *testing.B) {
		var c ListCursor
		for b.Loop() {
			if !c.node0() || !c.Next() {
				w.list.Seek(&c, 0)
			}
		}
	})
}

func (c *ListCursor) node0() bool { return c.node != nil }
