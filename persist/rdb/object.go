package rdb

import (
	"encoding/binary"
	"strconv"

	"github.com/larder-cache/larder/persist/rdb/lzf"
)

// This file has the structure of the types: lengths, strings, and for each type a function that walks over a value.
// Nothing is allocated by a number of elements; every element takes at least a byte, so a false number ends with the
// input.

// lengthOrEncoding reads a length, or how a special string is encoded: then enc is not encNone.
func (r *Reader) lengthOrEncoding(what string) (n uint64, enc int, err error) {
	first, err := r.src.byte(what)
	if err != nil {
		return 0, encNone, err
	}
	switch first & lenMask {
	case len6:
		return uint64(first &^ lenMask), encNone, nil
	case len14:
		low, err := r.src.byte(what)
		return uint64(first&^lenMask)<<8 | uint64(low), encNone, err
	case lenSpecial:
		return 0, int(first &^ lenMask), nil
	}
	size := 0
	switch first {
	case len32:
		size = 4
	case len64:
		size = 8
	default:
		return 0, encNone, r.corruptAt(r.src.offset()-1, "length encoding %#02x in %s", first, what)
	}
	p, err := r.src.take(size, what)
	if err != nil {
		return 0, encNone, err
	}
	if size == 4 {
		return uint64(binary.BigEndian.Uint32(p)), encNone, nil
	}
	return binary.BigEndian.Uint64(p), encNone, nil
}

// length reads a length.
func (r *Reader) length(what string) (uint64, error) {
	at := r.src.offset()
	n, enc, err := r.lengthOrEncoding(what)
	if err == nil && enc != encNone {
		err = r.corruptAt(at, "string encoding %d, expected %s", enc, what)
	}
	return n, err
}

// skipLengths reads n lengths.
func (r *Reader) skipLengths(n int, what string) error {
	for range n {
		if _, err := r.length(what); err != nil {
			return err
		}
	}
	return nil
}

// str appends the next string to dst, decoded; it is at most limit bytes long.
func (r *Reader) str(dst []byte, limit int, what string) ([]byte, error) {
	at := r.src.offset()
	n, enc, err := r.lengthOrEncoding(what)
	if err != nil {
		return dst, err
	}
	return r.strOf(dst, at, n, enc, limit, what)
}

// strOf is str of a string whose length or encoding, at byte at, has been read.
func (r *Reader) strOf(dst []byte, at int64, n uint64, enc, limit int, what string) ([]byte, error) {
	switch enc {
	case encNone:
		if n > uint64(limit) {
			return dst, r.corruptAt(at, "%s of %d bytes, expected at most %d", what, n, limit)
		}
		return r.src.appendN(dst, n, what)
	case encInt8, encInt16, encInt32:
		v, err := r.integer(enc, what)
		return strconv.AppendInt(dst, v, 10), err
	case encLZF:
		return r.lzf(dst, at, limit, what)
	}
	return dst, r.corruptAt(at, "string encoding %d in %s", enc, what)
}

// integer reads the integer of a string that is encoded as enc.
func (r *Reader) integer(enc int, what string) (int64, error) {
	p, err := r.src.take(1<<enc, what)
	if err != nil {
		return 0, err
	}
	switch enc {
	case encInt8:
		return int64(int8(p[0])), nil
	case encInt16:
		return int64(int16(binary.LittleEndian.Uint16(p))), nil
	}
	return int64(int32(binary.LittleEndian.Uint32(p))), nil
}

// lzfLengths reads the two lengths of a compressed string, whose encoding stands at byte at.
func (r *Reader) lzfLengths(at int64, limit int, what string) (packed, size uint64, err error) {
	if packed, err = r.length("the length of a compressed string"); err != nil {
		return 0, 0, err
	}
	if size, err = r.length("the length of a string before compression"); err != nil {
		return 0, 0, err
	}
	if size > uint64(limit) || packed > uint64(limit) {
		return 0, 0, r.corruptAt(at, "%s of %d bytes (%d compressed), expected at most %d", what, size, packed, limit)
	}
	if !lzf.Plausible(packed, size) {
		return 0, 0, r.corruptAt(at, "%s of %d bytes cannot be %d bytes compressed", what, size, packed)
	}
	return packed, size, nil
}

// lzf appends a compressed string to dst.
func (r *Reader) lzf(dst []byte, at int64, limit int, what string) ([]byte, error) {
	packed, size, err := r.lzfLengths(at, limit, what)
	if err != nil {
		return dst, err
	}
	if r.scratch, err = r.src.appendN(r.scratch[:0], packed, what); err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, make([]byte, size)...)
	if lzf.Decompress(dst[start:], r.scratch) != nil {
		return dst[:start], r.corruptAt(at, "%s does not decompress to %d bytes", what, size)
	}
	return dst, nil
}

// skipStr walks over a string.
func (r *Reader) skipStr(what string) error {
	at := r.src.offset()
	n, enc, err := r.lengthOrEncoding(what)
	if err != nil {
		return err
	}
	switch enc {
	case encNone:
		if n > uint64(r.opts.MaxStringBytes) {
			return r.corruptAt(at, "%s of %d bytes, expected at most %d", what, n, r.opts.MaxStringBytes)
		}
		return r.src.skip(n, what)
	case encInt8, encInt16, encInt32:
		return r.src.skip(1<<enc, what)
	case encLZF:
		if r.opts.Deep {
			r.val, err = r.lzf(r.val[:0], at, r.opts.MaxStringBytes, what)
			return err
		}
		packed, _, err := r.lzfLengths(at, r.opts.MaxStringBytes, what)
		if err != nil {
			return err
		}
		return r.src.skip(packed, what)
	}
	return r.corruptAt(at, "string encoding %d in %s", enc, what)
}

// skipStringValue walks over a value of type string.
func (r *Reader) skipStringValue() error { return r.skipStr("a string") }

// times reads a number of things and calls f as often.
func (r *Reader) times(what string, f func() error) error {
	n, err := r.length(what)
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// skipStrings walks over a list or a set: strings.
func (r *Reader) skipStrings() error {
	return r.times("a number of elements", func() error { return r.skipStr("an element") })
}

// skipPair walks over a field and its value.
func (r *Reader) skipPair() error {
	if err := r.skipStr("a field"); err != nil {
		return err
	}
	return r.skipStr("a field's value")
}

// skipHash walks over a hash: fields and values.
func (r *Reader) skipHash() error { return r.times("a number of fields", r.skipPair) }

// skipZset walks over a sorted set whose scores are text.
func (r *Reader) skipZset() error {
	return r.times("a number of members", func() error {
		if err := r.skipStr("a member"); err != nil {
			return err
		}
		return r.skipTextDouble()
	})
}

// skipTextDouble walks over a double as text: a byte that is its length, or 253 to 255 for NaN and the infinities.
func (r *Reader) skipTextDouble() error {
	at := r.src.offset()
	n, err := r.src.byte("a score")
	if err != nil || n >= 253 {
		return err
	}
	p, err := r.src.take(int(n), "a score")
	if err != nil {
		return err
	}
	if _, err := strconv.ParseFloat(string(p), 64); err != nil {
		return r.corruptAt(at, "%q, expected a score", p)
	}
	return nil
}

// skipZset2 walks over a sorted set whose scores are eight bytes.
func (r *Reader) skipZset2() error {
	return r.times("a number of members", func() error {
		if err := r.skipStr("a member"); err != nil {
			return err
		}
		return r.src.skip(8, "a score")
	})
}

// blobReader makes the function for a type that is one string with a packed encoding, which check looks into.
func blobReader(check func([]byte) error) func(*Reader) error {
	return func(r *Reader) error { return r.skipBlob(check) }
}

// skipBlob walks over a packed encoding, and into it with ReaderOptions.Deep.
func (r *Reader) skipBlob(check func([]byte) error) error {
	const what = "a packed encoding"
	if !r.opts.Deep {
		return r.skipStr(what)
	}
	at := r.src.offset()
	var err error
	if r.val, err = r.str(r.val[:0], r.opts.MaxStringBytes, what); err != nil {
		return err
	}
	if err := check(r.val); err != nil {
		return r.corruptAt(at, "%v", err)
	}
	return nil
}

// skipQuicklist walks over a list of ziplists.
func (r *Reader) skipQuicklist() error {
	return r.times("a number of list nodes", func() error { return r.skipBlob(checkZiplist(1)) })
}

// Containers of a quicklist's node.
const (
	nodePlain  = 1 // one element
	nodePacked = 2 // a listpack
)

// skipQuicklist2 walks over a list of listpacks and plain elements.
func (r *Reader) skipQuicklist2() error {
	return r.times("a number of list nodes", func() error {
		at := r.src.offset()
		container, err := r.length("a list node's container")
		if err != nil {
			return err
		}
		switch container {
		case nodePlain:
			return r.skipStr("an element")
		case nodePacked:
			return r.skipBlob(checkListpack(1))
		}
		return r.corruptAt(at, "list node container %d, expected %d or %d", container, nodePlain, nodePacked)
	})
}

// skipHashTTL walks over type 22. In Valkey's version it is field, value and the field's expiry (eight bytes, -1 for
// none); in Redis' release candidates the field's expiry as a length, field and value.
func (r *Reader) skipHashTTL() error {
	return r.times("a number of fields", func() error {
		if r.version == ValkeyVersion {
			if err := r.skipPair(); err != nil {
				return err
			}
			return r.src.skip(8, "a field's expiry")
		}
		return r.skipTTLPair()
	})
}

// skipTTLPair walks over a field's expiry, the field and its value.
func (r *Reader) skipTTLPair() error {
	if _, err := r.length("a field's expiry"); err != nil {
		return err
	}
	return r.skipPair()
}

// skipHashMetadata walks over type 24: the least expiry, then as in skipTTLPair with expiries relative to it.
func (r *Reader) skipHashMetadata() error {
	if err := r.src.skip(8, "the least expiry of a hash"); err != nil {
		return err
	}
	return r.times("a number of fields", r.skipTTLPair)
}

// skipHashListpackTTL walks over type 25: the least expiry, and a listpack of field, value, expiry.
func (r *Reader) skipHashListpackTTL() error {
	if err := r.src.skip(8, "the least expiry of a hash"); err != nil {
		return err
	}
	return r.skipBlob(checkListpack(3))
}

// streamReader makes the function for a stream of the generation: 1 (Redis 5), 2 (7.0), 3 (7.2).
func streamReader(generation int) func(*Reader) error {
	return func(r *Reader) error { return r.skipStream(generation) }
}

// skipStream walks over a stream: nodes, figures, consumer groups.
func (r *Reader) skipStream(generation int) error {
	if err := r.times("a number of stream nodes", r.skipStreamNode); err != nil {
		return err
	}
	figures := 3 // length, last id
	if generation >= 2 {
		figures = 8 // and first id, greatest deleted id, entries ever added
	}
	if err := r.skipLengths(figures, "a figure of a stream"); err != nil {
		return err
	}
	return r.times("a number of consumer groups", func() error { return r.skipGroup(generation) })
}

// streamIDBytes is the size of a raw stream id.
const streamIDBytes = 16

// skipStreamNode walks over a node: its first id and a listpack of entries.
func (r *Reader) skipStreamNode() error {
	at := r.src.offset()
	var err error
	if r.val, err = r.str(r.val[:0], r.opts.MaxStringBytes, "a stream node's id"); err != nil {
		return err
	}
	if len(r.val) != streamIDBytes {
		return r.corruptAt(at, "a stream node's id of %d bytes, expected %d", len(r.val), streamIDBytes)
	}
	return r.skipBlob(checkListpack(1))
}

// skipGroup walks over a consumer group: name, last id, in later generations the entries read, what is pending, and the
// consumers.
func (r *Reader) skipGroup(generation int) error {
	if err := r.skipStr("the name of a consumer group"); err != nil {
		return err
	}
	figures := 2
	if generation >= 2 {
		figures = 3
	}
	if err := r.skipLengths(figures, "a figure of a consumer group"); err != nil {
		return err
	}
	err := r.times("a number of pending entries", func() error {
		if err := r.src.skip(streamIDBytes+8, "a pending entry"); err != nil {
			return err
		}
		return r.skipLengths(1, "a number of deliveries")
	})
	if err != nil {
		return err
	}
	return r.times("a number of consumers", func() error { return r.skipConsumer(generation) })
}

// skipConsumer walks over a consumer: name, when it was seen, in generation 3 when it was active, and the ids that it
// has pending.
func (r *Reader) skipConsumer(generation int) error {
	if err := r.skipStr("the name of a consumer"); err != nil {
		return err
	}
	times := uint64(8)
	if generation >= 3 {
		times = 16
	}
	if err := r.src.skip(times, "when a consumer was seen"); err != nil {
		return err
	}
	return r.times("a number of pending entries", func() error {
		return r.src.skip(streamIDBytes, "a pending entry's id")
	})
}

// skipModule walks over a module's value.
func (r *Reader) skipModule() error {
	if _, err := r.length("the id of a module"); err != nil {
		return err
	}
	return r.skipModuleData()
}

// skipModuleData walks over annotated data up to its end mark.
func (r *Reader) skipModuleData() error {
	for {
		at := r.src.offset()
		op, err := r.length("an opcode in a module's data")
		if err != nil {
			return err
		}
		switch op {
		case moduleEOF:
			return nil
		case moduleSint, moduleUint:
			_, err = r.length("an integer in a module's data")
		case moduleFloat:
			err = r.src.skip(4, "a float in a module's data")
		case moduleDouble:
			err = r.src.skip(8, "a double in a module's data")
		case moduleString:
			err = r.skipStr("a string in a module's data")
		default:
			err = r.corruptAt(at, "opcode %d in a module's data, expected %d to %d", op, moduleEOF, moduleString)
		}
		if err != nil {
			return err
		}
	}
}

// moduleAlphabet is what the letters of a module's name are drawn from. Source: module.c.
const moduleAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// ModuleName returns the name in a module type's id: nine letters in its upper 54 bits; the lower ten are a version.
func ModuleName(id uint64) string {
	var name [9]byte
	id >>= 10
	for i := len(name) - 1; i >= 0; i-- {
		name[i] = moduleAlphabet[id&63]
		id >>= 6
	}
	return string(name[:])
}
