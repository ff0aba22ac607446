package engine

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/journal"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// effects is what the running command, or all commands of a transaction, changed: the journal's next record.
type effects struct {
	buf   []byte
	ops   []journal.Op
	dirty int  // changes of the running command
	given bool // the running command said what to propagate
	none  bool // the running command said that nothing is to be propagated
}

// begin forgets what the last command said; the operations stay until they are committed.
func (f *effects) begin() { f.dirty, f.given, f.none = 0, false, false }

func (f *effects) add(db int, args ...[]byte) {
	start := len(f.buf)
	f.buf = resp.AppendCommand(f.buf, args...)
	f.ops = append(f.ops, journal.Op{DB: db, Start: start, End: len(f.buf)})
}

func (f *effects) reset() {
	f.buf, f.ops = f.buf[:0], f.ops[:0]
	if cap(f.buf) > maxKeptBuffer {
		f.buf = nil
	}
}

// cut forgets the operations from number n on.
func (f *effects) cut(n int) {
	if n == 0 {
		f.reset()
		return
	}
	f.buf, f.ops = f.buf[:f.ops[n].Start], f.ops[:n]
}

// maxKeptBuffer is how big a scratch buffer may be to be kept for the next command.
const maxKeptBuffer = 1 << 20

// finish turns the running command's changes into operations. The primary's own stream is journaled as received, not here.
func (x *Executor) finish() {
	f := &x.fx
	if f.dirty == 0 || x.quiet {
		return
	}
	x.turn.dirty += uint64(f.dirty)
	if f.given || f.none || x.client.fromPrimary || !x.e.Journal.On() {
		return
	}
	f.add(x.call.DB, x.call.Args...)
}

// commit journals what was collected. The shards are still held. A replica's stream is its primary's, byte for byte: what clients
// write to one that is not read-only stays its own.
func (x *Executor) commit() {
	x.broadcast()
	f := &x.fx
	if len(f.ops) == 0 {
		return
	}
	if x.e.Gate()&GateReplica == 0 {
		x.client.writeOffset = x.e.Journal.Append(f.buf, f.ops)
	}
	f.reset()
}

// commitEach is commit for changes that have nothing to do with each other, and need no MULTI around them: keys that expired. What was collected before from is
// left, as it belongs to a transaction or script that goes on.
func (x *Executor) commitEach(from int) {
	x.broadcast()
	f := &x.fx
	if len(f.ops) == from {
		return
	}
	if x.e.Gate()&GateReplica == 0 {
		for i := from; i < len(f.ops); i++ {
			x.client.writeOffset = x.e.Journal.Append(f.buf, f.ops[i:i+1])
		}
	}
	f.cut(from)
}

// The methods below are spec.Engine, for the handlers.

// Read implements spec.Engine.
func (x *Executor) Read(k *spec.KeyRef) keyspace.Entry {
	ent := x.live(k)
	if ent.Found() {
		x.turn.hits++
		x.touch(ent)
	} else {
		x.turn.misses++
		x.missed(k, true)
	}
	return ent
}

// Write implements spec.Engine.
func (x *Executor) Write(k *spec.KeyRef) keyspace.Entry {
	ent := x.live(k)
	if ent.Found() {
		x.touch(ent)
		return ent
	}
	switch {
	case x.writesOnReplica() && k.DB.Delete(k.Hash, k.Name):
		x.turn.expired++ // what a client writes to a replica begins anew; the stream is not touched by it
		x.Modified(k)
	case x.Importing() && x.e.Gate()&keepsExpired == 0 && k.DB.Find(k.Hash, k.Name).Found():
		x.expire(k)
	}
	x.missed(k, false)
	return ent
}

// writesOnReplica: a client writes to a replica that is not read-only.
func (x *Executor) writesOnReplica() bool {
	return x.e.Gate()&(GateReplica|GateReadOnly) == GateReplica && !x.client.fromPrimary
}

// live finds a key that is not expired. An expired one is deleted on the way, by whoever may.
func (x *Executor) live(k *spec.KeyRef) keyspace.Entry {
	ent := k.DB.Find(k.Hash, k.Name)
	if !ent.Found() || !x.Expired(ent) {
		return ent
	}
	if x.mayExpire() {
		x.expire(k)
	}
	return keyspace.Entry{}
}

// Expired implements spec.Engine. What comes from the primary is obeyed: there a key lives until the primary deletes it.
func (x *Executor) Expired(ent keyspace.Entry) bool {
	at := ent.ExpireAt()
	return at >= 0 && at < x.call.Now && !x.SeesExpired()
}

// SeesExpired implements spec.Engine.
func (x *Executor) SeesExpired() bool {
	return x.client.fromPrimary || x.client.importSource && x.Importing()
}

// Importing implements spec.Engine.
func (x *Executor) Importing() bool { return x.e.Gate()&(GateImport|GateReplica) == GateImport }

// keepsExpired: a replica waits for its primary's DEL, and during a pause or a load nothing may change.
const keepsExpired = GateReplica | GateLoading | GatePauseWrite | GatePauseAll | holdsWrites

func (x *Executor) mayExpire() bool { return x.e.Gate()&(keepsExpired|GateImport) == 0 }

// unlink is how an expiry is told: Valkey's way with its default, lazyfree-lazy-expire yes.
var unlink = []byte("UNLINK")

func (x *Executor) expire(k *spec.KeyRef) {
	x.fx.expired(x, k)
	k.DB.Delete(k.Hash, k.Name)
	x.turn.expired++
	x.Notify('x', "expired", k)
	x.modified(k, nil)
}

func (f *effects) expired(x *Executor, k *spec.KeyRef) {
	if x.e.Journal.On() {
		f.add(x.keyDB(k), unlink, k.Name)
	}
}

// keyDB is the number of the database that a key is in.
func (x *Executor) keyDB(k *spec.KeyRef) int { return k.DB.Index() }

func (x *Executor) touch(ent keyspace.Entry) {
	if !x.client.noTouch {
		was := ent.LRU()
		if now := x.touched(was); now != was { // so that an entry which is only read stays clean in the processor's cache
			ent.SetLRU(now)
		}
	}
}

// Modified implements spec.Engine.
func (x *Executor) Modified(k *spec.KeyRef) { x.modified(k, x.client) }

// modified is Modified by a client, or with nil by nobody: the key expired.
func (x *Executor) modified(k *spec.KeyRef, by *Client) {
	if x.quiet {
		return
	}
	if len(x.fresh) > 0 {
		x.becameNew(k)
	}
	if x.e.track.clients.Load() > 0 {
		x.invalidate(k, by)
	}
	if x.writesOnReplica() {
		x.noteLocal(k)
	}
	s := &x.e.shards[x.e.Space.ShardOf(k.Hash)]
	if s.waiting != nil {
		x.wakeKey(s, k)
	}
	if s.watchers == nil {
		return
	}
	if key := (watchKey{db: x.keyDB(k), key: string(k.Name)}); s.watchers[key] != nil {
		s.touchWatchers(key, !k.DB.Find(k.Hash, k.Name).Found())
	}
}

// Dirty implements spec.Engine.
func (x *Executor) Dirty(n int) { x.fx.dirty += n }

// Propagate implements spec.Engine.
func (x *Executor) Propagate(args ...[]byte) {
	if len(args) == 0 {
		x.fx.none = true
		return
	}
	x.fx.given = true
	if x.Journals() {
		x.fx.add(x.call.DB, args...)
	}
}

// Journals implements spec.Engine.
func (x *Executor) Journals() bool { return x.e.Journal.On() && !x.client.fromPrimary }

// NoPropagate implements spec.Engine.
func (x *Executor) NoPropagate() { x.fx.none = true }

// EachShard implements spec.Engine. Within a transaction the shards are held already.
//
// A busy script that has claimed one ends the visit: the command is answered as it would be now.
func (x *Executor) EachShard(fn func(*keyspace.Shard) bool) {
	for i := range x.e.shards {
		if !x.held.has(i) && !x.lockUnlessBusy(i) {
			return
		}
		more := true
		x.visit(i, func(s *keyspace.Shard) { more = fn(s) })
		if !more {
			return
		}
	}
}

// lockUnlessBusy takes a shard, but for one that a busy script has claimed: then it notes what the command is to be answered, and reports false.
func (x *Executor) lockUnlessBusy(i int) bool {
	for x.e.lock(i); x.e.shards[i].scripted; x.e.lock(i) {
		x.e.unlock(i)
		if x.stuck = x.e.busyText(); x.stuck != "" {
			return false
		} // else the script has just ended
	}
	return true
}

// Shard implements spec.Engine. What fn deletes is journaled before the shard is let go; within a transaction it is one effect with
// the rest.
func (x *Executor) Shard(i int, fn func(*keyspace.Shard)) {
	if !x.held.has(i) {
		x.e.lockData(i)
	}
	x.visit(i, fn)
}

// visit runs fn for a shard that is held: by the command, or just for this.
func (x *Executor) visit(i int, fn func(*keyspace.Shard)) {
	if x.held.has(i) {
		fn(x.e.shards[i].ks)
		return
	}
	x.held.add(i)
	before := len(x.fx.ops)
	fn(x.e.shards[i].ks)
	x.commitEach(before)
	x.held.remove(i)
	x.e.unlock(i)
}

// Expire implements spec.Engine.
func (x *Executor) Expire(db int, name []byte) bool {
	if !x.mayExpire() || x.quiet {
		return false
	}
	k := x.KeyRef(db, name)
	x.expire(&k)
	return true
}

// Space implements spec.Engine.
func (x *Executor) Space() *keyspace.Space { return x.e.Space }

// KeyRef implements spec.Engine. The shard must be among those that the call holds, or be one that it may take: a command that reaches
// other keys than it declares has Scope AllShards, or roams (roam.go).
func (x *Executor) KeyRef(db int, name []byte) spec.KeyRef {
	h := x.e.Space.Hash(name)
	i := x.e.Space.ShardOf(h)
	if !x.held.has(i) {
		if !x.hasToken() || x.call.Cmd.Roams == nil {
			panic("engine: " + x.call.Cmd.FullName() + " reaches a key whose shard it does not hold")
		}
		x.lockOneMore(i)
	}
	k := spec.KeyRef{Name: name, Hash: h, DB: x.e.shards[i].ks.DB(db)}
	if x.quiet {
		x.script.undo.keep(&k)
	}
	return k
}

// Rand implements spec.Engine.
func (x *Executor) Rand() uint64 { return x.rand.Uint64() }

// Free implements spec.Engine.
func (x *Executor) Free(d *keyspace.Detached) { x.e.Free(d) }

// FlushedDB implements spec.Engine.
func (x *Executor) FlushedDB(db int) {
	if x.quiet {
		return
	}
	for i := range x.e.shards {
		if x.held.has(i) {
			x.e.shards[i].touchAll(db)
			x.wakeFlushed(&x.e.shards[i], db)
		}
	}
	x.e.forgetTracked()
	if db < 0 && x.e.Flushed != nil {
		x.e.Flushed(x, x.client)
	}
}

// LazyDel implements spec.Engine.
func (x *Executor) LazyDel() bool { return !x.e.eagerDel.Load() }

// HLLSparseMost implements spec.Engine.
func (x *Executor) HLLSparseMost() int { return int(x.e.hllSparse.Load()) }

// MaxString implements spec.Engine.
func (x *Executor) MaxString() int64 { return x.e.maxString.Load() }
