package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// chaos drives one group with random events: every node, every report and every spec takes its own time.
type chaos struct {
	*world
	t    *testing.T
	rng  *rand.Rand
	seed uint64
	// mail are the specs that have been published and not delivered, the latest of each node.
	mail map[string]nodeapi.NodeSpec
	log  []string
	// crashes: processes may die, hang and lose what they have not saved.
	crashes bool
	// stall is how long nothing at all may happen, in milliseconds.
	stall int
}

func newChaos(t *testing.T, seed uint64, crashes bool) *chaos {
	c := &chaos{world: newWorld(), t: t, rng: rand.New(rand.NewPCG(seed, 1)), seed: seed, mail: map[string]nodeapi.NodeSpec{}, crashes: crashes, stall: 300}
	failover := "on"
	if crashes {
		c.stall = 8000
	}
	if crashes && c.rng.IntN(3) == 0 {
		failover = "off"
	}
	c.shared = c.rng.IntN(2) == 0
	c.create(args("replicas", fmt.Sprint(c.rng.IntN(4)), "failover", failover))
	return c
}

func args(pairs ...string) *datadriven.TestData {
	d := &datadriven.TestData{}
	for i := 0; i < len(pairs); i += 2 {
		d.CmdArgs = append(d.CmdArgs, datadriven.CmdArg{Key: pairs[i], Vals: []string{pairs[i+1]}})
	}
	return d
}

func (c *chaos) note(format string, a ...any) { c.log = append(c.log, fmt.Sprintf(format, a...)) }

func (c *chaos) fail(format string, a ...any) {
	c.t.Helper()
	var b strings.Builder
	c.show(&b)
	c.t.Fatalf("seed %d: %s\n%s\n%s", c.seed, fmt.Sprintf(format, a...), strings.Join(c.log[max(0, len(c.log)-80):], "\n"), b.String())
}

// pick is a random node of the simulation, or "".
func (c *chaos) pick() string {
	ids := c.host.IDs()
	if len(ids) == 0 {
		return ""
	}
	return ids[c.rng.IntN(len(ids))]
}

// plan plans, checks what comes out, and posts the specs.
func (c *chaos) plan() {
	before := c.a
	in := c.input()
	out := Plan(in)
	if out.Changed {
		c.note("plan: %s", strings.Join(out.Why, "; "))
	}
	c.checkEpochs(before, out.Next)
	c.checkEndpoint(out)
	c.checkPromotion(in, out.Next)
	c.a = out.Next
	for _, s := range out.Specs {
		c.mail[s.ID] = s
	}
}

func (c *chaos) checkEpochs(before, after *model.Assignment) {
	if before == nil {
		return
	}
	if after.Epoch < before.Epoch || after.Generation < before.Generation || after.CompletedGeneration < before.CompletedGeneration {
		c.fail("epoch or generation went back: %d/%d to %d/%d", before.Epoch, before.Generation, after.Epoch, after.Generation)
	}
	for _, n := range after.Nodes() {
		if _, old := before.Member(n.Cluster); old != nil && n.Generation < old.Generation {
			c.fail("the generation of %s went back", n.ID())
		}
	}
}

// checkEndpoint: the primary endpoint is given to nobody while another process has it or can still take it.
func (c *chaos) checkEndpoint(out Output) {
	endpoint := out.Next.Shards[0].PrimaryEndpoint
	grants := func(s nodeapi.NodeSpec) bool {
		return s.Existence == nodeapi.Running && s.Role == nodeapi.RolePrimary &&
			slices.ContainsFunc(s.Listen, func(l nodeapi.Listener) bool { return l.Addr == endpoint })
	}
	for _, s := range out.Specs {
		if !grants(s) {
			continue
		}
		for _, id := range c.host.IDs() {
			n := c.host.Nodes[id]
			canTake := n.Living() && grants(n.Spec) && n.TakesRole()
			if id != s.ID && (n.Listens(endpoint) || canTake) {
				c.fail("%s is given the primary endpoint while %s has it", s.ID, id)
			}
		}
	}
}

// checkPromotion: no empty node becomes primary while one with data is known that could.
func (c *chaos) checkPromotion(in Input, after *model.Assignment) {
	c.checkSwitch(in.Assignment, after)
	was, is := "", after.Shards[0].Holder
	if in.Assignment != nil {
		was = in.Assignment.Shards[0].Holder
	}
	if is == "" || is == was || in.Assignment.Shards[0].Op == nil {
		return
	}
	p := &planner{in: in, d: in.Desired, now: in.Now, a: in.Assignment}
	if op := in.Assignment.Shards[0].Op; op.Kind != model.OpElect || !c.observed[is].Empty {
		return
	}
	for i := range in.Assignment.Shards[0].Nodes {
		if n := &in.Assignment.Shards[0].Nodes[i]; p.electable(n) && !c.observed[n.ID()].Empty {
			c.fail("%s is promoted though it is empty and %s is not", is, n.ID())
		}
	}
}

// checkSwitch: a planned failover promotes only a node that really has every write.
func (c *chaos) checkSwitch(before, after *model.Assignment) {
	op := after.Shards[0].Op
	if op == nil || before == nil || before.Shards[0].Op == nil || before.Shards[0].Op.Phase == op.Phase || op.Kind != model.OpSwitch || op.Phase != model.PhasePromoting {
		return
	}
	from, to := c.host.Nodes[op.From], c.host.Nodes[op.To]
	if run := after.Shards[0].Node(op.To).Run; from.Living() && to.Living() && to.Run == run && len(to.Memory.Writes) < len(from.Memory.Writes) {
		c.fail("%s has %d writes, %s that it replaces %d", op.To, len(to.Memory.Writes), op.From, len(from.Memory.Writes))
	}
}

// act does one random thing.
func (c *chaos) act() {
	c.now = c.now.Add(time.Duration(c.rng.IntN(20)) * time.Millisecond)
	c.host.Now = c.now
	id := c.pick()
	switch r := c.rng.IntN(1000); {
	case r < 200:
		c.plan()
	case r < 450:
		c.deliver()
	case id == "":
	case r < 700:
		if c.host.Step(id) {
			n := c.host.Nodes[id]
			c.note("%s: %s %s %s applied %d of %d", id, n.Process, n.Run, n.Role, n.Applied, n.Spec.Generation)
		}
	case r < 930:
		c.observed[id] = c.host.Status(id)
	case r < 975:
		if c.a != nil {
			c.write()
		}
	case r < 980:
		c.now = c.now.Add(time.Duration(c.rng.IntN(c.stall)) * time.Millisecond)
	case r < 988:
		c.modify()
	case r < 991:
		c.note("control plane restarts")
		c.observed = map[string]nodeapi.NodeStatus{}
	case c.crashes:
		c.harm(id)
	}
	c.checkKept()
}

// checkKept: as long as nothing crashes, every write that a client was told of is somewhere, at every step.
func (c *chaos) checkKept() {
	if c.crashes || len(c.host.Acked) == 0 {
		return
	}
	for _, id := range c.host.IDs() {
		if len(c.host.Nodes[id].Memory.Writes) >= len(c.host.Acked) {
			return
		}
	}
	c.fail("an acknowledged write is nowhere")
}

// write writes as a client of the primary endpoint does, or one that has connected to some node by its own address.
func (c *chaos) write() {
	s := &c.a.Shards[0]
	addr := s.PrimaryEndpoint
	if c.rng.IntN(2) == 0 {
		addr = s.Nodes[c.rng.IntN(len(s.Nodes))].Addr
	}
	c.host.Write(addr)
}

func (c *chaos) deliver() {
	ids := c.host.IDs()
	for id := range c.mail {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return
	}
	id := ids[c.rng.IntN(len(ids))]
	if s, ok := c.mail[id]; ok {
		c.host.SetSpec(s)
		delete(c.mail, id)
	}
}

func (c *chaos) harm(id string) {
	switch c.rng.IntN(6) {
	case 0, 1:
		c.note("%s crashes", id)
		c.host.Crash(id)
	case 2:
		c.note("%s hangs", id)
		c.host.Hang(id)
	case 3:
		c.host.Resume(id)
	case 4:
		c.host.Save(id)
	case 5:
		c.note("%s stops", id)
		c.host.Stop(id)
	}
}

func (c *chaos) modify() {
	if c.a == nil || model.Busy(c.d, c.a) {
		return
	}
	c.d.PruneRequests(c.a.Handled)
	cluster := func() string { nodes := c.a.Nodes(); return nodes[c.rng.IntN(len(nodes))].Cluster }
	change := [][]string{{"replicas", fmt.Sprint(c.rng.IntN(4))}, {"promote", cluster()}, {"test", ""}, {"remove", cluster()}}
	if c.crashes {
		change = append(change, []string{"reboot", cluster()}, []string{"failover", []string{"on", "off"}[c.rng.IntN(2)]})
	}
	pick := change[c.rng.IntN(len(change))]
	c.note("modify %v", pick)
	c.edit(args(pick...))
}

// calm ends all trouble and waits until nothing happens any more.
func (c *chaos) calm() {
	for range 2000 {
		for _, id := range c.host.IDs() {
			c.host.Resume(id)
		}
		before := c.a
		c.plan()
		for len(c.mail) > 0 {
			c.deliver()
		}
		c.host.Settle()
		if c.observe() || before == nil || c.a.Generation != before.Generation {
			continue
		}
		out := Plan(c.input())
		if out.Wake.IsZero() {
			return
		}
		c.now = out.Wake
	}
	c.fail("does not come to rest")
}

// checkRest: in the end everything is as it was asked for.
func (c *chaos) checkRest() {
	o := model.Observed{Nodes: c.observed}
	if s := model.GroupStatus(c.d, c.a, o); s != model.StatusAvailable {
		c.fail("the group stays %s", s)
	}
	shard := &c.a.Shards[0]
	if len(shard.Nodes) != c.d.Shards[0].Replicas+1 {
		c.fail("%d nodes, %d replicas asked for", len(shard.Nodes), c.d.Shards[0].Replicas)
	}
	primary := c.host.Nodes[shard.Primary]
	for _, n := range shard.Nodes {
		if s := model.ClusterStatus(c.d, c.a, o, n.Cluster); s != model.StatusAvailable {
			c.fail("%s stays %s", n.Cluster, s)
		}
		if !slices.Equal(c.host.Nodes[n.ID()].Memory.Writes, primary.Memory.Writes) {
			c.fail("%s does not have what the primary has", n.Cluster)
		}
	}
	if c.host.Write(shard.PrimaryEndpoint) != shard.Primary {
		c.fail("the primary endpoint does not take writes")
	}
	readers := 0
	for _, n := range shard.Nodes {
		if c.host.Nodes[n.ID()].Listens(shard.ReaderEndpoint) {
			readers++
		}
	}
	if want := max(1, len(shard.Nodes)-1); c.shared && readers != want || !c.shared && readers != 1 {
		c.fail("%d nodes listen on the reader endpoint", readers)
	}
}

// TestRandomEvents: whatever happens in whatever order, the invariants hold at every step and the group ends available.
func TestRandomEvents(t *testing.T) {
	for seed := range uint64(60) {
		c := newChaos(t, seed, true)
		for range 1500 {
			c.act()
		}
		c.calm()
		c.checkRest()
	}
}

// TestNothingIsLostWithoutCrashes: planned failovers and scaling in any order lose no write that a client was told of.
func TestNothingIsLostWithoutCrashes(t *testing.T) {
	for seed := range uint64(40) {
		c := newChaos(t, seed, false)
		for range 1500 {
			c.act()
		}
		c.calm()
		c.checkRest()
		if got := c.host.Nodes[c.a.Shards[0].Primary].Memory.Writes; !slices.Equal(got, c.host.Acked) {
			c.fail("%d writes were acknowledged, %d are there", len(c.host.Acked), len(got))
		}
	}
}
