//go:build unix

package arena

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// osZeroes says that pages given back read as zero: Linux, where the system's pages are ours.
var osZeroes = purgeZeroes && os.Getpagesize() == pageSize

// osReserve takes n bytes of address space that cannot be touched yet.
func osReserve(n uintptr) (unsafe.Pointer, error) {
	p, err := unix.MmapPtr(-1, 0, nil, n, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|reserveFlags)
	if err != nil {
		return nil, err
	}
	osNoHugePages(unsafe.Slice((*byte)(p), n))
	return p, nil
}

// osRelease gives the address space back.
func osRelease(p unsafe.Pointer, n uintptr) error { return unix.MunmapPtr(p, n) }

// osProtect makes n bytes usable, or untouchable.
func osProtect(p unsafe.Pointer, n uintptr, usable bool) error {
	prot := unix.PROT_NONE
	if usable {
		prot = unix.PROT_READ | unix.PROT_WRITE
	}
	return unix.Mprotect(unsafe.Slice((*byte)(p), n), prot)
}

// osPurge gives the memory of n bytes back, whose content is lost. Where the system's pages are larger than ours, only
// those that lie within are given back. A refusal is no error: the memory just stays resident.
func osPurge(p unsafe.Pointer, n uintptr) {
	sys := uintptr(os.Getpagesize())
	start := roundUp(uintptr(p), sys)
	end := (uintptr(p) + n) &^ (sys - 1)
	if start >= end {
		return
	}
	osAdvisePurge(unsafe.Slice((*byte)(unsafe.Add(p, start-uintptr(p))), end-start))
}
