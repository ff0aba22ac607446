package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

// streamPendingCommands are the commands about entries that were delivered to a consumer and not acknowledged yet.
func streamPendingCommands() []*spec.Command {
	const fast = spec.Write | spec.Fast
	group, consumer := spec.Str("group"), spec.Str("consumer")
	xpending := streamCommand("xpending", "5.0.0", "Returns the information and entries from a stream consumer group's pending entries list.",
		"O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
		-3, spec.ReadOnly, spec.RO|spec.Reads, spec.Args(group, spec.Opt(spec.Block("filters", spec.Since("6.2.0", spec.Opt(spec.After("IDLE", spec.Int("min-idle-time")))),
			spec.Str("start"), spec.Str("end"), spec.Int("count"), spec.Opt(consumer)))), xpendingRun)
	xpending.History = [][2]string{{"6.2.0", "Added the `IDLE` option and exclusive range intervals."}}
	xclaim := streamCommand("xclaim", "5.0.0", "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer group member.",
		"O(log N) with N being the number of messages in the PEL of the consumer group.", -6, fast, spec.RW|spec.Updates,
		spec.Args(group, consumer, spec.Str("min-idle-time"), spec.Many(streamIDArg), spec.Opt(spec.After("IDLE", spec.Int("ms"))),
			spec.Opt(spec.After("TIME", spec.UnixTime("unix-time-milliseconds"))), spec.Opt(spec.After("RETRYCOUNT", spec.Int("count"))),
			word("force", "FORCE"), word("justid", "JUSTID"), spec.Opt(spec.After("LASTID", spec.Str("lastid")))), xclaimRun)
	xautoclaim := streamCommand("xautoclaim", "6.2.0", "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as consumer group member.",
		"O(1) if COUNT is small.", -6, fast, spec.RW|spec.Deletes,
		spec.Args(group, consumer, spec.Str("min-idle-time"), spec.Str("start"), streamCountArg, word("justid", "JUSTID")), xautoclaimRun)
	xautoclaim.History = [][2]string{{"7.0.0", "Added an element to the reply array, containing deleted entries the command cleared from the PEL"}}
	xpending.Tips, xclaim.Tips, xautoclaim.Tips = tipRandom, tipRandom, tipRandom
	return []*spec.Command{xpending, xclaim, xautoclaim,
		streamCommand("xack", "5.0.0", "Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.",
			"O(1) for each message ID processed.", -4, fast, spec.RW|spec.Updates, spec.Args(group, spec.Many(streamIDArg)), xackRun)}
}

func xackRun(c *spec.Call) {
	s, ok := streamToRead(c)
	if !ok {
		return
	}
	g := s.Group(c.Args[2])
	if g == nil {
		c.Out.Int(0)
		return
	}
	ids, ok := streamIDs(c, c.Args[3:])
	if !ok {
		return
	}
	n := 0
	for _, id := range ids {
		if g.Ack(id) {
			n++
		}
	}
	c.Out.Int(int64(n))
	c.Engine.Dirty(n)
}

// pendingRange is what XPENDING is to tell of.
type pendingRange struct {
	minIdle  int64 // ms
	from, to collection.StreamID
	count    int64
	consumer []byte // nil: every one's
}

// parse reads XPENDING's arguments behind the group; false after it has answered an error.
func (r *pendingRange) parse(c *spec.Call) (ok bool) {
	args := c.Args[3:]
	if len(args) < 3 || len(args) > 6 {
		c.Out.Error(spec.ErrSyntax)
		return false
	}
	if spec.EqualFold(args[0], "idle") {
		if r.minIdle, ok = c.Int(args[1]); !ok {
			return false
		}
		if args = args[2:]; len(args) < 3 {
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	if r.count, ok = c.Int(args[2]); !ok {
		return false
	}
	if r.from, ok = streamFrom(c, args[0]); !ok {
		return false
	}
	if len(args) > 3 {
		r.consumer = args[3]
	}
	r.to, ok = streamTo(c, args[1])
	return ok
}

func xpendingRun(c *spec.Call) {
	summary := len(c.Args) == 3
	var r pendingRange
	if !summary && !r.parse(c) {
		return
	}
	_, g, ok := groupToRead(c)
	if !ok {
		return
	}
	switch {
	case summary:
		pendingSummary(c, g)
	case r.consumer == nil:
		r.reply(c, g.EachPending)
	default:
		if to := g.Consumer(r.consumer); to != nil {
			r.reply(c, to.EachPending)
		} else {
			c.Out.EmptyArray()
		}
	}
}

// pendingSummary answers how many entries are pending, the first and the last of them, and how many each consumer has.
func pendingSummary(c *spec.Call, g *collection.StreamGroup) {
	c.Out.Array(4)
	c.Out.Int(int64(g.Pending()))
	first, any := g.PendingFrom(collection.StreamID{})
	if !any {
		c.Out.Null()
		c.Out.Null()
		c.Out.NullArray()
		return
	}
	last, _ := g.LastPending()
	replyStreamID(c, first.ID)
	replyStreamID(c, last.ID)
	head, n := c.Out.Defer(), 0
	g.EachConsumer(func(to *collection.StreamConsumer) bool {
		if pending := to.Pending(); pending > 0 {
			n++
			c.Out.Array(2)
			c.Out.Bulk(to.Name())
			c.Out.BulkInt(int64(pending))
		}
		return true
	})
	c.Out.SetArray(head, n)
}

// reply answers the pending entries of the range that each goes over.
func (r *pendingRange) reply(c *spec.Call, each func(collection.StreamID, func(collection.StreamPending) bool)) {
	head, n := c.Out.Defer(), int64(0)
	if r.count > 0 {
		each(r.from, func(p collection.StreamPending) bool {
			if r.to.Less(p.ID) {
				return false
			}
			idle := c.Now - p.DeliveredMs
			if r.minIdle != 0 && idle < r.minIdle {
				return true
			}
			n++
			c.Out.Array(4)
			replyStreamID(c, p.ID)
			c.Out.Bulk(p.Consumer)
			c.Out.Int(max(idle, 0))
			c.Out.Int(int64(p.Deliveries))
			return n < r.count
		})
	}
	c.Out.SetArray(head, int(n))
}
