package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/store/keyspace"
)

// walkBudget is how many bytes a walker takes out of a shard under one hold of its lock: some tens of microseconds' work.
const walkBudget = 32 << 10

// snapshot is the data of one instant, on its way out (replication.Snapshot).
type snapshot struct {
	n    *Node
	walk *keyspace.Walk
	db   int   // the stream's selected database at that instant, -1 if it must be said
	used int64 // bytes of memory at that instant
	keep bool  // the journal was on: the history is worth going on from
	out  int   // the database selected in the file so far
}

// Begin implements replication.Data. All shards are held.
func (n *Node) Begin() (replication.Snapshot, error) { return n.begin() }

func (n *Node) begin() (*snapshot, error) {
	w, err := keyspace.NewWalk(n.space)
	if err != nil {
		return nil, err
	}
	return &snapshot{n: n, walk: w, db: n.journal.SelectedDB(), used: n.usedMemory(), keep: n.journal.On(), out: -1}, nil
}

// Close implements replication.Snapshot.
func (s *snapshot) Close() {
	for i := range s.n.space.Shards() {
		s.n.engine.WithShard(i, func(*keyspace.Shard) { s.walk.CloseShard(i) })
	}
}

// WriteTo implements replication.Snapshot.
func (s *snapshot) WriteTo(ctx context.Context, w io.Writer, version int, h replication.History, offset int64) error {
	defer s.Close()
	out := rdb.NewWriter(w, rdb.WriterOptions{Version: version, Compress: s.n.cfg.get("rdbcompression").bool(), Checksum: s.n.cfg.get("rdbchecksum").bool()})
	if err := out.Header(s.aux(h, offset)); err != nil {
		return err
	}
	for i := range s.n.space.Shards() {
		if err := s.shard(ctx, out, i); err != nil {
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

// shard writes one shard's part. The items of a hold are copied out, and written with the shard free.
func (s *snapshot) shard(ctx context.Context, out *rdb.Writer, i int) error {
	var batch itemBatch
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch.reset()
		s.n.engine.WithShard(i, func(*keyspace.Shard) { done = s.walk.Step(i, walkBudget, batch.add) })
		if err := batch.write(out, &s.out); err != nil {
			return err
		}
	}
	return batch.unfinished()
}

// itemBatch is copies of a walk's items.
type itemBatch struct {
	buf   []byte
	items []copiedItem
	long  []byte // a value that comes in several items, so far
}

type copiedItem struct {
	db            int
	expireAt      int64
	keyEnd        int
	start, end    int
	offset, total int
}

func (b *itemBatch) reset() { b.buf, b.items = b.buf[:0], b.items[:0] }

func (b *itemBatch) add(it *keyspace.Item) {
	start := len(b.buf)
	b.buf = append(b.buf, it.Key...)
	keyEnd := len(b.buf)
	b.buf = append(b.buf, it.Value...)
	b.items = append(b.items, copiedItem{db: it.DB, expireAt: it.ExpireAt, start: start, keyEnd: keyEnd, end: len(b.buf), offset: it.Offset, total: it.Total})
}

func (b *itemBatch) write(out *rdb.Writer, selected *int) error {
	for _, it := range b.items {
		key, val := b.buf[it.start:it.keyEnd], b.buf[it.keyEnd:it.end]
		if len(val) < it.total {
			if it.offset == 0 {
				b.long = make([]byte, 0, it.total)
			}
			b.long = append(b.long, val...)
			if len(b.long) < it.total {
				continue
			}
			val, b.long = b.long, nil
		}
		var meta rdb.Meta
		if it.expireAt >= 0 {
			meta.ExpireAtMs = max(it.expireAt, 1)
		}
		if it.db != *selected {
			if err := out.SelectDB(it.db, 0, 0); err != nil {
				return err
			}
			*selected = it.db
		}
		if err := out.String(key, val, meta); err != nil {
			return err
		}
	}
	return nil
}

func (b *itemBatch) unfinished() error {
	if b.long != nil {
		return errs.Bugf("a snapshot's value of %d bytes ended early", cap(b.long))
	}
	return nil
}

// Check implements replication.Data: it reads an RDB file to its end, unless the node is empty and loses nothing by a bad one.
func (n *Node) Check(ctx context.Context, r io.Reader) error {
	keys := 0
	n.engine.EachShard(func(s *keyspace.Shard) bool { keys += s.Len(); return keys == 0 })
	if keys == 0 {
		return nil
	}
	return n.readRDB(ctx, r, func(ev *rdb.Event) error { return n.loadable(ev) })
}

// Load implements replication.Data: it replaces all data by an RDB file's. The engine's loading gate is set.
func (n *Node) Load(ctx context.Context, r io.Reader) (streamDB int, err error) {
	n.dropAll()
	l, err := n.load(ctx, r)
	if err != nil {
		n.dropAll() // half a data set is worse than none
	}
	return l.streamDB, err
}

// dropAll empties every database at once; the memory is freed in slices behind the scenes.
func (n *Node) dropAll() {
	n.engine.Barrier(func() {
		n.engine.FlushAllLocked()
	})
}

// loaded is what a snapshot said of itself.
type loaded struct {
	keys, expired int64
	replID        string
	replOffset    int64
	streamDB      int
}

// load adds an RDB file's keys. Expired ones are left out on a primary; a replica keeps them until its primary deletes them.
func (n *Node) load(ctx context.Context, in io.Reader) (loaded, error) {
	out := loaded{replOffset: -1}
	keepExpired := n.engine.Gate()&engine.GateReplica != 0
	err := n.readRDB(ctx, in, func(ev *rdb.Event) error {
		if err := n.loadable(ev); err != nil {
			return err
		}
		switch ev.Kind {
		case rdb.EventAux:
			out.aux(ev.Aux)
		case rdb.EventKey:
			n.loadKey(&out, ev, keepExpired)
		}
		return nil
	})
	return out, err
}

// readRDB gives an RDB file's parts to fn, until it fails or the file ends.
func (n *Node) readRDB(ctx context.Context, in io.Reader, fn func(*rdb.Event) error) error {
	r := rdb.NewReader(in, rdb.ReaderOptions{SkipChecksum: !n.cfg.get("rdbchecksum").bool()})
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ev, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fn(&ev)
		}
		if err != nil {
			return err
		}
	}
}

// loadable fails on what this version, or this node, can't hold.
func (n *Node) loadable(ev *rdb.Event) error {
	switch {
	case ev.Kind == rdb.EventFunction:
		return errors.New("the snapshot holds a library of functions, which this version of larder-server does not have yet")
	case ev.Kind == rdb.EventModuleAux:
		return fmt.Errorf("the snapshot holds data of the module %q, which larder-server does not have", ev.Module)
	case ev.Kind == rdb.EventKey && ev.Value.Type != rdb.TypeString:
		return fmt.Errorf("the key %q is a %s, a type that this version of larder-server does not have yet", clipKey(ev.Key), ev.Value.Type.Kind())
	case ev.Kind == rdb.EventKey && ev.DB >= n.space.Databases():
		return fmt.Errorf("the snapshot has a database %d, and `databases` is %d", ev.DB, n.space.Databases())
	}
	return nil
}

func (l *loaded) aux(a rdb.Aux) {
	switch a.Name {
	case rdb.AuxReplID:
		l.replID = a.Value
	case rdb.AuxReplOffset:
		if v, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
			l.replOffset = v
		}
	case rdb.AuxReplStreamDB:
		if v, err := strconv.Atoi(a.Value); err == nil {
			l.streamDB = v
		}
	}
}

func (n *Node) loadKey(out *loaded, ev *rdb.Event, keepExpired bool) {
	expireAt := int64(keyspace.NoExpiry)
	if ev.Meta.ExpireAtMs != 0 {
		if expireAt = ev.Meta.ExpireAtMs; !keepExpired && expireAt < n.clock.Now().UnixMilli() {
			out.expired++
			return
		}
	}
	n.engine.Put(ev.DB, ev.Key, ev.Value.String, expireAt)
	out.keys++
}

func clipKey(k []byte) []byte {
	if len(k) > 64 {
		return k[:64]
	}
	return k
}

// usedMemory is what `used_memory` says: live blocks and index, the journal, and the connections' buffers.
func (n *Node) usedMemory() int64 {
	return n.space.Arena().Used() + n.journal.Memory() + n.shared.stats.buffers.Load()
}
