package engine

import "github.com/larder-cache/larder/store/keyspace"

// Put stores a loaded key, whose hash is given, by fn, which runs with the key's shard held; nothing is journaled. With shadow the database that
// fn is given is the shadow of a database: beside the data that is served, until SwapShadowLocked puts it in its place.
func (e *Engine) Put(db int, hash uint64, shadow bool, fn func(d *keyspace.DB)) {
	i := e.Space.ShardOf(hash)
	e.lockData(i)
	ks := e.shards[i].ks
	ks.SetClock(e.freshClock())
	if shadow {
		fn(ks.Shadow(db))
	} else {
		fn(ks.DB(db))
	}
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
