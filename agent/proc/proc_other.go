//go:build !linux

package proc

import (
	"errors"
	"net/netip"
)

// errNotBuilt is what everything here answers: pidfds and /proc are Linux'.
var errNotBuilt = errors.New("running cache nodes is built for Linux only so far")

// Process is a process that is held.
type Process struct{}

// Start fails on this system.
func Start(Command) (*Process, error) { return nil, errNotBuilt }

// Find fails on this system.
func Find(Identity) (*Process, error) { return nil, errNotBuilt }

// Identity names the process.
func (*Process) Identity() Identity { return Identity{} }

// Done is closed once the process has ended.
func (*Process) Done() <-chan struct{} { return nil }

// Release lets go of a process without touching it.
func (*Process) Release() {}

// Kill fails on this system.
func (*Process) Kill() error { return errNotBuilt }

// Stopped reports whether the process is stopped by a signal.
func (*Process) Stopped() bool { return false }

// Identify fails on this system.
func Identify(int) (Identity, error) { return Identity{}, errNotBuilt }

// In fails on this system.
func In(string) (map[string][]Identity, error) { return nil, errNotBuilt }

// Executable is the path of the binary that a process runs.
func Executable(int) string { return "" }

// Parent is the id of a process's parent.
func Parent(int) int { return 0 }

// CanBind fails on this system.
func CanBind(netip.AddrPort) error { return errNotBuilt }

// Holder says which process listens on a TCP address.
func Holder(netip.AddrPort) string { return "" }

// Memory fails on this system.
func Memory() (int64, error) { return 0, errNotBuilt }
