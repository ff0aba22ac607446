// Package meta is the state store of the control plane: keys with values and revisions, transactions with guards,
// watches, leases and elections. Store is the interface; control/meta/fake implements it in memory, deterministically
// and with faults on demand, control/meta/etcd on etcd (embedded or external), and control/meta/metatest is the one
// conformance test that both pass.
//
// The model is etcd's. Every transaction that changes something gets the next Revision, one for all its keys. A key
// remembers the revision that created it and the one that last changed it; a guard compares one of the two.
//
// It is not a cache, knows no resource and encodes no record: values are bytes, and what they mean is the caller's
// (control/model). It is not a place for figures that change by themselves, such as offsets, lag or memory: every write
// is an fsync.
//
// Reading order: meta.go (the interface), txn.go (guards and operations), errors.go, election.go, keys.go (the key
// layout), fold.go.
package meta

import (
	"context"
	"time"
)

// Revision counts the store's changes: it grows by one with every transaction that changes something. The first change
// has a revision above zero, so zero means "before everything", and "absent" where a key's revision is meant.
type Revision int64

// LeaseID names a lease. Zero means no lease.
type LeaseID int64

// KV is one key as it stood at the moment of the read. The value belongs to the caller and is nil when it is empty.
type KV struct {
	Key   string
	Value []byte
	// Create is the revision that made the key (anew after a deletion), Mod the one that last wrote it.
	// Invariant: 0 < Create <= Mod, except in the event of a deletion, where Create is 0.
	Create, Mod Revision
}

// EventType says what happened to a key.
type EventType uint8

// The two things that can happen to a key.
const (
	// EventPut: the key was made or written. The event's KV is the key after it.
	EventPut EventType = iota + 1
	// EventDelete: the key was deleted, by an operation or with its lease. The event's KV has the key and, in Mod, the
	// revision of the deletion; no value.
	EventDelete
)

// Event is one change of one key.
type Event struct {
	Type EventType
	KV   KV
}

// Batch is a step of a watch: either events or an error, never both.
type Batch struct {
	// Events are in the order of their revisions and hold whole revisions: the changes that one transaction made
	// under the watched prefix are never spread over two batches.
	Events []Event
	// Revision is that of the last event; a watch that is started again after it misses nothing.
	Revision Revision
	// Err is set in the last batch of a watch that failed: ErrCompacted (list again and watch after the list's
	// revision), ErrUnavailable (watch again after the last Revision) or ErrInvalid.
	Err error
}

// Store is the control plane's state. All methods may be called from any goroutine.
//
// Errors match one of the sentinels in errors.go, or the error of the caller's context. A Txn that ends in
// ErrUnavailable, ErrClosed or the context's error may or may not have been applied: the caller reads again before it
// decides anything.
type Store interface {
	// Get returns the key and true, or false when there is none. It sees every transaction that was acknowledged
	// before the call.
	Get(ctx context.Context, key string) (KV, bool, error)
	// List returns the keys that begin with prefix, sorted bytewise, all as they stood at the returned revision, which
	// is the store's newest, not the newest among the keys: watch after it and nothing is missed. The empty prefix
	// lists everything.
	List(ctx context.Context, prefix string) ([]KV, Revision, error)
	// Txn applies all operations as one change if all guards hold, else none of them. A guard that does not hold is no
	// error: Result.Succeeded is false. It fails with ErrInvalid or ErrTooLarge (see Txn.Validate) and with
	// ErrLeaseLost if an operation names a lease that no longer exists; in those three cases nothing was applied.
	Txn(ctx context.Context, t Txn) (Result, error)
	// Watch returns the changes with revisions above after of keys that begin with prefix (the empty prefix: all), in
	// order and without gaps. The channel is closed when ctx ends, when the store is closed, and after a batch with Err.
	// The caller ends ctx when it no longer receives.
	Watch(ctx context.Context, prefix string, after Revision) <-chan Batch
	// Lease makes a lease and keeps it alive until it is revoked, lost, or the store is closed; ctx bounds only the
	// making. When nobody keeps it alive for ttl (rounded up to whole seconds; etcd's minimum is 2 s at its default
	// timing), the keys put under it are deleted. ErrInvalid if ttl is not positive.
	Lease(ctx context.Context, ttl time.Duration) (Lease, error)
	// Campaign blocks until value's owner is the leader of the election, ctx ends or the store fails. The election is
	// one key (Keys.Election), which holds the leader's value: Get tells who leads. There is no queue: of several
	// candidates any may be next.
	Campaign(ctx context.Context, election, value string) (Leadership, error)
	// Close ends watches and stops keeping leases alive, without revoking them: they end with their ttl. Further calls
	// fail with ErrClosed. Closing again does nothing.
	Close() error
}

// Lease is a claim that lives as long as somebody keeps it alive.
type Lease interface {
	// ID is what PutLeased takes.
	ID() LeaseID
	// Done is closed when the lease is known to be lost or revoked, or is no longer kept alive. It may be late: what
	// must not happen without the lease needs a guard.
	Done() <-chan struct{}
	// Revoke ends the lease and deletes its keys. Whatever it returns, the lease is no longer kept alive. Revoking a
	// lease that is gone succeeds.
	Revoke(ctx context.Context) error
}

// Leadership is an election that was won.
type Leadership interface {
	// Guard holds as long as this leadership stands. It belongs into every transaction of the leader: another leader's
	// writes and this one's can then never mix, however late either learns of the change.
	Guard() Guard
	// Done is closed when the leadership is known to be lost, or was resigned. Like Lease.Done it may be late. A
	// transaction that failed on Guard is the other way to learn it.
	Done() <-chan struct{}
	// Resign gives the leadership up, so that another candidate can win at once.
	Resign(ctx context.Context) error
}

// Admin is what operators and tests need beyond Store. The fake and the etcd store implement it.
type Admin interface {
	// Compact forgets what the keys were before rev: a watch that starts earlier fails with ErrCompacted. ErrInvalid
	// if rev is in the future, ErrCompacted if it was compacted before.
	Compact(ctx context.Context, rev Revision) error
	// ExpireLease ends a lease as its ttl would if its owner were dead. A lease that is gone is no error.
	ExpireLease(ctx context.Context, id LeaseID) error
}
