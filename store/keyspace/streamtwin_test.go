package keyspace

import (
	"fmt"
	"math"

	"github.com/larder-cache/larder/store/value"
)

// A stream's twin is what a walk emits of it: package value's own tests see to it that this is the stream.

// changeStream makes one change to a stream.
func (w *twin) changeStream(s value.RootedStream, c *coll, name string) {
	f := s.Figures()
	fill := value.StreamFill{Bytes: 4096, Entries: []int{3, 20, 100}[w.rnd.IntN(3)]}
	near := value.StreamID{Ms: uint64(w.rnd.IntN(int(f.Last.Ms) + 2))}
	switch n := w.rnd.IntN(20); {
	case n == 0:
		s.Delete(near)
	case n == 1 && w.rnd.IntN(5) == 0:
		s.Trim(value.StreamTrim{MaxLen: uint64(w.rnd.IntN(200))})
	case n == 2 && w.rnd.IntN(10) == 0:
		s.RemoveGroup([]byte("group:0"))
	case n < 8:
		group := fmt.Sprint("group:", w.rnd.IntN(2))
		if _, ok := s.FindGroup([]byte(group)); !ok {
			s.AddGroup([]byte(group), near, int64(n))
		}
		g, _ := s.OwnGroup([]byte(group))
		who := []byte(fmt.Sprint("consumer:", w.rnd.IntN(3)))
		g.AddConsumer(who, w.now, -1)
		x, _ := g.OwnConsumer(who)
		x.SetSeen(w.now)
		if n == 3 {
			g.Ack(near)
		} else {
			g.Deliver(x, near, w.now, uint64(n))
		}
	default:
		s.Append(fill, value.StreamID{Ms: f.Last.Ms + 1}, [][]byte{[]byte("field"), []byte(name)})
	}
}

// freezeStream is a stream's twin from now on.
func (c *coll) freezeStream(s value.RootedStream, env *value.Env) {
	raw, _ := value.AppendNodes(nil, env, value.Stream, s.Root(), 0, math.MaxInt32)
	c.stream = string(raw)
}
