package reconcile

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/meta/fake"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/control/plan/plantest"
	"github.com/larder-cache/larder/nodeapi"
)

// live is simulated nodes behind a real Link, with goroutines. The nodes outlive control planes.
type live struct {
	mu   sync.Mutex
	host *plantest.Host // guarded by mu
	poke chan struct{}
}

func newLive() *live { return &live{host: plantest.NewHost("local"), poke: make(chan struct{}, 1)} }

// serve is the agent's loop on one link, until ctx ends.
func (l *live) serve(ctx context.Context, link nodeapi.Link) {
	specs := link.Specs(ctx, "local")
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-specs:
			l.mu.Lock()
			for _, spec := range s.Nodes {
				l.host.SetSpec(spec)
			}
			l.mu.Unlock()
		case <-l.poke:
		}
		l.mu.Lock()
		l.host.Now = time.Now()
		l.host.Settle()
		var all []nodeapi.NodeStatus
		for _, id := range l.host.IDs() {
			all = append(all, l.host.Status(id))
		}
		l.mu.Unlock()
		for _, st := range all {
			link.Report(ctx, st)
		}
	}
}

// crash kills a node.
func (l *live) crash(id string) {
	l.mu.Lock()
	l.host.Crash(id)
	l.mu.Unlock()
	l.poke <- struct{}{}
}

// start runs a control plane with an agent on it, and returns what ends it.
func start(t *testing.T, store meta.Store, name string, l *live) (stop func() error) {
	t.Helper()
	r, err := New(Config{Environment: testEnvironment(), Store: store, Clock: clock.Real{}, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	go l.serve(ctx, r)
	return func() error { cancel(); return <-done }
}

// await returns when the group's records satisfy ok.
func await(t *testing.T, store meta.Store, what string, ok func(d model.Desired, a *model.Assignment, o model.Observed) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	records, rev, err := store.List(ctx, testKeys.Root())
	if err != nil {
		t.Fatal(err)
	}
	state := map[string][]byte{}
	for _, kv := range records {
		state[kv.Key] = kv.Value
	}
	if judge(t, state, ok) {
		return
	}
	for b := range store.Watch(ctx, testKeys.Root(), rev) {
		for _, e := range b.Events {
			if e.Type == meta.EventDelete {
				delete(state, e.KV.Key)
			} else {
				state[e.KV.Key] = e.KV.Value
			}
		}
		if judge(t, state, ok) {
			return
		}
	}
	t.Fatalf("%s does not come", what)
}

func judge(t *testing.T, state map[string][]byte, ok func(model.Desired, *model.Assignment, model.Observed) bool) bool {
	t.Helper()
	var d model.Desired
	var a *model.Assignment
	var statuses [][]byte
	var err error
	for key, value := range state {
		parts, _ := testKeys.Parts(key)
		switch {
		case parts[0] == "status":
			statuses = append(statuses, value)
		case parts[0] == "resources" && parts[1] == model.RecordDesired:
			d, err = model.DecodeDesired(value)
		case parts[0] == "resources" && parts[1] == model.RecordAssignment:
			a = new(model.Assignment)
			*a, err = model.DecodeAssignment(value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return ok(d, a, model.ObservedFrom(a, statuses))
}

func available(d model.Desired, a *model.Assignment, o model.Observed) bool {
	return model.GroupStatus(d, a, o) == model.StatusAvailable
}

func put(t *testing.T, store meta.Store, d model.Desired) {
	t.Helper()
	b, err := model.EncodeDesired(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Txn(t.Context(), meta.Txn{Ops: []meta.Op{meta.Put(testKeys.Resource(model.RecordDesired, d.Key()), b)}}); err != nil {
		t.Fatal(err)
	}
}

// TestReconciler runs a group through its life with goroutines, a failover and two control planes.
func TestReconciler(t *testing.T) {
	server := fake.NewServer(fake.Options{})
	api := server.Connect()
	l := newLive()
	stop := start(t, server.Connect(), "one", l)

	d := testGroup(2, true)
	put(t, api, d)
	await(t, api, "available", available)

	l.crash("web-001/0001")
	await(t, api, "the failover", func(d model.Desired, a *model.Assignment, o model.Observed) bool {
		return available(d, a, o) && a.Shards[0].Primary != "web-001/0001" && model.ClusterStatus(d, a, o, "web-001") == model.StatusAvailable
	})

	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run ended with %v", err)
	}
	l.mu.Lock()
	node := l.host.Write(netip.MustParseAddrPort("127.81.0.2:6379"))
	l.mu.Unlock()
	if node == "" {
		t.Error("without a control plane the group takes no writes")
	}

	stop = start(t, server.Connect(), "two", l)
	d.Generation, d.Deleting = 2, true
	put(t, api, d)
	await(t, api, "the deletion", func(d model.Desired, a *model.Assignment, _ model.Observed) bool { return d.ID == "" && a == nil })
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run ended with %v", err)
	}
}

// TestTakeover: the leader loses its lease without knowing, and two control planes go on from there.
func TestTakeover(t *testing.T) {
	server := fake.NewServer(fake.Options{})
	api := server.Connect()
	l := newLive()
	stopOne := start(t, server.Connect(), "one", l)
	put(t, api, testGroup(1, true))
	await(t, api, "available", available)

	stopTwo := start(t, server.Connect(), "two", l)
	const first = meta.LeaseID(1) // the fake counts from 1
	server.ExpireLease(first)
	d := testGroup(2, true)
	d.Generation = 2
	put(t, api, d)
	await(t, api, "the third node", func(d model.Desired, a *model.Assignment, o model.Observed) bool {
		return available(d, a, o) && len(a.Shards[0].Nodes) == 3
	})
	for _, stop := range []func() error{stopOne, stopTwo} {
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	}
}

// TestWritesAreGuarded: what a deposed leader still has under way is not applied, whether it knows of it or not.
func TestWritesAreGuarded(t *testing.T) {
	server := fake.NewServer(fake.Options{})
	store := server.Connect()
	r, err := New(Config{Environment: testEnvironment(), Store: store, Clock: clock.Real{}, Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	lead, err := store.Campaign(t.Context(), testKeys.Election(Election), "one")
	if err != nil {
		t.Fatal(err)
	}
	tm := &term{r: r, ctx: t.Context(), lead: lead, core: NewCore(r.cfg.Environment), outcomes: make(chan Event)}
	write := func(key string) meta.Result {
		tm.do(Write{Txn: meta.Txn{Ops: []meta.Op{meta.Put(key, []byte("x"))}}})
		return (<-tm.outcomes).(Wrote).Result
	}
	if res := write("before"); !res.Succeeded {
		t.Fatalf("the leader cannot write: %+v", res)
	}
	server.ExpireLease(1) // the fake counts from 1
	if res := write("after"); res.Succeeded || !res.FailedOn(lead.Guard().Key) {
		t.Errorf("without the leadership: %+v", res)
	}
	if _, found, _ := store.Get(t.Context(), "after"); found {
		t.Error("a deposed leader has written")
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Environment: testEnvironment(), Store: fake.New(), Clock: clock.Real{}, Name: "one"}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"store": func(c *Config) { c.Store = nil }, "clock": func(c *Config) { c.Clock = nil }, "name": func(c *Config) { c.Name = "" },
		"hosts": func(c *Config) { c.Hosts = nil }, "entropy": func(c *Config) { c.Entropy = nil },
		"region": func(c *Config) { c.Keys.Region = "" },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("without %s: no error", name)
		}
	}
}
