package rdb

import (
	"fmt"

	"github.com/larder-cache/larder/base/errs"
)

// CorruptError says that the input is not a valid dump. errors.Is(err, errs.ErrCorrupt) finds it, and when the input
// ends too early also errors.Is(err, io.ErrUnexpectedEOF).
type CorruptError struct {
	// Offset is where in the input the fault was seen, in bytes from its beginning.
	Offset int64
	// What says what is wrong, and what was expected.
	What string
	// Err is io.ErrUnexpectedEOF when the input ended too early, else nil.
	Err error
}

// Error returns the offset and the fault.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("RDB data is corrupt at byte %d: %s", e.Offset, e.What)
}

// Unwrap returns io.ErrUnexpectedEOF or nil.
func (e *CorruptError) Unwrap() error { return e.Err }

// Is makes every CorruptError an errs.ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == errs.ErrCorrupt }

// UnsupportedError says that the input may well be valid but needs what this package does not read or write: a newer
// version, a type that the version does not have, a format of a release candidate.
type UnsupportedError struct {
	// Offset is where in the input it stands, in bytes from its beginning; errs.UnknownOffset when writing.
	Offset int64
	// What names it.
	What string
}

// Error returns what is not supported and where it was seen.
func (e *UnsupportedError) Error() string {
	if e.Offset < 0 {
		return "RDB: not supported: " + e.What
	}
	return fmt.Sprintf("RDB data at byte %d is not supported: %s", e.Offset, e.What)
}
