package arena

import "unsafe"

// Peek returns the address of n bytes at a distance of off bytes from the arena's start, or nil where they are not all readable. It is
// for reading ahead without a lock: what is found there may be anything, and may change meanwhile.
func (a *Arena) Peek(off, n uintptr) unsafe.Pointer {
	if reach := uintptr(a.pages.reach.Load()); n > reach || off > reach-n {
		return nil
	}
	return unsafe.Add(a.base, off)
}

// Offset is the distance of block r from the arena's start, in bytes.
func (r Ref) Offset() uintptr { return uintptr(r) << unitShift }
