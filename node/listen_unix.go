//go:build unix

package node

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

func reusePort(_, _ string, c syscall.RawConn) error {
	return controlFD(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
}

// setBacklog makes the queue of connections that are not yet accepted as long as tcp-backlog says; Go makes it as long as the
// system allows. Listening once more changes nothing else.
func setBacklog(ln net.Listener, n int) error {
	sc, ok := ln.(syscall.Conn)
	if !ok || n <= 0 {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return controlFD(raw, func(fd int) error { return unix.Listen(fd, n) })
}

func controlFD(c syscall.RawConn, fn func(fd int) error) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = fn(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// maxFiles is how many descriptors the process may have.
func maxFiles() (int64, bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return int64(min(uint64(r.Cur), 1<<62)), true //nolint:unconvert // Cur is signed on some systems
}

// raiseFiles asks the system for n descriptors; maxFiles tells whether it gave them.
func raiseFiles(n int64) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || int64(r.Cur) >= n {
		return
	}
	r.Cur, r.Max = uint64(n), max(r.Max, uint64(n)) // root may have more than the limit there is
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &r) != nil && unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil {
		r.Cur = r.Max
		unix.Setrlimit(unix.RLIMIT_NOFILE, &r) //nolint:errcheck // maxFiles tells
	}
}
