package main

import (
	"errors"
	"fmt"
)

// The marks for the types: processor time a request, in redis'. That of each load, and the median of all with 16 in flight; without pipelining nearly all is the kernel's.
const (
	mostTypeCPU   = 1.2
	mostTypeMid   = 0.8
	smallKeys     = 10_000
	bigMembers    = 100_000
	streamsLength = 1000
)

// fiveLines is the script that EVAL runs.
const fiveLines = `local n = redis.call('GET', KEYS[1])
if n == false then n = 0 end
n = n + ARGV[1]
redis.call('SET', KEYS[1], n)
do return n end`

func asIs(i int) []string   { return []string{member(i)} }
func scored(i int) []string { return []string{fmt.Sprint(i * 7919 % 1e6), member(i)} }
func valued(i int) []string { return []string{member(i), payload()} }
func fields(i int) []string { return []string{field(i), payload()} }
func bulky(int) []string    { return []string{payload()} }

// tasks are the loads of the types.
func tasks() []*task {
	one := func(cmd string, element func(int) []string) []stock {
		return []stock{collections(cmd, 1, bigMembers, element)}
	}
	many := func(cmd string, each int, element func(int) []string) []stock {
		return []stock{collections(cmd, smallKeys, each, element)}
	}
	strings := []stock{{requests: bigMembers, request: func(i int) []string { return []string{"SET", key(i), payload()} }}}
	numbers := []stock{{requests: bigMembers, request: func(i int) []string { return []string{"SET", key(i), fmt.Sprint(i)} }}}
	ten := func(word string) (out string) {
		for range 10 {
			out += " " + word
		}
		return out
	}
	mixed := []string{"SET {key} {value}"}
	for range 9 {
		mixed = append(mixed, "GET {key}")
	}
	return []*task{
		{name: "LPUSH, LPOP: lists of 100", requests: []string{"LPUSH {key} {value}", "LPOP {key}"}, keys: smallKeys, have: many("RPUSH", 100, bulky)},
		{name: "LPUSH, LPOP: a list of 100,000", requests: []string{"LPUSH {key} {value}", "LPOP {key}"}, keys: 1, have: one("RPUSH", bulky)},
		{name: "SADD, SREM: sets of 50", requests: []string{"SADD {key} {member}", "SREM {key} {member}"}, keys: smallKeys, members: 100, have: many("SADD", 50, asIs)},
		{name: "SADD, SREM: a set of 100,000", requests: []string{"SADD {key} {member}", "SREM {key} {member}"}, keys: 1, members: 2 * bigMembers, have: one("SADD", asIs)},
		{name: "HSET: hashes of 10", requests: []string{"HSET {key} {field} {value}"}, keys: smallKeys, have: many("HSET", 10, fields)},
		{name: "HGETALL: hashes of 10", requests: []string{"HGETALL {key}"}, keys: smallKeys, have: many("HSET", 10, fields)},
		{name: "HSET, HGET: a hash of 100,000", requests: []string{"HSET {key} {member} {value}", "HGET {key} {member}"}, keys: 1, members: bigMembers, have: one("HSET", valued)},
		{name: "ZADD: sorted sets of 100", requests: []string{"ZADD {key} {score} {member}"}, keys: smallKeys, members: 100, have: many("ZADD", 100, scored)},
		{name: "ZRANGE of 10: sorted sets of 100", requests: []string{"ZRANGE {key} 45 54 WITHSCORES"}, keys: smallKeys, have: many("ZADD", 100, scored)},
		{name: "ZADD: a sorted set of 100,000", requests: []string{"ZADD {key} {score} {member}"}, keys: 1, members: bigMembers, have: one("ZADD", scored)},
		{name: "ZRANGE BYSCORE of 10: a sorted set of 100,000", requests: []string{"ZRANGE {key} {score} +inf BYSCORE LIMIT 0 10"}, keys: 1, have: one("ZADD", scored)},
		{name: "XADD: streams of 1,000", requests: []string{fmt.Sprintf("XADD {key} MAXLEN ~ %d * %s {value}", streamsLength, field(0))}, keys: smallKeys / 10,
			have: []stock{streams(smallKeys/10, streamsLength/10)}},
		{name: "INCR", requests: []string{"INCR {key}"}, keys: bigMembers, have: numbers},
		{name: "MSET of 10", requests: []string{"MSET" + ten("{key} {value}")}, keys: bigMembers, have: strings},
		{name: "MGET of 10", requests: []string{"MGET" + ten("{key}")}, keys: bigMembers, have: strings},
		{name: "9 GET to 1 SET", requests: mixed, keys: bigMembers, have: strings},
		{name: "EVAL of five lines", requests: []string{"EVAL " + fiveLines + " 1 {key} 1"}, keys: bigMembers, have: numbers, eval: true},
	}
}

// types measures commands on every type.
func (b *bench) types(one, _ cores) error {
	b.say("\n## Types\n\nOne loop. Values of %d bytes, members of %d. Servers on core %s, the load on core %s.\n\n",
		valueBytes, len(member(0)), joinInts(one.server), joinInts(one.load))
	b.row("load", "in flight", "server", "requests/s (min – max)", "p50 ms", "p99 ms", "CPU µs/request (min – max)", "CPU ÷ redis", "mark")
	b.rule(9)
	ratios := map[int][]float64{}
	for _, t := range tasks() {
		if !selected(t.name) {
			continue
		}
		b.progress("%s", t.name)
		if err := b.typed(t, one, ratios); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	for _, depth := range depths {
		if len(ratios[depth]) == 0 {
			continue
		}
		mid := medianOf(ratios[depth])
		verdict := ""
		if depth > 1 {
			verdict = ": " + b.mark(fmt.Sprintf("types, %d in flight: median of CPU a request in redis'", depth), mid, mostTypeMid)
		}
		b.say("\nThe median of these ratios with %d in flight, EVAL left out, is %.2f%s.\n", depth, mid, verdict)
	}
	return nil
}

// typed measures one load on every server, and keeps larder's ratios by requests in flight.
func (b *bench) typed(t *task, c cores, ratios map[int][]float64) error {
	var servers []*server
	defer func() { stopAll(servers) }()
	for _, k := range b.kinds {
		if !k.isRedis {
			continue
		}
		s, err := start(k, c, options{dir: b.dir})
		if err != nil {
			return err
		}
		servers = append(servers, s)
		for _, st := range t.have {
			if err = errors.Join(err, s.give(st)); err != nil {
				break
			}
		}
		if errors.Is(err, errLacks) {
			s.stop()
			servers = servers[:len(servers)-1]
			b.lacks(t.name, k)
			continue
		}
		if err != nil {
			return err
		}
	}
	for _, depth := range depths {
		if *inFlight > 0 && depth != *inFlight {
			continue
		}
		sh := shape{depth: depth, keys: uint64(t.keys), conns: connections, task: t}
		if err := b.typedCell(servers, sh, ratios); err != nil {
			return err
		}
	}
	return nil
}

// lacks notes that a server does not have a command. Of larder it is a mark that was missed.
func (b *bench) lacks(what string, k *kind) {
	b.skip("%s: %s lacks the command", what, k.name)
	if k.name == "larder" {
		b.judge(what, false, "not built")
	}
}

func (b *bench) typedCell(servers []*server, sh shape, ratios map[int][]float64) error {
	got := map[*server][]sample{}
	for range *rounds {
		for _, s := range servers {
			m, err := measure(s, sh, *duration)
			if err != nil {
				return err
			}
			got[s] = append(got[s], m)
		}
	}
	var base []sample
	for _, s := range servers {
		if s.kind.name == "redis" {
			base = got[s]
		}
		ratio, verdict := pairedRatio(got[s], base, inMicros(sample.cpu)), ""
		if s.kind.name == "larder" && !sh.task.eval {
			ratios[sh.depth] = append(ratios[sh.depth], ratio)
			verdict = b.mark(fmt.Sprintf("%s, %d in flight: CPU a request in redis'", sh.task.name, sh.depth), ratio, mostTypeCPU)
		}
		cpu, rps := figureOf(got[s], inMicros(sample.cpu)), figureOf(got[s], func(m sample) float64 { return m.rps })
		b.row(sh.task.name, fmt.Sprint(sh.depth), s.kind.name, fmt.Sprintf("%.0f (%.0f – %.0f)", rps.mid, rps.low, rps.high),
			fmt.Sprintf("%.3f", figureOf(got[s], func(m sample) float64 { return m.p50.Seconds() * 1e3 }).mid),
			fmt.Sprintf("%.3f", figureOf(got[s], func(m sample) float64 { return m.p99.Seconds() * 1e3 }).mid),
			fmt.Sprintf("%.3f (%.3f – %.3f)", cpu.mid, cpu.low, cpu.high), fmt.Sprintf("%.2f", ratio), verdict)
	}
	return nil
}
