//go:build unix

package node

import "golang.org/x/sys/unix"

// cpuSeconds is the processor time that the process has used.
func cpuSeconds() (sys, user float64) {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return 0, 0
	}
	sec := func(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return sec(ru.Stime), sec(ru.Utime)
}
