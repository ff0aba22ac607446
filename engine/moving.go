package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/commands/spec"
)

// Keys on their way to another server (MIGRATE). Their values are read with their shards held, and sent with none held; until the other
// server has answered, writes to these keys wait, as they wait in a pause, and reads are served. Then the keys are deleted, and who waits goes on and finds
// them gone. So nothing is lost between the copy and the deletion, and no shard is held for a network.
//
//   - Who may reach any key, or keys that are not told (scripts, EXEC with such a command), waits if one of its shards has a key on its way.
//   - A script that began before, on other keys, may reach such a key yet, and a replica's stream is never held back: what has changed after all is not deleted. Expiry and
//     eviction go on, and what they delete is gone here as it is to be.

// moving is what an engine knows of keys on their way.
type moving struct {
	mu     sync.Mutex
	keys   map[string]int // how many moves there are of a name, of whatever database
	shards [maxShards]int // how many moves a shard has keys of

	ending sync.Mutex // one at a time ends, with x
	x      *Executor
}

// Move is keys on their way to another server, until End.
type Move struct {
	e      *Engine
	cl     *Client // watches the keys
	db     int
	names  [][]byte
	shards lockSet
}

// errMoved are why keys that the other server has are here as well.
var (
	errMovedReplica = errors.New("ERR this node became a replica while the keys were sent: they are on both servers")
	errMovedChanged = errors.New("ERR a key changed while it was sent: it is on both servers")
	errMovedClosing = errors.New("ERR this node was shut down while the keys were sent: they are on both servers")
)

// Move makes writes to keys of the running command wait until End, which the caller has to call. The keys are held, and there.
func (x *Executor) Move(keys []spec.KeyRef) *Move {
	m := &Move{e: x.e, cl: &Client{db: x.call.DB}, db: x.call.DB}
	for i := range keys {
		k := &keys[i]
		m.names = append(m.names, slices.Clone(k.Name))
		m.shards.add(x.e.Space.ShardOf(k.Hash))
		x.watch(m.cl, k)
	}
	s := &x.e.moving
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]int{}
	}
	for _, name := range m.names {
		s.keys[string(name)]++
	}
	m.shards.each(func(i int) { s.shards[i]++ })
	x.e.changeGate(GateMoving, 0)
	return m
}

// waitsForMove reports whether a command that writes reaches, or may reach, a key on its way. The shards of the command are held.
func (x *Executor) waitsForMove(c *Client, cmd *spec.Command) bool {
	s := &x.e.moving
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.held.all(func(i int) bool { return s.shards[i] == 0 }) {
		return false
	}
	if cmd == x.e.exec && c.multi.on {
		return slices.ContainsFunc(c.multi.queued, func(q queued) bool {
			return q.cmd.Flags&(spec.Write|spec.MayReplicate) != 0 && (anyKey(q.cmd) || slices.ContainsFunc(q.pos, func(p spec.KeyPos) bool { return s.keys[string(q.args[p.Arg])] > 0 }))
		})
	}
	return anyKey(cmd) || slices.ContainsFunc(x.keys, func(k spec.KeyRef) bool { return s.keys[string(k.Name)] > 0 })
}

// anyKey: a command may reach other keys than it tells.
func anyKey(cmd *spec.Command) bool { return cmd.Scope != spec.KeyShards || cmd.Interprets }

// End deletes those of the keys that the other server has, and lets the writes that wait go on. It may wait for a pause to end, unless nothing is to be deleted. The journal's offset behind the
// deletion is 0 if there was none. An error says why keys are left, in a client's words. The caller holds no shard.
func (m *Move) End(ctx context.Context, moved [][]byte) (offset int64, err error) {
	e, s := m.e, &m.e.moving
	s.ending.Lock()
	if s.x == nil {
		s.x = e.NewExecutor()
	}
	x := s.x
	x.BeginTurn()
	x.seeEviction()
	x.client = m.cl
	err = m.hold(ctx, x, len(moved) > 0)
	if len(moved) > 0 && err == nil {
		err = x.deleteMoved(m, moved)
	}
	offset = m.cl.writeOffset
	m.letGo(x)
	if len(x.ready) > 0 {
		x.serve()
	}
	e.unlockMany(&x.held)
	x.held = lockSet{}
	x.EndTurn()
	s.ending.Unlock()
	e.resumeParked()
	e.servePostponed()
	return offset, err
}

// movePause is how long a move sleeps at a time while writes are held back.
const movePause = time.Millisecond

// hold takes the move's shards, at a moment at which it may write if it is to.
func (m *Move) hold(ctx context.Context, x *Executor, write bool) error {
	const later = GatePauseAll | GatePauseWrite | GateLoading | holdsWrites
	for {
		x.held = m.shards
		x.e.lockMany(&x.held)
		g := x.e.Gate()
		switch {
		case g&GateBusy != 0:
			done := x.e.scripts.busyEnd()
			x.e.unlockMany(&x.held)
			<-done
			continue
		case write && g&(GateReplica|GateReadOnly) == GateReplica|GateReadOnly:
			return errMovedReplica
		case !write || g&later == 0:
			return nil
		}
		x.e.unlockMany(&x.held)
		if clock.Sleep(ctx, x.e.Clock, movePause) != nil {
			write = false
			x.e.lockMany(&x.held)
			return errMovedClosing
		}
	}
}

// deleteMoved deletes what the other server has, unless it has changed meanwhile, as one DEL. Its shards are held.
func (x *Executor) deleteMoved(m *Move, moved [][]byte) error {
	x.fx.begin()
	x.call.DB, x.call.Now = m.db, x.now()
	del := [][]byte{[]byte("DEL")}
	var err error
	for _, name := range moved {
		k := x.KeyRef(m.db, name)
		ent := k.DB.Find(k.Hash, k.Name)
		switch {
		case !ent.Found():
			continue // its time was over, or its memory was needed
		case m.changed(name):
			err = errMovedChanged
			continue
		}
		k.DB.Delete(k.Hash, k.Name)
		x.Modified(&k)
		x.Notify('g', "del", &k)
		x.turn.dirty++
		del = append(del, name)
	}
	if len(del) > 1 && x.e.Journal.On() {
		x.fx.add(m.db, del...)
	}
	x.commit()
	return err
}

// changed reports whether a key changed since Move. Its shard is held.
func (m *Move) changed(name []byte) bool {
	return slices.ContainsFunc(m.cl.multi.watched, func(w *watch) bool { return w.key.key == string(name) && w.touched })
}

// letGo ends the holding back. The shards are held, so that whoever found that it has to wait is among those who wait by now.
func (m *Move) letGo(x *Executor) {
	x.unwatch(m.cl)
	s := &m.e.moving
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range m.names {
		if s.keys[string(name)]--; s.keys[string(name)] == 0 {
			delete(s.keys, string(name))
		}
	}
	m.shards.each(func(i int) { s.shards[i]-- })
	if len(s.keys) == 0 {
		m.e.changeGate(0, GateMoving)
	}
}

// NoteWrite says that something was written in the client's name, up to an offset of the journal: what WAIT waits for. For the client's own loop.
func (c *Client) NoteWrite(offset int64) { c.writeOffset = max(c.writeOffset, offset) }
