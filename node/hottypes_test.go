//go:build linux && !invariants

package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine"
)

// hotLoad is requests that are sent by turns. In their words {k} is one of some keys, {m} one of some members, {n} a number and {v} a value of 64 bytes. have is sent before, once for
// each key and each member up to a number.
type hotLoad struct {
	name          string
	requests      []string
	keys, members int
	have          string
	each          int  // how many members have makes
	allocates     bool // an allocation for a command or more
}

var hotLoads = []hotLoad{
	{name: "list", requests: []string{"LPUSH {k} {v}", "LPOP {k}"}, keys: 100, have: "RPUSH {k} {v}", each: 100},
	{name: "list-big", requests: []string{"LPUSH {k} {v}", "LPOP {k}"}, keys: 1, have: "RPUSH {k} {v}", each: 20_000},
	{name: "set", requests: []string{"SADD {k} {m}", "SREM {k} {m}"}, keys: 100, members: 100, have: "SADD {k} {m}", each: 50},
	{name: "set-big", requests: []string{"SADD {k} {m}", "SREM {k} {m}"}, keys: 1, members: 40_000, have: "SADD {k} {m}", each: 20_000},
	{name: "hash", requests: []string{"HSET {k} {m} {v}", "HGET {k} {m}"}, keys: 100, members: 10, have: "HSET {k} {m} {v}", each: 10},
	{name: "hash-all", requests: []string{"HGETALL {k}"}, keys: 100, have: "HSET {k} {m} {v}", each: 10},
	{name: "hash-big", requests: []string{"HSET {k} {m} {v}", "HGET {k} {m}"}, keys: 1, members: 20_000, have: "HSET {k} {m} {v}", each: 20_000},
	{name: "zset", requests: []string{"ZADD {k} {n} {m}", "ZRANGE {k} 45 54 WITHSCORES"}, keys: 100, members: 100, have: "ZADD {k} {n} {m}", each: 100},
	{name: "zset-big", requests: []string{"ZADD {k} {n} {m}"}, keys: 1, members: 20_000, have: "ZADD {k} {n} {m}", each: 20_000},
	{name: "zset-score", requests: []string{"ZRANGE {k} {n} +inf BYSCORE LIMIT 0 10"}, keys: 1, have: "ZADD {k} {n} {m}", each: 20_000},
	{name: "stream", requests: []string{"XADD {k} MAXLEN ~ 1000 * field {v}"}, keys: 10, have: "XADD {k} * field {v}", each: 1000},
	{name: "stream-group", requests: []string{"XADD {k} MAXLEN ~ 1000 * field {v}", "XREADGROUP GROUP g c COUNT 1 NOACK STREAMS {k} >"}, keys: 1,
		have: "XGROUP CREATE {k} g $ MKSTREAM", each: 1, allocates: true},
	{name: "incr", requests: []string{"INCR {k}"}, keys: 1000},
	{name: "mget", requests: []string{"MGET" + strings.Repeat(" {k}", 10)}, keys: 1000, have: "SET {k} {v}", each: 1},
	{name: "mset", requests: []string{"MSET" + strings.Repeat(" {k} {v}", 10)}, keys: 1000, have: "SET {k} {v}", each: 1},
	{name: "eval", requests: []string{"EVAL script 1 {k} 1"}, keys: 1000, have: "SET {k} 1", each: 1, allocates: true},
}

// hotScript is what the word script stands for.
const hotScript = "local n = redis.call('GET', KEYS[1])\nif n == false then n = 0 end\nn = n + ARGV[1]\nredis.call('SET', KEYS[1], n)\ndo return n end"

// hotNode is a node whose loop the test is.
type hotNode struct {
	tb testing.TB
	n  *Node
	x  *engine.Executor
	s  session
	r  *rand.Rand
}

func newHotNode(tb testing.TB) *hotNode {
	cfg := NewConfig()
	if err := cfg.LoadArgs([]string{"--port", "0", "--save", "", "--io-threads", "1", "--dir", tb.TempDir()}); err != nil {
		tb.Fatal(err)
	}
	n, err := New(cfg, tb.Output(), clock.Real{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { n.Close() })
	n.engine.SetGate(0, engine.GateLoading)
	return &hotNode{tb: tb, n: n, x: n.engine.NewExecutor(), s: session{cl: n.engine.NewClient(silentConn{})}, r: rand.New(rand.NewPCG(1, 2))}
}

// append appends a request, for a key and member of these numbers, or for random ones if they are negative.
func (h *hotNode) append(b []byte, l *hotLoad, request string, key, member int) []byte {
	words := strings.Fields(request)
	b = fmt.Appendf(b, "*%d\r\n", len(words))
	for _, w := range words {
		i := member
		if i < 0 {
			i = h.r.IntN(max(l.members, 1))
		}
		switch w {
		case "{k}":
			k := key
			if k < 0 {
				k = h.r.IntN(l.keys)
			}
			w = fmt.Sprintf("key:%012d", k)
		case "{m}":
			w = fmt.Sprintf("member:%09d", i)
		case "{n}":
			w = fmt.Sprint(h.r.IntN(1e6))
		case "{v}":
			w = strings.Repeat("v", 64)
		case "script":
			w = hotScript
		}
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

// turn runs one batch.
func (h *hotNode) turn(batch []byte) {
	h.x.BeginTurn()
	done, _ := h.s.process(h.x, h.n.shared.limits.Load(), batch)
	if done != len(batch) {
		h.tb.Fatalf("%d of %d bytes, answer %q", done, len(batch), h.s.cl.Out.Buf)
	}
	h.s.written(len(h.s.cl.Out.Buf))
	h.x.EndTurn()
}

const hotDepth = 16

// prepare makes what a load needs, and batches of its requests.
func (h *hotNode) prepare(l *hotLoad, batches int) [][]byte {
	for k := range l.keys {
		for m := range l.each {
			h.turn(h.append(nil, l, l.have, k, m))
		}
	}
	out := make([][]byte, batches)
	for i := range out {
		for j := range hotDepth {
			out[i] = h.append(out[i], l, l.requests[j%len(l.requests)], -1, -1)
		}
	}
	for _, b := range out[:min(batches, 64)] { // what grows once
		h.turn(b)
		if bytes.Contains(h.s.cl.Out.Buf[:cap(h.s.cl.Out.Buf)], []byte("-ERR")) {
			h.tb.Fatalf("%s: an error", l.name)
		}
	}
	return out
}

// TestTypesAllocateNothing: commands of the types leave the collector no work, between the read and the write.
func TestTypesAllocateNothing(t *testing.T) {
	for i := range hotLoads {
		l := hotLoads[i]
		if l.allocates {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			h, next := newHotNode(t), 0
			l.each = min(l.each, 2000)
			batches := h.prepare(&l, 256)
			// Memory that is taken now and then, for a turn that needs more than those before, comes to less than one for a turn.
			if n := testing.AllocsPerRun(200, func() {
				h.turn(batches[next%len(batches)])
				next++
			}); n >= 1 {
				t.Errorf("%v allocations for a turn of %d commands", n, hotDepth)
			}
		})
	}
}

// BenchmarkTurnTypes is BenchmarkTurn for commands of all types: cpu-ns/op is the processor time of one command, the lower quartile of many samples.
func BenchmarkTurnTypes(b *testing.B) {
	for i := range hotLoads {
		l := hotLoads[i]
		b.Run(l.name, func(b *testing.B) {
			h := newHotNode(b)
			batches := h.prepare(&l, 1<<10)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			const sample = 1 << 11
			var samples []float64
			b.ReportAllocs()
			b.ResetTimer()
			last := threadNanos(b)
			for i := 0; i < b.N; i += hotDepth {
				if i%sample == 0 && i > 0 {
					now := threadNanos(b)
					samples = append(samples, float64(now-last)/sample)
					last = threadNanos(b)
				}
				h.turn(batches[i/hotDepth%len(batches)])
			}
			if slices.Sort(samples); len(samples) > 0 {
				b.ReportMetric(samples[len(samples)/4], "cpu-ns/op")
			}
		})
	}
}
