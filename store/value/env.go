package value

import (
	"sync/atomic"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
	"github.com/larder-cache/larder/store/tree"
)

// Env is what the rooted values of one shard are worked with. It holds no state of theirs.
type Env struct {
	Arena *arena.Arena
	Heap  *arena.Heap
	// Hash is the keyspace's keyed hash. An element is found by that of its member.
	Hash func([]byte) uint64
	// Dict is what the indexes of elements work with. Its Hash reads the member of an element's block; its Hand is given by who walks.
	Dict dict.Env

	zset tree.Env // of the order of sorted sets
	list tree.Env // of lists

	stream, groups, consumers, pending, owned tree.Env // of streams
}

// Init makes an Env ready. hand is dict.Env's; nil will do where nobody walks.
func (env *Env) Init(a *arena.Arena, h *arena.Heap, hash func([]byte) uint64, hand func(d *dict.Dict, walk int, ref arena.Ref)) {
	env.Arena, env.Heap, env.Hash = a, h, hash
	env.zset = zsetOrder(a, h)
	env.list = listEnv(a, h)
	env.initStreams()
	env.Dict = dict.Env{Arena: a, Heap: h, Hand: hand, Hash: func(ref arena.Ref) uint64 { return hash(elementAt(a, ref).Member()) }}
}

// Owners is the first word of a root block, as of every block that may have several owners: entries in the low half, walks in the high half. It changes atomically, because
// owners may be in different shards.
func Owners(a *arena.Arena, block arena.Ref) *atomic.Int64 { return (*atomic.Int64)(a.Ptr(block)) }

// WalkShare is what one walk adds to an owner word.
const WalkShare = 1 << 32

// NoExpiry is the expiry of an element that has none, KeepTTL as an argument leaves it as it is.
const (
	NoExpiry = -1
	KeepTTL  = -2
)
