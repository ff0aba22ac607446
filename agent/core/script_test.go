package core

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/larder-cache/larder/nodeapi"
)

// TestScripts plays testdata/*.txt: what happens to an agent, and what it does about it. The commands:
//
//	spec node=N gen=G epoch=E [existence=X] [role=R] [primary=N] [endpoint] [pause] [discard] [task=kind:id]
//	run            carries out everything that is asked for, until nothing is but the next poll
//	die node=N     the process ends by itself
//	suspend node=N [cont]
//	link node=N up=true|false    a replica's link to its primary
//	time ms=N      lets time pass, carrying out nothing
//	refuse what=W  makes the next W (start, store, action, connection) fail
//	restart        loses the agent; a new one finds what is on disk
//	stop           StopAll
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		p := &player{sim: newSim(), given: map[string]nodeapi.NodeSpec{}, last: map[string]string{}}
		p.sim.check = p.print
		p.sim.refuse = p.refuseNext
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			p.out.Reset()
			p.play(t, d)
			if p.out.Len() == 0 {
				return "nothing\n"
			}
			return p.out.String()
		})
	})
}

type player struct {
	sim   *sim
	given map[string]nodeapi.NodeSpec
	next  string            // what is to be refused next
	last  map[string]string // by node, the report that was printed last: it is not repeated
	out   strings.Builder
}

func (p *player) refuseNext(what string) bool {
	if p.next != what {
		return false
	}
	p.next = ""
	return true
}

func nodeID(n int) string { return fmt.Sprintf("web-%d/0001", n) }

func nodeAddr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 64, 0, byte(n)}), 7000)
}

func (p *player) play(t *testing.T, d *datadriven.TestData) {
	var n, ms int
	d.MaybeScanArgs(t, "node", &n)
	d.MaybeScanArgs(t, "ms", &ms)
	switch d.Cmd {
	case "spec":
		p.spec(t, d, n)
	case "run":
		p.run()
	case "die":
		p.sim.die(nodeID(n), p.sim.nodes[nodeID(n)].run.Name())
	case "suspend":
		p.sim.step(Suspended{ID: nodeID(n), Run: p.sim.nodes[nodeID(n)].run.Name(), Stopped: !d.HasArg("cont")})
	case "link":
		d.ScanArgs(t, "up", &p.sim.nodes[nodeID(n)].seen.LinkUp)
	case "time":
		p.sim.now += time.Duration(ms) * time.Millisecond
		p.sim.step(Tick{})
	case "refuse":
		d.ScanArgs(t, "what", &p.next)
	case "restart":
		p.sim.restart()
	case "stop":
		p.sim.step(StopAll{})
	default:
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
}

func (p *player) spec(t *testing.T, d *datadriven.TestData, n int) {
	s := nodeapi.NodeSpec{ID: nodeID(n), Host: "h1", Group: "web", Engine: "redis", Existence: nodeapi.Running, Role: nodeapi.RoleNone,
		Listen: []nodeapi.Listener{{Addr: nodeAddr(n), Purpose: nodeapi.PurposeNode}}}
	var existence, role, task string
	var primary int
	d.ScanArgs(t, "gen", &s.Generation)
	d.ScanArgs(t, "epoch", &s.Epoch)
	if d.MaybeScanArgs(t, "existence", &existence) {
		s.Existence = nodeapi.Existence(existence)
	}
	if d.MaybeScanArgs(t, "role", &role) {
		s.Role = nodeapi.Role(role)
	}
	if d.MaybeScanArgs(t, "primary", &primary) {
		s.Primary = nodeAddr(primary)
	}
	if d.MaybeScanArgs(t, "task", &task) {
		kind, id, _ := strings.Cut(task, ":")
		s.Tasks = []nodeapi.Task{{ID: id, Kind: nodeapi.TaskKind(kind)}}
	}
	if d.HasArg("endpoint") {
		s.Listen = append(s.Listen, nodeapi.Listener{Addr: nodeAddr(100), Purpose: nodeapi.PurposePrimary})
	}
	s.PauseWrites, s.Discard = d.HasArg("pause"), d.HasArg("discard")
	p.given[s.ID] = s
	var set []nodeapi.NodeSpec
	for i := 1; i <= 9; i++ {
		if spec, ok := p.given[nodeID(i)]; ok {
			set = append(set, spec)
		}
	}
	p.sim.step(Specs{Nodes: set})
}

// run carries out and lets time pass until only polls are left that ask for nothing.
func (p *player) run() {
	for quiet := 0; quiet < 12; {
		if len(p.sim.pending) > 0 {
			if do, ok := p.sim.pending[0].(Do); !ok || len(do.Actions) > 0 {
				quiet = 0
			}
			p.sim.carryOut(0)
			continue
		}
		at, ok := p.sim.core.Next()
		if !ok {
			return
		}
		quiet++
		p.sim.now = max(p.sim.now, at)
		p.sim.step(Tick{})
	}
}

func (p *player) print(e Effect) {
	switch e := e.(type) {
	case Store:
		fmt.Fprintf(&p.out, "%s: store epoch %d, run %q, floor %d/%d\n", e.State.ID, e.State.Epoch, e.State.RunID, e.State.Floor, e.State.FloorEpoch)
	case Start:
		fmt.Fprintf(&p.out, "%s: start, wipe %v\n", e.Spec.ID, e.State.Wipe)
	case Kill:
		fmt.Fprintf(&p.out, "%s: kill %s\n", e.ID, e.Run)
	case Remove:
		fmt.Fprintf(&p.out, "%s: remove\n", e.ID)
	case Do:
		for _, a := range e.Actions {
			fmt.Fprintf(&p.out, "%s: %T%+v\n", e.ID, a, a)
		}
	case Report:
		p.report(e.Status)
	}
}

// report prints a status unless it says the same as the one before.
func (p *player) report(s nodeapi.NodeStatus) {
	line := fmt.Sprintf("%s: report %s, run %q, applied %d, epoch %d, role %q, listening %d", s.ID, s.Process, s.Run, s.Applied, s.Epoch, s.Role, len(s.Listening))
	for _, flag := range []struct {
		name string
		on   bool
	}{{"paused", s.Paused}, {"link up", s.LinkUp}, {"empty", s.Empty}} {
		if flag.on {
			line += ", " + flag.name
		}
	}
	if len(s.Done) > 0 {
		line += fmt.Sprintf(", done %v", s.Done)
	}
	if s.Message != "" {
		line += fmt.Sprintf(": %s", s.Message)
	}
	if line != p.last[s.ID] {
		fmt.Fprintln(&p.out, line)
	}
	p.last[s.ID] = line
}
