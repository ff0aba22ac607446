package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/value"
)

// blockingListCommands are the commands of lists that wait for an element. What they do with one is propagated as the command that does not wait.
func blockingListCommands() []*spec.Command {
	side := func(name string) spec.Arg { return spec.OneOf(name, spec.Token("LEFT"), spec.Token("RIGHT")) }
	timeout := spec.Double("timeout")
	history := [][2]string{{"6.0.0", "`timeout` is interpreted as a double instead of an integer."}}
	const taken = spec.RW | spec.Reads | spec.Deletes
	keys := append(spec.One(1, taken), spec.One(2, spec.RW|spec.Inserts)...)
	places := spec.Args(spec.Key("source"), spec.Arg{Name: "destination", Type: spec.TypeKey, KeySpec: 1})
	pop := func(name, doc string, front bool) *spec.Command {
		return &spec.Command{Name: name, Since: "2.0.0", Doc: doc, Complex: "O(N) where N is the number of provided keys.", Group: spec.List, Arity: -3,
			Flags: spec.Write | spec.Blocking, Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{Last: -2, Step: 1}, Access: taken}},
			Args: spec.Args(spec.Many(keyArg), timeout), History: history, Run: func(c *spec.Call) { blockingPop(c, front) }}
	}
	return []*spec.Command{
		pop("blpop", "Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.", true),
		pop("brpop", "Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.", false),
		{Name: "blmove", Since: "6.2.0", Doc: "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available otherwise. Deletes the list if the last element was moved.",
			Complex: "O(1)", Group: spec.List, Arity: 6, Flags: spec.Write | spec.DenyOOM | spec.Blocking, Keys: keys,
			Args: append(places[:2:2], side("wherefrom"), side("whereto"), timeout), Run: blmoveRun},
		{Name: "brpoplpush", Since: "2.2.0", Doc: "Pops an element from a list, pushes it to another list and returns it. Block until an element is available otherwise. Deletes the list if the last element was popped.",
			Complex: "O(1)", Group: spec.List, Arity: 4, Flags: spec.Write | spec.DenyOOM | spec.Blocking, Keys: keys, Args: append(places[:2:2], timeout),
			History: history, Deprecated: "6.2.0", Instead: "`BLMOVE` with the `RIGHT` and `LEFT` arguments", Run: brpoplpushRun},
		{Name: "blmpop", Since: "7.0.0", Doc: "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
			Complex: "O(N+M) where N is the number of provided keys and M is the number of elements returned.", Group: spec.List, Arity: -5,
			Flags:   spec.Write | spec.Blocking | spec.MovableKeys,
			Keys:    spec.Keys{{Begin: spec.Begin{At: 2}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: taken}},
			Args:    spec.Args(timeout, spec.Int("numkeys"), spec.Many(keyArg), side("where"), spec.Opt(spec.After("COUNT", spec.Int("count")))),
			BadKeys: func(args [][]byte) string { return badMPopKeys(args[2]) }, Run: blmpopRun},
	}
}

// Words that moves are propagated with.
var (
	wordLMove     = []byte("LMOVE")
	wordRPopLPush = []byte("RPOPLPUSH")
)

// waitForLists makes a call wait for an element in one of some lists; false if it may not.
func waitForLists(c *spec.Call, keys []spec.KeyRef, untilMs int64) bool {
	return c.Engine.Wait(&spec.Wait{Keys: keys, Type: value.List, UntilMs: untilMs})
}

func popWord(front bool) []byte {
	if front {
		return wordLPop
	}
	return wordRPop
}

// firstList is the first of the call's keys that has a list, nil if none has; false after it has answered WRONGTYPE.
func firstList(c *spec.Call) (*spec.KeyRef, *collection.List, bool) {
	for i := range c.Keys {
		k := c.Key(i)
		l, ok := list(c, k, c.Engine.Write(k))
		if !ok {
			return nil, nil, false
		}
		if l.Len() > 0 {
			return k, l, true
		}
	}
	return nil, nil, true
}

func blockingPop(c *spec.Call, front bool) {
	until, ok := c.Seconds(c.Args[len(c.Args)-1])
	if !ok {
		return
	}
	k, l, ok := firstList(c)
	switch {
	case !ok:
	case k == nil:
		if !waitForLists(c, c.Keys, until) {
			c.Out.NullArray()
		}
	default:
		c.Out.Array(2)
		c.Out.Bulk(k.Name)
		popEnd(c, k, l, front)
		c.Engine.Propagate(popWord(front), k.Name)
	}
}

// mpop answers and removes elements of the first list that there is; false if there is none.
func mpop(c *spec.Call, front bool, count int) bool {
	k, l, ok := firstList(c)
	if !ok {
		return true
	}
	if k == nil {
		return false
	}
	c.Out.Array(2)
	c.Out.Bulk(k.Name)
	n := pop(c, k, l, front, count)
	c.Engine.Propagate(popWord(front), k.Name, decimal(int64(n)))
	return true
}

func blmpopRun(c *spec.Call) {
	if len(c.Keys) == 0 {
		c.Out.Error(errMPopKeys)
		return
	}
	front, count, ok := mpopOptions(c, 3+len(c.Keys))
	if !ok {
		return
	}
	until, ok := c.Seconds(c.Args[1])
	if ok && !mpop(c, front, count) && !waitForLists(c, c.Keys, until) {
		c.Out.NullArray()
	}
}

func blmoveRun(c *spec.Call) {
	from, ok := leftOrRight(c, c.Args[3])
	if !ok {
		return
	}
	to, ok := leftOrRight(c, c.Args[4])
	if !ok {
		return
	}
	if until, ok := c.Seconds(c.Args[5]); ok && moveOrWait(c, from, to, until) {
		c.Engine.Propagate(wordLMove, c.Args[1], c.Args[2], c.Args[3], c.Args[4])
	}
}

func brpoplpushRun(c *spec.Call) {
	if until, ok := c.Seconds(c.Args[3]); ok && moveOrWait(c, false, true, until) {
		c.Engine.Propagate(wordRPopLPush, c.Args[1], c.Args[2])
	}
}

// moveOrWait is move, or waits for an element that can be moved. It reports whether one was.
func moveOrWait(c *spec.Call, fromFront, toFront bool, untilMs int64) bool {
	src, ok := listToWrite(c)
	if !ok {
		return false
	}
	if src.Len() > 0 {
		return move(c, fromFront, toFront)
	}
	if !waitForLists(c, c.Keys[:1], untilMs) {
		c.Out.Null()
	}
	return false
}
