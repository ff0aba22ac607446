package engine

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// Commands that wait for keys (BLPOP). Such a command finds its keys empty, calls Wait, and stands from then on in the queue of each of them,
// the longest waiting first; the queues are their shards'. Whoever changes a key that has a queue serves it when its command, transaction
// or script is done and journaled, and before its connection's next command: it runs the waiting command again, in the name of its client, so
// that it answers and propagates what it would have at once. So nothing here knows lists from streams.
//
//   - A command runs again only with the shards of all of its keys held. Those that the pusher does not hold are tried; if one is taken,
//     all are let go and the command's are waited for, and everything is looked at again.
//   - Who waits is claimed before its command runs again, so that it is answered once: by who serves it, by its timeout, by CLIENT UNBLOCK, or, when
//     its connection ends, not at all. A waiter that somebody else has claimed may stand in its queues for a while; it is passed over.
//   - What would be put off or refused for a while only (a pause, a load, a busy script) is not an answer: the queue is served when that is over.
//   - While a queue is being served its shard is held, so nobody overtakes those who wait; only where a waiter has keys in several shards, and one
//     of these is taken, another client's command may come between.

// waiter is a client that waits for keys.
type waiter struct {
	client *Client
	block  *Block
	typ    value.Type
	gone   bool // to be served as well when a key is deleted
	needy  bool // its command is refused when memory is full
	proto  int
	seq    uint64   // rises in each queue
	shards lockSet  // of all keys of its command
	args   [][]byte // what to run again; nil: the command as it came
	nodes  []waitNode
	left   atomic.Bool // all of its queues
}

// waitNode is a waiter's place in a queue; q is nil once it has left it. The queue's shard guards it.
type waitNode struct {
	w          *waiter
	q          *waitQueue
	shard      int
	prev, next *waitNode
}

// waitQueue is who waits for a key. Its shard guards it.
type waitQueue struct {
	key         watchKey
	name        []byte
	hash        uint64
	shard       int
	first, last *waitNode
	gone        int  // waiters that are to be served when the key is deleted
	ready       bool // in the list of an executor that will serve it
}

// waits is what an engine counts of its waiters, and the queues that a pause keeps from being served.
type waits struct {
	seq        atomic.Uint64
	keys, gone atomic.Int64 // queues, and those with waiters to be served when the key is deleted

	mu   sync.Mutex
	late []*waitQueue
	x    *Executor // serves them; made when there are some
}

// WaitedKeys is for how many keys some client waits, and for how many one that is answered as well when the key is deleted.
func (e *Engine) WaitedKeys() (all, gone int64) { return e.waits.keys.Load(), e.waits.gone.Load() }

// Wait implements spec.Engine.
func (x *Executor) Wait(want *spec.Wait) bool {
	if x.serving {
		x.again = true
		return true
	}
	c := x.client
	if x.inExec || c.inMulti || c.fromPrimary || c.conn == nil {
		return false
	}
	w := &waiter{client: c, typ: want.Type, gone: want.Gone, needy: x.call.Cmd.Is(spec.DenyOOM), proto: c.Out.Proto, seq: x.e.waits.seq.Add(1), nodes: make([]waitNode, 0, len(want.Keys))}
	for _, a := range want.Args {
		w.args = append(w.args, slices.Clone(a))
	}
	for _, i := range x.shards {
		w.shards.add(int(i))
	}
	for i := range want.Keys {
		x.enqueue(w, &want.Keys[i])
	}
	w.block = &Block{DeadlineMs: want.UntilMs, OnTimeout: (*resp.Writer).NullArray, wait: w}
	x.Block(c, w.block)
	return true
}

// enqueue puts a waiter into a key's queue, once.
func (x *Executor) enqueue(w *waiter, k *spec.KeyRef) {
	i := x.e.Space.ShardOf(k.Hash)
	s, key := &x.e.shards[i], watchKey{db: x.keyDB(k), key: string(k.Name)}
	q := s.waiting[key]
	if q == nil {
		q = &waitQueue{key: key, name: []byte(key.key), hash: k.Hash, shard: i}
		if s.waiting == nil {
			s.waiting = map[watchKey]*waitQueue{}
		}
		s.waiting[key] = q
		x.e.waits.keys.Add(1)
	}
	if q.last != nil && q.last.w == w {
		return
	}
	w.nodes = append(w.nodes, waitNode{w: w, q: q, shard: i, prev: q.last})
	n := &w.nodes[len(w.nodes)-1]
	if q.last == nil {
		q.first = n
	} else {
		q.last.next = n
	}
	q.last = n
	if w.gone {
		if q.gone++; q.gone == 1 {
			x.e.waits.gone.Add(1)
		}
	}
}

// leave takes a waiter's place out of its queue. The shard is held.
func (e *Engine) leave(n *waitNode) {
	q := n.q
	if q == nil {
		return
	}
	n.q = nil
	if n.prev == nil {
		q.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		q.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	if n.w.gone {
		if q.gone--; q.gone == 0 {
			e.waits.gone.Add(-1)
		}
	}
	if q.first != nil {
		return
	}
	s := &e.shards[q.shard]
	if delete(s.waiting, q.key); len(s.waiting) == 0 {
		s.waiting = nil
	}
	e.waits.keys.Add(-1)
}

// leaveLocked takes a waiter out of all its queues. Their shards are held.
func (e *Engine) leaveLocked(w *waiter) {
	for i := range w.nodes {
		e.leave(&w.nodes[i])
	}
	w.left.Store(true)
}

// stopWaiting is leaveLocked by who holds no shard: the waiter's own loop.
func (e *Engine) stopWaiting(w *waiter) {
	if w.left.Load() {
		return
	}
	for i := range w.nodes {
		n := &w.nodes[i]
		e.lock(n.shard)
		e.leave(n)
		e.unlock(n.shard)
	}
}

// wakeKey notes that a key has changed, for those who wait for it. Its shard is held.
func (x *Executor) wakeKey(s *shard, k *spec.KeyRef) {
	if q := s.waiting[watchKey{db: x.keyDB(k), key: string(k.Name)}]; q != nil {
		x.wake(q)
	}
}

// Wake implements spec.Engine.
func (x *Executor) Wake(k *spec.KeyRef) {
	if x.quiet {
		return
	}
	if s := &x.e.shards[x.e.Space.ShardOf(k.Hash)]; s.waiting != nil {
		x.wakeKey(s, k)
	}
}

func (x *Executor) wake(q *waitQueue) {
	if !q.ready {
		q.ready = true
		x.ready = append(x.ready, q)
	}
}

// wakeSwapped notes that two databases have exchanged what they have. All shards are held.
func (x *Executor) wakeSwapped(a, b int) {
	for i := range x.e.shards {
		x.wakeSome(&x.e.shards[i], func(q *waitQueue) bool { return q.key.db == a || q.key.db == b })
	}
}

// wakeFlushed notes that a database (-1: every one) was emptied. The shard is held.
func (x *Executor) wakeFlushed(s *shard, db int) {
	x.wakeSome(s, func(q *waitQueue) bool { return q.gone > 0 && (db < 0 || q.key.db == db) })
}

// wakeSome wakes those queues of a shard, the longest waiting first.
func (x *Executor) wakeSome(s *shard, which func(*waitQueue) bool) {
	from := len(x.ready)
	for _, q := range s.waiting {
		if which(q) {
			x.wake(q)
		}
	}
	slices.SortFunc(x.ready[from:], longestFirst)
}

// serve serves the queues whose keys have changed. Further ones may be added meanwhile, as a waiting command may push. Afterwards the executor may
// hold other shards than before: those of x.held.
func (x *Executor) serve() {
	x.Settle(nil)
	x.seeEviction()
	outcome := x.outcome
	for i := 0; i < len(x.ready); i++ {
		x.serveQueue(x.ready[i])
	}
	clear(x.ready)
	x.ready, x.outcome = x.ready[:0], outcome
	x.shards = x.shards[:0] // release is to let go of all that is held
}

// serveLate is serve by who holds nothing: for keys that expired or were evicted, with no command behind.
func (x *Executor) serveLate() {
	x.serve()
	x.e.unlockMany(&x.held)
	x.held = lockSet{}
}

// holdAlso takes more shards. False: one of them was taken, so all were let go before they were taken, and anything may have changed.
func (x *Executor) holdAlso(set *lockSet) bool {
	missing, union := *set, x.held
	for i := range missing {
		missing[i] &^= x.held[i]
		union[i] |= set[i]
	}
	if missing.empty() {
		return true
	}
	if x.e.tryRest(&missing, -1) < 0 {
		x.held = union
		return true
	}
	x.e.unlockMany(&x.held)
	x.held = *set
	x.lockHeld()
	return false
}

// serveQueue runs the commands of those who wait for a key, as long as it has what they wait for. Who comes meanwhile is left out.
func (x *Executor) serveQueue(q *waitQueue) {
	var own lockSet
	own.add(q.shard)
	x.holdAlso(&own)
	q.ready = false
	served, newest := uint64(0), x.e.waits.seq.Load()
	checked, full := uint64(0), false // for whom memory was looked at last, and what there was
	for n := q.first; n != nil && n.w.seq <= newest; {
		w := n.w
		there, fits := x.wakes(q, w)
		if !there && q.gone == 0 {
			return
		}
		if !fits || w.seq <= served || w.block.claimed.Load() {
			n = n.next
			continue
		}
		if !x.holdAlso(&w.shards) {
			n = q.first
			continue
		}
		if w.seq != checked {
			if checked, full = w.seq, false; x.tight(w) {
				full = x.fullFor()
				n = q.first // anything may have changed
				continue
			}
		}
		served, n = w.seq, n.next
		if !x.serveOne(w, full) {
			x.e.postpone(q)
			return
		}
	}
}

// tight reports whether room must be made before a waiter's command runs again.
func (x *Executor) tight(w *waiter) bool {
	ev := x.mem.ev
	return w.needy && ev.Limit != 0 && x.e.over(ev) > 0
}

// fullFor makes room for a command that needs it, and reports whether there is none. The shards that are held are let go meanwhile.
func (x *Executor) fullFor() bool {
	held := x.held
	x.e.unlockMany(&held)
	x.held = lockSet{}
	x.mem.room = 0
	full := x.outOfMemory(true)
	x.held = held
	x.lockHeld()
	return full
}

// wakes reports whether a queue's key is there, and whether that is what one of the queue waits for.
func (x *Executor) wakes(q *waitQueue, w *waiter) (there, fits bool) {
	ks := x.e.shards[q.shard].ks
	if !ks.Used(q.key.db) {
		return false, w.gone
	}
	ent := ks.DB(q.key.db).Find(q.hash, q.name)
	if ent.Found() {
		at := ent.ExpireAt()
		there = at < 0 || at >= x.now()
	}
	return there, w.gone || there && ent.Type() == w.typ
}

// serveOne runs a waiter's command again and answers it, unless it waits on; full: memory is, so that it may be refused. False: commands like it
// are held back for now. The shards of the command's keys are held.
func (x *Executor) serveOne(w *waiter, full bool) bool {
	c, b := w.client, w.block
	if !b.claimed.CompareAndSwap(false, true) {
		return true
	}
	if c.killed.Load() {
		x.e.leaveLocked(w) // its loop is about to end it: what it would get would be lost
		return true
	}
	cmd, args := b.run.cmd, b.run.args
	if w.args != nil {
		args = w.args
	}
	before := c.feed.taken()
	x.client = c
	x.pos, _ = cmd.Positions(x.pos[:0], args) // they were told when it blocked
	out := resp.Writer{Proto: w.proto}
	msg, park := x.refusedAgain(c, cmd, args, full)
	switch {
	case park:
		c.unclaim(b, before)
		return false
	case msg != "":
		out.Error(msg)
		x.turn.rejected(cmd, out.Buf)
		b.run = nil // it did not run, so it is not counted as one that did
	case !x.runAgain(c, cmd, args, &out, b.run):
		c.unclaim(b, before)
		return true
	}
	x.e.leaveLocked(w)
	c.answer(b, before, func(to *resp.Writer) { to.Buf = append(to.Buf, out.Buf...) })
	return true
}

// refusedAgain is what refuses a waiting command now, or holds it back.
func (x *Executor) refusedAgain(c *Client, cmd *spec.Command, args [][]byte, full bool) (msg string, park bool) {
	if x.e.Gate()&holdsWaiters != 0 {
		return "", true
	}
	if r := c.user.Rules(); !r.Unrestricted() {
		if msg = x.deniedBy(r, c, cmd, args); msg != "" {
			return msg, false
		}
	}
	if full {
		return errOOM, false
	}
	g := x.e.Gate()
	if g&GateMoving != 0 {
		x.prepare(c, cmd, args) // it is asked about its keys
	}
	return x.refusedAfter(c, cmd, args, g)
}

// holdsWaiters are the gate bits while which nobody who waits is served.
const holdsWaiters = GateLoading | GateBusy

// runAgain runs a waiter's command and journals what it did. False: it waits on.
func (x *Executor) runAgain(c *Client, cmd *spec.Command, args [][]byte, out *resp.Writer, s *suspended) bool {
	began := x.e.Clock.MonoNanos()
	x.monoLast = began
	x.prepare(c, cmd, args)
	x.call.Out = out
	x.bindKeys()
	x.fx.begin()
	x.fresh = x.fresh[:0]
	x.serving, x.again = true, false
	cmd.Run(&x.call)
	x.serving = false
	if c.attend&attendKeys != 0 && cmd.Is(spec.ReadOnly) {
		x.remember(cmd)
	}
	x.finish()
	x.commit()
	x.monoLast = x.e.Clock.MonoNanos()
	s.nanos += x.monoLast - began
	return !x.again
}

// postpone leaves a queue to be served by a Tick, when commands are no longer held back. Its shard is held.
func (e *Engine) postpone(q *waitQueue) {
	q.ready = true
	l := &e.waits
	l.mu.Lock()
	l.late = append(l.late, q)
	l.mu.Unlock()
}

// wakeLoadedLocked wakes whoever waits for a key, as a load may have put in what they wait for. All shards are held.
func (e *Engine) wakeLoadedLocked() {
	var all []*waitQueue
	for i := range e.shards {
		for _, q := range e.shards[i].waiting {
			if !q.ready {
				all = append(all, q)
			}
		}
	}
	slices.SortFunc(all, longestFirst)
	for _, q := range all {
		e.postpone(q)
	}
}

// longestFirst orders queues by who has waited in them for the longest time.
func longestFirst(a, b *waitQueue) int { return cmp.Compare(a.first.w.seq, b.first.w.seq) }

// servePostponed serves the queues that were postponed, if nothing is held back any more. The caller holds nothing.
func (e *Engine) servePostponed() {
	l := &e.waits
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.late) == 0 || e.Gate()&(GatePauseAll|GatePauseWrite|GateMoving|holdsWrites|holdsWaiters) != 0 {
		return
	}
	if l.x == nil {
		l.x = e.NewExecutor()
	}
	late := l.late
	l.late = nil
	l.x.BeginTurn()
	l.x.seeEviction()
	l.x.client, l.x.ready = &l.x.nobody, late
	l.mu.Unlock() // it may postpone some again
	l.x.EndTurn()
	l.mu.Lock()
}

// FailWaiting ends what waits for keys, as the node is no primary any more and nothing will be pushed by its clients. They are told, and their
// connections are closed.
func (e *Engine) FailWaiting() {
	for _, c := range e.blockedClients() {
		b := c.blocked.Load()
		if b == nil || b.wait == nil {
			continue
		}
		c.killed.Store(true) // so that it is closed when this is written
		if !c.Unblock(b, func(w *resp.Writer) {
			w.Error("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")
		}) {
			c.Kill(true)
		}
	}
}
