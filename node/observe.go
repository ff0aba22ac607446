package node

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
)

// observe makes what the engine notes of commands, and maxmemory-clients, what the configuration says.
func (n *Node) observe() {
	num := func(name string) int64 { return n.cfg.get(name).int() }
	n.engine.Observe(engine.Observe{
		LatencyTracking:    n.cfg.get("latency-tracking").bool(),
		LatencyThresholdMs: num("latency-monitor-threshold"),
		Slow:               engine.LogLimit{Threshold: num("slowlog-log-slower-than"), MaxLen: num("slowlog-max-len")},
		LargeRequest:       engine.LogLimit{Threshold: num("commandlog-request-larger-than"), MaxLen: num("commandlog-large-request-max-len")},
		LargeReply:         engine.LogLimit{Threshold: num("commandlog-reply-larger-than"), MaxLen: num("commandlog-large-reply-max-len")},
	})
	limit, _ := parseClientMemory(n.cfg.get("maxmemory-clients").string()) // checked when it was set
	if limit < 0 {
		limit = int64(float64(n.cfg.get("maxmemory").int()) * float64(-limit) / 100)
	}
	n.engine.SetClientLimit(limit)
}

// parseClientMemory reads bytes or, as a negative number, percents of maxmemory.
func parseClientMemory(s string) (int64, error) {
	if v, err := parseMemory(s); err == nil {
		return v, nil
	}
	digits, isPercent := strings.CutSuffix(s, "%")
	p, err := strconv.ParseInt(digits, 10, 64)
	if !isPercent || err != nil || p < 0 {
		return 0, redisText("argument must be a memory or percent value")
	}
	if p > 100 {
		return 0, redisText("percentage argument must be less or equal to 100")
	}
	return -p, nil
}

func checkClientMemory(s string) error { _, err := parseClientMemory(s); return err }

// mergeClientMemory is the value's usual form.
func mergeClientMemory(_, s string) string {
	v, _ := parseClientMemory(s)
	if v < 0 {
		return strconv.FormatInt(-v, 10) + "%"
	}
	return strconv.FormatInt(v, 10)
}

func (n *Node) evictedClient(line string) { n.log.Info("Evicting client: " + line) }

// secretive is CONFIG SET with the values of secret parameters kept out of logs.
func (n *Node) secretive(cmd *spec.Command) *spec.Command {
	cmd.Secrets = func(args [][]byte) (hide []int) {
		for i := 2; i+1 < len(args); i += 2 {
			if v := n.cfg.byName[strings.ToLower(string(args[i]))]; v != nil && v.p.secret {
				hide = append(hide, i+1)
			}
		}
		return hide
	}
	return cmd
}

// The rates that INFO shows.
const (
	rateOps = iota
	rateIn
	rateOut
	rateReplIn
	rateReplOut
	rateCycles
	rateCycleTime // ns a cycle, not a second
	numRates
)

const (
	rateSamples = 16
	rateEvery   = 100 * time.Millisecond
)

// rates are averages over the last rateSamples samples of counters.
type rates struct {
	mu      sync.Mutex
	last    [numRates]int64
	lastAt  int64 // monotonic, ns; 0: no sample yet
	samples [numRates][rateSamples]int64
	next    int
}

// sampleRates takes a sample if it is time for one.
func (n *Node) sampleRates() {
	now := n.clock.MonoNanos()
	if !n.rates.due(now) {
		return
	}
	c, s := n.engine.Counters(), n.shared.stats
	replIn, replOut := n.repl.Traffic()
	n.rates.sample(now, [numRates]int64{rateOps: int64(c.Commands), rateIn: s.bytesIn.Load() + replIn, rateOut: s.bytesOut.Load() + replOut,
		rateReplIn: replIn, rateReplOut: replOut, rateCycles: int64(c.Cycles), rateCycleTime: int64(c.CycleNanos)})
	n.engine.CountCycle(n.clock.MonoNanos() - now)
}

func (r *rates) due(nowNanos int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastAt == 0 || nowNanos-r.lastAt >= int64(rateEvery)
}

// sample takes what the counters say now.
func (r *rates) sample(nowNanos int64, v [numRates]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastAt != 0 {
		for i := range v {
			per, times := nowNanos-r.lastAt, int64(time.Second)
			if i == rateCycleTime {
				per, times = v[rateCycles]-r.last[rateCycles], 1
			}
			s := int64(0)
			if d := v[i] - r.last[i]; d > 0 && per > 0 {
				s = int64(float64(d) * float64(times) / float64(per))
			}
			r.samples[i][r.next] = s
		}
		r.next = (r.next + 1) % rateSamples
	}
	r.last, r.lastAt = v, nowNanos
}

// read is the average of the samples.
func (r *rates) read() (out [numRates]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range out {
		for _, v := range r.samples[i] {
			out[i] += v
		}
		out[i] /= rateSamples
	}
	return out
}

func (r *rates) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.lastAt, r.samples, r.next = [numRates]int64{}, 0, [numRates][rateSamples]int64{}, 0
}
