package engine_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// crowd lets more threads run than there are cores, so that one is interrupted anywhere, also while it holds shards.
func crowd(t *testing.T) {
	old := runtime.GOMAXPROCS(4 * runtime.NumCPU())
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// many is how often something is tried; the guarded arena is slow.
func many(n int) int {
	if invariant.Enabled {
		return n / 10
	}
	return n
}

// raceServer is a server for several loops.
func raceServer(t *testing.T) *enginetest.Server {
	crowd(t)
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Events = nil // the harness notes them for one loop only
	return s
}

// together runs functions at once and waits for them.
func together(fns ...func()) {
	var wg sync.WaitGroup
	for _, fn := range fns {
		wg.Add(1)
		go func() { defer wg.Done(); fn() }()
	}
	wg.Wait()
}

const nullArray = "*-1\r\n"

// TestWatchSeesExpiry: while a key is set, expires and is deleted by the cycle and by readers, a transaction runs only if the key is what it
// was after WATCH. To have expired is to have changed.
func TestWatchSeesExpiry(t *testing.T) {
	s := raceServer(t)
	cycle := s.Engine.NewCycle()
	var stop atomic.Bool
	var ran, failed, gone atomic.Int64
	watcher := func(n int) func() {
		l := newLoop(s)
		return func() {
			for range many(3000) {
				l.run("WATCH", "k")
				before := l.run("GET", "k")
				l.run("MULTI")
				l.run("SET", fmt.Sprintf("other:%d", n), "x")
				l.run("GET", "k")
				after := l.run("EXEC")
				if after == nullArray {
					failed.Add(1)
					continue
				}
				ran.Add(1)
				if before == "$-1\r\n" {
					gone.Add(1)
				}
				if after != "*2\r\n+OK\r\n"+before {
					t.Errorf("the key was %q after WATCH; EXEC: %q", before, after)
					return
				}
			}
		}
	}
	var busy sync.WaitGroup
	background := func(fn func(i int)) {
		busy.Add(1)
		go func() {
			defer busy.Done()
			for i := 0; !stop.Load(); i++ {
				fn(i)
				runtime.Gosched()
			}
		}()
	}
	setter, reader := newLoop(s), newLoop(s)
	background(func(i int) {
		if i%8 == 0 {
			setter.run("SET", "k", strconv.Itoa(i), "PX", "3")
		}
	})
	background(func(int) { s.Clock.Advance(time.Millisecond) })
	background(func(int) { cycle.Run() })
	background(func(int) { reader.run("EXISTS", "k") })
	together(watcher(0), watcher(1), watcher(2))
	stop.Store(true)
	busy.Wait()
	if ran.Load() == 0 || failed.Load() == 0 || gone.Load() == 0 {
		t.Errorf("%d transactions ran (%d of them on a key that was gone) and %d failed: nothing was tried", ran.Load(), gone.Load(), failed.Load())
	}
}

// TestWatchOfExpiredKey: who watches a key that is expired already loses nothing when it is deleted, whoever does that and when.
func TestWatchOfExpiredKey(t *testing.T) {
	s := raceServer(t)
	cycle := s.Engine.NewCycle()
	setter, reader := newLoop(s), newLoop(s)
	watchers := []*loop{newLoop(s), newLoop(s), newLoop(s)}
	for round := range many(1000) {
		setter.run("SET", "k", "v", "PX", "5")
		s.Clock.Advance(6 * time.Millisecond)
		work := []func(){cycle.Run, func() { reader.run("GET", "k") }}
		for _, l := range watchers {
			work = append(work, func() {
				l.run("WATCH", "k")
				l.run("MULTI")
				l.run("INCR", "n")
				if got := l.run("EXEC"); got == nullArray {
					t.Errorf("round %d: the deletion of an expired key failed a transaction", round)
				}
			})
		}
		together(work...)
	}
	if got, want := reader.run("GET", "n"), strconv.Itoa(many(1000)*len(watchers)); !strings.Contains(got, "\n"+want+"\r") {
		t.Errorf("%s transactions were to run: %q", want, got)
	}
}

// roleWriter writes until it is refused, and counts what it was told is done.
type roleWriter struct {
	*loop
	n     int
	acked int
	pairs bool // both of its counters at once, in a transaction
}

func (w *roleWriter) counter(which string) string { return fmt.Sprintf("%s:%d", which, w.n) }

// writeUntilRefused calls begun once it has written some.
func (w *roleWriter) writeUntilRefused(t *testing.T, begun func()) {
	for i := 0; ; i++ {
		var got, done string
		if w.pairs {
			w.run("MULTI")
			w.run("INCR", w.counter("a"))
			w.run("INCR", w.counter("b"))
			got, done = w.run("EXEC"), "*2\r\n"
			w.run("DISCARD") // had MULTI's commands been refused already
		} else {
			got, done = w.run("INCR", w.counter("a")), ":"
		}
		switch {
		case strings.HasPrefix(got, done):
			w.acked++
		case strings.HasPrefix(got, "-READONLY"), strings.HasPrefix(got, "-EXECABORT"):
			return
		default:
			t.Errorf("a write was answered %q", got)
			return
		}
		if i == 20 {
			begun()
		}
	}
}

// TestRoleChangeAgainstWrites: once the barrier of a role change has returned, no write is accepted any more, and all that were
// acknowledged before it are in the keyspace and in the journal, whole.
func TestRoleChangeAgainstWrites(t *testing.T) {
	s := raceServer(t)
	const role = engine.GateReplica | engine.GateReadOnly
	reader := newLoop(s)
	writers := make([]*roleWriter, 6)
	for n := range writers {
		writers[n] = &roleWriter{loop: newLoop(s), n: n, pairs: n%2 == 1}
	}
	journaled := map[string]int{}
	for round := range many(60) {
		var begun, done sync.WaitGroup
		for _, w := range writers {
			begun.Add(1)
			done.Add(1)
			go func() {
				defer done.Done()
				w.writeUntilRefused(t, begun.Done)
			}()
		}
		begun.Wait()
		s.Engine.SetGate(role, 0)
		end := s.Engine.Journal.End()
		var before []string
		for _, w := range writers {
			before = append(before, reader.run("MGET", w.counter("a"), w.counter("b")))
		}
		done.Wait()
		for _, line := range s.Journal() {
			journaled[line]++
		}
		for n, w := range writers {
			if now := reader.run("MGET", w.counter("a"), w.counter("b")); now != before[n] {
				t.Fatalf("round %d: %q changed to %q after the role had", round, before[n], now)
			}
			counters := []string{"a"}
			if w.pairs {
				counters = append(counters, "b")
			}
			for _, c := range counters {
				if got := reader.run("GET", w.counter(c)); !strings.Contains(got, "\n"+strconv.Itoa(w.acked)+"\r") || journaled["INCR "+w.counter(c)] != w.acked {
					t.Fatalf("round %d: %d writes of %s were acknowledged, %d journaled, and it is %q", round, w.acked, w.counter(c), journaled["INCR "+w.counter(c)], got)
				}
			}
		}
		if s.Engine.Journal.End() != end {
			t.Fatalf("round %d: the journal went on after the role had changed", round)
		}
		s.Engine.SetGate(0, role)
	}
}

// TestExecHoldsWatchedKeys: two transactions that each write what the other watches cannot both run, though neither writes what it
// watches itself: EXEC holds the watched keys' shards, too, from its look at them to its last write.
func TestExecHoldsWatchedKeys(t *testing.T) {
	s := raceServer(t)
	sides := [2]*loop{newLoop(s), newLoop(s)}
	keys := [2]string{"x", "y"}
	shard := func(key string) int { return s.Engine.Space.ShardOf(s.Engine.Space.Hash([]byte(key))) }
	if shard("x") == shard("y") {
		t.Fatal("the two keys share a shard: choose others, or nothing is tried")
	}
	check := newLoop(s)
	ran := 0
	for round := range many(2000) {
		check.run("MSET", "x", "0", "y", "0")
		var watched sync.WaitGroup
		watched.Add(2)
		var did [2]bool
		side := func(i int) func() {
			return func() {
				l := sides[i]
				l.run("WATCH", keys[i])
				free := l.run("GET", keys[i]) == "$1\r\n0\r\n"
				l.run("MULTI")
				for range 30 { // so that it takes a while, and no other shard
					l.run("SET", keys[1-i], "1")
				}
				watched.Done()
				watched.Wait()
				did[i] = l.run("EXEC") != nullArray && free
			}
		}
		together(side(0), side(1))
		if did[0] && did[1] {
			t.Fatalf("round %d: both transactions ran, each on a key that the other had changed: %q", round, check.run("MGET", "x", "y"))
		}
		if did[0] || did[1] {
			ran++
		}
	}
	if ran == 0 {
		t.Error("no transaction ever ran")
	}
}

// TestWatchedCounter: reading, adding and writing in a transaction loses no addition, however many do it.
func TestWatchedCounter(t *testing.T) {
	s := raceServer(t)
	var added atomic.Int64
	adder := func() {
		l := newLoop(s)
		for range many(1000) {
			l.run("WATCH", "sum")
			_, now, _ := strings.Cut(strings.TrimSuffix(l.run("GET", "sum"), "\r\n"), "\r\n")
			n, _ := strconv.Atoi(now)
			l.run("MULTI")
			l.run("SET", "sum", strconv.Itoa(n+1))
			if l.run("EXEC") != nullArray {
				added.Add(1)
			}
		}
	}
	together(adder, adder, adder, adder)
	if got := newLoop(s).run("GET", "sum"); !strings.Contains(got, "\n"+strconv.FormatInt(added.Load(), 10)+"\r") {
		t.Fatalf("%d additions, and the sum is %q", added.Load(), got)
	}
}
