package node

import (
	"golang.org/x/sys/unix"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
)

// busyLoop is what a loop sees to its other connections with while one of its connections runs a script that is busy: what the script's
// own command uses must stay as it is.
type busyLoop struct {
	x      *engine.Executor
	buf    []byte
	tls    tlsBuffers
	events []unix.EpollEvent
}

// pollBusy runs what the loop's other connections send, from within a command of one of them.
func (l *epollLoop) pollBusy() {
	runs := l.current
	if runs == nil {
		return
	}
	if l.busy == nil {
		l.busy = &busyLoop{x: l.shared.engine.NewExecutor(), buf: make([]byte, limits.ReadChunkBytes), events: make([]unix.EpollEvent, maxLate)}
		l.busy.x.SetNested()
	}
	runs.inScript = true
	late, waits := l.late, false
	l.late = nil
	for _, c := range late {
		if c == runs {
			waits = true
			continue
		}
		if c.late = false; !c.gone {
			c.flush()
		}
	}
	x, buf, tls, spare := l.x, l.buf, l.tls, l.spare
	l.x, l.buf, l.tls, l.spare = l.busy.x, l.busy.buf, l.busy.tls, nil
	l.serveBusy()
	l.busy.tls = l.tls
	l.x, l.buf, l.tls, l.spare, l.current = x, buf, tls, spare, runs
	runs.inScript = false
	if waits {
		l.late = append(l.late, runs)
	}
	if l.quit {
		l.shared.engine.AbortScript()
	}
}

// serveBusy is one turn of the loop without the connection that runs the script.
func (l *epollLoop) serveBusy() {
	n := rawEpollWait(l.ep, l.busy.events, 0)
	l.x.BeginTurn()
	for i := range max(n, 0) {
		if c := l.conns[int(l.busy.events[i].Fd)]; c == nil || !c.inScript {
			l.event(&l.busy.events[i])
		}
	}
	l.settle()
	l.x.EndTurn()
}
