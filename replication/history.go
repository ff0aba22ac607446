// Package replication is the replication of Redis, PSYNC2, both sides: a node feeds its replicas from the journal, and follows
// a primary by a full or a partial resync. A real redis-server or valkey-server can be either side.
//
// What decides is pure: History says whether a replica can go on where it was (history.go), handshake is the replica's dialogue
// with its primary (handshake.go). Manager is the driver: it has the sockets and goroutines (manager.go, primary.go,
// follow.go), and the commands are in commands.go.
//
// It does not know how a snapshot is made or loaded: package node hands it that.
package replication

import (
	"encoding/hex"
	"math/rand/v2"
)

// History names a stream of changes. Two nodes with the same ReplID have the same bytes up to the smaller of their offsets.
type History struct {
	ReplID string // 40 hexadecimal digits
	// ReplID2 is the history that this one continues, as far as SecondOffset: a promoted replica goes on from its primary's.
	// The replicas that followed the same primary can follow it without a full resync.
	ReplID2      string
	SecondOffset int64 // the first offset that ReplID2 does not have; -1: there is no ReplID2
}

// noReplID stands for "no second history" wherever an id is shown.
const noReplID = "0000000000000000000000000000000000000000"

// NewReplID makes an id from a source of chance.
func NewReplID(rnd *rand.Rand) string {
	var b [20]byte
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return hex.EncodeToString(b[:])
}

// NewHistory begins a history.
func NewHistory(id string) History { return History{ReplID: id, ReplID2: noReplID, SecondOffset: -1} }

// Promoted is the history of a replica that becomes a primary: a new id that continues the old one up to offset, which is the
// last byte it has.
func (h History) Promoted(id string, offset int64) History {
	return History{ReplID: id, ReplID2: h.ReplID, SecondOffset: offset + 1}
}

// CanContinue reports whether a replica that asks for id from offset on can be fed from a backlog that holds the offsets
// from start up to end: offset is the first byte that it does not have, counted from 1 as PSYNC counts.
func (h History) CanContinue(id string, offset, start, end int64) bool {
	switch {
	case id == h.ReplID:
	case id == h.ReplID2 && h.SecondOffset >= 0 && offset <= h.SecondOffset:
	default:
		return false
	}
	// PSYNC's offset is one more than what the replica has; the journal's is what has been written.
	return offset-1 >= start && offset-1 <= end
}
