//go:build linux

package node

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/store/keyspace"
)

// BenchmarkTurn is what a request costs between the read and the write: turns of 16 pipelined commands with 64-byte values on random keys,
// parsed, run and answered. cpu-ns/op is the processor time of one command: the lower quartile of many samples, as others use the machine.
func BenchmarkTurn(b *testing.B) {
	for _, keys := range []int{1000, 100_000, 1_200_000} {
		for _, cmd := range []string{"get", "set"} {
			b.Run(fmt.Sprintf("%s/%d", cmd, keys), func(b *testing.B) { benchTurn(b, cmd, keys) })
		}
	}
}

func benchTurn(b *testing.B, cmd string, keys int) {
	cfg := NewConfig()
	if err := cfg.LoadArgs([]string{"--port", "0", "--save", "", "--dir", b.TempDir()}); err != nil {
		b.Fatal(err)
	}
	n, err := New(cfg, b.Output(), clock.Real{})
	if err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	n.engine.SetGate(0, engine.GateLoading)
	value := make([]byte, 64)
	for i := range keys {
		key := fmt.Appendf(nil, "key:%012d", i)
		h := n.space.Hash(key)
		n.engine.Put(0, h, false, func(d *keyspace.DB) { d.SetString(h, key, value, keyspace.NoExpiry) })
	}
	const depth, turns = 16, 1 << 12
	reply := len("+OK\r\n")
	if cmd == "get" {
		reply = len("$64\r\n\r\n") + len(value)
	}
	r := rand.New(rand.NewPCG(1, 2))
	batches := make([][]byte, turns)
	for i := range batches {
		for range depth {
			key := fmt.Sprintf("key:%012d", r.IntN(keys))
			if cmd == "get" {
				batches[i] = fmt.Appendf(batches[i], "*2\r\n$3\r\nGET\r\n$16\r\n%s\r\n", key)
			} else {
				batches[i] = fmt.Appendf(batches[i], "*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$64\r\n%s\r\n", key, value)
			}
		}
	}
	x := n.engine.NewExecutor()
	s := session{cl: n.engine.NewClient(silentConn{})}
	lim := n.shared.limits.Load()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var samples []float64
	const sample = 1 << 13
	last := threadNanos(b)
	b.ResetTimer()
	for i := 0; i < b.N; i += depth {
		if i%sample == 0 && i > 0 {
			now := threadNanos(b)
			samples = append(samples, float64(now-last)/sample)
			last = now
		}
		data := batches[i/depth%turns]
		x.BeginTurn()
		done, _ := s.process(x, lim, data)
		if done != len(data) || len(s.cl.Out.Buf) != reply*depth {
			b.Fatalf("%d of %d bytes, answer %q", done, len(data), s.cl.Out.Buf)
		}
		s.written(len(s.cl.Out.Buf))
		x.EndTurn()
	}
	if slices.Sort(samples); len(samples) > 0 {
		b.ReportMetric(samples[len(samples)/4], "cpu-ns/op")
	}
}

// threadNanos is the processor time of the calling thread.
func threadNanos(b *testing.B) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return ts.Nano()
}
