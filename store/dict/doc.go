// Package dict is the hash index of the store: from a 64-bit hash to refs of arena blocks, in the order of the hash.
//
// It keeps 64-byte buckets of ten (fingerprint, ref) pairs in segments of up to 32 buckets, and a directory from hash prefix to
// segment; docs/formats/dict.md has the bytes. A dict starts at one bucket and grows and shrinks by one segment at a time. The bucket
// of a hash is the one whose range of hashes holds it, so buckets lie in the order of hash prefixes, a split or merge keeps that order, and an entry
// never leaves the chain of the bucket that its hash falls in. Therefore everything that goes through a dict goes by *position*: the least hash not yet
// visited. Scan cursors, snapshot walks and the expiry cycle are such positions; any number of them run at once, and "already passed?" is a comparison.
//
// The package knows nothing of what a ref points at: Env.Hash tells an entry's hash when a bucket is split, and the caller compares keys.
// A Dict holds no Go pointer, so it may lie in a Go struct or in the arena. It is not safe for concurrent use: the caller holds its shard's lock.
//
// It is not a map with keys and values, and not a list of what is volatile: it counts, per segment, entries that the caller said have an expiry.
package dict
