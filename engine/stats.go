package engine

import (
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/commands/spec"
)

// turn is what one executor counts between two EndTurns, in plain fields: the hot path has no atomic of its own.
type turn struct {
	hits, misses, expired, dirty uint64
	total, aclDenied, errors     uint64
	allShardLocks                uint64
	used                         []int // IDs with something in commands
	commands                     []commandTurn
	errs                         map[string]uint64
}

type commandTurn struct {
	calls, rejected, failed uint64
	nanos                   int64
}

func (t *turn) of(id int) *commandTurn {
	c := &t.commands[id]
	if c.calls == 0 && c.rejected == 0 {
		t.used = append(t.used, id)
	}
	return c
}

// ran counts a command that ran; reply is what it answered.
func (t *turn) ran(id int, nanos int64, reply []byte) {
	c := t.of(id)
	c.calls++
	c.nanos += nanos
	t.total++
	if len(reply) > 0 && reply[0] == '-' {
		c.failed++
		t.countError(reply)
	}
}

// rejected counts a command that was refused before it ran; cmd is nil when it does not exist.
func (t *turn) rejected(cmd *spec.Command, reply []byte) {
	if cmd != nil {
		t.of(cmd.ID()).rejected++
	}
	t.countError(reply)
}

// maxErrorNames bounds how many error codes are counted by name, as a script or a module may invent any number.
const maxErrorNames = 128

func (t *turn) countError(reply []byte) {
	t.errors++
	end := 1
	for end < len(reply) && reply[end] > ' ' {
		end++
	}
	if t.errs == nil {
		t.errs = map[string]uint64{}
	}
	if len(reply) > 1 && (len(t.errs) < maxErrorNames || t.errs[string(reply[1:end])] > 0) {
		t.errs[string(reply[1:end])]++
	}
}

// Stats are the counters of all executors.
type Stats struct {
	hits, misses, expired, dirty atomic.Uint64
	total, aclDenied, errors     atomic.Uint64
	allShardLocks                atomic.Uint64
	commands                     []commandCounters

	mu   sync.Mutex
	errs map[string]uint64
}

type commandCounters struct {
	calls, rejected, failed atomic.Uint64
	nanos                   atomic.Int64
}

func addIf(a *atomic.Uint64, n uint64) {
	if n > 0 {
		a.Add(n)
	}
}

// add takes a turn's counts over and empties it.
func (s *Stats) add(t *turn) {
	addIf(&s.hits, t.hits)
	addIf(&s.misses, t.misses)
	addIf(&s.expired, t.expired)
	addIf(&s.dirty, t.dirty)
	addIf(&s.total, t.total)
	addIf(&s.aclDenied, t.aclDenied)
	addIf(&s.errors, t.errors)
	addIf(&s.allShardLocks, t.allShardLocks)
	for _, id := range t.used {
		from, to := &t.commands[id], &s.commands[id]
		addIf(&to.calls, from.calls)
		addIf(&to.rejected, from.rejected)
		addIf(&to.failed, from.failed)
		to.nanos.Add(from.nanos)
		*from = commandTurn{}
	}
	if len(t.errs) > 0 {
		s.addErrors(t.errs)
		clear(t.errs)
	}
	*t = turn{used: t.used[:0], commands: t.commands, errs: t.errs}
}

func (s *Stats) addErrors(errs map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.errs == nil {
		s.errs = map[string]uint64{}
	}
	for name, n := range errs {
		if len(s.errs) < maxErrorNames || s.errs[name] > 0 {
			s.errs[name] += n
		}
	}
}

// Counters is a reading of the statistics, for INFO.
type Counters struct {
	Hits, Misses, Expired, Dirty      uint64
	Commands, ACLDenied, ErrorReplies uint64
	AllShardLocks                     uint64 // how often every shard was held at once
	PerCommand                        []CommandCounters
	Errors                            map[string]uint64 // replies by error code
}

// CommandCounters is a reading of one command's statistics.
type CommandCounters struct {
	Command                 *spec.Command
	Calls, Rejected, Failed uint64
	Nanos                   int64
}

// Counters reads the statistics. PerCommand has only commands that were called or refused.
func (e *Engine) Counters() Counters {
	s := &e.stats
	out := Counters{Hits: s.hits.Load(), Misses: s.misses.Load(), Expired: s.expired.Load(), Dirty: s.dirty.Load(),
		Commands: s.total.Load(), ACLDenied: s.aclDenied.Load(), ErrorReplies: s.errors.Load(), AllShardLocks: s.allShardLocks.Load(),
		Errors: map[string]uint64{}}
	for id := range s.commands {
		c := &s.commands[id]
		cc := CommandCounters{Command: e.Table.ByID(id), Calls: c.calls.Load(), Rejected: c.rejected.Load(), Failed: c.failed.Load(), Nanos: c.nanos.Load()}
		if cc.Calls+cc.Rejected > 0 {
			out.PerCommand = append(out.PerCommand, cc)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.errs {
		out.Errors[k] = v
	}
	return out
}

// ResetStats is CONFIG RESETSTAT. Dirty is kept: it is what the next snapshot has to save.
func (e *Engine) ResetStats() {
	s := &e.stats
	for _, a := range []*atomic.Uint64{&s.hits, &s.misses, &s.expired, &s.total, &s.aclDenied, &s.errors, &s.allShardLocks} {
		a.Store(0)
	}
	for i := range s.commands {
		c := &s.commands[i]
		c.calls.Store(0)
		c.rejected.Store(0)
		c.failed.Store(0)
		c.nanos.Store(0)
	}
	s.mu.Lock()
	s.errs = nil
	s.mu.Unlock()
}

// DirtyCount is how many changes there were since the start.
func (e *Engine) DirtyCount() uint64 { return e.stats.dirty.Load() }
