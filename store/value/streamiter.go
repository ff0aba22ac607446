package value

import (
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/tree"
)

// StreamIter is a way through the entries of a stream that are not deleted, until that is changed. It is begun by RootedStream.Iterate; the zero StreamIter is at its end.
type StreamIter struct {
	s        RootedStream
	c        tree.Cursor
	from, to StreamID
	reverse  bool
	live     bool

	lp    []byte // the node's, nil before it was looked at
	node  StreamID
	head  streamHead
	entry streamEntry
	begun bool // entry is one of the node

	// What of the entry has not been read.
	field int // position of the next field, in the head or here
	at    int // position of the next value, or of the next field if that is here
	left  int // parts of the entry from at on

	buf [2][decimal.MaxLen]byte
}

// Iterate puts it before the first of the entries from one id to another, both included; in descending order, before the last, if reverse.
func (s RootedStream) Iterate(it *StreamIter, from, to StreamID, reverse bool) {
	it.s, it.from, it.to, it.reverse, it.lp, it.begun = s, from, to, reverse, nil, false
	if reverse {
		it.live = s.nodeFor(&it.c, to)
		return
	}
	it.live = s.nodeFor(&it.c, from) || s.entries().First(&s.env.stream, &it.c)
}

// Next goes to the next entry, false if there is none.
func (it *StreamIter) Next() bool {
	for it.live {
		if !it.step() {
			it.lp, it.begun = nil, false
			if it.reverse {
				it.live = it.c.Prev(&it.s.env.stream)
			} else {
				it.live = it.c.Next(&it.s.env.stream)
			}
			continue
		}
		id := it.entry.id
		if it.reverse && id.Less(it.from) || !it.reverse && it.to.Less(id) {
			it.live = false
			return false
		}
		if !it.entry.deleted() && !id.Less(it.from) && !it.to.Less(id) {
			return true
		}
	}
	return false
}

// step goes to the next entry of the node, deleted ones included; false behind the last.
func (it *StreamIter) step() bool {
	if it.lp == nil {
		it.lp, it.node = it.s.node(&it.c), idOf(it.c.Item(&it.s.env.stream).Key)
		it.head = readHead(it.lp)
	}
	at := listpack.None
	switch {
	case it.reverse && it.begun:
		at = it.head.before(it.lp, it.entry.at)
	case it.reverse:
		at = it.head.before(it.lp, listpack.End(it.lp))
	case it.begun:
		at = listpack.Skip(it.lp, it.at, it.left)
	default:
		at = listpack.Next(it.lp, it.head.last)
	}
	if at == listpack.None {
		return false
	}
	it.begun = true
	it.entry = readEntry(it.lp, at, it.node, &it.head)
	it.at, it.left, it.field = it.entry.body, it.entry.parts(), it.head.fieldsAt
	return true
}

// ID is the entry's id.
func (it *StreamIter) ID() StreamID { return it.entry.id }

// Fields is how many fields the entry has.
func (it *StreamIter) Fields() int { return it.entry.fields }

// Field is the next field of the entry and its value, to be called Fields times at most. They are parts of the stream, or of it and good until the next call.
func (it *StreamIter) Field() (field, value []byte) {
	if it.entry.same() {
		field = listpack.Text(it.lp, it.field, &it.buf[0])
		it.field = listpack.Next(it.lp, it.field)
	} else {
		field = listpack.Text(it.lp, it.at, &it.buf[0])
		it.advance()
	}
	value = listpack.Text(it.lp, it.at, &it.buf[1])
	it.advance()
	return field, value
}

func (it *StreamIter) advance() {
	it.at = listpack.Next(it.lp, it.at)
	it.left--
}
