package replication

import "github.com/larder-cache/larder/engine"

// REPLICAOF and FAILOVER within a transaction. A change of role waits: for another one, and for the link to the primary to end, which may itself
// wait for a shard. EXEC holds all shards while it runs its commands, so both is done before it takes them, and the command itself
// finds the link ended and the role its own to change. A transaction may change the role more than once: only the link that it leaves
// is started, afterwards. If it changes nothing (it is the same primary, or the transaction failed), the old link is made again.

// beforeExec is spec.Command's Before.
func (m *Manager) beforeExec() (after func()) {
	m.role.Lock()
	restart := m.leaveForNow()
	return func() { defer m.role.Unlock(); restart() }
}

// leaveForNow is leave for who may change the role and may not. restart, with role still held, starts the link that there is then,
// be it to the same primary.
func (m *Manager) leaveForNow() (restart func()) {
	m.leave()
	m.mu.Lock()
	left := m.follow
	m.mu.Unlock()
	return func() {
		m.mu.Lock()
		f := m.follow
		m.mu.Unlock()
		switch {
		case f == nil || m.ctx.Err() != nil:
		case f == left:
			m.resume(left)
		default:
			f.start()
		}
	}
}

// resume makes an ended link again. The caller holds role.
func (m *Manager) resume(left *follower) {
	f := m.newFollower(left.host, left.port, left.failover)
	m.mu.Lock()
	f.downAt = left.downAt
	m.follow = f
	m.mu.Unlock()
	f.start()
}

// replicaofInMulti does what REPLICAOF says within a transaction: host "" is NO ONE.
func (m *Manager) replicaofInMulti(x *engine.Executor, host string, port int) (promoted bool) {
	if host == "" {
		return m.promoteLeft(x.Barrier)
	}
	if m.ctx.Err() == nil {
		m.followLeft(host, port, nil, x.Barrier, x.ForgetChanges)
	}
	return false
}
