package keyspace

import (
	"errors"
	"strconv"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// ChunkBytes is the most that an Item has of a value. A bigger value comes in several.
const ChunkBytes = 64 << 10

// ErrTooManyWalks is NewWalk's answer when dict.MaxWalks are at work.
var ErrTooManyWalks = errors.New("keyspace: too many snapshots at once")

// Item is a key as it was when the walk began. Its slices are good until emit returns.
type Item struct {
	DB       int
	Key      []byte
	Type     value.Type
	Encoding value.Encoding
	ExpireAt int64  // milliseconds since 1970, or NoExpiry; expired keys are emitted too
	LRU      uint32 // as it is when emitted: an access is not a change
	// Value is the string's bytes from Offset on. Up to ChunkBytes they come whole; of a longer string the items follow each other, without any
	// other in between, until Offset + len(Value) == Total.
	Value         []byte
	Offset, Total int
}

// Last reports whether the item ends its value.
func (i *Item) Last() bool { return i.Offset+len(i.Value) == i.Total }

// Walk is a snapshot: it emits exactly the keys that were there at its beginning, each once, with the values they had, while writes go on.
//
// It goes through each dict by position (dict.BeginWalk). Whatever is about to change a bucket that the walk has not passed hands that bucket's entries over
// first, once: small values by copy, big ones by a share in their block, which nobody writes to while it is shared. They wait in a queue until Step
// emits them. Dicts are followed by identity, so FLUSHDB and SWAPDB change nothing; keys that are made later are in buckets handed over already.
//
// Each shard's part is independent, and under that shard's lock.
type Walk struct {
	space  *Space
	shards []walkShard
}

// walkShard is a walk's part in one shard.
type walkShard struct {
	shard *Shard
	slot  int
	parts []walkPart
	emit  func(*Item)
	cost  int
	queue preImageQueue
	sent  int // how much of the queue's first value was emitted
	item  Item
	over  bool
	// digits is where an integer's Value is written.
	digits [value.MaxIntLen]byte
}

type walkPart struct {
	root *root
	db   int
}

// NewWalk begins a walk over all databases. Every shard must be held: this instant is what the walk shows.
func NewWalk(s *Space) (*Walk, error) {
	w := &Walk{space: s, shards: make([]walkShard, len(s.shards))}
	for i := range s.shards {
		ws := &w.shards[i]
		ws.shard, ws.slot = &s.shards[i], s.shards[i].freeWalk()
		if ws.slot < 0 {
			return nil, ErrTooManyWalks
		}
	}
	s.preImages.setBound(s.arena.Used())
	for i := range w.shards {
		w.shards[i].begin()
	}
	return w, nil
}

func (sh *Shard) freeWalk() int {
	for i, w := range sh.walks {
		if w == nil {
			return i
		}
	}
	return -1
}

func (ws *walkShard) begin() {
	sh := ws.shard
	for n, d := range sh.dbs {
		if d != nil && d.Len() > 0 {
			ws.parts = append(ws.parts, walkPart{d.root, n})
			d.root.dict.BeginWalk(ws.slot)
		}
	}
	sh.walks[ws.slot] = ws
}

// Keys is how many keys a shard's part began with or, once under way, an upper bound of what is left in the dicts. It is for sizes in headers and for progress.
func (w *Walk) Keys(shard int) (n int) {
	for _, p := range w.shards[shard].parts {
		n += p.root.dict.Len()
	}
	return n
}

// Pending is how many bytes wait in a shard's queue for Step or Drain: copies, shared blocks, and what the queue itself needs. To be asked under the shard's lock.
func (w *Walk) Pending(shard int) int { return w.shards[shard].queue.bytes }

// bucketCost is what a bucket costs of a budget, however little is in it: a sparse dict must not hold its lock for long either.
const bucketCost = 64

// Step emits what waits and then goes on through the shard, until it has emitted budget bytes (keys, values, 64 for each item and each bucket; the last bucket may exceed it).
// It reports whether this shard's part is complete. emit must not change the shard, and sees Items that are good until it returns.
func (w *Walk) Step(shard, budget int, emit func(*Item)) (done bool) {
	ws := &w.shards[shard]
	ws.emit, ws.cost = emit, 0
	for !ws.over && ws.cost < budget {
		if !ws.queue.empty() {
			ws.emitImage()
			continue
		}
		if len(ws.parts) == 0 {
			ws.end()
			break
		}
		ws.cost += bucketCost
		if d := &ws.parts[0].root.dict; !d.WalkStep(&ws.shard.env, ws.slot) {
			d.EndWalk(ws.slot)
			ws.parts = ws.parts[1:]
		}
	}
	ws.emit = nil
	return ws.over
}

// Drain is Step that only emits what waits. It reports whether nothing does any more.
func (w *Walk) Drain(shard, budget int, emit func(*Item)) (empty bool) {
	ws := &w.shards[shard]
	ws.emit, ws.cost = emit, 0
	for !ws.queue.empty() && ws.cost < budget {
		ws.emitImage()
	}
	ws.emit = nil
	return ws.queue.empty()
}

// CloseShard ends a walk in one shard, complete or not. It may be called more than once.
func (w *Walk) CloseShard(shard int) {
	ws := &w.shards[shard]
	if !ws.over {
		ws.end()
	}
}

// Close ends a walk in all shards, which are held.
func (w *Walk) Close() {
	for i := range w.shards {
		w.CloseShard(i)
	}
}

func (ws *walkShard) end() {
	for _, p := range ws.parts {
		p.root.dict.EndWalk(ws.slot)
	}
	for !ws.queue.empty() {
		ws.drop()
	}
	ws.shard.walks[ws.slot] = nil
	ws.parts, ws.queue, ws.over = nil, preImageQueue{}, true
}

// hand is dict.Env's Hand: an entry for a walk, either because Step comes to it, or because it is about to change.
func (sh *Shard) hand(d *dict.Dict, walk int, ref arena.Ref) {
	ws := sh.walks[walk]
	e := sh.reader.entry(ref)
	it := &ws.item
	*it = Item{DB: ws.dbOf(d), Type: e.Type(), Encoding: e.Encoding(), ExpireAt: e.ExpireAt(), LRU: e.LRU(), Total: e.StringLen()}
	if ws.emit == nil || it.Total > ChunkBytes {
		ws.enqueue(e)
		return
	}
	it.Key, it.Value = e.Key(), e.String(&ws.digits)
	ws.send()
}

func (ws *walkShard) dbOf(d *dict.Dict) int {
	for _, p := range ws.parts {
		if &p.root.dict == d {
			return p.db
		}
	}
	return -1
}

func (ws *walkShard) send() {
	ws.cost += len(ws.item.Key) + len(ws.item.Value) + 64
	ws.emit(&ws.item)
}

// enqueue keeps an entry until Step or Drain emits it. ws.item is its head.
func (ws *walkShard) enqueue(e Entry) {
	var digits [value.MaxIntLen]byte
	im := image{item: ws.item}
	var val []byte
	switch n, isInt := e.Int(); {
	case isInt:
		val = strconv.AppendInt(digits[:0], n, 10)
	case e.big():
		im.block, _ = e.bigValue()
		owners(ws.shard.space.arena, im.block).Add(walkShare)
	default:
		val = inlineBytes(e)
	}
	ws.shard.space.preImages.add(ws.queue.push(im, e.Key(), val))
}

// emitImage emits the queue's first image, or the next piece of it.
func (ws *walkShard) emitImage() {
	im, key, val := ws.queue.first()
	ws.item = im.item
	it := &ws.item
	it.Key, it.Value = key, val
	if im.block != 0 {
		it.Offset = ws.sent
		it.Value = blockBytes(ws.shard.space.arena, im.block, it.Total)[ws.sent:min(ws.sent+ChunkBytes, it.Total)]
	}
	ws.send()
	if !it.Last() {
		ws.sent += len(it.Value)
		return
	}
	ws.drop()
}

// drop takes the first image out of the queue.
func (ws *walkShard) drop() {
	if im, _, _ := ws.queue.first(); im.block != 0 {
		ws.shard.releaseWalk(im.block)
	}
	ws.sent = 0
	ws.shard.space.preImages.add(-ws.queue.pop())
}
