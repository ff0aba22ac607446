package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
)

// fewer is a number of rounds, and less of them where the arena is guarded, as locking takes long then.
func fewer(n int) int {
	if invariant.Enabled {
		return n / 5
	}
	return n
}

func policy(t *testing.T, name string) engine.Policy {
	t.Helper()
	i := slices.Index(engine.PolicyNames(), name)
	if i < 0 {
		t.Fatalf("no policy %s", name)
	}
	return engine.Policy(i)
}

// limited makes a server whose limit is what it uses now and room bytes more.
func limited(t *testing.T, s *enginetest.Server, name string, room int64) engine.Eviction {
	t.Helper()
	ev := s.Engine.Eviction()
	ev.Policy, ev.Limit, ev.Tenacity = policy(t, name), s.Engine.Memory()+room, 100
	s.Engine.SetEviction(ev)
	return ev
}

// present is which of n keys are there, without using them.
func present(s *enginetest.Server, n int) []bool {
	out := make([]bool, n)
	s.Engine.EachShard(func(sh *keyspace.Shard) bool {
		sh.EachUsed(func(d *keyspace.DB) bool {
			for pos, first := uint64(0), true; first || pos != 0; first = false {
				pos = d.Scan(pos, 100, func(e keyspace.Entry) {
					var i int
					if c, err := fmt.Sscanf(string(e.Key()), "k%d", &i); c == 1 && err == nil && i < n {
						out[i] = true
					}
				})
			}
			return true
		})
		return true
	})
	return out
}

// TestVictims: half of a keyspace is evicted at once. How many of the keys that are gone would a perfect policy have kept? Keys k0 … are from the best victim to the worst.
// Redis 7.0 has 0.17 to 0.20 in the same measurement with volatile-ttl, at the same part of keys evicted. LFU's counters are logarithmic: many keys are as good as each other.
func TestVictims(t *testing.T) {
	if invariant.Enabled {
		t.Skip("statistics: nothing that the assertions could see, and locking takes long with them")
	}
	const n = 4000
	for _, tt := range []struct {
		policy  string
		prepare func(s *enginetest.Server, c *enginetest.Client, i int)
		atMost  float64 // how many wrong ones go, as a part of what a random choice would take: 0 is perfect
		atLeast float64
	}{
		{"allkeys-lru", func(s *enginetest.Server, c *enginetest.Client, i int) {
			c.Do(fmt.Sprintf("SET k%d v", i))
			s.Clock.Advance(time.Second)
		}, 0.25, 0},
		{"volatile-lru", func(s *enginetest.Server, c *enginetest.Client, i int) {
			c.Do(fmt.Sprintf("SET k%d v EX 10000000", i))
			s.Clock.Advance(time.Second)
		}, 0.25, 0},
		{"volatile-ttl", func(s *enginetest.Server, c *enginetest.Client, i int) {
			c.Do(fmt.Sprintf("SET k%d v EX %d", i, 1000000+i))
		}, 0.25, 0},
		{"allkeys-lfu", lfuVictim, 0.5, 0},
		{"volatile-lfu", func(s *enginetest.Server, c *enginetest.Client, i int) {
			lfuVictim(s, c, i)
			c.Do(fmt.Sprintf("EXPIRE k%d 1000000", i))
		}, 0.5, 0},
		{"allkeys-random", func(s *enginetest.Server, c *enginetest.Client, i int) {
			c.Do(fmt.Sprintf("SET k%d v", i))
			s.Clock.Advance(time.Second)
		}, 1.1, 0.9},
		{"volatile-random", func(s *enginetest.Server, c *enginetest.Client, i int) { c.Do(fmt.Sprintf("SET k%d v EX 10000000", i)) }, 1.1, 0.9},
	} {
		t.Run(tt.policy, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			ev := s.Engine.Eviction()
			ev.Policy, ev.LFULogFactor = policy(t, tt.policy), 1
			s.Engine.SetEviction(ev)
			c := s.Client()
			for i := range n {
				tt.prepare(s, c, i)
			}
			ev.Limit, ev.Tenacity = s.Engine.Memory()*52/100, 100
			s.Engine.SetEviction(ev)
			c.Do("GET none") // any command makes room
			there := present(s, n)
			gone, wrong := 0, 0
			for _, ok := range there {
				if !ok {
					gone++
				}
			}
			for _, ok := range there[gone:] {
				if !ok {
					wrong++
				}
			}
			if used := s.Engine.Memory(); used > ev.Limit || gone < n/4 || gone > n*3/4 {
				t.Fatalf("%d of %d are evicted, %d bytes used, limit %d", gone, n, used, ev.Limit)
			}
			bad := float64(wrong) / (float64(gone) * float64(n-gone) / n)
			if bad > tt.atMost || bad < tt.atLeast {
				t.Errorf("%d of %d gone, %d of them wrongly: %.3f, want %v to %v", gone, n, wrong, bad, tt.atLeast, tt.atMost)
			}
		})
	}
}

// lfuVictim makes a key that was used the more often, the higher its number.
func lfuVictim(_ *enginetest.Server, c *enginetest.Client, i int) {
	c.Do(fmt.Sprintf("SET k%d v", i))
	for range i / 60 {
		c.Do(fmt.Sprintf("GET k%d", i))
	}
}

// TestFewBigKeys: with fewer keys than shards the coldest one goes, wherever it is, and what is used between stays.
func TestFewBigKeys(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	val := strings.Repeat("x", 20_000)
	for i := range 5 {
		c.Do(fmt.Sprintf("SET k%d %s", i, val))
		s.Clock.Advance(10 * time.Second)
	}
	limited(t, s, "allkeys-lru", 1000)
	for i := 5; i < 40; i++ {
		c.Do("GET k4")
		c.Do(fmt.Sprintf("SET k%d %s", i, val))
		s.Clock.Advance(10 * time.Second)
		c.Do("GET k4")
	}
	there := present(s, 40)
	for i, ok := range there {
		if want := i == 4 || i >= 36; ok != want {
			t.Errorf("k%d: %v, want %v", i, ok, want)
		}
	}
}

// TestEvictedKeysAreTold: to replicas, to who listens for events, to who watches them; and what is not volatile is not touched by a volatile policy.
func TestEvictedKeysAreTold(t *testing.T) {
	for _, lazy := range []bool{true, false} {
		s := enginetest.New(t, enginetest.Start)
		c, w := s.Client(), s.Client()
		c.Do("SELECT 3")
		c.Do("SET keep " + strings.Repeat("a", 500))
		c.Do("SET soon v EX 100")
		c.Do("SET later " + strings.Repeat("b", 500) + " EX 1000")
		w.Do("SELECT 3")
		w.Do("WATCH soon")
		s.Journal()
		s.Events = nil
		ev := limited(t, s, "volatile-ttl", -1)
		ev.Lazy = lazy
		s.Engine.SetEviction(ev)
		c.Do("GET keep")
		del := map[bool]string{true: "UNLINK", false: "DEL"}[lazy]
		if got := s.Journal(); !slices.Equal(got, []string{del + " soon"}) {
			t.Errorf("journal: %q", got)
		}
		if !slices.Equal(s.Events, []string{"e evicted 3 soon"}) {
			t.Errorf("events: %q", s.Events)
		}
		if got := s.Engine.EvictionStats(); got.Keys != 1 || got.ExceededNanos != 0 {
			t.Errorf("%+v", got)
		}
		ev.Limit = 0
		s.Engine.SetEviction(ev)
		w.Do("MULTI")
		w.Do("PING")
		if got := w.Do("EXEC"); got != "nil" && got != "(nil array)" && strings.Contains(got, "PONG") {
			t.Errorf("EXEC after a watched key was evicted: %s", got)
		}
	}
}

// TestNothingToEvict: who needs memory is refused, everything else goes on, and the time is counted.
func TestNothingToEvict(t *testing.T) {
	const oom = "-OOM command not allowed when used memory > 'maxmemory'."
	for _, name := range []string{"noeviction", "volatile-lru", "volatile-random", "volatile-ttl", "volatile-lfu"} {
		s := enginetest.New(t, enginetest.Start)
		c := s.Client()
		c.Do("SET a 1")
		c.Do("SET b 2")
		limited(t, s, name, -1)
		for line, want := range map[string]string{"SET c 3": oom, "GET a": `"1"`, "EXISTS a b": "2"} {
			if got := c.Do(line); got != want {
				t.Errorf("%s: %s: %s, want %s", name, line, got, want)
			}
		}
		s.Clock.Advance(3 * time.Second)
		if got := s.Engine.EvictionStats(); got.ExceededNanos != 3e9 || got.TotalExceededNanos != 3e9 || got.Keys != 0 {
			t.Errorf("%s: %+v", name, got)
		}
		c.Do("DEL a b")
		if got := c.Do("SET c 3"); got != "OK" {
			t.Errorf("%s: %s", name, got)
		}
		if got := s.Engine.EvictionStats(); got.ExceededNanos != 0 || got.TotalExceededNanos != 3e9 {
			t.Errorf("%s: %+v", name, got)
		}
		s.Engine.ResetStats()
		if got := s.Engine.EvictionStats(); got != (engine.EvictionStats{}) {
			t.Errorf("%s: %+v after a reset", name, got)
		}
	}
}

// TestWhoDoesNotEvict: a replica leaves it to its primary, unless told otherwise, and while data is loaded or clients are paused nothing goes, and nobody is refused.
func TestWhoDoesNotEvict(t *testing.T) {
	for _, tt := range []struct {
		gate    engine.Gate
		ignores bool
		evicts  bool
	}{
		{0, true, true}, {engine.GateReplica, true, false}, {engine.GateReplica, false, true}, {engine.GateLoading, true, false},
		{engine.GatePauseWrite, true, false}, {engine.GatePauseAll, false, false},
	} {
		s := enginetest.New(t, enginetest.Start)
		c, p := s.Client(), s.Primary()
		c.Do("SET a 1")
		s.Journal()
		ev := limited(t, s, "allkeys-lru", -1)
		ev.ReplicaIgnores = tt.ignores
		s.Engine.SetEviction(ev)
		s.Engine.SetGate(tt.gate, 0)
		v := s.Engine.NewEvictor()
		if v.Run() {
			t.Errorf("%+v: there is more to do", tt)
		}
		if gone := !present2(s, "a"); gone != tt.evicts {
			t.Errorf("%+v: evicted %v", tt, gone)
		}
		if got := len(s.Journal()); (got > 0) != (tt.evicts && tt.gate == 0) {
			t.Errorf("%+v: %d journaled", tt, got)
		}
		paused := tt.gate&(engine.GatePauseWrite|engine.GatePauseAll) != 0
		p.Raw("SET", "b", "2")
		if present2(s, "b") == paused {
			t.Errorf("%+v: the primary is obeyed: %v", tt, !paused)
		}
	}
}

func present2(s *enginetest.Server, key string) bool {
	h := s.Engine.Space.Hash([]byte(key))
	found := false
	s.Engine.WithShard(s.Engine.Space.ShardOf(h), func(sh *keyspace.Shard) { found = sh.DB(0).Find(h, []byte(key)).Found() })
	return found
}

// ticking is a clock on which every look takes a microsecond.
type ticking struct{ *clock.Fake }

func (c ticking) MonoNanos() int64 { c.Advance(time.Microsecond); return c.Fake.MonoNanos() }

// TestTenacity: with none a command evicts a few keys, the background the rest.
func TestTenacity(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for i := range 2000 {
		c.Do(fmt.Sprintf("SET k%d v", i))
	}
	ev := limited(t, s, "allkeys-random", 0)
	ev.Limit, ev.Tenacity = ev.Limit/2, 0
	s.Engine.Clock = ticking{s.Clock}
	s.Engine.SetEviction(ev)
	v := s.Engine.NewEvictor()
	<-v.Wanted() // the limit was changed
	if got := c.Do("SET k0 w"); got != "OK" {
		t.Fatal(got)
	}
	if got := s.Engine.EvictionStats().Keys; got == 0 || got > 100 {
		t.Errorf("%d keys evicted by one command", got)
	}
	<-v.Wanted() // there was not time enough
	for v.Run() {
	}
	if used := s.Engine.Memory(); used > ev.Limit {
		t.Errorf("%d used, limit %d", used, ev.Limit)
	}
}

// TestLimitIsKept: after each write memory is above the limit by one value at most, on one loop, with values of all sizes and with what was flushed waiting to be freed.
func TestLimitIsKept(t *testing.T) {
	for _, name := range engine.PolicyNames()[1:] {
		s := enginetest.New(t, enginetest.Start)
		s.Engine.NewCycle()
		c := s.Client()
		ev := limited(t, s, name, int64(fewer(100<<10)))
		r := rand.New(rand.NewPCG(1, 1))
		for i := range fewer(4000) {
			size := r.IntN(300)
			if r.IntN(50) == 0 {
				size = r.IntN(20_000)
			}
			if got := c.Do(fmt.Sprintf("SET k%d v%s EX 1000", r.IntN(3000), strings.Repeat("x", size))); got != "OK" {
				t.Fatalf("%s: %s", name, got)
			}
			if used := s.Engine.Memory(); used > ev.Limit+2*int64(size)+8192 {
				t.Fatalf("%s: after %d writes %d used, limit %d, value %d", name, i, used, ev.Limit, size)
			}
			if i%fewer(1000) == fewer(1000)-1 {
				c.Do("FLUSHALL ASYNC")
			}
		}
		if s.Engine.EvictionStats().Keys == 0 {
			t.Errorf("%s: nothing was evicted", name)
		}
	}
}

// TestEvictionDuringASnapshot: what is evicted before the walk has taken it is still held for the walk, and frees nothing. That must not make more and more go.
func TestEvictionDuringASnapshot(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	used := s.Engine.Memory
	s.Engine.Memory = func() int64 { return used() - s.Engine.Space.WalkHeld() }
	c := s.Client()
	val := strings.Repeat("x", 1500)
	for i := range 400 {
		c.Do(fmt.Sprintf("SET k%d %s", i, val))
	}
	limited(t, s, "allkeys-lru", 0)
	var w *keyspace.Walk
	s.Engine.Barrier(func() {
		var err error
		if w, err = keyspace.NewWalk(s.Engine.Space); err != nil {
			t.Error(err)
		}
	})
	for i := 400; i < 420; i++ {
		if got := c.Do(fmt.Sprintf("SET k%d %s", i, val)); got != "OK" {
			t.Fatal(got)
		}
	}
	if got := s.Engine.EvictionStats().Keys; got < 18 || got > 26 {
		t.Errorf("%d keys were evicted for 20", got)
	}
	items := 0
	for i := range s.Engine.Space.Shards() {
		s.Engine.WithShard(i, func(*keyspace.Shard) {
			for !w.Step(i, i, 1<<20, func(*keyspace.Item) { items++ }) {
			}
		})
	}
	if items != 400 || s.Engine.Space.WalkHeld() != 0 {
		t.Errorf("the snapshot has %d of 400 keys, %d bytes are still held", items, s.Engine.Space.WalkHeld())
	}
}

// TestEvictOnManyLoops writes on several loops at once far beyond the limit, with the cycle, the evictor and defragmentation at work.
func TestEvictOnManyLoops(t *testing.T) {
	for _, name := range []string{"allkeys-lru", "volatile-ttl", "allkeys-random"} {
		s := enginetest.New(t, enginetest.Start)
		s.Engine.Events = nil
		ev := limited(t, s, name, int64(fewer(200<<10)))
		cycle, v, d := s.Engine.NewCycle(), s.Engine.NewEvictor(), s.Engine.NewDefragger()
		stop := make(chan struct{})
		var writers, others sync.WaitGroup
		others.Add(1)
		go func() {
			defer others.Done()
			for {
				select {
				case <-stop:
					return
				case <-v.Wanted():
					v.Run()
				default:
					cycle.Run()
					d.Step()
				}
			}
		}()
		for n := range 4 {
			l := newLoop(s)
			writers.Add(1)
			go func() {
				defer writers.Done()
				for i := range fewer(1500) {
					key := fmt.Sprintf("k%d", (i*7+n*13)%2500)
					if out := l.run("SET", key, strings.Repeat("v", i%400), "EX", fmt.Sprint(1000+i)); out != "+OK\r\n" {
						t.Errorf("%s: %q", name, out)
						return
					}
					l.run("GET", key)
				}
			}()
		}
		writers.Wait()
		close(stop)
		others.Wait()
		if used := s.Engine.Memory(); used > ev.Limit+16<<10 {
			t.Errorf("%s: %d used, limit %d", name, used, ev.Limit)
		}
		s.Engine.EachShard(func(sh *keyspace.Shard) bool {
			sh.EachUsed(func(d *keyspace.DB) bool {
				if err := d.Check(); err != nil {
					t.Error(err)
				}
				return true
			})
			return true
		})
	}
}

func TestLFUClocks(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	ev := s.Engine.Eviction()
	ev.Policy, ev.LFULogFactor = policy(t, "allkeys-lfu"), 0
	s.Engine.SetEviction(ev)
	c := s.Client()
	c.Do("SET a 1")
	freq := func() (n int) {
		now := keyspace.LFUMinutes(s.Clock.Now().Unix())
		h := s.Engine.Space.Hash([]byte("a"))
		s.Engine.WithShard(s.Engine.Space.ShardOf(h), func(sh *keyspace.Shard) {
			n = int(keyspace.LFUDecayed(sh.DB(0).Find(h, []byte("a")).LRU(), now, 1))
		})
		return n
	}
	if got := freq(); got != keyspace.LFUInitial {
		t.Errorf("new: %d", got)
	}
	for range 10 {
		c.Do("GET a")
	}
	if got := freq(); got != keyspace.LFUInitial+10 {
		t.Errorf("used 10 times: %d", got)
	}
	s.Clock.Advance(4 * time.Minute)
	if got := freq(); got != keyspace.LFUInitial+6 {
		t.Errorf("4 minutes later: %d", got)
	}
	c.Do("GET a")
	if got := freq(); got != keyspace.LFUInitial+7 {
		t.Errorf("used again: %d", got)
	}
	key := []byte("loaded")
	h := s.Engine.Space.Hash(key)
	s.Engine.Put(0, h, false, func(d *keyspace.DB) { d.SetString(h, key, []byte("7"), keyspace.NoExpiry) })
	for line, want := range map[string]string{"OBJECT FREQ loaded": "5", "OBJECT FREQ a": "12", "OBJECT REFCOUNT loaded": "2147483647"} {
		if got := c.Do(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	ev.Limit = 1 << 40
	s.Engine.SetEviction(ev)
	if got := c.Do("OBJECT REFCOUNT loaded"); got != "1" {
		t.Errorf("a small integer under LFU has %s owners", got)
	}
	ev.Policy = engine.AllKeysLRU
	s.Engine.SetEviction(ev)
	c.Do("SET b 1")
	s.Clock.Advance(7 * time.Second)
	if got := c.Do("OBJECT IDLETIME b"); got != "7" {
		t.Errorf("idle for 7 seconds: %s", got)
	}
}
