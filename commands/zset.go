package commands

import (
	"math"
	"strconv"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// eventZSet is the class of the events of sorted sets.
const eventZSet = 'z'

// zsetCommands are the commands of sorted sets that do not wait.
func zsetCommands() []*spec.Command {
	return append(append(zsetMemberCommands(), zsetRangeCommands()...), zsetAlgebraCommands()...)
}

// zsetCommand declares a command of one sorted set, its first argument.
func zsetCommand(name, since, doc, complexity string, arity int, flags spec.Flag, access spec.Access, args []spec.Arg, run func(*spec.Call)) *spec.Command {
	return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Group: spec.SortedSet, Arity: arity, Flags: flags, Keys: spec.One(1, access),
		Args: append(spec.Args(keyArg), args...), Run: run}
}

// word is an optional word with a name of its own.
func word(name, token string) spec.Arg {
	return spec.Arg{Name: name, Type: spec.TypePureToken, Token: token, Optional: true}
}

func zsetMemberCommands() []*spec.Command {
	const write, fastRead, seen = spec.Write | spec.DenyOOM | spec.Fast, spec.ReadOnly | spec.Fast, spec.RO | spec.Reads
	member := spec.Str("member")
	rank := func(name, order string, reverse bool) *spec.Command {
		cmd := zsetCommand(name, "2.0.0", "Returns the index of a member in a sorted set ordered by "+order+" scores.", "O(log(N))", -3, fastRead, seen,
			spec.Args(member, word("withscore", "WITHSCORE")), func(c *spec.Call) { zrankRun(c, reverse) })
		cmd.History = [][2]string{{"7.2.0", "Added the optional `WITHSCORE` argument."}}
		return cmd
	}
	zadd := zsetCommand("zadd", "1.2.0", "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
		"O(log(N)) for each item added, where N is the number of elements in the sorted set.", -4, write, spec.RW|spec.Updates,
		spec.Args(spec.Opt(spec.Since("3.0.2", spec.OneOf("condition", spec.Token("NX"), spec.Token("XX")))),
			spec.Opt(spec.Since("6.2.0", spec.OneOf("comparison", spec.Token("GT"), spec.Token("LT")))), spec.Since("3.0.2", word("change", "CH")),
			spec.Since("3.0.2", word("increment", "INCR")), spec.Many(spec.Block("data", spec.Double("score"), member))), func(c *spec.Call) { zaddRun(c, false) })
	zadd.History = [][2]string{{"2.4.0", "Accepts multiple elements."}, {"3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."}, {"6.2.0", "Added the `GT` and `LT` options."}}
	zrem := zsetCommand("zrem", "1.2.0", "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
		"O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.", -3, spec.Write|spec.Fast, spec.RW|spec.Deletes,
		spec.Args(spec.Many(member)), zremRun)
	zrem.History = [][2]string{{"2.4.0", "Accepts multiple elements."}}
	zscan := zsetCommand("zscan", "2.8.0", "Iterates over members and scores of a sorted set.",
		"O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
		-3, spec.ReadOnly, seen, spec.Args(spec.Int("cursor"), spec.Opt(spec.After("MATCH", spec.Pattern("pattern"))), spec.Opt(spec.After("COUNT", spec.Int("count"))),
			word("noscores", "NOSCORES")), zscanRun)
	zscan.Tips = tipRandom
	zscan.History = [][2]string{{"8.0.0", "Added noscores option."}}
	zrandmember := zsetCommand("zrandmember", "6.2.0", "Returns one or more random members from a sorted set.", "O(N) where N is the number of members returned", -2,
		spec.ReadOnly, seen, spec.Args(spec.Opt(spec.Block("options", spec.Int("count"), word("withscores", "WITHSCORES")))), zrandmemberRun)
	zrandmember.Tips = tipRandom
	return []*spec.Command{zadd, zrem, zscan, zrandmember,
		zsetCommand("zincrby", "1.2.0", "Increments the score of a member in a sorted set.", "O(log(N)) where N is the number of elements in the sorted set.", 4, write,
			spec.RW|spec.Reads|spec.Updates, spec.Args(spec.Int("increment"), member), func(c *spec.Call) { zaddRun(c, true) }),
		zsetCommand("zcard", "1.2.0", "Returns the number of members in a sorted set.", "O(1)", 2, fastRead, spec.RO, nil, zcardRun),
		zsetCommand("zscore", "1.2.0", "Returns the score of a member in a sorted set.", "O(1)", 3, fastRead, seen, spec.Args(member), zscoreRun),
		zsetCommand("zmscore", "6.2.0", "Returns the score of one or more members in a sorted set.", "O(N) where N is the number of members being requested.", -3,
			fastRead, seen, spec.Args(spec.Many(member)), zmscoreRun),
		rank("zrank", "ascending", false), rank("zrevrank", "descending", true),
	}
}

// openZSet opens the sorted set that was found under a key, or an empty one; false after it has answered WRONGTYPE.
func openZSet(c *spec.Call, z *collection.ZSet, k *spec.KeyRef, ent keyspace.Entry) bool {
	if ent.Found() && !isType(c, ent, value.ZSet) {
		return false
	}
	z.Open(collKey(k), ent)
	return true
}

func readZSet(c *spec.Call, z *collection.ZSet) bool {
	return openZSet(c, z, c.Key(0), c.Engine.Read(c.Key(0)))
}

func writeZSet(c *spec.Call, z *collection.ZSet) bool {
	return openZSet(c, z, c.Key(0), c.Engine.Write(c.Key(0)))
}

// zsetChanged ends n changes of a sorted set.
func zsetChanged(c *spec.Call, k *spec.KeyRef, z *collection.ZSet, event string, n int) {
	deleted := z.Commit()
	changed(c, k, eventZSet, event)
	c.Engine.Dirty(n - 1)
	if deleted {
		c.Engine.Notify(eventGeneric, "del", k)
	}
}

// addition is one ZADD or ZINCRBY.
type addition struct {
	nx, xx, gt, lt, ch, incr bool

	pairs [][]byte
	few   [4]float64 // the first scores
	more  []float64  // the others

	added, updated int
	last           float64 // the last member's score
	processed      bool    // last counts
}

// parse reads the arguments behind the key; false after it has answered an error.
func (a *addition) parse(c *spec.Call) bool {
	i := 2
	for ; i < len(c.Args) && a.option(c.Args[i]); i++ {
	}
	a.pairs = c.Args[i:]
	switch {
	case len(a.pairs) == 0 || len(a.pairs)%2 != 0:
		c.Out.Error(spec.ErrSyntax)
		return false
	case a.nx && a.xx:
		c.Out.Error("ERR XX and NX options at the same time are not compatible")
		return false
	case a.gt && a.nx, a.lt && a.nx, a.gt && a.lt:
		c.Out.Error("ERR GT, LT, and/or NX options at the same time are not compatible")
		return false
	case a.incr && len(a.pairs) > 2:
		c.Out.Error("ERR INCR option supports a single increment-element pair")
		return false
	}
	if n := a.members(); n > len(a.few) {
		a.more = make([]float64, n-len(a.few))
	}
	for i := range a.members() {
		var ok bool
		if *a.score(i), ok = resp.ParseFloat(a.pairs[2*i]); !ok {
			c.Out.Error(spec.ErrNotFloat)
			return false
		}
	}
	return true
}

// members is how many members are given.
func (a *addition) members() int { return len(a.pairs) / 2 }

// put adds a member to those that are given, and its score, also as text.
func (a *addition) put(text, member []byte, score float64) {
	if i := a.members(); i < len(a.few) {
		a.few[i] = score
	} else {
		a.more = append(a.more, score)
	}
	a.pairs = append(a.pairs, text, member)
}

// score is where the score of a member is.
func (a *addition) score(i int) *float64 {
	if i < len(a.few) {
		return &a.few[i]
	}
	return &a.more[i-len(a.few)]
}

// option reads one option; false if it is none.
func (a *addition) option(arg []byte) bool {
	for _, o := range []struct {
		word string
		set  *bool
	}{{"nx", &a.nx}, {"xx", &a.xx}, {"ch", &a.ch}, {"incr", &a.incr}, {"gt", &a.gt}, {"lt", &a.lt}} {
		if spec.EqualFold(arg, o.word) {
			*o.set = true
			return true
		}
	}
	return false
}

// add adds or updates one member; false if its score would be no number.
func (a *addition) add(z *collection.ZSet, member []byte, score float64) bool {
	old, there := z.Score(member)
	if !there {
		if !a.xx {
			z.SetAsked(member, score)
			a.added, a.last, a.processed = a.added+1, score, true
		}
		return true
	}
	if a.nx {
		return true
	}
	if a.incr {
		if score += old; math.IsNaN(score) {
			return false
		}
	}
	if a.lt && score >= old || a.gt && score <= old {
		return true
	}
	if a.last, a.processed = score, true; score != old {
		z.SetAsked(member, score)
		a.updated++
	}
	return true
}

func zaddRun(c *spec.Call, incr bool) {
	if a := (addition{incr: incr}); a.parse(c) {
		a.run(c)
	}
}

// run adds the members, and answers; false if nothing has changed.
func (a *addition) run(c *spec.Call) bool {
	var z collection.ZSet
	if !writeZSet(c, &z) {
		return false
	}
	if z.Len() > 0 || !a.xx {
		longest := 0
		for i := range a.members() {
			longest = max(longest, len(a.pairs[2*i+1]))
		}
		z.Fits(a.members(), longest)
	}
	for i := range a.members() {
		if !a.add(&z, a.pairs[2*i+1], *a.score(i)) {
			c.Out.Error("ERR resulting score is not a number (NaN)")
			return false
		}
	}
	n := a.added + a.updated
	if n > 0 {
		event := "zadd"
		if a.incr {
			event = "zincr"
		}
		zsetChanged(c, c.Key(0), &z, event, n)
	}
	switch {
	case a.incr && a.processed:
		c.Out.Double(a.last)
	case a.incr:
		c.Out.Null()
	case a.ch:
		c.Out.Int(int64(n))
	default:
		c.Out.Int(int64(a.added))
	}
	return n > 0
}

func zremRun(c *spec.Call) {
	var z collection.ZSet
	if !writeZSet(c, &z) {
		return
	}
	n := 0
	for _, member := range c.Args[2:] {
		if z.Delete(member) {
			n++
		}
	}
	if n > 0 {
		zsetChanged(c, c.Key(0), &z, "zrem", n)
	}
	c.Out.Int(int64(n))
}

func zcardRun(c *spec.Call) {
	var z collection.ZSet
	if readZSet(c, &z) {
		c.Out.Int(int64(z.Len()))
	}
}

func replyScore(c *spec.Call, z *collection.ZSet, member []byte) {
	if score, ok := z.Score(member); ok {
		c.Out.Double(score)
	} else {
		c.Out.Null()
	}
}

func zscoreRun(c *spec.Call) {
	var z collection.ZSet
	if readZSet(c, &z) {
		replyScore(c, &z, c.Args[2])
	}
}

func zmscoreRun(c *spec.Call) {
	var z collection.ZSet
	if !readZSet(c, &z) {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		replyScore(c, &z, member)
	}
}

func zrankRun(c *spec.Call, reverse bool) {
	with := len(c.Args) > 3
	switch {
	case len(c.Args) > 4:
		badArity(c)
		return
	case with && !spec.EqualFold(c.Args[3], "withscore"):
		c.Out.Error(spec.ErrSyntax)
		return
	}
	var z collection.ZSet
	if !readZSet(c, &z) {
		return
	}
	rank, score, ok := z.Rank(c.Args[2])
	if reverse {
		rank = z.Len() - 1 - rank
	}
	switch {
	case !ok && with:
		c.Out.NullArray()
	case !ok:
		c.Out.Null()
	case with:
		c.Out.Array(2)
		c.Out.Int(int64(rank))
		c.Out.Double(score)
	default:
		c.Out.Int(int64(rank))
	}
}

func zscanRun(c *spec.Call) {
	scanElements(c, value.ZSet, func(s *elementScan, ent keyspace.Entry) uint64 {
		var z collection.ZSet
		z.Open(collKey(c.Key(0)), ent)
		var text [32]byte
		return z.Scan(s.cursor, s.count, func(member []byte, score float64) {
			if !s.wants(member) {
				return
			}
			if s.tell(member); s.noValues {
				return
			}
			if z.Packed() {
				s.tell(resp.AppendDouble(text[:0], score))
			} else {
				s.tell(longScore(text[:0], score))
			}
		})
	})
}

// longScore appends a score as ZSCAN tells it of a sorted set that is not packed: with 17 digits where there are so many (C's %.17g).
func longScore(dst []byte, score float64) []byte {
	if math.IsInf(score, 0) {
		return resp.AppendDouble(dst, score)
	}
	return strconv.AppendFloat(dst, score, 'g', 17, 64)
}

// zreply answers members, and scores if they are wanted: in RESP2 by turns, in RESP3 by pairs.
type zreply struct {
	c    *spec.Call
	with bool
}

// head answers how many members follow.
func (r zreply) head(n int) {
	if r.with && r.c.Out.Proto == 2 {
		n *= 2
	}
	r.c.Out.Array(n)
}

// member answers one.
func (r zreply) member(member []byte, score float64) {
	if r.with && r.c.Out.Proto > 2 {
		r.c.Out.Array(2)
	}
	if r.c.Out.Bulk(member); r.with {
		r.c.Out.Double(score)
	}
}

// flat answers one and its score by turns, in RESP3 too.
func (r zreply) flat(member []byte, score float64) {
	r.c.Out.Bulk(member)
	r.c.Out.Double(score)
}

func zrandmemberRun(c *spec.Call) {
	if len(c.Args) > 2 {
		zrandmemberMany(c)
		return
	}
	var z collection.ZSet
	if !readZSet(c, &z) {
		return
	}
	if z.Len() == 0 {
		c.Out.Null()
		return
	}
	z.Random(c.Engine.Rand, func(member []byte, _ float64) { c.Out.Bulk(member) })
}

func zrandmemberMany(c *spec.Call) {
	n, with, ok := randomCount(c, "withscores")
	var z collection.ZSet
	if !ok || !readZSet(c, &z) {
		return
	}
	if n == 0 || z.Len() == 0 {
		c.Out.EmptyArray()
		return
	}
	r := zreply{c, with}
	if n > 0 {
		total := int(min(n, int64(z.Len())))
		r.head(total)
		z.RandomDistinct(total, c.Engine.Rand, r.member)
		return
	}
	if mayRepeat(c, -n) {
		r.head(int(-n))
		repeat(c, -n, func() { z.Random(c.Engine.Rand, r.member) })
	}
}
