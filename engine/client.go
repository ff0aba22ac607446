package engine

import (
	"maps"
	"net"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// Conn is the connection behind a client: package node's, or a script's or a replication link's stand-in.
// Its methods may be called from any goroutine; they leave a message for the loop that has the connection.
type Conn interface {
	// Resume makes the loop give a parked client's command again, or go on with one that was blocked.
	Resume()
	// Do runs fn on the connection's loop, between two commands, and then writes what fn put into the client's Out.
	Do(fn func())
	// Close ends the connection; what is in Out is written first if soft.
	Close(soft bool)
	// RemoteAddr and LocalAddr are "ip:port", or a unix socket's path with ":0".
	RemoteAddr() string
	LocalAddr() string
	FD() int
}

// Class is the kind of a client, for output limits and CLIENT KILL TYPE.
type Class uint8

// The classes.
const (
	ClassNormal  Class = iota
	ClassReplica       // a replica that follows this node
	ClassPubSub
	ClassPrimary // the link to the primary
)

// String is the class's name in CLIENT KILL TYPE and in INFO.
func (c Class) String() string { return [...]string{"normal", "replica", "pubsub", "master"}[c] }

// Client is one connection's session. The loop that has the connection owns it; others read only Info and what is atomic.
type Client struct {
	// Out is the reply buffer. The loop writes it out and empties it.
	Out resp.Writer

	fed           int // bytes of Out's capacity that came by what was pushed; its own loop's
	id            int64
	reg           *registry // nil for one that is in no list
	conn          Conn
	db            int
	authenticated bool
	user          *acl.User
	fromPrimary   bool
	inMulti       bool
	noTouch       bool
	script        bool        // whose calls a script makes
	redirect      bool        // CLIENT CAPA redirect
	patient       bool        // it was parked until its next command need not wait for snapshots; set while it is parked, else its loop's
	cutShort      bool        // a reply was left unfinished: it is to be closed
	importSource  bool        // CLIENT IMPORT-SOURCE
	readOnly      bool        // READONLY: reads of a replica are served, whatever redirect says
	admin         atomic.Bool // came by the admin listener: not held back by pauses, never idle
	lastCmd       *spec.Command
	multi         multi
	writeOffset   int64 // the journal's offset behind the client's last write: what WAIT waits for
	detach        func(nc net.Conn, rest []byte)
	createdMs     int64
	aux           any
	mute          muteMode
	attend        attention
	debugs        debugMode
	session       *debugSession // while its script is being debugged
	cmds          int64         // commands that ran
	peakOut       int64         // the most bytes of replies of one turn, of late
	peakMs        int64         // since when
	subs          subscriptions
	track         trackSettings
	listenBytes   int64 // what its subscriptions and prefixes take, about

	info      clientInfo
	blocked   atomic.Pointer[Block]
	killed    atomic.Bool
	gone      atomic.Bool // out of the registry
	parked    atomic.Bool // its next command is held back
	monitor   atomic.Bool
	silent    atomic.Bool // CLIENT REPLY OFF
	quit      atomic.Bool // it said QUIT: there is nobody to send anything to
	noEvict   atomic.Bool
	accounted atomic.Int64 // what the registry's sum has of it
	feed      feed
}

// clientInfo is what a client publishes for CLIENT LIST, once a turn.
type clientInfo struct {
	name, libName, libVer atomic.Pointer[string]
	db, proto             atomic.Int32
	lastCmd               atomic.Pointer[spec.Command]
	lastMs                atomic.Int64
	queryLen, queryFree   atomic.Int64
	outLen, outCap        atomic.Int64
	outLow                atomic.Int64 // the least of outLen since LeastUnsent was asked
	outPeak               atomic.Int64
	argvMem               atomic.Int64 // of a command that is not complete, or that is blocked
	mem                   atomic.Int64 // all together, but for the running command's arguments
	runMem                atomic.Int64 // the arguments of the command that asks
	dirty                 atomic.Bool  // a watched key was changed
	multi                 atomic.Int32 // queued commands, -1 outside MULTI
	watching              atomic.Int32
	user                  atomic.Pointer[acl.User]
	class                 atomic.Uint32
	noTouch, readOnly     atomic.Bool
	importSource          atomic.Bool
	redirect              atomic.Bool  // CLIENT CAPA redirect
	multiBytes            atomic.Int64 // held by the open transaction
	totalIn, totalOut     atomic.Int64
	totalCmds             atomic.Int64
	subs                  [numTopicKinds]atomic.Int32
}

// Block is what a blocked client waits for.
type Block struct {
	claimed atomic.Bool
	// OnTimeout writes the reply for a client that waited in vain.
	OnTimeout func(w *resp.Writer)
	// DeadlineMs is when that is, ms since 1970; 0: never.
	DeadlineMs int64
	// OnGone is called once if the client disconnects while blocked; may be nil.
	OnGone func()
	// Working: the node works for the client all the time, so that the whole of it counts as the command's.
	Working bool

	run   *suspended // the command, for when it is answered; its loop's, and whose who has claimed it
	wait  *waiter    // of one that waits for keys (blocking.go)
	muted bool
}

// registry is all clients of a node.
type registry struct {
	e        *Engine
	mem      atomic.Int64 // of the clients that maxmemory-clients is about
	fixed    atomic.Int64 // what all of them take beside their buffers
	mu       sync.Mutex
	byID     map[int64]*Client
	next     int64
	replicas int                  // clients of byID that are replicas
	blocked  map[*Client]struct{} // those that wait to be answered
}

// add gives a client its id.
func (r *registry) add(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	c.id, c.reg = r.next, r
	r.fixed.Add(clientBytes)
	r.byID[c.id] = c
}

// remove forgets a client; twice is fine.
func (r *registry) remove(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID[c.id] != c {
		return
	}
	delete(r.byID, c.id)
	r.fixed.Add(-clientBytes)
	delete(r.blocked, c)
	c.gone.Store(true)
	c.account(0)
	if c.Class() == ClassReplica {
		r.replicas--
	}
}

func (r *registry) setBlocked(c *Client, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.blocked[c] = struct{}{}
	} else {
		delete(r.blocked, c)
	}
}

// NewClient registers a connection. The default user is logged in if it needs no password.
func (e *Engine) NewClient(conn Conn) *Client {
	c := &Client{conn: conn, createdMs: e.Clock.Now().UnixMilli()}
	c.Out.Proto = 2
	c.user = e.ACL.Default()
	c.authenticated = c.user.Rules().NoPass()
	c.info.user.Store(c.user)
	c.info.multi.Store(-1)
	c.info.proto.Store(2)
	c.info.lastMs.Store(c.createdMs)
	e.clients.add(c)
	return c
}

// NewPrimaryClient registers the session of the link to the primary: obeyed, not answered. DropDetached forgets it.
func (e *Engine) NewPrimaryClient(conn Conn) *Client {
	c := &Client{conn: conn, createdMs: e.Clock.Now().UnixMilli(), fromPrimary: true, authenticated: true, user: e.ACL.Default()}
	c.Out.Proto = 2
	c.info.multi.Store(-1)
	c.info.proto.Store(2)
	c.info.lastMs.Store(c.createdMs)
	c.info.class.Store(uint32(ClassPrimary))
	e.clients.add(c)
	return c
}

// Drop forgets a client whose connection is gone. x is the executor of its loop.
func (e *Engine) Drop(x *Executor, c *Client) {
	x.client = c
	x.unwatch(c)
	e.leaveAll(c)
	if b := c.blocked.Load(); b != nil {
		if b.claimed.CompareAndSwap(false, true) && b.OnGone != nil {
			b.OnGone()
		}
		if b.wait != nil {
			e.stopWaiting(b.wait)
		}
	}
	e.pause.mu.Lock()
	delete(e.pause.parked, c)
	e.pause.mu.Unlock()
	e.DropDetached(c)
}

// DropDetached forgets a client that had left its loop.
func (e *Engine) DropDetached(c *Client) {
	if c.monitor.Load() {
		e.setMonitor(c, false)
	}
	if c.trackMode()&trackOn != 0 {
		e.setTracking(c, 0, 0)
	}
	e.clients.remove(c)
}

// Clients are all registered clients, by id.
func (e *Engine) Clients() []*Client {
	e.clients.mu.Lock()
	out := make([]*Client, 0, len(e.clients.byID))
	for _, c := range e.clients.byID {
		out = append(out, c)
	}
	e.clients.mu.Unlock()
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

// Client finds a client by id.
func (e *Engine) Client(id int64) *Client {
	e.clients.mu.Lock()
	defer e.clients.mu.Unlock()
	return e.clients.byID[id]
}

// NumClients counts the connected clients without the replicas, and the blocked ones, those that a pause holds back included.
func (e *Engine) NumClients() (connected, blocked int) {
	e.pause.mu.Lock()
	parked := len(e.pause.parked)
	e.pause.mu.Unlock()
	e.clients.mu.Lock()
	defer e.clients.mu.Unlock()
	return len(e.clients.byID) - e.clients.replicas, len(e.clients.blocked) + parked
}

// Publish makes what CLIENT LIST shows current, but for the buffers (Account). The loop calls it at the end of a turn that ran
// commands of the client, before it writes their replies: who has read one may look at once. in and out are bytes of requests
// read and of replies to write.
func (c *Client) Publish(nowMs, in, out int64) {
	i := &c.info
	set32(&i.db, int32(c.db))
	set32(&i.proto, int32(c.Out.Proto))
	if i.lastCmd.Load() != c.lastCmd {
		i.lastCmd.Store(c.lastCmd)
	}
	set64(&i.lastMs, nowMs)
	if out > c.peakOut || nowMs-c.peakMs > peakKeptMs {
		c.peakOut, c.peakMs = out, nowMs
		set64(&i.outPeak, out)
	}
	// Only the loop writes these, so that they need no atomic addition.
	set64(&i.totalIn, i.totalIn.Load()+in)
	set64(&i.totalOut, i.totalOut.Load()+out)
	set64(&i.totalCmds, c.cmds)
	n := int32(-1)
	if c.multi.on {
		n = int32(len(c.multi.queued))
	}
	set32(&i.multi, n)
	set32(&i.watching, int32(len(c.multi.watched)))
	set64(&i.multiBytes, c.multi.size)
}

// peakKeptMs is how long the biggest reply is remembered.
const peakKeptMs = 5000

// set32 and set64 leave alone what is right already: reading is nearly free, and writing an atomic is not.
func set32(a *atomic.Int32, v int32) {
	if a.Load() != v {
		a.Store(v)
	}
}

func set64(a *atomic.Int64, v int64) {
	if a.Load() != v {
		a.Store(v)
	}
}

// QueuedBytes is what the client's open transaction holds. For the client's own loop.
func (c *Client) QueuedBytes() int64 { return c.multi.size }

// Idle is how long ago the client's last turn was, in ms, and whether it may be closed for that: replicas, the primary, those
// that are blocked or subscribed, and the control plane may be silent.
func (c *Client) Idle(nowMs int64) (ms int64, closable bool) {
	return nowMs - c.info.lastMs.Load(), c.Class() == ClassNormal && c.blocked.Load() == nil && !c.admin.Load()
}

// Unsent is how many bytes of replies wait for the client to read.
func (c *Client) Unsent() int64 { return c.info.outLen.Load() }

// PublishUnsent says how many bytes of replies wait, between two turns. For the client's own loop.
func (c *Client) PublishUnsent(n int64) {
	set64(&c.info.outLen, n)
	if n < c.info.outLow.Load() {
		c.info.outLow.Store(n)
	}
}

// LeastUnsent is the least that Unsent was since LeastUnsent was asked last. Only one may ask.
func (c *Client) LeastUnsent() int64 { return min(c.info.outLow.Swap(c.Unsent()), c.Unsent()) }

// ID implements spec.Session.
func (c *Client) ID() int64 { return c.id }

// Proto implements spec.Session.
func (c *Client) Proto() int { return c.Out.Proto }

// FromPrimary implements spec.Session.
func (c *Client) FromPrimary() bool { return c.fromPrimary }

// InMulti implements spec.Session.
func (c *Client) InMulti() bool { return c.inMulti }

// Scripted implements spec.Session.
func (c *Client) Scripted() bool { return c.script }

// Subscribed implements spec.Session.
func (c *Client) Subscribed() bool { return c.Class() == ClassPubSub }

// OutputLimit implements spec.Session.
func (c *Client) OutputLimit() int64 {
	if c.reg == nil || c.script || c.mute != muteNone || c.reg.e.Config.OutputLimit == nil {
		return 0
	}
	return c.reg.e.Config.OutputLimit(c)
}

// CutShort implements spec.Session. No further command of the client's runs.
func (c *Client) CutShort() {
	c.cutShort = true
	c.killed.Store(true)
}

// IsCutShort reports whether a reply of the client's was left unfinished, so that it must be closed. For its own loop.
func (c *Client) IsCutShort() bool { return c.cutShort }

// Authenticated reports whether the client may do more than log in: until then its requests are kept small.
func (c *Client) Authenticated() bool { return c.authenticated }

// User is who the client is logged in as.
func (c *Client) User() *acl.User { return c.info.user.Load() }

// Class is the client's kind.
func (c *Client) Class() Class { return Class(c.info.class.Load()) }

// SetClass changes the client's kind.
func (c *Client) SetClass(k Class) {
	c.reg.mu.Lock()
	defer c.reg.mu.Unlock()
	was := Class(c.info.class.Swap(uint32(k)))
	if c.reg.byID[c.id] != c {
		return
	}
	if was == ClassReplica {
		c.reg.replicas--
	}
	if k == ClassReplica {
		c.reg.replicas++
		c.account(0)
	}
}

// addr is where the client comes from, "" of one without a connection.
func (c *Client) addr() string {
	if c.conn == nil {
		return ""
	}
	return c.conn.RemoteAddr()
}

// Conn is the connection behind the client.
func (c *Client) Conn() Conn { return c.conn }

// SetAdmin marks a client of the admin listener. Its loop calls it once, before the first command.
func (c *Client) SetAdmin() { c.admin.Store(true) }

// Admin reports whether the client came by the admin listener.
func (c *Client) Admin() bool { return c.admin.Load() }

// Monitors reports whether the client is shown every command (MONITOR).
func (c *Client) Monitors() bool { return c.monitor.Load() }

// exempt: pauses hold back neither replicas nor the admin connection.
func (c *Client) exempt() bool { return c.admin.Load() || c.Class() == ClassReplica }

// DB is the selected database; SetDB selects one. For the client's own loop.
func (c *Client) DB() int { return c.db }

// SetDB selects a database, which the caller has checked.
func (c *Client) SetDB(db int) { c.db = db }

// WriteOffset is the journal's offset behind the client's last write.
func (c *Client) WriteOffset() int64 { return c.writeOffset }

// SetUser logs the client in.
func (c *Client) SetUser(u *acl.User) {
	c.user, c.authenticated = u, true
	c.info.user.Store(u)
}

// Aux is what another package keeps with the client (replication: what a replica says of itself). For the client's own loop.
func (c *Client) Aux() any { return c.aux }

// SetAux sets Aux.
func (c *Client) SetAux(v any) { c.aux = v }

// Transaction reports whether a MULTI is open.
func (c *Client) Transaction() bool { return c.multi.on }

// Kill closes the connection from anywhere; soft lets the replies so far out first. Otherwise the client is in no list any more.
func (c *Client) Kill(soft bool) {
	c.killed.Store(true)
	if !soft && c.reg != nil {
		c.reg.remove(c)
	}
	if c.conn != nil {
		c.conn.Close(soft)
	}
}

// closesSoon: Kill was called, and the replies so far are let out first.
func (c *Client) closesSoon() bool { return c.killed.Load() && !c.gone.Load() }

// Killed reports whether Kill was called.
func (c *Client) Killed() bool { return c.killed.Load() }

// Block makes the running command answer later. The handler calls it and returns; the client's further commands wait.
func (x *Executor) Block(c *Client, b *Block) {
	b.muted = c.mute == muteThis
	c.blocked.Store(b)
	x.e.clients.setBlocked(c, true)
	x.outcome = Blocked
}

// Detach takes the connection out of its loop when the running command is done: fn gets the socket, which nobody else uses from
// then on, and the bytes that were read and not yet run. It is called on the loop and must return at once.
func (x *Executor) Detach(c *Client, fn func(nc net.Conn, rest []byte)) {
	x.unwatch(c)
	x.e.leaveAll(c)
	x.e.setTracking(c, 0, 0)
	c.detach = fn
	x.outcome = Detached
}

// CloseAfter closes the connection when the running command's reply is written.
func (x *Executor) CloseAfter() { x.outcome = CloseAfter }

// TakeDetached is what to call once the loop has let go of a detached connection.
func (c *Client) TakeDetached() func(nc net.Conn, rest []byte) {
	fn := c.detach
	c.detach = nil
	return fn
}

// BlockedOn is what the client waits for, nil if nothing.
func (c *Client) BlockedOn() *Block { return c.blocked.Load() }

// Unblock answers a blocked client, from any goroutine, at most once: false if someone else was first.
func (c *Client) Unblock(b *Block, reply func(w *resp.Writer)) bool {
	if !b.claimed.CompareAndSwap(false, true) {
		return false
	}
	c.answer(b, c.feed.taken(), reply)
	return true
}

// answer is Unblock by who has claimed the block, behind what was pushed before.
func (c *Client) answer(b *Block, before []byte, reply func(w *resp.Writer)) {
	c.reg.setBlocked(c, false)
	c.conn.Do(func() {
		if b.wait != nil {
			c.reg.e.stopWaiting(b.wait)
		}
		c.blocked.CompareAndSwap(b, nil)
		set64(&c.info.argvMem, 0)
		c.Out.Buf = append(c.Out.Buf, before...)
		start := len(c.Out.Buf)
		reply(&c.Out)
		c.reg.e.resumed(b, c.Out.Buf[start:])
		if b.muted || c.mute == muteOff {
			c.Out.Buf = c.Out.Buf[:start]
		}
		c.takeFeed()
	})
	c.conn.Resume()
}

// blockedClients are the clients that are blocked now.
func (e *Engine) blockedClients() []*Client {
	e.clients.mu.Lock()
	defer e.clients.mu.Unlock()
	return slices.Collect(maps.Keys(e.clients.blocked))
}

// Tick ends what time ends: pauses, and blocked clients whose time is over. Package node calls it ten times a second or more.
func (e *Engine) Tick(nowMs int64) {
	e.endPause(nowMs)
	e.servePostponed()
	e.tickTracked()
	for _, c := range e.blockedClients() {
		if b := c.blocked.Load(); b != nil && b.DeadlineMs > 0 && nowMs >= b.DeadlineMs && b.OnTimeout != nil {
			c.Unblock(b, b.OnTimeout)
		}
	}
}
