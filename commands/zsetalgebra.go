package commands

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/wire/resp"
)

func zsetAlgebraCommands() []*spec.Command {
	const (
		unionCost = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set."
		interCost = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set."
		diffCost  = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set."
	)
	weights := spec.Arg{Name: "weight", Type: spec.TypeInteger, Token: "WEIGHTS", Optional: true, Multiple: true}
	aggregate := spec.Opt(spec.After("AGGREGATE", spec.OneOf("aggregate", spec.Token("SUM"), spec.Token("MIN"), spec.Token("MAX"))))
	withScores := word("withscores", "WITHSCORES")
	counted := func(at int) spec.Keys {
		return spec.Keys{{Begin: spec.Begin{At: at}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: spec.RO | spec.Reads}}
	}
	read := func(name, since, doc, complexity string, op zop, more ...spec.Arg) *spec.Command {
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Group: spec.SortedSet, Arity: -3, Flags: spec.ReadOnly | spec.MovableKeys,
			Keys: counted(1), Args: append(spec.Args(spec.Int("numkeys"), spec.Many(keyArg)), more...),
			BadKeys: func(args [][]byte) string { return badZKeys(name, args[1]) }, Run: func(c *spec.Call) { zalgebraRun(c, op) }}
	}
	store := func(name, since, doc, complexity string, op zop, more ...spec.Arg) *spec.Command {
		op.store = true
		second := spec.Arg{Name: "key", Type: spec.TypeKey, KeySpec: 1}
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: complexity, Group: spec.SortedSet, Arity: -4,
			Flags: spec.Write | spec.DenyOOM | spec.MovableKeys, Keys: append(spec.One(1, spec.OW|spec.Updates), counted(2)...),
			Args:    append(spec.Args(spec.Key("destination"), spec.Int("numkeys"), spec.Many(second)), more...),
			BadKeys: func(args [][]byte) string { return badZKeys(name, args[2]) }, Run: func(c *spec.Call) { zalgebraRun(c, op) }}
	}
	union, inter, diff := zop{run: zunion, event: "zunionstore", weighs: true}, zop{run: zinter, event: "zinterstore", weighs: true}, zop{run: zdiff, event: "zdiffstore"}
	return []*spec.Command{
		read("zunion", "6.2.0", "Returns the union of multiple sorted sets.", unionCost, union, weights, aggregate, withScores),
		read("zinter", "6.2.0", "Returns the intersect of multiple sorted sets.", interCost, inter, weights, aggregate, withScores),
		read("zdiff", "6.2.0", "Returns the difference between multiple sorted sets.", diffCost, diff, withScores),
		read("zintercard", "7.0.0", "Returns the number of members of the intersect of multiple sorted sets.",
			"O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.", zop{run: zinter, counts: true},
			spec.Opt(spec.After("LIMIT", spec.Int("limit")))),
		store("zunionstore", "2.0.0", "Stores the union of multiple sorted sets in a key.",
			"O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.", union, weights, aggregate),
		store("zinterstore", "2.0.0", "Stores the intersect of multiple sorted sets in a key.", interCost, inter, weights, aggregate),
		store("zdiffstore", "6.2.0", "Stores the difference of multiple sorted sets in a key.", diffCost, diff),
	}
}

// badZKeys is what is wrong with a number of keys: no number, none, or too many.
func badZKeys(name string, numkeys []byte) string {
	switch n, ok := resp.ParseInt(numkeys); {
	case !ok:
		return spec.ErrNotInt
	case n < 1:
		return "ERR at least 1 input key is needed for '" + name + "' command"
	}
	return spec.ErrSyntax
}

// zop is an operation on several sorted sets.
type zop struct {
	run    func(a *zalgebra, tell func(member []byte, score float64) bool)
	event  string
	weighs bool // takes WEIGHTS and AGGREGATE
	counts bool // answers a number alone, and takes LIMIT
	store  bool
}

// zsource is an input, with what its scores are multiplied by.
type zsource struct {
	collection.Scored
	weight float64
}

// weigh is a score times the weight. Infinity times 0 is 0.
func (s *zsource) weigh(score float64) float64 {
	if score *= s.weight; math.IsNaN(score) {
		return 0
	}
	return score
}

// zalgebra is one call of such an operation.
type zalgebra struct {
	zop
	sources []zsource
	combine func(a, b float64) float64
	with    bool
	limit   int64 // 0: none
}

func zsum(a, b float64) float64 {
	if a += b; math.IsNaN(a) { // inf − inf
		return 0
	}
	return a
}

// zmin and zmax keep a where b is no number.
func zmin(a, b float64) float64 {
	if b < a {
		return b
	}
	return a
}

func zmax(a, b float64) float64 {
	if b > a {
		return b
	}
	return a
}

// parse reads the arguments behind the keys; false after it has answered an error.
func (a *zalgebra) parse(c *spec.Call, i int) bool {
	for i < len(c.Args) {
		arg, rest := c.Args[i], c.Args[i+1:]
		used, ok := 0, true
		switch {
		case a.weighs && len(rest) >= len(a.sources) && spec.EqualFold(arg, "weights"):
			used, ok = len(a.sources), a.weights(c, rest)
		case a.weighs && len(rest) >= 1 && spec.EqualFold(arg, "aggregate"):
			used, ok = 1, a.aggregate(c, rest[0])
		case !a.store && !a.counts && spec.EqualFold(arg, "withscores"):
			a.with = true
		case a.counts && len(rest) >= 1 && spec.EqualFold(arg, "limit"):
			used = 1
			a.limit, ok = between(c, rest[0], 0, math.MaxInt64, "ERR LIMIT can't be negative")
		default:
			c.Out.Error(spec.ErrSyntax)
			ok = false
		}
		if !ok {
			return false
		}
		i += 1 + used
	}
	return true
}

func (a *zalgebra) weights(c *spec.Call, args [][]byte) (ok bool) {
	for i := range a.sources {
		if a.sources[i].weight, ok = resp.ParseFloat(args[i]); !ok {
			c.Out.Error("ERR weight value is not a float")
			return false
		}
	}
	return true
}

func (a *zalgebra) aggregate(c *spec.Call, arg []byte) bool {
	switch {
	case spec.EqualFold(arg, "sum"):
		a.combine = zsum
	case spec.EqualFold(arg, "min"):
		a.combine = zmin
	case spec.EqualFold(arg, "max"):
		a.combine = zmax
	default:
		c.Out.Error(spec.ErrSyntax)
		return false
	}
	return true
}

// open opens the inputs, which are the keys from number first on; false after it has answered WRONGTYPE.
func (a *zalgebra) open(c *spec.Call, first int) bool {
	a.sources = make([]zsource, len(c.Keys)-first)
	for i := range a.sources {
		k := c.Key(first + i)
		a.sources[i].weight = 1
		if !a.sources[i].Open(collKey(k), c.Engine.Read(k)) {
			c.Out.Error(spec.ErrWrongType)
			return false
		}
	}
	return true
}

func zalgebraRun(c *spec.Call, op zop) {
	first := 0
	if op.store {
		first = 1
	}
	if len(c.Keys) == first {
		c.Out.Error(badZKeys(c.Cmd.FullName(), c.Args[1+first]))
		return
	}
	a := zalgebra{zop: op, combine: zsum}
	if !a.open(c, first) || !a.parse(c, len(c.Keys)+2) {
		return
	}
	if a.counts {
		n := int64(0)
		a.run(&a, func([]byte, float64) bool {
			n++
			return n != a.limit
		})
		c.Out.Int(n)
		return
	}
	members := a.collect()
	if a.store {
		zstore(c, c.Key(0), members, a.event)
		return
	}
	r := zreply{c, a.with}
	r.head(len(members))
	for _, m := range members {
		r.member(m.Member, m.Score)
	}
}

// collect is the operation's result in order, in memory of its own.
func (a *zalgebra) collect() (members []collection.ZMember) {
	a.run(a, func(member []byte, score float64) bool {
		members = append(members, collection.ZMember{Member: bytes.Clone(member), Score: score})
		return true
	})
	slices.SortFunc(members, zorderOf)
	return members
}

// zorderOf is the order of a sorted set.
func zorderOf(x, y collection.ZMember) int {
	if d := cmp.Compare(x.Score+0, y.Score+0); d != 0 { // −0 is 0
		return d
	}
	return bytes.Compare(x.Member, y.Member)
}

// smallestFirst orders the inputs as Redis does, so that scores are added up in the same order.
func (a *zalgebra) smallestFirst() {
	slices.SortStableFunc(a.sources, func(x, y zsource) int { return cmp.Compare(x.Len(), y.Len()) })
}

func zunion(a *zalgebra, tell func(member []byte, score float64) bool) {
	a.smallestFirst()
	all := map[string]float64{}
	for i := range a.sources {
		s := &a.sources[i]
		s.Each(func(member []byte, score float64) bool {
			score = s.weigh(score)
			if old, there := all[string(member)]; there {
				score = a.combine(old, score)
			}
			all[string(member)] = score
			return true
		})
	}
	for member, score := range all {
		tell([]byte(member), score)
	}
}

func zinter(a *zalgebra, tell func(member []byte, score float64) bool) {
	a.smallestFirst()
	a.sources[0].Each(func(member []byte, score float64) bool {
		score = a.sources[0].weigh(score)
		for i := 1; i < len(a.sources); i++ {
			other, there := a.sources[i].Score(member)
			if !there {
				return true
			}
			score = a.combine(score, other*a.sources[i].weight)
		}
		return tell(member, score)
	})
}

func zdiff(a *zalgebra, tell func(member []byte, score float64) bool) {
	a.sources[0].Each(func(member []byte, score float64) bool {
		for i := 1; i < len(a.sources); i++ {
			if _, there := a.sources[i].Score(member); there {
				return true
			}
		}
		return tell(member, score)
	})
}
