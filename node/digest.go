package node

import (
	"strconv"

	"github.com/larder-cache/larder/store/decimal"
	"github.com/larder-cache/larder/store/intset"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/listpack"
	val "github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// collection mixes in a list's elements in their order, or XORs in those of a set, hash or sorted set, however it is encoded; a stream's entries
// in their order, ids and all. A hash's fields that were over before now (ms since 1970) are not there, as for whoever reads it.
func (d *digest) collection(e keyspace.Entry, now int64) {
	if e.Root() != 0 {
		d.rooted(e, now)
		return
	}
	if e.Encoding() == val.IntSet {
		for i := range intset.Len(e.Packed()) {
			d.xor(strconv.AppendInt(nil, intset.At(e.Packed(), i), 10))
		}
		return
	}
	var first, second [decimal.MaxLen]byte
	lp := e.Packed()
	for at := listpack.First(lp); at != listpack.None; at = listpack.Next(lp, at) {
		member := listpack.Text(lp, at, &first)
		switch e.Type() {
		case val.List:
			d.mix(member)
		case val.Set:
			d.xor(member)
		case val.ZSet:
			at = listpack.Next(lp, at)
			d.pair(member, packedScore(listpack.Text(lp, at, &second)))
		default:
			at = listpack.Next(lp, at)
			d.pair(member, listpack.Text(lp, at, &second))
		}
	}
}

func (d *digest) rooted(e keyspace.Entry, now int64) {
	env, root := e.DB().Values(), e.Root()
	switch e.Type() {
	case val.Set:
		val.OpenSet(env, root).Each(func(x val.Element) bool { d.xor(x.Member()); return true })
	case val.Hash:
		val.OpenHash(env, root).Each(func(x val.Element) bool {
			if v, ok := x.Live(now); ok {
				d.pair(x.Member(), v)
			}
			return true
		})
	case val.ZSet:
		val.OpenZSet(env, root).Each(func(x val.Element) bool { d.pair(x.Member(), scoreText(x.Score())); return true })
	case val.List:
		var at val.ListCursor
		for ok := val.OpenList(env, root).Seek(&at, 0); ok; ok = at.Next() {
			d.mix(listText(&at))
		}
	case val.Stream:
		d.stream(val.OpenStream(env, root))
	}
}

// stream mixes in a stream's entries. Source: xorObjectDigest of Valkey, which leaves groups out, too.
func (d *digest) stream(s val.RootedStream) {
	var it val.StreamIter
	var text []byte
	for s.Iterate(&it, val.StreamID{}, val.MaxStreamID(), false); it.Next(); {
		id := it.ID()
		text = append(strconv.AppendUint(text[:0], id.Ms, 10), '.')
		d.mix(strconv.AppendUint(text, id.Seq, 10))
		for range it.Fields() {
			field, value := it.Field()
			d.mix(field)
			d.mix(value)
		}
	}
}

// pair XORs in two things that belong together.
func (d *digest) pair(a, b []byte) {
	var one digest
	one.mix(a)
	one.mix(b)
	d.xor(one[:])
}

// scoreText is a score as it is mixed in, whichever way it is kept.
func scoreText(score float64) []byte { return resp.AppendShortest(nil, score) }

// packedScore is a packed score's text in that form.
func packedScore(text []byte) []byte {
	score, _ := resp.ParseFloat(text)
	return scoreText(score)
}

// listText is the element that a cursor is at.
func listText(at *val.ListCursor) []byte {
	s, n := at.Get()
	if s == nil {
		s = strconv.AppendInt(nil, n, 10)
	}
	return s
}
