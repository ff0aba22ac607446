package engine

import "github.com/larder-cache/larder/store/keyspace"

// clockMask: access clocks are 24 bits of seconds, which begin anew after half a year.
const clockMask = 1<<24 - 1

// clockAhead is by how many seconds a key's clock, which another loop has set, may be ahead of this one's, read when its turn began.
const clockAhead = 60

// LFU implements spec.Engine.
func (x *Executor) LFU() bool { return false }

// Frequency implements spec.Engine.
func (x *Executor) Frequency(keyspace.Entry) int { return 0 }

// IdleSeconds implements spec.Engine.
func (x *Executor) IdleSeconds(e keyspace.Entry) int64 {
	idle := (x.lruClock - e.LRU()) & clockMask
	if idle > clockMask-clockAhead {
		return 0
	}
	return int64(idle)
}

// SetAccess implements spec.Engine. What is longer ago than the clock can tell becomes the longest that it can.
func (x *Executor) SetAccess(e keyspace.Entry, n int64) {
	n = min(max(n, 0), clockMask-clockAhead)
	e.SetLRU((x.lruClock - uint32(n)) & clockMask)
}

// SharesIntegers implements spec.Engine.
func (x *Executor) SharesIntegers() bool { return true }
