// Package rdb reads and writes Redis' snapshot format: dump files, the payload of a full resynchronisation, the
// preamble of an append-only file, and the payloads of DUMP and RESTORE. docs/formats/rdb.md describes the bytes.
//
// Both directions stream over io.Reader and io.Writer; at most one value is in memory at a time. The Writer is fed by
// whoever walks a keyspace, the Reader gives one Event after the other. Strings are held in full. Of every other type
// the Reader knows the structure, so that it walks over any valid dump and gives the value as its serialized bytes, or by
// its content: packed as it is in memory, or element by element, from every encoding that there ever was. What to do with
// a type that the engine does not have is the engine's decision, never a silent omission.
//
// The package knows no keyspace, no clock, no file names and no sockets. It starts no goroutine. Nothing in it panics
// on bad input: that is a *CorruptError (errs.ErrCorrupt) with the offset, and no length in the input is believed
// before the bytes have been read.
//
// Reading order: format.go (the numbers), writer.go, source.go and reader.go (events), object.go (the structure of the
// types), blob.go (the packed encodings), element.go (values by content), decode.go, legacy.go, encode.go, dump.go, frame.go (full resynchronisation's framing). The compression is
// package lzf, the checker behind `larder-server check-rdb` is package check.
package rdb
