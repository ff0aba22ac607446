package vfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// CrashClone returns the file system as it may be found after the machine has lost power now. The Mem itself goes on
// unharmed, so one history can be crashed in many ways. What was synced is there. Of the rest, rng decides: each
// directory keeps a prefix of the changes since its SyncDir; each write and truncation since a file's Sync is kept,
// lost, or (a write) torn at sectors. With a nil rng all that was not synced is lost, the strictest outcome.
//
// The same history and the same state of rng give the same outcome.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	if rng == nil {
		return m.clone(survivors{dir: func([]dirChange) int { return 0 }, file: loseAll})
	}
	return m.clone(survivors{
		dir:  func(pending []dirChange) int { return rng.IntN(len(pending) + 1) },
		file: func(pending []fileChange) []fileChange { return tear(pending, rng) },
	})
}

// KillClone returns the file system as it is found after all processes were killed now and the machine went on: with
// everything that was written, synced or not, and no lock.
func (m *Mem) KillClone() *Mem {
	return m.clone(survivors{
		dir:  func(pending []dirChange) int { return len(pending) },
		file: func(pending []fileChange) []fileChange { return pending },
	})
}

// survivors decides what is left of the changes that were not synced: of a directory's, how many of the first ones; of
// a file's, which, in order.
type survivors struct {
	dir  func(pending []dirChange) int
	file func(pending []fileChange) []fileChange
}

func (m *Mem) clone(s survivors) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := map[*memNode]*memNode{}
	names := slices.Sorted(maps.Keys(m.roots)) // a fixed order, so that a seed always decides the same
	clones := make(map[string]*memNode, len(names))
	for _, name := range names {
		clones[name] = cloneNode(m.roots[name], s, done)
	}
	c := NewMem()
	c.roots = clones
	return c
}

// cloneNode copies what survives of n and all below it. done has the copies made so far: a node can have two names when
// the removal of one did not survive.
func cloneNode(n *memNode, s survivors, done map[*memNode]*memNode) *memNode {
	if c, ok := done[n]; ok {
		return c
	}
	if !n.isDir() {
		c := newMemFile(n.mode)
		done[n] = c
		c.file.durable = bytes.Clone(n.file.durable)
		for _, change := range s.file(n.file.pending) {
			c.file.durable = change.apply(c.file.durable)
		}
		c.file.now = bytes.Clone(c.file.durable)
		return c
	}
	c := newMemDir(n.mode)
	done[n] = c
	entries := maps.Clone(n.dir.durable)
	for _, change := range n.dir.pending[:s.dir(n.dir.pending)] {
		change.apply(entries)
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		c.dir.durable[name] = cloneNode(entries[name], s, done)
	}
	c.dir.now = maps.Clone(c.dir.durable)
	return c
}

func loseAll([]fileChange) []fileChange { return nil }

// tear returns what a power cut leaves of the changes: each is kept, lost, or torn.
func tear(pending []fileChange, rng *rand.Rand) []fileChange {
	var left []fileChange
	for _, c := range pending {
		switch rng.IntN(3) {
		case 0: // lost
		case 1:
			left = append(left, c)
		case 2:
			left = append(left, tearWrite(c, rng)...)
		}
	}
	return left
}

// tearWrite returns a write's sectors, each with probability one half. Sectors are those of the file, so the first and
// the last piece may be shorter. A truncation cannot be torn, and is kept.
func tearWrite(c fileChange, rng *rand.Rand) []fileChange {
	if c.data == nil {
		return []fileChange{c}
	}
	var left []fileChange
	for at, end := c.offsetBytes, c.offsetBytes+int64(len(c.data)); at < end; {
		next := min(end, at-at%sectorBytes+sectorBytes)
		if rng.IntN(2) == 0 {
			left = append(left, fileChange{offsetBytes: at, data: c.data[at-c.offsetBytes : next-c.offsetBytes]})
		}
		at = next
	}
	return left
}
