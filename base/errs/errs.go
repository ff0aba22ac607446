// Package errs keeps three failures apart and says how a user sees them.
//
//   - The world failed: a disk is full, a port is in use, a peer is gone, a name does not exist. These are returned, and
//     on their way up get the operation (Op), what sort of failure it is (Kind) and what to try (Hint): type Error.
//   - The data is bad: a file or a peer's stream does not say what its format demands. Type CorruptError, found with
//     errors.Is(err, ErrCorrupt). Trying again does not help, and the bytes are kept for whoever looks into it.
//   - We have a bug: under invariants a panic (package invariant); where a panic would take more down than the bug
//     deserves, a BugError, found with errors.Is(err, ErrBug).
//
// The package holds no wire errors: what clients of the AWS API or of Redis receive comes from those protocols' own
// tables, to which a Kind is at most translated.
package errs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// Kind says what sort of failure an error is; callers branch on it, never on text.
type Kind uint8

// The kinds. Their text (String) stands in messages when there is no other cause to print.
const (
	Other       Kind = iota // not classified
	Invalid                 // what was asked for can never work: a bad argument, option or name
	NotFound                // it does not exist
	Exists                  // it exists already
	InUse                   // somebody else holds it: an address, a data folder, a name
	State                   // not possible in the present state; may be later
	Permission              // the operating system or a policy forbids it
	Unavailable             // a peer or service does not answer
	Timeout                 // it took longer than the caller allows
	NoSpace                 // a disk, a quota or a pool is full
	Limit                   // a bound of package limits, or one that was configured, is exceeded
	IO                      // reading or writing failed for another reason
	Corrupt                 // the data is bad
	NotBuilt                // larder does not have this yet
	Bug                     // larder is wrong
)

var kindTexts = [...]string{
	Other: "error", Invalid: "invalid", NotFound: "not found", Exists: "already exists", InUse: "in use",
	State: "not possible in the present state", Permission: "permission denied", Unavailable: "not available",
	Timeout: "timed out", NoSpace: "no space left", Limit: "limit exceeded", IO: "input/output error",
	Corrupt: "corrupt data", NotBuilt: "not implemented", Bug: "internal error",
}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindTexts) {
		return kindTexts[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is a failure as a user sees it. Errors nest: each layer may add its Op.
type Error struct {
	// Op is what was being done, in words that a user knows: "open data folder /x", "listen on 127.0.0.1:4600".
	Op string
	// Kind classifies the failure; Other means "as Err says".
	Kind Kind
	// Hint is what to try, one clause without a full stop: "free some space or choose another --data". May be empty.
	Hint string
	// Err is the cause; nil when Op and Kind say everything.
	Err error
}

// Error returns "op: cause". The hint is not in it: see Sentence.
func (e *Error) Error() string {
	cause := e.Kind.String()
	if e.Err != nil {
		cause = e.Err.Error()
	}
	if e.Op == "" {
		return cause
	}
	return e.Op + ": " + cause
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// E wraps err with the operation and the kind. It returns nil when err is nil.
func E(op string, kind Kind, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: kind, Err: err}
}

// Errorf makes an error of the kind from a format, as fmt.Errorf does (%w included).
func Errorf(op string, kind Kind, format string, args ...any) error {
	return &Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// WithHint adds what to try to err. It returns nil when err is nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	hint := fmt.Sprintf(format, args...)
	if e, ok := err.(*Error); ok { // not errors.As: what stands above an inner Error must be kept
		c := *e
		c.Hint = hint
		return &c
	}
	return &Error{Hint: hint, Err: err}
}

// World wraps an error of the operating system (or anything that wraps one) with op, the kind that its error number
// means, and a hint where there is a general one. It returns nil when err is nil.
func World(op string, err error) error {
	if err == nil {
		return nil
	}
	for _, w := range worldErrors {
		if errors.Is(err, w.is) {
			return &Error{Op: op, Kind: w.kind, Hint: w.hint, Err: err}
		}
	}
	return &Error{Op: op, Kind: IO, Err: err}
}

// worldErrors maps error numbers to kinds; the first that matches counts.
var worldErrors = []struct {
	is   error
	kind Kind
	hint string
}{
	{syscall.ENOSPC, NoSpace, "free some space on that disk, or use another folder"},
	{syscall.EADDRINUSE, InUse, "stop what listens there, or choose another address or port"},
	{syscall.EADDRNOTAVAIL, Invalid, "choose an address that this machine has"},
	{syscall.ECONNREFUSED, Unavailable, ""},
	{syscall.ECONNRESET, Unavailable, ""},
	{syscall.EPIPE, Unavailable, ""},
	{syscall.EROFS, Permission, "the file system is read-only: use another folder"},
	{syscall.EMFILE, Limit, "raise the limit of open files (ulimit -n)"},
	{syscall.EIO, IO, "look into the system's log: the device reports errors"},
	{fs.ErrPermission, Permission, "run as a user who may do that, or use another folder"},
	{fs.ErrNotExist, NotFound, ""},
	{fs.ErrExist, Exists, ""},
	{os.ErrDeadlineExceeded, Timeout, ""},
}

// KindOf returns the kind of err: of its outermost Error that has one, else what the marked types say, else Other.
func KindOf(err error) Kind {
	rest := err
	for e := (*Error)(nil); errors.As(rest, &e); rest = e.Err {
		if e.Kind != Other {
			return e.Kind
		}
	}
	switch {
	case errors.Is(err, ErrCorrupt):
		return Corrupt
	case errors.Is(err, ErrBug):
		return Bug
	}
	return Other
}

// HintOf returns the outermost hint in err, or "".
func HintOf(err error) string {
	for e := (*Error)(nil); errors.As(err, &e); err = e.Err {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}

// Sentence returns err as the one line that a person at a terminal reads: what failed, why, and what to try.
func Sentence(err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	if h := HintOf(err); h != "" {
		s += " (" + h + ")"
	}
	return s
}
