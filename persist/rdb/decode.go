package rdb

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// This file gives values by their content (ReaderOptions.Elements): open functions read what stands before the elements, element functions one of them.

// decoder is how a type byte's value is read.
type decoder struct {
	typ value.Type
	// open fills in Content but Type; with Packed, element is not called.
	open func(*Reader, *Content) error
	// element reads the next element; its Kind is in turn, or ElementItem for ElementNode.
	element func(*Reader, *Element) error
}

// decoders is indexed by Type. A type without open is given as it stands (Value.Raw).
var decoders = [...]decoder{
	TypeList:              {value.List, (*Reader).openCount, (*Reader).item},
	TypeSet:               {value.Set, (*Reader).openCount, (*Reader).member},
	TypeZset:              {value.ZSet, (*Reader).openCount, (*Reader).textScored},
	TypeHash:              {value.Hash, (*Reader).openCount, (*Reader).field},
	TypeZset2:             {value.ZSet, (*Reader).openCount, (*Reader).scored},
	TypeModule2:           {typ: value.Module},
	TypeHashZipmap:        {value.Hash, openOld(zipmapToListpack, errZipmap), nil},
	TypeListZiplist:       {value.List, openOld(ziplistToListpack, errZiplist), nil},
	TypeSetIntset:         {value.Set, (*Reader).openIntset, nil},
	TypeZsetZiplist:       {value.ZSet, openOld(ziplistToListpack, errZiplist), (*Reader).packedScored},
	TypeHashZiplist:       {value.Hash, openOld(ziplistToListpack, errZiplist), nil},
	TypeListQuicklist:     {value.List, (*Reader).openCount, (*Reader).ziplistNode},
	TypeStream:            {value.Stream, (*Reader).openCount, (*Reader).stream},
	TypeHashListpack:      {value.Hash, (*Reader).openListpack, nil},
	TypeZsetListpack:      {value.ZSet, (*Reader).openListpack, (*Reader).packedScored},
	TypeListQuicklist2:    {value.List, (*Reader).openCount, (*Reader).node},
	TypeStream2:           {value.Stream, (*Reader).openCount, (*Reader).stream},
	TypeSetListpack:       {value.Set, (*Reader).openListpack, nil},
	TypeStream3:           {value.Stream, (*Reader).openCount, (*Reader).stream},
	TypeHashTTL:           {value.Hash, (*Reader).openTTL, (*Reader).ttlField},
	TypeHashListpackTTLRC: {value.Hash, (*Reader).openListpackTTL, (*Reader).packedField},
	TypeHashMetadata:      {value.Hash, (*Reader).openTTL, (*Reader).ttlField},
	TypeHashListpackTTL:   {value.Hash, (*Reader).openListpackTTL, (*Reader).packedField},
}

// contents is what a Reader keeps while it gives the elements of a value.
type contents struct {
	progress
	head    Content // of the value; kept here, as what open functions are given would be allocated each time
	passed  Element // the last one that nobody asked for; likewise
	typ     Type
	element func(*Reader, *Element) error
	least   int64  // of TypeHashMetadata: the least expiry
	blob    []byte // a packed encoding whose entries are given as elements,
	at      int    // from here on
	name    []byte // the buffers that elements point into
	val     []byte
	lp      []byte     // what an old encoding has become
	node    StreamID   // the last node's id, if any
	nodes   bool       //
	first   StreamID   // the stream's first entry, if any was found
	found   bool       //
	info    StreamInfo // of the stream
	whole   int64      // the length of a DUMP payload's value: nothing may follow it; or 0
}

// NextElement gives the next element of the value that Next returned with ReaderOptions.Elements; false when there are no more. What is left of a value when
// Next is called is passed over. Errors are as those of Next, and final.
func (r *Reader) NextElement(el *Element) (bool, error) {
	c := &r.contents
	if r.err != nil || c.next == 0 {
		return false, r.err
	}
	*el = Element{Kind: c.next}
	if err := c.element(r, el); err != nil {
		r.err = err
		return false, err
	}
	c.took(el)
	if c.next == 0 {
		r.err = r.valueEnds()
	}
	return r.err == nil, r.err
}

// valueEnds is called at the end of a value.
func (r *Reader) valueEnds() error {
	r.where.HasKey, r.where.HasType = false, false
	if whole := r.contents.whole; whole > 0 && r.Offset() != whole {
		return r.corruptAt(r.Offset(), "%d bytes after the value", whole-r.Offset())
	}
	return nil
}

// content begins a value of type t, whose Content is then contents.head. False when the type is not decoded.
func (r *Reader) content(t Type) (bool, error) {
	d := decoders[t]
	out := &r.contents.head
	*out = Content{Type: d.typ}
	if d.open == nil {
		return false, nil
	}
	c := &r.contents
	c.typ, c.element, c.nodes, c.found, c.info, c.blob, c.least = t, d.element, false, false, StreamInfo{}, nil, 0
	if err := d.open(r, out); err != nil {
		return true, err
	}
	c.begin(*out)
	if c.next == 0 {
		return true, r.valueEnds()
	}
	return true, nil
}

// passElements reads what is left of a value.
func (r *Reader) passElements() error {
	for r.contents.next != 0 {
		if _, err := r.NextElement(&r.contents.passed); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string into *buf, or gives it where it lies in the input's buffer: valid until the next read.
func (r *Reader) text(buf *[]byte, what string) ([]byte, error) {
	at := r.src.offset()
	n, enc, err := r.lengthOrEncoding(what)
	if err == nil && enc == encNone && n <= uint64(r.src.w-r.src.r) && n <= uint64(r.opts.MaxStringBytes) {
		return r.src.take(int(n), what)
	}
	if err == nil {
		*buf, err = r.strOf((*buf)[:0], at, n, enc, r.opts.MaxStringBytes, what)
	}
	return *buf, err
}

// copied reads a string into *buf, so that it stays valid while more is read.
func (r *Reader) copied(buf *[]byte, what string) ([]byte, error) {
	var err error
	*buf, err = r.str((*buf)[:0], r.opts.MaxStringBytes, what)
	return *buf, err
}

// openCount reads the number of elements.
func (r *Reader) openCount(c *Content) (err error) {
	c.Count, err = r.length("a number of elements")
	return err
}

// openTTL reads what stands before fields with expiries.
func (r *Reader) openTTL(c *Content) error {
	c.FieldTTL = true
	if err := r.leastExpiry(); err != nil {
		return err
	}
	return r.openCount(c)
}

// leastExpiry reads the least expiry, where the type has one.
func (r *Reader) leastExpiry() error {
	if r.contents.typ != TypeHashMetadata && r.contents.typ != TypeHashListpackTTL {
		return nil
	}
	v, err := r.src.u64("the least expiry of a hash")
	r.contents.least = int64(v)
	return err
}

// blob reads a packed encoding.
func (r *Reader) blob() ([]byte, error) { return r.text(&r.contents.val, "a packed encoding") }

func (r *Reader) openIntset(c *Content) error {
	at := r.src.offset()
	blob, err := r.blob()
	if err != nil {
		return err
	}
	if !intset.Validate(blob) {
		return r.corruptAt(at, "%v", errIntset)
	}
	c.Encoding, c.Packed, c.Count = value.IntSet, blob, uint64(intset.Len(blob))
	return nil
}

func (r *Reader) openListpack(c *Content) error {
	at := r.src.offset()
	blob, err := r.blob()
	if err != nil {
		return err
	}
	n, ok := listpack.Validate(blob)
	if !ok {
		return r.corruptAt(at, "%v", errListpack)
	}
	return r.packed(c, blob, n, at, r.opts.Deep)
}

// converted reads an old packed encoding as a listpack of n entries, which is good until the next one.
func (r *Reader) converted(convert func(lp, p []byte) ([]byte, int, bool), fault error) (lp []byte, n int, err error) {
	at := r.src.offset()
	blob, err := r.blob()
	if err != nil {
		return nil, 0, err
	}
	lp, n, ok := convert(listpack.Init(r.contents.lp), blob)
	r.contents.lp = lp
	if !ok {
		return nil, 0, r.corruptAt(at, "%v", fault)
	}
	return lp, n, nil
}

// openOld makes the open function of an encoding that convert turns into a listpack.
func openOld(convert func(lp, p []byte) ([]byte, int, bool), fault error) func(*Reader, *Content) error {
	return func(r *Reader, c *Content) error {
		at := r.src.offset()
		lp, n, err := r.converted(convert, fault)
		if err != nil {
			return err
		}
		return r.packed(c, lp, n, at, true)
	}
}

// packed makes c the value that lp, a valid listpack of n entries, is.
func (r *Reader) packed(c *Content, lp []byte, n int, at int64, unique bool) error {
	each := 1
	if c.Type == value.Hash || c.Type == value.ZSet {
		each = 2
	}
	if n%each != 0 {
		return r.corruptAt(at, "a listpack of %d entries, expected a multiple of %d", n, each)
	}
	if unique && c.Type != value.List && listpack.Duplicate(lp, each) != listpack.None {
		return r.corruptAt(at, "the same member or field twice in a %s", c.Type)
	}
	c.Encoding, c.Packed, c.Count = value.ListPack, lp, uint64(n/each)
	if c.Type != value.ZSet {
		return nil
	}
	sorted, ok := scoresAscend(lp)
	if !ok {
		return r.corruptAt(at, "a sorted set with a score that is none")
	}
	if !sorted { // Redis takes it, so the loader has to put it in order
		r.contents.blob, r.contents.at = lp, listpack.First(lp)
		c.Encoding, c.Packed = 0, nil
	}
	return nil
}

// scoresAscend reports whether a listpack of members and scores is in order, and whether all scores are numbers.
func scoresAscend(lp []byte) (sorted, ok bool) {
	sorted = true
	var scratch, kept [decimal.MaxLen]byte
	var last []byte
	lastScore := math.Inf(-1)
	for at := listpack.First(lp); at != listpack.None; at = listpack.Skip(lp, at, 2) {
		name := listpack.Text(lp, at, &scratch)
		score, isNumber := scoreAt(lp, listpack.Next(lp, at))
		if !isNumber {
			return false, false
		}
		if last != nil && (score < lastScore || score == lastScore && string(name) <= string(last)) {
			sorted = false
		}
		if len(name) <= len(kept) { // it may lie in scratch
			name = kept[:copy(kept[:], name)]
		}
		last, lastScore = name, score
	}
	return sorted, true
}

// scoreAt returns the entry at at as a score.
func scoreAt(lp []byte, at int) (float64, bool) {
	text, n := listpack.Get(lp, at)
	if text == nil {
		return float64(n), true
	}
	return parseScore(text)
}

// parseScore reads a score as Redis writes it: decimal digits, or an infinity.
func parseScore(text []byte) (float64, bool) {
	for _, c := range text {
		if c == '_' || c == 'x' || c == 'X' || c == 'p' || c == 'P' { // Go's own notations
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// openListpackTTL reads a listpack of fields, values and expiries, which are given as elements.
func (r *Reader) openListpackTTL(c *Content) error {
	if err := r.leastExpiry(); err != nil {
		return err
	}
	at := r.src.offset()
	blob, err := r.copied(&r.contents.val, "a packed encoding")
	if err != nil {
		return err
	}
	n, ok := listpack.Validate(blob)
	if !ok || n%3 != 0 {
		return r.corruptAt(at, "%v: expected fields, values and expiries", errListpack)
	}
	r.contents.blob, r.contents.at = blob, listpack.First(blob)
	c.FieldTTL, c.Count = true, uint64(n/3)
	return nil
}

// packedEntry returns the next entry of a packed encoding as text; valid until buf is used again.
func (c *contents) packedEntry(buf *[]byte) []byte {
	var scratch [decimal.MaxLen]byte
	text := listpack.Text(c.blob, c.at, &scratch)
	if len(text) <= len(scratch) { // it may lie in scratch
		*buf = append((*buf)[:0], text...)
		text = *buf
	}
	c.at = listpack.Next(c.blob, c.at)
	return text
}

// packedField gives a field, a value and an expiry of a packed encoding.
func (r *Reader) packedField(el *Element) error {
	c := &r.contents
	el.Name = c.packedEntry(&c.name)
	el.Value = c.packedEntry(&c.lp)
	at, ok := listpack.Int(c.blob, c.at)
	if !ok || at < 0 {
		return r.corruptAt(r.src.offset(), "the expiry of field %q is none", clip(el.Name))
	}
	el.ExpireAtMs = at
	c.at = listpack.Next(c.blob, c.at)
	return nil
}

// packedScored gives a member and a score of a packed encoding that was not in order.
func (r *Reader) packedScored(el *Element) error {
	c := &r.contents
	el.Name = c.packedEntry(&c.name)
	el.Score, _ = scoreAt(c.blob, c.at)
	c.at = listpack.Next(c.blob, c.at)
	return nil
}

func (r *Reader) member(el *Element) (err error) {
	el.Name, err = r.text(&r.contents.name, "a member")
	return err
}

func (r *Reader) item(el *Element) (err error) {
	el.Kind = ElementItem
	el.Value, err = r.text(&r.contents.val, "an element")
	return err
}

func (r *Reader) field(el *Element) (err error) {
	if el.Name, err = r.copied(&r.contents.name, "a field"); err == nil {
		el.Value, err = r.text(&r.contents.val, "a field's value")
	}
	return err
}

// ttlField reads a field with its expiry: in Valkey's version behind it, in Redis' before it, relative to the least one or not.
func (r *Reader) ttlField(el *Element) error {
	const what = "a field's expiry"
	if r.version == ValkeyVersion {
		return r.fieldThenTTL(el)
	}
	at := r.src.offset()
	ttl, err := r.length(what)
	if err != nil {
		return err
	}
	if ttl != 0 && r.contents.typ == TypeHashMetadata {
		ttl += uint64(r.contents.least) - 1
	}
	if ttl > math.MaxInt64 {
		return r.corruptAt(at, "a field's expiry of %d", ttl)
	}
	el.ExpireAtMs = int64(ttl)
	return r.field(el)
}

// fieldThenTTL reads a field of Valkey's hash with expiries.
func (r *Reader) fieldThenTTL(el *Element) (err error) {
	if el.Name, err = r.copied(&r.contents.name, "a field"); err != nil {
		return err
	}
	if el.Value, err = r.copied(&r.contents.val, "a field's value"); err != nil {
		return err
	}
	el.ExpireAtMs, err = r.expiry(opExpireMs)
	return err
}

func (r *Reader) scored(el *Element) (err error) {
	if el.Name, err = r.copied(&r.contents.name, "a member"); err != nil {
		return err
	}
	at := r.src.offset()
	p, err := r.src.take(8, "a score")
	if err != nil {
		return err
	}
	if el.Score = math.Float64frombits(binary.LittleEndian.Uint64(p)); math.IsNaN(el.Score) {
		return r.corruptAt(at, "a score that is not a number")
	}
	return nil
}

// textScored reads a member whose score is text: a byte that is its length, or 253 to 255 for NaN and the infinities.
func (r *Reader) textScored(el *Element) (err error) {
	if el.Name, err = r.copied(&r.contents.name, "a member"); err != nil {
		return err
	}
	at := r.src.offset()
	n, err := r.src.byte("a score")
	switch {
	case err != nil:
		return err
	case n == 255:
		el.Score = math.Inf(-1)
		return nil
	case n == 254:
		el.Score = math.Inf(1)
		return nil
	case n == 253:
		return r.corruptAt(at, "a score that is not a number")
	}
	p, err := r.src.take(int(n), "a score")
	if err != nil {
		return err
	}
	ok := false
	if el.Score, ok = parseScore(p); !ok {
		return r.corruptAt(at, "%q, expected a score", p)
	}
	return nil
}

// ziplistNode reads a node of an old list.
func (r *Reader) ziplistNode(el *Element) error {
	lp, n, err := r.converted(ziplistToListpack, errZiplist)
	if err != nil {
		return err
	}
	el.Value, el.Count = lp, uint64(n)
	return nil
}

// node reads a node of a list.
func (r *Reader) node(el *Element) error {
	at := r.src.offset()
	container, err := r.length("a list node's container")
	if err != nil {
		return err
	}
	if container == nodePlain {
		if err := r.item(el); err != nil || len(el.Value) > 0 {
			return err
		}
		return r.corruptAt(at, "an empty element as a list node")
	}
	if container != nodePacked {
		return r.corruptAt(at, "list node container %d, expected %d or %d", container, nodePlain, nodePacked)
	}
	if el.Value, err = r.blob(); err != nil {
		return err
	}
	n, ok := listpack.Validate(el.Value)
	if !ok {
		return r.corruptAt(at, "%v", errListpack)
	}
	el.Count = uint64(n)
	return nil
}

// OpenDump begins a DUMP payload: its value is a string, or comes as Content and Reader.NextElement, as with ReaderOptions.Elements. It does not copy the payload,
// and its slices may be a part of it. Errors are as those of ReadDump; whether the payload is sound to its end is known only
// when NextElement says that there are no more elements.
func OpenDump(payload []byte, opts ReaderOptions) (*Reader, Value, error) {
	opts.Elements = true
	t, version, body, err := parseDump(payload, opts.SkipChecksum)
	if err != nil {
		return nil, Value{}, err
	}
	info, ok := t.info()
	if !ok || !t.existsIn(version) {
		return nil, Value{}, &UnsupportedError{What: "type " + strconv.Itoa(int(t)) + " in a DUMP payload of RDB version " + strconv.Itoa(version)}
	}
	if len(body) == 0 {
		return nil, Value{}, &CorruptError{Offset: 1, What: "the value is missing", Err: io.ErrUnexpectedEOF}
	}
	opts.Limits = opts.Limits.withDefaults()
	whole := 1 + len(body)
	r := &Reader{src: memorySource(payload[:whole], 1), opts: opts, version: version, started: true}
	r.contents.whole = int64(whole)
	v, err := r.value(t, info)
	if err == nil && (t == TypeString || v.Raw != nil) {
		err = r.valueEnds()
	}
	r.err = err
	return r, v, err
}
