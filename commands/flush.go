package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

func flushCommands() []*spec.Command {
	flush := func(name, doc, complexity string, run func(*spec.Call)) *spec.Command {
		return &spec.Command{Name: name, Since: "1.0.0", Doc: doc, Complex: complexity, Group: spec.Server, Arity: -1, Flags: spec.Write,
			Categories: spec.CatKeyspace | spec.CatDangerous, Scope: spec.AllShards,
			Args:    spec.Args(spec.Opt(spec.OneOf("flush-type", spec.Since("4.0.0", spec.Token("ASYNC")), spec.Since("6.2.0", spec.Token("SYNC"))))),
			Tips:    []string{"request_policy:all_shards", "response_policy:all_succeeded"},
			History: [][2]string{{"4.0.0", "Added the `ASYNC` flushing mode modifier."}, {"6.2.0", "Added the `SYNC` flushing mode modifier."}}, Run: run}
	}
	all := flush("flushall", "Removes all keys from all databases.", "O(N) where N is the total number of keys in all databases",
		func(c *spec.Call) { flushRun(c, everyDB) })
	all.EveryDatabase = true
	return []*spec.Command{
		all,
		flush("flushdb", "Remove all keys from the current database.", "O(N) where N is the number of keys in the selected database",
			func(c *spec.Call) { flushRun(c, c.DB) }),
	}
}

// everyDB is all databases, for Engine.FlushedDB too.
const everyDB = -1

// flushRun empties a database, or all. Either way it takes the content out at once and leaves it to be freed in slices: with SYNC,
// which says that memory must be free when the answer comes, the keys are gone as well, their memory soon.
func flushRun(c *spec.Call, db int) {
	if len(c.Args) > 2 || len(c.Args) == 2 && !spec.EqualFold(c.Args[1], "SYNC") && !spec.EqualFold(c.Args[1], "ASYNC") {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	first, last := db, db
	if db == everyDB {
		first, last = 0, c.Engine.Space().Databases()-1
	}
	removed := 0
	c.Engine.EachShard(func(sh *keyspace.Shard) bool {
		for n := first; n <= last; n++ {
			if !sh.Used(n) {
				continue
			}
			removed += sh.DB(n).Len()
			if rest := sh.Flush(n); rest != nil {
				c.Engine.Free(rest)
			}
		}
		return true
	})
	c.Engine.FlushedDB(db)
	c.Engine.Dirty(removed)
	// Also when nothing was there: a replica may have what the primary has not.
	c.Engine.Propagate(c.Args...)
	c.Out.OK()
}
