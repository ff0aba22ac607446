package value

import (
	"cmp"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/larder-cache/larder/store/tree"
)

// StreamID is the id of an entry of a stream: a time in milliseconds, and a number within it. The zero StreamID is the least.
type StreamID struct{ Ms, Seq uint64 }

// streamIDBytes is the length of an id as bytes.
const streamIDBytes = 16

// MaxStreamID is the greatest id.
func MaxStreamID() StreamID { return StreamID{math.MaxUint64, math.MaxUint64} }

// IsZero reports whether the id is 0-0.
func (id StreamID) IsZero() bool { return id == StreamID{} }

// Less reports whether the id is before another.
func (id StreamID) Less(o StreamID) bool {
	return id.Ms < o.Ms || id.Ms == o.Ms && id.Seq < o.Seq
}

// Compare is negative if the id is before another, 0 if they are the same.
func (id StreamID) Compare(o StreamID) int {
	return cmp.Or(cmp.Compare(id.Ms, o.Ms), cmp.Compare(id.Seq, o.Seq))
}

// Next is the id behind this one; behind the greatest there is none, and it is false and 0-0.
func (id StreamID) Next() (StreamID, bool) {
	id.Seq++
	if id.Seq == 0 {
		id.Ms++
	}
	return id, !id.IsZero()
}

// Prev is the id before this one; before 0-0 there is none, and it is false and the greatest.
func (id StreamID) Prev() (StreamID, bool) {
	ok := !id.IsZero()
	if id.Seq == 0 {
		id.Ms--
	}
	id.Seq--
	return id, ok
}

// Append appends the id as text: milliseconds, a hyphen, the number.
func (id StreamID) Append(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, id.Ms, 10), '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

// String is the id as text.
func (id StreamID) String() string { return string(id.Append(nil)) }

// key is the id as a tree's key.
func (id StreamID) key() tree.Key { return tree.Key{Hi: id.Ms, Lo: id.Seq} }

// idOf is the id that a tree's key is.
func idOf(k tree.Key) StreamID { return StreamID{k.Hi, k.Lo} }

// appendBytes appends the id as 16 bytes that sort as ids do.
func (id StreamID) appendBytes(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, id.Ms), id.Seq)
}
