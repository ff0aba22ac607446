package engine

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

// undo puts back what a script has changed: that of a debugging session which is not to change anything (SCRIPT DEBUG YES). All that it
// reaches is kept as it was before, and put back in the reverse order when it has ended, under the locks that it then still has. Nobody
// else has seen the changes, as the script is busy from its first line on; nobody is told of them (Executor.quiet), and nothing of them is
// journaled.
type undo struct {
	x     *Executor
	steps []func()
	// kept and aside are of the time since a database was exchanged for another one: the same names meant other keys before.
	kept  map[keptKey]struct{}
	aside map[*keyspace.DB]*keyspace.DB
}

type keptKey struct {
	db   *keyspace.DB
	name string
}

func newUndo(x *Executor) *undo {
	u := &undo{x: x}
	u.anew()
	return u
}

func (u *undo) anew() {
	u.kept, u.aside = map[keptKey]struct{}{}, map[*keyspace.DB]*keyspace.DB{}
}

// refuses is why a command may not be called: what it does cannot be undone. "" if it may.
func (u *undo) refuses(cmd *spec.Command, keys int) string {
	switch {
	case cmd.Name == "migrate", cmd.Name == "debug":
	case cmd.Flags&(spec.Write|spec.MayReplicate) == 0, keys > 0, u.flushes(cmd), cmd.Name == "swapdb":
		return ""
	}
	return "ERR What " + cmd.FullName() + " does cannot be rolled back: use SCRIPT DEBUG SYNC to debug this script"
}

func (u *undo) flushes(cmd *spec.Command) bool {
	return cmd.Name == "flushall" || cmd.Name == "flushdb"
}

// before keeps what the running command may change.
func (u *undo) before(cmd *spec.Command) {
	x := u.x
	if args := x.call.Args; u.flushes(cmd) && (len(args) == 1 || len(args) == 2 && (spec.EqualFold(args[1], "sync") || spec.EqualFold(args[1], "async"))) {
		u.beforeFlush(cmd.Name == "flushall")
	}
	for i := range x.keys {
		u.keep(&x.keys[i])
	}
}

// keep keeps a key, or that it is not there. One that is only read is kept, too: it may turn out to have expired, and be deleted.
func (u *undo) keep(k *spec.KeyRef) {
	key := keptKey{k.DB, string(k.Name)}
	if _, ok := u.kept[key]; ok {
		return
	}
	u.kept[key] = struct{}{}
	db, hash, name := k.DB, k.Hash, []byte(key.name)
	ent := db.Find(hash, name)
	if !ent.Found() {
		u.steps = append(u.steps, func() { db.Delete(hash, name) })
		return
	}
	aside := u.aside[db]
	if aside == nil {
		aside = db.Shard().Aside(db.Index())
		u.aside[db] = aside
	}
	aside.Copy(ent, hash, name)
	u.steps = append(u.steps, func() {
		db.Delete(hash, name)
		db.Move(aside.Find(hash, name), hash, hash, name)
	})
}

// beforeFlush puts the content of a database, or of all, aside: FLUSHDB then finds nothing to free.
func (u *undo) beforeFlush(all bool) {
	x := u.x
	for i := range x.e.shards {
		sh := x.e.shards[i].ks
		for n := range x.e.Space.Databases() {
			if sh.Used(n) && (all || n == x.call.DB) {
				u.putAside(sh, n)
			}
		}
	}
	u.anew()
}

func (u *undo) putAside(sh *keyspace.Shard, n int) {
	db, aside := sh.DB(n), sh.Aside(n)
	db.Swap(aside)
	u.steps = append(u.steps, func() {
		if rest := sh.Flush(n); rest != nil {
			u.x.e.Free(rest)
		}
		db.Swap(aside)
	})
}

// swapped notes that two databases were exchanged.
func (u *undo) swapped(a, b int) {
	u.steps = append(u.steps, func() { u.x.e.Space.SwapDB(a, b) })
	u.anew()
}

// rollBack puts everything back.
func (u *undo) rollBack() {
	for i := len(u.steps) - 1; i >= 0; i-- {
		u.steps[i]()
	}
	u.steps = nil
	u.anew()
}
