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

const oomScoreFile = "/proc/self/oom_score_adj"

func readOOMScore() (int, error) {
	b, err := os.ReadFile(oomScoreFile)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

func writeOOMScore(score int) error {
	return os.WriteFile(oomScoreFile, strconv.AppendInt(nil, int64(score), 10), 0)
}

// threadCPUSeconds is the processor time of the thread that asks: a loop's.
func threadCPUSeconds() (sys, user float64) { return usedCPU(unix.RUSAGE_THREAD) }

// osName is the kernel's name, release and machine.
func osName() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "Linux"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}

// totalMemory is the machine's.
func totalMemory() int64 {
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) != nil {
		return 0
	}
	return int64(si.Totalram) * int64(si.Unit)
}
