package plan

import (
	"encoding/json"
	"hash/fnv"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// specs are those of all nodes under the next assignment.
func (p *planner) specs() []nodeapi.NodeSpec {
	var specs []nodeapi.NodeSpec
	for i := range p.a.Shards {
		s := &p.a.Shards[i]
		for j := range s.Nodes {
			specs = append(specs, p.spec(s, &s.Nodes[j]))
		}
	}
	return specs
}

// spec is what the assignment says of a node, in the agent's words.
func (p *planner) spec(s *model.Shard, n *model.Node) nodeapi.NodeSpec {
	spec := nodeapi.NodeSpec{
		ID: n.ID(), Host: n.Host, Group: p.d.Key(),
		Epoch: p.a.Epoch, Generation: n.Generation,
		Existence: nodeapi.Running,
		Engine:    p.d.Engine, EngineVersion: p.d.EngineVersion,
		Role: n.Role, Listen: listeners(s, n), PauseWrites: n.Paused,
		MaxMemory: n.MaxMemory, Parameters: p.in.Parameters,
		ReplicationPassword: p.a.ReplicationPassword,
	}
	if n.Role != nodeapi.RoleNone {
		spec.Run = n.Run
	}
	if f := s.Node(n.Follow); f != nil {
		spec.Primary = f.Addr
	}
	if n.Reboot != "" {
		spec.Tasks = []nodeapi.Task{{ID: n.Reboot, Kind: nodeapi.TaskReboot}}
	}
	switch {
	case n.State == model.NodeDeleting:
		spec.Existence, spec.Role, spec.Listen = nodeapi.Deleted, nodeapi.RoleNone, nil
	case n.Fenced:
		spec.Existence, spec.FenceRun = nodeapi.Fenced, n.FenceRun
	}
	return spec
}

// listeners are all that the node may serve clients on. The node's own address comes first.
func listeners(s *model.Shard, n *model.Node) []nodeapi.Listener {
	l := []nodeapi.Listener{{Addr: n.Addr, Purpose: nodeapi.PurposeNode}}
	if s.Holder == n.ID() && s.PrimaryEndpoint.IsValid() && n.Role == nodeapi.RolePrimary {
		l = append(l, nodeapi.Listener{Addr: s.PrimaryEndpoint, Purpose: nodeapi.PurposePrimary})
	}
	if n.Reader && s.ReaderEndpoint.IsValid() && n.Role != nodeapi.RoleNone {
		l = append(l, nodeapi.Listener{Addr: s.ReaderEndpoint, Purpose: nodeapi.PurposeReader})
	}
	return l
}

// specHash tells whether what an agent is to know of the node has changed. The run is part of it: a role given to
// another run is another order, even if it reads the same.
func (p *planner) specHash(s *model.Shard, n *model.Node) uint64 {
	spec := p.spec(s, n)
	spec.Generation = 0
	b, err := json.Marshal(struct {
		Spec nodeapi.NodeSpec
		Run  string
	}{spec, n.Run})
	if err != nil {
		return 0 // not possible for these types: they hold nothing that JSON cannot say
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	return h.Sum64()
}
