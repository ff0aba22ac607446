package node

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/store/keyspace"
)

// walkBudget is how many bytes a walker takes out of a shard under one hold of its lock: some tens of microseconds' work.
const walkBudget = 32 << 10

// snapshot is the data of one instant, on its way out (replication.Snapshot).
type snapshot struct {
	n     *Node
	walk  *keyspace.Walk
	db    int   // the stream's selected database at that instant, -1 if it must be said
	used  int64 // bytes of memory at that instant
	timed bool  // fields of hashes have an expiry
	keep  bool  // the journal was on: the history is worth going on from
	hurry bool  // nobody is served meanwhile: it need not leave the processors to others
	sync  bool  // it is for replicas, of whose stream up to
	lag   int64 // bytes may wait meanwhile before writers have to
	delay delay // rdb-key-save-delay
	pace  pacer
	main  outlet
	side  spill
	opts  rdb.WriterOptions
	peak  int64 // the most bytes of pre-images that waited, of all walks

	libraries [][]byte     // sources of libraries of functions, at that instant
	total     int64        // keys at that instant
	written   atomic.Int64 // keys so far
}

// Begin implements replication.Data. All shards are held.
func (n *Node) Begin(form replication.Form) (replication.Snapshot, error) {
	if form.Version < rdb.ValkeyVersion && !form.NoKeys && n.fieldsExpire() {
		return nil, errFieldTTL(form.Version)
	}
	s, err := n.begin()
	if err != nil {
		return nil, err
	}
	s.sync, s.lag = true, n.syncLag()
	return s, nil
}

// fieldsExpire reports whether fields of some hash have an expiry. All shards are held.
func (n *Node) fieldsExpire() bool {
	for i := range n.space.Shards() {
		for sh, db := n.space.Shard(i), 0; db < n.space.Databases(); db++ {
			if sh.Used(db) && sh.DB(db).TimedHashes() > 0 {
				return true
			}
		}
	}
	return false
}

// errFieldTTL says why data in which fields of hashes expire cannot be given to one who reads RDB up to a version.
func errFieldTTL(version int) error {
	return &rdb.UnsupportedError{Offset: errs.UnknownOffset, What: fmt.Sprintf("fields of hashes have an expiry, which RDB has from version %d (Valkey 9) on, and version %d is the newest that can be read", rdb.ValkeyVersion, version)}
}

// version is that of the file which is written for one who reads up to a version, or any if that is 0: the usual one, unless the data needs a newer.
func (s *snapshot) version(most int) (int, error) {
	switch {
	case s.timed && (most == 0 || most >= rdb.ValkeyVersion):
		return rdb.ValkeyVersion, nil
	case s.timed:
		return 0, errFieldTTL(most)
	case most >= rdb.ValkeyVersion:
		return rdb.DefaultVersion, nil
	}
	return most, nil
}

func (n *Node) begin() (*snapshot, error) {
	w, err := keyspace.NewWalk(n.space)
	if err != nil {
		return nil, err
	}
	s := &snapshot{n: n, walk: w, libraries: n.engine.LibrarySources(), db: n.journal.SelectedDB(), used: n.usedMemory(), timed: n.fieldsExpire(), keep: n.journal.On(),
		delay: delay{n: n, param: "rdb-key-save-delay"}}
	for i := range n.space.Shards() {
		s.total += int64(w.Keys(i))
	}
	return s, nil
}

// Close implements replication.Snapshot.
func (s *snapshot) Close() {
	for i := range s.n.space.Shards() {
		for done := false; !done; {
			held := s.walk.Needs(i)
			s.n.engine.WithShard(held, func(*keyspace.Shard) { done = s.walk.CloseShard(i, held) })
		}
	}
}

// WriteTo implements replication.Snapshot.
func (s *snapshot) WriteTo(ctx context.Context, w io.Writer, form replication.Form, h replication.History, offset int64) error {
	defer s.Close()
	defer s.side.close()
	s.pace = newPacer(s.n.clock, processorSeconds)
	s.timed = s.timed && !form.NoKeys
	version, err := s.version(form.Version)
	if err != nil {
		return err
	}
	s.opts = rdb.WriterOptions{Version: version, Compress: s.n.cfg.get("rdbcompression").bool(), Checksum: s.n.cfg.get("rdbchecksum").bool()}
	out := rdb.NewWriter(w, s.opts)
	s.main, s.side.fs = outlet{out: out, db: -1}, s.n.saver.fs
	if err := out.Header(s.aux(h, offset)); err != nil {
		return err
	}
	for _, source := range s.libraries {
		if form.NoFunctions {
			break
		}
		if err := out.Function(source); err != nil {
			return err
		}
	}
	for i := range s.n.space.Shards() {
		if form.NoKeys {
			break
		}
		if err := s.shard(ctx, i); err != nil {
			return err
		}
	}
	return out.Close()
}

func (s *snapshot) aux(h replication.History, offset int64) []rdb.Aux {
	out := []rdb.Aux{
		{Name: rdb.AuxRedisVer, Value: RedisVersion},
		{Name: rdb.AuxRedisBits, Value: strconv.Itoa(strconv.IntSize)},
		{Name: rdb.AuxCtime, Value: strconv.FormatInt(s.n.clock.Now().Unix(), 10)},
		{Name: rdb.AuxUsedMem, Value: strconv.FormatInt(s.used, 10)},
		{Name: rdb.AuxAOFBase, Value: "0"},
	}
	if s.keep {
		out = append(out, rdb.Aux{Name: rdb.AuxReplStreamDB, Value: strconv.Itoa(max(s.db, 0))},
			rdb.Aux{Name: rdb.AuxReplID, Value: h.ReplID}, rdb.Aux{Name: rdb.AuxReplOffset, Value: strconv.FormatInt(offset, 10)})
	}
	return out
}

// shard writes one shard's part.
func (s *snapshot) shard(ctx context.Context, i int) error {
	for done := false; !done; {
		if err := s.advance(ctx, i, func(held int) { done = s.walk.Step(i, held, walkBudget, s.main.batch.add) }); err != nil {
			return err
		}
		if s.crowded() && !s.main.batch.within() { // a value's pieces follow each other
			if err := s.drain(ctx); err != nil {
				return err
			}
		}
	}
	return s.main.batch.unfinished()
}

// advance takes a piece of a shard's part. While that is in the middle of a long value, what crowds behind it is spilled; what was spilled is written when the value is.
func (s *snapshot) advance(ctx context.Context, i int, take func(held int)) error {
	own, held := 0, s.walk.Needs(i)
	err := s.step(ctx, &s.main, held, func() { take(held); own = s.walk.Within(i, held) })
	switch {
	case err != nil:
		return err
	case !s.main.batch.within():
		return s.unspill(ctx)
	}
	waiting, bound := s.n.space.PreImages()
	if waiting-int64(own) > bound/2 {
		return s.spill(ctx)
	}
	return nil
}

// step takes a piece of a shard's part, under the lock of the shard where that is. What it emits is copied out, and written with the shard free.
func (s *snapshot) step(ctx context.Context, to *outlet, held int, take func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	to.batch.reset()
	begin := s.n.clock.MonoNanos()
	s.n.engine.WithShard(held, func(*keyspace.Shard) {
		got := s.n.clock.MonoNanos()
		take()
		s.n.walks.hold(clock.SinceMono(s.n.clock, got))
	})
	if err := s.write(ctx, to); err != nil {
		return err
	}
	worked := clock.SinceMono(s.n.clock, begin)
	s.n.walks.worked.Add(int64(worked))
	if s.hurry || s.crowded() || s.behind() {
		return nil
	}
	return s.pace.rest(ctx, worked)
}

// crowded: so many pre-images wait that writers may soon have to. They go first, and the walker does not rest.
func (s *snapshot) crowded() bool {
	waiting, bound := s.n.space.PreImages()
	s.peak = max(s.peak, waiting)
	return waiting > bound/2
}

// behind: so much of the stream waits for the end of a full sync that writers may soon have to.
func (s *snapshot) behind() bool { return s.sync && s.n.journal.Excess() > s.lag/2 }

// drain writes what waits in all shards, also in those that the walk has yet to come to.
func (s *snapshot) drain(ctx context.Context) error {
	for i := range s.n.space.Shards() {
		for empty := false; !empty; {
			if err := s.advance(ctx, i, func(held int) { empty = s.walk.Drain(i, held, walkBudget, s.main.batch.add) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// pacer makes a walker rest while the loops are busy, so that it takes 1/limits.WalkerShare of a processor.
type pacer struct {
	clock  clock.Clock
	used   func() float64 // seconds of processor time that the process has used
	begin  int64          // of the window, monotonic ns
	cpu    float64        // used then
	worked time.Duration
	busy   bool
}

// paceWindow is how much work passes before the pacer looks again whether the loops are busy.
const paceWindow = 2 * time.Millisecond

func newPacer(c clock.Clock, used func() float64) pacer {
	return pacer{clock: c, used: used, begin: c.MonoNanos(), cpu: used()}
}

func processorSeconds() float64 {
	sys, user := cpuSeconds()
	return sys + user
}

// rest follows a piece of work. It sleeps if the processors were needed by others lately.
func (p *pacer) rest(ctx context.Context, worked time.Duration) error {
	if p.worked += worked; p.worked < paceWindow {
		return nil
	}
	done := p.worked
	p.look()
	if !p.busy {
		return nil
	}
	return clock.Sleep(ctx, p.clock, done*(limits.WalkerShare-1))
}

// look begins a new window. The loops count as busy if the process has used half a processor beside the walker.
func (p *pacer) look() {
	now, cpu := p.clock.MonoNanos(), p.used()
	passed, others := float64(now-p.begin)/1e9, cpu-p.cpu-p.worked.Seconds()
	p.busy = others > passed/2
	p.begin, p.cpu, p.worked = now, cpu, 0
}

// delay slows something down, for tests: a parameter's microseconds for each key, or if it is negative one microsecond for every
// so many keys.
type delay struct {
	n     *Node
	param string
	value *value
}

// key waits after a key.
func (d *delay) key(ctx context.Context) error {
	if d.value == nil {
		d.value = d.n.cfg.get(d.param)
	}
	us := d.value.int()
	switch {
	case us == 0:
		return nil
	case us < 0 && rand.Int64N(-us) != 0:
		return nil
	case us < 0:
		us = 1
	}
	return clock.Sleep(ctx, d.n.clock, time.Duration(us)*time.Microsecond)
}
