package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A DUMP payload is a type byte, a serialized value, two bytes of RDB version and eight of CRC64 over all before them,
// both least significant first. Source: createDumpPayload of Valkey's cluster.c.
const dumpFooterBytes = 2 + 8

// ErrDumpPayload is what every refusal of ParseDump and ReadDump that Redis words as "DUMP payload version or checksum
// are wrong" is: errors.Is(err, ErrDumpPayload). Other errors mean "Bad data format".
var ErrDumpPayload = errors.New("DUMP payload version or checksum are wrong")

// dumpError is an error that is an ErrDumpPayload, too.
type dumpError struct{ error }

// Unwrap returns the error itself.
func (e dumpError) Unwrap() error { return e.error }

// Is makes every dumpError an ErrDumpPayload.
func (e dumpError) Is(target error) bool { return target == ErrDumpPayload }

// Dump returns the DUMP payload of a string, of DefaultVersion and not compressed.
func Dump(value []byte) []byte {
	p, err := DumpValue(Value{Type: TypeString, String: value}, WriterOptions{})
	if err != nil {
		return nil // not reached: every version holds strings
	}
	return p
}

// DumpValue returns the DUMP payload of v, of version opts.Version (0: DefaultVersion), or an *UnsupportedError when
// that version cannot hold v. A DUMP payload always has a checksum.
func DumpValue(v Value, opts WriterOptions) ([]byte, error) {
	version, err := writeVersion(opts.Version)
	if err != nil {
		return nil, err
	}
	var out []byte
	if v.Type == TypeString {
		const headRoom = 1 + 1 + 9 + 9 // type, encoding, two lengths
		e := encoder{compress: opts.Compress}
		out = append(make([]byte, 0, headRoom+len(v.String)+dumpFooterBytes), byte(TypeString))
		var body []byte
		out, body = e.appendHead(out, v.String)
		out = append(out, body...)
	} else {
		if err := v.fits(version); err != nil {
			return nil, err
		}
		out = append(make([]byte, 0, len(v.Raw)+dumpFooterBytes), v.Raw...)
	}
	out = binary.LittleEndian.AppendUint16(out, uint16(version))
	return binary.LittleEndian.AppendUint64(out, crcUpdate(0, out)), nil
}

// ParseDump checks a DUMP payload's version and checksum and returns the value's type byte and its serialized bytes,
// which are part of payload. It does not look into the bytes: see ReadDump.
func ParseDump(payload []byte) (t Type, body []byte, err error) {
	t, _, body, err = parseDump(payload, false)
	return t, body, err
}

// parseDump is ParseDump with the version; the checksum may be left alone.
func parseDump(payload []byte, skipChecksum bool) (t Type, version int, body []byte, err error) {
	at := len(payload) - dumpFooterBytes
	if at < 1 {
		return 0, 0, nil, dumpError{&CorruptError{What: fmt.Sprintf("a DUMP payload of %d bytes, expected at least %d", len(payload), dumpFooterBytes+1)}}
	}
	version = int(binary.LittleEndian.Uint16(payload[at:]))
	if !knownVersion(version) {
		return 0, 0, nil, dumpError{&UnsupportedError{Offset: int64(at), What: fmt.Sprintf("DUMP payload of RDB version %d; known are 1 to %d and %d", version, MaxRedisVersion, ValkeyVersion)}}
	}
	if skipChecksum {
		return Type(payload[0]), version, payload[1:at], nil
	}
	stored, sum := binary.LittleEndian.Uint64(payload[at+2:]), crcUpdate(0, payload[:at+2])
	if stored != sum {
		return 0, 0, nil, dumpError{&CorruptError{Offset: int64(at + 2), What: fmt.Sprintf("wrong checksum: stored is %016x, the payload has %016x", stored, sum)}}
	}
	return Type(payload[0]), version, payload[1:at], nil
}

// ReadDump checks and decodes a DUMP payload: a string in full, any other value by its structure. The value's slices
// are not part of payload.
func ReadDump(payload []byte, lim Limits) (Value, error) {
	return ReadDumpAs(payload, ReaderOptions{Limits: lim, Deep: true})
}

// ReadDumpAs is ReadDump with a choice: whether the payload's checksum is checked, and whether a packed encoding is looked into.
func ReadDumpAs(payload []byte, opts ReaderOptions) (Value, error) {
	t, version, body, err := parseDump(payload, opts.SkipChecksum)
	if err != nil {
		return Value{}, err
	}
	info, ok := t.info()
	if !ok || !t.existsIn(version) {
		return Value{}, &UnsupportedError{What: fmt.Sprintf("type %d in a DUMP payload of RDB version %d", t, version)}
	}
	if len(body) == 0 {
		return Value{}, &CorruptError{Offset: 1, What: "the value is missing"}
	}
	r := NewReader(bytes.NewReader(body), ReaderOptions{Limits: opts.Limits, SizeBytes: int64(len(body)), SkipChecksum: true, Deep: opts.Deep})
	r.version = version
	v, err := r.value(t, info)
	if err == nil && r.Offset() != int64(len(body)) {
		err = r.corruptAt(r.Offset(), "%d bytes after the value", int64(len(body))-r.Offset())
	}
	if c := (*CorruptError)(nil); errors.As(err, &c) {
		c.Offset++ // the type byte
	}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}
