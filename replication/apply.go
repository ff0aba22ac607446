package replication

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/wire/resp"
)

// incoming is a primary's stream: the bytes that are not in this node's own stream yet.
type incoming struct {
	conn   *linkConn
	cl     *engine.Client
	parser resp.Parser
	lim    resp.Limits
	args   [][]byte
	// buf begins with the transaction that is open, if one is: it goes into this node's stream as a whole, once it is run.
	buf     []byte
	scanned int  // bytes of buf that were taken as commands
	getack  bool // the primary asked how far this node is
	moans   complaints
}

// streamBuffer is what is read at once; keptStreamBuffer how big the buffer may stay after a big command.
const (
	streamBuffer     = 64 << 10
	keptStreamBuffer = 1 << 20
)

// stream applies what the primary sends, and tells it how far it got.
func (f *follower) stream(ctx context.Context, nc net.Conn, in *bufio.Reader) error {
	ackCtx, stop := context.WithCancel(ctx)
	defer stop()
	f.m.done.Add(1)
	go func() {
		defer f.m.done.Done()
		f.acknowledge(ackCtx, nc)
	}()
	conn := newLinkConn(nc)
	s := &incoming{conn: conn, cl: f.m.Engine.NewPrimaryClient(conn), lim: resp.DefaultLimits(), buf: make([]byte, 0, streamBuffer)}
	defer f.m.Engine.Drop(f.x, s.cl)
	defer f.readTo.Store(0)
	s.lim.MaxBulk = 1 << 40 // the primary has checked what it passes on
	s.cl.SetDB(max(f.m.Journal.SelectedDB(), 0))
	for {
		if err := f.m.Engine.AwaitPreImages(ctx); err != nil {
			return err
		}
		n, err := f.read(ctx, in, s)
		if err != nil {
			return err
		}
		if n > 0 && conn.isHeld() {
			s.cl.Account(int64(len(s.buf)), 0, int64(cap(s.buf)), 0)
			continue
		}
		if err := f.applyAll(s, n); err != nil {
			return err
		}
		if s.getack {
			f.ack(nc)
			s.getack = false
		}
	}
}

// grow makes room for more: of a big argument, for as much again as has come of it.
func (s *incoming) grow() {
	switch {
	case len(s.buf) == 0 && cap(s.buf) > keptStreamBuffer:
		s.buf = make([]byte, 0, streamBuffer)
	case len(s.buf) == cap(s.buf):
		bigger := make([]byte, len(s.buf), len(s.buf)+max(len(s.buf), min(s.parser.Need(), 64<<20)))
		copy(bigger, s.buf)
		s.buf = bigger
	}
}

// applyAll runs the complete commands in s.buf and appends them to this node's own stream, all but an open transaction.
func (f *follower) applyAll(s *incoming, received int) (err error) {
	f.apply.Lock()
	defer f.apply.Unlock()
	f.x.BeginTurn()
	closed := 0 // s.buf[:closed] ends with no transaction open
	for {
		n, args, perr := s.parser.Next(s.buf[s.scanned:], s.args, &s.lim)
		if perr != nil {
			err = fmt.Errorf("the primary sent what is no command: %w", perr)
			break
		}
		if s.args = args; n == 0 {
			break
		}
		held, aerr := f.applyOne(s)
		if err = aerr; held || err != nil {
			break
		}
		if s.scanned += n; !s.cl.Transaction() {
			closed = s.scanned
		}
	}
	f.m.Journal.AppendRaw(s.buf[:closed])
	f.m.Journal.SetSelectedDB(s.cl.DB())
	s.buf = s.buf[:copy(s.buf, s.buf[closed:])]
	s.scanned -= closed
	s.cl.Publish(f.x.NowMs(), int64(received), 0)
	s.cl.Account(int64(len(s.buf)), 0, int64(cap(s.buf)), 0)
	f.x.EndTurn()
	return err
}

// applyOne runs a command of the stream; held is true if a pause holds it back. What a bound of this node's own does not let it run is an error: the
// link ends, and says why. Of what fails otherwise, propagation-error-behavior says what becomes of it.
func (f *follower) applyOne(s *incoming) (held bool, err error) {
	args := s.args
	switch {
	case len(args) == 0:
		return false, nil
	case spec.EqualFold(args[0], "replconf"):
		s.getack = s.getack || len(args) > 1 && spec.EqualFold(args[1], "getack")
		return false, nil
	}
	if f.x.Run(s.cl, args) == engine.Parked {
		s.conn.hold()
		return true, nil
	}
	out := s.cl.Out.Buf
	s.cl.Out.Buf = out[:0]
	if len(out) == 0 || out[0] != '-' {
		return false, nil
	}
	if bytes.Contains(out, []byte(spec.ErrLongKey.Error())) {
		return false, fmt.Errorf("the primary sent a command that this version cannot run: %w", spec.ErrLongKey)
	}
	if spec.EqualFold(args[0], "select") {
		return false, fmt.Errorf("the primary selects database %q: %q", args[1:], out)
	}
	f.failedOne(s, out)
	return false, nil
}

// failedOne logs that a command of the stream has failed: what its primary has run, this node has not. The node ends if it is to.
func (f *follower) failedOne(s *incoming, reply []byte) {
	name, set := "<unknown>", f.m.Settings()
	if cmd, ok := f.m.Engine.Table.Resolve(s.args); ok {
		name = cmd.FullName()
	}
	fatal := set.PanicOnError && set.ReadOnly
	if unsaid, ok := s.moans.next(f.m.Clock.Now()); ok || fatal {
		text := reply[1:min(len(reply), maxLoggedError)]
		f.m.Log.Warn(fmt.Sprintf("== CRITICAL == This replica is sending an error to its primary: '%s' after processing the command '%s'", bytes.TrimSpace(text), name))
		if unsaid > 0 {
			f.m.Log.Warn(fmt.Sprintf("%d more commands of the primary have failed that the log does not tell of", unsaid))
		}
	}
	if fatal {
		f.m.Fatal("This replica panicked sending an error to its primary after processing the command '" + name + "'")
	}
}

// maxLoggedError is how much of an error's text the log tells.
const maxLoggedError = 4096

// complaints bounds what the log tells of a stream that fails again and again: complaintsEach lines a second.
type complaints struct {
	since  time.Time
	n      int // since then
	unsaid int // those that were too many, and are not told of yet
}

const complaintsEach = 10

// next reports whether there is to be a line, and how many were left out before it.
func (c *complaints) next(now time.Time) (unsaid int, ok bool) {
	if now.Sub(c.since) >= time.Second {
		c.since, c.n = now, 0
	}
	if c.n++; c.n > complaintsEach {
		c.unsaid++
		return 0, false
	}
	unsaid, c.unsaid = c.unsaid, 0
	return unsaid, true
}
