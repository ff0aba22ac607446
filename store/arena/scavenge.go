package arena

import "unsafe"

const (
	// freeBudget is how many pages one Free or Collect gives back to the system at most: 4 MiB, well under a millisecond.
	freeBudget = 4 << 20 >> pageShift
	// scavengeStep is how many pages are given back in one system call.
	scavengeStep = 32 << 20 >> pageShift
	// minDirty is how many free pages may always stay resident: 1 MiB, for runs that come and go.
	minDirty = 1 << 20 >> pageShift
	// dirtyShare is the part of the committed pages that may be free and resident: 1/32.
	dirtyShare = 32
)

// Scavenge gives free memory back to the system: what is beyond the bound on free resident pages (1/32 of what is
// committed, at least 1 MiB), or with all set everything. It returns the bytes. It needs no shard's lock and takes
// milliseconds for gigabytes: call it now and then from a goroutine that holds none. Free and Collect give back 4 MiB at
// most.
func (a *Arena) Scavenge(all bool) int64 {
	return a.pages.scavenge(all, 1<<62) << pageShift
}

// scavenge gives back up to budget pages, largest runs first, and returns how many. mu is not held while the system
// works: the run is busy then, which no one joins with or takes.
func (p *pages) scavenge(all bool, budget int64) int64 {
	var done int64
	p.mu.Lock()
	defer p.mu.Unlock()
	for done < budget {
		if p.dirty.pages == 0 || !all && p.excess() <= 0 {
			break
		}
		r := p.largest(&p.dirty)
		n := min(int64(r.pages), budget-done, scavengeStep)
		r = p.carve(&p.dirty, r, uint32(n))
		p.mu.Unlock()
		p.purge(r)
		p.mu.Lock()
		done += int64(r.pages) // before cleaned, which joins r with its neighbours
		p.cleaned(r)
	}
	return done
}

// excess returns by how many pages the dirty runs are above their bound.
func (p *pages) excess() int64 {
	return p.dirty.pages - max(minDirty, p.committed.Load()/dirtyShare)
}

// purge gives the memory of r's pages back to the system.
func (p *pages) purge(r *run) {
	osPurge(unsafe.Add(p.blocks.base, uintptr(r.page)<<pageShift), uintptr(r.pages)<<pageShift)
}

// cleaned puts a purged run among the clean ones.
func (p *pages) cleaned(r *run) {
	p.committed.Add(-int64(r.pages))
	p.join(&p.clean, r)
}

// purgeAll makes all dirty runs clean, under mu. It is for the moment when the
// reserve is used up and only dirty and clean pages together may make a run that is long enough.
func (p *pages) purgeAll() {
	for p.dirty.pages > 0 {
		r := p.largest(&p.dirty)
		p.unbin(&p.dirty, r)
		p.purge(r)
		p.cleaned(r)
	}
}

// largest returns a run of the last bin in use.
func (p *pages) largest(b *bins) *run {
	for bin := len(b.head) - 1; bin >= 0; bin-- {
		if i := b.head[bin]; i != 0 {
			return p.header(i)
		}
	}
	return p.header(0)
}
