package value

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"pgregory.net/rapid"
)

// twinStream is a stream as Go has it.
type twinStream struct {
	entries []twinEntry
	StreamFigures
	groups map[string]*twinGroup
}

type twinEntry struct {
	id     StreamID
	fields []string
}

type twinGroup struct {
	last      StreamID
	read      int64
	pending   map[StreamID]twinPending
	consumers map[string][2]int64 // seen, active
}

type twinPending struct {
	consumer string
	at       int64
	count    uint64
}

func (s *twinStream) clone() *twinStream {
	to := &twinStream{entries: slices.Clone(s.entries), StreamFigures: s.StreamFigures, groups: map[string]*twinGroup{}}
	for name, g := range s.groups {
		c := *g
		c.pending, c.consumers = maps.Clone(g.pending), maps.Clone(g.consumers)
		to.groups[name] = &c
	}
	return to
}

// String is all of the stream.
func (s *twinStream) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", s.StreamFigures)
	for _, x := range s.entries {
		fmt.Fprintf(&b, "%s %q\n", x.id, x.fields)
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[name]
		fmt.Fprintf(&b, "group %q %s %d\n", name, g.last, g.read)
		for _, id := range slices.SortedFunc(maps.Keys(g.pending), StreamID.Compare) {
			fmt.Fprintf(&b, "  %s %v\n", id, g.pending[id])
		}
		for _, c := range slices.Sorted(maps.Keys(g.consumers)) {
			fmt.Fprintf(&b, "  consumer %q %d\n", c, g.consumers[c])
		}
	}
	return b.String()
}

// show is String of a stream in the arena.
func showStream(s RootedStream) string {
	t := twinStream{StreamFigures: *s.Figures(), groups: map[string]*twinGroup{}}
	var it StreamIter
	for s.Iterate(&it, StreamID{}, MaxStreamID(), false); it.Next(); {
		t.entries = append(t.entries, showEntry(&it))
	}
	s.EachGroup(func(g StreamGroup) bool {
		x := &twinGroup{last: g.LastID(), read: g.EntriesRead(), pending: map[StreamID]twinPending{}, consumers: map[string][2]int64{}}
		g.EachPending(StreamID{}, func(p StreamPending) bool {
			x.pending[p.ID] = twinPending{string(p.Consumer), p.DeliveredMs, p.Deliveries}
			return true
		})
		g.EachConsumer(func(c StreamConsumer) bool {
			x.consumers[string(c.Name())] = [2]int64{c.SeenMs(), c.ActiveMs()}
			return true
		})
		t.groups[string(g.Name())] = x
		return true
	})
	return t.String()
}

func showEntry(it *StreamIter) twinEntry {
	x := twinEntry{id: it.ID()}
	for range it.Fields() {
		f, v := it.Field()
		x.fields = append(x.fields, string(f), string(v))
	}
	return x
}

// streamWorld is a stream beside its twin, with copies of both as they were.
type streamWorld struct {
	t      *rapid.T
	env    Env
	r      *rand.Rand
	fill   StreamFill
	stream RootedStream
	twin   *twinStream
	copies []streamCopy
	now    int64
}

type streamCopy struct {
	stream RootedStream
	twin   *twinStream
}

func (w *streamWorld) fields() []string {
	if w.r.IntN(3) > 0 {
		return []string{"temperature", fmt.Sprint(w.r.IntN(100)), "unit", "K"}
	}
	var out []string
	for range 2 * (1 + w.r.IntN(3)) {
		out = append(out, []string{"", "7", "-70000", "word", strings.Repeat("long", w.r.IntN(40)), "unit"}[w.r.IntN(6)])
	}
	return out
}

func byteStrings(s []string) (out [][]byte) {
	for _, x := range s {
		out = append(out, []byte(x))
	}
	return out
}

func (w *streamWorld) add() {
	id := w.twin.Last
	switch w.r.IntN(4) {
	case 0:
		id = StreamID{id.Ms + uint64(w.r.IntN(1<<20)), 0}
	case 1:
		id = StreamID{id.Ms + 1, w.r.Uint64() >> w.r.IntN(64)}
	}
	id, _ = id.Next()
	x := twinEntry{id, w.fields()}
	w.stream.Append(w.fill, id, byteStrings(x.fields))
	t := w.twin
	t.entries = append(t.entries, x)
	t.Last = id
	t.Length++
	t.Added++
	w.first()
}

func (w *streamWorld) first() {
	w.twin.First = StreamID{}
	if len(w.twin.entries) > 0 {
		w.twin.First = w.twin.entries[0].id
	}
}

// anyID draws an id that is there, or near one.
func (w *streamWorld) anyID() StreamID {
	id := w.twin.Last
	if n := len(w.twin.entries); n > 0 {
		id = w.twin.entries[w.r.IntN(n)].id
	}
	switch w.r.IntN(6) {
	case 0:
		id, _ = id.Next()
	case 1:
		id, _ = id.Prev()
	}
	return id
}

func (w *streamWorld) delete() {
	id := w.anyID()
	i := slices.IndexFunc(w.twin.entries, func(x twinEntry) bool { return x.id == id })
	if got := w.stream.Delete(id); got != (i >= 0) {
		w.t.Fatalf("delete %s: %v, at %d", id, got, i)
	}
	if i < 0 {
		return
	}
	w.twin.entries = slices.Delete(w.twin.entries, i, i+1)
	w.twin.Length--
	if w.twin.MaxDeleted.Less(id) {
		w.twin.MaxDeleted = id
	}
	w.first()
}

// trim trims exactly, or by whole nodes: then as many as went, from the front, but never more than asked.
func (w *streamWorld) trim() {
	n := len(w.twin.entries)
	how := StreamTrim{ByID: w.r.IntN(2) == 0, Approx: w.r.IntN(2) == 0, MinID: w.anyID(), MaxLen: uint64(w.r.IntN(n + 2))}
	if how.Approx {
		how.Limit = uint64(w.r.IntN(50))
	}
	most := max(n-int(how.MaxLen), 0)
	if how.ByID {
		most = 0
		for most < n && w.twin.entries[most].id.Less(how.MinID) {
			most++
		}
	}
	got := w.stream.Trim(how)
	if got > most || !how.Approx && got != most || how.Limit > 0 && got > int(how.Limit) {
		w.t.Fatalf("trim %+v of %d: %d, expected %d", how, n, got, most)
	}
	w.twin.entries = slices.Clone(w.twin.entries[got:])
	w.twin.Length -= uint64(got)
	w.first()
}

func (w *streamWorld) ranges() {
	from, to := w.anyID(), w.anyID()
	for _, reverse := range []bool{false, true} {
		var got, want []string
		var it StreamIter
		for w.stream.Iterate(&it, from, to, reverse); it.Next(); {
			if w.r.IntN(4) == 0 { // fields are left unread
				got = append(got, it.ID().String())
			} else {
				got = append(got, showEntry(&it).id.String())
			}
		}
		for _, x := range w.twin.entries {
			if !x.id.Less(from) && !to.Less(x.id) {
				want = append(want, x.id.String())
			}
		}
		if reverse {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			w.t.Fatalf("%s to %s, reverse %v: %v, expected %v", from, to, reverse, got, want)
		}
	}
}

var (
	groupNames    = []string{"a", "group", "groupies", "group number one", "group number two", "\x00"}
	consumerNames = []string{"", "alice", "a consumer with a long name", "a consumer with another name", "b"}
)

func (w *streamWorld) group() {
	name := groupNames[w.r.IntN(len(groupNames))]
	g := w.twin.groups[name]
	switch {
	case w.r.IntN(8) == 0:
		if w.stream.RemoveGroup([]byte(name)) != (g != nil) {
			w.t.Fatalf("remove group %q", name)
		}
		delete(w.twin.groups, name)
	case g == nil:
		g = &twinGroup{last: w.anyID(), read: w.r.Int64N(5) - 1, pending: map[StreamID]twinPending{}, consumers: map[string][2]int64{}}
		if _, ok := w.stream.AddGroup([]byte(name), g.last, g.read); !ok {
			w.t.Fatalf("add group %q", name)
		}
		w.twin.groups[name] = g
	default:
		x, ok := w.stream.OwnGroup([]byte(name))
		if !ok {
			w.t.Fatalf("no group %q", name)
		}
		g.last, g.read = w.anyID(), g.read+1
		x.SetLastID(g.last)
		x.SetEntriesRead(g.read)
	}
}

// consume does something with a group, if there is one of the name drawn.
func (w *streamWorld) consume() {
	name, who := groupNames[w.r.IntN(len(groupNames))], consumerNames[w.r.IntN(len(consumerNames))]
	g := w.twin.groups[name]
	x, ok := w.stream.OwnGroup([]byte(name))
	if ok != (g != nil) {
		w.t.Fatalf("group %q: %v", name, ok)
	}
	if !ok {
		return
	}
	w.now++
	if times, ok := g.consumers[who]; !ok {
		if _, ok := x.AddConsumer([]byte(who), w.now, -1); !ok {
			w.t.Fatalf("add consumer %q", who)
		}
		g.consumers[who] = [2]int64{w.now, -1}
	} else if w.r.IntN(20) == 0 {
		w.forget(x, g, who)
		return
	} else if w.r.IntN(4) == 0 {
		c, _ := x.OwnConsumer([]byte(who))
		c.SetActive(w.now)
		g.consumers[who] = [2]int64{times[0], w.now}
	}
	for range w.r.IntN(30) {
		w.deliver(x, g, who)
	}
}

func (w *streamWorld) deliver(x StreamGroup, g *twinGroup, who string) {
	id := w.anyID()
	_, there := g.pending[id]
	if w.r.IntN(3) == 0 {
		if x.Ack(id) != there {
			w.t.Fatalf("ack %s", id)
		}
		delete(g.pending, id)
		return
	}
	c, _ := x.OwnConsumer([]byte(who))
	p := twinPending{who, w.now, w.r.Uint64N(9)}
	if x.Deliver(c, id, p.at, p.count) == there {
		w.t.Fatalf("deliver %s", id)
	}
	g.pending[id] = p
}

func (w *streamWorld) forget(x StreamGroup, g *twinGroup, who string) {
	want := 0
	maps.DeleteFunc(g.pending, func(_ StreamID, p twinPending) bool {
		if p.consumer == who {
			want++
		}
		return p.consumer == who
	})
	delete(g.consumers, who)
	if n, ok := x.RemoveConsumer([]byte(who)); !ok || n != want {
		w.t.Fatalf("consumer %q: %d pending, %v, expected %d", who, n, ok, want)
	}
}

func (w *streamWorld) clone() {
	w.copies = append(w.copies, streamCopy{w.stream.clone(&w.env), w.twin.clone()})
}

// drop checks a copy and frees it, or the stream itself, of which a copy takes the place.
func (w *streamWorld) drop() {
	if len(w.copies) == 0 {
		return
	}
	i := w.r.IntN(len(w.copies))
	c := w.copies[i]
	w.same(c.stream, c.twin)
	w.copies = slices.Delete(w.copies, i, i+1)
	if w.r.IntN(2) == 0 {
		c.stream, w.stream = w.stream, c.stream
		w.twin = c.twin
	}
	w.free(c.stream)
}

func (w *streamWorld) free(s RootedStream) {
	Owners(w.env.Arena, s.root).Store(0)
	for !Free(&w.env, Stream, s.root, 1+w.r.IntN(40)) {
	}
}

func (w *streamWorld) same(s RootedStream, twin *twinStream) {
	if err := Check(&w.env, Stream, s.root); err != nil {
		w.t.Fatal(err)
	}
	if got, want := showStream(s), twin.String(); got != want {
		w.t.Fatalf("stream:\n%s\ntwin:\n%s", got, want)
	}
	var whole, pieces []byte
	whole, _ = AppendNodes(nil, &w.env, Stream, s.root, 0, math.MaxInt32)
	for at, more := uint64(0), true; more; more = at != 0 {
		pieces, at = AppendNodes(pieces, &w.env, Stream, s.root, at, 1+w.r.IntN(300))
	}
	if string(whole) != string(pieces) {
		w.t.Fatalf("emitted in pieces it is not the same: %d bytes, %d", len(pieces), len(whole))
	}
}

// defrag goes over all of the stream.
func (w *streamWorld) defrag() {
	for at, more := uint64(0), true; more; more = at != 0 {
		at, _, _ = Defrag(&w.env, Stream, w.stream.root, at)
	}
}

// TestStreamTwin: whatever is done with a stream, it and its clones, each changed on its own, are what their twins are, and when all are freed nothing is left.
func TestStreamTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := arena.New(arena.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		w := &streamWorld{t: t, r: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
		w.fill = StreamFill{Bytes: rapid.SampledFrom([]int{0, 100, 500, 4096}).Draw(t, "bytes"), Entries: rapid.SampledFrom([]int{0, 1, 3, 20, 100}).Draw(t, "entries")}
		w.env.Init(a, a.NewHeap(), func([]byte) uint64 { return 0 }, nil)
		w.stream, w.twin = NewStream(&w.env), &twinStream{groups: map[string]*twinGroup{}}
		ops := []func(){w.add, w.add, w.delete, w.trim, w.ranges, w.group, w.consume, w.consume, w.clone, w.drop, w.defrag}
		weights := []int{400, 300, 60, 4, 40, 20, 80, 80, 5, 5, 2}
		for range rapid.IntRange(1, 1500).Draw(t, "steps") {
			n := w.r.IntN(996)
			for i, weight := range weights {
				if n -= weight; n < 0 {
					ops[i]()
					break
				}
			}
		}
		w.same(w.stream, w.twin)
		for len(w.copies) > 0 {
			w.drop()
		}
		if got, used := Bytes(&w.env, Stream, w.stream.root), a.Used(); got < used*3/4-1024 || got > used*5/4+1024 {
			t.Fatalf("it takes %d bytes and says %d", used, got)
		}
		w.free(w.stream)
		if used := a.Used(); used != 0 {
			t.Fatalf("%d bytes are left", used)
		}
	})
}

// TestStreamFigures: what a stream's figures tell of ids. Source: streamRangeHasTombstones and streamEstimateDistanceFromFirstEverEntry of Valkey.
func TestStreamFigures(t *testing.T) {
	id := func(n uint64) StreamID { return StreamID{Ms: n} }
	whole := StreamFigures{Length: 10, Last: id(20), First: id(11), Added: 20}
	holed, trimmed, empty := whole, whole, whole
	holed.MaxDeleted, trimmed.MaxDeleted = id(15), id(5)
	empty.Length, empty.First = 0, StreamID{}
	for i, c := range []struct {
		f          StreamFigures
		id         uint64
		tombstones bool
		upTo       int64
	}{
		{StreamFigures{}, 3, false, 0},
		{whole, 20, false, 20}, {whole, 21, false, UnknownEntries}, {whole, 11, false, 11}, {whole, 10, false, 10}, {whole, 15, false, UnknownEntries},
		{holed, 20, false, 20}, {holed, 11, true, UnknownEntries}, {holed, 10, true, UnknownEntries}, {holed, 15, true, UnknownEntries}, {holed, 16, false, UnknownEntries},
		{trimmed, 11, false, 11}, {trimmed, 1, false, 10},
		{empty, 3, false, 20}, {empty, 20, false, 20}, {empty, 21, false, UnknownEntries},
	} {
		if got := c.f.HasTombstones(id(c.id)); got != c.tombstones {
			t.Errorf("%d: tombstones %v", i, got)
		}
		if got := c.f.EntriesUpTo(id(c.id)); got != c.upTo {
			t.Errorf("%d: %d entries up to %d, want %d", i, got, c.id, c.upTo)
		}
	}
}

// TestStreamIDs: ids in order, and at the ends of it.
func TestStreamIDs(t *testing.T) {
	for _, c := range []struct {
		id, next StreamID
		ok       bool
	}{{StreamID{}, StreamID{0, 1}, true}, {StreamID{5, math.MaxUint64}, StreamID{6, 0}, true}, {MaxStreamID(), StreamID{}, false}} {
		next, ok := c.id.Next()
		prev, back := next.Prev()
		if next != c.next || ok != c.ok || prev != c.id || back != c.ok || ok && (!c.id.Less(next) || c.id.Compare(next) >= 0) {
			t.Errorf("%s: next %s, %v; and back %s, %v", c.id, next, ok, prev, back)
		}
	}
}
