package engine

import (
	"strconv"
	"sync"

	"github.com/larder-cache/larder/commands/spec"
)

// A script that runs for longer than busy-reply-threshold is busy: the gate says so, and others are answered BUSY. So that those who
// wait for its shards hear it, too, the script lets go of the locks, and marks the shards as its own instead: who takes a lock then
// finds the gate closed, and who has no gate to look at (lockFree, Barrier) waits for the script's end. For each command that it still
// calls the script takes the locks again. Its own loop it lets see to the other connections: that is how a SCRIPT KILL of theirs comes
// through.

// busyText is what others are told while a script is busy; "" while none is.
func (e *Engine) busyText() string {
	r := e.scripts.running.Load()
	if e.Gate()&GateBusy == 0 || r == nil {
		return ""
	}
	if r.eval {
		return busyEval
	}
	return busyFunction
}

const (
	busyEval     = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	busyFunction = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
)

// pollEvery is how often a busy script's loop sees to its other connections, in ns.
const pollEvery = 2e6

// Interrupt implements script.Host.
func (r *scriptRun) Interrupt() string {
	if r.killed.Load() || r.debug != nil && r.debug.over.Load() {
		if r.eval {
			return "ERR Script killed by user with SCRIPT KILL."
		}
		return "ERR Script killed by user with FUNCTION KILL."
	}
	now, limit := r.x.e.Clock.MonoNanos(), r.x.e.scripts.threshold.Load()
	if !r.busy && limit > 0 && now-r.begun >= limit {
		r.enterBusy((now - r.begun) / 1e6)
	}
	if r.busy && r.x.poll != nil && now-r.polled >= pollEvery {
		r.polled = now
		r.x.poll()
	}
	return ""
}

func (r *scriptRun) enterBusy(ms int64) {
	x, how := r.x, "SCRIPT KILL"
	if !r.eval {
		how = "FUNCTION KILL"
	}
	x.e.scriptLog(3, "Slow script detected: still in execution after "+strconv.FormatInt(ms, 10)+" milliseconds. "+
		"You can try killing the script using the "+how+" command. Script name is: "+r.name+".")
	r.becomeBusy()
}

// becomeBusy lets go of the locks, and has others told.
func (r *scriptRun) becomeBusy() {
	x := r.x
	r.busy = true
	args := copyArgs(r.args)
	r.shown.Store(&args)
	end := make(chan struct{})
	x.e.scripts.end.Store(&end)
	x.held.each(func(i int) { x.e.shards[i].scripted = true })
	x.e.changeGate(GateBusy, 0)
	close(*x.e.scripts.busy.Load())
	x.layDown()
}

// layDown lets go of a busy script's locks; the shards stay its own.
func (x *Executor) layDown() {
	x.e.unlockMany(&x.held)
	x.e.token.Unlock()
}

// takeBack takes them again.
func (x *Executor) takeBack() {
	x.e.token.Lock()
	x.e.lockScript(&x.held)
}

// leaveBusy ends the state of a busy script, which has ended: it holds its shards as others do.
func (x *Executor) leaveBusy() {
	s := &x.e.scripts
	x.takeBack()
	x.held.each(func(i int) { x.e.shards[i].scripted = false })
	busy := make(chan struct{})
	s.busy.Store(&busy)
	x.e.changeGate(0, GateBusy)
	close(*s.end.Load())
	x.e.resumeParked()
}

// polled is a loop that can see to its connections from within a command: Executor.SetPoll.
type polled struct {
	poll func()
	mine func() bool
}

// polls are an engine's loops.
type polls struct {
	mu  sync.Mutex
	all []polled
}

func (p *polls) add(l polled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, l)
}

// of is what the calling loop is to call, nil if the caller is no loop.
func (p *polls) of() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.all {
		if l.mine() {
			return l.poll
		}
	}
	return nil
}

// awaitScript waits for the end of a busy script. A loop must not sleep over it: who is to kill the script may be one of its connections.
// The caller holds nothing.
func (e *Engine) awaitScript(end <-chan struct{}) {
	poll := e.scripts.polled.of()
	if poll == nil {
		<-end
		return
	}
	t := e.Clock.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case <-end:
			return
		case <-t.C():
			poll()
		}
	}
}

// killScript is SCRIPT KILL and FUNCTION KILL.
func (e *Engine) killScript(c *spec.Call, eval bool) {
	r := e.scripts.running.Load()
	switch {
	case r == nil:
		c.Out.Error("NOTBUSY No scripts in execution right now.")
	case r.caller.fromPrimary:
		c.Out.Error("UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.")
	case r.wrote.Load() && r.undo == nil:
		c.Out.Error("UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script " +
			"termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.")
	case eval && !r.eval:
		c.Out.Error(busyFunction)
	case !eval && r.eval:
		c.Out.Error(busyEval)
	default:
		r.kill()
		c.Out.OK()
	}
}

// BusyScript reports whether a script is busy.
func (e *Engine) BusyScript() bool { return e.Gate()&GateBusy != 0 }

// AbortScript ends the script that runs, whatever it has done, and has nothing of it journaled: for the end of the process without a
// snapshot.
func (e *Engine) AbortScript() {
	if r := e.scripts.running.Load(); r != nil {
		r.dropped.Store(true)
		r.kill()
	}
}
