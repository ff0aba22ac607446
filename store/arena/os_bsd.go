//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package arena

import "golang.org/x/sys/unix"

const (
	reserveFlags = 0
	purgeZeroes  = false
)

// osNoHugePages has nothing to switch off here.
func osNoHugePages([]byte) {}

// osAdvisePurge lets the system take the pages of b when it needs memory.
func osAdvisePurge(b []byte) { _ = unix.Madvise(b, unix.MADV_FREE) }
