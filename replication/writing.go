package replication

import (
	"sync"
	"time"
)

// writing is the write to a replica that is under way.
type writing struct {
	mu       sync.Mutex
	at       int64         // since when, monotonic ns; 0: none is
	patience time.Duration // how long it may take: repl-timeout, as it was when last looked at
}

// startWriting begins a write, which may take as long as repl-timeout says.
func (r *replica) startWriting(timeout time.Duration) error {
	w := &r.writing
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.patience = max(r.m.Clock.MonoNanos(), 1), timeout
	return r.conn.SetWriteDeadline(r.m.Clock.Now().Add(timeout))
}

func (w *writing) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = 0
}

// since is when the write that is under way began, monotonic ns; 0 if none is.
func (w *writing) since() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// adjustPatience makes a changed repl-timeout count for the writes that are under way: a replica may hold one up for long.
func (m *Manager) adjustPatience(s Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.replicas {
		r.writing.adjust(r, s.Timeout)
	}
}

func (w *writing) adjust(r *replica, timeout time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at == 0 || w.patience == timeout {
		return
	}
	w.patience = timeout
	left := timeout - time.Duration(r.m.Clock.MonoNanos()-w.at)
	r.conn.SetWriteDeadline(r.m.Clock.Now().Add(left)) //nolint:errcheck // the write fails as well
}
