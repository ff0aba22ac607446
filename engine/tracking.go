package engine

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/tracking"
	"github.com/larder-cache/larder/wire/resp"
)

// Client-side caching. What a client in tracking mode reads is noted in the table of the key's shard, under that shard's lock; whoever
// changes the key takes the note out and pushes an invalidation to each client in it, under the same lock. So a client that got the old
// value is told of the change, and after it. In broadcasting mode nothing is noted: see broadcast.go.

// trackMode is what CLIENT TRACKING has said.
type trackMode uint32

const (
	trackOn trackMode = 1 << iota
	trackBroadcast
	trackOptIn
	trackOptOut
	trackNoLoop
	trackBroken // the client that invalidations were to be sent to is gone
)

// trackSettings is a client's tracking mode. Its loop changes it; those who invalidate keys read what is atomic.
type trackSettings struct {
	mode     atomic.Uint32
	redirect atomic.Int64 // the client that invalidations are sent to in its place; 0: itself
	caching  bool         // CLIENT CACHING has been said for the next command
	prefixes []string     // in broadcasting mode, sorted
}

func (c *Client) trackMode() trackMode { return trackMode(c.track.mode.Load()) }

// trackState is what all clients' tracking has in common.
type trackState struct {
	clients     atomic.Int64 // in tracking mode
	keys, items atomic.Int64 // of all shards' tables
	max         atomic.Int64 // tracking-table-max-keys; 0: no bound
	dropped     atomic.Int64 // tables that wait to be freed

	prefixes atomic.Pointer[prefixTable] // of broadcasting mode; nil: there are none
	mu       sync.Mutex                  // of who changes prefixes

	limiter sync.Mutex // one at a time takes keys out for max
	rand    *rand.Rand // the limiter's
	rounds  int        // how often it left more than max
}

// remember notes the keys of a command that has just read them, for its client's cache. The shards are held. A script's reads are those
// of the commands that it calls.
func (x *Executor) remember(cmd *spec.Command) {
	c := x.doer(x.client)
	m := c.trackMode()
	if m&trackOn == 0 || m&trackBroadcast != 0 || cmd.Group == spec.Scripting {
		return
	}
	if m&trackOptIn != 0 && !c.track.caching || m&trackOptOut != 0 && c.track.caching {
		return
	}
	for i := range x.keys {
		x.e.note(c, x.keys[i].Hash, x.keys[i].Name)
	}
}

// note puts a client to a key in the table of the key's shard, which is held.
func (e *Engine) note(c *Client, hash uint64, key []byte) {
	s, t := &e.shards[e.Space.ShardOf(hash)], &e.track
	if s.tracked == nil {
		s.tracked = tracking.New(e.Space.Arena(), s.ks.Heap(), e.Space.Hash)
	}
	newKey, newID, dropped := s.tracked.Add(hash, key, c.id, e.tracks)
	if newKey {
		t.keys.Add(1)
	}
	if newID {
		t.items.Add(int64(1 - dropped))
	}
}

// tracks reports whether a client is still to be told of keys that it was noted for.
func (e *Engine) tracks(id int64) bool {
	c := e.Client(id)
	return c != nil && c.trackMode()&trackOn != 0
}

// invalidate tells whoever may have a copy of a key that it changed. by is the client that changed it; nil if none did. The key's
// shard is held.
func (x *Executor) invalidate(k *spec.KeyRef, by *Client) {
	x.broadcastLater(k.Name, x.doer(by))
	x.e.takeOut(&x.e.shards[x.e.Space.ShardOf(k.Hash)], k.Hash, k.Name, x.doer(x.client))
}

// takeOut takes a key out of the table of its shard, which is held, and tells the clients that are noted there, but not one that wants
// to hear nothing of its own doing.
func (e *Engine) takeOut(s *shard, hash uint64, key []byte, doer *Client) {
	if s.tracked == nil || s.tracked.Len() == 0 {
		return
	}
	var few [16]int64
	ids := s.tracked.Take(hash, key, few[:0])
	if len(ids) == 0 {
		return
	}
	e.track.keys.Add(-1)
	e.track.items.Add(-int64(len(ids)))
	payload := resp.AppendBulk(resp.AppendHeader(nil, '*', 1), key)
	for _, id := range ids {
		c := e.Client(id)
		if c == nil {
			continue
		}
		if m := c.trackMode(); m&trackOn == 0 || m&trackBroadcast != 0 || m&trackNoLoop != 0 && c == doer {
			continue
		}
		e.tell(c, payload)
	}
}

// The beginnings of an invalidation: as a push, and as a message to one who is subscribed.
var (
	invalidatePush    = []byte(">2\r\n$10\r\ninvalidate\r\n")
	invalidateMessage = []byte("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n")
	redirectionBroken = []byte(">2\r\n$21\r\ntracking-redir-broken\r\n")
)

// tell sends an invalidation for a client in tracking mode to where it is to go. payload is the keys as an array, or null for all.
func (e *Engine) tell(c *Client, payload []byte) {
	to, id := c, c.track.redirect.Load()
	if id != 0 {
		if to = e.Client(id); to == nil || to.quit.Load() {
			c.track.mode.Or(uint32(trackBroken))
			if c.pushKind() == '>' {
				c.push(0, redirectionBroken, append(resp.AppendInt([]byte{':'}, id), '\r', '\n'))
			}
			return
		}
	}
	switch {
	case to.pushKind() == '>':
		to.push(0, invalidatePush, payload)
	case id != 0 && to.Subscribed():
		to.push(0, invalidateMessage, payload)
	}
	// RESP2 has no pushes: without a redirection nothing can be told.
}

// forgetTracked tells all clients in tracking mode that everything has changed, and gives the tables up. All shards are held.
func (e *Engine) forgetTracked() {
	if e.track.clients.Load() > 0 {
		for _, c := range e.Clients() {
			if c.trackMode()&trackOn == 0 {
				continue
			}
			w := resp.Writer{Proto: int(c.info.proto.Load())}
			w.Null()
			e.tell(c, w.Buf)
		}
	}
	for i := range e.shards {
		e.dropTracked(&e.shards[i])
	}
}

// dropTracked leaves a shard's table to be freed in slices. It is held.
func (e *Engine) dropTracked(s *shard) {
	t := s.tracked
	if t == nil || t.Len() == 0 {
		return
	}
	e.track.keys.Add(-int64(t.Len()))
	e.track.items.Add(-int64(t.Items()))
	s.tracked = nil
	s.untracked = append(s.untracked, t)
	e.track.dropped.Add(1)
}

// freeTracked frees a slice of the tables that were dropped.
func (e *Engine) freeTracked() {
	if e.track.dropped.Load() == 0 {
		return
	}
	for i := range e.shards {
		s := &e.shards[i]
		for slice, done := 0, false; !done && slice < freeSlices; slice++ {
			e.lock(i)
			if done = len(s.untracked) == 0; !done && s.untracked[0].FreeSome(freeKeys) {
				s.untracked = slices.Delete(s.untracked, 0, 1)
				e.track.dropped.Add(-1)
			}
			e.unlock(i)
		}
	}
}

// trackEffort is how many keys are taken out of the tables at a time, once more as many each time that this was not enough. Source: Redis.
const trackEffort = 100

// SetTrackingMax is tracking-table-max-keys: how many keys are noted for clients' caches; 0: no bound. Some of those that are too many are
// taken out at once. The caller holds no shard.
func (e *Engine) SetTrackingMax(keys int64) {
	e.track.max.Store(keys)
	e.limitTracked()
}

// limitTracked takes keys out of the tables while these have too many: their clients are told, as if the keys had changed. The caller
// holds no shard. It is called at the end of every turn.
func (e *Engine) limitTracked() {
	t := &e.track
	most := t.max.Load()
	if most == 0 || t.keys.Load() <= most || !t.limiter.TryLock() {
		return
	}
	defer t.limiter.Unlock()
	if t.rand == nil {
		t.rand = e.newRand()
	}
	for effort := trackEffort * (t.rounds + 1); t.keys.Load() > most; effort-- {
		if effort == 0 {
			t.rounds++
			return
		}
		if !e.takeOutAny(t.rand) {
			break
		}
	}
	t.rounds = 0
}

// takeOutAny takes a random key out of the table of a random shard that has any.
func (e *Engine) takeOutAny(rnd *rand.Rand) bool {
	first := rnd.IntN(len(e.shards))
	for k := range e.shards {
		i := (first + k) % len(e.shards)
		e.lock(i)
		s := &e.shards[i]
		var key []byte
		found := false
		if s.tracked != nil {
			key, found = s.tracked.Random(nil, rnd.Uint64)
		}
		if found {
			e.takeOut(s, e.Space.Hash(key), key, nil)
		}
		e.unlock(i)
		if found {
			return true
		}
	}
	return false
}

// tickTracked keeps the tables within their bound when nothing else does, and gives them up when nobody is in tracking mode any more.
func (e *Engine) tickTracked() {
	e.limitTracked()
	if e.track.clients.Load() > 0 || e.track.keys.Load() == 0 {
		return
	}
	for i := range e.shards {
		e.lock(i)
		// Who begins to track now is counted before anything is noted, which takes this lock.
		if e.track.clients.Load() == 0 {
			e.dropTracked(&e.shards[i])
		}
		e.unlock(i)
	}
}

// setTracking puts a client into a tracking mode, or with 0 out of it. For its own loop. Keys that it was noted for stay noted: that is
// found out when they change.
func (e *Engine) setTracking(c *Client, m trackMode, redirect int64) {
	was := c.trackMode()
	if was&trackOn == 0 && m&trackOn != 0 {
		e.track.clients.Add(1)
	}
	c.track.redirect.Store(redirect)
	c.track.mode.Store(uint32(m))
	c.setAttention(attendKeys, m&trackOn != 0)
	if was&trackOn != 0 && m&trackOn == 0 {
		c.track.caching = false
		e.dropPrefixes(c)
		e.track.clients.Add(-1)
	}
}

// endCaching: CLIENT CACHING is about the next command, or transaction.
func (c *Client) endCaching() {
	if !c.track.caching || c.multi.on {
		return
	}
	if l := c.lastCmd; l == nil || l.Parent() == nil || l.Parent().Name != "client" {
		c.track.caching = false
	}
}

// TrackingTotals is what INFO tells of client-side caching.
type TrackingTotals struct {
	Clients     int64 // in tracking mode
	Keys, Items int64 // noted keys, and clients that are noted for them, each as often as it is
	Prefixes    int64 // of broadcasting mode
}

// TrackingTotals reads it.
func (e *Engine) TrackingTotals() TrackingTotals {
	t := &e.track
	out := TrackingTotals{Clients: t.clients.Load(), Keys: t.keys.Load(), Items: t.items.Load()}
	if p := t.prefixes.Load(); p != nil {
		out.Prefixes = int64(len(p.of))
	}
	return out
}
