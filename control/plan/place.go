package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// ensureShards makes the shards that are asked for and not there, with all their nodes.
func (p *planner) ensureShards() error {
	for _, ds := range p.d.Shards {
		if p.a.Shard(ds.ID) != nil {
			continue
		}
		s, err := p.newShard(ds)
		if err != nil {
			return err
		}
		p.a.Shards = append(p.a.Shards, s)
		p.why("shard %s: placed %d nodes", ds.ID, len(s.Nodes))
	}
	return nil
}

// newShard places a shard's nodes and endpoints, all or none.
func (p *planner) newShard(ds model.DesiredShard) (model.Shard, error) {
	s := model.Shard{ID: ds.ID, Slots: ds.Slots}
	taken := p.taken()
	if err := p.addNodes(&s, ds, ds.Replicas+1, taken); err != nil {
		return s, err
	}
	if p.d.Kind == model.KindCluster {
		return s, nil
	}
	for _, ap := range []*netip.AddrPort{&s.PrimaryEndpoint, &s.ReaderEndpoint} {
		var err error
		if *ap, err = p.in.Addressing.Allocate(s.Nodes[0].Zone, p.d.Port, taken); err != nil {
			return s, err
		}
		taken[*ap] = true
	}
	return s, nil
}

// taken are the endpoints in use anywhere.
func (p *planner) taken() model.Addresses {
	taken := model.AddressesOf(p.a)
	for ap := range p.in.InUse {
		taken[ap] = true
	}
	return taken
}

// addNodes places nodes until the shard has want that are not being deleted. An error leaves the shard unusable.
func (p *planner) addNodes(s *model.Shard, ds model.DesiredShard, want int, taken model.Addresses) error {
	for active(s) < want {
		n, err := p.newNode(s, ds, taken)
		if err != nil {
			return err
		}
		taken[n.Addr] = true
		p.hostNodes[n.Host]++
		s.Nodes = append(s.Nodes, n)
		slices.SortFunc(s.Nodes, func(a, b model.Node) int { return cmp.Compare(a.Cluster, b.Cluster) })
	}
	return nil
}

func (p *planner) newNode(s *model.Shard, ds model.DesiredShard, taken model.Addresses) (model.Node, error) {
	zone, err := p.pickZone(s, ds)
	if err != nil {
		return model.Node{}, err
	}
	host, err := p.pickHost(s, zone)
	if err != nil {
		return model.Node{}, err
	}
	addr, err := p.in.Addressing.Allocate(zone, p.d.Port, taken)
	if err != nil {
		return model.Node{}, err
	}
	return model.Node{
		Cluster: p.freeName(s), Node: model.CacheNodeID, Zone: zone, Host: host, Addr: addr,
		State: model.NodeCreating, CreatedAt: p.now, Role: nodeapi.RoleNone,
	}, nil
}

// freeName is the lowest member name that no cluster has.
func (p *planner) freeName(s *model.Shard) string {
	used := map[string]bool{}
	for _, n := range p.a.Nodes() {
		used[n.Cluster] = true
	}
	for _, n := range s.Nodes {
		used[n.Cluster] = true
	}
	for i := 1; ; i++ {
		name := p.d.MemberName(s.ID, i)
		if !used[name] && (!p.in.Names[name] || p.d.Kind == model.KindCluster) {
			return name
		}
	}
}

// pickZone takes the first zone asked for that is not used yet, else the one that has the fewest of the shard's nodes.
func (p *planner) pickZone(s *model.Shard, ds model.DesiredShard) (string, error) {
	count := map[string]int{}
	for _, n := range s.Nodes {
		if n.State != model.NodeDeleting {
			count[n.Zone]++
		}
	}
	left := map[string]int{}
	for zone, n := range count {
		left[zone] = n
	}
	for _, zone := range ds.Zones {
		if left[zone] == 0 {
			return zone, nil
		}
		left[zone]--
	}
	zones := p.in.Observed.Zones()
	if len(zones) == 0 {
		return "", fmt.Errorf("there is no host to place nodes on")
	}
	return slices.MinFunc(zones, func(a, b string) int { return cmp.Compare(count[a], count[b]) }), nil
}

// pickHost takes the host of the zone with the fewest nodes of the shard, then the fewest at all.
func (p *planner) pickHost(s *model.Shard, zone string) (string, error) {
	own := map[string]int{}
	for _, n := range s.Nodes {
		own[n.Host]++
	}
	var hosts []string
	for _, h := range p.in.Observed.Hosts {
		if slices.Contains(h.Zones, zone) {
			hosts = append(hosts, h.Name)
		}
	}
	if len(hosts) == 0 {
		return "", fmt.Errorf("availability zone %s has no host", zone)
	}
	return slices.MinFunc(hosts, func(a, b string) int {
		return cmp.Or(cmp.Compare(own[a], own[b]), cmp.Compare(p.hostNodes[a], p.hostNodes[b]), cmp.Compare(a, b))
	}), nil
}

// memory gives every node what its host has for it.
func (p *planner) memory() {
	nodeType, ok := model.LookupNodeType(p.d.NodeType)
	if !ok {
		p.why("node type %s is unknown: its memory stays as it is", p.d.NodeType)
		return
	}
	for i := range p.a.Shards {
		for j := range p.a.Shards[i].Nodes {
			n := &p.a.Shards[i].Nodes[j]
			host, ok := p.in.Observed.Host(n.Host)
			if !ok || n.State == model.NodeDeleting {
				continue
			}
			host.Nodes = p.hostNodes[n.Host]
			n.MaxMemory, n.MemoryCapped = host.MaxMemory(nodeType)
		}
	}
}

// active counts the nodes that are not being deleted.
func active(s *model.Shard) int {
	count := 0
	for _, n := range s.Nodes {
		if n.State != model.NodeDeleting {
			count++
		}
	}
	return count
}
