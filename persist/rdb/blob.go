package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/listpack"
)

// This file looks into the packed encodings (ReaderOptions.Deep): whether every entry lies inside, lengths and links
// agree, and the number of entries is what the type needs. It does not look for duplicate members or fields: whoever
// builds the value does.

// countUnknown in the header of a ziplist says that the entries must be counted.
const countUnknown = 0xFFFF

var (
	errListpack = errors.New("listpack integrity check failed")
	errZiplist  = errors.New("ziplist integrity check failed")
	errIntset   = errors.New("intset integrity check failed")
	errZipmap   = errors.New("zipmap integrity check failed")
)

// checkListpack makes a check of listpacks whose number of entries is a multiple of each.
func checkListpack(each int) func([]byte) error {
	return func(p []byte) error {
		n, ok := listpack.Validate(p)
		if !ok {
			return errListpack
		}
		if n%each != 0 {
			return fmt.Errorf("a listpack of %d entries, expected a multiple of %d", n, each)
		}
		return nil
	}
}

// Ziplist: u32 bytes, u32 offset of the last entry, u16 entries (65535: unknown), entries, 0xFF.
const (
	zlHeaderBytes = 10
	zlEnd         = 0xFF
	zlBigPrev     = 0xFE // a u32 follows
)

// checkZiplist makes a check of ziplists whose number of entries is a multiple of each.
func checkZiplist(each int) func([]byte) error {
	return func(p []byte) error {
		n, err := walkZiplist(p, func([]byte) {})
		if err == nil && n%each != 0 {
			err = fmt.Errorf("a ziplist of %d entries, expected a multiple of %d", n, each)
		}
		return err
	}
}

// walkZiplist walks a ziplist, gives visit the encoding and data of every entry, and returns the number of entries. An error may come after entries were visited.
func walkZiplist(p []byte, visit func(data []byte)) (int, error) {
	if len(p) < zlHeaderBytes+1 || uint64(binary.LittleEndian.Uint32(p)) != uint64(len(p)) || p[len(p)-1] != zlEnd {
		return 0, errZiplist
	}
	tail, stored := uint64(binary.LittleEndian.Uint32(p[4:])), int(binary.LittleEndian.Uint16(p[8:]))
	n, at, prev := 0, uint64(zlHeaderBytes), uint64(0)
	last := at
	for end := uint64(len(p) - 1); at < end; n++ {
		prevLen, head, size, ok := ziplistEntry(p[at:end])
		if !ok || prevLen != prev || size > end-at {
			return 0, errZiplist
		}
		visit(p[at+head : at+size])
		last, prev = at, size
		at += size
	}
	if tail != last || stored != countUnknown && stored != n {
		return 0, errZiplist
	}
	return n, nil
}

// ziplistEntry returns, of the entry at the beginning of p, the length of the entry before it, how many bytes that takes, and its own length.
func ziplistEntry(p []byte) (prev, head, size uint64, ok bool) {
	prev, head = uint64(p[0]), 1
	if p[0] >= zlBigPrev {
		if p[0] != zlBigPrev || len(p) < 5 {
			return 0, 0, 0, false
		}
		prev, head = uint64(binary.LittleEndian.Uint32(p[1:])), 5
	}
	if p = p[head:]; len(p) == 0 {
		return 0, 0, 0, false
	}
	n, ok := ziplistData(p)
	return prev, head, head + n, ok
}

// ziplistData returns the bytes that an entry's encoding, at the beginning of p, and its data take.
func ziplistData(p []byte) (uint64, bool) {
	switch c := p[0]; {
	case c < 0x40: // string of up to 63 bytes
		return 1 + uint64(c), true
	case c < 0x80: // string of up to 16383 bytes
		if len(p) < 2 {
			return 0, false
		}
		return 2 + uint64(c&0x3F)<<8 + uint64(p[1]), true
	case c < 0xC0: // string
		if c != 0x80 || len(p) < 5 {
			return 0, false
		}
		return 5 + uint64(binary.BigEndian.Uint32(p[1:])), true
	case c == 0xC0: // 16-, 32-, 64-, 24-bit integers
		return 3, true
	case c == 0xD0:
		return 5, true
	case c == 0xE0:
		return 9, true
	case c == 0xF0:
		return 4, true
	case c == 0xFE: // 8-bit integer
		return 2, true
	case c > 0xF0 && c < 0xFE: // 0 to 12
		return 1, true
	}
	return 0, false
}

// checkIntset checks an intset.
func checkIntset(p []byte) error {
	if !intset.Validate(p) {
		return errIntset
	}
	return nil
}

// checkZipmap checks a zipmap.
func checkZipmap(p []byte) error { return walkZipmap(p, func(_, _ []byte) {}) }

// walkZipmap walks a zipmap and gives visit every field and its value. A zipmap is a byte that is the number of fields (254 and more: unknown), then field length,
// field, value length, a byte of free space, value, free space; 0xFF. An error may come after fields were visited.
func walkZipmap(p []byte, visit func(field, val []byte)) error {
	if len(p) < 2 || p[len(p)-1] != 0xFF {
		return errZipmap
	}
	stored, rest, n := int(p[0]), p[1:len(p)-1], 0
	for ; len(rest) > 0; n++ {
		size, head, ok := zipmapLength(rest)
		if !ok || size > uint64(len(rest)-head) {
			return errZipmap
		}
		field := rest[head : uint64(head)+size]
		rest = rest[uint64(head)+size:]
		size, head, ok = zipmapLength(rest)
		if !ok || head == len(rest) {
			return errZipmap
		}
		free := uint64(rest[head])
		head++
		if size+free > uint64(len(rest)-head) {
			return errZipmap
		}
		visit(field, rest[head:uint64(head)+size])
		rest = rest[uint64(head)+size+free:]
	}
	if stored < 254 && stored != n {
		return errZipmap
	}
	return nil
}

// zipmapLength returns the length at the beginning of p, and how many bytes it takes.
func zipmapLength(p []byte) (size uint64, head int, ok bool) {
	switch {
	case len(p) == 0 || p[0] == 0xFF:
		return 0, 0, false
	case p[0] < 254:
		return uint64(p[0]), 1, true
	case len(p) < 5:
		return 0, 0, false
	}
	return uint64(binary.LittleEndian.Uint32(p[1:])), 5, true
}
