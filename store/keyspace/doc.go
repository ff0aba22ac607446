// Package keyspace is a node's keys: shards of databases of entries, on an arena and without a Go object per key.
//
// A Space has shards; a Shard has a DB per database number, made on first use; a DB is a dict of entries (docs/formats/entry.md). The caller
// computes a key's hash once (Space.Hash) and gives it to every call. Nothing here takes a lock, reads a clock or knows of expired keys: whoever calls
// a Shard, or anything that came from one, holds that shard's lock (and has called its Heap's Lock), and compares Entry.ExpireAt itself. What moves between two shards needs both,
// and what says so needs all.
//
// An Entry is a handle on an entry's block, good until that key is written or deleted, or the shard unlocked. Slices that it gives point into the
// arena and go no further; key and value arguments are copied, and must not point into the arena unless a function says so.
//
// It is not the place for command semantics: no WRONGTYPE, no limits of length, no statistics, no notifications.
//
// Reading order: space.go, entry.go, db.go, mutable.go, move.go, visit.go, evict.go, defrag.go, walk.go, detached.go.
package keyspace
