package fake

import (
	"context"
	"fmt"
	"time"

	"github.com/larder-cache/larder/control/meta"
)

var (
	_ meta.Store = (*Store)(nil)
	_ meta.Admin = (*Store)(nil)
)

// Store is one process's connection to a Server, and where its faults are set. It implements meta.Store and meta.Admin.
type Store struct {
	server *Server

	// Guarded by server.mu.
	dead        error // why every call fails; nil while the connection lives
	unavailable bool
	mutations   int
	faults      map[int]fault // by the number of the mutation that they strike
}

// fault is what happens to one transaction.
type fault struct {
	applied bool // it is applied, and only the answer is lost
	crash   bool // the connection dies with it
}

func newStore(s *Server) *Store { return &Store{server: s, faults: make(map[int]fault)} }

// Server returns the state behind the connection.
func (c *Store) Server() *Server { return c.server }

// Mutations returns how many transactions with operations were started on this connection, failed ones included: the
// points at which FailBefore and its like can strike.
func (c *Store) Mutations() int {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return c.mutations
}

// FailBefore makes the n-th transaction with operations from now (1 is the next) fail with ErrUnavailable, unapplied.
func (c *Store) FailBefore(n int) { c.inject(n, fault{}) }

// FailAfter makes the n-th transaction with operations from now fail with ErrUnavailable after it was applied.
func (c *Store) FailAfter(n int) { c.inject(n, fault{applied: true}) }

// CrashBefore is FailBefore, and Crash at that moment.
func (c *Store) CrashBefore(n int) { c.inject(n, fault{crash: true}) }

// CrashAfter is FailAfter, and Crash at that moment.
func (c *Store) CrashAfter(n int) { c.inject(n, fault{applied: true, crash: true}) }

func (c *Store) inject(n int, f fault) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.faults[c.mutations+n] = f
}

// SetUnavailable cuts the connection off or restores it. While it is off every call fails with ErrUnavailable and
// watches end with it; leases are kept.
func (c *Store) SetUnavailable(off bool) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.unavailable = off
	c.server.wake()
}

// Crash ends the connection as the death of its process does: every call fails with ErrUnavailable, watches are closed,
// and leases stay until Server.ExpireDead.
func (c *Store) Crash() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.die(fmt.Errorf("fake: crashed: %w", meta.ErrUnavailable))
}

// Crashed tells if the connection was ended by Crash or by a crash fault.
func (c *Store) Crashed() bool {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return c.dead != nil && c.dead != meta.ErrClosed
}

// Close implements meta.Store.
func (c *Store) Close() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.die(meta.ErrClosed)
	return nil
}

// die requires server.mu.
func (c *Store) die(why error) {
	if c.dead != nil {
		return
	}
	c.dead = why
	for _, l := range c.server.leases {
		if l.owner == c {
			l.release()
		}
	}
	c.server.wake()
}

// usable returns why a call cannot be served. Requires server.mu.
func (c *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.dead != nil {
		return c.dead
	}
	if c.unavailable {
		return fmt.Errorf("fake: cut off: %w", meta.ErrUnavailable)
	}
	return nil
}

// Get implements meta.Store.
func (c *Store) Get(ctx context.Context, key string) (meta.KV, bool, error) {
	if err := meta.ValidateKey(key); err != nil {
		return meta.KV{}, false, err
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return meta.KV{}, false, err
	}
	r, ok := c.server.keys[key]
	return clone(r.kv), ok, nil
}

// List implements meta.Store.
func (c *Store) List(ctx context.Context, prefix string) ([]meta.KV, meta.Revision, error) {
	if err := meta.ValidatePrefix(prefix); err != nil {
		return nil, 0, err
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, 0, err
	}
	return c.server.list(prefix), c.server.rev, nil
}

// Txn implements meta.Store.
func (c *Store) Txn(ctx context.Context, t meta.Txn) (meta.Result, error) {
	if err := t.Validate(); err != nil {
		return meta.Result{}, err
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return meta.Result{}, err
	}
	if len(t.Ops) == 0 {
		return c.server.txn(t)
	}
	c.mutations++
	f, struck := c.faults[c.mutations]
	if !struck {
		return c.server.txn(t)
	}
	return meta.Result{}, c.strike(f, t)
}

// strike requires server.mu.
func (c *Store) strike(f fault, t meta.Txn) error {
	n := c.mutations
	delete(c.faults, n)
	when := "before"
	if f.applied {
		when = "after"
		// The answer is lost, whatever it is.
		_, _ = c.server.txn(t)
	}
	if f.crash {
		c.die(fmt.Errorf("fake: crashed %s mutation %d: %w", when, n, meta.ErrUnavailable))
		return c.dead
	}
	return fmt.Errorf("fake: failed %s mutation %d: %w", when, n, meta.ErrUnavailable)
}

// Lease implements meta.Store. The ttl is checked but never passes by itself: see Server.ExpireDead.
func (c *Store) Lease(ctx context.Context, ttl time.Duration) (meta.Lease, error) {
	if err := meta.ValidateTTL(ttl); err != nil {
		return nil, err
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	s.lastLease++
	l := &lease{id: s.lastLease, server: s, owner: c, done: make(chan struct{}), kept: true}
	s.leases[l.id] = l
	return l, nil
}

// Campaign implements meta.Store.
func (c *Store) Campaign(ctx context.Context, election, value string) (meta.Leadership, error) {
	return meta.Campaign(ctx, c, election, value)
}

// Compact implements meta.Admin.
func (c *Store) Compact(ctx context.Context, rev meta.Revision) error {
	if err := c.check(ctx); err != nil {
		return err
	}
	return c.server.Compact(rev)
}

// ExpireLease implements meta.Admin.
func (c *Store) ExpireLease(ctx context.Context, id meta.LeaseID) error {
	if err := c.check(ctx); err != nil {
		return err
	}
	c.server.ExpireLease(id)
	return nil
}

func (c *Store) check(ctx context.Context) error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return c.usable(ctx)
}
