// Package agent makes its host's cache nodes match the NodeSpecs that the control plane has for them, and reports what it
// sees. It starts each node as a process of its own, in its own session and folder, watches it by pidfd, and commands it
// over a unix socket that clients have no access to. Nodes outlive the agent: the next one on the same folder adopts them.
//
// What is to be done is decided in package core, without I/O; this package is the shell around it that carries out core's
// effects and feeds it what happens. It knows neither who wrote the specs nor how a node works inside: the servers are
// package driver's, processes package proc's.
//
// On disk, below the data folder, all of it readable by its owner only:
//
//	agent.lock                  held while an agent runs
//	nodes/<cluster>-<node>/     a node's folder and its process's working directory
//	    state.json              core.State
//	    password                of the admin user
//	    node.conf               the server's configuration, written at every start
//	    node.log, node.log.N    what it says
//	    dump.rdb                its data
//	    admin.sock              the admin socket, unless the path is too long for one: see socketPath
//
// Reading order: agent.go, effects.go (core's effects), node.go (starting and removing), files.go, adopt.go.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/larder-cache/larder/agent/core"
	"github.com/larder-cache/larder/agent/driver"
	"github.com/larder-cache/larder/agent/proc"
	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/base/vfs"
	"github.com/larder-cache/larder/nodeapi"
)

const (
	// stopProbe is how often processes are looked at for having been stopped by a signal; with many nodes less often, by
	// stopProbeEach for each.
	stopProbe     = 20 * time.Millisecond
	stopProbeEach = 200 * time.Microsecond
	// logProbe is how often the sizes of logs are looked at.
	logProbe = 10 * time.Second
)

// Config is what an agent needs. All members but RuntimeDir are required.
type Config struct {
	// Host is the agent's name in specs and statuses.
	Host string
	// DataDir is where everything of the host's nodes is kept.
	DataDir string
	// RuntimeDir is where sockets go whose paths in DataDir would be too long; empty: a folder of the user's own below the
	// system's folder for temporary files.
	RuntimeDir string
	// Drivers are the servers by engine name, as in NodeSpec.Engine.
	Drivers map[string]driver.Driver
	// Link is the way to the control plane.
	Link  nodeapi.Link
	Clock clock.Clock
	Log   *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Host == "":
		return errors.New("agent: no host name")
	case c.DataDir == "":
		return errors.New("agent: no data folder")
	case len(c.Drivers) == 0:
		return errors.New("agent: no driver")
	case c.Link == nil || c.Clock == nil || c.Log == nil:
		return errors.New("agent: Link, Clock and Log are needed")
	}
	return nil
}

// Agent runs a host's nodes.
type Agent struct {
	cfg  Config
	fs   vfs.OS
	lock io.Closer

	// core belongs to whoever holds turn, which is the loop.
	core *core.Core
	turn chan struct{}

	mail    mailbox
	reports serial
	// allStopped is closed when, after StopAll, no process is left.
	allStopped chan struct{}
	stopOnce   sync.Once

	// ctx ends the work that is under way for nodes, with Close.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	runs    map[string]*run
	queues  map[string]*serial
	checked map[string]bool // drivers whose Check has succeeded, by engine
}

// run is a process that is watched.
type run struct {
	id      string
	name    string
	process *proc.Process
	conn    *driver.Conn
	stopped bool // as core was told last
}

// New prepares an agent on a data folder: it takes its lock, and finds the nodes that an earlier agent has left, running or
// not. Nothing is done to those until Run is told of them. The caller ends it with Close.
func New(cfg Config) (*Agent, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var err error
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return nil, err
	}
	a := &Agent{cfg: cfg, turn: make(chan struct{}, 1), allStopped: make(chan struct{}),
		runs: map[string]*run{}, queues: map[string]*serial{}, checked: map[string]bool{}}
	if err := a.fs.MkdirAll(a.nodesDir(), 0o700); err != nil {
		return nil, err
	}
	if a.lock, err = a.fs.Lock(filepath.Join(cfg.DataDir, "agent.lock")); err != nil {
		return nil, err
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.mail.ready, a.turn = make(chan struct{}, 1), make(chan struct{}, 1)
	engines := map[string]core.Engine{}
	for name, d := range cfg.Drivers {
		engines[name] = driver.EngineOf(d)
	}
	a.core = core.New(core.Config{Host: cfg.Host, Engines: engines, StopTimeout: limits.NodeStopTimeout})
	if err := a.adopt(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Memory is how much memory the host has for nodes and everything else, in bytes.
func Memory() (int64, error) { return proc.Memory() }

// Run does what the control plane asks until ctx ends, or StopAll is done; it returns the context's error, or nil. It leaves the
// nodes running.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var feeds sync.WaitGroup
	defer feeds.Wait()
	defer cancel()
	feeds.Go(func() { a.feedSpecs(ctx) })
	feeds.Go(func() { a.probe(ctx) })
	return a.loop(ctx)
}

// StopAll ends all nodes in order, saving their data: replicas first, then primaries. Nothing is started any more, and
// nothing reported, so that nobody answers with a failover. It can be called while Run runs, or after.
func (a *Agent) StopAll(ctx context.Context) error {
	a.step(core.StopAll{})
	select {
	case <-a.allStopped:
		return nil
	default:
	}
	err := a.loop(ctx)
	select {
	case <-a.allStopped:
		return nil
	default:
		return err
	}
}

// Close lets go of everything, and of the nodes without touching them. Run must have returned.
func (a *Agent) Close() error {
	a.cancel()
	a.mu.Lock()
	for _, r := range a.runs {
		r.conn.Close()
	}
	a.mu.Unlock()
	a.work.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.runs {
		r.process.Release()
	}
	return a.lock.Close()
}

// step hands an event to core.
func (a *Agent) step(ev core.Event) { a.mail.put(ev) }

// loop takes events to core and effects from it, until ctx ends or all is stopped.
func (a *Agent) loop(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-a.allStopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	timer := a.cfg.Clock.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for _, ev := range a.mail.take() {
			a.perform(a.core.Step(a.now(), ev))
		}
		if a.core.Stopped() {
			a.stopOnce.Do(func() { close(a.allStopped) })
			return nil
		}
		if at, ok := a.core.Next(); ok {
			timer.Reset(max(0, at-a.now().Mono))
		} else {
			timer.Reset(time.Hour)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.mail.ready:
		case <-timer.C():
			a.perform(a.core.Step(a.now(), core.Tick{}))
		}
	}
}

func (a *Agent) now() core.Now {
	return core.Now{Mono: time.Duration(a.cfg.Clock.MonoNanos()), Wall: a.cfg.Clock.Now()}
}

// feedSpecs hands every new set of specs to core.
func (a *Agent) feedSpecs(ctx context.Context) {
	specs := a.cfg.Link.Specs(ctx, a.cfg.Host)
	for {
		select {
		case <-ctx.Done():
			return
		case set, ok := <-specs:
			if !ok {
				return
			}
			a.step(core.Specs{Nodes: set.Nodes})
		}
	}
}

// probe looks for processes that a signal has stopped, and for logs that have become long.
func (a *Agent) probe(ctx context.Context) {
	lastLogs := a.cfg.Clock.MonoNanos()
	for {
		runs := a.running()
		every := max(stopProbe, time.Duration(len(runs))*stopProbeEach)
		if clock.Sleep(ctx, a.cfg.Clock, every) != nil {
			return
		}
		for _, r := range runs {
			if stopped := r.process.Stopped(); stopped != r.stopped {
				r.stopped = stopped // only the probe has this field
				a.step(core.Suspended{ID: r.id, Run: r.name, Stopped: stopped})
			}
		}
		if clock.SinceMono(a.cfg.Clock, lastLogs) < logProbe {
			continue
		}
		lastLogs = a.cfg.Clock.MonoNanos()
		for _, r := range runs {
			if err := turnOver(a.logPath(r.id)); err != nil {
				a.cfg.Log.Warn("turning over a node's log", "node", r.id, "err", err)
			}
		}
	}
}

func (a *Agent) running() []*run {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*run, 0, len(a.runs))
	for _, r := range a.runs {
		list = append(list, r)
	}
	return list
}

// watch tells core of a run, and then of its death.
func (a *Agent) watch(r *run, ev core.Event) {
	a.mu.Lock()
	a.runs[r.id] = r
	a.mu.Unlock()
	a.step(ev)
	a.work.Go(func() {
		select {
		case <-a.ctx.Done():
			return
		case <-r.process.Done():
		}
		a.step(core.Died{ID: r.id, Run: r.name, Log: lastLine(a.logPath(r.id))})
		a.mu.Lock()
		if a.runs[r.id] == r {
			delete(a.runs, r.id)
		}
		a.mu.Unlock()
		r.conn.Close()
		r.process.Release()
	})
}

// check reports whether an engine's driver can start nodes.
func (a *Agent) check(engine string) (driver.Driver, error) {
	d := a.cfg.Drivers[engine]
	if d == nil {
		return nil, fmt.Errorf("this host cannot run the engine %q", engine)
	}
	a.mu.Lock()
	checked := a.checked[engine]
	a.mu.Unlock()
	if checked {
		return d, nil
	}
	if err := d.Check(a.ctx); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.checked[engine] = true
	a.mu.Unlock()
	return d, nil
}

// mailbox is a queue of events that never makes its sender wait. What is in it is bounded by what core has asked for.
type mailbox struct {
	mu     sync.Mutex
	events []core.Event
	ready  chan struct{}
}

func (m *mailbox) put(ev core.Event) {
	m.mu.Lock()
	m.events = append(m.events, ev)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []core.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events = nil
	return events
}

// serial runs functions one after the other, in a goroutine that lives while there are any.
type serial struct {
	mu    sync.Mutex
	queue []func()
	busy  bool
}

// run adds a function; work counts the goroutine.
func (s *serial) run(work *sync.WaitGroup, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, f)
	if s.busy {
		return
	}
	s.busy = true
	work.Go(s.drain)
}

func (s *serial) drain() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.busy = false
			s.mu.Unlock()
			return
		}
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		f()
	}
}
