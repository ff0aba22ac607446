package clock

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// taken returns what ch holds, and whether it holds anything.
func taken(ch <-chan time.Time) (time.Time, bool) {
	select {
	case at := <-ch:
		return at, true
	default:
		return time.Time{}, false
	}
}

func TestFakeStandsStill(t *testing.T) {
	f := NewFake(start)
	if !f.Now().Equal(start) || f.MonoNanos() != 0 {
		t.Fatalf("a new clock shows %v and %d", f.Now(), f.MonoNanos())
	}
	f.Advance(90 * time.Second)
	if !f.Now().Equal(start.Add(90*time.Second)) || f.MonoNanos() != int64(90*time.Second) {
		t.Fatalf("after 90 s: %v and %d", f.Now(), f.MonoNanos())
	}
}

func TestFakeTimerFiresAtItsOwnTime(t *testing.T) {
	f := NewFake(start)
	late, early := f.After(3*time.Second), f.After(time.Second)
	f.Advance(999 * time.Millisecond)
	if _, ok := taken(early); ok {
		t.Fatal("fired before it was due")
	}
	f.Advance(10 * time.Second)
	if at, ok := taken(early); !ok || !at.Equal(start.Add(time.Second)) {
		t.Fatalf("early fired at %v, %v", at, ok)
	}
	if at, ok := taken(late); !ok || !at.Equal(start.Add(3*time.Second)) {
		t.Fatalf("late fired at %v, %v", at, ok)
	}
	if n := f.Waiters(); n != 0 {
		t.Fatalf("%d waiters are left", n)
	}
}

func TestFakeTimerOfNothingFiresAtOnce(t *testing.T) {
	f := NewFake(start)
	for _, d := range []time.Duration{0, -time.Second} {
		if at, ok := taken(f.After(d)); !ok || !at.Equal(start) {
			t.Errorf("After(%v) gave %v, %v", d, at, ok)
		}
	}
}

func TestFakeStopAndResetLeaveNoStaleValue(t *testing.T) {
	f := NewFake(start)
	tm := f.NewTimer(time.Second)
	if !tm.Stop() || tm.Stop() {
		t.Fatal("Stop must report whether the timer was going to fire")
	}
	if tm.Reset(time.Second) {
		t.Fatal("Reset of a stopped timer reported that it was going to fire")
	}
	f.Advance(time.Second)
	tm.Reset(time.Second) // fired, not received
	if _, ok := taken(tm.C()); ok {
		t.Fatal("the value of the earlier period was received after Reset")
	}
	f.Advance(time.Second)
	if at, ok := taken(tm.C()); !ok || !at.Equal(start.Add(2*time.Second)) {
		t.Fatalf("after Reset fired at %v, %v", at, ok)
	}
}

func TestFakeTickerDropsWhatNobodyTakes(t *testing.T) {
	f := NewFake(start)
	tick := f.NewTicker(time.Second)
	f.Advance(3500 * time.Millisecond)
	if at, ok := taken(tick.C()); !ok || !at.Equal(start.Add(time.Second)) {
		t.Fatalf("first tick at %v, %v", at, ok)
	}
	if _, ok := taken(tick.C()); ok {
		t.Fatal("ticks that nobody took were kept")
	}
	f.Advance(500 * time.Millisecond)
	if at, ok := taken(tick.C()); !ok || !at.Equal(start.Add(4*time.Second)) {
		t.Fatalf("the ticker left its rhythm: %v, %v", at, ok)
	}
	tick.Reset(10 * time.Second)
	f.Advance(9 * time.Second)
	if _, ok := taken(tick.C()); ok {
		t.Fatal("a tick of the earlier period after Reset")
	}
	tick.Stop()
	f.Advance(time.Hour)
	if _, ok := taken(tick.C()); ok || f.Waiters() != 0 {
		t.Fatal("a stopped ticker ticks")
	}
}

func TestFakeFiresInOrder(t *testing.T) {
	f := NewFake(start)
	timers := []Timer{f.NewTimer(2 * time.Second), f.NewTimer(time.Second), f.NewTimer(time.Second)}
	var fired []int
	for range timers {
		f.mu.Lock()
		w := f.next() // one at a time: Advance would fire the two that are due together in one go
		f.moveTo(w.dueNanos)
		f.fire(w)
		f.mu.Unlock()
		for i, tm := range timers {
			if _, ok := taken(tm.C()); ok {
				fired = append(fired, i)
			}
		}
	}
	if want := []int{1, 2, 0}; !slices.Equal(fired, want) {
		t.Fatalf("fired %v, want %v: by due time, then in the order of setting", fired, want)
	}
}

func TestFakeAdvanceToNext(t *testing.T) {
	f := NewFake(start)
	if _, ok := f.AdvanceToNext(); ok || f.MonoNanos() != 0 {
		t.Fatal("moved although nobody waits")
	}
	ch := f.After(time.Minute)
	if d, ok := f.AdvanceToNext(); !ok || d != time.Minute {
		t.Fatalf("moved by %v, %v", d, ok)
	}
	if _, ok := taken(ch); !ok {
		t.Fatal("the timer did not fire")
	}
}

func TestFakeWallJumpMovesNoTimer(t *testing.T) {
	f := NewFake(start)
	ch := f.After(time.Second)
	f.SetWall(start.Add(-time.Hour))
	if _, ok := taken(ch); ok || f.MonoNanos() != 0 {
		t.Fatal("a jump of the wall clock moved the monotonic one")
	}
	f.Advance(time.Second)
	if at, ok := taken(ch); !ok || !at.Equal(start.Add(-time.Hour+time.Second)) {
		t.Fatalf("fired at %v, %v", at, ok)
	}
}

func TestSleep(t *testing.T) {
	f := NewFake(start)
	done := make(chan error, 1)
	go func() { done <- Sleep(t.Context(), f, time.Second) }()
	if err := f.BlockUntil(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.Advance(time.Second)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- Sleep(ctx, f, time.Hour) }()
	if err := f.BlockUntil(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	if n := f.Waiters(); n != 0 {
		t.Fatalf("a cancelled Sleep left %d timers", n)
	}
	if err := f.BlockUntil(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("BlockUntil gave %v, want the context's error", err)
	}
}

func TestReal(t *testing.T) {
	var c Clock = Real{}
	m := c.MonoNanos()
	tm, tick := c.NewTimer(time.Millisecond), c.NewTicker(time.Millisecond)
	<-tm.C()
	<-tick.C()
	<-c.After(0)
	tick.Reset(time.Hour)
	tick.Stop()
	if tm.Reset(time.Hour) || !tm.Stop() {
		t.Fatal("Reset and Stop do not report what the timer was going to do")
	}
	if SinceMono(c, m) < time.Millisecond {
		t.Fatalf("a timer of 1 ms took %v of monotonic time", SinceMono(c, m))
	}
	if c.Now().Before(start) {
		t.Fatalf("the wall clock shows %v", c.Now())
	}
}
