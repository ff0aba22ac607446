package value

import (
	"github.com/larder-cache/larder/store/listpack"
)

// A node of a stream is a listpack in the layout of Redis (docs/formats/value.md): a head, which is
//
//	entries | deleted | number of fields | these fields | 0
//
// and then entries, deleted ones among them, which are
//
//	flags | id as two differences from the node's | [number of fields] | values, or fields and values by turns | number of these parts
//
// Where the fields are those of the head, flags say so, and values stand alone. The last part serves those who read backwards; the head's is 0. Nodes of foreign origin are
// validated before they come here: what reads them relies on that.

// Flags of a stream's entry.
const (
	streamDeleted    = 1
	streamSameFields = 2
)

// streamHead is what stands before a node's entries.
type streamHead struct {
	count, deleted int64
	fields         int // in the head
	deletedAt      int
	fieldsAt       int // the first field's position
	last           int // that of the 0
}

func readHead(lp []byte) (h streamHead) {
	at := listpack.First(lp)
	h.count, _ = listpack.Int(lp, at)
	h.deletedAt = listpack.Next(lp, at)
	h.deleted, _ = listpack.Int(lp, h.deletedAt)
	at = listpack.Next(lp, h.deletedAt)
	n, _ := listpack.Int(lp, at)
	h.fields = int(n)
	h.fieldsAt = listpack.Next(lp, at)
	h.last = listpack.Skip(lp, h.fieldsAt, h.fields)
	return h
}

// setCounts writes the numbers of entries and of deleted ones into a head.
func (h *streamHead) setCounts(lp []byte, count, deleted int64) []byte {
	lp = listpack.ReplaceInt(lp, h.deletedAt, deleted)
	return listpack.ReplaceInt(lp, listpack.First(lp), count)
}

// countsRoom is how much longer a listpack may become by setCounts: two integers of 32 bits in the place of small ones.
const countsRoom = 8

// streamEntry is an entry in a node.
type streamEntry struct {
	at     int // its flags' position
	flags  int64
	id     StreamID
	fields int
	body   int // the position of its first field or value
}

func (x *streamEntry) deleted() bool { return x.flags&streamDeleted != 0 }

// same reports whether the fields are those of the head.
func (x *streamEntry) same() bool { return x.flags&streamSameFields != 0 }

// parts is how many parts of the listpack there are from body on, the last one included.
func (x *streamEntry) parts() int {
	if x.same() {
		return x.fields + 1
	}
	return 2*x.fields + 1
}

// readEntry reads the entry at at of a node with this id and head.
func readEntry(lp []byte, at int, node StreamID, h *streamHead) (x streamEntry) {
	x.at = at
	x.flags, _ = listpack.Int(lp, at)
	at = listpack.Next(lp, at)
	ms, _ := listpack.Int(lp, at)
	at = listpack.Next(lp, at)
	seq, _ := listpack.Int(lp, at)
	x.id = StreamID{node.Ms + uint64(ms), node.Seq + uint64(seq)}
	x.body = listpack.Next(lp, at)
	x.fields = h.fields
	if !x.same() {
		n, _ := listpack.Int(lp, x.body)
		x.fields = int(n)
		x.body = listpack.Next(lp, x.body)
	}
	return x
}

// before is the position of the entry before the one at at, or None if that is the first.
func (h *streamHead) before(lp []byte, at int) int {
	at = listpack.Prev(lp, at)
	if at <= h.last {
		return listpack.None
	}
	n, _ := listpack.Int(lp, at)
	for ; n > 0 && at != listpack.None; n-- {
		at = listpack.Prev(lp, at)
	}
	return at
}

// lastID is the id of a node's last entry, be it deleted; 0-0 if there is none.
func lastID(lp []byte, node StreamID) StreamID {
	h := readHead(lp)
	at := h.before(lp, listpack.End(lp))
	if at == listpack.None {
		return StreamID{}
	}
	return readEntry(lp, at, node, &h).id
}

// appendHead writes the head of a node, to an empty listpack, whose first entry has these fields and values.
func appendHead(lp []byte, fields [][]byte) []byte {
	lp = listpack.AppendInt(lp, 1)
	lp = listpack.AppendInt(lp, 0)
	lp = listpack.AppendInt(lp, int64(len(fields)/2))
	for i := 0; i < len(fields); i += 2 {
		lp = listpack.Append(lp, fields[i])
	}
	return listpack.AppendInt(lp, 0)
}

// appendEntry writes an entry behind a node's last one. It is not counted.
func appendEntry(lp []byte, h *streamHead, node, id StreamID, fields [][]byte) []byte {
	flags, parts := int64(0), 4+len(fields)
	if h.sameFields(lp, fields) {
		flags, parts = streamSameFields, 3+len(fields)/2
	}
	lp = listpack.AppendInt(lp, flags)
	lp = listpack.AppendInt(lp, int64(id.Ms-node.Ms))
	lp = listpack.AppendInt(lp, int64(id.Seq-node.Seq))
	if flags == 0 {
		lp = listpack.AppendInt(lp, int64(len(fields)/2))
	}
	for i := 0; i < len(fields); i += 2 {
		if flags == 0 {
			lp = listpack.Append(lp, fields[i])
		}
		lp = listpack.Append(lp, fields[i+1])
	}
	return listpack.AppendInt(lp, int64(parts))
}

// sameFields reports whether fields, which values follow by turns, are those of the head.
func (h *streamHead) sameFields(lp []byte, fields [][]byte) bool {
	if len(fields)/2 != h.fields {
		return false
	}
	at := h.fieldsAt
	for i := 0; i < len(fields); i += 2 {
		if !listpack.Equal(lp, at, fields[i]) {
			return false
		}
		at = listpack.Next(lp, at)
	}
	return true
}

// headBytes is how many bytes the head of a node takes whose first entry has these fields and values.
func headBytes(fields [][]byte) int {
	n := 3*listpack.IntEntryBytes(0) + listpack.IntEntryBytes(int64(len(fields)/2))
	for i := 0; i < len(fields); i += 2 {
		n += listpack.EntryBytes(fields[i])
	}
	return n
}

// entryBytes is how many bytes an entry takes at most, or if same, where it has the fields of the head.
func entryBytes(node, id StreamID, fields [][]byte, same bool) int {
	n := listpack.IntEntryBytes(0) + listpack.IntEntryBytes(int64(id.Ms-node.Ms)) + listpack.IntEntryBytes(int64(id.Seq-node.Seq)) +
		2*listpack.IntEntryBytes(int64(len(fields)+4))
	for i, s := range fields {
		if i%2 == 1 || !same {
			n += listpack.EntryBytes(s)
		}
	}
	return n
}

// markRange marks the entries as deleted that stand before one for which stop says true. It returns how many were not yet.
func markRange(lp []byte, node StreamID, stop func(x *streamEntry, marked int64) bool) ([]byte, int64) {
	h := readHead(lp)
	marked := int64(0)
	for at := listpack.Next(lp, h.last); at != listpack.None; {
		x := readEntry(lp, at, node, &h)
		if stop(&x, marked) {
			break
		}
		at = listpack.Skip(lp, x.body, x.parts())
		if !x.deleted() {
			size := len(lp)
			lp = listpack.ReplaceInt(lp, x.at, x.flags|streamDeleted)
			if at != listpack.None {
				at += len(lp) - size
			}
			marked++
		}
	}
	return h.setCounts(lp, h.count-marked, h.deleted+marked), marked
}

// CheckStreamNode looks into a node, whose layout has been validated: whether its id and those of its entries ascend, behind last, and its head counts them right. It returns how many entries
// are not deleted; last is the last one's id then.
func CheckStreamNode(lp []byte, node StreamID, last *StreamID) (entries uint64, ok bool) {
	if !last.IsZero() && !last.Less(node) {
		return 0, false
	}
	h := readHead(lp)
	var counts [2]int64
	for at := listpack.Next(lp, h.last); at != listpack.None; {
		x := readEntry(lp, at, node, &h)
		if x.id.Less(node) || !last.Less(x.id) {
			return 0, false
		}
		*last = x.id
		counts[x.flags&streamDeleted]++
		at = listpack.Skip(lp, x.body, x.parts())
	}
	return uint64(h.count), counts == [2]int64{h.count, h.deleted}
}
