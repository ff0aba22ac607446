package engine

import (
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/keyspace"
)

// DefragSettings are activedefrag's parameters. Percentages are of used memory, and of one core's time.
type DefragSettings struct {
	IgnoreBytes  int64 // active-defrag-ignore-bytes: less than this is not worth the work
	Lower, Upper int   // active-defrag-threshold-lower and -upper, percent
	Min, Max     int   // active-defrag-cycle-min and -max, percent of a core at Lower and at Upper
}

// Defragger moves what lies alone in runs of memory together, so that the runs become free. It holds one shard at a time, and goes by position, so that snapshots
// and scans are not disturbed. One goroutine uses it; the counters are for all.
type Defragger struct {
	e         *Engine
	shard, db int
	pos       uint64
	frag      int64        // bytes that were fragmentation at the last Decide
	percent   atomic.Int32 // of a core's time; 0: not running

	hits, misses, keyHits, keyMisses atomic.Uint64
	// since is when the present run began, monotonic ns, 0 if there is none; total is the time of those before.
	since, total atomic.Int64
}

// NewDefragger makes the defragmentation of an engine. Only one is to be used.
func (e *Engine) NewDefragger() *Defragger { return &Defragger{e: e} }

// Fragmentation is how many bytes moving could free, at most. It takes each shard's lock for a moment.
func (e *Engine) Fragmentation() (bytes int64) {
	e.EachShard(func(s *keyspace.Shard) bool { bytes += s.Fragmentation(); return true })
	return bytes
}

// Decide begins, goes on with or ends a run: how much there is to win decides, and how much work it may be.
func (d *Defragger) Decide(s DefragSettings) {
	d.frag = d.e.Fragmentation()
	d.Reconsider(s)
}

// Reconsider is Decide by what was found last time, for settings that may have changed.
func (d *Defragger) Reconsider(s DefragSettings) {
	d.setPercent(s.percent(d.frag, d.e.Space.Arena().Used()))
}

// Stop ends a run.
func (d *Defragger) Stop() { d.setPercent(0) }

func (d *Defragger) setPercent(p int) {
	was := d.percent.Swap(int32(p))
	switch now := d.e.Clock.MonoNanos(); {
	case was == 0 && p > 0:
		d.since.Store(max(now, 1))
	case was > 0 && p == 0:
		d.total.Add(now - d.since.Swap(0))
	}
}

// percent is how much of a core's time a run may take, 0 if there is none to be. frag of used bytes are fragmentation.
func (s *DefragSettings) percent(frag, used int64) int {
	pct := int(frag * 100 / max(used, 1))
	if frag < s.IgnoreBytes || pct < s.Lower {
		return 0
	}
	low, high := s.Min, max(s.Min, s.Max)
	if pct >= s.Upper || s.Upper <= s.Lower {
		return high
	}
	return low + (pct-s.Lower)*(high-low)/(s.Upper-s.Lower)
}

// Percent is the share of a core's time that the present run may take; 0 if there is none.
func (d *Defragger) Percent() int { return int(d.percent.Load()) }

// Step goes on for as long as a shard may be held (limits.DefragLockHold), and reports whether that ended a pass over all keys.
func (d *Defragger) Step() (passed bool) {
	passed = d.place()
	var sum keyspace.Defragged
	d.e.WithShard(d.shard, func(s *keyspace.Shard) {
		if !s.Used(d.db) {
			return
		}
		db, until := s.DB(d.db), d.e.Clock.MonoNanos()+int64(limits.DefragLockHold)
		for d.e.Clock.MonoNanos() < until {
			r := db.Defrag(d.pos)
			sum.Hits, sum.Misses = sum.Hits+r.Hits, sum.Misses+r.Misses
			sum.KeyHits, sum.KeyMisses = sum.KeyHits+r.KeyHits, sum.KeyMisses+r.KeyMisses
			if d.pos = r.Next; d.pos == 0 {
				return
			}
		}
	})
	d.hits.Add(uint64(sum.Hits))
	d.misses.Add(uint64(sum.Misses))
	d.keyHits.Add(uint64(sum.KeyHits))
	d.keyMisses.Add(uint64(sum.KeyMisses))
	return passed
}

// place goes to the next database or shard if the last one is through, and reports whether that was the last of all.
func (d *Defragger) place() (passed bool) {
	if d.pos != 0 {
		return false
	}
	if d.db++; d.db < d.e.Space.Databases() {
		return false
	}
	d.db = 0
	if d.shard++; d.shard < len(d.e.shards) {
		return false
	}
	d.shard = 0
	return true
}

// DefragStats is a reading of the counters.
type DefragStats struct {
	Hits, Misses       uint64 // blocks that were moved, and that were looked at and left
	KeyHits, KeyMisses uint64 // keys of which something was moved, and the others
	Nanos, TotalNanos  int64  // how long the present run has been going on, and all of them
}

// Stats reads the counters.
func (d *Defragger) Stats() DefragStats {
	s := DefragStats{Hits: d.hits.Load(), Misses: d.misses.Load(), KeyHits: d.keyHits.Load(), KeyMisses: d.keyMisses.Load(), TotalNanos: d.total.Load()}
	if since := d.since.Load(); since != 0 {
		s.Nanos = d.e.Clock.MonoNanos() - since
		s.TotalNanos += s.Nanos
	}
	return s
}

// ResetStats is CONFIG RESETSTAT.
func (d *Defragger) ResetStats() {
	for _, a := range []*atomic.Uint64{&d.hits, &d.misses, &d.keyHits, &d.keyMisses} {
		a.Store(0)
	}
	d.total.Store(0)
}
