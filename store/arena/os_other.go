//go:build unix && !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package arena

const (
	reserveFlags = 0
	purgeZeroes  = false
)

// osNoHugePages has nothing to switch off here.
func osNoHugePages([]byte) {}

// osAdvisePurge does nothing: memory is used again, but not given back.
func osAdvisePurge([]byte) {}
