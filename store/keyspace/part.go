package keyspace

import (
	"bytes"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// part is a walk's way through one rooted value: a walk through its index. It is opened when the walk is handed the entry, and closed when all elements
// have been emitted. What its elements were then, it keeps: those that are about to change are copied first, and wait in chunks.
//
// Of a value that value.Frozen names, it has a copy instead, with a root of its own, which shares with the value what has not changed since.
//
// Its item belongs to the walk of the shard where the key was. The value may have moved to another shard since (RENAME): all but where is under the lock of the shard that
// it is in now.
type part struct {
	where atomic.Int32
	slot  int
	typ   value.Type
	root  arena.Ref
	index *dict.Dict // nil if root is a copy
	next  uint64     // where it goes on in a copy
	item  Item       // of every chunk, without slices
	key   []byte
	// left is how many elements have not been handed over.
	left int
	// chunks are elements in the form in which they are emitted, bytes how many in all. spare are a few that were emitted, to be used again.
	chunks, spare [][]byte
	bytes         int
	begun         bool // something was emitted
}

// readyBytes is what a chunk has at least, unless it is the last one.
const readyBytes = 16 << 10

// spareChunks is how many emitted chunks a part keeps.
const spareChunks = 16

// open opens the part of an entry, of this shard, that a walk is handed.
func (ws *walkShard) open(e Entry, it *Item) {
	sh := ws.shard
	p := &part{slot: ws.walk.slot, typ: e.Type(), root: e.Root(), item: *it, key: bytes.Clone(e.Key())}
	p.where.Store(int32(sh.index))
	if p.item.Rooted = true; value.Frozen(p.typ) {
		p.root = value.Clone(&sh.values, &sh.values, p.typ, p.root)
		p.item.Count = value.Nodes(&sh.values, p.typ, p.root)
	} else {
		ws.follow(p)
	}
	sh.space.preImages.add(ws.queue.push(image{part: p}, nil, nil))
}

// follow begins a part's walk through its value's index.
func (ws *walkShard) follow(p *part) {
	p.index = value.Index(&ws.shard.values, p.typ, p.root)
	p.left = p.index.Len()
	p.item.Count, p.item.FieldTTL = p.left, p.typ == value.Hash && p.index.Volatile() > 0
	p.index.BeginWalk(p.slot)
	owners(ws.shard.space.arena, p.root).Add(walkShare)
	if ws.nested == nil {
		ws.nested = map[*dict.Dict]*part{}
	}
	ws.nested[p.index] = p
}

// handElement is the Hand of the indexes of this shard's rooted values.
func (sh *Shard) handElement(d *dict.Dict, walk int, ref arena.Ref) {
	p := sh.space.walks[walk].Load().shards[sh.index].nested[d]
	n := value.ElementBytes(&sh.values, p.typ, ref, p.item.FieldTTL)
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last])+n > ChunkBytes {
		p.chunks = append(p.chunks, p.room())
		last++
	}
	p.chunks[last] = value.AppendElement(p.chunks[last], &sh.values, p.typ, ref, p.item.FieldTTL)
	p.bytes += n
	p.left--
	sh.space.preImages.add(n)
}

// room is a chunk to begin with. The first one grows as it needs: most collections are small, and many may wait at once.
func (p *part) room() []byte {
	if n := len(p.spare); n > 0 {
		b := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return b
	}
	if len(p.chunks) == 0 {
		return nil
	}
	return make([]byte, 0, ChunkBytes)
}

// recycle keeps a chunk that was emitted for what comes next, so that a long way through a big value leaves nothing to the garbage collector.
func (p *part) recycle(chunk []byte) {
	if len(p.spare) < spareChunks && cap(chunk) <= 2*ChunkBytes {
		p.spare = append(p.spare, chunk[:0])
	}
}

// goOn emits the next chunk of a part that a lane is in, or goes on through its index until there is one.
func (ws *walkShard) goOn(p *part) {
	sh := &ws.walk.space.shards[p.where.Load()]
	if p.index == nil {
		var chunk []byte
		chunk, p.next = value.AppendNodes(p.room(), &sh.values, p.typ, p.root, p.next, readyBytes)
		ws.sendChunk(p, sh, chunk, p.next == 0)
		return
	}
	if p.left > 0 && len(p.chunks) < 2 && p.bytes < readyBytes {
		ws.cost += bucketCost
		p.index.WalkStep(&sh.values.Dict, p.slot)
		return
	}
	var chunk []byte
	if len(p.chunks) > 0 {
		chunk, p.chunks = p.chunks[0], p.chunks[1:]
	}
	p.bytes -= len(chunk)
	sh.space.preImages.add(-len(chunk))
	ws.sendChunk(p, sh, chunk, p.left == 0 && len(p.chunks) == 0)
}

// sendChunk emits some elements of a part, and closes it with the last ones. sh is where it is.
func (ws *walkShard) sendChunk(p *part, sh *Shard, chunk []byte, last bool) {
	ws.item = p.item
	ws.item.Key, ws.item.Value, ws.item.first, ws.item.last = p.key, chunk, !p.begun, last
	p.begun = true
	ws.send()
	p.recycle(chunk)
	if last {
		*ws.lane = lane{}
		p.close(sh)
	}
}

// close ends a part, complete or not. sh is where it is.
func (p *part) close(sh *Shard) {
	if p.index == nil {
		owners(sh.space.arena, p.root).Store(0)
		sh.dispose(p.typ, p.root, limits.MaxElementsFreedAtOnce)
		return
	}
	p.index.EndWalk(p.slot)
	delete(sh.space.walks[p.slot].Load().shards[sh.index].nested, p.index)
	sh.space.preImages.add(-p.bytes)
	p.chunks, p.spare, p.bytes = nil, nil, 0
	sh.letWalkGo(p.typ, p.root)
}

// moveParts lets the walks through an entry's value follow it to another shard. Both are held.
func (s *Space) moveParts(e Entry, to *Shard) {
	from := e.db.shard
	if owners(s.arena, e.Root()).Load() < walkShare {
		return
	}
	index := value.Index(&from.values, e.Type(), e.Root())
	for i := range s.walks {
		w := s.walks[i].Load()
		if w == nil {
			continue
		}
		if p := w.shards[from.index].nested[index]; p != nil {
			delete(w.shards[from.index].nested, index)
			if w.shards[to.index].nested == nil {
				w.shards[to.index].nested = map[*dict.Dict]*part{}
			}
			w.shards[to.index].nested[index] = p
			p.where.Store(int32(to.index))
		}
	}
}
