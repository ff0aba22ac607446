package engine

import (
	"context"
	"time"

	"github.com/larder-cache/larder/base/clock"
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

// preImagesFull is keyspace.Space's notice. Some shard is held, so there is no barrier: a write that is running may add one more
// image to the queue, which is what its bound allows for.
func (e *Engine) preImagesFull(full bool) {
	if full {
		e.changeGate(GatePreImages, 0)
		return
	}
	e.changeGate(0, GatePreImages)
	e.resumeParked()
}

// WritesWait reports whether writes wait for snapshots to take their pre-images.
func (e *Engine) WritesWait() bool { return e.Gate()&GatePreImages != 0 }

// preImagePause is how long AwaitPreImages sleeps at a time.
const preImagePause = time.Millisecond

// AwaitPreImages returns when writes need not wait for snapshots, for who writes without a connection that could be parked: the
// link to a primary.
func (e *Engine) AwaitPreImages(ctx context.Context) error {
	for e.Gate()&GatePreImages != 0 {
		if err := clock.Sleep(ctx, e.Clock, preImagePause); err != nil {
			return err
		}
	}
	return nil
}
