package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A DUMP payload is a type byte, a serialized value, two bytes of RDB version and eight of CRC64 over all before them,
// both least significant first. Source: createDumpPayload of Valkey's cluster.c.
const dumpFooterBytes = 2 + 8

// ErrDumpPayload is what every refusal of OpenDump that Redis words as "DUMP payload version or checksum
// are wrong" is: errors.Is(err, ErrDumpPayload). Other errors mean "Bad data format".
var ErrDumpPayload = errors.New("DUMP payload version or checksum are wrong")

// dumpError is an error that is an ErrDumpPayload, too.
type dumpError struct{ error }

// Unwrap returns the error itself.
func (e dumpError) Unwrap() error { return e.error }

// Is makes every dumpError an ErrDumpPayload.
func (e dumpError) Is(target error) bool { return target == ErrDumpPayload }

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

// parseDump checks a DUMP payload's version and, unless it is to be left alone, its checksum, and returns the value's type, the version and the value's
// serialized bytes, which are part of payload. It does not look into the bytes: see OpenDump.
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
