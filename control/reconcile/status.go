package reconcile

import (
	"reflect"
	"slices"

	"github.com/larder-cache/larder/control/meta"
	"github.com/larder-cache/larder/control/model"
	"github.com/larder-cache/larder/nodeapi"
)

// maxStatuses bounds how many statuses one transaction writes.
const maxStatuses = 50

// storeStatuses writes those statuses that differ from the stored ones, one transaction at a time, so that a burst of
// reports becomes few writes. The API answers from them; the planner does not need them.
func (c *Core) storeStatuses() {
	if c.storing || len(c.dirty) == 0 {
		return
	}
	ids := make([]string, 0, len(c.dirty))
	for id := range c.dirty {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	w := Write{}
	for _, id := range ids[:min(len(ids), maxStatuses)] {
		op, ok := c.statusOp(id)
		delete(c.dirty, id)
		if ok {
			w.Txn.Ops = append(w.Txn.Ops, op)
			w.nodes = append(w.nodes, id)
		}
	}
	if len(w.Txn.Ops) > 0 {
		c.storing = true
		c.do(w)
	}
}

// statusOp stores a node's status, or deletes that of a node that is no more.
func (c *Core) statusOp(id string) (meta.Op, bool) {
	st, ok := c.statuses[id]
	if c.groupOf[id] != "" && !ok {
		return meta.Op{}, false // dropped and placed anew: its first report replaces what is stored
	}
	if c.groupOf[id] == "" {
		old, had := c.stored[id]
		delete(c.stored, id)
		return meta.Delete(c.env.Keys.Status(old.Host, id)), had
	}
	b, err := model.EncodeStatus(st)
	if err != nil {
		c.do(Note{Group: c.groupOf[id], Text: err.Error(), Problem: true})
		return meta.Op{}, false
	}
	c.stored[id] = st.Stable()
	return meta.Put(c.env.Keys.Status(st.Host, id), b), true
}

// storedStatuses takes in the outcome. After a failure the statuses are written again. A node that has gone meanwhile has
// its status deleted, because this write may just have brought it back.
func (c *Core) storedStatuses(e Wrote) {
	c.storing = false
	failed := e.Err != nil || !e.Result.Succeeded
	for i, id := range e.Write.nodes {
		st, known := c.statuses[id]
		switch {
		case c.groupOf[id] != "" && known:
			if failed || !equalStatus(c.stored[id], st.Stable()) {
				c.dirty[id] = true
			}
		case failed || e.Write.Txn.Ops[i].Kind == meta.OpPut:
			parts, _ := c.env.Keys.Parts(e.Write.Txn.Ops[i].Key)
			c.stored[id] = nodeapi.NodeStatus{ID: id, Host: parts[1]}
			c.dirty[id] = true
		}
	}
}

func equalStatus(a, b nodeapi.NodeStatus) bool { return reflect.DeepEqual(a, b) }
