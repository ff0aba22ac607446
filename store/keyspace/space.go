package keyspace

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/value"
)

// Config says how a Space is made.
type Config struct {
	// Shards is a power of two, at most limits.MaxShards.
	Shards int
	// Databases is how many there are, at least 1.
	Databases int
	// Arena is where everything is kept. The Space makes a Heap per shard in it.
	Arena *arena.Arena
	// Seed is the secret of the hash. Random outside tests: who knows it can make keys collide.
	Seed [2]uint64
	// Slots asks for cluster mode: shard by slot, and a dict a slot. Not built yet: New refuses it.
	Slots bool
}

// ErrSlots is New's answer to Config.Slots.
var ErrSlots = errors.New("keyspace: a dict per slot (cluster mode) is not built yet")

// Space is all keys of a node.
type Space struct {
	arena     *arena.Arena
	hasher    hasher
	shards    []Shard
	databases int
	preImages preImages
	// walks are the snapshots under way. One is set while every shard is held, and cleared when it is over in all of them.
	walks [dict.MaxWalks]atomic.Pointer[Walk]
	// detached is told of what is left to be freed; nil: it is freed at once.
	detached func(*Detached)
	limits   atomic.Pointer[Limits]
	// walkHeld is the bytes of blocks that only walks own any more.
	walkHeld atomic.Int64
}

// WalkHeld is how many bytes of used memory are values that were deleted or overwritten and are kept only until a snapshot has taken them.
func (s *Space) WalkHeld() int64 { return s.walkHeld.Load() }

// New makes an empty Space.
func New(cfg Config) (*Space, error) {
	switch {
	case cfg.Arena == nil:
		return nil, errors.New("keyspace: no arena")
	case cfg.Shards < 1 || cfg.Shards > limits.MaxShards || cfg.Shards&(cfg.Shards-1) != 0:
		return nil, fmt.Errorf("keyspace: %d shards: want a power of two, at most %d", cfg.Shards, limits.MaxShards)
	case cfg.Databases < 1 || cfg.Databases > limits.MaxDatabasesConfig:
		return nil, fmt.Errorf("keyspace: %d databases: want 1 to %d", cfg.Databases, limits.MaxDatabasesConfig)
	case cfg.Slots:
		return nil, ErrSlots
	}
	s := &Space{arena: cfg.Arena, hasher: newHasher(cfg.Seed), shards: make([]Shard, cfg.Shards), databases: cfg.Databases}
	s.SetLimits(DefaultLimits())
	for i := range s.shards {
		s.shards[i].init(s, i)
	}
	return s, nil
}

// Hash is a key's hash, which says where the key is. It is the same for the same seed.
func (s *Space) Hash(key []byte) uint64 { return s.hasher.sum(key) }

// ShardOf is the shard of a hash: its low bits. (The dict takes its positions from the high ones.)
func (s *Space) ShardOf(hash uint64) int { return int(hash & uint64(len(s.shards)-1)) }

// Shards is the number of shards.
func (s *Space) Shards() int { return len(s.shards) }

// Databases is the number of databases.
func (s *Space) Databases() int { return s.databases }

// Arena is where the keys are.
func (s *Space) Arena() *arena.Arena { return s.arena }

// Shard is shard number i.
func (s *Space) Shard(i int) *Shard { return &s.shards[i] }

// SwapDB exchanges the content of two databases, at the cost of a pointer for each shard. Every shard must be held.
func (s *Space) SwapDB(a, b int) {
	for i := range s.shards {
		swapRoots(s.shards[i].DB(a), s.shards[i].DB(b))
	}
}

// A cursor of SCAN over all shards is the shard's number above the 48 bits of a position. Cursor 0 is the first position of
// shard 0, and as an answer it means that the scan is complete.
const cursorBits = dict.PositionBits

// Cursor encodes where a scan goes on: at a position (as DB.Scan gives it) of a shard. A position of 0 with shard+1 goes on behind that shard.
func (s *Space) Cursor(shard int, position uint64) uint64 {
	return uint64(shard)<<cursorBits | position>>(64-cursorBits)
}

// SplitCursor decodes a cursor, which may be any number that a client made up; false if there is no such shard: the scan is complete.
func (s *Space) SplitCursor(cursor uint64) (shard int, position uint64, ok bool) {
	i := cursor >> cursorBits
	if i >= uint64(len(s.shards)) {
		return 0, 0, false
	}
	return int(i), cursor << (64 - cursorBits), true
}

// Shard is one part of the keys, under one lock, which is the engine's.
type Shard struct {
	space *Space
	heap  *arena.Heap
	index int
	env   dict.Env
	// values is what the shard's rooted values are worked with.
	values value.Env
	dbs    []*DB
	// shadow is a second set of databases, nil unless data is loaded beside what is served.
	shadow []*DB
	clock  uint32
	// reader is the DB of entries that are met in no particular one.
	reader *DB
	// expireAt is made once, for dict.Due.
	expireAt func(arena.Ref) int64
	// fieldsDueAt is fieldsDue, likewise.
	fieldsDueAt func(arena.Ref) int64
	scratch     [InlineMax]byte
	packed      []byte // what Scratch gives
}

func (sh *Shard) init(s *Space, i int) {
	sh.space, sh.index = s, i
	sh.heap = s.arena.NewHeap()
	sh.dbs = make([]*DB, s.databases)
	sh.reader = &DB{shard: sh, arena: s.arena, index: -1}
	sh.expireAt = func(ref arena.Ref) int64 { return sh.reader.entry(ref).ExpireAt() }
	sh.fieldsDueAt = sh.fieldsDue
	sh.env = dict.Env{
		Arena: s.arena,
		Heap:  sh.heap,
		Hash:  func(ref arena.Ref) uint64 { return s.hasher.sum(sh.reader.entry(ref).Key()) },
		Hand:  sh.hand,
	}
	sh.values.Init(s.arena, sh.heap, s.hasher.sum, sh.handElement)
}

// Space is what it is a part of.
func (sh *Shard) Space() *Space { return sh.space }

// Index is the shard's number.
func (sh *Shard) Index() int { return sh.index }

// Heap is the shard's part of the arena. The engine's lock of the shard calls its Lock and Unlock.
func (sh *Shard) Heap() *arena.Heap { return sh.heap }

// SetClock says what access clock (24 bits: LRU seconds, or LFU minutes and counter) a new entry gets. The engine keeps it current.
func (sh *Shard) SetClock(clock uint32) { sh.clock = clock & clockMask }

// DB is database number n, made on first use. The pointer stays good; FLUSHDB and SWAPDB change what it has, not itself.
func (sh *Shard) DB(n int) *DB {
	if d := sh.dbs[n]; d != nil {
		return d
	}
	d := sh.newDB(n)
	sh.dbs[n] = d
	return d
}

func (sh *Shard) newDB(n int) *DB {
	d := &DB{shard: sh, arena: sh.space.arena, index: n}
	d.setRoot(&root{})
	return d
}

// Used reports whether database n has been used in this shard: whoever goes through all databases need not make those that have not.
func (sh *Shard) Used(n int) bool { return sh.dbs[n] != nil }

// Len is the number of keys in all databases of the shard.
func (sh *Shard) Len() (n int) {
	for _, d := range sh.dbs {
		if d != nil {
			n += d.Len()
		}
	}
	return n
}
