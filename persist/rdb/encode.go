package rdb

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/value"
)

// This file writes values by their content.

// Begin writes a key whose value is not a string: all of it when it is packed, else what stands before its elements, which must follow (Element) before
// anything else. What the version of this dump cannot hold is an *UnsupportedError, and nothing of the key has been written; the Writer can go on.
func (w *Writer) Begin(key []byte, c Content, meta Meta) error {
	if err := w.begin("Begin", w.state == writerDB); err != nil {
		return err
	}
	t, err := c.typeIn(w.opts.Version)
	if err != nil {
		return err
	}
	w.key(t, key, meta)
	w.content(t, c)
	return w.flushFull()
}

// Element writes the next element of the value that was begun. The order of the kinds, and the counts, are as a Reader gives them; Kind must be set.
func (w *Writer) Element(el *Element) error {
	if w.err == nil && !w.progress.takes(el.Kind) {
		w.err = errs.Bugf("rdb.Writer: a %s out of turn", el.Kind)
	}
	if w.err != nil {
		return w.err
	}
	w.element(el)
	w.progress.took(el)
	return w.flushFull()
}

// typeIn returns the type byte with which c is written in a dump of the version.
func (c Content) typeIn(version int) (Type, error) {
	t, ok := c.packedType()
	switch {
	case c.Packed == nil:
		t, ok = c.elementsType(version)
	case t == TypeSetListpack && version == OldReplicaVersion:
		t = TypeSet // its members one by one
	}
	if !ok {
		return 0, errs.Bugf("rdb: a value of type %s, encoding %s, has no form in a dump", c.Type, c.Encoding)
	}
	if c.FieldTTL && version != ValkeyVersion {
		return 0, unwritable("a hash with expiries of fields in RDB version %d; version %d has them", version, ValkeyVersion)
	}
	return t, nil
}

// packedType returns the type byte of a packed value.
func (c Content) packedType() (Type, bool) {
	if c.Encoding == value.IntSet {
		return TypeSetIntset, c.Type == value.Set
	}
	ok := c.Encoding == value.ListPack && !c.FieldTTL
	switch c.Type {
	case value.Set:
		return TypeSetListpack, ok
	case value.Hash:
		return TypeHashListpack, ok
	case value.ZSet:
		return TypeZsetListpack, ok
	case value.List:
		return TypeListQuicklist2, ok
	}
	return 0, false
}

// elementsType returns the type byte of a value of elements.
func (c Content) elementsType(version int) (Type, bool) {
	switch c.Type {
	case value.Set:
		return TypeSet, true
	case value.Hash:
		if c.FieldTTL {
			return TypeHashTTL, true
		}
		return TypeHash, true
	case value.ZSet:
		return TypeZset2, true
	case value.List:
		return TypeListQuicklist2, true
	case value.Stream:
		if version == OldReplicaVersion {
			return TypeStream2, true
		}
		return TypeStream3, true
	}
	return 0, false
}

// content writes c, behind its type byte t. Errors stay in w.err.
func (w *Writer) content(t Type, c Content) {
	w.value = t
	w.progress.begin(c)
	switch {
	case c.Packed == nil:
		w.length(c.Count)
	case t == TypeSet:
		w.members(c.Packed)
	default:
		if t == TypeListQuicklist2 {
			w.length(1)
			w.length(nodePacked)
		}
		w.str(c.Packed)
	}
}

// members writes the entries of a listpack as the members of a set.
func (w *Writer) members(lp []byte) {
	w.length(uint64(listpack.Count(lp)))
	var scratch [decimal.MaxLen]byte
	for at := listpack.First(lp); at != listpack.None && w.flushFull() == nil; at = listpack.Next(lp, at) {
		w.str(listpack.Text(lp, at, &scratch))
	}
}

// element writes an element that is in turn. Errors stay in w.err.
func (w *Writer) element(el *Element) {
	switch el.Kind {
	case ElementMember:
		w.str(el.Name)
	case ElementField:
		w.field(el)
	case ElementScored:
		w.str(el.Name)
		w.u64(math.Float64bits(el.Score))
	case ElementItem:
		w.item(el.Value)
	case ElementNode:
		w.length(nodePacked)
		w.str(el.Value)
	default:
		w.streamElement(el)
	}
}

// item writes an element of a list as a node of its own.
func (w *Writer) item(p []byte) {
	if len(p) == 0 { // Redis takes an empty plain node for an error
		w.length(nodePacked)
		w.str(listpack.Append(listpack.New(0), p))
		return
	}
	w.length(nodePlain)
	w.str(p)
}

// field writes a field and its value, and where the type has it the expiry.
func (w *Writer) field(el *Element) {
	w.str(el.Name)
	w.str(el.Value)
	if w.value != TypeHashTTL {
		return
	}
	at := el.ExpireAtMs
	if at == 0 {
		at = noExpiry
	}
	w.u64(uint64(at))
}

// noExpiry stands for none in a dump.
const noExpiry = -1

// streamElement writes a part of a stream.
func (w *Writer) streamElement(el *Element) {
	switch el.Kind {
	case ElementStreamNode:
		w.str(el.ID.appendTo(w.id[:0]))
		w.str(el.Value)
	case ElementStreamInfo:
		s := &el.Stream
		w.lengths(s.Length, s.Last.Ms, s.Last.Seq, s.First.Ms, s.First.Seq, s.MaxDeleted.Ms, s.MaxDeleted.Seq, s.Added, el.Count)
	case ElementGroup:
		w.str(el.Name)
		w.lengths(el.ID.Ms, el.ID.Seq, uint64(el.EntriesRead), el.Count)
	case ElementPending:
		w.bytes(el.ID.appendTo(w.id[:0]))
		w.u64(uint64(el.TimeMs))
		w.length(el.Deliveries)
	case ElementConsumers:
		w.length(el.Count)
	case ElementConsumer:
		w.str(el.Name)
		w.u64(uint64(el.TimeMs))
		if w.value == TypeStream3 {
			w.u64(uint64(el.ActiveMs))
		}
		w.length(el.Count)
	case ElementOwned:
		w.bytes(el.ID.appendTo(w.id[:0]))
	}
}

// appendTo appends the id's 16 bytes.
func (id StreamID) appendTo(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, id.Ms), id.Seq)
}

// length writes a length. There is room, as a record leaves a quarter of the buffer free and bytes makes room before it fills it.
func (w *Writer) length(n uint64) { w.buf = appendLen(w.buf, n) }

// lengths writes lengths.
func (w *Writer) lengths(all ...uint64) {
	for _, n := range all {
		w.length(n)
	}
}

// u64 writes eight bytes, least significant first.
func (w *Writer) u64(v uint64) { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }

// DumpWriter makes the DUMP payload of a value that is not a string, piece by piece: Begin, Element, Payload.
type DumpWriter struct {
	w   Writer
	out bytes.Buffer
}

// NewDumpWriter returns a DumpWriter of version opts.Version (0: DefaultVersion). A payload always has a checksum.
func NewDumpWriter(opts WriterOptions) *DumpWriter {
	d := &DumpWriter{}
	opts.Checksum = true
	d.w = Writer{out: &d.out, opts: opts, buf: make([]byte, 0, 4*limits.KiB), enc: encoder{compress: opts.Compress}, state: writerDB}
	d.w.opts.Version, d.w.err = writeVersion(opts.Version)
	return d
}

// Begin is Writer.Begin, without a key.
func (d *DumpWriter) Begin(c Content) error {
	w := &d.w
	if err := w.begin("Begin", w.state == writerDB && w.Written() == 0); err != nil {
		return err
	}
	t, err := c.typeIn(w.opts.Version)
	if err != nil {
		return err
	}
	w.buf = append(w.buf, byte(t))
	w.content(t, c)
	return w.flushFull()
}

// Element is Writer.Element.
func (d *DumpWriter) Element(el *Element) error { return d.w.Element(el) }

// Chunk is Writer.Chunk.
func (d *DumpWriter) Chunk(chunk []byte) error { return d.w.Chunk(chunk) }

// Payload ends the value and returns its payload.
func (d *DumpWriter) Payload() ([]byte, error) {
	w := &d.w
	if err := w.begin("Payload", w.state == writerDB && w.Written() > 0); err != nil {
		return nil, err
	}
	w.state = writerClosed
	w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(w.opts.Version))
	if err := w.flush(); err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint64(d.out.Bytes(), w.crc), nil
}
