//go:build unix

package replication

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// PushTo sends on a connection without ever waiting; nil if it is no socket. How many bytes were sent is returned; an error
// shows when the rest is sent in the ordinary way.
func PushTo(c net.Conn) func(b []byte) int {
	if p, ok := c.(interface{ Push(b []byte) int }); ok {
		return p.Push // TLS: the bytes can't go past it
	}
	sc, ok := c.(interface {
		SyscallConn() (syscall.RawConn, error)
	})
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return func(b []byte) (n int) {
		// The function always says that it is done, so Write never waits for room.
		if err := raw.Write(func(fd uintptr) bool {
			n, _ = unix.Write(int(fd), b)
			return true
		}); err != nil {
			return 0
		}
		return max(n, 0)
	}
}

// delaySmall lets the system collect small writes to a connection (repl-disable-tcp-nodelay). Where that is not to be had, it stays
// as it is.
func delaySmall(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 0) }) //nolint:errcheck // a unix socket has none
}
