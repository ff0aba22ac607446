package engine_test

import (
	"slices"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// TestBarrierInMulti: a command may hold all shards within a transaction, and what it waits for is waited for without a shard; a
// transaction that changes the role is not journaled.
func TestBarrierInMulti(t *testing.T) {
	var s *enginetest.Server
	var steps []string
	role := &spec.Command{Name: "role-change", Group: spec.Server, Since: "1.0.0", Doc: "Changes the role.", Flags: spec.Stale, Arity: 1, Scope: spec.EachShard,
		Run: func(c *spec.Call) {
			x := c.Engine.(*engine.Executor)
			x.Barrier(func() {
				steps = append(steps, "run")
				if c.Session.InMulti() && !x.ForgetChanges() {
					t.Error("the transaction has writes")
				}
				s.Engine.SetGateLocked(engine.GateReplica|engine.GateReadOnly, 0)
			})
			c.Out.OK()
		},
		Before: func() func() {
			s.Engine.Barrier(func() { steps = append(steps, "before") })
			return func() { s.Engine.Barrier(func() { steps = append(steps, "after") }) }
		}}
	s = enginetest.New(t, enginetest.Start, role)
	c := s.Client()
	for _, do := range []string{"MULTI", "SET a 1", "SET b 2", "role-change", "role-change", "SET c 3", "GET a"} {
		c.Do(do)
	}
	if got, want := c.Do("EXEC"), `[OK OK OK OK OK "1"]`; got != want {
		t.Errorf("EXEC: %s, want %s", got, want)
	}
	if got := s.Journal(); got != nil {
		t.Errorf("a transaction that makes the node a replica is journaled: %q", got)
	}
	if want := []string{"before", "run", "run", "after"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
	steps = nil
	c.Do("MULTI")
	c.Do("role-change")
	c.Do("no-such")
	if c.Do("EXEC"); len(steps) > 0 {
		t.Errorf("a transaction that is lost does %q", steps)
	}
	if c.Do("role-change"); !slices.Equal(steps, []string{"run"}) {
		t.Errorf("outside a transaction: %q", steps)
	}
}
