// Package value holds what the store knows of value types: their names, their encodings, how a string is encoded, and the collections that are
// too big to be packed in one block of bytes: structures in the arena under one root block (docs/formats/value.md).
//
// It is not where values live (that is keyspace: an entry has a value's bytes, or the ref of its root) and knows no keys, no thresholds and no commands.
// Whoever uses a rooted value holds the lock of the shard that it is in. Slices that it gives point into the arena and go no further; arguments are copied.
//
// Reading order: value.go, string.go; env.go and rooted.go (what every rooted value has), members.go (the index of elements of sets, hashes and sorted
// sets), then one file per type; of streams stream.go,
// streamnode.go, streamiter.go, streamgroup.go, streampending.go, streamshare.go.
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
