package core

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/larder-cache/larder/nodeapi"
)

// report hands over how the node is.
func (n *node) report() {
	if n.c.stopping || n.spec == nil && n.refusal == "" {
		return
	}
	s := n.status()
	stable := s.Stable()
	n.last = &stable
	n.c.emit(Report{Status: s})
}

// reportChange reports if something has changed that does not move all the time.
func (n *node) reportChange() {
	if s := n.status().Stable(); n.last == nil || !reflect.DeepEqual(s, *n.last) {
		n.report()
	}
}

func (n *node) status() nodeapi.NodeStatus {
	s := nodeapi.NodeStatus{ID: n.id, Host: n.c.cfg.Host, Epoch: n.st.Epoch, Applied: n.applied, Process: n.process(),
		Run: n.st.Run.Name(), Message: n.message(), Done: slices.Clone(n.st.Done), Lag: -1, SeenAt: n.seenAt}
	if n.phase != alive {
		return s
	}
	s.PID = n.st.Run.PID
	if n.upSeq == 0 || n.seenAt.IsZero() {
		return s
	}
	seen := &n.seen
	s.Role = nodeapi.RoleNone
	switch {
	case seen.Following:
		s.Role = nodeapi.RoleReplica
		s.LinkUp, s.Syncing, s.Primary = seen.LinkUp, seen.Syncing, seen.Primary.String()
		s.Lag = n.lag()
	case len(seen.Open) > 0: // without an address it is nobody's primary
		s.Role, s.Lag = nodeapi.RolePrimary, 0
	}
	s.Listening = n.listening()
	s.Paused = n.pausedUntil > n.now()
	s.Empty = seen.Empty
	s.ReplID, s.ReplID2, s.SecondOffset, s.Offset = seen.ReplID, seen.ReplID2, seen.SecondOffset, seen.Offset
	s.UsedMemory, s.ConnectedClients = seen.UsedMemory, seen.Clients
	return s
}

func (n *node) process() nodeapi.ProcessState {
	switch n.phase {
	case starting:
		if n.st.Run.PID != 0 {
			return nodeapi.ProcessDead // the last run is all that there is to tell of yet
		}
		return nodeapi.ProcessStarting
	case alive:
		switch {
		case n.hung():
			return nodeapi.ProcessHung
		case !n.up() || n.seenAt.IsZero() || n.seen.Loading:
			return nodeapi.ProcessStarting
		}
		return nodeapi.ProcessUp
	case failed:
		return nodeapi.ProcessFailed
	case dead:
		if n.spec != nil && n.spec.Existence == nodeapi.Stopped {
			return nodeapi.ProcessAbsent
		}
		return nodeapi.ProcessDead
	case removing:
		return nodeapi.ProcessDead
	}
	return nodeapi.ProcessAbsent
}

// message says what is wrong, in a sentence for each thing.
func (n *node) message() string {
	var list []string
	add := func(s string) {
		if s != "" {
			list = append(list, s)
		}
	}
	add(n.refusal)
	add(n.storeErr)
	add(n.why)
	if n.phase == alive {
		switch {
		case n.suspended:
			add("the process is stopped by a signal")
		case n.hung():
			e, _ := n.engine()
			add(fmt.Sprintf("the process has not answered for %v", n.patience(e)))
		}
		add(n.problem)
		add(n.refusedParameters())
	}
	for _, id := range n.saveFailed {
		add("the snapshot of task " + id + " failed")
	}
	return strings.Join(list, "; ")
}

// refusedParameters names the parameters that the node does not take.
func (n *node) refusedParameters() string {
	if len(n.badParams) == 0 {
		return ""
	}
	var names []string
	for name := range n.badParams {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = name + " (" + n.badParams[name] + ")"
	}
	return "parameters that the node does not take: " + strings.Join(names, ", ")
}

// listening is the node's open addresses, with the purposes that the spec has for them.
func (n *node) listening() []nodeapi.Listener {
	var list []nodeapi.Listener
	for _, a := range n.seen.Open {
		l := nodeapi.Listener{Addr: a, Purpose: nodeapi.PurposeNode}
		if n.spec != nil {
			for _, want := range n.spec.Listen {
				if want.Addr == a {
					l = want
				}
			}
		}
		list = append(list, l)
	}
	return list
}

// lag is how far a replica is behind, if its primary is on this host; else -1.
func (n *node) lag() int64 {
	for _, m := range n.c.nodes {
		if m == n || m.phase != alive || !m.have || !slices.Contains(m.seen.Open, n.seen.Primary) {
			continue
		}
		if offset, ok := m.seen.Replicas[n.seen.Announce]; ok {
			return max(0, m.seen.Offset-offset)
		}
	}
	return -1
}
