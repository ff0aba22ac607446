package engine

import (
	"math"
	"sync"

	"github.com/larder-cache/larder/commands/spec"
)

// What is noted of commands beside their counters: the command logs (commandlog.go), latency (latency.go, histogram.go) and
// MONITOR (monitor.go). All of it hangs on one pointer that is read once a command.

// LogLimit says what a command log takes: values from Threshold on (negative: none), and how many entries it keeps (0: none).
type LogLimit struct{ Threshold, MaxLen int64 }

func (l LogLimit) on() bool { return l.Threshold >= 0 && l.MaxLen > 0 }

// Observe is what is noted of commands, as the configuration has it.
type Observe struct {
	LatencyTracking    bool     // histograms of all commands
	LatencyThresholdMs int64    // latency-monitor-threshold; 0: off
	Slow               LogLimit // threshold in µs
	LargeRequest       LogLimit // threshold in bytes
	LargeReply         LogLimit // threshold in bytes
}

// notice is Observe as the hot path wants it. It is never changed, only replaced.
type notice struct {
	tracking              bool
	nanos, request, reply int64 // from any of these on, observe looks at a command
	coarse                bool  // nanos is so long that brief commands may be timed together
	latencyMs             int64 // 0: off
	logs                  [numLogs]LogLimit
	monitors              []*Client
}

// observed guards what notices are made of.
type observed struct {
	mu       sync.Mutex
	settings Observe
	monitors []*Client
}

// Observe sets what is noted of the commands that run from now on.
func (e *Engine) Observe(o Observe) {
	e.observed.mu.Lock()
	defer e.observed.mu.Unlock()
	e.observed.settings = o
	e.noticeLocked()
	for i, l := range e.notice.Load().logs {
		e.logs[i].setMax(l.MaxLen)
	}
}

// noticeLocked makes the notice anew. The caller holds observed.mu.
func (e *Engine) noticeLocked() {
	o := &e.observed.settings
	n := &notice{tracking: o.LatencyTracking, latencyMs: o.LatencyThresholdMs, nanos: math.MaxInt64, request: math.MaxInt64, reply: math.MaxInt64,
		logs: [numLogs]LogLimit{logSlow: o.Slow, logRequest: o.LargeRequest, logReply: o.LargeReply}}
	if o.LatencyThresholdMs > 0 && o.LatencyThresholdMs < math.MaxInt64/1_000_000 {
		n.nanos = o.LatencyThresholdMs * 1e6
	}
	if o.Slow.on() && o.Slow.Threshold < math.MaxInt64/1000 {
		n.nanos = min(n.nanos, o.Slow.Threshold*1e3)
	}
	if o.LargeRequest.on() {
		n.request = o.LargeRequest.Threshold
	}
	if o.LargeReply.on() {
		n.reply = o.LargeReply.Threshold
	}
	if n.monitors = append(n.monitors, e.observed.monitors...); len(n.monitors) > 0 {
		n.nanos = math.MinInt64
	}
	n.coarse = n.nanos >= coarseNanos
	e.notice.Store(n)
}

// ran is a command that ran, for those who note more of it than that.
type ran struct {
	client         *Client
	cmd            *spec.Command
	args           [][]byte
	db             int
	nanos          int64
	request, reply int64 // bytes
}

// observe puts a command into the logs that take it.
func (e *Engine) observe(n *notice, r *ran) {
	if n.latencyMs > 0 && r.nanos >= n.latencyMs*1e6 {
		event := "command"
		if r.cmd.Is(spec.Fast) {
			event = "fast-command"
		}
		e.Latency(event, r.nanos/1e6)
	}
	if r.cmd.Is(spec.SkipSlowlog) {
		return
	}
	for i, v := range [numLogs]int64{logSlow: r.nanos / 1e3, logRequest: r.request, logReply: r.reply} {
		if n.logs[i].on() && v >= n.logs[i].Threshold {
			e.logs[i].add(e.Clock.Now().Unix(), v, r)
		}
	}
}

// Request tells how many bytes the next command's request has, for the log of large ones.
func (x *Executor) Request(n int) { x.request = int64(n) }

// suspended is what is known of a blocked command when its handler has returned. It is counted when it is answered.
type suspended struct {
	ran
	began int64
}

// suspend keeps a command that blocks for when it is answered.
func (x *Executor) suspend(cmd *spec.Command, began, nanos int64) {
	c := x.client
	b := c.blocked.Load()
	if b == nil {
		return
	}
	args, size := make([][]byte, len(x.call.Args)), 0
	for i, a := range x.call.Args {
		args[i] = append([]byte(nil), a...)
		size += len(a)
	}
	set64(&c.info.argvMem, int64(size))
	b.run = &suspended{ran: ran{client: c, cmd: cmd, args: args, db: c.db, nanos: nanos, request: x.request}, began: began}
	if n := x.e.notice.Load(); len(n.monitors) > 0 {
		x.monitor(n, &b.run.ran)
	}
}

// resumed counts a command that was blocked and is answered now. It runs on the client's loop.
func (e *Engine) resumed(b *Block, reply []byte) {
	s := b.run
	if s == nil {
		return
	}
	if s.reply = int64(len(reply)); b.Working {
		s.nanos = e.Clock.MonoNanos() - s.began
	}
	s.client.cmds++
	e.stats.one(s.cmd.ID(), s.nanos, reply)
	n := e.notice.Load()
	if n.tracking {
		e.hists[0].record(s.cmd.ID(), histBucket(s.nanos), 1)
	}
	e.observe(n, &s.ran)
}

// redacted is what is shown in place of a secret.
const redacted = "(redacted)"

// shown are a command's arguments as logs may have them.
func shown(cmd *spec.Command, args [][]byte) [][]byte {
	if cmd.Secrets == nil {
		return args
	}
	hide := cmd.Secrets(args)
	if len(hide) == 0 {
		return args
	}
	out := append([][]byte(nil), args...)
	for _, i := range hide {
		out[i] = []byte(redacted)
	}
	return out
}
