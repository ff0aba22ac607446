package keyspace

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/store/arena"
)

// image is a queued pre-image. Its key is at the beginning of its place in the chunk, a small value comes behind it.
type image struct {
	item       Item // without slices
	at         int
	klen, vlen int
	block      arena.Ref // a share in a big value, or 0
	big        *bigImage // of a long one, or nil
	part       *part     // the way through a rooted value, or nil
}

// bytes is what the image holds of memory, itself included. A block is not its own as long as a key has it, see release.
func (im *image) bytes() int {
	n := int(unsafe.Sizeof(image{})) + im.klen + im.vlen
	if im.big != nil {
		n += int(unsafe.Sizeof(bigImage{}))
	}
	if im.part != nil {
		n += int(unsafe.Sizeof(part{})) + len(im.part.key)
	}
	return n
}

// preImageQueue is what a walk has been handed before it came to it, in the order in which it came. It is made of chunks, so that what has been emitted is
// given back although the queue may never be empty.
type preImageQueue struct {
	chunks []*imageChunk
	bytes  int // of all images
}

// imageChunk is some images, and the bytes of their keys and small values.
type imageChunk struct {
	images []image
	head   int
	buf    []byte
}

// chunkBytes is how many bytes of keys and values a chunk has room for; an image that is bigger has one of its own.
const chunkBytes = 64 << 10

func (q *preImageQueue) empty() bool { return len(q.chunks) == 0 }

// push appends an image and returns how much memory that is.
func (q *preImageQueue) push(im image, key, val []byte) int {
	need := len(key) + len(val)
	last := len(q.chunks) - 1
	if last < 0 || cap(q.chunks[last].buf)-len(q.chunks[last].buf) < need {
		q.chunks = append(q.chunks, &imageChunk{buf: make([]byte, 0, max(chunkBytes, need))})
		last++
	}
	c := q.chunks[last]
	im.at, im.klen, im.vlen = len(c.buf), len(key), len(val)
	c.buf = append(append(c.buf, key...), val...)
	c.images = append(c.images, im)
	n := im.bytes()
	q.bytes += n
	return n
}

// first is the oldest image, and the key and the small value that it has copies of. The queue is not empty.
func (q *preImageQueue) first() (im *image, key, val []byte) {
	c := q.chunks[0]
	im = &c.images[c.head]
	return im, c.buf[im.at : im.at+im.klen], c.buf[im.at+im.klen : im.at+im.klen+im.vlen]
}

// pop drops the oldest image and returns how much memory that was.
func (q *preImageQueue) pop() int {
	c := q.chunks[0]
	n := c.images[c.head].bytes()
	q.bytes -= n
	if c.head++; c.head == len(c.images) {
		q.chunks[0] = nil
		if q.chunks = q.chunks[1:]; len(q.chunks) == 0 {
			q.chunks = nil
		}
	}
	return n
}

// Pressure says what writers have to do for walks that do not get on as fast as they write.
type Pressure int32

// The pressures, in ascending order.
const (
	Easy Pressure = iota // nothing
	Slow                 // more waits than should: a write is to wait until that is over, but not for long
	Full                 // more waits than may: no write
)

// preImages counts what waits for all walks of a space, and tells when that is too much.
type preImages struct {
	waiting  atomic.Int64
	blocks   atomic.Int64 // of that, values in the arena that no key has any more
	bound    atomic.Int64 // from where it is Slow
	fixed    int64        // the bound of every walk; 0: by what the space has
	pressure atomic.Int32
	mu       sync.Mutex // held while pressure changes, so that notify hears of the changes in order
	notify   func(Pressure)
}

// setBound fixes how much may wait, by what the space has.
func (p *preImages) setBound(used int64) {
	bound := min(max(used/limits.PreImageQueueShare, limits.MinPreImageQueueBytes), limits.MaxPreImageQueueBytes)
	if p.fixed > 0 {
		bound = p.fixed
	}
	p.bound.Store(bound)
}

// BoundPreImages fixes from how many bytes on writers have to wait for the walks that begin from now on, whatever the space has. All shards are held.
func (s *Space) BoundPreImages(bytes int64) { s.preImages.fixed = bytes }

// most is how much may wait at all. What is between it and the bound is there for the time in which a disk or a replica takes nothing, and writers come through slowly.
func most(bound int64) int64 { return bound + bound/limits.PreImageHeadroomShare }

// again is how little must wait before a bound is forgotten. It is not much below: who waits does so for what is between them to be written, which must be milliseconds.
func again(bound int64) int64 { return bound - min(bound/16, limits.PreImageQueueStep) }

// after is the pressure that follows another when so much waits.
func (p *preImages) after(was Pressure, waiting int64) Pressure {
	bound := p.bound.Load()
	switch {
	case waiting <= again(bound):
		return Easy
	case waiting > most(bound):
		return Full
	case was == Full && waiting > again(most(bound)):
		return Full
	case was == Easy && waiting <= bound:
		return Easy
	}
	return Slow
}

// add counts. It may be called under any shard's lock.
func (p *preImages) add(n int) {
	now := p.waiting.Add(int64(n))
	if was := Pressure(p.pressure.Load()); p.after(was, now) != was {
		p.cross()
	}
}

// cross brings the pressure up to date. It looks again until nothing changes: who counted meanwhile has seen the old state, and left it alone.
func (p *preImages) cross() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		was := Pressure(p.pressure.Load())
		now := p.after(was, p.waiting.Load())
		if now == was {
			return
		}
		p.pressure.Store(int32(now))
		if p.notify != nil {
			p.notify(now)
		}
	}
}

// NotifyPreImages sets what is called, under some shard's lock, when the pressure on writers changes. fn must neither wait nor take a shard. Once, before the space is used.
func (s *Space) NotifyPreImages(fn func(Pressure)) { s.preImages.notify = fn }

// addBlock counts a block that only walks have any more, or n below 0: that had it.
func (p *preImages) addBlock(n int64) {
	p.blocks.Add(n)
	p.add(int(n))
}

// PreImageCopies is how many of the bytes that wait for walks are not in the arena.
func (s *Space) PreImageCopies() int64 {
	return s.preImages.waiting.Load() - s.preImages.blocks.Load()
}

// PreImages is how many bytes wait for walks in all shards, copies and values that no key has any more, and from how many on writers have to wait.
func (s *Space) PreImages() (waiting, bound int64) {
	return s.preImages.waiting.Load(), s.preImages.bound.Load()
}
