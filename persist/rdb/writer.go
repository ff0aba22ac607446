package rdb

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/persist/rdb/lzf"
)

const (
	writerBytes = 64 * limits.KiB
	// minLZFBytes is from where a string is worth compressing. Source: rdbSaveRawString.
	minLZFBytes = 21
	// maxLZFBytes is up to where. A bigger string is written as it is, so that a snapshot of a small node does not need
	// its biggest value a second time.
	maxLZFBytes = 64 * limits.MiB
	// maxIntText is the longest text that can be an integer of 32 bits.
	maxIntText = len("-2147483648")
)

// WriterOptions say how to write.
type WriterOptions struct {
	// Version of the format: 10, 11 or 80; 0 is DefaultVersion. The writer refuses what the version cannot hold.
	Version int
	// Compress compresses strings of more than 20 bytes with LZF (rdbcompression).
	Compress bool
	// Checksum ends the dump with a CRC64 (rdbchecksum); without it there are eight zero bytes.
	Checksum bool
}

// Writer writes a dump: Header, then for each database SelectDB and its keys (String, Begin with Element, Object), then Close. It buffers 64 KiB. Once a
// method has returned an error, all do. It is used by one goroutine.
type Writer struct {
	out     io.Writer
	opts    WriterOptions
	enc     encoder
	buf     []byte
	written int64 // bytes that have left buf
	crc     uint64
	state   writerState
	err     error

	progress progress // of the value that was begun
	value    Type     // its type byte
	long     uint64   // bytes of a string that must follow
	id       [16]byte // room for a stream's id
}

// writerState says what may be written next.
type writerState uint8

const (
	writerNew    writerState = iota // the header
	writerHead                      // more about the dump, functions, a database
	writerDB                        // keys, too
	writerClosed                    // nothing
)

// NewWriter returns a Writer to out. An unknown version is reported by Header.
func NewWriter(out io.Writer, opts WriterOptions) *Writer {
	w := &Writer{out: out, opts: opts, buf: make([]byte, 0, writerBytes), enc: encoder{compress: opts.Compress}}
	w.opts.Version, w.err = writeVersion(opts.Version)
	return w
}

// writeVersion returns the version to write for WriterOptions.Version.
func writeVersion(version int) (int, error) {
	switch version {
	case 0:
		return DefaultVersion, nil
	case OldReplicaVersion, DefaultVersion, ValkeyVersion:
		return version, nil
	}
	return version, unwritable("RDB version %d; versions %d, %d and %d can be written", version, OldReplicaVersion, DefaultVersion, ValkeyVersion)
}

// unwritable makes the error for what is asked to be written and cannot be.
func unwritable(format string, args ...any) error {
	return &UnsupportedError{Offset: errs.UnknownOffset, What: "writing " + fmt.Sprintf(format, args...)}
}

// Version returns the version that is written.
func (w *Writer) Version() int { return w.opts.Version }

// Written returns how long the dump is so far, in bytes, what is still buffered included.
func (w *Writer) Written() int64 { return w.written + int64(len(w.buf)) }

// Header writes the signature and the fields about the dump.
func (w *Writer) Header(aux []Aux) error {
	if err := w.begin("Header", w.state == writerNew); err != nil {
		return err
	}
	w.state = writerHead
	w.buf = append(w.buf, magic(w.opts.Version)...)
	for _, a := range aux {
		w.buf = append(w.buf, opAux)
		w.str([]byte(a.Name))
		w.str([]byte(a.Value))
	}
	return w.flushFull()
}

// Function writes a library of functions: its source text, as Event.Function has it. Libraries come before the first
// database.
func (w *Writer) Function(library []byte) error {
	if err := w.begin("Function", w.state == writerHead); err != nil {
		return err
	}
	w.buf = append(w.buf, opFunction2)
	w.str(library)
	return w.flushFull()
}

// SelectDB begins a database of so many keys, expires of them with an expiry. Loaders size their tables by the two
// numbers; they need not be exact.
func (w *Writer) SelectDB(db int, keys, expires uint64) error {
	if err := w.begin("SelectDB", db >= 0 && (w.state == writerHead || w.state == writerDB)); err != nil {
		return err
	}
	w.state = writerDB
	w.buf = appendLen(append(w.buf, opSelectDB), uint64(db))
	w.buf = appendLen(append(w.buf, opResizeDB), keys)
	w.buf = appendLen(w.buf, expires)
	return w.flushFull()
}

// String writes a key whose value is a string.
func (w *Writer) String(key, value []byte, meta Meta) error {
	if err := w.begin("String", w.state == writerDB); err != nil {
		return err
	}
	w.key(TypeString, key, meta)
	w.str(value)
	return w.flushFull()
}

// BeginString writes a key whose value is a string of size bytes, which must follow (StringBytes) before anything else. It is not compressed.
func (w *Writer) BeginString(key []byte, size uint64, meta Meta) error {
	if err := w.begin("BeginString", w.state == writerDB); err != nil {
		return err
	}
	w.key(TypeString, key, meta)
	w.length(size)
	w.long = size
	return w.flushFull()
}

// StringBytes writes the next bytes of the string that was begun.
func (w *Writer) StringBytes(b []byte) error {
	if w.err == nil && uint64(len(b)) > w.long {
		w.err = errs.Bugf("rdb.Writer: %d bytes of a string, %d are left", len(b), w.long)
	}
	if w.err != nil {
		return w.err
	}
	w.long -= uint64(len(b))
	w.bytes(b)
	return w.flushFull()
}

// Records writes what another Writer of the same version wrote behind its header: SelectDB and keys. It may come in pieces, and the database that is selected
// then is that one's.
func (w *Writer) Records(b []byte) error {
	if err := w.begin("Records", w.state == writerHead || w.state == writerDB); err != nil {
		return err
	}
	w.state = writerDB
	w.bytes(b)
	return w.flushFull()
}

// Object writes a key whose value was read by a Reader (or has the same form). What the version of this dump cannot
// hold is an *UnsupportedError, and nothing of the key has been written; the Writer can go on.
func (w *Writer) Object(key []byte, value Value, meta Meta) error {
	if value.Type == TypeString {
		return w.String(key, value.String, meta)
	}
	if err := w.begin("Object", w.state == writerDB); err != nil {
		return err
	}
	if err := value.fits(w.opts.Version); err != nil {
		return err
	}
	w.key(value.Type, key, meta)
	w.bytes(value.Raw[1:])
	return w.flushFull()
}

// version returns the version that v's bytes are of.
func (v Value) version() int {
	if v.Version == 0 {
		return DefaultVersion
	}
	return v.Version
}

// fits returns an error unless v has its bytes and they mean the same in a dump of the version.
func (v Value) fits(version int) error {
	if len(v.Raw) < 2 || Type(v.Raw[0]) != v.Type {
		return errs.Bugf("a value of type %s without its bytes", v.Type)
	}
	foreign := v.Type == TypeHashTTL && (v.version() == ValkeyVersion) != (version == ValkeyVersion)
	if foreign || !v.Type.writableIn(version) {
		return unwritable("a value of type %d (%s of RDB version %d) in version %d", v.Type, v.Type, v.version(), version)
	}
	return nil
}

// Flush hands what is buffered to the output.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.flush()
}

// Close writes the end and the checksum and flushes. It does not close the output.
func (w *Writer) Close() error {
	if err := w.begin("Close", w.state == writerHead || w.state == writerDB); err != nil {
		return err
	}
	w.state = writerClosed
	w.buf = append(w.buf, opEOF)
	if err := w.flush(); err != nil {
		return err
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, w.crc) // zero without WriterOptions.Checksum
	return w.flush()
}

// begin returns the error of an earlier call, or one that says that method is called out of turn.
func (w *Writer) begin(method string, inTurn bool) error {
	if w.err == nil && (!inTurn || w.progress.next != 0 || w.long != 0) {
		w.err = errs.Bugf("rdb.Writer: %s out of turn", method)
	}
	return w.err
}

// key writes what stands before a value.
func (w *Writer) key(t Type, key []byte, meta Meta) {
	if meta.ExpireAtMs != 0 {
		w.buf = binary.LittleEndian.AppendUint64(append(w.buf, opExpireMs), uint64(meta.ExpireAtMs))
	}
	if meta.HasIdle {
		w.buf = appendLen(append(w.buf, opIdle), meta.IdleSec)
	}
	if meta.HasFreq {
		w.buf = append(w.buf, opFreq, meta.Freq)
	}
	w.buf = append(w.buf, byte(t))
	w.str(key)
}

// str writes a string. Errors stay in w.err.
func (w *Writer) str(p []byte) {
	var body []byte
	w.buf, body = w.enc.appendHead(w.buf, p)
	w.bytes(body)
}

// bytes writes p: through the buffer, or past it when p is long. Errors stay in w.err.
func (w *Writer) bytes(p []byte) {
	if len(p) <= cap(w.buf)-len(w.buf) {
		w.buf = append(w.buf, p...)
		return
	}
	if w.Flush() != nil {
		return
	}
	if len(p) <= cap(w.buf)/2 {
		w.buf = append(w.buf, p...)
		return
	}
	for len(p) > 0 && w.err == nil { // in pieces, so that the sum finds them in the processor's cache
		n := min(len(p), writerBytes)
		w.send(p[:n])
		p = p[n:]
	}
}

// flushFull flushes a buffer that has little room left, and returns the error of this record.
func (w *Writer) flushFull() error {
	if w.err == nil && len(w.buf) > cap(w.buf)*3/4 {
		return w.flush()
	}
	return w.err
}

// flush hands the buffer to the output.
func (w *Writer) flush() error {
	w.send(w.buf)
	w.buf = w.buf[:0]
	return w.err
}

// send sums p and hands it to the output. Errors stay in w.err.
func (w *Writer) send(p []byte) {
	if len(p) == 0 || w.err != nil {
		return
	}
	if w.opts.Checksum {
		w.crc = crcUpdate(w.crc, p)
	}
	n, err := w.out.Write(p)
	w.written += int64(max(n, 0))
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("rdb: writing at byte %d: %w", w.written, err)
	}
}

// encoder turns strings into the form that they have in a dump.
type encoder struct {
	compress bool
	lzf      lzf.Compressor
	scratch  []byte // compressed strings
}

// appendHead appends to dst what stands before the bytes of string p and returns these bytes: p itself, p compressed
// (valid until the next call), or nothing when p is an integer.
func (e *encoder) appendHead(dst, p []byte) (head, body []byte) {
	if v, ok := parseInt32(p); ok {
		return appendInt(dst, v), nil
	}
	if e.compress && len(p) >= minLZFBytes && len(p) <= maxLZFBytes {
		if packed := e.pack(p); len(packed) > 0 {
			dst = appendLen(append(dst, lenSpecial|encLZF), uint64(len(packed)))
			return appendLen(dst, uint64(len(p))), packed
		}
	}
	return appendLen(dst, uint64(len(p))), p
}

// pack returns p compressed, or nothing when that does not save four bytes.
func (e *encoder) pack(p []byte) []byte {
	if cap(e.scratch) < len(p) || cap(e.scratch) > keepBytes {
		e.scratch = make([]byte, max(len(p), 4*limits.KiB))
	}
	room := e.scratch[:len(p)-4]
	return room[:e.lzf.Compress(room, p)]
}

// appendLen appends a length.
func appendLen(dst []byte, n uint64) []byte {
	switch {
	case n < 1<<6:
		return append(dst, byte(n)|len6)
	case n < 1<<14:
		return append(dst, byte(n>>8)|len14, byte(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, len32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, len64), n)
}

// appendInt appends the string that is the decimal text of v.
func appendInt(dst []byte, v int32) []byte {
	switch {
	case v == int32(int8(v)):
		return append(dst, lenSpecial|encInt8, byte(v))
	case v == int32(int16(v)):
		return binary.LittleEndian.AppendUint16(append(dst, lenSpecial|encInt16), uint16(v))
	}
	return binary.LittleEndian.AppendUint32(append(dst, lenSpecial|encInt32), uint32(v))
}

// parseInt32 returns the integer whose decimal text is exactly p, if there is one of 32 bits.
func parseInt32(p []byte) (int32, bool) {
	if len(p) == 0 || len(p) > maxIntText {
		return 0, false
	}
	digits, negative := p, p[0] == '-'
	if negative {
		digits = p[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && (negative || len(digits) > 1) {
		return 0, false
	}
	v := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return int32(v), v == int64(int32(v))
}
