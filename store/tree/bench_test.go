package tree

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/larder-cache/larder/store/arena"
)

// filled is a sorted set's tree of n members with random scores.
func filled(b *testing.B, n int) (*world, []uint64, arena.Ref) {
	w := newWorld(b, b, Layout{KeyBytes: 8, Ties: true})
	b.Cleanup(w.close)
	r := rand.New(rand.NewPCG(1, 2))
	item := w.newRec(0)
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = r.Uint64()
		w.tree.Put(&w.env, Item{Key: Key{Hi: keys[i]}, Ref: item})
	}
	r.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	b.ResetTimer()
	return w, keys, item
}

func BenchmarkTree(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("Find/%d", n), func(b *testing.B) {
			w, keys, item := filled(b, n)
			var c Cursor
			for i := 0; b.Loop(); i++ {
				w.tree.Find(&w.env, &c, Key{Hi: keys[i%n]}, item)
			}
		})
		b.Run(fmt.Sprintf("Rank/%d", n), func(b *testing.B) {
			w, keys, item := filled(b, n)
			var c Cursor
			for i := 0; b.Loop(); i++ {
				w.tree.Find(&w.env, &c, Key{Hi: keys[i%n]}, item)
				c.Rank(&w.env)
			}
		})
		b.Run(fmt.Sprintf("At/%d", n), func(b *testing.B) {
			w, keys, _ := filled(b, n)
			var c Cursor
			for i := 0; b.Loop(); i++ {
				w.tree.At(&w.env, &c, int(keys[i%n]%uint64(n)))
			}
		})
		b.Run(fmt.Sprintf("Move/%d", n), func(b *testing.B) {
			w, keys, item := filled(b, n)
			var c Cursor
			for i := 0; b.Loop(); i++ {
				w.tree.Find(&w.env, &c, Key{Hi: keys[i%n]}, item)
				w.tree.Remove(&w.env, &c)
				keys[i%n] += uint64(i) << 40
				w.tree.Put(&w.env, Item{Key: Key{Hi: keys[i%n]}, Ref: item})
			}
		})
		b.Run(fmt.Sprintf("Next/%d", n), func(b *testing.B) {
			w, _, _ := filled(b, n)
			var c Cursor
			for b.Loop() {
				if !c.Next(&w.env) {
					w.tree.First(&w.env, &c)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	w := newWorld(b, b, Layout{Weighted: true})
	b.Cleanup(w.close)
	item := w.newRec(0)
	var c Cursor
	b.ResetTimer()
	for b.Loop() {
		w.tree.Insert(&w.env, &c, Item{Ref: item, Weight: 3})
		c.Next(&w.env)
	}
}
