package reconcile

import (
	"time"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/plan"
)

// Explanation says what would be done to a group, and why.
type Explanation struct {
	Group string // group key
	// Problem is why the group cannot be planned; empty when it can.
	Problem string
	plan.Output
}

// Explain plans every group from what the store holds, as a leader would, and does nothing. The statuses in the store
// have no offsets, so an election is explained only as far as to its choice.
func Explain(env Environment, records []meta.KV, now time.Time) []Explanation {
	c := NewCore(env)
	c.now = now
	c.load(records)
	problems := map[string]string{}
	for _, e := range c.effects {
		if n, ok := e.(Note); ok && n.Problem {
			problems[n.Group] = n.Text
		}
	}
	for id, st := range c.stored {
		if c.groupOf[id] != "" {
			c.statuses[id] = st
		}
	}
	var all []Explanation
	for _, g := range c.sorted() {
		x := Explanation{Group: g.key, Problem: problems[g.key]}
		if g.ready() {
			x.Output = plan.Plan(c.input(g))
		}
		all = append(all, x)
	}
	return all
}
