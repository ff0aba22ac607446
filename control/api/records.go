package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/wire/awsquery"
)

// maxAttempts is how often a write is tried again on what others have written meanwhile.
const maxAttempts = 10

// records reads and writes groups.
type records struct {
	store meta.Store
	keys  meta.Keys
}

// group is one replication group or standalone cluster, as read.
type group struct {
	d   model.Desired
	mod meta.Revision // of the desired record
	a   *model.Assignment
	o   model.Observed
}

// fleet is every group, as read at one revision (the statuses at a slightly later one).
type fleet struct {
	groups []*group // by key
}

func (r *records) desiredKey(groupKey string) string {
	return r.keys.Resource(model.RecordDesired, groupKey)
}

func (r *records) assignmentKey(groupKey string) string {
	return r.keys.Resource(model.RecordAssignment, groupKey)
}

// fleet reads every group.
func (r *records) fleet(ctx context.Context) (*fleet, error) {
	kvs, _, err := r.store.List(ctx, r.keys.AllResources())
	if err != nil {
		return nil, storeError(err)
	}
	groups := map[string]*group{}
	assignments := map[string]*model.Assignment{}
	for _, kv := range kvs {
		parts, ok := r.keys.Parts(kv.Key)
		if !ok || len(parts) != 3 {
			continue
		}
		switch parts[1] {
		case model.RecordDesired:
			d, err := model.DecodeDesired(kv.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kv.Key, err)
			}
			groups[parts[2]] = &group{d: d, mod: kv.Mod}
		case model.RecordAssignment:
			a, err := model.DecodeAssignment(kv.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kv.Key, err)
			}
			assignments[parts[2]] = &a
		}
	}
	f := &fleet{}
	for key, g := range groups {
		g.a = assignments[key]
		f.groups = append(f.groups, g)
	}
	slices.SortFunc(f.groups, func(a, b *group) int { return cmp.Compare(a.d.Key(), b.d.Key()) })
	return f, r.observeAll(ctx, f)
}

// observeAll reads the nodes' statuses.
func (r *records) observeAll(ctx context.Context, f *fleet) error {
	kvs, _, err := r.store.List(ctx, r.keys.AllStatuses())
	if err != nil {
		return storeError(err)
	}
	byKey := make(map[string][]byte, len(kvs))
	for _, kv := range kvs {
		byKey[kv.Key] = kv.Value
	}
	for _, g := range f.groups {
		var own [][]byte
		for _, n := range g.a.Nodes() {
			if status, ok := byKey[r.keys.Status(n.Host, n.ID())]; ok {
				own = append(own, status)
			}
		}
		g.o = model.ObservedFrom(g.a, own)
	}
	return nil
}

// group reads one group; nil if there is none.
func (r *records) group(ctx context.Context, groupKey string) (*group, error) {
	kv, ok, err := r.store.Get(ctx, r.desiredKey(groupKey))
	if err != nil {
		return nil, storeError(err)
	}
	if !ok {
		return nil, nil
	}
	g := &group{mod: kv.Mod}
	if g.d, err = model.DecodeDesired(kv.Value); err != nil {
		return nil, fmt.Errorf("%s: %w", kv.Key, err)
	}
	kv, ok, err = r.store.Get(ctx, r.assignmentKey(groupKey))
	if err != nil {
		return nil, storeError(err)
	}
	if ok {
		a, err := model.DecodeAssignment(kv.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kv.Key, err)
		}
		g.a = &a
	}
	return g, r.observe(ctx, g)
}

func (r *records) observe(ctx context.Context, g *group) error {
	var own [][]byte
	for _, n := range g.a.Nodes() {
		kv, ok, err := r.store.Get(ctx, r.keys.Status(n.Host, n.ID()))
		if err != nil {
			return storeError(err)
		}
		if ok {
			own = append(own, kv.Value)
		}
	}
	g.o = model.ObservedFrom(g.a, own)
	return nil
}

// create writes a new group and claims its name. taken is the error if the name is taken.
func (c *call) create(ctx context.Context, d model.Desired, taken error) (*group, error) {
	r, key := c.records, d.Key()
	b, err := model.EncodeDesired(d)
	if err != nil {
		return nil, err
	}
	id := r.keys.ID(string(d.Kind), d.ID)
	res, err := r.store.Txn(ctx, meta.Txn{
		Guards: []meta.Guard{meta.Absent(id), meta.Absent(r.desiredKey(key)), meta.Absent(r.assignmentKey(key))},
		Ops:    []meta.Op{meta.Put(id, []byte(key)), meta.Put(r.desiredKey(key), b)},
	})
	switch {
	case errors.Is(err, meta.ErrTooLarge):
		return nil, wholeTooLarge(err)
	case err != nil && !r.written(ctx, r.desiredKey(key), b):
		return nil, storeError(err)
	case err == nil && !res.Succeeded:
		return nil, taken
	}
	c.config.Wake(key)
	return &group{d: d, mod: res.Revision}, nil
}

// update changes a group's desired record: change gets it as it is now, changes it, and returns the events to write with
// it. It is called again when somebody else has written meanwhile. What it leaves as it was is not written. absent is the
// error if there is no such group.
func (c *call) update(ctx context.Context, groupKey string, absent error, change func(*group) ([]model.Event, error)) (*group, error) {
	for range maxAttempts {
		g, err := c.records.group(ctx, groupKey)
		if err != nil {
			return nil, err
		}
		if g == nil {
			return nil, absent
		}
		written, err := c.tryUpdate(ctx, g, change)
		if err != nil || written {
			return g, err
		}
	}
	return nil, awsquery.ServiceUnavailable("The resource is being changed by too many requests at once. Try again.")
}

// tryUpdate makes one attempt; false says that somebody else was faster.
func (c *call) tryUpdate(ctx context.Context, g *group, change func(*group) ([]model.Event, error)) (bool, error) {
	before, err := model.EncodeDesired(g.d)
	if err != nil {
		return false, err
	}
	events, err := change(g)
	if err != nil {
		return false, err
	}
	after, err := model.EncodeDesired(g.d)
	if err != nil {
		return false, err
	}
	if bytes.Equal(before, after) && len(events) == 0 {
		return true, nil
	}
	if g.a != nil {
		g.d.PruneRequests(g.a.Handled)
	}
	txn, err := c.records.change(g, events, c.requestID)
	if err != nil {
		return false, err
	}
	res, err := c.records.store.Txn(ctx, txn)
	switch {
	case errors.Is(err, meta.ErrTooLarge):
		return false, wholeTooLarge(err)
	case err != nil && !c.records.written(ctx, txn.Ops[0].Key, txn.Ops[0].Value):
		return false, storeError(err)
	case err == nil && !res.Succeeded:
		return false, nil
	}
	g.mod = res.Revision
	c.config.Wake(g.d.Key())
	return true, nil
}

// change is the transaction that writes a group's desired record over the one that was read.
func (r *records) change(g *group, events []model.Event, requestID string) (meta.Txn, error) {
	key := r.desiredKey(g.d.Key())
	b, err := model.EncodeDesired(g.d)
	if err != nil {
		return meta.Txn{}, err
	}
	txn := meta.Txn{Guards: []meta.Guard{meta.AtRevision(key, g.mod)}, Ops: []meta.Op{meta.Put(key, b)}}
	for i, e := range events {
		b, err := model.EncodeEvent(e)
		if err != nil {
			return meta.Txn{}, err
		}
		txn.Ops = append(txn.Ops, meta.Put(r.keys.Event(e.Date.UnixMilli(), fmt.Sprintf("%s.%03d", requestID, i)), b))
	}
	return txn, nil
}

// written reports whether a transaction whose outcome is unknown was applied: the record is what it would have written.
// Whoever asked is then not told of a failure that a second try would turn into "already exists".
func (r *records) written(ctx context.Context, key string, record []byte) bool {
	kv, ok, err := r.store.Get(ctx, key)
	return err == nil && ok && bytes.Equal(kv.Value, record)
}

// wholeTooLarge refuses what would make a record too large for the store.
func wholeTooLarge(err error) error {
	return fmt.Errorf("%w (cause: %w)", invalidCombination("The resource would be too large: give it fewer or shorter tags."), err)
}

// find returns the replication group of that id, or nil.
func (f *fleet) find(kind model.Kind, id string) *group {
	for _, g := range f.groups {
		if g.d.Kind == kind && g.d.ID == id {
			return g
		}
	}
	return nil
}

// nodes is how many nodes are asked for, all groups together.
func (f *fleet) nodes() int {
	n := 0
	for _, g := range f.groups {
		for _, s := range g.d.Shards {
			n += s.Replicas + 1
		}
	}
	return n
}

// members are the group's cache clusters: those that the planner has placed, and those that it is going to place, under
// the names that it will choose.
func (f *fleet) members(g *group) []string {
	ids := model.Members(g.d, g.a)
	if g.a == nil {
		return ids
	}
	for _, ds := range g.d.Shards {
		missing := ds.Replicas + 1 - activeNodes(g.a.Shard(ds.ID))
		for range missing {
			ids = append(ids, f.freeName(g, ds.ID, ids))
		}
	}
	slices.Sort(ids)
	return ids
}

// freeName is the lowest member name that no cluster has, as the planner chooses it.
func (f *fleet) freeName(g *group, shard string, own []string) string {
	used := map[string]bool{}
	for _, id := range own {
		used[id] = true
	}
	for _, o := range f.groups {
		if o == g || o.d.Key() == g.d.Key() {
			continue
		}
		for _, id := range model.Members(o.d, o.a) {
			used[id] = true
		}
	}
	for i := 1; ; i++ {
		if name := g.d.MemberName(shard, i); !used[name] || g.d.Kind == model.KindCluster {
			return name
		}
	}
}

// cluster is the group that a cache cluster belongs to; nil if there is no such cluster.
func (f *fleet) cluster(id string) *group {
	for _, g := range f.groups {
		if slices.Contains(f.members(g), id) {
			return g
		}
	}
	return nil
}

// activeNodes counts the nodes that are not being deleted.
func activeNodes(s *model.Shard) int {
	if s == nil {
		return 0
	}
	n := 0
	for i := range s.Nodes {
		if s.Nodes[i].State != model.NodeDeleting {
			n++
		}
	}
	return n
}
