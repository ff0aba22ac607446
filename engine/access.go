package engine

import (
	"math"

	"github.com/larder-cache/larder/store/keyspace"
)

// LFU implements spec.Engine.
func (x *Executor) LFU() bool { return x.mem.lfu }

// Frequency implements spec.Engine.
func (x *Executor) Frequency(e keyspace.Entry) int {
	return int(keyspace.LFUDecayed(e.LRU(), x.mem.minutes, x.mem.ev.LFUDecayMinutes))
}

// IdleSeconds implements spec.Engine.
func (x *Executor) IdleSeconds(e keyspace.Entry) int64 {
	return keyspace.IdleSeconds(e.LRU(), x.lruClock)
}

// SetAccess implements spec.Engine. What is longer ago than the clock can tell becomes the longest that it can.
func (x *Executor) SetAccess(e keyspace.Entry, n int64) {
	if x.mem.lfu {
		e.SetLRU(keyspace.LFUClock(x.mem.minutes, uint8(min(max(n, 0), math.MaxUint8))))
		return
	}
	e.SetLRU(keyspace.LRUClock(int64(x.lruClock) - min(max(n, 0), keyspace.MaxIdleSeconds)))
}

// SharesIntegers implements spec.Engine: not where each key needs its own access clock.
func (x *Executor) SharesIntegers() bool {
	ev := x.mem.ev
	return ev.Limit == 0 || !ev.Policy.lfu() && !ev.Policy.lru()
}
