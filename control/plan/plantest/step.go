package plantest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/larder-cache/larder/nodeapi"
)

// Step does the next thing that the agent or the process of a node has to do, and reports whether there was any.
func (h *Host) Step(id string) bool {
	n := h.Nodes[id]
	if n.Frozen {
		return false
	}
	switch n.Spec.Existence {
	case nodeapi.Fenced:
		return h.end(n, nodeapi.ProcessDead)
	case nodeapi.Deleted:
		n.Disk = History{}
		return h.end(n, nodeapi.ProcessAbsent)
	case nodeapi.Running:
		return h.run(n)
	default:
		return false
	}
}

// Settle steps all nodes until nothing is left to do.
func (h *Host) Settle() {
	for again, bound := true, 10_000; again && bound > 0; bound-- {
		again = false
		for _, id := range h.IDs() {
			again = h.Step(id) || again
		}
	}
}

// end makes sure that there is no process.
func (h *Host) end(n *Node, state nodeapi.ProcessState) bool {
	if n.Process != nodeapi.ProcessAbsent && n.Process != nodeapi.ProcessDead || n.Process != state && state == nodeapi.ProcessAbsent {
		n.Process = state
		n.forget()
		return true
	}
	if n.Applied < n.Spec.Generation {
		n.Applied = n.Spec.Generation
		return true
	}
	return false
}

// run starts the process and makes it what the spec says.
func (h *Host) run(n *Node) bool {
	switch n.Process {
	case nodeapi.ProcessAbsent, nodeapi.ProcessDead, nodeapi.ProcessFailed:
		return h.start(n)
	case nodeapi.ProcessStarting:
		n.Process, n.Memory = nodeapi.ProcessUp, n.Disk.clone()
		if n.Memory.ReplID == "" {
			n.Memory.ReplID = h.newID()
		}
		return true
	case nodeapi.ProcessUp:
		return h.apply(n) || h.replicate(n)
	default:
		return false // hung
	}
}

func (h *Host) start(n *Node) bool {
	if n.Message != "" {
		changed := n.Process != nodeapi.ProcessFailed
		n.Process = nodeapi.ProcessFailed
		return changed
	}
	h.runs++
	n.Process, n.Run = nodeapi.ProcessStarting, fmt.Sprintf("run%d", h.runs)
	n.RunGeneration, n.RunEpoch = n.Spec.Generation, n.Spec.Epoch
	return true
}

// apply does one thing of the spec. A run that is older than the spec gets no role from it.
func (h *Host) apply(n *Node) bool {
	role := n.Spec.Role
	if !n.TakesRole() {
		role = nodeapi.RoleNone
		if n.Spec.Role != nodeapi.RoleNone {
			return false
		}
	}
	switch {
	case h.reboot(n):
		return true
	case h.setRole(n, role):
		return true
	case h.listen(n, role):
		return true
	case n.Paused != n.Spec.PauseWrites:
		n.Paused = n.Spec.PauseWrites
		return true
	case n.Applied < n.Spec.Generation && h.complete(n, role):
		n.Applied = n.Spec.Generation
		return true
	}
	return false
}

func (h *Host) reboot(n *Node) bool {
	for _, t := range n.Spec.Tasks {
		if t.Kind == nodeapi.TaskReboot && !slices.Contains(n.Done, t.ID) {
			n.Done = append(n.Done, t.ID)
			n.Process, n.Disk = nodeapi.ProcessDead, History{}
			n.forget()
			return true
		}
	}
	return false
}

func (h *Host) setRole(n *Node, role nodeapi.Role) bool {
	if n.Role == role && (role != nodeapi.RoleReplica || n.Follow == n.Spec.Primary) {
		return false
	}
	n.drain()
	n.LinkUp, n.Syncing, n.Follow = false, false, netip.AddrPort{}
	if role == nodeapi.RolePrimary {
		n.Memory.ReplID2, n.Memory.Second = n.Memory.ReplID, int64(len(n.Memory.Writes))
		n.Memory.ReplID = h.newID()
	}
	if role == nodeapi.RoleReplica {
		n.Follow = n.Spec.Primary
	}
	n.Role = role
	return true
}

// drain executes what the socket still holds.
func (n *Node) drain() {
	n.Memory.Writes = append(n.Memory.Writes, n.InFlight...)
	n.InFlight = nil
}

// listen closes what is too much, then opens what is missing and free.
func (h *Host) listen(n *Node, role nodeapi.Role) bool {
	want := n.Spec.Listen
	if role == nodeapi.RoleNone {
		want = nil
	}
	for i, l := range n.Listening {
		if !slices.Contains(want, l) {
			n.Listening = slices.Delete(slices.Clone(n.Listening), i, i+1)
			return true
		}
	}
	for _, l := range want {
		if !n.listens(l.Addr) && h.free(n, l) {
			n.Listening = append(n.Listening, l)
			return true
		}
	}
	return false
}

// free reports whether the address can be bound: reader addresses are shared.
func (h *Host) free(n *Node, l nodeapi.Listener) bool {
	for _, o := range h.Nodes {
		if o != n && l.Purpose != nodeapi.PurposeReader && o.Listens(l.Addr) {
			return false
		}
	}
	return true
}

// complete reports whether everything of the spec is true.
func (h *Host) complete(n *Node, role nodeapi.Role) bool {
	return role == nodeapi.RoleNone || len(n.Listening) == len(n.Spec.Listen)
}

// replicate moves a replica's link one step on.
func (h *Host) replicate(n *Node) bool {
	if n.Role != nodeapi.RoleReplica || !n.Follow.IsValid() {
		return false
	}
	p := h.serving(n.Follow)
	if p == nil || p.Role != nodeapi.RolePrimary {
		changed := n.LinkUp || len(n.InFlight) > 0
		n.drain()
		n.LinkUp, n.Syncing = false, false
		return changed
	}
	if p.Process != nodeapi.ProcessUp {
		return n.execute()
	}
	switch {
	case !n.LinkUp && !n.Syncing:
		h.handshake(n, p)
	case n.Syncing:
		n.Memory, n.InFlight, n.Syncing, n.LinkUp = p.Memory.clone(), nil, false, true
		n.Memory.ReplID2, n.Memory.Second = "", 0
	case len(n.InFlight) > 0:
		return n.execute()
	case len(n.Memory.Writes) < len(p.Memory.Writes):
		n.InFlight = append(n.InFlight, p.Memory.Writes[len(n.Memory.Writes)])
	default:
		return false
	}
	return true
}

func (n *Node) execute() bool {
	changed := len(n.InFlight) > 0
	n.drain()
	return changed
}

// handshake is PSYNC: the replica goes on where it was if its history is a part of the primary's, else it begins anew.
func (h *Host) handshake(n, p *Node) {
	offset := int64(len(n.Memory.Writes))
	same := n.Memory.ReplID == p.Memory.ReplID && offset <= int64(len(p.Memory.Writes))
	earlier := n.Memory.ReplID == p.Memory.ReplID2 && offset <= p.Memory.Second
	if !same && !earlier {
		n.Syncing, n.Memory = true, History{ReplID: n.Memory.ReplID}
		return
	}
	if earlier {
		n.Memory.ReplID2, n.Memory.Second = n.Memory.ReplID, offset
	}
	n.Memory.ReplID, n.LinkUp = p.Memory.ReplID, true
}

// serving is the node whose process listens on the address.
func (h *Host) serving(a netip.AddrPort) *Node {
	for _, id := range h.IDs() {
		if n := h.Nodes[id]; n.Listens(a) {
			return n
		}
	}
	return nil
}
