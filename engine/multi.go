package engine

import (
	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// multi is a client's transaction.
type multi struct {
	on     bool
	failed bool  // a command could not be queued: EXEC will abort
	size   int64 // bytes held by the queue
	// db is the database that will be selected behind what is queued so far.
	db int
	// watchSize are the bytes that the watches take.
	watchSize int64
	// has and lacks are the flags that some queued command has, or has not.
	has, lacks spec.Flag
	queued     []queued
	interprets bool // some queued command runs Lua
	roams      bool // some queued command may reach keys that it does not name
	watched    []*watch
}

type queued struct {
	cmd  *spec.Command
	args [][]byte
	pos  []spec.KeyPos
	bad  string // what it is answered because its keys cannot be told, "" if they can
}

// watchKey names a watched key within its shard.
type watchKey struct {
	db  int
	key string
}

// watch is one WATCH of one client on one key.
type watch struct {
	client  *Client
	key     watchKey
	hash    uint64
	present bool // the key was there when WATCH saw it, and not expired
	expired bool // it was there, and expired: its deletion is no change
	touched bool // guarded by the shard's lock
}

// touch fails the transaction.
func (w *watch) touch() {
	w.touched = true
	w.client.info.dirty.Store(true)
}

// touchWatchers fails the transactions of those who watch a key, which changed or, if gone, was deleted. The shard is held.
func (s *shard) touchWatchers(k watchKey, gone bool) {
	for _, w := range s.watchers[k] {
		if !w.expired || !gone {
			w.touch()
		}
	}
}

// touchAll fails the transactions of those who watch a key of an emptied database (-1: of any) in the shard. One who found the
// key missing, or expired, loses nothing.
func (s *shard) touchAll(db int) {
	for k, ws := range s.watchers {
		if db >= 0 && k.db != db {
			continue
		}
		for _, w := range ws {
			if w.present {
				w.touch()
			}
		}
	}
}

// queue keeps a command for EXEC, which answers bad if that is not empty.
func (x *Executor) queue(c *Client, cmd *spec.Command, args [][]byte, bad string) Outcome {
	size := 0
	for _, a := range args {
		size += len(a)
	}
	m := &c.multi
	if m.failed || c.info.dirty.Load() { // it will never run
		c.Out.Simple("QUEUED")
		return Done
	}
	if len(m.queued) >= limits.MaxQueuedCommands || m.size+int64(size) > limits.MaxQueuedBytes {
		return x.reject(c, cmd, args, "ERR the transaction is too big")
	}
	q := queued{cmd: cmd, bad: bad, pos: append([]spec.KeyPos(nil), x.pos...), args: make([][]byte, len(args))}
	buf := make([]byte, 0, size)
	for i, a := range args {
		buf = append(buf, a...)
		q.args[i] = buf[len(buf)-len(a) : len(buf) : len(buf)]
	}
	m.size += int64(size + len(args)*sliceBytes)
	m.queued = append(m.queued, q)
	m.interprets = m.interprets || cmd.Interprets
	m.roams = m.roams || cmd.Roams != nil && cmd.Roams(args)
	flags := cmd.Flags
	if cmd.Interprets {
		flags = x.e.scripts.flags(cmd, args)
	}
	m.has, m.lacks = m.has|flags, m.lacks|^flags
	if cmd == x.e.selects {
		if db, ok := resp.ParseInt(args[1]); ok && db >= 0 && db < int64(x.e.Space.Databases()) {
			m.db = int(db)
		}
	}
	c.Out.Simple("QUEUED")
	return Done
}

// fail loses the transaction: what is queued is let go of, and EXEC will say why.
func (m *multi) fail() {
	*m = multi{on: true, failed: true, db: m.db, watched: m.watched, watchSize: m.watchSize}
}

// sliceBytes is what an argument takes beside its bytes.
const sliceBytes = 24

// lockTransaction takes the shards of the queued and of the watched keys.
func (x *Executor) lockTransaction(c *Client) {
	all := false
	for _, q := range c.multi.queued {
		if q.cmd.Before != nil && x.after == nil && !c.multi.failed && !c.fromPrimary {
			x.Afterwards(q.cmd.Before())
		}
		all = all || q.cmd.Scope == spec.EachShard || q.cmd.Scope == spec.AllShards
		if q.cmd.Scope == spec.ShardZero {
			x.held.add(0)
		}
		for _, p := range q.pos {
			x.held.add(x.e.Space.ShardOf(x.e.Space.Hash(q.args[p.Arg])))
		}
	}
	for _, w := range c.multi.watched {
		x.held.add(x.e.Space.ShardOf(w.hash))
	}
	if all {
		x.holdAll()
		return
	}
	if c.multi.roams && !x.turnHeld {
		x.roam()
	}
	x.lockHeld()
}

func multiRun(c *spec.Call) {
	cl := c.Session.(*Client)
	cl.multi.on, cl.multi.db = true, cl.db
	c.Out.OK()
}

func discardRun(c *spec.Call) {
	cl := c.Session.(*Client)
	if !cl.multi.on {
		c.Out.Error("ERR DISCARD without MULTI")
		return
	}
	c.Engine.(*Executor).discard(cl)
	c.Out.OK()
}

// discard ends a transaction and its watches. Only shards that are not held are locked for it.
func (x *Executor) discard(c *Client) {
	x.unwatch(c)
	c.multi = multi{watched: c.multi.watched}
}

func watchRun(c *spec.Call) {
	cl, x := c.Session.(*Client), c.Engine.(*Executor)
	if len(cl.multi.watched)+len(c.Keys) > limits.MaxWatchedKeys {
		c.Out.Error("ERR too many watched keys")
		return
	}
	for i := range c.Keys {
		x.watch(cl, &c.Keys[i])
	}
	c.Out.OK()
}

func (x *Executor) watch(c *Client, k *spec.KeyRef) {
	key := watchKey{db: x.call.DB, key: string(k.Name)}
	s := &x.e.shards[x.e.Space.ShardOf(k.Hash)]
	for _, w := range s.watchers[key] {
		if w.client == c {
			return
		}
	}
	w := &watch{client: c, key: key, hash: k.Hash}
	if ent := k.DB.Find(k.Hash, k.Name); ent.Found() {
		w.expired = x.Expired(ent)
		w.present = !w.expired
	}
	if s.watchers == nil {
		s.watchers = map[watchKey][]*watch{}
	}
	if len(s.watchers[key]) == 0 {
		x.e.watchedKeys.Add(1)
	}
	s.watchers[key] = append(s.watchers[key], w)
	c.multi.watchSize += watchBytes + int64(len(key.key))
	c.multi.watched = append(c.multi.watched, w)
}

func unwatchRun(c *spec.Call) {
	c.Engine.(*Executor).unwatch(c.Session.(*Client))
	c.Out.OK()
}

// unwatch takes a client's watches out of their shards.
func (x *Executor) unwatch(c *Client) {
	for _, w := range c.multi.watched {
		i := x.e.Space.ShardOf(w.hash)
		held := x.held.has(i)
		if !held {
			x.e.lock(i)
		}
		if x.e.shards[i].dropWatch(w) {
			x.e.watchedKeys.Add(-1)
		}
		if !held {
			x.e.unlock(i)
		}
	}
	if c.multi.watched != nil {
		c.multi.watched, c.multi.watchSize = nil, 0
		c.info.dirty.Store(false)
	}
}

// dropWatch forgets a watch and reports whether it was the last of its key.
func (s *shard) dropWatch(w *watch) bool {
	ws := s.watchers[w.key]
	for i := range ws {
		if ws[i] == w {
			ws[i] = ws[len(ws)-1]
			ws = ws[:len(ws)-1]
			break
		}
	}
	if len(ws) > 0 {
		s.watchers[w.key] = ws
		return false
	}
	if delete(s.watchers, w.key); len(s.watchers) == 0 {
		s.watchers = nil
	}
	return true
}

// watchFailed reports whether a watched key changed or expired since WATCH. The shards are held.
func (x *Executor) watchFailed(c *Client) bool {
	for _, w := range c.multi.watched {
		if w.touched {
			return true
		}
		if w.expired {
			continue
		}
		db := x.e.shards[x.e.Space.ShardOf(w.hash)].ks.DB(w.key.db)
		if ent := db.Find(w.hash, []byte(w.key.key)); ent.Found() && x.Expired(ent) {
			return true
		}
	}
	return false
}

func execRun(c *spec.Call) {
	cl, x := c.Session.(*Client), c.Engine.(*Executor)
	if !cl.multi.on {
		c.Out.Error("ERR EXEC without MULTI")
		return
	}
	switch {
	case cl.multi.failed:
		c.Out.Error("EXECABORT Transaction discarded because of previous errors.")
	case x.watchFailed(cl):
		c.Out.NullArray()
	default:
		x.runQueued(cl)
	}
	x.discard(cl)
}

// runQueued runs the transaction's commands one after another, on shards that are all held, at one instant.
func (x *Executor) runQueued(c *Client) {
	q := c.multi.queued
	exec, args := x.call.Cmd, x.call.Args
	c.Out.Array(len(q))
	x.inExec, c.inMulti = true, true
	c.multi.on = false
	for i := range q {
		x.runQueuedOne(c, &q[i])
	}
	x.Settle(nil)
	x.inExec, c.inMulti = false, false
	// The EXEC itself is counted and released by runLocked, which needs it in the call again.
	x.call.Cmd, x.call.Args, x.keys, x.shards = exec, args, x.keys[:0], x.shards[:0]
	x.fx.begin()
}

func (x *Executor) runQueuedOne(c *Client, q *queued) {
	if !c.fromPrimary {
		// Permissions may have changed since the command was queued.
		if r := c.user.Rules(); !r.Unrestricted() {
			if reason, arg := r.Check(q.cmd, q.args, q.pos, c.db); reason != acl.Allowed {
				x.deniedInExec(c, q, reason, arg)
				return
			}
		}
	}
	if q.bad != "" {
		start := len(c.Out.Buf)
		c.Out.Error(q.bad)
		x.turn.rejected(q.cmd, c.Out.Buf[start:])
		return
	}
	x.Settle(q.cmd)
	x.pos = append(x.pos[:0], q.pos...)
	x.prepare(c, q.cmd, q.args)
	x.bindKeys()
	x.invoke(q.cmd)
}
