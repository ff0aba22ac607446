package engine

import (
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
func (c *Client) Push(b []byte) {
	f := &c.feed
	f.mu.Lock()
	if len(f.buf)+len(b) > limits.MaxFeedBytes {
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
