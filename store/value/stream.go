package value

import (
	"unsafe"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/tree"
)

// The root block of a stream: owners, bytes of all nodes' blocks (as a list has them), figures, the tree of nodes, the tree of groups.
const (
	streamFiguresAt = listTreeAt
	streamEntriesAt = streamFiguresAt + int(unsafe.Sizeof(StreamFigures{}))
	streamGroupsAt  = streamEntriesAt + int(unsafe.Sizeof(tree.Tree{}))
	streamRoot      = streamGroupsAt + int(unsafe.Sizeof(tree.Tree{}))
)

// StreamFigures is what a stream has beside its entries and groups.
type StreamFigures struct {
	// Length is the number of entries that are not deleted.
	Length uint64
	// Last is the greatest id ever, First that of the first entry (0-0 if there is none), MaxDeleted the greatest one that was deleted.
	Last, First, MaxDeleted StreamID
	// Added is the number of entries ever added.
	Added uint64
}

// UnknownEntries is a number of entries that cannot be told.
const UnknownEntries = -1

// HasTombstones reports whether a deleted entry is known behind an id. Source: streamRangeHasTombstones of Valkey.
func (f *StreamFigures) HasTombstones(from StreamID) bool {
	if f.Length == 0 || f.MaxDeleted.IsZero() || f.MaxDeleted.Less(f.First) {
		return false
	}
	return !f.MaxDeleted.Less(from)
}

// EntriesUpTo is how many entries were ever added up to an id, or UnknownEntries. Source: streamEstimateDistanceFromFirstEverEntry of Valkey.
func (f *StreamFigures) EntriesUpTo(id StreamID) int64 {
	switch last := id.Compare(f.Last); {
	case f.Added == 0:
		return 0
	case last == 0, last < 0 && f.Length == 0:
		return int64(f.Added)
	case last > 0:
		return UnknownEntries
	}
	if f.MaxDeleted.IsZero() || f.MaxDeleted.Less(f.First) {
		switch first := id.Compare(f.First); {
		case first < 0:
			return int64(f.Added - f.Length)
		case first == 0:
			return int64(f.Added-f.Length) + 1
		}
	}
	return UnknownEntries
}

// StreamFill says how much a node of a stream takes. 0 is no bound.
type StreamFill struct {
	Bytes   int // stream-node-max-bytes
	Entries int // stream-node-max-entries
}

// mostBytes is how many bytes a node has at most.
func (f StreamFill) mostBytes() int {
	if f.Bytes <= 0 || f.Bytes > limits.MaxListpackBytes {
		return limits.MaxListpackBytes
	}
	return f.Bytes
}

// admits reports whether an entry may go into a node with this listpack and head. strs is the bytes of its strings, more what it takes.
func (f StreamFill) admits(lp []byte, h *streamHead, strs, more int) bool {
	return len(lp)+strs < f.mostBytes() && (f.Entries <= 0 || h.count+h.deleted < int64(f.Entries)) && listpack.CanAdd(lp, more+countsRoom)
}

// StreamFits reports whether an entry of these fields and values is not too big for a stream.
func StreamFits(fields [][]byte) bool {
	return headBytes(fields)+entryBytes(StreamID{}, MaxStreamID(), fields, true) <= limits.MaxListpackBytes-listpack.EmptyBytes-countsRoom
}

// RootedStream is a handle on a stream. Strings that are given to it must not be parts of streams.
//
// Entries are in nodes, which are listpacks; a tree orders the nodes by the id of their first entry. A second tree has the groups (streamgroup.go). Both are copied on write with
// all that is below, so that a clone of a stream costs nothing.
type RootedStream struct {
	env  *Env
	root arena.Ref
}

// NewStream makes an empty stream.
func NewStream(env *Env) RootedStream {
	s := RootedStream{env, env.Heap.AllocZero(streamRoot)}
	Owners(env.Arena, s.root).Store(1)
	return s
}

// OpenStream is a handle on the stream with this root.
func OpenStream(env *Env, root arena.Ref) RootedStream { return RootedStream{env, root} }

// Root is the ref of the stream's root block.
func (s RootedStream) Root() arena.Ref { return s.root }

// Figures is the stream's figures, to be read, and but for Length to be written.
func (s RootedStream) Figures() *StreamFigures {
	return (*StreamFigures)(unsafe.Add(s.env.Arena.Ptr(s.root), streamFiguresAt))
}

func (s RootedStream) entries() *tree.Tree {
	return (*tree.Tree)(unsafe.Add(s.env.Arena.Ptr(s.root), streamEntriesAt))
}

// blocks makes and counts blocks of nodes, which are those of lists.
func (s RootedStream) blocks() RootedList { return RootedList(s) }

// Nodes is the number of nodes.
func (s RootedStream) Nodes() int { return s.entries().Items() }

// node is the listpack of the node that c is at.
func (s RootedStream) node(c *tree.Cursor) []byte {
	return nodeAt(s.env.Arena, c.Item(&s.env.stream).Ref).view()
}

// nodeFor puts c at the node in which an entry of this id is if there is one: the last one that does not begin behind it. False if all do.
func (s RootedStream) nodeFor(c *tree.Cursor, id StreamID) bool {
	t, e := s.entries(), &s.env.stream
	if t.Items() == 0 {
		return false
	}
	t.SeekAfter(e, c, id.key())
	return c.Prev(e)
}

// Append adds an entry, fields and values by turns, whose id is greater than Last, and which StreamFits.
func (s RootedStream) Append(f StreamFill, id StreamID, fields [][]byte) {
	t, e := s.entries(), &s.env.stream
	var c tree.Cursor
	if !t.Last(e, &c) || !s.appendTo(f, &c, id, fields) {
		if t.Items() > 0 {
			s.tighten(&c)
		}
		n := s.blocks().newNode(PackedNode, listpack.EmptyBytes+headBytes(fields)+entryBytes(id, id, fields, true))
		lp := appendHead(listpack.Init(n.bytes(s.env.Arena.Size(n.ref))), fields)
		h := readHead(lp)
		n.setLen(len(appendEntry(lp, &h, id, id, fields)))
		t.Append(e, tree.Item{Key: id.key(), Ref: n.ref})
	}
	figures := s.Figures()
	figures.Length++
	figures.Added++
	figures.Last = id
	if figures.Length == 1 {
		figures.First = id
	}
}

// appendTo adds an entry to the last node, which c is at, if that takes it.
func (s RootedStream) appendTo(f StreamFill, c *tree.Cursor, id StreamID, fields [][]byte) bool {
	lp, node := s.node(c), idOf(c.Item(&s.env.stream).Key)
	h := readHead(lp)
	strs := 0
	for _, b := range fields {
		strs += len(b)
	}
	more := entryBytes(node, id, fields, false)
	if !f.admits(lp, &h, strs, more) {
		return false
	}
	s.edit(c, more+countsRoom, min(2*len(lp), f.mostBytes()), func(lp []byte) []byte {
		lp = appendEntry(lp, &h, node, id, fields)
		return listpack.ReplaceInt(lp, listpack.First(lp), h.count+1)
	})
	return true
}

// edit changes the listpack of the node that c is at: change is given it with room for n bytes more. If a new block is needed, it has room for spare bytes in all.
func (s RootedStream) edit(c *tree.Cursor, n, spare int, change func(lp []byte) []byte) {
	t, e, a := s.entries(), &s.env.stream, s.env.Arena
	node := nodeAt(a, t.Own(e, c).Ref)
	if node.owners().Load() > 1 || nodeHead+node.len()+n > a.Size(node.ref) {
		to := s.blocks().newFilled(PackedNode, node.view(), max(node.len()+n, spare))
		t.Set(e, c, to.ref, 1)
		s.blocks().release(node.ref)
		node = to
	}
	node.setLen(len(change(node.bytes(a.Size(node.ref)))))
}

// tighten gives the node that c is at, which is full, a block of its size, if it is the stream's alone.
func (s RootedStream) tighten(c *tree.Cursor) {
	t, e, a := s.entries(), &s.env.stream, s.env.Arena
	node := nodeAt(a, c.Item(e).Ref)
	if !t.Sole(e, c) || node.owners().Load() > 1 || arena.ClassSize(nodeHead+node.len()) == a.Size(node.ref) {
		return
	}
	to := s.blocks().newFilled(PackedNode, node.view(), 0)
	t.Set(e, c, to.ref, 1)
	s.blocks().release(node.ref)
}

// AppendNode adds a node behind the last one: a listpack, which has been validated, with this id. Figures stay as they are.
func (s RootedStream) AppendNode(id StreamID, lp []byte) {
	s.entries().Append(&s.env.stream, tree.Item{Key: id.key(), Ref: s.blocks().newFilled(PackedNode, lp, 0).ref})
}

// SetFigures gives a stream that was made of nodes its figures.
func (s RootedStream) SetFigures(f StreamFigures) { *s.Figures() = f }

// Delete deletes an entry; false if there is none of this id.
func (s RootedStream) Delete(id StreamID) bool {
	var it StreamIter
	s.Iterate(&it, id, id, false)
	if !it.Next() {
		return false
	}
	if it.head.count <= 1 {
		s.blocks().release(s.entries().Remove(&s.env.stream, &it.c).Ref)
	} else {
		s.edit(&it.c, countsRoom, 0, func(lp []byte) []byte {
			lp = listpack.ReplaceInt(lp, it.entry.at, it.entry.flags|streamDeleted)
			return it.head.setCounts(lp, it.head.count-1, it.head.deleted+1)
		})
	}
	f := s.Figures()
	f.Length--
	if f.MaxDeleted.Less(id) {
		f.MaxDeleted = id
	}
	if f.Length == 0 || id == f.First {
		f.First = s.first()
	}
	return true
}

// first is the id of the first entry, 0-0 if there is none.
func (s RootedStream) first() StreamID {
	if s.Figures().Length == 0 {
		return StreamID{}
	}
	id, _ := s.Edge(false)
	return id
}

// Edge is the id of the first or the last entry that is not deleted; false if there is none.
func (s RootedStream) Edge(last bool) (StreamID, bool) {
	var it StreamIter
	s.Iterate(&it, StreamID{}, MaxStreamID(), last)
	ok := it.Next()
	return it.ID(), ok
}

// StreamTrim says which entries go from the front of a stream.
type StreamTrim struct {
	// MaxLen is how many entries stay, or if ByID, MinID the first one that stays.
	MaxLen uint64
	MinID  StreamID
	ByID   bool
	// Approx: only whole nodes go.
	Approx bool
	// Limit is how many entries go at most, whole nodes; 0: as many as there are.
	Limit uint64
}

// Trim removes entries from the front and returns how many.
func (s RootedStream) Trim(how StreamTrim) (removed int) {
	t, e, f := s.entries(), &s.env.stream, s.Figures()
	var c tree.Cursor
	for ok := t.First(e, &c); ok; ok = c.Valid(e) {
		if !how.ByID && f.Length <= how.MaxLen {
			break
		}
		lp, node := s.node(&c), idOf(c.Item(e).Key)
		h := readHead(lp)
		count := uint64(h.count)
		if how.Limit > 0 && uint64(removed)+count > how.Limit {
			break
		}
		whole := f.Length-count >= how.MaxLen
		if how.ByID {
			whole = lastID(lp, node).Less(how.MinID)
		}
		if !whole {
			if !how.Approx {
				removed += s.trimNode(&c, node, how)
			}
			break
		}
		s.blocks().release(t.Remove(e, &c).Ref)
		f.Length -= count
		removed += int(count)
	}
	if f.Length == 0 || removed > 0 {
		f.First = s.first()
	}
	return removed
}

// trimNode marks entries of the node that c is at as deleted.
func (s RootedStream) trimNode(c *tree.Cursor, node StreamID, how StreamTrim) int {
	f := s.Figures()
	var marked int64
	s.edit(c, countsRoom, 0, func(lp []byte) []byte {
		lp, marked = markRange(lp, node, func(x *streamEntry, marked int64) bool {
			if how.ByID {
				return !x.id.Less(how.MinID)
			}
			return f.Length-uint64(marked) <= how.MaxLen
		})
		return lp
	})
	f.Length -= uint64(marked)
	return int(marked)
}
