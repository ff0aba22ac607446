package commands

import (
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

// Words that the commands of consumer groups are propagated with.
var (
	wordXClaim         = []byte("XCLAIM")
	wordXGroup         = []byte("XGROUP")
	wordCreateConsumer = []byte("CREATECONSUMER")
	wordSetID          = []byte("SETID")
	wordEntriesRead    = []byte("ENTRIESREAD")
	wordTime           = []byte("TIME")
	wordRetryCount     = []byte("RETRYCOUNT")
	wordForce          = []byte("FORCE")
	wordJustID         = []byte("JUSTID")
	wordLastID         = []byte("LASTID")
	wordZero           = []byte("0")
)

// delivery gives entries of a stream to a consumer of a group, and journals it so that it can be done twice: as XCLAIM of each entry, as XGROUP SETID and CREATECONSUMER.
type delivery struct {
	c           *spec.Call
	k           *spec.KeyRef
	s           *collection.Stream
	g           *collection.StreamGroup
	to          *collection.StreamConsumer
	group, name []byte

	claim *claimWords // made when it is needed
}

// claimWords is room for XCLAIM's words, and the text of its numbers.
type claimWords struct {
	words [14][]byte
	text  [128]byte
}

// findConsumer finds the consumer, which is seen, or makes it; true if it did.
func (d *delivery) findConsumer() (made bool) {
	if d.to = d.g.Consumer(d.name); d.to == nil {
		d.to, made = d.g.CreateConsumer(d.name, d.c.Now), true
		d.c.Engine.Dirty(1)
		d.c.Engine.Notify(eventStream, "xgroup-createconsumer", d.k)
	}
	d.to.SetSeen(d.c.Now)
	return made
}

func (d *delivery) propagateConsumer() {
	d.c.Engine.Propagate(wordXGroup, wordCreateConsumer, d.k.Name, d.group, d.name)
}

// propagateGroup journals how far the group has read.
func (d *delivery) propagateGroup() {
	if !d.c.Engine.Journals() {
		return
	}
	d.c.Engine.Propagate(wordXGroup, wordSetID, d.k.Name, d.group, d.g.LastID().Append(nil), wordEntriesRead, decimal(d.g.EntriesRead()))
}

// propagateClaim journals that an entry, whose id is given as text or else written here, is pending for its consumer.
func (d *delivery) propagateClaim(p collection.StreamPending, id []byte) {
	if !d.c.Engine.Journals() {
		return
	}
	if d.claim == nil {
		d.claim = new(claimWords)
	}
	b := d.claim.text[:0]
	number := func(add func([]byte) []byte) []byte {
		start := len(b)
		b = add(b)
		return b[start:]
	}
	if id == nil {
		id = number(p.ID.Append)
	}
	d.claim.words = [14][]byte{wordXClaim, d.k.Name, d.group, p.Consumer, wordZero, id,
		wordTime, number(func(b []byte) []byte { return strconv.AppendInt(b, p.DeliveredMs, 10) }),
		wordRetryCount, number(func(b []byte) []byte { return strconv.AppendUint(b, p.Deliveries, 10) }),
		wordForce, wordJustID, wordLastID, number(d.g.LastID().Append)}
	d.c.Engine.Propagate(d.claim.words[:]...)
}

// fresh answers entries that nobody of the group got yet, and delivers them.
func (d *delivery) fresh(most int64, noAck bool) {
	head := d.c.Out.Defer()
	var few [16]collection.StreamID
	ids := few[:0]
	var it collection.StreamIter
	from, _ := d.g.LastID().Next()
	for d.s.Iterate(&it, from, collection.MaxStreamID(), false); (most == 0 || int64(len(ids)) < most) && it.Next(); {
		replyEntry(d.c, &it)
		ids = append(ids, it.ID())
	}
	d.c.Out.SetArray(head, len(ids))
	for _, id := range ids {
		d.passed(id)
		if noAck {
			continue
		}
		d.g.Deliver(d.to, id, d.c.Now, 1)
		d.to.SetActive(d.c.Now)
		d.propagateClaim(collection.StreamPending{ID: id, Consumer: d.name, DeliveredMs: d.c.Now, Deliveries: 1}, nil)
	}
	if len(ids) > 0 {
		d.propagateGroup()
	}
}

// passed notes that the group has read an entry.
func (d *delivery) passed(id collection.StreamID) {
	if n := d.g.EntriesRead(); n != collection.UnknownEntries && !d.s.HasTombstones(id) {
		d.g.SetEntriesRead(n + 1)
	} else if d.s.EntriesAdded() > 0 {
		d.g.SetEntriesRead(d.s.EntriesUpTo(id))
	}
	d.g.SetLastID(id)
}

// history answers the consumer's own pending entries from an id on, as delivered once more. Of those that were deleted from the stream there is only the id.
func (d *delivery) history(from collection.StreamID, most int64) {
	head, n := d.c.Out.Defer(), 0
	for more := true; more && (most == 0 || int64(n) < most); n++ {
		p, ok := d.to.PendingFrom(from)
		if !ok {
			break
		}
		if replyEntryOf(d.c, d.s, p.ID) {
			d.g.Deliver(d.to, p.ID, d.c.Now, p.Deliveries+1)
		} else {
			d.c.Out.Array(2)
			replyStreamID(d.c, p.ID)
			d.c.Out.NullArray()
		}
		from, more = p.ID.Next()
	}
	d.c.Out.SetArray(head, n)
}
