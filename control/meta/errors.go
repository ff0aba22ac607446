package meta

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of failure, for errors.Is.
var (
	// ErrConflict: a guard did not hold. Only Result.Err returns it; see ConflictError.
	ErrConflict = errors.New("a guard of the transaction does not hold")
	// ErrCompacted: the revision asked for is older than what the store remembers. List again.
	ErrCompacted = errors.New("the revision has been compacted")
	// ErrUnavailable: the store did not answer. A transaction may or may not have been applied.
	ErrUnavailable = errors.New("the state store is unavailable")
	// ErrTooLarge: a key, a value or a transaction is above its bound. See TooLargeError.
	ErrTooLarge = errors.New("too large for the state store")
	// ErrLeaseLost: the lease does not exist, or no longer.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrInvalid: the request can never succeed; a bug of the caller.
	ErrInvalid = errors.New("invalid request to the state store")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("the state store is closed")
)

// ConflictError says which guards of a transaction did not hold. It matches ErrConflict.
type ConflictError struct {
	// Failed are the guards that did not hold, in the order of the transaction.
	Failed []Guard
}

// Error names the guards.
func (e *ConflictError) Error() string {
	names := make([]string, len(e.Failed))
	for i, g := range e.Failed {
		names[i] = g.String()
	}
	return "meta: conflict: not so: " + strings.Join(names, ", ")
}

// Is makes the error match ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// TooLargeError says what is above its bound. It matches ErrTooLarge.
type TooLargeError struct {
	// What is "key", "value", "transaction" (bytes), "operations" or "guards" (numbers).
	What string
	// Key is the key concerned; for a transaction the first one beyond the bound. A key that is itself too large is
	// cut to its first 64 bytes.
	Key string
	// Size and Limit are in bytes, or numbers for operations and guards.
	Size, Limit int
}

// Error names the key, the size and the bound.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("meta: too large: %s is %d, at most %d are allowed (key %q)", e.What, e.Size, e.Limit, e.Key)
}

// Is makes the error match ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

func invalidf(format string, args ...any) error {
	return fmt.Errorf("meta: %w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
