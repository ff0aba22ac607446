package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/control/plan"
	"github.com/larder-cache/larder/nodeapi"
)

// group is one group as the leader knows it.
type group struct {
	key string
	// desired is nil until its record is known. desiredMod and assignmentMod are the records' revisions, 0 when absent.
	desired       *model.Desired
	desiredMod    meta.Revision
	assignment    *model.Assignment
	assignmentMod meta.Revision
	// broken: a record cannot be read, so nothing is done to the group.
	broken bool

	// specs are those of the assignment as it is in the store. Invariant: never those of one that is not written.
	specs []nodeapi.NodeSpec
	// due: something has changed since the last plan.
	due  bool
	wake time.Time
	// pending is a plan whose assignment is being written; reading, that the records are being read again.
	pending *plan.Output
	reading bool
	said    string
}

// ready reports whether the group can be planned now.
func (g *group) ready() bool {
	return g.desired != nil && !g.broken && g.pending == nil && !g.reading
}

// operating reports whether a shard is in the middle of something.
func (g *group) operating() bool {
	if g.assignment == nil {
		return false
	}
	for i := range g.assignment.Shards {
		if g.assignment.Shards[i].Op != nil {
			return true
		}
	}
	return false
}

func (g *group) setDesired(c *Core, kv meta.KV) {
	if kv.Mod <= g.desiredMod {
		return
	}
	d, err := model.DecodeDesired(kv.Value)
	if err != nil {
		g.fail(c, err)
		return
	}
	g.desired, g.desiredMod, g.due = &d, kv.Mod, true
}

func (g *group) setAssignment(c *Core, kv meta.KV) {
	a, err := model.DecodeAssignment(kv.Value)
	if err != nil {
		g.fail(c, err)
		return
	}
	c.drop(g, &a, true)
	g.commit(c, &a, kv.Mod)
}

func (g *group) fail(c *Core, err error) {
	g.broken = true
	c.do(Note{Group: g.key, Text: err.Error(), Problem: true})
}

// commit takes note of the assignment that is in the store.
func (g *group) commit(c *Core, a *model.Assignment, mod meta.Revision) {
	for _, n := range g.assignment.Nodes() {
		delete(c.groupOf, n.ID())
	}
	g.assignment, g.assignmentMod = a, mod
	for _, n := range a.Nodes() {
		c.groupOf[n.ID()] = g.key
		c.owners[n.Cluster] = g.key
	}
}

// plan makes the next plan of a group. What changes is written first; what does not can be shown at once.
func (c *Core) plan(g *group) {
	out := plan.Plan(c.input(g))
	g.wake = out.Wake
	c.say(g, out)
	if !out.Changed {
		g.specs = out.Specs
		return
	}
	txn, err := c.transaction(g, out)
	if err != nil {
		g.fail(c, err)
		return
	}
	g.pending = &out
	c.do(Write{Group: g.key, Txn: txn})
}

// say writes a plan into the log when it says something new.
func (c *Core) say(g *group, out plan.Output) {
	text := strings.Join(out.Why, "; ")
	if text != g.said && text != "" {
		c.do(Note{Group: g.key, Text: text})
	}
	g.said = text
}

// input gathers what the planner needs.
func (c *Core) input(g *group) plan.Input {
	in := plan.Input{
		Desired: *g.desired, Assignment: g.assignment,
		Observed:   model.Observed{Nodes: map[string]nodeapi.NodeStatus{}, Hosts: c.hosts()},
		Addressing: c.env.Addressing, InUse: model.Addresses{}, Names: map[string]bool{},
		Floor: c.floor, Now: c.now,
	}
	if g.assignment == nil {
		in.Seed = c.env.Entropy()
	}
	for _, n := range g.assignment.Nodes() {
		if st, ok := c.statuses[n.ID()]; ok {
			in.Observed.Nodes[n.ID()] = st
		}
	}
	for _, o := range c.groups {
		if o != g {
			in.InUse.Add(o.assignment)
			in.InUse.Add(o.next())
		}
	}
	for name, owner := range c.owners {
		if owner != g.key {
			in.Names[name] = true
		}
	}
	return in
}

// next is the assignment that is being written, or nil.
func (g *group) next() *model.Assignment {
	if g.pending == nil {
		return nil
	}
	return g.pending.Next
}

// hosts are the hosts with their numbers of nodes.
func (c *Core) hosts() []model.Host {
	count := map[string]int{}
	for _, g := range c.groups {
		a := g.assignment
		if next := g.next(); next != nil {
			a = next
		}
		for _, n := range a.Nodes() {
			count[n.Host]++
		}
	}
	hosts := make([]model.Host, len(c.env.Hosts))
	for i, h := range c.env.Hosts {
		h.Nodes = count[h.Name]
		hosts[i] = h
	}
	return hosts
}

// transaction is what makes a plan true: it holds only if nobody has changed either record since.
func (c *Core) transaction(g *group, out plan.Output) (meta.Txn, error) {
	k := c.env.Keys
	desired, assignment := k.Resource(model.RecordDesired, g.key), k.Resource(model.RecordAssignment, g.key)
	t := meta.Txn{Guards: []meta.Guard{meta.AtRevision(desired, g.desiredMod), meta.AtRevision(assignment, g.assignmentMod)}}
	generation := int64(0)
	if out.Gone {
		t.Ops = append(t.Ops, meta.Delete(desired), meta.Delete(k.ID(string(g.desired.Kind), g.desired.ID)))
		if g.assignmentMod != 0 {
			t.Ops = append(t.Ops, meta.Delete(assignment))
			generation = g.assignment.Generation + 1
		}
	} else {
		b, err := model.EncodeAssignment(*out.Next)
		if err != nil {
			return t, err
		}
		t.Ops = append(t.Ops, meta.Put(assignment, b))
		generation = out.Next.Generation
	}
	if err := c.names(g, out.Next, &t); err != nil {
		return t, err
	}
	for i, e := range out.Events {
		b, err := model.EncodeEvent(e)
		if err != nil {
			return t, err
		}
		id := fmt.Sprintf("%012d.%03d.%s", generation, i, g.key)
		t.Ops = append(t.Ops, meta.Put(k.Event(e.Date.UnixMilli(), id), b))
	}
	return t, nil
}

// names claims the names of new member clusters, and gives back those of the ones that are gone, with their statuses;
// whoever has a name next begins above what its nodes have seen.
func (c *Core) names(g *group, next *model.Assignment, t *meta.Txn) error {
	k, gone := c.env.Keys, false
	member := g.desired.Kind != model.KindCluster // a standalone cluster's name is claimed by the API
	for _, n := range next.Nodes() {
		if member && c.owners[n.Cluster] != g.key {
			key := k.ID(string(model.KindCluster), n.Cluster)
			t.Guards = append(t.Guards, meta.Absent(key))
			t.Ops = append(t.Ops, meta.Put(key, []byte(g.key)))
		}
	}
	for _, n := range g.assignment.Nodes() {
		if _, still := next.Member(n.Cluster); still != nil {
			continue
		}
		gone = true
		t.Ops = append(t.Ops, meta.Delete(k.Status(n.Host, n.ID())))
		if member {
			t.Ops = append(t.Ops, meta.Delete(k.ID(string(model.KindCluster), n.Cluster)))
		}
	}
	if !gone {
		return nil
	}
	c.floor = c.floor.Raise(g.assignment).Raise(next)
	b, err := model.EncodeFloor(c.floor)
	t.Ops = append(t.Ops, meta.Put(k.Resource(model.RecordFloor, model.FloorName), b))
	return err
}

// wrote takes in the outcome of a write. Whatever is not a clear success is followed by reading again: an error may hide
// a transaction that was applied, and a guard that failed means that what was planned on is no longer so.
func (c *Core) wrote(e Wrote) {
	if e.Write.Group == "" {
		c.storedStatuses(e)
		return
	}
	g := c.groups[e.Write.Group]
	if g == nil || g.pending == nil {
		return
	}
	out := g.pending
	g.pending = nil
	if e.Err != nil || !e.Result.Succeeded {
		c.doubt(g, e)
		return
	}
	c.drop(g, out.Next, false)
	if out.Gone {
		c.forgetUpTo(g, e.Result.Revision)
		return
	}
	grown := len(g.assignment.Nodes()) != len(out.Next.Nodes())
	g.commit(c, out.Next, e.Result.Revision)
	g.specs, g.due = out.Specs, true
	if grown {
		c.replanAll()
	}
}

// doubt begins to read a group's records again.
func (c *Core) doubt(g *group, e Wrote) {
	g.reading = true
	r := Read{Group: g.key, Keys: []string{
		c.env.Keys.Resource(model.RecordDesired, g.key), c.env.Keys.Resource(model.RecordAssignment, g.key),
	}}
	for _, guard := range e.Result.Failed {
		if parts, ok := c.env.Keys.Parts(guard.Key); ok && parts[0] == "ids" {
			r.Keys = append(r.Keys, guard.Key)
		}
	}
	c.do(r)
}

// reread takes the records as they are.
func (c *Core) reread(e Reread) {
	g := c.groups[e.Read.Group]
	if g == nil {
		return
	}
	g.reading, g.due = false, true
	found := map[string]bool{}
	for _, kv := range e.Records {
		if parts, ok := c.env.Keys.Parts(kv.Key); ok {
			c.record(parts, kv)
			found[kv.Key] = true
		}
	}
	if !found[c.env.Keys.Resource(model.RecordDesired, g.key)] {
		c.drop(g, nil, true)
		c.forgetUpTo(g, e.Revision)
		return
	}
	if !found[c.env.Keys.Resource(model.RecordAssignment, g.key)] && g.assignmentMod != 0 {
		c.drop(g, nil, true)
		g.commit(c, nil, 0)
	}
}

// forgetUpTo drops a group whose records were gone at that revision, unless it has been made anew since.
func (c *Core) forgetUpTo(g *group, rev meta.Revision) {
	c.forget(g)
	if g.desiredMod > rev {
		anew := c.group(g.key)
		anew.desired, anew.desiredMod, anew.due = g.desired, g.desiredMod, true
	}
}

// drop forgets the nodes that are no longer in the assignment that follows, and their names. Their statuses were deleted
// in the transaction that dropped them; in doubt one may have been written after it, and is deleted again.
func (c *Core) drop(g *group, next *model.Assignment, doubt bool) {
	for _, n := range g.assignment.Nodes() {
		if _, still := next.Member(n.Cluster); still != nil {
			continue
		}
		delete(c.owners, n.Cluster)
		delete(c.statuses, n.ID())
		delete(c.dirty, n.ID())
		if doubt {
			c.stored[n.ID()] = nodeapi.NodeStatus{ID: n.ID(), Host: n.Host}
			c.dirty[n.ID()] = true
		} else {
			delete(c.stored, n.ID())
		}
	}
}

// forget drops a group that is no more. Its nodes have been dropped.
func (c *Core) forget(g *group) {
	for _, n := range g.assignment.Nodes() {
		delete(c.groupOf, n.ID())
	}
	delete(c.groups, g.key)
	c.replanAll()
}

// replanAll plans every group again: the hosts' memory is shared by another number of nodes.
func (c *Core) replanAll() {
	for _, g := range c.groups {
		g.due = true
	}
}
