package engine

import (
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/acl"
	"github.com/larder-cache/larder/commands/spec"
)

// turn is what one executor counts between two EndTurns, in plain fields: the hot path has no atomic of its own.
type turn struct {
	hits, misses, expired, dirty uint64
	expiredFields                uint64
	total, errors, unexpected    uint64
	allShardLocks                uint64
	aclDenied                    [numReasons]uint64
	cycleNanos, commandNanos     int64
	used                         []int // IDs with something in commands
	commands                     []commandTurn
	errs, custom                 map[string]uint64
}

type commandTurn struct {
	calls, rejected, failed uint64
	nanos                   int64
}

func (t *turn) of(id int) *commandTurn {
	c := &t.commands[id]
	if c.calls == 0 && c.rejected == 0 && c.failed == 0 {
		t.used = append(t.used, id)
	}
	return c
}

// ran counts calls of a command, which together took some time.
func (t *turn) ran(id int, calls, nanos int64) {
	c := t.of(id)
	c.calls += uint64(calls)
	c.nanos += nanos
	t.commandNanos += nanos
	t.total += uint64(calls)
}

// failed counts a call, which ran counts too, that answered an error. custom: a script has made it up.
func (t *turn) failed(id int, reply []byte, custom bool) {
	t.of(id).failed++
	t.countError(reply, custom)
}

// rejected counts a command that was refused before it ran; cmd is nil when it does not exist.
func (t *turn) rejected(cmd *spec.Command, reply []byte) {
	if cmd != nil {
		t.of(cmd.ID()).rejected++
	}
	t.countError(reply, false)
}

// maxErrorNames is with how many error codes counted by name those that scripts invent, of which there may be any number, are counted
// together.
const (
	maxErrorNames  = 128
	errorsOverflow = "ERRORSTATS_OVERFLOW"
)

// numReasons is how many reasons there are for the access rules to refuse something.
const numReasons = acl.DeniedAuth + 1

func (t *turn) countError(reply []byte, custom bool) {
	t.errors++
	if t.errs == nil {
		t.errs, t.custom = map[string]uint64{}, map[string]uint64{}
	}
	if name := errorName(reply); custom && name != "ERR" {
		countCustom(t.custom, name, 1)
	} else {
		t.errs[name]++
	}
}

// errorName is the code of an error reply.
func errorName(reply []byte) string {
	end := 1
	for end < len(reply) && reply[end] > ' ' {
		end++
	}
	if end == 1 || len(reply) == 0 {
		return "ERR"
	}
	return string(reply[1:end])
}

func countCustom(errs map[string]uint64, name string, n uint64) {
	if len(errs) >= maxErrorNames && errs[name] == 0 {
		name = errorsOverflow
	}
	errs[name] += n
}

// Stats are the counters of all executors.
type Stats struct {
	hits, misses, expired, dirty     atomic.Uint64
	expiredFields                    atomic.Uint64
	total, errors, unexpected        atomic.Uint64
	allShardLocks, evictedClients    atomic.Uint64
	aclDenied                        [numReasons]atomic.Uint64
	cycles, cycleNanos, commandNanos atomic.Uint64
	cronNanos                        atomic.Uint64
	cycleMax, cycleCommandsMax       atomic.Uint64
	commands                         []commandCounters

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
	addIf(&s.expiredFields, t.expiredFields)
	addIf(&s.dirty, t.dirty)
	addIf(&s.total, t.total)
	addIf(&s.errors, t.errors)
	addIf(&s.unexpected, t.unexpected)
	for i, n := range t.aclDenied {
		addIf(&s.aclDenied[i], n)
	}
	if t.total+t.errors > 0 { // or else the loop was only woken to look after its connections
		s.cycle(t.cycleNanos)
	}
	raise(&s.cycleCommandsMax, t.total)
	addIf(&s.commandNanos, uint64(max(t.commandNanos, 0)))
	addIf(&s.allShardLocks, t.allShardLocks)
	for _, id := range t.used {
		from, to := &t.commands[id], &s.commands[id]
		addIf(&to.calls, from.calls)
		addIf(&to.rejected, from.rejected)
		addIf(&to.failed, from.failed)
		to.nanos.Add(from.nanos)
		*from = commandTurn{}
	}
	if len(t.errs)+len(t.custom) > 0 {
		s.addErrors(t.errs, t.custom)
		clear(t.errs)
		clear(t.custom)
	}
	*t = turn{used: t.used[:0], commands: t.commands, errs: t.errs, custom: t.custom}
}

// cycle counts a turn of a loop.
func (s *Stats) cycle(nanos int64) {
	s.cycles.Add(1)
	s.cycleNanos.Add(uint64(max(nanos, 0)))
	raise(&s.cycleMax, uint64(max(nanos, 0)))
}

// raise makes a maximum at least v.
func raise(a *atomic.Uint64, v uint64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// one counts one command outside a turn: one that was blocked.
func (s *Stats) one(id int, nanos int64, reply []byte) {
	c := &s.commands[id]
	c.calls.Add(1)
	c.nanos.Add(nanos)
	s.total.Add(1)
	if len(reply) > 0 && reply[0] == '-' {
		c.failed.Add(1)
		s.errors.Add(1)
		s.addErrors(map[string]uint64{errorName(reply): 1}, nil)
	}
}

func (s *Stats) addErrors(errs, custom map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.errs == nil {
		s.errs = map[string]uint64{}
	}
	for name, n := range errs {
		s.errs[name] += n
	}
	for name, n := range custom {
		countCustom(s.errs, name, n)
	}
}

// Counters is a reading of the statistics, for INFO.
type Counters struct {
	Hits, Misses, Expired, Dirty uint64
	ExpiredFields                uint64 // of hashes
	Commands, ErrorReplies       uint64
	UnexpectedErrors             uint64             // errors that a replica had for its primary
	Denied                       [numReasons]uint64 // by acl.Reason
	AllShardLocks                uint64             // how often every shard was held at once
	EvictedClients               uint64             // ended for maxmemory-clients
	Cycles                       uint64             // turns of loops in which something ran
	CycleNanos, CommandNanos     uint64             // spent in them, and of that in commands
	CronNanos                    uint64             // and in the node's clockwork
	CycleMaxNanos                uint64             // the longest turn
	CycleCommandsMax             uint64             // the most commands of one turn
	PerCommand                   []CommandCounters
	Errors                       map[string]uint64 // replies by error code
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
	out := Counters{Hits: s.hits.Load(), Misses: s.misses.Load(), Expired: s.expired.Load(), ExpiredFields: s.expiredFields.Load(), Dirty: s.dirty.Load(),
		Commands: s.total.Load(), ErrorReplies: s.errors.Load(), UnexpectedErrors: s.unexpected.Load(), AllShardLocks: s.allShardLocks.Load(),
		EvictedClients: s.evictedClients.Load(), Cycles: s.cycles.Load(), CycleNanos: s.cycleNanos.Load(), CommandNanos: s.commandNanos.Load(),
		CronNanos: s.cronNanos.Load(), CycleMaxNanos: s.cycleMax.Load(), CycleCommandsMax: s.cycleCommandsMax.Load(),
		Errors: map[string]uint64{}}
	for i := range s.aclDenied {
		out.Denied[i] = s.aclDenied[i].Load()
	}
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
	for _, a := range []*atomic.Uint64{&s.hits, &s.misses, &s.expired, &s.expiredFields, &s.total, &s.errors, &s.unexpected, &s.allShardLocks, &s.evictedClients,
		&s.cycles, &s.cycleNanos, &s.commandNanos, &s.cronNanos, &s.cycleMax, &s.cycleCommandsMax} {
		a.Store(0)
	}
	if c := e.cycle.Load(); c != nil {
		c.freed.Store(0)
		c.ResetStats()
	}
	e.eviction.resetStats()
	e.scripts.counts.evicted.Store(0)
	for i := range s.commands {
		c := &s.commands[i]
		c.calls.Store(0)
		c.rejected.Store(0)
		c.failed.Store(0)
		c.nanos.Store(0)
	}
	e.resetHistograms()
	s.mu.Lock()
	s.errs = nil
	s.mu.Unlock()
}

// CountCycle counts a turn of the node's clockwork, beside those of the loops.
func (e *Engine) CountCycle(nanos int64) { e.stats.cycle(nanos) }

// CountCron counts time that the node's clockwork took.
func (e *Engine) CountCron(nanos int64) { e.stats.cronNanos.Add(uint64(max(nanos, 0))) }

// WatchedKeys is how many different keys are watched.
func (e *Engine) WatchedKeys() int64 { return e.watchedKeys.Load() }

// DirtyCount is how many changes there were since the start.
func (e *Engine) DirtyCount() uint64 { return e.stats.dirty.Load() }

// ClientTotals is what INFO tells of all clients together.
type ClientTotals struct {
	MaxIn, MaxOut              int64 // the biggest query buffer, and the most replies of one turn, bytes
	PubSub, Watching, Timeouts int64 // clients that subscribe, watch keys, wait with a timeout
}

// ClientTotals reads it from what the clients have published.
func (e *Engine) ClientTotals() (t ClientTotals) {
	for _, c := range e.Clients() {
		t.MaxIn = max(t.MaxIn, c.info.queryLen.Load()+c.info.queryFree.Load())
		t.MaxOut = max(t.MaxOut, c.info.outPeak.Load())
		if c.Class() == ClassPubSub {
			t.PubSub++
		}
		if c.watching() > 0 {
			t.Watching++
		}
		if b := c.blocked.Load(); b != nil && b.DeadlineMs > 0 {
			t.Timeouts++
		}
	}
	return t
}
