package collection

import (
	"bytes"

	"github.com/larder-cache/larder/store/value"
)

// StreamPending is an entry that was delivered to a consumer, and not acknowledged.
type StreamPending = value.StreamPending

// StreamGroup is a handle on a group of a stream. It stays good whatever else is done with the handle on the stream, until the group is destroyed.
type StreamGroup struct {
	s    *Stream
	v    value.StreamGroup
	name []byte
	own  bool // v may be changed
	// version counts what may have moved consumers, whose handles look again.
	version int
	one     StreamConsumer // the handle that was asked for first
}

// change is the group, for a change.
func (g *StreamGroup) change() value.StreamGroup {
	if !g.own {
		g.v, _ = g.s.change().OwnGroup(g.name)
		g.own = true
		g.version++
	}
	return g.v
}

// Name is the group's name.
func (g *StreamGroup) Name() []byte { return g.name }

// LastID is the last id that was delivered.
func (g *StreamGroup) LastID() StreamID { return g.v.LastID() }

// SetLastID sets it.
func (g *StreamGroup) SetLastID(id StreamID) { g.change().SetLastID(id) }

// EntriesRead is how many entries the group has read, or UnknownEntries.
func (g *StreamGroup) EntriesRead() int64 { return g.v.EntriesRead() }

// SetEntriesRead sets it.
func (g *StreamGroup) SetEntriesRead(n int64) { g.change().SetEntriesRead(n) }

// Pending is the number of pending entries.
func (g *StreamGroup) Pending() int { return g.v.Pending() }

// Consumers is the number of consumers.
func (g *StreamGroup) Consumers() int { return g.v.Consumers() }

// Consumer is the consumer of this name, nil if there is none. The name must stay as it is while the handle is used.
func (g *StreamGroup) Consumer(name []byte) *StreamConsumer {
	v, ok := g.v.FindConsumer(name)
	if !ok {
		return nil
	}
	return g.keep(StreamConsumer{g: g, v: v, name: name, version: g.version})
}

// keep is a handle that lives as long as g's, or as somebody has it.
func (g *StreamGroup) keep(c StreamConsumer) *StreamConsumer {
	if g.one.g == nil {
		g.one = c
		return &g.one
	}
	return &c
}

// CreateConsumer makes a consumer that was seen at a time, in milliseconds since 1970, and never active; nil if there is one of this name. The name must stay as it is while the
// handle is used.
func (g *StreamGroup) CreateConsumer(name []byte, seenMs int64) *StreamConsumer {
	if _, ok := g.v.FindConsumer(name); ok {
		return nil
	}
	v, _ := g.change().AddConsumer(name, seenMs, -1)
	return g.keep(StreamConsumer{g: g, v: v, name: name, own: true, version: g.version})
}

// DeleteConsumer removes a consumer and its pending entries, and tells how many these were; false if there is none of this name.
func (g *StreamGroup) DeleteConsumer(name []byte) (pending int, ok bool) {
	if _, ok := g.v.FindConsumer(name); !ok {
		return 0, false
	}
	pending, ok = g.change().RemoveConsumer(name)
	g.version++
	return pending, ok
}

// EachConsumer goes over the consumers in the order of their names until fn is false. fn must not change the group.
func (g *StreamGroup) EachConsumer(fn func(*StreamConsumer) bool) {
	g.v.EachConsumer(func(v value.StreamConsumer) bool {
		return fn(&StreamConsumer{g: g, v: v, name: bytes.Clone(v.Name()), version: g.version})
	})
}

// Lookup is the pending entry of this id.
func (g *StreamGroup) Lookup(id StreamID) (StreamPending, bool) { return g.v.Lookup(id) }

// PendingFrom is the first pending entry from an id on.
func (g *StreamGroup) PendingFrom(from StreamID) (p StreamPending, ok bool) {
	g.v.EachPending(from, func(x StreamPending) bool {
		p, ok = x, true
		return false
	})
	return p, ok
}

// LastPending is the pending entry with the greatest id.
func (g *StreamGroup) LastPending() (StreamPending, bool) { return g.v.LastPending() }

// EachPending goes over the pending entries from an id on until fn is false. fn must not change the stream.
func (g *StreamGroup) EachPending(from StreamID, fn func(StreamPending) bool) {
	g.v.EachPending(from, fn)
}

// Deliver makes an entry pending for a consumer of the group: a new one, or one that was pending, whoever's it was. It reports whether it is new.
func (g *StreamGroup) Deliver(c *StreamConsumer, id StreamID, deliveredMs int64, deliveries uint64) (created bool) {
	if created = g.change().Deliver(c.change(), id, deliveredMs, deliveries); !created {
		g.version++ // it may have been taken from another one
	}
	return created
}

// Ack takes an entry out of the pending ones; false if it is not among them.
func (g *StreamGroup) Ack(id StreamID) bool {
	if _, ok := g.v.Lookup(id); !ok {
		return false
	}
	g.change().Ack(id)
	g.version++
	return true
}

// StreamConsumer is a handle on a consumer. It stays good whatever else is done with the handle on the stream, until the consumer is deleted.
type StreamConsumer struct {
	g       *StreamGroup
	v       value.StreamConsumer
	name    []byte
	own     bool // v may be changed, if the version is the group's
	version int  // of the group, when v was found
}

// read is the consumer, to be read.
func (c *StreamConsumer) read() value.StreamConsumer {
	if c.version != c.g.version {
		c.v, _ = c.g.v.FindConsumer(c.name)
		c.version, c.own = c.g.version, false
	}
	return c.v
}

// change is the consumer, for a change.
func (c *StreamConsumer) change() value.StreamConsumer {
	if g := c.g.change(); !c.own || c.version != c.g.version {
		c.v, _ = g.OwnConsumer(c.name)
		c.g.version++
		c.version, c.own = c.g.version, true
	}
	return c.v
}

// Name is the consumer's name.
func (c *StreamConsumer) Name() []byte { return c.name }

// SeenMs is when it tried to do something last, in milliseconds since 1970.
func (c *StreamConsumer) SeenMs() int64 { return c.read().SeenMs() }

// SetSeen sets it.
func (c *StreamConsumer) SetSeen(ms int64) { c.change().SetSeen(ms) }

// ActiveMs is when it got something last, −1 if never.
func (c *StreamConsumer) ActiveMs() int64 { return c.read().ActiveMs() }

// SetActive sets it.
func (c *StreamConsumer) SetActive(ms int64) { c.change().SetActive(ms) }

// Pending is the number of its pending entries.
func (c *StreamConsumer) Pending() int { return c.read().Pending() }

// EachPending goes over its pending entries from an id on until fn is false. fn must not change the stream.
func (c *StreamConsumer) EachPending(from StreamID, fn func(StreamPending) bool) {
	c.read().EachOwned(from, func(id StreamID) bool {
		p, ok := c.g.v.Lookup(id)
		return !ok || fn(p)
	})
}

// PendingFrom is the first of its pending entries from an id on.
func (c *StreamConsumer) PendingFrom(from StreamID) (p StreamPending, ok bool) {
	c.EachPending(from, func(x StreamPending) bool {
		p, ok = x, true
		return false
	})
	return p, ok
}
