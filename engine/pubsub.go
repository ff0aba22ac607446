package engine

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/wire/resp"
)

// topicKind is what a client can subscribe to.
type topicKind uint8

const (
	channels topicKind = iota
	patterns
	shardChannels
	numTopicKinds
)

// topic is a channel or a pattern that somebody is subscribed to.
type topic struct {
	name string
	glob []byte // name, of a pattern
	subs []*subscription
	at   int // of a pattern: its place in its group
}

// subscription is one client's to one topic. Its fields are guarded by the topic's lock.
type subscription struct {
	client *Client
	topic  *topic
	at     int // its place in topic.subs
}

func (t *topic) add(c *Client) *subscription {
	s := &subscription{client: c, topic: t, at: len(t.subs)}
	t.subs = append(t.subs, s)
	return s
}

// drop forgets a subscription and reports whether it was the last.
func (t *topic) drop(s *subscription) bool {
	last := t.subs[len(t.subs)-1]
	t.subs[s.at], last.at = last, s.at
	t.subs[len(t.subs)-1] = nil
	t.subs = t.subs[:len(t.subs)-1]
	return len(t.subs) == 0
}

// deliver pushes a message to all subscribers, and counts them.
func (t *topic) deliver(message []byte) (n int) {
	for _, s := range t.subs {
		if c := s.client; !c.gone.Load() {
			c.push(c.pushKind(), message, nil)
			n++
		}
	}
	return n
}

// pushKind is the byte with which a push begins that others encode for the client.
func (c *Client) pushKind() byte {
	if c.info.proto.Load() >= 3 {
		return '>'
	}
	return '*'
}

// pubsub is who is subscribed to what. Nobody waits in it for anything but its locks: a message is left in each subscriber's feed.
//
// A channel's messages, those that come by way of patterns too, have one order: who publishes holds the lock of the channel's stripe.
// Locks are taken in the order shard, subscriptions, stripe, patterns, feed.
type pubsub struct {
	seed     maphash.Seed
	channels directory
	sharded  directory
	patterns patternSet
	bytes    atomic.Int64 // what subscriptions take, about
}

// directory is the channels of a kind.
type directory struct {
	stripes [limits.PubSubStripes]stripe
	topics  atomic.Int64
}

type stripe struct {
	mu     sync.Mutex
	byName map[string]*topic
	_      [48]byte // alone on its cache line
}

func (p *pubsub) init() { p.seed = maphash.MakeSeed() }

// directory is nil for patterns.
func (p *pubsub) directory(kind topicKind) *directory {
	switch kind {
	case channels:
		return &p.channels
	case shardChannels:
		return &p.sharded
	case patterns, numTopicKinds:
	}
	return nil
}

func (p *pubsub) stripe(d *directory, name string) *stripe {
	return &d.stripes[maphash.String(p.seed, name)%limits.PubSubStripes]
}

func (p *pubsub) register(kind topicKind, name string, c *Client) *subscription {
	d := p.directory(kind)
	if d == nil {
		return p.patterns.register(name, c)
	}
	st := p.stripe(d, name)
	st.mu.Lock()
	defer st.mu.Unlock()
	t := st.byName[name]
	if t == nil {
		if st.byName == nil {
			st.byName = map[string]*topic{}
		}
		t = &topic{name: name}
		st.byName[name] = t
		d.topics.Add(1)
	}
	return t.add(c)
}

func (p *pubsub) unregister(kind topicKind, s *subscription) {
	d, name := p.directory(kind), s.topic.name
	if d == nil {
		p.patterns.unregister(s)
		return
	}
	st := p.stripe(d, name)
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.topic.drop(s) {
		if delete(st.byName, name); len(st.byName) == 0 {
			st.byName = nil
		}
		d.topics.Add(-1)
	}
}

// publish gives a message to all subscribers of a channel, and of patterns that it matches, and counts them. scratch is used to
// encode it.
func (p *pubsub) publish(scratch *[]byte, kind topicKind, channel, message []byte) (n int) {
	d, word := p.directory(kind), "message"
	byPattern := kind == channels && p.patterns.topics.Load() > 0
	if !byPattern && d.topics.Load() == 0 {
		return 0
	}
	if kind == shardChannels {
		word = "smessage"
	}
	st := &d.stripes[maphash.Bytes(p.seed, channel)%limits.PubSubStripes]
	st.mu.Lock()
	defer st.mu.Unlock()
	if t := st.byName[string(channel)]; t != nil {
		b := resp.AppendBulkString(resp.AppendHeader((*scratch)[:0], '*', 3), word)
		b = resp.AppendBulk(resp.AppendBulk(b, channel), message)
		n = t.deliver(b)
		*scratch = b
	}
	if byPattern {
		n += p.patterns.deliver(scratch, channel, message)
	}
	if cap(*scratch) > maxKeptBuffer {
		*scratch = nil
	}
	return n
}

// names are the channels of a kind that somebody is subscribed to.
func (p *pubsub) names(kind topicKind) (out []string) {
	d := p.directory(kind)
	for i := range d.stripes {
		st := &d.stripes[i]
		st.mu.Lock()
		for name := range st.byName {
			out = append(out, name)
		}
		st.mu.Unlock()
	}
	return out
}

// subscribers counts those of a channel, without those of patterns.
func (p *pubsub) subscribers(kind topicKind, name string) int {
	st := p.stripe(p.directory(kind), name)
	st.mu.Lock()
	defer st.mu.Unlock()
	n := 0
	if t := st.byName[name]; t != nil {
		for _, s := range t.subs {
			if !s.client.gone.Load() {
				n++
			}
		}
	}
	return n
}

// patternSet is the patterns, in groups by what they begin with: a channel has to be compared only with those that begin as it does.
type patternSet struct {
	topics  atomic.Int64
	mu      sync.RWMutex
	byName  map[string]*topic
	groups  map[string][]*topic // by literalPrefix
	lengths []prefixLength      // of the groups' prefixes, ascending
}

type prefixLength struct{ length, groups int }

// maxLiteral is how much of a pattern's beginning is looked at, so that there are few lengths.
const maxLiteral = 32

// literalPrefix is what everything begins with that a pattern matches.
func literalPrefix(pattern string) string {
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		pattern = pattern[:i]
	}
	return pattern[:min(len(pattern), maxLiteral)]
}

func (p *patternSet) register(name string, c *Client) *subscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.byName[name]
	if t == nil {
		t = &topic{name: name, glob: []byte(name)}
		p.addLocked(t)
	}
	return t.add(c)
}

func (p *patternSet) addLocked(t *topic) {
	if p.byName == nil {
		p.byName, p.groups = map[string]*topic{}, map[string][]*topic{}
	}
	p.byName[t.name] = t
	prefix := literalPrefix(t.name)
	g := p.groups[prefix]
	if g == nil {
		p.countLength(len(prefix), 1)
	}
	t.at = len(g)
	p.groups[prefix] = append(g, t)
	p.topics.Add(1)
}

func (p *patternSet) unregister(s *subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := s.topic
	if !t.drop(s) {
		return
	}
	delete(p.byName, t.name)
	prefix := literalPrefix(t.name)
	g := p.groups[prefix]
	last := g[len(g)-1]
	g[t.at], last.at = last, t.at
	g[len(g)-1] = nil
	if g = g[:len(g)-1]; len(g) > 0 {
		p.groups[prefix] = g
	} else {
		delete(p.groups, prefix)
		p.countLength(len(prefix), -1)
	}
	if p.topics.Add(-1) == 0 {
		p.byName, p.groups = nil, nil // maps do not shrink
	}
}

func (p *patternSet) countLength(length, by int) {
	p.lengths = countLength(p.lengths, length, by)
}

// countLength counts groups with prefixes of a length, in a list that is sorted by it.
func countLength(list []prefixLength, length, by int) []prefixLength {
	i, found := slices.BinarySearchFunc(list, length, func(l prefixLength, n int) int { return l.length - n })
	if !found {
		list = slices.Insert(list, i, prefixLength{length: length})
	}
	if list[i].groups += by; list[i].groups == 0 {
		list = slices.Delete(list, i, i+1)
	}
	return list
}

// deliver pushes a channel's message to the subscribers of all patterns that the channel matches, and counts them.
func (p *patternSet) deliver(scratch *[]byte, channel, message []byte) (n int) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, l := range p.lengths {
		if l.length > len(channel) {
			break
		}
		for _, t := range p.groups[string(channel[:l.length])] {
			if !glob.Match(t.glob, channel, false) {
				continue
			}
			b := resp.AppendBulkString(resp.AppendHeader((*scratch)[:0], '*', 4), "pmessage")
			b = resp.AppendBulk(resp.AppendBulk(resp.AppendBulk(b, t.glob), channel), message)
			n += t.deliver(b)
			*scratch = b
		}
	}
	return n
}

// subscriptions are a client's.
type subscriptions struct {
	mu    sync.Mutex // the client's loop changes of, and others read it who change access rules
	of    [numTopicKinds]map[string]*subscription
	total int
}

// subscriptionBytes is what a subscription takes, about, beside its topic's name.
const subscriptionBytes = 160

// count is the number that confirmations tell: channels and patterns together, or shard channels. It is for the client's own loop, which
// needs no lock to read.
func (s *subscriptions) count(kind topicKind) int {
	if kind == shardChannels {
		return len(s.of[shardChannels])
	}
	return len(s.of[channels]) + len(s.of[patterns])
}

// subscribe adds a subscription that the client does not have. For its own loop.
func (e *Engine) subscribe(c *Client, kind topicKind, name string) {
	sub := e.pubsub.register(kind, name, c)
	s := &c.subs
	s.mu.Lock()
	if s.of[kind] == nil {
		s.of[kind] = map[string]*subscription{}
	}
	s.of[kind][name] = sub
	s.mu.Unlock()
	s.total++
	e.subscribed(c, kind, int64(subscriptionBytes+len(name)))
}

// unsubscribe takes one away, if the client has it. For its own loop.
func (e *Engine) unsubscribe(c *Client, kind topicKind, name string) {
	s := &c.subs
	sub := s.of[kind][name]
	if sub == nil {
		return
	}
	e.pubsub.unregister(kind, sub)
	s.mu.Lock()
	if delete(s.of[kind], name); len(s.of[kind]) == 0 {
		s.of[kind] = nil
	}
	s.mu.Unlock()
	s.total--
	e.subscribed(c, kind, -int64(subscriptionBytes+len(name)))
}

// subscribed keeps count.
func (e *Engine) subscribed(c *Client, kind topicKind, bytes int64) {
	c.info.subs[kind].Store(int32(len(c.subs.of[kind])))
	c.listenBytes += bytes
	e.pubsub.bytes.Add(bytes)
}

// setListening puts a client into subscribed mode, or takes it out.
func (c *Client) setListening(on bool) {
	if was := c.attend&attendChannels != 0; was == on {
		return
	}
	c.setAttention(attendChannels, on)
	switch k := c.Class(); {
	case on && k == ClassNormal:
		c.SetClass(ClassPubSub)
	case !on && k == ClassPubSub:
		c.SetClass(ClassNormal)
	}
}

// leaveAll takes all of a client's subscriptions away, without a word to it.
func (e *Engine) leaveAll(c *Client) {
	for kind := range numTopicKinds {
		for name := range c.subs.of[kind] {
			e.unsubscribe(c, kind, name)
		}
	}
	c.setListening(false)
}

// mayHear reports whether some rules allow all that a client is subscribed to.
func (c *Client) mayHear(r *acl.Rules) bool {
	if r.Unrestricted() {
		return true
	}
	c.subs.mu.Lock()
	defer c.subs.mu.Unlock()
	for kind, of := range c.subs.of {
		for name := range of {
			if !r.MayHear([]byte(name), topicKind(kind) == patterns) {
				return false
			}
		}
	}
	return true
}

// EndListeners ends the connections of a user that are subscribed to what the user's rules no longer allow.
func (e *Engine) EndListeners(u *acl.User) {
	for _, c := range e.Clients() {
		if c.User() == u && !c.mayHear(u.Rules()) {
			c.Kill(false)
		}
	}
}

// PubSubTotals is what INFO tells of publish and subscribe.
type PubSubTotals struct {
	Channels, Patterns, ShardChannels int64 // that somebody is subscribed to
	Bytes                             int64 // what subscriptions and prefixes of tracking take, about
}

// PubSubTotals reads it.
func (e *Engine) PubSubTotals() PubSubTotals {
	p := &e.pubsub
	return PubSubTotals{Channels: p.channels.topics.Load(), Patterns: p.patterns.topics.Load(), ShardChannels: p.sharded.topics.Load(), Bytes: p.bytes.Load()}
}
