package keydump_test

import (
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/rdb"
	coll "github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// FuzzRestoreStream gives RESTORE bodies of streams: whatever it takes is sound, comes back from DUMP the same, and everything can be done with it.
func FuzzRestoreStream(f *testing.F) {
	one, two := rdb.StreamID{Ms: 1, Seq: 1}, rdb.StreamID{Ms: 1, Seq: 5}
	for _, payload := range []string{
		streamPayload(f, 0, streamInfo(0, 0, 0)),
		streamPayload(f, 2, streamNode(one, nil, 0, -1, 2), streamNode(two, nil, 0, 1, 3, -4), streamInfo(5, 9, 0)),
		streamPayload(f, 1, streamNode(one, nil, -1, -2), streamInfo(0, 9, 0)),
		streamPayload(f, 1, streamNode(one, nil, 0, 1), streamInfo(2, 9, 2), streamGroup("g", 2), streamPending(1), streamPending(3), streamConsumers(2), streamConsumer("c", 1),
			streamOwned(3), streamConsumer("d", 1), streamOwned(1), streamGroup("h", 0), streamConsumers(0)),
	} {
		f.Add([]byte(payload[1 : len(payload)-10]))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newServer(t)
		c := s.Client()
		if enginetest.Show(c.Value("RESTORE", "a", "0", seal("\x15"+string(body), 11))) != "OK" {
			return
		}
		first := string(c.Value("DUMP", "a").Str)
		if got := enginetest.Show(c.Value("RESTORE", "a", "0", first, "REPLACE")); got != "OK" {
			t.Fatalf("again: %s", got)
		}
		if again := string(c.Value("DUMP", "a").Str); again != first {
			t.Fatalf("not the same again: %q, %q", again, first)
		}
		exercise(t, s)
	})
}

// exercise checks the stream at key a, does everything with it, and checks it again.
func exercise(t *testing.T, s *enginetest.Server) {
	t.Helper()
	s.Engine.EachShard(func(sh *keyspace.Shard) bool {
		name := []byte("a")
		k := coll.Key{DB: sh.DB(0), Hash: sh.Space().Hash(name), Name: name}
		e := k.DB.Find(k.Hash, name)
		if !e.Found() {
			return true
		}
		for _, what := range []string{"restored", "used"} {
			if err := value.Check(sh.Values(), value.Stream, e.Root()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			useStream(coll.OpenStream(k, e))
		}
		return true
	})
}

// useStream does everything that can be done with a stream.
func useStream(s *coll.Stream) {
	var it coll.StreamIter
	var ids []coll.StreamID
	for _, reverse := range []bool{false, true} {
		for s.Iterate(&it, coll.StreamID{}, coll.MaxStreamID(), reverse); it.Next(); {
			for range it.Fields() {
				it.Field()
			}
			ids = append(ids, it.ID())
		}
	}
	s.RadixNodes()
	s.EachGroup(func(g *coll.StreamGroup) bool {
		c := g.CreateConsumer([]byte("somebody"), 1)
		if c == nil {
			c = g.Consumer([]byte("somebody"))
		}
		p, ok := g.PendingFrom(coll.StreamID{})
		for range 100 {
			if !ok {
				break
			}
			g.Deliver(c, p.ID, 5, 6)
			next, more := p.ID.Next()
			if p, ok = g.PendingFrom(next); !more {
				break
			}
		}
		g.Ack(p.ID)
		g.EachConsumer(func(c *coll.StreamConsumer) bool {
			c.EachPending(coll.StreamID{}, func(coll.StreamPending) bool { return true })
			return true
		})
		g.DeleteConsumer([]byte("c"))
		return true
	})
	if len(ids) > 0 {
		s.Delete(ids[len(ids)/2])
		s.Trim(coll.StreamTrim{ByID: true, MinID: ids[0]})
		s.Trim(coll.StreamTrim{MaxLen: uint64(len(ids) / 3)})
	}
	if id, ok := s.LastID().Next(); ok {
		s.Append(id, [][]byte{[]byte("field"), []byte("value")})
	}
	s.DestroyGroup([]byte("g"))
}
