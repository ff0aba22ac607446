package dict

import "github.com/larder-cache/larder/store/arena"

// Bytes is how much memory the index takes: directory, headers and buckets, overflow buckets not counted. It reads a word for each segment.
func (d *Dict) Bytes(e *Env) int64 {
	if d.dir == 0 {
		return 0
	}
	n := arena.ClassSize(dirBytes(d.dirBits))
	for slot := uint64(0); slot < d.dirSlots(); {
		w := *d.wordAt(e, slot)
		n += arena.ClassSize(bucketSize<<w.bits()) + arena.ClassSize(headerSize)
		slot += 1 << (uint(d.dirBits) - w.depth())
	}
	return int64(n)
}

// Earliest is a time before which no volatile entry expires: the least of its segments' bounds. False if there is no volatile entry.
func (d *Dict) Earliest(e *Env) (at int64, ok bool) {
	at = noExpiry
	for pos, more := d.NextVolatile(e, 0); more; pos, more = d.NextVolatile(e, pos) {
		s := d.at(e, pos)
		at, ok = min(at, s.hdr.earliest), true
		pos = s.end(d)
	}
	return at, ok
}
