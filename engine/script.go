package engine

import (
	"strings"
	"sync/atomic"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/script"
)

// Scripts run one at a time. Who runs one has the turn (a place in a channel, so that waiting for it can be interrupted) and, while the
// script is not busy, the token, so that it may wait for a shard while it holds others: nobody else then does (locks.go). A script
// begins with the shards of the keys that it declared and takes more as it reaches them; it lets go of all when it ends, and its
// effects are journaled as one.

// scripting is the engine's part in scripts. What has no other note is for whoever has the turn.
type scripting struct {
	e         *Engine
	turn      chan struct{}
	threshold atomic.Int64 // busy-reply-threshold, ns; 0: never busy

	eval      *script.VM // made when it is needed
	cache     *script.Cache
	lib       *script.VM
	libraries *script.Libraries

	polled polls

	debug   atomic.Bool // scripts may call DEBUG
	running atomic.Pointer[scriptRun]
	busy    atomic.Pointer[chan struct{}] // closed when a script becomes busy
	end     atomic.Pointer[chan struct{}] // closed when the busy script ends
	counts  scriptCounts
	// published are the libraries' sources; they change while shard 0 is held, as all that is journaled.
	published     atomic.Pointer[[][]byte]
	functionFlags atomic.Pointer[map[string]script.Flags] // by name in lower case; for anyone
}

// scriptCounts are what INFO tells of scripts; anyone reads them.
type scriptCounts struct {
	scripts, scriptBytes, evicted    atomic.Int64
	libraries, functions, libraryMem atomic.Int64
}

func (s *scripting) init(e *Engine) {
	s.e, s.turn = e, make(chan struct{}, 1)
	s.cache, s.libraries = script.NewCache(), script.NewLibraries()
	busy, end := make(chan struct{}), make(chan struct{})
	s.busy.Store(&busy)
	s.end.Store(&end)
	s.threshold.Store(5e9)
}

func (s *scripting) busyEnd() <-chan struct{} { return *s.end.Load() }

func (s *scripting) vm(libraries bool) *script.VM {
	to := &s.eval
	if libraries {
		to = &s.lib
	}
	if *to == nil {
		*to = script.New(script.Config{MonoNanos: s.e.Clock.MonoNanos, Version: s.e.Version, ServerVersion: serverVersion,
			Libraries: libraries, Others: s.e.HeapMemory})
	}
	return *to
}

// serverVersion is the version of Valkey whose level this is.
const serverVersion = "8.1.0"

func (s *scripting) countScripts() {
	c := &s.counts
	c.scripts.Store(int64(s.cache.Len()))
	c.scriptBytes.Store(s.cache.Bytes())
	c.evicted.Add(s.cache.Evicted)
	s.cache.Evicted = 0
}

func (s *scripting) countLibraries() {
	c := &s.counts
	n, f := s.libraries.Len()
	c.libraries.Store(int64(n))
	c.functions.Store(int64(f))
	c.libraryMem.Store(s.libraries.Bytes())
	sources, flags := s.sources(), s.libraries.Flags()
	s.published.Store(&sources)
	s.functionFlags.Store(&flags)
}

// flags are those of a command, as the script or function that it is about to run has declared them, if it has.
func (s *scripting) flags(cmd *spec.Command, args [][]byte) spec.Flag {
	declared, ok := s.declared(cmd.Name, args)
	if !ok || declared&script.Compat != 0 {
		return cmd.Flags
	}
	flags := cmd.Flags &^ (spec.Stale | spec.DenyOOM | spec.Write | spec.MayReplicate)
	if declared&script.NoWrites == 0 {
		flags |= spec.Write
	}
	if declared&(script.NoWrites|script.AllowOOM) == 0 {
		flags |= spec.DenyOOM
	}
	if declared&script.AllowStale != 0 {
		flags |= spec.Stale
	}
	return flags
}

func (s *scripting) declared(name string, args [][]byte) (flags script.Flags, ok bool) {
	switch name {
	case "eval", "eval_ro":
		flags, _, err := script.Shebang(args[1])
		return flags, err == nil
	case "evalsha", "evalsha_ro":
		return s.cache.Declared(strings.ToLower(string(args[1])))
	case "fcall", "fcall_ro":
		if known := s.functionFlags.Load(); known != nil {
			flags, ok = (*known)[strings.ToLower(string(args[1]))]
		}
	}
	return flags, ok
}

// ScriptStats is what INFO tells of scripts and functions. Bytes are those of their sources.
type ScriptStats struct {
	Scripts, ScriptBytes, Evicted      int64
	Libraries, Functions, LibraryBytes int64
}

// ScriptStats reads it.
func (e *Engine) ScriptStats() ScriptStats {
	c := &e.scripts.counts
	return ScriptStats{c.scripts.Load(), c.scriptBytes.Load(), c.evicted.Load(), c.libraries.Load(), c.functions.Load(), c.libraryMem.Load()}
}

// Instant is what a command is to take for the time, us in µs since 1970: in a script it stands still.
func (x *Executor) Instant(us int64) int64 {
	if x.script == nil {
		return us
	}
	if x.script.instant == 0 {
		x.script.instant = us
	}
	return x.script.instant
}

// SetBusyThreshold is busy-reply-threshold: from how many ns on a script is busy; 0: never.
func (e *Engine) SetBusyThreshold(ns int64) { e.scripts.threshold.Store(ns) }

// LetScriptsDebug says whether scripts may call DEBUG and CLIENT LIST: DEBUG SET-DISABLE-DENY-SCRIPTS. In Redis it lets them call anything.
func (e *Engine) LetScriptsDebug(on bool) { e.scripts.debug.Store(on) }

// letsDebug reports whether a script may call a command of those that scripts may not, as it is switched on for tests.
func (e *Engine) letsDebug(cmd *spec.Command) bool {
	return e.scripts.debug.Load() && (cmd.Name == "debug" || cmd.FullName() == "client|list")
}

// SetPoll gives the executor of a loop what lets the loop's other connections have their say while a script is busy, which is called from
// within a command of the loop, and what tells whether the caller is that loop.
func (x *Executor) SetPoll(poll func(), mine func() bool) {
	x.poll = poll
	x.e.scripts.polled.add(polled{poll, mine})
}

// SetNested marks the executor as one that runs commands from within a script's: it must not wait for what the script has.
func (x *Executor) SetNested() { x.nested = true }

// takeTurn waits until no script runs. It gives up when one is busy: then the gate says so.
func (x *Executor) takeTurn() {
	s := &x.e.scripts
	for !x.turnHeld && x.e.Gate()&GateBusy == 0 {
		select { // mostly nobody has it, and asking for it alone is cheaper
		case s.turn <- struct{}{}:
			x.turnHeld = true
			continue
		default:
		}
		select {
		case s.turn <- struct{}{}:
			x.turnHeld = true
		case <-*s.busy.Load():
		}
	}
	if x.turnHeld {
		x.e.token.Lock()
	}
}

func (x *Executor) giveTurn() {
	x.turnHeld = false
	x.e.token.Unlock()
	<-x.e.scripts.turn
}

// scriptRun is one run of a script. It is the script's host.
type scriptRun struct {
	x      *Executor
	caller *Client
	name   string
	eval   bool // EVAL, not FCALL
	begun  int64
	args   [][]byte

	readOnly, allowOOM bool
	repl               int   // who is told: script.ReplAOF and ReplReplica
	instant            int64 // what TIME tells, µs since 1970; 0: it was not asked yet
	busy               bool
	polled             int64
	denied             bool          // its last call was refused
	debug              *debugSession // nil of one that is not debugged
	undo               *undo         // nil of one whose changes stay

	shown   atomic.Pointer[[][]byte] // copies of args, for anyone, once it is busy
	wrote   atomic.Bool
	killed  atomic.Bool
	dropped atomic.Bool // what it did is not to be journaled: the process ends
}

// runScript runs a script or function, with its shards held.
func (x *Executor) runScript(c *spec.Call, r *scriptRun, flags script.Flags, run func(script.Run) bool) {
	cl := c.Session.(*Client)
	if msg := x.mayStart(cl, c.Cmd, flags); msg != "" {
		c.Out.Error(msg)
		return
	}
	numKeys := len(c.Keys)
	r.x, r.caller, r.begun, r.repl = x, cl, x.e.Clock.MonoNanos(), script.ReplAOF|script.ReplReplica
	r.readOnly = c.Cmd.Is(spec.ReadOnly) || flags&(script.Compat|script.NoWrites) == script.NoWrites
	r.allowOOM = flags&script.AllowOOM != 0
	r.args = c.Args
	saved, inExec, outcome := x.call, x.inExec, x.outcome
	x.asScript(cl)
	x.script, x.inExec, x.quiet = r, true, r.undo != nil
	x.e.scripts.running.Store(r)
	start := len(c.Out.Buf)
	counted := run(script.Run{Host: r, Name: r.name, Keys: c.Args[3 : 3+numKeys], Args: c.Args[3+numKeys:], Out: c.Out})
	if r.busy {
		x.leaveBusy()
	}
	x.e.scripts.running.Store(nil)
	if r.undo != nil {
		r.undo.rollBack()
		x.quiet = false
	}
	if r.dropped.Load() || r.undo != nil {
		x.fx.reset()
	}
	x.script, x.inExec, x.outcome = nil, inExec, outcome
	x.call, x.client = saved, cl
	x.keys, x.shards = x.keys[:0], x.shards[:0]
	x.fx.begin()
	x.fx.none = true
	x.countedError, x.scriptError = counted, len(c.Out.Buf) > start && c.Out.Buf[start] == '-'
	cl.cmds += x.scripting.cmds
}

func copyArgs(args [][]byte) [][]byte {
	out := make([][]byte, len(args))
	for i, a := range args {
		out[i] = append([]byte(nil), a...)
	}
	return out
}

// asScript makes the client as whom the script calls one of the caller's user and database.
func (x *Executor) asScript(cl *Client) {
	s := &x.scripting
	s.script, s.inMulti, s.authenticated = true, true, true
	s.user, s.db, s.fromPrimary, s.noTouch, s.importSource, s.id = cl.user, cl.db, cl.fromPrimary, cl.noTouch, cl.importSource, cl.id
	s.info.user.Store(cl.user)
	s.cmds, s.Out.Proto = 0, 2
	s.attend, s.writeOffset = cl.attend&attendKeys, cl.writeOffset
}

// doer is who does what a client does: for a script's it is the client that runs the script.
func (x *Executor) doer(c *Client) *Client {
	if c == &x.scripting && x.script != nil {
		return x.script.caller
	}
	return c
}

// mayStart is what refuses a script before it begins: by its flags it is a command that writes, or needs memory, or does not.
func (x *Executor) mayStart(cl *Client, cmd *spec.Command, flags script.Flags) string {
	g := x.e.Gate()
	stale := g&GateStale != 0 && g&GateReplica != 0
	if flags&script.Compat != 0 {
		if stale && !cl.fromPrimary {
			return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
		}
		return ""
	}
	if stale && flags&script.AllowStale == 0 {
		return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
	}
	if flags&script.NoWrites == 0 {
		if msg := x.mayStartWriting(cl, cmd, g); msg != "" {
			return msg
		}
	}
	if x.fullNow && flags&(script.AllowOOM|script.NoWrites) == 0 && !cl.fromPrimary {
		return errOOM
	}
	return ""
}

func (x *Executor) mayStartWriting(cl *Client, cmd *spec.Command, g Gate) string {
	obey := cl.fromPrimary
	switch {
	case !obey && g&(GateReplica|GateReadOnly) == GateReplica|GateReadOnly:
		return "READONLY You can't write against a read only replica."
	case !obey && g&GateDiskError != 0 && g&GateReplica == 0:
		return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
			"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes " +
			"if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
	case cmd.Is(spec.ReadOnly):
		return "ERR Can not execute a script with write flag using *_ro command."
	case !obey && g&GateFewReplicas != 0 && g&GateReplica == 0:
		return "NOREPLICAS Not enough good replicas to write."
	}
	return ""
}

// The methods below are script.Host.

// Call implements script.Host.
func (r *scriptRun) Call(args [][]byte) []byte {
	x, cl := r.x, &r.x.scripting
	cl.Out.Buf = cl.Out.Buf[:0]
	r.denied = false
	cmd, found := x.e.Table.Resolve(args)
	if !found {
		return r.refuse(nil, "ERR Unknown command called from script")
	}
	if !cmd.ArityOK(len(args)) {
		return r.refuse(cmd, "ERR Wrong number of args calling command from script")
	}
	var err error
	if x.pos, err = cmd.Positions(x.pos[:0], args); err != nil {
		return r.refuse(cmd, badKeys(cmd, args, err))
	}
	if msg := r.refused(cmd, args); msg != "" {
		return r.refuse(cmd, msg)
	}
	if cmd.Is(spec.Write) {
		r.wrote.Store(true)
	}
	r.run(cmd, args)
	return cl.Out.Buf
}

func (r *scriptRun) refuse(cmd *spec.Command, msg string) []byte {
	out := &r.x.scripting.Out
	r.denied = true
	out.Error(msg)
	r.x.turn.rejected(cmd, out.Buf)
	return out.Buf
}

// refused is what refuses a command of a script.
func (r *scriptRun) refused(cmd *spec.Command, args [][]byte) string {
	x, g := r.x, r.x.e.Gate()
	if cmd.Is(spec.NoScript) && !x.e.letsDebug(cmd) || cmd.Is(spec.OnlyFromPrimary) {
		return "ERR This Redis command is not allowed from script"
	}
	if g&GateStale != 0 && g&GateReplica != 0 && !cmd.Is(spec.Stale) {
		return "ERR Can not execute the command on a stale replica"
	}
	if rules := r.caller.user.Rules(); !r.caller.fromPrimary && !rules.Unrestricted() {
		if msg := rules.Denied(cmd, args, x.pos, x.scripting.db); msg != "" {
			reason, arg := rules.Check(cmd, args, x.pos, x.scripting.db)
			x.denied(r.caller, cmd, args, reason, arg)
			return "ERR ACL failure in script: " + strings.TrimPrefix(msg, "NOPERM ")
		}
	}
	if r.readOnly && cmd.Flags&(spec.Write|spec.MayReplicate) != 0 {
		return "ERR Write commands are not allowed from read-only scripts."
	}
	if r.undo != nil {
		if msg := r.undo.refuses(cmd, len(x.pos)); msg != "" {
			return msg
		}
	}
	if r.wrote.Load() {
		return ""
	}
	if msg := r.refusedWrite(cmd, g); msg != "" {
		return msg
	}
	if x.fullNow && !r.allowOOM && !r.caller.fromPrimary && cmd.Is(spec.DenyOOM) {
		return errOOM
	}
	return ""
}

func (r *scriptRun) refusedWrite(cmd *spec.Command, g Gate) string {
	if !cmd.Is(spec.Write) || r.caller.fromPrimary {
		return ""
	}
	switch {
	case g&(GateReplica|GateReadOnly) == GateReplica|GateReadOnly:
		return "READONLY You can't write against a read only replica."
	case g&GateDiskError != 0 && g&GateReplica == 0:
		return "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
			"Commands that may modify the data set are disabled, because this instance is configured to report errors during writes " +
			"if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
	case g&GateFewReplicas != 0 && g&GateReplica == 0:
		return "NOREPLICAS Not enough good replicas to write."
	}
	return ""
}

// run runs a command that nothing refuses.
func (r *scriptRun) run(cmd *spec.Command, args [][]byte) {
	x := r.x
	x.Settle(nil)
	x.client = &x.scripting
	x.prepare(x.client, cmd, args)
	if r.busy {
		x.takeBack()
	}
	x.lockMore(cmd)
	x.bindKeys()
	if r.undo != nil {
		r.undo.before(cmd)
	}
	ops, size := len(x.fx.ops), len(x.fx.buf)
	if x.outcome = Done; x.mem.ev.Limit == 0 {
		x.invoke(cmd)
	} else {
		before := x.heldBytes()
		x.invoke(cmd)
		x.grown(before)
	}
	x.Settle(nil)
	if r.repl&script.ReplReplica == 0 {
		x.fx.ops, x.fx.buf = x.fx.ops[:ops], x.fx.buf[:size]
	}
	if r.busy {
		x.layDown()
	}
	x.client = r.caller
}

// lockMore takes the shards that a command of a script needs and the script has not yet.
func (x *Executor) lockMore(cmd *spec.Command) {
	var more lockSet
	switch cmd.Scope {
	case spec.AllShards:
		more = fullSet(len(x.e.shards))
		x.turn.allShardLocks++
	case spec.ShardZero:
		more.add(0)
	}
	for _, i := range x.shards {
		more.add(int(i))
	}
	more.each(func(i int) {
		if !x.held.has(i) {
			x.lockOneMore(i)
		}
	})
}

// MayRun implements script.Host.
func (r *scriptRun) MayRun(args [][]byte) (allowed, known bool) {
	cmd, found := r.x.e.Table.Resolve(args)
	if !found {
		return false, false
	}
	pos, err := cmd.Positions(nil, args)
	if err != nil {
		return false, true
	}
	reason, _ := r.caller.user.Rules().Check(cmd, args, pos, r.x.scripting.db)
	return reason == acl.Allowed, true
}

// SetProto implements script.Host.
func (r *scriptRun) SetProto(version int) { r.x.scripting.Out.Proto = version }

// SetReplication implements script.Host.
func (r *scriptRun) SetReplication(flags int) { r.repl = flags }

// Log implements script.Host.
func (r *scriptRun) Log(level int, line string) { r.x.e.scriptLog(level, line) }

func (e *Engine) scriptLog(level int, line string) {
	if e.ScriptLog != nil {
		e.ScriptLog(level, line)
	}
}
