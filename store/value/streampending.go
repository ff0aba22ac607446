package value

import (
	"bytes"
	"sync/atomic"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/tree"
)

// StreamConsumer is a consumer of a group, good to be read until it is changed by another handle. One that OwnConsumer or AddConsumer gives may be changed.
type StreamConsumer struct {
	env *Env
	ref arena.Ref
}

// seekConsumer puts c at the consumer of this name; false if there is none.
func (g StreamGroup) seekConsumer(c *tree.Cursor, name []byte) bool {
	env, e := g.env, &g.env.consumers
	ok := g.block().consumers.SeekTie(e, c, nameKey(name), func(ref arena.Ref) int { return bytes.Compare(env.consumerName(ref), name) })
	return ok && string(env.consumerName(c.Item(e).Ref)) == string(name)
}

// FindConsumer is the consumer of this name, to be read.
func (g StreamGroup) FindConsumer(name []byte) (StreamConsumer, bool) {
	var c tree.Cursor
	if !g.seekConsumer(&c, name) {
		return StreamConsumer{}, false
	}
	return StreamConsumer{g.env, c.Item(&g.env.consumers).Ref}, true
}

// OwnConsumer is the consumer of this name, to be changed, as the group may be.
func (g StreamGroup) OwnConsumer(name []byte) (StreamConsumer, bool) {
	var c tree.Cursor
	if !g.seekConsumer(&c, name) {
		return StreamConsumer{}, false
	}
	env, e, t := g.env, &g.env.consumers, &g.block().consumers
	old := t.Own(e, &c).Ref
	b := block[consumerBlock](env.Arena, old)
	if !shared(&b.owners) {
		return StreamConsumer{env, old}, true
	}
	to := g.newConsumer(b.name)
	x := to.block()
	x.seen, x.active = b.seen, b.active
	x.pending = b.pending.Snapshot(&env.owned)
	atomic.AddUint32(&block[nameBlock](env.Arena, b.name).owners, 1)
	t.Set(e, &c, to.ref, 1)
	env.dropConsumer(old)
	g.block().bytes -= int64(env.Arena.Size(to.ref)) // in the place of the old one
	return to, true
}

// newConsumer makes the block of a consumer, which takes over the ownership of its name.
func (g StreamGroup) newConsumer(name arena.Ref) StreamConsumer {
	c := StreamConsumer{g.env, g.env.Heap.AllocZero(consumerSize)}
	b := c.block()
	b.owners, b.name = 1, name
	g.block().bytes += int64(g.env.Arena.Size(c.ref))
	return c
}

// AddConsumer makes a consumer; false if there is one of this name. Times are milliseconds since 1970; active is −1 if it never was.
func (g StreamGroup) AddConsumer(name []byte, seen, active int64) (StreamConsumer, bool) {
	var c tree.Cursor
	if g.seekConsumer(&c, name) {
		return StreamConsumer{}, false
	}
	ref := g.env.Heap.Alloc(nameHead + len(name))
	g.block().bytes += int64(g.env.Arena.Size(ref))
	n := block[nameBlock](g.env.Arena, ref)
	n.owners, n.len = 1, uint32(len(name))
	copy(nameBytes(g.env.Arena, ref), name)
	x := g.newConsumer(ref)
	x.SetSeen(seen)
	x.SetActive(active)
	g.block().consumers.Put(&g.env.consumers, tree.Item{Key: nameKey(name), Ref: x.ref})
	return x, true
}

// RemoveConsumer removes a consumer and its pending entries, and tells how many these were; false if there is none of this name.
func (g StreamGroup) RemoveConsumer(name []byte) (pending int, ok bool) {
	var c, p, at tree.Cursor
	if !g.seekConsumer(&c, name) {
		return 0, false
	}
	env, b := g.env, g.block()
	x := block[consumerBlock](env.Arena, c.Item(&env.consumers).Ref)
	pending = x.pending.Items()
	for ok := x.pending.First(&env.owned, &p); ok; ok = p.Next(&env.owned) {
		if key := p.Item(&env.owned).Key; b.pending.Seek(&env.pending, &at, key) {
			env.pending.Drop(b.pending.Remove(&env.pending, &at).Ref)
		}
	}
	ref := b.consumers.Remove(&env.consumers, &c).Ref
	b.bytes -= int64(env.Arena.Size(ref) + env.Arena.Size(block[consumerBlock](env.Arena, ref).name))
	env.dropConsumer(ref)
	return pending, true
}

// EachConsumer goes over the consumers by name, to be read, until fn is false.
func (g StreamGroup) EachConsumer(fn func(StreamConsumer) bool) {
	e := &g.env.consumers
	var c tree.Cursor
	for ok := g.block().consumers.First(e, &c); ok; ok = c.Next(e) {
		if !fn(StreamConsumer{g.env, c.Item(e).Ref}) {
			return
		}
	}
}

func (c StreamConsumer) block() *consumerBlock { return block[consumerBlock](c.env.Arena, c.ref) }

// Name is the consumer's name.
func (c StreamConsumer) Name() []byte { return c.env.consumerName(c.ref) }

// SeenMs is when it tried to do something last, in milliseconds since 1970.
func (c StreamConsumer) SeenMs() int64 { return c.block().seen }

// SetSeen sets it.
func (c StreamConsumer) SetSeen(ms int64) { c.block().seen = ms }

// ActiveMs is when it got something last, −1 if never.
func (c StreamConsumer) ActiveMs() int64 { return c.block().active }

// SetActive sets it.
func (c StreamConsumer) SetActive(ms int64) { c.block().active = ms }

// Pending is the number of its pending entries.
func (c StreamConsumer) Pending() int { return c.block().pending.Items() }

// StreamPending is an entry that was delivered to a consumer, and not acknowledged.
type StreamPending struct {
	ID StreamID
	// Consumer is the consumer's name, a part of the stream.
	Consumer []byte
	// DeliveredMs is when it was delivered last, in milliseconds since 1970; Deliveries how often it was.
	DeliveredMs int64
	Deliveries  uint64
}

// pendingAt is the pending entry that c is at.
func (g StreamGroup) pendingAt(c *tree.Cursor) StreamPending {
	it := c.Item(&g.env.pending)
	b := block[pendingBlock](g.env.Arena, it.Ref)
	return StreamPending{ID: idOf(it.Key), Consumer: nameBytes(g.env.Arena, b.name), DeliveredMs: b.delivered, Deliveries: b.count}
}

// seekPending puts c at the pending entry of this id; false, and c where it would be, if it is not pending.
func (g StreamGroup) seekPending(c *tree.Cursor, id StreamID) bool {
	return g.block().pending.Seek(&g.env.pending, c, id.key()) && idOf(c.Item(&g.env.pending).Key) == id
}

// Lookup is the pending entry of this id.
func (g StreamGroup) Lookup(id StreamID) (StreamPending, bool) {
	var c tree.Cursor
	if !g.seekPending(&c, id) {
		return StreamPending{}, false
	}
	return g.pendingAt(&c), true
}

// LastPending is the pending entry with the greatest id.
func (g StreamGroup) LastPending() (StreamPending, bool) {
	var c tree.Cursor
	if !g.block().pending.Last(&g.env.pending, &c) {
		return StreamPending{}, false
	}
	return g.pendingAt(&c), true
}

// EachPending goes over pending entries from an id on until fn is false.
func (g StreamGroup) EachPending(from StreamID, fn func(StreamPending) bool) {
	var c tree.Cursor
	for ok := g.block().pending.Seek(&g.env.pending, &c, from.key()); ok; ok = c.Next(&g.env.pending) {
		if !fn(g.pendingAt(&c)) {
			return
		}
	}
}

// EachOwned goes over the ids that are pending for one of the group's consumers, from an id on, until fn is false.
func (c StreamConsumer) EachOwned(from StreamID, fn func(StreamID) bool) {
	e := &c.env.owned
	var at tree.Cursor
	for ok := c.block().pending.Seek(e, &at, from.key()); ok; ok = at.Next(e) {
		if !fn(idOf(at.Item(e).Key)) {
			return
		}
	}
}

// Deliver makes an entry pending for one of the group's consumers, which may be changed: a new one, or one that was pending for any of them. It reports whether it is new.
func (g StreamGroup) Deliver(to StreamConsumer, id StreamID, at int64, count uint64) (created bool) {
	var c tree.Cursor
	env, name := g.env, to.block().name
	if !g.seekPending(&c, id) {
		ref := env.Heap.Alloc(pendingSize)
		*block[pendingBlock](env.Arena, ref) = pendingBlock{owners: 1, name: name, delivered: at, count: count}
		g.block().pending.Insert(&env.pending, &c, tree.Item{Key: id.key(), Ref: ref})
		to.block().pending.Put(&env.owned, tree.Item{Key: id.key()})
		return true
	}
	p := g.ownPending(&c)
	p.delivered, p.count = at, count
	if p.name != name {
		g.disown(p.name, id)
		to.block().pending.Put(&env.owned, tree.Item{Key: id.key()})
		p.name = name
	}
	return false
}

// Load makes an entry pending that is no consumer's yet; false if there is one of this id. The group must not be used until Assign has been called for all of them.
func (g StreamGroup) Load(id StreamID, at int64, count uint64) bool {
	var c tree.Cursor
	if g.seekPending(&c, id) {
		return false
	}
	ref := g.env.Heap.Alloc(pendingSize)
	*block[pendingBlock](g.env.Arena, ref) = pendingBlock{owners: 1, delivered: at, count: count}
	g.block().pending.Insert(&g.env.pending, &c, tree.Item{Key: id.key(), Ref: ref})
	return true
}

// Assign gives an entry that was loaded to a consumer; false if there is none of this id, or it has been assigned.
func (g StreamGroup) Assign(to StreamConsumer, id StreamID) bool {
	var c tree.Cursor
	if !g.seekPending(&c, id) {
		return false
	}
	p := g.ownPending(&c)
	if p.name != arena.Nil {
		return false
	}
	p.name = to.block().name
	to.block().pending.Put(&g.env.owned, tree.Item{Key: id.key()})
	return true
}

// ownPending is the block of the pending entry that c is at, to be changed.
func (g StreamGroup) ownPending(c *tree.Cursor) *pendingBlock {
	env, e, t := g.env, &g.env.pending, &g.block().pending
	ref := t.Own(e, c).Ref
	p := block[pendingBlock](env.Arena, ref)
	if !shared(&p.owners) {
		return p
	}
	to := env.Heap.Alloc(pendingSize)
	x := block[pendingBlock](env.Arena, to)
	*x = pendingBlock{owners: 1, name: p.name, delivered: p.delivered, count: p.count}
	t.Set(e, c, to, 1)
	e.Drop(ref)
	return x
}

// disown takes an id from the consumer of this name.
func (g StreamGroup) disown(name arena.Ref, id StreamID) {
	x, ok := g.OwnConsumer(nameBytes(g.env.Arena, name))
	var c tree.Cursor
	if ok && x.block().pending.Seek(&g.env.owned, &c, id.key()) {
		x.block().pending.Remove(&g.env.owned, &c)
	}
}

// Ack takes an entry out of the pending ones; false if it is not among them.
func (g StreamGroup) Ack(id StreamID) bool {
	var c tree.Cursor
	if !g.seekPending(&c, id) {
		return false
	}
	t, e := &g.block().pending, &g.env.pending
	g.disown(block[pendingBlock](g.env.Arena, c.Item(e).Ref).name, id)
	e.Drop(t.Remove(e, &c).Ref)
	return true
}
