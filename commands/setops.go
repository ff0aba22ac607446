package commands

import (
	"math"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// setOperations are the commands of several sets.
func setOperations() []*spec.Command {
	const smallest = "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets."
	const total = "O(N) where N is the total number of elements in all given sets."
	tell := func(name, doc, complexity string, run setOperation) *spec.Command {
		return &spec.Command{Name: name, Since: "1.0.0", Doc: "Returns the " + doc + " of multiple sets.", Complex: complexity, Group: spec.Set, Arity: -2,
			Flags: spec.ReadOnly, Keys: spec.From(1, spec.RO|spec.Reads), Args: spec.Args(spec.Many(keyArg)), Tips: []string{"nondeterministic_output_order"},
			Run: func(c *spec.Call) { tellSets(c, run) }}
	}
	store := func(name, doc, complexity string, run setOperation) *spec.Command {
		return &spec.Command{Name: name, Since: "1.0.0", Doc: "Stores the " + doc + " of multiple sets in a key.", Complex: complexity, Group: spec.Set, Arity: -3,
			Flags: spec.Write | spec.DenyOOM,
			Keys: spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{Step: 1}, Access: spec.OW | spec.Updates},
				{Begin: spec.Begin{At: 2}, Find: spec.Find{Last: -1, Step: 1}, Access: spec.RO | spec.Reads}},
			Args: spec.Args(spec.Key("destination"), spec.Many(spec.Arg{Name: "key", Type: spec.TypeKey, KeySpec: 1})),
			Run:  func(c *spec.Call) { storeSets(c, name, run) }}
	}
	return []*spec.Command{
		tell("sinter", "intersect", smallest, intersect),
		{Name: "sintercard", Since: "7.0.0", Doc: "Returns the number of members of the intersect of multiple sets.", Complex: smallest, Group: spec.Set, Arity: -3,
			Flags:   spec.ReadOnly | spec.MovableKeys,
			Keys:    spec.Keys{{Begin: spec.Begin{At: 1}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: spec.RO | spec.Reads}},
			Args:    spec.Args(spec.Int("numkeys"), spec.Many(keyArg), spec.Opt(spec.After("LIMIT", spec.Int("limit")))),
			BadKeys: func(args [][]byte) string { return badCardKeys(args[1]) }, Run: sintercardRun},
		store("sinterstore", "intersect", smallest, intersect),
		tell("sunion", "union", total, unite),
		store("sunionstore", "union", total, unite),
		tell("sdiff", "difference", total, subtract),
		store("sdiffstore", "difference", total, subtract),
	}
}

// setOperation gives fn each member of a result, until it says no. No member comes twice if once is set; else whoever is given them must see to it. The sets are not changed, but
// may be put in another order.
type setOperation func(sets []collection.Set, once bool, fn func(member []byte) bool)

// openSets opens the sets of keys from number first on; a key that is not there is an empty set. False after it has answered WRONGTYPE.
func openSets(c *spec.Call, first int) ([]collection.Set, bool) {
	sets := make([]collection.Set, len(c.Keys)-first)
	for i := range sets {
		k := c.Key(first + i)
		if !openSet(c, &sets[i], k, c.Engine.Read(k)) {
			return nil, false
		}
	}
	return sets, true
}

func tellSets(c *spec.Call, run setOperation) {
	sets, ok := openSets(c, 0)
	if !ok {
		return
	}
	mark, n := c.Out.Defer(), 0
	run(sets, true, func(member []byte) bool {
		c.Out.Bulk(member)
		n++
		return true
	})
	c.Out.SetSet(mark, n)
}

// storeSets makes a result the value of the first key, or deletes that if nothing results.
func storeSets(c *spec.Call, event string, run setOperation) {
	sets, ok := openSets(c, 1)
	if !ok {
		return
	}
	var result collection.Set
	k, inter := c.Key(0), event == "sinterstore"
	result.Draft(collKey(k), draftEncoding(sets, inter))
	run(sets, false, func(member []byte) bool {
		result.Add(member)
		return true
	})
	if inter {
		result.Settle()
	}
	n, was := result.Len(), c.Engine.Write(k).Found()
	switch {
	case n > 0:
		result.Store(keyspace.NoExpiry)
		changed(c, k, eventSet, event)
	case was:
		result.Discard()
		k.DB.Delete(k.Hash, k.Name)
		changed(c, k, eventGeneric, "del")
	}
	c.Out.Int(int64(n))
}

// draftEncoding is how a result begins. As in Redis, only that of an intersection without an intset does not as an intset.
func draftEncoding(sets []collection.Set, inter bool) value.Encoding {
	if inter && !smallestSet(sets).PackedInts() {
		return value.ListPack
	}
	return value.IntSet
}

func smallestSet(sets []collection.Set) *collection.Set {
	small := &sets[0]
	for i := range sets {
		if sets[i].Len() < small.Len() {
			small = &sets[i]
		}
	}
	return small
}

// intersect is a setOperation: it looks for the members of the smallest set in all others, in the smaller ones first.
func intersect(sets []collection.Set, _ bool, fn func(member []byte) bool) {
	small := smallestSet(sets)
	if small.Len() == 0 {
		return
	}
	order := bySize(sets, small)
	small.Each(func(member []byte) bool {
		for _, s := range order {
			if !s.Has(member) {
				return true
			}
		}
		return fn(member)
	})
}

// bySize are all sets but one, the smaller ones first. The key that the one is of is left out too where it is given again.
func bySize(sets []collection.Set, but *collection.Set) []*collection.Set {
	order := make([]*collection.Set, 0, len(sets))
	for i := range sets {
		if s := &sets[i]; s != but && !s.Same(but) {
			order = append(order, s)
		}
	}
	slices.SortStableFunc(order, func(a, b *collection.Set) int { return a.Len() - b.Len() })
	return order
}

// manySets is from how many sets on those that a member has come from before are not searched for it, but one set of all that came.
const manySets = 8

// unite is a setOperation.
func unite(sets []collection.Set, once bool, fn func(member []byte) bool) {
	sets = slices.DeleteFunc(sets, func(s collection.Set) bool { return s.Len() == 0 })
	var all collection.Set
	if once = once && len(sets) > 1; once && len(sets) >= manySets {
		all.Draft(sets[0].Key(), value.IntSet)
		defer all.Discard()
	}
	for i := range sets {
		sets[i].Each(func(member []byte) bool {
			switch {
			case !once:
			case len(sets) >= manySets:
				if !all.Add(member) {
					return true
				}
			case inAny(sets[:i], member):
				return true
			}
			return fn(member)
		})
	}
}

func inAny(sets []collection.Set, member []byte) bool {
	for i := range sets {
		if sets[i].Has(member) {
			return true
		}
	}
	return false
}

// subtract is a setOperation: it takes the cheaper of two ways.
func subtract(sets []collection.Set, _ bool, fn func(member []byte) bool) {
	first := &sets[0]
	others, total := 0, 0
	for i := range sets[1:] {
		s := &sets[1+i]
		if s.Same(first) {
			return
		}
		if s.Len() > 0 {
			others++
			total += s.Len()
		}
	}
	if first.Len() == 0 {
		return
	}
	// One way looks for each member of the first set in the others, and finds it early if it is in them; the other way looks for each of theirs in the first. Redis: the
	// first way's work counts half.
	if first.Len()*(others+1)/2 <= first.Len()+total {
		subtractEach(sets, fn)
	} else {
		subtractAll(sets, fn)
	}
}

// subtractEach looks for each member of the first set in the others, in the bigger ones first.
func subtractEach(sets []collection.Set, fn func(member []byte) bool) {
	rest := sets[1:]
	slices.SortStableFunc(rest, func(a, b collection.Set) int { return b.Len() - a.Len() })
	sets[0].Each(func(member []byte) bool { return inAny(rest, member) || fn(member) })
}

// subtractAll collects what is in the first set and in any other.
func subtractAll(sets []collection.Set, fn func(member []byte) bool) {
	first := &sets[0]
	var gone collection.Set
	gone.Draft(first.Key(), value.IntSet)
	defer gone.Discard()
	for i := range sets[1:] {
		sets[1+i].Each(func(member []byte) bool {
			if first.Has(member) {
				gone.Add(member)
			}
			return true
		})
	}
	first.Each(func(member []byte) bool { return gone.Has(member) || fn(member) })
}

const errCardKeys = "ERR numkeys should be greater than 0"

// badCardKeys tells a number of keys that is none from one that is only too high.
func badCardKeys(numkeys []byte) string {
	if n, ok := resp.ParseInt(numkeys); !ok || n < 1 {
		return errCardKeys
	}
	return "ERR Number of keys can't be greater than number of args"
}

func sintercardRun(c *spec.Call) {
	if len(c.Keys) == 0 {
		c.Out.Error(errCardKeys)
		return
	}
	most := int64(0)
	for rest := c.Args[2+len(c.Keys):]; len(rest) > 0; rest = rest[2:] {
		if len(rest) < 2 || !spec.EqualFold(rest[0], "limit") {
			c.Out.Error(spec.ErrSyntax)
			return
		}
		var ok bool
		if most, ok = between(c, rest[1], 0, math.MaxInt64, "ERR LIMIT can't be negative"); !ok {
			return
		}
	}
	sets, ok := openSets(c, 0)
	if !ok {
		return
	}
	n := int64(0)
	intersect(sets, true, func([]byte) bool {
		n++
		return n != most
	})
	c.Out.Int(n)
}
