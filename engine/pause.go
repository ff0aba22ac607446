package engine

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
)

// pause is CLIENT PAUSE: until when, and who waits.
type pause struct {
	mu     sync.Mutex
	until  int64 // ms since 1970; 0: no pause
	mode   Gate  // GatePauseAll or GatePauseWrite
	parked map[*Client]parking
	turns  uint64
}

// parking is since when a client is parked: in which turn, and in monotonic ns.
type parking struct {
	turn uint64
	at   int64
}

// Pause holds commands back until a time (ms since 1970): all of them, or writes only. A second pause can make the first
// longer and stricter, not shorter. When it returns, no held-back command is running any more.
func (e *Engine) Pause(until int64, all bool) {
	e.Barrier(func() { e.pauseLocked(until, all) })
}

// pauseLocked is Pause for a caller that holds all shards.
func (e *Engine) pauseLocked(until int64, all bool) {
	p := &e.pause
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = max(p.until, until)
	if all || p.mode == GatePauseAll {
		p.mode = GatePauseAll
	} else {
		p.mode = GatePauseWrite
	}
	e.SetGateLocked(p.mode, (GatePauseAll|GatePauseWrite)&^p.mode)
}

// Unpause ends a pause now and resumes those who were held back.
func (e *Engine) Unpause() { e.unpause(math.MaxInt64) }

// unpause ends a pause that is over at a time (ms since 1970).
func (e *Engine) unpause(nowMs int64) { e.Barrier(func() { e.unpauseLocked(nowMs) }) }

// unpauseLocked is unpause for a caller that holds all shards. Those who are resumed wait until it lets go of them.
func (e *Engine) unpauseLocked(nowMs int64) {
	p := &e.pause
	p.mu.Lock()
	if p.until <= nowMs { // or else another pause has made it longer
		p.until, p.mode = 0, 0
		e.SetGateLocked(0, GatePauseAll|GatePauseWrite)
	}
	p.mu.Unlock()
	if e.Gate()&(GatePauseAll|GatePauseWrite) == 0 {
		e.resumeParked()
	}
}

// PauseUntil is when the pause ends (ms since 1970), 0 if there is none; all tells its kind.
func (e *Engine) PauseUntil() (until int64, all bool) {
	e.pause.mu.Lock()
	defer e.pause.mu.Unlock()
	return e.pause.until, e.pause.mode == GatePauseAll
}

// parkLocked remembers a client whose command is held back. A shard of the command may be held; the gate that parked it is set,
// so whoever clears it comes after and finds the client here.
func (e *Engine) parkLocked(c *Client) {
	e.pause.mu.Lock()
	e.pause.turns++
	e.pause.parked[c] = parking{e.pause.turns, e.Clock.MonoNanos()}
	c.parked.Store(true)
	e.pause.mu.Unlock()
	// A command without a key holds no shard, and snapshots may have caught up under another shard: it may be over already.
	if e.Gate()&(GatePauseAll|GatePauseWrite|GateBusy|GateMoving|GateSlowWrites|holdsWrites) == 0 {
		e.resumeParked()
	}
}

// resumeParked resumes who was parked, in that order: where writes wait for a snapshot only some of them can go on before it is full again, and nobody must be among the others
// each time.
func (e *Engine) resumeParked() {
	e.pause.mu.Lock()
	parked := e.pause.parked
	e.pause.parked = map[*Client]parking{}
	e.pause.mu.Unlock()
	resumeInTurn(parked)
}

func resumeInTurn(parked map[*Client]parking) {
	for _, c := range slices.SortedFunc(maps.Keys(parked), func(a, b *Client) int { return cmp.Compare(parked[a].turn, parked[b].turn) }) {
		c.parked.Store(false)
		c.conn.Resume()
	}
}

// resumeParkedBefore resumes who was parked before a time (monotonic ns), and whose write then need not wait for snapshots again.
func (e *Engine) resumeParkedBefore(mono int64) {
	due := map[*Client]parking{}
	e.pause.mu.Lock()
	for c, p := range e.pause.parked {
		if p.at < mono {
			due[c] = p
			delete(e.pause.parked, c)
			c.patient = true
		}
	}
	e.pause.mu.Unlock()
	resumeInTurn(due)
}

// endPause ends a pause whose time is over.
func (e *Engine) endPause(nowMs int64) {
	if until, _ := e.PauseUntil(); until != 0 && nowMs >= until {
		e.unpause(nowMs)
	}
}
