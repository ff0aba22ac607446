package node

import (
	"context"
	"runtime/debug"
	"runtime/metrics"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
)

// TendHeap gives memory of Go's heap back to the system until ctx ends. The heap holds no data, but what passes through: a command
// or a reply of hundreds of megabytes is there once, and the collector, which starts when the heap has doubled, might not look
// for its remains for minutes after the last one. It is the process's, not a node's: package main runs it once.
func TendHeap(ctx context.Context, c clock.Clock) {
	t := c.NewTicker(limits.HeapLookEvery)
	defer t.Stop()
	h := heapTender{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		}
		if bytes := heapBytes(); h.due(bytes, c.MonoNanos()) {
			debug.FreeOSMemory() // collects first
			h.kept(bytes, heapBytes(), c.MonoNanos())
		}
	}
}

// heapTender decides when the heap is to be given back. Sizes are in bytes, times in nanoseconds.
type heapTender struct {
	least int64 // the smallest that the heap has been; 0: not looked at yet
	left  int64 // what it was when it had been given back last
	last  int64 // when that was
	wait  int64 // how long nothing is done since
}

// due reports whether the heap is so much bigger than it need be that one should look what of it is still in use: at once if it has
// grown by a lot, else after a wait, so that those who send one big value after the other are not slowed down.
func (h *heapTender) due(bytes, now int64) bool {
	if h.least == 0 {
		*h = heapTender{least: bytes, left: bytes, last: now, wait: int64(limits.HeapGiveBackEvery)}
	}
	h.least, h.left = min(h.least, bytes), min(h.left, bytes)
	return bytes-h.left >= limits.HeapGrowthAtOnceBytes || bytes-h.least >= limits.HeapGrowthBytes && now-h.last >= h.wait
}

// kept notes what was left of a heap. If that was most of it, it is in use, perhaps for long: the next look waits longer.
func (h *heapTender) kept(before, left, now int64) {
	h.wait = min(2*h.wait, int64(limits.HeapGiveBackWithin))
	if left-h.least < (before-h.least)/2 {
		h.wait = int64(limits.HeapGiveBackEvery)
	}
	h.left, h.last = left, now
}

// heapBytes is how much of Go's heap stands in the process's memory, used or not.
func heapBytes() (sum int64) {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	for _, v := range s {
		if v.Value.Kind() == metrics.KindUint64 {
			sum += int64(v.Value.Uint64())
		}
	}
	return sum
}
