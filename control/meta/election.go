package meta

import (
	"context"
	"time"

	"github.com/larder-cache/larder/base/limits"
)

// revokeTimeout bounds the clean-up of a lease after the caller's context may already have ended.
const revokeTimeout = 2 * time.Second

// Campaign is Store.Campaign for every implementation, written over the other methods, so that it is the same
// everywhere. The election is one key, put under the leader's lease if it is absent; losers wait for its deletion.
// Candidates who wait hold no lease, so nothing of theirs can be lost meanwhile.
func Campaign(ctx context.Context, s Store, election, value string) (Leadership, error) {
	for {
		if err := waitAbsent(ctx, s, election); err != nil {
			return nil, err
		}
		l, err := tryLead(ctx, s, election, value)
		if l != nil || err != nil {
			return l, err
		}
	}
}

// tryLead makes one attempt. It returns nil and no error when somebody else was faster.
func tryLead(ctx context.Context, s Store, election, value string) (Leadership, error) {
	lease, err := s.Lease(ctx, limits.LeaderLease)
	if err != nil {
		return nil, err
	}
	res, err := s.Txn(ctx, Txn{
		Guards: []Guard{Absent(election)},
		Ops:    []Op{PutLeased(election, []byte(value), lease.ID())},
	})
	if err == nil && res.Succeeded {
		return &leadership{lease: lease, guard: CreatedAt(election, res.Revision)}, nil
	}
	// Also after an error, because the key may have been written. If the revocation fails too, the lease is no
	// longer kept alive and ends with its ttl.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	_ = lease.Revoke(cleanup)
	return nil, err
}

// waitAbsent returns when key does not exist.
func waitAbsent(ctx context.Context, s Store, key string) error {
	for {
		kvs, rev, err := s.List(ctx, key)
		if err != nil {
			return err
		}
		if len(kvs) == 0 || kvs[0].Key != key { // the key itself sorts before all that it is a prefix of
			return nil
		}
		if err := waitDeleted(ctx, s, key, rev); err != nil {
			return err
		}
	}
}

// waitDeleted returns nil when key has been deleted after the revision, or when that cannot be said and the caller must
// look again.
func waitDeleted(ctx context.Context, s Store, key string, after Revision) error {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	for b := range s.Watch(watch, key, after) {
		if b.Err != nil {
			return nil // the List that follows finds out, and fails itself if the store is unavailable
		}
		for _, ev := range b.Events {
			if ev.Type == EventDelete && ev.KV.Key == key {
				return nil
			}
		}
	}
	return ctx.Err() // nil if the store was closed: the List that follows says so
}

type leadership struct {
	lease Lease
	guard Guard
}

func (l *leadership) Guard() Guard                     { return l.guard }
func (l *leadership) Done() <-chan struct{}            { return l.lease.Done() }
func (l *leadership) Resign(ctx context.Context) error { return l.lease.Revoke(ctx) }
