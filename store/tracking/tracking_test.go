package tracking_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/tracking"
)

// fixture is a table with a heap that is held, and the hash of its keys: one with many collisions, as its lower bits alone vary.
func fixture(t *testing.T, hash func([]byte) uint64) (*tracking.Table, *arena.Arena) {
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
	h := a.NewHeap()
	h.Lock()
	t.Cleanup(h.Unlock)
	return tracking.New(a, h, hash), a
}

func spread(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h * 0x9e3779b97f4a7c15
}

func alive(int64) bool { return true }

// TestAgainstTwin does random things to a table and to a map of maps.
func TestAgainstTwin(t *testing.T) {
	for name, hash := range map[string]func([]byte) uint64{"spread": spread, "colliding": func(k []byte) uint64 { return spread(k) >> 60 }} {
		t.Run(name, func(t *testing.T) {
			table, a := fixture(t, hash)
			twin, items := map[string]map[int64]bool{}, 0
			rng := rand.New(rand.NewPCG(1, 2))
			for range 10_000 {
				k := fmt.Sprintf("%s%d", strings.Repeat("k", rng.IntN(20)), rng.IntN(40))
				if rng.IntN(8) == 0 {
					got := table.Take(hash([]byte(k)), []byte(k), nil)
					if want := slices.Sorted(maps.Keys(twin[k])); !slices.Equal(got, want) {
						t.Fatalf("ids of %s: %v, want %v", k, got, want)
					}
					items -= len(got)
					delete(twin, k)
				} else {
					id := int64(rng.IntN(60))
					newKey, newID, dropped := table.Add(hash([]byte(k)), []byte(k), id, alive)
					if newKey != (twin[k] == nil) || newID == twin[k][id] || dropped != 0 {
						t.Fatalf("adding %d to %s: %v %v %d", id, k, newKey, newID, dropped)
					}
					if twin[k] == nil {
						twin[k] = map[int64]bool{}
					}
					if newID {
						items++
					}
					twin[k][id] = true
				}
				if table.Len() != len(twin) || table.Items() != items {
					t.Fatalf("%d keys and %d ids, want %d and %d", table.Len(), table.Items(), len(twin), items)
				}
			}
			for !table.FreeSome(7) {
			}
			if table.Len() != 0 || table.Items() != 0 || a.Used() != 0 {
				t.Errorf("%d keys, %d ids, %d bytes are left", table.Len(), table.Items(), a.Used())
			}
		})
	}
}

// TestDeadIDsMakeRoom: a key whose clients come and go does not grow for ever.
func TestDeadIDsMakeRoom(t *testing.T) {
	table, a := fixture(t, spread)
	key := []byte("popular")
	for id := range int64(20_000) {
		table.Add(spread(key), key, id, func(old int64) bool { return old > id-10 })
	}
	if used := a.Used(); used > 2000 {
		t.Errorf("%d bytes for a key of ten living clients", used)
	}
	ids := table.Take(spread(key), key, nil)
	if len(ids) < 10 || !slices.IsSorted(ids) || ids[len(ids)-1] != 19_999 {
		t.Errorf("ids: %v", ids)
	}
	if table.Items() != 0 {
		t.Errorf("%d ids are counted in an empty table", table.Items())
	}
}

func TestRandom(t *testing.T) {
	table, _ := fixture(t, spread)
	rng := rand.New(rand.NewPCG(3, 4))
	if _, ok := table.Random(nil, rng.Uint64); ok {
		t.Fatal("an empty table has a key")
	}
	for i := range 50 {
		k := fmt.Appendf(nil, "key:%d", i)
		table.Add(spread(k), k, 1, alive)
	}
	seen := map[string]int{}
	for range 5000 {
		k, _ := table.Random(nil, rng.Uint64)
		seen[string(k)]++
	}
	for k, n := range seen {
		if n < 30 || n > 300 {
			t.Errorf("%s was picked %d times of 5000", k, n)
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d of 50 keys were picked", len(seen))
	}
}
