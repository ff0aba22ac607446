package fake_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/meta/fake"
)

func put(s *fake.Store, key, value string) error {
	_, err := s.Txn(context.Background(), meta.Txn{Ops: []meta.Op{meta.Put(key, []byte(value))}})
	return err
}

// value returns what another connection reads, "" for nothing.
func value(t *testing.T, s *fake.Store, key string) string {
	t.Helper()
	kv, _, err := s.Server().Connect().Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%s): %v", key, err)
	}
	return string(kv.Value)
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name           string
		inject         func(s *fake.Store, n int)
		applied, crash bool
	}{
		{"FailBefore", (*fake.Store).FailBefore, false, false},
		{"FailAfter", (*fake.Store).FailAfter, true, false},
		{"CrashBefore", (*fake.Store).CrashBefore, false, true},
		{"CrashAfter", (*fake.Store).CrashAfter, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fake.New()
			if err := put(s, "a", "1"); err != nil {
				t.Fatal(err)
			}
			c.inject(s, 2)
			if err := put(s, "b", "1"); err != nil {
				t.Fatalf("the fault struck too early: %v", err)
			}
			if _, err := s.Txn(t.Context(), meta.Txn{Guards: []meta.Guard{meta.Exists("a")}}); err != nil {
				t.Fatalf("the fault struck a comparison: %v", err)
			}
			if err := put(s, "c", "1"); !errors.Is(err, meta.ErrUnavailable) {
				t.Fatalf("the fault did not strike: %v", err)
			}
			if got := value(t, s, "c") == "1"; got != c.applied {
				t.Errorf("applied: %v, want %v", got, c.applied)
			}
			err := put(s, "d", "1")
			if failed := errors.Is(err, meta.ErrUnavailable); failed != c.crash || s.Crashed() != c.crash {
				t.Errorf("afterwards: %v, crashed %v, want %v", err, s.Crashed(), c.crash)
			}
		})
	}
}

// TestEveryCrashPoint is how a test of a process that restarts looks: a run tells how many points there are, then each
// is struck on a copy of the state.
func TestEveryCrashPoint(t *testing.T) {
	work := func(s *fake.Store) error { // repeatable: goes on where the state says
		for i := range 5 {
			if err := put(s, fmt.Sprint("step", i), "done"); err != nil {
				return err
			}
		}
		return nil
	}
	start := fake.NewServer(fake.Options{})
	dry := start.Clone().Connect()
	if err := work(dry); err != nil || dry.Mutations() != 5 {
		t.Fatalf("%d mutations, %v", dry.Mutations(), err)
	}
	for n := 1; n <= dry.Mutations(); n++ {
		for _, inject := range []func(*fake.Store, int){(*fake.Store).CrashBefore, (*fake.Store).CrashAfter} {
			server := start.Clone()
			s := server.Connect()
			inject(s, n)
			if err := work(s); !errors.Is(err, meta.ErrUnavailable) {
				t.Fatalf("point %d: %v", n, err)
			}
			if err := work(server.Connect()); err != nil {
				t.Fatalf("after point %d: %v", n, err)
			}
			if got := value(t, s, "step4"); got != "done" {
				t.Fatalf("after point %d the work is not done", n)
			}
		}
	}
	if got := value(t, start.Connect(), "step0"); got != "" {
		t.Error("a clone's changes reached the original")
	}
}

func TestUnavailable(t *testing.T) {
	s := fake.New()
	l, err := s.Lease(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	w := s.Watch(t.Context(), "", 0)
	s.SetUnavailable(true)
	if b := <-w; !errors.Is(b.Err, meta.ErrUnavailable) {
		t.Errorf("the watch: %+v", b)
	}
	if _, ok := <-w; ok {
		t.Error("the watch goes on")
	}
	if err := put(s, "a", ""); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Txn: %v", err)
	}
	s.SetUnavailable(false)
	if err := put(s, "a", ""); err != nil {
		t.Errorf("Txn afterwards: %v", err)
	}
	select {
	case <-l.Done():
		t.Error("the lease was lost")
	default:
	}
}

// TestLeaderDies: a crashed leader's key stays until its lease's time has passed; other leases stay altogether.
func TestLeaderDies(t *testing.T) {
	server := fake.NewServer(fake.Options{})
	dying, living := server.Connect(), server.Connect()
	leader, err := dying.Campaign(t.Context(), "election", "dying")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := living.Lease(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	dying.Crash()
	<-leader.Done()
	if got := value(t, living, "election"); got != "dying" {
		t.Fatalf("the key went with its process: %q", got)
	}
	copied := server.Clone()
	server.ExpireDead()
	next, err := living.Campaign(t.Context(), "election", "living")
	if err != nil {
		t.Fatal(err)
	}
	res, err := living.Txn(t.Context(), meta.Txn{Guards: []meta.Guard{leader.Guard(), next.Guard()}})
	if err != nil || len(res.Failed) != 1 || res.Failed[0] != leader.Guard() {
		t.Errorf("guards: %+v, %v", res, err)
	}
	select {
	case <-kept.Done():
		t.Error("the living process's lease ended")
	default:
	}
	copied.ExpireDead()
	if kv, ok, _ := copied.Connect().Get(t.Context(), "election"); ok {
		t.Errorf("a clone's lease did not end: %+v", kv)
	}
}

// TestPump: nothing is delivered outside Pump, the order is that of the watches, and no goroutine is needed.
func TestPump(t *testing.T) {
	server := fake.NewServer(fake.Options{Pumped: true})
	s := server.Connect()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := s.Watch(ctx, "a", 0), s.Watch(t.Context(), "", 0)
	for _, key := range []string{"a", "b", "aa"} {
		if err := put(s, key, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(first)+len(second) != 0 {
		t.Fatal("delivered without Pump")
	}
	if n := server.Pump(2); n != 4 || len(first) != 2 || len(second) != 2 {
		t.Fatalf("Pump(2) delivered %d: %d and %d", n, len(first), len(second))
	}
	if n := server.Pump(2); n != 1 || len(second) != 3 {
		t.Fatalf("Pump(2) delivered %d", n)
	}
	if b := <-first; b.Events[0].KV.Key != "a" {
		t.Errorf("first batch: %+v", b)
	}
	if b := <-first; b.Events[0].KV.Key != "aa" {
		t.Errorf("second batch: %+v", b)
	}
	cancel()
	server.Pump(1)
	if _, ok := <-first; ok {
		t.Error("the ended watch goes on")
	}
	s.Crash()
	server.Pump(1)
	for range 3 {
		<-second
	}
	if _, ok := <-second; ok {
		t.Error("the crashed connection's watch goes on")
	}
}

// TestPumpBacklog: a watch that nobody receives from falls behind, blocks nothing and loses nothing.
func TestPumpBacklog(t *testing.T) {
	const changes = 3000
	server := fake.NewServer(fake.Options{Pumped: true})
	s := server.Connect()
	w := s.Watch(t.Context(), "", 0)
	for i := range changes {
		if err := put(s, fmt.Sprint(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for server.Pump(changes) > 0 {
		for len(w) > 0 {
			b := <-w
			if want := fmt.Sprint(seen); b.Events[0].KV.Key != want {
				t.Fatalf("key %s, want %s", b.Events[0].KV.Key, want)
			}
			seen++
		}
	}
	if seen != changes {
		t.Fatalf("saw %d of %d changes", seen, changes)
	}
}
