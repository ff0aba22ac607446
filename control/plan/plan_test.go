package plan

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/control/plan/plantest"
	"github.com/larder-cache/larder/nodeapi"
)

// world is one group, planned for by Plan and carried out by a simulated agent.
type world struct {
	d        model.Desired
	a        *model.Assignment
	host     *plantest.Host
	observed map[string]nodeapi.NodeStatus
	shared   bool
	memory   int64
	names    map[string]bool
	now      time.Time
}

func newWorld() *world {
	return &world{host: plantest.NewHost("local"), observed: map[string]nodeapi.NodeStatus{}, shared: true,
		now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
}

func (w *world) input() Input {
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}
	pools := map[string]netip.Prefix{}
	for i, z := range zones {
		pools[z] = netip.MustParsePrefix(fmt.Sprintf("127.80.%d.0/24", i))
	}
	return Input{
		Desired: w.d, Assignment: w.a,
		Observed: model.Observed{Nodes: w.observed, Hosts: []model.Host{{Name: "local", Zones: zones, SharedReader: w.shared,
			Memory: w.memory, Nodes: len(w.a.Nodes())}}},
		Addressing: model.Addressing{Mode: model.AddressPool, Pools: pools},
		Names:      w.names, Now: w.now, Seed: [32]byte{1},
	}
}

// observe takes the statuses of all nodes.
func (w *world) observe() bool {
	before := maps.Clone(w.observed)
	w.host.Now = w.now
	for _, id := range w.host.IDs() {
		w.observed[id] = w.host.Status(id)
	}
	return !reflect.DeepEqual(before, w.observed)
}

// planOnce plans, and keeps and publishes the result.
func (w *world) planOnce() Output {
	out := Plan(w.input())
	w.a = out.Next
	for _, s := range out.Specs {
		w.host.SetSpec(s)
	}
	return out
}

// run plans and carries out until nothing happens any more, or max times. With wait it lets time pass to every wake-up.
func (w *world) run(b *strings.Builder, limit int, wait bool) {
	for i := 0; i < limit; i++ {
		out := w.planOnce()
		for _, line := range out.Why {
			fmt.Fprintf(b, "%s\n", line)
		}
		for _, e := range out.Events {
			fmt.Fprintf(b, "  event %s: %s\n", e.SourceID, e.Message)
		}
		if out.Gone {
			w.a = nil
			b.WriteString("gone\n")
			return
		}
		w.host.Settle()
		switch {
		case w.observe() || out.Changed:
			b.WriteString("--\n")
		case wait && !out.Wake.IsZero():
			fmt.Fprintf(b, "-- %s later\n", out.Wake.Sub(w.now))
			w.now = out.Wake
		default:
			return
		}
	}
}

func (w *world) show(b *strings.Builder) {
	o := model.Observed{Nodes: w.observed}
	fmt.Fprintf(b, "group %s", model.GroupStatus(w.d, w.a, o))
	if w.a == nil {
		b.WriteString("\n")
		return
	}
	fmt.Fprintf(b, ", epoch %d, generation %d, completed %d of %d", w.a.Epoch, w.a.Generation, w.a.CompletedGeneration, w.d.Generation)
	if w.a.Failed != "" {
		fmt.Fprintf(b, ", failed: %s", w.a.Failed)
	}
	b.WriteString("\n")
	for i := range w.a.Shards {
		s := &w.a.Shards[i]
		if s.PrimaryEndpoint.IsValid() {
			fmt.Fprintf(b, "shard %s: primary endpoint %s, reader endpoint %s\n", s.ID, s.PrimaryEndpoint, s.ReaderEndpoint)
		}
		for _, n := range s.Nodes {
			w.showNode(b, s, n)
		}
	}
}

func (w *world) showNode(b *strings.Builder, s *model.Shard, n model.Node) {
	o := model.Observed{Nodes: w.observed}
	var listens []string
	writes := 0
	if sim := w.host.Nodes[n.ID()]; sim != nil {
		writes = len(sim.Memory.Writes)
		for _, l := range sim.Listening {
			listens = append(listens, string(l.Purpose))
		}
	}
	fmt.Fprintf(b, "%s %s %s: %s, %s; %d writes, listens %v", n.Cluster, n.Zone, n.Addr,
		model.CurrentRole(w.a, n.Cluster), model.ClusterStatus(w.d, w.a, o, n.Cluster), writes, listens)
	if n.MemoryCapped {
		fmt.Fprintf(b, ", capped to %d bytes", n.MaxMemory)
	}
	b.WriteString("\n")
}

func nodeID(cluster string) string { return nodeapi.NodeID(cluster, model.CacheNodeID) }

// create is the command that makes the desired group.
func (w *world) create(d *datadriven.TestData) {
	w.d = model.Desired{Kind: model.KindReplicationGroup, ID: "web", Account: "000000000000", Region: "us-east-1", Generation: 1,
		CreatedAt: w.now, Engine: model.EngineRedis, EngineVersion: "7.1.0", NodeType: "cache.t3.micro", Port: 6379,
		ParameterGroup: "default.redis7", Shards: []model.DesiredShard{{ID: model.FirstShardID}}}
	if d.HasArg("cluster") {
		w.d.Kind = model.KindCluster
	}
	w.edit(d)
	w.d.Generation = 1
}

// edit is the command that changes what is desired.
func (w *world) edit(d *datadriven.TestData) {
	w.d.Generation++
	s := &w.d.Shards[0]
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "replicas":
			s.Replicas, _ = strconv.Atoi(arg.Vals[0])
			s.Remove = nil
		case "remove":
			s.Remove = arg.Vals
		case "zones":
			s.Zones = arg.Vals
		case "failover":
			w.d.AutomaticFailover = arg.Vals[0] == "on"
		case "test":
			w.d.Failovers = append(w.d.Failovers, model.FailoverRequest{ID: fmt.Sprint("f", w.d.Generation), Kind: model.FailoverTest,
				Shard: s.ID, At: w.now})
		case "promote":
			w.d.Failovers = append(w.d.Failovers, model.FailoverRequest{ID: fmt.Sprint("f", w.d.Generation), Kind: model.FailoverPromote,
				Shard: s.ID, To: arg.Vals[0], At: w.now})
		case "reboot":
			w.d.Reboots = append(w.d.Reboots, model.RebootRequest{ID: fmt.Sprint("r", w.d.Generation), Nodes: []string{nodeID(arg.Vals[0])},
				At: w.now})
		case "delete":
			w.d.Deleting = true
		}
	}
}

// node is a command that does something to one node of the simulation.
func (w *world) node(t *testing.T, d *datadriven.TestData) {
	do := map[string]func(string){
		"crash": w.host.Crash, "hang": w.host.Hang, "resume": w.host.Resume, "save": w.host.Save, "stop": w.host.Stop,
		"freeze": func(id string) { w.host.Nodes[id].Frozen = true },
		"thaw":   func(id string) { w.host.Nodes[id].Frozen = false },
		"settle": func(string) { w.host.Settle() },
		"break": func(id string) {
			w.host.Crash(id)
			w.host.Nodes[id].Message = "address already in use"
		},
		"repair": func(id string) { w.host.Nodes[id].Message = "" },
		"wipe":   func(id string) { w.host.Nodes[id].Disk = plantest.History{} },
	}[d.Cmd]
	if do == nil {
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
	for _, arg := range d.CmdArgs {
		if w.host.Nodes[nodeID(arg.Key)] == nil {
			d.Fatalf(t, "no node %s", arg.Key)
		}
		do(nodeID(arg.Key))
	}
	w.observe()
}

func (w *world) command(t *testing.T, d *datadriven.TestData) string {
	var b strings.Builder
	limit := 60
	d.MaybeScanArgs(t, "max", &limit)
	switch d.Cmd {
	case "create":
		w.shared = !d.HasArg("unshared")
		d.MaybeScanArgs(t, "memory", &w.memory)
		w.create(d)
	case "modify":
		w.edit(d)
	case "write":
		for range limit {
			if w.host.Write(w.a.Shards[0].PrimaryEndpoint) == "" {
				return "refused\n"
			}
		}
		w.observe()
	case "run":
		w.run(&b, limit, d.HasArg("wait"))
	case "restart-control-plane":
		w.observed = map[string]nodeapi.NodeStatus{}
	case "show":
		w.show(&b)
	default:
		w.node(t, d)
	}
	if b.Len() == 0 {
		return "ok\n"
	}
	return b.String()
}

// TestScripts runs the scripts in testdata. `go test -rewrite` records their output anew.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return w.command(t, d) })
	})
}

func TestPlanDoesNotChangeItsInput(t *testing.T) {
	w := newWorld()
	w.create(&datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: "replicas", Vals: []string{"2"}}}})
	var b strings.Builder
	w.run(&b, 100, false)
	w.host.Crash(nodeID("web-001"))
	w.observe()
	in := w.input()
	before := in.Assignment.Clone()
	first, second := Plan(in), Plan(in)
	if !reflect.DeepEqual(in.Assignment, before) {
		t.Error("Plan changed the assignment that it was given")
	}
	if !reflect.DeepEqual(first, second) {
		t.Error("the same input gave two plans")
	}
	if !slices.ContainsFunc(first.Specs, func(s nodeapi.NodeSpec) bool { return s.Role == nodeapi.RoleReplica }) {
		t.Error("no replica in the specs: the test no longer tests anything")
	}
}
