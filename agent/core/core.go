// Package core decides what an agent does: which processes to start, kill and command so that its host's nodes match the
// NodeSpecs, and what to report of them. Step takes an event and returns effects; carrying those out is package agent's.
//
// It does no I/O, starts no goroutine, reads no clock and has no randomness: whoever drives it says what time it is. Each
// node has a machine of its own, so none waits for another; what they share is the epoch of their group and how often the
// nodes of a busy group are looked at.
//
// The rules that everything here keeps:
//
//   - An epoch is on disk before it is acted upon; a spec with a lower one than any node of its group has seen is refused.
//   - A process comes up refusing clients. It gets a role only from a spec that is newer than the last one that the agent
//     held when it first reported the process up, because an older one was meant for an earlier process (see gate).
//   - An address is closed, and its connections are ended, before a role changes, and opened after.
//   - A generation counts as applied only on what the node itself has said after it was told.
//   - A process is dead when the kernel says so, never because it does not answer.
//
// Reading order: events.go (what goes in and comes out), core.go, node.go (a process's life), apply.go (from what is seen
// to what is asked), status.go.
package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

// How often nodes are looked at.
const (
	// pollIdle is for a node with which nothing is going on; pollBusy for all nodes of a group in which something is.
	pollIdle = 250 * time.Millisecond
	pollBusy = 10 * time.Millisecond
	// busyFor bounds how long after the last change a group counts as busy: what takes longer is looked at idly.
	busyFor = 5 * time.Second
	// pollSoon is when a group's nodes are looked at first after something has happened in it.
	pollSoon = 2 * time.Millisecond
	// startPoll is how often a process that has just been started is tried.
	startPoll = 5 * time.Millisecond
)

// Config is what Core needs to know of its host.
type Config struct {
	// Host is the name that statuses carry.
	Host string
	// Engines are the engines that nodes of this host can have, by the API's name.
	Engines map[string]Engine
	// StopTimeout is how long a process may take to save and end before it is killed.
	StopTimeout time.Duration
}

// Engine is what Core needs to know of the driver of an engine.
type Engine struct {
	// HangTimeout is how long a node may leave a command unanswered before it counts as hung.
	HangTimeout time.Duration
	// StartTimeout is how long a new process may take to its first answer before it counts as hung.
	StartTimeout time.Duration
	// SharedAddress: several nodes can listen on one reader address together.
	SharedAddress bool
	// ManyPorts: the addresses of a node may have different ports.
	ManyPorts bool
}

// Core is all nodes of a host. It is not safe for concurrent use.
type Core struct {
	cfg   Config
	nodes map[string]*node
	// busyUntil is, by group, until when its nodes are polled quickly.
	busyUntil map[string]time.Duration
	stopping  bool
	// jobs numbers the jobs of all nodes: a late answer must not be taken for that of another one.
	jobs int64
	// stores numbers the Stores of all nodes, from 2 on: 1 is what an earlier agent has stored.
	stores int64
	now    Now
	out    []Effect
}

// New returns a Core that knows of no node.
func New(cfg Config) *Core {
	return &Core{cfg: cfg, nodes: map[string]*node{}, busyUntil: map[string]time.Duration{}, stores: 1}
}

// Step takes one event in and returns what is to be done about it, in order. Time must not go back.
func (c *Core) Step(now Now, ev Event) []Effect {
	c.now, c.out = now, nil
	switch ev := ev.(type) {
	case Specs:
		c.specs(ev.Nodes)
	case StopAll:
		c.stopping = true
		c.each((*node).decide)
	case Tick:
		c.each((*node).tick)
	case nodeEvent:
		c.nodeEvent(ev)
	}
	if c.stopping {
		c.each((*node).decide) // a primary waits for its replicas
	}
	return c.out
}

func (c *Core) nodeEvent(ev nodeEvent) {
	id := ev.node()
	n := c.nodes[id]
	if l, ok := ev.(Loaded); ok {
		n = c.node(id)
		n.loaded(l)
		return
	}
	if n == nil {
		return // forgotten meanwhile
	}
	ev.apply(n)
	n.decide()
	n.reportChange()
}

// node returns the machine of a node, making it if need be.
func (c *Core) node(id string) *node {
	n := c.nodes[id]
	if n == nil {
		n = newNode(c, id)
		c.nodes[id] = n
	}
	return n
}

// each calls f for all nodes, in the order of their ids.
func (c *Core) each(f func(*node)) {
	for _, id := range c.ids() {
		if n := c.nodes[id]; n != nil {
			f(n)
		}
	}
}

func (c *Core) ids() []string {
	ids := make([]string, 0, len(c.nodes))
	for id := range c.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// specs takes over a new set. Nodes that are not in it are left alone.
func (c *Core) specs(set []nodeapi.NodeSpec) {
	in := map[string]bool{}
	for i := range set {
		in[set[i].ID] = true
		c.spec(set[i])
	}
	for _, id := range c.ids() {
		if n := c.nodes[id]; !in[id] {
			n.spec = nil
			if !n.hasProcess() && n.gone {
				delete(c.nodes, id)
			}
		}
	}
}

func (c *Core) spec(spec nodeapi.NodeSpec) {
	n := c.node(spec.ID)
	epoch := c.groupEpoch(spec.Group)
	if n.gone && spec.Existence != nodeapi.Deleted { // it is to be made anew: nothing of the old one counts
		*n = *newNode(c, n.id)
	}
	switch {
	case n.spec != nil && sameSpec(*n.spec, spec):
		return // the whole set comes again when one changes
	case spec.Epoch < epoch:
		n.refusal = fmt.Sprintf("a spec of epoch %d was refused: epoch %d has been seen", spec.Epoch, epoch)
		n.reportChange()
		return
	case n.spec != nil && spec.Generation < n.spec.Generation:
		return // one that was overtaken
	}
	n.accept(spec)
	c.busyUntil[spec.Group] = c.now.Mono + busyFor
	c.each(func(m *node) { // their polls may have to come earlier
		if m != n && m.st.Group == spec.Group {
			m.hurry()
		}
	})
	n.decide()
	n.reportChange()
}

// groupEpoch is the highest epoch that any node of a group has seen.
func (c *Core) groupEpoch(group string) int64 {
	var epoch int64
	for _, n := range c.nodes {
		if n.st.Group == group && !n.gone {
			epoch = max(epoch, n.st.Epoch)
		}
	}
	return epoch
}

// disturbed makes a group's nodes be looked at quickly.
func (c *Core) disturbed(group string) {
	c.busyUntil[group] = c.now.Mono + busyFor
	c.each(func(m *node) {
		if m.st.Group == group {
			m.hurry()
		}
	})
}

// busy reports whether something is going on in a group.
func (c *Core) busy(group string) bool {
	if c.now.Mono >= c.busyUntil[group] {
		return false
	}
	for _, n := range c.nodes {
		if n.st.Group == group && n.spec != nil && !n.settled() {
			return true
		}
	}
	return false
}

// Next is when Step wants a Tick if nothing happens before; ok is false if there is no need.
func (c *Core) Next() (at time.Duration, ok bool) {
	for _, n := range c.nodes {
		if n.wakeAt != 0 && (!ok || n.wakeAt < at) {
			at, ok = n.wakeAt, true
		}
	}
	return at, ok
}

// Stopped reports whether, after StopAll, no process is left.
func (c *Core) Stopped() bool {
	for _, n := range c.nodes {
		if n.hasProcess() {
			return false
		}
	}
	return c.stopping
}

func (c *Core) emit(e Effect) { c.out = append(c.out, e) }
