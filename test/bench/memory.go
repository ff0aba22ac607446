package main

import (
	"errors"
	"fmt"
	"time"
)

// settle is how long an idle server gets before its memory is read.
const settle = 500 * time.Millisecond

// The marks for memory: bytes a key by what the server says and by what its resident set grows, and the empty process.
const (
	mostUsedPerKey = 105
	mostRSSPerKey  = 115
	mostEmptyMiB   = 20
)

// memory measures an empty server, and what a key costs.
func (b *bench) memory(one, _ cores) error {
	b.say("\n## Memory\n\n%d keys. used_memory is what the server itself says (memcached: stats bytes).\n\n", *memKeys)
	b.row("server", "empty, RSS MiB", "used_memory a key", "RSS growth a key", "mark")
	b.rule(5)
	for _, k := range b.kinds {
		s, err := start(k, one, options{dir: b.dir})
		if errors.Is(err, errRefused) {
			b.skip("memory: %v", err)
			continue
		}
		if err != nil {
			return err
		}
		err = b.memoryOf(s)
		s.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) memoryOf(s *server) error {
	time.Sleep(settle)
	rss0, err1 := rssOf(s.pid())
	used0, err2 := s.used()
	err3 := s.fill(0, *memKeys)
	time.Sleep(settle)
	rss1, err4 := rssOf(s.pid())
	used1, err5 := s.used()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	perKey := func(from, to int64) float64 { return float64(to-from) / float64(*memKeys) }
	used, rss := fmt.Sprintf("%.1f", perKey(used0, used1)), fmt.Sprintf("%.1f", perKey(rss0, rss1))
	if used1 == 0 {
		used = "(not told)"
	}
	verdict := ""
	if s.kind.name == "larder" {
		verdict = b.mark("MiB of an empty node", float64(rss0)/(1<<20), mostEmptyMiB) + ", " +
			b.mark("bytes a key by used_memory", perKey(used0, used1), mostUsedPerKey) + ", " +
			b.mark("bytes a key by RSS", perKey(rss0, rss1), mostRSSPerKey)
	}
	b.row(s.kind.name, mib(rss0), used, rss, verdict)
	return nil
}
