// Package collection is what commands use of lists, sets, hashes, sorted sets and streams: a handle on a key's collection, whatever represents it.
//
// A collection begins packed (a listpack or intset, which its entry has as bytes) and becomes rooted (package value) when it exceeds one of keyspace.Limits;
// it never goes back, as in Redis. A handle is opened on an entry, used, and then committed if it may have changed anything: Commit writes back
// packed bytes, and deletes the key if nothing is left in it. Nothing else may be done with the key in between.
//
// A list or stream is otherwise: what is done with it is written back at once, so there is nothing to commit, and a list that shrinks is packed again.
// A stream has a root from the beginning, and stays when it is empty.
//
// Whoever uses a handle holds the key's shard. Slices that a handle gives point into the arena, or into the handle, and are good until its next call; arguments are copied, and must
// point to neither.
//
// It knows no commands, no replies and no notifications.
//
// A Loader builds collections for snapshots and RESTORE.
//
// Reading order: frame.go, then a file a type; load.go.
package collection
