package engine

import (
	"math"
	"sync"

	"github.com/larder-cache/larder/base/limits"
)

// feed is what others have for a client to read that it did not ask for command by command. Whoever has it appends under the
// mutex, in the order that counts; the client's loop takes all of it at once.
type feed struct {
	mu     sync.Mutex
	buf    []byte
	posted bool // a message to the loop is on its way
}

// Push gives bytes of the protocol to the client, from any goroutine, also one that holds shards: it never waits. A client whose
// loop does not take them is cut.
func (c *Client) Push(b []byte) { c.push(b, math.MaxInt64) }

// push is Push. Of a client whose socket is full no more than unread bytes wait, of output and of what was pushed.
func (c *Client) push(b []byte, unread int64) {
	f := &c.feed
	f.mu.Lock()
	waits := int64(len(f.buf) + len(b))
	if stalled := c.Unsent(); waits > limits.MaxFeedBytes || stalled > 0 && stalled+waits > unread {
		f.buf = nil
		f.mu.Unlock()
		c.Kill(false)
		return
	}
	f.buf = append(f.buf, b...)
	first := !f.posted
	f.posted = true
	f.mu.Unlock()
	if first {
		c.conn.Do(c.takeFeed)
	}
}

// takeFeed moves what was pushed into the output. It runs on the client's loop.
func (c *Client) takeFeed() {
	f := &c.feed
	f.mu.Lock()
	buf := f.buf
	f.buf, f.posted = nil, false
	f.mu.Unlock()
	if c.mute == muteNone {
		c.Out.Buf = append(c.Out.Buf, buf...)
	}
}
