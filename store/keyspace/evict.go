package keyspace

import (
	"math"

	"github.com/larder-cache/larder/store/arena"
)

// An entry's access clock is 24 bits. Under an LRU policy (and under those that look at neither) it is the second of the last access; under an LFU policy
// the minute of the last access in its high 16 bits and a logarithmic counter of accesses in its low 8. Nothing says which: after a change of
// policy old clocks are taken for what they are not until their keys are used again, as in Redis.

// LFUInitial is the counter of a new key: high enough that it gets the chance to be used before it is evicted.
const LFUInitial = 5

// clockAheadSeconds and clockAheadMinutes are how far a clock may be ahead of the reader's and yet mean "now": every loop reads the time for itself.
const (
	clockAheadSeconds = 60
	clockAheadMinutes = 1
)

// MaxIdleSeconds is the longest time that IdleSeconds can tell.
const MaxIdleSeconds = clockMask - clockAheadSeconds

// LRUClock is the access clock at a time, in seconds since 1970.
func LRUClock(unixSeconds int64) uint32 { return uint32(unixSeconds & clockMask) }

// IdleSeconds is how long ago an LRU clock was set: up to 194 days, after which it begins anew.
func IdleSeconds(clock, now uint32) int64 {
	idle := (now - clock) & clockMask
	if idle > MaxIdleSeconds {
		return 0
	}
	return int64(idle)
}

// LFUMinutes is the time of an LFU clock at a time in seconds since 1970.
func LFUMinutes(unixSeconds int64) uint16 { return uint16(unixSeconds / 60) }

// LFUClock is an LFU clock of its two parts.
func LFUClock(minutes uint16, counter uint8) uint32 { return uint32(minutes)<<8 | uint32(counter) }

// LFUDecayed is an LFU clock's counter at a time: one less for each decayMinutes without an access. 0 means that nothing decays.
func LFUDecayed(clock uint32, minutes uint16, decayMinutes int) uint8 {
	counter, elapsed := uint8(clock), minutes-uint16(clock>>8)
	if decayMinutes <= 0 || elapsed > math.MaxUint16-clockAheadMinutes {
		return counter
	}
	return counter - uint8(min(int(elapsed)/decayMinutes, int(counter)))
}

// LFUIncremented is a counter after an access: one more with a chance of 1 to (counter − LFUInitial) × factor + 1, never above 255. chance is from 0 up to, not including, 1.
func LFUIncremented(counter uint8, factor int, chance float64) uint8 {
	if counter == math.MaxUint8 {
		return counter
	}
	above := max(float64(counter)-LFUInitial, 0)
	if chance < 1/(above*float64(factor)+1) {
		counter++
	}
	return counter
}

// LFUTouched is an LFU clock after an access.
func LFUTouched(clock uint32, minutes uint16, decayMinutes, factor int, chance float64) uint32 {
	return LFUClock(minutes, LFUIncremented(LFUDecayed(clock, minutes, decayMinutes), factor, chance))
}

// Sample gives fn up to n keys that follow a random position (r: 64 random bits), with volatile only such as have an expiry. It returns how many it gave and how
// many of the index's buckets it looked at: volatile keys are found without going through the others. fn must not change the shard.
func (d *DB) Sample(r uint64, n int, volatile bool, fn func(Entry)) (got, looked int) {
	return d.root.dict.Sample(&d.shard.env, r, n, volatile, func(ref arena.Ref) { fn(d.entry(ref)) })
}

// Evictable is how many keys of all databases can be evicted: all, or with volatile those that have an expiry.
func (sh *Shard) Evictable(volatile bool) (n int) {
	for _, d := range sh.dbs {
		if d != nil {
			n += d.Evictable(volatile)
		}
	}
	return n
}

// Evictable is how many keys can be evicted: all, or with volatile those that have an expiry.
func (d *DB) Evictable(volatile bool) int {
	if volatile {
		return d.Volatile()
	}
	return d.Len()
}

// EachUsed calls fn for each database that has been used in the shard, until fn says no.
func (sh *Shard) EachUsed(fn func(*DB) bool) {
	for _, d := range sh.dbs {
		if d != nil && !fn(d) {
			return
		}
	}
}

// Hash is the hash of the key, for the calls that take one.
func (e Entry) Hash() uint64 { return e.db.shard.space.Hash(e.Key()) }
