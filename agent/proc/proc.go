// Package proc starts, finds, watches and kills processes so that none is ever taken for another: a process is known by
// its id, its start time and the kernel's boot id, and is held by a pidfd. It knows nothing of what the processes are.
package proc

import (
	"errors"
	"fmt"
)

// ErrGone says that the process that an Identity names has ended.
var ErrGone = errors.New("the process has ended")

// Identity names one process among all that ever ran on a machine.
type Identity struct {
	PID int
	// Start is when it was started, in the kernel's ticks since boot.
	Start uint64
	// Boot is the kernel's boot id.
	Boot string
}

// String is "pid-start-boot".
func (i Identity) String() string { return fmt.Sprintf("%d-%d-%s", i.PID, i.Start, i.Boot) }

// Command is what to start.
type Command struct {
	Path string   // of the binary
	Args []string // without the binary
	Dir  string
	Env  []string
	// Output is the path of the file that standard output and error are appended to; it is made with mode 0600.
	Output string
}
