package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// all notes everything there is.
func all() engine.Observe {
	every := engine.LogLimit{Threshold: 0, MaxLen: 128}
	return engine.Observe{LatencyTracking: true, Slow: every, LargeRequest: every, LargeReply: every}
}

func TestSlowlog(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("CLIENT SETNAME me")
	if got := c.Do("SLOWLOG LEN"); got != "0" {
		t.Fatalf("off, and has %s", got)
	}
	s.Engine.Observe(all())
	at := enginetest.Start.Unix()
	entry := func(id int, args string) string {
		return fmt.Sprintf(`[%d %d 0 [%s] "127.0.0.1:1" "me"]`, id, at, args)
	}
	c.Do("SET k v")
	c.Do("MULTI")
	c.Do("GET k")
	c.Do("EXEC")
	c.Do("NOSUCH")
	c.Do("GET") // what is refused is in no log
	want := "[" + entry(2, `"GET" "k"`) + " " + entry(1, `"MULTI"`) + " " + entry(0, `"SET" "k" "v"`) + "]"
	if got := c.Do("SLOWLOG GET"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c.Do("SLOWLOG RESET")
	c.Do("ACL SETUSER bob >secret")
	c.Do("AUTH bob secret")
	c.Do("HELLO 3 AUTH bob secret SETNAME me")
	c.Raw(append([]string{"MSET"}, make([]string, 40)...)...)
	c.Raw("SET", "k", strings.Repeat("x", limits.MaxCommandLogArgBytes+1))
	got := c.Do("SLOWLOG GET -1")
	for _, want := range []string{`["ACL" "SETUSER" "(redacted)" "(redacted)"]`, `["AUTH" "(redacted)" "(redacted)"]`,
		`["HELLO" "3" "AUTH" "(redacted)" "(redacted)" "SETNAME" "me"]`, `"... (10 more arguments)"`, `xx... (1 more bytes)"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("a secret is in the log: %s", got)
	}
	play(t, s, []step{{"b", "SLOWLOG GET -2", "-ERR count should be greater than or equal to -1"}, {"b", "SLOWLOG GET x", "-ERR count should be greater than or equal to -1"},
		{"b", "SLOWLOG GET 0", "[]"}, {"b", "COMMANDLOG RESET nosuch", "-ERR type should be one of the following: slow, large-request, large-reply"}})
}

func TestCommandLogLimits(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Observe(engine.Observe{Slow: engine.LogLimit{Threshold: -1, MaxLen: 10}, LargeReply: engine.LogLimit{Threshold: 100, MaxLen: 2}})
	c := s.Client()
	c.Raw("SET", "k", strings.Repeat("v", 200))
	for range 5 {
		c.Do("GET k")
		c.Do("PING")
	}
	play(t, s, []step{{"a", "COMMANDLOG LEN large-reply", "2"}, {"a", "COMMANDLOG LEN slow", "0"}, {"a", "COMMANDLOG LEN large-request", "0"}})
	if got := c.Do("COMMANDLOG GET 1 large-reply"); !strings.Contains(got, ` 208 ["GET" "k"] `) || !strings.HasPrefix(got, "[[4 ") {
		t.Errorf("the last large reply: %s", got)
	}
	s.Engine.Observe(engine.Observe{})
	if got := c.Do("COMMANDLOG LEN LARGE-REPLY"); got != "0" {
		t.Errorf("max-len 0 keeps %s", got)
	}
}

// TestBlockedIsCountedWhenAnswered: neither the logs nor the counters know a command before its reply.
func TestBlockedIsCountedWhenAnswered(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Observe(all())
	cmd := s.Table.Lookup([]byte("ping"))
	run := cmd.Run
	defer func() { cmd.Run = run }()
	b := &engine.Block{}
	cmd.Run = blocker(b)
	w := &wire{}
	c, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
	x.BeginTurn()
	if got := x.Run(c, words("PING")); got != engine.Blocked {
		t.Fatalf("outcome %d", got)
	}
	x.EndTurn()
	if n := s.Engine.TotalCommands(); n != 0 {
		t.Fatalf("%d commands are counted already", n)
	}
	c.Unblock(b, failWith("BUSY no"))
	w.turn()
	got := s.Engine.Counters()
	if got.Commands != 1 || got.Errors["BUSY"] != 1 || len(got.PerCommand) != 1 || got.PerCommand[0].Failed != 1 {
		t.Errorf("counted %+v", got)
	}
	if got := s.Client().Do("SLOWLOG GET"); !strings.Contains(got, `["PING"]`) {
		t.Errorf("the log: %s", got)
	}
}

func TestLatencyEvents(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Latency("command", 1000)
	s.Engine.Observe(engine.Observe{LatencyThresholdMs: 10})
	s.Engine.Latency("expire-cycle", 9)
	at := enginetest.Start.Unix()
	play(t, s, []step{{"a", "LATENCY LATEST", "[]"}, {"a", "LATENCY HISTORY command", "[]"}, {"a", "LATENCY RESET command", "0"},
		{"a", "LATENCY GRAPH command", "-ERR No samples available for event 'command'"}})
	for _, ms := range []int64{20, 300, 100} { // within one second the worst counts
		s.Engine.Latency("command", ms)
	}
	s.Clock.Advance(2 * time.Second)
	s.Engine.Latency("command", 50)
	s.Engine.Latency("expire-cycle", 10)
	play(t, s, []step{{"a", "LATENCY HISTORY command", fmt.Sprintf("[[%d 300] [%d 50]]", at, at+2)},
		{"a", "LATENCY LATEST", fmt.Sprintf(`[["command" %d 50 300 470 4] ["expire-cycle" %d 10 10 10 1]]`, at+2, at+2)}})
	c := s.Client()
	if got := c.Value("LATENCY", "DOCTOR"); !strings.Contains(string(got.Str), "1. command: 2 latency spikes (average 175ms, mean deviation 125ms, period 1.00 sec). Worst all time event 300ms.") ||
		!strings.Contains(string(got.Str), "The slow log is off") {
		t.Errorf("the doctor says %s", got.Str)
	}
	graph := "command - high 300 ms, low 50 ms (all time high 300 ms)\n" + strings.Repeat("-", 80) + "\n# \n| \n| \n|_\n  \n20\nss\n"
	if got := c.Value("LATENCY", "GRAPH", "command"); string(got.Str) != graph {
		t.Errorf("graph\n%s\nwant\n%s", got.Str, graph)
	}
	for range limits.MaxLatencySamples + 5 {
		s.Clock.Advance(time.Second)
		s.Engine.Latency("command", 11)
	}
	if got := c.Value("LATENCY", "HISTORY", "command"); len(got.Elems) != limits.MaxLatencySamples {
		t.Errorf("%d samples are kept", len(got.Elems))
	}
	play(t, s, []step{{"a", "LATENCY RESET nosuch COMMAND", "1"}, {"a", "LATENCY RESET", "1"}, {"a", "LATENCY LATEST", "[]"}})
}

func TestLatencyHistogram(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET a b")
	if got := c.Do("LATENCY HISTOGRAM"); got != "[]" {
		t.Errorf("off, and has %s", got)
	}
	s.Engine.Observe(engine.Observe{LatencyTracking: true})
	c.Do("SET a b")
	c.Do("SET a b")
	c.Do("CLIENT ID")
	play(t, s, []step{{"a", "LATENCY HISTOGRAM set nosuch", `["set" ["calls" 2 "histogram_usec" [1 2]]]`},
		{"a", "LATENCY HISTOGRAM client", `["client|id" ["calls" 1 "histogram_usec" [1 1]]]`},
		{"a", "LATENCY HISTOGRAM client|id", `["client|id" ["calls" 1 "histogram_usec" [1 1]]]`}})
	s.Engine.ResetStats()
	if got := c.Do("LATENCY HISTOGRAM set"); got != "[]" {
		t.Errorf("after a reset: %s", got)
	}
}

// TestMonitorOrder: several loops write one key; every monitor sees the writes in the order in which they were done.
func TestMonitorOrder(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Events = nil // the harness notes them for one loop only
	wires := []*wire{{}, {}}
	var monitors []*engine.Client
	x := s.Engine.NewExecutor()
	for _, w := range wires {
		c := s.Engine.NewClient(w)
		x.BeginTurn()
		x.Run(c, words("MONITOR"))
		monitors = append(monitors, c)
	}
	const rounds = 200
	var wg sync.WaitGroup
	for n := range 4 {
		l := newLoop(s)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range rounds {
				l.run("APPEND", "k", fmt.Sprintf("%d-%d;", n, i))
			}
		}()
	}
	wg.Wait()
	want := string(s.Client().Value("GET", "k").Str)
	for i, m := range monitors {
		wires[i].turn()
		var got strings.Builder
		for _, line := range strings.Split(string(m.Out.Buf), "\r\n") {
			if _, word, ok := strings.Cut(line, `"APPEND" "k" "`); ok {
				got.WriteString(strings.TrimSuffix(word, `"`))
			}
		}
		if got.String() != want {
			t.Errorf("monitor %d saw another order than the one of the key's value", i)
		}
	}
}

func TestMonitor(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w := &wire{}
	m, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
	run := func(line string) string {
		x.BeginTurn()
		m.Out.Buf = m.Out.Buf[:0]
		x.Run(m, words(line))
		x.EndTurn()
		return string(m.Out.Buf)
	}
	if got := run("MONITOR"); got != "+OK\r\n" {
		t.Fatal(got)
	}
	if got := run("GET k"); got != "-ERR Replica can't interact with the keyspace\r\n" {
		t.Errorf("a monitor's GET: %q", got)
	}
	a := s.Client()
	for _, line := range []string{"CLIENT LIST", `SET k "a\n\x01\"\\"`, "AUTH x y", "NOSUCH", "MULTI", "SELECT 3", "EXEC", "PING"} {
		a.Do(line)
	}
	m.Out.Buf = m.Out.Buf[:0]
	w.turn()
	at := fmt.Sprintf("+%d.000000 [%%d 127.0.0.1:1] ", enginetest.Start.Unix())
	want := ""
	for _, l := range []string{`"SET" "k" "a\n\x01\"\\"`, `"AUTH" "(redacted)" "(redacted)"`, `"MULTI"`} {
		want += fmt.Sprintf(at, 0) + l + "\r\n"
	}
	for _, l := range []string{`"SELECT" "3"`, `"EXEC"`, `"PING"`} {
		want += fmt.Sprintf(at, 3) + l + "\r\n"
	}
	if got := string(m.Out.Buf); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := a.Do("CLIENT LIST"); !strings.Contains(got, "flags=O ") {
		t.Errorf("no flag O: %s", got)
	}
	if got := run("RESET"); got != "+RESET\r\n" {
		t.Errorf("RESET: %q", got)
	}
	a.Do("PING")
	if w.turn(); strings.Contains(string(m.Out.Buf), "PING") {
		t.Error("a monitor after RESET is still shown commands")
	}
}

// TestMonitorScripts: a script is shown before what it calls, and also when it does not come to run, as ioredis' own tests expect.
func TestMonitorScripts(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w := &wire{}
	m, x := s.Engine.NewClient(w), s.Engine.NewExecutor()
	x.BeginTurn()
	x.Run(m, words("MONITOR"))
	x.EndTurn()
	m.Out.Buf = m.Out.Buf[:0]
	a := s.Client()
	lines := []string{`"EVALSHA" "` + strings.Repeat("f", 40) + `" "0"`, `"EVALSHA_RO" "short" "0"`, `"EVAL" "syntax error" "0"`, `"EVAL_RO" "return 1" "2" "k"`,
		`"FCALL" "nosuch" "0"`, `"FCALL_RO" "nosuch" "0"`, `"EVAL" "return redis.call('PING')" "0"`}
	for _, line := range lines {
		a.Do(line)
	}
	w.turn()
	at := fmt.Sprintf("+%d.000000 [0 ", enginetest.Start.Unix())
	want := ""
	for _, line := range lines {
		want += at + "127.0.0.1:1] " + line + "\r\n"
	}
	want += at + `lua] "PING"` + "\r\n"
	if got := string(m.Out.Buf); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestFeedIsBounded: a monitor whose loop takes nothing is cut, and nobody waits for it.
func TestFeedIsBounded(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w := &wire{}
	c := s.Engine.NewClient(w)
	big := make([]byte, limits.MiB)
	for range limits.MaxFeedBytes / limits.MiB {
		c.Push(big)
	}
	if c.Killed() {
		t.Fatal("cut too early")
	}
	if c.Push(big); !c.Killed() || s.Engine.Client(c.ID()) != nil {
		t.Error("not cut")
	}
}
