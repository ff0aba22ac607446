package keyspace

// Shadow is database number n of a second set beside the databases, made on first use: what is loaded there is seen by nobody until
// SwapShadow.
func (sh *Shard) Shadow(n int) *DB {
	if sh.shadow == nil {
		sh.shadow = make([]*DB, len(sh.dbs))
	}
	if sh.shadow[n] == nil {
		sh.shadow[n] = sh.newDB(n)
	}
	return sh.shadow[n]
}

// SwapShadow exchanges the content of every database with its shadow's. Walks go on through what they began with.
func (sh *Shard) SwapShadow() {
	for n := range sh.dbs {
		if sh.Used(n) || sh.shadow != nil && sh.shadow[n] != nil {
			swapRoots(sh.DB(n), sh.Shadow(n))
		}
	}
}

// DropShadow empties the shadows, and gives what they had to be freed.
func (sh *Shard) DropShadow() (rest []*Detached) {
	for _, d := range sh.shadow {
		if d != nil && d.Len() > 0 {
			rest = append(rest, &Detached{shard: sh, root: d.root, flushed: d.Len()})
		}
	}
	sh.shadow = nil
	return rest
}
