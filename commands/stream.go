package commands

import (
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// eventStream is the class of the events of streams.
const eventStream = 't'

// streamCommands are the commands of streams: of their entries here, of consumer groups in streamgroup.go and streamclaim.go, those that wait in
// streamread.go, and those that tell about streams in streaminfo.go.
func streamCommands() []*spec.Command {
	return slices.Concat(streamEntryCommands(), streamReadCommands(), streamGroupCommands(), streamPendingCommands(), streamInfoCommands())
}

// streamCommand declares a command of one stream, its first argument.
func streamCommand(name, since, doc, complexity string, arity int, flags spec.Flag, access spec.Access, args []spec.Arg, run func(*spec.Call)) *spec.Command {
	return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Group: spec.Stream, Arity: arity, Flags: flags, Keys: spec.One(1, access),
		Args: append(spec.Args(keyArg), args...), Run: run}
}

// Arguments that several commands of streams have.
var (
	streamIDArg    = spec.Str("id")
	streamCountArg = spec.Opt(spec.After("COUNT", spec.Int("count")))
	streamTrimArg  = spec.Block("trim",
		spec.OneOf("strategy", spec.Token("MAXLEN"), spec.Since("6.2.0", spec.Token("MINID"))),
		spec.Opt(spec.OneOf("operator", spec.Arg{Name: "equal", Type: spec.TypePureToken, Token: "="}, spec.Arg{Name: "approximately", Type: spec.TypePureToken, Token: "~"})),
		spec.Str("threshold"), spec.Opt(spec.Since("6.2.0", spec.After("LIMIT", spec.Int("count")))))
)

func streamEntryCommands() []*spec.Command {
	const reads = spec.RO | spec.Reads
	start, end := spec.Str("start"), spec.Str("end")
	span := func(name, doc, complexity string, args []spec.Arg, reverse bool) *spec.Command {
		cmd := streamCommand(name, "5.0.0", doc, complexity, -4, spec.ReadOnly, reads, append(args, streamCountArg), func(c *spec.Call) { xrangeRun(c, reverse) })
		cmd.History = [][2]string{{"6.2.0", "Added exclusive ranges."}}
		return cmd
	}
	xadd := streamCommand("xadd", "5.0.0", "Appends a new message to a stream. Creates the key if it doesn't exist.",
		"O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.", -5, spec.Write|spec.DenyOOM|spec.Fast, spec.RW|spec.Updates,
		spec.Args(spec.Since("6.2.0", word("nomkstream", "NOMKSTREAM")), spec.Opt(streamTrimArg),
			spec.OneOf("id-selector", spec.Arg{Name: "auto-id", Type: spec.TypePureToken, Token: "*"}, spec.Str("id")),
			spec.Many(spec.Block("data", spec.Str("field"), spec.Str("value")))), xaddRun)
	xadd.Keys[0].Notes = "UPDATE instead of INSERT because of the optional trimming feature"
	xadd.History = [][2]string{{"6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."}, {"7.0.0", "Added support for the `<ms>-*` explicit ID form."}}
	xtrim := streamCommand("xtrim", "5.0.0", "Deletes messages from the beginning of a stream.",
		"O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
		-4, spec.Write, spec.RW|spec.Deletes, spec.Args(streamTrimArg), xtrimRun)
	xtrim.History = [][2]string{{"6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."}}
	xadd.Tips, xtrim.Tips = tipRandom, tipRandom
	xsetid := streamCommand("xsetid", "5.0.0", "An internal command for replicating stream values.", "O(1)", -3, spec.Write|spec.DenyOOM|spec.Fast, spec.RW|spec.Updates,
		spec.Args(spec.Str("last-id"), spec.Since("7.0.0", spec.Opt(spec.After("ENTRIESADDED", spec.Int("entries-added")))),
			spec.Since("7.0.0", spec.Opt(spec.After("MAXDELETEDID", spec.Str("max-deleted-id"))))), xsetidRun)
	xsetid.History = [][2]string{{"7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments."}}
	return []*spec.Command{xadd, xtrim, xsetid,
		streamCommand("xlen", "5.0.0", "Return the number of messages in a stream.", "O(1)", 2, spec.ReadOnly|spec.Fast, spec.RO, nil, xlenRun),
		streamCommand("xdel", "5.0.0", "Returns the number of messages after removing them from a stream.",
			"O(1) for each single item to delete in the stream, regardless of the stream size.", -3, spec.Write|spec.Fast, spec.RW|spec.Deletes,
			spec.Args(spec.Many(streamIDArg)), xdelRun),
		span("xrange", "Returns the messages from a stream within a range of IDs.",
			"O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
			spec.Args(start, end), false),
		span("xrevrange", "Returns the messages from a stream within a range of IDs in reverse order.",
			"O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
			spec.Args(end, start), true),
	}
}

// stream is a handle on a key's stream, whether there is one or not; false after it has answered WRONGTYPE. As list, it is for the compiler to put into its callers.
func stream(c *spec.Call, k *spec.KeyRef, ent keyspace.Entry) (*collection.Stream, bool) {
	s := new(collection.Stream)
	return s, openStream(c, s, k, ent)
}

// streamToRead and streamToWrite are stream for the call's first key.
func streamToRead(c *spec.Call) (*collection.Stream, bool) {
	s := new(collection.Stream)
	return s, openFirstStream(c, s, false)
}

func streamToWrite(c *spec.Call) (*collection.Stream, bool) {
	s := new(collection.Stream)
	return s, openFirstStream(c, s, true)
}

func openFirstStream(c *spec.Call, s *collection.Stream, write bool) bool {
	return openStream(c, s, c.Key(0), firstEntry(c, write))
}

// openStream opens a handle; false after it has answered WRONGTYPE.
func openStream(c *spec.Call, s *collection.Stream, k *spec.KeyRef, ent keyspace.Entry) bool {
	if ent.Found() && !isType(c, ent, value.Stream) {
		return false
	}
	s.Open(collKey(k), ent)
	return true
}

// replyEntry answers the entry that an iterator is at: its id, and its fields and values by turns.
func replyEntry(c *spec.Call, it *collection.StreamIter) {
	c.Out.Array(2)
	replyStreamID(c, it.ID())
	n := it.Fields()
	c.Out.Array(2 * n)
	for range n {
		field, value := it.Field()
		c.Out.Bulk(field)
		c.Out.Bulk(value)
	}
}

// replyEntryOf answers the entry of an id; false if there is none, and nothing is answered.
func replyEntryOf(c *spec.Call, s *collection.Stream, id collection.StreamID) bool {
	var it collection.StreamIter
	s.Iterate(&it, id, id, false)
	if !it.Next() {
		return false
	}
	replyEntry(c, &it)
	return true
}

// replyEntries answers the entries of a range, at most so many if most is not 0.
func replyEntries(c *spec.Call, s *collection.Stream, from, to collection.StreamID, most int64, reverse bool) {
	head, n := c.Out.Defer(), 0
	var it collection.StreamIter
	for s.Iterate(&it, from, to, reverse); (most == 0 || int64(n) < most) && it.Next(); n++ {
		replyEntry(c, &it)
	}
	c.Out.SetArray(head, n)
}

func xlenRun(c *spec.Call) {
	if s, ok := streamToRead(c); ok {
		c.Out.Int(int64(s.Len()))
	}
}

func xrangeRun(c *spec.Call, reverse bool) {
	first, last := c.Args[2], c.Args[3]
	if reverse {
		first, last = last, first
	}
	from, ok := streamFrom(c, first)
	if !ok {
		return
	}
	to, ok := streamTo(c, last)
	if !ok {
		return
	}
	count := int64(-1)
	for i := 4; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) || !spec.EqualFold(c.Args[i], "count") {
			c.Out.Error(spec.ErrSyntax)
			return
		}
		if count, ok = c.Int(c.Args[i+1]); !ok {
			return
		}
		count = max(count, 0)
	}
	s, ok := streamToRead(c)
	switch {
	case !ok:
	case !s.Found():
		c.Out.EmptyArray()
	case count == 0:
		c.Out.NullArray()
	default:
		replyEntries(c, s, from, to, max(count, 0), reverse)
	}
}

func xdelRun(c *spec.Call) {
	s, ok := streamToWrite(c)
	if !ok {
		return
	}
	if !s.Found() {
		c.Out.Int(0)
		return
	}
	ids, ok := streamIDs(c, c.Args[2:])
	if !ok {
		return
	}
	n := 0
	for _, id := range ids {
		if s.Delete(id) {
			n++
		}
	}
	if n > 0 {
		changed(c, c.Key(0), eventStream, "xdel")
		c.Engine.Dirty(n - 1)
	}
	c.Out.Int(int64(n))
}

// setID is what XSETID sets.
type setID struct {
	last, deleted collection.StreamID
	added         int64 // -1: not given
}

// parse reads the arguments behind the key; false after it has answered an error.
func (o *setID) parse(c *spec.Call) (ok bool) {
	o.added = -1
	if o.last, ok = streamID(c, c.Args[2]); !ok {
		return false
	}
	for i := 3; i < len(c.Args); i += 2 {
		more := i+1 < len(c.Args)
		switch {
		case more && spec.EqualFold(c.Args[i], "entriesadded"):
			if o.added, ok = c.Int(c.Args[i+1]); ok && o.added < 0 {
				c.Out.Error("ERR entries_added must be positive")
				return false
			}
		case more && spec.EqualFold(c.Args[i], "maxdeletedid"):
			if o.deleted, ok = streamID(c, c.Args[i+1]); ok && o.last.Less(o.deleted) {
				c.Out.Error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
				return false
			}
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
		if !ok {
			return false
		}
	}
	return true
}

func xsetidRun(c *spec.Call) {
	var o setID
	if !o.parse(c) {
		return
	}
	s, ok := streamToWrite(c)
	if !ok {
		return
	}
	last, any := s.Last()
	switch {
	case !s.Found():
		c.Out.Error(spec.ErrNoKey)
		return
	case o.last.Less(s.MaxDeletedID()):
		c.Out.Error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
		return
	case any && o.last.Less(last):
		c.Out.Error("ERR The ID specified in XSETID is smaller than the target stream top item")
		return
	case any && o.added >= 0 && int64(s.Len()) > o.added:
		c.Out.Error("ERR The entries_added specified in XSETID is smaller than the target stream length")
		return
	}
	s.SetLastID(o.last)
	if o.added >= 0 {
		s.SetEntriesAdded(uint64(o.added))
	}
	if !o.deleted.IsZero() {
		s.SetMaxDeletedID(o.deleted)
	}
	c.Out.OK()
	c.Engine.Dirty(1)
	c.Engine.Notify(eventStream, "xsetid", c.Key(0))
}
