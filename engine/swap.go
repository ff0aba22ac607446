package engine

import "github.com/larder-cache/larder/store/keyspace"

// SwapDB implements spec.Engine. It costs a pointer a shard, and the watches of the two databases.
func (x *Executor) SwapDB(a, b int) {
	if a == b {
		return
	}
	if x.quiet {
		x.e.Space.SwapDB(a, b)
		x.script.undo.swapped(a, b)
		return
	}
	for i := range x.e.shards {
		x.swapWatched(&x.e.shards[i], a, b)
	}
	x.e.Space.SwapDB(a, b)
	x.wakeSwapped(a, b)
}

// swapWatched fails the transactions of those who watch a key that is in one of two databases, which are about to be exchanged.
// A watch whose key was and will be gone, or expired, which is the same, sees no change.
func (x *Executor) swapWatched(s *shard, a, b int) {
	for key, ws := range s.watchers {
		from, to := a, b
		switch key.db {
		case a:
		case b:
			from, to = b, a
		default:
			continue
		}
		for _, w := range ws {
			before, after := find(s.ks, from, w), find(s.ks, to, w)
			x.swapWatch(w, before, after)
		}
	}
}

func find(ks *keyspace.Shard, db int, w *watch) keyspace.Entry {
	if !ks.Used(db) {
		return keyspace.Entry{}
	}
	return ks.DB(db).Find(w.hash, []byte(w.key.key))
}

// swapWatch does for one watch what its key's entries before and after an exchange ask for.
func (x *Executor) swapWatch(w *watch, before, after keyspace.Entry) {
	missing := !after.Found() || x.Expired(after)
	switch {
	case !before.Found() && !after.Found():
	case w.expired && missing:
		// Gone it was for the watcher already; if it is there and expired, its deletion will be no change either.
		w.expired = after.Found()
	case !w.expired && !before.Found() && missing:
		w.expired = true
	default:
		w.touch()
	}
}
