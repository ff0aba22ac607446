package model

import (
	"slices"

	"github.com/larder-cache/larder/nodeapi"
)

// Observed is what the agents see of a group's nodes and of their hosts.
type Observed struct {
	// Nodes are the latest statuses by node id. A node without one has not been reported since this control plane
	// started: nothing is known of it, which is not the same as dead.
	Nodes map[string]nodeapi.NodeStatus
	// Hosts are the hosts that nodes can be placed on.
	Hosts []Host
}

// Host is a machine with an agent.
type Host struct {
	Name string
	// Zones that the host stands in. On one machine it stands in all of them.
	Zones []string
	// Memory is what nodes may use together, in bytes: a fraction of the machine's. 0: no cap.
	Memory int64
	// Nodes is how many nodes the host has, those of all groups together.
	Nodes int
	// SharedReader: nodes of the host's driver can listen on one address together (SO_REUSEPORT).
	SharedReader bool
}

// Host returns the host of that name, and whether there is one.
func (o Observed) Host(name string) (Host, bool) {
	i := slices.IndexFunc(o.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return Host{}, false
	}
	return o.Hosts[i], true
}

// Zones are those of all hosts, each once, sorted.
func (o Observed) Zones() []string {
	var zones []string
	for _, h := range o.Hosts {
		zones = append(zones, h.Zones...)
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// ObservedFrom is what the stored statuses say of a group's nodes: what API handlers answer from. statuses are values of
// meta.Keys.AllStatuses; those of other groups' nodes, and those that cannot be read, are left out.
func ObservedFrom(a *Assignment, statuses [][]byte) Observed {
	o := Observed{Nodes: map[string]nodeapi.NodeStatus{}}
	for _, b := range statuses {
		st, err := DecodeStatus(b)
		if err != nil {
			continue
		}
		cluster, _, err := nodeapi.SplitNodeID(st.ID)
		if _, n := a.Member(cluster); err == nil && n != nil && n.ID() == st.ID {
			o.Nodes[st.ID] = st
		}
	}
	return o
}
