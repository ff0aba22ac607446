package clock

import (
	"context"
	"sort"
	"sync"
	"time"
)

// Fake is a clock that stands still until it is told to move. Timers fire inside Advance, in the order of their due
// times and, among equal ones, in the order in which they were set, so a run with a Fake is repeatable.
type Fake struct {
	mu      sync.Mutex
	changed *sync.Cond // signalled whenever waiters changes
	// wall and monoNanos move together in Advance; SetWall moves wall alone.
	wall      time.Time
	monoNanos int64
	// waiters are the timers and tickers that are still going to fire, in no order.
	waiters []*fakeWaiter
	nextSeq uint64
}

var _ Clock = (*Fake)(nil)

// NewFake returns a clock whose wall time is start and whose monotonic time is zero.
func NewFake(start time.Time) *Fake {
	f := &Fake{wall: start}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// Now returns the fake wall-clock time.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wall
}

// MonoNanos returns the nanoseconds by which the clock has been advanced since NewFake.
func (f *Fake) MonoNanos() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.monoNanos
}

// Advance moves both times forward by d, stopping at every timer on the way to fire it at its own due time. A negative
// d is a bug of the caller and panics.
func (f *Fake) Advance(d time.Duration) {
	if d < 0 {
		panic("clock: Fake.Advance with a negative duration")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	target := f.monoNanos + int64(d)
	for {
		w := f.next()
		if w == nil || w.dueNanos > target {
			break
		}
		f.moveTo(w.dueNanos)
		f.fire(w)
	}
	f.moveTo(target)
}

// AdvanceToNext moves to the moment at which the earliest timer is due, fires what is due then, and returns how far
// that was. It returns false, and moves nothing, when nobody waits.
func (f *Fake) AdvanceToNext() (time.Duration, bool) {
	d, ok := f.UntilNext()
	if ok {
		f.Advance(d)
	}
	return d, ok
}

// UntilNext returns the time until the earliest timer is due, and whether there is one.
func (f *Fake) UntilNext() (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.next()
	if w == nil {
		return 0, false
	}
	return time.Duration(max(0, w.dueNanos-f.monoNanos)), true
}

// SetWall makes the wall clock jump to t, as an operator or NTP does. The monotonic time and the timers do not move.
func (f *Fake) SetWall(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wall = t
}

// Waiters returns how many timers and tickers are going to fire.
func (f *Fake) Waiters() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiters)
}

// BlockUntil waits until at least n timers and tickers are going to fire: a test calls it before Advance, so that
// the goroutine which it wants to wake is known to be waiting. It returns ctx's error if ctx ends first.
func (f *Fake) BlockUntil(ctx context.Context, n int) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed.Broadcast()
	})
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiters) < n {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.changed.Wait()
	}
	return nil
}

// After returns a channel that receives the time once the clock has been advanced by d.
func (f *Fake) After(d time.Duration) <-chan time.Time { return f.NewTimer(d).C() }

// NewTimer returns a timer that fires once the clock has been advanced by d; at once when d <= 0.
func (f *Fake) NewTimer(d time.Duration) Timer {
	w := &fakeWaiter{clock: f, ch: make(chan time.Time, 1)}
	w.Reset(d)
	return fakeTimer{w}
}

// NewTicker returns a ticker that fires each time the clock has been advanced by d.
func (f *Fake) NewTicker(d time.Duration) Ticker {
	w := &fakeWaiter{clock: f, ch: make(chan time.Time, 1)}
	t := fakeTicker{w}
	t.Reset(d)
	return t
}

// next returns the waiter that is due first, or nil. f.mu is held.
func (f *Fake) next() *fakeWaiter {
	if len(f.waiters) == 0 {
		return nil
	}
	sort.Slice(f.waiters, func(i, j int) bool {
		a, b := f.waiters[i], f.waiters[j]
		if a.dueNanos != b.dueNanos {
			return a.dueNanos < b.dueNanos
		}
		return a.seq < b.seq
	})
	return f.waiters[0]
}

// moveTo moves both times forward to the monotonic time nanos; a time already passed leaves them. f.mu is held.
func (f *Fake) moveTo(nanos int64) {
	if nanos <= f.monoNanos {
		return
	}
	f.wall = f.wall.Add(time.Duration(nanos - f.monoNanos))
	f.monoNanos = nanos
}

// fire sends the time to w and sets it again if it is a ticker. f.mu is held.
func (f *Fake) fire(w *fakeWaiter) {
	select {
	case w.ch <- f.wall:
	default: // the last tick has not been taken: this one is dropped, as time.Ticker drops it
	}
	f.remove(w)
	if w.period > 0 {
		f.add(w, w.dueNanos+int64(w.period))
	}
}

// add sets w to fire at dueNanos. f.mu is held.
func (f *Fake) add(w *fakeWaiter, dueNanos int64) {
	f.nextSeq++
	w.dueNanos, w.seq = dueNanos, f.nextSeq
	f.waiters = append(f.waiters, w)
	f.changed.Broadcast()
}

// remove takes w out of the waiters and reports whether it was there. f.mu is held.
func (f *Fake) remove(w *fakeWaiter) bool {
	for i, other := range f.waiters {
		if other == w {
			f.waiters = append(f.waiters[:i], f.waiters[i+1:]...)
			f.changed.Broadcast()
			return true
		}
	}
	return false
}

// fakeWaiter is a timer (period 0) or a ticker of a Fake, whose lock guards dueNanos, seq and period.
type fakeWaiter struct {
	clock    *Fake
	ch       chan time.Time
	dueNanos int64
	seq      uint64
	period   time.Duration
}

// Stop takes the waiter off the clock, with what it has sent but nobody has received.
func (w *fakeWaiter) Stop() bool {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	return w.stopLocked()
}

func (w *fakeWaiter) stopLocked() bool {
	select {
	case <-w.ch:
	default:
	}
	return w.clock.remove(w)
}

// Reset sets the waiter to fire when d has passed from now.
func (w *fakeWaiter) Reset(d time.Duration) bool {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	was := w.stopLocked()
	w.clock.add(w, w.clock.monoNanos+int64(max(0, d)))
	if d <= 0 {
		w.clock.fire(w)
	}
	return was
}

type fakeTimer struct{ w *fakeWaiter }

func (t fakeTimer) C() <-chan time.Time        { return t.w.ch }
func (t fakeTimer) Stop() bool                 { return t.w.Stop() }
func (t fakeTimer) Reset(d time.Duration) bool { return t.w.Reset(d) }

type fakeTicker struct{ w *fakeWaiter }

func (t fakeTicker) C() <-chan time.Time { return t.w.ch }
func (t fakeTicker) Stop()               { t.w.Stop() }

func (t fakeTicker) Reset(d time.Duration) {
	if d <= 0 {
		panic("clock: a ticker's period must be positive")
	}
	t.w.clock.mu.Lock()
	t.w.period = d
	t.w.clock.mu.Unlock()
	t.w.Reset(d)
}
