package keyspace

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestIdleSeconds(t *testing.T) {
	for _, tt := range []struct {
		clock, now uint32
		want       int64
	}{
		{100, 100, 0}, {100, 175, 75}, {clockMask, 9, 10}, // the clock began anew
		{101, 100, 0}, {160, 100, 0}, // set by a loop whose time is ahead
		{162, 100, clockMask - 61},
	} {
		if got := IdleSeconds(tt.clock, tt.now); got != tt.want {
			t.Errorf("idle from %d to %d: %d, want %d", tt.clock, tt.now, got, tt.want)
		}
	}
	if got := LRUClock(1<<24 + 7); got != 7 {
		t.Errorf("clock %d", got)
	}
}

func TestLFUDecayed(t *testing.T) {
	for _, tt := range []struct {
		counter  uint8
		set, now uint16
		decay    int
		want     uint8
	}{
		{10, 50, 50, 1, 10}, {10, 50, 53, 1, 7}, {10, 50, 53, 2, 9}, {10, 50, 500, 1, 0}, {10, 50, 500, 0, 10},
		{200, math.MaxUint16, 4, 1, 195}, // the minutes began anew
		{10, 51, 50, 1, 10},              // set by a loop whose time is ahead
	} {
		if got := LFUDecayed(LFUClock(tt.set, tt.counter), tt.now, tt.decay); got != tt.want {
			t.Errorf("%d set at %d, at %d, decay %d: %d, want %d", tt.counter, tt.set, tt.now, tt.decay, got, tt.want)
		}
	}
}

// TestLFUCounter compares the mean counter after a number of accesses with the table in redis.conf (its rows for factor 0, 1, 10 and 100).
func TestLFUCounter(t *testing.T) {
	r := newRand(3)
	for _, tt := range []struct {
		factor, hits int
		low, high    float64
	}{
		{0, 100, 104, 106}, {0, 1000, 255, 255}, {1, 100, 17, 20}, {1, 1000, 46, 52}, {10, 100, 9, 11}, {10, 1000, 17, 20}, {100, 100, 6, 9}, {100, 1000, 9, 12},
	} {
		sum := 0
		const runs = 200
		for range runs {
			clock := LFUClock(7, LFUInitial)
			for range tt.hits {
				clock = LFUTouched(clock, 7, 1, tt.factor, r.Float64())
			}
			sum += int(LFUDecayed(clock, 7, 1))
		}
		if mean := float64(sum) / runs; mean < tt.low || mean > tt.high {
			t.Errorf("factor %d after %d accesses: %.1f, want %v to %v", tt.factor, tt.hits, mean, tt.low, tt.high)
		}
	}
	if got := LFUIncremented(255, 0, 0); got != 255 {
		t.Errorf("above 255: %d", got)
	}
}

// TestWalkHeld: a value that is overwritten while a walk still needs it counts as held until the walk has taken it, however often it is shared.
func TestWalkHeld(t *testing.T) {
	w := newTwin(t, t, 1, 1, 1)
	defer w.s.Arena().Close()
	val := []byte(strings.Repeat("v", 5000))
	sh := w.s.Shard(0)
	held := func(what string, blocks int64) {
		t.Helper()
		if got, want := w.s.WalkHeld(), blocks*int64(w.s.Arena().Size(sh.heap.Alloc(blockHead+len(val)))); got != want {
			t.Errorf("%s: %d bytes are held for walks, want %d", what, got, want)
		}
	}
	w.all(func() {
		d := sh.DB(0)
		key := func(i int) (uint64, []byte) { k := []byte(fmt.Sprint("k", i)); return w.s.Hash(k), k }
		for i := range 8 {
			h, k := key(i)
			d.SetString(h, k, val, NoExpiry)
		}
		h0, k0 := key(0)
		h9, k9 := key(9)
		d.Copy(d.Find(h0, k0), h9, k9)
		first, err := NewWalk(w.s)
		if err != nil {
			t.Fatal(err)
		}
		second, err := NewWalk(w.s)
		if err != nil {
			t.Fatal(err)
		}
		held("before any write", 0)
		d.SetString(h0, k0, []byte("new"), NoExpiry)
		held("a copy is left", 0)
		d.Delete(h9, k9)
		held("only walks are left", 1)
		h1, k1 := key(1)
		d.DeleteLazy(h1, k1)
		held("two", 2)
		for !first.Step(0, 0, 1<<20, func(*Item) {}) {
		}
		held("one walk is over", 2)
		second.Close()
		held("both are", 0)
	})
}

func TestSampleKeys(t *testing.T) {
	w := newTwin(t, t, 1, 1, 1)
	defer w.s.Arena().Close()
	w.all(func() {
		d := w.s.Shard(0).DB(0)
		for i := range 1000 {
			k := []byte(fmt.Sprint(i))
			at := int64(NoExpiry)
			if i%100 == 0 {
				at = 5000
			}
			d.SetString(w.s.Hash(k), k, k, at)
		}
		if all, volatile := w.s.Shard(0).Evictable(false), w.s.Shard(0).Evictable(true); all != 1000 || volatile != 10 {
			t.Errorf("%d evictable, %d volatile", all, volatile)
		}
		seen := map[string]bool{}
		for range 500 {
			d.Sample(w.rnd.Uint64(), 5, true, func(e Entry) {
				if e.ExpireAt() != 5000 || e.Hash() != w.s.Hash(e.Key()) {
					t.Fatalf("%q expires at %d", e.Key(), e.ExpireAt())
				}
				seen[string(e.Key())] = true
			})
		}
		if len(seen) != 10 {
			t.Errorf("%d volatile keys were sampled", len(seen))
		}
	})
}
