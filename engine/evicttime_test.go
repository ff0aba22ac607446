package engine

import (
	"math"
	"testing"
	"time"
)

// TestTenacity: how long one command may evict grows with maxmemory-eviction-tenacity: in proportion up to 10, then by 15 % a step, at 100 without end.
func TestTenacity(t *testing.T) {
	for tenacity, want := range map[int]time.Duration{0: 0, 1: 50 * time.Microsecond, 10: 500 * time.Microsecond, 11: 575 * time.Microsecond, 99: 2 * time.Minute, 100: math.MaxInt64} {
		ev := Eviction{Tenacity: tenacity}
		if got := time.Duration(ev.nanos()); got < want-want/10 || got-want > want/10 {
			t.Errorf("at %d: %v, want about %v", tenacity, got, want)
		}
	}
}
