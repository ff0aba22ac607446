package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/keyspace"
)

// holdsWrites are the gate bits by which writes wait, beside a pause.
const holdsWrites = GateHoldWrites | GatePreImages

// HoldWritesLocked makes writes wait, or lets them go on: a failover's pause, which CLIENT UNPAUSE does not end. The caller holds all
// shards, so no write that began before is still running, but for those of the transaction that the caller may be part of.
func (e *Engine) HoldWritesLocked(on bool) {
	if on {
		e.SetGateLocked(GateHoldWrites, 0)
		return
	}
	e.SetGateLocked(0, GateHoldWrites)
	e.resumeParked()
}

// slowing is what makes writes slow: each waits until that is over, or for so long as it says. So they are no faster than a disk or a replica that takes what they leave
// behind, and one that takes nothing for a while does not stop them as long as there is room.
type slowing struct {
	mu       sync.Mutex // held while anything here changes, and the gate with it
	pressure keyspace.Pressure
	lag      time.Duration
	wait     atomic.Int64  // ns
	pressed  atomic.Bool   // for snapshots to take their pre-images
	wake     chan struct{} // a message: writes begin to wait
}

// preImagePressure is keyspace.Space's notice. Some shard is held, so there is no barrier: a write that is running may add one more
// image to the queue, which is what its bounds allow for.
func (e *Engine) preImagePressure(p keyspace.Pressure) {
	e.slowDown(func(s *slowing) { s.pressure = p })
}

// SlowForReplicas makes each write wait, at most limits.SlowWriteWait, as the stream piles up of a replica that gets a snapshot; 0: no longer.
func (e *Engine) SlowForReplicas(wait time.Duration) {
	e.slowDown(func(s *slowing) { s.lag = wait })
}

func (e *Engine) slowDown(change func(*slowing)) {
	s := &e.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
	wait, gate := s.lag, Gate(0)
	if s.pressure != keyspace.Easy {
		wait = limits.SlowWriteWait
	}
	if wait > 0 {
		gate = GateSlowWrites
	}
	if s.pressure == keyspace.Full {
		gate |= GatePreImages
	}
	s.wait.Store(int64(wait))
	s.pressed.Store(s.pressure != keyspace.Easy)
	was := e.Gate() & (GateSlowWrites | GatePreImages)
	e.changeGate(gate, (GateSlowWrites|GatePreImages)&^gate)
	switch {
	case gate == was:
		return
	case gate == 0:
		e.resumeParked()
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // somebody is about to look already
	}
}

// WritesWait reports whether writes wait for snapshots to take their pre-images, be it only for a little while.
func (e *Engine) WritesWait() bool { return e.slow.pressed.Load() }

// SlowWrites gets a message when writes begin to wait: PaceWrites is to be called every limits.SlowWriteLook then, until it says that they no longer do.
func (e *Engine) SlowWrites() <-chan struct{} { return e.slow.wake }

// PaceWrites lets those go on, for one write each, who have waited for long enough. It reports whether writes still wait.
func (e *Engine) PaceWrites() (more bool) {
	g := e.Gate()
	if g&(GatePauseAll|GatePauseWrite|holdsWrites) == 0 {
		e.resumeParkedBefore(e.Clock.MonoNanos() - e.slow.wait.Load())
	}
	return g&GateSlowWrites != 0
}

// AwaitPreImages returns when writes need not wait for snapshots, or no longer, for who writes without a connection that could be parked: the
// link to a primary.
func (e *Engine) AwaitPreImages(ctx context.Context) error {
	begin := e.Clock.MonoNanos()
	for g := e.Gate(); g&GateSlowWrites != 0; g = e.Gate() {
		if g&GatePreImages == 0 && int64(clock.SinceMono(e.Clock, begin)) >= e.slow.wait.Load() {
			return nil
		}
		if err := clock.Sleep(ctx, e.Clock, limits.SlowWriteLook); err != nil {
			return err
		}
	}
	return nil
}
