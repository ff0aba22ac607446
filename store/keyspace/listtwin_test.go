package keyspace

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// len is the number of elements, of a list or of another collection; of a stream, which may be empty, its bytes.
func (c *coll) len() int { return len(c.elems) + len(c.list) + len(c.stream) }

// changeList makes one change to a list.
func (w *twin) changeList(l value.RootedList, c *coll, name string) {
	fill := value.ListFill{Size: []int{-1, -2, 3, 50}[w.rnd.IntN(4)]}
	if w.rnd.IntN(50) == 0 {
		name = strings.Repeat(name, 1500)
	}
	i := w.rnd.IntN(len(c.list) + 1)
	switch w.rnd.IntN(8) {
	case 0, 1:
		l.Push(fill, []byte(name), true)
		c.list = slices.Insert(c.list, 0, name)
	case 2:
		l.Insert(fill, i, []byte(name))
		c.list = slices.Insert(c.list, i, name)
	case 3:
		if l.Set(fill, i, []byte(name)) {
			c.list[i] = name
		}
	case 4:
		n := w.rnd.IntN(4)
		l.Delete(i, n)
		c.list = slices.Delete(c.list, i, min(i+n, len(c.list)))
	default:
		l.Push(fill, []byte(name), false)
		c.list = append(c.list, name)
	}
}

// mustBeList compares a list with its model.
func (w *twin) mustBeList(l value.RootedList, key string, c *coll) {
	w.t.Helper()
	got := &coll{}
	var at value.ListCursor
	for ok := l.Seek(&at, 0); ok; ok = at.Next() {
		s, _ := at.Get()
		got.list = append(got.list, string(s))
	}
	if !slices.Equal(got.list, c.list) {
		w.t.Fatalf("%q: %d elements found, want %d, or other ones", key, len(got.list), len(c.list))
	}
}

// emittedList takes nodes of a list as a walk emits them.
func (c *coll) emittedList(b []byte) {
	for len(b) > 0 {
		n, used := binary.Uvarint(b[1:])
		node := b[1+used:][:n]
		if value.Container(b[0]) == value.PlainNode {
			c.list = append(c.list, string(node))
		} else {
			var scratch [decimal.MaxLen]byte
			for at := listpack.First(node); at != listpack.None; at = listpack.Next(node, at) {
				c.list = append(c.list, string(listpack.Text(node, at, &scratch)))
			}
		}
		c.nodes++
		b = b[1+used+int(n):]
	}
}
