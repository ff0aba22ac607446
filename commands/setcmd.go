package commands

import (
	"bytes"
	"math"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
)

// setCommands are the commands of one set; setOperations has those of several.
func setCommands() []*spec.Command {
	const read = spec.ReadOnly | spec.Fast
	member, members := spec.Str("member"), spec.Many(spec.Str("member"))
	seen, peeked := spec.One(1, spec.RO|spec.Reads), spec.One(1, spec.RO)
	many := [][2]string{{"2.4.0", "Accepts multiple `member` arguments."}}
	return []*spec.Command{
		{Name: "sadd", Since: "1.0.0", Doc: "Adds one or more members to a set. Creates the key if it doesn't exist.",
			Complex: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.", Group: spec.Set, Arity: -3,
			Flags: spec.Write | spec.DenyOOM | spec.Fast, Keys: spec.One(1, spec.RW|spec.Inserts), Args: spec.Args(keyArg, members), History: many, Run: saddRun},
		{Name: "srem", Since: "1.0.0", Doc: "Removes one or more members from a set. Deletes the set if the last member was removed.",
			Complex: "O(N) where N is the number of members to be removed.", Group: spec.Set, Arity: -3, Flags: spec.Write | spec.Fast,
			Keys: spec.One(1, spec.RW|spec.Deletes), Args: spec.Args(keyArg, members), History: many, Run: sremRun},
		{Name: "smove", Since: "1.0.0", Doc: "Moves a member from one set to another.", Complex: "O(1)", Group: spec.Set, Arity: 4, Flags: spec.Write | spec.Fast,
			Keys: append(spec.One(1, spec.RW|spec.Reads|spec.Deletes), spec.One(2, spec.RW|spec.Inserts)...),
			Args: spec.Args(spec.Key("source"), spec.Arg{Name: "destination", Type: spec.TypeKey, KeySpec: 1}, member), Run: smoveRun},
		{Name: "sismember", Since: "1.0.0", Doc: "Determines whether a member belongs to a set.", Complex: "O(1)", Group: spec.Set, Arity: 3, Flags: read,
			Keys: peeked, Args: spec.Args(keyArg, member), Run: sismemberRun},
		{Name: "smismember", Since: "6.2.0", Doc: "Determines whether multiple members belong to a set.",
			Complex: "O(N) where N is the number of elements being checked for membership", Group: spec.Set, Arity: -3, Flags: read, Keys: seen,
			Args: spec.Args(keyArg, members), Run: smismemberRun},
		{Name: "scard", Since: "1.0.0", Doc: "Returns the number of members in a set.", Complex: "O(1)", Group: spec.Set, Arity: 2, Flags: read, Keys: peeked,
			Args: spec.Args(keyArg), Run: scardRun},
		{Name: "smembers", Since: "1.0.0", Doc: "Returns all members of a set.", Complex: "O(N) where N is the set cardinality.", Group: spec.Set, Arity: 2,
			Flags: spec.ReadOnly, Keys: seen, Args: spec.Args(keyArg), Tips: []string{"nondeterministic_output_order"}, Run: smembersRun},
		{Name: "spop", Since: "1.0.0", Doc: "Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.",
			Complex: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.", Group: spec.Set, Arity: -2,
			Flags: spec.Write | spec.Fast, Keys: spec.One(1, spec.RW|spec.Reads|spec.Deletes), Tips: tipRandom,
			Args:    spec.Args(keyArg, spec.Opt(spec.Since("3.2.0", spec.Int("count")))),
			History: [][2]string{{"3.2.0", "Added the `count` argument."}}, Run: spopRun},
		{Name: "srandmember", Since: "1.0.0", Doc: "Get one or multiple random members from a set",
			Complex: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.", Group: spec.Set, Arity: -2,
			Flags: spec.ReadOnly, Keys: seen, Tips: tipRandom, Args: spec.Args(keyArg, spec.Opt(spec.Since("2.6.0", spec.Int("count")))),
			History: [][2]string{{"2.6.0", "Added the optional `count` argument."}}, Run: srandmemberRun},
		{Name: "sscan", Since: "2.8.0", Doc: "Iterates over members of a set.",
			Complex: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. " +
				"N is the number of elements inside the collection.",
			Group: spec.Set, Arity: -3, Flags: spec.ReadOnly, Keys: seen, Tips: tipRandom,
			Args: spec.Args(keyArg, spec.Int("cursor"), spec.Opt(spec.After("MATCH", spec.Pattern("pattern"))), spec.Opt(spec.After("COUNT", spec.Int("count")))),
			Run:  sscanRun},
	}
}

// eventSet is the class of the events of sets.
const eventSet = 's'

var wordSRem = []byte("SREM")

// openSet opens the set that was found under a key, or an empty one; false after it has answered WRONGTYPE.
func openSet(c *spec.Call, s *collection.Set, k *spec.KeyRef, ent keyspace.Entry) bool {
	if ent.Found() && !isType(c, ent, value.Set) {
		return false
	}
	s.Open(collKey(k), ent)
	return true
}

// readSet and writeSet open the set of the call's first key.
func readSet(c *spec.Call, s *collection.Set) bool {
	return openSet(c, s, c.Key(0), c.Engine.Read(c.Key(0)))
}

func writeSet(c *spec.Call, s *collection.Set) bool {
	return openSet(c, s, c.Key(0), c.Engine.Write(c.Key(0)))
}

func saddRun(c *spec.Call) {
	var s collection.Set
	if !writeSet(c, &s) {
		return
	}
	members := c.Args[2:]
	s.Expect(members[0], len(members))
	n := 0
	for _, m := range members {
		if s.Add(m) {
			n++
		}
	}
	s.Commit()
	if n > 0 {
		changed(c, c.Key(0), eventSet, "sadd")
		c.Engine.Dirty(n - 1)
	}
	c.Out.Int(int64(n))
}

func sremRun(c *spec.Call) {
	var s collection.Set
	if !writeSet(c, &s) {
		return
	}
	n := 0
	for _, m := range c.Args[2:] {
		if s.Delete(m) {
			n++
		}
	}
	if n > 0 {
		deleted := s.Commit()
		changed(c, c.Key(0), eventSet, "srem")
		c.Engine.Dirty(n - 1)
		if deleted {
			c.Engine.Notify(eventGeneric, "del", c.Key(0))
		}
	}
	c.Out.Int(int64(n))
}

func smoveRun(c *spec.Call) {
	from, to, member := c.Key(0), c.Key(1), c.Args[3]
	source, target := c.Engine.Write(from), c.Engine.Write(to)
	if !source.Found() {
		c.Out.Int(0)
		return
	}
	var src, dst collection.Set
	if !openSet(c, &src, from, source) || !openSet(c, &dst, to, target) {
		return
	}
	if bytes.Equal(from.Name, to.Name) {
		replyFlag(c, src.Has(member))
		return
	}
	if !src.Delete(member) {
		c.Out.Int(0)
		return
	}
	deleted := src.Commit()
	changed(c, from, eventSet, "srem")
	if deleted {
		c.Engine.Notify(eventGeneric, "del", from)
	}
	// What was found of the other key before this one changed may not hold any more.
	dst.Open(collKey(to), to.DB.Find(to.Hash, to.Name))
	if dst.Add(member) {
		dst.Commit()
		changed(c, to, eventSet, "sadd")
	}
	c.Out.Int(1)
}

// replyFlag answers 1 or 0.
func replyFlag(c *spec.Call, yes bool) {
	if yes {
		c.Out.Int(1)
	} else {
		c.Out.Int(0)
	}
}

func sismemberRun(c *spec.Call) {
	var s collection.Set
	if readSet(c, &s) {
		replyFlag(c, s.Has(c.Args[2]))
	}
}

func smismemberRun(c *spec.Call) {
	var s collection.Set
	if !readSet(c, &s) {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, m := range c.Args[2:] {
		replyFlag(c, s.Has(m))
	}
}

func scardRun(c *spec.Call) {
	var s collection.Set
	if readSet(c, &s) {
		c.Out.Int(int64(s.Len()))
	}
}

func smembersRun(c *spec.Call) {
	var s collection.Set
	if readSet(c, &s) {
		replyMembers(c, &s)
	}
}

func replyMembers(c *spec.Call, s *collection.Set) {
	c.Out.Set(s.Len())
	s.Each(func(member []byte) bool {
		c.Out.Bulk(member)
		return true
	})
}

func sscanRun(c *spec.Call) {
	scanElements(c, value.Set, func(e *elementScan, ent keyspace.Entry) uint64 {
		var s collection.Set
		s.Open(collKey(c.Key(0)), ent)
		return s.Scan(e.cursor, e.count, func(member []byte) {
			if e.wants(member) {
				e.tell(member)
			}
		})
	})
}

func spopRun(c *spec.Call) {
	if len(c.Args) > 2 {
		spopMany(c)
		return
	}
	var s collection.Set
	if !writeSet(c, &s) {
		return
	}
	if s.Len() == 0 {
		c.Out.Null()
		return
	}
	member := s.Pop(c.Engine.Rand)
	deleted := s.Commit()
	changed(c, c.Key(0), eventSet, "spop")
	if deleted {
		c.Engine.Notify(eventGeneric, "del", c.Key(0))
	}
	c.Engine.Propagate(wordSRem, c.Args[1], member)
	c.Out.Bulk(member)
}

func spopMany(c *spec.Call) {
	if len(c.Args) > 3 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	count, ok := between(c, c.Args[2], 0, math.MaxInt64, "ERR value is out of range, must be positive")
	var s collection.Set
	if !ok || !writeSet(c, &s) {
		return
	}
	size := int64(s.Len())
	if count == 0 || size == 0 {
		c.Out.Set(0)
		return
	}
	k := c.Key(0)
	if count < size {
		popSome(c, &s, int(count))
		changed(c, k, eventSet, "spop")
		c.Engine.Dirty(int(count) - 1)
		return
	}
	replyMembers(c, &s)
	k.DB.Delete(k.Hash, k.Name)
	changed(c, k, eventSet, "spop")
	c.Engine.Notify(eventGeneric, "del", k)
	c.Engine.Dirty(int(size) - 1)
	word := wordUnlink
	if !c.Engine.LazyDel() {
		word = wordDel
	}
	c.Engine.Propagate(word, k.Name)
}

// popSome answers and removes n members, fewer than there are. It is propagated as what was taken, some at a time: another node would take others.
func popSome(c *spec.Call, s *collection.Set, n int) {
	c.Out.Set(n)
	rem := make([][]byte, 2, 2+min(n, limits.MaxPoppedAtOnce))
	rem[0], rem[1] = wordSRem, c.Args[1]
	s.PopMany(n, c.Engine.Rand, func(member []byte) {
		c.Out.Bulk(member)
		if rem = append(rem, bytes.Clone(member)); len(rem) == cap(rem) {
			c.Engine.Propagate(rem...)
			rem = rem[:2]
		}
	})
	if len(rem) > 2 {
		c.Engine.Propagate(rem...)
	}
}

func srandmemberRun(c *spec.Call) {
	if len(c.Args) > 2 {
		srandmemberMany(c)
		return
	}
	var s collection.Set
	if !readSet(c, &s) {
		return
	}
	if s.Len() == 0 {
		c.Out.Null()
		return
	}
	c.Out.Bulk(s.Random(c.Engine.Rand))
}

func srandmemberMany(c *spec.Call) {
	if len(c.Args) > 3 {
		c.Out.Error(spec.ErrSyntax)
		return
	}
	n, _, ok := randomCount(c, "")
	var s collection.Set
	if !ok || !readSet(c, &s) {
		return
	}
	size := int64(s.Len())
	switch {
	case n == 0 || size == 0:
		c.Out.EmptyArray()
	case n > 0:
		n = min(n, size)
		c.Out.Array(int(n))
		s.RandomDistinct(int(n), c.Engine.Rand, c.Out.Bulk)
	case mayRepeat(c, -n):
		c.Out.Array(int(-n))
		repeat(c, -n, func() { c.Out.Bulk(s.Random(c.Engine.Rand)) })
	}
}
