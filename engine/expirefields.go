package engine

import (
	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
)

// Fields of hashes that are over are shown to nobody, but stay until they are overwritten or the cycle comes to them: a look at a hash deletes nothing.

// FieldsExpired implements spec.Engine.
func (x *Executor) FieldsExpired(n int) { x.turn.expiredFields += uint64(n) }

// fieldRounds is how many stretches of the index of timed hashes are looked at under one hold of a shard's lock.
const fieldRounds = 16

// expireFields deletes fields that are over in one database of a shard, which is held, some hundred at most. It is to be called again at once if there may be more.
func (c *Cycle) expireFields(at place) (again bool) {
	d := c.x.e.shards[at.shard].ks.DB(at.db)
	left, pos := limits.FieldsExpiredAtOnce, c.fields[at]
	for round := 0; round < fieldRounds && d.TimedHashes() > 0; round++ {
		s := d.SampleFields(pos, c.x.call.Now, func(ent keyspace.Entry) (next int64) {
			if left <= 0 {
				return 0
			}
			next, n := c.expireHash(d, ent, left)
			left -= n
			return next
		})
		if left <= 0 {
			again = true // it goes on where it is
			break
		}
		again = again || s.Expired > 0
		if pos = s.Next; pos == 0 {
			again = false
			break
		}
	}
	c.fields[at] = pos
	return again
}

// expireHash deletes up to most fields of a hash that are over, tells so, and returns a time before which none of the others is, as SampleFields wants it, and how many it deleted.
// They are propagated as HDEL, whoever had them deleted: replicas tell of the fields first, then of the key.
func (c *Cycle) expireHash(d *keyspace.DB, ent keyspace.Entry, most int) (next int64, n int) {
	x := c.x
	k := spec.KeyRef{Name: append([]byte(nil), ent.Key()...), DB: d}
	k.Hash = x.e.Space.Hash(k.Name)
	gone := [][]byte{hdel, k.Name}
	var h collection.Hash
	h.Open(collection.Key{DB: d, Hash: k.Hash, Name: k.Name}, ent)
	next, deleted := h.RemoveOver(x.call.Now, most, func(field []byte) { gone = append(gone, field) })
	if n = len(gone) - 2; n == 0 {
		return next, 0
	}
	if x.e.Journal.On() {
		x.fx.add(d.Index(), gone...)
	}
	x.turn.expiredFields += uint64(n)
	x.Notify('x', "hexpired", &k)
	if deleted {
		x.fx.expired(x, &k)
		x.Notify('g', "del", &k)
	}
	x.modified(&k, nil)
	return next, n
}

var hdel = []byte("HDEL")
