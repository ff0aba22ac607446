package node

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/base/limits"
)

// handshakes are the TLS handshakes that are under way, each in a goroutine. There are at most limits.MaxTLSHandshakes: a new one
// takes the place of the oldest, if that has stalled, and waits for a place otherwise.
type handshakes struct {
	ctx   context.Context
	clock clock.Clock
	log   *slog.Logger
	pause func() // waits a moment, for a place

	mu     sync.Mutex
	order  []*handshake // guarded by mu: oldest first
	closed bool         // guarded by mu
	said   time.Time    // guarded by mu: when a failure was last logged
	unsaid int          // guarded by mu: failures since
	done   sync.WaitGroup
}

type handshake struct {
	nc    net.Conn
	since time.Time
}

// start shakes hands on nc and then calls ok, in a goroutine; failed is called if that does not come about. start itself
// waits while there is no place.
func (h *handshakes) start(nc net.Conn, cfg *tls.Config, ok func(*tlsConn), failed func()) {
	hs := h.enter(nc)
	if hs == nil {
		nc.Close()
		failed()
		return
	}
	go func() {
		defer h.done.Done()
		tc := newTLSConn(nc, cfg)
		nc.SetDeadline(h.clock.Now().Add(limits.TLSHandshakeTimeout)) //nolint:errcheck // the handshake tells
		err := tc.HandshakeContext(h.ctx)
		if err == nil {
			err = nc.SetDeadline(time.Time{})
		}
		if h.leave(hs); err != nil {
			h.complain(nc, err)
			nc.Close()
			failed()
			return
		}
		ok(tc)
	}()
}

// enter waits for a place; nil when the node is closing.
func (h *handshakes) enter(nc net.Conn) *handshake {
	for {
		if hs, wait := h.tryEnter(nc); !wait {
			return hs
		}
		h.pause()
	}
}

func (h *handshakes) tryEnter(nc net.Conn) (hs *handshake, wait bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.ctx.Err() != nil {
		return nil, false
	}
	now := h.clock.Now()
	if len(h.order) >= limits.MaxTLSHandshakes {
		if now.Sub(h.order[0].since) < limits.TLSHandshakeGrace {
			return nil, true
		}
		h.order[0].nc.Close() // its goroutine sees it
		h.order = h.order[1:]
	}
	hs = &handshake{nc: nc, since: now}
	h.order = append(h.order, hs)
	h.done.Add(1)
	return hs, false
}

func (h *handshakes) leave(hs *handshake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, o := range h.order {
		if o == hs {
			h.order = append(h.order[:i], h.order[i+1:]...)
			return
		}
	}
}

// pending is how many handshakes are under way.
func (h *handshakes) pending() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.order)
}

// complain logs a failed handshake, one a second: they are somebody's wrong certificate, or an attack.
func (h *handshakes) complain(nc net.Conn, err error) {
	h.mu.Lock()
	now := h.clock.Now()
	if h.closed || now.Sub(h.said) < time.Second {
		h.unsaid++
		h.mu.Unlock()
		return
	}
	unsaid := h.unsaid
	h.said, h.unsaid = now, 0
	h.mu.Unlock()
	h.log.Warn("Error accepting a client connection: "+err.Error(), "addr", nc.RemoteAddr(), "laddr", nc.LocalAddr(), "since_the_last_such_line", unsaid)
}

// close ends all handshakes and returns when none is left.
func (h *handshakes) close() {
	h.mu.Lock()
	h.closed = true
	for _, hs := range h.order {
		hs.nc.Close()
	}
	h.mu.Unlock()
	h.done.Wait()
}
