package collection_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

func newDB(t *testing.T) *keyspace.DB {
	t.Helper()
	a, err := arena.New(arena.Config{Reserve: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	space, err := keyspace.New(keyspace.Config{Shards: 1, Databases: 1, Arena: a, Seed: [2]uint64{1, 2}})
	if err != nil {
		t.Fatal(err)
	}

	return space.Shard(0).DB(0)
}

// TestScored: a set in any encoding reads as a sorted set with the score 1.
func TestScored(t *testing.T) {
	d := newDB(t)
	key := func(name string) collection.Key {
		return collection.Key{DB: d, Hash: d.Shard().Space().Hash([]byte(name)), Name: []byte(name)}
	}
	ints, words := intset.New(0), listpack.New(0)
	root := value.NewSet(d.Values())
	for _, n := range []int64{-5, 7, 300} {
		ints, _ = intset.Add(ints, n)
		words = listpack.Append(words, fmt.Append(nil, n))
		root.Add(fmt.Append(nil, n))
	}
	i, w, r := key("ints"), key("words"), key("root")
	d.SetPacked(i.Hash, i.Name, value.Set, value.IntSet, ints, keyspace.NoExpiry)
	d.SetPacked(w.Hash, w.Name, value.Set, value.ListPack, words, keyspace.NoExpiry)
	d.SetRoot(r.Hash, r.Name, value.Set, value.HashTable, root.Root(), keyspace.NoExpiry)
	for _, k := range []collection.Key{i, w, r} {
		var s collection.Scored
		if !s.Open(k, d.Find(k.Hash, k.Name)) || s.Len() != 3 {
			t.Fatalf("%s: %d members", k.Name, s.Len())
		}
		var got []string
		s.Each(func(member []byte, score float64) bool {
			if found, ok := s.Score(member); !ok || found != 1 || score != 1 {
				t.Errorf("%s: %s has the score %v, found %v, %v", k.Name, member, score, found, ok)
			}
			got = append(got, string(member))
			return true
		})
		if slices.Sort(got); !slices.Equal(got, []string{"-5", "300", "7"}) {
			t.Errorf("%s: %q", k.Name, got)
		}
		for _, none := range []string{"8", "07", "x", ""} {
			if _, ok := s.Score([]byte(none)); ok {
				t.Errorf("%s: %q is there", k.Name, none)
			}
		}
		n := 0
		if s.Each(func([]byte, float64) bool { n++; return false }); n != 1 {
			t.Errorf("%s: %d given after no", k.Name, n)
		}
	}
	str := key("str")
	d.SetText(str.Hash, str.Name, []byte("x"), keyspace.NoExpiry)
	if s := new(collection.Scored); s.Open(str, d.Find(str.Hash, str.Name)) {
		t.Error("a string is open")
	}
}

// TestStoreZSet: a sorted set takes the place of whatever was there, its expiry included, packed if it fits.
func TestStoreZSet(t *testing.T) {
	d := newDB(t)
	k := collection.Key{DB: d, Hash: d.Shard().Space().Hash([]byte("k")), Name: []byte("k")}
	for _, n := range []int{3, 200, 5} {
		d.SetText(k.Hash, k.Name, []byte("x"), 1<<40)
		var members []collection.ZMember
		for i := range n {
			members = append(members, collection.ZMember{Member: fmt.Append(nil, "m", i), Score: float64(i) / 2})
		}
		collection.StoreZSet(k, members)
		e := d.Find(k.Hash, k.Name)
		var z collection.ZSet
		z.Open(k, e)
		if e.Type() != value.ZSet || e.ExpireAt() != keyspace.NoExpiry || z.Packed() != (n < 128) || z.Len() != n {
			t.Fatalf("%d members: type %v, expiry %d, packed %v, %d there", n, e.Type(), e.ExpireAt(), z.Packed(), z.Len())
		}
		for rank, m := range members {
			if got, score, ok := z.Rank(m.Member); !ok || got != rank || score != m.Score {
				t.Fatalf("%s: %d, %v, %v", m.Member, got, score, ok)
			}
		}
	}
}

// TestFitsAtItsLimits: as many and as long as the limits allow is packed, one more is not.
func TestFitsAtItsLimits(t *testing.T) {
	d := newDB(t)
	lim := d.Shard().Space().Limits()
	pair := func(n int) (words [][]byte) {
		for i := range n {
			words = append(words, fmt.Append(nil, i), []byte("v"))
		}
		return words
	}
	long := func(n int) []byte { return make([]byte, n) }
	for _, tt := range []struct {
		what string
		fill func(k collection.Key, e keyspace.Entry)
		want value.Encoding
	}{
		{"members at the limit", func(k collection.Key, e keyspace.Entry) { zsetOf(k, e, lim.ZSetEntries, []byte("m")) }, value.ListPack},
		{"one member more", func(k collection.Key, e keyspace.Entry) { zsetOf(k, e, lim.ZSetEntries+1, []byte("m")) }, value.SkipList},
		{"a member at the limit", func(k collection.Key, e keyspace.Entry) { zsetOf(k, e, 1, long(lim.ZSetValueBytes)) }, value.ListPack},
		{"a member of a byte more", func(k collection.Key, e keyspace.Entry) { zsetOf(k, e, 1, long(lim.ZSetValueBytes+1)) }, value.SkipList},
		{"fields at the limit", func(k collection.Key, e keyspace.Entry) { hashOf(k, e, pair(lim.HashEntries)) }, value.ListPack},
		{"one field more", func(k collection.Key, e keyspace.Entry) { hashOf(k, e, pair(lim.HashEntries+1)) }, value.HashTable},
		{"a value at the limit", func(k collection.Key, e keyspace.Entry) {
			hashOf(k, e, [][]byte{[]byte("f"), long(lim.HashValueBytes)})
		}, value.ListPack},
		{"a value of a byte more", func(k collection.Key, e keyspace.Entry) {
			hashOf(k, e, [][]byte{[]byte("f"), long(lim.HashValueBytes + 1)})
		}, value.HashTable},
	} {
		k := collection.Key{DB: d, Hash: d.Shard().Space().Hash([]byte(tt.what)), Name: []byte(tt.what)}
		tt.fill(k, d.Find(k.Hash, k.Name))
		if got := d.Find(k.Hash, k.Name).Encoding(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}

// zsetOf makes a sorted set that is told of n members to come, of which it gets one.
func zsetOf(k collection.Key, e keyspace.Entry, n int, member []byte) {
	var z collection.ZSet
	z.Open(k, e)
	z.Fits(n, len(member))
	z.Set(member, 1)
	z.Commit()
}

// hashOf makes a hash that is told of all these fields and values, of which it gets the first.
func hashOf(k collection.Key, e keyspace.Entry, words [][]byte) {
	var h collection.Hash
	h.Open(k, e)
	h.Fits(words)
	h.Set(words[0], words[1])
	h.Commit()
}
