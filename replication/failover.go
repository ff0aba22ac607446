package replication

import (
	"fmt"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
)

// failover is FAILOVER under way: writes are held until the target has everything; then this node follows it, and by asking to do
// so makes it the primary.
type failover struct {
	host     string // "": whichever replica is the first to have everything
	port     int
	end      time.Time // zero: no time limit
	force    bool      // at the end the target takes over with what it has
	underWay bool      // the target is known, and this node is to follow it
}

// name is master_failover_state.
func (f *failover) name() string {
	switch {
	case f == nil:
		return "no-failover"
	case f.underWay:
		return "failover-in-progress"
	}
	return "waiting-for-sync"
}

// failoverArgs are FAILOVER's words.
type failoverArgs struct {
	host           string
	port           int
	timeoutMs      int64
	to, force, end bool
}

func (m *Manager) failoverRun(c *spec.Call) {
	if len(c.Args) == 2 && spec.EqualFold(c.Args[1], "abort") {
		if !m.failingOver() {
			c.Out.Error("ERR No failover in progress.")
			return
		}
		m.abortByHand(c)
		c.Out.OK()
		return
	}
	a, ok := parseFailover(c)
	if !ok {
		return
	}
	if !c.Session.InMulti() { // whose role it is already
		m.role.Lock()
		defer m.role.Unlock()
	}
	if msg := m.startFailover(a, c.Engine.(*engine.Executor).Barrier); msg != "" {
		c.Out.Error("ERR " + msg)
		return
	}
	c.Out.OK()
}

// parseFailover reads the words behind FAILOVER; it has answered if they are wrong.
func parseFailover(c *spec.Call) (a failoverArgs, ok bool) {
	for i := 1; i < len(c.Args); i++ {
		left := len(c.Args) - i - 1
		switch word := c.Args[i]; {
		case spec.EqualFold(word, "timeout") && left >= 1 && !a.end:
			if a.timeoutMs, ok = c.Int(c.Args[i+1]); !ok {
				return a, false
			}
			if a.end = true; a.timeoutMs <= 0 {
				c.Out.Error("ERR FAILOVER timeout must be greater than 0")
				return a, false
			}
			i++
		case spec.EqualFold(word, "to") && left >= 2 && !a.to:
			port, ok := c.Int(c.Args[i+2])
			if !ok {
				return a, false
			}
			a.to, a.host, a.port = true, string(c.Args[i+1]), int(port)
			i += 2
		case spec.EqualFold(word, "force") && !a.force:
			a.force = true
		default:
			c.Out.Error(spec.ErrSyntax)
			return a, false
		}
	}
	return a, true
}

// abortByHand is FAILOVER ABORT.
func (m *Manager) abortByHand(c *spec.Call) {
	const why = "Failover manually aborted"
	if c.Session.InMulti() {
		m.abortLeft(why, c.Engine.(*engine.Executor).Barrier)
		return
	}
	m.abortFailover(why)
}

// startFailover holds writes and lets Tick do the rest; the answer says why not. The caller holds role. Writes of a transaction that
// this is part of still run.
func (m *Manager) startFailover(a failoverArgs, barrier func(func())) string {
	m.mu.Lock()
	if msg := m.cannotFailover(a); msg != "" {
		m.mu.Unlock()
		return msg
	}
	f := &failover{host: a.host, port: a.port, force: a.force}
	if a.end {
		f.end = m.Clock.Now().Add(time.Duration(a.timeoutMs) * time.Millisecond)
	}
	m.failover = f
	m.mu.Unlock()
	if a.to {
		m.Log.Info(fmt.Sprintf("FAILOVER requested to %s:%d.", a.host, a.port))
	} else {
		m.Log.Info("FAILOVER requested to any replica.")
	}
	barrier(func() { m.Engine.HoldWritesLocked(true) })
	return ""
}

// cannotFailover says why there can be no failover now, "" if there can. m.mu is held.
func (m *Manager) cannotFailover(a failoverArgs) string {
	switch {
	case m.failover != nil:
		return "FAILOVER already in progress."
	case m.follow != nil:
		return "FAILOVER is not valid when server is a replica."
	case len(m.replicas) == 0:
		return "FAILOVER requires connected replicas."
	case a.force && (!a.end || !a.to):
		return "FAILOVER with force option requires both a timeout and target HOST and IP."
	case !a.to:
		return ""
	}
	switch r := m.findReplica(a.host, a.port); {
	case r == nil:
		return "FAILOVER target HOST and PORT is not a replica."
	case !r.online():
		return "FAILOVER target replica is not online."
	}
	return ""
}

// findReplica finds a replica by the address that INFO shows. m.mu is held.
func (m *Manager) findReplica(host string, port int) *replica {
	for r := range m.replicas {
		if r.host() == host && r.hello.port == port {
			return r
		}
	}
	return nil
}

func (m *Manager) failingOver() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failover != nil
}

// stepFailover goes over to the target once it has everything, or the time is up. While somebody holds role, the failover may just be
// beginning, and writes are not held back yet: there is another Tick.
func (m *Manager) stepFailover(now time.Time) {
	if !m.role.TryLock() {
		return
	}
	m.mu.Lock()
	f := m.failover
	if f == nil || f.underWay {
		m.mu.Unlock()
		m.role.Unlock()
		return
	}
	late := !f.end.IsZero() && !now.Before(f.end)
	ready := late && f.force || !late && m.synced(f)
	f.underWay = ready
	m.mu.Unlock()
	m.role.Unlock()
	switch {
	case late && !f.force:
		m.abortFailover("Replica never caught up before timeout")
	case late:
		m.Log.Info(fmt.Sprintf("FAILOVER to %s:%d time out exceeded, failing over.", f.host, f.port))
		m.followTarget(f)
	case ready:
		m.Log.Info(fmt.Sprintf("Failover target %s:%d is synced, failing over.", f.host, f.port))
		m.followTarget(f)
	}
}

// synced reports whether the target has everything, and chooses one if none was named. m.mu is held, and writes are held back.
func (m *Manager) synced(f *failover) bool {
	end := m.offsetLocked()
	if f.host != "" {
		r := m.findReplica(f.host, f.port)
		return r != nil && r.online() && r.ack == end
	}
	for r := range m.replicas {
		if r.online() && r.ack == end {
			f.host, f.port = r.host(), r.hello.port
			return true
		}
	}
	return false
}

func (m *Manager) followTarget(f *failover) { m.followAs(f.host, f.port, f) }

// endFailover lets writes go on: the target has taken over, or all is as it was. It does nothing if f is not under way any more.
func (m *Manager) endFailover(f *failover, barrier func(func())) {
	m.mu.Lock()
	was := m.failover != nil && m.failover == f
	if was {
		m.failover = nil
	}
	m.mu.Unlock()
	if was {
		barrier(func() { m.Engine.HoldWritesLocked(false) })
	}
}

// abortFailover makes the node the primary again, if it was not one any more.
func (m *Manager) abortFailover(why string) {
	m.role.Lock()
	defer m.role.Unlock()
	if !m.failingOver() {
		return
	}
	restart := m.leaveForNow() // the failover may succeed before the link has ended
	m.abortLeft(why, m.Engine.Barrier)
	restart()
}

// abortLeft is abortFailover for who holds role and has left the primary. barrier is Engine.Barrier, or an executor's.
func (m *Manager) abortLeft(why string, barrier func(func())) {
	m.mu.Lock()
	f := m.failover
	underWay := f != nil && f.underWay
	m.mu.Unlock()
	if f == nil {
		return
	}
	target := "any replica"
	if f.host != "" {
		target = fmt.Sprintf("%s:%d", f.host, f.port)
	}
	m.Log.Info(fmt.Sprintf("FAILOVER to %s aborted: %s", target, why))
	if underWay {
		m.promoteLeft(barrier)
	}
	m.endFailover(f, barrier)
}

// takeOver serves PSYNC … FAILOVER: the primary asks this replica to take its place, and follows it. False: refused, and answered.
func (m *Manager) takeOver(c *spec.Call, id string) bool {
	m.mu.Lock()
	follows, same := m.follow != nil, id == m.history.ReplID
	m.mu.Unlock()
	m.Log.Info("Failover request received for replid " + id + ".")
	switch {
	case !follows:
		c.Out.Error("ERR PSYNC FAILOVER can't be sent to a master.")
		return false
	case !same:
		c.Out.Error("ERR PSYNC FAILOVER replid must match my replid.")
		return false
	}
	m.Promote()
	if cl, ok := c.Session.(*engine.Client); ok {
		m.Log.Info("PRIMARY MODE enabled (failover request from '" + cl.Conn().RemoteAddr() + "')")
	}
	return true
}
