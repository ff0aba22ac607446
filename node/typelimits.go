package node

import (
	"math"

	"github.com/larder-cache/larder/store/keyspace"
)

// applyTypeLimits makes the configuration's limits of packed collections those of the keyspace. It takes no shard: a command that runs just now may still see the old ones.
func (n *Node) applyTypeLimits() {
	num := func(name string) int { return int(min(n.cfg.get(name).int(), math.MaxInt)) }
	l := keyspace.Limits{
		HashEntries: num("hash-max-listpack-entries"), HashValueBytes: num("hash-max-listpack-value"),
		SetIntSetEntries: num("set-max-intset-entries"), SetEntries: num("set-max-listpack-entries"), SetValueBytes: num("set-max-listpack-value"),
		ZSetEntries: num("zset-max-listpack-entries"), ZSetValueBytes: num("zset-max-listpack-value"),
		ListSize: num("list-max-listpack-size"), ListCompressDepth: num("list-compress-depth"), ListPlainFrom: n.space.Limits().ListPlainFrom,
		StreamNodeBytes: num("stream-node-max-bytes"), StreamNodeEntries: num("stream-node-max-entries"),
	}
	if l != *n.space.Limits() {
		n.space.SetLimits(l)
	}
}
