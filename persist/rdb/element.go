package rdb

import "github.com/larder-cache/larder/store/value"

// Content is a value other than a string, as a loader takes it and a Writer is given it: either packed, as the bytes that a small one is in memory, or as
// elements that follow (Reader.NextElement, Writer.Element). Whatever a dump's type byte, older encodings are turned into today's.
type Content struct {
	// Type is the type of the value. A module's value has none: value.Module, and neither Packed nor elements.
	Type value.Type
	// Encoding is what Packed is: value.ListPack or value.IntSet.
	Encoding value.Encoding
	// Packed is the whole value, or nil when elements follow: an intset; a listpack of members; of fields and values; of members and scores, ascending by score,
	// then member; of a list's elements. From a Reader it is validated, and valid until the next call of Next. With ReaderOptions.Deep
	// there is no member or field twice.
	Packed []byte
	// Count is the number of members, fields, or elements of a packed list; of a list or stream that is not packed, the number of nodes. Redis takes a value
	// with none for an error (or, in a file, leaves the key out); streams may be empty.
	Count uint64
	// FieldTTL says that fields of a hash may have an expiry.
	FieldTTL bool
}

// ElementKind says what an Element is.
type ElementKind uint8

// The kinds of elements, in the order in which they come. Of a stream: nodes, one StreamInfo, then for each group Group, its Pending, Consumers, and for each consumer Consumer
// and its Owned.
const (
	ElementMember     ElementKind = iota + 1 // of a set: Name
	ElementField                             // of a hash: Name, Value, ExpireAtMs
	ElementScored                            // of a sorted set: Name, Score
	ElementItem                              // of a list: one element, Value
	ElementNode                              // of a list: Value, a listpack of elements (perhaps none)
	ElementStreamNode                        // of a stream: ID, Value, a listpack as Redis' streams have it; IDs ascend
	ElementStreamInfo                        // of a stream: Stream; Count groups follow
	ElementGroup                             // a consumer group: Name, ID (its last), EntriesRead; Count pending entries follow
	ElementPending                           // of a group: ID, TimeMs when delivered, Deliveries
	ElementConsumers                         // of a group: Count consumers follow
	ElementConsumer                          // Name, TimeMs when seen, ActiveMs; Count pending entries of its own follow
	ElementOwned                             // of a consumer: ID, which is one of the group's pending ones
)

// String returns the kind's name.
func (k ElementKind) String() string {
	names := [...]string{"none", "member", "field", "scored member", "item", "node", "stream node", "stream info", "group", "pending entry", "number of consumers", "consumer", "owned entry"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// StreamID is the id of an entry of a stream.
type StreamID struct{ Ms, Seq uint64 }

// Less reports whether the id is before another.
func (id StreamID) Less(than StreamID) bool {
	return id.Ms < than.Ms || id.Ms == than.Ms && id.Seq < than.Seq
}

// StreamInfo is what a stream has beside its entries and groups.
type StreamInfo struct {
	// Length is the number of entries.
	Length uint64
	// Last is the greatest id ever, First that of the first entry, MaxDeleted the greatest one that was deleted.
	Last, First, MaxDeleted StreamID
	// Added is the number of entries ever added.
	Added uint64
}

// UnknownEntriesRead is Element.EntriesRead of a group that does not know.
const UnknownEntriesRead = -1

// Element is a part of a value. Kind says which fields have a meaning. The slices that a Reader gives are valid until its next call.
type Element struct {
	Kind  ElementKind
	Name  []byte
	Value []byte
	Score float64
	// ExpireAtMs is when a field expires, in milliseconds of Unix time; 0 when it does not.
	ExpireAtMs int64
	ID         StreamID
	Stream     StreamInfo
	// EntriesRead is how many entries a group has read, or UnknownEntriesRead.
	EntriesRead int64
	// TimeMs and ActiveMs are milliseconds of Unix time. A consumer that was never active has ActiveMs −1.
	TimeMs, ActiveMs int64
	Deliveries       uint64
	Count            uint64
}

// progress says which element of a value comes next. Reader and Writer both go by it.
type progress struct {
	next              ElementKind // 0: none, the value is complete
	left              uint64      // of the elements, nodes, pending or owned entries that are next
	groups, consumers uint64
}

// firstKind returns the kind of a type's first elements.
func firstKind(t value.Type) ElementKind {
	switch t {
	case value.Set:
		return ElementMember
	case value.Hash:
		return ElementField
	case value.ZSet:
		return ElementScored
	case value.List:
		return ElementNode
	case value.Stream:
		return ElementStreamNode
	}
	return 0
}

// begin makes p that of a value.
func (p *progress) begin(c Content) {
	*p = progress{}
	if c.Packed == nil {
		p.run(firstKind(c.Type), c.Count)
	}
}

// takes reports whether an element of kind k is in turn.
func (p *progress) takes(k ElementKind) bool {
	return k != 0 && (k == p.next || k == ElementItem && p.next == ElementNode)
}

// took moves on behind el, which was in turn.
func (p *progress) took(el *Element) {
	switch el.Kind {
	case ElementStreamInfo:
		p.groups = el.Count
		p.nextGroup()
	case ElementGroup:
		p.run(ElementPending, el.Count)
	case ElementConsumers:
		p.consumers = el.Count
		p.nextConsumer()
	case ElementConsumer:
		p.run(ElementOwned, el.Count)
	default:
		p.run(p.next, p.left-1)
	}
}

// run says that n elements of kind k come next.
func (p *progress) run(k ElementKind, n uint64) {
	p.next, p.left = k, n
	if n == 0 {
		p.endOfRun()
	}
}

// endOfRun goes on behind the last of several elements of a kind.
func (p *progress) endOfRun() {
	switch p.next {
	case ElementStreamNode:
		p.next = ElementStreamInfo
	case ElementPending:
		p.next = ElementConsumers
	case ElementOwned:
		p.nextConsumer()
	default:
		p.next = 0
	}
}

// nextGroup goes on with the next group, if there is one.
func (p *progress) nextGroup() {
	p.next = 0
	if p.groups > 0 {
		p.groups--
		p.next = ElementGroup
	}
}

// nextConsumer goes on with the next consumer, or the next group.
func (p *progress) nextConsumer() {
	if p.consumers == 0 {
		p.nextGroup()
		return
	}
	p.consumers--
	p.next = ElementConsumer
}
