package server

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/larder-cache/larder/base/errs"
	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/control/reconcile"
	"github.com/larder-cache/larder/control/server/local"
	"github.com/larder-cache/larder/nodeapi"
)

// source answers the other subcommands.
type source struct{ s *Server }

var _ local.Source = source{}

// Info implements local.Source.
func (src source) Info() local.Info { return src.s.info }

// Status implements local.Source.
func (src source) Status(ctx context.Context) (local.Status, error) {
	groups, _, err := src.s.groups(ctx)
	if err != nil {
		return local.Status{}, err
	}
	st := local.Status{Info: src.s.info, Caches: []local.Cache{}}
	observed := model.Observed{Nodes: src.s.observer.nodes()}
	for _, g := range groups {
		st.Caches = append(st.Caches, cacheStatus(g, observed))
	}
	return st, nil
}

// Plan implements local.Source.
func (src source) Plan(ctx context.Context, group string) ([]local.Plan, error) {
	groups, records, err := src.s.groups(ctx)
	if err != nil {
		return nil, err
	}
	explained := map[string]reconcile.Explanation{}
	for _, x := range reconcile.Explain(src.s.environment, records, src.s.cfg.Clock.Now()) {
		explained[x.Group] = x
	}
	plans := []local.Plan{}
	observed := model.Observed{Nodes: src.s.observer.nodes()}
	for _, g := range groups {
		if group != "" && !strings.EqualFold(group, g.desired.ID) {
			continue
		}
		x := explained[g.desired.Key()]
		p := local.Plan{ID: g.desired.ID, Kind: string(g.desired.Kind), Status: model.GroupStatus(g.desired, g.assignment, observed),
			Why: append([]string{}, x.Why...), Changes: x.Changed, Wake: x.Wake}
		if x.Problem != "" {
			p.Why = append(p.Why, "cannot be planned: "+x.Problem)
		}
		plans = append(plans, p)
	}
	if group != "" && len(plans) == 0 {
		return nil, errs.WithHint(errs.Errorf("plan "+group, errs.NotFound, "there is no such replication group or cache cluster"),
			"larder status lists them")
	}
	return plans, nil
}

// records are a group's two records.
type records struct {
	desired    model.Desired
	assignment *model.Assignment
}

// groups reads all groups, sorted by id, and returns everything that the store holds, too.
func (s *Server) groups(ctx context.Context) ([]records, []meta.KV, error) {
	all, _, err := s.store.List(ctx, s.environment.Keys.Root())
	if err != nil {
		return nil, nil, errs.WithHint(errs.E("read the caches' records", errs.Unavailable, err), "try again")
	}
	byKey := map[string]*records{}
	assigned := map[string]*model.Assignment{}
	for _, kv := range all {
		parts, ok := s.environment.Keys.Parts(kv.Key)
		if !ok || len(parts) != 3 || parts[0] != "resources" {
			continue
		}
		switch parts[1] {
		case model.RecordDesired:
			d, err := model.DecodeDesired(kv.Value)
			if err != nil {
				return nil, nil, errs.E("read "+parts[2], errs.Corrupt, err)
			}
			byKey[parts[2]] = &records{desired: d}
		case model.RecordAssignment:
			a, err := model.DecodeAssignment(kv.Value)
			if err != nil {
				return nil, nil, errs.E("read "+parts[2], errs.Corrupt, err)
			}
			assigned[parts[2]] = &a
		}
	}
	groups := make([]records, 0, len(byKey))
	for key, r := range byKey {
		r.assignment = assigned[key]
		groups = append(groups, *r)
	}
	slices.SortFunc(groups, func(a, b records) int {
		return cmp.Or(cmp.Compare(a.desired.ID, b.desired.ID), cmp.Compare(a.desired.Kind, b.desired.Kind))
	})
	return groups, all, nil
}

func cacheStatus(g records, observed model.Observed) local.Cache {
	d, a := g.desired, g.assignment
	c := local.Cache{ID: d.ID, Kind: string(d.Kind), Status: model.GroupStatus(d, a, observed), Engine: d.Engine + " " + d.EngineVersion,
		Type: d.NodeType, Nodes: []local.Node{}}
	if a == nil {
		return c
	}
	c.Problem = a.Failed
	for i := range a.Shards {
		s := &a.Shards[i]
		c.Primary, c.Reader = s.PrimaryEndpoint, s.ReaderEndpoint
		for _, n := range s.Nodes {
			c.Nodes = append(c.Nodes, nodeStatus(n, model.ClusterStatus(d, a, observed, n.Cluster), observed.Nodes))
		}
	}
	return c
}

func nodeStatus(n model.Node, status string, observed map[string]nodeapi.NodeStatus) local.Node {
	out := local.Node{ID: n.ID(), Zone: n.Zone, Host: n.Host, Address: n.Addr, Role: string(nodeapi.RoleNone), Status: status,
		Process: "unknown", Problem: n.Problem, MaxBytes: n.MaxMemory, Capped: n.MemoryCapped, LagBytes: -1}
	st, ok := observed[n.ID()]
	if !ok {
		return out
	}
	out.Process, out.PID = string(st.Process), st.PID
	out.UsedBytes, out.LagBytes, out.LinkUp, out.Clients = st.UsedMemory, st.Lag, st.LinkUp, st.ConnectedClients
	if st.Role != "" {
		out.Role = string(st.Role)
	}
	if out.Problem == "" {
		out.Problem = st.Message
	}
	return out
}
