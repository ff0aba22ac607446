package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// takes makes a command take as long as its last argument says, as in "3us:"; without that, a nanosecond.
func takes(t *testing.T, s *enginetest.Server, name string) {
	cmd := s.Table.Lookup([]byte(name))
	run := cmd.Run
	cmd.Run = func(c *spec.Call) {
		d := time.Nanosecond
		if text, _, ok := strings.Cut(string(c.Args[len(c.Args)-1]), ":"); ok {
			d, _ = time.ParseDuration(text)
		}
		s.Clock.Advance(d)
		run(c)
	}
	t.Cleanup(func() { cmd.Run = run })
}

func repeat(n int, line string) []string { return slices.Repeat([]string{line}, n) }

func slow(threshold time.Duration) engine.Observe {
	return engine.Observe{LatencyTracking: true, Slow: engine.LogLimit{Threshold: threshold.Microseconds(), MaxLen: 100}}
}

// TestTimesOfAPipeline: brief commands are timed together, and the sums are right all the same.
func TestTimesOfAPipeline(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Observe(slow(10 * time.Millisecond))
	for _, name := range []string{"get", "set", "incr", "strlen"} {
		takes(t, s, name)
	}
	lines := append(repeat(70, "GET 3us:"), repeat(10, "SET k 5us:")...)
	lines = append(lines, "GET 4us:", "MULTI", "GET 10us:", "GET 10us:", "STRLEN 2us:", "EXEC", "INCR k", "GET 1us:")
	s.Client().Pipeline(lines...)
	want := map[string][3]int64{ // calls, failed, ns
		"get": {74, 0, 70*3000 + 4000 + 20_000 + 1000}, "set": {10, 0, 50_000}, "strlen": {1, 0, 2000}, "exec": {1, 0, 22_000}, "incr": {1, 1, 1}, "multi": {1, 0, 0}}
	for _, c := range s.Engine.Counters().PerCommand {
		if got := [3]int64{int64(c.Calls), int64(c.Failed), c.Nanos}; got != want[c.Command.Name] {
			t.Errorf("%s: calls, failed, ns: %v, want %v", c.Command.Name, got, want[c.Command.Name])
		}
		delete(want, c.Command.Name)
	}
	if len(want) > 0 {
		t.Errorf("not counted: %v", want)
	}
	for _, l := range s.Engine.Latencies() {
		if l.Command.Name == "get" && l.Calls != 74 {
			t.Errorf("%d calls of get in the histogram", l.Calls)
		}
	}
	if n := s.Engine.Counters().Errors["ERR"]; n != 1 {
		t.Errorf("%d errors", n)
	}
}

// TestSlowCommandOfAPipeline: a command that is slow is in the log, by name if the threshold is so low that its neighbours matter.
func TestSlowCommandOfAPipeline(t *testing.T) {
	for _, tt := range []struct {
		threshold time.Duration
		lines     []string
		want      []string // "µs key" of the entries, the newest first
	}{
		{5 * time.Microsecond, []string{"GET 1us:", "GET 7us:", "GET 2us:", "GET 6us:"}, []string{"6 6us:", "7 7us:"}},
		{10 * time.Millisecond, []string{"GET 1us:", "GET 20ms:"}, []string{"20001 20ms:"}},
		{10 * time.Millisecond, append(repeat(40, "GET 20us:"), "SET k v"), nil},
		{10 * time.Millisecond, []string{"SET k v", "GET 20ms:", "STRLEN k"}, []string{"20000 20ms:"}},
	} {
		s := enginetest.New(t, enginetest.Start)
		takes(t, s, "get")
		s.Engine.Observe(slow(tt.threshold))
		c := s.Client()
		c.Pipeline(tt.lines...)
		s.Engine.Observe(engine.Observe{Slow: engine.LogLimit{Threshold: -1, MaxLen: 100}})
		var got []string
		for _, e := range c.Value("SLOWLOG", "GET", "-1").Elems {
			got = append(got, fmt.Sprintf("%d %s", e.Elems[2].Int, e.Elems[3].Elems[1].Str))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("from %v on: %q, want %q", tt.threshold, got, tt.want)
		}
	}
}

// TestPipelineIsWhatItsCommandsAre: parsing and reading ahead changes no answer, whatever the commands before do.
func TestPipelineIsWhatItsCommandsAre(t *testing.T) {
	lines := []string{"SET a 1", "GET a", "SELECT 1", "GET a", "SET a 2", "GET a", "SWAPDB 0 1", "GET a", "FLUSHALL", "GET a", "SELECT 0", "GET a",
		"MSET a 1 b 2 c 3", "MGET a b c", "MULTI", "SET a x", "GET a", "EXEC", "RENAME a b", "GET b", "SET a 5 EX 100", "TTL a", "SET a 6", "TTL a", "GET a", "DEL a b c",
		"SET a 12345678901234567890123", "SET a 3", "STRLEN a", "OBJECT ENCODING a", "NOSUCH a", "GET", "PING", "GET a"}
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("SET k%d %d", i%50, i), fmt.Sprintf("GET k%d", i%60))
	}
	one, many := enginetest.New(t, enginetest.Start), enginetest.New(t, enginetest.Start)
	a, b := one.Client(), many.Client()
	got := b.Pipeline(lines...)
	for i, line := range lines {
		if want := a.Do(line); got[i] != want {
			t.Errorf("%s: %s in the pipeline, %s alone", line, got[i], want)
		}
	}
	if x, y := one.Journal(), many.Journal(); !slices.Equal(x, y) {
		t.Errorf("the journals differ:\n%q\n%q", x, y)
	}
}
