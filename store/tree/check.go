package tree

import (
	"fmt"

	"github.com/larder-cache/larder/store/arena"
)

// Check verifies the whole structure and returns what is wrong with it first. It is for tests and for DEBUG commands: it visits every item.
func (t *Tree) Check(e *Env) error {
	if t.height == 0 {
		if t.root != arena.Nil || t.items != 0 || t.weight != 0 {
			return fmt.Errorf("tree: no levels but root %d, %d items, weight %d", t.root, t.items, t.weight)
		}
		return nil
	}
	k := checker{e: e}
	w, err := k.node(t.root, t.top(), true, true)
	if err != nil {
		return err
	}
	if w != t.weight || k.items != t.items {
		return fmt.Errorf("tree: %d items of weight %d, found %d of %d", t.items, t.weight, k.items, w)
	}
	if t.height > 1 && e.node(t.root, t.top()).len() < 2 {
		return fmt.Errorf("tree: the root is the parent of one node")
	}
	return nil
}

// checker goes through a tree in order.
type checker struct {
	e     *Env
	items uint64
	last  Item // the item before
}

// node checks a node and all below. first and last say at which ends of its level it is.
func (k *checker) node(ref arena.Ref, level int, first, last bool) (weight uint64, err error) {
	n := k.e.node(ref, level)
	if err := k.head(n, ref, level, first || last); err != nil {
		return 0, err
	}
	for i := range n.len() {
		w := n.weight(i)
		if w == 0 {
			return 0, fmt.Errorf("tree: node %d: entry %d weighs nothing", ref, i)
		}
		if level == 0 {
			err = k.item(n.item(i))
		} else {
			err = k.child(n, i, level, first, last)
		}
		if err != nil {
			return 0, fmt.Errorf("tree: node %d, level %d, entry %d: %w", ref, level, i, err)
		}
		weight += w
	}
	return weight, nil
}

func (k *checker) head(n node, ref arena.Ref, level int, edge bool) error {
	least := k.e.Layout.least(level)
	if edge {
		least = 1
	}
	size := k.e.Arena.Size(ref)
	if n.level() != level || n.len() < least || n.len() > n.cap() || n.cap() > k.e.Layout.most(level) || n.class() != size {
		return fmt.Errorf("tree: node %d: level %d, %d entries, room for %d, in a block of %d; level %d, at least %d expected",
			ref, n.level(), n.len(), n.cap(), size, level, least)
	}
	if k.e.owners(ref).Load() == 0 {
		return fmt.Errorf("tree: node %d has no owner", ref)
	}
	return nil
}

func (k *checker) item(it Item) error {
	if k.items > 0 && k.e.Layout.KeyBytes > 0 {
		switch {
		case it.Key.Less(k.last.Key):
			return fmt.Errorf("key %x after %x", it.Key, k.last.Key)
		case it.Key == k.last.Key && !k.e.Layout.Ties:
			return fmt.Errorf("key %x twice", it.Key)
		case it.Key == k.last.Key && k.e.Compare(k.last.Ref, it.Ref) >= 0:
			return fmt.Errorf("items %d, %d are in the wrong order", k.last.Ref, it.Ref)
		}
	}
	k.items++
	k.last = it
	return nil
}

func (k *checker) child(n node, i, level int, first, last bool) error {
	ref := n.child(i)
	w, err := k.node(ref, level-1, first && i == 0, last && i == n.len()-1)
	if err != nil {
		return err
	}
	if w != n.weight(i) {
		return fmt.Errorf("weighs %d, %d below", n.weight(i), w)
	}
	if string(n.bytes(i, i+1)[:n.prefix]) != string(k.e.node(ref, level-1).bytes(0, 1)[:n.prefix]) {
		return fmt.Errorf("tells another first item than is below")
	}
	return nil
}
