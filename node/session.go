package node

import (
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/wire/resp"
)

// session is what both kinds of loop keep of a connection: its client and what was read and not yet run.
type session struct {
	cl     *engine.Client
	parser resp.Parser
	in     []byte // begins with an incomplete command, or with those that wait
	args   [][]byte

	parked  bool // its next command is held back (CLIENT PAUSE): nothing is read until it is resumed
	blocked bool // its last command will be answered later
	closing bool // close once everything is written
	tooLong bool // its last command is longer than its query buffer may be
	detach  bool // leaves the loop once the turn is over

	tls *tlsSide // nil without TLS

	front   int   // bytes of commands that have run, before in: they go with its buffer
	read    int64 // bytes since the last publish
	counted int64 // bytes of buffers that are in connStats
	spare   int64 // of them those of an empty output buffer that grew for what was pushed
	lastMs  int64 // when anything was last read or written, ms since 1970
}

// turnResult says how a turn of a session ended.
type turnResult uint8

const (
	turnIdle   turnResult = iota // everything complete was run
	turnMore                     // the turn's bound was reached: there is more to run
	turnWait                     // parked, blocked, closing or leaving: run nothing more
	turnBroken                   // the client broke the protocol: the error is in Out, close once it is written
)

// process runs the complete commands in data, up to a turn's bounds, and returns how many bytes they took.
func (s *session) process(x *engine.Executor, lim *connLimits, data []byte) (int, turnResult) {
	x.BeginBatch()
	done, result := s.runAll(x, lim, data)
	x.EndBatch()
	return done, result
}

func (s *session) runAll(x *engine.Executor, lim *connLimits, data []byte) (int, turnResult) {
	done := 0
	for n := 0; ; n++ {
		l, most := &lim.open, limits.MaxOutputPerTurnBytes
		if !s.cl.Authenticated() {
			l, most = &lim.preAuth, limits.MaxPreAuthOutputBytes
		}
		if n >= limits.MaxCommandsPerTurn || len(s.cl.Out.Buf) >= most {
			return done, turnMore
		}
		consumed, args, err := s.next(x, data[done:], l)
		if err != nil {
			s.cl.Out.Error("ERR " + err.Error())
			s.closing = true
			return len(data), turnBroken
		}
		if consumed == 0 {
			return done, turnIdle
		}
		if len(args) == 0 {
			done += consumed
			continue
		}
		if consumed >= limits.BigArgBytes && s.tooBig(x, lim, consumed) {
			return done, turnWait
		}
		x.Request(consumed)
		outcome := x.Run(s.cl, args)
		if outcome == engine.Parked {
			s.parked = true
			s.parser.Reset()
			return done, turnWait
		}
		done += consumed
		if s.wait(outcome) {
			return done, turnWait
		}
	}
}

// next gives the next command. What is complete is parsed a few commands ahead.
func (s *session) next(x *engine.Executor, data []byte, lim *resp.Limits) (consumed int, args [][]byte, err error) {
	if !s.parser.Waiting() && len(data) <= limits.ReadChunkBytes {
		if consumed, args = x.Next(s.cl, data, lim); consumed > 0 {
			return consumed, args, nil
		}
	}
	consumed, s.args, err = s.parser.Next(data, s.args, lim)
	return consumed, s.args, err
}

// tooBig reports whether a big command is not to run, as the client takes too much memory with it.
func (s *session) tooBig(x *engine.Executor, lim *connLimits, size int) bool {
	if s.tooLong = int64(size) > lim.query && !s.cl.Admin(); s.tooLong {
		return true
	}
	s.cl.Account(0, int64(size), s.inBytes(), int64(cap(s.cl.Out.Buf)))
	return x.TooBig(s.cl)
}

// wait notes an outcome after which nothing more of the session is to be run.
func (s *session) wait(o engine.Outcome) bool {
	switch o {
	case engine.Blocked:
		s.blocked = true
	case engine.CloseAfter:
		s.closing = true
	case engine.Detached:
		s.detach = true
	default:
		return s.cl.Killed()
	}
	return true
}

// keep stores what was not run, the end of in or of the loop's buffer. A buffer that is empty is left for the next command, unless it is big: trim looks after it.
// Much that is left stays where it is: it may come to some turns' worth of commands, and each would have to move the others.
func (s *session) keep(rest []byte) {
	if len(s.in) > 0 && len(rest) > limits.KeptQueryBytes {
		s.front += len(s.in) - len(rest)
		s.in = rest
		return
	}
	if s.front > 0 {
		clear(s.args[:cap(s.args)]) // which were in it
		s.in, s.front = append(make([]byte, 0, max(len(rest), limits.MinQueryBytes)), rest...), 0
		return
	}
	switch {
	case len(rest) > 0 && cap(s.in) == 0:
		s.in = append(make([]byte, 0, max(len(rest), limits.MinQueryBytes)), rest...)
	case len(rest) > 0:
		s.in = append(s.in[:0], rest...)
	case cap(s.in) > limits.KeptQueryBytes:
		s.in = nil
		clear(s.args[:cap(s.args)]) // which were in it
	default:
		s.in = s.in[:0]
	}
}

// grown sets in to what was appended to it, which may be a bigger buffer.
func (s *session) grown(in []byte) {
	if cap(in) > cap(s.in) {
		s.front = 0
	}
	s.in = in
}

// trim gives back what the input buffer has more than it needs: of one that was in use lately all but a small one, of one whose
// client is silent everything, and its output buffer. It reports whether anything has changed.
func (s *session) trim(nowMs int64) bool {
	idle := nowMs-s.lastMs > limits.QueryIdleFor.Milliseconds()
	least := limits.MinQueryBytes
	if idle {
		least = 0
	}
	free := idle && cap(s.cl.Out.Buf) > 0 && len(s.cl.Out.Buf) == 0
	if free {
		s.cl.Out.Buf = nil
	}
	want := max(len(s.in), least)
	if cap(s.in) <= want+want/8 || len(s.in) > 0 && !idle {
		return free
	}
	if s.front = 0; want == 0 {
		s.in = nil
	} else {
		s.in = append(make([]byte, 0, want), s.in...)
	}
	return true
}

// over reports whether the client has sent more than may wait, or gets more than may be unsent, and counts it. unsent is in bytes.
func (s *session) over(sh *shared, unsent int) bool {
	lim := sh.limits.Load()
	if s.tooLong || int64(len(s.in))+s.cl.QueuedBytes() > lim.query && !s.cl.Admin() {
		sh.stats.queryLimit.Add(1)
		return true
	}
	hard := lim.output(s.cl).hard
	if hard > 0 && beyondChunk(int64(unsent), hard) || s.cl.IsCutShort() {
		sh.stats.outputLimit.Add(1)
		return true
	}
	return false
}

// beyondChunk reports whether so many unsent bytes are more than a limit of output. As in Redis, what is no more than engine.OutChunk
// never is: somebody who has set the limit too low can still talk to the node.
func beyondChunk(unsent, limit int64) bool { return unsent > max(limit, engine.OutChunk) }

// written empties the output buffer, and gives it up if it is much bigger than what a turn needs.
func (s *session) written(n int) {
	out := s.cl.Out.Buf
	if cap(out) > limits.MaxOutputPerTurnBytes || cap(out) > keptOutput && n < cap(out)/4 {
		out = nil
	}
	s.cl.Out.Buf = out[:0]
}

// keptOutput is how big an output buffer may stay whatever the connection does.
const keptOutput = 16 << 10

// inBytes is what in takes, with what has run of its buffer.
func (s *session) inBytes() int64 { return int64(s.front + cap(s.in)) }

// account keeps count of the buffers' memory, the node's and the client's.
func (s *session) account(st *connStats) {
	read, arguments := s.parser.Begun()
	s.cl.Account(int64(len(s.in)-min(read, len(s.in))), int64(arguments), s.inBytes(), int64(cap(s.cl.Out.Buf)))
	n, spare := s.inBytes()+int64(cap(s.cl.Out.Buf)), s.cl.SpareForPushes()
	if s.tls != nil {
		n += s.tls.memory()
	}
	if n != s.counted {
		st.buffers.Add(n - s.counted)
		s.counted = n
	}
	if spare != s.spare {
		st.spare.Add(spare - s.spare)
		s.spare = spare
	}
}

// release takes the connection's buffers out of the count.
func (s *session) release(st *connStats) {
	st.buffers.Add(-s.counted)
	st.spare.Add(-s.spare)
	s.counted, s.spare = 0, 0
}

// publish makes CLIENT LIST current. out is how many bytes of replies are about to be written.
func (s *session) publish(nowMs, out int64) {
	if s.read > 0 || out > 0 {
		s.lastMs = nowMs
	}
	s.cl.Publish(s.lastMs, s.read, out)
	s.read = 0
}

// mayRun reports whether the session's next command can be looked at.
func (s *session) mayRun() bool { return !s.parked && !s.blocked && !s.closing }

// resume looks again whether what the session waited for is over.
func (s *session) resume() { s.parked, s.blocked = false, s.cl.BlockedOn() != nil }
