package node

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/larder-cache/larder/base/limits"
)

// tlsBuffers are what the connections of an epoll loop that are behind TLS share, one at a time. They are made with the first.
type tlsBuffers struct {
	read  []byte // from a socket
	plain []byte // deciphered
	out   []byte // enciphered
}

// readTLS takes what the socket has, deciphers it and runs it.
func (c *epollConn) readTLS() {
	b := c.loop.tlsRead()
	if n, ok := c.take(b); ok {
		c.decipher(b[:n])
	}
}

// tlsRead is what is read into from sockets with TLS.
func (l *epollLoop) tlsRead() []byte {
	b := &l.tls
	if b.read == nil {
		b.read = make([]byte, limits.ReadChunkBytes)
		b.plain = make([]byte, 0, limits.ReadChunkBytes+limits.MaxTLSRecordBytes)
	}
	return b.read
}

// decipher runs what is in the records that have come.
func (c *epollConn) decipher(cipher []byte) {
	l, fresh := c.loop, len(c.in) == 0
	into := l.tls.plain[:0]
	if !fresh {
		c.grow(false)
		into = c.in
	}
	had := len(into)
	data, err := c.tls.decipher(into, cipher)
	c.read += int64(len(data) - had)
	switch {
	case fresh:
		l.tls.plain = data[:0]
	default:
		c.grown(data)
	}
	switch {
	case len(data) > had && fresh:
		c.run(data)
	case len(data) > had:
		c.more()
	case err != nil: // the client's end, or no TLS
		c.end()
	case c.tls.unsent() > 0: // an answer of TLS' own, to a key update
		l.answer(c)
	}
}

// ended closes a connection whose client sends no more, once it is answered. True: it is gone.
func (c *epollConn) ended(result turnResult) bool {
	switch {
	case result == turnMore:
	case c.mayRun() || c.closing:
		c.closing = true
	default: // it waits for something: nobody wants to know any more
		c.end()
		return true
	}
	return false
}

// sendResult is how far writing has come.
type sendResult uint8

const (
	sendDone  sendResult = iota // everything is written
	sendFull                    // the socket is full
	sendError                   // nobody reads any more
)

func (c *epollConn) flushTLS() {
	if c.sent == 0 {
		c.publish(c.loop.x.NowMs(), int64(len(c.cl.Out.Buf)))
	}
	switch c.sendAllTLS() {
	case sendDone:
		c.flushed()
	case sendFull:
		c.stalled()
	default:
		c.end()
	}
}

// sendAllTLS enciphers and writes the output piece by piece, so that a client which does not read has little of it twice.
func (c *epollConn) sendAllTLS() sendResult {
	t, shared := c.tls, &c.loop.tls
	for {
		if r := t.send(c.fd); r != sendDone {
			if t.borrowed {
				t.out, t.sent, t.borrowed = bytes.Clone(t.out[t.sent:]), 0, false
			}
			return r
		}
		if t.borrowed {
			shared.out = t.out[:0]
		}
		t.out, t.sent, t.borrowed = nil, 0, false
		out := c.cl.Out.Buf
		if c.sent == len(out) {
			return sendDone
		}
		t.out, t.borrowed = shared.out, true
		n, err := t.conn.Write(out[c.sent:min(len(out), c.sent+limits.TLSChunkBytes)])
		if err != nil {
			t.out, t.borrowed = nil, false
			return sendError
		}
		c.sent += n
	}
}

// send writes what is enciphered.
func (t *tlsSide) send(fd int) sendResult {
	for t.sent < len(t.out) {
		n, errno := rawWrite(fd, t.out[t.sent:])
		switch errno {
		case 0:
			t.sent += n
		case unix.EINTR:
		case unix.EAGAIN:
			return sendFull
		default:
			return sendError
		}
	}
	return sendDone
}

// bye tells the client that nothing more comes, if there is room for saying it.
func (c *epollConn) bye() {
	t := c.tls
	if t.unsent() > 0 {
		return
	}
	t.out, t.sent = nil, 0
	t.conn.CloseWrite() //nolint:errcheck // a courtesy
	t.send(c.fd)
}
