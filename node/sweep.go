package node

import (
	"time"

	"github.com/larder-cache/larder/engine"
)

// sweeper ends the connections that have been idle, or that have left their replies unread, for too long.
type sweeper struct {
	n       *Node
	last    time.Time
	trimmed time.Time                    // when the connections' buffers were last trimmed
	over    map[*engine.Client]time.Time // since when a client is above its soft output limit
}

// sweepEvery is how often: both limits are in seconds.
const sweepEvery = time.Second

func newSweeper(n *Node) *sweeper { return &sweeper{n: n, over: map[*engine.Client]time.Time{}} }

func (s *sweeper) tick(now time.Time) {
	if now.Sub(s.trimmed) >= trimEvery && !s.n.debug.pauseCron.Load() {
		s.trimmed = now
		s.n.loops.trim()
	}
	if now.Sub(s.last) < sweepEvery {
		return
	}
	s.last = now
	timeout, lim := s.n.cfg.get("timeout").int()*1000, s.n.shared.limits.Load()
	if timeout == 0 && lim.normal.soft == 0 && lim.pubsub.soft == 0 {
		return
	}
	over := map[*engine.Client]time.Time{}
	for _, cl := range s.n.engine.Clients() {
		if ms, closable := cl.Idle(now.UnixMilli()); timeout > 0 && closable && ms > timeout && cl.Unsent() == 0 {
			s.n.log.Debug("Closing idle client", "id", cl.ID())
			cl.Kill(true)
			continue
		}
		l := lim.output(cl)
		if l.soft == 0 || !beyondChunk(cl.Unsent(), l.soft) {
			continue
		}
		since, ok := s.over[cl]
		if !beyondChunk(cl.LeastUnsent(), l.soft) || !ok {
			since = now // it has read meanwhile
		}
		if now.Sub(since) > time.Duration(l.softSeconds)*time.Second {
			s.n.log.Warn("Closing a client that does not read its replies", "id", cl.ID(), "unsent", cl.Unsent())
			s.n.shared.stats.outputLimit.Add(1)
			cl.Kill(false)
			continue
		}
		over[cl] = since
	}
	s.over = over
}
