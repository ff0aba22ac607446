//go:build !linux

package node

import (
	"errors"
	"runtime"
)

func newNativeLoops(n int, sh *shared) (loops, error) { return newPortableLoops(n, sh), nil }

// residentBytes is not known here.
func residentBytes() int64 { return 0 }

var errNoOOMScore = errors.New("this system has no oom_score_adj")

func readOOMScore() (int, error) { return 0, errNoOOMScore }
func writeOOMScore(int) error    { return errNoOOMScore }

// threadCPUSeconds is not known here.
func threadCPUSeconds() (sys, user float64) { return 0, 0 }

// osName is the system's name and the machine's.
func osName() string { return runtime.GOOS + " " + runtime.GOARCH }

// totalMemory is not known here.
func totalMemory() int64 { return 0 }
