package rdb

import "github.com/larder-cache/larder/store/listpack"

// A node of a stream is a listpack: a head that says how many entries there are, how many of them are deleted, the number of fields that most of them
// have, these fields, 0; then the entries: flags, the id as two differences from the node's, fields and values (without fields where they are the
// head's), the number of listpack entries that this made. Source: stream.h and streamValidateListpackIntegrity of Valkey.

// Flags of a stream's entry.
const (
	streamDeleted    = 1
	streamSameFields = 2
)

// nodeWalk reads the listpack of a stream's node. After a fault, bad is true and all reads give 0.
type nodeWalk struct {
	lp  []byte
	at  int
	bad bool
}

// int reads an integer.
func (w *nodeWalk) int() int64 {
	if w.bad || w.at >= listpack.End(w.lp) {
		w.bad = true
		return 0
	}
	n, ok := listpack.Int(w.lp, w.at)
	w.bad = !ok
	w.skip(1)
	return n
}

// skip passes over n entries.
func (w *nodeWalk) skip(n int64) {
	for ; n > 0 && !w.bad; n-- {
		if w.at >= listpack.End(w.lp) {
			w.bad = true
			return
		}
		if w.at = listpack.Next(w.lp, w.at); w.at == listpack.None {
			w.at = listpack.End(w.lp)
		}
	}
}

// count reads a number that must not be negative, nor more than the listpack's bytes.
func (w *nodeWalk) count() int64 {
	n := w.int()
	if n < 0 || n > int64(len(w.lp)) {
		w.bad = true
		return 0
	}
	return n
}

// entry reads an entry of a node whose head has so many fields and returns its flags and the differences of its id.
func (w *nodeWalk) entry(headFields int64) (flags, ms, seq int64) {
	flags, ms, seq = w.int(), w.int(), w.int()
	fields, made := headFields, 3+headFields
	if flags&streamSameFields == 0 {
		fields = w.count()
		made = 4 + 2*fields
		w.skip(fields)
	}
	w.skip(fields)
	if w.int() != made {
		w.bad = true
	}
	return flags, ms, seq
}

// checkStreamNode reports whether lp, a valid listpack, is a node of a stream through and through, and returns the id of its first entry that is not deleted, if it
// has one. id is the node's.
func checkStreamNode(lp []byte, id StreamID) (first StreamID, found, ok bool) {
	w := nodeWalk{lp: lp, at: listpack.HeaderBytes}
	n := w.count() + w.count()
	headFields := w.count()
	w.skip(headFields)
	if w.int() != 0 {
		return first, false, false
	}
	for ; n > 0 && !w.bad; n-- {
		flags, ms, seq := w.entry(headFields)
		if !found && flags&streamDeleted == 0 {
			first, found = StreamID{id.Ms + uint64(ms), id.Seq + uint64(seq)}, true
		}
	}
	return first, found, !w.bad && w.at == listpack.End(lp)
}
