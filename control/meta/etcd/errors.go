package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/larder-cache/larder/control/meta"
)

// ErrLocked: another process, or another Server of this one, uses the folder. See LockedError.
var ErrLocked = errors.New("the state folder is in use")

// LockedError says who uses the folder. It matches ErrLocked.
type LockedError struct {
	Dir string
	// PID is the process that holds the lock; 0 if it could not be told.
	PID int
}

// Error names the folder and the process.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the state folder %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("the state folder %s is in use by process %d", e.Dir, e.PID)
}

// Is makes the error match ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// usable returns why no call can be made.
func (s *Store) usable(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("etcd: %s: %w", op, err)
	}
	if s.open.Err() != nil {
		return fmt.Errorf("etcd: %s: %w", op, meta.ErrClosed)
	}
	if err := s.failure(); err != nil {
		return fmt.Errorf("etcd: %s: %w: %w", op, meta.ErrUnavailable, err)
	}
	return nil
}

// kinds maps etcd's errors to ours. What is not here is ErrUnavailable, with etcd's error in the chain.
var kinds = []struct{ theirs, ours error }{
	{rpctypes.ErrCompacted, meta.ErrCompacted},
	{rpctypes.ErrFutureRev, meta.ErrInvalid},
	{rpctypes.ErrLeaseNotFound, meta.ErrLeaseLost},
	{rpctypes.ErrRequestTooLarge, meta.ErrTooLarge},
	{rpctypes.ErrTooManyOps, meta.ErrTooLarge},
	{rpctypes.ErrDuplicateKey, meta.ErrInvalid},
	{rpctypes.ErrEmptyKey, meta.ErrInvalid},
	{rpctypes.ErrLeaseTTLTooLarge, meta.ErrInvalid},
}

// translate turns what the client returned into the error of a meta.Store. ctx is the caller's, without our timeout.
func (s *Store) translate(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	theirs := rpctypes.Error(err)
	for _, k := range kinds {
		if errors.Is(theirs, k.theirs) {
			return fmt.Errorf("etcd: %s: %w: %w", op, k.ours, err)
		}
	}
	if why := s.usable(ctx, op); why != nil {
		return why // the call failed because of it
	}
	return fmt.Errorf("etcd: %s: %w: %w", op, meta.ErrUnavailable, err)
}
