package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// saving is one BGSAVE under load.
type saving struct {
	before, during float64 // requests a second
	p999           time.Duration
	took           time.Duration
	rss, peak      int64 // before the save; the highest during it, with what a forked child has for itself
}

func (s saving) kept() float64  { return s.during / s.before }
func (s saving) grown() float64 { return float64(s.peak) / float64(s.rss) }

// savePoll is how often a running save is looked at; longestSave bounds one.
const (
	savePoll    = 20 * time.Millisecond
	longestSave = 3 * time.Minute
	mostGrown   = 1.15
)

// save measures what a snapshot costs those who write meanwhile.
func (b *bench) save(one, _ cores) error {
	b.say("\n## BGSAVE under load\n\n%d keys, SET with 16 in flight over all of them. A server and what it forks share core %s. "+
		"Peak memory is the resident set, and for a server that forks what the child had copied (rdb_last_cow_size).\n\n", *saveKeys, joinInts(one.server))
	b.row("server", "requests/s before", "during", "during ÷ before", "p99.9 ms during", "save s", "RSS MiB before", "peak MiB", "peak ÷ before", "mark")
	b.rule(10)
	var servers []*server
	defer func() { stopAll(servers) }()
	for _, k := range b.kinds {
		if !k.isRedis {
			continue
		}
		s, err := start(k, one, options{dir: b.dir})
		if err != nil {
			return err
		}
		servers = append(servers, s)
		if err := s.fill(0, *saveKeys); err != nil {
			return err
		}
	}
	got := map[*server][]saving{}
	for range *rounds {
		for _, s := range servers {
			b.progress("BGSAVE of %s", s.kind.name)
			m, err := s.saveUnderLoad()
			if err != nil {
				return err
			}
			got[s] = append(got[s], m)
		}
	}
	var redis saving
	for _, s := range servers {
		m := middleSave(got[s])
		verdict := ""
		switch s.kind.name {
		case "redis":
			redis = m
		case "larder":
			verdict = b.atLeast("throughput during BGSAVE in redis' during its own", m.during/redis.during, 1) + ", " + b.mark("memory during BGSAVE in that before", m.grown(), mostGrown)
		}
		b.row(s.kind.name, fmt.Sprintf("%.0f", m.before), fmt.Sprintf("%.0f", m.during), fmt.Sprintf("%.2f", m.kept()), fmt.Sprintf("%.3f", m.p999.Seconds()*1e3),
			fmt.Sprintf("%.2f", m.took.Seconds()), mib(m.rss), mib(m.peak), fmt.Sprintf("%.2f", m.grown()), verdict)
	}
	return b.walker(servers)
}

// What a snapshot's walker may take: so much of a core while the loops are busy, and how many of its holds of a shard may be longer than
// limits.WalkerLockHold, as the kernel may take the processor away in the middle of one.
const (
	mostWalking   = 0.10
	mostLongHolds = 0.01
)

// walker measures what larder's walker takes for itself while clients only read, so that nothing makes it hurry.
func (b *bench) walker(servers []*server) error {
	for _, s := range servers {
		if s.kind.name != "larder" {
			continue
		}
		b.progress("the walker beside readers")
		w, err := s.walkUnderReads()
		if err != nil {
			return err
		}
		b.say("\nThe walker of that snapshot, GET with 16 in flight beside it:\n\n")
		b.row("of a core", "holds of a shard", "mean µs", "longest µs", "longer than 200 µs", "mark")
		b.rule(6)
		b.row(fmt.Sprintf("%.1f %%", 100*w.share), fmt.Sprint(w.holds), fmt.Sprintf("%.1f", w.mean), fmt.Sprint(w.longest), fmt.Sprint(w.long),
			b.mark("the walker's share of a core", w.share, mostWalking)+", "+b.mark("holds longer than 200 µs, of all", float64(w.long)/float64(max(w.holds, 1)), mostLongHolds))
	}
	return nil
}

// walking is what a walker took: its share of a core, and its holds of shards, in µs.
type walking struct {
	share, mean          float64
	holds, long, longest int64
}

func (s *server) walkUnderReads() (w walking, err error) {
	a, err := s.admin()
	if err != nil {
		return w, err
	}
	defer a.close()
	l, err := startLoad(s, shape{verb: get, depth: 16, keys: uint64(*saveKeys), conns: connections})
	if err != nil {
		return w, err
	}
	var m saving
	err = l.warm()
	if err == nil {
		_, err = a.do("CONFIG RESETSTAT")
	}
	if err == nil {
		err = s.watchSave(a, l, &m)
	}
	if err = errors.Join(err, l.stop()); err != nil {
		return w, err
	}
	field := func(name string) int64 {
		v, e1 := a.field("persistence", name)
		n, e2 := strconv.ParseInt(v, 10, 64)
		err = errors.Join(err, e1, e2)
		return n
	}
	w.holds, w.long, w.longest = field("walk_holds"), field("walk_long_holds"), field("walk_longest_hold_usec")
	w.mean = float64(field("walk_held_usec")) / float64(max(w.holds, 1))
	w.share = float64(field("walk_worked_usec")) / 1e6 / m.took.Seconds()
	return w, err
}

// middleSave is the one whose throughput is the median.
func middleSave(all []saving) saving {
	slices.SortFunc(all, func(a, b saving) int { return int(a.during - b.during) })
	return all[len(all)/2]
}

func (s *server) saveUnderLoad() (m saving, err error) {
	a, err := s.admin()
	if err != nil {
		return m, err
	}
	defer a.close()
	l, err := startLoad(s, shape{verb: set, depth: 16, keys: uint64(*saveKeys), conns: connections})
	if err != nil {
		return m, err
	}
	if err := l.warm(); err != nil {
		return m, errors.Join(err, l.stop())
	}
	n, began := l.requests(), time.Now()
	time.Sleep(*duration)
	m.before = float64(l.requests()-n) / time.Since(began).Seconds()
	rss, err := rssOf(s.pid())
	if err == nil {
		m.rss = rss
		err = s.watchSave(a, l, &m)
	}
	err = errors.Join(err, l.stop())
	m.p999 = l.latencies().quantile(0.999)
	return m, err
}

// watchSave starts a save and looks on until it is over.
func (s *server) watchSave(a *admin, l *load, m *saving) error {
	n, began := l.requests(), time.Now()
	l.measuring.Store(true)
	if _, err := a.do("BGSAVE"); err != nil {
		return err
	}
	for running := true; running; {
		time.Sleep(savePoll)
		rss, err := rssOf(s.pid())
		if err != nil {
			return err
		}
		m.peak = max(m.peak, rss)
		v, err := a.field("persistence", "rdb_bgsave_in_progress")
		if err != nil {
			return err
		}
		running = v != "0"
		if time.Since(began) > longestSave {
			return fmt.Errorf("the save of %s takes more than %v", s.kind.name, longestSave)
		}
	}
	m.took = time.Since(began)
	l.measuring.Store(false)
	m.during = float64(l.requests()-n) / m.took.Seconds()
	if v, err := a.field("persistence", "rdb_last_bgsave_status"); err != nil || v != "ok" {
		return fmt.Errorf("%s did not save: %s (%v)", s.kind.name, v, err)
	}
	if v, err := a.field("persistence", "rdb_last_cow_size"); err == nil {
		copied, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return err
		}
		m.peak += copied
	}
	return nil
}
