package reconcile

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
)

// TestStoreFailsAtEveryTransaction: each transaction fails once, not applied, or applied without an answer.
func TestStoreFailsAtEveryTransaction(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			base := prepare(t, s)
			plain := play(t, base, s, survives)
			for k := 1; k <= plain.effects; k++ { // some effects are publications: then the last faults never strike
				for _, applied := range []bool{false, true} {
					failing := s
					failing.happens = func(r *rig) {
						s.happens(r)
						if applied {
							r.store.FailAfter(k)
						} else {
							r.store.FailBefore(k)
						}
					}
					want, got := plain.state(), play(t, base, failing, survives).state()
					if s.name == "everything dies" { // which node is noticed first, and so called recovering, is chance
						want.Events, got.Events = nil, nil
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("transaction %d fails (applied: %v):\n%s", k, applied, diff)
					}
				}
			}
		})
	}
}

// TestNameTakenByAnotherCluster: a member's name that belongs to somebody else is passed over, also when that becomes
// known only by the failed transaction.
func TestNameTakenByAnotherCluster(t *testing.T) {
	for _, known := range []bool{true, false} {
		r := newRig(t)
		taken := testKeys.ID(string(model.KindCluster), "web-002")
		if _, err := r.store.Txn(context.Background(), meta.Txn{Ops: []meta.Op{meta.Put(taken, []byte("cluster:web-002"))}}); err != nil {
			t.Fatal(err)
		}
		if known {
			r.boot()
		}
		r.write(func(d *model.Desired) { *d = testGroup(1, true) })
		r.run()
		got := r.state()
		if want := []string{"web-001", "web-003"}; !slices.Equal(got.Members, want) || got.Status != model.StatusAvailable {
			t.Errorf("known before: %v: members %v, want %v; %s", known, got.Members, want, got.Status)
		}
		if kv, _, _ := r.store.Get(context.Background(), taken); string(kv.Value) != "cluster:web-002" {
			t.Errorf("the other cluster's name now belongs to %q", kv.Value)
		}
	}
}

// TestMadeAnew: a group that is made again at the moment in which it goes is not lost.
func TestMadeAnew(t *testing.T) {
	r := newRig(t)
	r.write(func(d *model.Desired) { *d = testGroup(0, false) })
	r.run()
	r.write(func(d *model.Desired) { d.Generation++; d.Deleting = true })
	for deleted := false; !deleted; {
		if len(r.queue) == 0 {
			r.agent.Settle()
			if !r.report() {
				t.Fatal("came to rest without deleting the group")
			}
		}
		e := r.queue[0]
		r.queue = r.queue[1:]
		w, ok := e.(Wrote)
		deleted = ok && len(w.Write.Txn.Ops) > 0 && slices.ContainsFunc(w.Write.Txn.Ops, func(op meta.Op) bool {
			return op.Kind == meta.OpDelete && op.Key == testKeys.Resource(model.RecordDesired, "replicationgroup:web")
		})
		if deleted { // the answer comes after the news of the new group
			r.write(func(d *model.Desired) { *d = testGroup(1, true) })
			r.queue = append(r.queue, e)
			break
		}
		r.step(e)
	}
	r.run()
	if got := r.state(); got.Status != model.StatusAvailable || len(got.Members) != 2 {
		t.Errorf("the new group ends %s with %v", got.Status, got.Members)
	}
}

// TestClockThatWakesEarly: a timer that fires too soon, or a clock that was set back, delays nothing for ever.
func TestClockThatWakesEarly(t *testing.T) {
	r := newRig(t)
	r.write(func(d *model.Desired) { *d = testGroup(0, false) })
	r.run()
	r.agent.Hang("web-001/0001")
	r.report()
	for len(r.queue) > 0 {
		r.step(r.queue[0])
		r.queue = r.queue[1:]
	}
	at := r.wake
	if at.IsZero() {
		t.Fatal("a hung node, and nobody wants to be woken")
	}
	r.wake = time.Time{}
	r.now = at.Add(-time.Millisecond)
	r.step(Ticked{})
	if !r.wake.Equal(at) {
		t.Errorf("woken early, it asks for %v, not again for %v", r.wake, at)
	}
}

// TestUnreadableRecord: a record of a newer larder is left alone, and said so.
func TestUnreadableRecord(t *testing.T) {
	r := newRig(t)
	key := testKeys.Resource(model.RecordDesired, "replicationgroup:web")
	kv := meta.KV{Key: key, Value: []byte(`{"format":99}`), Create: 5, Mod: 5}
	effects := r.core.Step(r.now, Loaded{Records: []meta.KV{kv}})
	problem := false
	for _, e := range effects {
		switch e := e.(type) {
		case Note:
			problem = problem || e.Problem
		case Write:
			t.Errorf("something is written: %+v", e)
		}
	}
	if !problem {
		t.Error("nobody is told")
	}
}

func TestExplain(t *testing.T) {
	r := newRig(t)
	r.write(func(d *model.Desired) { *d = testGroup(1, true) })
	records, _, err := r.store.List(context.Background(), testKeys.Root())
	if err != nil {
		t.Fatal(err)
	}
	got := Explain(testEnvironment(), records, r.now)
	if len(got) != 1 || !got[0].Changed || len(got[0].Why) == 0 || got[0].Problem != "" {
		t.Fatalf("a new group: %+v", got)
	}
	r.run()
	records, _, _ = r.store.List(context.Background(), testKeys.Root())
	if got = Explain(testEnvironment(), records, r.now); len(got) != 1 || got[0].Changed {
		t.Errorf("a group at rest: %+v", got)
	}
}
