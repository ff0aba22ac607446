package engine_test

import (
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// put stores a list of one element as a load does.
func put(s *enginetest.Server, key string, shadow bool) {
	h := s.Engine.Space.Hash([]byte(key))
	s.Engine.Put(0, h, shadow, func(d *keyspace.DB) {
		collection.OpenList(collection.Key{DB: d, Hash: h, Name: []byte(key)}, keyspace.Entry{}).Push([][]byte{[]byte("v")}, false)
	})
}

// TestLoadWakes: who waits for a key that a load brings is served when it is over, who has waited longest first; nobody before.
func TestLoadWakes(t *testing.T) {
	for name, shadow := range map[string]bool{"in place": false, "beside": true} {
		t.Run(name, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			tick := func() { s.Engine.Tick(s.Clock.Now().UnixMilli()) }
			w, v, z, c := s.Client(), s.Client(), s.Client(), s.Client()
			w.Raw("BLPOP", "k1", "k2", "0")
			v.Raw("BLPOP", "k2", "k1", "0")
			z.Raw("BZPOPMIN", "k1", "0")
			gate := engine.GateLoading
			if shadow {
				gate = engine.GateAsyncLoading
			}
			s.Engine.SetGate(gate, 0)
			put(s, "k1", shadow)
			tick()
			put(s, "k2", shadow)
			tick()
			if shadow {
				s.Engine.Barrier(s.Engine.SwapShadowLocked)
			}
			if len(w.Out.Buf)+len(v.Out.Buf) > 0 {
				t.Error("served before the load was over")
			}
			s.Engine.SetGate(0, gate)
			tick()
			if got := string(w.Out.Buf); got != "*2\r\n$2\r\nk1\r\n$1\r\nv\r\n" {
				t.Errorf("the first was answered %q", got)
			}
			if got := string(v.Out.Buf); got != "*2\r\n$2\r\nk2\r\n$1\r\nv\r\n" {
				t.Errorf("the second was answered %q", got)
			}
			if len(z.Out.Buf) > 0 {
				t.Errorf("who waits for another type was answered %q", z.Out.Buf)
			}
			if got := c.Do("EXISTS k1 k2"); got != "0" {
				t.Errorf("%s keys are left", got)
			}
			if got := strings.Join(s.Journal(), "; "); got != "LPOP k1; LPOP k2" {
				t.Errorf("journal: %s", got)
			}
		})
	}
}

// TestWaitersWithoutMemory: a waiting command that needs memory is refused when there is none and none can be made; any other is served, and so
// is it where room is made.
func TestWaitersWithoutMemory(t *testing.T) {
	const oom, moved = "-OOM command not allowed when used memory > 'maxmemory'.\r\n", "$1\r\n1\r\n"
	for _, tt := range []struct {
		policy string
		room   int64
		want   string
	}{{"noeviction", -1, oom}, {"volatile-lru", -1, oom}, {"noeviction", 1 << 20, moved}, {"volatile-ttl", -1, moved}} {
		s := enginetest.New(t, enginetest.Start)
		move, pop, c := s.Client(), s.Client(), s.Client()
		move.Raw("BLMOVE", "k", "to", "LEFT", "LEFT", "0")
		pop.Raw("BLPOP", "k", "0")
		c.Do("RPUSH other 1 2")
		if tt.policy == "volatile-ttl" {
			c.Do("SET filler " + strings.Repeat("x", 10_000) + " EX 1000")
		}
		s.Journal()
		limited(t, s, tt.policy, tt.room)
		if got := c.Do("RENAME other k"); got != "OK" {
			t.Fatal(got)
		}
		if got := string(move.Out.Buf); got != tt.want {
			t.Errorf("%+v: who moves was answered %q", tt, got)
		}
		next := "1"
		if tt.want == moved {
			next = "2"
		}
		if got := string(pop.Out.Buf); got != "*2\r\n$1\r\nk\r\n$1\r\n"+next+"\r\n" {
			t.Errorf("%+v: who pops was answered %q", tt, got)
		}
		if evicted := s.Engine.EvictionStats().Keys; (evicted > 0) != (tt.policy == "volatile-ttl") {
			t.Errorf("%+v: %d keys evicted", tt, evicted)
		}
		for _, cc := range s.Engine.Counters().PerCommand {
			if cc.Command.Name == "blmove" && (cc.Rejected == 1) != (tt.want == oom) {
				t.Errorf("%+v: counted %+v", tt, cc)
			}
		}
	}
}
