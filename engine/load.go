package engine

import "github.com/larder-cache/larder/store/keyspace"

// PutBy stores a loaded key as Put does, or with shadow as PutShadow does, by fn, which is given the database and runs with the key's shard held. hash is that of the key.
func (e *Engine) PutBy(db int, hash uint64, shadow bool, fn func(d *keyspace.DB)) {
	i := e.Space.ShardOf(hash)
	e.lockFree(i)
	ks := e.shards[i].ks
	ks.SetClock(e.freshClock())
	if shadow {
		fn(ks.Shadow(db))
	} else {
		fn(ks.DB(db))
	}
	e.unlock(i)
}

// PutShadow is Put into the shadow of a database: beside the data that is served, until SwapShadowLocked puts it in its place.
func (e *Engine) PutShadow(db int, key, value []byte, expireAt int64) {
	h := e.Space.Hash(key)
	i := e.Space.ShardOf(h)
	e.lockFree(i)
	e.shards[i].ks.SetClock(e.freshClock())
	e.shards[i].ks.Shadow(db).SetString(h, key, value, expireAt)
	e.unlock(i)
}

// SwapShadowLocked makes the shadows of all databases the data, and frees what they had. The caller is within Barrier.
func (e *Engine) SwapShadowLocked() {
	for i := range e.shards {
		e.shards[i].ks.SwapShadow()
		e.freeShadow(e.shards[i].ks)
		e.shards[i].touchAll(-1)
	}
	e.forgetTracked()
}

// DropShadow forgets what was loaded beside the data.
func (e *Engine) DropShadow() {
	e.EachShard(func(s *keyspace.Shard) bool { e.freeShadow(s); return true })
}

func (e *Engine) freeShadow(s *keyspace.Shard) {
	for _, d := range s.DropShadow() {
		e.Free(d)
	}
}
