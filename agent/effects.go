package agent

import (
	"github.com/larder-cache/larder/agent/core"
)

// perform carries effects out. Nothing here waits: what may take time goes to the node's own queue or goroutine.
func (a *Agent) perform(effects []core.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case core.Store:
			a.queue(e.State.ID).run(&a.work, func() { a.store(e) })
		case core.Start:
			a.queue(e.Spec.ID).run(&a.work, func() { a.start(e) })
		case core.Remove:
			a.queue(e.ID).run(&a.work, func() { a.remove(e) })
		case core.Kill:
			a.kill(e)
		case core.Do:
			a.do(e)
		case core.Report:
			a.reports.run(&a.work, func() { a.cfg.Link.Report(a.ctx, e.Status) })
		}
	}
}

// queue is the node's own order of work on disk.
func (a *Agent) queue(id string) *serial {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queues[id]
	if q == nil {
		q = &serial{}
		a.queues[id] = q
	}
	return q
}

// of returns the run of that name, or nil if it is over.
func (a *Agent) of(id, name string) *run {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.runs[id]; r != nil && r.name == name {
		return r
	}
	return nil
}

func (a *Agent) kill(e core.Kill) {
	r := a.of(e.ID, e.Run)
	if r == nil {
		return // it is dead, and Died is on its way
	}
	a.cfg.Log.Info("killing a node's process", "node", e.ID, "run", e.Run)
	if err := r.process.Kill(); err != nil {
		a.cfg.Log.Error("killing a node's process", "node", e.ID, "run", e.Run, "err", err)
	}
}

func (a *Agent) do(e core.Do) {
	r := a.of(e.ID, e.Run)
	if r == nil {
		return
	}
	for _, action := range e.Actions {
		a.cfg.Log.Debug("asking a node", "node", e.ID, "action", describe(action))
	}
	a.work.Go(func() {
		answer := r.conn.Do(a.ctx, e.Actions)
		answer.ID, answer.Run, answer.Job = e.ID, e.Run, e.Job
		if answer.Refusal != "" {
			if l, ok := e.Actions[answer.Performed].(core.Listen); ok {
				answer.Refusal += holders(l.Addrs, answer.Seen.Open)
			}
		}
		a.step(answer)
	})
}
