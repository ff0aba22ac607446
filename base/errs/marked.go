package errs

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// ErrCorrupt is what every CorruptError is: errors.Is(err, errs.ErrCorrupt).
var ErrCorrupt = errors.New("corrupt data")

// ErrBug is what every BugError is: errors.Is(err, errs.ErrBug).
var ErrBug = errors.New("internal error")

// UnknownOffset is a CorruptError's OffsetBytes where the place in the source is not known.
const UnknownOffset int64 = -1

// CorruptError says that data is not what its format demands.
type CorruptError struct {
	// Source is where the data came from: a file's name, "replication stream", a key.
	Source string
	// OffsetBytes is where in the source the fault was seen, or UnknownOffset.
	OffsetBytes int64
	// Err says what is wrong with it.
	Err error
}

// Error returns the source, the offset when it is known, and the fault.
func (e *CorruptError) Error() string {
	if e.OffsetBytes < 0 {
		return fmt.Sprintf("%s is corrupt: %v", e.Source, e.Err)
	}
	return fmt.Sprintf("%s is corrupt at byte %d: %v", e.Source, e.OffsetBytes, e.Err)
}

// Unwrap returns the fault, for errors.Is and errors.As.
func (e *CorruptError) Unwrap() error { return e.Err }

// Is makes every CorruptError an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Corruptf makes a CorruptError; format and args (%w included) say what is wrong.
func Corruptf(source string, offsetBytes int64, format string, args ...any) error {
	return &CorruptError{Source: source, OffsetBytes: offsetBytes, Err: fmt.Errorf(format, args...)}
}

// BugError says that larder itself is wrong, where returning that is better than a panic.
type BugError struct {
	// Where is the function, file and line that noticed.
	Where string
	// Err says what cannot be.
	Err error
}

// Error returns the fault and where it was noticed.
func (e *BugError) Error() string {
	return fmt.Sprintf("internal error (a bug in larder, at %s): %v", e.Where, e.Err)
}

// Unwrap returns the fault, for errors.Is and errors.As.
func (e *BugError) Unwrap() error { return e.Err }

// Is makes every BugError an ErrBug.
func (e *BugError) Is(target error) bool { return target == ErrBug }

// Bugf makes a BugError that names its caller; format and args (%w included) say what cannot be.
func Bugf(format string, args ...any) error {
	return &BugError{Where: caller(), Err: fmt.Errorf(format, args...)}
}

// caller names the function that called caller's caller, with file and line, without the folders of the machine that
// built it.
func caller() string {
	pc, file, line, ok := runtime.Caller(2)
	if !ok {
		return "an unknown place"
	}
	name := "?"
	if fn := runtime.FuncForPC(pc); fn != nil {
		name = fn.Name()[strings.LastIndexByte(fn.Name(), '/')+1:]
	}
	return fmt.Sprintf("%s (%s:%d)", name, file[strings.LastIndexByte(file, '/')+1:], line)
}
