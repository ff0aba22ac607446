package collection_test

import (
	"bytes"
	"testing"

	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/value"
)

// TestStreamHandles: handles of groups and consumers stay good while others change what they are of, also where all is shared with a copy of the stream, which stays as it was.
func TestStreamHandles(t *testing.T) {
	d := newDB(t)
	key := func(name string) collection.Key {
		return collection.Key{DB: d, Hash: d.Shard().Space().Hash([]byte(name)), Name: []byte(name)}
	}
	open := func(name string) *collection.Stream {
		k := key(name)
		return collection.OpenStream(k, d.Find(k.Hash, k.Name))
	}
	all := func(name string) []byte {
		k := key(name)
		out, _ := value.AppendNodes(nil, d.Values(), value.Stream, d.Find(k.Hash, k.Name).Root(), 0, 1<<30)
		return out
	}
	id := func(n uint64) collection.StreamID { return collection.StreamID{Ms: n} }
	s := open("s")
	if s.Found() || s.Len() != 0 || s.Group([]byte("g")) != nil || s.Exists(id(1)) || s.RadixNodes() != 1 {
		t.Error("there is something of a stream that is not")
	}
	for n := range uint64(500) {
		s.Append(id(n+1), [][]byte{[]byte("f"), []byte("v")})
	}
	g := s.CreateGroup([]byte("g"), id(0), 0)
	a := g.CreateConsumer([]byte("a"), 7)
	for n := range uint64(500) {
		g.Deliver(a, id(n+1), 1, 1)
	}
	k := key("copy")
	d.Copy(d.Find(key("s").Hash, key("s").Name), k.Hash, k.Name)
	before := all("copy")

	s = open("s")
	g, same := s.Group([]byte("g")), s.Group([]byte("g"))
	if g != same || s.CreateGroup([]byte("g"), id(0), 0) != nil || g.CreateConsumer([]byte("a"), 1) != nil {
		t.Error("a second one of a name")
	}
	a, b := g.Consumer([]byte("a")), g.CreateConsumer([]byte("b"), 9)
	for n := range uint64(200) {
		if g.Deliver(b, id(n+1), 2, 2) {
			t.Error("delivered to b as if it was not pending")
		}
		g.Ack(id(n + 301))
	}
	if a.Pending() != 100 || b.Pending() != 200 || g.Pending() != 300 || a.SeenMs() != 7 || a.ActiveMs() != -1 {
		t.Errorf("a has %d pending, b %d, the group %d", a.Pending(), b.Pending(), g.Pending())
	}
	a.SetSeen(8)
	if p, ok := a.PendingFrom(id(0)); !ok || p.ID != id(201) || string(p.Consumer) != "a" || g.Consumer([]byte("a")).SeenMs() != 8 {
		t.Errorf("a's first: %+v, %v", p, ok)
	}
	if p, ok := g.LastPending(); !ok || p.ID != id(300) {
		t.Errorf("the last: %+v, %v", p, ok)
	}
	if n, ok := g.DeleteConsumer([]byte("b")); !ok || n != 200 || g.Pending() != 100 {
		t.Errorf("b had %d, %v; %d are left", n, ok, g.Pending())
	}
	if !s.Delete(id(500)) || s.Trim(collection.StreamTrim{MaxLen: 10}) != 489 || s.FirstID() != id(490) || s.MaxDeletedID() != id(500) {
		t.Errorf("%d entries from %s, deleted up to %s", s.Len(), s.FirstID(), s.MaxDeletedID())
	}
	if !bytes.Equal(all("copy"), before) {
		t.Error("the copy has changed")
	}
	if !s.DestroyGroup([]byte("g")) || s.Group([]byte("g")) != nil || s.DestroyGroup([]byte("g")) {
		t.Error("the group is there")
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"s", "copy"} {
		k := key(name)
		d.Delete(k.Hash, k.Name)
	}
	if used := d.Shard().Heap().Used(); used > 1<<10 {
		t.Errorf("%d bytes are left", used)
	}
}

// TestStreamRadix: the nodes that a radix tree would have, counted by hand.
func TestStreamRadix(t *testing.T) {
	d := newDB(t)
	limits := *d.Shard().Space().Limits()
	limits.StreamNodeEntries = 1
	d.Shard().Space().SetLimits(limits)
	k := collection.Key{DB: d, Hash: 1, Name: []byte("s")}
	s := collection.OpenStream(k, d.Find(k.Hash, k.Name))
	for _, c := range []struct {
		ms, seq uint64
		nodes   int
	}{
		{1, 1, 2},           // a run, a key
		{1, 2, 4},           // a run of 15 bytes, a place, two keys
		{256, 0, 8},         // a run of 6, a place; below it a run of 8, a place, two keys, and a run of 9, a key
		{257, 0, 8 - 2 + 5}, // in the stead of the last two a place, and twice a run and a key
	} {
		s.Append(collection.StreamID{Ms: c.ms, Seq: c.seq}, [][]byte{[]byte("f"), []byte("v")})
		if got := s.RadixNodes(); got != c.nodes {
			t.Errorf("up to %d-%d: %d nodes, want %d", c.ms, c.seq, got, c.nodes)
		}
	}
}
