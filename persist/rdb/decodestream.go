package rdb

import "encoding/binary"

// stream reads the part of a stream that is in turn.
func (r *Reader) stream(el *Element) error {
	switch el.Kind {
	case ElementStreamNode:
		return r.streamNode(el)
	case ElementStreamInfo:
		return r.streamInfo(el)
	case ElementGroup:
		return r.group(el)
	case ElementPending:
		return r.pendingEntry(el)
	case ElementConsumers:
		return r.lengths("a number of consumers", &el.Count)
	case ElementConsumer:
		return r.consumer(el)
	default:
		return r.rawID(&el.ID)
	}
}

// lengths reads lengths.
func (r *Reader) lengths(what string, into ...*uint64) (err error) {
	for _, n := range into {
		if *n, err = r.length(what); err != nil {
			return err
		}
	}
	return nil
}

// streamID returns the id that 16 bytes are.
func streamID(p []byte) StreamID {
	return StreamID{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])}
}

// rawID reads an id of 16 bytes.
func (r *Reader) rawID(id *StreamID) error {
	p, err := r.src.take(streamIDBytes, "a stream's id")
	if err == nil {
		*id = streamID(p)
	}
	return err
}

// ms reads a time.
func (r *Reader) ms(into *int64) error {
	v, err := r.src.u64("a time")
	*into = int64(v)
	return err
}

// streamNode reads a node: its id and a listpack.
func (r *Reader) streamNode(el *Element) error {
	c, at := &r.contents, r.src.offset()
	id, err := r.text(&c.name, "a stream node's id")
	if err != nil {
		return err
	}
	if len(id) != streamIDBytes {
		return r.corruptAt(at, "a stream node's id of %d bytes, expected %d", len(id), streamIDBytes)
	}
	el.ID = streamID(id)
	if c.nodes && !c.node.Less(el.ID) {
		return r.corruptAt(at, "a stream's nodes are not in order")
	}
	c.node, c.nodes = el.ID, true
	at = r.src.offset()
	if el.Value, err = r.blob(); err != nil {
		return err
	}
	if err := checkListpack(1)(el.Value); err != nil {
		return r.corruptAt(at, "%v", err)
	}
	first, found, ok := checkStreamNode(el.Value, el.ID)
	if !ok {
		return r.corruptAt(at, "a listpack that is no node of a stream")
	}
	if found && !c.found {
		c.first, c.found = first, true
	}
	return nil
}

// streamInfo reads what a stream has beside its entries.
func (r *Reader) streamInfo(el *Element) error {
	const what = "a figure of a stream"
	c, at, s := &r.contents, r.src.offset(), &el.Stream
	if err := r.lengths(what, &s.Length, &s.Last.Ms, &s.Last.Seq); err != nil {
		return err
	}
	if c.typ == TypeStream { // Redis 5 had no more, and this is how later ones fill it in
		s.Added, s.First = s.Length, c.first
	} else if err := r.lengths(what, &s.First.Ms, &s.First.Seq, &s.MaxDeleted.Ms, &s.MaxDeleted.Seq, &s.Added); err != nil {
		return err
	}
	if s.Length > 0 && !c.nodes {
		return r.corruptAt(at, "a stream of %d entries without a node", s.Length)
	}
	c.info = *s
	return r.lengths("a number of consumer groups", &el.Count)
}

// group reads what a consumer group has beside its entries and consumers.
func (r *Reader) group(el *Element) (err error) {
	const what = "a figure of a consumer group"
	if el.Name, err = r.copied(&r.contents.name, "the name of a consumer group"); err != nil {
		return err
	}
	if err := r.lengths(what, &el.ID.Ms, &el.ID.Seq); err != nil {
		return err
	}
	if r.contents.typ == TypeStream {
		el.EntriesRead = r.contents.info.readUpTo(el.ID)
	} else {
		var n uint64
		if err := r.lengths(what, &n); err != nil {
			return err
		}
		el.EntriesRead = int64(n)
	}
	return r.lengths("a number of pending entries", &el.Count)
}

// readUpTo estimates how many entries a group has read whose last id is id, for a stream of Redis 5, of which no deletions are known. Source:
// streamEstimateDistanceFromFirstEverEntry.
func (s *StreamInfo) readUpTo(id StreamID) int64 {
	switch {
	case s.Added == 0:
		return 0
	case id == s.Last:
		return int64(s.Added)
	case s.Last.Less(id):
		return UnknownEntriesRead
	case id.Less(s.First):
		return int64(s.Added - s.Length)
	case id == s.First:
		return int64(s.Added-s.Length) + 1
	}
	return UnknownEntriesRead
}

// pendingEntry reads an entry that a group has delivered.
func (r *Reader) pendingEntry(el *Element) error {
	if err := r.rawID(&el.ID); err != nil {
		return err
	}
	if err := r.ms(&el.TimeMs); err != nil {
		return err
	}
	return r.lengths("a number of deliveries", &el.Deliveries)
}

// consumer reads what a consumer has beside its entries.
func (r *Reader) consumer(el *Element) (err error) {
	if el.Name, err = r.copied(&r.contents.name, "the name of a consumer"); err != nil {
		return err
	}
	if err := r.ms(&el.TimeMs); err != nil {
		return err
	}
	el.ActiveMs = el.TimeMs // the best that is known
	if r.contents.typ == TypeStream3 {
		if err := r.ms(&el.ActiveMs); err != nil {
			return err
		}
	}
	return r.lengths("a number of pending entries", &el.Count)
}
