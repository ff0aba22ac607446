package keyspace

// Aside makes a database beside those of the shard, with the number of one of them, which only its maker sees: for values that are to be
// put back. Empty, it takes no memory of the arena.
func (sh *Shard) Aside(n int) *DB { return sh.newDB(n) }

// Swap exchanges the content of two databases of one shard.
func (d *DB) Swap(other *DB) { swapRoots(d, other) }
