package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// scene is a way to run the servers: on which cores, with TLS or not, alone or with a replica.
type scene struct {
	name    string
	cores   cores
	threads int
	tls     *certificate
	replica bool
	// most is what larder's processor time a request may be at most, in redis', with 16 in flight and without pipelining; 0: no mark.
	most [2]float64
	note string
}

// depths are the requests in flight that are measured; scene.most is in this order.
var depths = [2]int{16, 1}

// sample is one measurement.
type sample struct {
	rps            float64
	p50, p99, p999 time.Duration
	longest        time.Duration
	user, system   time.Duration // of the server, a request
}

func (s sample) cpu() time.Duration { return s.user + s.system }

// measure loads a server for a while.
func measure(s *server, sh shape, d time.Duration) (sample, error) {
	l, err := startLoad(s, sh)
	if err != nil {
		return sample{}, err
	}
	if err := l.warm(); err != nil {
		return sample{}, fmt.Errorf("%s under load: %w", s.kind.name, errors.Join(err, l.stop()))
	}
	cpu0, err0 := cpuOf(s.pid())
	n0, t0 := l.requests(), time.Now()
	l.measuring.Store(true)
	for time.Sleep(d); l.requests() == n0 && time.Since(t0) < patience; {
		time.Sleep(d) // a busy machine may let nobody run for a while
	}
	n, took := l.requests()-n0, time.Since(t0)
	cpu1, err1 := cpuOf(s.pid())
	l.measuring.Store(false)
	if err := errors.Join(l.stop(), err0, err1); err != nil {
		return sample{}, fmt.Errorf("%s under load: %w", s.kind.name, err)
	}
	if n == 0 {
		return sample{}, fmt.Errorf("%s answered nothing in %v", s.kind.name, took)
	}
	h := l.latencies()
	return sample{rps: float64(n) / took.Seconds(), p50: h.quantile(0.5), p99: h.quantile(0.99), p999: h.quantile(0.999), longest: h.longest(),
		user: (cpu1.user - cpu0.user) / time.Duration(n), system: (cpu1.system - cpu0.system) / time.Duration(n)}, nil
}

// figure is the median of some values, and the least and the greatest.
type figure struct{ mid, low, high float64 }

func figureOf(samples []sample, of func(sample) float64) figure {
	var vs []float64
	for _, s := range samples {
		vs = append(vs, of(s))
	}
	mid := medianOf(vs) // which sorts them
	return figure{mid, vs[0], vs[len(vs)-1]}
}

// pairedRatio is the median ratio of two servers' figures in the same round: what else the machine did then met both.
func pairedRatio(samples, base []sample, of func(sample) float64) float64 {
	var rs []float64
	for i := range min(len(samples), len(base)) {
		rs = append(rs, of(samples[i])/of(base[i]))
	}
	return medianOf(rs)
}

func medianOf(vs []float64) float64 {
	slices.Sort(vs)
	mid := vs[len(vs)/2]
	if len(vs)%2 == 0 {
		mid = (vs[len(vs)/2-1] + mid) / 2
	}
	return mid
}

func inMicros(of func(sample) time.Duration) func(sample) float64 {
	return func(s sample) float64 { return float64(of(s)) / 1e3 }
}

// speed measures GET and SET in a scene, and compares with redis.
func (b *bench) speed(sc scene) error {
	b.say("\n## %s\n\n%s\n", sc.name, sc.note)
	servers, err := b.cast(sc)
	defer func() { stopAll(servers) }()
	if err != nil {
		return err
	}
	b.row("keys", "command", "in flight", "server", "requests/s (min – max)", "p50 ms", "p99 ms", "p99.9 ms", "user µs", "system µs", "CPU µs/request (min – max)", "CPU ÷ redis", "mark")
	b.rule(13)
	filled := 0
	for _, keys := range *keyCounts {
		if servers, err = b.fillAll(sc, servers, filled, keys); err != nil {
			return err
		}
		filled = keys
		for i, depth := range depths {
			for _, v := range []verb{set, get} {
				if err := b.cell(sc, servers, shape{verb: v, depth: depth, keys: uint64(keys), conns: connections}, sc.most[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fillAll gives every primary the keys from, to. One that is only a peer is left out if it cannot take them (memcached 1.6.18 stops
// answering when requests come in batches over TLS).
func (b *bench) fillAll(sc scene, servers []*server, from, to int) (left []*server, err error) {
	for i, s := range servers {
		if !s.primary() {
			left = append(left, s)
			continue
		}
		err := s.fill(from, to)
		switch {
		case err == nil:
			left = append(left, s)
		case s.kind.isRedis:
			return append(left, servers[i:]...), err
		default:
			s.stop()
			b.skip("%s: %v", sc.name, err)
		}
	}
	return left, nil
}

// cast starts the scene's servers. One that refuses is left out, with its reason.
func (b *bench) cast(sc scene) (servers []*server, err error) {
	for _, k := range b.kinds {
		o := options{dir: b.dir, tls: sc.tls, threads: sc.threads}
		if sc.replica && !k.isRedis {
			continue
		}
		s, err := start(k, sc.cores, o)
		if errors.Is(err, errRefused) {
			b.skip("%s: %v", sc.name, err)
			continue
		}
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
		if sc.replica {
			// It may only run where the load runs: beside its primary it would be measured with it.
			o.primary = s.port
			r, err := start(k, cores{server: sc.cores.load, load: sc.cores.load}, o)
			if err != nil {
				return servers, err
			}
			r.follows = s
			servers = append(servers, r)
			if err := r.awaitReplica(); err != nil {
				return servers, err
			}
		}
	}
	return servers, nil
}

func stopAll(servers []*server) {
	for _, s := range servers {
		s.stop()
	}
}

// cell measures one kind of load on every server, in turns.
func (b *bench) cell(sc scene, servers []*server, sh shape, most float64) error {
	got := map[*server][]sample{}
	for range *rounds {
		for _, s := range servers {
			if !s.primary() {
				continue
			}
			m, err := measure(s, sh, *duration)
			if err != nil {
				return err
			}
			got[s] = append(got[s], m)
		}
	}
	var base []sample
	for _, s := range servers {
		if !s.primary() {
			continue
		}
		cpu := figureOf(got[s], inMicros(sample.cpu))
		rps := figureOf(got[s], func(m sample) float64 { return m.rps })
		if s.kind.name == "redis" {
			base = got[s]
		}
		ratio, verdict := "", ""
		if base != nil {
			r := pairedRatio(got[s], base, inMicros(sample.cpu))
			ratio = fmt.Sprintf("%.2f", r)
			if s.kind.name == "larder" && most > 0 {
				what := fmt.Sprintf("%s: %s, %d in flight, %d keys: CPU a request in redis'", sc.name, sh.verb, sh.depth, sh.keys)
				verdict = b.mark(what, r, most)
			}
		}
		b.throughput[place{sc.name, s.kind.name, sh}] = rps.mid
		mid := func(of func(sample) time.Duration) string {
			return fmt.Sprintf("%.3f", figureOf(got[s], inMicros(of)).mid/1e3)
		}
		b.row(fmt.Sprint(sh.keys), sh.verb.String(), fmt.Sprint(sh.depth), s.kind.name, fmt.Sprintf("%.0f (%.0f – %.0f)", rps.mid, rps.low, rps.high),
			mid(func(m sample) time.Duration { return m.p50 }), mid(func(m sample) time.Duration { return m.p99 }), mid(func(m sample) time.Duration { return m.p999 }),
			fmt.Sprintf("%.3f", figureOf(got[s], inMicros(func(m sample) time.Duration { return m.user })).mid),
			fmt.Sprintf("%.3f", figureOf(got[s], inMicros(func(m sample) time.Duration { return m.system })).mid),
			fmt.Sprintf("%.3f (%.3f – %.3f)", cpu.mid, cpu.low, cpu.high), ratio, verdict)
	}
	return nil
}

// place is where a throughput was measured.
type place struct {
	scene, server string
	shape         shape
}

// scaling compares larder's throughput with a loop a core to that with one loop.
func (b *bench) scaling(one, all scene) {
	b.say("\n## Throughput with a loop a core, in that of one loop\n\n")
	if !all.cores.apart {
		b.say("Not measured: %d cores hold the loops and the load together, so the load takes what the second loop would bring. It takes four.\n", len(all.cores.server))
		b.unmeasured = append(b.unmeasured, "throughput with a loop a core ≥ 1.6× that of one: it takes four cores")
		return
	}
	b.row("keys", "command", "in flight", "ratio", "mark")
	b.rule(5)
	for _, keys := range *keyCounts {
		for _, depth := range depths {
			for _, v := range []verb{set, get} {
				sh := shape{verb: v, depth: depth, keys: uint64(keys), conns: connections}
				ratio := b.throughput[place{all.name, "larder", sh}] / b.throughput[place{one.name, "larder", sh}]
				b.row(fmt.Sprint(keys), v.String(), fmt.Sprint(depth), fmt.Sprintf("%.2f", ratio),
					b.atLeast(fmt.Sprintf("%s, %d in flight, %d keys: throughput with a loop a core in one loop's", v, depth, keys), ratio, 1.6))
			}
		}
	}
}
