package engine

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

// TestHistogramBuckets: every time is in a bucket whose top is at most a sixteenth above it, and buckets are in order.
func TestHistogramBuckets(t *testing.T) {
	last := -1
	for v := int64(1); v < 1<<12; v++ {
		i := histBucket(v)
		if i != last && i != last+1 && last >= 0 {
			t.Fatalf("%d ns: bucket %d after %d", v, i, last)
		}
		last = i
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		v := r.Int64N(histMaxNs) + 1
		top := histTop(histBucket(v))
		if top < v || top > v+v/histSub {
			t.Fatalf("%d ns is in a bucket up to %d", v, top)
		}
	}
	for _, v := range []int64{-5, 0, histMaxNs, histMaxNs + 1, 1 << 62} {
		if i := histBucket(v); i < 0 || i >= histBuckets {
			t.Errorf("%d ns: bucket %d of %d", v, i, histBuckets)
		}
	}
}

func TestPercentiles(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	l, times := &Latencies{}, make([]int64, 10_000)
	for i := range times {
		times[i] = r.Int64N(1 << (4 + r.IntN(24)))
		l.counts[histBucket(times[i])]++
		l.Calls++
	}
	slices.Sort(times)
	for _, p := range []float64{0, 1, 50, 90, 99, 99.9, 100} {
		want := times[min(max(int(p/100*float64(len(times))+0.5), 1), len(times))-1]
		if got := l.Percentile(p); got < want || got > want+want/8+1 {
			t.Errorf("p%v is %d ns, want %d", p, got, want)
		}
	}
	micros, calls := l.cumulative()
	if !slices.IsSorted(micros) || !slices.IsSorted(calls) || calls[len(calls)-1] != l.Calls {
		t.Errorf("cumulative: %v %v", micros, calls)
	}
	for i, us := range micros {
		below := uint64(0)
		for _, v := range times {
			if v <= us*1000 {
				below++
			}
		}
		if calls[i] > below+below/8+50 {
			t.Errorf("%d calls are said to take at most %d µs, and %d do", calls[i], us, below)
		}
	}
}

// TestPendingTimes: what a turn holds back is in the histograms when it ends, each time once, whatever shares a slot.
func TestPendingTimes(t *testing.T) {
	const commands = 5
	held, direct := &histograms{of: make([]atomic.Pointer[histogram], commands)}, &histograms{of: make([]atomic.Pointer[histogram], commands)}
	r, p := rand.New(rand.NewPCG(5, 6)), &pendingTimes{}
	for range 20_000 {
		id, ns := r.IntN(commands), r.Int64N(1<<(4+r.IntN(24)))
		p.count(held, id, ns, 1)
		direct.record(id, histBucket(ns), 1)
		if r.IntN(100) == 0 {
			p.flush(held)
		}
	}
	p.flush(held)
	for id := range commands {
		for i := range histBuckets {
			if got, want := held.of[id].Load().n[i].Load(), direct.of[id].Load().n[i].Load(); got != want {
				t.Fatalf("command %d, bucket %d: %d times, want %d", id, i, got, want)
			}
		}
	}
	if p.used != 0 {
		t.Error("something is held back after a flush")
	}
}
