package main

import (
	"errors"
	"fmt"
	"time"
)

// mostTypeMemory is what a collection may take, in what redis takes for it.
const mostTypeMemory = 1.0

// hoard is collections whose memory is measured.
type hoard struct {
	name string
	stock
}

// hoards are those of the marks, each of a number of elements divided by div, for a quick run.
func hoards(div int) []hoard {
	pair := func(i int) []string { return []string{member(i), member(i + 1)} }
	short := func(i int) []string { return []string{field(i), member(i)} }
	many, million, thousand := 100_000/div, 1_000_000/div, max(1000/div, 1)
	return []hoard{
		{"hashes of 10", collections("HSET", many, 10, short)},
		{"sets of 50", collections("SADD", many, 50, asIs)},
		{"sorted sets of 100", collections("ZADD", many, 100, scored)},
		{"lists of 100", collections("RPUSH", many, 100, asIs)},
		{"streams of 100", streams(many, 100)},
		{"hashes of 1,000", collections("HSET", thousand, 1000, pair)},
		{"one sorted set", collections("ZADD", 1, million, scored)},
		{"one set", collections("SADD", 1, million, asIs)},
		{"one hash", collections("HSET", 1, million, pair)},
		{"one list", collections("RPUSH", 1, million, asIs)},
		{"one stream", streams(1, million)},
	}
}

// hoarded is what a server took for a hoard.
type hoarded struct{ used, rss int64 }

// memoryTypes measures what collections take.
func (b *bench) memoryTypes(one, _ cores) error {
	div := 1
	if *quick {
		div = 20
	}
	b.say("\n## Memory of types\n\n%d of each of the small ones, 1,000 hashes of 1,000, and one of a million of each type; elements and values of %d bytes, fields of hashes of 10 of %d. "+
		"What a server that has answered %d requests has more of.\n\n", 100_000/div, len(member(0)), len(field(0)), warmRequests)
	b.row("what", "server", "used_memory MiB", "RSS MiB", "used ÷ redis", "RSS ÷ redis", "mark")
	b.rule(7)
	for _, h := range hoards(div) {
		if !selected(h.name) {
			continue
		}
		b.progress("memory: %s", h.name)
		if err := b.hoard(h, one); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
	}
	return nil
}

func (b *bench) hoard(h hoard, c cores) error {
	var base hoarded
	for _, k := range b.kinds {
		if !k.isRedis {
			continue
		}
		got, err := hoardOf(k, c, h, b.dir)
		if errors.Is(err, errLacks) {
			b.lacks("memory: "+h.name, k)
			continue
		}
		if err != nil {
			return err
		}
		if k.name == "redis" {
			base = got
		}
		used, rss, verdict := float64(got.used)/float64(base.used), float64(got.rss)/float64(base.rss), ""
		if k.name == "larder" {
			verdict = b.mark("memory of "+h.name+" by used_memory, in redis'", used, mostTypeMemory) + ", " +
				b.mark("memory of "+h.name+" by RSS, in redis'", rss, mostTypeMemory)
		}
		b.row(h.name, k.name, mib(got.used), mib(got.rss), fmt.Sprintf("%.2f", used), fmt.Sprintf("%.2f", rss), verdict)
	}
	return nil
}

// warmRequests are given to a new server, and taken away again, before its memory is read.
const warmRequests = 2000

func (s *server) flush() error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.close()
	_, err = a.do("FLUSHALL SYNC")
	return err
}

// hoardOf gives a new server a hoard.
func hoardOf(k *kind, c cores, h hoard, dir string) (got hoarded, err error) {
	s, err := start(k, c, options{dir: dir})
	if err != nil {
		return got, err
	}
	defer s.stop()
	read := func() (m hoarded, err error) {
		time.Sleep(settle)
		var err1, err2 error
		m.rss, err1 = rssOf(s.pid())
		m.used, err2 = s.used()
		return m, errors.Join(err1, err2)
	}
	// What a process needs for its first requests, whatever they are, is not what the collections take.
	few := stock{requests: min(h.requests, warmRequests), request: h.request}
	if err := s.give(few); err != nil {
		return got, err
	}
	if err := s.flush(); err != nil {
		return got, err
	}
	before, err := read()
	if err != nil {
		return got, err
	}
	if err := s.give(h.stock); err != nil {
		return got, err
	}
	after, err := read()
	return hoarded{after.used - before.used, after.rss - before.rss}, err
}
