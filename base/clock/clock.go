// Package clock is the only place that reads the time. Everything that decides takes a Clock, so that a test or the
// simulator moves time by hand.
//
// Two times are kept apart. The wall clock (Now) is what users see and what expiry is counted in; it may jump. The
// monotonic clock (MonoNanos) never goes back; leases, timeouts and latencies are counted in it.
//
// It is not a scheduler: it starts no goroutine of its own and calls nobody back.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and wakes whoever waits for it. Real and Fake implement it; all methods may be called from any
// goroutine.
type Clock interface {
	// Now returns the wall-clock time. It may jump in both directions.
	Now() time.Time
	// MonoNanos returns nanoseconds since some fixed moment of this process. It never decreases, and a jump of the wall
	// clock does not move it.
	MonoNanos() int64
	// After returns a channel that receives the time once, when d has passed. A timer that must be stopped early is
	// made with NewTimer.
	After(d time.Duration) <-chan time.Time
	// NewTimer returns a timer that fires once, when d has passed; at once when d <= 0.
	NewTimer(d time.Duration) Timer
	// NewTicker returns a ticker that fires every d. It panics when d <= 0, as time.NewTicker does.
	NewTicker(d time.Duration) Ticker
}

// Timer fires once on its channel. After Stop or Reset no value of the earlier period is ever received.
type Timer interface {
	// C is the channel on which the time arrives.
	C() <-chan time.Time
	// Stop prevents the timer from firing and reports whether it had still been going to.
	Stop() bool
	// Reset makes the timer fire when d has passed from now, and reports whether it had still been going to fire.
	Reset(d time.Duration) bool
}

// Ticker fires again and again on its channel; ticks that nobody has taken are dropped.
type Ticker interface {
	// C is the channel on which the ticks arrive.
	C() <-chan time.Time
	// Stop ends the ticks. It does not close the channel.
	Stop()
	// Reset makes the next tick come when d has passed from now, and every d after that. It panics when d <= 0.
	Reset(d time.Duration)
}

// Sleep waits until d has passed on c, or returns ctx's error if ctx ends first.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SinceMono returns how much monotonic time has passed on c since startNanos, an earlier result of c.MonoNanos.
func SinceMono(c Clock, startNanos int64) time.Duration {
	return time.Duration(c.MonoNanos() - startNanos)
}
