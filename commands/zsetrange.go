package commands

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/wire/resp"
)

func zsetRangeCommands() []*spec.Command {
	const read, seen, removes = spec.ReadOnly, spec.RO | spec.Reads, spec.RW | spec.Deletes
	logs := func(what string) string {
		return "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements " + what + "."
	}
	limit := spec.Opt(spec.After("LIMIT", spec.Block("limit", spec.Int("offset"), spec.Int("count"))))
	sortBy := spec.Opt(spec.OneOf("sortby", spec.Token("BYSCORE"), spec.Token("BYLEX")))
	newer := func(a spec.Arg) spec.Arg { return spec.Since("6.2.0", a) }
	withScores, rev := word("withscores", "WITHSCORES"), word("rev", "REV")
	scores, swapped := spec.Args(spec.Double("min"), spec.Double("max")), spec.Args(spec.Double("max"), spec.Double("min"))
	words, swappedWords := spec.Args(spec.Str("min"), spec.Str("max")), spec.Args(spec.Str("max"), spec.Str("min"))
	indexes := spec.Args(spec.Int("start"), spec.Int("stop"))
	old := func(name, since, doc, complexity, instead string, args []spec.Arg, by zorder, reverse bool) *spec.Command {
		cmd := zsetCommand(name, since, doc, complexity, -4, read, seen, args, func(c *spec.Call) { zrangeRun(c, zrange{by: by, reverse: reverse, fixed: true}) })
		cmd.Deprecated, cmd.Instead = "6.2.0", "`ZRANGE` with the "+instead
		return cmd
	}
	zrangeCmd := zsetCommand("zrange", "1.2.0", "Returns members in a sorted set within a range of indexes.", logs("returned"), -4, read, seen,
		spec.Args(spec.Str("start"), spec.Str("stop"), newer(sortBy), newer(rev), newer(limit), withScores), func(c *spec.Call) { zrangeRun(c, zrange{}) })
	zrangeCmd.History = [][2]string{{"6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options."}}
	const byScoreCost = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N))."
	byScore := old("zrangebyscore", "1.0.5", "Returns members in a sorted set within a range of scores.", byScoreCost, "`BYSCORE` argument",
		append(scores[:2:2], spec.Since("2.0.0", withScores), limit), byScoreOrder, false)
	byScore.History = [][2]string{{"2.0.0", "Added the `WITHSCORES` modifier."}}
	revByScore := old("zrevrangebyscore", "2.2.0", "Returns members in a sorted set within a range of scores in reverse order.", byScoreCost,
		"`REV` and `BYSCORE` arguments", append(swapped, withScores, limit), byScoreOrder, true)
	revByScore.History = [][2]string{{"2.1.6", "`min` and `max` can be exclusive."}}
	count := func(name, since, doc string, args []spec.Arg, by zorder) *spec.Command {
		return zsetCommand(name, since, doc, "O(log(N)) with N being the number of elements in the sorted set.", 4, read|spec.Fast, seen, args,
			func(c *spec.Call) { zcountRun(c, by) })
	}
	rem := func(name, since, of string, args []spec.Arg, by zorder) *spec.Command {
		return zsetCommand(name, since, "Removes members in a sorted set within a "+of+". Deletes the sorted set if all members were removed.",
			logs("removed by the operation"), 4, spec.Write, removes, args, func(c *spec.Call) { zremrangeRun(c, by, name) })
	}
	return append([]*spec.Command{zrangeCmd, byScore, revByScore,
		old("zrangebylex", "2.8.9", "Returns members in a sorted set within a lexicographical range.", byScoreCost, "`BYLEX` argument",
			append(words[:2:2], limit), byLexOrder, false),
		old("zrevrangebylex", "2.8.9", "Returns members in a sorted set within a lexicographical range in reverse order.", byScoreCost,
			"`REV` and `BYLEX` arguments", append(swappedWords, limit), byLexOrder, true),
		old("zrevrange", "1.2.0", "Returns members in a sorted set within a range of indexes in reverse order.", logs("returned"), "`REV` argument",
			append(indexes[:2:2], withScores), byRank, true),
		{Name: "zrangestore", Since: "6.2.0", Doc: "Stores a range of members from sorted set in a key.",
			Complex: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
			Group:   spec.SortedSet, Arity: -5, Flags: spec.Write | spec.DenyOOM, Keys: append(spec.One(1, spec.OW|spec.Updates), spec.One(2, seen)...),
			Args: append(spec.Args(spec.Key("dst"), spec.Arg{Name: "src", Type: spec.TypeKey, KeySpec: 1}), append(words[:2:2], sortBy, rev, limit)...), Run: zrangestoreRun},
		count("zcount", "2.0.0", "Returns the count of members in a sorted set that have scores within a range.", scores, byScoreOrder),
		count("zlexcount", "2.8.9", "Returns the number of members in a sorted set within a lexicographical range.", words, byLexOrder),
		rem("zremrangebyrank", "2.0.0", "range of indexes", indexes, byRank),
		rem("zremrangebyscore", "1.2.0", "range of scores", scores, byScoreOrder),
		rem("zremrangebylex", "2.8.9", "lexicographical range", words, byLexOrder),
	}, zsetPopCommands()...)
}

// zorder is what a range of a sorted set is told by.
type zorder uint8

const (
	byRank zorder = iota
	byScoreOrder
	byLexOrder
)

// zbound is an end of a range of scores or members.
type zbound struct {
	score  float64
	member []byte
	open   bool // what is equal to it is out
	// least and most are the ends of all members, - and +.
	least, most bool
}

// rank is how many members of z are before a bound that begins a range, or with ends before the end of one that the bound ends.
func (b *zbound) rank(z *collection.ZSet, by zorder, ends bool) int {
	after := b.open != ends
	switch {
	case by == byScoreOrder:
		return z.Seek(b.score, after)
	case b.least:
		return 0
	case b.most:
		return z.Len()
	}
	return z.SeekLex(b.member, after)
}

// parseScoreBound reads a score as C's strtod does, which takes more than commands take elsewhere: nothing at all is 0, and what is too big is infinite.
func parseScoreBound(arg []byte) (b zbound, ok bool) {
	if len(arg) > 0 && arg[0] == '(' {
		b.open, arg = true, arg[1:]
	}
	if i := bytes.IndexByte(arg, 0); i >= 0 {
		arg = arg[:i]
	}
	if arg = bytes.TrimLeft(arg, " \t\n\v\f\r"); len(arg) == 0 {
		return b, true
	}
	if b.score, ok = resp.ParseFloat(arg); ok {
		return b, true
	}
	score, err := strconv.ParseFloat(string(arg), 64)
	ok = (err == nil || errors.Is(err, strconv.ErrRange)) && !math.IsNaN(score) && bytes.IndexByte(arg, '_') < 0
	b.score = score
	return b, ok
}

func parseLexBound(arg []byte) (b zbound, ok bool) {
	if len(arg) == 0 {
		return b, false
	}
	switch arg[0] {
	case '-':
		b.least = true
		return b, len(arg) == 1
	case '+':
		b.most = true
		return b, len(arg) == 1
	case '(', '[':
		b.open, b.member = arg[0] == '(', arg[1:]
		return b, true
	}
	return b, false
}

// zrange is a range of a sorted set, as arguments tell it.
type zrange struct {
	by      zorder
	reverse bool
	fixed   bool // the command's name says by and reverse

	with          bool // scores as well
	offset, count int64
	start, stop   int64  // by rank
	min, max      zbound // by anything else
}

// parse reads a range: two arguments from one on, and options behind them; false after it has answered an error.
func (r *zrange) parse(c *spec.Call, at int, store bool) bool {
	r.count = -1
	for i := at + 2; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case !store && spec.EqualFold(arg, "withscores"):
			r.with = true
		case spec.EqualFold(arg, "limit") && i+2 < len(c.Args):
			var ok bool
			if r.offset, ok = c.Int(c.Args[i+1]); !ok {
				return false
			}
			if r.count, ok = c.Int(c.Args[i+2]); !ok {
				return false
			}
			i += 2
		case r.fixed || !r.word(arg):
			c.Out.Error(spec.ErrSyntax)
			return false
		}
	}
	switch {
	case r.count != -1 && r.by == byRank:
		c.Out.Error("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
		return false
	case r.with && r.by == byLexOrder:
		c.Out.Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
		return false
	}
	first, second := c.Args[at], c.Args[at+1]
	if r.reverse && r.by != byRank {
		first, second = second, first
	}
	return r.bounds(c, first, second)
}

// word reads a word of ZRANGE; false if it is none, or contradicts one before it.
func (r *zrange) word(arg []byte) bool {
	switch {
	case !r.reverse && spec.EqualFold(arg, "rev"):
		r.reverse = true
	case r.by == byRank && spec.EqualFold(arg, "bylex"):
		r.by = byLexOrder
	case r.by == byRank && spec.EqualFold(arg, "byscore"):
		r.by = byScoreOrder
	default:
		return false
	}
	return true
}

// bounds reads both ends; false after it has answered an error.
func (r *zrange) bounds(c *spec.Call, first, second []byte) (ok bool) {
	if r.by == byRank {
		if r.start, ok = c.Int(first); ok {
			r.stop, ok = c.Int(second)
		}
		return ok
	}
	parse, msg := parseScoreBound, "ERR min or max is not a float"
	if r.by == byLexOrder {
		parse, msg = parseLexBound, "ERR min or max not valid string range item"
	}
	if r.min, ok = parse(first); ok {
		r.max, ok = parse(second)
	}
	if !ok {
		c.Out.Error(msg)
	}
	return ok
}

// of is the range of z: n members from the rank first on, upwards or if reverse downwards.
func (r *zrange) of(z *collection.ZSet) (first, n int) {
	size := z.Len()
	if size == 0 {
		return 0, 0
	}
	var from, to int
	if r.by == byRank { // LIMIT's offset, which then stands without a count, means nothing
		if from, to = span(r.start, r.stop, size); r.reverse {
			return size - 1 - from, to - from
		}
		return from, to - from
	}
	from, to = r.min.rank(z, r.by, false), r.max.rank(z, r.by, true)
	if n = to - from; n <= 0 || r.offset < 0 || r.offset >= int64(n) {
		return 0, 0
	}
	n -= int(r.offset)
	if r.count >= 0 {
		n = int(min(int64(n), r.count))
	}
	if r.reverse {
		return to - 1 - int(r.offset), n
	}
	return from + int(r.offset), n
}

func zrangeRun(c *spec.Call, r zrange) {
	var z collection.ZSet
	if !r.parse(c, 2, false) || !readZSet(c, &z) {
		return
	}
	first, n := r.of(&z)
	out := zreply{c, r.with}
	out.head(n)
	z.Range(first, n, r.reverse, out.member)
}

func zrangestoreRun(c *spec.Call) {
	var r zrange
	if !r.parse(c, 3, true) {
		return
	}
	var z collection.ZSet
	src := c.Key(1)
	if !openZSet(c, &z, src, c.Engine.Read(src)) {
		return
	}
	first, n := r.of(&z)
	members := make([]collection.ZMember, 0, n)
	z.Range(first, n, r.reverse, func(member []byte, score float64) {
		members = append(members, collection.ZMember{Member: bytes.Clone(member), Score: score})
	})
	if r.reverse {
		slices.Reverse(members)
	}
	zstore(c, c.Key(0), members, "zrangestore")
}

// zstore makes a key the sorted set of members, which are in order, and answers how many they are. Without any the key goes.
func zstore(c *spec.Call, k *spec.KeyRef, members []collection.ZMember, event string) {
	found := c.Engine.Write(k).Found()
	switch {
	case len(members) > 0:
		collection.StoreZSet(collKey(k), members)
		changed(c, k, eventZSet, event)
	case found:
		k.DB.Delete(k.Hash, k.Name)
		changed(c, k, eventGeneric, "del")
	}
	c.Out.Int(int64(len(members)))
}

func zcountRun(c *spec.Call, by zorder) {
	r := zrange{by: by, count: -1}
	var z collection.ZSet
	if r.bounds(c, c.Args[2], c.Args[3]) && readZSet(c, &z) {
		_, n := r.of(&z)
		c.Out.Int(int64(n))
	}
}

func zremrangeRun(c *spec.Call, by zorder, event string) {
	r := zrange{by: by, count: -1}
	var z collection.ZSet
	if !r.bounds(c, c.Args[2], c.Args[3]) || !writeZSet(c, &z) {
		return
	}
	first, n := r.of(&z)
	if n > 0 {
		z.DeleteRange(first, n)
		zsetChanged(c, c.Key(0), &z, event, n)
	}
	c.Out.Int(int64(n))
}
