package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
)

// TestActiveFieldExpiry: the cycle deletes the fields that are over, and only those, tells so, and deletes keys that have no field left; not on a replica, in a pause, or while data is loaded.
func TestActiveFieldExpiry(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	cycle := s.Engine.NewCycle()
	const big = 5000
	over := []string{"HSETEX", "big", "PX", "10", "FIELDS", fmt.Sprint(big)}
	for i := range big {
		over = append(over, fmt.Sprint("f", i), "v")
	}
	c.Raw(over...)
	c.Do("HSET big stay 1")
	c.Do("HSETEX big PX 100000 FIELDS 1 later 1")
	for i := range 300 {
		c.Do(fmt.Sprintf("HSETEX gone:%d PX 10 FIELDS 2 a 1 b 2", i))
		c.Do(fmt.Sprintf("HSETEX stay:%d PX 100000 FIELDS 1 a 1", i))
	}
	s.Journal()
	s.Events = nil
	s.Clock.Advance(11 * time.Millisecond)
	for _, gate := range []engine.Gate{engine.GateReplica, engine.GatePauseWrite, engine.GatePauseAll, engine.GateLoading} {
		s.Engine.SetGate(gate, 0)
		cycle.Run()
		if j := s.Journal(); len(j) != 0 {
			t.Fatalf("under gate %b: %q", gate, j)
		}
		s.Engine.SetGate(0, gate)
	}
	cycle.SetExpiring(false)
	cycle.Run()
	if n := s.Engine.Counters().ExpiredFields; n != 0 {
		t.Fatalf("%d fields expired where nothing may", n)
	}
	cycle.SetExpiring(true)
	cycle.Run()
	fields, keys := 0, 0
	for _, line := range s.Journal() {
		switch w := strings.Fields(line); w[0] {
		case "HDEL":
			fields += len(w) - 2
		case "UNLINK":
			keys++
		default:
			t.Fatalf("journal: %s", line)
		}
	}
	if n := s.Engine.Counters(); fields != big+600 || keys != 300 || n.ExpiredFields != big+600 || n.Expired != 0 {
		t.Errorf("%d fields and %d keys deleted; counted %d and %d", fields, keys, n.ExpiredFields, n.Expired)
	}
	if got := c.Do("HGETALL big") + c.Do("DBSIZE"); got != `["stay" "1" "later" "1"]301` && got != `["later" "1" "stay" "1"]301` {
		t.Errorf("left: %s", got)
	}
	count := map[string]int{}
	for _, e := range s.Events {
		count[strings.Join(strings.Fields(e)[:2], " ")]++
	}
	if count["x hexpired"] < 301 || count["g del"] != 300 || len(count) > 3 {
		t.Errorf("events %v", count)
	}
}
