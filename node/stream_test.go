package node

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// streamKeys is how many streams there are in these tests.
const streamKeys = 40

// streams are calls that make streams with groups, small and big.
func streams(rnd *rand.Rand) (calls [][]string) {
	num := func(n int) string { return strconv.Itoa(rnd.IntN(n)) }
	for i := range streamKeys {
		key := "stream:" + strconv.Itoa(i)
		calls = append(calls, []string{"XGROUP", "CREATE", key, "g", "0", "MKSTREAM"}, []string{"XGROUP", "CREATE", key, "idle", "$"})
		size := []int{0, 1, 50, 99, 101, 2000}[i%6]
		for j := range size {
			calls = append(calls, []string{"XADD", key, fmt.Sprintf("%d-%d", 1+j/3, 1+j%3), "temperature", num(100), []string{"unit", "note"}[rnd.IntN(2)], strings.Repeat("x", rnd.IntN(60))})
			switch rnd.IntN(10) {
			case 0:
				calls = append(calls, []string{"XREADGROUP", "GROUP", "g", "consumer:" + num(4), "COUNT", num(20), "STREAMS", key, ">"})
			case 1:
				calls = append(calls, []string{"XDEL", key, num(j+1) + "-1"}, []string{"XACK", key, "g", num(j+1) + "-2"})
			}
		}
		if i%7 == 3 {
			calls = append(calls, []string{"XTRIM", key, "MAXLEN", num(100)}, []string{"XGROUP", "CREATECONSUMER", key, "idle", "nobody"}, []string{"EXPIRE", key, "100000"})
		}
	}
	return calls
}

// TestStreamsTravel: streams that a redis-server has get into larder by a full sync, from there into a file and back, and to a redis-server again, which then has them as the first one
// does: entries, figures, groups, consumers, what is pending.
func TestStreamsTravel(t *testing.T) {
	debug := []string{"--enable-debug-command", "yes"}
	source := startRedis(t, debug...)
	from := source.dial()
	from.all(streams(rand.New(rand.NewPCG(20261121, 8))))
	want := digestOf(source)
	for _, mode := range []string{"disabled", "swapdb"} {
		t.Run(mode, func(t *testing.T) {
			n := start(t, append(debug, "--repl-diskless-load", mode)...)
			follow(n, source)
			linked(t, n)
			got := func(s server, what string) {
				t.Helper()
				if d := digestOf(s); d != want {
					t.Errorf("%s: the data has fingerprint %s, want %s", what, d, want)
				}
			}
			got(n, "a full sync from redis-server")
			p := n.dial()
			p.want("REPLICAOF NO ONE", "OK")
			p.want("DEBUG RELOAD", "OK")
			got(n, "DEBUG RELOAD")
			replica := startRedis(t, debug...)
			follow(replica, n)
			linked(t, replica)
			got(replica, "a full sync to redis-server")
			to := replica.dial()
			for i := range streamKeys {
				key := "stream:" + strconv.Itoa(i)
				if a, b := from.run("XINFO", "STREAM", key, "FULL", "COUNT", "0"), to.run("XINFO", "STREAM", key, "FULL", "COUNT", "0"); a != b {
					t.Errorf("%s: %.1000s\nwant %.1000s", key, b, a)
				}
			}
			p.want("SAVE", "OK")
			n.stop()
			got(start(t, append(debug, "--dir", n.dir)...), "SAVE and a new start")
		})
	}
}

// TestStreamsAreOneInstant: whatever is done with streams, their groups and what is pending, snapshots show each stream as it was when they began.
func TestStreamsAreOneInstant(t *testing.T) {
	n := start(t, "--io-threads", "3", "--maxmemory", "1gb")
	source := startRedis(t)
	source.dial().all(streams(rand.New(rand.NewPCG(20261121, 9))))
	follow(n, source)
	linked(t, n)
	n.dial().want("REPLICAOF NO ONE", "OK")
	rounds := 8
	if invariant.Enabled || raced.Enabled {
		rounds = 3
	}
	var stops []func()
	for seed := range 3 {
		stops = append(stops, churnStreams(t, n, uint64(seed)))
	}
	n.oneInstant(rounds, 2, stops)
	n.engine.EachShard(func(s *keyspace.Shard) bool {
		for db := range 2 {
			if s.Used(db) {
				if err := s.DB(db).Check(); err != nil {
					t.Error(err)
				}
			}
		}
		return true
	})
}

// churnStreams changes streams, and moves them about, until stop is called.
func churnStreams(t *testing.T, n *testNode, seed uint64) (stop func()) {
	p, rnd := n.dial(), rand.New(rand.NewPCG(seed, 3))
	return repeatedly(t, func() bool {
		for range 20 {
			n.changeStream(rnd)
		}
		key := func() string { return "stream:" + strconv.Itoa(rnd.IntN(streamKeys)) }
		p.run("RENAME", key(), key())
		p.run("COPY", key(), key(), "REPLACE")
		p.run("COPY", key(), key(), "DB", strconv.Itoa(rnd.IntN(2)), "REPLACE")
		if rnd.IntN(20) == 0 {
			p.run([]string{"UNLINK", "DEL"}[rnd.IntN(2)], key())
		}
		return true
	})
}

// changeStream does something with a stream, as a command does.
func (n *testNode) changeStream(rnd *rand.Rand) {
	name := []byte("stream:" + strconv.Itoa(rnd.IntN(streamKeys)))
	hash := n.space.Hash(name)
	n.engine.WithShard(n.space.ShardOf(hash), func(sh *keyspace.Shard) {
		db := sh.DB(0)
		s := collection.OpenStream(collection.Key{DB: db, Hash: hash, Name: name}, db.Find(hash, name))
		for range 30 {
			id, _ := s.LastID().Next()
			s.Append(id, [][]byte{[]byte("temperature"), strconv.AppendInt(nil, rnd.Int64N(1000), 10)})
		}
		some := collection.StreamID{Ms: rnd.Uint64N(s.LastID().Ms + 1), Seq: 1 + rnd.Uint64N(3)}
		switch rnd.IntN(8) {
		case 0:
			s.Trim(collection.StreamTrim{MaxLen: rnd.Uint64N(2000), Approx: rnd.IntN(2) == 0})
		case 1:
			s.Delete(some)
		case 2:
			if rnd.IntN(10) == 0 {
				s.DestroyGroup([]byte("g"))
			}
		}
		g := s.Group([]byte("g"))
		if g == nil {
			g = s.CreateGroup([]byte("g"), some, collection.UnknownEntries)
		}
		who := []byte("consumer:" + strconv.Itoa(rnd.IntN(5)))
		c := g.Consumer(who)
		if c == nil {
			c = g.CreateConsumer(who, 1)
		}
		c.SetActive(rnd.Int64())
		for range 10 {
			some.Seq++
			g.Deliver(c, some, rnd.Int64(), rnd.Uint64N(9))
		}
		for p, ok := g.PendingFrom(some); ok && rnd.IntN(20) > 0; p, ok = g.PendingFrom(some) {
			g.Ack(p.ID)
		}
		if rnd.IntN(30) == 0 {
			g.DeleteConsumer(who)
		}
	})
}
