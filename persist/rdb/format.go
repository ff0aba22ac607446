package rdb

import (
	"fmt"
	"hash/crc64"
)

// Versions of the format. A file begins with "REDIS" and four digits, or since Valkey 9 with "VALKEY" and three.
// Source: rdb.h of Valkey 8 and 9 and of Redis 7.4.
const (
	// DefaultVersion is what is written when nobody asks for another: Redis 7.2 and all of Valkey read it.
	DefaultVersion = 11
	// OldReplicaVersion is for a replica that does not announce its version: Redis 7.0 reads it.
	OldReplicaVersion = 10
	// ValkeyVersion is Valkey 9's. It is the only one below which hashes with field TTLs can be written.
	ValkeyVersion = 80
	// MaxRedisVersion is the newest of Redis' own versions that is read (Redis 7.4, 8.0).
	MaxRedisVersion = 12

	checksumVersion = 5 // from here on a CRC64 follows the end
	headerBytes     = 9
)

// Opcodes: the byte before a record that is not a key.
const (
	opSlotImport    = 243
	opSlotInfo      = 244
	opFunction2     = 245
	opFunctionPreGA = 246
	opModuleAux     = 247
	opIdle          = 248
	opFreq          = 249
	opAux           = 250
	opResizeDB      = 251
	opExpireMs      = 252
	opExpireSec     = 253
	opSelectDB      = 254
	opEOF           = 255
)

// Lengths: the two top bits of the first byte.
const (
	len6       = 0x00
	len14      = 0x40
	len32      = 0x80
	len64      = 0x81
	lenSpecial = 0xC0 // the low six bits say how the string is encoded
	lenMask    = 0xC0
)

// Special string encodings.
const (
	encInt8  = 0
	encInt16 = 1
	encInt32 = 2
	encLZF   = 3
	encNone  = -1 // not special: a plain length
)

// Opcodes inside a module's data.
const (
	moduleEOF    = 0
	moduleSint   = 1
	moduleUint   = 2
	moduleFloat  = 3
	moduleDouble = 4
	moduleString = 5
)

// Type is a value's type byte. It names the encoding as well as the type of the value: see Kind.
type Type uint8

// The type bytes that exist up to version 12 and in Valkey's 80. Source: rdb.h.
const (
	TypeString            Type = 0
	TypeList              Type = 1
	TypeSet               Type = 2
	TypeZset              Type = 3 // scores as text
	TypeHash              Type = 4
	TypeZset2             Type = 5
	TypeModulePreGA       Type = 6
	TypeModule2           Type = 7
	TypeHashZipmap        Type = 9
	TypeListZiplist       Type = 10
	TypeSetIntset         Type = 11
	TypeZsetZiplist       Type = 12
	TypeHashZiplist       Type = 13
	TypeListQuicklist     Type = 14
	TypeStream            Type = 15
	TypeHashListpack      Type = 16
	TypeZsetListpack      Type = 17
	TypeListQuicklist2    Type = 18
	TypeStream2           Type = 19
	TypeSetListpack       Type = 20
	TypeStream3           Type = 21
	TypeHashTTL           Type = 22 // version 12: a release candidate's hash with field TTLs; version 80: Valkey's. They differ.
	TypeHashListpackTTLRC Type = 23 // version 12, release candidates
	TypeHashMetadata      Type = 24 // version 12
	TypeHashListpackTTL   Type = 25 // version 12
)

// typeInfo says what a type byte is. kind "" is a byte that is no type.
type typeInfo struct {
	kind string // the value's type, in the words of the TYPE command
	name string // the encoding, in the words of redis-check-rdb
	min  int    // the first version that has it
	read func(*Reader) error
}

// types is indexed by Type.
var types = [...]typeInfo{
	TypeString:            {"string", "string", 1, (*Reader).skipStringValue},
	TypeList:              {"list", "list-linked", 1, (*Reader).skipStrings},
	TypeSet:               {"set", "set-hashtable", 1, (*Reader).skipStrings},
	TypeZset:              {"zset", "zset-v1", 1, (*Reader).skipZset},
	TypeHash:              {"hash", "hash-hashtable", 1, (*Reader).skipHash},
	TypeZset2:             {"zset", "zset-v2", 8, (*Reader).skipZset2},
	TypeModulePreGA:       {"module", "module-pre-release", 8, nil},
	TypeModule2:           {"module", "module-value", 8, (*Reader).skipModule},
	TypeHashZipmap:        {"hash", "hash-zipmap", 1, blobReader(checkZipmap)},
	TypeListZiplist:       {"list", "list-ziplist", 1, blobReader(checkZiplist(1))},
	TypeSetIntset:         {"set", "set-intset", 1, blobReader(checkIntset)},
	TypeZsetZiplist:       {"zset", "zset-ziplist", 1, blobReader(checkZiplist(2))},
	TypeHashZiplist:       {"hash", "hash-ziplist", 1, blobReader(checkZiplist(2))},
	TypeListQuicklist:     {"list", "quicklist", 7, (*Reader).skipQuicklist},
	TypeStream:            {"stream", "stream", 9, streamReader(1)},
	TypeHashListpack:      {"hash", "hash-listpack", 10, blobReader(checkListpack(2))},
	TypeZsetListpack:      {"zset", "zset-listpack", 10, blobReader(checkListpack(2))},
	TypeListQuicklist2:    {"list", "quicklist-v2", 10, (*Reader).skipQuicklist2},
	TypeStream2:           {"stream", "stream-v2", 10, streamReader(2)},
	TypeSetListpack:       {"set", "set-listpack", 11, blobReader(checkListpack(1))},
	TypeStream3:           {"stream", "stream-v3", 11, streamReader(3)},
	TypeHashTTL:           {"hash", "hash-field-ttl", 12, (*Reader).skipHashTTL},
	TypeHashListpackTTLRC: {"hash", "hash-listpack-field-ttl-rc", 12, blobReader(checkListpack(3))},
	TypeHashMetadata:      {"hash", "hash-metadata", 12, (*Reader).skipHashMetadata},
	TypeHashListpackTTL:   {"hash", "hash-listpack-field-ttl", 12, (*Reader).skipHashListpackTTL},
}

// info returns what t is, and whether it is a type at all.
func (t Type) info() (typeInfo, bool) {
	if int(t) >= len(types) || types[t].kind == "" {
		return typeInfo{}, false
	}
	return types[t], true
}

// Kind returns the type of the value in the words of the TYPE command: string, list, set, zset, hash, stream or module;
// "" when t is no type.
func (t Type) Kind() string {
	info, _ := t.info()
	return info.kind
}

// String returns the encoding's name, as redis-check-rdb prints it; "unknown" when t is no type.
func (t Type) String() string {
	if info, ok := t.info(); ok {
		return info.name
	}
	return "unknown"
}

// existsIn says whether a dump of the version can hold type t. Valkey's 80 continues Redis' 11: of Redis' field TTLs
// (22 to 25) it has only the number 22, with a layout of its own.
func (t Type) existsIn(version int) bool {
	info, ok := t.info()
	switch {
	case !ok:
		return false
	case version == ValkeyVersion:
		return t <= TypeHashTTL
	case t >= TypeHashTTL:
		return version >= info.min
	}
	return true // an older version with a newer type is what a development build wrote; Redis reads it, too
}

// writableIn says whether a reader of the version knows type t.
func (t Type) writableIn(version int) bool {
	info, ok := t.info()
	return ok && t.existsIn(version) && version >= info.min
}

// knownVersion says whether the Reader reads dumps of the version.
func knownVersion(version int) bool {
	return version >= 1 && version <= MaxRedisVersion || version == ValkeyVersion
}

// magic returns the first bytes of a dump of the version.
func magic(version int) string {
	if version >= ValkeyVersion {
		return fmt.Sprintf("VALKEY%03d", version)
	}
	return fmt.Sprintf("REDIS%04d", version)
}

// crcTable is the Jones polynomial, reflected. Redis' CRC starts at 0 and inverts nothing; hash/crc64 inverts before
// and after, so crcUpdate inverts once more.
var crcTable = crc64.MakeTable(0x95ac9329ac4bc9b5)

// crcUpdate continues crc, which begins as 0, over p. Its check value (of "123456789") is e9c6d914c4b8d9ca.
func crcUpdate(crc uint64, p []byte) uint64 {
	return ^crc64.Update(^crc, crcTable, p)
}
