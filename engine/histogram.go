package engine

import (
	"math/bits"
	"sync/atomic"

	"github.com/larder-cache/larder/commands/spec"
)

// Each command's times are counted in a histogram whose buckets are 1/16 of a power of two wide, from 1 ns to a second and
// what is more than that in the last. Executors share a few stripes of them, so that two loops seldom write the same line.

const (
	histSub     = 16 // buckets a power of two
	histMaxNs   = 1e9
	histBuckets = 27 * histSub
	histStripes = 8
)

type histogram struct {
	n [histBuckets]atomic.Uint64
}

// histograms are one stripe: by command ID, made on first use.
type histograms struct {
	of []atomic.Pointer[histogram]
	_  [40]byte
}

// histBucket is the bucket of a time.
func histBucket(ns int64) int {
	v := uint64(min(max(ns, 1), histMaxNs))
	if v < histSub {
		return int(v)
	}
	e := bits.Len64(v) - 5
	return e*histSub + int(v>>e)
}

// histTop is the longest time in a bucket, ns.
func histTop(i int) int64 {
	if i < histSub {
		return int64(i)
	}
	e := i/histSub - 1
	return int64(i-e*histSub+1)<<e - 1
}

// record counts n times of a bucket.
func (s *histograms) record(id, bucket int, n uint64) {
	h := s.of[id].Load()
	if h == nil {
		h = new(histogram)
		if !s.of[id].CompareAndSwap(nil, h) {
			if h = s.of[id].Load(); h == nil {
				return // CONFIG RESETSTAT came in between
			}
		}
	}
	h.n[bucket].Add(n)
}

// pendingSlots is how many counts a turn holds back: a power of two, and no more than the bits of pendingTimes.used.
const pendingSlots = 64

// pendingTimes are counts that an executor keeps for itself until its turn ends, as the times of one turn's commands fall into few
// buckets and an atomic addition costs as much as a good part of a GET.
type pendingTimes struct {
	used  uint64 // a bit for each slot with something in it
	slots [pendingSlots]struct{ id, bucket, n uint32 }
}

// count holds n equal times back. What another bucket has in its slot goes to the histograms.
func (p *pendingTimes) count(to *histograms, id int, ns, n int64) {
	bucket := histBucket(ns)
	i := uint(bucket+id*7) % pendingSlots
	s := &p.slots[i]
	if s.id != uint32(id) || s.bucket != uint32(bucket) {
		if s.n > 0 {
			to.record(int(s.id), int(s.bucket), uint64(s.n))
		}
		s.id, s.bucket, s.n = uint32(id), uint32(bucket), 0
	}
	s.n += uint32(n)
	p.used |= 1 << i
}

// flush hands all that is held back to the histograms.
func (p *pendingTimes) flush(to *histograms) {
	for ; p.used != 0; p.used &= p.used - 1 {
		s := &p.slots[bits.TrailingZeros64(p.used)]
		to.record(int(s.id), int(s.bucket), uint64(s.n))
		s.n = 0
	}
}

// Latencies is a reading of a command's histogram.
type Latencies struct {
	Command *spec.Command
	Calls   uint64
	counts  [histBuckets]uint64
}

// Latencies reads the histograms of all commands that were called while latency tracking was on, by ID.
func (e *Engine) Latencies() []*Latencies {
	var out []*Latencies
	for id := range e.Table.Len() {
		if l := e.latenciesOf(id); l != nil {
			out = append(out, l)
		}
	}
	return out
}

func (e *Engine) latenciesOf(id int) *Latencies {
	var l *Latencies
	for s := range e.hists {
		h := e.hists[s].of[id].Load()
		if h == nil {
			continue
		}
		if l == nil {
			l = &Latencies{Command: e.Table.ByID(id)}
		}
		for i := range h.n {
			n := h.n[i].Load()
			l.counts[i] += n
			l.Calls += n
		}
	}
	if l == nil || l.Calls == 0 {
		return nil
	}
	return l
}

// Percentile is the time in ns that p percent of the calls did not exceed, to a sixteenth.
func (l *Latencies) Percentile(p float64) int64 {
	want := uint64(p/100*float64(l.Calls) + 0.5)
	want = min(max(want, 1), l.Calls)
	var sum uint64
	for i, n := range l.counts {
		if sum += n; sum >= want {
			return histTop(i)
		}
	}
	return histMaxNs
}

// cumulative lists how many calls took at most so many µs, for each power of two that adds some: 1, 2, 4, … as LATENCY HISTOGRAM
// names them, which are the tops of buckets that are a 128th wide.
func (l *Latencies) cumulative() (micros []int64, calls []uint64) {
	var sum, told uint64
	level := int64(1024)
	for i, n := range l.counts {
		if n == 0 {
			continue
		}
		for histTop(i) >= level+level/histSub && sum < l.Calls {
			if sum > told {
				micros, calls, told = append(micros, (level+level/128-1)/1000), append(calls, sum), sum
			}
			level *= 2
		}
		sum += n
	}
	return append(micros, (level+level/128-1)/1000), append(calls, sum)
}

func (e *Engine) resetHistograms() {
	for s := range e.hists {
		for i := range e.hists[s].of {
			e.hists[s].of[i].Store(nil)
		}
	}
}
