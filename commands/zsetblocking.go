package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/value"
)

// blockingZSetCommands are the commands of sorted sets that wait for a member. What they do with one is propagated as the command that does not wait.
func blockingZSetCommands() []*spec.Command {
	const taken = spec.RW | spec.Reads | spec.Deletes
	const gone = " Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped."
	timeout := spec.Double("timeout")
	pop := func(name, which string, most bool) *spec.Command {
		return &spec.Command{Name: name, Since: "5.0.0", Doc: "Removes and returns the member with the " + which + " score from one or more sorted sets." + gone,
			Complex: "O(log(N)) with N being the number of elements in the sorted set.", Group: spec.SortedSet, Arity: -3,
			Flags: spec.Write | spec.Fast | spec.Blocking, Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{Last: -2, Step: 1}, Access: taken}},
			Args:    spec.Args(spec.Many(keyArg), timeout),
			History: [][2]string{{"6.0.0", "`timeout` is interpreted as a double instead of an integer."}}, Run: func(c *spec.Call) { bzpopRun(c, most) }}
	}
	return []*spec.Command{pop("bzpopmin", "lowest", false), pop("bzpopmax", "highest", true),
		{Name: "bzmpop", Since: "7.0.0", Doc: "Removes and returns a member by score from one or more sorted sets." + gone,
			Complex: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
			Group:   spec.SortedSet, Arity: -5, Flags: spec.Write | spec.Blocking | spec.MovableKeys,
			Keys: spec.Keys{{Begin: spec.Begin{At: 2}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: taken}},
			Args: spec.Args(timeout, spec.Int("numkeys"), spec.Many(keyArg), spec.OneOf("where", spec.Token("MIN"), spec.Token("MAX")),
				spec.Opt(spec.After("COUNT", spec.Int("count")))),
			BadKeys: func(args [][]byte) string { return badMPopKeys(args[2]) }, Run: bzmpopRun},
	}
}

// waitForZSets makes a call wait for a member in one of its sorted sets, or answers at once if it may not wait.
func waitForZSets(c *spec.Call, untilMs int64) {
	if !c.Engine.Wait(&spec.Wait{Keys: c.Keys, Type: value.ZSet, UntilMs: untilMs}) {
		c.Out.NullArray()
	}
}

// firstZSet opens the first of the call's keys that has a sorted set, nil if none has; false after it has answered WRONGTYPE.
func firstZSet(c *spec.Call, z *collection.ZSet) (*spec.KeyRef, bool) {
	for i := range c.Keys {
		k := c.Key(i)
		if !openZSet(c, z, k, c.Engine.Write(k)) {
			return nil, false
		}
		if z.Len() > 0 {
			return k, true
		}
	}
	return nil, true
}

func bzpopRun(c *spec.Call, most bool) {
	until, ok := c.Seconds(c.Args[len(c.Args)-1])
	if !ok {
		return
	}
	var z collection.ZSet
	k, ok := firstZSet(c, &z)
	switch {
	case !ok:
	case k == nil:
		waitForZSets(c, until)
	default:
		c.Out.Array(3)
		c.Out.Bulk(k.Name)
		zpop(c, k, &z, most, 1, zreply{c: c, with: true}.flat)
		c.Engine.Propagate(zpopWord(most), k.Name)
	}
}

func bzmpopRun(c *spec.Call) {
	if len(c.Keys) == 0 {
		c.Out.Error(errMPopKeys)
		return
	}
	most, count, ok := zmpopOptions(c, 3+len(c.Keys))
	if !ok {
		return
	}
	until, ok := c.Seconds(c.Args[1])
	if ok && !zmpop(c, most, count) {
		waitForZSets(c, until)
	}
}
