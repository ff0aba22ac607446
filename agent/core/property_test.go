package core

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-cache/larder/nodeapi"
)

// watcher checks Core's promises on every effect.
type watcher struct {
	t       *rapid.T
	s       *sim
	firstUp map[string]int64 // by run: the newest generation that had been handed over when it was first reported up
	given   map[string]nodeapi.NodeSpec
}

func (w *watcher) check(e Effect) {
	switch e := e.(type) {
	case Start:
		if n := w.s.nodes[e.Spec.ID]; n != nil && n.alive {
			w.t.Fatalf("%s is started beside its run %s", e.Spec.ID, n.run.Name())
		}
		w.onDisk(e.Spec.ID)
	case Do:
		if len(e.Actions) > 0 {
			w.actions(e)
		}
	case Report:
		st := e.Status
		if st.Process == nodeapi.ProcessUp && st.Run != "" {
			if _, seen := w.firstUp[st.Run]; !seen {
				w.firstUp[st.Run] = w.given[st.ID].Generation
			}
		}
		if st.Process == nodeapi.ProcessDead || st.Process == nodeapi.ProcessAbsent {
			if n := w.s.nodes[st.ID]; n != nil && n.alive && n.run.Name() == st.Run {
				w.t.Fatalf("%s is reported %s and lives", st.ID, st.Process)
			}
		}
		w.applied(st)
	}
}

// onDisk: nothing is done at an epoch that could be forgotten.
func (w *watcher) onDisk(id string) {
	if have := w.s.states[id].Epoch; have < w.s.core.nodes[id].st.Epoch {
		w.t.Fatalf("%s acts at epoch %d with %d on disk", id, w.s.core.nodes[id].st.Epoch, have)
	}
}

// actions: a role only from a spec newer than the run, and no address open while it changes that is not for both roles.
func (w *watcher) actions(e Do) {
	if _, ends := e.Actions[0].(Shutdown); ends {
		return // that a process ends for an epoch that is forgotten harms nobody
	}
	w.onDisk(e.ID)
	spec := w.s.core.nodes[e.ID].spec
	open := slices.Clone(w.s.nodes[e.ID].seen.Open)
	for _, a := range e.Actions {
		switch a := a.(type) {
		case Listen:
			for _, addr := range a.Addrs {
				if !slices.Contains(open, addr) && w.s.states[e.ID].Run.Name() == e.Run && spec != nil {
					first, up := w.firstUp[e.Run]
					if !up || spec.Generation <= first && !w.adopted(e.ID) {
						w.t.Fatalf("%s opens %v by generation %d; %d was there before it was up", e.ID, addr, spec.Generation, first)
					}
				}
			}
			open = a.Addrs
		case Follow, Promote:
			for _, addr := range open {
				if !slices.ContainsFunc(spec.Listen, func(l nodeapi.Listener) bool { return l.Addr == addr }) {
					w.t.Fatalf("%s changes its role (%T) with %v open", e.ID, a, addr)
				}
			}
		}
	}
}

// adopted: a restarted agent reports a run again that was up before; the state knows its floor.
func (w *watcher) adopted(id string) bool { return w.s.core.nodes[id].adopted }

// applied: what is said to be applied is true of the node.
func (w *watcher) applied(st nodeapi.NodeStatus) {
	spec := w.s.core.nodes[st.ID].spec
	if spec == nil || st.Applied != spec.Generation || st.Process != nodeapi.ProcessUp {
		return
	}
	n := w.s.nodes[st.ID]
	if !n.alive || n.run.Name() != st.Run || spec.Existence != nodeapi.Running {
		return // it died or the spec changed this instant, and the report is on its way
	}
	if len(spec.Listen) != len(n.seen.Open) && spec.Role != nodeapi.RoleNone || spec.Role == nodeapi.RoleNone && len(n.seen.Open) > 0 {
		w.t.Fatalf("%s is applied as %s and listens on %v", st.ID, spec.Role, n.seen.Open)
	}
	if n.seen.Following != (spec.Role == nodeapi.RoleReplica) {
		w.t.Fatalf("%s is applied as %s and following is %v", st.ID, spec.Role, n.seen.Following)
	}
}

// randomSpec is what a planner could want, or one that it should not.
func randomSpec(t *rapid.T, id int, gen, epoch int64) nodeapi.NodeSpec {
	own := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 64, 0, byte(id)}), 7000)
	s := nodeapi.NodeSpec{ID: fmt.Sprintf("web-%d/0001", id), Host: "h1", Group: "web", Epoch: epoch, Generation: gen, Engine: "redis",
		Existence: rapid.SampledFrom([]nodeapi.Existence{nodeapi.Running, nodeapi.Running, nodeapi.Running, nodeapi.Fenced, nodeapi.Stopped, nodeapi.Deleted}).Draw(t, "existence"),
		Role:      rapid.SampledFrom([]nodeapi.Role{nodeapi.RoleNone, nodeapi.RolePrimary, nodeapi.RoleReplica}).Draw(t, "role"),
		MaxMemory: rapid.Int64Range(1, 3).Draw(t, "memory"), Listen: []nodeapi.Listener{{Addr: own, Purpose: nodeapi.PurposeNode}}}
	if s.Role == nodeapi.RoleReplica {
		s.Primary = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 64, 0, byte(id%3 + 1)}), 7000)
	}
	if rapid.Bool().Draw(t, "endpoint") {
		s.Listen = append(s.Listen, nodeapi.Listener{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 64, 1, 1}), 7000), Purpose: nodeapi.PurposePrimary})
	}
	s.PauseWrites = rapid.Bool().Draw(t, "pause")
	s.Discard = rapid.IntRange(0, 9).Draw(t, "discard") == 0
	return s
}

// TestProperties drives Core with everything that can happen in any order, checks its promises on every effect, and then
// lets things settle: every spec must come true.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim()
		w := &watcher{t: t, s: s, firstUp: map[string]int64{}, given: map[string]nodeapi.NodeSpec{}}
		s.check = w.check
		trouble := true
		s.refuse = func(what string) bool { return trouble && rapid.IntRange(0, 7).Draw(t, what) == 0 }
		var gen, epoch int64 = 0, 1
		give := func(specs ...nodeapi.NodeSpec) {
			for _, spec := range specs {
				w.given[spec.ID] = spec
			}
			var set []nodeapi.NodeSpec
			for i := 1; i <= 3; i++ {
				if spec, ok := w.given[fmt.Sprintf("web-%d/0001", i)]; ok {
					set = append(set, spec)
				}
			}
			s.step(Specs{Nodes: set})
		}
		for range rapid.IntRange(5, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				gen++
				epoch += rapid.Int64Range(0, 1).Draw(t, "epoch")
				give(randomSpec(t, rapid.IntRange(1, 3).Draw(t, "node"), gen, epoch))
			case 1:
				for id, n := range s.nodes {
					if n.alive && rapid.IntRange(0, 3).Draw(t, "kill") == 0 {
						s.die(id, n.run.Name())
						break
					}
				}
			case 2:
				if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
					s.restart()
					give()
				}
			case 3:
				s.now += time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond
				s.step(Tick{})
			default:
				if len(s.pending) > 0 {
					s.carryOut(rapid.IntRange(0, len(s.pending)-1).Draw(t, "effect"))
				}
			}
		}
		trouble = false
		settleAll(t, s, w, gen, epoch, give)
	})
}

// settleAll answers to what is seen as a planner does: a new run gets a newer spec, of a higher epoch.
func settleAll(t *rapid.T, s *sim, w *watcher, gen, epoch int64, give func(...nodeapi.NodeSpec)) {
	applied := func() bool {
		for id, spec := range w.given {
			if s.status[id].Applied != spec.Generation {
				return false
			}
		}
		return true
	}
	s.settle(1000, applied)
	for range 3 { // the first answer may end runs, and new ones want an answer again
		epoch++
		for i := 1; i <= 3; i++ {
			if spec, ok := w.given[fmt.Sprintf("web-%d/0001", i)]; ok {
				gen++
				spec.Generation, spec.Epoch = gen, epoch
				give(spec)
			}
		}
		s.settle(1000, applied)
	}
	for id, spec := range w.given {
		if st := s.status[id]; st.Applied != spec.Generation {
			t.Fatalf("%s does not come true.\nspec   %+v\nstatus %+v\nseen   %+v", id, spec, st, s.core.nodes[id].seen)
		}
	}
}
