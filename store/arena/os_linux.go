package arena

import "golang.org/x/sys/unix"

const (
	reserveFlags = unix.MAP_NORESERVE
	purgeZeroes  = true
)

// osNoHugePages keeps one live page from making 2 MiB resident. Kernels without huge pages refuse; nothing is lost.
func osNoHugePages(b []byte) { _ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) }

// osAdvisePurge drops the pages of b at once.
func osAdvisePurge(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }
