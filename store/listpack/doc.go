// Package listpack is Redis' listpack: a list of strings and integers in one piece of memory, as small hashes, sets and sorted sets, nodes of lists and
// nodes of streams are kept, in memory and in dumps. docs/formats/listpack.md has the bytes.
//
// It is functions over []byte. The slice is the listpack, from the first byte of the header to the end mark; a *position* is the number of bytes before an
// entry, None where there is no entry. Nothing is allocated except by an edit that needs more room than the slice's capacity has: edits work in place and
// return the slice, like append. So the slice may lie over a block of the arena, cut so that its capacity ends where the block does; the caller sees by
// EntryBytes beforehand, or by the new slice's capacity afterwards, whether that sufficed. After an edit, positions behind the place of the edit are void.
// What is to be added must not be a part of the listpack itself.
//
// Bytes from outside are checked once by Validate. All other functions trust them: on bytes that are no listpack they may panic (never read elsewhere).
// Whoever adds asks CanAdd first.
//
// The package knows nothing of pairs, scores, sorting or thresholds, and keeps no state.
//
// Reading order: listpack.go (the header, walking, reading), edit.go, find.go, random.go, validate.go.
package listpack
