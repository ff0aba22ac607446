package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/replication"
)

// hugeHash fills a hash of so many fields of size bytes.
func (p *peer) hugeHash(key string, fields, size int) {
	var calls [][]string
	for at := 0; at < fields; {
		call := []string{"HSET", key}
		for range min(100, fields-at) {
			call = append(call, "f"+strconv.Itoa(at), strings.Repeat(string(rune('a'+at%26)), size))
			at++
		}
		calls = append(calls, call)
	}
	p.all(calls)
}

// keyInFirst is a key in the shard that snapshots begin with.
func (n *testNode) keyInFirst() string {
	for i := 0; ; i++ {
		if key := "huge:" + strconv.Itoa(i); n.space.ShardOf(n.space.Hash([]byte(key))) == 0 {
			return key
		}
	}
}

// boundPreImages makes writers wait for snapshots that begin from now on when so many bytes wait.
func (n *testNode) boundPreImages(b int64) {
	n.engine.Barrier(func() { n.space.BoundPreImages(b) })
}

// writerFunc is an io.Writer.
type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestOthersDoNotWaitForHugeValue: while a snapshot is in the middle of a huge hash, writers to other keys go on, however much they leave behind; what waits in memory is bounded,
// and the snapshot shows what there was.
func TestOthersDoNotWaitForHugeValue(t *testing.T) {
	n := start(t, "--io-threads", "1", "--rdbcompression", "no")
	p := n.dial()
	const bound, size, keys = 1 << 20, 20_000, 300
	key := n.keyInFirst()
	p.hugeHash(key, 10_000, 2000)
	p.want("SELECT 1", "OK") // nothing of these is in the hash's bucket
	for i := range keys {
		p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("a", size))
	}
	n.boundPreImages(bound)
	snap, want := n.frozenSnapshot()
	p.want("SELECT 0", "OK")
	p.want("HSET "+key+" f0 changed", "0") // it waits before the others
	p.want("SELECT 1", "OK")
	var written atomic.Int64
	var begin sync.Once
	within := int64(0) // how many had been written when the snapshot was last in the middle of the hash
	var out bytes.Buffer
	slow := writerFunc(func(b []byte) (int, error) {
		if snap.main.batch.within() {
			begin.Do(func() {
				go func() {
					for i := range keys {
						p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("b", size))
						written.Add(1)
					}
				}()
			})
			seen := written.Load()
			until(t, "a write is done, or has to wait", func() bool { return written.Load() > seen || seen == keys || n.engine.WritesWait() })
			within = written.Load()
		}
		return out.Write(b)
	})
	if err := snap.WriteTo(t.Context(), slow, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
		t.Fatal(err)
	}
	if within != keys {
		t.Errorf("%d of %d writes were done while the hash was written", within, keys)
	}
	if most := int64(bound + bound/2 + 12*size); snap.peak > most {
		t.Errorf("%d bytes waited at once, %d may", snap.peak, most)
	}
	until(t, "the writer is done", func() bool { return written.Load() == keys })
	compare(t, thaw(t, out.Bytes()), want)
}

// TestNoFileToSpillTo: where nothing can be put aside, writers wait for the whole value, and the snapshot is as good.
func TestNoFileToSpillTo(t *testing.T) {
	n := start(t, "--io-threads", "1")
	p := n.dial()
	key := n.keyInFirst()
	p.hugeHash(key, 3000, 1000)
	p.want("SELECT 1", "OK")
	const keys = 100
	for i := range keys {
		p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("a", 10_000))
	}
	n.boundPreImages(200_000)
	snap, want := n.frozenSnapshot()
	p.want("SELECT 0", "OK")
	p.want("HSET "+key+" f0 changed", "0")
	p.want("SELECT 1", "OK")
	n.saver.fs = noFiles{n.saver.fs}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range keys {
			p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("b", 10_000))
		}
	}()
	until(t, "writes wait", n.engine.WritesWait)
	var out bytes.Buffer
	if err := snap.WriteTo(t.Context(), &out, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
		t.Fatal(err)
	}
	<-done
	compare(t, thaw(t, out.Bytes()), want)
	if !strings.Contains(n.log.String(), "Nothing can be put aside") {
		t.Error("the log does not say so")
	}
}

// noFiles is a file system that makes no files.
type noFiles struct{ vfs.FS }

// OpenFile implements vfs.FS.
func (noFiles) OpenFile(string, int, fs.FileMode) (vfs.File, error) {
	return nil, errors.New("no files here")
}

// TestHugeValuesAreOneInstant is TestSnapshotIsOneInstant with two huge hashes and a long string that change, move and go, and little room for what that leaves behind; a replica that is
// made meanwhile has the same as its primary in the end.
func TestHugeValuesAreOneInstant(t *testing.T) {
	n := start(t, "--io-threads", "3", "--maxmemory", "1gb")
	p := n.dial()
	p.hugeHash("huge:0", 15_000, 40)
	p.hugeHash("huge:1", 15_000, 40)
	p.run("SET", "long", strings.Repeat("long", 2<<20))
	for i := range 300 {
		p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("a", 2000))
	}
	n.boundPreImages(100_000)
	var stops []func()
	for seed := range uint64(3) {
		stops = append(stops, churnHuge(t, n, seed))
	}
	replica := start(t, "--io-threads", "1")
	replica.dial().want("REPLICAOF 127.0.0.1 "+portOf(n), "OK")
	n.oneInstant(3, 1, nil)
	linked(t, replica)
	for _, stop := range stops {
		stop()
	}
	has := func(n *testNode) (f frozen) { n.engine.Barrier(func() { f = n.freeze() }); return f }
	want := has(n)
	until(t, "the replica has the stream", func() bool { return replica.dial().info("master_repl_offset") == p.info("master_repl_offset") })
	compare(t, has(replica), want)
}

// churnHuge changes, moves and deletes the keys of TestHugeValuesAreOneInstant until stop is called.
func churnHuge(t *testing.T, n *testNode, seed uint64) (stop func()) {
	p, rnd := n.dial(), rand.New(rand.NewPCG(seed, 12))
	return repeatedly(t, func() bool { return p.churnHugeOnce(rnd) })
}

func (p *peer) churnHugeOnce(rnd *rand.Rand) bool {
	num := func(n int) string { return strconv.Itoa(rnd.IntN(n)) }
	huge := func() string { return "huge:" + num(3) }
	var cmds [][]string
	for range 20 {
		cmds = append(cmds, []string{"HSET", huge(), "f" + num(15_000), strings.Repeat("v", rnd.IntN(60))}, []string{"HDEL", huge(), "f" + num(15_000)},
			[]string{"SET", "k" + num(300), strings.Repeat("b", rnd.IntN(3000))}, []string{"SETRANGE", "long", num(6 << 20), "changed"})
	}
	switch rnd.IntN(12) {
	case 0, 1, 2:
		cmds = append(cmds, []string{"RENAME", huge(), huge()})
	case 3:
		cmds = append(cmds, []string{"COPY", huge(), huge(), "REPLACE"})
	case 4:
		cmds = append(cmds, []string{"DEL", "huge:2"})
	case 5:
		cmds = append(cmds, []string{"UNLINK", "huge:2"})
	case 6:
		cmds = append(cmds, []string{"SET", "huge:2", "over it"}, []string{"DEL", "huge:2"})
	}
	return p.answered(cmds)
}

// TestSlowWritesGoOn: when a snapshot takes nothing, writes wait, each for a little while, and go on until there is no more room for what they leave behind.
func TestSlowWritesGoOn(t *testing.T) {
	for _, backend := range []string{"auto", "portable"} {
		t.Run(backend, func(t *testing.T) {
			n := start(t, "--io-threads", "1", "--io-backend", backend)
			p := n.dial()
			const keys, size, bound = 2000, 1000, 500_000
			for i := range keys {
				p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("a", size))
			}
			n.boundPreImages(bound)
			snap, want := n.frozenSnapshot()
			slow, written := int64(0), make(chan struct{})
			var count atomic.Int64
			go func() {
				defer close(written)
				for i := range keys {
					p.run("SET", "k"+strconv.Itoa(i), strings.Repeat("b", size))
					count.Add(1)
					if slow == 0 && n.engine.WritesWait() {
						slow = count.Load()
					}
				}
			}()
			until(t, "writes do not go on", func() bool {
				_, blocked := n.engine.NumClients()
				return n.engine.Gate()&engine.GatePreImages != 0 && blocked == 1
			})
			if got := count.Load(); slow == 0 || got < slow+5 {
				t.Errorf("writes were slow from the %d. on, and stopped behind the %d.", slow, got)
			}
			if waiting, _ := n.space.PreImages(); waiting <= bound+bound/2 || waiting > bound+bound/2+20*size {
				t.Errorf("%d bytes wait", waiting)
			}
			var out bytes.Buffer
			if err := snap.WriteTo(t.Context(), &out, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
				t.Fatal(err)
			}
			<-written
			compare(t, thaw(t, out.Bytes()), want)
		})
	}
}

// TestStreamOfSyncSlowsWrites: what is written while a replica loads its snapshot waits for it; writes become slow before that is so much that the replica is cut, and are fast
// again when it is gone.
func TestStreamOfSyncSlowsWrites(t *testing.T) {
	n := start(t, "--client-output-buffer-limit", "replica", "8mb", "4mb", "60", "--repl-backlog-size", "16kb")
	link := n.dial()
	link.want("REPLCONF listening-port 1 capa eof capa psync2", "OK")
	link.send("PSYNC ? -1\r\n")
	until(t, "the snapshot is under way", n.repl.Syncing)
	p := n.dial()
	slow := func() bool { return n.engine.Gate()&engine.GateSlowWrites != 0 }
	val := strings.Repeat("v", 10_000)
	until(t, "writes are slow", func() bool { p.run("SET", "k", val); return slow() })
	if got := n.journal.Excess(); got < 2<<20 || got > 8<<20 {
		t.Errorf("writes are slow with %d bytes behind", got)
	}
	p.run("SET", "k", val) // it waits, and goes on
	if p.info("connected_slaves") != "1" {
		t.Error("the replica was cut")
	}
	link.nc.Close()
	until(t, "writes are as fast as ever", func() bool { return !slow() })
}

func TestLagWait(t *testing.T) {
	for lag, want := range map[int64]time.Duration{0: 0, 100: 0, 150: limits.SlowWriteWait / 2, 200: limits.SlowWriteWait, 1000: limits.SlowWriteWait} {
		if got := lagWait(lag, 100); got != want {
			t.Errorf("with %d of 100: %v, want %v", lag, got, want)
		}
	}
}

// slowDisk is a file whose syncs wait until they are let go.
type slowDisk struct {
	vfs.File
	syncs atomic.Int64
	letGo chan error
}

// SyncData implements vfs.File.
func (d *slowDisk) SyncData() error { d.syncs.Add(1); return <-d.letGo }

// Write implements io.Writer.
func (d *slowDisk) Write(b []byte) (int, error) { return len(b), nil }

// TestDumpIsSyncedAside: a sync of the disk does not hold up who writes the file, until it is far behind; a failed one is told.
func TestDumpIsSyncedAside(t *testing.T) {
	n := start(t)
	d := &slowDisk{letGo: make(chan error, 1)}
	a := &autoSync{f: d, on: n.cfg.get("rdb-save-incremental-fsync")}
	b := make([]byte, limits.MiB)
	for range limits.AutoSyncBytes/limits.MiB + limits.MaxUnsyncedBytes/limits.MiB - 1 { // they return while the disk is at it
		if _, err := a.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the disk is asked", func() bool { return d.syncs.Load() == 1 })
	bad := fmt.Errorf("the disk is broken")
	d.letGo <- bad
	if _, err := a.Write(b); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	if err := a.wait(); err != nil {
		t.Error(err)
	}
}

// TestLongStringIsNotGathered: a long string is written as it comes.
func TestLongStringIsNotGathered(t *testing.T) {
	n := start(t)
	p := n.dial()
	for i, size := range []int{gatheredBytes, gatheredBytes + 1, 3*gatheredBytes + 12345} {
		p.run("SET", "long"+strconv.Itoa(i), strings.Repeat("long", size/4+1)[:size])
	}
	snap, want := n.frozenSnapshot()
	var out bytes.Buffer
	if err := snap.WriteTo(t.Context(), &out, replication.Form{}, replication.NewHistory(n.runID), 0); err != nil {
		t.Fatal(err)
	}
	compare(t, thaw(t, out.Bytes()), want)
	if got := cap(snap.main.batch.long); got > 2*gatheredBytes {
		t.Errorf("%d bytes were gathered", got)
	}
	if out.Len() < 4*gatheredBytes || out.Len() > 4*gatheredBytes+gatheredBytes/10+100_000 {
		t.Errorf("the file has %d bytes: only what is gathered is compressed", out.Len())
	}
	r := rdb.NewReader(&out, rdb.ReaderOptions{})
	for _, err := r.Next(); err != io.EOF; _, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
	}
}
