package tree

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"pgregory.net/rapid"
)

// rec is what the tests' items are: a number to tell them apart and to order ties by, and how many leaves have it.
type rec struct {
	owners uint64
	num    uint64
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// world is an arena with trees of one layout, each beside its twin, a slice.
type world struct {
	t    fataler
	env  Env
	num  uint64
	tree *pair
	// frozen are snapshots of the tree, which nobody changes; live are copies that are changed as the tree is.
	frozen []*pair
	copies bool // Env.Share copies items
}

// pair is a tree and what it must hold.
type pair struct {
	Tree
	twin []Item // Ref is the item's number: refs may change
}

func newWorld(tb testing.TB, t fataler, layout Layout) *world {
	a, err := arena.New(arena.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{t: t, tree: &pair{}}
	w.env = Env{Arena: a, Heap: a.NewHeap(), Layout: layout}
	w.env.Compare = func(a, b arena.Ref) int { return cmp.Compare(w.rec(a).num, w.rec(b).num) }
	w.env.Share = func(r arena.Ref) arena.Ref {
		if w.copies {
			n := w.newRec(w.rec(r).num)
			return n
		}
		w.rec(r).owners++
		return r
	}
	w.env.Drop = w.drop
	return w
}

func (w *world) close() { w.env.Arena.Close() }

func (w *world) rec(r arena.Ref) *rec { return (*rec)(w.env.Arena.Ptr(r)) }

func (w *world) newRec(num uint64) arena.Ref {
	r := w.env.Heap.Alloc(16)
	*w.rec(r) = rec{1, num}
	return r
}

func (w *world) drop(r arena.Ref) {
	if w.rec(r).owners--; w.rec(r).owners == 0 {
		w.env.Heap.Free(r)
	}
}

// order is where an item belongs.
func order(a, b Item) int {
	return cmp.Or(cmp.Compare(a.Key.Hi, b.Key.Hi), cmp.Compare(a.Key.Lo, b.Key.Lo), cmp.Compare(a.Ref, b.Ref))
}

// same tells whether an item of the tree is that of the twin.
func (w *world) same(got, want Item) bool {
	got.Ref = arena.Ref(w.rec(got.Ref).num)
	return got == want
}

func (w *world) item(key Key, weight uint32) (it, twin Item) {
	w.num++
	if !w.env.Layout.Weighted {
		weight = 1
	}
	it = Item{Key: key, Ref: w.newRec(w.num), Weight: weight}
	twin = it
	twin.Ref = arena.Ref(w.num)
	return it, twin
}

// put inserts by key; where keys must differ, one that is there is left alone.
func (w *world) put(key Key, weight uint32) {
	if w.env.Layout.KeyBytes == 8 {
		key = Key{Hi: key.Hi + key.Lo}
	}
	p := w.tree
	it, twin := w.item(key, weight)
	i, _ := slices.BinarySearchFunc(p.twin, twin, order)
	var c Cursor
	if !w.env.Layout.Ties {
		if found := p.Find(&w.env, &c, key, 0); found {
			w.drop(it.Ref)
			return
		}
	} else if p.Find(&w.env, &c, key, it.Ref) {
		w.t.Fatalf("found %v before it was put", it)
	}
	p.Put(&w.env, it)
	p.twin = slices.Insert(p.twin, i, twin)
}

// insert inserts before number i, in a tree without keys. The cursor must be at the new item then.
func (w *world) insert(i int, weight uint32) {
	p := w.tree
	it, twin := w.item(Key{}, weight)
	var c Cursor
	w.seek(p, &c, i)
	p.Insert(&w.env, &c, it)
	p.twin = slices.Insert(p.twin, i, twin)
	w.at(p, &c, i)
}

// seek goes to item number i by its rank.
func (w *world) seek(p *pair, c *Cursor, i int) {
	rank := p.rank(i)
	off, ok := p.At(&w.env, c, rank)
	if off != 0 || ok != (i < len(p.twin)) {
		w.t.Fatalf("rank %d: %d %v", rank, off, ok)
	}
}

func (p *pair) rank(i int) (rank int) {
	for _, it := range p.twin[:i] {
		rank += int(it.Weight)
	}
	return rank
}

// at checks that a cursor is at item number i.
func (w *world) at(p *pair, c *Cursor, i int) {
	w.t.Helper()
	if c.Valid(&w.env) != (i < len(p.twin)) || c.Valid(&w.env) && !w.same(c.Item(&w.env), p.twin[i]) {
		w.t.Fatalf("the cursor is not at item %d of %d", i, len(p.twin))
	}
	if got := c.Rank(&w.env); got != p.rank(i) {
		w.t.Fatalf("rank of item %d: %d, want %d", i, got, p.rank(i))
	}
}

func (w *world) remove(i, n int) {
	p := w.tree
	var c Cursor
	w.seek(p, &c, i)
	gone := p.twin[i:min(i+n, len(p.twin))]
	got := p.RemoveSome(&w.env, &c, n, func(it Item) {
		if len(gone) == 0 || !w.same(it, gone[0]) {
			w.t.Fatalf("removed %v, want %v", it, gone)
		}
		gone = gone[1:]
		w.drop(it.Ref)
	})
	if len(gone) > 0 || got != min(n, len(p.twin)-i) {
		w.t.Fatalf("removed %d, left %d", got, len(gone))
	}
	p.twin = slices.Delete(p.twin, i, i+got)
	w.at(p, &c, i)
}

// set gives an item another ref and weight.
func (w *world) set(i int, weight uint32) {
	p := w.tree
	var c Cursor
	w.seek(p, &c, i)
	own := p.Own(&w.env, &c)
	num := w.rec(own.Ref).num
	if !w.env.Layout.Weighted {
		weight = 1
	}
	old := p.Set(&w.env, &c, w.newRec(num), weight)
	if old != own || !w.same(old, p.twin[i]) {
		w.t.Fatalf("set gave %v, own %v, want %v", old, own, p.twin[i])
	}
	w.drop(old.Ref)
	p.twin[i].Weight = weight
	w.at(p, &c, i)
}

func (w *world) snapshot() {
	w.frozen = append(w.frozen, &pair{w.tree.Snapshot(&w.env), slices.Clone(w.tree.twin)})
}

// swap goes on with a snapshot, which is as good as the tree.
func (w *world) swap(i int) { w.tree, w.frozen[i] = w.frozen[i], w.tree }

func (w *world) free(p *pair, n int) {
	for !p.FreeSome(&w.env, n) {
	}
}

func (w *world) thaw(i, n int) {
	w.free(w.frozen[i], n)
	w.frozen = slices.Delete(w.frozen, i, i+1)
}

func (w *world) defrag() {
	p := w.tree
	seen := 0
	for rank := 0; ; {
		next, moved, left := p.Defrag(&w.env, rank, func(r arena.Ref) arena.Ref {
			seen++
			if w.rec(r).owners > 1 {
				return r
			}
			to := w.newRec(w.rec(r).num)
			w.env.Heap.Free(r)
			return to
		})
		if len(p.twin) > 0 && moved+left == 0 {
			w.t.Fatalf("defrag at rank %d looked at nothing", rank)
		}
		if next == 0 {
			break
		}
		if next <= rank {
			w.t.Fatalf("defrag: rank %d after %d", next, rank)
		}
		rank = next
	}
	if len(w.frozen) == 0 && seen != len(p.twin) {
		w.t.Fatalf("defrag came to %d items of %d", seen, len(p.twin))
	}
}

// check compares a tree with its twin in both directions.
func (w *world) check(p *pair) {
	w.t.Helper()
	e := &w.env
	if err := p.Check(e); err != nil {
		w.t.Fatalf("%v", err)
	}
	if p.Items() != len(p.twin) || p.Weight() != p.rank(len(p.twin)) {
		w.t.Fatalf("%d items of weight %d, want %d of %d", p.Items(), p.Weight(), len(p.twin), p.rank(len(p.twin)))
	}
	var c Cursor
	i := 0
	for ok := p.First(e, &c); ok; ok = c.Next(e) {
		if i == len(p.twin) || !w.same(c.Item(e), p.twin[i]) {
			w.t.Fatalf("item %d is another one", i)
		}
		i++
	}
	if i != len(p.twin) || c.Valid(e) || c.Next(e) {
		w.t.Fatalf("%d items, %d in the twin", i, len(p.twin))
	}
	for ok := p.Last(e, &c); ok; ok = c.Prev(e) {
		i--
		if i < 0 || !w.same(c.Item(e), p.twin[i]) {
			w.t.Fatalf("item %d is another one from behind", i)
		}
	}
	if i != 0 {
		w.t.Fatalf("%d items not seen from behind", i)
	}
}

// find checks all ways to look for a key.
func (w *world) find(key Key) {
	p, e := w.tree, &w.env
	var c Cursor
	i, _ := slices.BinarySearchFunc(p.twin, Item{Key: key}, order)
	p.Seek(e, &c, key)
	w.at(p, &c, i)
	j := i
	for j < len(p.twin) && p.twin[j].Key == key {
		if w.env.Layout.Ties {
			num := uint64(p.twin[j].Ref)
			p.SeekTie(e, &c, key, func(r arena.Ref) int { return cmp.Compare(w.rec(r).num, num) })
			w.at(p, &c, j)
			p.SeekTie(e, &c, key, func(r arena.Ref) int { return cmp.Compare(2*w.rec(r).num, 2*num+1) })
			w.at(p, &c, j+1)
			ref := w.newRec(num)
			if !p.Find(e, &c, key, ref) {
				w.t.Fatalf("item %d is not found", j)
			}
			w.drop(ref)
		} else if !p.Find(e, &c, key, 0) {
			w.t.Fatalf("key %x is not found", key)
		}
		j++
	}
	p.SeekAfter(e, &c, key)
	w.at(p, &c, j)
	if i == j && p.Find(e, &c, key, w.refOfNobody()) {
		w.t.Fatalf("key %x is found", key)
	}
}

func (w *world) refOfNobody() arena.Ref {
	if len(w.tree.twin) == 0 {
		return 0
	}
	var c Cursor
	w.tree.First(&w.env, &c)
	return c.Item(&w.env).Ref
}

// ranks checks the item that a rank falls in.
func (w *world) ranks(rank int) {
	p := w.tree
	var c Cursor
	off, ok := p.At(&w.env, &c, rank)
	i := 0
	for ; i < len(p.twin) && rank >= int(p.twin[i].Weight); i++ {
		rank -= int(p.twin[i].Weight)
	}
	w.at(p, &c, i)
	if ok != (i < len(p.twin)) || ok && off != rank {
		w.t.Fatalf("rank: offset %d %v, want %d", off, ok, rank)
	}
}

func (w *world) finish(used int64) {
	for _, p := range append(w.frozen, w.tree) {
		w.check(p)
		w.free(p, 100)
	}
	if got := w.env.Arena.Used(); got != used {
		w.t.Fatalf("%d bytes used after all was freed, %d at the start", got, used)
	}
}

// layouts are those of lists, sorted sets and streams, and two that have everything, or nothing.
var layouts = []Layout{
	{0, false, true}, {8, true, false}, {16, false, false}, {16, true, true}, {0, false, false},
}

func (y Layout) String() string {
	return fmt.Sprintf("%d bytes, ties %v, weighted %v", y.KeyBytes, y.Ties, y.Weighted)
}

func TestTwin(t *testing.T) {
	for _, layout := range layouts {
		t.Run(layout.String(), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(t, rt, layout)
				defer w.close()
				w.copies = rapid.Bool().Draw(rt, "copies")
				used := w.env.Arena.Used()
				r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
				rt.Repeat(w.actions(r))
				w.finish(used)
			})
		})
	}
}

// keys draws keys: few enough that some meet.
func (w *world) key(r *rand.Rand) Key {
	k := Key{Hi: r.Uint64N(40)}
	if w.env.Layout.KeyBytes == 8 && !w.env.Layout.Ties {
		k.Hi = r.Uint64()
	}
	if w.env.Layout.KeyBytes == 16 {
		k.Lo = r.Uint64N(200)
	}
	return k
}

const mostItems = 6000

func (w *world) actions(r *rand.Rand) map[string]func(*rapid.T) {
	weight := func() uint32 { return 1 + r.Uint32N(5) }
	add := func(keyed func(i, n int) Key, place func(i int) int) func(*rapid.T) {
		return func(t *rapid.T) {
			n := rapid.IntRange(1, 1500).Draw(t, "n")
			for i := 0; i < n && len(w.tree.twin) < mostItems; i++ {
				if w.env.Layout.KeyBytes > 0 {
					w.put(keyed(i, n), weight())
				} else {
					w.insert(place(i), weight())
				}
			}
		}
	}
	some := func(fn func(i int)) func(*rapid.T) {
		return func(t *rapid.T) {
			for n := rapid.IntRange(1, 100).Draw(t, "n"); n > 0 && len(w.tree.twin) > 0; n-- {
				fn(r.IntN(len(w.tree.twin)))
			}
		}
	}
	frozen := func(fn func(i int)) func(*rapid.T) {
		return func(t *rapid.T) {
			if len(w.frozen) > 0 {
				fn(r.IntN(len(w.frozen)))
			}
		}
	}
	size := func() int { return len(w.tree.twin) }
	a := map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			w.t = t
			w.check(w.tree)
		},
		"random":  add(func(int, int) Key { return w.key(r) }, func(int) int { return r.IntN(size() + 1) }),
		"ascend":  add(func(i, n int) Key { return Key{Hi: 1 << 20, Lo: uint64(i)} }, func(int) int { return size() }),
		"descend": add(func(i, n int) Key { return Key{Hi: uint64(n - i)} }, func(int) int { return 0 }),
		"remove":  some(func(i int) { w.remove(i, 1) }),
		"cut":     some(func(i int) { w.remove(i, r.IntN(300)) }),
		"pop": func(t *rapid.T) {
			for n := rapid.IntRange(1, 1000).Draw(t, "n"); n > 0 && size() > 0; n-- {
				w.remove([]int{0, size() - 1}[n/300%2], 1)
			}
		},
		"set":  some(func(i int) { w.set(i, weight()) }),
		"rank": some(func(i int) { w.ranks(max(0, w.tree.rank(i)+r.IntN(7)-3)) }),
		"snapshot": func(*rapid.T) {
			if len(w.frozen) < 4 {
				w.snapshot()
			}
		},
		"swap":   frozen(w.swap),
		"thaw":   frozen(func(i int) { w.thaw(i, 1+r.IntN(500)) }),
		"frozen": frozen(func(i int) { w.check(w.frozen[i]) }),
		"defrag": func(*rapid.T) { w.defrag() },
	}
	if w.env.Layout.KeyBytes > 0 {
		a["find"] = some(func(int) { w.find(w.key(r)) })
	}
	return a
}

// TestEndsOnly: a queue keeps full nodes, and takes little work at its thin ends.
func TestEndsOnly(t *testing.T) {
	w := newWorld(t, t, Layout{Weighted: true})
	defer w.close()
	for i := range 3000 {
		w.insert(i, 3)
	}
	if per := float64(w.env.Arena.Used())/3000 - 16; per > 10 {
		t.Errorf("appending: %.2f bytes an item", per)
	}
	for i := range 5000 {
		w.remove(0, 1)
		w.insert(len(w.tree.twin), uint32(i%7+1))
		if i%100 == 0 {
			w.check(w.tree)
		}
	}
	if per := float64(w.env.Arena.Used())/3000 - 16; per > 10 {
		t.Errorf("a queue: %.2f bytes an item", per)
	}
	w.finish(0)
}

// TestMemory: members of a big sorted set, put in at random, take ≤ 20 bytes each in the tree.
func TestMemory(t *testing.T) {
	n := 200_000
	w := newWorld(t, t, Layout{KeyBytes: 8, Ties: true})
	defer w.close()
	r := rand.New(rand.NewPCG(3, 3))
	item := w.newRec(0)
	w.env.Compare = func(a, b arena.Ref) int { return 0 }
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = r.Uint64()
		w.tree.Put(&w.env, Item{Key: Key{Hi: keys[i]}, Ref: item})
	}
	per := float64(w.env.Arena.Used()) / float64(n)
	t.Logf("%.2f bytes an item, %d levels", per, w.tree.height)
	if per > 20 {
		t.Errorf("%.2f bytes an item", per)
	}
	r.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var c Cursor
	for _, k := range keys[n/10:] {
		if !w.tree.Find(&w.env, &c, Key{Hi: k}, item) {
			t.Fatalf("%x is not found", k)
		}
		w.tree.Remove(&w.env, &c)
	}
	if err := w.tree.checkKeysOnly(&w.env); err != nil {
		t.Fatal(err)
	}
	per = float64(w.env.Arena.Used()) / float64(n/10)
	t.Logf("%.2f bytes an item when one in ten is left", per)
	if per > 30 {
		t.Errorf("%.2f bytes an item when one in ten is left", per)
	}
}

// checkKeysOnly is Check for a tree whose items are all one block.
func (t *Tree) checkKeysOnly(e *Env) error {
	env := *e
	env.Compare = func(a, b arena.Ref) int { return -1 }
	return t.Check(&env)
}

func TestSmallTree(t *testing.T) {
	w := newWorld(t, t, Layout{KeyBytes: 8, Ties: true})
	defer w.close()
	w.put(Key{Hi: 1}, 1)
	if got := w.env.Arena.Used(); got > 16+24 {
		t.Errorf("a tree of one item takes %d bytes", got-16)
	}
}

// TestSlices: freeing and removing stop when they have done what was asked for.
func TestSlices(t *testing.T) {
	w := newWorld(t, t, Layout{KeyBytes: 16})
	defer w.close()
	for i := range 5000 {
		w.put(Key{uint64(i), 0}, 1)
	}
	items, dropped := w.tree.Items(), 0
	w.env.Drop = func(r arena.Ref) { dropped++; w.drop(r) }
	for done := false; !done; {
		before := dropped
		done = w.tree.FreeSome(&w.env, 100)
		if dropped-before > 200 {
			t.Fatalf("%d items dropped at once", dropped-before)
		}
	}
	if dropped != items || w.env.Arena.Used() != 0 {
		t.Errorf("%d of %d items dropped, %d bytes used", dropped, items, w.env.Arena.Used())
	}
}

// TestSnapshotCosts: a snapshot costs nothing, and one change after it the nodes on one path.
func TestSnapshotCosts(t *testing.T) {
	w := newWorld(t, t, Layout{KeyBytes: 8, Ties: true})
	defer w.close()
	r := rand.New(rand.NewPCG(9, 9))
	for range 20000 {
		w.put(Key{Hi: r.Uint64()}, 1)
	}
	used := w.env.Arena.Used()
	w.snapshot()
	if got := w.env.Arena.Used(); got != used {
		t.Errorf("a snapshot takes %d bytes", got-used)
	}
	w.put(Key{Hi: r.Uint64()}, 1)
	if got := w.env.Arena.Used() - used; got > 4*nodeBytes {
		t.Errorf("a change after it takes %d bytes", got)
	}
	w.finish(0)
}

func TestNothingIsAllocated(t *testing.T) {
	w := newWorld(t, t, Layout{KeyBytes: 8, Ties: true})
	defer w.close()
	r := rand.New(rand.NewPCG(10, 10))
	for range 2000 {
		w.put(Key{Hi: r.Uint64()}, 1)
	}
	e, tree := &w.env, &w.tree.Tree
	item := w.newRec(1)
	var c Cursor
	if n := testing.AllocsPerRun(1000, func() {
		k := Key{Hi: r.Uint64()}
		tree.Put(e, Item{Key: k, Ref: item})
		if !tree.Find(e, &c, k, item) || c.Rank(e) > tree.Items() {
			t.Fatal("not found")
		}
		tree.Remove(e, &c)
	}); n != 0 {
		t.Errorf("%v allocations in Go's heap a round", n)
	}
}
