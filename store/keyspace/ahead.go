package keyspace

import (
	"unsafe"

	"github.com/larder-cache/larder/base/invariant"
	"github.com/larder-cache/larder/store/dict"
)

// MaxAhead is how many keys ReadAhead takes at once.
const MaxAhead = 16

// AheadKey is a key that will be looked up soon: its hash, and its database in its shard (nil: unknown, nothing is read).
type AheadKey struct {
	Hash uint64
	DB   *DB
}

// CanReadAhead: with the build tag invariants memory cannot be read while its shard is not locked.
const CanReadAhead = !invariant.Enabled

// ReadAhead brings what looking up these keys will read into the processor's cache, at the price of about two misses for all of them. It
// needs no lock and changes nothing; what other threads change meanwhile makes it useless at worst (see dict.Home). The result means
// nothing; it is there so that the compiler keeps the reads.
func (s *Space) ReadAhead(keys []AheadKey) (sum byte) {
	if !CanReadAhead {
		return 0
	}
	var at [MaxAhead]unsafe.Pointer
	keys = keys[:min(len(keys), MaxAhead)]
	for i := range keys {
		if d := keys[i].DB; d != nil {
			at[i] = d.ahead.Load().dict.Home(s.arena, keys[i].Hash)
		}
	}
	for _, p := range at[:len(keys)] {
		if p != nil {
			sum += *(*byte)(p)
		}
	}
	for i, p := range at[:len(keys)] {
		if at[i] = nil; p != nil {
			if off := dict.Candidate(p, keys[i].Hash); off != 0 {
				at[i] = s.arena.Peek(off, aheadBytes)
			}
		}
	}
	for _, p := range at[:len(keys)] {
		if p != nil {
			sum += *(*byte)(p) + *(*byte)(unsafe.Add(p, cacheLine))
		}
	}
	return sum
}

const (
	cacheLine = 64
	// aheadBytes is how much of an entry is read ahead: head, key and a small value.
	aheadBytes = 2 * cacheLine
)
