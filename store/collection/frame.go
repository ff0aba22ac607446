package collection

import (
	"strconv"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// Key is a key in its database.
type Key struct {
	DB   *keyspace.DB
	Hash uint64
	Name []byte
}

// frame is what the handles of all types have. The collection is packed in lp, or rooted, or neither: there is no key yet.
type frame struct {
	k   Key
	e   keyspace.Entry
	typ value.Type
	enc value.Encoding // of lp
	lp  []byte         // the entry's bytes, or once edited those in the shard's scratch buffer; nil if rooted

	edited   bool // lp is to be written back
	placed   bool // lp was edited where it is
	changing bool // below the root: the walks know

	// numbers are where elements that are packed as integers are written as text: a field and a value of a hash. They are made when they are needed, as they may be given to
	// somebody unknown: if they were in the handle, that would have to be on the heap.
	numbers *[2][decimal.MaxLen]byte
}

// open fills a frame for what DB.Find has found, if anything.
func (f *frame) open(k Key, e keyspace.Entry, t value.Type) {
	*f = frame{k: k, e: e, typ: t}
	if e.Found() && e.Root() == arena.Nil {
		f.enc, f.lp = e.Encoding(), e.Packed()
	}
}

func (f *frame) limits() *keyspace.Limits { return f.k.DB.Shard().Space().Limits() }

func (f *frame) rooted() bool { return f.lp == nil && f.e.Found() }

// digits writes an integer into one of numbers.
func (f *frame) digits(n int64, i int) []byte {
	if f.numbers == nil {
		f.numbers = new([2][decimal.MaxLen]byte)
	}
	return strconv.AppendInt(f.numbers[i][:0], n, 10)
}

// text is the element at a position of the listpack; an integer is written into one of numbers.
func (f *frame) text(at, i int) []byte {
	s, n := listpack.Get(f.lp, at)
	if s == nil {
		return f.digits(n, i)
	}
	return s
}

// edit lets lp be changed, with room for some bytes more: where it is if that can be, else in a copy in the scratch buffer. Who then writes to lp stores what the edit returned, and commits.
// Without a key lp stays nil.
func (f *frame) edit(room int) {
	if f.edited {
		if f.placed && cap(f.lp)-len(f.lp) < room {
			f.lp, f.placed = append(f.k.DB.Scratch(2*len(f.lp)+room), f.lp...), false // its place is full
		}
		return
	}
	f.edited = true
	if f.lp == nil {
		return
	}
	if lp := f.k.DB.EditPacked(f.e, f.k.Hash, room); lp != nil {
		f.lp, f.placed = lp, true
		return
	}
	f.lp = append(f.k.DB.Scratch(len(f.lp)+room), f.lp...)
}

// change must be called before anything below the root changes.
func (f *frame) change() {
	if !f.changing {
		f.k.DB.BeforeChange(f.e)
		f.changing = true
	}
}

// setRoot makes the collection a rooted one. Its packed bytes are given up.
func (f *frame) setRoot(root arena.Ref, enc value.Encoding) {
	f.e = f.k.DB.SetRoot(f.k.Hash, f.k.Name, f.typ, enc, root, keyspace.KeepTTL)
	f.lp, f.edited, f.placed, f.changing = nil, false, false, true
}

// commit writes back what was edited, or deletes the key if the collection is empty, which it reports.
func (f *frame) commit(n int) (deleted bool) {
	switch {
	case n == 0:
		return f.k.DB.Delete(f.k.Hash, f.k.Name)
	case !f.edited:
		return false
	case f.placed:
		f.e = f.k.DB.EditedPacked(f.e, f.k.Hash, f.enc, f.lp)
	case f.e.Found():
		f.e = f.k.DB.ReplacePacked(f.e, f.k.Hash, f.enc, f.lp)
		f.k.DB.KeepScratch(f.lp)
	default:
		f.e = f.k.DB.SetPacked(f.k.Hash, f.k.Name, f.typ, f.enc, f.lp, keyspace.NoExpiry)
		f.k.DB.KeepScratch(f.lp)
	}
	f.lp, f.edited, f.placed = f.e.Packed(), false, false
	return false
}
