package engine_test

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
)

// TestSortAmongWriters: SORTs that reach keys of all shards, alone, in a transaction, in a script and storing, beside MSETs and scripts that write
// all these keys, and clients that wait: nobody waits for ever, and a SORT sees the keys as one of the writers left them.
func TestSortAmongWriters(t *testing.T) {
	s := raceServer(t)
	const keys = 16
	l := newLoop(s)
	mset := func(v string) []string {
		args := []string{"MSET"}
		for i := range keys {
			args = append(args, "w"+strconv.Itoa(i), v)
		}
		return args
	}
	l.run(mset("0")...)
	for i := range keys {
		l.run("RPUSH", "list", strconv.Itoa(i))
	}
	before := s.Engine.Counters().AllShardLocks
	var torn atomic.Int64
	writer := func(n int) func() {
		l := newLoop(s)
		return func() {
			for i := range many(300) {
				v := strconv.Itoa(n*1000 + i)
				switch i % 3 {
				case 0:
					l.run(mset(v)...)
				case 1:
					l.run("EVAL", "for i = 0, 15 do redis.call('set', 'w' .. i, ARGV[1]) end", "0", v)
				default:
					l.run("RPUSH", "wake", v)
				}
			}
		}
	}
	reader := func(n int) func() {
		l := newLoop(s)
		return func() {
			for i := range many(300) {
				var out string
				switch (n + i) % 4 {
				case 0:
					out = l.run("SORT", "list", "BY", "w*", "GET", "w*")
				case 1:
					l.run("MULTI")
					l.run("SORT_RO", "list", "BY", "nosort", "GET", "w*")
					out = l.run("EXEC")
					out = out[strings.Index(out, "\r\n")+2:]
				case 2:
					out = l.run("EVAL", "return redis.call('SORT', 'list', 'BY', 'w*', 'GET', 'w*')", "0")
				default:
					dst := "dst" + strconv.Itoa(n)
					l.run("SORT", "list", "BY", "w*", "GET", "w*", "STORE", dst)
					out = l.run("LRANGE", dst, "0", "-1")
				}
				got := strings.Split(out, "\r\n")
				for j := 4; j < len(got)-1; j += 2 {
					if got[j] != got[2] {
						torn.Add(1)
					}
				}
				if len(got) != 2*keys+2 {
					t.Errorf("%q", out)
				}
			}
		}
	}
	waiter := func() func() {
		l := newMailLoop(s)
		return func() {
			for range many(60) {
				l.wait("BLPOP", "wake", "wake2", "0")
			}
		}
	}
	together(writer(1), writer(2), reader(1), reader(2), waiter())
	if n := torn.Load(); n != 0 {
		t.Errorf("%d values are of another writer than the first", n)
	}
	if n := s.Engine.Counters().AllShardLocks - before; n != 0 {
		t.Errorf("all shards were held %d times", n)
	}
}

// TestSortStoreWakes: what SORT stores is for who waits, also where the waiting command's other keys are in shards that SORT does not hold.
func TestSortStoreWakes(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	w, c := s.Client(), s.Client()
	w.Raw("BLMPOP", "0", "4", "d1", "d2", "d3", "d4", "LEFT", "COUNT", "9")
	for _, line := range []string{"RPUSH l 1 2 3", "SET w1 3", "SET w2 1", "SET w3 2", "SORT l BY w* GET w* GET # STORE d3"} {
		c.Do(line)
	}
	if got := string(w.Out.Buf); got != "*2\r\n$2\r\nd3\r\n*6\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n3\r\n$1\r\n1\r\n" {
		t.Errorf("%q", got)
	}
	if got := strings.Join(s.Journal()[4:], "; "); got != "SORT l BY w* GET w* GET # STORE d3; LPOP d3 6" {
		t.Errorf("journal: %s", got)
	}
}

// TestScriptServesWaiters: scripts push what others wait for, and serve them, while the shards that this takes besides their own are hardly ever free.
func TestScriptServesWaiters(t *testing.T) {
	s := raceServer(t)
	rounds, done := many(300), make(chan struct{})
	var crowd sync.WaitGroup
	for _, key := range []string{"src", "dst"} {
		shard := s.Engine.Space.ShardOf(s.Engine.Space.Hash([]byte(key)))
		for range 2 {
			crowd.Add(1)
			go func() {
				defer crowd.Done()
				for {
					select {
					case <-done:
						return
					default:
						s.Engine.WithShard(shard, func(*keyspace.Shard) { runtime.Gosched() })
					}
				}
			}()
		}
	}
	mover, pusher := newMailLoop(s), newLoop(s)
	together(func() {
		for i := range rounds {
			if got := lastBulk(mover.wait("BLMOVE", "src", "dst", "LEFT", "RIGHT", "0")); got != strconv.Itoa(i) {
				t.Errorf("%q after %d", got, i)
			}
		}
	}, func() {
		for i := range rounds {
			pusher.run("EVAL", "return redis.call('rpush', KEYS[1], ARGV[1])", "1", "src", strconv.Itoa(i))
		}
	})
	close(done)
	crowd.Wait()
}
