//go:build unix

package node

import "golang.org/x/sys/unix"

// cpuSeconds is the processor time that the process has used.
func cpuSeconds() (sys, user float64) {
	return usedCPU(unix.RUSAGE_SELF)
}

// childCPUSeconds is that of ended children, which a node has none of.
func childCPUSeconds() (sys, user float64) { return usedCPU(unix.RUSAGE_CHILDREN) }

func usedCPU(who int) (sys, user float64) {
	var ru unix.Rusage
	if unix.Getrusage(who, &ru) != nil {
		return 0, 0
	}
	sec := func(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return sec(ru.Stime), sec(ru.Utime)
}
