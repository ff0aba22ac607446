package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/store/listpack"
	val "github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// all gives a server many calls at once, each of which must be answered without an error.
func (p *peer) all(calls [][]string) {
	p.t.Helper()
	var b []byte
	for _, c := range calls {
		b = resp.AppendCommandStrings(b, c...)
	}
	go p.nc.Write(b) //nolint:errcheck // the replies tell
	for _, c := range calls {
		if got := p.reply(); strings.HasPrefix(got, "-") {
			p.t.Fatalf("%.80q: %s", c, got)
		}
	}
}

// collectionKeys is how many keys of each type there are in these tests.
var collectionKeys = func() int {
	if raced.Enabled {
		return 40
	}
	return 120
}()

// collections are calls that make keys of all types but streams (stream_test.go): small and big, of short, long and very long words, of integers and others.
func collections(rnd *rand.Rand) (calls [][]string) {
	word := func(kind int) string {
		switch kind {
		case 0:
			return strconv.Itoa(rnd.IntN(100_000) - 50_000)
		case 1:
			return "w" + strconv.Itoa(rnd.IntN(1_000_000))
		}
		return strings.Repeat(string(rune('a'+rnd.IntN(26))), rnd.IntN(200)) + strconv.Itoa(rnd.IntN(1_000_000))
	}
	scores := []string{"0", "-1", "1.5", "-2.5", "inf", "-inf", "1024", "9007199254740992"} // such as redis-server 7.0 writes as larder does
	for i := range collectionKeys {
		size := []int{1, 5, 100, 127, 129, 511, 513, 3000}[rnd.IntN(8)]
		set, hash, list, zset := []string{"SADD", "set:" + strconv.Itoa(i)}, []string{"HSET", "hash:" + strconv.Itoa(i)}, []string{"RPUSH", "list:" + strconv.Itoa(i)}, []string{"ZADD", "zset:" + strconv.Itoa(i)}
		for range size {
			set, list = append(set, word(i%3)), append(list, word(i%3))
			hash = append(hash, word(i%3), word(rnd.IntN(3)))
			zset = append(zset, scores[rnd.IntN(len(scores))], word(i%3))
		}
		if i%40 == 7 {
			list = append(list, strings.Repeat("plain", 20_000), "", "tail")
			hash = append(hash, "long", strings.Repeat("value", 40_000))
		}
		calls = append(calls, set, hash, list, zset)
		if i%5 == 0 {
			calls = append(calls, []string{"EXPIRE", "hash:" + strconv.Itoa(i), "10000"})
		}
	}
	return append(calls, []string{"SET", "string", "s"})
}

func digestOf(s server) string { return s.dial().do("DEBUG DIGEST") }

// TestCollectionsTravel: what a redis-server has gets into larder by a full sync, by each way of loading; from there into a file and back, and into a redis-server again.
func TestCollectionsTravel(t *testing.T) {
	debug := []string{"--enable-debug-command", "yes"}
	source := startRedis(t, debug...)
	source.dial().all(collections(rand.New(rand.NewPCG(20261121, 3))))
	want := digestOf(source)
	for _, mode := range []string{"disabled", "swapdb"} {
		t.Run(mode, func(t *testing.T) {
			n := start(t, append(debug, "--repl-diskless-load", mode)...)
			p := n.dial()
			p.want("SET own data", "OK")
			p.want("RPUSH list:own a b", "2")
			follow(n, source)
			linked(t, n)
			got := func(s server, what string) {
				t.Helper()
				if d := digestOf(s); d != want {
					t.Errorf("%s: the data has fingerprint %s, want %s", what, d, want)
				}
			}
			got(n, "a full sync from redis-server")
			p.want("REPLICAOF NO ONE", "OK")
			p.want("DEBUG RELOAD", "OK")
			got(n, "DEBUG RELOAD")
			encodings := map[string]bool{}
			for i := range collectionKeys {
				for _, typ := range []string{"set", "hash", "list", "zset"} {
					encodings[typ+" "+p.run("OBJECT", "ENCODING", typ+":"+strconv.Itoa(i))] = true
				}
			}
			if len(encodings) != 9 { // of sets there are three
				t.Errorf("encodings: %v", encodings)
			}
			replica := startRedis(t, debug...)
			follow(replica, n)
			linked(t, replica)
			got(replica, "a full sync to redis-server")
			p.want("SAVE", "OK")
			n.stop()
			got(start(t, append(debug, "--dir", n.dir)...), "SAVE and a new start")
		})
	}
}

// TestCollectionsAreOneInstant is TestSnapshotIsOneInstant of hashes and lists that change, move and go, sets and sorted sets that move and go.
func TestCollectionsAreOneInstant(t *testing.T) {
	n := start(t, "--io-threads", "3", "--maxmemory", "1gb")
	source := startRedis(t)
	source.dial().all(collections(rand.New(rand.NewPCG(20261121, 4))))
	follow(n, source)
	linked(t, n)
	n.dial().want("REPLICAOF NO ONE", "OK")
	rounds := 5
	if invariant.Enabled || raced.Enabled {
		rounds = 2
	}
	var stops []func()
	for seed := range 3 {
		stops = append(stops, churnCollections(t, n, uint64(seed)))
	}
	n.oneInstant(rounds, 2, stops)
}

// churnCollections changes collections until stop is called.
func churnCollections(t *testing.T, n *testNode, seed uint64) (stop func()) {
	p, rnd := n.dial(), rand.New(rand.NewPCG(seed, 2))
	return repeatedly(t, func() bool { return p.churnCollectionsOnce(rnd) })
}

func (p *peer) churnCollectionsOnce(rnd *rand.Rand) bool {
	key := func(types ...string) string {
		return types[rnd.IntN(len(types))] + ":" + strconv.Itoa(rnd.IntN(collectionKeys))
	}
	anyKey := func() string { return key("hash", "list", "set", "zset") }
	num := func(n int) string { return strconv.Itoa(rnd.IntN(n)) }
	hash := []string{"HSET", key("hash")}
	list := []string{"RPUSH", key("list")}
	for range 100 {
		hash = append(hash, "w"+num(1_000_000), num(1000))
		list = append(list, num(1_000_000))
	}
	field := num(100_000)
	cmds := [][]string{
		{"SELECT", num(2)}, hash, list, {"HSET", key("hash"), field, strings.Repeat("v", rnd.IntN(300))}, {"HINCRBY", key("hash"), num(100), "1"},
		{"HDEL", key("hash"), field, num(100_000), num(100_000)}, {"LPOP", key("list"), num(200)}, {"LSET", key("list"), num(500), "changed"},
		{"LINSERT", key("list"), "BEFORE", "changed", "inserted"}, {"LREM", key("list"), "1", "changed"}, {"LTRIM", key("list"), num(50), "-" + num(50)},
		{"RENAME", anyKey(), anyKey()}, {"COPY", anyKey(), anyKey(), "REPLACE"}, {"COPY", anyKey(), anyKey(), "DB", num(2), "REPLACE"}, {"MOVE", anyKey(), num(2)},
		{"PEXPIRE", anyKey(), num(100_000_000)}, {"PERSIST", anyKey()},
		{"HSETEX", key("hash"), "PX", num(100_000_000), "FIELDS", "2", num(100), num(1000), field, "timed"}, {"HPEXPIRE", key("hash"), num(3), "FIELDS", "1", num(100)},
		{"HPEXPIRE", key("hash"), num(100_000_000), "FIELDS", "2", field, num(100)}, {"HPERSIST", key("hash"), "FIELDS", "1", num(100)},
	}
	if rnd.IntN(20) == 0 {
		cmds = append(cmds, []string{"UNLINK", anyKey()}, []string{"DEL", anyKey()})
	}
	return p.answered(cmds)
}

// TestCrowdedSnapshotOfCollection: what waits for a snapshot is not written into the middle of a collection, however much it is.
func TestCrowdedSnapshotOfCollection(t *testing.T) {
	n := start(t, "--io-threads", "1")
	p := n.dial()
	key, inFirst := "", false // of the shard that the snapshot begins with
	for i := 0; !inFirst; i++ {
		key = "hash:" + strconv.Itoa(i)
		inFirst = n.space.ShardOf(n.space.Hash([]byte(key))) == 0
	}
	hash := []string{"HSET", key}
	for i := range 5000 {
		hash = append(hash, "field:"+strconv.Itoa(i), strings.Repeat("v", 100))
	}
	const size, keys = 50_000, 400
	calls := [][]string{{"SELECT", "1"}, hash, {"SELECT", "0"}} // where it is alone in its bucket
	for i := range keys {
		calls = append(calls, []string{"SET", "k" + strconv.Itoa(i), strings.Repeat("a", size)})
	}
	p.all(calls)
	snap, want := n.frozenSnapshot()
	p.want("SELECT 1", "OK")
	p.want("HSET "+key+" field:0 changed", "0") // the hash waits before the others
	p.want("SELECT 0", "OK")
	written := make(chan struct{})
	go func() {
		for i := range keys {
			p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("b", size))
		}
		close(written)
	}()
	until(t, "writes wait", n.engine.WritesWait)
	var out bytes.Buffer
	if err := snap.WriteTo(t.Context(), &out, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
		t.Fatal(err)
	}
	<-written
	compare(t, thaw(t, out.Bytes()), want)
}

// snapshotOf is a snapshot with one key k, written by fn.
func snapshotOf(t *testing.T, fn func(w *rdb.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w := rdb.NewWriter(&out, rdb.WriterOptions{Checksum: true})
	if err := errors.Join(w.Header(nil), w.SelectDB(0, 0, 0), w.String([]byte("before"), []byte("x"), rdb.Meta{}), fn(w), w.String([]byte("behind"), []byte("x"), rdb.Meta{}), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// write writes the key k of a collection.
func writeKey(w *rdb.Writer, c rdb.Content, elements ...rdb.Element) error {
	err := w.Begin([]byte("k"), c, rdb.Meta{})
	for i := range elements {
		err = errors.Join(err, w.Element(&elements[i]))
	}
	return err
}

// TestDuplicatesInSnapshots: a collection that has an element twice is no data; the node does not start with it.
func TestDuplicatesInSnapshots(t *testing.T) {
	member := func(name string) rdb.Element { return rdb.Element{Kind: rdb.ElementMember, Name: []byte(name)} }
	var many []rdb.Element // more than are packed
	for i := range 1000 {
		many = append(many, member("m"+strconv.Itoa(i)))
	}
	many = append(many, member("m5"))
	group, none := rdb.Element{Kind: rdb.ElementGroup, Name: []byte("g")}, rdb.Element{Kind: rdb.ElementConsumers}
	for what, c := range map[string]struct {
		typ      val.Type
		elements []rdb.Element
	}{
		"set":        {val.Set, []rdb.Element{member("a"), member("b"), member("a")}},
		"big set":    {val.Set, many},
		"hash":       {val.Hash, []rdb.Element{{Kind: rdb.ElementField, Name: []byte("f")}, {Kind: rdb.ElementField, Name: []byte("f")}}},
		"sorted set": {val.ZSet, []rdb.Element{{Kind: rdb.ElementScored, Name: []byte("m")}, {Kind: rdb.ElementScored, Name: []byte("m"), Score: 1}}},
		"stream":     {val.Stream, []rdb.Element{{Kind: rdb.ElementStreamInfo, Count: 2}, group, none, group, none}},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			file := snapshotOf(t, func(w *rdb.Writer) error {
				count := len(c.elements)
				if c.typ == val.Stream {
					count = 0 // of nodes
				}
				return writeKey(w, rdb.Content{Type: c.typ, Count: uint64(count)}, c.elements...)
			})
			if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), file, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := try(t, "--dir", dir); err == nil || !strings.Contains(err.Error(), "Fatal error loading the DB") {
				t.Errorf("it starts: %v", err)
			}
			n := start(t)
			used := n.space.Arena().Used()
			if _, err := n.Load(context.Background(), bytes.NewReader(file), int64(len(file)), false); err == nil || !strings.Contains(err.Error(), "twice") {
				t.Errorf("it is loaded: %v", err)
			}
			until(t, "all is freed", func() bool { return n.space.Arena().Used() <= used })
		})
	}
}

// TestEmptyKeysInSnapshots: collections without elements, which old servers left behind, are passed over.
func TestEmptyKeysInSnapshots(t *testing.T) {
	dir := t.TempDir()
	file := snapshotOf(t, func(w *rdb.Writer) error {
		return errors.Join(writeKey(w, rdb.Content{Type: val.Set}), writeKey(w, rdb.Content{Type: val.List, Count: 1}, rdb.Element{Kind: rdb.ElementNode, Value: listpack.New(0)}))
	})
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	n := start(t, "--dir", dir)
	n.dial().want("DBSIZE", "2")
	for _, line := range []string{"skipping empty key: k", "keys loaded: 2, keys expired: 0, empty keys skipped: 2."} {
		if !strings.Contains(n.log.String(), line) {
			t.Errorf("the log does not say %q", line)
		}
	}
}

// TestFieldTTLs: fields' expiries get into a snapshot of the version that has them; one that has not is refused.
func TestFieldTTLs(t *testing.T) {
	n := start(t)
	d := rdb.NewDumpWriter(rdb.WriterOptions{Version: rdb.ValkeyVersion})
	err := d.Begin(rdb.Content{Type: val.Hash, Count: 2, FieldTTL: true})
	for _, at := range []int64{0, 4_000_000_000_000} {
		err = errors.Join(err, d.Element(&rdb.Element{Kind: rdb.ElementField, Name: []byte(fmt.Sprint("f", at)), Value: []byte("v"), ExpireAtMs: at}))
	}
	if err != nil {
		t.Fatal(err)
	}
	payload, err := d.Payload()
	if err != nil {
		t.Fatal(err)
	}
	p := n.dial()
	if got := p.run("RESTORE", "h", "0", string(payload)); got != "OK" {
		t.Fatal(got)
	}
	for version, ok := range map[int]bool{10: false, 11: false, rdb.ValkeyVersion: true} {
		snap, _ := n.frozenSnapshot()
		var out bytes.Buffer
		if err := snap.WriteTo(t.Context(), &out, replication.Form{Version: version}, replication.NewHistory(n.runID), 0); (err == nil) != ok {
			t.Errorf("version %d: %v", version, err)
		}
		if !ok {
			continue
		}
		r := rdb.NewReader(&out, rdb.ReaderOptions{Elements: true})
		var el rdb.Element
		at := map[string]int64{}
		for ev, err := r.Next(); err == nil; ev, err = r.Next() {
			for more := ev.Kind == rdb.EventKey; more; {
				if more, err = r.NextElement(&el); more && err == nil {
					at[string(el.Name)] = el.ExpireAtMs
				}
			}
		}
		if len(at) != 2 || at["f0"] != 0 || at["f4000000000000"] != 4_000_000_000_000 {
			t.Errorf("expiries: %v", at)
		}
	}
}
