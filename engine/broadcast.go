package engine

import (
	"maps"
	"slices"

	"github.com/larder-cache/larder/wire/resp"
)

// Broadcasting mode of client-side caching (CLIENT TRACKING ON BCAST): a client is told of all changes of keys that begin with one of
// its prefixes. What a command or transaction changed is told in one message a prefix, while its shards are still held.

// prefixTable is all prefixes. It is never changed, only replaced.
type prefixTable struct {
	of      map[string]*prefixClients
	lengths []prefixLength
}

// prefixClients is a prefix and who wants to hear of it. It is never changed, either.
type prefixClients struct{ clients []*Client }

// pendingKeys are the changed keys of one prefix.
type pendingKeys struct {
	names []string
	by    map[string]*Client // the last who changed it; nil: nobody did, it expired
}

// broadcastLater notes a changed key for those who want to hear of its prefixes.
func (x *Executor) broadcastLater(key []byte, by *Client) {
	t := x.e.track.prefixes.Load()
	if t == nil {
		return
	}
	for _, l := range t.lengths {
		if l.length > len(key) {
			break
		}
		if p := t.of[string(key[:l.length])]; p != nil {
			x.pendingFor(p).add(string(key), by)
		}
	}
}

func (x *Executor) pendingFor(p *prefixClients) *pendingKeys {
	k := x.pending[p]
	if k == nil {
		if x.pending == nil {
			x.pending = map[*prefixClients]*pendingKeys{}
		}
		k = &pendingKeys{by: map[string]*Client{}}
		x.pending[p] = k
	}
	return k
}

func (k *pendingKeys) add(key string, by *Client) {
	if _, known := k.by[key]; !known {
		k.names = append(k.names, key)
	}
	k.by[key] = by
}

// broadcast sends what was noted. The shards are still held.
func (x *Executor) broadcast() {
	if len(x.pending) == 0 {
		return
	}
	for p, keys := range x.pending {
		slices.Sort(keys.names) // as Redis' table of them has them
		x.e.broadcast(p, keys)
	}
	x.pending = nil
}

func (e *Engine) broadcast(p *prefixClients, keys *pendingKeys) {
	all := keys.payload(nil)
	for _, c := range p.clients {
		m, payload := c.trackMode(), all
		if m&trackBroadcast == 0 || c.gone.Load() {
			continue
		}
		if m&trackNoLoop != 0 {
			payload = keys.payload(c)
		}
		if payload != nil {
			e.tell(c, payload)
		}
	}
}

// payload is the keys as an array, without those that a client changed itself; nil if that leaves none.
func (k *pendingKeys) payload(but *Client) []byte {
	names := k.names
	if but != nil {
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return k.by[n] == but })
	}
	if len(names) == 0 {
		return nil
	}
	b := resp.AppendHeader(nil, '*', len(names))
	for _, n := range names {
		b = resp.AppendBulkString(b, n)
	}
	return b
}

// addPrefixes makes a client hear of more prefixes. For its own loop.
func (e *Engine) addPrefixes(c *Client, prefixes []string) {
	e.changePrefixes(func(t *prefixTable) {
		for _, p := range prefixes {
			var clients []*Client
			if old := t.of[p]; old != nil {
				clients = old.clients
			} else {
				t.lengths = countLength(t.lengths, len(p), 1)
			}
			t.of[p] = &prefixClients{append(slices.Clone(clients), c)}
			e.countPrefix(c, int64(subscriptionBytes+len(p)))
		}
	})
	c.track.prefixes = slices.Sorted(slices.Values(append(slices.Clone(c.track.prefixes), prefixes...)))
}

// dropPrefixes makes a client hear of none any more.
func (e *Engine) dropPrefixes(c *Client) {
	if len(c.track.prefixes) == 0 {
		return
	}
	e.changePrefixes(func(t *prefixTable) {
		for _, p := range c.track.prefixes {
			clients := slices.DeleteFunc(slices.Clone(t.of[p].clients), func(o *Client) bool { return o == c })
			if t.of[p] = (&prefixClients{clients}); len(clients) == 0 {
				delete(t.of, p)
				t.lengths = countLength(t.lengths, len(p), -1)
			}
			e.countPrefix(c, -int64(subscriptionBytes+len(p)))
		}
	})
	c.track.prefixes = nil
}

func (e *Engine) countPrefix(c *Client, bytes int64) {
	c.listenBytes += bytes
	e.pubsub.bytes.Add(bytes)
}

// changePrefixes replaces the table by a changed copy.
func (e *Engine) changePrefixes(change func(*prefixTable)) {
	t := &e.track
	t.mu.Lock()
	defer t.mu.Unlock()
	next := &prefixTable{of: map[string]*prefixClients{}}
	if old := t.prefixes.Load(); old != nil {
		next.of, next.lengths = maps.Clone(old.of), slices.Clone(old.lengths)
	}
	if change(next); len(next.of) == 0 {
		next = nil
	}
	t.prefixes.Store(next)
}
