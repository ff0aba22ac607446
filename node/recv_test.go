//go:build unix

package node

import "golang.org/x/sys/unix"

// recvNow reads without waiting; negative if there is nothing.
func recvNow(fd int, b []byte) int {
	n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
	if err != nil {
		return -1
	}
	return n
}
