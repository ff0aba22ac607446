// Package fake is a meta.Store in memory: deterministic, with faults on demand, for tests and the simulator.
//
// A Server is the state, a Store one process's connection to it. Nothing happens by itself: there is no clock, so a
// lease ends when it is revoked or when the test says that its time has passed (ExpireLease, ExpireDead), and revisions
// and lease ids count from 1. With Options.Pumped there is no goroutine either, and watches deliver only inside
// Server.Pump: a single-threaded simulation owns the order of everything.
//
// Faults are set on a Store: FailBefore and FailAfter make one coming transaction fail before or after it is applied,
// CrashBefore and CrashAfter also end the connection there, as a process that dies does, and SetUnavailable cuts it off.
// Mutations tells how many such points a run has. To restart, Connect again; Server.Clone copies a state, to go on from
// it in more than one way.
//
// It is not a database: it keeps every change until Compact, and writes nothing to disk.
package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/larder-cache/larder/control/meta"
)

// Options of a Server. The zero value is what most tests want.
type Options struct {
	// Pumped makes watches deliver only inside Pump, which then also closes their channels, and runs no goroutine. A
	// Campaign that has to wait waits for the pump, too.
	Pumped bool
}

// Server is the state behind any number of Stores. Its methods may be called from any goroutine.
type Server struct {
	opts Options

	mu sync.Mutex
	// Guarded by mu. Values and change slices are never modified once stored, so that Clone can share them.
	rev       meta.Revision // of the last change; 1 in an empty store, as in etcd
	compacted meta.Revision // watches must start at or after it
	keys      map[string]record
	history   []change // ascending by rev, all above or at compacted
	leases    map[meta.LeaseID]*lease
	lastLease meta.LeaseID
	watches   []*watch      // open ones, in the order in which they were made
	changed   chan struct{} // closed and replaced with every change; wakes the watches' goroutines
}

type record struct {
	kv    meta.KV
	lease meta.LeaseID
}

// change is one revision's events.
type change struct {
	rev    meta.Revision
	events []meta.Event
}

// NewServer returns an empty state.
func NewServer(opts Options) *Server {
	return &Server{
		opts:    opts,
		rev:     1,
		keys:    make(map[string]record),
		leases:  make(map[meta.LeaseID]*lease),
		changed: make(chan struct{}),
	}
}

// New returns a connection to a new, empty Server with default options.
func New() *Store { return NewServer(Options{}).Connect() }

// Connect returns a new connection without faults.
func (s *Server) Connect() *Store { return newStore(s) }

// Clone returns a copy of the state, history included. Connections, watches and faults stay with the original; leases
// are copied without an owner, as after a crash of all processes: ExpireDead ends them.
func (s *Server) Clone() *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := NewServer(s.opts)
	c.rev, c.compacted, c.lastLease = s.rev, s.compacted, s.lastLease
	c.keys = maps.Clone(s.keys)
	c.history = slices.Clone(s.history)
	for id := range s.leases {
		c.leases[id] = &lease{id: id, server: c}
	}
	return c
}

// Revision returns the revision of the last change.
func (s *Server) Revision() meta.Revision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rev
}

// Compact forgets history before rev, as meta.Admin says.
func (s *Server) Compact(rev meta.Revision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev > s.rev {
		return fmt.Errorf("fake: %w: compact revision %d, the store is at %d", meta.ErrInvalid, rev, s.rev)
	}
	if rev <= s.compacted {
		return fmt.Errorf("fake: compact revision %d: %w", rev, meta.ErrCompacted)
	}
	s.compacted = rev
	s.history = slices.Clone(s.history[s.firstAtOrAfter(rev):])
	s.wake()
	return nil
}

// ExpireLease ends a lease and deletes its keys, whoever owns it.
func (s *Server) ExpireLease(id meta.LeaseID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLease(id)
}

// ExpireDead ends, in the order of their making, the leases that nobody keeps alive: those of connections that were
// closed or crashed, and those that a Clone took over. It is what the passing of their ttl would do.
func (s *Server) ExpireDead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.leases)) {
		if !s.leases[id].kept {
			s.endLease(id)
		}
	}
}

// list returns copies of the keys with the prefix, sorted. Requires mu.
func (s *Server) list(prefix string) []meta.KV {
	var out []meta.KV
	for _, key := range s.sortedKeys(prefix) {
		out = append(out, clone(s.keys[key].kv))
	}
	return out
}

// sortedKeys requires mu.
func (s *Server) sortedKeys(prefix string) []string {
	var out []string
	for key := range s.keys {
		if strings.HasPrefix(key, prefix) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// txn carries a valid transaction out. Requires mu.
func (s *Server) txn(t meta.Txn) (meta.Result, error) {
	var failed []meta.Guard
	for _, g := range t.Guards {
		kv := s.keys[g.Key].kv
		if !g.Holds(kv.Create, kv.Mod) {
			failed = append(failed, g)
		}
	}
	if len(failed) > 0 {
		return meta.Result{Revision: s.rev, Failed: failed}, nil
	}
	for _, op := range t.Ops {
		if _, ok := s.leases[op.Lease]; op.Lease != 0 && !ok {
			return meta.Result{}, fmt.Errorf("fake: put %q: %w", op.Key, meta.ErrLeaseLost)
		}
	}
	s.apply(t.Ops)
	return meta.Result{Succeeded: true, Revision: s.rev}, nil
}

// apply makes the operations one change, if they change anything. Requires mu.
func (s *Server) apply(ops []meta.Op) {
	next := s.rev + 1
	var events []meta.Event
	for _, op := range ops {
		switch op.Kind {
		case meta.OpPut:
			events = append(events, s.put(op, next))
		case meta.OpDelete:
			if _, ok := s.keys[op.Key]; ok {
				events = append(events, s.remove(op.Key, next))
			}
		case meta.OpDeletePrefix:
			for _, key := range s.sortedKeys(op.Key) {
				events = append(events, s.remove(key, next))
			}
		}
	}
	if len(events) == 0 {
		return
	}
	s.rev = next
	s.history = append(s.history, change{rev: next, events: events})
	s.wake()
}

func (s *Server) put(op meta.Op, rev meta.Revision) meta.Event {
	old, existed := s.keys[op.Key]
	kv := meta.KV{Key: op.Key, Value: op.Value, Create: rev, Mod: rev}
	if existed {
		kv.Create = old.kv.Create
	}
	kv = clone(kv) // the caller keeps its slice
	s.keys[op.Key] = record{kv: kv, lease: op.Lease}
	return meta.Event{Type: meta.EventPut, KV: kv}
}

func (s *Server) remove(key string, rev meta.Revision) meta.Event {
	delete(s.keys, key)
	return meta.Event{Type: meta.EventDelete, KV: meta.KV{Key: key, Mod: rev}}
}

// endLease requires mu.
func (s *Server) endLease(id meta.LeaseID) {
	l, ok := s.leases[id]
	if !ok {
		return
	}
	delete(s.leases, id)
	l.release()
	var ops []meta.Op
	for _, key := range s.sortedKeys("") {
		if s.keys[key].lease == id {
			ops = append(ops, meta.Delete(key))
		}
	}
	s.apply(ops)
}

// firstAtOrAfter returns the index in history of the first change at or after rev. Requires mu.
func (s *Server) firstAtOrAfter(rev meta.Revision) int {
	i, _ := slices.BinarySearchFunc(s.history, rev, func(c change, rev meta.Revision) int {
		return int(c.rev - rev)
	})
	return i
}

// wake requires mu.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// clone returns kv with a value of its own, nil if empty.
func clone(kv meta.KV) meta.KV {
	if len(kv.Value) == 0 {
		kv.Value = nil
	} else {
		kv.Value = slices.Clone(kv.Value)
	}
	return kv
}

// lease is one lease. Guarded by server.mu, except what never changes.
type lease struct {
	id     meta.LeaseID
	server *Server
	owner  *Store        // nil in a clone
	done   chan struct{} // closed when no longer kept; nil in a clone, where nobody holds it
	kept   bool          // the owner keeps it alive
}

// release stops keeping the lease alive; requires server.mu.
func (l *lease) release() {
	if l.kept {
		l.kept = false
		close(l.done)
	}
}

// ID implements meta.Lease.
func (l *lease) ID() meta.LeaseID { return l.id }

// Done implements meta.Lease.
func (l *lease) Done() <-chan struct{} { return l.done }

// Revoke implements meta.Lease.
func (l *lease) Revoke(ctx context.Context) error {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	l.release()
	if err := l.owner.usable(ctx); err != nil {
		return err
	}
	s.endLease(l.id)
	return nil
}
