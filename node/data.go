package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/replication"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// loadProgress is how far a load is, for INFO.
type loadProgress struct {
	start, total, loaded, used atomic.Int64 // seconds since 1970; bytes, total 0 if not known; what the data took where it was saved
	lastKeys, lastExpired      atomic.Int64 // of the last load
}

func (p *loadProgress) begin(nowSec, total int64) {
	p.start.Store(nowSec)
	p.total.Store(max(total, 0))
	p.loaded.Store(0)
	p.used.Store(0)
}

// Empty implements replication.Data.
func (n *Node) Empty() bool {
	empty := true
	n.engine.EachShard(func(s *keyspace.Shard) bool { empty = s.Len() == 0; return empty })
	return empty
}

// Check implements replication.Data: it reads an RDB file to its end.
func (n *Node) Check(ctx context.Context, r io.Reader) error {
	return n.readRDB(ctx, r, func(_ *rdb.Reader, ev *rdb.Event) error { return n.loadable(ev) })
}

// Load implements replication.Data.
func (n *Node) Load(ctx context.Context, r io.Reader, size int64, beside bool) (replication.Loaded, error) {
	n.progress.begin(n.clock.Now().Unix(), size)
	if beside {
		return n.loadBeside(ctx, r)
	}
	n.dropAll()
	l, err := n.load(ctx, r, sink{})
	if err != nil {
		n.dropAll() // half a data set is worse than none
	}
	return replication.Loaded{StreamDB: l.streamDB, Commit: func() {}}, err
}

// loadBeside loads beside the data that is there; Commit puts the new in the place of the old.
func (n *Node) loadBeside(ctx context.Context, r io.Reader) (replication.Loaded, error) {
	n.engine.DropShadow()
	l, err := n.load(ctx, r, sink{shadow: true})
	if err != nil {
		n.engine.DropShadow()
	}
	return replication.Loaded{StreamDB: l.streamDB, Commit: n.engine.SwapShadowLocked}, err
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
	told          bool  // of something that was left out because its time is over
	empty         int64 // collections without elements, which were left out
	replID        string
	replOffset    int64
	streamDB      int
	libraries     [][]byte // sources of libraries of functions
}

// sink takes what a snapshot holds.
type sink struct {
	shadow    bool                 // beside the data that is there
	libraries engine.LibraryPolicy // what becomes of the libraries of functions that there are
	// expired is told of a key, or with field not nil a hash's field, that is left out because its time is over, and what the snapshot has said so far; may be nil.
	expired func(l *loaded, db int, key, field []byte)
	keep    bool // what is over
}

// load adds an RDB file's keys. Expired ones are left out on a primary; a replica keeps them until its primary deletes them.
func (n *Node) load(ctx context.Context, in io.Reader, to sink) (loaded, error) {
	out := loaded{replOffset: -1}
	to.keep = n.engine.Gate()&engine.GateReplica != 0
	slow := delay{n: n, param: "key-load-delay"}
	var collections collection.Loader
	err := n.readRDB(ctx, in, func(r *rdb.Reader, ev *rdb.Event) error {
		if err := n.loadable(ev); err != nil {
			return err
		}
		switch ev.Kind {
		case rdb.EventAux:
			out.aux(ev.Aux)
			n.noteUsed(ev.Aux)
		case rdb.EventFunction:
			out.libraries = append(out.libraries, bytes.Clone(ev.Function))
		case rdb.EventKey:
			if n.leaveOut(&out, ev, to) {
				return nil
			}
			if err := n.loadKey(&out, r, ev, &collections, to); err != nil {
				return err
			}
			return slow.key(ctx)
		}
		return nil
	})
	n.progress.lastKeys.Store(out.keys)
	n.progress.lastExpired.Store(out.expired)
	if err == nil {
		err = n.engine.LoadLibraries(out.libraries, to.libraries)
	}
	return out, err
}

func (n *Node) noteUsed(a rdb.Aux) {
	if a.Name != rdb.AuxUsedMem {
		return
	}
	if v, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
		n.progress.used.Store(v)
	}
}

// readRDB gives an RDB file's parts to fn, until it fails or the file ends.
func (n *Node) readRDB(ctx context.Context, in io.Reader, fn func(*rdb.Reader, *rdb.Event) error) error {
	// Packed encodings are looked into when asked for: what a client restores is always.
	r := rdb.NewReader(in, rdb.ReaderOptions{SkipChecksum: !n.cfg.get("rdbchecksum").bool() || n.debug.skipChecksum.Load(), Deep: n.cfg.get("sanitize-dump-payload").string() == "yes", Elements: true})
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ev, err := r.Next()
		if err == io.EOF {
			return nil
		}
		n.progress.loaded.Store(r.Offset())
		if err == nil {
			err = fn(r, &ev)
		}
		if err != nil {
			return err
		}
	}
}

// loadable fails on what this version, or this node, can't hold.
func (n *Node) loadable(ev *rdb.Event) error {
	switch {
	case ev.Kind == rdb.EventModuleAux:
		return fmt.Errorf("the snapshot holds data of the module %q, which larder-server does not have", ev.Module)
	case ev.Kind == rdb.EventKey && ev.Value.Type != rdb.TypeString && !keydump.Loads(&ev.Value):
		return fmt.Errorf("the key %q is a %s, a type that this version of larder-server does not have yet", clipKey(ev.Key), ev.Value.Type.Kind())
	case ev.Kind == rdb.EventKey && len(ev.Key) > limits.MaxKeyBytes:
		return errors.New("the snapshot has a key of more than 4 GiB - 1, which is the most that larder-server can hold")
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

// leaveOut reports whether a key's time is over, which is then told.
func (n *Node) leaveOut(out *loaded, ev *rdb.Event, to sink) bool {
	if at := ev.Meta.ExpireAtMs; at == 0 || to.keep || at >= n.clock.Now().UnixMilli() {
		return false
	}
	out.expired++
	if to.expired != nil {
		to.expired(out, ev.DB, ev.Key, nil)
	}
	return true
}

// loadKey adds a key.
func (n *Node) loadKey(out *loaded, r *rdb.Reader, ev *rdb.Event, l *collection.Loader, to sink) error {
	expireAt := int64(keyspace.NoExpiry)
	if ev.Meta.ExpireAtMs != 0 {
		expireAt = ev.Meta.ExpireAtMs
	}
	h := n.space.Hash(ev.Key)
	if ev.Value.Type != rdb.TypeString {
		return n.loadCollection(out, r, ev, h, expireAt, l, to)
	}
	n.engine.Put(ev.DB, h, to.shadow, func(d *keyspace.DB) { d.SetString(h, ev.Key, ev.Value.String, expireAt) })
	out.keys++
	return nil
}

// field is expired for the fields of a hash; nil if nobody is to be told.
func (s *sink) field(l *loaded, ev *rdb.Event) func(field []byte) {
	if s.expired == nil {
		return nil
	}
	return func(field []byte) { s.expired(l, ev.DB, ev.Key, field) }
}

// maxEmptyTold is how many keys without a value the log tells of, as Redis does.
const maxEmptyTold = 10

// loadCollection adds a key that is not a string. Its shard is held for some elements at a time.
func (n *Node) loadCollection(out *loaded, r *rdb.Reader, ev *rdb.Event, h uint64, expireAt int64, l *collection.Loader, to sink) error {
	shard := n.space.ShardOf(h)
	hold := func(fn func()) { n.engine.WithShard(shard, func(*keyspace.Shard) { fn() }) }
	l.Begin(n.space.Shard(shard).Values(), n.space.Limits(), hold, ev.Value.Content.Type, ev.Value.Content.Count)
	if !to.keep && ev.Value.Content.FieldTTL {
		l.LeaveOut(n.clock.Now().UnixMilli(), to.field(out, ev))
	}
	empty, err := keydump.Load(l, r, &ev.Value)
	switch {
	case err != nil:
		return err
	case empty && l.LeftOut() > 0:
		return nil
	case empty:
		if out.empty++; out.empty <= maxEmptyTold {
			n.log.Info("rdbLoadObject skipping empty key: " + string(clipKey(ev.Key)))
		}
		return nil
	}
	n.engine.Put(ev.DB, h, to.shadow, func(d *keyspace.DB) { l.Store(collection.Key{DB: d, Hash: h, Name: ev.Key}, expireAt) })
	out.keys++
	return nil
}

func clipKey(k []byte) []byte {
	if len(k) > 64 {
		return k[:64]
	}
	return k
}

// usedMemory is what `used_memory` says: live blocks and index, the journal, the connections with their buffers, and the engine's tables.
func (n *Node) usedMemory() int64 {
	return n.space.Arena().Used() + n.heapMemory()
}

// clientMemory is what the connections take.
func (n *Node) clientMemory() int64 {
	return n.shared.stats.buffers.Load() + n.engine.ClientStructures()
}

// heapMemory is what of it is in Go's heap.
func (n *Node) heapMemory() int64 {
	return n.space.PreImageCopies() + n.journal.Memory() + n.shared.stats.buffers.Load() + n.engine.Structures() + n.engine.PubSubTotals().Bytes
}
