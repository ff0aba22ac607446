package core

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/larder-cache/larder/nodeapi"
)

const (
	// pauseFor is how long a pause lasts by itself, pauseAgain how much must be left of it. It is long because an agent
	// that restarts in the middle of a planned failover must find it in force.
	pauseFor   = time.Minute
	pauseAgain = 40 * time.Second
)

// work looks at a process that runs, and asks of it what is not yet so.
func (n *node) work() {
	engine, _ := n.engine()
	if n.job != 0 {
		n.watch(engine)
		return
	}
	n.tasks()
	if n.st.Wipe {
		return
	}
	if n.ready() && n.now() >= n.retryAt {
		if actions := n.actions(); len(actions) > 0 {
			n.do(actions)
			n.watch(engine)
			return
		}
	}
	if n.now() >= n.pollAt {
		n.do(nil)
		n.watch(engine)
		return
	}
	n.wake(n.pollAt)
	if n.retryAt > n.now() {
		n.wake(n.retryAt)
	}
}

// watch asks for a Tick when the run has been silent for too long.
func (n *node) watch(e Engine) {
	if !n.hung() {
		n.wake(n.silentSince + n.patience(e))
	}
}

// patience is how long the run may be silent before it counts as hung.
func (n *node) patience(e Engine) time.Duration {
	if n.upSeq == 0 {
		return e.StartTimeout
	}
	return e.HangTimeout
}

func (n *node) hung() bool {
	e, ok := n.engine()
	return n.suspended || ok && n.silentSince != 0 && n.now()-n.silentSince >= n.patience(e)
}

// ready reports whether the run can be told things.
func (n *node) ready() bool { return n.have && n.up() && !n.seen.Loading && !n.storePending() }

// do begins a job. The node says how it is after it.
func (n *node) do(actions []Action) {
	n.job, n.jobActions = n.nextJob(), actions
	n.jobGen = 0
	if n.spec != nil {
		n.jobGen = n.spec.Generation
	}
	if n.silentSince == 0 {
		n.silentSince = max(n.now(), 1)
	}
	n.c.emit(Do{ID: n.id, Run: n.st.Run.Name(), Job: n.job, Actions: actions})
}

// answered takes note of what a node has done and said.
func (n *node) answered(e Answered) {
	if n.phase != alive || e.Run != n.st.Run.Name() || e.Job != n.job {
		return
	}
	n.job = 0
	if e.Err == "" && n.st.RunID != "" && e.Seen.RunID != n.st.RunID {
		e.Err = fmt.Sprintf("the admin socket is answered by run %s instead of %s", e.Seen.RunID, n.st.RunID)
	}
	if e.Err != "" {
		n.have, n.problem = false, ""
		if n.up() {
			n.problem = e.Err
		}
		n.pollAt = n.now() + n.reconnect()
		return
	}
	n.performed(n.jobActions[:min(e.Performed, len(n.jobActions))], e)
	n.seen, n.have, n.seenAt, n.silentSince = e.Seen, true, n.c.now.Wall, 0
	n.pollAt = n.now() + n.pace()
	if n.upSeq == 0 && !n.seen.Loading {
		n.st.RunID = n.seen.RunID
		n.raiseFloor()
		n.mustStore = n.store()
		n.upSeq = n.mustStore
	}
	n.refused(e.Refusal)
	n.settle()
	n.report()
}

// reconnect is when to try a connection again.
func (n *node) reconnect() time.Duration {
	if n.upSeq == 0 && n.now()-n.startedAt < time.Second {
		return startPoll
	}
	return pollBusy
}

func (n *node) pace() time.Duration {
	if n.upSeq == 0 {
		return pollBusy
	}
	if n.c.busy(n.st.Group) {
		return pollBusy
	}
	return pollIdle
}

// refused takes note that an action has failed, or that none has.
func (n *node) refused(why string) {
	n.problem = why
	if why == "" {
		n.refusals = 0
		return
	}
	n.refusals++
	n.retryAt = n.now() + backoff(retryAfter, n.refusals, retryMax)
}

// settle says that the spec is applied when the node, asked after it came, shows nothing that is not as the spec has it.
func (n *node) settle() {
	if n.spec == nil || n.spec.Existence != nodeapi.Running || n.jobGen != n.spec.Generation || !n.ready() {
		return
	}
	if open := n.actions(); !n.gate() || n.problem != "" || len(open) > 0 {
		return
	}
	s := n.spec
	switch {
	case s.Role == nodeapi.RoleReplica && !n.seen.Following:
		n.problem = "it follows nobody, and the spec names no primary"
	case s.Role == nodeapi.RoleReplica && !s.Primary.IsValid() && (n.seen.LinkUp || n.seen.Syncing):
		// It has not drained what its link holds.
	default:
		n.applied = s.Generation
	}
}

// settled reports whether nothing is to be waited for that can come at any moment.
func (n *node) settled() bool {
	if n.spec.Existence != nodeapi.Running {
		return n.applied >= n.spec.Generation
	}
	following := n.spec.Role == nodeapi.RoleReplica && n.spec.Primary.IsValid()
	return n.applied >= n.spec.Generation && !n.spec.PauseWrites && (!following || n.seen.LinkUp) && n.phase == alive && !n.hung()
}

// want is what the spec asks of the present run.
type want struct {
	role   nodeapi.Role
	follow netip.AddrPort // a replica's primary; zero: leave it as it is
	listen []netip.AddrPort
	shared []netip.AddrPort
	pause  bool
}

func (n *node) want() want {
	s := n.spec
	w := want{role: nodeapi.RoleNone}
	if s.Role == nodeapi.RoleNone || !n.gate() {
		return w
	}
	w.role, w.pause = s.Role, s.PauseWrites
	if s.Role == nodeapi.RoleReplica {
		w.follow = s.Primary
		if !s.Primary.IsValid() && !n.seen.Following {
			return want{role: s.Role} // it must not be taken for a primary
		}
	}
	engine, _ := n.engine()
	for _, l := range s.Listen {
		w.listen = append(w.listen, l.Addr)
		if l.Purpose == nodeapi.PurposeReader && engine.SharedAddress {
			w.shared = append(w.shared, l.Addr)
		}
	}
	return w
}

// problemOf says why a spec cannot be carried out, or "".
func (w want) problemOf(e Engine) string {
	if w.role != nodeapi.RoleNone && len(w.listen) == 0 && (w.role == nodeapi.RolePrimary || w.follow.IsValid()) {
		return "the spec names no address to listen on"
	}
	for _, a := range w.listen {
		if !a.IsValid() || a.Port() == 0 {
			return fmt.Sprintf("the spec names the address %q", a)
		}
		if a.Port() != w.listen[0].Port() && !e.ManyPorts {
			return fmt.Sprintf("the spec names addresses with different ports (%s, %s); this server has one port", w.listen[0], a)
		}
	}
	return ""
}

// actions are what has to be asked of the node, in the order in which it is safe: addresses that are to go are closed
// first, with their connections; writes are held before anything that could let one in; then the role; then what it is
// reached by.
func (n *node) actions() []Action {
	w := n.want()
	engine, _ := n.engine()
	if why := w.problemOf(engine); why != "" {
		n.problem = why
		return nil
	}
	if n.discarding(w) {
		return n.discard()
	}
	list, open := n.setup(w), n.seen.Open
	closing := slices.DeleteFunc(slices.Clone(n.seen.Open), func(a netip.AddrPort) bool { return slices.Contains(w.listen, a) })
	if len(closing) > 0 {
		keep := slices.DeleteFunc(slices.Clone(w.listen), func(a netip.AddrPort) bool { return !slices.Contains(n.seen.Open, a) })
		list = append(list, Listen{Addrs: keep, Shared: w.shared}, KillClients{Addrs: closing})
		open = keep
	}
	if w.pause && n.pausedUntil-n.now() < pauseAgain {
		list = append(list, Pause{For: pauseFor})
	}
	list = append(list, n.become(w)...)
	if !w.pause && (n.pausedUntil > n.now() || n.pauseUnknown) {
		list = append(list, Unpause{})
	}
	if len(w.listen) > 0 && !sameAddrs(w.listen, open) {
		list = append(list, Listen{Addrs: w.listen, Shared: w.shared})
	}
	return append(list, n.saves()...)
}

// setup is what does not depend on the role.
func (n *node) setup(w want) (list []Action) {
	if !n.st.Secured {
		list = append(list, Secure{})
	}
	if !n.swept {
		list = append(list, KillStrays{Allowed: slices.Clone(n.seen.Open)})
	}
	if !n.replDone || n.replSet != n.spec.ReplicationPassword {
		list = append(list, SetReplication{Password: n.spec.ReplicationPassword})
	}
	if n.spec.MaxMemory != n.seen.MaxMemory {
		list = append(list, SetMemory{Bytes: n.spec.MaxMemory})
	}
	if !n.paramsDone || !maps.Equal(n.params, n.spec.Parameters) {
		list = append(list, SetParameters{Values: maps.Clone(n.spec.Parameters)})
	}
	if len(w.listen) > 0 && n.seen.Announce != w.listen[0] {
		list = append(list, Announce{Addr: w.listen[0]})
	}
	return list
}

// become is what makes the role right.
func (n *node) become(w want) []Action {
	switch {
	case w.follow.IsValid() && (!n.seen.Following || n.seen.Primary != w.follow):
		return []Action{Follow{Primary: w.follow}}
	case w.role != nodeapi.RoleReplica && n.seen.Following:
		return []Action{Promote{}}
	}
	return nil
}

// discarding reports whether the node has data that it must not take a role with.
func (n *node) discarding(w want) bool {
	return n.spec.Discard && !n.st.Discarded && w.role != nodeapi.RoleNone
}

func (n *node) discard() (list []Action) {
	if n.pausedUntil > n.now() || n.pauseUnknown {
		list = append(list, Unpause{}) // it would hold the flush, too
	}
	if len(n.seen.Open) > 0 {
		list = append(list, Listen{}, KillClients{Addrs: slices.Clone(n.seen.Open)})
	}
	if n.seen.Following {
		list = append(list, Promote{})
	}
	return append(list, Flush{})
}

// tasks begins a reboot: the state says so first, then the process is killed, and Start removes the data.
func (n *node) tasks() {
	if !n.up() {
		return
	}
	for _, t := range n.spec.Tasks {
		if t.Kind == nodeapi.TaskReboot && !slices.Contains(n.st.Done, t.ID) {
			n.taskDone(t.ID)
			n.st.Wipe = true
			n.mustStore = n.store()
			return
		}
	}
}

// saves begins the first snapshot that is asked for, one at a time.
func (n *node) saves() []Action {
	if n.saving != "" || n.seen.Saving {
		return nil
	}
	if n.nextSave() != "" {
		return []Action{Save{}}
	}
	return nil
}

func (n *node) nextSave() string {
	for _, t := range n.spec.Tasks {
		if t.Kind == nodeapi.TaskSave && !slices.Contains(n.st.Done, t.ID) && !slices.Contains(n.saveFailed, t.ID) {
			return t.ID
		}
	}
	return ""
}

// performed takes note of the actions that a node has carried out.
func (n *node) performed(actions []Action, e Answered) {
	for _, a := range actions {
		switch a := a.(type) {
		case Secure:
			n.st.Secured = true
			n.store()
		case KillStrays:
			n.swept = true
		case Pause:
			n.pausedUntil, n.pauseUnknown = n.now()+a.For, false
		case Unpause:
			n.pausedUntil, n.pauseUnknown = 0, false
		case SetReplication:
			n.replSet, n.replDone = a.Password, true
		case SetParameters:
			n.params, n.paramsDone, n.badParams = a.Values, true, e.Parameters
		case Flush:
			n.st.Discarded = true
			n.mustStore = n.store()
		case Save:
			if n.spec != nil {
				n.saving = n.nextSave()
			}
		}
	}
	n.saved(e.Seen)
}

// saved ends a task whose snapshot is written.
func (n *node) saved(seen Seen) {
	if n.saving == "" || seen.Saving {
		return
	}
	if seen.SaveFailed {
		n.saveFailed = append(n.saveFailed, n.saving)
	} else {
		n.taskDone(n.saving)
		n.store()
	}
	n.saving = ""
}

// sameAddrs reports whether both have the same addresses, and the same one first: that is the node's own.
func sameAddrs(a, b []netip.AddrPort) bool {
	if len(a) != len(b) || len(a) > 0 && a[0] != b[0] {
		return false
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}
