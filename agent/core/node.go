package core

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

const (
	// retryAfter is how long the agent waits before it tries again what the system or the node has refused; it doubles up
	// to retryMax.
	retryAfter = 10 * time.Millisecond
	retryMax   = time.Second
	// shortLife is how long a process must have lived for its end not to count as one of a series of failures, and
	// restartMax the longest wait between the restarts in such a series.
	shortLife    = 5 * time.Second
	restartAfter = 100 * time.Millisecond
	restartMax   = time.Second
	// maxDone is how many finished tasks are remembered.
	maxDone = 16
)

// phase is where a node's process is.
type phase uint8

const (
	absent   phase = iota // there never was one, or it has been removed
	starting              // Start is under way
	alive
	dead
	failed   // it could not be started, or ended before it first answered
	removing // Remove is under way
)

// node is one node's machine.
type node struct {
	c  *Core
	id string
	// spec is the last one that was accepted; nil when the node is none of the agent's business.
	spec *nodeapi.NodeSpec
	// refusal says which spec was refused and why; empty when the last one was accepted.
	refusal string

	st State
	// Stores: stored is the last one done. Nothing is done that changes what the node is to others before mustStore is.
	stored, mustStore int64
	storeErr          string
	unstored          bool // st has changed and was not stored: see accept

	phase phase
	gone  bool // Deleted is done
	// deathGen is the generation that was held when the process died; noDeathGen: not known, the next one counts.
	deathGen   int64
	noDeathGen bool
	startAt    time.Duration // not before
	failures   uint          // ends in a row after a short life
	why        string        // of phase failed

	life
	applied int64
	wakeAt  time.Duration
	last    *nodeapi.NodeStatus // the Stable form that was reported last
}

// life is what is known of the present run only.
type life struct {
	startedAt time.Duration
	adopted   bool
	killing   bool // Kill was asked for
	stopBy    time.Duration

	// job is the Do under way, 0 for none.
	job         int64
	jobGen      int64
	jobActions  []Action
	silentSince time.Duration // since when nothing was answered; 0: nothing is outstanding
	suspended   bool
	pollAt      time.Duration
	retryAt     time.Duration
	refusals    uint // in a row
	problem     string

	// upSeq is the Store after which the run may be said to be up; 0: it has not answered yet.
	upSeq  int64
	seen   Seen
	have   bool // seen is from this run, and no connection was lost since
	seenAt time.Time

	swept        bool // no connection is left from an address that is closed
	pausedUntil  time.Duration
	pauseUnknown bool
	replSet      nodeapi.Secret
	replDone     bool
	params       map[string]string // those that were set last
	paramsDone   bool
	badParams    map[string]string
	saving       string // the task that BGSAVE runs for
	saveFailed   []string
}

// newNode is the machine of a node of which nothing is known.
func newNode(c *Core, id string) *node {
	return &node{c: c, id: id, st: State{Format: StateFormat, ID: id}}
}

// nextJob is a number that no job has had.
func (n *node) nextJob() int64 { n.c.jobs++; return n.c.jobs }

func (n *node) now() time.Duration { return n.c.now.Mono }

func (n *node) hasProcess() bool { return n.phase == alive || n.phase == starting }

func (n *node) storePending() bool { return n.stored < n.mustStore }

// up reports whether the run has answered, and that is on disk.
func (n *node) up() bool { return n.upSeq > 0 && n.stored >= n.upSeq }

func (n *node) engine() (Engine, bool) {
	if n.spec == nil {
		e, ok := n.c.cfg.Engines[n.st.Engine]
		return e, ok
	}
	e, ok := n.c.cfg.Engines[n.spec.Engine]
	return e, ok
}

// wake asks for a Tick at t.
func (n *node) wake(t time.Duration) {
	if n.wakeAt == 0 || t < n.wakeAt {
		n.wakeAt = max(t, 1)
	}
}

// hurry makes the next poll come soon.
func (n *node) hurry() {
	if n.phase == alive && n.pollAt > n.now()+pollSoon {
		n.pollAt = n.now() + pollSoon
		n.wake(n.pollAt)
	}
}

// store asks for the state to be written, and returns the number to wait for.
func (n *node) store() int64 {
	n.c.stores++
	st := n.st
	st.Done = slices.Clone(st.Done)
	n.c.emit(Store{Seq: n.c.stores, State: st})
	return n.c.stores
}

func (n *node) storeDone(e Stored) {
	if e.Err != "" {
		n.storeErr = "the agent cannot write its state: " + e.Err
		n.retryAt = n.now() + retryMax
		n.wake(n.retryAt)
		return
	}
	n.storeErr, n.stored = "", max(n.stored, e.Seq)
}

// restore writes again what could not be written.
func (n *node) restore() {
	if n.phase == starting {
		return
	}
	if n.storeErr == "" || n.now() < n.retryAt {
		if n.storeErr != "" {
			n.wake(n.retryAt)
		}
		return
	}
	n.storeErr = ""
	seq := n.store()
	if n.upSeq > n.stored {
		n.upSeq = seq
	}
	if n.mustStore > n.stored {
		n.mustStore = seq
	}
}

// loaded begins with what an earlier agent left.
func (n *node) loaded(e Loaded) {
	n.st, n.noDeathGen = e.State, true
	switch {
	case e.Alive:
		n.phase = alive
		n.life = life{adopted: true, pauseUnknown: true, startedAt: n.now()}
		if n.st.RunID != "" {
			n.upSeq, n.stored = 1, 1
		}
	case n.st.Run.PID != 0:
		n.phase = dead
	}
}

// accept takes a spec over.
func (n *node) accept(spec nodeapi.NodeSpec) {
	spec = cloneSpec(spec)
	n.spec, n.refusal = &spec, ""
	n.retryAt, n.refusals, n.problem, n.pollAt = 0, 0, "", n.now() // what applies is asked of the node afresh
	if n.noDeathGen {
		n.deathGen, n.noDeathGen = spec.Generation, false
	}
	if !spec.Discard {
		n.st.Discarded = false
	}
	changed := spec.Epoch > n.st.Epoch || n.st.Group != spec.Group || n.st.Engine != spec.Engine
	n.st.Epoch, n.st.Group, n.st.Engine = max(n.st.Epoch, spec.Epoch), spec.Group, spec.Engine
	if n.hasProcess() && !n.up() {
		n.raiseFloor()
		changed = changed || n.upSeq > 0
	}
	if changed = changed || n.unstored; !changed {
		return
	}
	// What is to be deleted gets no folder any more; and a start under way writes the new run, which must not be undone.
	if n.unstored = spec.Existence == nodeapi.Deleted || n.phase == starting; n.unstored {
		return
	}
	n.mustStore = n.store()
	if n.hasProcess() && !n.up() && n.upSeq > 0 {
		n.upSeq = n.mustStore
	}
}

// raiseFloor shuts the gate for the spec that is held: it was made before anybody could know of the present run.
func (n *node) raiseFloor() {
	if n.spec == nil {
		return
	}
	n.st.Floor = max(n.st.Floor, n.spec.Generation)
	if n.spec.Role == nodeapi.RolePrimary {
		n.st.FloorEpoch = max(n.st.FloorEpoch, n.spec.Epoch)
	}
}

// gate reports whether the role of the spec is meant for the present run: the one that it names, if it names one. Besides, the
// agent goes by when it came: one that it held before it first reported this run cannot be for it. A planner that has given
// a process the primary's role and lost it gives it to the next one at a higher epoch, so that is demanded, too.
func (n *node) gate() bool {
	s := n.spec
	return s.Role == nodeapi.RoleNone || n.up() && (s.Run == "" || s.Run == n.st.Run.Name()) && s.Generation > n.st.Floor &&
		(s.Role != nodeapi.RolePrimary || s.Epoch > n.st.FloorEpoch)
}

// decide does what is to be done next.
func (n *node) decide() {
	n.wakeAt = 0
	n.restore()
	switch {
	case n.c.stopping:
		n.stopInTurn()
	case n.spec == nil:
	default:
		n.exist()
	}
}

func (n *node) exist() {
	switch n.spec.Existence {
	case nodeapi.Running:
		n.run()
	case nodeapi.Stopped:
		n.stop()
	case nodeapi.Fenced:
		n.fence()
	case nodeapi.Deleted:
		n.remove()
	default:
		n.refusal = fmt.Sprintf("the spec's existence %q is unknown", n.spec.Existence)
	}
}

// run keeps a process running.
func (n *node) run() {
	switch n.phase {
	case absent, dead, failed:
		n.start()
	case alive:
		if n.st.Wipe { // a reboot
			if !n.storePending() {
				n.kill()
			}
			return
		}
		n.work()
	}
}

// start starts the process, if the time for it has come.
func (n *node) start() {
	if _, ok := n.engine(); !ok {
		n.phase, n.why = failed, fmt.Sprintf("this host cannot run the engine %q", n.spec.Engine)
		return
	}
	if n.phase == dead && n.spec.Role == nodeapi.RolePrimary && n.spec.Generation <= n.deathGen && !n.st.Wipe {
		return // the control plane has not answered to this death yet
	}
	if n.spec.Discard && !n.st.Discarded {
		n.st.Discarded, n.st.Wipe = true, true
		n.mustStore = n.store()
	}
	if n.storePending() {
		return
	}
	if n.now() < n.startAt {
		n.wake(n.startAt)
		return
	}
	n.phase, n.applied, n.why = starting, 0, ""
	n.c.emit(Start{Spec: cloneSpec(*n.spec), State: n.st})
}

func (n *node) started(e Started) {
	n.st = n.st.Started(e.Run)
	n.phase, n.applied, n.why = alive, 0, ""
	n.life = life{startedAt: n.now(), swept: true, pollAt: n.now()}
	n.raiseFloor()
	n.storePostponed()
}

// storePostponed stores what came while the process was being started.
func (n *node) storePostponed() {
	if n.unstored && (n.spec == nil || n.spec.Existence != nodeapi.Deleted) {
		n.unstored = false
		n.mustStore = n.store()
	}
}

func (n *node) startFailed(e StartFailed) {
	n.phase, n.why = failed, e.Why
	n.failures++
	n.startAt = n.now() + backoff(restartAfter, n.failures, restartMax)
	n.storePostponed()
}

// died takes note of a death.
func (n *node) died(e Died) {
	if n.phase != alive || e.Run != n.st.Run.Name() {
		return
	}
	n.phase, n.applied = dead, 0
	if !n.up() && !n.killing && n.stopBy == 0 {
		n.phase, n.why = failed, "the process ended before it answered"
		if e.Log != "" {
			n.why += ": " + e.Log
		}
	}
	if n.noDeathGen = n.spec == nil; n.spec != nil {
		n.deathGen = n.spec.Generation
	}
	short := n.now()-n.startedAt < shortLife && !n.adopted && !n.killing
	if n.failures++; !short {
		n.failures = 0
	}
	n.startAt = n.now()
	if n.failures > 1 || n.phase == failed {
		n.startAt += backoff(restartAfter, n.failures, restartMax)
	}
	n.life = life{}
	n.reportChange() // before a restart hides it
	n.c.disturbed(n.st.Group)
}

func (n *node) suspend(e Suspended) {
	if n.phase != alive || e.Run != n.st.Run.Name() || n.suspended == e.Stopped {
		return
	}
	n.suspended = e.Stopped
	n.c.disturbed(n.st.Group)
}

func (n *node) kill() {
	if n.killing {
		return
	}
	n.killing = true
	n.c.emit(Kill{ID: n.id, Run: n.st.Run.Name()})
}

// fence kills. It waits for no store: that a process dies for an epoch that is forgotten harms nobody.
func (n *node) fence() {
	switch n.phase {
	case alive:
		n.kill()
	case absent, dead, failed:
		n.done()
	}
}

// remove kills and removes what is on disk.
func (n *node) remove() {
	switch n.phase {
	case alive:
		n.kill()
	case absent, dead, failed:
		if n.gone {
			n.done()
			return
		}
		if n.now() < n.startAt && n.why != "" && n.refusals > 0 {
			n.wake(n.startAt)
			return
		}
		n.phase = removing
		n.c.emit(Remove{ID: n.id})
	}
}

func (n *node) removed(e Removed) {
	if n.phase != removing {
		return
	}
	if e.Err != "" {
		n.phase, n.why, n.refusals = dead, "its data cannot be removed: "+e.Err, n.refusals+1
		n.startAt = n.now() + retryMax
		return
	}
	spec, epoch := n.spec, n.st.Epoch
	*n = *newNode(n.c, n.id)
	if spec != nil && spec.Existence != nodeapi.Deleted { // it was wanted again meanwhile
		n.accept(*spec)
		return
	}
	n.spec, n.gone, n.st.Epoch = spec, true, epoch
	n.done()
}

// stop ends the process in order, or by force when its time is over.
func (n *node) stop() {
	switch n.phase {
	case absent, dead, failed:
		n.done()
	case alive:
		n.shutdown()
	}
}

func (n *node) shutdown() {
	if n.stopBy == 0 {
		n.stopBy = n.now() + n.c.cfg.StopTimeout
	}
	switch {
	case n.now() >= n.stopBy || n.suspended:
		n.kill()
		return
	case n.job == 0 && n.now() >= n.retryAt:
		n.do([]Action{Shutdown{}})
		n.retryAt = n.now() + retryMax // a node that is loading, or could not save, is asked again
	}
	n.wake(min(n.stopBy, max(n.retryAt, n.now()+pollBusy)))
}

// stopInTurn is stop for StopAll: a primary waits until its replicas have ended.
func (n *node) stopInTurn() {
	if n.phase != alive {
		return
	}
	if n.have && !n.seen.Following {
		for _, m := range n.c.nodes {
			if m != n && m.st.Group == n.st.Group && m.phase == alive && m.have && m.seen.Following {
				return
			}
		}
	}
	n.shutdown()
}

// done takes note that the spec is fully true.
func (n *node) done() {
	if n.spec != nil && !n.storePending() {
		n.applied = n.spec.Generation
	}
}

// taskDone remembers a finished task.
func (n *node) taskDone(id string) {
	n.st.Done = append(slices.Clone(n.st.Done), id)
	n.st.Done = n.st.Done[max(0, len(n.st.Done)-maxDone):]
}

// tick is called when wakeAt may have come.
func (n *node) tick() {
	if n.wakeAt == 0 || n.now() < n.wakeAt {
		return
	}
	n.decide()
	n.reportChange()
}

func backoff(first time.Duration, failures uint, longest time.Duration) time.Duration {
	return min(first<<min(max(failures, 1)-1, 20), longest)
}

func sameSpec(a, b nodeapi.NodeSpec) bool { return reflect.DeepEqual(a, b) }

// cloneSpec copies what a caller could change.
func cloneSpec(s nodeapi.NodeSpec) nodeapi.NodeSpec {
	s.Listen, s.Tasks = slices.Clone(s.Listen), slices.Clone(s.Tasks)
	if s.Parameters != nil {
		p := make(map[string]string, len(s.Parameters))
		for k, v := range s.Parameters {
			p[k] = v
		}
		s.Parameters = p
	}
	return s
}
