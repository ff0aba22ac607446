package rdb

import (
	"encoding/binary"
	"math"

	"github.com/larder-cache/larder/base/errs"
)

// Chunk writes the next elements of the value that was begun, in the form in which a walk through a keyspace emits them (docs/formats/value.md): whole elements in
// a row, of a set its members; of a hash fields and values, with Content.FieldTTL each with its expiry; of a sorted set members and scores; of a list its nodes;
// of a stream all its parts.
func (w *Writer) Chunk(chunk []byte) error {
	c := chunkReader{rest: chunk, ttl: w.value == TypeHashTTL}
	for len(c.rest) > 0 && w.err == nil {
		el := Element{Kind: w.progress.next}
		c.element(&el)
		if c.bad {
			w.err = errs.Bugf("rdb.Writer: a chunk that does not end with a %s", el.Kind)
			break
		}
		w.Element(&el)
	}
	return w.err
}

// chunkReader takes a chunk apart. After a fault, bad is true.
type chunkReader struct {
	rest []byte
	ttl  bool // fields have expiries
	bad  bool
}

// element reads an element of kind el.Kind.
func (c *chunkReader) element(el *Element) {
	switch el.Kind {
	case ElementMember:
		el.Name = c.str()
	case ElementField:
		el.Name, el.Value = c.str(), c.str()
		if c.ttl {
			el.ExpireAtMs = c.expiry()
		}
	case ElementScored:
		el.Name, el.Score = c.str(), math.Float64frombits(c.u64())
	case ElementNode:
		if c.byte() == nodePlain {
			el.Kind = ElementItem
		}
		el.Value = c.str()
	default:
		c.stream(el)
	}
}

// stream reads a part of a stream.
func (c *chunkReader) stream(el *Element) {
	switch el.Kind {
	case ElementStreamNode:
		el.ID, el.Value = c.id(), c.str()
	case ElementStreamInfo:
		s := &el.Stream
		c.numbers(&s.Length, &s.Last.Ms, &s.Last.Seq, &s.First.Ms, &s.First.Seq, &s.MaxDeleted.Ms, &s.MaxDeleted.Seq, &s.Added, &el.Count)
	case ElementGroup:
		el.Name = c.str()
		c.numbers(&el.ID.Ms, &el.ID.Seq)
		el.EntriesRead = int64(c.u64())
		c.numbers(&el.Count)
	case ElementPending:
		el.ID, el.TimeMs = c.id(), int64(c.u64())
		c.numbers(&el.Deliveries)
	case ElementConsumers:
		c.numbers(&el.Count)
	case ElementConsumer:
		el.Name, el.TimeMs, el.ActiveMs = c.str(), int64(c.u64()), int64(c.u64())
		c.numbers(&el.Count)
	case ElementOwned:
		el.ID = c.id()
	default:
		c.bad = true
	}
}

// take returns the next n bytes.
func (c *chunkReader) take(n uint64) []byte {
	if c.bad = c.bad || n > uint64(len(c.rest)); c.bad {
		return nil
	}
	p := c.rest[:n]
	c.rest = c.rest[n:]
	return p
}

// byte returns the next byte.
func (c *chunkReader) byte() byte {
	p := c.take(1)
	if c.bad {
		return 0
	}
	return p[0]
}

// u64 returns the next eight bytes, least significant first.
func (c *chunkReader) u64() uint64 {
	p := c.take(8)
	if c.bad {
		return 0
	}
	return binary.LittleEndian.Uint64(p)
}

// uvarint returns a number of variable length.
func (c *chunkReader) uvarint() uint64 {
	n, size := binary.Uvarint(c.rest)
	if c.bad = c.bad || size <= 0; c.bad {
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

// numbers reads numbers of variable length.
func (c *chunkReader) numbers(into ...*uint64) {
	for _, n := range into {
		*n = c.uvarint()
	}
}

// id returns a stream's id.
func (c *chunkReader) id() StreamID {
	p := c.take(streamIDBytes)
	if c.bad {
		return StreamID{}
	}
	return streamID(p)
}

// str returns a string behind its length.
func (c *chunkReader) str() []byte { return c.take(c.uvarint()) }

// expiry returns an expiry as Element has it.
func (c *chunkReader) expiry() int64 {
	switch at := int64(c.u64()); {
	case at < 0:
		return 0
	case at == 0:
		return 1
	default:
		return at
	}
}
