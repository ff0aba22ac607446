package fake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-cache/larder/control/meta"
)

// pumpedBatches is how many batches a pumped watch holds that nobody has received yet. Beyond, the watch stays behind
// and Pump goes on with it later; it loses nothing.
const pumpedBatches = 1024

// watch is one Watch call: a cursor into the server's history. All fields but out are guarded by the server's mu.
type watch struct {
	ctx    context.Context
	store  *Store
	prefix string
	next   meta.Revision // the first revision not looked at yet
	err    error         // ends the watch in place of anything else
	out    chan meta.Batch
}

// Watch implements meta.Store. Each batch holds exactly one revision.
func (c *Store) Watch(ctx context.Context, prefix string, after meta.Revision) <-chan meta.Batch {
	s := c.server
	w := &watch{ctx: ctx, store: c, prefix: prefix, next: after + 1, err: meta.ValidatePrefix(prefix)}
	if after < 0 {
		w.err = fmt.Errorf("fake: watch after %d: %w", after, meta.ErrInvalid)
	}
	if !s.opts.Pumped {
		w.out = make(chan meta.Batch)
		go w.run()
		return w.out
	}
	w.out = make(chan meta.Batch, pumpedBatches)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(s.watches, w)
	return w.out
}

// Pump delivers up to max batches to each watch, in the order in which the watches were made, and closes the ones that
// have ended. It returns how many batches it delivered, and never blocks. Only with Options.Pumped; else it does nothing.
func (s *Server) Pump(max int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	delivered := 0
	s.watches = slices.DeleteFunc(s.watches, func(w *watch) bool {
		n, ended := w.pump(max)
		delivered += n
		if ended {
			close(w.out)
		}
		return ended
	})
	return delivered
}

// pump requires mu.
func (w *watch) pump(max int) (delivered int, ended bool) {
	for delivered < max && len(w.out) < cap(w.out) {
		b, ok, ended := w.step()
		if ended {
			return delivered, true
		}
		if !ok {
			return delivered, false
		}
		w.out <- b // has room: nobody else sends
		delivered++
		if b.Err != nil {
			return delivered, true
		}
	}
	return delivered, w.over()
}

// run delivers from a goroutine of its own until the watch ends.
func (w *watch) run() {
	defer close(w.out)
	s := w.store.server
	for {
		s.mu.Lock()
		b, ok, ended := w.step()
		changed := s.changed
		s.mu.Unlock()
		if ended {
			return
		}
		if !ok {
			select {
			case <-changed:
				continue
			case <-w.ctx.Done():
				return
			}
		}
		if !w.send(b) || b.Err != nil {
			return
		}
	}
}

// send returns false if the watch ended before anybody received.
func (w *watch) send(b meta.Batch) bool {
	for {
		s := w.store.server
		s.mu.Lock()
		over, changed := w.over(), s.changed
		s.mu.Unlock()
		if over {
			return false
		}
		select {
		case w.out <- b:
			return true
		case <-changed:
		case <-w.ctx.Done():
			return false
		}
	}
}

// over tells if nothing may be sent any more. Requires mu.
func (w *watch) over() bool { return w.ctx.Err() != nil || w.store.dead != nil }

// step returns the next batch, if there is one, or that the watch has ended. Requires mu.
func (w *watch) step() (b meta.Batch, ok, ended bool) {
	s := w.store.server
	switch {
	case w.over():
		return b, false, true
	case w.err != nil:
		return meta.Batch{Err: w.err}, true, false
	case w.store.unavailable:
		return meta.Batch{Err: fmt.Errorf("fake: cut off: %w", meta.ErrUnavailable)}, true, false
	case w.next < s.compacted:
		return meta.Batch{Err: fmt.Errorf("fake: watch %q after %d: %w", w.prefix, w.next-1, meta.ErrCompacted)}, true, false
	}
	for _, c := range s.history[s.firstAtOrAfter(w.next):] {
		w.next = c.rev + 1
		if events := c.under(w.prefix); len(events) > 0 {
			return meta.Batch{Events: events, Revision: c.rev}, true, false
		}
	}
	return b, false, false
}

// under returns copies of the change's events on keys with the prefix.
func (c change) under(prefix string) []meta.Event {
	var out []meta.Event
	for _, ev := range c.events {
		if strings.HasPrefix(ev.KV.Key, prefix) {
			out = append(out, meta.Event{Type: ev.Type, KV: clone(ev.KV)})
		}
	}
	return out
}
