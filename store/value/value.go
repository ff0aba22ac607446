// Package value holds what the store knows of value types: their names, their encodings, and how a string is encoded.
//
// It is not where values live (that is keyspace, on an arena) and has no commands. One file per type.
package value

// Type is the type of a value, as TYPE tells it. The numbers are those of Redis' object types, which RDB files do not use.
type Type uint8

// The types.
const (
	String Type = iota
	List
	Set
	ZSet
	Hash
	Module
	Stream
)

var typeNames = [...]string{"string", "list", "set", "zset", "hash", "module", "stream"}

// String returns the name that the TYPE command gives.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

// Encoding is how a value is represented, as OBJECT ENCODING tells it.
type Encoding uint8

// The encodings. They fit in four bits (docs/formats/entry.md).
const (
	Raw Encoding = iota
	Int
	EmbStr
	HashTable
	ListPack
	QuickList
	IntSet
	SkipList
	StreamEncoding
)

var encodingNames = [...]string{"raw", "int", "embstr", "hashtable", "listpack", "quicklist", "intset", "skiplist", "stream"}

// String returns the name that OBJECT ENCODING gives.
func (e Encoding) String() string {
	if int(e) < len(encodingNames) {
		return encodingNames[e]
	}
	return "unknown"
}
