//go:build !linux

package node

func newNativeLoops(n int, sh *shared) (loops, error) { return newPortableLoops(n, sh), nil }

// residentBytes is not known here.
func residentBytes() int64 { return 0 }

// totalMemory is not known here.
func totalMemory() int64 { return 0 }
