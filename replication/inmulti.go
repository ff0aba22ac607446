package replication

import "github.com/larder-cache/larder/engine"

// REPLICAOF within a transaction. A change of role waits: for another one, and for the link to the primary to end, which may itself
// wait for a shard. EXEC holds all shards while it runs its commands, so both is done before it takes them, and the command itself
// finds the link ended and the role its own to change. If it changes nothing (it is the same primary, or the transaction failed), the
// link is made again afterwards.

// beforeExec is spec.Command's Before.
func (m *Manager) beforeExec() (after func()) {
	m.role.Lock()
	m.leave()
	m.mu.Lock()
	left := m.follow
	m.mu.Unlock()
	return func() {
		defer m.role.Unlock()
		if left != nil {
			m.resume(left)
		}
	}
}

// resume makes an ended link again, unless the node has another one by now, or none. The caller holds role.
func (m *Manager) resume(left *follower) {
	if m.ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	same := m.follow == left
	m.mu.Unlock()
	if !same {
		return
	}
	f, start := m.newFollower(left.host, left.port, left.failover)
	m.mu.Lock()
	f.downAt = left.downAt
	m.follow = f
	m.mu.Unlock()
	start()
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
