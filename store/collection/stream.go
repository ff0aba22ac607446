package collection

import (
	"bytes"

	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// StreamID is the id of an entry of a stream.
type StreamID = value.StreamID

// StreamTrim says which entries go from the front of a stream.
type StreamTrim = value.StreamTrim

// StreamIter is a way through entries, until the stream is changed. The zero StreamIter is at its end.
type StreamIter = value.StreamIter

// UnknownEntries is a number of entries that cannot be told.
const UnknownEntries = value.UnknownEntries

// MaxStreamID is the greatest id.
func MaxStreamID() StreamID { return value.MaxStreamID() }

// Stream is a handle on the stream of a key, whether there is one or not. A change is made at once; a stream without entries stays.
type Stream struct {
	k       Key
	ent     keyspace.Entry
	v       value.RootedStream
	changed bool // the walks know
	groups  []*StreamGroup
	// one and first are the group that was asked for first, and groups of it alone.
	one   StreamGroup
	first [1]*StreamGroup
}

// OpenStream is a handle on the stream of a key. e is what was found under it: a stream, or nothing.
func OpenStream(k Key, e keyspace.Entry) *Stream {
	s := new(Stream)
	s.Open(k, e)
	return s
}

// Open makes s what OpenStream gives.
func (s *Stream) Open(k Key, e keyspace.Entry) {
	*s = Stream{k: k, ent: e}
	if e.Found() {
		s.v = value.OpenStream(k.DB.Values(), e.Root())
	}
}

// Found tells whether there is a stream, of whatever length.
func (s *Stream) Found() bool { return s.ent.Found() }

// Create makes an empty stream if there is none.
func (s *Stream) Create() {
	if s.Found() {
		return
	}
	s.v = value.NewStream(s.k.DB.Values())
	s.ent = s.k.DB.SetRoot(s.k.Hash, s.k.Name, value.Stream, value.StreamEncoding, s.v.Root(), keyspace.KeepTTL)
	s.changed = true
}

// change is the stream, for a change.
func (s *Stream) change() value.RootedStream {
	if !s.changed {
		s.k.DB.BeforeChange(s.ent)
		s.changed = true
	}
	return s.v
}

// figures is the stream's figures, all 0 if there is none.
func (s *Stream) figures() value.StreamFigures {
	if !s.Found() {
		return value.StreamFigures{}
	}
	return *s.v.Figures()
}

// Len is the number of entries.
func (s *Stream) Len() int { return int(s.figures().Length) }

// LastID is the greatest id ever.
func (s *Stream) LastID() StreamID { return s.figures().Last }

// FirstID is the id of the first entry as it is recorded, 0-0 if there is none.
func (s *Stream) FirstID() StreamID { return s.figures().First }

// MaxDeletedID is the greatest id that was deleted.
func (s *Stream) MaxDeletedID() StreamID { return s.figures().MaxDeleted }

// EntriesAdded is the number of entries ever added.
func (s *Stream) EntriesAdded() uint64 { return s.figures().Added }

// SetLastID sets the greatest id ever. It must not be less than that of any entry.
func (s *Stream) SetLastID(id StreamID) { s.change().Figures().Last = id }

// SetMaxDeletedID sets the greatest id that was deleted.
func (s *Stream) SetMaxDeletedID(id StreamID) { s.change().Figures().MaxDeleted = id }

// SetEntriesAdded sets the number of entries ever added.
func (s *Stream) SetEntriesAdded(n uint64) { s.change().Figures().Added = n }

// HasTombstones reports whether a deleted entry is known behind an id.
func (s *Stream) HasTombstones(from StreamID) bool {
	f := s.figures()
	return f.HasTombstones(from)
}

// EntriesUpTo is how many entries were ever added up to an id, or UnknownEntries.
func (s *Stream) EntriesUpTo(id StreamID) int64 {
	f := s.figures()
	return f.EntriesUpTo(id)
}

// Nodes is the number of nodes.
func (s *Stream) Nodes() int {
	if !s.Found() {
		return 0
	}
	return s.v.Nodes()
}

// RadixNodes is how many nodes a radix tree of Redis has that keeps this stream's nodes: one for each, for each place where their ids part, and for each run of bytes in between. It
// goes over all of them.
func (s *Stream) RadixNodes() int {
	if !s.Found() {
		return 1
	}
	return s.v.RadixNodes()
}

// StreamFits reports whether an entry of these fields and values is not too big for a stream.
func StreamFits(fields [][]byte) bool { return value.StreamFits(fields) }

// Append adds an entry, fields and values by turns, which StreamFits, and whose id is greater than LastID. It makes the stream if there is none.
func (s *Stream) Append(id StreamID, fields [][]byte) {
	s.Create()
	limits := s.k.DB.Shard().Space().Limits()
	s.change().Append(value.StreamFill{Bytes: limits.StreamNodeBytes, Entries: limits.StreamNodeEntries}, id, fields)
}

// Delete deletes an entry; false if there is none of this id.
func (s *Stream) Delete(id StreamID) bool { return s.Exists(id) && s.change().Delete(id) }

// Trim removes entries from the front and returns how many.
func (s *Stream) Trim(how StreamTrim) int {
	if !s.Found() {
		return 0
	}
	return s.change().Trim(how)
}

// Iterate puts it before the first of the entries from one id to another, both included; in descending order, before the last, if reverse.
func (s *Stream) Iterate(it *StreamIter, from, to StreamID, reverse bool) {
	if !s.Found() {
		*it = StreamIter{}
		return
	}
	s.v.Iterate(it, from, to, reverse)
}

// Exists tells whether there is an entry of this id.
func (s *Stream) Exists(id StreamID) bool {
	var it StreamIter
	s.Iterate(&it, id, id, false)
	return it.Next()
}

// First is the id of the first entry; false if there is none.
func (s *Stream) First() (StreamID, bool) { return s.edge(false) }

// Last is the id of the last entry that is not deleted; false if there is none.
func (s *Stream) Last() (StreamID, bool) { return s.edge(true) }

func (s *Stream) edge(last bool) (StreamID, bool) {
	if !s.Found() {
		return StreamID{}, false
	}
	return s.v.Edge(last)
}

// Groups is the number of groups.
func (s *Stream) Groups() int {
	if !s.Found() {
		return 0
	}
	return s.v.Groups()
}

// HasGroup reports whether there is a group of this name.
func (s *Stream) HasGroup(name []byte) (ok bool) {
	if s.Found() {
		_, ok = s.v.FindGroup(name)
	}
	return ok
}

// Group is the group of this name, nil if there is none. Who asks twice gets the same handle. The name must stay as it is while the handle is used.
func (s *Stream) Group(name []byte) *StreamGroup {
	for _, g := range s.groups {
		if string(g.name) == string(name) {
			return g
		}
	}
	if !s.Found() {
		return nil
	}
	v, ok := s.v.FindGroup(name)
	if !ok {
		return nil
	}
	return s.keep(StreamGroup{s: s, v: v, name: name})
}

func (s *Stream) keep(g StreamGroup) *StreamGroup {
	if len(s.groups) > 0 {
		s.groups = append(s.groups, &g)
		return &g
	}
	s.one = g
	s.groups = append(s.first[:0], &s.one)
	return &s.one
}

// CreateGroup makes a group; nil if there is one of this name. There must be a stream. The name must stay as it is while the handle is used.
func (s *Stream) CreateGroup(name []byte, last StreamID, entriesRead int64) *StreamGroup {
	if s.Group(name) != nil {
		return nil
	}
	v, _ := s.change().AddGroup(name, last, entriesRead)
	return s.keep(StreamGroup{s: s, v: v, name: name, own: true})
}

// DestroyGroup removes a group with all that it has; false if there is none of this name.
func (s *Stream) DestroyGroup(name []byte) bool {
	if s.Group(name) == nil {
		return false
	}
	for i, g := range s.groups {
		if string(g.name) == string(name) {
			s.groups = append(s.groups[:i], s.groups[i+1:]...)
			break
		}
	}
	return s.change().RemoveGroup(name)
}

// EachGroup goes over the groups in the order of their names until fn is false. fn must not make or remove groups.
func (s *Stream) EachGroup(fn func(*StreamGroup) bool) {
	var names [][]byte // handles are not made of groups that fn may have changed since
	if !s.Found() {
		return
	}
	s.v.EachGroup(func(g value.StreamGroup) bool {
		names = append(names, bytes.Clone(g.Name()))
		return true
	})
	for _, name := range names {
		if g := s.Group(name); g != nil && !fn(g) {
			return
		}
	}
}
