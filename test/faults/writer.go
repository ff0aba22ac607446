// Package faults kills and stops cache nodes under load, and measures what clients see: how long until a write is
// acknowledged again on the same endpoint, and how many acknowledged writes are gone. Its runs are tests, long ones:
// make test-faults.
package faults

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// writer sets keys that are never written twice, one at a time on each of its connections, and remembers which were
// acknowledged. It reconnects to the same address for ever, as a client's pool does.
type writer struct {
	addr   string
	prefix string
	stop   chan struct{}
	done   sync.WaitGroup
	seq    atomic.Int64
	errors atomic.Int64

	mu    sync.Mutex
	acked []string
	// firstAfter is when the first write was acknowledged on a connection that was made after since: one made before may
	// still get an answer from a process that is about to stop.
	since, firstAfter time.Time
	recovered         chan struct{}
}

const (
	dialTimeout  = 100 * time.Millisecond
	replyTimeout = 250 * time.Millisecond
	retryPause   = 2 * time.Millisecond
)

// startWriter writes on some connections until halt.
func startWriter(addr, prefix string, connections int) *writer {
	w := &writer{addr: addr, prefix: prefix, stop: make(chan struct{})}
	for range connections {
		w.done.Add(1)
		go func() { defer w.done.Done(); w.loop() }()
	}
	return w
}

func (w *writer) loop() {
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		dialed := time.Now()
		c, err := net.DialTimeout("tcp", w.addr, dialTimeout)
		if err == nil {
			err = w.session(c, dialed)
			c.Close()
		}
		if err != nil {
			w.errors.Add(1)
			time.Sleep(retryPause)
		}
	}
}

// session writes on one connection until it fails or the writer is told to stop.
func (w *writer) session(c net.Conn, dialed time.Time) error {
	r := bufio.NewReader(c)
	for {
		select {
		case <-w.stop:
			return nil
		default:
		}
		key := fmt.Sprintf("%s:%d", w.prefix, w.seq.Add(1))
		c.SetDeadline(time.Now().Add(replyTimeout))
		if _, err := fmt.Fprintf(c, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n", len(key), key); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if line != "+OK\r\n" {
			return fmt.Errorf("answered %q", line)
		}
		w.ack(key, dialed)
	}
}

func (w *writer) ack(key string, dialed time.Time) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, key)
	if w.recovered != nil && dialed.After(w.since) {
		w.firstAfter = now
		close(w.recovered)
		w.recovered = nil
	}
}

// mark begins to wait for a write on a connection that is made from now on; the channel is closed once one is acknowledged.
func (w *writer) mark() (time.Time, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since, w.recovered = time.Now(), make(chan struct{})
	return w.since, w.recovered
}

// outage is how long the last mark waited.
func (w *writer) outage() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.firstAfter.Sub(w.since)
}

// count is how many writes were acknowledged so far.
func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// halt stops writing and returns the acknowledged keys.
func (w *writer) halt() []string {
	close(w.stop)
	w.done.Wait()
	return w.acked
}

// missing counts the keys that are not there.
func missing(addr string, keys []string) (int, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	r, lost := bufio.NewReader(c), 0
	const batch = 500
	for len(keys) > 0 {
		n := min(batch, len(keys))
		bw := bufio.NewWriter(c)
		for _, k := range keys[:n] {
			fmt.Fprintf(bw, "*2\r\n$6\r\nEXISTS\r\n$%d\r\n%s\r\n", len(k), k)
		}
		if err := bw.Flush(); err != nil {
			return 0, err
		}
		for range n {
			switch line, err := r.ReadString('\n'); {
			case err != nil:
				return 0, err
			case line == ":0\r\n":
				lost++
			case line != ":1\r\n":
				return 0, fmt.Errorf("EXISTS answered %q", line)
			}
		}
		keys = keys[n:]
	}
	return lost, nil
}

// command runs a command without arguments that answers OK.
func command(addr, name string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(c, "%s\r\n", name); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "+OK\r\n" {
		err = fmt.Errorf("%s answered %q", name, line)
	}
	return err
}
