package collection

import (
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// List is a handle on the list of a key, whether there is one or not. Strings that are given to it must not be parts of lists.
type List struct {
	k   Key
	ent keyspace.Entry
}

// OpenList is a handle on the list of a key. e is what was found under it: a list, or nothing.
func OpenList(k Key, e keyspace.Entry) *List { return &List{k, e} }

// Open makes l what OpenList gives.
func (l *List) Open(k Key, e keyspace.Entry) { l.k, l.ent = k, e }

// fill is how much a node, or a list without nodes, holds.
func (l *List) fill() value.ListFill {
	limits := l.k.DB.Shard().Space().Limits()
	return value.ListFill{Size: limits.ListSize, PlainFrom: limits.ListPlainFrom}
}

// rooted tells whether the list has a root.
func (l *List) rooted() bool { return l.ent.Found() && l.ent.Encoding() == value.QuickList }

// root is the list that has a root.
func (l *List) root() value.RootedList { return value.OpenList(l.k.DB.Values(), l.ent.Root()) }

// change is root, for a change.
func (l *List) change() value.RootedList {
	l.k.DB.BeforeChange(l.ent)
	return l.root()
}

// Len is the number of elements; 0 means that there is no such key.
func (l *List) Len() int {
	switch {
	case !l.ent.Found():
		return 0
	case l.rooted():
		return l.root().Len()
	}
	return listpack.Count(l.ent.Packed())
}

// edit changes a packed list, or one that is not there, with room for some bytes more: where it is if that can be, else in a copy.
func (l *List) edit(more int, change func(lp []byte) []byte) {
	if !l.ent.Found() {
		l.pack(change(listpack.Init(l.k.DB.Scratch(listpack.EmptyBytes + more))))
		return
	}
	if lp := l.k.DB.EditPacked(l.ent, l.k.Hash, more); lp != nil {
		if lp = change(lp); listpack.Empty(lp) {
			l.remove()
		} else {
			l.ent = l.k.DB.EditedPacked(l.ent, l.k.Hash, value.ListPack, lp)
		}
		return
	}
	old := l.ent.Packed()
	l.pack(change(append(l.k.DB.Scratch(len(old)+more), old...)))
}

// pack makes a listpack, which is in the shard's scratch buffer, the list.
func (l *List) pack(lp []byte) {
	switch {
	case listpack.Empty(lp):
		l.remove()
	case l.ent.Found() && !l.rooted():
		l.ent = l.k.DB.ReplacePacked(l.ent, l.k.Hash, value.ListPack, lp)
	default:
		l.ent = l.k.DB.SetPacked(l.k.Hash, l.k.Name, value.List, value.ListPack, lp, keyspace.KeepTTL)
	}
	l.k.DB.KeepScratch(lp)
}

// remove deletes the key.
func (l *List) remove() {
	if l.ent.Found() {
		l.k.DB.Delete(l.k.Hash, l.k.Name)
		l.ent = keyspace.Entry{}
	}
}

// grow gives a packed list, or one that is not there, a root if it would be too big with more bytes and elements. Redis counts the bytes of strings, not of entries.
func (l *List) grow(bytes, count int) {
	if l.rooted() {
		return
	}
	var lp []byte
	size := listpack.EmptyBytes
	if l.ent.Found() {
		lp = l.ent.Packed()
		size = len(lp)
		count += listpack.Count(lp)
	}
	if !l.fill().Exceeded(size+bytes, count) {
		return
	}
	root := value.NewList(l.k.DB.Values())
	if lp != nil {
		root.AppendNode(value.PackedNode, lp)
	}
	l.ent = l.k.DB.SetRoot(l.k.Hash, l.k.Name, value.List, value.QuickList, root.Root(), keyspace.KeepTTL)
}

// Expect makes the list fit for one element more, which may then not come: Redis says of a list what it is by that.
func (l *List) Expect(s []byte) { l.grow(len(s), 1) }

// shrunk takes a rooted list's root away when it is empty, or small.
func (l *List) shrunk() {
	if !l.rooted() {
		return
	}
	root := l.root()
	if root.Len() == 0 {
		l.remove()
	} else if lp, ok := root.Packed(l.fill(), true); ok {
		l.pack(append(l.k.DB.Scratch(len(lp)), lp...))
	}
}

// Push adds elements, one after the other, before the first or behind the last one.
func (l *List) Push(elements [][]byte, front bool) {
	bytes := 0
	for _, s := range elements {
		bytes += len(s)
	}
	if l.grow(bytes, len(elements)); l.rooted() {
		root, fill := l.change(), l.fill()
		for _, s := range elements {
			root.Push(fill, s, front)
		}
		return
	}
	const overhead = 11 // of an entry: at most 5 bytes before the string and 5 behind
	l.edit(bytes+overhead*len(elements), func(lp []byte) []byte {
		for _, s := range elements {
			if front {
				lp = listpack.Prepend(lp, s)
			} else {
				lp = listpack.Append(lp, s)
			}
		}
		return lp
	})
}

// Insert adds an element before that of number index, from 0 to Len.
func (l *List) Insert(index int, s []byte) {
	if l.grow(len(s), 1); l.rooted() {
		l.change().Insert(l.fill(), index, s)
		return
	}
	l.edit(listpack.EntryBytes(s), func(lp []byte) []byte {
		at := listpack.Seek(lp, index)
		if at == listpack.None {
			at = listpack.End(lp)
		}
		return listpack.Insert(lp, at, s)
	})
}

// Set gives the element of number index, from 0 to Len − 1, another value.
func (l *List) Set(index int, s []byte) {
	if l.grow(len(s), 1); l.rooted() {
		l.change().Set(l.fill(), index, s)
		l.shrunk()
		return
	}
	l.edit(listpack.EntryBytes(s), func(lp []byte) []byte { return listpack.Replace(lp, listpack.Seek(lp, index), s) })
}

// Delete removes n elements from number index on.
func (l *List) Delete(index, n int) {
	switch {
	case n <= 0 || !l.ent.Found():
	case index == 0 && n >= l.Len():
		l.remove()
	case l.rooted():
		l.change().Delete(index, n)
		l.shrunk()
	default:
		l.edit(0, func(lp []byte) []byte { return listpack.DeleteRange(lp, index, n) })
	}
}

// DeleteAt removes the element that c is at. c is of no use after it.
func (l *List) DeleteAt(c *ListCursor) {
	switch {
	case l.Len() == 1:
		l.remove()
	case c.rooted:
		l.change().DeleteAt(&c.root)
		l.shrunk()
	default:
		at := c.at
		l.edit(0, func(lp []byte) []byte { return listpack.Delete(lp, at, 1) })
	}
}

// Trim removes n elements from the front and m from the back.
func (l *List) Trim(n, m int) {
	size := l.Len()
	switch {
	case n+m <= 0:
	case n+m >= size:
		l.remove()
	case l.rooted():
		root := l.change()
		root.Delete(size-m, m)
		root.Delete(0, n)
		l.shrunk()
	default:
		l.edit(0, func(lp []byte) []byte { return listpack.DeleteRange(listpack.DeleteRange(lp, size-m, m), 0, n) })
	}
}

// Remove removes elements that are equal to s, at most so many if most is not 0, from the first one on or, if reverse, from the last one backwards. It returns how
// many it removed.
func (l *List) Remove(s []byte, most int, reverse bool) (removed int) {
	if l.rooted() {
		removed = l.change().Remove(s, most, reverse)
		if removed > 0 {
			l.shrunk()
		}
		return removed
	}
	var buf [64]int
	places := buf[:0]
	lp := l.ent.Packed()
	for at := listpack.Find(lp, listpack.First(lp), s, 0); at != listpack.None; at = listpack.Find(lp, listpack.Next(lp, at), s, 0) {
		places = append(places, at)
	}
	if most > 0 && len(places) > most {
		if reverse {
			places = places[len(places)-most:]
		} else {
			places = places[:most]
		}
	}
	if len(places) > 0 {
		l.edit(0, func(lp []byte) []byte { return listpack.DeleteEach(lp, places, 1) })
	}
	return len(places)
}

// Rotate takes the first or last element out and puts it at the front or back of the same list; s is a copy of it. The key stays, though it may have no other.
func (l *List) Rotate(s []byte, fromFront, toFront bool) {
	index := 0
	if !fromFront {
		index = l.Len() - 1
	}
	if !l.rooted() {
		l.grow(len(s)-listpack.EntryBytes(s), 0)
	}
	if l.rooted() {
		root := l.change()
		root.Delete(index, 1)
		root.Push(l.fill(), s, toFront)
		l.shrunk()
		return
	}
	l.edit(0, func(lp []byte) []byte {
		if lp = listpack.DeleteRange(lp, index, 1); toFront {
			return listpack.Prepend(lp, s)
		}
		return listpack.Append(lp, s)
	})
}

// ListCursor is at an element of a list, until that is changed.
type ListCursor struct {
	rooted bool
	root   value.ListCursor
	lp     []byte
	at     int
}

// Seek puts c at the element of number index; negative ones count from behind, −1 being the last. It is false if there is none.
func (l *List) Seek(c *ListCursor, index int) bool {
	if !l.ent.Found() {
		return false
	}
	if c.rooted = l.rooted(); c.rooted {
		return l.root().Seek(&c.root, index)
	}
	c.lp = l.ent.Packed()
	c.at = listpack.Seek(c.lp, index)
	return c.at != listpack.None
}

// Next goes to the next element, false if there is none.
func (c *ListCursor) Next() bool {
	if c.rooted {
		return c.root.Next()
	}
	c.at = listpack.Next(c.lp, c.at)
	return c.at != listpack.None
}

// Prev goes to the element before, false if there is none.
func (c *ListCursor) Prev() bool {
	if c.rooted {
		return c.root.Prev()
	}
	c.at = listpack.Prev(c.lp, c.at)
	return c.at != listpack.None
}

// Get is the element: a string, or with a nil string an integer.
func (c *ListCursor) Get() (s []byte, n int64) {
	if c.rooted {
		return c.root.Get()
	}
	return listpack.Get(c.lp, c.at)
}

// Equal reports whether the element is s.
func (c *ListCursor) Equal(s []byte) bool {
	if c.rooted {
		return c.root.Equal(s)
	}
	return listpack.Equal(c.lp, c.at, s)
}
