package commands

import (
	"bytes"
	"strconv"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

func scanCommands() []*spec.Command {
	return []*spec.Command{
		{Name: "scan", Since: "2.8.0", Doc: "Iterates over the key names in the database.",
			Complex: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. " +
				"N is the number of elements inside the collection.",
			Group: spec.Generic, Arity: -2, Flags: spec.ReadOnly | spec.TouchesAnyKey, Scope: spec.EachShard,
			Args: spec.Args(spec.Int("cursor"), spec.Opt(spec.After("MATCH", spec.Pattern("pattern"))), spec.Opt(spec.After("COUNT", spec.Int("count"))),
				spec.Since("6.0.0", spec.Opt(spec.After("TYPE", spec.Str("type"))))),
			Tips:    []string{"nondeterministic_output", "request_policy:special", "response_policy:special"},
			History: [][2]string{{"6.0.0", "Added the `TYPE` subcommand."}}, Run: scanRun},
		{Name: "keys", Since: "1.0.0", Doc: "Returns all key names that match a pattern.",
			Complex: "O(N) with N being the number of keys in the database, under the assumption that the key names in the database " +
				"and the given pattern have limited length.",
			Group: spec.Generic, Arity: 2, Flags: spec.ReadOnly, Categories: spec.CatDangerous, Scope: spec.EachShard, Args: spec.Args(spec.Pattern("pattern")),
			Tips: []string{"request_policy:all_shards", "nondeterministic_output_order"}, Run: keysRun},
		{Name: "dbsize", Since: "1.0.0", Doc: "Returns the number of keys in the database.", Complex: "O(1)", Group: spec.Server, Arity: 1,
			Flags: spec.ReadOnly | spec.Fast, Categories: spec.CatKeyspace, Scope: spec.EachShard,
			Tips: []string{"request_policy:all_shards", "response_policy:agg_sum"}, Run: dbsizeRun},
		{Name: "randomkey", Since: "1.0.0", Doc: "Returns a random key name from the database.", Complex: "O(1)", Group: spec.Generic, Arity: 1,
			Flags: spec.ReadOnly | spec.TouchesAnyKey, Scope: spec.EachShard,
			Tips: []string{"request_policy:all_shards", "response_policy:special", "nondeterministic_output"}, Run: randomkeyRun},
	}
}

// scan is one SCAN.
type scan struct {
	scanOptions
	c     *spec.Call
	typed bool
	typ   value.Type
	seen  int // keys looked at
	found int
	keys  resp.Writer // the keys found: the cursor stands before them, and is known after them
	over  [][]byte    // keys of the shard in hand that have expired
}

func scanRun(c *spec.Call) {
	cursor, ok := parseCursor(c.Args[1])
	if !ok {
		c.Out.Error("ERR invalid cursor")
		return
	}
	s := scan{c: c}
	if !s.parse() {
		return
	}
	s.keys.Proto = c.Out.Proto
	next := s.run(cursor)
	c.Out.Array(2)
	c.Out.Bulk(strconv.AppendUint(nil, next, 10))
	c.Out.Array(s.found)
	c.Out.Buf = append(c.Out.Buf, s.keys.Buf...)
}

func parseCursor(b []byte) (uint64, bool) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	return n, err == nil
}

// scanOptions are what every scan can be told.
type scanOptions struct {
	count   int
	pattern []byte // nil: all
}

// parse reads the options from an argument on; false after it has answered an error. As in Redis, a wrong value before a wrong word is what is told.
// other takes an option that is a command's own.
func (s *scanOptions) parse(c *spec.Call, from int, other func(o *spec.Option) bool) bool {
	s.count = 10
	opts, fit := c.Cmd.Options(nil, c.Args, from)
	for i := range opts {
		o := &opts[i]
		switch o.Arg.Token {
		case "COUNT":
			n, ok := c.Int(o.Value)
			if !ok {
				return false
			}
			if n < 1 {
				c.Out.Error(spec.ErrSyntax)
				return false
			}
			s.count = int(min(n, limits.MaxScanCount))
		case "MATCH":
			if s.pattern = o.Value; string(o.Value) == "*" {
				s.pattern = nil
			}
		default:
			if !other(o) {
				return false
			}
		}
	}
	if !fit {
		c.Out.Error(scanMisfit(c, from, opts))
	}
	return fit
}

// scanMisfit is the error of the word behind the options that were read: of what only another scan takes it says so.
func scanMisfit(c *spec.Call, from int, read []spec.Option) string {
	at := from
	for i := range read {
		if at++; read[i].Arg.Type != spec.TypePureToken {
			at++
		}
	}
	switch {
	case at >= len(c.Args):
	case spec.EqualFold(c.Args[at], "novalues") && c.Cmd.Name != "hscan":
		return "ERR NOVALUES option can only be used in HSCAN"
	case spec.EqualFold(c.Args[at], "noscores") && c.Cmd.Name != "zscan":
		return "ERR NOSCORES option can only be used in ZSCAN"
	}
	return spec.ErrSyntax
}

// wants reports whether a key or an element is to be told.
func (s *scanOptions) wants(name []byte) bool {
	return s.pattern == nil || glob.Match(s.pattern, name, false)
}

func (s *scan) parse() bool {
	return s.scanOptions.parse(s.c, 2, func(o *spec.Option) bool {
		if s.typ, s.typed = typeByName(o.Value), true; s.typ == noType {
			s.c.Out.Error("ERR unknown type name '" + string(o.Value) + "'")
			return false
		}
		return true
	})
}

// noType is no value's type.
const noType = ^value.Type(0)

func typeByName(name []byte) value.Type {
	for _, t := range []value.Type{value.String, value.List, value.Set, value.ZSet, value.Hash, value.Stream} {
		if spec.EqualFold(name, t.String()) {
			return t
		}
	}
	return noType
}

// run goes on from a cursor, shard by shard, until it has looked at count keys, and gives the next cursor: 0 behind the last shard.
func (s *scan) run(cursor uint64) (next uint64) {
	space := s.c.Engine.Space()
	i, pos, ok := space.SplitCursor(cursor)
	if !ok {
		return 0
	}
	for i < space.Shards() {
		s.c.Engine.Shard(i, func(sh *keyspace.Shard) {
			if !sh.Used(s.c.DB) {
				pos = 0
				return
			}
			pos = sh.DB(s.c.DB).Scan(pos, s.count-s.seen, s.look)
			s.expire()
		})
		if pos == 0 {
			i++
		}
		if s.seen >= s.count || pos != 0 {
			break
		}
	}
	if i >= space.Shards() {
		return 0
	}
	return space.Cursor(i, pos)
}

func (s *scan) look(ent keyspace.Entry) {
	s.seen++
	key := ent.Key()
	if (s.typed && ent.Type() != s.typ) || !s.wants(key) {
		return
	}
	if s.c.Engine.Expired(ent) {
		s.over = append(s.over, bytes.Clone(key))
		return
	}
	s.keys.Bulk(key)
	s.found++
}

// expire deletes the keys that were to be told but are over.
func (s *scan) expire() {
	for _, key := range s.over {
		s.c.Engine.Expire(s.c.DB, key)
	}
	s.over = s.over[:0]
}

func keysRun(c *spec.Call) {
	pattern := c.Args[1]
	all := string(pattern) == "*"
	mark, n := c.Out.Defer(), 0
	look := func(ent keyspace.Entry) {
		if key := ent.Key(); (all || glob.Match(pattern, key, false)) && !c.Engine.Expired(ent) {
			c.Out.Bulk(key)
			n++
		}
	}
	c.Engine.EachShard(func(sh *keyspace.Shard) bool {
		if !sh.Used(c.DB) {
			return true
		}
		// A shard is gone through under one hold of its lock, so that no key is told twice.
		for pos, d := uint64(0), sh.DB(c.DB); ; {
			if pos = d.Scan(pos, limits.MaxScanCount, look); pos == 0 {
				return true
			}
		}
	})
	c.Out.SetArray(mark, n)
}

func dbsizeRun(c *spec.Call) {
	n, _ := sizes(c, nil)
	c.Out.Int(int64(n))
}

// sizes counts the keys of the database, in all shards and in each.
func sizes(c *spec.Call, each []int) (total int, _ []int) {
	c.Engine.EachShard(func(sh *keyspace.Shard) bool {
		n := 0
		if sh.Used(c.DB) {
			n = sh.DB(c.DB).Len()
		}
		total += n
		each = append(each, n)
		return true
	})
	return total, each
}

// randomTries is how many expired keys RANDOMKEY draws, where it may not delete them, before it tells one all the same.
const randomTries = 100

func randomkeyRun(c *spec.Call) {
	d := draw{c: c}
	d.total, d.each = sizes(c, nil)
	for d.total > 0 {
		if d.key() {
			return
		}
	}
	c.Out.Null()
}

// draw is one RANDOMKEY.
type draw struct {
	c     *spec.Call
	total int   // keys left to draw from
	each  []int // and those of each shard
	tries int   // expired keys that could not be deleted
}

// key answers a key drawn with equal chances, as far as the sizes are still true; false if there was none, or it was expired.
func (d *draw) key() (told bool) {
	n := int(d.c.Engine.Rand() % uint64(d.total))
	i := 0
	for n >= d.each[i] {
		n -= d.each[i]
		i++
	}
	d.c.Engine.Shard(i, func(sh *keyspace.Shard) { told = d.from(i, sh) })
	return told
}

func (d *draw) from(i int, sh *keyspace.Shard) (told bool) {
	c := d.c
	ent := sh.DB(c.DB).Random(c.Engine.Rand)
	switch {
	case !ent.Found(): // gone since they were counted
		d.total -= d.each[i]
		d.each[i] = 0
		return false
	case !c.Engine.Expired(ent):
	case c.Engine.Expire(c.DB, bytes.Clone(ent.Key())):
		d.total--
		d.each[i]--
		return false
	default:
		if d.tries++; d.tries < randomTries {
			return false
		}
	}
	c.Out.Bulk(ent.Key())
	return true
}
