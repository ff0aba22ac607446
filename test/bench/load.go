package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// shape is what a load does.
type shape struct {
	verb  verb
	depth int    // requests in flight on each connection
	keys  uint64 // that are chosen among
	conns int
	task  *task // instead of a verb, or nil
}

// batches are what a client sends in turn.
func (sh *shape) batches(p protocol) []*batch {
	if sh.task != nil {
		return sh.task.batches(sh.depth)
	}
	return []*batch{newBatch(p, sh.verb, sh.depth)}
}

// load is clients at work: each connection sends a batch, and the next when all of it is answered.
type load struct {
	shape
	proto     protocol
	measuring atomic.Bool
	stopping  atomic.Bool
	workers   []*worker
	done      sync.WaitGroup
}

// worker is a thread of the load with its share of the connections.
type worker struct {
	load  *load
	conns []*client
	ops   atomic.Uint64 // requests answered
	hist  histogram     // of those answered while the load is measured
	err   error
}

// client is one connection.
type client struct {
	w       *worker
	nc      net.Conn
	fd      int // of a connection that an epoll loop serves
	batches []*batch
	turn    int // which of them is sent next
	rnd     xorshift
	in      []byte // what was read
	have    int    // bytes of it
	pending int    // requests not answered
	sent    time.Time
}

// inBytes is the room for what a connection reads: many times a batch's replies.
const inBytes = 32 << 10

// startLoad connects to a server and begins. Plain connections are served by epoll loops, one for each of our cores; those with TLS
// by a goroutine each.
func startLoad(s *server, sh shape) (*load, error) {
	l := &load{shape: sh, proto: s.kind.proto}
	if sh.task != nil {
		l.proto = typedText{}
	}
	threads := len(s.cores.load)
	if s.tls != nil {
		threads = sh.conns
	}
	for range threads {
		l.workers = append(l.workers, &worker{load: l})
	}
	for i := range sh.conns {
		nc, err := s.dial()
		if err != nil {
			l.stop()
			return nil, err
		}
		w := l.workers[i%threads]
		w.conns = append(w.conns, &client{w: w, nc: nc, batches: sh.batches(l.proto), rnd: xorshift(i*7919 + 1), in: make([]byte, inBytes)})
	}
	for _, w := range l.workers {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			if s.tls != nil {
				w.err = w.block()
			} else {
				w.err = w.poll()
			}
		}()
	}
	return l, nil
}

// warmUp is how long a load runs before it is measured.
const warmUp = 200 * time.Millisecond

// warm returns once every connection has been served and the load has run for a while.
func (l *load) warm() error {
	for began := time.Now(); l.requests() < uint64(l.conns*l.depth); time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			return fmt.Errorf("%d requests were answered in %v", l.requests(), patience)
		}
	}
	time.Sleep(warmUp)
	return nil
}

// stop ends the load, and tells what went wrong.
func (l *load) stop() error {
	l.stopping.Store(true)
	for _, w := range l.workers {
		for _, c := range w.conns {
			c.nc.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a connection that is gone says so to its reader
		}
	}
	l.done.Wait()
	var failed error
	for _, w := range l.workers {
		for _, c := range w.conns {
			c.nc.Close()
		}
		if w.err != nil {
			failed = w.err
		}
	}
	return failed
}

// requests is how many were answered so far.
func (l *load) requests() (n uint64) {
	for _, w := range l.workers {
		n += w.ops.Load()
	}
	return n
}

// latencies is what was measured; only after stop.
func (l *load) latencies() *histogram {
	all := &histogram{}
	for _, w := range l.workers {
		all.merge(&w.hist)
	}
	return all
}

// send writes the next batch.
func (c *client) send(write func([]byte) error) error {
	b := c.batches[c.turn]
	c.turn = (c.turn + 1) % len(c.batches)
	b.choose(&c.rnd, c.w.load.keys)
	c.pending = c.w.load.depth
	c.sent = time.Now()
	return write(b.bytes)
}

// received counts the replies in what was read; more is false once the batch is answered.
func (c *client) received(n int) (more bool, err error) {
	c.have += n
	replies, used, err := c.w.load.proto.replies(c.in[:c.have])
	if err != nil {
		return false, err
	}
	if replies > c.pending {
		return false, fmt.Errorf("%d replies to %d requests", replies, c.pending)
	}
	copy(c.in, c.in[used:c.have])
	c.have -= used
	c.pending -= replies
	if replies > 0 {
		c.w.ops.Add(uint64(replies))
		if c.w.load.measuring.Load() {
			c.w.hist.add(time.Since(c.sent), replies)
		}
	}
	return c.pending > 0, nil
}

// block serves one connection with reads that wait.
func (w *worker) block() error {
	for _, c := range w.conns {
		write := func(b []byte) error { _, err := c.nc.Write(b); return err }
		for !w.load.stopping.Load() {
			if err := c.send(write); err != nil {
				return err
			}
			for more := true; more; {
				n, err := c.nc.Read(c.in[c.have:])
				if err != nil {
					return err
				}
				if more, err = c.received(n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dial connects, with TLS if the server has it.
func (s *server) dial() (net.Conn, error) {
	nc, err := net.Dial("tcp", s.addr())
	if err != nil || s.tls == nil {
		return nc, err
	}
	return tls.Client(nc, s.tls), nil
}
