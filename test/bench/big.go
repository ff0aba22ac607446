package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// volatiles are the keys of the big keyspace that get an expiry.
const volatiles = 10

// What counts as nothing visible: so much more processor time a request, so much longer a p99.9, such a share of a core when idle.
const (
	mostCPUMore  = 1.10
	mostTailMore = 1.25
	mostIdle     = 0.01
	mostGC       = 0.01
)

// bigServer is a server with the big keyspace, and what was found of it.
type bigServer struct {
	*server
	plain, volatile map[shape][]sample
	idle            [2]float64 // shares of a core: without volatile keys, and with them
	gc              share      // under load
	gcFill          share      // while it was filled
}

// share is the collector's processor time in the process's.
type share struct {
	gc, all time.Duration
	runs    int
}

func (s share) of() float64 {
	if s.all == 0 {
		return 0
	}
	return float64(s.gc) / float64(s.all)
}

// during measures the collector's share while fn runs.
func (s *server) during(sum *share, fn func() error) error {
	gc0, runs0 := s.log.collected()
	cpu0, err := cpuOf(s.pid())
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	cpu1, err := cpuOf(s.pid())
	gc1, runs1 := s.log.collected()
	sum.gc, sum.all, sum.runs = sum.gc+gc1-gc0, sum.all+cpu1.sum()-cpu0.sum(), sum.runs+runs1-runs0
	return err
}

// big measures a keyspace of many keys: what its size costs the collector, and what a few volatile keys among the many cost.
func (b *bench) big(one, _ cores) error {
	var servers []*bigServer
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, k := range b.kinds {
		if !k.isRedis {
			continue
		}
		b.progress("filling %s with %d keys", k.name, *bigKeys)
		s, err := start(k, one, options{dir: b.dir})
		if err != nil {
			return err
		}
		bs := &bigServer{server: s, plain: map[shape][]sample{}, volatile: map[shape][]sample{}}
		servers = append(servers, bs)
		if err := s.during(&bs.gcFill, func() error { return s.fill(0, *bigKeys) }); err != nil {
			return err
		}
	}
	if err := b.bigLoads(servers); err != nil {
		return err
	}
	b.bigTable(servers)
	b.gcTable(servers)
	b.volatileTable(servers)
	return b.evictions(servers)
}

// bigShapes are the loads of the big keyspace.
func bigShapes() (out []shape) {
	for _, depth := range depths {
		for _, v := range []verb{set, get} {
			out = append(out, shape{verb: v, depth: depth, keys: uint64(*bigKeys), conns: connections})
		}
	}
	return out
}

func (b *bench) bigLoads(servers []*bigServer) error {
	for phase, name := range []string{"no key volatile", fmt.Sprintf("%d keys volatile", volatiles)} {
		b.progress("big keyspace: %s", name)
		for _, s := range servers {
			idle, err := s.idleShare()
			if err != nil {
				return err
			}
			s.idle[phase] = idle
		}
		for range *rounds {
			for _, sh := range bigShapes() {
				for _, s := range servers {
					if err := s.during(&s.gc, func() error { return s.bigLoad(phase, sh) }); err != nil {
						return err
					}
				}
			}
		}
		if phase == 0 {
			for _, s := range servers {
				if err := s.makeVolatile(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *bigServer) bigLoad(phase int, sh shape) error {
	m, err := measure(s.server, sh, *duration)
	into := s.plain
	if phase > 0 {
		into = s.volatile
		if sh.verb == set {
			// A SET takes the expiry away: what is measured is a keyspace that has volatile keys.
			err = errors.Join(err, s.makeVolatile())
		}
	}
	into[sh] = append(into[sh], m)
	return err
}

func (s *server) makeVolatile() error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.close()
	for i := range volatiles {
		key := fmt.Sprintf("%s%0*d", keyPrefix, keyDigits, i*(*bigKeys/volatiles))
		if got, err := a.do("EXPIRE " + key + " 86400"); err != nil || got != ":1" {
			return fmt.Errorf("EXPIRE on %s: %q, %v", s.kind.name, got, err)
		}
	}
	return nil
}

// idleTime is how long an idle server is watched.
const idleTime = 3 * time.Second

// idleShare is the share of a core that a server without clients takes.
func (s *server) idleShare() (float64, error) {
	before, err1 := cpuOf(s.pid())
	began := time.Now()
	time.Sleep(min(idleTime, 4**duration))
	took := time.Since(began)
	after, err2 := cpuOf(s.pid())
	return (after.sum() - before.sum()).Seconds() / took.Seconds(), errors.Join(err1, err2)
}

func (b *bench) bigTable(servers []*bigServer) {
	b.say("\n## %d keys\n\n", *bigKeys)
	b.row("command", "in flight", "server", "requests/s", "p50 ms", "p99 ms", "p99.9 ms (min – max)", "CPU µs/request", "CPU ÷ redis", "mark")
	b.rule(10)
	for _, sh := range bigShapes() {
		var redis, redisCPU float64
		for _, s := range servers {
			got := s.plain[sh]
			cpu := figureOf(got, inMicros(sample.cpu)).mid
			ms := func(of func(sample) time.Duration) figure {
				f := figureOf(got, inMicros(of))
				return figure{f.mid / 1e3, f.low / 1e3, f.high / 1e3}
			}
			tail, verdict := ms(func(m sample) time.Duration { return m.p999 }), ""
			switch s.kind.name {
			case "redis":
				redis, redisCPU = tail.mid, cpu
			case "larder":
				verdict = b.mark(fmt.Sprintf("%s, %d in flight, %d keys: p99.9 in redis'", sh.verb, sh.depth, sh.keys), tail.mid/redis, 1)
			}
			b.row(sh.verb.String(), fmt.Sprint(sh.depth), s.kind.name, fmt.Sprintf("%.0f", figureOf(got, func(m sample) float64 { return m.rps }).mid),
				fmt.Sprintf("%.3f", ms(func(m sample) time.Duration { return m.p50 }).mid), fmt.Sprintf("%.3f", ms(func(m sample) time.Duration { return m.p99 }).mid),
				fmt.Sprintf("%.3f (%.3f – %.3f)", tail.mid, tail.low, tail.high), fmt.Sprintf("%.3f", cpu), fmt.Sprintf("%.2f", cpu/redisCPU), verdict)
		}
	}
}

func (b *bench) gcTable(servers []*bigServer) {
	for _, s := range servers {
		if s.kind.name != "larder" {
			continue
		}
		b.say("\nThe collector's share of larder's processor time, as GODEBUG=gctrace=1 tells it:\n\n")
		b.row("while", "runs", "CPU ms", "of ms", "share", "mark")
		b.rule(6)
		for _, p := range []struct {
			name string
			share
		}{{"the keys are set", s.gcFill}, {"the loads above and below run", s.gc}} {
			b.row(p.name, fmt.Sprint(p.runs), fmt.Sprintf("%.1f", p.gc.Seconds()*1e3), fmt.Sprintf("%.0f", p.all.Seconds()*1e3), fmt.Sprintf("%.2f %%", 100*p.of()),
				b.mark("the collector's share of CPU while "+p.name, p.of(), mostGC))
		}
	}
}

func (b *bench) volatileTable(servers []*bigServer) {
	b.say("\n## %d keys, %d of them volatile\n\nEach figure with those over the figure without. Nothing visible: CPU ≤ %.2f, p99.9 ≤ %.2f, idle ≤ %.0f %% of a core more.\n\n",
		*bigKeys, volatiles, mostCPUMore, mostTailMore, 100*mostIdle)
	b.row("command", "in flight", "server", "CPU a request", "p99.9", "mark")
	b.rule(6)
	for _, sh := range bigShapes() {
		for _, s := range servers {
			ratio := func(of func(sample) time.Duration) float64 {
				return figureOf(s.volatile[sh], inMicros(of)).mid / figureOf(s.plain[sh], inMicros(of)).mid
			}
			cpu, tail, verdict := ratio(sample.cpu), ratio(func(m sample) time.Duration { return m.p999 }), ""
			if s.kind.name == "larder" {
				what := fmt.Sprintf("%s, %d in flight, %d volatile keys: ", sh.verb, sh.depth, volatiles)
				verdict = b.mark(what+"CPU a request", cpu, mostCPUMore) + ", " + b.mark(what+"p99.9", tail, mostTailMore)
			}
			b.row(sh.verb.String(), fmt.Sprint(sh.depth), s.kind.name, fmt.Sprintf("%.2f", cpu), fmt.Sprintf("%.2f", tail), verdict)
		}
	}
	b.say("\n")
	b.row("server", "idle without, % of a core", "with", "mark")
	b.rule(4)
	for _, s := range servers {
		verdict := ""
		if s.kind.name == "larder" {
			verdict = b.mark("more of a core when idle, for the volatile keys", s.idle[1]-s.idle[0], mostIdle)
		}
		b.row(s.kind.name, fmt.Sprintf("%.2f", 100*s.idle[0]), fmt.Sprintf("%.2f", 100*s.idle[1]), verdict)
	}
}

// evicting is what writes cost on a server that is over its bound, under volatile-ttl.
type evicting struct {
	evicted    string // evicted_keys in the end
	mid, worst time.Duration
}

// evictions makes every server evict its few volatile keys: they must be found among the many, and once they are gone it must be seen at
// once that nothing can be evicted.
func (b *bench) evictions(servers []*bigServer) error {
	b.say("\nOver maxmemory under volatile-ttl: one connection's SETs, until the %d volatile keys are evicted and %d more are refused.\n\n", volatiles, refusals)
	b.row("server", "evicted", "median µs a SET", "worst µs", "mark")
	b.rule(5)
	var redis evicting
	for _, s := range servers {
		m, err := s.evict()
		if err != nil {
			b.skip("eviction of %d volatile keys: %s: %v", volatiles, s.kind.name, err)
			continue
		}
		verdict := ""
		switch s.kind.name {
		case "redis":
			redis = m
		case "larder":
			verdict = b.mark("a SET under volatile-ttl with nothing to evict, in redis'", float64(m.mid)/float64(max(redis.mid, 1)), 1.25)
			if m.evicted != fmt.Sprint(volatiles) {
				verdict = b.judge("volatile-ttl evicts all volatile keys and no others", false, m.evicted+" evicted")
			}
		}
		b.row(s.kind.name, m.evicted, fmt.Sprintf("%.0f", float64(m.mid)/1e3), fmt.Sprintf("%.0f", float64(m.worst)/1e3), verdict)
	}
	return nil
}

const refusals = 2000

func (s *server) evict() (m evicting, err error) {
	used, err := s.used()
	if err != nil {
		return m, err
	}
	a, err := s.admin()
	if err != nil {
		return m, err
	}
	defer a.close()
	for _, line := range []string{"CONFIG SET maxmemory-policy volatile-ttl", "CONFIG RESETSTAT", fmt.Sprintf("CONFIG SET maxmemory %d", used/2)} {
		if _, err := a.do(line); err != nil {
			return m, err
		}
	}
	var took []time.Duration
	for i := range refusals {
		began := time.Now()
		if _, err := a.do(fmt.Sprintf("SET new:%d %s", i, payload())); err != nil && !strings.Contains(err.Error(), "OOM ") {
			return m, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	m.mid, m.worst = took[len(took)/2], took[len(took)-1]
	m.evicted, err = a.field("stats", "evicted_keys")
	return m, err
}
