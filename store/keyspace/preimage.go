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

// preImages counts what waits for all walks of a space, and tells when that is too much.
type preImages struct {
	waiting atomic.Int64
	blocks  atomic.Int64 // of that, values in the arena that no key has any more
	bound   atomic.Int64
	full    atomic.Bool
	mu      sync.Mutex // held while full changes, so that notify hears of the changes in order
	notify  func(full bool)
}

// setBound fixes how much may wait, by what the space has.
func (p *preImages) setBound(used int64) {
	p.bound.Store(min(max(used/limits.PreImageQueueShare, limits.MinPreImageQueueBytes), limits.MaxPreImageQueueBytes))
}

// again is how little must wait before writers go on. It is not much below the bound: who waits does so for what is between them to be written, which must be milliseconds.
func again(bound int64) int64 { return bound - min(bound/16, limits.PreImageQueueStep) }

// add counts. It may be called under any shard's lock.
func (p *preImages) add(n int) {
	now, full := p.waiting.Add(int64(n)), p.full.Load()
	if bound := p.bound.Load(); !full && now > bound || full && now <= again(bound) {
		p.cross()
	}
}

// cross brings full up to date. It looks again until nothing changes: who counted meanwhile has seen the old state, and left it alone.
func (p *preImages) cross() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		now, bound, full := p.waiting.Load(), p.bound.Load(), p.full.Load()
		if full && now > again(bound) || !full && now <= bound {
			return
		}
		p.full.Store(!full)
		if p.notify != nil {
			p.notify(!full)
		}
	}
}

// NotifyPreImages sets what is called, under some shard's lock, when more pre-images wait for walks than may (true), and when
// that is over (false). fn must neither wait nor take a shard. Once, before the space is used.
func (s *Space) NotifyPreImages(fn func(full bool)) { s.preImages.notify = fn }

// addBlock counts a block that only walks have any more, or n below 0: that had it.
func (p *preImages) addBlock(n int64) {
	p.blocks.Add(n)
	p.add(int(n))
}

// PreImageCopies is how many of the bytes that wait for walks are not in the arena.
func (s *Space) PreImageCopies() int64 {
	return s.preImages.waiting.Load() - s.preImages.blocks.Load()
}

// PreImages is how many bytes wait for walks in all shards, copies and values that no key has any more, and how many may before writers have to wait.
func (s *Space) PreImages() (waiting, bound int64) {
	return s.preImages.waiting.Load(), s.preImages.bound.Load()
}
