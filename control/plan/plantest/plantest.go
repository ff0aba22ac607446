// Package plantest is a small simulated agent with cache nodes, for the tests of control/plan and control/reconcile. It
// follows the protocol of package nodeapi step by step: each call of Step does one thing to one node, so that a test
// chooses every interleaving. Nodes have processes, runs, a replication history and what they saved on disk; a link
// transfers writes one step at a time, so that a replica can be behind.
//
// It is not an agent and starts nothing. It is for tests only, and is in no binary.
package plantest

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

// History is a replication history with what was written in it. The offset is the number of writes.
type History struct {
	ReplID  string
	ReplID2 string
	// Second is up to where ReplID2 holds.
	Second int64
	Writes []int
}

func (h History) clone() History {
	h.Writes = slices.Clone(h.Writes)
	return h
}

// Node is one simulated node. Tests read it and change it only through Host.
type Node struct {
	ID      string
	Spec    nodeapi.NodeSpec
	Process nodeapi.ProcessState
	Run     string
	// RunGeneration and RunEpoch are those of the spec that the run began under: it gives the run no role. Later generations
	// do; the primary's role takes a later epoch.
	RunGeneration int64
	RunEpoch      int64
	Role          nodeapi.Role
	Listening     []nodeapi.Listener
	Paused        bool
	Syncing       bool
	LinkUp        bool
	// InFlight are writes that the node's socket holds but the node has not executed.
	InFlight []int
	Follow   netip.AddrPort
	Memory   History
	Disk     History
	Applied  int64
	Epoch    int64
	Done     []string
	// Message makes the node unable to start, with that reason.
	Message string
	// Frozen: nothing happens to the node, and its agent does nothing to it either.
	Frozen bool
}

// Host is one agent and its nodes.
type Host struct {
	Name  string
	Nodes map[string]*Node
	// Now is what SeenAt is set to.
	Now  time.Time
	runs int
	ids  int
	last int
	// Acked are the writes that clients were told of, in order.
	Acked []int
}

// NewHost returns a host without nodes.
func NewHost(name string) *Host {
	return &Host{Name: name, Nodes: map[string]*Node{}, Now: time.Unix(0, 0).UTC()}
}

// Clone returns a copy that goes its own way.
func (h *Host) Clone() *Host {
	c := *h
	c.Acked, c.Nodes = slices.Clone(h.Acked), make(map[string]*Node, len(h.Nodes))
	for id, n := range h.Nodes {
		m := *n
		m.Memory, m.Disk = n.Memory.clone(), n.Disk.clone()
		m.Listening, m.InFlight, m.Done = slices.Clone(n.Listening), slices.Clone(n.InFlight), slices.Clone(n.Done)
		c.Nodes[id] = &m
	}
	return &c
}

// IDs are those of all nodes, sorted.
func (h *Host) IDs() []string {
	ids := make([]string, 0, len(h.Nodes))
	for id := range h.Nodes {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// SetSpec hands a spec to the agent. Specs of a lower epoch or not of a higher generation are refused, as real ones are.
func (h *Host) SetSpec(s nodeapi.NodeSpec) bool {
	n := h.Nodes[s.ID]
	if n == nil {
		n = &Node{ID: s.ID, Process: nodeapi.ProcessAbsent, Role: nodeapi.RoleNone}
		h.Nodes[s.ID] = n
	}
	if s.Epoch < n.Epoch || s.Generation <= n.Spec.Generation {
		return false
	}
	n.Spec, n.Epoch = s, s.Epoch
	return true
}

// Status is what the agent reports of a node.
func (h *Host) Status(id string) nodeapi.NodeStatus {
	n := h.Nodes[id]
	st := nodeapi.NodeStatus{ID: id, Host: h.Name, Epoch: n.Epoch, Applied: n.Applied, Process: n.Process, Run: n.Run,
		Done: slices.Clone(n.Done)}
	if n.Process == nodeapi.ProcessFailed {
		st.Message = n.Message
	}
	if n.Process == nodeapi.ProcessHung {
		st.SeenAt = h.Now
	}
	if n.Process != nodeapi.ProcessUp {
		return st
	}
	st.Role, st.Listening, st.Paused = n.Role, slices.Clone(n.Listening), n.Paused
	st.Empty, st.Syncing, st.LinkUp = len(n.Memory.Writes) == 0, n.Syncing, n.LinkUp
	st.ReplID, st.ReplID2, st.SecondOffset = n.Memory.ReplID, n.Memory.ReplID2, n.Memory.Second
	st.Offset, st.SeenAt = int64(len(n.Memory.Writes)), h.Now
	if n.Follow.IsValid() {
		st.Primary = n.Follow.String()
	}
	return st
}

// Crash kills the node's process; the agent has seen it.
func (h *Host) Crash(id string) {
	n := h.Nodes[id]
	if !n.living() {
		return
	}
	n.Process = nodeapi.ProcessDead
	n.forget()
}

// Stop ends the process in order, saving its data.
func (h *Host) Stop(id string) {
	if n := h.Nodes[id]; n.living() {
		n.Disk = n.Memory.clone()
		h.Crash(id)
	}
}

// Hang makes the process stop answering, as SIGSTOP does; Resume undoes it.
func (h *Host) Hang(id string) {
	if n := h.Nodes[id]; n.Process == nodeapi.ProcessUp {
		n.Process = nodeapi.ProcessHung
	}
}

// Resume undoes Hang.
func (h *Host) Resume(id string) {
	if n := h.Nodes[id]; n.Process == nodeapi.ProcessHung {
		n.Process = nodeapi.ProcessUp
	}
}

// Save writes the node's data to its disk.
func (h *Host) Save(id string) {
	if n := h.Nodes[id]; n.Process == nodeapi.ProcessUp && !n.Syncing {
		n.Disk = n.Memory.clone()
	}
}

// Write writes once through whichever node serves the endpoint, and returns that node's id, or "" if none does.
func (h *Host) Write(endpoint netip.AddrPort) string {
	for _, id := range h.IDs() {
		n := h.Nodes[id]
		if n.Process == nodeapi.ProcessUp && n.Role == nodeapi.RolePrimary && !n.Paused && n.listens(endpoint) {
			h.last++
			n.Memory.Writes = append(n.Memory.Writes, h.last)
			h.Acked = append(h.Acked, h.last)
			return id
		}
	}
	return ""
}

// TakesRole reports whether the node's run takes the role that its spec gives.
func (n *Node) TakesRole() bool {
	return n.Spec.Generation > n.RunGeneration && (n.Spec.Role != nodeapi.RolePrimary || n.Role == nodeapi.RolePrimary || n.Spec.Epoch > n.RunEpoch)
}

func (n *Node) living() bool {
	return n.Process == nodeapi.ProcessUp || n.Process == nodeapi.ProcessHung || n.Process == nodeapi.ProcessStarting
}

// Living reports whether the node has a process.
func (n *Node) Living() bool { return n.living() }

// Listens reports whether the node's process listens on the address.
func (n *Node) Listens(a netip.AddrPort) bool { return n.living() && n.listens(a) }

func (n *Node) listens(a netip.AddrPort) bool {
	return slices.ContainsFunc(n.Listening, func(l nodeapi.Listener) bool { return l.Addr == a })
}

// forget is what the end of a process takes with it.
func (n *Node) forget() {
	n.Role, n.Listening, n.Paused, n.Syncing, n.LinkUp = nodeapi.RoleNone, nil, false, false, false
	n.InFlight, n.Follow, n.Memory = nil, netip.AddrPort{}, History{}
}

// newID makes a replication id.
func (h *Host) newID() string {
	h.ids++
	return fmt.Sprintf("repl%d", h.ids)
}
