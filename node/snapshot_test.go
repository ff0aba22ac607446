package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/porttest"
	"github.com/larder-cache/larder/base/raced"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	val "github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// frozen is a data set in plain Go: "db key" to value and expiry.
type frozen map[string]string

func frozenItem(db int, key []byte, val []byte, expireAt int64) (k, v string) {
	return strconv.Itoa(db) + " " + string(key), strconv.FormatInt(expireAt, 10) + " " + string(val)
}

// freeze copies everything. All shards are held.
func (n *Node) freeze() frozen {
	out := frozen{}
	for i := range n.space.Shards() {
		sh := n.space.Shard(i)
		for db := range n.space.Databases() {
			if !sh.Used(db) {
				continue
			}
			for pos, first := uint64(0), true; first || pos != 0; first = false {
				pos = sh.DB(db).Scan(pos, 1000, func(e keyspace.Entry) {
					k, v := frozenItem(db, e.Key(), frozenEntry(e), max(e.ExpireAt(), 0))
					out[k] = v
				})
			}
		}
	}
	return out
}

// frozenEntry is a key's value as frozenValue has it.
func frozenEntry(e keyspace.Entry) []byte {
	var digits [20]byte
	if e.Type() == val.String {
		return e.String(&digits)
	}
	payload, err := keydump.Payload(e, false)
	if err != nil {
		return []byte(err.Error())
	}
	r, v, err := rdb.OpenDump(payload, rdb.ReaderOptions{Deep: true})
	if err != nil {
		return []byte(err.Error())
	}
	return frozenValue(r, &v)
}

// frozenValue is a value as text, the same whichever way a collection is kept.
func frozenValue(r *rdb.Reader, v *rdb.Value) []byte {
	if v.Type == rdb.TypeString {
		return v.String
	}
	t := v.Content.Type
	pair := t == val.Hash || t == val.ZSet
	var words []string
	add := func(lp []byte) {
		var one, two [20]byte
		for at := listpack.First(lp); at != listpack.None; at = listpack.Next(lp, at) {
			word := string(listpack.Text(lp, at, &one))
			if pair {
				at = listpack.Next(lp, at)
				word += "=" + string(listpack.Text(lp, at, &two))
			}
			words = append(words, word)
		}
	}
	switch {
	case v.Content.Encoding == val.IntSet:
		for i := range intset.Len(v.Content.Packed) {
			words = append(words, strconv.FormatInt(intset.At(v.Content.Packed, i), 10))
		}
	case v.Content.Packed != nil:
		add(v.Content.Packed)
	}
	var el rdb.Element
	more, err := r.NextElement(&el)
	for ; more && err == nil; more, err = r.NextElement(&el) {
		if t == val.Stream {
			words = append(words, fmt.Sprintf("%v", el))
			continue
		}
		switch el.Kind {
		case rdb.ElementNode:
			add(el.Value)
		case rdb.ElementItem:
			words = append(words, string(el.Value))
		case rdb.ElementField:
			word := string(el.Name) + "=" + string(el.Value)
			if el.ExpireAtMs != 0 {
				word += "@" + strconv.FormatInt(el.ExpireAtMs, 10)
			}
			words = append(words, word)
		case rdb.ElementScored:
			words = append(words, string(el.Name)+"="+strconv.FormatFloat(el.Score, 'g', -1, 64))
		default:
			words = append(words, string(el.Name))
		}
	}
	if err != nil {
		return []byte(err.Error())
	}
	if t != val.List && t != val.Stream {
		slices.Sort(words)
	}
	return []byte(t.String() + " " + strings.Join(words, " "))
}

// thaw reads a snapshot file as a frozen data set; a key that comes twice is a failure.
func thaw(t *testing.T, file []byte) frozen {
	t.Helper()
	out := frozen{}
	r := rdb.NewReader(bytes.NewReader(file), rdb.ReaderOptions{Elements: true, Deep: true})
	for {
		ev, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Error(err)
			return out
		}
		if ev.Kind != rdb.EventKey {
			continue
		}
		k, v := frozenItem(ev.DB, ev.Key, frozenValue(r, &ev.Value), ev.Meta.ExpireAtMs)
		if _, twice := out[k]; twice {
			t.Errorf("%s comes twice", k)
		}
		out[k] = v
	}
}

// frozenSnapshot begins a snapshot, and copies the same instant.
func (n *testNode) frozenSnapshot() (snap *snapshot, want frozen) {
	n.t.Helper()
	var err error
	n.engine.Barrier(func() {
		want = n.freeze()
		snap, err = n.begin()
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return snap, want
}

// TestSnapshotIsOneInstant: whatever is written while they are made, snapshots show exactly what there was when each began.
func TestSnapshotIsOneInstant(t *testing.T) {
	n := start(t, "--io-threads", "3", "--maxmemory", "1gb")
	rounds, keys := 4, 1000
	if invariant.Enabled || raced.Enabled {
		rounds, keys = 2, 300
	}
	fill(t, n, keys)
	stops := []func(){load(t, n, 2)}
	for seed := range 3 {
		stops = append(stops, churn(t, n, uint64(seed), keys))
	}
	n.oneInstant(rounds, 3, stops)
}

// oneInstant checks in each round that some snapshots, made at once while others write, show what there was when each began. stops ends the writers.
func (n *testNode) oneInstant(rounds, snapshots int, stops []func()) {
	t := n.t
	t.Helper()
	for range rounds {
		var wg sync.WaitGroup
		for range snapshots {
			snap, want := n.frozenSnapshot()
			wg.Add(1)
			go func() {
				defer wg.Done()
				var out bytes.Buffer
				if err := snap.WriteTo(t.Context(), &out, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
					t.Error(err)
					return
				}
				compare(t, thaw(t, out.Bytes()), want)
			}()
		}
		wg.Wait()
	}
	for _, stop := range stops {
		stop()
	}
	if waiting, _ := n.space.PreImages(); waiting != 0 {
		t.Errorf("%d bytes of pre-images are left", waiting)
	}
}

func compare(t *testing.T, got, want frozen) {
	t.Helper()
	bad := 0
	for k, v := range want {
		if got[k] != v && bad < 5 {
			t.Errorf("%s: %.80s in the snapshot, %.80s when it began", k, got[k], v)
			bad++
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d keys in the snapshot, %d when it began", len(got), len(want))
	}
}

// churn does what moves keys and whole databases about, until stop is called.
func churn(t *testing.T, n *testNode, seed uint64, keys int) (stop func()) {
	var end atomic.Bool
	done := make(chan struct{})
	p := n.dial()
	rnd := rand.New(rand.NewPCG(seed, 1))
	go func() {
		defer close(done)
		for i := 0; !end.Load(); i++ {
			if !p.churnOnce(rnd, keys) {
				return
			}
			if i%50 == 0 { // SWAPDB
				n.engine.Barrier(func() { n.space.SwapDB(rnd.IntN(4), rnd.IntN(4)) })
			}
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { end.Store(true); <-done }) }
	t.Cleanup(stop)
	return stop
}

func (p *peer) churnOnce(rnd *rand.Rand, keys int) bool {
	key := func() string { return fmt.Sprintf("fill:%d", rnd.IntN(keys)) }
	cmds := [][]string{
		{"SELECT", strconv.Itoa(rnd.IntN(4))},
		{"RENAME", key(), key()}, {"COPY", key(), key(), "REPLACE"}, {"MOVE", key(), strconv.Itoa(rnd.IntN(4))},
		{"PEXPIRE", key(), strconv.Itoa(1 + rnd.IntN(30))}, {"PERSIST", key()}, {"UNLINK", key()},
		{"COPY", key(), key(), "DB", strconv.Itoa(rnd.IntN(4)), "REPLACE"},
		{"SET", key(), strings.Repeat("s", rnd.IntN(400))},
		{"SETRANGE", key(), strconv.Itoa(rnd.IntN(100_000)), "range"}, {"APPEND", key(), "tail"},
		{"SET", key(), strings.Repeat("big", 30_000)}, {"INCR", "n"}, {"RENAME", key(), key()},
	}
	if rnd.IntN(200) == 0 {
		cmds = append(cmds, []string{"FLUSHDB"})
	}
	return p.answered(cmds)
}

// TestWritersWaitForSnapshots: what a snapshot that does not get on makes wait is bounded; writes wait then, on their own
// connections only, and go on when it does.
func TestWritersWaitForSnapshots(t *testing.T) {
	n := start(t, "--io-threads", "1")
	p, reader := n.dial(), n.dial()
	const size, keys = 50_000, 400
	for i := range keys {
		p.run("SET", fmt.Sprintf("k%d", i), strings.Repeat("a", size))
	}
	snap, want := n.frozenSnapshot()
	written := make(chan int)
	go func() {
		for i := range keys {
			p.run("SET", fmt.Sprintf("k%d", i), strings.Repeat("b", size))
		}
		written <- keys
	}()
	until(t, "the writer is held back", func() bool {
		_, blocked := n.engine.NumClients()
		return n.engine.WritesWait() && blocked == 1
	})
	waiting, bound := n.space.PreImages()
	// A write hands over the whole bucket that its key is in.
	if most := bound + 12*size; bound != limits.MinPreImageQueueBytes || waiting > most {
		t.Errorf("%d bytes wait, %d may", waiting, bound)
	}
	reader.run("GET", "k1") // on the same loop
	var out bytes.Buffer
	if err := snap.WriteTo(t.Context(), &out, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
		t.Fatal(err)
	}
	<-written
	compare(t, thaw(t, out.Bytes()), want)
	if n.engine.WritesWait() {
		t.Error("writes still wait")
	}
}

// TestSlowSnapshotOfSmallNode: a small node's writers need not wait for a snapshot, however slow it is, and nothing is evicted for it.
func TestSlowSnapshotOfSmallNode(t *testing.T) {
	n := start(t, "--maxmemory-policy", "allkeys-lru", "--rdb-key-save-delay", "100000000")
	p := n.dial()
	const keys, size = 800, 10_000
	set := func(letter string) {
		for i := range keys {
			if got := p.run("SET", fmt.Sprintf("k%d", i), strings.Repeat(letter, size)); got != "OK" {
				t.Fatal(got)
			}
		}
	}
	set("a")
	p.want(fmt.Sprintf("CONFIG SET maxmemory %d", n.countedMemory()+1<<20), "OK")
	p.want("BGSAVE", "Background saving started")
	set("b")
	if waiting, bound := n.space.PreImages(); waiting < keys*size*9/10 || waiting > bound {
		t.Errorf("%d bytes wait, %d may", waiting, bound)
	}
	if p.info("rdb_bgsave_in_progress") != "1" || p.info("evicted_keys") != "0" {
		t.Errorf("rdb_bgsave_in_progress:%s, evicted_keys:%s", p.info("rdb_bgsave_in_progress"), p.info("evicted_keys"))
	}
	p.want("BGSAVE CANCEL", "Background saving cancelled")
}

// TestSnapshotMemory: with every value overwritten again and again, a snapshot costs at most 15 % of memory.
func TestSnapshotMemory(t *testing.T) {
	n := start(t)
	keys := raced.Fewer(40_000)
	if invariant.Enabled {
		keys = 2000
	}
	fill(t, n, keys)
	base := n.usedMemory()
	stops := []func(){overwrite(t, n, 1, keys), overwrite(t, n, 2, keys)}
	p := n.dial()
	p.want("CONFIG SET rdb-key-save-delay -20", "OK") // slower than the writers, so that the bound matters
	p.want("BGSAVE", "Background saving started")
	peak := base
	until(t, "the snapshot is written", func() bool {
		peak = max(peak, n.usedMemory())
		return !n.saver.status().running
	})
	for _, stop := range stops {
		stop()
	}
	slack := int64(limits.MinPreImageQueueBytes) // of a small node
	if most := base + base*15/100 + slack; peak > most {
		t.Errorf("%d bytes before, at most %d during the snapshot: ×%.2f", base, peak, float64(peak)/float64(base))
	}
	if st := n.saver.status(); st.cow == 0 {
		t.Error("nothing was overwritten")
	}
}

// overwrite sets the filled keys to other values of the same length, in random order.
func overwrite(t *testing.T, n *testNode, seed uint64, keys int) (stop func()) {
	var end atomic.Bool
	done := make(chan struct{})
	p := n.dial()
	rnd := rand.New(rand.NewPCG(seed, 2))
	go func() {
		defer close(done)
		for !end.Load() {
			var b []byte
			for range 50 {
				b = resp.AppendCommandStrings(b, "SET", fmt.Sprintf("fill:%d", rnd.IntN(keys)), strings.Repeat("o", 200))
			}
			p.nc.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails as well
			if _, err := p.nc.Write(b); err != nil {
				return
			}
			for range 50 {
				if _, err := p.in.ReadValue(); err != nil {
					return
				}
			}
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { end.Store(true); <-done }) }
	t.Cleanup(stop)
	return stop
}

func TestFlushAllEndsSnapshot(t *testing.T) {
	n := start(t)
	p := n.dial()
	fill(t, n, 500)
	p.want("SAVE", "OK")
	before := dump(t, n)
	p.want("SET one more", "OK")
	p.want("CONFIG SET rdb-key-save-delay 10000000", "OK")
	p.want("BGSAVE", "Background saving started")
	p.want("FLUSHALL", "OK")
	until(t, "the snapshot is given up", func() bool { return p.info("rdb_bgsave_in_progress") == "0" })
	if got := p.info("rdb_last_bgsave_status"); got != "ok" {
		t.Errorf("rdb_last_bgsave_status:%s", got)
	}
	if !bytes.Equal(before, dump(t, n)) {
		t.Error("the file of the snapshot before has changed")
	}
	noTemp(t, n)
	// With save points the flushed data set is saved: a restart brings nothing back.
	p.want("CONFIG SET rdb-key-save-delay 0 save 3600_1", "-ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters")
	p.run("CONFIG", "SET", "rdb-key-save-delay", "0", "save", "3600 1000000")
	p.want("SET k v", "OK")
	p.want("FLUSHALL", "OK")
	// A loop counts its changes at the end of the turn, so the SET's may come after the save.
	if got := p.info("rdb_changes_since_last_save"); got != "0" && got != "1" {
		t.Errorf("rdb_changes_since_last_save:%s", got)
	}
	if got := thaw(t, dump(t, n)); len(got) != 0 {
		t.Errorf("%d keys are in the file", len(got))
	}
}

func dump(t *testing.T, n *testNode) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(n.dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func noTemp(t *testing.T, n *testNode) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(n.dir, "temp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBgsaveCancel(t *testing.T) {
	n := start(t, "--rdb-key-save-delay", "10000000")
	p := n.dial()
	const none = "-ERR Background saving is currently not in progress or scheduled"
	p.want("BGSAVE CANCEL", none)
	p.want("BGSAVE nonsense", "-ERR syntax error")
	p.want("SET k v", "OK")
	last := p.do("LASTSAVE")
	p.want("BGSAVE", "Background saving started")
	p.want("BGSAVE", "-ERR Background save already in progress")
	p.want("BGSAVE SCHEDULE", "-ERR Background save already in progress")
	p.want("SAVE", "-ERR Background save already in progress")
	p.want("BGSAVE CANCEL", "Background saving cancelled")
	until(t, "it has ended", func() bool { return p.info("rdb_bgsave_in_progress") == "0" })
	p.want("BGSAVE CANCEL", none)
	if got := p.info("rdb_changes_since_last_save"); got != "1" {
		t.Errorf("rdb_changes_since_last_save:%s", got)
	}
	p.want("LASTSAVE", last)
	p.want("SET k w", "OK")
	noTemp(t, n)
	p.want("CONFIG SET rdb-key-save-delay 0", "OK")
	p.want("MULTI", "OK")
	p.want("BGSAVE", "QUEUED")
	p.want("EXEC", "[Background saving scheduled]")
	until(t, "it is saved", func() bool { return p.info("rdb_saves") == "1" })
}

// TestDiskFull: a snapshot that finds no room leaves the old file, stops writes, and the next good one lets them go on.
func TestDiskFull(t *testing.T) {
	n := start(t, "--save", "3600 1000000", "--rdbcompression", "no")
	fill(t, n, 1000)
	p := n.dial()
	p.want("SAVE", "OK")
	before := dump(t, n)
	n.saver.mu.Lock()
	n.saver.fs = vfs.NewFaulty(vfs.OS{}, vfs.NoSpaceAfter(20_000))
	n.saver.mu.Unlock()
	p.want("SET k v", "OK")
	p.want("BGSAVE", "Background saving started")
	until(t, "it fails", func() bool { return p.info("rdb_last_bgsave_status") == "err" })
	if !bytes.Equal(before, dump(t, n)) {
		t.Error("the old file has changed")
	}
	noTemp(t, n)
	if got := p.do("SET k w"); !strings.HasPrefix(got, "-MISCONF ") {
		t.Errorf("writes go on: %s", got)
	}
	if !strings.Contains(n.log.String(), syscall.ENOSPC.Error()) {
		t.Error("the log does not say why")
	}
	p.want("CONFIG SET stop-writes-on-bgsave-error no", "OK")
	p.want("SET k w", "OK")
	p.want("CONFIG SET stop-writes-on-bgsave-error yes", "OK")
	if got := p.do("SET k x"); !strings.HasPrefix(got, "-MISCONF ") {
		t.Errorf("writes go on: %s", got)
	}
	n.saver.mu.Lock()
	n.saver.fs = vfs.OS{}
	n.saver.mu.Unlock()
	p.want("SAVE", "OK")
	p.want("SET k x", "OK")
}

// TestEverySaveStepCanFail: whichever operation on a file fails, the old file is whole, and nothing is left behind.
func TestEverySaveStepCanFail(t *testing.T) {
	n := start(t)
	p := n.dial()
	p.want("SET k v", "OK")
	p.want("SAVE", "OK")
	before := dump(t, n)
	p.want("SET k w", "OK")
	boom := errors.New("boom")
	for nth := 1; ; nth++ {
		calls := 0
		n.saver.mu.Lock()
		n.saver.fs = vfs.NewFaulty(vfs.OS{}, func(vfs.Call) vfs.Fault {
			if calls++; calls == nth {
				return vfs.Fault{Err: boom}
			}
			return vfs.Fault{}
		})
		n.saver.mu.Unlock()
		if p.do("SAVE") == "OK" {
			if nth < 5 {
				t.Errorf("only %d operations", nth-1)
			}
			break
		}
		if after := dump(t, n); !bytes.Equal(before, after) && len(thaw(t, after)) != 1 {
			t.Fatalf("operation %d failed, and the file is broken", nth)
		}
		noTemp(t, n)
	}
	if got := thaw(t, dump(t, n)); got["0 k"] != "0 w" {
		t.Errorf("saved: %v", got)
	}
}

// TestSavePoints: enough changes in enough time begin a snapshot.
func TestSavePoints(t *testing.T) {
	n := start(t, "--save", "1 3")
	p := n.dial()
	p.want("SET a 1", "OK")
	p.want("SET b 1", "OK")
	if got := p.info("rdb_saves"); got != "0" {
		t.Errorf("rdb_saves:%s after two changes", got)
	}
	p.want("SET c 1", "OK")
	until(t, "it is saved", func() bool { return p.info("rdb_saves") == "1" })
	if got := p.info("rdb_changes_since_last_save"); got != "0" {
		t.Errorf("rdb_changes_since_last_save:%s", got)
	}
}

// TestLoadingAnswers: a node that loads is there, says so, and ends when it is told to.
func TestLoadingAnswers(t *testing.T) {
	donor := start(t)
	fill(t, donor, 2000)
	donor.dial().want("SAVE", "OK")
	cfg := NewConfig()
	port := strconv.Itoa(porttest.Free(t))
	if err := cfg.LoadArgs([]string{"--bind", "127.0.0.1", "--port", port, "--dir", donor.dir, "--key-load-delay", "100000", "--save", ""}); err != nil {
		t.Fatal(err)
	}
	n, err := New(cfg, io.Discard, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- n.Serve() }()
	until(t, "it loads", func() bool { return n.loading() && n.listeners != nil && len(n.listeners.info()) > 0 })
	p := dial(t, "tcp", "127.0.0.1:"+port)
	p.want("PING", "-LOADING Redis is loading the dataset in memory")
	until(t, "some of it is loaded", func() bool { return p.info("loading_loaded_bytes") > "0" })
	if total, want := p.info("loading_total_bytes"), strconv.Itoa(len(dump(t, donor))); p.info("loading") != "1" || total != want {
		t.Errorf("loading_total_bytes:%s, want %s", total, want)
	}
	p.send("SHUTDOWN NOSAVE\r\n")
	if err := <-served; err != nil {
		t.Error(err)
	}
	<-n.Done()
	n.Close()
}

// TestPacer: while the processors are needed, the walker works a tenth of the time; otherwise it does not rest.
func TestPacer(t *testing.T) {
	for used, want := range map[float64]time.Duration{0.9: 9 * 3 * time.Millisecond, 0.2: 0} {
		clk := clock.NewFake(time.Unix(0, 0))
		p := newPacer(clk, func() float64 { return used * float64(clk.MonoNanos()) / 1e9 })
		clk.Advance(100 * time.Millisecond)
		slept := make(chan struct{})
		go func() {
			defer close(slept)
			p.rest(context.Background(), 3*time.Millisecond) //nolint:errcheck // the context does not end
		}()
		if want > 0 {
			if err := clk.BlockUntil(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if d, ok := clk.UntilNext(); !ok || d != want {
				t.Errorf("with %.1f of a processor in use it rests %v, want %v", used, d, want)
			}
			clk.Advance(want)
		}
		<-slept
	}
}
