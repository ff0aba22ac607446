package reconcile

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/meta/fake"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/control/plan/plantest"
	"github.com/larder-cache/larder/nodeapi"
)

var testKeys = meta.Keys{Account: "000000000000", Region: "us-east-1"}

func testEnvironment() Environment {
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}
	pools := map[string]netip.Prefix{}
	for i, z := range zones {
		pools[z] = netip.MustParsePrefix(fmt.Sprintf("127.81.%d.0/24", i))
	}
	return Environment{
		Keys: testKeys, Hosts: []model.Host{{Name: "local", Zones: zones, SharedReader: true, Memory: 8 << 30}},
		Addressing: model.Addressing{Mode: model.AddressPool, Pools: pools},
		Entropy:    func() [32]byte { return [32]byte{7} },
	}
}

func testGroup(replicas int, failover bool) model.Desired {
	return model.Desired{Kind: model.KindReplicationGroup, ID: "web", Account: testKeys.Account, Region: testKeys.Region, Generation: 1,
		Engine: model.EngineRedis, EngineVersion: "7.1.0", NodeType: "cache.t3.micro", Port: 6379, AutomaticFailover: failover,
		ParameterGroup: "default.redis7", Shards: []model.DesiredShard{{ID: model.FirstShardID, Replicas: replicas}}}
}

// rig runs a Core over a fake store and simulated nodes, one effect after the other, and can let the control plane die
// before or after any of them. Dying means that the Core, what it was about to do and all answers on their way are gone.
type rig struct {
	t      *testing.T
	server *fake.Server
	store  *fake.Store
	core   *Core
	agent  *plantest.Host
	seen   map[string]nodeapi.NodeStatus
	now    time.Time
	wake   time.Time
	queue  []Event
	// effects counts the transactions and publications so far; dies tells whether to die before or after one of them.
	effects int
	dies    func(effect int) (before, after bool)
	deaths  int
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, server: fake.NewServer(fake.Options{Pumped: true}), agent: plantest.NewHost("local"),
		now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	r.dies = survives
	r.boot()
	return r
}

// boot starts a control plane that knows nothing.
func (r *rig) boot() {
	r.store = r.server.Connect()
	r.core, r.seen, r.wake = NewCore(testEnvironment()), map[string]nodeapi.NodeStatus{}, time.Time{}
	records, _, err := r.store.List(context.Background(), testKeys.Root())
	if err != nil {
		r.t.Fatal(err)
	}
	r.queue = []Event{Loaded{Records: records}}
}

// write is what an API handler does: it changes Desired.
func (r *rig) write(change func(*model.Desired)) {
	r.t.Helper()
	key := testKeys.Resource(model.RecordDesired, model.GroupKey(model.KindReplicationGroup, "web"))
	kv, _, err := r.store.Get(context.Background(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	d := model.Desired{}
	if kv.Value != nil {
		if d, err = model.DecodeDesired(kv.Value); err != nil {
			r.t.Fatal(err)
		}
	}
	change(&d)
	b, err := model.EncodeDesired(d)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.store.Txn(context.Background(), meta.Txn{Ops: []meta.Op{meta.Put(key, b)}}); err != nil {
		r.t.Fatal(err)
	}
	kv, _, _ = r.store.Get(context.Background(), key)
	r.queue = append(r.queue, Changed{Event: meta.Event{Type: meta.EventPut, KV: kv}})
}

// run goes on until nothing is left to do.
func (r *rig) run() {
	r.t.Helper()
	for range 5000 {
		if len(r.queue) > 0 {
			e := r.queue[0]
			r.queue = r.queue[1:]
			r.step(e)
			continue
		}
		r.agent.Now = r.now
		r.agent.Settle()
		if r.report() {
			continue
		}
		if r.wake.IsZero() {
			return
		}
		if r.wake.After(r.now) {
			r.now = r.wake
		}
		r.wake = time.Time{}
		r.queue = append(r.queue, Ticked{})
	}
	r.t.Fatal("does not come to rest")
}

// report queues the statuses that have changed.
func (r *rig) report() bool {
	for _, id := range r.agent.IDs() {
		st := r.agent.Status(id)
		st.SeenAt = r.now
		last := r.seen[id]
		last.SeenAt = r.now
		if !cmp.Equal(last, st, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })) {
			r.seen[id] = st
			r.queue = append(r.queue, Reported{Status: st})
		}
	}
	return len(r.queue) > 0
}

func (r *rig) step(e Event) {
	for _, effect := range r.core.Step(r.now, e) {
		switch effect := effect.(type) {
		case Wake:
			r.wake = effect.At
		case Read:
			r.queue = append(r.queue, r.read(effect))
		case Note:
			if effect.Problem {
				r.t.Fatalf("problem: %s", effect.Text)
			}
		default:
			if !r.perform(effect) {
				r.deaths++
				r.boot()
				return
			}
		}
	}
}

// perform carries out a transaction or publication. It reports false if the control plane dies of it.
func (r *rig) perform(effect Effect) bool {
	r.effects++
	before, after := r.dies(r.effects)
	if before {
		return false
	}
	switch effect := effect.(type) {
	case Write:
		res, err := r.store.Txn(context.Background(), effect.Txn)
		if !after {
			r.queue = append(r.queue, Wrote{Write: effect, Result: res, Err: err})
		}
	case Publish:
		for _, s := range effect.Specs.Nodes {
			r.agent.SetSpec(s)
		}
	}
	return !after
}

func (r *rig) read(e Read) Reread {
	out := Reread{Read: e}
	for _, key := range e.Keys {
		if kv, ok, err := r.store.Get(context.Background(), key); err == nil && ok {
			out.Records = append(out.Records, kv)
		}
	}
	out.Revision = 1 << 40
	return out
}

// end is everything that is to be the same whatever has happened to the control plane.
type end struct {
	Status    string
	Members   []string
	Roles     []string
	Addresses []string
	Writes    []string
	Events    []string
	Keys      []string
}

// state is the end state, read from the store and the nodes.
func (r *rig) state() end {
	var e end
	records, _, err := r.store.List(context.Background(), testKeys.Root())
	if err != nil {
		r.t.Fatal(err)
	}
	var d model.Desired
	var a *model.Assignment
	var statuses [][]byte
	for _, kv := range records {
		parts, _ := testKeys.Parts(kv.Key)
		switch {
		case parts[0] == "events":
			ev, err := model.DecodeEvent(kv.Value)
			if err != nil {
				r.t.Fatal(err)
			}
			e.Events = append(e.Events, ev.SourceID+": "+ev.Message)
			continue
		case parts[0] == "status":
			statuses = append(statuses, kv.Value)
		case parts[1] == model.RecordFloor:
			continue
		case parts[1] == model.RecordDesired:
			d, err = model.DecodeDesired(kv.Value)
		case parts[1] == model.RecordAssignment:
			a = new(model.Assignment)
			*a, err = model.DecodeAssignment(kv.Value)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		e.Keys = append(e.Keys, kv.Key)
	}
	slices.Sort(e.Events)
	e.Status = model.GroupStatus(d, a, model.ObservedFrom(a, statuses))
	for _, n := range a.Nodes() {
		e.Members = append(e.Members, n.Cluster)
		e.Roles = append(e.Roles, model.CurrentRole(a, n.Cluster))
		e.Addresses = append(e.Addresses, n.Addr.String())
		e.Writes = append(e.Writes, fmt.Sprint(r.agent.Nodes[n.ID()].Memory.Writes))
	}
	return e
}

// scenario is something that happens to a group.
type scenario struct {
	name  string
	group model.Desired
	// created: the group is there, with data, before it begins.
	created bool
	happens func(*rig)
	status  string
}

func scenarios() []scenario {
	change := func(f func(*model.Desired)) func(*rig) {
		return func(r *rig) { r.write(func(d *model.Desired) { d.Generation++; f(d) }) }
	}
	crash := func(cluster string) func(*rig) {
		return func(r *rig) { r.agent.Crash(nodeapi.NodeID(cluster, model.CacheNodeID)) }
	}
	two := testGroup(2, true)
	return []scenario{
		{"create", two, false, func(*rig) {}, model.StatusAvailable},
		{"unplanned failover", two, true, crash("web-001"), model.StatusAvailable},
		{"unplanned failover of a hung primary", two, true,
			func(r *rig) { r.agent.Hang("web-001/0001") }, model.StatusAvailable},
		{"refill", testGroup(2, false), true, crash("web-001"), model.StatusAvailable},
		{"replica dies", two, true, crash("web-002"), model.StatusAvailable},
		{"everything dies", two, true, func(r *rig) {
			for _, id := range r.agent.IDs() {
				r.agent.Stop(id)
			}
		}, model.StatusAvailable},
		{"planned failover", two, true, change(func(d *model.Desired) {
			d.Failovers = append(d.Failovers, model.FailoverRequest{ID: "f1", Kind: model.FailoverPromote, Shard: "0001", To: "web-003"})
		}), model.StatusAvailable},
		{"increase", two, true, change(func(d *model.Desired) { d.Shards[0].Replicas = 4 }), model.StatusAvailable},
		{"decrease", two, true, change(func(d *model.Desired) { d.Shards[0].Replicas = 1; d.Shards[0].Remove = []string{"web-002"} }), model.StatusAvailable},
		{"reboot of the primary", two, true, change(func(d *model.Desired) {
			d.Reboots = append(d.Reboots, model.RebootRequest{ID: "r1", Nodes: []string{"web-001/0001"}})
		}), model.StatusAvailable},
		{"description", two, true, change(func(d *model.Desired) { d.Description = "new" }), model.StatusAvailable},
		{"delete", two, true, change(func(d *model.Desired) { d.Deleting = true }), model.StatusCreating /* no record is left */},
	}
}

// prepare makes what a scenario begins with.
func prepare(t *testing.T, s scenario) *rig {
	r := newRig(t)
	if !s.created {
		return r
	}
	r.write(func(d *model.Desired) { *d = s.group })
	r.run()
	for range 3 {
		if r.agent.Write(netip.MustParseAddrPort("127.81.0.2:6379")) == "" {
			t.Fatal("the new group takes no writes")
		}
	}
	r.run()
	return r
}

// fork is a copy of a rig at rest, with a control plane of its own.
func (r *rig) fork(t *testing.T) *rig {
	f := &rig{t: t, server: r.server.Clone(), agent: r.agent.Clone(), now: r.now, dies: survives}
	f.boot()
	f.run()
	return f
}

func survives(int) (before, after bool) { return false, false }

// play runs a scenario on a copy of base. The control plane dies as dies says, counted from when it begins.
func play(t *testing.T, base *rig, s scenario, dies func(effect int) (before, after bool)) *rig {
	r := base.fork(t)
	r.effects, r.dies = 0, dies
	if !s.created {
		r.write(func(d *model.Desired) { *d = s.group })
	}
	s.happens(r)
	r.run()
	return r
}

// TestDeathAtEveryEffect kills the control plane before and after every transaction and publication of every scenario.
// The next one finishes what was begun, with the same end: roles, data, addresses, records, and each event once.
func TestDeathAtEveryEffect(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			base := prepare(t, s)
			plain := play(t, base, s, survives)
			want, effects := plain.state(), plain.effects
			if want.Status != s.status {
				t.Fatalf("without a death the group ends %s: %+v", want.Status, want)
			}
			if effects < 1 {
				t.Fatalf("only %d effects: the scenario does nothing", effects)
			}
			for k := 1; k <= effects; k++ {
				for _, after := range []bool{false, true} {
					r := play(t, base, s, func(e int) (bool, bool) { return e == k && !after, e == k && after })
					if r.deaths != 1 {
						t.Fatalf("effect %d: %d deaths", k, r.deaths)
					}
					if diff := cmp.Diff(want, r.state()); diff != "" {
						t.Errorf("death at effect %d of %d (after it: %v):\n%s", k, effects, after, diff)
					}
				}
			}
		})
	}
}

// TestDeathAgainAndAgain lets the control plane live only for a few effects each time.
func TestDeathAgainAndAgain(t *testing.T) {
	for _, s := range scenarios() {
		for _, every := range []int{4, 7} {
			t.Run(fmt.Sprintf("%s, every %d", s.name, every), func(t *testing.T) {
				base := prepare(t, s)
				want := play(t, base, s, survives).state()
				r := play(t, base, s, func(e int) (bool, bool) { return false, e%every == 0 && e < 400 })
				if diff := cmp.Diff(want, r.state()); diff != "" {
					t.Errorf("after %d deaths:\n%s", r.deaths, diff)
				}
			})
		}
	}
}

func TestDeletionLeavesNothing(t *testing.T) {
	all := scenarios()
	last := all[len(all)-1]
	r := play(t, prepare(t, last), last, survives)
	for _, key := range r.state().Keys {
		t.Errorf("left in the store: %s", key)
	}
	for _, id := range r.agent.IDs() {
		if n := r.agent.Nodes[id]; n.Living() || len(n.Disk.Writes) > 0 {
			t.Errorf("%s still has a process or data", id)
		}
	}
	if e := r.state().Events; !slices.ContainsFunc(e, func(s string) bool { return strings.Contains(s, "web deleted") }) {
		t.Errorf("no event tells of the deletion: %v", e)
	}
}
