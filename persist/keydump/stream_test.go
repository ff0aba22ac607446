package keydump_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// streamCalls are random calls that make the key k a stream, with groups, in redis-server.
func streamCalls(r *rand.Rand) (calls [][]string) {
	ms, seq := uint64(1), uint64(0)
	fields := func() (out []string) {
		if r.IntN(3) > 0 {
			return []string{"a", strconv.Itoa(r.IntN(1000)), "b", "text"}
		}
		for range 2 * (1 + r.IntN(4)) {
			out = append(out, []string{"a", "", "12", "-123456789012", "word", strings.Repeat("long", r.IntN(500))}[r.IntN(6)])
		}
		return out
	}
	id := func() string { return fmt.Sprintf("%d-%d", ms-min(ms, r.Uint64N(20)), seq) }
	calls = append(calls, []string{"XGROUP", "CREATE", "k", "first", "0", "MKSTREAM"})
	for range r.IntN(400) {
		switch n := r.IntN(100); {
		case n < 70:
			if seq++; r.IntN(2) == 0 {
				ms, seq = ms+r.Uint64N(1<<r.IntN(30))+1, r.Uint64N(3)
			}
			calls = append(calls, append([]string{"XADD", "k", fmt.Sprintf("%d-%d", ms, seq)}, fields()...))
		case n < 75:
			calls = append(calls, []string{"XDEL", "k", id(), id()})
		case n < 77:
			calls = append(calls, []string{"XTRIM", "k", "MAXLEN", strconv.Itoa(r.IntN(300))})
		case n < 80:
			calls = append(calls, []string{"XGROUP", "CREATE", "k", fmt.Sprint("g", r.IntN(12)), id()})
		case n < 90:
			calls = append(calls, []string{"XREADGROUP", "GROUP", []string{"first", fmt.Sprint("g", r.IntN(12))}[r.IntN(2)], fmt.Sprint("consumer", r.IntN(5)),
				"COUNT", strconv.Itoa(1 + r.IntN(40)), "STREAMS", "k", ">"})
		case n < 95:
			calls = append(calls, []string{"XACK", "k", "first", id()})
		default:
			calls = append(calls, []string{"XAUTOCLAIM", "k", "first", fmt.Sprint("consumer", r.IntN(9)), "0", id(), "COUNT", "10"})
		}
	}
	return calls
}

// TestStreamsWithRedis: larder restores what redis-server 7.0.15 dumps of any stream, and redis-server gets all of it back: entries, figures, groups, consumers, what is pending.
func TestStreamsWithRedis(t *testing.T) {
	s := newServer(t)
	c, real := s.Client(), enginetest.StartRedis(t, "--enable-debug-command", "yes").Dial()
	r := rand.New(rand.NewPCG(20261121, 6))
	pending := 0
	for i := range 60 {
		real.Value("DEL", "k")
		real.Value("CONFIG", "SET", "stream-node-max-entries", []string{"100", "3", "1"}[r.IntN(3)])
		for _, call := range streamCalls(r) {
			real.Value(call...)
		}
		if got := enginetest.Show(c.Value("RESTORE", "k", "0", string(real.Value("DUMP", "k").Str), "REPLACE")); got != "OK" {
			t.Fatalf("stream %d: %s", i, got)
		}
		if got := c.Do("OBJECT ENCODING k"); got != `"stream"` {
			t.Errorf("encoding %s", got)
		}
		checkStream(t, s, real)
		if got := enginetest.Show(real.Value("RESTORE", "back", "0", version10(t, c.Value("DUMP", "k").Str), "REPLACE")); got != "OK" {
			t.Fatalf("stream %d, back: %s", i, got)
		}
		for _, call := range [][]string{{"XRANGE", "", "-", "+"}, {"XINFO", "STREAM", "", "FULL", "COUNT", "0"}} {
			at := 1
			if call[0] == "XINFO" {
				at = 2
			}
			call[at] = "k"
			want := enginetest.Show(real.Value(call...))
			call[at] = "back"
			if got := enginetest.Show(real.Value(call...)); got != want {
				t.Fatalf("stream %d, %s:\n%.2000s\nexpected\n%.2000s", i, call, got, want)
			}
		}
		pending += int(real.Value("XPENDING", "k", "first").Elems[0].Int)
	}
	if pending < 100 {
		t.Errorf("only %d pending entries were tried", pending)
	}
}

// checkStream compares the restored stream with XINFO STREAM of redis-server, and checks it.
func checkStream(t *testing.T, s *enginetest.Server, real *enginetest.Peer) {
	t.Helper()
	info := map[string]int64{}
	reply := real.Value("XINFO", "STREAM", "k").Elems
	for i := 0; i+1 < len(reply); i += 2 {
		info[string(reply[i].Str)] = reply[i+1].Int
	}
	s.Engine.EachShard(func(sh *keyspace.Shard) bool {
		name := []byte("k")
		e := sh.DB(0).Find(sh.Space().Hash(name), name)
		if !e.Found() {
			return true
		}
		if err := value.Check(sh.Values(), value.Stream, e.Root()); err != nil {
			t.Fatal(err)
		}
		v := value.OpenStream(sh.Values(), e.Root())
		got := []int64{int64(v.Figures().Length), int64(v.Nodes()), int64(v.RadixNodes()), int64(v.Figures().Added), int64(v.Groups())}
		want := []int64{info["length"], info["radix-tree-keys"], info["radix-tree-nodes"], info["entries-added"], info["groups"]}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("length, nodes, radix nodes, added, groups: %v, expected %v", got, want)
		}
		return true
	})
}

// streamPayload is a payload of a stream's elements.
func streamPayload(t testing.TB, nodes int, els ...rdb.Element) string {
	t.Helper()
	d := rdb.NewDumpWriter(rdb.WriterOptions{})
	if err := d.Begin(rdb.Content{Type: value.Stream, Count: uint64(nodes)}); err != nil {
		t.Fatal(err)
	}
	for i := range els {
		if err := d.Element(&els[i]); err != nil {
			t.Fatal(err)
		}
	}
	p, err := d.Payload()
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// streamNode is a node with entries of one field, whose ids are its own and these more; deleted ones are marked by a negative number. counts are what its head says, if given.
func streamNode(id rdb.StreamID, counts []int64, more ...int64) rdb.Element {
	live, deleted := int64(0), int64(0)
	for _, n := range more {
		if n < 0 {
			deleted++
		} else {
			live++
		}
	}
	if counts != nil {
		live, deleted = counts[0], counts[1]
	}
	lp := listpack.New(100)
	for _, n := range []int64{live, deleted, 1} {
		lp = listpack.AppendInt(lp, n)
	}
	lp = listpack.AppendInt(listpack.Append(lp, []byte("field")), 0)
	for _, n := range more {
		flags := int64(2)
		if n < 0 {
			flags, n = 3, -n
		}
		for _, n := range []int64{flags, 0, n, 7, 4} {
			lp = listpack.AppendInt(lp, n)
		}
	}
	return rdb.Element{Kind: rdb.ElementStreamNode, ID: id, Value: lp}
}

func streamInfo(length, last, groups uint64) rdb.Element {
	return rdb.Element{Kind: rdb.ElementStreamInfo, Stream: rdb.StreamInfo{Length: length, Last: rdb.StreamID{Ms: 1, Seq: last}, Added: length}, Count: groups}
}

func streamGroup(name string, pending uint64) rdb.Element {
	return rdb.Element{Kind: rdb.ElementGroup, Name: []byte(name), Count: pending}
}

func streamPending(seq uint64) rdb.Element {
	return rdb.Element{Kind: rdb.ElementPending, ID: rdb.StreamID{Ms: 1, Seq: seq}, TimeMs: 5, Deliveries: 1}
}

func streamConsumers(n uint64) rdb.Element {
	return rdb.Element{Kind: rdb.ElementConsumers, Count: n}
}

func streamConsumer(name string, owned uint64) rdb.Element {
	return rdb.Element{Kind: rdb.ElementConsumer, Name: []byte(name), TimeMs: 1, ActiveMs: 1, Count: owned}
}

func streamOwned(seq uint64) rdb.Element {
	return rdb.Element{Kind: rdb.ElementOwned, ID: rdb.StreamID{Ms: 1, Seq: seq}}
}

// TestWhatIsWrong: the log says of a payload that holds something twice what Redis' log says of it.
func TestWhatIsWrong(t *testing.T) {
	var said []string
	s := enginetest.New(t, enginetest.Start, keydump.Commands(keydump.Config{Compress: func() bool { return false }, Corrupt: func(what string) { said = append(said, what) },
		Sanitize: func(spec.Session) bool { return false }})...)
	l := *s.Engine.Space.Limits()
	l.HashEntries = 1
	s.Engine.Space.SetLimits(l)
	hash := listpack.New(0)
	for _, word := range []string{"a", "1", "a", "2"} {
		hash = listpack.Append(hash, []byte(word))
	}
	body := append([]byte{byte(rdb.TypeHashListpack), byte(len(hash))}, hash...)
	two := streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 0), streamConsumers(2), streamConsumer("c", 0), streamConsumer("c", 0))
	for payload, want := range map[string]string{seal(string(body), 11): "listpack with dup elements", two: "Duplicate stream consumer detected"} {
		said = nil
		if got := enginetest.Show(s.Client().Value("RESTORE", "k", "0", payload)); got != "-ERR Bad data format" || len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%s, and the log has %q, want %q", got, said, want)
		}
	}
}

// TestBadStreams: a stream that does not fit together is refused, whatever it is.
func TestBadStreams(t *testing.T) {
	const format = "-ERR Bad data format"
	one, two := rdb.StreamID{Ms: 1, Seq: 1}, rdb.StreamID{Ms: 1, Seq: 5}
	for what, c := range map[string]struct{ payload, want string }{
		"an empty one":                {streamPayload(t, 0, streamInfo(0, 0, 0)), "OK"},
		"entries, some deleted":       {streamPayload(t, 2, streamNode(one, nil, 0, -1, 2), streamNode(two, nil, 0), streamInfo(3, 5, 0)), "OK"},
		"a group":                     {streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 1), streamPending(3), streamConsumers(1), streamConsumer("c", 1), streamOwned(3)), "OK"},
		"more entries than there are": {streamPayload(t, 1, streamNode(one, nil, 0), streamInfo(2, 5, 0)), format},
		"a head of too many":          {streamPayload(t, 1, streamNode(one, []int64{2, 0}, 0, -1), streamInfo(2, 5, 0)), format},
		"a last id too small":         {streamPayload(t, 1, streamNode(one, nil, 0, 5), streamInfo(2, 5, 0)), format},
		"entries out of order":        {streamPayload(t, 1, streamNode(one, nil, 2, 1), streamInfo(2, 9, 0)), format},
		"an id twice":                 {streamPayload(t, 1, streamNode(one, nil, 2, 2), streamInfo(2, 9, 0)), format},
		"nodes that overlap":          {streamPayload(t, 2, streamNode(one, nil, 0, 4), streamNode(two, nil, 0), streamInfo(3, 9, 0)), format},
		"a group twice":               {streamPayload(t, 0, streamInfo(0, 9, 2), streamGroup("g", 0), streamConsumers(0), streamGroup("g", 0), streamConsumers(0)), format},
		"a pending entry twice":       {streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 2), streamPending(3), streamPending(3), streamConsumers(0)), format},
		"a pending entry of nobody":   {streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 1), streamPending(3), streamConsumers(1), streamConsumer("c", 0)), format},
		"of nobody, a group behind":   {streamPayload(t, 0, streamInfo(0, 9, 2), streamGroup("g", 1), streamPending(3), streamConsumers(0), streamGroup("h", 0), streamConsumers(0)), format},
		"a consumer's alone":          {streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 0), streamConsumers(1), streamConsumer("c", 1), streamOwned(3)), format},
		"of two consumers": {streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 1), streamPending(3), streamConsumers(2), streamConsumer("c", 1), streamOwned(3),
			streamConsumer("d", 1), streamOwned(3)), format},
		"a consumer twice": {streamPayload(t, 0, streamInfo(0, 9, 1), streamGroup("g", 0), streamConsumers(2), streamConsumer("c", 0), streamConsumer("c", 0)), format},
	} {
		s := newServer(t)
		cl := s.Client()
		cl.Do("SET a old")
		if got := enginetest.Show(cl.Value("RESTORE", "a", "0", c.payload, "REPLACE")); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
		if got := cl.Do("TYPE a"); (got == "stream") != (c.want == "OK") {
			t.Errorf("%s: the key is now a %s", what, got)
		}
		if c.want == "OK" {
			if got := enginetest.Show(cl.Value("RESTORE", "b", "0", string(cl.Value("DUMP", "a").Str))); got != "OK" {
				t.Errorf("%s, again: %s", what, got)
			}
		}
		cl.Do("DEL a b")
	}
}

// spoil changes something in a stream's elements, or nothing.
func spoil(r *rand.Rand, els []rdb.Element) {
	el := &els[r.IntN(len(els))]
	small := func() uint64 { return uint64(r.IntN(6)) }
	switch el.Kind {
	case rdb.ElementStreamNode:
		at := listpack.Seek(el.Value, r.IntN(listpack.Count(el.Value)))
		switch r.IntN(6) {
		case 0:
			el.ID.Seq = small()
		case 1:
			el.Value = listpack.Delete(el.Value, at, 1)
		case 2:
			el.Value = listpack.Insert(el.Value, at, []byte("text"))
		default:
			n := []int64{-1, 0, 1, 2, 3, 4, 5, 1 << 20, -1 << 62, 1<<62 - 1}
			el.Value = listpack.ReplaceInt(el.Value, at, n[r.IntN(len(n))])
		}
	case rdb.ElementStreamInfo:
		el.Stream.Length, el.Stream.Last.Seq = el.Stream.Length+small()-2, small()*3
	case rdb.ElementPending, rdb.ElementOwned, rdb.ElementGroup:
		el.ID.Seq = small()
	case rdb.ElementConsumer:
		el.Name = []byte("c")
	}
}

// TestSpoiltStreams: streams of which something small is wrong are refused, or sound.
func TestSpoiltStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(20261121, 10))
	s := newServer(t)
	c := s.Client()
	taken := 0
	const rounds = 3000
	for range rounds {
		els := []rdb.Element{streamNode(rdb.StreamID{Ms: 1, Seq: 1}, nil, 0, -1, 2), streamNode(rdb.StreamID{Ms: 1, Seq: 5}, nil, 0, 1, -3), streamInfo(4, 9, 2),
			streamGroup("g", 2), streamPending(1), streamPending(3), streamConsumers(2), streamConsumer("c", 1), streamOwned(3), streamConsumer("d", 1), streamOwned(1),
			streamGroup("h", 1), streamPending(2), streamConsumers(1), streamConsumer("c", 1), streamOwned(2)}
		for range 1 + r.IntN(3) {
			spoil(r, els)
		}
		switch got := enginetest.Show(c.Value("RESTORE", "a", "0", streamPayload(t, 2, els...))); got {
		case "OK":
			taken++
			exercise(t, s)
			c.Do("DEL a")
		case "-ERR Bad data format":
		default:
			t.Fatal(got)
		}
	}
	if taken < rounds/20 || taken > rounds*19/20 {
		t.Errorf("%d of %d streams were taken", taken, rounds)
	}
	var used int64
	s.Engine.EachShard(func(sh *keyspace.Shard) bool {
		used += sh.Heap().Used()
		return true
	})
	if used > 1<<20 {
		t.Errorf("%d bytes are left of what was refused", used)
	}
}
