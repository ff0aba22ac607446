// Package tree is the store's order: a counted B+tree in the arena that is copied on write. docs/formats/tree.md has the bytes.
//
// It keeps items (refs of arena blocks that it does not follow) by a key of 8 or 16 bytes or just one after the other, finds them by key and by
// rank, and tells an item's rank. Ranks count weights: 1 an item, or as many elements as the item says that it holds. Lists, sorted sets and streams
// are made of it.
//
// A Snapshot is one increment; from then on a change copies the nodes on its way that are shared. Whoever holds a snapshot reads it as it was, at leisure. For
// that, items need owner counts of their own, which Env.Share and Env.Drop keep; a tree that is never shared needs neither.
//
// A Tree holds no Go pointer, so it may lie in a Go struct or in the arena. It is not safe for concurrent use: the caller holds its shard's lock. Trees that
// share nodes may be in different shards.
//
// It is not a map: it has no values but the refs, and does not compare the items themselves but through Env.Compare, for those of equal key.
//
// Reading order: tree.go (what there is), node.go (bytes), cursor.go (finding), insert.go, remove.go, share.go (owners), defrag.go, check.go.
package tree
