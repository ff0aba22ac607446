package value

import (
	"fmt"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/listpack"
	"github.com/larder-cache/larder/store/tree"
)

// check verifies the trees, each node, the figures, and that pending entries and those of the consumers are the same.
func (s RootedStream) check() error {
	e, f := &s.env.stream, s.Figures()
	if err := s.entries().Check(e); err != nil {
		return err
	}
	var c tree.Cursor
	bytes, length, last := int64(0), uint64(0), StreamID{}
	for ok := s.entries().First(e, &c); ok; ok = c.Next(e) {
		it := c.Item(e)
		bytes += int64(s.env.Arena.Size(it.Ref))
		_, ok := listpack.Validate(s.node(&c))
		n, sound := uint64(0), false
		if ok {
			n, sound = CheckStreamNode(s.node(&c), idOf(it.Key), &last)
		}
		if !sound {
			return fmt.Errorf("value: node %s has entries up to %s, and they are not as its head says, or not in order", idOf(it.Key), last)
		}
		length += n
	}
	if bytes != *s.blocks().nodeBytes() || length != f.Length || f.Last.Less(last) {
		return fmt.Errorf("value: %d bytes, %d entries up to %s, counted %d, %+v", bytes, length, last, *s.blocks().nodeBytes(), *f)
	}
	if err := s.groups().Check(&s.env.groups); err != nil {
		return err
	}
	var err error
	s.EachGroup(func(g StreamGroup) bool {
		if err = g.check(); err != nil {
			err = fmt.Errorf("value: group %q: %w", g.Name(), err)
		}
		return err == nil
	})
	return err
}

// check verifies a group.
func (g StreamGroup) check() (err error) {
	env, b := g.env, g.block()
	if err := b.pending.Check(&env.pending); err != nil {
		return err
	}
	if err := b.consumers.Check(&env.consumers); err != nil {
		return err
	}
	bytes, owned := int64(0), 0
	names := map[arena.Ref]bool{}
	g.EachConsumer(func(c StreamConsumer) bool {
		name := c.block().name
		names[name] = true
		bytes += int64(env.Arena.Size(c.ref) + env.Arena.Size(name))
		if err = c.block().pending.Check(&env.owned); err != nil {
			return false
		}
		c.EachOwned(StreamID{}, func(id StreamID) bool {
			owned++
			if p, ok := g.Lookup(id); !ok || string(p.Consumer) != string(c.Name()) {
				err = fmt.Errorf("%s of consumer %q is pending for %q", id, c.Name(), p.Consumer)
			}
			return err == nil
		})
		return err == nil
	})
	if err == nil && (bytes != b.bytes || owned != g.Pending()) {
		err = fmt.Errorf("consumers of %d bytes with %d pending entries, %d counted, %d", bytes, owned, b.bytes, g.Pending())
	}
	var c tree.Cursor
	for ok := b.pending.First(&env.pending, &c); ok && err == nil; ok = c.Next(&env.pending) {
		if !names[block[pendingBlock](env.Arena, c.Item(&env.pending).Ref).name] {
			err = fmt.Errorf("%s is pending for nobody", idOf(c.Item(&env.pending).Key))
		}
	}
	return err
}
