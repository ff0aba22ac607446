package engine

import (
	"fmt"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
)

// spread is what the doctor tells of an event's samples, ms and seconds.
type spread struct{ n, avg, deviation, period int64 }

func (s *latencySeries) spread(nowUnix int64) (sp spread) {
	sp.n = int64(len(s.samples))
	if sp.n == 0 {
		return sp
	}
	for _, p := range s.samples {
		sp.avg += p.ms
	}
	sp.avg /= sp.n
	for _, p := range s.samples {
		sp.deviation += max(sp.avg-p.ms, p.ms-sp.avg)
	}
	sp.deviation /= sp.n
	sp.period = max(nowUnix-s.samples[0].unix, 1)
	return sp
}

// advice is what helps against kinds of events.
type advice struct {
	events []string
	when   func(e *Engine) bool // nil: always
	text   string
}

var advices = []advice{
	{[]string{"command"}, func(e *Engine) bool { return !e.notice.Load().logs[logSlow].on() },
		"The slow log is off, so nobody knows which commands are slow. Switch it on: CONFIG SET slowlog-log-slower-than with your latency threshold in microseconds."},
	{[]string{"command"}, func(e *Engine) bool {
		n := e.notice.Load()
		return n.logs[logSlow].on() && n.logs[logSlow].Threshold/1000 > n.latencyMs
	}, "The slow log takes only commands that are slower than the latency threshold. Lower slowlog-log-slower-than."},
	{[]string{"command"}, nil, "SLOWLOG GET shows the commands that are too slow. A command that waits for the keys of a slow one is slow, too."},
	{[]string{"fast-command"}, nil, "A command that does little took long: the process was not given the CPU. Look for other load on the machine or, on a virtual " +
		"machine, on its host; measure the system's own latency with redis-cli --intrinsic-latency 100."},
	{[]string{"command", "expire-cycle", "eviction-del"}, nil, "To delete, expire or evict a large value takes time. Split large values, or set the lazyfree-lazy parameters."},
	{[]string{"eviction-cycle"}, nil, "Much had to be evicted at once. That is so after maxmemory was lowered, and when large values are written: leave more room."},
}

func latencyDoctor(c *spec.Call) { c.Out.Verbatim("txt", engineOf(c).latencyReport(c.Now/1000)) }

// latencyReport is LATENCY DOCTOR's.
func (e *Engine) latencyReport(nowUnix int64) string {
	names := e.latency.names()
	if len(names) == 0 && !e.LatencyOn() {
		return "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Valkey instance. You may " +
			"use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it.\n"
	}
	if len(names) == 0 {
		return "No latency spike was observed during the lifetime of this Valkey instance, not in the slightest bit.\n"
	}
	var b strings.Builder
	b.WriteString("Latency spikes are observed in this Valkey instance.\n\n")
	seen := map[string]bool{}
	for i, name := range names {
		seen[name] = true
		if s := e.latency.get(name); s != nil {
			sp := s.spread(nowUnix)
			fmt.Fprintf(&b, "%d. %s: %d latency spikes (average %dms, mean deviation %dms, period %.2f sec). Worst all time event %dms.\n",
				i+1, name, sp.n, sp.avg, sp.deviation, float64(sp.period)/float64(sp.n), s.max)
		}
	}
	e.writeAdvice(&b, seen)
	return b.String()
}

func (e *Engine) writeAdvice(b *strings.Builder, seen map[string]bool) {
	head := "\nHere is some advice for you:\n\n"
	for _, a := range advices {
		fits := false
		for _, ev := range a.events {
			fits = fits || seen[ev]
		}
		if fits && (a.when == nil || a.when(e)) {
			b.WriteString(head + "- " + a.text + "\n")
			head = ""
		}
	}
}

// graphColumns and graphRows are the size of LATENCY GRAPH.
const (
	graphColumns = 80
	graphRows    = 4
)

func latencyGraph(c *spec.Call) {
	event := string(c.Args[2])
	s := engineOf(c).latency.get(event)
	if s == nil {
		c.Out.Error("ERR No samples available for event '" + event + "'")
		return
	}
	c.Out.Verbatim("txt", s.graph(event, c.Now/1000))
}

// graph draws the samples as columns, each with its age written downwards below it.
func (s *latencySeries) graph(event string, nowUnix int64) string {
	low, high := s.samples[0].ms, s.samples[0].ms
	labels := make([]string, len(s.samples))
	for i, p := range s.samples {
		low, high = min(low, p.ms), max(high, p.ms)
		labels[i] = age(nowUnix - p.unix)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s - high %d ms, low %d ms (all time high %d ms)\n%s\n", event, high, low, s.max, strings.Repeat("-", graphColumns))
	for from := 0; from < len(s.samples); from += graphColumns {
		if from > 0 {
			b.WriteByte('\n')
		}
		to := min(from+graphColumns, len(s.samples))
		drawColumns(&b, s.samples[from:to], labels[from:to], low, high)
	}
	return b.String()
}

// shades are how much of its row the top of a column fills.
const shades = "_o#"

func drawColumns(b *strings.Builder, samples []latencySample, labels []string, low, high int64) {
	steps := int64(len(shades) * graphRows)
	for row := range int64(graphRows) {
		for _, p := range samples {
			step := min((p.ms-low)*steps/max(high-low, 1), steps-1)
			switch at := step - (graphRows-row-1)*int64(len(shades)); {
			case at < 0:
				b.WriteByte(' ')
			case at < int64(len(shades)):
				b.WriteByte(shades[at])
			default:
				b.WriteByte('|')
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString(strings.Repeat(" ", len(samples)) + "\n")
	longest := 0
	for _, l := range labels {
		longest = max(longest, len(l))
	}
	for i := range longest {
		for _, l := range labels {
			if i < len(l) {
				b.WriteByte(l[i])
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
}

// age says how long ago, in the biggest unit that fits.
func age(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 86400:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/86400)
}
