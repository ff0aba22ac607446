package node

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

func TestTracking(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-backend", backend, "--io-threads", "3")
			c, w := n.speak(3), n.dial()
			c.want("CLIENT TRACKING on", "OK")
			w.want("MSET a 1 b 2 c 3", "OK")
			c.want("MGET a b nosuch", `["1" "2" nil]`)
			w.want("SELECT 5", "OK")
			w.want("SET nosuch 1", "OK") // keys are told without their database
			c.hears(`["invalidate" ["nosuch"]]`)
			w.want("SELECT 0", "OK")
			w.want("SET a 2", "OK")
			c.hears(`["invalidate" ["a"]]`)
			w.want("SET a 3", "OK") // it was told already
			w.want("DEL b c", "2")
			c.hears(`["invalidate" ["b"]]`)
			// Its own changes are told behind the reply, a transaction's behind that of EXEC.
			c.send("GET a\r\nSET a 4\r\nGET a\r\nMULTI\r\nSET a 5\r\nGET x\r\nEXEC\r\nSET x 1\r\n")
			for _, want := range []string{`"3"`, "OK", `["invalidate" ["a"]]`, `"4"`, "OK", "QUEUED", "QUEUED", `[OK nil]`, `["invalidate" ["a"]]`, "OK", `["invalidate" ["x"]]`} {
				c.hears(want)
			}
			for ms, there := 20, false; !there; ms *= 2 { // a slow machine may not come to read it before it is gone
				w.want("SET gone 1 PX "+strconv.Itoa(ms), "OK")
				got := c.do("GET gone")
				for strings.Contains(got, "invalidate") {
					got = c.reply()
				}
				there = got == `"1"`
			}
			c.hears(`["invalidate" ["gone"]]`)
			c.want("GET a", `"5"`)
			w.want("FLUSHALL", "OK")
			c.hears(`["invalidate" nil]`)
			if got := w.info("tracking_total_keys") + w.info("tracking_total_items") + w.info("tracking_clients"); got != "001" {
				t.Errorf("keys, items and clients after FLUSHALL: %s", got)
			}
			c.want("CLIENT TRACKING off", "OK")
			c.do("GET a")
			w.want("SET a 1", "OK")
			c.want("ECHO quiet", `"quiet"`)
		})
	}
}

// TestTrackingModes: what OPTIN, OPTOUT, NOLOOP and BCAST hear.
func TestTrackingModes(t *testing.T) {
	n := start(t)
	w := n.dial()
	for _, c := range []struct{ mode, before, hears string }{
		{"OPTIN", "GET a", ""}, {"OPTIN", "CLIENT CACHING yes;GET a", "a"}, {"OPTIN", "CLIENT CACHING yes;GET b;GET a", ""},
		{"OPTIN", "CLIENT CACHING yes;MULTI;GET a;EXEC;GET b", "a"}, {"OPTOUT", "GET a", "a"}, {"OPTOUT", "CLIENT CACHING no;GET a", ""},
		{"OPTOUT", "CLIENT CACHING no;PING;GET a", "a"}, {"NOLOOP", "GET a;GET b;SET a 1", ""}, {"NOLOOP", "GET a", "a"}, {"BCAST", "PING", "a"}, {"BCAST PREFIX a", "PING", "a"},
		{"BCAST PREFIX b PREFIX aa", "PING", ""}, {"NOLOOP", "SET a 2;EXISTS a;TYPE b", "a"}, {"OPTIN", "GETEX a", ""}, {"", "GETEX a EX 100", ""}, {"", "OBJECT ENCODING a", "a"},
	} {
		s := n.speak(3)
		s.want("CLIENT TRACKING on "+c.mode, "OK")
		for _, line := range strings.Split(c.before, ";") {
			s.do(line)
		}
		w.want("SET a 1", "OK")
		s.send("ECHO end\r\n")
		want := `"end"`
		if c.hears != "" {
			s.hears(`["invalidate" ["` + c.hears + `"]]`)
		}
		if got := s.reply(); got != want {
			t.Errorf("%s, %s: %s", c.mode, c.before, got)
		}
	}
}

// TestBroadcastIsOneMessage: all that a command or transaction changed under a prefix, in the order of the names.
func TestBroadcastIsOneMessage(t *testing.T) {
	n := start(t)
	c, w := n.speak(3), n.dial()
	c.want("CLIENT TRACKING on BCAST PREFIX a PREFIX b NOLOOP", "OK")
	w.want("MSET a1 x c1 x a2 x a1 y", "OK")
	c.hears(`["invalidate" ["a1" "a2"]]`)
	w.send("MULTI\r\nSET b1 x\r\nSET a3 x\r\nDEL b1 a1\r\nEXEC\r\n")
	first, second := c.reply(), c.reply()
	if got := min(first, second) + max(first, second); got != `["invalidate" ["a1" "a3"]]["invalidate" ["b1"]]` {
		t.Error(got)
	}
	c.want("MSET a1 z d z", "OK")
	c.want("PSETEX a9 1 x", "OK")
	c.hears(`["invalidate" ["a9"]]`) // it expired by itself: that is nobody's doing
	w2 := n.dial()
	w2.want("CLIENT TRACKING on BCAST PREFIX a", "OK") // RESP2: it hears nothing, and disturbs nobody
	if got := w2.info("tracking_total_prefixes"); got != "2" {
		t.Errorf("%s prefixes", got)
	}
	w2.nc.Close()
	c.want("RESET", "RESET")
	until(t, "no prefix is left", func() bool { return n.engine.TrackingTotals().Prefixes == 0 })
	if b := n.engine.PubSubTotals().Bytes; b != 0 {
		t.Errorf("%d bytes of prefixes are left", b)
	}
}

func TestTrackingRedirection(t *testing.T) {
	n := start(t)
	for _, proto := range []int{2, 3} {
		c, to, w := n.speak(proto), n.dial(), n.dial()
		id := to.do("CLIENT ID")
		c.want("CLIENT TRACKING on REDIRECT "+id, "OK")
		c.do("GET a")
		w.want("SET a 1", "OK") // nobody can be told: not subscribed
		to.want("SUBSCRIBE __redis__:invalidate", `["subscribe" "__redis__:invalidate" 1]`)
		c.do("GET a")
		w.want("SET a 2", "OK")
		to.hears(`["message" "__redis__:invalidate" ["a"]]`)
		c.do("GET a")
		w.want("FLUSHDB", "OK")
		to.hears(`["message" "__redis__:invalidate" nil]`)
		if got := c.do("CLIENT INFO"); !strings.Contains(got, " flags=t ") || !strings.Contains(got, " redir="+id+" ") {
			t.Error(got)
		}
		c.do("GET a")
		to.want("QUIT", "OK")
		w.want("SET a 3", "OK")
		if proto == 3 {
			c.hears(`["tracking-redir-broken" ` + id + `]`)
		}
		if got := c.do("CLIENT INFO"); !strings.Contains(got, " flags=tR ") {
			t.Error(got)
		}
		if got := c.do("CLIENT TRACKINGINFO"); !strings.Contains(got, `"broken_redirect"`) {
			t.Error(got)
		}
	}
}

// TestEvictedKeysAreToldFirst: an invalidation that a command's need of memory brings about stands before its reply.
func TestEvictedKeysAreToldFirst(t *testing.T) {
	n := start(t)
	c, w := n.speak(3), n.dial()
	c.want("CLIENT TRACKING on", "OK")
	w.want("SETEX volatile 10000 x", "OK")
	c.want("GET volatile", `"x"`)
	w.want("SETRANGE big 2000000 x", "2000001")
	w.want("CONFIG SET maxmemory-policy volatile-random maxmemory 1000000", "OK")
	c.send("GET nosuch\r\n")
	c.hears(`["invalidate" ["volatile"]]`)
	c.hears("nil")
}

// TestTrackingTableIsBounded by tracking-table-max-keys: what is taken out is told. It is empty when nobody tracks any more.
func TestTrackingTableIsBounded(t *testing.T) {
	n := start(t, "--tracking-table-max-keys", "300")
	c, p := n.speak(3), n.dial()
	c.want("CLIENT TRACKING on", "OK")
	const keys = 2000
	invalid := map[string]bool{}
	for i := range keys {
		c.send(fmt.Sprintf("GET key:%d\r\n", i))
		for got := c.reply(); got != "nil"; got = c.reply() {
			if invalid[got] {
				t.Fatalf("%s twice", got)
			}
			invalid[got] = true
		}
	}
	until(t, "there are 300 keys", func() bool { return p.info("tracking_total_keys") == "300" && p.info("tracking_total_items") == "300" })
	p.want("CONFIG SET tracking-table-max-keys 10", "OK")
	until(t, "there are 10", func() bool { return p.info("tracking_total_keys") == "10" })
	c.send("ECHO end\r\n")
	for got := c.reply(); got != `"end"`; got = c.reply() {
		invalid[got] = true
	}
	if len(invalid) != keys-10 {
		t.Errorf("%d keys were told, want %d", len(invalid), keys-10)
	}
	c.nc.Close()
	until(t, "the table is empty", func() bool { return p.info("tracking_total_keys") == "0" && p.info("tracking_clients") == "0" })
}

// TestTrackedKeysTakeArenaMemory, and give it back.
func TestTrackedKeysTakeArenaMemory(t *testing.T) {
	n := start(t)
	c := n.speak(3)
	c.want("CLIENT TRACKING on", "OK")
	before, words := n.arena.Used(), []string{"MGET"}
	for i := range 5000 {
		words = append(words, fmt.Sprintf("key:%d", i))
	}
	c.run(words...)
	if used := n.arena.Used() - before; used < 5000*20 || used > 5000*80 {
		t.Errorf("%d bytes for 5000 keys", used)
	}
	c.want("FLUSHALL", "OK")
	until(t, "the memory is free", func() bool { return n.arena.Used() <= before })
}

// cacher is a client with a cache: it reads keys, keeps what it got, and drops what it is told to drop.
type cacher struct {
	*peer
	cache map[string]string
}

// get reads a key that is not cached. Invalidations that come before the reply are about older values.
func (c *cacher) get(key string) {
	if _, cached := c.cache[key]; cached {
		return
	}
	c.send("GET " + key + "\r\n")
	c.cache[key] = c.until()
}

// until takes invalidations until a reply comes.
func (c *cacher) until() string {
	c.t.Helper()
	for {
		v, err := c.in.ReadValue()
		if err != nil {
			c.t.Fatal(err)
		}
		if v.Kind != resp.KindPush {
			return enginetest.Show(v)
		}
		if v.Elems[1].Kind == resp.KindNull {
			clear(c.cache)
			continue
		}
		for _, k := range v.Elems[1].Elems {
			delete(c.cache, string(k.Str))
		}
	}
}

// TestCachesAreCoherent: when the writers have stopped and every client has read what was sent to it, no cache has an old value.
func TestCachesAreCoherent(t *testing.T) {
	for _, mode := range []string{"", "BCAST", "OPTOUT", "BCAST PREFIX k:1 PREFIX k:2 PREFIX k:0"} {
		for _, backend := range []string{"auto", "portable"} {
			t.Run(mode+"/"+backend, func(t *testing.T) { coherence(t, mode, backend) })
		}
	}
}

func coherence(t *testing.T, mode, backend string) {
	n := start(t, "--io-backend", backend, "--io-threads", "4", "--tracking-table-max-keys", "20")
	const keys, writers, readers, rounds = 30, 3, 4, 250
	key := func(r *rand.Rand) string { return fmt.Sprintf("k:%d:%d", r.IntN(3), r.IntN(keys/3)) }
	var wg sync.WaitGroup
	for i := range writers {
		w, r := n.dial(), rand.New(rand.NewPCG(1, uint64(i)))
		wg.Go(func() {
			for j := range rounds {
				switch r.IntN(12) {
				case 0:
					w.do("DEL " + key(r))
				case 1:
					w.do("SET " + key(r) + " x PX 1")
				case 2:
					w.do("RENAME " + key(r) + " " + key(r))
				case 3:
					w.send("MULTI\r\nINCR " + key(r) + "\r\nAPPEND " + key(r) + " 1\r\nEXEC\r\n")
					for range 4 {
						w.reply()
					}
				case 4:
					if j%40 == 0 {
						w.do("FLUSHDB")
					}
				default:
					w.do("SET " + key(r) + " " + strconv.Itoa(j))
				}
			}
		})
	}
	var all []*cacher
	for i := range readers {
		c, r := &cacher{n.speak(3), map[string]string{}}, rand.New(rand.NewPCG(2, uint64(i)))
		c.want("CLIENT TRACKING on "+mode, "OK")
		all = append(all, c)
		wg.Go(func() {
			for range rounds {
				c.get(key(r))
			}
		})
	}
	wg.Wait()
	p := n.dial()
	until(t, "what has an expiry is gone", func() bool {
		_, rest, _ := strings.Cut(p.do("INFO keyspace"), "expires=")
		return rest == "" || strings.HasPrefix(rest, "0,")
	})
	for i, c := range all {
		c.send("ECHO end\r\n")
		for c.until() != `"end"` {
		}
		for k, v := range c.cache {
			if now := p.do("GET " + k); now != v {
				t.Errorf("client %d has %s for %s, which is %s", i, v, k, now)
			}
		}
	}
}
