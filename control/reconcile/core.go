// Package reconcile runs the planner: it loads the groups' records, watches them, takes in what the agents report, plans
// each group after every change, writes the assignment by compare-and-swap together with the events that tell of it, and
// only then shows the specs to the agents.
//
// Core decides and does no I/O: Step takes what has happened and returns what is to be done. Reconciler is the driver
// around it: store, clock, leadership, goroutines, and the nodeapi.Link of agents in the same process. Losing all memory
// at any moment loses nothing but time: what is not in the store has not happened.
//
// The package plans nothing itself (control/plan), answers no API request and touches no node.
//
// Reading order: core.go, group.go, status.go, reconciler.go, link.go, explain.go.
package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// Environment is what the planner is given besides the records.
type Environment struct {
	Keys meta.Keys
	// Hosts are the machines that nodes are placed on. Host.Nodes is ignored: it is counted.
	Hosts      []model.Host
	Addressing model.Addressing
	// Entropy returns fresh randomness, fit for secrets.
	Entropy func() [32]byte
}

// Event is something that has happened. The types below are all there are.
type Event any

// The events.
type (
	// Loaded is everything in the store, once, first.
	Loaded struct {
		// Records are all keys under Keys.Root.
		Records []meta.KV
	}
	// Changed is a change of one key, from a watch.
	Changed struct{ Event meta.Event }
	// Reported is what an agent says of a node.
	Reported struct{ Status nodeapi.NodeStatus }
	// Wrote is the outcome of a Write.
	Wrote struct {
		Write  Write
		Result meta.Result
		Err    error
	}
	// Reread is the outcome of a Read: the keys that exist of those asked for.
	Reread struct {
		Read    Read
		Records []meta.KV
		// Revision is the store's at which the group's Desired was read; it was read first.
		Revision meta.Revision
	}
	// Ticked is the passing of time.
	Ticked struct{}
)

// Effect is something to be done. The types below are all there are.
type Effect any

// The effects.
type (
	// Write is a transaction, to be guarded by the leadership as well. Its outcome comes back as Wrote.
	Write struct {
		Group string // group key; empty for statuses
		Txn   meta.Txn
		nodes []string // whose statuses it writes, one for each operation
	}
	// Read asks for keys to be read, in that order, until that succeeds. The outcome comes back as Reread.
	Read struct {
		Group string
		Keys  []string
	}
	// Publish shows a host's agent its specs.
	Publish struct{ Specs nodeapi.HostSpecs }
	// Wake asks for Ticked at that time, instead of any time asked for before.
	Wake struct{ At time.Time }
	// Note is for the log: a plan in words, or a problem.
	Note struct {
		Group   string
		Text    string
		Problem bool
	}
)

// Core is the state of one leader's work. It is not safe for concurrent use.
type Core struct {
	env    Environment
	now    time.Time
	groups map[string]*group
	// owners are the groups that the names of cache clusters belong to.
	owners map[string]string
	// floor is as it is in the store, or above; blind: it cannot be read, so no group can begin.
	floor model.Floor
	blind bool
	// statuses are what was reported since this Core began; stored are those in the store.
	statuses map[string]nodeapi.NodeStatus
	stored   map[string]nodeapi.NodeStatus
	// groupOf tells a node's group.
	groupOf map[string]string
	// dirty are the nodes whose statuses are to be stored; storing, that a write of statuses is under way.
	dirty   map[string]bool
	storing bool
	// shown is what was published last, by host.
	shown   map[string][]nodeapi.NodeSpec
	wake    time.Time
	effects []Effect
}

// NewCore returns a Core that waits for Loaded.
func NewCore(env Environment) *Core {
	return &Core{env: env, groups: map[string]*group{}, owners: map[string]string{}, statuses: map[string]nodeapi.NodeStatus{},
		stored: map[string]nodeapi.NodeStatus{}, groupOf: map[string]string{}, dirty: map[string]bool{},
		shown: map[string][]nodeapi.NodeSpec{}}
}

// Step takes in one event and returns what is to be done about it, in that order.
func (c *Core) Step(now time.Time, e Event) []Effect {
	c.now, c.effects = now, nil
	switch e := e.(type) {
	case Loaded:
		c.load(e.Records)
	case Changed:
		c.changed(e.Event)
	case Reported:
		c.reported(e.Status)
	case Wrote:
		c.wrote(e)
	case Reread:
		c.reread(e)
	case Ticked:
		c.wake = time.Time{} // a clock that woke early, or was set back, is to be asked again
	}
	c.publish()
	c.planDue()
	c.publish()
	c.storeStatuses()
	c.setWake()
	return c.effects
}

func (c *Core) do(e Effect) { c.effects = append(c.effects, e) }

// load takes in the whole store.
func (c *Core) load(records []meta.KV) {
	for _, kv := range records {
		parts, ok := c.env.Keys.Parts(kv.Key)
		if !ok {
			continue
		}
		c.record(parts, kv)
		if len(parts) == 3 && parts[0] == "status" {
			if st, err := model.DecodeStatus(kv.Value); err == nil {
				c.stored[parts[2]] = st
			}
		}
	}
	for _, g := range c.sorted() {
		g.due = true
	}
	for id := range c.stored {
		if c.groupOf[id] == "" {
			c.dirty[id] = true // left over from a node that is gone
		}
	}
}

// record takes in one key, as far as it matters.
func (c *Core) record(parts []string, kv meta.KV) {
	switch {
	case len(parts) == 3 && parts[0] == "resources" && parts[1] == model.RecordDesired:
		c.group(parts[2]).setDesired(c, kv)
	case len(parts) == 3 && parts[0] == "resources" && parts[1] == model.RecordAssignment:
		c.group(parts[2]).setAssignment(c, kv)
	case len(parts) == 3 && parts[0] == "resources" && parts[1] == model.RecordFloor:
		floor, err := model.DecodeFloor(kv.Value)
		if err != nil {
			c.blind = true
			c.do(Note{Text: err.Error(), Problem: true})
		}
		c.floor = floor
	case len(parts) == 3 && parts[0] == "ids" && parts[1] == string(model.KindCluster):
		c.owners[parts[2]] = string(kv.Value)
	}
}

// changed takes in a change of one key. Assignments and statuses are written by nobody else while this Core leads.
func (c *Core) changed(e meta.Event) {
	parts, ok := c.env.Keys.Parts(e.KV.Key)
	if !ok || len(parts) != 3 {
		return
	}
	switch {
	case parts[0] == "ids" && parts[1] == string(model.KindCluster):
		if e.Type == meta.EventDelete {
			delete(c.owners, parts[2])
			return
		}
		c.owners[parts[2]] = string(e.KV.Value)
	case parts[0] == "resources" && parts[1] == model.RecordDesired && e.Type == meta.EventPut:
		c.group(parts[2]).setDesired(c, e.KV)
	}
}

// reported takes in what an agent says.
func (c *Core) reported(st nodeapi.NodeStatus) {
	g := c.groups[c.groupOf[st.ID]]
	if g == nil {
		return // a node that is no more
	}
	last, known := c.statuses[st.ID]
	c.statuses[st.ID] = st
	// Figures that move all the time matter only in the middle of something.
	if !known || g.operating() || last.ReplID != st.ReplID || !equalStatus(last.Stable(), st.Stable()) {
		g.due = true
	}
	if stored, ok := c.stored[st.ID]; !ok || !equalStatus(stored, st.Stable()) {
		c.dirty[st.ID] = true
	}
}

// planDue plans every group for which something has changed or whose time has come.
func (c *Core) planDue() {
	for _, g := range c.sorted() {
		if !g.wake.IsZero() && !c.now.Before(g.wake) {
			g.due = true
		}
		if g.due && g.ready() && (g.assignment != nil || !c.blind) {
			g.due = false
			c.plan(g)
		}
	}
}

// publish shows each host its specs if they are others than before.
func (c *Core) publish() {
	hosts := map[string][]nodeapi.NodeSpec{}
	for _, h := range c.env.Hosts {
		hosts[h.Name] = nil
	}
	for _, g := range c.sorted() {
		for _, s := range g.specs {
			hosts[s.Host] = append(hosts[s.Host], s)
		}
	}
	names := make([]string, 0, len(hosts))
	for name := range hosts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		specs := hosts[name]
		before, shown := c.shown[name]
		if shown && slices.EqualFunc(before, specs, sameSpec) {
			continue
		}
		c.shown[name] = specs
		c.do(Publish{Specs: nodeapi.HostSpecs{Host: name, Nodes: slices.Clone(specs)}})
	}
}

// sameSpec compares what tells specs apart: any other difference comes with a new generation.
func sameSpec(a, b nodeapi.NodeSpec) bool {
	return a.ID == b.ID && a.Generation == b.Generation && a.Epoch == b.Epoch
}

// setWake asks to be woken for the group whose time comes first.
func (c *Core) setWake() {
	var at time.Time
	for _, g := range c.groups {
		if !g.wake.IsZero() && (at.IsZero() || g.wake.Before(at)) {
			at = g.wake
		}
	}
	if !at.Equal(c.wake) {
		c.wake = at
		c.do(Wake{At: at})
	}
}

// group returns the group of that key, which is made if need be.
func (c *Core) group(key string) *group {
	g := c.groups[key]
	if g == nil {
		g = &group{key: key}
		c.groups[key] = g
	}
	return g
}

// sorted are the groups by key, so that a run is repeatable.
func (c *Core) sorted() []*group {
	all := make([]*group, 0, len(c.groups))
	for _, g := range c.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int { return cmp.Compare(a.key, b.key) })
	return all
}
