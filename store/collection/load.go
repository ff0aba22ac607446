package collection

import (
	"bytes"
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// ErrDuplicate is what a Loader says of a collection that has the same member or field twice.
var ErrDuplicate = errors.New("the same member or field twice")

// Loader builds collections out of what a snapshot or a payload has of them: packed or rooted as today's limits want it. One after the other: Begin, then Packed or
// elements, End, and Store or Drop.
//
// What may still become packed is gathered outside of the keyspace. What cannot be packed any more is put under a root, which no key has yet, in batches: the shard is
// held for one of them at a time, and only Store lets anybody see it. Packed bytes and elements must be valid (package persist/rdb has seen to that); they are not looked into.
type Loader struct {
	hold func(fn func())
	env  *value.Env
	lim  keyspace.Limits
	typ  value.Type

	enc     value.Encoding // of packed
	packed  []byte         // the whole value, or nil
	rooted  bool           // it cannot be packed
	root    arena.Ref
	n       int   // elements so far
	bytes   int   // of a listpack of them
	longest int   // of a set: its longest member
	strings bool  // of a set: not all are integers
	nodes   bool  // of a list: it has come in nodes
	err     error // ErrDuplicate, ErrPending, ErrStream

	before int64 // fields that expired before are left out, and tell is told of each
	tell   func(field []byte)
	left   int // how many were

	// What has not been put under the root. buf has the elements' strings.
	buf     []byte
	waiting []loadElement
	lp      []byte
	stream  streamLoad
}

// loadElement is an element that waits: where its strings are, which follow each other.
type loadElement struct {
	kind            loadKind
	start, mid, end int
	score           float64
	at              int64 // expiry
}

// loadKind says what an element is.
type loadKind uint8

const (
	loadMember loadKind = iota
	loadField
	loadScored
	loadItem
	loadPlain
	loadNode
)

// keptLoadBytes is how much buffer a Loader keeps from one collection to the next.
const keptLoadBytes = 4 * limits.MiB

// Begin begins a collection of type t, for which count elements (of a list: nodes) are announced, in the shard that env is of. hold runs a function with that shard held.
func (l *Loader) Begin(env *value.Env, lim *keyspace.Limits, hold func(fn func()), t value.Type, count uint64) {
	buf, waiting, lp := l.buf[:0], l.waiting[:0], l.lp[:0]
	if cap(buf) > keptLoadBytes || cap(lp) > keptLoadBytes {
		buf, waiting, lp = nil, nil, nil
	}
	*l = Loader{hold: hold, env: env, lim: *lim, typ: t, bytes: listpack.EmptyBytes, buf: buf, waiting: waiting, lp: lp, stream: streamLoad{waiting: l.stream.waiting[:0]}}
	most := math.MaxInt
	switch t {
	case value.Set:
		most = max(l.lim.SetIntSetEntries, 0) // a set that is longer than that is not even tried, as in Redis
	case value.Hash:
		most = max(l.lim.HashEntries, 0)
	case value.ZSet:
		most = max(l.lim.ZSetEntries, 0)
	}
	l.rooted = count > uint64(most) || t == value.Stream
}

// LeaveOut says, behind Begin, that fields of a hash which expired before a time, in milliseconds since 1970, are left out. tell, if not nil, is given the name of each, for the time
// of the call.
func (l *Loader) LeaveOut(before int64, tell func(field []byte)) { l.before, l.tell = before, tell }

// LeftOut is how many fields were left out.
func (l *Loader) LeftOut() int { return l.left }

// Packed gives the whole collection as an intset or a listpack, which must stay as it is until Store. It becomes a rooted one if it has too many elements; of
// a list, it is taken apart, as its nodes may be too big today. There must be no elements beside it.
func (l *Loader) Packed(enc value.Encoding, b []byte) {
	l.rooted = false
	if enc == value.IntSet {
		if l.n = intset.Len(b); l.n <= l.lim.SetIntSetEntries {
			l.enc, l.packed = enc, b
			return
		}
		l.rooted, l.n = true, 0
		var text [decimal.MaxLen]byte
		for i := range intset.Len(b) {
			l.Member(strconv.AppendInt(text[:0], intset.At(b, i), 10))
		}
		return
	}
	n, most := listpack.Count(b), l.lim.SetEntries
	switch l.typ {
	case value.Hash:
		n, most = n/2, l.lim.HashEntries
	case value.ZSet:
		n, most = n/2, l.lim.ZSetEntries
	}
	if l.typ != value.List && n <= most {
		l.enc, l.packed, l.n = enc, b, n
		return
	}
	l.rooted = l.typ != value.List
	l.takeApart(b)
}

// takeApart gives the entries of a listpack one by one.
func (l *Loader) takeApart(lp []byte) {
	var text, text2 [decimal.MaxLen]byte
	for at := listpack.First(lp); at != listpack.None; at = listpack.Next(lp, at) {
		name := listpack.Text(lp, at, &text)
		switch l.typ {
		case value.Set:
			l.Member(name)
			continue
		case value.List:
			l.Item(name)
			continue
		}
		at = listpack.Next(lp, at)
		if l.typ == value.Hash {
			l.Field(name, listpack.Text(lp, at, &text2), value.NoExpiry)
		} else {
			l.Scored(name, packedScore(lp, at))
		}
	}
}

// Member adds a set's next member.
func (l *Loader) Member(m []byte) {
	if !l.rooted {
		_, isInt := decimal.Parse(m)
		l.strings = l.strings || !isInt
		l.longest = max(l.longest, len(m))
	}
	tooMuch := l.n >= l.lim.SetIntSetEntries
	if l.strings {
		tooMuch = l.n >= l.lim.SetEntries || l.longest > l.lim.SetValueBytes
	}
	l.add(loadElement{kind: loadMember}, m, nil, tooMuch)
}

// Field adds a hash's next field. at is its expiry in milliseconds since 1970, or value.NoExpiry.
func (l *Loader) Field(field, val []byte, at int64) {
	if at >= 0 && at < l.before {
		if l.left++; l.tell != nil {
			l.tell(field)
		}
		return
	}
	most := l.lim.HashValueBytes
	l.add(loadElement{kind: loadField, at: at}, field, val, at >= 0 || l.n >= l.lim.HashEntries || len(field) > most || len(val) > most)
}

// Scored adds a sorted set's next member, in whatever order. score is a number.
func (l *Loader) Scored(m []byte, score float64) {
	l.add(loadElement{kind: loadScored, score: score}, m, nil, l.n >= l.lim.ZSetEntries || len(m) > l.lim.ZSetValueBytes)
}

// Item adds an element behind a list's last one, to the last node if there is room.
func (l *Loader) Item(s []byte) {
	f := l.fill()
	l.add(loadElement{kind: loadItem}, s, nil, f.Exceeded(l.bytes+len(s), l.n+1) || f.Large(len(s)) || l.nodes)
}

// Plain adds a node of a list that is one element.
func (l *Loader) Plain(s []byte) { l.add(loadElement{kind: loadPlain}, s, nil, true) }

// Node adds a node of a list that is a listpack. An empty one is passed over.
func (l *Loader) Node(lp []byte) {
	n := listpack.Count(lp)
	if n == 0 {
		return
	}
	l.nodes = true
	l.add(loadElement{kind: loadNode}, lp, nil, l.n > 0 || l.fill().Exceeded(len(lp), n))
	l.n += n - 1
}

func (l *Loader) fill() value.ListFill {
	return value.ListFill{Size: l.lim.ListSize, PlainFrom: l.lim.ListPlainFrom}
}

// add lets an element wait; tooMuch: a packed collection cannot have it.
func (l *Loader) add(x loadElement, a, b []byte, tooMuch bool) {
	x.start = len(l.buf)
	l.buf = append(l.buf, a...)
	x.mid = len(l.buf)
	l.buf = append(l.buf, b...)
	x.end = len(l.buf)
	l.waiting = append(l.waiting, x)
	l.n++
	if !l.rooted {
		l.bytes += listpack.EntryBytes(a) + listpack.EntryBytes(b)
		l.rooted = tooMuch || l.bytes > limits.MaxListpackBytes
	}
	if l.rooted && (len(l.buf) >= limits.LoadBatchBytes || len(l.waiting) >= limits.LoadBatchElements) {
		l.flush()
	}
}

// flush puts what waits under the root.
func (l *Loader) flush() {
	if l.err == nil {
		l.hold(l.insert)
	}
	l.buf, l.waiting, l.stream.waiting = l.buf[:0], l.waiting[:0], l.stream.waiting[:0]
}

// insert is flush with the shard held.
func (l *Loader) insert() {
	if l.root == arena.Nil {
		l.root = l.newRoot()
	}
	if l.typ == value.Stream {
		l.insertStream()
		return
	}
	for i := range l.waiting {
		x := &l.waiting[i]
		if !l.insertOne(x, l.buf[x.start:x.mid], l.buf[x.mid:x.end]) {
			l.err = ErrDuplicate
			return
		}
	}
}

// newRoot makes an empty value.
func (l *Loader) newRoot() arena.Ref {
	switch l.typ {
	case value.Set:
		return value.NewSet(l.env).Root()
	case value.Hash:
		return value.NewHash(l.env).Root()
	case value.ZSet:
		return value.NewZSet(l.env).Root()
	case value.Stream:
		return value.NewStream(l.env).Root()
	default:
		return value.NewList(l.env).Root()
	}
}

// insertOne puts an element under the root; false if there is one of its name.
func (l *Loader) insertOne(x *loadElement, a, b []byte) (created bool) {
	switch x.kind {
	case loadMember:
		return value.OpenSet(l.env, l.root).Add(a)
	case loadField:
		return value.OpenHash(l.env, l.root).Set(a, b, x.at)
	case loadScored:
		_, created = value.OpenZSet(l.env, l.root).Set(a, x.score)
		return created
	case loadItem:
		value.OpenList(l.env, l.root).Push(l.fill(), a, false)
	case loadPlain:
		value.OpenList(l.env, l.root).AppendNode(value.PlainNode, a)
	case loadNode:
		value.OpenList(l.env, l.root).AppendNode(value.PackedNode, a)
	}
	return true
}

// End ends the collection: it is Stored or Dropped next. empty says that it has no elements, and Redis has no such key; a stream never is. An error is ErrDuplicate or, of a stream,
// ErrPending or ErrStream.
func (l *Loader) End() (empty bool, err error) {
	switch {
	case l.typ == value.Stream:
		l.flush()
		return false, l.endStream()
	case l.packed != nil || l.n == 0:
	case l.rooted:
		l.flush()
	default:
		l.pack()
	}
	return l.n == 0, l.err
}

// pack makes what waits the packed value.
func (l *Loader) pack() {
	switch {
	case l.nodes:
		l.enc, l.packed = value.ListPack, l.buf // the only one
		return
	case l.typ == value.Set && !l.strings:
		l.packInts()
		return
	case l.typ == value.ZSet:
		slices.SortFunc(l.waiting, l.compare)
	}
	each := 1
	l.lp = listpack.Init(slices.Grow(l.lp[:0], l.bytes)[:listpack.EmptyBytes])
	for i := range l.waiting {
		x := &l.waiting[i]
		l.lp = listpack.Append(l.lp, l.buf[x.start:x.mid])
		switch x.kind {
		case loadField:
			l.lp, each = listpack.Append(l.lp, l.buf[x.mid:x.end]), 2
		case loadScored:
			l.lp, each = appendScore(l.lp, x.score), 2
		}
	}
	if l.typ != value.List && listpack.Duplicate(l.lp, each) != listpack.None {
		l.err = ErrDuplicate
	}
	l.enc, l.packed = value.ListPack, l.lp
}

// compare is the order of a sorted set's elements.
func (l *Loader) compare(x, y loadElement) int {
	return cmp.Or(cmp.Compare(x.score, y.score), bytes.Compare(l.buf[x.start:x.mid], l.buf[y.start:y.mid]))
}

// packInts makes a set of integers an intset.
func (l *Loader) packInts() {
	is := intset.Init(l.lp)
	for i := range l.waiting {
		x := &l.waiting[i]
		n, _ := decimal.Parse(l.buf[x.start:x.mid])
		added := false
		if is, added = intset.Add(is, n); !added {
			l.err = ErrDuplicate
		}
	}
	l.lp, l.enc, l.packed = is, value.IntSet, is
}

// appendScore appends a score to a listpack: as an integer if it is one of those that Redis writes so, else as text.
func appendScore(lp []byte, score float64) []byte {
	var text [32]byte
	if n, ok := wholeScore(score); ok {
		return listpack.AppendInt(lp, n)
	}
	return listpack.Append(lp, appendScoreText(text[:0], score))
}

// Store gives the collection, which is not empty, to a key, in the shard for which it was begun, and which is held. expireAt is that of DB.SetPacked.
func (l *Loader) Store(k Key, expireAt int64) keyspace.Entry {
	if l.root == arena.Nil {
		return k.DB.SetPacked(k.Hash, k.Name, l.typ, l.enc, l.packed, expireAt)
	}
	enc := value.HashTable
	switch l.typ {
	case value.List:
		enc = value.QuickList
	case value.ZSet:
		enc = value.SkipList
	case value.Stream:
		enc = value.StreamEncoding
	}
	root := l.root
	l.root = arena.Nil
	return k.DB.SetRoot(k.Hash, k.Name, l.typ, enc, root, expireAt)
}

// Drop gives up what has not been stored.
func (l *Loader) Drop() {
	root := l.root
	if root == arena.Nil {
		return
	}
	l.root = arena.Nil
	l.hold(func() { value.Owners(l.env.Arena, root).Store(0) })
	for done := false; !done; {
		l.hold(func() { done = value.Free(l.env, l.typ, root, limits.MaxElementsFreedAtOnce) })
	}
}
