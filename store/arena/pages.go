package arena

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/base/invariant"
)

const (
	numBins = 232
	// searchBin is how many runs of a bin are looked at for the best fit.
	searchBin = 32
	// firstPage is the first page in use: page 0 holds ref 0, which is Nil.
	firstPage = 1
)

// pages hands out runs of adjacent pages. mu guards all of it but the words of runs that heaps own, and the regions'
// content that belongs to those.
type pages struct {
	blocks  region
	table   region
	headers region

	committed atomic.Int64  // pages in use or dirty; written under mu
	reach     atomic.Uint64 // bytes of blocks that are committed; written under mu

	mu       sync.Mutex
	top      uint32 // pages below it have been handed out before
	limit    uint32 // pages in the reserve
	headerN  uint32 // headers below it have been used before
	headerFn uint32 // first of the chain of headers that are not in use
	dirty    bins
	clean    bins
}

// bins are the free runs of one kind, in lists by size.
type bins struct {
	kind  runState
	pages int64 // in all of its runs
	head  [numBins]uint32
	some  [(numBins + 63) / 64]uint64 // bit b: head[b] is not empty
}

// init makes header 0 and the page table's first entry.
func (p *pages) init(limit uint32) error {
	p.top, p.limit, p.headerN = firstPage, limit, 1
	p.dirty.kind, p.clean.kind = stateDirty, stateClean
	if err := p.table.commit(4 * firstPage); err != nil {
		return err
	}
	return p.headers.commit(runHeaderSize)
}

// binOf returns the bin for runs of n pages: exact to 16 pages, then eight to a doubling.
func binOf(n uint32) uint {
	v := uint(n - 1)
	s := max(bits.Len(v), 4) - 4
	return uint(s)<<3 + v>>uint(s)
}

// alloc returns a run of n pages, or of least where there are no n in a row, in no state yet. All its pages are in the
// page table. It panics with ErrExhausted.
func (p *pages) alloc(n, least uint32) *run {
	r, _ := p.take(n)
	if r == nil {
		r, _ = p.take(least)
	}
	if r == nil {
		exhausted(int64(least)<<pageShift, p.blocks.size)
	}
	i := p.indexOf(r)
	for page := r.page; page < r.page+r.pages; page++ {
		*p.entry(page) = i
	}
	if invariant.Enabled {
		p.expose(r)
	}
	return r
}

// take returns a run of n pages and whether they read as zero, or nil. Only its ends are in the page table.
func (p *pages) take(n uint32) (*run, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, zero := p.takeFree(n); r != nil {
		return r, zero
	}
	if r := p.takeTop(n); r != nil {
		return r, true
	}
	p.purgeAll()
	p.cleanTop(n)
	return p.takeFree(n)
}

// takeFree returns n pages of a free run, or nil.
func (p *pages) takeFree(n uint32) (*run, bool) {
	if r := p.fit(&p.dirty, n); r != nil {
		return p.carve(&p.dirty, r, n), false
	}
	if r := p.fit(&p.clean, n); r != nil {
		p.committed.Add(int64(n))
		return p.carve(&p.clean, r, n), osZeroes
	}
	return nil, false
}

// takeTop returns n pages that were never used, or nil when the reserve ends before.
func (p *pages) takeTop(n uint32) *run {
	if n > p.limit-p.top {
		return nil
	}
	if !p.commitTo(p.top + n) {
		return nil
	}
	r := p.newHeader()
	if r == nil {
		return nil
	}
	p.place(r, p.top, n)
	p.top += n
	p.committed.Add(int64(n))
	return r
}

// cleanTop makes what is left of the reserve, less than n pages, a clean run, so that it joins with one that ends there.
func (p *pages) cleanTop(n uint32) {
	left := p.limit - p.top
	if left == 0 || left >= n {
		return // or the system refused to commit it
	}
	if r := p.takeTop(left); r != nil {
		p.cleaned(r)
	}
}

// commitTo makes the pages below end, and what describes them, readable and writable.
func (p *pages) commitTo(end uint32) bool {
	if !p.table.ensure(uintptr(end)*4) || !p.blocks.ensure(uintptr(end)<<pageShift) {
		return false
	}
	if done := uint64(p.blocks.done); done != p.reach.Load() {
		p.reach.Store(done)
	}
	return true
}

// fit returns a free run of at least n pages: the best of the first few in n's own bin, or any of the next bin.
func (p *pages) fit(b *bins, n uint32) *run {
	bin := binOf(n)
	var best *run
	i := b.head[bin]
	for range searchBin {
		if i == 0 {
			break
		}
		r := p.header(i)
		if r.pages == n {
			return r
		}
		if r.pages > n && (best == nil || r.pages < best.pages) {
			best = r
		}
		i = r.next
	}
	if best != nil {
		return best
	}
	if next, ok := b.after(bin); ok {
		return p.header(b.head[next])
	}
	return nil
}

// after returns the first bin after bin that has runs.
func (b *bins) after(bin uint) (uint, bool) {
	bin++
	word := bin / 64
	if word >= uint(len(b.some)) {
		return 0, false
	}
	w := b.some[word] >> (bin % 64) << (bin % 64)
	for w == 0 {
		if word++; word == uint(len(b.some)) {
			return 0, false
		}
		w = b.some[word]
	}
	return word*64 + uint(bits.TrailingZeros64(w)), true
}

// carve takes the first n pages of free run r out of b; the rest stays there. The header goes with the first part.
func (p *pages) carve(b *bins, r *run, n uint32) *run {
	p.unbin(b, r)
	rest := r.pages - n
	if rest > 0 {
		if h := p.newHeader(); h != nil {
			p.place(h, r.page+n, rest)
			p.bin(b, h)
		} else {
			// No memory for a header: the caller gets all of the run.
			n = r.pages
			if b.kind == stateClean {
				p.committed.Add(int64(rest))
			}
		}
	}
	p.place(r, r.page, n)
	return r
}

// place makes r the header of the n pages from page on, and marks both ends in the page table.
func (p *pages) place(r *run, page, n uint32) {
	r.page, r.pages = page, n
	i := p.indexOf(r)
	*p.entry(page) = i
	*p.entry(page + n - 1) = i
	r.state = stateBusy
}

// release makes a run that its owner is done with free and dirty, joined with its dirty neighbours, and gives some of
// the dirty pages back to the system when there are too many.
func (p *pages) release(r *run) {
	if invariant.Enabled {
		p.conceal(r)
	}
	p.mu.Lock()
	r.owner, r.size, r.used, r.free = 0, 0, 0, Nil
	p.join(&p.dirty, r)
	excess := p.excess()
	p.mu.Unlock()
	if excess > 0 {
		p.scavenge(false, freeBudget)
	}
}

// join puts free run r in b, in one piece with the runs beside it that are of the same kind.
func (p *pages) join(b *bins, r *run) {
	page, n := r.page, r.pages
	if page > firstPage {
		if left := p.header(*p.entry(page - 1)); left.state == b.kind {
			p.unbin(b, left)
			page, n = left.page, n+left.pages
			p.dropHeader(left)
		}
	}
	if end := page + n; end < p.top {
		if right := p.header(*p.entry(end)); right.state == b.kind {
			p.unbin(b, right)
			n += right.pages
			p.dropHeader(right)
		}
	}
	p.place(r, page, n)
	p.bin(b, r)
}

// bin puts r in its list in b.
func (p *pages) bin(b *bins, r *run) {
	bin := binOf(r.pages)
	i := p.indexOf(r)
	r.class, r.state = uint8(bin), b.kind
	r.next, r.prev = b.head[bin], 0
	if r.next != 0 {
		p.header(r.next).prev = i
	}
	b.head[bin] = i
	b.some[bin/64] |= 1 << (bin % 64)
	b.pages += int64(r.pages)
}

// unbin takes r out of its list in b.
func (p *pages) unbin(b *bins, r *run) {
	bin := uint(r.class)
	if r.prev != 0 {
		p.header(r.prev).next = r.next
	} else if b.head[bin] = r.next; r.next == 0 {
		b.some[bin/64] &^= 1 << (bin % 64)
	}
	if r.next != 0 {
		p.header(r.next).prev = r.prev
	}
	b.pages -= int64(r.pages)
	r.state = stateBusy
}

// newHeader returns a header that is not in use, all zero, or nil when the system has no memory for one.
func (p *pages) newHeader() *run {
	i := p.headerFn
	if i != 0 {
		r := p.header(i)
		p.headerFn = r.next
		*r = run{}
		return r
	}
	i = p.headerN
	if !p.headers.ensure((uintptr(i) + 1) * runHeaderSize) {
		return nil
	}
	p.headerN++
	return p.header(i)
}

// dropHeader takes a header out of use.
func (p *pages) dropHeader(r *run) {
	*r = run{next: p.headerFn}
	p.headerFn = p.indexOf(r)
}
