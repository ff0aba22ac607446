package node

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func newNativeLoops(n int, sh *shared) (loops, error) { return newEpollLoops(n, sh) }

// residentBytes is the process' resident memory.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// totalMemory is the machine's.
func totalMemory() int64 {
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) != nil {
		return 0
	}
	return int64(si.Totalram) * int64(si.Unit)
}
