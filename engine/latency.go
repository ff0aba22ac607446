package engine

import (
	"sort"
	"strings"
	"sync"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
)

// latency is the latency monitor: of each kind of event the worst of each second in which one was as long as
// latency-monitor-threshold, at most limits.MaxLatencySamples of them.
type latency struct {
	mu     sync.Mutex
	events map[string]*latencySeries
}

type latencySeries struct {
	max     int64 // ms, of all times
	sum     int64 // ms, of all that were noted
	count   int64 // of them
	samples []latencySample
}

type latencySample struct{ unix, ms int64 }

// Latency tells the latency monitor of an event that took so many milliseconds: "command", "fast-command", "expire-cycle",
// "eviction-cycle", "eviction-del". Below latency-monitor-threshold it does nothing; it may be called with shards held.
func (e *Engine) Latency(event string, ms int64) {
	if t := e.notice.Load().latencyMs; t == 0 || ms < t {
		return
	}
	e.latency.add(event, e.Clock.Now().Unix(), ms)
}

// LatencyOn reports whether the latency monitor is on: whoever would read the clock for it only need not.
func (e *Engine) LatencyOn() bool { return e.notice.Load().latencyMs > 0 }

func (l *latency) add(event string, unix, ms int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.events[event]
	if s == nil {
		if l.events == nil {
			l.events = map[string]*latencySeries{}
		}
		s = &latencySeries{}
		l.events[event] = s
	}
	s.max = max(s.max, ms)
	s.sum += ms
	s.count++
	if n := len(s.samples); n > 0 && s.samples[n-1].unix == unix {
		s.samples[n-1].ms = max(s.samples[n-1].ms, ms)
		return
	}
	if len(s.samples) >= limits.MaxLatencySamples {
		s.samples = append(s.samples[:0], s.samples[1:]...)
	}
	s.samples = append(s.samples, latencySample{unix, ms})
}

// get copies an event's series, nil if there is none.
func (l *latency) get(event string) *latencySeries {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.events[event]
	if s == nil {
		return nil
	}
	return &latencySeries{max: s.max, sum: s.sum, count: s.count, samples: append([]latencySample(nil), s.samples...)}
}

// names are the events that have samples, sorted.
func (l *latency) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, 0, len(l.events))
	for name := range l.events {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// reset forgets one event, or with "" all, and tells how many there were.
func (l *latency) reset(event string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.events {
		if event == "" || strings.EqualFold(name, event) {
			delete(l.events, name)
			n++
		}
	}
	return n
}

func latencyCommand() *spec.Command {
	const flags = spec.Admin | spec.NoScript | spec.Loading | spec.Stale
	tips := []string{"nondeterministic_output", "request_policy:all_nodes", "response_policy:special"}
	event := spec.Str("event")
	sub := func(name, since, doc string, arity int, tips []string, run func(*spec.Call), args ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "O(1)", Arity: arity, Flags: flags, Tips: tips, Args: args, Run: run}
	}
	histogram := sub("histogram", "7.0.0", "Returns the cumulative distribution of latencies of a subset or all commands.", -2, tips, latencyHistogram,
		spec.Opt(spec.Many(spec.Str("command"))))
	histogram.Complex = "O(N) where N is the number of commands with latency information being retrieved."
	help := sub("help", "2.8.13", "Returns helpful text about the different subcommands.", 2, nil, latencyHelp)
	help.Flags = spec.Loading | spec.Stale
	return &spec.Command{Name: "latency", Since: "2.8.13", Doc: "A container for latency diagnostics commands.", Complex: "Depends on subcommand.",
		Group: spec.Server, Arity: -2, Sub: []*spec.Command{
			sub("doctor", "2.8.13", "Returns a human-readable latency analysis report.", 2, tips, latencyDoctor),
			sub("graph", "2.8.13", "Returns a latency graph for an event.", 3, tips, latencyGraph, event), help, histogram,
			sub("history", "2.8.13", "Returns timestamp-latency samples for an event.", 3, tips, latencyHistory, event),
			sub("latest", "2.8.13", "Returns the latest latency samples for all events.", 2, tips, latencyLatest),
			sub("reset", "2.8.13", "Resets the latency data for one or more events.", -2, []string{"request_policy:all_nodes", "response_policy:agg_sum"},
				latencyReset, spec.Opt(spec.Many(event))),
		}}
}

func latencyHistory(c *spec.Call) {
	s := engineOf(c).latency.get(string(c.Args[2]))
	if s == nil {
		c.Out.Array(0)
		return
	}
	c.Out.Array(len(s.samples))
	for _, p := range s.samples {
		c.Out.Array(2)
		c.Out.Int(p.unix)
		c.Out.Int(p.ms)
	}
}

func latencyLatest(c *spec.Call) {
	l := &engineOf(c).latency
	mark, n := c.Out.Defer(), 0
	for _, name := range l.names() {
		s := l.get(name)
		if s == nil {
			continue
		}
		last := s.samples[len(s.samples)-1]
		c.Out.Array(6)
		c.Out.BulkString(name)
		c.Out.Int(last.unix)
		c.Out.Int(last.ms)
		c.Out.Int(s.max)
		c.Out.Int(s.sum)
		c.Out.Int(s.count)
		n++
	}
	c.Out.SetArray(mark, n)
}

func latencyReset(c *spec.Call) {
	l, n := &engineOf(c).latency, 0
	if len(c.Args) == 2 {
		n = l.reset("")
	}
	for _, name := range c.Args[2:] {
		if len(name) > 0 {
			n += l.reset(string(name))
		}
	}
	c.Out.Int(int64(n))
}

func latencyHistogram(c *spec.Call) {
	e, x := engineOf(c), c.Engine.(*Executor)
	x.times.flush(x.hist) // those of this very turn
	var found []*Latencies
	add := func(cmd *spec.Command) {
		if l := e.latenciesOf(cmd.ID()); l != nil {
			found = append(found, l)
		}
	}
	if len(c.Args) == 2 {
		found = e.Latencies()
	}
	for _, name := range c.Args[2:] {
		cmd := lookupFull(e.Table, name)
		if cmd == nil {
			continue
		}
		add(cmd)
		for _, sub := range cmd.Sub {
			add(sub)
		}
	}
	c.Out.Map(len(found))
	for _, l := range found {
		c.Out.BulkString(l.Command.FullName())
		c.Out.Map(2)
		c.Out.BulkString("calls")
		c.Out.Int(int64(l.Calls))
		c.Out.BulkString("histogram_usec")
		micros, calls := l.cumulative()
		c.Out.Map(len(micros))
		for i := range micros {
			c.Out.Int(micros[i])
			c.Out.Int(int64(calls[i]))
		}
	}
}

// lookupFull finds a command by its full name: "get", "client|id".
func lookupFull(t *spec.Table, name []byte) *spec.Command {
	first, second, isSub := strings.Cut(string(name), "|")
	cmd := t.Lookup([]byte(first))
	if cmd == nil || !isSub {
		return cmd
	}
	for _, s := range cmd.Sub {
		if strings.EqualFold(s.Name, second) {
			return s
		}
	}
	return nil
}

func latencyHelp(c *spec.Call) {
	c.Help("DOCTOR", "    Return a human readable latency analysis report.",
		"GRAPH <event>", "    Return an ASCII latency graph for the <event> class.",
		"HISTORY <event>", "    Return time-latency samples for the <event> class.",
		"LATEST", "    Return the latest latency samples for all events.",
		"RESET [<event> ...]", "    Reset latency data of one or more <event> classes.",
		"    (default: reset all data for all event classes)",
		"HISTOGRAM [COMMAND ...]",
		"    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
		"    If no commands are specified then all histograms are replied.")
}
