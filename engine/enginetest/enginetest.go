// Package enginetest runs commands in tests through a real engine, without a socket: a keyspace, an ACL, a journal that is read
// back, and a clock that stands until it is moved.
//
// It is for tests only, and no second node: there is no loop, no configuration and no replication.
package enginetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/journal"
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// Shards and Databases are what a Server has.
const (
	Shards    = 8
	Databases = 16
)

// Start is the time at which the clock of a new Server stands.
var Start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Server is an engine with all commands that packages commands, acl and engine declare, and those that New was given.
type Server struct {
	Engine *engine.Engine
	Clock  *clock.Fake
	ACL    *acl.ACL
	Table  *spec.Table
	// Events are the keyspace events so far, as "class event db key".
	Events []string
	// Gone are the users whose connections were to be closed.
	Gone []string

	tb     testing.TB
	x      *engine.Executor
	stream *journal.Reader
	rand   *rand.ChaCha8
}

// New makes a server whose journal is on, with more commands if a test needs them. The clock stands at now.
func New(tb testing.TB, now time.Time, more ...*spec.Command) *Server {
	tb.Helper()
	s := &Server{tb: tb, Clock: clock.NewFake(now), ACL: acl.New(), rand: rand.NewChaCha8([32]byte{1})}
	a, err := arena.New(arena.Config{Reserve: 8 << 30})
	s.must(err)
	tb.Cleanup(func() { s.must(a.Close()) })
	space, err := keyspace.New(keyspace.Config{Shards: Shards, Databases: Databases, Arena: a, Seed: [2]uint64{1, 2}})
	s.must(err)
	hooks := acl.Hooks{
		WhoAmI:     func(c spec.Session) string { return c.(*engine.Client).User().Name() },
		Disconnect: func(u *acl.User) { s.Gone = append(s.Gone, u.Name()) },
		Changed:    func(u *acl.User) { s.Engine.EndListeners(u) },
		Rand:       func(p []byte) { s.rand.Read(p) },
	}
	s.Table, err = spec.NewTable(commands.All(), commands.CommandCommands(func() *spec.Table { return s.Table }), s.ACL.Commands(hooks),
		engine.Transactions(), engine.Connection(), engine.ClientCommands(), engine.Monitoring(), engine.Messaging(), engine.ScriptCommands(), more)
	s.must(err)
	s.ACL.Bind(s.Table)
	j := journal.New(journal.Config{Backlog: 1 << 20})
	j.Start(0)
	s.stream, err = j.Reader(0, 1<<40)
	s.must(err)
	s.Engine = engine.New(engine.Config{Space: space, Shards: Shards, Journal: j, Table: s.Table, ACL: s.ACL, Clock: s.Clock, Seed: 3,
		Memory: func() int64 { return a.Used() }, Events: s.event})
	s.x = s.Engine.NewExecutor()
	return s
}

func (s *Server) must(err error) {
	if err != nil {
		s.tb.Helper()
		s.tb.Fatal(err)
	}
}

func (s *Server) event(db int, class byte, event string, key []byte) {
	s.Events = append(s.Events, string(class)+" "+event+" "+strconv.Itoa(db)+" "+string(key))
}

// Tidy gives back memory that is free, which a node does ten times a second.
func (s *Server) Tidy() {
	s.Engine.Collect()
	s.Engine.Space.Arena().Scavenge(false)
}

// Journal gives what was journaled since it was called last: a command a line, its words quoted where they are not plain.
// SELECT is left out.
func (s *Server) Journal() []string {
	s.tb.Helper()
	n := s.Engine.Journal.End() - s.stream.Pos()
	if n == 0 {
		return nil
	}
	buf, err := s.stream.Next(s.tb.Context(), make([]byte, 0, n))
	s.must(err)
	var out []string
	limits := resp.DefaultLimits()
	var p resp.Parser
	for len(buf) > 0 {
		used, args, err := p.Next(buf, nil, &limits)
		s.must(err)
		if used == 0 {
			s.tb.Fatalf("the journal ends within a command: %q", buf)
		}
		if string(args[0]) != "SELECT" {
			out = append(out, Quote(args...))
		}
		buf = buf[used:]
	}
	return out
}

// Quote writes words as a test reads them.
func Quote(words ...[]byte) string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = string(w); len(w) == 0 || strings.ContainsFunc(out[i], func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
			out[i] = strconv.Quote(out[i])
		}
	}
	return strings.Join(out, " ")
}

// Client is one connection.
type Client struct {
	*engine.Client
	s *Server
}

// Client makes a connection.
func (s *Server) Client() *Client { return &Client{s.Engine.NewClient(conn{}), s} }

// Primary makes the link to a primary, whose commands are obeyed and not answered.
func (s *Server) Primary() *Client { return &Client{s.Engine.NewPrimaryClient(conn{}), s} }

// Raw runs a command and gives the reply's bytes.
func (c *Client) Raw(args ...string) []byte {
	words := make([][]byte, len(args))
	for i, a := range args {
		words[i] = []byte(a)
	}
	return c.RawBytes(words)
}

// RawBytes is Raw for words that are bytes.
func (c *Client) RawBytes(words [][]byte) []byte {
	c.s.x.BeginTurn()
	c.s.x.Run(c.Client, words)
	c.s.x.EndTurn()
	out := slices.Clone(c.Out.Buf)
	c.Out.Buf = c.Out.Buf[:0]
	return out
}

// Do runs a command, given as one line of words between blanks ("quotes" as in an inline request), and writes its reply on one
// line as Show does.
func (c *Client) Do(line string) string {
	c.s.tb.Helper()
	words, ok := resp.SplitArgs([]byte(line), nil)
	if !ok {
		c.s.tb.Fatalf("unbalanced quotes: %s", line)
	}
	return Show(c.parse(c.RawBytes(words)))
}

// Pipeline runs commands, lines as Do has them, as a loop runs what one read has brought, and gives their replies.
func (c *Client) Pipeline(lines ...string) []string {
	c.s.tb.Helper()
	var data []byte
	for _, line := range lines {
		words, ok := resp.SplitArgs([]byte(line), nil)
		if !ok {
			c.s.tb.Fatalf("unbalanced quotes: %s", line)
		}
		data = resp.AppendCommand(data, words...)
	}
	lim := resp.DefaultLimits()
	c.s.x.BeginTurn()
	c.s.x.BeginBatch()
	for len(data) > 0 {
		n, args := c.s.x.Next(c.Client, data, &lim)
		if n == 0 {
			c.s.tb.Fatalf("not parsed: %q", data)
		}
		c.s.x.Request(n)
		c.s.x.Run(c.Client, args)
		data = data[n:]
	}
	c.s.x.EndBatch()
	c.s.x.EndTurn()
	r := resp.NewReader(bytes.NewReader(slices.Clone(c.Out.Buf)))
	c.Out.Buf = c.Out.Buf[:0]
	replies := make([]string, len(lines))
	for i := range replies {
		v, err := r.ReadValue()
		c.s.must(err)
		replies[i] = Show(v)
	}
	return replies
}

// Value runs a command and gives its reply.
func (c *Client) Value(args ...string) resp.Value {
	c.s.tb.Helper()
	return c.parse(c.Raw(args...))
}

func (c *Client) parse(reply []byte) resp.Value {
	c.s.tb.Helper()
	v, err := resp.NewReader(bytes.NewReader(reply)).ReadValue()
	c.s.must(err)
	return v
}

// Show writes a reply on one line: strings quoted, errors with a "-", [lists], {maps}, ~(sets), nil.
func Show(v resp.Value) string {
	elems := func() string {
		out := make([]string, len(v.Elems))
		for i, e := range v.Elems {
			out[i] = Show(e)
		}
		return strings.Join(out, " ")
	}
	switch v.Kind {
	case resp.KindSimple:
		return string(v.Str)
	case resp.KindError, resp.KindBulkError:
		return "-" + string(v.Str)
	case resp.KindInt:
		return strconv.FormatInt(v.Int, 10)
	case resp.KindNull:
		return "nil"
	case resp.KindArray, resp.KindPush:
		return "[" + elems() + "]"
	case resp.KindMap:
		return "{" + elems() + "}"
	case resp.KindSet:
		return "~(" + elems() + ")"
	case resp.KindBool, resp.KindDouble, resp.KindBigNumber, resp.KindBulk, resp.KindVerbatim:
	}
	return strconv.Quote(string(v.Str))
}

// conn is a connection without a socket.
type conn struct{}

func (conn) Resume()            {}
func (conn) Do(fn func())       { fn() }
func (conn) Close(bool)         {}
func (conn) RemoteAddr() string { return "127.0.0.1:1" }
func (conn) LocalAddr() string  { return "127.0.0.1:6379" }
func (conn) FD() int            { return -1 }
