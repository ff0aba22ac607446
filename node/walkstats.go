package node

import (
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// walkStats are what the walkers of snapshots have cost since CONFIG RESETSTAT, for INFO: how often they held a shard, for how long
// altogether and at most, how often longer than limits.WalkerLockHold (the kernel may take the processor away meanwhile), and for how long
// they were at work, walking and writing.
type walkStats struct {
	holds, long   atomic.Int64
	held, longest atomic.Int64 // ns
	worked        atomic.Int64 // ns
}

func (s *walkStats) hold(d time.Duration) {
	s.holds.Add(1)
	if d > limits.WalkerLockHold {
		s.long.Add(1)
	}
	s.held.Add(int64(d))
	for old := s.longest.Load(); int64(d) > old && !s.longest.CompareAndSwap(old, int64(d)); old = s.longest.Load() {
	}
}

func (s *walkStats) reset() {
	s.holds.Store(0)
	s.long.Store(0)
	s.held.Store(0)
	s.longest.Store(0)
	s.worked.Store(0)
}
