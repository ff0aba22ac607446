package dict

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/larder-cache/larder/store/arena"
)

// slots is the number of entries that a bucket holds; one less if its last slot links to an overflow bucket.
const slots = 10

// bucket is a pointer to 64 bytes: word of bits (0–9 occupied, 10–19 volatile, 20 linked), ten fingerprints, ten 5-byte refs.
type bucket struct{ p unsafe.Pointer }

const (
	fpAt      = 4
	refAt     = 14
	volShift  = 10
	linkedBit = 1 << 20
	occupied  = 1<<slots - 1
	linkSlot  = slots - 1
)

// Place is where an entry is in its dict. It is valid until the next Insert or Remove.
type Place struct {
	b bucket
	i uint
}

// Found reports whether it is a place at all.
func (p Place) Found() bool { return p.b.p != nil }

// Ref is the entry at the place.
func (p Place) Ref() arena.Ref { return p.b.ref(p.i) }

// fingerprint is taken from bits 8 to 15: the bits above choose the bucket, those below the shard.
func fingerprint(h uint64) uint8 { return uint8(h >> 8) }

func (b bucket) meta() *uint32 { return (*uint32)(b.p) }

func (b bucket) fp(i uint) *uint8 { return (*uint8)(unsafe.Add(b.p, fpAt+i)) }

// ref reads 8 bytes that end where the 5-byte ref ends, so that the read stays in the bucket.
func (b bucket) ref(i uint) arena.Ref {
	p := (*[8]byte)(unsafe.Add(b.p, refAt-3+5*i))
	return arena.Ref(binary.LittleEndian.Uint64(p[:]) >> 24)
}

func (b bucket) setRef(i uint, ref arena.Ref) {
	p := (*[5]byte)(unsafe.Add(b.p, refAt+5*i))
	binary.LittleEndian.PutUint32(p[:], uint32(ref))
	p[4] = byte(ref >> 32)
}

func (b bucket) volatile(i uint) bool { return *b.meta()>>(volShift+i)&1 != 0 }

func (b bucket) setVolatile(i uint, on bool) {
	if on {
		*b.meta() |= 1 << (volShift + i)
	} else {
		*b.meta() &^= 1 << (volShift + i)
	}
}

func (b bucket) linked() bool { return *b.meta()&linkedBit != 0 }

// next is the overflow bucket, or nil.
func (b bucket) next(e *Env) bucket {
	if !b.linked() {
		return bucket{}
	}
	return bucket{e.Arena.Ptr(b.ref(linkSlot))}
}

func (b bucket) put(i uint, fp uint8, ref arena.Ref, volatile bool) {
	*b.fp(i) = fp
	b.setRef(i, ref)
	m := *b.meta() | 1<<i
	if volatile {
		m |= 1 << (volShift + i)
	}
	*b.meta() = m
}

func (b bucket) clear(i uint) { *b.meta() &^= 1<<i | 1<<(volShift+i) }

// add puts an entry in the first free slot of the chain, which is made longer if it is full.
func (b bucket) add(e *Env, fp uint8, ref arena.Ref, volatile bool) {
	for b.linked() {
		if b.addHere(fp, ref, volatile) {
			return
		}
		b = b.next(e)
	}
	if !b.addHere(fp, ref, volatile) {
		b.link(e).addHere(fp, ref, volatile)
	}
}

func (b bucket) addHere(fp uint8, ref arena.Ref, volatile bool) bool {
	free := ^*b.meta() & occupied
	if b.linked() {
		free &^= 1 << linkSlot
	}
	if free == 0 {
		return false
	}
	b.put(uint(bits.TrailingZeros32(free)), fp, ref, volatile)
	return true
}

// link appends an overflow bucket to a full one and moves the last slot's entry there, whose place the link takes.
func (b bucket) link(e *Env) bucket {
	ref := e.Heap.AllocZero(bucketSize)
	o := bucket{e.Arena.Ptr(ref)}
	o.put(0, *b.fp(linkSlot), b.ref(linkSlot), b.volatile(linkSlot))
	b.clear(linkSlot)
	b.setRef(linkSlot, ref)
	*b.meta() |= linkedBit
	return o
}

// remove empties a place in the chain that begins at b, and fills it from the chain's end, so that only the last bucket has free slots.
func (b bucket) remove(e *Env, p Place) {
	prev, last := bucket{}, b
	for last.linked() {
		prev, last = last, last.next(e)
	}
	i := uint(bits.Len32(*last.meta()&occupied)) - 1
	if last.p != p.b.p || i != p.i {
		p.b.clear(p.i)
		p.b.put(p.i, *last.fp(i), last.ref(i), last.volatile(i))
	}
	last.clear(i)
	if prev.p != nil && *last.meta()&occupied == 0 {
		e.Heap.Free(prev.ref(linkSlot))
		*prev.meta() &^= linkedBit
	}
}

// touch reads a byte of every entry in the bucket. The reads do not wait for each other, so what goes through the entries next misses
// the cache once a bucket, not once an entry.
func (b bucket) touch(e *Env) {
	var sum byte
	for m := *b.meta() & occupied; m != 0; m &= m - 1 {
		sum += *(*byte)(e.Arena.Ptr(b.ref(uint(bits.TrailingZeros32(m)))))
	}
	e.touched = sum
}

// freeTail frees the overflow buckets of a chain, not its first one.
func (b bucket) freeTail(e *Env) {
	if !b.linked() {
		return
	}
	ref := b.ref(linkSlot)
	bucket{e.Arena.Ptr(ref)}.freeTail(e)
	e.Heap.Free(ref)
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// match is a bit for each occupied slot whose fingerprint is fp. It may rarely name a slot of another fingerprint, never miss one.
func (b bucket) match(fp uint8) uint32 {
	x := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(b.p, fpAt))[:]) ^ ones*uint64(fp)
	hit := uint32(((x - ones) &^ x & tops) >> 7 * 0x0102040810204080 >> 56)
	if *b.fp(8) == fp {
		hit |= 1 << 8
	}
	if *b.fp(9) == fp {
		hit |= 1 << 9
	}
	return hit & *b.meta() & occupied
}

// Probe goes through the entries that may have a hash.
type Probe struct {
	e    *Env
	b    bucket
	hits uint32
	i    uint
	fp   uint8
}

// Probe begins a look-up: call Next, then Ref, and compare keys, until found.
func (d *Dict) Probe(e *Env, h uint64) Probe {
	if d.dir == 0 {
		return Probe{}
	}
	b := d.home(e, h)
	fp := fingerprint(h)
	return Probe{e: e, b: b, fp: fp, hits: b.match(fp)}
}

// Next goes to the next candidate; false when there is none.
func (p *Probe) Next() bool {
	if p.hits == 0 && !p.follow() {
		return false
	}
	p.i = uint(bits.TrailingZeros32(p.hits))
	p.hits &= p.hits - 1
	return true
}

func (p *Probe) follow() bool {
	if p.b.p == nil {
		return false
	}
	for p.hits == 0 {
		p.b = p.b.next(p.e)
		if p.b.p == nil {
			return false
		}
		p.hits = p.b.match(p.fp)
	}
	return true
}

// Ref is the candidate.
func (p *Probe) Ref() arena.Ref { return p.b.ref(p.i) }

// Place is where the candidate is.
func (p *Probe) Place() Place { return Place{p.b, p.i} }

// Find is the place of an entry that is known to be in the dict by its ref.
func (d *Dict) Find(e *Env, h uint64, ref arena.Ref) Place {
	p := d.Probe(e, h)
	for p.Next() {
		if p.Ref() == ref {
			return p.Place()
		}
	}
	return Place{}
}
