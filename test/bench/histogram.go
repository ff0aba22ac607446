package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets 1.6 % wide.
type histogram struct {
	counts [64 * subBuckets]uint64
	total  uint64
}

// subBuckets divide each power of two.
const (
	subBits    = 6
	subBuckets = 1 << subBits
)

// bucket is where a duration of ns nanoseconds is counted.
func bucket(ns uint64) int {
	if ns < subBuckets {
		return int(ns)
	}
	exp := bits.Len64(ns) - 1 - subBits
	return (exp+1)<<subBits + int(ns>>exp)&(subBuckets-1)
}

// floor is the shortest duration of a bucket, in nanoseconds.
func floor(b int) uint64 {
	if b < subBuckets {
		return uint64(b)
	}
	exp := b>>subBits - 1
	return uint64(subBuckets+b&(subBuckets-1)) << exp
}

// add counts n durations.
func (h *histogram) add(d time.Duration, n int) {
	h.counts[bucket(uint64(max(d, 0)))] += uint64(n)
	h.total += uint64(n)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

// longest is the longest duration, but for a bucket's width.
func (h *histogram) longest() time.Duration { return h.quantile(1 - 1e-15) }

// quantile is the duration that a share q of all does not exceed, but for a bucket's width.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.total)), uint64(0)
	for i, n := range h.counts {
		if seen += n; n > 0 && seen > rank {
			return time.Duration(floor(i))
		}
	}
	return 0
}
