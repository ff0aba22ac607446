package rdb

import (
	"bytes"
	"errors"
	"fmt"
)

// What only tests do with DUMP payloads.

// Dump returns the DUMP payload of a string, of DefaultVersion and not compressed.
func Dump(value []byte) []byte {
	p, err := DumpValue(Value{Type: TypeString, String: value}, WriterOptions{})
	if err != nil {
		return nil // not reached: every version holds strings
	}
	return p
}

// ParseDump checks a DUMP payload's version and checksum and returns the value's type byte and its serialized bytes,
// which are part of payload. It does not look into the bytes: see ReadDump.
func ParseDump(payload []byte) (t Type, body []byte, err error) {
	t, _, body, err = parseDump(payload, false)
	return t, body, err
}

// ReadDump checks and decodes a DUMP payload: a string in full, any other value by its structure. The value's slices
// are not part of payload.
func ReadDump(payload []byte, lim Limits) (Value, error) {
	t, version, body, err := parseDump(payload, false)
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
	r := NewReader(bytes.NewReader(body), ReaderOptions{Limits: lim, SizeBytes: int64(len(body)), SkipChecksum: true, Deep: true})
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
