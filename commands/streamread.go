package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/value"
)

// streamReadCommands are the commands of streams that wait for entries.
func streamReadCommands() []*spec.Command {
	streams := spec.After("STREAMS", spec.Block("streams", spec.Many(keyArg), spec.Many(streamIDArg)))
	block := spec.Opt(spec.After("BLOCK", spec.Int("milliseconds")))
	keys := func(from int) spec.Keys {
		return spec.Keys{{Begin: spec.Begin{Keyword: "STREAMS", From: from}, Place: locateStreams, Find: spec.Find{Last: -1, Step: 1, Limit: 2},
			Access: spec.RO | spec.Reads}}
	}
	return []*spec.Command{
		{Name: "xread", Since: "5.0.0", Doc: "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is available otherwise.",
			Group: spec.Stream, Arity: -4, Flags: spec.ReadOnly | spec.Blocking | spec.MovableKeys, Keys: keys(1),
			Args: spec.Args(streamCountArg, block, streams), Run: func(c *spec.Call) { xreadRun(c, false) }},
		{Name: "xreadgroup", Since: "5.0.0",
			Doc:     "Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is available otherwise.",
			Complex: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
			Group:   spec.Stream, Arity: -7, Flags: spec.Write | spec.Blocking | spec.MovableKeys, Keys: keys(4),
			Args: spec.Args(spec.After("GROUP", spec.Block("group-block", spec.Str("group"), spec.Str("consumer"))), streamCountArg, block,
				word("noack", "NOACK"), streams), Run: func(c *spec.Call) { xreadRun(c, true) }},
	}
}

// locateStreams gives the index of the first key of XREAD or XREADGROUP, 0 if the arguments are wrong: what stands behind an option is its value, be it STREAMS.
func locateStreams(args [][]byte) int {
	for i := 1; i < len(args); i++ {
		switch word := args[i]; {
		case spec.EqualFold(word, "block"), spec.EqualFold(word, "count"):
			i++
		case spec.EqualFold(word, "group"):
			i += 2
		case spec.EqualFold(word, "noack"):
		case spec.EqualFold(word, "streams"):
			if n := len(args) - i - 1; n > 0 && n%2 == 0 {
				return i + 1
			}
			return 0
		default:
			return 0
		}
	}
	return 0
}

// streamRead is one XREAD or XREADGROUP.
type streamRead struct {
	count   int64 // 0: all entries
	wait    bool
	untilMs int64 // when the waiting ends, 0: never

	byGroup         bool // XREADGROUP
	group, consumer []byte
	noAck           bool

	first int                   // the index of the first key
	after []collection.StreamID // of each stream: entries behind this one are wanted; with a group, the greatest id stands for what nobody got yet

	answered int // streams in the reply
}

// parse reads the options; false after it has answered an error.
func (o *streamRead) parse(c *spec.Call) (ok bool) {
	for i := 1; i < len(c.Args); i++ {
		word, more := c.Args[i], len(c.Args)-i-1
		switch {
		case more > 0 && spec.EqualFold(word, "block"):
			i++
			o.wait = true
			if o.untilMs, ok = c.Timeout(c.Args[i]); ok && o.untilMs > 0 {
				o.untilMs += c.Now
			}
		case more > 0 && spec.EqualFold(word, "count"):
			i++
			o.count, ok = c.Int(c.Args[i])
			o.count = max(o.count, 0)
		case more > 0 && spec.EqualFold(word, "streams"):
			return o.streams(c, i+1)
		case more > 1 && spec.EqualFold(word, "group"):
			ok = o.groupOnly(c, "GROUP")
			o.group, o.consumer = c.Args[i+1], c.Args[i+2]
			i += 2
		case spec.EqualFold(word, "noack"):
			ok = o.groupOnly(c, "NOACK")
			o.noAck = true
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
		if !ok {
			return false
		}
	}
	c.Out.Error(spec.ErrSyntax)
	return false
}

// groupOnly answers the error for an option that XREAD does not have; true for XREADGROUP.
func (o *streamRead) groupOnly(c *spec.Call, option string) bool {
	if !o.byGroup {
		c.Out.Error("ERR The " + option + " option is only supported by XREADGROUP. You called XREAD instead.")
	}
	return o.byGroup
}

// streams checks what stands behind STREAMS, from an index on; false after it has answered an error.
func (o *streamRead) streams(c *spec.Call, first int) bool {
	n := len(c.Args) - first
	switch {
	case n%2 != 0:
		symbol := "$"
		if o.byGroup {
			symbol = ">"
		}
		c.Out.Error("ERR Unbalanced '" + c.Cmd.FullName() + "' list of streams: for each stream key an ID or '" + symbol + "' must be specified.")
		return false
	case o.byGroup && o.group == nil:
		c.Out.Error("ERR Missing GROUP option for XREADGROUP")
		return false
	case len(c.Keys) != n/2:
		c.Out.Error(spec.ErrSyntax) // locateStreams reads the options in the same way
		return false
	}
	o.first = first
	return true
}

// ids reads from where on each stream is wanted; false after it has answered an error.
func (o *streamRead) ids(c *spec.Call) bool {
	o.after = make([]collection.StreamID, len(c.Keys))
	for i := range c.Keys {
		k := c.Key(i)
		s, ok := stream(c, k, c.Engine.Read(k))
		if !ok {
			return false
		}
		if o.byGroup && !s.HasGroup(o.group) {
			c.Out.Error("NOGROUP No such key '" + string(cString(k.Name)) + "' or consumer group '" + string(cString(o.group)) + "' in XREADGROUP with GROUP option")
			return false
		}
		if o.after[i], ok = o.id(c, s, c.Args[o.first+len(c.Keys)+i]); !ok {
			return false
		}
	}
	return true
}

// id reads from where on one stream is wanted; false after it has answered an error.
func (o *streamRead) id(c *spec.Call, s *collection.Stream, arg []byte) (id collection.StreamID, ok bool) {
	switch text := string(cString(arg)); {
	case o.byGroup && (text == "$" || text == "+"):
		c.Out.Error("ERR The " + text + " ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, " +
			"or use the > ID to get new messages. The " + text + " ID would just return an empty result set.")
		return id, false
	case text == "$":
		return s.LastID(), true
	case text == "+" && !s.Found():
		return id, true
	case text == "+":
		if id, ok = s.LastID().Prev(); !ok {
			c.Out.Error("ERR the stream last element ID is 0-0")
		}
		return id, ok
	case text == ">" && !o.byGroup:
		c.Out.Error("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
		return id, false
	case text == ">":
		return collection.MaxStreamID(), true
	}
	return streamID(c, arg)
}

// begin answers the head of a stream's part of the reply.
func (o *streamRead) begin(c *spec.Call, k *spec.KeyRef) {
	o.answered++
	if c.Out.Proto < 3 {
		c.Out.Array(2)
	}
	c.Out.Bulk(k.Name)
}

// read answers the entries of a stream behind an id, if there are any.
func (o *streamRead) read(c *spec.Call, k *spec.KeyRef, s *collection.Stream, after collection.StreamID) {
	if last, any := s.Last(); !any || !after.Less(last) {
		return
	}
	o.begin(c, k)
	from, _ := after.Next()
	replyEntries(c, s, from, collection.MaxStreamID(), o.count, false)
}

func xreadRun(c *spec.Call, byGroup bool) {
	o := streamRead{byGroup: byGroup}
	c.Engine.NoPropagate() // what is delivered is told as what came of it
	if !o.parse(c) || !o.ids(c) {
		return
	}
	head := c.Out.Defer()
	for i := range c.Keys {
		k := c.Key(i)
		ent := c.Engine.Read(k)
		if !ent.Found() {
			continue
		}
		s := collection.OpenStream(collKey(k), ent)
		if o.byGroup {
			o.readGroup(c, k, s, o.after[i])
		} else {
			o.read(c, k, s, o.after[i])
		}
	}
	switch {
	case o.answered > 0 && c.Out.Proto < 3:
		c.Out.SetArray(head, o.answered)
	case o.answered > 0:
		c.Out.SetMap(head, o.answered)
	case !o.wait || !c.Engine.Wait(&spec.Wait{Keys: c.Keys, Type: value.Stream, UntilMs: o.untilMs, Gone: o.byGroup, Args: o.again(c)}):
		c.Out.NullArray()
	}
}

// again is what is to run when there may be entries: the call, with the id that $ is now; nil if it has none.
func (o *streamRead) again(c *spec.Call) (args [][]byte) {
	for i := range c.Keys {
		at := o.first + len(c.Keys) + i
		if len(c.Args[at]) != 1 || c.Args[at][0] != '$' {
			continue
		}
		if args == nil {
			args = append(args, c.Args...)
		}
		args[at] = o.after[i].Append(nil)
	}
	return args
}

// readGroup answers what a consumer is to get of a stream: the entries that nobody of its group got yet, or those of its own that it has not acknowledged.
func (o *streamRead) readGroup(c *spec.Call, k *spec.KeyRef, s *collection.Stream, after collection.StreamID) {
	g := s.Group(o.group)
	history := after != collection.MaxStreamID()
	last, any := s.Last()
	fresh := !history && any && g.LastID().Less(last)
	to := &delivery{c: c, k: k, s: s, g: g, group: o.group, name: o.consumer}
	if to.findConsumer() && o.noAck {
		to.propagateConsumer()
	}
	if !history && !fresh {
		return
	}
	o.begin(c, k)
	if c.Engine.Dirty(1); history {
		from, _ := after.Next()
		to.history(from, o.count)
		return
	}
	to.fresh(o.count, o.noAck)
}
