package keyspace

import "github.com/larder-cache/larder/store/arena"

// bigImage is the image of a string of more than ChunkBytes: a share in its block, and the chunks of it that were written to while it waited, as they were before. So who
// changes a byte of a big string while a walk needs it copies one chunk, and not the string.
//
// Its shard's lock guards it. It is found by its block, so that a writer to the block knows what to save.
type bigImage struct {
	block arena.Ref
	total int
	sent  int // bytes that were emitted: whole chunks, but at the end
	// saved are chunks by their number. Invariant: none of them was emitted.
	saved map[int][]byte
}

// bytes is how much the image holds in saved chunks.
func (b *bigImage) bytes() (n int) {
	for _, chunk := range b.saved {
		n += len(chunk)
	}
	return n
}

// share gives a walk a share in an entry's block. Of a long one the image is remembered: writers ask for it.
func (ws *walkShard) share(e Entry, total int) (block arena.Ref, big *bigImage) {
	block, _ = e.bigValue()
	owners(ws.shard.space.arena, block).Add(walkShare)
	if total <= ChunkBytes {
		return block, nil
	}
	big = &bigImage{block: block, total: total}
	if ws.bigs == nil {
		ws.bigs = map[arena.Ref]*bigImage{}
	}
	if ws.bigs[block] == nil { // else two keys share it: no longer in place, see writable
		ws.bigs[block] = big
	}
	return block, big
}

// unshare ends what share began.
func (ws *walkShard) unshare(block arena.Ref, big *bigImage) {
	if big != nil {
		if ws.bigs[block] == big {
			delete(ws.bigs, block)
		}
		ws.saving(-big.bytes())
	}
	ws.shard.releaseWalk(block)
}

// saving counts bytes of saved chunks.
func (ws *walkShard) saving(n int) {
	ws.queue.bytes += n
	ws.shard.space.preImages.add(n)
}

// chunk is the next chunk of an image, and where it begins.
func (ws *walkShard) chunk(b *bigImage) (offset int, bytes []byte) {
	if saved := b.saved[b.sent/ChunkBytes]; saved != nil {
		return b.sent, saved
	}
	return b.sent, blockBytes(ws.shard.space.arena, b.block, b.total)[b.sent:min(b.sent+ChunkBytes, b.total)]
}

// emitted: the next chunk of an image is done with.
func (ws *walkShard) emitted(b *bigImage) {
	i := b.sent / ChunkBytes
	ws.saving(-len(b.saved[i]))
	delete(b.saved, i)
	b.sent = min(b.sent+ChunkBytes, b.total)
}

// imagesOf calls fn for the images of a block that this shard's walks wait to emit.
func (sh *Shard) imagesOf(block arena.Ref, fn func(*walkShard, *bigImage)) {
	for i := range sh.space.walks {
		w := sh.space.walks[i].Load()
		if w == nil {
			continue
		}
		ws := &w.shards[sh.index]
		if b := ws.bigs[block]; b != nil {
			fn(ws, b)
		}
	}
}

// writable reports whether the one entry that asks may write to its block where it is: it is the only owner but for walks that have an image in this shard, for which save keeps
// what changes. Nobody else can become one meanwhile: a share is had from an owner, and all of them are in this shard.
func (sh *Shard) writable(block arena.Ref) bool {
	n := owners(sh.space.arena, block).Load()
	if n != 1 {
		sh.imagesOf(block, func(*walkShard, *bigImage) { n -= walkShare })
	}
	return n == 1
}

// save keeps, for every image of a block, the chunks that a write to the span will change.
func (sh *Shard) save(block arena.Ref, span Span) {
	sh.imagesOf(block, func(ws *walkShard, b *bigImage) {
		if span.From >= b.total {
			return // the string has grown since
		}
		bytes := blockBytes(sh.space.arena, block, b.total)
		from, to := max(span.From, b.sent)/ChunkBytes, min(span.To, b.total)
		for i := from; i*ChunkBytes < to; i++ {
			if b.saved[i] != nil {
				continue
			}
			if b.saved == nil {
				b.saved = map[int][]byte{}
			}
			at := i * ChunkBytes
			b.saved[i] = append([]byte(nil), bytes[at:min(at+ChunkBytes, b.total)]...)
			ws.saving(len(b.saved[i]))
		}
	})
}
