// Package plan decides what is to happen to a group next. Plan is a pure function: from what is desired, what was
// assigned and what is observed it computes the next assignment, and with it the specs of all nodes. It does no I/O, reads
// no clock and keeps nothing: after every observation it is called again, and a planner that has just been started plans
// the same as one that has run for a year.
//
// The rules that everything here keeps:
//
//   - A node gets a role only for a run of its process that has been seen. One that restarts comes up without a role. The
//     agent's part in this: a run takes a role only from a spec of a higher Generation, and the primary's only from one of
//     a higher Epoch, than the agent knew when the run began.
//   - The primary endpoint goes from one node to another over "nobody", and on only after the former holder is confirmed
//     to have let go of it or to be dead.
//   - Roles change at a new epoch. Epoch and Generation never decrease.
//   - A call makes at most one step of an operation, because the next one needs the confirmation that the specs of this
//     one are applied (status.Applied >= node.Generation).
//   - A failover goes before scaling.
//
// The agent's side of the protocol is in package nodeapi. Writing the assignment before the specs are shown to anybody is
// control/reconcile's.
//
// Reading order: plan.go, shard.go (one shard, step by step), elect.go, rank.go, switch.go, refill.go, requests.go,
// scale.go, place.go, readers.go, specs.go.
package plan

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// Input is everything that a plan depends on.
type Input struct {
	Desired model.Desired
	// Assignment is nil for a group that has not been planned yet. Plan does not change it.
	Assignment *model.Assignment
	Observed   model.Observed

	Addressing model.Addressing
	// InUse are the endpoints of all other groups.
	InUse model.Addresses
	// Names are the ids of cache clusters that do not belong to this group.
	Names map[string]bool
	// Floor is what a new group's epoch and generation begin above.
	Floor model.Floor
	// Parameters are those of the group's parameter group, as the engine names them.
	Parameters map[string]string

	Now time.Time
	// Seed is fresh randomness from the caller, fit for secrets.
	Seed [32]byte
}

// Output is a plan. Nothing of it has happened yet.
type Output struct {
	// Next is to be written before anything acts on the rest. It is never nil unless Gone.
	Next *model.Assignment
	// Changed: Next differs from the assignment that was given.
	Changed bool
	// Specs are those of all nodes of the group, under Next.
	Specs []nodeapi.NodeSpec
	// Events are to be written in the transaction that writes Next.
	Events []model.Event
	// Wake is when to plan again if nothing is observed before; zero: no need.
	Wake time.Time
	// Why says what is being done and waited for, one line each, for people.
	Why []string
	// Gone: every node is gone and the group's records are to be deleted.
	Gone bool
}

// The bounds of waiting. What has no bound here waits for a confirmation without which going on would be unsafe.
const (
	// drainWait is how long an election waits for a replica that does not answer.
	drainWait = time.Second
	// electWait is how long an election in which no replica has survived waits for nodes that are not starting.
	electWait = 10 * time.Second
	// loadWait is the same for nodes that are starting, while another one with data is there.
	loadWait = time.Minute
	// promoteWait is how long a chosen primary may take before another one is tried.
	promoteWait = 5 * time.Second
	// pauseWait is how long writes are held for a replica to catch up.
	pauseWait = 5 * time.Second
	// releaseWait is how long the old primary may take to let go of the endpoint.
	releaseWait = 5 * time.Second
	// hungWait is how long a node may be silent before it is killed when no other can take over.
	hungWait = 10 * time.Second
	// requestWait is how long a requested failover waits for a replica to be healthy.
	requestWait = time.Minute
	// startWait is how long a new node that says that something is wrong has to get over it.
	startWait = 5 * time.Second
	// linkWait is how long a replica without a link to its primary stays on the reader endpoint.
	linkWait = 5 * time.Second
	// retryWait is when to try again to place nodes for which there was no room.
	retryWait = 5 * time.Second
)

// planner is one call of Plan.
type planner struct {
	in  Input
	d   model.Desired
	now time.Time
	// a is the next assignment, changed in place. Conditions that need a confirmation compare with the Generation of
	// nodes, which finish changes last.
	a   *model.Assignment
	out Output
	// hostNodes counts the nodes of each host, with those that this plan adds.
	hostNodes map[string]int
}

// Plan computes what is to happen next. It is deterministic.
func Plan(in Input) Output {
	p := &planner{in: in, d: in.Desired, now: in.Now.UTC().Round(0), hostNodes: map[string]int{}}
	for _, h := range in.Observed.Hosts {
		p.hostNodes[h.Name] = h.Nodes
	}
	p.a = in.Assignment.Clone()
	if p.d.Deleting {
		return p.planDelete()
	}
	if p.a == nil {
		p.a = &model.Assignment{Epoch: in.Floor.Epoch, Generation: in.Floor.Generation, ReplicationPassword: password(in.Seed)}
	}
	p.failed(p.ensureShards())
	for i := range p.a.Shards {
		p.shard(&p.a.Shards[i])
	}
	p.reboots()
	p.memory()
	p.complete()
	return p.finish()
}

// password makes a group's replication secret.
func password(seed [32]byte) nodeapi.Secret {
	var b [16]byte
	_, _ = rand.NewChaCha8(seed).Read(b[:]) // never fails
	return nodeapi.Secret(hex.EncodeToString(b[:]))
}

// planDelete takes everything away.
func (p *planner) planDelete() Output {
	if p.a == nil {
		return p.gone()
	}
	left := 0
	for i := range p.a.Shards {
		s := &p.a.Shards[i]
		s.Op, s.Holder = nil, ""
		for j := range s.Nodes {
			s.Nodes[j].State = model.NodeDeleting
		}
		p.dropDeleted(s)
		left += len(s.Nodes)
	}
	if left == 0 {
		return p.gone()
	}
	return p.finish()
}

func (p *planner) gone() Output {
	if p.d.Kind == model.KindReplicationGroup {
		p.event(model.EventGroupDeleted(p.now, p.d.ID))
	}
	p.why("everything is gone")
	p.out.Gone, p.out.Changed = true, true
	return p.out
}

// complete notes that all that was asked for is done.
func (p *planner) complete() {
	p.pruneHandled()
	if p.a.CompletedGeneration == p.d.Generation || !p.settled() {
		return
	}
	if p.a.CompletedGeneration == 0 && p.d.Kind == model.KindReplicationGroup {
		p.event(model.EventGroupCreated(p.now, p.d.ID))
	}
	p.a.CompletedGeneration = p.d.Generation
	p.why("generation %d is complete", p.d.Generation)
}

// settled reports whether nothing that was asked for is outstanding.
func (p *planner) settled() bool {
	if p.a.Failed != "" || len(p.a.Handled) < len(p.d.Failovers)+len(p.d.Reboots) {
		return false
	}
	creating := p.a.CompletedGeneration == 0
	for i := range p.a.Shards {
		s := &p.a.Shards[i]
		ds, _ := p.d.Shard(s.ID)
		if s.Op != nil || !s.Usable(p.in.Observed) || len(s.Nodes) != ds.Replicas+1 {
			return false
		}
		for j := range s.Nodes {
			n := &s.Nodes[j]
			unready := n.State == model.NodeCreating && (creating || n.Problem == "")
			if unready || n.State == model.NodeDeleting || creating && !p.ready(s, n) {
				return false
			}
		}
	}
	return len(p.a.Shards) == len(p.d.Shards)
}

// failed notes why the group cannot be created, or that it can.
func (p *planner) failed(err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
		p.wake(p.now.Add(retryWait))
	} else if p.a.CompletedGeneration == 0 {
		for _, n := range p.a.Nodes() {
			if n.State == model.NodeCreating && n.Problem != "" {
				reason = n.Cluster + ": " + n.Problem
			}
		}
	}
	if reason != "" && p.a.Failed == "" {
		p.failedEvent(reason)
	}
	p.a.Failed = reason
	if reason != "" {
		p.why("cannot go on: %s", reason)
	}
}

func (p *planner) failedEvent(reason string) {
	if p.d.Kind == model.KindReplicationGroup {
		p.event(model.EventGroupCreateFailed(p.now, p.d.ID, reason))
		return
	}
	p.event(model.EventNodeAddFailed(p.now, p.d.ID, model.CacheNodeID, reason))
}

// finish gives new generations to what has changed.
func (p *planner) finish() Output {
	prev, next := p.in.Assignment, p.a.Generation+1
	for i := range p.a.Shards {
		s := &p.a.Shards[i]
		for j := range s.Nodes {
			n := &s.Nodes[j]
			if h := p.specHash(s, n); h != n.SpecHash {
				n.SpecHash, n.Generation = h, next
			}
		}
	}
	p.out.Changed = prev == nil || !reflect.DeepEqual(prev, p.a)
	if p.out.Changed {
		p.a.Generation = next
	}
	p.out.Next = p.a
	p.out.Specs = p.specs()
	return p.out
}

func (p *planner) event(e ...model.Event) { p.out.Events = append(p.out.Events, e...) }

func (p *planner) why(format string, args ...any) {
	p.out.Why = append(p.out.Why, fmt.Sprintf(format, args...))
}

// wake asks for another plan at t at the latest.
func (p *planner) wake(t time.Time) {
	if p.out.Wake.IsZero() || t.Before(p.out.Wake) {
		p.out.Wake = t
	}
}

// before reports whether t is still to come, and if so asks to be called then.
func (p *planner) before(t time.Time) bool {
	if !p.now.Before(t) {
		return false
	}
	p.wake(t)
	return true
}

func (p *planner) handled(id string) bool { return slices.Contains(p.a.Handled, id) }

func (p *planner) handle(id string) {
	if id != "" && !p.handled(id) {
		p.a.Handled = append(p.a.Handled, id)
	}
}

// pruneHandled forgets the requests that Desired no longer has.
func (p *planner) pruneHandled() {
	asked := map[string]bool{}
	for _, r := range p.d.Failovers {
		asked[r.ID] = true
	}
	for _, r := range p.d.Reboots {
		asked[r.ID] = true
	}
	p.a.Handled = slices.DeleteFunc(p.a.Handled, func(id string) bool { return !asked[id] })
	if len(p.a.Handled) == 0 {
		p.a.Handled = nil
	}
}
