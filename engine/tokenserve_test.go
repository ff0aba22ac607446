package engine_test

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
)

// crowdedServer is a server of whose shards nearly every one is taken at any moment, by a command on the one key of keys that is in it. stop ends that.
func crowdedServer(t *testing.T) (s *enginetest.Server, keys []string, stop func()) {
	crowd(t)
	s = enginetest.New(t, enginetest.Start, &spec.Command{Name: "linger", Group: spec.Generic, Since: "1.0.0", Doc: "Holds its key's shard for a while.",
		Flags: spec.ReadOnly, Arity: 2, Keys: spec.One(1, spec.RO|spec.Reads),
		Run: func(c *spec.Call) {
			for range 30 {
				runtime.Gosched()
			}
			c.Out.OK()
		}})
	s.Engine.Events = nil
	keys = make([]string, enginetest.Shards)
	for i, left := 0, len(keys); left > 0; i++ {
		key := "k" + strconv.Itoa(i)
		if at := &keys[s.Engine.Space.ShardOf(s.Engine.Space.Hash([]byte(key)))]; *at == "" {
			*at = key
			left--
		}
	}
	var end atomic.Bool
	var busy sync.WaitGroup
	for _, key := range keys {
		l := newLoop(s)
		busy.Go(func() {
			for !end.Load() {
				l.run("linger", key)
			}
		})
	}
	return s, keys, func() { end.Store(true); busy.Wait() }
}

// inTime runs fn, and fails when it does not end: somebody waits for ever.
func inTime(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(3 * time.Minute):
		t.Fatalf("%s: waits for ever", what)
	}
}

// TestTokenHolderServes: who has the engine's token, because it runs a script or reaches keys on its way, serves those who wait for keys of all shards while others have these by turns.
// It takes the shards by the token that it has; who took them as others do would come to wait for the token, which is its own.
func TestTokenHolderServes(t *testing.T) {
	s, keys, stop := crowdedServer(t)
	defer stop()
	push := newLoop(s)
	for i := range 3 {
		push.run("RPUSH", "list", strconv.Itoa(i))
	}
	for what, lines := range map[string][][]string{
		"a script":                    {{"EVAL", "return redis.call('RPUSH', KEYS[1], 'x')", "1", keys[3]}},
		"a script of undeclared keys": {{"EVAL", "return redis.call('RPUSH', ARGV[1], 'x')", "0", keys[5]}},
		"a transaction with a script": {{"MULTI"}, {"EVAL", "return redis.call('RPUSH', KEYS[1], 'x')", "1", keys[0]}, {"EXEC"}},
		"a SORT that roams":           {{"SORT", "list", "BY", "w*", "LIMIT", "0", "1", "STORE", keys[7]}},
	} {
		for range many(10) {
			w := newMailLoop(s)
			if w.run(append(append([]string{"BLPOP"}, keys...), "0")...); w.c.BlockedOn() == nil {
				t.Fatalf("%s: nobody waits", what)
			}
			inTime(t, what, func() {
				for _, l := range lines {
					push.run(l...)
				}
			})
			if w.conn.take(); w.c.BlockedOn() != nil {
				t.Fatalf("%s: who waits was not served", what)
			}
		}
	}
}

// TestTokenHolderMakesRoom is TestTokenHolderServes of a script behind which a waiting command needs memory: it lets go of all shards to make room, and takes them again.
func TestTokenHolderMakesRoom(t *testing.T) {
	s, keys, stop := crowdedServer(t)
	defer stop()
	push, unlimited := newLoop(s), s.Engine.Eviction()
	source := "#!lua flags=allow-oom\nfor _, k in ipairs(KEYS) do redis.call('RPUSH', k, 'x') end"
	script := append([]string{"EVAL", source, strconv.Itoa(len(keys))}, keys...)
	for range many(10) {
		w := newMailLoop(s)
		if w.run("BLMOVE", keys[0], keys[1], "LEFT", "LEFT", "0"); w.c.BlockedOn() == nil {
			t.Fatal("nobody waits")
		}
		limited(t, s, "noeviction", -1)
		inTime(t, "a script", func() { push.run(script...) })
		w.conn.take()
		if got := string(w.c.Out.Buf); !strings.HasPrefix(got, "-OOM ") {
			t.Fatalf("who waits was answered %q", got)
		}
		s.Engine.SetEviction(unlimited)
		push.run(append([]string{"DEL"}, keys...)...)
	}
}
