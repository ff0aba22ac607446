package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

// streamInfoCommands are XINFO, a container.
func streamInfoCommands() []*spec.Command {
	sub := func(name, doc string, arity int, history [][2]string, args []spec.Arg, run func(*spec.Call, *collection.Stream)) *spec.Command {
		return &spec.Command{Name: name, Since: "5.0.0", Doc: doc, Complex: "O(1)", Arity: arity, Flags: spec.ReadOnly, Keys: spec.One(2, spec.RO|spec.Reads),
			Args: append(spec.Args(keyArg), args...), History: history, Run: func(c *spec.Call) { xinfoRun(c, run) }}
	}
	consumers := sub("consumers", "Returns a list of the consumers in a consumer group.", 4, [][2]string{{"7.2.0", "Added the `inactive` field, and changed the meaning of `idle`."}},
		spec.Args(spec.Str("group")), xinfoConsumers)
	consumers.Tips = tipRandom
	return []*spec.Command{{Name: "xinfo", Since: "5.0.0", Doc: "A container for stream introspection commands.", Complex: "Depends on subcommand.", Group: spec.Stream, Arity: -2,
		Sub: []*spec.Command{consumers,
			sub("groups", "Returns a list of the consumer groups of a stream.", 3, [][2]string{{"7.0.0", "Added the `entries-read` and `lag` fields"}}, nil, xinfoGroups),
			sub("stream", "Returns information about a stream.", -3, [][2]string{{"6.0.0", "Added the `FULL` modifier."},
				{"7.0.0", "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields"},
				{"7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."}},
				spec.Args(spec.Opt(spec.Block("full-block", spec.Token("FULL"), streamCountArg))), xinfoStream),
			{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2, Flags: spec.Loading | spec.Stale, Run: xinfoHelp},
		}}}
}

// xinfoRun tells of a stream that is there.
func xinfoRun(c *spec.Call, tell func(*spec.Call, *collection.Stream)) {
	s, ok := streamToRead(c)
	switch {
	case !ok:
	case !s.Found():
		c.Out.Error(spec.ErrNoKey)
	default:
		tell(c, s)
	}
}

func xinfoHelp(c *spec.Call) {
	c.Help("CONSUMERS <key> <groupname>",
		"    Show consumers of <groupname>.",
		"GROUPS <key>",
		"    Show the stream consumer groups.",
		"STREAM <key> [FULL [COUNT <count>]",
		"    Show information about the stream.")
}

// field, intField and idField answer one pair of a map.
func field(c *spec.Call, name string) { c.Out.BulkString(name) }

func intField(c *spec.Call, name string, n int64) {
	field(c, name)
	c.Out.Int(n)
}

func idField(c *spec.Call, name string, id collection.StreamID) {
	field(c, name)
	replyStreamID(c, id)
}

func bytesField(c *spec.Call, name string, b []byte) {
	field(c, name)
	c.Out.Bulk(b)
}

func xinfoConsumers(c *spec.Call, s *collection.Stream) {
	g := s.Group(c.Args[3])
	if g == nil {
		noGroup(c, c.Args[3])
		return
	}
	c.Out.Array(g.Consumers())
	g.EachConsumer(func(to *collection.StreamConsumer) bool {
		c.Out.Map(4)
		bytesField(c, "name", to.Name())
		intField(c, "pending", int64(to.Pending()))
		intField(c, "idle", max(c.Now-to.SeenMs(), 0))
		inactive := to.ActiveMs()
		if inactive != -1 {
			inactive = c.Now - inactive
		}
		intField(c, "inactive", inactive)
		return true
	})
}

// readFields answers how many entries a group has read, and how many it has not: null if that cannot be told.
func readFields(c *spec.Call, s *collection.Stream, g *collection.StreamGroup) {
	field(c, "entries-read")
	if n := g.EntriesRead(); n != collection.UnknownEntries {
		c.Out.Int(n)
	} else {
		c.Out.Null()
	}
	field(c, "lag")
	if n, ok := lag(s, g); ok {
		c.Out.Int(n)
	} else {
		c.Out.Null()
	}
}

// lag is how many entries were added behind what a group has read last; false if it cannot be told, as some of them were deleted.
func lag(s *collection.Stream, g *collection.StreamGroup) (int64, bool) {
	added := int64(s.EntriesAdded())
	if added == 0 {
		return 0, true
	}
	read := g.EntriesRead()
	if read == collection.UnknownEntries || s.HasTombstones(g.LastID()) {
		read = s.EntriesUpTo(g.LastID())
	}
	return added - read, read != collection.UnknownEntries
}

func xinfoGroups(c *spec.Call, s *collection.Stream) {
	c.Out.Array(s.Groups())
	s.EachGroup(func(g *collection.StreamGroup) bool {
		c.Out.Map(6)
		bytesField(c, "name", g.Name())
		intField(c, "consumers", int64(g.Consumers()))
		intField(c, "pending", int64(g.Pending()))
		idField(c, "last-delivered-id", g.LastID())
		readFields(c, s, g)
		return true
	})
}

// fullCount reads XINFO STREAM's options: whether all is to be told, and of how many entries at most (0: all); false after it has answered an error.
func fullCount(c *spec.Call) (full bool, count int64, ok bool) {
	const usual = 10
	args := c.Args[3:]
	switch {
	case len(args) == 0:
		return false, 0, true
	case len(args) != 1 && len(args) != 3, !spec.EqualFold(args[0], "full"), len(args) == 3 && !spec.EqualFold(args[1], "count"):
		badSubcommand(c)
		return false, 0, false
	case len(args) == 1:
		return true, usual, true
	}
	if count, ok = c.Int(args[2]); count < 0 {
		count = usual
	}
	return true, count, ok
}

func xinfoStream(c *spec.Call, s *collection.Stream) {
	full, count, ok := fullCount(c)
	if !ok {
		return
	}
	if full {
		c.Out.Map(9)
	} else {
		c.Out.Map(10)
	}
	intField(c, "length", int64(s.Len()))
	intField(c, "radix-tree-keys", int64(s.Nodes()))
	intField(c, "radix-tree-nodes", int64(s.RadixNodes()))
	idField(c, "last-generated-id", s.LastID())
	idField(c, "max-deleted-entry-id", s.MaxDeletedID())
	intField(c, "entries-added", int64(s.EntriesAdded()))
	idField(c, "recorded-first-entry-id", s.FirstID())
	if !full {
		intField(c, "groups", int64(s.Groups()))
		edgeField(c, s, "first-entry", false)
		edgeField(c, s, "last-entry", true)
		return
	}
	field(c, "entries")
	replyEntries(c, s, collection.StreamID{}, collection.MaxStreamID(), count, false)
	field(c, "groups")
	c.Out.Array(s.Groups())
	s.EachGroup(func(g *collection.StreamGroup) bool {
		fullGroup(c, s, g, count)
		return true
	})
}

// edgeField answers the first or last entry.
func edgeField(c *spec.Call, s *collection.Stream, name string, last bool) {
	field(c, name)
	var it collection.StreamIter
	s.Iterate(&it, collection.StreamID{}, collection.MaxStreamID(), last)
	if it.Next() {
		replyEntry(c, &it)
	} else {
		c.Out.Null()
	}
}

// fullGroup answers all of a group, and of its pending entries so many at most (0: all).
func fullGroup(c *spec.Call, s *collection.Stream, g *collection.StreamGroup, count int64) {
	c.Out.Map(7)
	bytesField(c, "name", g.Name())
	idField(c, "last-delivered-id", g.LastID())
	readFields(c, s, g)
	intField(c, "pel-count", int64(g.Pending()))
	pendingField(c, g.EachPending, count, true)
	field(c, "consumers")
	c.Out.Array(g.Consumers())
	g.EachConsumer(func(to *collection.StreamConsumer) bool {
		c.Out.Map(5)
		bytesField(c, "name", to.Name())
		intField(c, "seen-time", to.SeenMs())
		intField(c, "active-time", to.ActiveMs())
		intField(c, "pel-count", int64(to.Pending()))
		pendingField(c, to.EachPending, count, false)
		return true
	})
}

// pendingField answers pending entries, with their consumers if these are not known.
func pendingField(c *spec.Call, each func(collection.StreamID, func(collection.StreamPending) bool), count int64, consumers bool) {
	field(c, "pending")
	head, n := c.Out.Defer(), int64(0)
	each(collection.StreamID{}, func(p collection.StreamPending) bool {
		if n++; consumers {
			c.Out.Array(4)
		} else {
			c.Out.Array(3)
		}
		if replyStreamID(c, p.ID); consumers {
			c.Out.Bulk(p.Consumer)
		}
		c.Out.Int(p.DeliveredMs)
		c.Out.Int(int64(p.Deliveries))
		return n != count
	})
	c.Out.SetArray(head, int(n))
}
