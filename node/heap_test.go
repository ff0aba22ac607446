package node

import (
	"testing"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// TestHeapTender: growth is looked at once a second, a lot of it at once; what is in use is not looked at again and again.
func TestHeapTender(t *testing.T) {
	const base, some, lot = 10 << 20, limits.HeapGrowthBytes, limits.HeapGrowthAtOnceBytes
	sec := int64(time.Second)
	h := heapTender{}
	for i, step := range []struct {
		bytes, at int64
		due       bool
		left      int64
	}{
		{bytes: base, at: 5 * sec},
		{bytes: base + some, at: 5*sec + sec/2},
		{bytes: base + some, at: 6 * sec, due: true, left: base},
		{bytes: base + lot, at: 6*sec + 1, due: true, left: base + lot},
		{bytes: base + lot, at: 7*sec + 1}, // it is in use: the wait is longer
		{bytes: base + lot, at: 8*sec + 1, due: true, left: base + lot},
		{bytes: base + lot, at: 11 * sec},
		{bytes: base + lot, at: 12*sec + 1, due: true, left: base}, // that it is no longer in use does not show in its size
		{bytes: base + some, at: 13*sec + 1, due: true, left: base},
	} {
		if due := h.due(step.bytes, step.at); due != step.due {
			t.Fatalf("step %d: %v", i, due)
		}
		if step.due {
			h.kept(step.bytes, step.left, step.at)
		}
	}
}
