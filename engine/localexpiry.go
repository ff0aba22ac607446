package engine

import (
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

// A replica leaves expiry to its primary, who deletes what is over. What clients gave an expiry on a replica that is not read-only
// is known to nobody else: it is noted here, and deleted by the replica's own expiry cycle.

// noteLocal remembers a key that a client of a writable replica has just written, if it has an expiry. Its shard is held.
func (x *Executor) noteLocal(k *spec.KeyRef) {
	ent := k.DB.Find(k.Hash, k.Name)
	if !ent.Found() || ent.ExpireAt() < 0 {
		return
	}
	s := &x.e.shards[x.e.Space.ShardOf(k.Hash)]
	if s.local == nil {
		s.local = map[watchKey]struct{}{}
	}
	if len(s.local) < limits.MaxLocalExpiries/len(x.e.shards) {
		s.local[watchKey{db: x.keyDB(k), key: string(k.Name)}] = struct{}{}
	}
}

// LocalExpiries is how many keys a writable replica has noted. each visits the shards one after another.
func (e *Engine) LocalExpiries(each func(func(*keyspace.Shard) bool)) (keys int64) {
	i := 0
	each(func(*keyspace.Shard) bool {
		keys += int64(len(e.shards[i].local))
		i++
		return true
	})
	return keys
}

// expireLocal deletes the noted keys of a shard that are over, and forgets those that need not be watched any more. It is held. On a
// primary the ordinary cycle sees to all keys.
func (c *Cycle) expireLocal(i int) {
	x, s := c.x, &c.x.e.shards[i]
	if x.e.Gate()&GateReplica == 0 {
		s.local = nil
		return
	}
	left := sampleKeys
	for wk := range s.local {
		if left--; left < 0 {
			break // the order of a map is another one each time
		}
		name := []byte(wk.key)
		k := spec.KeyRef{Name: name, Hash: x.e.Space.Hash(name), DB: s.ks.DB(wk.db)}
		ent := k.DB.Find(k.Hash, k.Name)
		switch {
		case !ent.Found() || ent.ExpireAt() < 0:
			delete(s.local, wk)
		case ent.ExpireAt() < x.wallMs:
			delete(s.local, wk)
			k.DB.Delete(k.Hash, k.Name)
			x.turn.expired++
			x.Notify('x', "expired", &k)
			x.modified(&k, nil)
		}
	}
}
