package keyspace

import (
	"bytes"
	"errors"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// ChunkBytes is the most that an Item has of a value. A bigger value comes in several.
const ChunkBytes = 64 << 10

// ErrTooManyWalks is NewWalk's answer when dict.MaxWalks are at work.
var ErrTooManyWalks = errors.New("keyspace: too many snapshots at once")

// Item is a key as it was when the walk began, or a piece of it. Its slices are good until emit returns.
type Item struct {
	DB       int
	Key      []byte
	Type     value.Type
	Encoding value.Encoding
	ExpireAt int64  // milliseconds since 1970, or NoExpiry; expired keys are emitted too
	LRU      uint32 // as it is when emitted: an access is not a change
	// Value is a string's or a packed collection's bytes from Offset on. Up to ChunkBytes they come whole; of a longer value the items follow each other, without any
	// other in between, until Offset + len(Value) == Total.
	//
	// Of a Rooted value it is some whole elements, in the form of docs/formats/value.md: the items follow each other likewise, and have Count elements together.
	// They are not much longer than ChunkBytes unless an element is.
	Value         []byte
	Offset, Total int
	Rooted        bool
	Count         int
	FieldTTL      bool // a hash's fields come with their expiry

	first, last bool // of a rooted value
}

// First reports whether the item begins its value.
func (i *Item) First() bool {
	if i.Rooted {
		return i.first
	}
	return i.Offset == 0
}

// Last reports whether the item ends its value.
func (i *Item) Last() bool {
	if i.Rooted {
		return i.last
	}
	return i.Offset+len(i.Value) == i.Total
}

// Walk is a snapshot: it emits exactly the keys that were there at its beginning, each once, with the values they had, while writes go on.
//
// It goes through each dict by position (dict.BeginWalk). Whatever is about to change a bucket that the walk has not passed hands that bucket's entries over
// first, once: small values by copy, big ones by a share in their block (bigimage.go says how they change meanwhile), rooted ones by a part (part.go), which is a walk through the value's own index. They wait in a queue until Step
// emits them. Dicts are followed by identity, so FLUSHDB and SWAPDB change nothing; keys that are made later are in buckets handed over already.
//
// Each shard's part is independent, and under that shard's lock; but a rooted value may have moved on to another shard since it was handed over. Step, Drain and CloseShard are
// therefore told which shard is held, the one that Needs names.
type Walk struct {
	space  *Space
	slot   int // the walk's number in every dict that it goes through
	shards []walkShard
	going  atomic.Int32 // shards whose walk is not over
}

// walkShard is a walk's part in one shard. Its lock guards it, but for what is the walker's alone.
type walkShard struct {
	walk  *Walk
	shard *Shard
	roots []walkRoot
	queue preImageQueue
	// nested are the open parts of the rooted values that are in this shard now, whichever shard's walk they belong to, by their index.
	nested map[*dict.Dict]*part
	// bigs are the images of long strings that wait, by their blocks.
	bigs map[arena.Ref]*bigImage
	// direct: the walker goes through the shard's dicts, and emits what it is handed.
	direct bool

	// The walker's alone.
	emit    func(*Item)
	cost    int
	lanes   [2]lane
	lane    *lane // that run works on
	item    Item
	digits  [value.MaxIntLen]byte // where an integer's Value is written
	closing bool                  // CloseShard was called,
	closed  bool                  // and has been under the shard's lock,
	rest    []*part               // which left these open
	over    bool
}

// lane is one of two ways out of a shard's walk, main and aside: each emits the pieces of a value one after the other, and what the one emits may come between the pieces of
// the other. At most one of its fields is set.
type lane struct {
	part *part // that is being emitted
	long *image
	key  []byte // of long
}

const (
	mainLane = iota
	asideLane
)

func (l *lane) idle() bool { return l.part == nil && l.long == nil }

// waiting is how many bytes of what waits are of the value that is being emitted, and the lane's own.
func (l *lane) waiting() (n int) {
	if l.part != nil {
		n = int(unsafe.Sizeof(part{})) + l.part.bytes
	}
	if l.long != nil {
		n = l.long.bytes() + len(l.key) + l.long.big.bytes()
	}
	return n
}

type walkRoot struct {
	root *root
	db   int
}

// NewWalk begins a walk over all databases. Every shard must be held: this instant is what the walk shows.
func NewWalk(s *Space) (*Walk, error) {
	w := &Walk{space: s, slot: s.freeWalk(), shards: make([]walkShard, len(s.shards))}
	if w.slot < 0 {
		return nil, ErrTooManyWalks
	}
	s.preImages.setBound(s.arena.Used())
	w.going.Store(int32(len(w.shards)))
	s.walks[w.slot].Store(w)
	for i := range w.shards {
		w.shards[i].begin(w, &s.shards[i])
	}
	return w, nil
}

// freeWalk is the number of a walk that no other has in any shard.
func (s *Space) freeWalk() int {
	for i := range s.walks {
		if s.walks[i].Load() == nil {
			return i
		}
	}
	return -1
}

func (ws *walkShard) begin(w *Walk, sh *Shard) {
	ws.walk, ws.shard = w, sh
	for n, d := range sh.dbs {
		if d != nil && d.Len() > 0 {
			ws.roots = append(ws.roots, walkRoot{d.root, n})
			d.root.dict.BeginWalk(w.slot)
		}
	}
}

// Keys is how many keys a shard's part began with or, once under way, an upper bound of what is left in the dicts. It is for sizes in headers and for progress.
func (w *Walk) Keys(shard int) (n int) {
	for _, p := range w.shards[shard].roots {
		n += p.root.dict.Len()
	}
	return n
}

// Pending is how many bytes wait in a shard's queue for Step or Drain: copies, and what the queue itself needs; of rooted values and long strings, what waits for those that
// are being emitted. To be asked under the lock that Needs names.
func (w *Walk) Pending(shard int) int {
	ws := &w.shards[shard]
	n := ws.queue.bytes
	for i := range ws.lanes {
		if n += ws.lanes[i].waiting(); ws.lanes[i].long != nil {
			n -= ws.lanes[i].long.big.bytes() // the queue counts them
		}
	}
	return n
}

// Within is how many of those are of the value that Step or Drain is in the middle of; 0 if there is none, or if it is not in the shard that is held.
func (w *Walk) Within(shard, held int) int {
	if ws := &w.shards[shard]; ws.needs(mainLane) == held {
		return ws.lanes[mainLane].waiting()
	}
	return 0
}

// Needs is the shard whose lock Step, Drain and CloseShard need to go on with a shard's part: mostly that shard. The answer may be out of date by the time
// that the lock is taken; they notice, do nothing, and it is to be asked again. It needs no lock itself.
func (w *Walk) Needs(shard int) int {
	ws := &w.shards[shard]
	if ws.closing && ws.closed && !ws.over {
		return int(ws.rest[0].where.Load())
	}
	return ws.needs(mainLane)
}

// NeedsAside is Needs for Aside.
func (w *Walk) NeedsAside(shard int) int { return w.shards[shard].needs(asideLane) }

func (ws *walkShard) needs(lane int) int {
	if p := ws.lanes[lane].part; p != nil && !ws.over && !ws.closing {
		return int(p.where.Load())
	}
	return ws.shard.index
}

// bucketCost is what a bucket costs of a budget, however little is in it: a sparse dict must not hold its lock for long either.
const bucketCost = 64

// Step emits what waits and then goes on through the shard, until it has emitted budget bytes (keys, values, 64 for each item and each bucket; the last bucket may exceed it).
// It reports whether this shard's part is complete, which it is not while Aside is in the middle of a value. held is the shard that is locked; if it is not the one that Needs says, nothing is done. emit must not change the shard, and sees Items that are good until it returns.
func (w *Walk) Step(shard, held, budget int, emit func(*Item)) (done bool) {
	ws := &w.shards[shard]
	ws.run(mainLane, held, budget, emit, true)
	return ws.over
}

// Drain is Step that only emits what waits, and rooted values that wait whole. It reports whether nothing does any more.
func (w *Walk) Drain(shard, held, budget int, emit func(*Item)) (empty bool) {
	ws := &w.shards[shard]
	ws.run(mainLane, held, budget, emit, false)
	return ws.lanes[mainLane].idle() && held == shard && ws.queue.empty()
}

// Aside is Drain for what is to be kept apart, while Step or Drain is in the middle of a long value: the items that it emits may come between the pieces of that one. held is
// the shard that is locked, which should be the one that NeedsAside says.
func (w *Walk) Aside(shard, held, budget int, emit func(*Item)) (empty bool) {
	ws := &w.shards[shard]
	ws.run(asideLane, held, budget, emit, false)
	return ws.lanes[asideLane].idle() && held == shard && ws.queue.empty()
}

// run works off a budget; through says whether the walk goes on through the dicts when nothing waits.
func (ws *walkShard) run(lane, held, budget int, emit func(*Item), through bool) {
	ws.lane, ws.emit, ws.cost = &ws.lanes[lane], emit, 0
	defer func() { ws.emit = nil }()
	for !ws.over && ws.cost < budget {
		if p := ws.lane.part; p != nil {
			if int(p.where.Load()) != held {
				return
			}
			ws.goOn(p)
			continue
		}
		switch {
		case held != ws.shard.index:
			return
		case ws.lane.long != nil:
			ws.emitPiece()
		case !ws.queue.empty():
			ws.emitImage()
		case !through:
			return
		case len(ws.roots) > 0:
			ws.bucket()
		case !ws.lanes[asideLane].idle():
			return
		default:
			ws.finish()
		}
	}
}

// bucket goes over the next bucket of the shard's dicts.
func (ws *walkShard) bucket() {
	ws.cost += bucketCost
	ws.direct = true
	d := &ws.roots[0].root.dict
	if !d.WalkStep(&ws.shard.env, ws.walk.slot) {
		d.EndWalk(ws.walk.slot)
		ws.roots = ws.roots[1:]
	}
	ws.direct = false
}

// CloseShard ends a walk in one shard, complete or not. held is the shard that is locked, which should be the one that Needs says. It reports whether it is ended; while it is
// not, it is to be called again with what Needs says then. When it is, it may be called more often.
func (w *Walk) CloseShard(shard, held int) (done bool) {
	ws := &w.shards[shard]
	ws.closing = true
	if !ws.over && !ws.closed && held == shard {
		ws.stop()
	}
	if ws.over || !ws.closed {
		return ws.over
	}
	left := ws.rest[:0]
	for _, p := range ws.rest {
		if int(p.where.Load()) == held {
			p.close(&w.space.shards[held])
		} else {
			left = append(left, p)
		}
	}
	if ws.rest = left; len(left) == 0 {
		ws.finish()
	}
	return ws.over
}

// Close ends a walk in all shards, which are held.
func (w *Walk) Close() {
	for i := range w.shards {
		for !w.CloseShard(i, w.Needs(i)) {
		}
	}
}

// stop ends the way through the shard's dicts, and drops what waits; parts are left in rest.
func (ws *walkShard) stop() {
	for _, p := range ws.roots {
		p.root.dict.EndWalk(ws.walk.slot)
	}
	for i := range ws.lanes {
		l := &ws.lanes[i]
		if l.part != nil {
			ws.rest = append(ws.rest, l.part)
		}
		if l.long != nil {
			ws.unshare(l.long.block, l.long.big)
		}
		*l = lane{}
	}
	for !ws.queue.empty() {
		if im, _, _ := ws.queue.first(); im.part != nil {
			ws.rest = append(ws.rest, im.part)
		}
		ws.drop()
	}
	ws.roots, ws.closed = nil, true
}

// finish: nothing is left of the walk in this shard. Its number is free when that is so in all of them.
func (ws *walkShard) finish() {
	ws.roots, ws.queue, ws.over = nil, preImageQueue{}, true
	if ws.walk.going.Add(-1) == 0 {
		ws.walk.space.walks[ws.walk.slot].Store(nil)
	}
}

// hand is dict.Env's Hand: an entry for a walk, either because Step comes to it, or because it is about to change.
func (sh *Shard) hand(d *dict.Dict, walk int, ref arena.Ref) {
	ws := &sh.space.walks[walk].Load().shards[sh.index]
	e := sh.reader.entry(ref)
	it := Item{DB: ws.dbOf(d), Type: e.Type(), Encoding: e.Encoding(), ExpireAt: e.ExpireAt(), LRU: e.LRU()}
	if e.rooted() {
		ws.open(e, &it)
		return
	}
	it.Total = e.StringLen()
	if !ws.direct || it.Total > ChunkBytes {
		ws.enqueue(e, &it)
		return
	}
	ws.item = it
	ws.item.Key, ws.item.Value = e.Key(), e.String(&ws.digits)
	ws.send()
}

func (ws *walkShard) dbOf(d *dict.Dict) int {
	for _, p := range ws.roots {
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

// enqueue keeps an entry, of which it is the head, until Step or Drain emits it.
func (ws *walkShard) enqueue(e Entry, it *Item) {
	var digits [value.MaxIntLen]byte
	im := image{item: *it}
	var val []byte
	switch n, isInt := e.Int(); {
	case isInt:
		val = strconv.AppendInt(digits[:0], n, 10)
	case e.big():
		im.block, im.big = ws.share(e, it.Total)
	default:
		val = inlineBytes(e)
	}
	ws.shard.space.preImages.add(ws.queue.push(im, e.Key(), val))
}

// emitImage emits the queue's first image. A rooted value or a long string it only begins.
func (ws *walkShard) emitImage() {
	im, key, val := ws.queue.first()
	switch {
	case im.part != nil:
		ws.lane.part = im.part
		ws.drop()
		return
	case im.big != nil:
		begun := *im
		ws.lane.long, ws.lane.key = &begun, bytes.Clone(key)
		ws.shard.space.preImages.add(-ws.queue.pop())
		return
	}
	ws.item = im.item
	ws.item.Key, ws.item.Value = key, val
	if im.block != 0 {
		ws.item.Value = blockBytes(ws.shard.space.arena, im.block, ws.item.Total)
	}
	ws.send()
	ws.drop()
}

// emitPiece emits the next piece of a long string.
func (ws *walkShard) emitPiece() {
	im := ws.lane.long
	ws.item = im.item
	ws.item.Key = ws.lane.key
	ws.item.Offset, ws.item.Value = ws.chunk(im.big)
	ws.send()
	ws.emitted(im.big)
	if ws.item.Last() {
		ws.unshare(im.block, im.big)
		*ws.lane = lane{}
	}
}

// drop takes the first image out of the queue.
func (ws *walkShard) drop() {
	if im, _, _ := ws.queue.first(); im.block != 0 {
		ws.unshare(im.block, im.big)
	}
	ws.shard.space.preImages.add(-ws.queue.pop())
}
