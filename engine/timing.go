package engine

import "github.com/larder-cache/larder/commands/spec"

// Reading the clock costs a tenth of a GET, so brief commands that follow each other are timed together: one reading for a pipeline's calls of one
// command, each of which counts as an equal part. What is brief is small in all that it takes and gives, and such that
// Redis calls fast. While something as short as a brief command may be is of interest by itself (a low slowlog-log-slower-than, MONITOR), every
// command is timed alone.

const (
	// maxTimed is how many commands are timed together at most.
	maxTimed = 32
	// coarseNanos is from which threshold on commands may be timed together: far above what maxTimed brief ones take.
	coarseNanos = 2e6
	// briefBytes is what a brief command's request and reply have together at most.
	briefBytes = 4 << 10
)

// timed is the commands since the clock was read last: n calls of one command by one client. The last one's sizes are kept.
type timed struct {
	cmd            *spec.Command
	n, began       int64
	request, reply int64
}

// briefCommands tells, by command ID, which commands may be timed together.
func briefCommands(t *spec.Table) []bool {
	brief := make([]bool, t.Len())
	for id, c := range t.All() {
		brief[id] = c.Scope == spec.KeyShards && (c.Is(spec.Fast) || c.Name == "set")
	}
	return brief
}

// note counts a command that has run, and began at that time or, if others were timed with it, later. Its time is taken here, or with that of those that follow.
func (x *Executor) note(cmd *spec.Command, began int64, reply []byte) {
	g, size := &x.group, int64(len(reply))
	if g.n == 0 {
		g.began = began
	}
	g.cmd, g.request, g.reply = cmd, x.request, size
	g.n++
	x.client.cmds++
	if size > 0 && reply[0] == '-' {
		x.failed(cmd, reply)
	}
	n := x.e.notice.Load()
	if n.coarse && g.n < maxTimed && g.request+size < briefBytes && size < n.reply && g.request < n.request && x.e.brief[cmd.ID()] {
		return
	}
	x.settle(n)
}

func (x *Executor) failed(cmd *spec.Command, reply []byte) {
	if x.countedError {
		x.countedError = false
		x.turn.of(cmd.ID()).failed++
		return
	}
	x.turn.failed(cmd.ID(), reply, x.scriptError)
	x.scriptError = false
	if x.client.fromPrimary {
		x.turn.unexpected++
	}
}

// Settle reads the clock for the commands that wait to be timed, unless the next one is of the same kind.
func (x *Executor) Settle(next *spec.Command) {
	if x.group.n > 0 && x.group.cmd != next {
		x.settle(x.e.notice.Load())
	}
}

// settle gives each command of the group its part of the time since the clock was read last, and shows the last one to whoever wants
// to see it. If together they took as long as is of interest, it is the one that is named: nearly always it is alone.
func (x *Executor) settle(n *notice) {
	g := x.group
	x.group.n = 0
	end := x.e.Clock.MonoNanos()
	took := end - g.began
	x.monoLast = end
	id := g.cmd.ID()
	x.turn.ran(id, g.n, took)
	if n.tracking {
		x.times.count(x.hist, id, took/g.n, g.n)
	}
	if took >= n.nanos || g.reply >= n.reply || g.request >= n.request {
		r := ran{client: x.client, cmd: g.cmd, args: x.call.Args, db: x.client.db, nanos: took, request: g.request, reply: g.reply}
		if x.script != nil {
			r.client = x.script.caller // of whom the logs tell
		}
		x.e.observe(n, &r)
		r.client = x.client
		x.monitor(n, &r)
	}
}

// BeginBatch reads the clock before the commands that one read has brought, so that the time since the last batch is not counted as theirs.
func (x *Executor) BeginBatch() { x.monoLast = x.e.Clock.MonoNanos() }

// EndBatch is to be called after the last command of a batch, while its bytes are still there.
func (x *Executor) EndBatch() {
	x.Settle(nil)
	x.forget()
}
