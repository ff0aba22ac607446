package node

import (
	"strconv"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	val "github.com/larder-cache/larder/store/value"
)

// TestDigestOfCollections: the fingerprint is the same whichever way a collection is kept, another one if an element differs, and for lists if the order does.
func TestDigestOfCollections(t *testing.T) {
	a, err := arena.New(arena.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s, err := keyspace.New(keyspace.Config{Shards: 1, Databases: 1, Arena: a})
	if err != nil {
		t.Fatal(err)
	}
	s.Shard(0).Heap().Lock()
	d, key := s.Shard(0).DB(0), []byte("k")
	sum := func(e keyspace.Entry) string {
		var g digest
		g.value(e, 0)
		return g.String()
	}
	packed := func(typ val.Type, words ...string) string {
		lp := listpack.New(100)
		for _, w := range words {
			lp = listpack.Append(lp, []byte(w))
		}
		return sum(d.SetPacked(s.Hash(key), key, typ, val.ListPack, lp, keyspace.NoExpiry))
	}
	rooted := func(typ val.Type, root arena.Ref) string {
		return sum(d.SetRoot(s.Hash(key), key, typ, val.HashTable, root, keyspace.NoExpiry))
	}
	set, hash, zset, list := val.NewSet(d.Values()), val.NewHash(d.Values()), val.NewZSet(d.Values()), val.NewList(d.Values())
	is := intset.New(10)
	for i := range 3 {
		n := strconv.Itoa(i)
		set.Add([]byte(n))
		hash.Set([]byte("f"+n), []byte(n), val.NoExpiry)
		zset.Set([]byte("m"+n), float64(i)/2)
		list.Push(val.ListFill{Size: -2}, []byte(n), false)
		is, _ = intset.Add(is, int64(i))
	}
	same := map[string][]string{
		"set":  {packed(val.Set, "2", "1", "0"), rooted(val.Set, set.Root()), sum(d.SetPacked(s.Hash(key), key, val.Set, val.IntSet, is, keyspace.NoExpiry))},
		"hash": {packed(val.Hash, "f1", "1", "f0", "0", "f2", "2"), rooted(val.Hash, hash.Root())},
		"zset": {packed(val.ZSet, "m0", "0", "m1", "0.5", "m2", "1"), rooted(val.ZSet, zset.Root())},
		"list": {packed(val.List, "0", "1", "2"), rooted(val.List, list.Root())},
	}
	for what, sums := range same {
		for _, got := range sums {
			if got != sums[0] {
				t.Errorf("%s: %v", what, sums)
			}
		}
	}
	for _, other := range []string{packed(val.List, "1", "0", "2"), packed(val.Hash, "f1", "1", "f0", "0", "f2", "3"), packed(val.Set, "2", "1"), packed(val.ZSet, "m0", "0", "m1", "0.25", "m2", "1")} {
		for what, sums := range same {
			if other == sums[0] {
				t.Errorf("another collection has the fingerprint of the %s", what)
			}
		}
	}
}
