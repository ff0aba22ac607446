package engine

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/script"
)

// A client that has said SCRIPT DEBUG gets a debugger with its next EVAL: the connection leaves its loop, and a goroutine of its own, which
// Config.Debug starts, runs the script with an executor of its own and reads the debugger's commands from the socket. So a script that
// waits for a person keeps no loop. It is busy from its first line on (scriptbusy.go): others are answered BUSY, and may end it. When it
// has ended the connection is closed, as that is how clients know.
//
// Redis and Valkey run SCRIPT DEBUG YES in a fork, whose changes nobody sees. Here it is the same session as SYNC's, and its changes are
// put back when it ends (scriptundo.go): nobody sees them either, but others wait as with SYNC.

// debugMode is what SCRIPT DEBUG has said of a client's scripts.
type debugMode uint8

const (
	debugOff    debugMode = iota
	debugUndone           // YES
	debugKept             // SYNC
)

// debugWriteTimeout is how long a debugger's client may take to read. Source: Valkey 8.
const debugWriteTimeout = 5 * time.Second

// debugPatience is after how long without a stop a script stops by itself while no script is ever busy. Source: Valkey 8.
const debugPatience = 5 * time.Second

// debugRetry is how often a script that a pause holds back looks whether it is over.
const debugRetry = 10 * time.Millisecond

func scriptDebug(c *spec.Call) {
	cl, e := c.Session.(*Client), engineOf(c)
	if len(c.Out.Buf) > 0 {
		c.Out.Error("ERR SCRIPT DEBUG must be called outside a pipeline")
		return
	}
	switch {
	case spec.EqualFold(c.Args[2], "no"):
		cl.debugs = debugOff
	case e.Debug == nil:
		c.Out.Error("ERR scripts cannot be debugged here")
		return
	case spec.EqualFold(c.Args[2], "yes"):
		cl.debugs = debugUndone
	case spec.EqualFold(c.Args[2], "sync"):
		cl.debugs = debugKept
	default:
		c.Out.Error("ERR Use SCRIPT DEBUG YES/SYNC/NO")
		return
	}
	c.Out.OK()
}

// debugSession is a debugger's client while its script runs, and that script's console.
type debugSession struct {
	e        *Engine
	nc       net.Conn
	rest     []byte // was read before the session began
	run      *scriptRun
	debugger *script.Debugger
	over     atomic.Bool // the script is to end
}

// evalDebugged is EVAL by a client that debugs: its connection becomes a session's, and there the command runs again.
func evalDebugged(c *spec.Call, cl *Client) {
	if cl.session != nil {
		showScript(c)
		cl.session.eval(c)
		return
	}
	x := c.Engine.(*Executor)
	if cl.inMulti {
		c.Out.Error("ERR a script in a transaction cannot be debugged")
		return
	}
	e, args := x.e, copyArgs(c.Args)
	x.Detach(cl, func(nc net.Conn, rest []byte) {
		e.Debug(func(ctx context.Context) { e.debugScript(ctx, cl, args, &debugSession{e: e, nc: nc, rest: rest}) })
	})
}

// debugScript is a session from its begin to its end.
func (e *Engine) debugScript(ctx context.Context, cl *Client, args [][]byte, s *debugSession) {
	defer s.nc.Close()
	defer context.AfterFunc(ctx, s.abort)()
	patience := e.scripts.threshold.Load()
	if patience == 0 {
		patience = int64(debugPatience)
	}
	s.debugger = script.NewDebugger(args[1], s, patience)
	cl.session = s
	cl.Out.Buf = cl.Out.Buf[:0] // it was sent before the connection left its loop
	cl.Publish(e.Clock.Now().UnixMilli(), 0, 0)
	e.scriptLog(script.LogNotice, "Lua debugging session of client "+cl.addr()+" started")
	x := e.NewExecutor()
	for {
		x.BeginTurn()
		outcome := x.Run(cl, args)
		x.EndTurn()
		if outcome != Parked || clock.Sleep(ctx, e.Clock, debugRetry) != nil || cl.Killed() {
			break
		}
	}
	s.debugger.End()
	s.Write(cl.Out.Buf) //nolint:errcheck // who is gone needs no answer
	e.scriptLog(script.LogNotice, "Lua debugging session of client "+cl.addr()+" ended")
}

// eval runs the script, with its shards held.
func (s *debugSession) eval(c *spec.Call) {
	if !numKeys(c, "") {
		return
	}
	x, sc := c.Engine.(*Executor), &s.e.scripts
	found, text := sc.known(c.Args[1])
	if text != "" {
		c.Out.Error(text)
		return
	}
	_, skip, _ := script.Shebang(c.Args[1]) // it was read when the script was compiled
	code, err := sc.vm(false).CompileStops(evalName, c.Args[1][skip:])
	if err != nil {
		c.Out.Error(compileFailed + err.Error())
		return
	}
	r := &scriptRun{name: found.SHA, eval: true, debug: s}
	if c.Session.(*Client).debugs == debugUndone {
		r.undo = newUndo(x)
	}
	s.run = r
	x.runScript(c, r, found.Flags, func(run script.Run) bool { return sc.vm(false).Debug(code, run, s.debugger) })
	s.run = nil
	sc.cache.Used(found)
}

// Read implements script.DebugConsole.
func (s *debugSession) Read(b []byte) (int, error) {
	if len(s.rest) > 0 {
		n := copy(b, s.rest)
		s.rest = s.rest[n:]
		return n, nil
	}
	s.letGo()
	return s.nc.Read(b)
}

// Write implements script.DebugConsole.
func (s *debugSession) Write(b []byte) (int, error) {
	s.letGo()
	if err := s.nc.SetWriteDeadline(s.e.Clock.Now().Add(debugWriteTimeout)); err != nil {
		return 0, err
	}
	return s.nc.Write(b)
}

// letGo makes a script that is about to wait for its client busy.
func (s *debugSession) letGo() {
	if s.run != nil && !s.run.busy {
		s.run.becomeBusy()
	}
}

// Refused implements script.DebugConsole.
func (s *debugSession) Refused() bool { return s.run != nil && s.run.denied }

// hangUp makes the script go on without its client, from any goroutine.
func (s *debugSession) hangUp() {
	s.nc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // it fails for a connection that is closed
}

// abort ends the script.
func (s *debugSession) abort() {
	s.over.Store(true)
	s.hangUp()
}

// HangUpDebugger makes a script that is being debugged, if one is, go on to its end without its client.
func (e *Engine) HangUpDebugger() {
	if r := e.scripts.running.Load(); r != nil && r.debug != nil {
		r.debug.hangUp()
	}
}

// kill ends the script that runs.
func (r *scriptRun) kill() {
	r.killed.Store(true)
	if r.debug != nil {
		r.debug.hangUp()
	}
}
