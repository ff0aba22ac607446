package etcd

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/larder-cache/larder/control/meta"
)

// Lease implements meta.Store.
func (s *Store) Lease(ctx context.Context, ttl time.Duration) (meta.Lease, error) {
	if err := meta.ValidateTTL(ttl); err != nil {
		return nil, err
	}
	seconds := int64((ttl + time.Second - 1) / time.Second)
	var res *clientv3.LeaseGrantResponse
	err := s.call(ctx, "lease", func(ctx context.Context) (err error) {
		res, err = s.client.Grant(ctx, seconds)
		return err
	})
	if err != nil {
		return nil, err
	}
	l := &lease{store: s, id: res.ID, done: make(chan struct{})}
	keep, cancel := s.scope(context.WithoutCancel(ctx))
	l.letGo = cancel
	alive, err := s.client.KeepAlive(keep, res.ID)
	if err != nil {
		cancel()
		return nil, s.translate(ctx, "lease", err)
	}
	go l.watch(alive)
	return l, nil
}

// Campaign implements meta.Store.
func (s *Store) Campaign(ctx context.Context, election, value string) (meta.Leadership, error) {
	return meta.Campaign(ctx, s, election, value)
}

// ExpireLease implements meta.Admin.
func (s *Store) ExpireLease(ctx context.Context, id meta.LeaseID) error {
	return s.revoke(ctx, clientv3.LeaseID(id))
}

func (s *Store) revoke(ctx context.Context, id clientv3.LeaseID) error {
	err := s.call(ctx, "revocation of a lease", func(ctx context.Context) error {
		_, err := s.client.Revoke(ctx, id)
		return err
	})
	if errors.Is(err, meta.ErrLeaseLost) {
		return nil // gone is what was wanted
	}
	return err
}

// lease is a lease that the client library renews in the background.
type lease struct {
	store *Store
	id    clientv3.LeaseID
	letGo context.CancelFunc // ends the renewing
	done  chan struct{}
}

// watch takes the renewals' answers off the channel until the library gives the lease up, or is told to.
func (l *lease) watch(alive <-chan *clientv3.LeaseKeepAliveResponse) {
	defer close(l.done)
	defer l.letGo()
	for range alive {
	}
}

// ID implements meta.Lease.
func (l *lease) ID() meta.LeaseID { return meta.LeaseID(l.id) }

// Done implements meta.Lease.
func (l *lease) Done() <-chan struct{} { return l.done }

// Revoke implements meta.Lease.
func (l *lease) Revoke(ctx context.Context) error {
	l.letGo()
	return l.store.revoke(ctx, l.id)
}
