package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The marks of big collections: how long a command may take while one is saved or deleted, how much a snapshot may make memory grow, and how long RENAME of one may take at the median.
const (
	mostBigMillis    = 20
	mostRenameMicros = 100 // round trip included
	renames          = 200
)

// bigHash is the load on the big hash: its fields are set anew.
func bigHash() *task {
	return &task{name: "HSET", requests: []string{"HSET {key} {member} {value}"}, keys: 1, members: *hashFields}
}

// bigTypes measures what one big collection does to those who use the server meanwhile.
func (b *bench) bigTypes(one, _ cores) error {
	b.say("\n## Big collections\n\nA hash of %d fields. While it is saved, and copied to a replica, 50 connections set its fields, without pipelining; "+
		"peak memory as under BGSAVE.\n\n", *hashFields)
	b.row("while", "server", "requests/s", "p99.9 ms", "longest ms", "took s", "RSS MiB before", "peak ÷ before", "mark")
	b.rule(9)
	for _, k := range b.kinds {
		if !k.isRedis || !selected("big hash") {
			continue
		}
		b.progress("big hash on %s", k.name)
		if err := b.bigHashOn(k, one); err != nil {
			return err
		}
	}
	b.say("\nCollections of %d elements that go away at once: the longest round trip of others in the same shard meanwhile, and of the command itself.\n\n", *bigElements)
	b.row("what", "how", "server", "longest ms of others", "the command, ms", "mark")
	b.rule(6)
	for _, k := range b.kinds {
		if !k.isRedis || !selected("end of") {
			continue
		}
		b.progress("ends of big collections on %s", k.name)
		if err := b.endsOn(k, one); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) bigHashOn(k *kind, c cores) error {
	s, err := start(k, c, options{dir: b.dir})
	if err != nil {
		return err
	}
	defer s.stop()
	st := collections("HSET", 1, *hashFields, valued)
	if err := s.give(st); err != nil {
		return err
	}
	if err := b.renameBig(s); err != nil {
		return err
	}
	for _, w := range []struct {
		name  string
		while func(a *admin, done *bool) error
	}{{"BGSAVE", s.saving}, {"full sync", s.syncing}} {
		if err := b.bigHashWhile(s, w.name, w.while); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// renameBig renames the big hash there and back.
func (b *bench) renameBig(s *server) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.close()
	var took []time.Duration
	names := []string{key(0), "another"}
	for i := range 2 * renames {
		began := time.Now()
		if _, err := a.do("RENAME " + names[i%2] + " " + names[1-i%2]); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	mid, verdict := micros(took[len(took)/2]), ""
	if s.kind.name == "larder" {
		verdict = b.mark("RENAME of the big hash, median µs", mid, mostRenameMicros)
	}
	b.row("RENAME (median)", s.kind.name, "", "", fmt.Sprintf("%.3f", mid/1e3), "", "", "", verdict)
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// saving starts a BGSAVE, or tells that it is over.
func (s *server) saving(a *admin, done *bool) error {
	if done == nil {
		_, err := a.do("BGSAVE")
		return err
	}
	v, err := a.field("persistence", "rdb_bgsave_in_progress")
	*done = v == "0"
	return err
}

// syncing starts a replica, or tells that it has everything.
func (s *server) syncing(_ *admin, done *bool) (err error) {
	if done == nil {
		s.replica, err = start(s.kind, cores{server: s.cores.load, load: s.cores.load}, options{dir: s.dir, primary: s.port})
		return err
	}
	a, err := s.replica.admin()
	if err != nil {
		return err
	}
	defer a.close()
	v, err := a.field("replication", "master_link_status")
	if *done = v == "up"; *done {
		s.replica.stop()
	}
	return err
}

// bigHashWhile measures HSET of the big hash while something takes a snapshot of it.
func (b *bench) bigHashWhile(s *server, name string, while func(a *admin, done *bool) error) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	defer a.close()
	l, err := startLoad(s, shape{depth: 1, keys: 1, conns: connections, task: bigHash()})
	if err != nil {
		return err
	}
	var m saving
	err = l.warm()
	if err == nil {
		m.rss, err = rssOf(s.pid())
	}
	if err == nil {
		err = s.watch(a, l, &m, while)
	}
	if err = errors.Join(err, l.stop()); err != nil {
		return err
	}
	h, verdict := l.latencies(), ""
	longest := micros(h.longest()) / 1e3
	if s.kind.name == "larder" {
		verdict = b.mark("HSET of the big hash during "+name+", longest ms", longest, mostBigMillis) + ", " + b.mark("memory of the big hash during "+name, m.grown(), mostGrown)
	}
	b.row(name, s.kind.name, fmt.Sprintf("%.0f", m.during), fmt.Sprintf("%.3f", micros(h.quantile(0.999))/1e3), fmt.Sprintf("%.3f", longest),
		fmt.Sprintf("%.2f", m.took.Seconds()), mib(m.rss), fmt.Sprintf("%.2f", m.grown()), verdict)
	return nil
}

// watch starts what takes a snapshot and looks on until it is over.
func (s *server) watch(a *admin, l *load, m *saving, while func(a *admin, done *bool) error) error {
	n, began := l.requests(), time.Now()
	l.measuring.Store(true)
	if err := while(a, nil); err != nil {
		return err
	}
	for done := false; !done; {
		time.Sleep(savePoll)
		rss, err := rssOf(s.pid())
		if err == nil {
			err = while(a, &done)
		}
		if err != nil {
			return err
		}
		m.peak = max(m.peak, rss)
		if time.Since(began) > longestSave {
			return fmt.Errorf("it takes more than %v", longestSave)
		}
	}
	m.took = time.Since(began)
	l.measuring.Store(false)
	m.during = float64(l.requests()-n) / m.took.Seconds()
	if v, err := a.field("persistence", "rdb_last_cow_size"); err == nil {
		copied, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return err
		}
		m.peak += copied
	}
	return nil
}

// ends are the ways in which a key goes away.
var ends = []struct {
	name string
	do   []string // {key} is the key
}{
	{"DEL", []string{"DEL {key}"}},
	{"UNLINK", []string{"UNLINK {key}"}},
	{"SET over it", []string{"SET {key} x"}},
	{"expiry", []string{"PEXPIRE {key} 1"}},
	{"FLUSHALL", []string{"FLUSHALL SYNC"}},
	{"eviction", []string{"CONFIG SET maxmemory-policy allkeys-lru", "CONFIG SET maxmemory 4mb", "SET other x", "CONFIG SET maxmemory 0"}},
}

// endsOn lets collections of every type go away in every way.
func (b *bench) endsOn(k *kind, c cores) error {
	s, err := start(k, c, options{dir: b.dir})
	if err != nil {
		return err
	}
	defer s.stop()
	n := *bigElements
	for _, h := range []hoard{
		{"hash", collections("HSET", 1, n, valued)}, {"set", collections("SADD", 1, n, asIs)}, {"sorted set", collections("ZADD", 1, n, scored)},
		{"list", collections("RPUSH", 1, n, asIs)}, {"stream", streams(1, n)},
	} {
		for _, e := range ends {
			if err := s.give(h.stock); errors.Is(err, errLacks) {
				b.lacks("end of a "+h.name, k)
				break
			} else if err != nil {
				return err
			}
			others, itself, err := s.end(e.do)
			if err != nil {
				return fmt.Errorf("%s of a %s on %s: %w", e.name, h.name, k.name, err)
			}
			verdict := ""
			if k.name == "larder" {
				verdict = b.mark(fmt.Sprintf("%s of a big %s: longest ms of others", e.name, h.name), micros(others)/1e3, mostBigMillis)
			}
			b.row(h.name, e.name, k.name, fmt.Sprintf("%.3f", micros(others)/1e3), fmt.Sprintf("%.3f", micros(itself)/1e3), verdict)
		}
	}
	return nil
}

// aftermath is how long others are watched when a key has gone: what it had may be freed behind the scenes.
const aftermath = 500 * time.Millisecond

// end runs commands, and measures the longest round trip of another connection in the same shard from their beginning on, and of them.
func (s *server) end(lines []string) (others, itself time.Duration, err error) {
	a, err := s.admin()
	if err != nil {
		return 0, 0, err
	}
	defer a.close()
	w, err := s.admin()
	if err != nil {
		return 0, 0, err
	}
	defer w.close()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			began := time.Now()
			if _, err := w.do("TTL " + key(0)); err != nil {
				stopped <- err
				return
			}
			others = max(others, time.Since(began))
		}
	}()
	for _, line := range lines {
		began := time.Now()
		if _, err1 := a.do(strings.ReplaceAll(line, "{key}", key(0))); err1 != nil && !strings.Contains(err1.Error(), "OOM ") {
			err = errors.Join(err, err1)
		}
		itself = max(itself, time.Since(began))
	}
	time.Sleep(aftermath)
	close(stop)
	err = errors.Join(err, <-stopped)
	_, err1 := a.do("FLUSHALL SYNC")
	return others, itself, errors.Join(err, err1)
}
