package core

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

// simNode is the slow twin of a server: what a process does with core's actions.
type simNode struct {
	run     Run
	alive   bool
	seen    Seen
	loading int // answers until it is loaded
}

// sim is a host that carries out Core's effects when it is told to, one at a time.
type sim struct {
	core    *Core
	now     time.Duration
	nodes   map[string]*simNode
	states  map[string]State // on disk
	pending []Effect         // not carried out yet
	status  map[string]nodeapi.NodeStatus
	reports []nodeapi.NodeStatus
	pid     int
	// check is called with each effect, before it is carried out.
	check func(Effect)
	// refuse decides whether an action or a start fails.
	refuse func(what string) bool
}

var simEngine = Engine{HangTimeout: 500 * time.Millisecond, StartTimeout: 10 * time.Second, SharedAddress: true}

func newSim() *sim {
	return &sim{core: newTestCore(), nodes: map[string]*simNode{}, states: map[string]State{}, status: map[string]nodeapi.NodeStatus{},
		check: func(Effect) {}, refuse: func(string) bool { return false }}
}

func newTestCore() *Core {
	return New(Config{Host: "h1", Engines: map[string]Engine{"redis": simEngine}, StopTimeout: 10 * time.Second})
}

func (s *sim) step(ev Event) {
	effects := s.core.Step(Now{Mono: s.now, Wall: time.Unix(0, int64(s.now)).UTC()}, ev)
	for _, e := range effects {
		s.check(e)
		if r, ok := e.(Report); ok {
			s.status[r.Status.ID] = r.Status
			s.reports = append(s.reports, r.Status)
			continue
		}
		s.pending = append(s.pending, e)
	}
}

// restart loses the agent and everything that it had not carried out.
func (s *sim) restart() {
	s.core, s.pending = newTestCore(), nil
	ids := []string{}
	for id := range s.states {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		n := s.nodes[id]
		s.step(Loaded{State: s.states[id], Alive: n != nil && n.alive && n.run == s.states[id].Run})
	}
}

// carryOut does the i-th pending effect. Those of one node on disk stay in order, as the shell has it.
func (s *sim) carryOut(i int) {
	e := s.pending[i]
	if id, disk := onDisk(e); disk {
		for j, other := range s.pending[:i] {
			if id2, disk2 := onDisk(other); disk2 && id == id2 {
				i, e = j, other
				break
			}
		}
	}
	s.pending = slices.Delete(s.pending, i, i+1)
	switch e := e.(type) {
	case Store:
		if s.refuse("store") {
			s.step(Stored{ID: e.State.ID, Seq: e.Seq, Err: "disk full"})
			return
		}
		s.states[e.State.ID] = e.State
		s.step(Stored{ID: e.State.ID, Seq: e.Seq})
	case Start:
		s.start(e)
	case Kill:
		s.die(e.ID, e.Run)
	case Remove:
		delete(s.states, e.ID)
		delete(s.nodes, e.ID)
		s.step(Removed{ID: e.ID})
	case Do:
		s.do(e)
	}
}

func onDisk(e Effect) (id string, ok bool) {
	switch e := e.(type) {
	case Store:
		return e.State.ID, true
	case Start:
		return e.Spec.ID, true
	case Remove:
		return e.ID, true
	}
	return "", false
}

func (s *sim) start(e Start) {
	if s.refuse("start") {
		s.step(StartFailed{ID: e.Spec.ID, Why: "no luck"})
		return
	}
	s.pid++
	n := &simNode{run: Run{PID: s.pid, Start: 7, Boot: "b", Socket: "s"}, alive: true, loading: 1}
	n.seen = Seen{RunID: fmt.Sprint("r", s.pid), Empty: e.State.Wipe || s.nodes[e.Spec.ID] == nil}
	s.nodes[e.Spec.ID] = n
	s.states[e.Spec.ID] = e.State.Started(n.run)
	s.step(Started{ID: e.Spec.ID, Run: n.run})
}

func (s *sim) die(id, run string) {
	if n := s.nodes[id]; n != nil && n.alive && n.run.Name() == run {
		n.alive = false
		s.step(Died{ID: id, Run: run, Log: "bye"})
	}
}

func (s *sim) do(e Do) {
	n := s.nodes[e.ID]
	if n == nil || !n.alive || n.run.Name() != e.Run {
		return // the connection broke; Died was sent
	}
	a := Answered{ID: e.ID, Run: e.Run, Job: e.Job}
	if s.refuse("connection") {
		a.Err = "connection refused"
		s.step(a)
		return
	}
	for _, action := range e.Actions {
		if s.refuse("action") {
			a.Refusal = "no"
			break
		}
		if _, ok := action.(Shutdown); ok {
			s.die(e.ID, e.Run)
			return
		}
		n.act(action)
		a.Performed++
	}
	a.Seen = n.seen
	a.Seen.Open = slices.Clone(n.seen.Open)
	if n.loading > 0 {
		n.loading--
		a.Seen.Loading = true
	}
	s.step(a)
}

func (n *simNode) act(action Action) {
	switch a := action.(type) {
	case Listen:
		n.seen.Open = slices.Clone(a.Addrs)
	case Follow:
		n.seen.Following, n.seen.Primary, n.seen.LinkUp = true, a.Primary, true
	case Promote:
		n.seen.Following, n.seen.Primary, n.seen.LinkUp = false, netip.AddrPort{}, false
	case SetMemory:
		n.seen.MaxMemory = a.Bytes
	case Announce:
		n.seen.Announce = a.Addr
	case Flush:
		n.seen.Empty = true
	}
}

// settle carries everything out and lets time pass until it is enough, for at most so many steps.
func (s *sim) settle(steps int, enough func() bool) {
	for range steps {
		if enough() {
			return
		}
		if len(s.pending) > 0 {
			s.carryOut(0)
			continue
		}
		at, ok := s.core.Next()
		if !ok {
			return
		}
		s.now = max(s.now, at)
		s.step(Tick{})
	}
}
