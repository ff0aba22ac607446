package arena

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// newArena makes an arena that is closed when the test ends.
func newArena(t testing.TB, reserve int64) *Arena {
	t.Helper()
	a, err := New(Config{Reserve: reserve})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// pattern is what blocks are filled with, from an offset that depends on a seed.
var pattern = func() []byte {
	b := make([]byte, 1<<21+1<<16)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

// fill writes the pattern of seed over b; matches says whether it is still there. Patterns of blocks that are in use at
// the same time differ, but for one in 65,521.
func fill(b []byte, seed uint64) {
	at := seed % 65521
	for len(b) > 0 {
		b = b[copy(b, pattern[at:]):]
	}
}

func matches(b []byte, seed uint64) bool {
	at := seed % 65521
	for len(b) > 0 {
		n := min(len(b), len(pattern)-int(at))
		if !bytes.Equal(b[:n], pattern[at:][:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// checkPages walks all pages and says what is wrong with runs, bins, page table or counters. Nothing else may run.
func checkPages(a *Arena) error {
	p := &a.pages
	var free [2]int64
	last := stateNone
	for page := uint32(firstPage); page < p.top; {
		r := p.header(*p.entry(page))
		if r.page != page || r.pages == 0 || page+r.pages > p.top {
			return fmt.Errorf("page %d: header of pages %d+%d", page, r.page, r.pages)
		}
		if end := p.header(*p.entry(page + r.pages - 1)); end != r {
			return fmt.Errorf("page %d: the run's last page names another header", page)
		}
		switch r.state {
		case stateCurrent, statePartial, stateFull, stateBig:
		case stateDirty, stateClean:
			if r.state == last {
				return fmt.Errorf("page %d: two free runs of one kind beside each other", page)
			}
			free[r.state-stateDirty] += int64(r.pages)
		default:
			return fmt.Errorf("page %d: state %d", page, r.state)
		}
		last = r.state
		page += r.pages
	}
	if free != [2]int64{p.dirty.pages, p.clean.pages} {
		return fmt.Errorf("free pages %v, bins say %d dirty, %d clean", free, p.dirty.pages, p.clean.pages)
	}
	if got, want := p.committed.Load(), int64(p.top)-firstPage-free[1]; got != want {
		return fmt.Errorf("committed %d pages, want %d", got, want)
	}
	return errors.Join(checkBins(p, &p.dirty), checkBins(p, &p.clean))
}

// checkBins checks that every listed run is in the right list and that the bitmap says which are empty.
func checkBins(p *pages, b *bins) error {
	var sum int64
	for bin, i := range b.head {
		if (i != 0) != (b.some[bin/64]>>(bin%64)&1 != 0) {
			return fmt.Errorf("bin %d: bitmap is wrong", bin)
		}
		prev := uint32(0)
		for ; i != 0; i = p.header(i).next {
			r := p.header(i)
			if r.state != b.kind || binOf(r.pages) != uint(bin) || r.prev != prev {
				return fmt.Errorf("bin %d: run of %d pages, state %d, prev %d, want %d", bin, r.pages, r.state, r.prev, prev)
			}
			prev = i
			sum += int64(r.pages)
		}
	}
	if sum != b.pages {
		return fmt.Errorf("bins hold %d pages, counted %d", sum, b.pages)
	}
	return nil
}

// checkHeap compares a heap's class counters with its runs' headers.
func checkHeap(h *Heap) error {
	p := &h.arena.pages
	var live, total, full, runs [NumClasses]int64
	for page := uint32(firstPage); page < p.top; {
		r := p.header(*p.entry(page))
		page += r.pages
		if r.owner != h.id {
			continue
		}
		live[r.class] += int64(r.used)
		total[r.class] += int64(r.cap)
		runs[r.class]++
		if r.state == stateFull {
			full[r.class] += int64(r.cap)
		}
		if r.used > r.fresh || r.fresh > r.cap {
			return fmt.Errorf("run with %d used, %d fresh, %d in all", r.used, r.fresh, r.cap)
		}
	}
	for c, cs := range h.classes {
		if live[c] != cs.live || total[c] != cs.total || full[c] != cs.full || runs[c] != int64(cs.runs) {
			return fmt.Errorf("class %d: runs say live %d total %d full %d runs %d, counters %+v", c, live[c], total[c], full[c], runs[c], cs)
		}
	}
	return nil
}

// rss returns the process's resident bytes.
func rss(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * int64(os.Getpagesize())
}

// exhausts reports whether f panics with ErrExhausted; other panics go on.
func exhausts(f func()) (yes bool) {
	defer func() {
		if v := recover(); v != nil {
			err, ok := v.(error)
			if !ok || !errors.Is(err, ErrExhausted) {
				panic(v)
			}
			yes = true
		}
	}()
	f()
	return false
}
