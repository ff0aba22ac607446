package commands

import (
	"math"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/wire/resp"
)

// claim is one XCLAIM.
type claim struct {
	minIdle     int64 // ms
	ids         []collection.StreamID
	deliveredMs int64 // −1: not given
	deliveries  int64 // −1: not given
	force       bool
	justID      bool
	last        collection.StreamID
}

// parse reads what stands behind the consumer; false after it has answered an error.
func (o *claim) parse(c *spec.Call) (ok bool) {
	o.deliveredMs, o.deliveries = -1, -1
	if o.minIdle, ok = claimInt(c, c.Args[4], "Invalid min-idle-time argument for XCLAIM"); !ok {
		return false
	}
	o.minIdle = max(o.minIdle, 0)
	i := 5
	for ; i < len(c.Args); i++ {
		id, ok := parseStreamID(c.Args[i], 0, nil)
		if !ok {
			break
		}
		o.ids = append(o.ids, id)
	}
	for ; i < len(c.Args); i++ {
		word := c.Args[i]
		switch {
		case spec.EqualFold(word, "force"):
			o.force = true
		case spec.EqualFold(word, "justid"):
			o.justID = true
		case i+1 < len(c.Args):
			i++
			if !o.option(c, word, c.Args[i]) {
				return false
			}
		default:
			badClaimOption(c, word)
			return false
		}
	}
	return true
}

// option reads an option with a value; false after it has answered an error.
func (o *claim) option(c *spec.Call, word, arg []byte) (ok bool) {
	switch {
	case spec.EqualFold(word, "idle"):
		o.deliveredMs, ok = claimInt(c, arg, "Invalid IDLE option argument for XCLAIM")
		o.deliveredMs = c.Now - o.deliveredMs
	case spec.EqualFold(word, "time"):
		o.deliveredMs, ok = claimInt(c, arg, "Invalid TIME option argument for XCLAIM")
	case spec.EqualFold(word, "retrycount"):
		o.deliveries, ok = claimInt(c, arg, "Invalid RETRYCOUNT option argument for XCLAIM")
	case spec.EqualFold(word, "lastid"):
		o.last, ok = streamID(c, arg)
	default:
		badClaimOption(c, word)
	}
	return ok
}

func badClaimOption(c *spec.Call, word []byte) {
	c.Out.Error("ERR Unrecognized XCLAIM option '" + string(cString(word)) + "'")
}

// claimInt reads an integer; false after it has answered an error of its own.
func claimInt(c *spec.Call, arg []byte, msg string) (int64, bool) {
	return between(c, arg, math.MinInt64, math.MaxInt64, "ERR "+msg)
}

func xclaimRun(c *spec.Call) {
	s, g, ok := groupToRead(c)
	if !ok {
		return
	}
	var o claim
	if !o.parse(c) {
		return
	}
	tellLast := g.LastID().Less(o.last)
	if tellLast {
		g.SetLastID(o.last)
	}
	if o.deliveredMs < 0 || o.deliveredMs > c.Now {
		o.deliveredMs = c.Now // whoever is a little ahead of this clock is not to fail
	}
	c.Engine.NoPropagate() // what is claimed is told entry by entry
	d := &delivery{c: c, k: c.Key(0), s: s, g: g, group: c.Args[2], name: c.Args[3]}
	d.findConsumer()
	head, n := c.Out.Defer(), 0
	for i, id := range o.ids {
		claimed, changed := o.one(d, id, c.Args[5+i])
		if claimed {
			n++
		}
		if changed {
			tellLast = false
		}
	}
	c.Out.SetArray(head, n)
	if tellLast {
		d.propagateGroup()
		c.Engine.Dirty(1)
	}
}

// one claims an entry, the id of which was written so, and answers it. It reports whether it did, and whether something was changed and journaled: one that is pending, but
// was deleted from the stream, is given up.
func (o *claim) one(d *delivery, id collection.StreamID, text []byte) (claimed, changed bool) {
	p, pending := d.g.Lookup(id)
	if !d.s.Exists(id) {
		if pending {
			d.giveUp(p, text)
		}
		return false, pending
	}
	switch {
	case !pending && !o.force:
		return false, false
	case !pending:
		p = collection.StreamPending{ID: id, Deliveries: 1}
	case o.minIdle > 0 && d.c.Now-p.DeliveredMs < o.minIdle:
		return false, false
	}
	if o.deliveries >= 0 {
		p.Deliveries = uint64(o.deliveries)
	} else if !o.justID {
		p.Deliveries++
	}
	p.DeliveredMs = o.deliveredMs
	d.take(p, text, o.justID)
	return true, true
}

// giveUp takes an entry that was deleted from the stream out of the pending ones. Its id is given as text, or nil.
func (d *delivery) giveUp(p collection.StreamPending, text []byte) {
	d.propagateClaim(p, text)
	d.g.Ack(p.ID)
	d.c.Engine.Dirty(1)
}

// take makes an entry pending for the consumer, and answers it. Its id is given as text, or nil.
func (d *delivery) take(p collection.StreamPending, text []byte, justID bool) {
	d.g.Deliver(d.to, p.ID, p.DeliveredMs, p.Deliveries)
	d.to.SetActive(d.c.Now)
	if justID {
		replyStreamID(d.c, p.ID)
	} else {
		replyEntryOf(d.c, d.s, p.ID)
	}
	p.Consumer = d.name
	d.propagateClaim(p, text)
	d.c.Engine.Dirty(1)
}

// autoClaim is one XAUTOCLAIM.
type autoClaim struct {
	minIdle int64 // ms
	from    collection.StreamID
	count   int64
	justID  bool
}

// parse reads what stands behind the consumer; false after it has answered an error.
func (o *autoClaim) parse(c *spec.Call) (ok bool) {
	const most = math.MaxInt64 / 16
	o.count = 100
	if o.minIdle, ok = claimInt(c, c.Args[4], "Invalid min-idle-time argument for XAUTOCLAIM"); !ok {
		return false
	}
	o.minIdle = max(o.minIdle, 0)
	if o.from, ok = streamFrom(c, c.Args[5]); !ok {
		return false
	}
	for i := 6; i < len(c.Args); i++ {
		switch {
		case i+1 < len(c.Args) && spec.EqualFold(c.Args[i], "count"):
			i++
			if o.count, ok = between(c, c.Args[i], 1, most, "ERR COUNT must be > 0"); !ok {
				return false
			}
		case spec.EqualFold(c.Args[i], "justid"):
			o.justID = true
		default:
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	return true
}

func xautoclaimRun(c *spec.Call) {
	var o autoClaim
	if !o.parse(c) {
		return
	}
	s, g, ok := groupToRead(c)
	if !ok {
		return
	}
	c.Engine.NoPropagate() // what is claimed is told entry by entry
	d := &delivery{c: c, k: c.Key(0), s: s, g: g, group: c.Args[2], name: c.Args[3]}
	d.findConsumer()
	c.Out.Array(3)
	cursor, head := c.Out.Defer(), c.Out.Defer()
	n, deleted, next := o.run(d)
	c.Out.SetArray(head, n)
	var text [maxStreamIDBytes]byte
	var bulk [maxStreamIDBytes + 16]byte
	c.Out.Buf = slices.Insert(c.Out.Buf, int(cursor), resp.AppendBulk(bulk[:0], next.Append(text[:0]))...)
	c.Out.Array(len(deleted))
	for _, id := range deleted {
		replyStreamID(c, id)
	}
}

// run claims entries and answers them. It gives how many, the ids of those that were deleted from the stream, and where to go on: 0-0 if nothing is left.
func (o *autoClaim) run(d *delivery) (n int, deleted []collection.StreamID, next collection.StreamID) {
	const attempts = 10 // pending entries that are looked at for each that is wanted
	from, more := o.from, true
	for left := o.count * attempts; more && left > 0 && o.count > 0; left-- {
		p, ok := d.g.PendingFrom(from)
		if !ok {
			return n, deleted, next
		}
		from, more = p.ID.Next()
		switch {
		case !d.s.Exists(p.ID):
			d.giveUp(p, nil)
			deleted = append(deleted, p.ID)
			o.count--
		case o.minIdle == 0 || d.c.Now-p.DeliveredMs >= o.minIdle:
			if p.DeliveredMs = d.c.Now; !o.justID {
				p.Deliveries++
			}
			d.take(p, nil, o.justID)
			o.count--
			n++
		}
	}
	if more {
		p, _ := d.g.PendingFrom(from) // 0-0 if there is none
		next = p.ID
	}
	return n, deleted, next
}
