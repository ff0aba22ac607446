package engine

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
)

// feed is what others have for a client to read that it did not ask for command by command: MONITOR's lines, published messages, keys
// that it should no longer cache. Whoever has it appends under the mutex, in the order that counts; the client's loop takes all of it at once.
type feed struct {
	mu     sync.Mutex
	buf    []byte
	posted bool        // a message to the loop is on its way
	some   atomic.Bool // buf is not empty
}

// keptFeed is how big the buffer of an empty feed may stay.
const keptFeed = 16 << 10

// Push gives bytes of the protocol to the client, from any goroutine, also one that holds shards: it never waits. A client whose
// loop does not take them is cut.
func (c *Client) Push(b []byte) { c.push(0, b, nil) }

// push is Push of two pieces. The first byte becomes kind, unless that is zero: what is pushed to many is encoded once, and begins
// with '*' for some and '>' for others.
func (c *Client) push(kind byte, head, tail []byte) { c.pushWithin(kind, head, tail, math.MaxInt64) }

// pushWithin is push. Of a client whose socket is full no more than unread bytes wait, of output and of what was pushed.
func (c *Client) pushWithin(kind byte, head, tail []byte, unread int64) {
	if c.gone.Load() {
		return
	}
	f := &c.feed
	f.mu.Lock()
	waits := int64(len(f.buf) + len(head) + len(tail))
	if stalled := c.Unsent(); waits > limits.MaxFeedBytes || stalled > 0 && stalled+waits > unread {
		f.buf = nil
		f.some.Store(false)
		f.mu.Unlock()
		c.Kill(false)
		return
	}
	at := len(f.buf)
	f.buf = append(append(f.buf, head...), tail...)
	if kind != 0 {
		f.buf[at] = kind
	}
	first := !f.posted
	f.posted = true
	f.some.Store(true)
	f.mu.Unlock()
	if first {
		c.conn.Do(c.takeFeed)
	}
}

// takeFeed is the message to the client's loop: it moves what was pushed into the output.
func (c *Client) takeFeed() {
	if b := c.blocked.Load(); b != nil && b.claimed.Load() {
		return // the answer that the client waited for is on its way: it brings with it what was pushed before and behind it
	}
	f := &c.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posted = false
	c.drainLocked()
}

// takeNow is takeFeed by the client's loop itself, between two commands or parts of a reply; the message is still on its way.
func (c *Client) takeNow() {
	f := &c.feed
	if !f.some.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c.drainLocked()
}

// taken is what was pushed so far, for who is about to answer a blocked client, which it has claimed: it stands before the answer, and what the answer's making
// has others push, behind. The message is still on its way, or has come and found the client claimed.
func (f *feed) taken() []byte {
	if !f.some.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.buf
	f.buf = nil
	f.some.Store(false)
	return b
}

// unclaim lets a client wait on that was claimed, and have what was taken of its feed.
func (c *Client) unclaim(b *Block, taken []byte) {
	f := &c.feed
	if len(taken) > 0 {
		f.mu.Lock()
		f.buf = append(taken, f.buf...)
		f.some.Store(true)
		f.mu.Unlock()
	}
	b.claimed.Store(false)
	if f.some.Load() {
		c.conn.Do(c.takeFeed) // the message may have come meanwhile
	}
}

// SpareForPushes is how many bytes the output buffer, if nothing is in it, is bigger than the client's own replies made it: what was pushed did. It shrinks when the
// buffer is given up. For the client's own loop.
func (c *Client) SpareForPushes() int64 {
	if c.fed = min(c.fed, cap(c.Out.Buf)); len(c.Out.Buf) > 0 {
		return 0
	}
	return int64(c.fed)
}

func (c *Client) drainLocked() {
	f := &c.feed
	before := cap(c.Out.Buf)
	c.Out.Buf = append(c.Out.Buf, f.buf...)
	c.fed += cap(c.Out.Buf) - before
	if f.buf = f.buf[:0]; cap(f.buf) > keptFeed {
		f.buf = nil
	}
	f.some.Store(false)
}
