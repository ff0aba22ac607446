package rdb

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/base/limits"
)

// EventKind says what an Event is.
type EventKind uint8

// The events, in the order in which a dump usually has them.
const (
	EventAux       EventKind = iota + 1 // a field about the dump: Aux
	EventModuleAux                      // a module's own data, skipped: Module
	EventFunction                       // a library of functions: Function
	EventSelectDB                       // the database of the following keys: DB
	EventResizeDB                       // how many keys are to come: DB, Keys, Expires. A hint only
	EventSlotInfo                       // how many keys of a slot are to come: Slot, Keys, Expires. A hint only
	EventKey                            // a key: DB, Key, Value, Meta
	EventEnd                            // the end: Checksum. Next then returns io.EOF
)

var eventNames = [...]string{
	EventAux: "aux", EventModuleAux: "module-aux", EventFunction: "function", EventSelectDB: "select-db",
	EventResizeDB: "resize-db", EventSlotInfo: "slot-info", EventKey: "key", EventEnd: "end",
}

// String returns the kind's name.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && k > 0 {
		return eventNames[k]
	}
	return "event " + strconv.Itoa(int(k))
}

// Checksum says what a dump's checksum was.
type Checksum uint8

// The states of a checksum. A wrong one is a *CorruptError instead.
const (
	ChecksumOK      Checksum = iota + 1 // compared, and right
	ChecksumOff                         // zero: whoever wrote the dump did not sum
	ChecksumAbsent                      // the version is older than checksums
	ChecksumSkipped                     // ReaderOptions.SkipChecksum
)

// Aux is a field about a dump: who wrote it, when, at which replication offset. Readers skip names they do not know.
type Aux struct{ Name, Value string }

// Names of Aux fields. Source: rdbSaveInfoAuxFields of Redis and Valkey.
const (
	AuxRedisVer     = "redis-ver"
	AuxRedisBits    = "redis-bits"     // 64 or 32
	AuxCtime        = "ctime"          // Unix time in seconds
	AuxUsedMem      = "used-mem"       // bytes
	AuxReplStreamDB = "repl-stream-db" // the database selected in the replication stream
	AuxReplID       = "repl-id"        // 40 hexadecimal digits
	AuxReplOffset   = "repl-offset"
	AuxAOFBase      = "aof-base" // 1 in the base file of an append-only file
)

// Meta is what stands beside a key's value. The zero Meta is: no expiry, nothing known about its use.
type Meta struct {
	// ExpireAtMs is when the key expires, in milliseconds of Unix time; 0 when it does not. (An expiry in a dump that
	// is exactly 0 is read as 1; both are long past.)
	ExpireAtMs int64
	// IdleSec is how long the key has not been used, in seconds, if HasIdle.
	IdleSec uint64
	// Freq is the key's logarithmic use counter (LFU), if HasFreq.
	Freq    uint8
	HasIdle bool
	HasFreq bool
}

// Value is a key's value.
type Value struct {
	// Type is the value's type byte.
	Type Type
	// Version is the version of the dump that the value is from: some type bytes mean different things in different
	// versions. 0 is DefaultVersion.
	Version int
	// String is the value when Type is TypeString.
	String []byte
	// Raw is the value of any other type as it stands in the dump: the type byte and the serialized bytes. Nil with
	// ReaderOptions.DiscardRaw.
	Raw []byte
	// Content is the value of any other type with ReaderOptions.Elements; Raw is then nil, but for a module's value.
	Content Content
}

// Event is one record of a dump. Its byte slices are valid until the next call of Next.
type Event struct {
	Kind EventKind
	// Offset is where the record begins, in bytes from the beginning of the dump; of a key, where its first attribute
	// (expiry, idle time) does.
	Offset   int64
	DB       int
	Key      []byte
	Value    Value
	Meta     Meta
	Aux      Aux
	Function []byte
	Module   string
	Slot     uint64
	Keys     uint64
	Expires  uint64
	Checksum Checksum
}

// Limits bound what a Reader accepts. A zero field is the default that stands beside it.
type Limits struct {
	MaxStringBytes   int // a key, a value, an element: limits.MaxRDBStringBytes
	MaxAuxBytes      int // name or value of an Aux: limits.MaxRDBAuxBytes
	MaxFunctionBytes int // limits.MaxRDBFunctionBytes
	MaxRawBytes      int // Value.Raw: limits.MaxRDBStringBytes
	Databases        int // limits.MaxDatabasesConfig
}

// withDefaults returns l with its zero fields filled.
func (l Limits) withDefaults() Limits {
	def := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	def(&l.MaxStringBytes, limits.MaxRDBStringBytes)
	def(&l.MaxAuxBytes, limits.MaxRDBAuxBytes)
	def(&l.MaxFunctionBytes, limits.MaxRDBFunctionBytes)
	def(&l.MaxRawBytes, limits.MaxRDBStringBytes)
	def(&l.Databases, limits.MaxDatabasesConfig)
	return l
}

// ReaderOptions say how to read.
type ReaderOptions struct {
	Limits
	// SizeBytes is the size of the input where it is known (a file, a $<length> payload): lengths are compared with
	// what remains, and big strings are allocated at once. 0 when unknown.
	SizeBytes int64
	// SkipChecksum reads the checksum without comparing it (rdbchecksum no).
	SkipChecksum bool
	// DiscardRaw walks over values that are not strings without keeping their bytes.
	DiscardRaw bool
	// Elements gives values that are not strings by their content: Value.Content and NextElement.
	Elements bool
	// Deep looks into packed encodings (ziplist, listpack, intset, zipmap) and decompresses them, too.
	Deep bool
}

// Where says what a Reader was doing, for messages about an error.
type Where struct {
	Doing   string // in the words of redis-check-rdb: "read-type", "read-key", …
	Key     []byte // the key that was being read, if HasKey
	HasKey  bool
	Type    Type // the type of its value, if HasType
	HasType bool
}

// Reader reads a dump. It is used by one goroutine.
type Reader struct {
	src      source
	opts     ReaderOptions
	version  int
	db       int
	where    Where
	key      []byte // the buffers that events point into
	val      []byte
	scratch  []byte // compressed strings and packed encodings
	contents contents
	started  bool
	end      bool  // the end has been reported
	err      error // what Next returns from now on
}

// keepBytes is how much buffer a Reader keeps from one key to the next.
const keepBytes = 4 * limits.MiB

var errRecordTooLong = errors.New("a value exceeds Limits.MaxRawBytes")

// NewReader returns a Reader of in. It reads ahead: what follows the dump is had from Rest.
func NewReader(in io.Reader, opts ReaderOptions) *Reader {
	opts.Limits = opts.Limits.withDefaults()
	return &Reader{src: newSource(in, opts.SizeBytes, !opts.SkipChecksum), opts: opts, where: Where{Doing: "start"}}
}

// Next returns the next event: after the last one (EventEnd) io.EOF, and after an error that error again. Errors are
// *CorruptError, *UnsupportedError, an errs.Error of kind Limit, or what the input returned.
func (r *Reader) Next() (Event, error) {
	if r.err != nil {
		return Event{}, r.err
	}
	if r.end {
		r.err = io.EOF
		return Event{}, r.err
	}
	ev, err := r.next()
	if err == errRecordTooLong {
		err = errs.Errorf("read RDB", errs.Limit, "the value of key %q (%s) is longer than %d bytes", clip(r.key), r.where.Type, r.opts.MaxRawBytes)
	}
	if err != nil {
		r.err = err
		return Event{}, err
	}
	return ev, nil
}

// Version returns the version of the dump; 0 before the first Next.
func (r *Reader) Version() int { return r.version }

// Offset returns how many bytes of the dump have been read.
func (r *Reader) Offset() int64 { return r.src.offset() }

// Where says what the Reader was doing when Next returned an error.
func (r *Reader) Where() Where { return r.where }

// Rest returns a reader of what follows the dump: the commands after the preamble of an append-only file. It is for
// after EventEnd; the Reader must not be used any more.
func (r *Reader) Rest() io.Reader {
	return io.MultiReader(strings.NewReader(string(r.src.buf[r.src.r:r.src.w])), r.src.in)
}

// next reads the header, if it has yet to, and one event.
func (r *Reader) next() (Event, error) {
	if !r.started {
		if err := r.header(); err != nil {
			return Event{}, err
		}
		r.started = true
	}
	if err := r.passElements(); err != nil {
		return Event{}, err
	}
	r.trim()
	r.where = Where{Doing: "read-type"}
	ev := Event{Offset: r.src.offset()}
	attributes := false
	for {
		at := r.src.offset()
		op, err := r.src.byte("a type or an opcode")
		if err != nil {
			return ev, err
		}
		isAttribute, err := r.attribute(op, &ev.Meta)
		if err != nil {
			return ev, err
		}
		if isAttribute {
			attributes = true
			continue
		}
		if op >= opSlotImport {
			if attributes {
				return ev, r.corruptAt(at, "opcode %d after the attributes of a key, expected its type", op)
			}
			return ev, r.record(op, &ev)
		}
		return ev, r.keyValue(Type(op), at, &ev)
	}
}

// trim gives back buffers that one big value has made big.
func (r *Reader) trim() {
	for _, buf := range []*[]byte{&r.key, &r.val, &r.scratch, &r.src.rec, &r.contents.name, &r.contents.val, &r.contents.lp} {
		if cap(*buf) > keepBytes {
			*buf = nil
		}
	}
}

// header reads and checks the first bytes.
func (r *Reader) header() error {
	p, err := r.src.take(headerBytes, "the signature REDIS or VALKEY and a version")
	if err != nil {
		return err
	}
	head := string(p)
	digits, ok := strings.CutPrefix(head, "REDIS")
	if !ok {
		digits, ok = strings.CutPrefix(head, "VALKEY")
	}
	if !ok {
		return r.corruptAt(0, "wrong signature %q, expected REDIS or VALKEY", head)
	}
	version, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || version == 0 {
		return r.corruptAt(0, "wrong version %q in the signature, expected digits", digits)
	}
	if head != magic(int(version)) || !knownVersion(int(version)) {
		return &UnsupportedError{What: fmt.Sprintf("RDB format version %d (%q); known are REDIS 1 to %d and VALKEY %d", version, head, MaxRedisVersion, ValkeyVersion)}
	}
	r.version = int(version)
	return nil
}

// attribute reads what op says about the next key into meta, and reports whether op was such an opcode.
func (r *Reader) attribute(op byte, meta *Meta) (bool, error) {
	switch op {
	case opExpireMs, opExpireSec:
		r.where.Doing = "read-expire"
		at, err := r.expiry(op)
		meta.ExpireAtMs = at
		return true, err
	case opIdle:
		idle, err := r.length("an idle time")
		meta.IdleSec, meta.HasIdle = idle, true
		return true, err
	case opFreq:
		freq, err := r.src.byte("a use counter")
		meta.Freq, meta.HasFreq = freq, true
		return true, err
	}
	return false, nil
}

// expiry reads an expiry and returns it as Meta has it.
func (r *Reader) expiry(op byte) (int64, error) {
	const what = "an expiry"
	var ms int64
	if op == opExpireMs {
		v, err := r.src.u64(what)
		if err != nil {
			return 0, err
		}
		ms = int64(v)
	} else {
		p, err := r.src.take(4, what)
		if err != nil {
			return 0, err
		}
		ms = int64(int32(uint32(p[0])|uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24)) * 1000
	}
	switch ms {
	case -1: // Redis' own mark for a key that does not expire
		return 0, nil
	case 0:
		return 1, nil
	}
	return ms, nil
}

// record reads the record of an opcode that is neither a key nor an attribute.
func (r *Reader) record(op byte, ev *Event) error {
	switch op {
	case opAux:
		r.where.Doing = "read-aux"
		return r.aux(ev)
	case opSelectDB, opResizeDB, opSlotInfo:
		r.where.Doing = "read-len"
		return r.numbers(op, ev)
	case opFunction2:
		r.where.Doing = "read-functions"
		var err error
		r.val, err = r.str(r.val[:0], r.opts.MaxFunctionBytes, "a library of functions")
		ev.Kind, ev.Function = EventFunction, r.val
		return err
	case opModuleAux:
		r.where.Doing = "read-module-aux"
		return r.moduleAux(ev)
	case opEOF:
		r.where.Doing = "check-sum"
		return r.finish(ev)
	case opFunctionPreGA:
		return &UnsupportedError{Offset: ev.Offset, What: "functions in the format of Redis 7.0's release candidates (opcode 246)"}
	default: // opSlotImport
		return &UnsupportedError{Offset: ev.Offset, What: "the state of an unfinished slot import (Valkey's opcode 243)"}
	}
}

// aux reads a field about the dump.
func (r *Reader) aux(ev *Event) error {
	var err error
	if r.key, err = r.str(r.key[:0], r.opts.MaxAuxBytes, "the name of an aux field"); err != nil {
		return err
	}
	if r.val, err = r.str(r.val[:0], r.opts.MaxAuxBytes, "the value of an aux field"); err != nil {
		return err
	}
	ev.Kind, ev.Aux = EventAux, Aux{Name: string(r.key), Value: string(r.val)}
	return nil
}

// numbers reads the records that are two or three lengths.
func (r *Reader) numbers(op byte, ev *Event) error {
	switch op {
	case opSelectDB:
		db, err := r.length("the number of a database")
		if err != nil {
			return err
		}
		if db >= uint64(r.opts.Databases) {
			return errs.Errorf("read RDB", errs.Limit, "database %d at byte %d: there are %d databases", db, ev.Offset, r.opts.Databases)
		}
		r.db = int(db)
		ev.Kind, ev.DB = EventSelectDB, r.db
		return nil
	case opSlotInfo:
		slot, err := r.length("the number of a slot")
		if err != nil {
			return err
		}
		ev.Slot, ev.Kind = slot, EventSlotInfo
	default:
		ev.Kind = EventResizeDB
	}
	ev.DB = r.db
	var err error
	if ev.Keys, err = r.length("a number of keys"); err != nil {
		return err
	}
	ev.Expires, err = r.length("a number of keys with an expiry")
	return err
}

// moduleAux skips a module's own data.
func (r *Reader) moduleAux(ev *Event) error {
	id, err := r.length("the id of a module")
	if err != nil {
		return err
	}
	at := r.src.offset()
	op, err := r.length("the opcode of a module's aux data")
	if err != nil {
		return err
	}
	if op != moduleUint {
		return r.corruptAt(at, "opcode %d before a module's aux data, expected %d", op, moduleUint)
	}
	if _, err = r.length("the place of a module's aux data"); err != nil {
		return err
	}
	ev.Kind, ev.Module = EventModuleAux, ModuleName(id)
	return r.skipModuleData()
}

// keyValue reads a key and its value. at is where its type byte stands.
func (r *Reader) keyValue(t Type, at int64, ev *Event) error {
	info, ok := t.info()
	if !ok || !t.existsIn(r.version) {
		if !ok && r.version != MaxRedisVersion && r.version != ValkeyVersion {
			return r.corruptAt(at, "type %d, expected a type or an opcode", t)
		}
		return &UnsupportedError{Offset: at, What: fmt.Sprintf("type %d in RDB version %d", t, r.version)}
	}
	r.where.Doing, r.where.Type, r.where.HasType = "read-key", t, true
	var err error
	if r.key, err = r.str(r.key[:0], r.opts.MaxStringBytes, "a key"); err != nil {
		return err
	}
	r.where.Doing, r.where.Key, r.where.HasKey = "read-object-value", r.key, true
	ev.Kind, ev.DB, ev.Key = EventKey, r.db, r.key
	if ev.Value, err = r.value(t, info); err != nil {
		return err
	}
	if r.contents.next == 0 {
		r.where.HasKey, r.where.HasType = false, false
	}
	return nil
}

// value reads a value of type t, which exists in this version.
func (r *Reader) value(t Type, info typeInfo) (Value, error) {
	v := Value{Type: t, Version: r.version}
	if t == TypeString {
		var err error
		if v.String, err = r.text(&r.val, "a string"); err != nil {
			v.String = nil
		}
		return v, err
	}
	if info.read == nil {
		return v, &UnsupportedError{Offset: r.src.offset(), What: "a module's value in the format of Redis 4.0's release candidates (type 6)"}
	}
	if r.opts.Elements {
		decoded, err := r.content(t)
		v.Content = r.contents.head
		if decoded || err != nil {
			return v, err
		}
	}
	if r.opts.DiscardRaw {
		return v, info.read(r)
	}
	r.src.record(byte(t), r.opts.MaxRawBytes)
	if err := info.read(r); err != nil {
		return v, err
	}
	v.Raw = r.src.recorded()
	if r.src.recOver {
		return v, errRecordTooLong
	}
	return v, nil
}

// finish reads and compares the checksum.
func (r *Reader) finish(ev *Event) error {
	ev.Kind = EventEnd
	r.end = true
	if r.version < checksumVersion {
		ev.Checksum = ChecksumAbsent
		return nil
	}
	sum := r.src.checksum() // before its own bytes are taken
	stored, err := r.src.u64("the checksum")
	switch {
	case err != nil:
		return err
	case r.opts.SkipChecksum:
		ev.Checksum = ChecksumSkipped
	case stored == 0:
		ev.Checksum = ChecksumOff
	case stored != sum:
		return r.corruptAt(r.src.offset()-8, "RDB CRC error: wrong checksum: stored is %016x, the data has %016x", stored, sum)
	default:
		ev.Checksum = ChecksumOK
	}
	return nil
}

// corruptAt makes a CorruptError.
func (r *Reader) corruptAt(at int64, format string, args ...any) error {
	return &CorruptError{Offset: at, What: fmt.Sprintf(format, args...)}
}

// clip returns as much of p as a message should show.
func clip(p []byte) []byte { return p[:min(len(p), 64)] }
