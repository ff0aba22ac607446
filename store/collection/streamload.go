package collection

import (
	"errors"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/value"
)

// ErrPending is what a Loader says of a stream some of whose pending entries are no consumer's, or of two, or of a consumer but not of its group.
var ErrPending = errors.New("pending entries of consumers that are not those of their group")

// ErrStream is what a Loader says of a stream whose entries are out of order, or not as many as its figures say.
var ErrStream = errors.New("entries that do not fit the figures of their stream")

// ErrConsumer is what a Loader says of a stream with two consumers of one name in a group.
var ErrConsumer = errors.New("two consumers of one name in a group")

// streamLoad is what a Loader has of a stream, whose parts come in the order in which rdb.Reader gives them.
type streamLoad struct {
	waiting  []streamPart
	group    value.StreamGroup
	consumer value.StreamConsumer
	left     int // entries of the group that no consumer has yet

	entries uint64 // of all nodes, that are not deleted
	last    value.StreamID
}

// streamPart is a part of a stream that waits. Its string is in Loader.buf.
type streamPart struct {
	kind       streamPartKind
	start, end int
	id         value.StreamID
	at, active int64
	count      uint64
	figures    value.StreamFigures
}

type streamPartKind uint8

const (
	loadStreamNode streamPartKind = iota
	loadFigures
	loadGroup
	loadPending
	loadConsumer
	loadOwned
)

// StreamNode adds a stream's next node, whose layout has been validated.
func (l *Loader) StreamNode(id value.StreamID, lp []byte) {
	n, ok := value.CheckStreamNode(lp, id, &l.stream.last)
	l.stream.entries += n
	if !ok && l.err == nil {
		l.err = ErrStream
	}
	l.addPart(streamPart{kind: loadStreamNode, id: id}, lp)
}

// StreamFigures gives a stream's figures, behind its nodes, which have so many entries.
func (l *Loader) StreamFigures(f value.StreamFigures) {
	if (f.Length != l.stream.entries || f.Last.Less(l.stream.last)) && l.err == nil {
		l.err = ErrStream
	}
	l.addPart(streamPart{kind: loadFigures, figures: f}, nil)
}

// StreamGroup adds a group; its pending entries, consumers and theirs follow. read may be UnknownEntries.
func (l *Loader) StreamGroup(name []byte, last value.StreamID, read int64) {
	l.addPart(streamPart{kind: loadGroup, id: last, at: read}, name)
}

// StreamPending adds a pending entry to the last group: when, in milliseconds since 1970, it was delivered last, and how often it was.
func (l *Loader) StreamPending(id value.StreamID, at int64, deliveries uint64) {
	l.addPart(streamPart{kind: loadPending, id: id, at: at, count: deliveries}, nil)
}

// StreamConsumer adds a consumer to the last group. Times are milliseconds since 1970, active −1 for never.
func (l *Loader) StreamConsumer(name []byte, seen, active int64) {
	l.addPart(streamPart{kind: loadConsumer, at: seen, active: active}, name)
}

// StreamOwned gives one of the group's pending entries to the last consumer.
func (l *Loader) StreamOwned(id value.StreamID) { l.addPart(streamPart{kind: loadOwned, id: id}, nil) }

func (l *Loader) addPart(p streamPart, s []byte) {
	p.start = len(l.buf)
	l.buf = append(l.buf, s...)
	p.end = len(l.buf)
	l.stream.waiting = append(l.stream.waiting, p)
	if len(l.buf) >= limits.LoadBatchBytes || len(l.stream.waiting) >= limits.LoadBatchElements {
		l.flush()
	}
}

// insertStream puts what waits under the root. The shard is held.
func (l *Loader) insertStream() {
	for i := range l.stream.waiting {
		if l.err = l.insertPart(&l.stream.waiting[i]); l.err != nil {
			return
		}
	}
}

func (l *Loader) insertPart(p *streamPart) (err error) {
	st, s, str := &l.stream, value.OpenStream(l.env, l.root), l.buf[p.start:p.end]
	ok := true
	switch p.kind {
	case loadStreamNode:
		s.AppendNode(p.id, str)
	case loadFigures:
		s.SetFigures(p.figures)
	case loadGroup:
		if err := l.endStream(); err != nil {
			return err
		}
		st.group, ok = s.AddGroup(str, p.id, p.at)
	case loadPending:
		ok = st.group.Load(p.id, p.at, p.count)
		st.left++
	case loadConsumer:
		if st.consumer, ok = st.group.AddConsumer(str, p.at, p.active); !ok {
			return ErrConsumer
		}
	case loadOwned:
		if !st.group.Assign(st.consumer, p.id) {
			return ErrPending
		}
		st.left--
	}
	if !ok {
		return ErrDuplicate
	}
	return nil
}

// endStream says what is wrong with the stream so far, or with its last group.
func (l *Loader) endStream() error {
	if l.err == nil && l.stream.left > 0 {
		return ErrPending
	}
	return l.err
}
