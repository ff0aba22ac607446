package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// subscribers is how many connections hear what is published.
const subscribers = 50

// fanLead is how many messages the publisher is ahead of the slowest subscriber at most.
const fanLead = 1024

// audience is subscribers of one channel, and who publishes to it.
type audience struct {
	conns   []net.Conn
	heard   [subscribers]atomic.Int64 // bytes
	speaker net.Conn
	replies *bufio.Reader
	said    int64 // messages
}

const (
	fanRequest = "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n"
	fanMessage = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n"
)

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func newAudience(s *server) (a *audience, err error) {
	a = &audience{}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	for i := range subscribers {
		nc, err := s.dial()
		if err != nil {
			return a, err
		}
		a.conns = append(a.conns, nc)
		const word, confirmed = "*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
		if _, err := nc.Write([]byte(word)); err != nil {
			return a, err
		}
		if _, err := io.ReadFull(nc, make([]byte, len(confirmed))); err != nil {
			return a, err
		}
		go func() { // until the connection is closed
			buf := make([]byte, inBytes)
			for {
				n, err := nc.Read(buf)
				a.heard[i].Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	}
	if a.speaker, err = s.dial(); err != nil {
		return a, err
	}
	a.replies = bufio.NewReader(a.speaker)
	return a, nil
}

func (a *audience) close() {
	for _, nc := range a.conns {
		nc.Close()
	}
	if a.speaker != nil {
		a.speaker.Close()
	}
}

// publish sends so many messages at a time until a time is over, and returns when everybody has heard all of them.
func (a *audience) publish(depth int, d time.Duration) (n int64, err error) {
	batch, reply := []byte(strings.Repeat(fanRequest+bulk(payload()), depth)), fmt.Sprintf(":%d\r\n", subscribers)
	for began := time.Now(); time.Since(began) < d; {
		if _, err := a.speaker.Write(batch); err != nil {
			return n, err
		}
		for range depth {
			line, err := a.replies.ReadString('\n')
			if err != nil || line != reply {
				return n, errors.Join(err, fmt.Errorf("PUBLISH: %q", line))
			}
		}
		n += int64(depth)
		a.said += int64(depth)
		if err := a.await(fanLead); err != nil {
			return n, err
		}
	}
	return n, a.await(0)
}

// await waits until every subscriber is no more than so many messages behind.
func (a *audience) await(behind int64) error {
	want := (a.said - behind) * int64(len(fanMessage+bulk(payload())))
	for began, i := time.Now(), 0; i < subscribers; {
		if a.heard[i].Load() >= want {
			i++
			continue
		}
		if time.Since(began) > patience {
			return fmt.Errorf("a subscriber has heard %d bytes of %d", a.heard[i].Load(), want)
		}
		time.Sleep(20 * time.Microsecond)
	}
	return nil
}

// fanout measures PUBLISH to fifty subscribers.
func (b *bench) fanout(one, many cores) error {
	b.say("\n## Publish to %d subscribers\n\nOne connection publishes messages of %d bytes; a message counts once, however many hear it.\n\n", subscribers, valueBytes)
	b.row("loops", "in flight", "server", "messages/s", "CPU µs/message (min – max)", "CPU ÷ redis", "mark")
	b.rule(7)
	for _, sc := range []scene{{name: "one", cores: one, threads: 1}, {name: "a core", cores: many, threads: len(many.server)}} {
		servers, err := b.cast(sc)
		if err == nil {
			err = b.fanoutOf(sc, servers)
		}
		stopAll(servers)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) fanoutOf(sc scene, servers []*server) error {
	for _, depth := range depths {
		got := map[*server][]sample{}
		for range *rounds {
			for _, s := range servers {
				if !s.kind.isRedis {
					continue
				}
				m, err := measureFanout(s, depth)
				if err != nil {
					return fmt.Errorf("%s: %w", s.kind.name, err)
				}
				got[s] = append(got[s], m)
			}
		}
		var base []sample
		for _, s := range servers {
			if got[s] == nil {
				continue
			}
			cpu := figureOf(got[s], inMicros(sample.cpu))
			if s.kind.name == "redis" {
				base = got[s]
			}
			ratio, verdict := pairedRatio(got[s], base, inMicros(sample.cpu)), ""
			if s.kind.name == "larder" {
				verdict = b.mark(fmt.Sprintf("PUBLISH to %d, loops: %s, %d in flight: CPU a message in redis'", subscribers, sc.name, depth), ratio, mostTypeCPU)
			}
			b.row(sc.name, fmt.Sprint(depth), s.kind.name, fmt.Sprintf("%.0f", figureOf(got[s], func(m sample) float64 { return m.rps }).mid),
				fmt.Sprintf("%.1f (%.1f – %.1f)", cpu.mid, cpu.low, cpu.high), fmt.Sprintf("%.2f", ratio), verdict)
		}
	}
	return nil
}

func measureFanout(s *server, depth int) (sample, error) {
	a, err := newAudience(s)
	if err != nil {
		return sample{}, err
	}
	defer a.close()
	if _, err := a.publish(depth, warmUp); err != nil {
		return sample{}, err
	}
	cpu0, err0 := cpuOf(s.pid())
	t0 := time.Now()
	n, err := a.publish(depth, *duration)
	took := time.Since(t0)
	cpu1, err1 := cpuOf(s.pid())
	if err := errors.Join(err, err0, err1); err != nil || n == 0 {
		return sample{}, errors.Join(err, fmt.Errorf("%d messages", n))
	}
	return sample{rps: float64(n) / took.Seconds(), user: (cpu1.user - cpu0.user) / time.Duration(n), system: (cpu1.system - cpu0.system) / time.Duration(n)}, nil
}
