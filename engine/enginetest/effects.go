package enginetest

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// Effects are what a real server tells of its commands beside their replies: the keyspace's events to a subscriber, and what it propagates to a replica.
type Effects struct {
	tb         testing.TB
	admin, sub *Peer
	conn       net.Conn
	stream     *resp.Reader
	asked      int
}

// mark is the channel whose messages part what was told before from what is told after.
const mark = "__keyevent@0__:mark"

// acknowledgeEvery is after how many calls the server is told that its replica is there; without, it cuts it after a minute.
const acknowledgeEvery = 500

// Effects subscribes to all keyspace events, and begins to follow the server as a replica does.
func (r *Redis) Effects() *Effects {
	r.tb.Helper()
	e := &Effects{tb: r.tb, admin: r.Dial(), sub: r.Dial()}
	e.admin.Value("CONFIG", "SET", "notify-keyspace-events", "EAmn")
	e.admin.Value("CONFIG", "SET", "repl-diskless-sync-delay", "0")
	e.sub.Value("PSUBSCRIBE", "__keyevent@*")
	link := r.Dial()
	e.conn, e.stream = link.conn, link.in
	link.Value("REPLCONF", "capa", "eof", "capa", "psync2")
	link.Send("PSYNC", "?", "-1")
	e.skipSnapshot()
	for !strings.Contains(string(e.admin.Value("INFO", "replication").Str), "state=online") { // the server's child may not have ended
	}
	e.acknowledge() // what it is told before, it forgets
	e.Told()
	return e
}

// skipSnapshot reads the answer to PSYNC, and the snapshot behind it.
func (e *Effects) skipSnapshot() {
	e.tb.Helper()
	for {
		line, err := e.stream.ReadLine()
		if err != nil {
			e.tb.Fatal(err)
		}
		switch end, marked := bytes.CutPrefix(line, []byte("$EOF:")); {
		case marked:
			e.readUntil(end)
			return
		case len(line) > 0 && line[0] == '$':
			n, err := strconv.ParseInt(string(line[1:]), 10, 64)
			if err == nil {
				_, err = io.CopyN(io.Discard, e.stream, n)
			}
			if err != nil {
				e.tb.Fatal(err)
			}
			return
		}
	}
}

func (e *Effects) readUntil(end []byte) {
	e.tb.Helper()
	one := make([]byte, 1)
	for all := []byte(nil); !bytes.HasSuffix(all, end); all = append(all, one[0]) {
		if _, err := io.ReadFull(e.stream, one); err != nil {
			e.tb.Fatal(err)
		}
	}
}

func (e *Effects) acknowledge() {
	e.tb.Helper()
	if _, err := e.conn.Write(resp.AppendCommandStrings(nil, "REPLCONF", "ACK", "0")); err != nil {
		e.tb.Fatal(err)
	}
}

// Told gives what was told since it was called last: the events, as "event db key", and the commands that were propagated, as Server.Journal writes them.
func (e *Effects) Told() (events, journal []string) {
	e.tb.Helper()
	if e.asked++; e.asked%acknowledgeEvery == 0 {
		e.acknowledge()
	}
	id := strconv.Itoa(e.asked)
	e.admin.Value("PUBLISH", mark, id)
	for {
		event, end := Event(e.sub.Reply())
		if end == id {
			break
		}
		events = append(events, event)
	}
	for {
		v, err := e.stream.ReadValue()
		if err != nil {
			e.tb.Fatalf("the stream of the real server: %v", err)
		}
		words := make([][]byte, len(v.Elems))
		for i, w := range v.Elems {
			words[i] = w.Str
		}
		line := Quote(words...)
		switch strings.ToUpper(string(words[0])) {
		case "SELECT", "PING", "REPLCONF":
			continue
		case "PUBLISH":
			if strings.Contains(line, mark) {
				if strings.HasSuffix(line, " "+id) {
					return events, journal
				}
				continue
			}
		}
		journal = append(journal, line)
	}
}

// Event is a keyspace event that a subscriber to __keyevent@* is told of, as "event db key"; or, if it is no event, the message.
func Event(v resp.Value) (event, other string) {
	if len(v.Elems) != 4 {
		return "", Show(v)
	}
	channel, text := string(v.Elems[2].Str), v.Elems[3].Str
	if channel == mark {
		return "", string(text)
	}
	db, name, _ := strings.Cut(strings.TrimPrefix(channel, "__keyevent@"), "__:")
	return name + " " + db + " " + Quote(text), ""
}

// Subscriber is a client that is told of all keyspace events of the server, those of new and of missing keys too.
func (s *Server) Subscriber() *Client {
	s.tb.Helper()
	s.Engine.SetEvents("EAmn")
	c := s.Client()
	c.Raw("PSUBSCRIBE", "__keyevent@*")
	return c
}

// EventsTold are the events that a Subscriber was told since it was called last, as Effects.Told has them.
func (c *Client) EventsTold() (events []string) {
	c.s.tb.Helper()
	r := resp.NewReader(bytes.NewReader(c.Out.Buf))
	for {
		v, err := r.ReadValue()
		if err != nil {
			c.Out.Buf = c.Out.Buf[:0]
			return events
		}
		if event, _ := Event(v); event != "" {
			events = append(events, event)
		}
	}
}
