package keyspace

// Limits say up to what size a collection is packed. They are parameters of the configuration of the same names; package collection obeys them.
type Limits struct {
	HashEntries, HashValueBytes int // hash-max-listpack-entries, -value
	SetIntSetEntries            int // set-max-intset-entries
	SetEntries, SetValueBytes   int // set-max-listpack-entries, -value
	ZSetEntries, ZSetValueBytes int // zset-max-listpack-entries, -value
	ListSize                    int // list-max-listpack-size: entries, or below zero a size class
	ListCompressDepth           int // list-compress-depth
	ListPlainFrom               int // DEBUG QUICKLIST-PACKED-THRESHOLD: from what length on an element has a node of its own; 0: by ListSize
	StreamNodeBytes             int // stream-node-max-bytes
	StreamNodeEntries           int // stream-node-max-entries
}

// DefaultLimits are Redis' and Valkey's.
func DefaultLimits() Limits {
	return Limits{
		HashEntries: 512, HashValueBytes: 64, SetIntSetEntries: 512, SetEntries: 128, SetValueBytes: 64, ZSetEntries: 128, ZSetValueBytes: 64,
		ListSize: -2, StreamNodeBytes: 4096, StreamNodeEntries: 100,
	}
}

// Limits are the limits in force.
func (s *Space) Limits() *Limits { return s.limits.Load() }

// SetLimits changes the limits. Collections are not converted because of it; the next write that finds one too big does.
func (s *Space) SetLimits(l Limits) { s.limits.Store(&l) }
