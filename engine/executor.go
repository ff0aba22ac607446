package engine

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
)

// Outcome is what became of a command.
type Outcome uint8

const (
	// Done: the command ran or was refused; its reply, if any, is in the client's Out.
	Done Outcome = iota
	// Parked: not run yet (a pause). The same bytes are to be given again when the client is resumed.
	Parked
	// Blocked: taken, and answered later through the client's Unblock; its further commands wait.
	Blocked
	// CloseAfter: answer, then close the connection.
	CloseAfter
	// Detached: the connection leaves the loop; the client's TakeDetached says to whom (a replica's feed).
	Detached
)

// Executor runs commands one at a time; every loop has its own. It is not for concurrent use.
type Executor struct {
	e      *Engine
	call   spec.Call
	client *Client
	pos    []spec.KeyPos
	keys   []spec.KeyRef
	shards []uint16 // shard of each key
	held   lockSet
	fx     effects
	turn   turn
	rand   *rand.Rand

	wallMs   int64 // wall clock at the start of the turn, ms
	monoBase int64 // monotonic clock at the same moment, ns
	monoLast int64 // when the last command ended, ns
	lruClock uint32
	mem      memoryTurn
	ahead    Ahead
	victim   candidate
	nobody   Client // whose doing evictions are

	hist    *histograms
	times   pendingTimes // for hist
	group   timed
	line    []byte // MONITOR's, used again
	channel []byte // of a keyspace event, likewise
	message []byte // that is published, likewise
	fresh   []freshKey
	pending map[*prefixClients]*pendingKeys // changed keys that are to be broadcast
	request int64                           // bytes of the running command's request, if its loop tells

	ready        []*waitQueue // of keys that changed, for which somebody waits (blocking.go)
	serving      bool         // a waiting command runs again
	again        bool         // and waits on
	script       *scriptRun   // the script that runs
	scripting    Client       // as whom it calls commands
	quiet        bool         // what the script does will be undone: nobody is told of it
	turnHeld     bool         // it is this executor's turn to run Lua
	roaming      bool         // the running command may take further shards (roam.go)
	fullNow      bool         // memory was full before a command that runs Lua
	stuck        string       // what the running command is answered, as a busy script has what it wanted to visit; "" if not
	scriptError  bool         // the reply is an error of a script
	countedError bool         // the reply is an error that was counted already
	nested       bool         // runs while another executor of its loop runs a script
	poll         func()       // lets the loop's other connections have their say while a script is busy

	inExec  bool
	after   []func() // to be run when the shards are let go
	outcome Outcome  // what the handler made of the call
}

// NewExecutor makes an executor for one loop.
func (e *Engine) NewExecutor() *Executor {
	x := &Executor{e: e, rand: e.newRand()}
	x.turn.commands = make([]commandTurn, e.Table.Len())
	x.hist = &e.hists[e.executors.Add(1)%histStripes]
	x.call.Engine = x
	x.ahead.dbs = make([]*keyspace.DB, len(e.shards))
	return x
}

// BeginTurn reads the clock: a loop calls it before the commands of one batch.
func (x *Executor) BeginTurn() {
	if end := x.e.sleep.until.Load(); end != nil {
		<-*end
	}
	x.monoBase = x.e.Clock.MonoNanos()
	x.monoLast = x.monoBase
	x.wallMs = x.e.Clock.Now().UnixMilli()
	x.lruClock = keyspace.LRUClock(x.wallMs / 1000)
	x.mem.beginTurn()
}

// EndTurn publishes what the turn counted, wakes the journal's readers, and ends clients that take too much memory.
func (x *Executor) EndTurn() {
	x.Settle(nil)
	if len(x.ready) > 0 {
		x.serveLate()
	}
	// The arguments were in a buffer that may be given up now.
	clear(x.keys)
	x.call.Args, x.call.Keys = nil, nil
	x.turn.cycleNanos = x.e.Clock.MonoNanos() - x.monoBase
	x.e.stats.add(&x.turn)
	x.times.flush(x.hist)
	x.e.Journal.Wake()
	x.e.limitClients()
	x.e.limitTracked()
}

// now is the time of the next command, ms since 1970.
func (x *Executor) now() int64 { return x.wallMs + (x.monoLast-x.monoBase)/1e6 }

// Run runs one command of a client: args[0] is its name, and all are valid until Run returns. len(args) > 0.
func (x *Executor) Run(c *Client, args [][]byte) Outcome {
	if c.mute != muteNone || c.attend != 0 {
		return x.runAttentive(c, args)
	}
	return x.run(c, args)
}

func (x *Executor) run(c *Client, args [][]byte) Outcome {
	x.seeEviction()
	cmd, found := x.resolve(c, args)
	if !found {
		if crossProtocol(args[0]) {
			return CloseAfter
		}
		if len(args) > 1 {
			return x.reject(c, nil, args, x.unknown(cmd, args))
		}
		return x.reject(c, cmd, args, x.unknown(cmd, args)) // a container alone counts as its call
	}
	if !cmd.ArityOK(len(args)) {
		return x.reject(c, cmd, args, "ERR wrong number of arguments for '"+cmd.FullName()+"' command")
	}
	pos, err := cmd.Positions(x.pos[:0], args)
	x.pos = pos
	if err != nil && cmd.Interprets && err != spec.ErrLongKey {
		x.pos, err = x.pos[:0], nil // the handler says what is wrong with the number of keys
	}
	bad := ""
	if err != nil {
		// Without its keys nothing can be locked or allowed; the handlers would refuse such a call as well, in EXEC when it is their turn.
		if x.pos, bad = x.pos[:0], badKeys(cmd, args, err); !c.multi.on || x.e.steering[cmd.ID()] {
			return x.reject(c, cmd, args, bad)
		}
	}
	if x.nested && !cmd.Is(spec.AllowBusy) {
		if msg := x.e.busyText(); msg != "" {
			return x.reject(c, cmd, args, msg)
		}
	}
	if msg := x.refusedBefore(c, cmd, args); msg != "" {
		return x.reject(c, cmd, args, msg)
	}
	if c.multi.on && !x.e.steering[cmd.ID()] {
		// EXEC checks again with the shards held; but who is refused should hear so now.
		if g := x.e.Gate(); g != 0 {
			if msg, park := x.refusedAfter(c, cmd, args, g); msg != "" {
				return x.reject(c, cmd, args, msg)
			} else if park && g&(GatePauseAll|GatePauseWrite) != 0 {
				x.e.parkLocked(c) // as in Redis, a pause keeps commands from being queued
				return Parked
			}
		}
		return x.queue(c, cmd, args, bad)
	}
	return x.runLocked(c, cmd, args)
}

// badKeys is what a call is answered whose keys err keeps from being told.
func badKeys(cmd *spec.Command, args [][]byte, err error) string {
	if cmd.BadKeys != nil && errors.Is(err, spec.ErrBadKeys) {
		return cmd.BadKeys(args)
	}
	return "ERR " + err.Error()
}

// crossProtocol: a request line or header of HTTP. A web page may make a browser send one; what follows must not be run.
func crossProtocol(name []byte) bool {
	return spec.EqualFold(name, "post") || spec.EqualFold(name, "host:")
}

// flagsOf are the flags that a command has, and those that it lacks; EXEC has and lacks those of what is queued as well. Scripts declare
// theirs.
func (x *Executor) flagsOf(c *Client, cmd *spec.Command, args [][]byte) (has, lacks spec.Flag) {
	has, lacks = cmd.Flags, ^cmd.Flags
	if cmd.Interprets {
		has = x.e.scripts.flags(cmd, args)
		lacks = ^has
	}
	if cmd == x.e.exec && c.multi.on {
		has, lacks = has|c.multi.has, lacks|c.multi.lacks
	}
	return has, lacks
}

// steersTransaction: these run at once though a transaction is open; all others are queued.
func steersTransaction(cmd *spec.Command) bool {
	switch cmd.FullName() {
	case "exec", "discard", "multi", "watch", "quit", "reset":
		return true
	}
	return false
}

// resolve finds the command that is called, which is the client's last one from then on.
func (x *Executor) resolve(c *Client, args [][]byte) (*spec.Command, bool) {
	cmd, found := x.e.Table.Resolve(args)
	last := cmd
	if !found && len(args) > 1 {
		last = nil // also of a container whose subcommand does not exist
	}
	if c.lastCmd != last {
		c.lastCmd = last
	}
	return cmd, found
}

// unknown is the error text for a command that does not exist; cmd is its container, if that does.
func (x *Executor) unknown(container *spec.Command, args [][]byte) string {
	if container != nil && len(args) == 1 {
		return "ERR wrong number of arguments for '" + container.Name + "' command"
	}
	if container != nil {
		return "ERR unknown subcommand '" + clip(args[1], 128) + "'. Try " + upper(container.Name) + " HELP."
	}
	msg := "ERR unknown command '" + clip(args[0], 128) + "', with args beginning with: "
	room := 128
	for _, a := range args[1:] {
		if room <= 0 {
			break
		}
		s := "'" + clip(a, room) + "' "
		room -= len(s)
		msg += s
	}
	return msg
}

// clip is what an error text quotes of a word: n bytes at most, and as in Redis, whose strings end there, none from a NUL on.
func clip(b []byte, n int) string {
	b = b[:min(n, len(b))]
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

// refusedBefore is what refuses a command before any lock is taken: who calls, and memory.
func (x *Executor) refusedBefore(c *Client, cmd *spec.Command, args [][]byte) string {
	if c.fromPrimary {
		if x.mem.ev.Limit != 0 {
			x.outOfMemory(cmd.Is(spec.DenyOOM))
		}
		return ""
	}
	if cmd.Is(spec.OnlyFromPrimary) {
		return x.unknown(nil, args)
	}
	if !c.authenticated && !cmd.Is(spec.NoAuth) {
		return "NOAUTH Authentication required."
	}
	if r := c.user.Rules(); !r.Unrestricted() && !cmd.Is(spec.NoAuth) {
		if msg := x.deniedBy(r, c, cmd, args); msg != "" {
			return msg
		}
	}
	if c.attend != 0 || cmd.Is(spec.PubSub) {
		if msg := x.refusedListener(c, cmd); msg != "" {
			return msg
		}
	}
	if c.multi.on && cmd.Is(spec.NoMulti) {
		return "ERR Command not allowed inside a transaction"
	}
	x.fullNow = false
	if x.mem.ev.Limit == 0 || x.nested {
		return ""
	}
	if cmd.Interprets || c.multi.interprets && cmd == x.e.exec {
		x.fullNow = x.outOfMemory(true)
	}
	has, _ := x.flagsOf(c, cmd, args)
	needy := has&spec.DenyOOM != 0 || c.multi.on && !x.e.steering[cmd.ID()]
	oom := x.outOfMemory(needy)
	if c.attend != 0 && c.mute == muteNone {
		c.takeNow() // what was evicted is told before the reply: it is about values from before
	}
	if oom {
		return errOOM
	}
	return ""
}

// refusedAfter is what refuses a command once its shards are held. park is true when it is to be tried again later instead.
func (x *Executor) refusedAfter(c *Client, cmd *spec.Command, args [][]byte, g Gate) (msg string, park bool) {
	if c.fromPrimary {
		return "", x.pausedLink(c, cmd, args, g)
	}
	if g == 0 {
		return "", false
	}
	has, lacks := x.flagsOf(c, cmd, args)
	if g&GateBusy != 0 && lacks&spec.AllowBusy != 0 {
		return x.e.busyText(), false
	}
	if msg, park = x.redirected(c, has, g); msg != "" || park {
		return msg, park
	}
	write := has&spec.Write != 0
	switch {
	case write && g&GateDiskError != 0 && g&GateReplica == 0:
		return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
			"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes " +
			"if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.", false
	case write && g&GateFewReplicas != 0 && g&GateReplica == 0:
		return "NOREPLICAS Not enough good replicas to write.", false
	case write && g&(GateReplica|GateReadOnly) == GateReplica|GateReadOnly:
		return "READONLY You can't write against a read only replica.", false
	case g&GateStale != 0 && g&GateReplica != 0 && lacks&spec.Stale != 0:
		return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", false
	case g&GateLoading != 0 && lacks&spec.Loading != 0:
		return "LOADING Redis is loading the dataset in memory", false
	case g&GateAsyncLoading != 0 && has&spec.NoAsyncLoading != 0:
		return "LOADING Redis is loading the dataset in memory", false
	case g&GatePauseAll != 0 && !c.exempt():
		return "", true
	case g&GatePauseWrite != 0 && !c.exempt() && has&(spec.Write|spec.MayReplicate) != 0:
		return "", true
	case g&GateHoldWrites != 0 && has&(spec.Write|spec.MayReplicate) != 0:
		return "", true
	case write && g&GateSlowWrites != 0 && (g&GatePreImages != 0 || !c.patient):
		return "", true
	case g&GateMoving != 0 && has&(spec.Write|spec.MayReplicate) != 0 && x.waitsForMove(c, cmd):
		return "", true
	}
	return "", false
}

// pausedLink reports whether a pause holds back a command of the primary's stream, which nothing else does.
func (x *Executor) pausedLink(c *Client, cmd *spec.Command, args [][]byte, g Gate) bool {
	if g&(GatePauseAll|GateBusy) != 0 {
		return true
	}
	has, _ := x.flagsOf(c, cmd, args)
	return g&GatePauseWrite != 0 && has&(spec.Write|spec.MayReplicate) != 0
}

// runLocked takes the shards, checks the gate, runs the command, journals and lets go.
func (x *Executor) runLocked(c *Client, cmd *spec.Command, args [][]byte) Outcome {
	x.Settle(cmd)
	x.client = c
	x.prepare(c, cmd, args)
	x.lockFor(c, cmd)
	if g := x.e.Gate(); g != 0 {
		if msg, park := x.refusedAfter(c, cmd, args, g); park {
			x.e.parkLocked(c)
			x.release()
			return Parked
		} else if msg != "" {
			x.release()
			return x.reject(c, cmd, args, msg)
		}
		c.patient = false // it was for this command
	}
	x.bindKeys()
	x.outcome = Done
	if x.mem.ev.Limit == 0 {
		x.invoke(cmd)
	} else {
		before := x.heldBytes()
		x.invoke(cmd)
		x.grown(before)
	}
	x.commit()
	if len(x.ready) > 0 {
		x.serve()
	}
	x.release()
	return x.outcome
}

// Afterwards has fn run when the running command, or the transaction that it is part of, has let go of its shards: fn may take
// every shard. It runs before the client's next command and before the reply is written.
func (x *Executor) Afterwards(fn func()) { x.after = append(x.after, fn) }

func (x *Executor) runAfter() {
	after := x.after
	x.after = nil
	for _, fn := range after {
		fn()
	}
}

// prepare fills the call.
func (x *Executor) prepare(c *Client, cmd *spec.Command, args [][]byte) {
	x.call.Cmd, x.call.Args, x.call.DB, x.call.Session, x.call.Out = cmd, args, c.db, c, &c.Out
	if !x.inExec {
		x.call.Now = x.now()
	}
	x.keys, x.shards = x.keys[:0], x.shards[:0]
	for _, p := range x.pos {
		h := x.hash(args[p.Arg])
		x.keys = append(x.keys, spec.KeyRef{Name: args[p.Arg], Hash: h, Arg: p.Arg, Access: p.Access})
		x.shards = append(x.shards, uint16(x.e.Space.ShardOf(h)))
	}
	x.call.Keys = x.keys
}

// lockFor takes what the command's scope and keys need, and remembers it in held.
func (x *Executor) lockFor(c *Client, cmd *spec.Command) {
	if cmd.Interprets || c.multi.interprets && cmd == x.e.exec {
		x.takeTurn()
	}
	switch {
	case cmd == x.e.exec && c.multi.on:
		x.lockTransaction(c)
	case cmd.Scope == spec.AllShards:
		x.holdAll()
	case cmd.Scope == spec.ShardZero:
		x.held.add(0)
		x.e.lock(0)
	case cmd.Is(spec.MovableKeys) && cmd.Roams != nil && cmd.Roams(x.call.Args):
		x.roam()
		x.holdKeys()
	case len(x.shards) == 1:
		i := int(x.shards[0])
		x.held.add(i)
		x.e.lock(i)
	case len(x.shards) > 1:
		x.holdKeys()
	}
}

// holdKeys takes the shards of the command's keys.
func (x *Executor) holdKeys() {
	for _, i := range x.shards {
		x.held.add(int(i))
	}
	x.lockHeld()
}

// lockHeld takes the shards that are in held.
func (x *Executor) lockHeld() {
	if x.hasToken() {
		x.e.lockScript(&x.held)
		return
	}
	x.e.lockMany(&x.held)
}

func (x *Executor) holdAll() {
	x.held = fullSet(len(x.e.shards))
	if x.turnHeld {
		x.e.lockScript(&x.held)
	} else {
		x.e.lockInOrder(&x.held)
	}
	x.turn.allShardLocks++
}

func (x *Executor) release() {
	switch {
	case x.held.empty():
	case len(x.shards) == 1 && x.call.Cmd.Scope == spec.KeyShards && x.call.Cmd != x.e.exec && !x.hasToken():
		x.e.unlock(int(x.shards[0]))
	default:
		x.e.unlockMany(&x.held)
	}
	x.held = lockSet{}
	switch {
	case x.turnHeld:
		x.giveTurn()
	case x.roaming:
		x.stopRoaming()
	}
	if x.after != nil {
		x.runAfter()
	}
}

// bindKeys finds the database of each key, which may be made only under its shard's lock.
func (x *Executor) bindKeys() {
	for i := range x.keys {
		ks := x.e.shards[x.shards[i]].ks
		ks.SetClock(x.mem.fresh)
		db := ks.DB(x.call.DB)
		x.keys[i].DB, x.ahead.dbs[x.shards[i]] = db, db
	}
}

// invoke runs the handler, and counts. What blocks is counted when it is answered.
func (x *Executor) invoke(cmd *spec.Command) {
	x.fx.begin()
	if len(x.fresh) > 0 {
		x.fresh = x.fresh[:0]
	}
	start, began := len(x.call.Out.Buf), x.monoLast
	cmd.Run(&x.call)
	if x.stuck != "" {
		x.call.Out.Buf = x.call.Out.Buf[:start]
		x.call.Out.Error(x.stuck)
		x.stuck = ""
	}
	if x.client.attend&attendKeys != 0 && cmd.Is(spec.ReadOnly) {
		x.remember(cmd)
	}
	x.finish()
	if x.outcome == Blocked {
		x.monoLast = x.e.Clock.MonoNanos()
		x.suspend(cmd, began, x.monoLast-began)
		return
	}
	x.note(cmd, began, x.call.Out.Buf[start:])
}

// reject answers an error for a command that was not run. Within MULTI the transaction is lost.
func (x *Executor) reject(c *Client, cmd *spec.Command, args [][]byte, msg string) Outcome {
	if c.multi.on {
		c.multi.fail()
	}
	if cmd != nil && cmd == x.e.exec { // without a MULTI as well
		x.discard(c)
		if !strings.HasPrefix(msg, redirectPrefix) {
			msg = "EXECABORT Transaction discarded because of: " + strings.TrimPrefix(msg, "ERR ")
		}
		// Monitors have seen the MULTI: they should see that it is over.
		x.monitor(x.e.notice.Load(), &ran{client: c, cmd: cmd, args: args, db: c.db})
	}
	start := len(c.Out.Buf)
	c.Out.Error(msg)
	x.turn.rejected(cmd, c.Out.Buf[start:])
	if c.fromPrimary {
		x.turn.unexpected++
	}
	return Done
}

func upper(s string) string {
	b := []byte(s)
	for i := range b {
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// NowMs is the wall clock at the start of the turn, ms since 1970.
func (x *Executor) NowMs() int64 { return x.wallMs }
