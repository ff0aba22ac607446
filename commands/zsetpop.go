package commands

import (
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
)

func zsetPopCommands() []*spec.Command {
	const pops = spec.RW | spec.Reads | spec.Deletes
	pop := func(name, which string, most bool) *spec.Command {
		return zsetCommand(name, "5.0.0", "Returns the "+which+"-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
			"O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.", -2, spec.Write|spec.Fast, pops,
			spec.Args(spec.Opt(spec.Int("count"))), func(c *spec.Call) { zpopRun(c, most) })
	}
	return []*spec.Command{pop("zpopmin", "lowest", false), pop("zpopmax", "highest", true),
		{Name: "zmpop", Since: "7.0.0",
			Doc:     "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.",
			Complex: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
			Group:   spec.SortedSet, Arity: -4, Flags: spec.Write | spec.MovableKeys,
			Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: pops}},
			Args: spec.Args(spec.Int("numkeys"), spec.Many(keyArg), spec.OneOf("where", spec.Token("MIN"), spec.Token("MAX")),
				spec.Opt(spec.After("COUNT", spec.Int("count")))),
			BadKeys: func(args [][]byte) string { return badMPopKeys(args[1]) }, Run: zmpopRun},
	}
}

// Words that pops of sorted sets are propagated with.
var (
	wordZPopMin = []byte("ZPOPMIN")
	wordZPopMax = []byte("ZPOPMAX")
)

func zpopWord(most bool) []byte {
	if most {
		return wordZPopMax
	}
	return wordZPopMin
}

// zpop answers, each as tell does, and removes the first or last n members, of which there are as many and at least one.
func zpop(c *spec.Call, k *spec.KeyRef, z *collection.ZSet, most bool, n int, tell func(member []byte, score float64)) {
	size := z.Len()
	if most {
		z.Range(size-1, n, true, tell)
		z.DeleteRange(size-n, n)
		zsetChanged(c, k, z, "zpopmax", n)
		return
	}
	z.Range(0, n, false, tell)
	z.DeleteRange(0, n)
	zsetChanged(c, k, z, "zpopmin", n)
}

func zpopRun(c *spec.Call, most bool) {
	if len(c.Args) > 3 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	counted, count := len(c.Args) == 3, int64(1)
	if counted {
		var ok bool
		if count, ok = between(c, c.Args[2], 0, math.MaxInt64, "ERR value is out of range, must be positive"); !ok {
			return
		}
	}
	var z collection.ZSet
	if !writeZSet(c, &z) {
		return
	}
	n := int(min(count, int64(z.Len())))
	if n == 0 {
		c.Out.EmptyArray()
		return
	}
	if counted {
		r := zreply{c, true}
		r.head(n)
		zpop(c, c.Key(0), &z, most, n, r.member)
		return
	}
	c.Out.Array(2)
	zpop(c, c.Key(0), &z, most, 1, zreply{c: c, with: true}.flat)
}

func zmpopRun(c *spec.Call) {
	if len(c.Keys) == 0 {
		c.Out.Error(errMPopKeys)
		return
	}
	most, count, ok := zmpopOptions(c, 2+len(c.Keys))
	if !ok {
		return
	}
	if !zmpop(c, most, count) {
		c.Out.NullArray()
	}
}

// zmpop answers and removes members of the first sorted set that there is; false if there is none.
func zmpop(c *spec.Call, most bool, count int64) bool {
	var z collection.ZSet
	k, ok := firstZSet(c, &z)
	if !ok {
		return true
	}
	if k == nil {
		return false
	}
	n := int(min(count, int64(z.Len())))
	c.Out.Array(2)
	c.Out.Bulk(k.Name)
	c.Out.Array(n)
	zpop(c, k, &z, most, n, func(member []byte, score float64) {
		c.Out.Array(2)
		c.Out.Bulk(member)
		c.Out.Double(score)
	})
	c.Engine.Propagate(zpopWord(most), k.Name, decimal(int64(n)))
	return true
}

// zmpopOptions reads ZMPOP's arguments behind the keys; false after it has answered what is wrong.
func zmpopOptions(c *spec.Call, at int) (most bool, count int64, ok bool) {
	count = 1
	if at < len(c.Args) {
		most = spec.EqualFold(c.Args[at], "max")
		ok = most || spec.EqualFold(c.Args[at], "min")
	}
	if rest := c.Args[min(at+1, len(c.Args)):]; ok && len(rest) > 0 {
		if len(rest) > 1 && spec.EqualFold(rest[0], "count") {
			if count, ok = between(c, rest[1], 1, math.MaxInt64, "ERR count should be greater than 0"); !ok {
				return false, 0, false
			}
			ok = len(rest) == 2
		} else {
			ok = false
		}
	}
	if !ok {
		c.Out.Error(spec.ErrSyntax)
	}
	return most, count, ok
}
