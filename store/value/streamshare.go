package value

import (
	"encoding/binary"

	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/tree"
)

// A stream's parts are numbered: 0 is its nodes, then for each group come its pending entries and the ids of each of its consumers. A position in a stream is the number of a part and a
// rank in its tree.
const partRankBits = 36

func partPosition(part, rank uint64) uint64 { return part<<partRankBits | rank }

func splitPosition(position uint64) (part, rank uint64) {
	return position >> partRankBits, position & (1<<partRankBits - 1)
}

// streamParts goes over the parts of a stream's groups.
type streamParts struct {
	s        RootedStream
	number   uint64
	c        tree.Cursor // at the group
	group    StreamGroup
	consumer int // its number in the group; −1: the part is the group's
	ok       bool
}

// partsFrom begins at the part of this number, which is at least 1.
func (s RootedStream) partsFrom(number uint64) (p streamParts) {
	p = streamParts{s: s, number: number, consumer: -1}
	for left := number - 1; p.nextGroup(left == number-1); {
		if left <= uint64(p.group.Consumers()) {
			p.consumer = int(left) - 1
			return p
		}
		left -= uint64(p.group.Consumers()) + 1
	}
	return p
}

// nextGroup goes to the next group, or to the first one.
func (p *streamParts) nextGroup(first bool) bool {
	e := &p.s.env.groups
	if first {
		p.ok = p.s.groups().First(e, &p.c)
	} else {
		p.ok = p.c.Next(e)
	}
	if p.ok {
		p.group = StreamGroup{p.s.env, p.c.Item(e).Ref}
	}
	return p.ok
}

// next goes to the next part.
func (p *streamParts) next() {
	p.number++
	if p.consumer++; p.consumer == p.group.Consumers() {
		p.consumer = -1
		p.nextGroup(false)
	}
}

// owner is the consumer whose part it is, and where it is in the tree of consumers.
func (p *streamParts) owner() (x StreamConsumer, c tree.Cursor) {
	e := &p.s.env.consumers
	p.group.block().consumers.At(e, &c, p.consumer)
	return StreamConsumer{p.s.env, c.Item(e).Ref}, c
}

// appendNodes appends the stream from a position on, in the form in which walks emit it (docs/formats/value.md), until dst is at least so many bytes longer.
func (s RootedStream) appendNodes(dst []byte, position uint64, bytes int) (to []byte, next uint64) {
	part, rank := splitPosition(position)
	end := len(dst) + bytes
	if part == 0 {
		if dst, rank = s.appendEntries(dst, rank, end); rank != 0 {
			return dst, partPosition(0, rank)
		}
		part = 1
	}
	p := s.partsFrom(part)
	for p.ok {
		if len(dst) >= end {
			return dst, partPosition(p.number, rank)
		}
		if p.consumer < 0 {
			dst, rank = p.group.appendPending(dst, rank, end)
		} else {
			x, _ := p.owner()
			dst, rank = x.appendOwned(dst, rank, end)
		}
		if rank == 0 {
			p.next()
		}
	}
	return dst, 0
}

// appendEntries appends nodes, and behind the last one the figures. It returns the rank to go on at, 0 at the end.
func (s RootedStream) appendEntries(dst []byte, rank uint64, end int) (to []byte, next uint64) {
	e := &s.env.stream
	var c tree.Cursor
	_, ok := s.entries().At(e, &c, int(rank))
	for ; ok; ok = c.Next(e) {
		if len(dst) >= end {
			return dst, rank
		}
		lp := s.node(&c)
		dst = idOf(c.Item(e).Key).appendBytes(dst)
		dst = append(binary.AppendUvarint(dst, uint64(len(lp))), lp...)
		rank++
	}
	f := s.Figures()
	for _, n := range [...]uint64{f.Length, f.Last.Ms, f.Last.Seq, f.First.Ms, f.First.Seq, f.MaxDeleted.Ms, f.MaxDeleted.Seq, f.Added, uint64(s.Groups())} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst, 0
}

func appendName(dst, name []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(name))), name...)
}

// appendPending appends a group's figures, its pending entries, and how many consumers follow. A rank counts from 1, the figures being 0.
func (g StreamGroup) appendPending(dst []byte, rank uint64, end int) (to []byte, next uint64) {
	e, b := &g.env.pending, g.block()
	if rank == 0 {
		dst = appendName(dst, g.Name())
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, b.last.Ms), b.last.Seq)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(b.read))
		dst = binary.AppendUvarint(dst, uint64(g.Pending()))
		rank = 1
	}
	var c tree.Cursor
	_, ok := b.pending.At(e, &c, int(rank-1))
	for ; ok; ok = c.Next(e) {
		if len(dst) >= end {
			return dst, rank
		}
		p := g.pendingAt(&c)
		dst = binary.LittleEndian.AppendUint64(p.ID.appendBytes(dst), uint64(p.DeliveredMs))
		dst = binary.AppendUvarint(dst, p.Deliveries)
		rank++
	}
	return binary.AppendUvarint(dst, uint64(g.Consumers())), 0
}

// appendOwned appends a consumer's figures and ids; ranks as with appendPending.
func (c StreamConsumer) appendOwned(dst []byte, rank uint64, end int) (to []byte, next uint64) {
	e, b := &c.env.owned, c.block()
	if rank == 0 {
		dst = appendName(dst, c.Name())
		dst = binary.LittleEndian.AppendUint64(dst, uint64(b.seen))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(b.active))
		dst = binary.AppendUvarint(dst, uint64(c.Pending()))
		rank = 1
	}
	var at tree.Cursor
	_, ok := b.pending.At(e, &at, int(rank-1))
	for ; ok; ok = at.Next(e) {
		if len(dst) >= end {
			return dst, rank
		}
		dst = idOf(at.Item(e).Key).appendBytes(dst)
		rank++
	}
	return dst, 0
}

// bytes is how much memory the stream takes but its root block: exactly the blocks (those that a clone has too are counted with both), nearly the trees.
func (s RootedStream) bytes() int64 {
	env, a := s.env, s.env.Arena
	n := *s.blocks().nodeBytes() + int64(s.entries().Bytes(&env.stream)+s.groups().Bytes(&env.groups))
	s.EachGroup(func(g StreamGroup) bool {
		b := g.block()
		pending := g.Pending() * arena.ClassSize(pendingSize)
		n += int64(a.Size(g.ref)) + b.bytes
		n += int64(pending + b.pending.Bytes(&env.pending) + b.pending.Bytes(&env.owned) + b.consumers.Bytes(&env.consumers))
		return true
	})
	return n
}

// clone makes a copy in env, which may be another shard's, that shares everything until it changes.
func (s RootedStream) clone(env *Env) RootedStream {
	to := NewStream(env)
	*to.blocks().nodeBytes() = *s.blocks().nodeBytes()
	*to.Figures() = *s.Figures()
	*to.entries() = s.entries().Snapshot(&s.env.stream)
	*to.groups() = s.groups().Snapshot(&s.env.groups)
	return to
}

// freeSome frees some n nodes, pending entries and consumers of a stream without owners, and reports whether all is free, the root block included.
func (s RootedStream) freeSome(n int) (done bool) {
	env := s.env
	if !freeTree(s.entries(), &env.stream, &n) {
		return false
	}
	for t := s.groups(); t.Items() > 0; {
		ref, c := lastSole(t, &env.groups)
		if ref != arena.Nil && !env.emptyGroup(block[groupBlock](env.Arena, ref), &n) || n <= 0 {
			return false
		}
		n--
		removeLast(t, &env.groups, ref, &c)
	}
	env.Heap.Free(s.root)
	return true
}

// freeTree frees up to some n items of a tree, takes what it freed off n, and reports whether all is free.
func freeTree(t *tree.Tree, e *tree.Env, n *int) bool {
	had := t.Items()
	if had > 0 && *n <= 0 || !t.FreeSome(e, *n) {
		*n = 0
		return false
	}
	*n -= had
	return true
}

// lastSole is the last item of a tree, if nobody else owns it, and where it is; Nil if somebody does.
func lastSole(t *tree.Tree, e *tree.Env) (ref arena.Ref, c tree.Cursor) {
	t.Last(e, &c)
	ref = c.Item(e).Ref
	if !t.Sole(e, &c) || shared(block[uint32](e.Arena, ref)) {
		return arena.Nil, c
	}
	return ref, c
}

// removeLast drops the last item of a tree, which c is at and which lastSole gave; if that was Nil, some part of the tree that others own, too.
func removeLast(t *tree.Tree, e *tree.Env, ref arena.Ref, c *tree.Cursor) {
	if ref != arena.Nil || t.Sole(e, c) {
		e.Drop(t.Remove(e, c).Ref)
		return
	}
	t.FreeSome(e, 1)
}

// emptyGroup frees some n things in a group that nobody else owns, takes that off n, and reports whether nothing is left in it.
func (env *Env) emptyGroup(b *groupBlock, n *int) bool {
	if !freeTree(&b.pending, &env.pending, n) {
		return false
	}
	for t := &b.consumers; t.Items() > 0; {
		ref, c := lastSole(t, &env.consumers)
		if ref != arena.Nil && !freeTree(&block[consumerBlock](env.Arena, ref).pending, &env.owned, n) || *n <= 0 {
			return false
		}
		*n--
		removeLast(t, &env.consumers, ref, &c)
	}
	return true
}

// defrag goes over one leaf of one of the stream's trees from a position on, and moves blocks and parts of the tree where that wins memory. Groups and consumers themselves, and names,
// stay where they are.
func (s RootedStream) defrag(position uint64) (next uint64, moved, left int) {
	part, rank := splitPosition(position)
	env := s.env
	blocks, kept := 0, 0
	move := func(ref arena.Ref) arena.Ref {
		if shared(block[uint32](env.Arena, ref)) || !env.Heap.ShouldMove(ref) {
			kept++
			return ref
		}
		n := env.Arena.Size(ref)
		to := env.Heap.Alloc(n)
		copy(env.Arena.Bytes(to, n), env.Arena.Bytes(ref, n))
		env.Heap.Free(ref)
		blocks++
		return to
	}
	at := 0
	p := streamParts{ok: true}
	if part == 0 {
		at, moved, left = s.entries().Defrag(&env.stream, int(rank), move)
	} else if p = s.partsFrom(part); p.ok {
		at, moved, left = p.defrag(int(rank), move)
	}
	switch {
	case at != 0:
		next = partPosition(part, uint64(at))
	case part == 0:
		next = partPosition(1, 0)
	case p.ok:
		next = partPosition(part+1, 0)
	}
	if part == 0 && at == 0 && s.Groups() == 0 {
		next = 0
	}
	return next, moved + blocks, left + kept
}

// defrag goes over one leaf of a part, if nobody else owns what it is in.
func (p *streamParts) defrag(rank int, move func(arena.Ref) arena.Ref) (next, moved, left int) {
	env, b := p.s.env, p.group.block()
	if !p.s.groups().Sole(&env.groups, &p.c) || shared(&b.owners) {
		return 0, 0, 0
	}
	if p.consumer < 0 {
		return b.pending.Defrag(&env.pending, rank, move)
	}
	x, c := p.owner()
	if !b.consumers.Sole(&env.consumers, &c) || shared(&x.block().owners) {
		return 0, 0, 0
	}
	return x.block().pending.Defrag(&env.owned, rank, nil)
}
