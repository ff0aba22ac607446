package engine

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// Sizes of the engine's biggest structures, in bytes, for DEBUG STRUCTSIZE.
const (
	SizeOfClient   = int(unsafe.Sizeof(Client{}))
	SizeOfExecutor = int(unsafe.Sizeof(Executor{}))
)

// sleep is DEBUG SLEEP: while it lasts no executor begins a turn, and every shard is held.
type sleep struct {
	until atomic.Pointer[chan struct{}] // closed at the end of the sleep that is going on; nil while there is none
	mu    sync.Mutex                    // held by the one who sleeps
}

// Sleep runs fn, which takes its time, while nothing else runs: commands with keys wait for their shards, all others for their
// loop's next turn. The caller holds no shard, or, with held, every one.
func (e *Engine) Sleep(held bool, fn func()) {
	// Who holds the shards must not wait for one who sleeps next, as that one waits for the shards.
	if !e.sleep.mu.TryLock() {
		if held {
			fn()
			return
		}
		e.sleep.mu.Lock()
	}
	defer e.sleep.mu.Unlock()
	end := make(chan struct{})
	e.sleep.until.Store(&end)
	defer func() {
		e.sleep.until.Store(nil)
		close(end)
	}()
	if held {
		fn()
		return
	}
	e.Barrier(fn)
}

// Asleep reports whether DEBUG SLEEP is going on: what is done by the clock rests too.
func (e *Engine) Asleep() bool { return e.sleep.until.Load() != nil }
