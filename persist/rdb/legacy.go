package rdb

import (
	"encoding/binary"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/listpack"
)

// This file turns the packed encodings of old versions into listpacks.

// ziplistToListpack appends the entries of a ziplist to lp and returns their number. False when p is no ziplist, or the listpack would be too long.
func ziplistToListpack(lp, p []byte) (out []byte, n int, ok bool) {
	fits := true
	n, err := walkZiplist(p, func(data []byte) {
		if fits = fits && listpack.CanAdd(lp, len(data)+maxGrowth); fits {
			lp = appendZiplistData(lp, data)
		}
	})
	return lp, n, err == nil && fits
}

// maxGrowth is by how many bytes an entry can be longer in a listpack than in its old encoding, without its length there.
const maxGrowth = 16

// appendZiplistData appends an entry of a ziplist, which is its encoding and data and was checked.
func appendZiplistData(lp, data []byte) []byte {
	p := data[1:]
	switch c := data[0]; {
	case c < 0x40:
		return listpack.Append(lp, p)
	case c < 0x80:
		return listpack.Append(lp, data[2:])
	case c == 0x80:
		return listpack.Append(lp, data[5:])
	case c == 0xC0:
		return listpack.AppendInt(lp, int64(int16(binary.LittleEndian.Uint16(p))))
	case c == 0xD0:
		return listpack.AppendInt(lp, int64(int32(binary.LittleEndian.Uint32(p))))
	case c == 0xE0:
		return listpack.AppendInt(lp, int64(binary.LittleEndian.Uint64(p)))
	case c == 0xF0:
		return listpack.AppendInt(lp, int64(int32(uint32(p[0])<<8|uint32(p[1])<<16|uint32(p[2])<<24)>>8))
	case c == 0xFE:
		return listpack.AppendInt(lp, int64(int8(p[0])))
	default: // 0xF1 to 0xFD
		return listpack.AppendInt(lp, int64(c)-0xF1)
	}
}

// zipmapToListpack appends the fields and values of a zipmap to lp and returns the number of both. False as of ziplistToListpack.
func zipmapToListpack(lp, p []byte) (out []byte, n int, ok bool) {
	fits := true
	err := walkZipmap(p, func(field, val []byte) {
		if fits = fits && len(field)+len(val)+2*maxGrowth <= limits.MaxListpackBytes-len(lp); fits {
			lp = listpack.Append(listpack.Append(lp, field), val)
			n += 2
		}
	})
	return lp, n, err == nil && fits
}
