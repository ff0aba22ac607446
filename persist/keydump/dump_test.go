package keydump_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// shown reads a payload and returns its elements, sorted unless they are a list's.
func shown(t *testing.T, payload []byte) (rdb.Content, string) {
	t.Helper()
	r, v, err := rdb.OpenDump(payload, rdb.ReaderOptions{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	entries := func(lp []byte) {
		var scratch [value.MaxIntLen]byte
		for at := listpack.First(lp); at != listpack.None; at = listpack.Next(lp, at) {
			out = append(out, string(listpack.Text(lp, at, &scratch)))
		}
	}
	if v.Content.Encoding == value.ListPack {
		entries(v.Content.Packed)
	}
	for {
		var el rdb.Element
		more, err := r.NextElement(&el)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		switch el.Kind {
		case rdb.ElementNode:
			entries(el.Value)
		case rdb.ElementItem:
			out = append(out, string(el.Value))
		default:
			out = append(out, fmt.Sprintf("%s=%s,%g@%d", el.Name, el.Value, el.Score, el.ExpireAtMs))
		}
	}
	if v.Content.Type != value.List {
		slices.Sort(out)
	}
	return v.Content, strings.Join(out, " ")
}

// TestPayload dumps collections of all encodings, and reads the payloads.
func TestPayload(t *testing.T) {
	a, err := arena.New(arena.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	s, err := keyspace.New(keyspace.Config{Shards: 1, Databases: 1, Arena: a})
	if err != nil {
		t.Fatal(err)
	}
	db := s.Shard(0).DB(0)
	env := db.Values()
	set, hash, volatile, zset, list := value.NewSet(env), value.NewHash(env), value.NewHash(env), value.NewZSet(env), value.NewList(env)
	var wantSet, wantHash, wantVolatile, wantZSet, wantList []string
	for i := range 300 {
		m, v := fmt.Appendf(nil, "m%d", i), fmt.Appendf(nil, "v%d", i*i)
		set.Add(m)
		hash.Set(m, v, value.NoExpiry)
		at := int64(value.NoExpiry)
		if i%2 == 1 {
			at = int64(i) * 1e9
		}
		volatile.Set(m, v, at)
		zset.Set(m, float64(i)/4)
		wantSet = append(wantSet, fmt.Sprintf("m%d=,0@0", i))
		wantHash = append(wantHash, fmt.Sprintf("m%d=v%d,0@0", i, i*i))
		wantVolatile = append(wantVolatile, fmt.Sprintf("m%d=v%d,0@%d", i, i*i, max(at, 0)))
		wantZSet = append(wantZSet, fmt.Sprintf("m%d=,%g@0", i, float64(i)/4))
		if i%10 == 0 {
			plain := strings.Repeat(string(m), 5000)
			list.AppendNode(value.PlainNode, []byte(plain))
			wantList = append(wantList, plain)
			continue
		}
		list.AppendNode(value.PackedNode, listpack.Append(listpack.Append(listpack.New(0), m), v))
		wantList = append(wantList, string(m), string(v))
	}
	is, _ := intset.Add(intset.New(0), 70000)
	lp := listpack.Append(listpack.Append(listpack.New(0), []byte("a")), []byte("17"))
	for _, c := range []struct {
		ent  keyspace.Entry
		form value.Encoding
		want []string
	}{
		{db.SetPacked(1, []byte("1"), value.Set, value.IntSet, is, keyspace.NoExpiry), value.IntSet, nil},
		{db.SetPacked(2, []byte("2"), value.Hash, value.ListPack, lp, keyspace.NoExpiry), value.ListPack, []string{"17", "a"}},
		{db.SetPacked(3, []byte("3"), value.List, value.ListPack, lp, keyspace.NoExpiry), 0, []string{"a", "17"}},
		{db.SetRoot(4, []byte("4"), value.Set, value.HashTable, set.Root(), keyspace.NoExpiry), 0, wantSet},
		{db.SetRoot(5, []byte("5"), value.Hash, value.HashTable, hash.Root(), keyspace.NoExpiry), 0, wantHash},
		{db.SetRoot(6, []byte("6"), value.Hash, value.HashTable, volatile.Root(), keyspace.NoExpiry), 0, wantVolatile},
		{db.SetRoot(7, []byte("7"), value.ZSet, value.SkipList, zset.Root(), keyspace.NoExpiry), 0, wantZSet},
		{db.SetRoot(8, []byte("8"), value.List, value.QuickList, list.Root(), keyspace.NoExpiry), 0, wantList},
	} {
		payload, err := keydump.Payload(c.ent, true)
		if err != nil {
			t.Fatalf("%s: %v", c.ent.Key(), err)
		}
		if c.ent.Type() != value.List {
			slices.Sort(c.want)
		}
		got, text := shown(t, payload)
		if got.Type != c.ent.Type() || got.Encoding != c.form || text != strings.Join(c.want, " ") {
			t.Errorf("%s: %s %s %.300s, want %s %s %.300s", c.ent.Key(), got.Type, got.Encoding, text, c.ent.Type(), c.form, strings.Join(c.want, " "))
		}
		if got.FieldTTL != (string(c.ent.Key()) == "6") {
			t.Errorf("%s: FieldTTL %v", c.ent.Key(), got.FieldTTL)
		}
	}
}
