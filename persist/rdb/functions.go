package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// ErrNotFunctions says that FUNCTION RESTORE's payload holds something else than libraries.
var ErrNotFunctions = errors.New("given type is not a function")

// DumpFunctions makes FUNCTION DUMP's payload of libraries' sources: each as in a snapshot, then the version and the checksum.
func DumpFunctions(sources [][]byte) []byte {
	var out []byte
	for _, s := range sources {
		out = append(appendLen(append(out, opFunction2), uint64(len(s))), s...)
	}
	out = binary.LittleEndian.AppendUint16(out, DefaultVersion)
	return binary.LittleEndian.AppendUint64(out, crcUpdate(0, out))
}

// ReadFunctions reads it. ErrDumpPayload says that it is damaged or of a later version.
func ReadFunctions(payload []byte, skipChecksum bool) ([][]byte, error) {
	if len(payload) < dumpFooterBytes {
		return nil, ErrDumpPayload
	}
	body := payload[:len(payload)-dumpFooterBytes]
	version := int(binary.LittleEndian.Uint16(payload[len(body):]))
	sum := binary.LittleEndian.Uint64(payload[len(body)+2:])
	if !knownVersion(version) || !skipChecksum && crcUpdate(0, payload[:len(body)+2]) != sum {
		return nil, ErrDumpPayload
	}
	var out [][]byte
	for len(body) > 0 {
		if body[0] == opFunctionPreGA {
			return nil, errors.New("Pre-GA function format not supported")
		}
		if body[0] != opFunction2 {
			return nil, ErrNotFunctions
		}
		r := NewReader(bytes.NewReader(body[1:]), ReaderOptions{SizeBytes: int64(len(body) - 1), SkipChecksum: true})
		r.version = version
		s, err := r.str(nil, r.opts.MaxFunctionBytes, "a library of functions")
		if err != nil {
			return nil, errors.New("failed loading the given functions payload")
		}
		out = append(out, bytes.Clone(s))
		body = body[1+r.Offset():]
	}
	return out, nil
}
