package keyspace

import (
	"github.com/larder-cache/larder/store/arena"
	"github.com/larder-cache/larder/store/dict"
)

// Scan calls fn for about count keys from a position on, and returns the next position, or 0 when the database is through in this
// shard. Starting at 0 until it answers 0 gives every key that is there throughout at least once. Space.Cursor makes one cursor for all shards.
// It goes by whole buckets, so there may be some more, and gives up after 10 × count empty ones, as Redis does. fn must not change the shard.
func (d *DB) Scan(position uint64, count int, fn func(Entry)) uint64 {
	n, count := 0, max(count, 1)
	visit := func(ref arena.Ref) {
		n++
		fn(d.entry(ref))
	}
	for empty := 10 * count; n < count && empty > 0; empty-- {
		position = d.root.dict.Visit(&d.shard.env, position, visit)
		if position == dict.End {
			return 0
		}
	}
	return position
}

// Random is a key picked with equal chances, or none if there is none. rnd gives 64 random bits at each call.
func (d *DB) Random(rnd func() uint64) Entry { return d.orNone(d.root.dict.Random(&d.shard.env, rnd)) }

// RandomVolatile is some key with an expiry, or none if there is none. The chances are not equal, but every one has some: good enough to sample for eviction.
func (d *DB) RandomVolatile(rnd func() uint64) Entry {
	return d.orNone(d.root.dict.RandomVolatile(&d.shard.env, rnd))
}

func (d *DB) orNone(ref arena.Ref) Entry {
	if ref == 0 {
		return Entry{}
	}
	return d.entry(ref)
}

// Sampled is what SampleExpired did.
type Sampled struct {
	// Next is the position to go on at: 0 when the database was gone through to its end.
	Next uint64
	// Checked volatile keys were looked at, Expired of them were given to fn.
	Checked, Expired int
}

// dueSegments bounds how much of the index one step goes through where nothing is due.
const dueSegments = 1024

// dueBatch is how many expired keys are collected before they are deleted.
const dueBatch = 64

// SampleExpired is a step of the active expiry cycle: from a position on it looks at volatile keys, until it has looked at limit of them (whole segments of some hundred
// keys, so at a few more), or at dueSegments stretches that have none to expire, or the database is through, and gives fn those that expired before now. fn deletes the key, or returns false if it leaves it; it changes nothing else. Stretches without volatile keys, or where
// none can have expired, cost one bit or one comparison a segment.
func (d *DB) SampleExpired(position uint64, now int64, limit int, fn func(Entry) (deleted bool)) Sampled {
	var s Sampled
	var buf [dueBatch]arena.Ref
	env := &d.shard.env
	s.Next = position
	for segments := 0; s.Checked < limit && segments < dueSegments; {
		r := d.root.dict.Due(env, s.Next, now, d.shard.expireAt, buf[:])
		s.Checked += r.Checked
		segments += r.Segments
		s.Expired += r.N
		for _, ref := range buf[:r.N] {
			e := d.entry(ref)
			hash, at := d.shard.space.Hash(e.Key()), e.ExpireAt()
			if !fn(e) {
				d.root.dict.Keep(env, hash, at)
			}
		}
		if s.Next = r.Next; s.Next == dict.End {
			s.Next = 0
			break
		}
	}
	return s
}
