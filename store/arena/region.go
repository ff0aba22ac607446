package arena

import "unsafe"

const (
	// commitGrain is what commits are rounded to: a multiple of every system's page size.
	commitGrain = 64 << 10
	// maxCommit is the largest chunk committed ahead of need.
	maxCommit = 64 << 20
)

// region is a part of the reservation that is made readable and writable from its start as it grows. It is guarded by
// whoever owns it; what is committed may be used without that.
type region struct {
	base unsafe.Pointer
	size uintptr // reserved bytes
	done uintptr // committed bytes
}

// at returns the address at offset off.
func (g *region) at(off uintptr) unsafe.Pointer { return unsafe.Add(g.base, off) }

// ensure is commit for callers that have their own error.
func (g *region) ensure(n uintptr) bool { return n <= g.done || g.commit(n) == nil }

// commit makes the first n bytes usable, and an eighth of the region's size so far ahead, so that calls stay few. Where the
// system refuses that much, it asks for just n.
func (g *region) commit(n uintptr) error {
	if n > g.size {
		return ErrExhausted
	}
	need := roundUp(n, commitGrain)
	ahead := roundUp(min(max(n, g.done+g.done/8), g.done+maxCommit), commitGrain)
	want := min(max(need, ahead), g.size)
	err := osProtect(g.at(g.done), want-g.done, true)
	if err != nil && want > need {
		want = min(need, g.size)
		err = osProtect(g.at(g.done), want-g.done, true)
	}
	if err == nil {
		g.done = want
	}
	return err
}
