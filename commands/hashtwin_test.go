package commands_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/collection"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/store/value"
	"github.com/larder-cache/larder/wire/resp"
)

// slowField is a field of the twin: at is its expiry in ms since 1970, 0 if it has none.
type slowField struct {
	val string
	at  int64
}

// slowHashes is a slow twin of hashes whose fields expire, by key. What is over is in it until overwritten, or swept.
type slowHashes struct {
	now  int64
	keys map[string]map[string]slowField
}

// see is a field, if it is there for a client.
func (w *slowHashes) see(key, field string) (slowField, bool) {
	f, ok := w.keys[key][field]
	if ok && f.at != 0 && f.at < w.now {
		return slowField{}, false
	}
	return f, ok
}

func (w *slowHashes) set(key, field string, f slowField) {
	if w.keys[key] == nil {
		w.keys[key] = map[string]slowField{}
	}
	w.keys[key][field] = f
}

func (w *slowHashes) del(key, field string) {
	if delete(w.keys[key], field); len(w.keys[key]) == 0 {
		delete(w.keys, key)
	}
}

// sweep removes what is over.
func (w *slowHashes) sweep() (n uint64) {
	for key, fields := range w.keys {
		for field := range maps.Clone(fields) {
			if _, ok := w.see(key, field); !ok {
				w.del(key, field)
				n++
			}
		}
	}
	return n
}

// expire is one field of HPEXPIREAT, and its answer.
func (w *slowHashes) expire(key, field string, at int64, cond string) int {
	f, ok := w.see(key, field)
	switch {
	case !ok:
		return -2
	case cond == "NX" && f.at != 0, cond == "XX" && f.at == 0, cond == "GT" && (f.at == 0 || at <= f.at), cond == "LT" && f.at != 0 && at >= f.at:
		return 0
	case at <= w.now:
		w.del(key, field)
		return 2
	}
	w.set(key, field, slowField{f.val, at})
	return 1
}

// hashTwin is two engines, one the replica of the other, and the twin.
type hashTwin struct {
	t       *testing.T
	rnd     *rand.Rand
	s, r    *enginetest.Server
	c       *enginetest.Client
	primary *enginetest.Client
	cycle   *engine.Cycle
	w       slowHashes
	expired uint64
}

func (x *hashTwin) key() string   { return fmt.Sprint("k", x.rnd.IntN(4)) }
func (x *hashTwin) field() string { return fmt.Sprint("f", x.rnd.IntN([]int{6, 40}[x.rnd.IntN(2)])) }
func (x *hashTwin) time() int64   { return x.w.now + x.rnd.Int64N(200) - 20 }

// want runs a command, and compares its answer, of which nil is nothing to be known.
func (x *hashTwin) want(want any, args ...string) {
	x.t.Helper()
	if got := enginetest.Show(x.c.Value(args...)); want != nil && got != fmt.Sprint(want) {
		x.t.Fatalf("%q at %d: %s, want %v", args, x.w.now, got, want)
	}
}

func (x *hashTwin) step() {
	key, field, other := x.key(), x.field(), x.field()
	old, there := x.w.see(key, field)
	val := strconv.Itoa(x.rnd.IntN(1000))
	switch x.rnd.IntN(14) {
	case 0, 1:
		raw, was := x.w.keys[key][field]
		x.over(was && raw.at != 0 && raw.at <= x.w.now)
		x.w.set(key, field, slowField{val, 0})
		x.want(one(!was || raw.at != 0 && raw.at <= x.w.now), "HSET", key, field, val)
	case 2, 3:
		x.setex(key, field, other, val)
	case 4, 5:
		cond := []string{"NX", "XX", "GT", "LT", ""}[x.rnd.IntN(5)]
		at := x.time()
		args := []string{"HPEXPIREAT", key, strconv.FormatInt(at, 10), "FIELDS", "2", field, other}
		if cond != "" {
			args = slices.Insert(args, 3, cond)
		}
		a, b := x.w.expire(key, field, at, cond), x.w.expire(key, other, at, cond)
		x.expired += uint64(max(a-1, 0) + max(b-1, 0))
		x.want(fmt.Sprint([]int{a, b}), args...)
	case 6:
		n := -2
		if there {
			if n = -1; old.at != 0 {
				n = 1
				x.w.set(key, field, slowField{old.val, 0})
			}
		}
		x.want(fmt.Sprintf("[%d]", n), "HPERSIST", key, "FIELDS", "1", field)
	case 7:
		if there {
			x.w.del(key, field)
		}
		x.want(one(there), "HDEL", key, field)
	case 8:
		n, _ := strconv.Atoi(old.val)
		if raw, was := x.w.keys[key][field]; was && raw.at != 0 && raw.at <= x.w.now {
			x.over(true)
		}
		x.w.set(key, field, slowField{strconv.Itoa(n + 7), old.at})
		x.want(n+7, "HINCRBY", key, field, "7")
	case 9:
		x.getex(key, field, old, there)
	case 10:
		x.move(key)
	default:
		x.look(key, field, old, there)
	}
}

func (x *hashTwin) over(was bool) {
	if was {
		x.expired++
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (x *hashTwin) setex(key, field, other, val string) {
	at, keep := x.time(), x.rnd.IntN(3) == 0
	args := []string{"HSETEX", key, "PXAT", strconv.FormatInt(at, 10), "FIELDS", "2", field, val, other, val}
	if keep {
		args = slices.Replace(args, 2, 4, "KEEPTTL")
	}
	for _, f := range []string{field, other} {
		raw, was := x.w.keys[key][f]
		over := was && raw.at != 0 && raw.at <= x.w.now
		switch {
		case keep && over:
			raw.at = 0
			fallthrough
		case keep:
			x.over(over)
			x.w.set(key, f, slowField{val, raw.at})
		case at <= x.w.now:
			x.expired++
			x.w.del(key, f)
		default:
			x.over(over)
			x.w.set(key, f, slowField{val, at})
		}
	}
	x.want(1, args...)
}

func (x *hashTwin) getex(key, field string, old slowField, there bool) {
	at := x.time()
	answer := "[nil]"
	if there {
		answer = fmt.Sprintf("[%q]", old.val)
		if x.w.expire(key, field, at, "") == 2 {
			x.expired++
		}
	}
	x.want(answer, "HGETEX", key, "PXAT", strconv.FormatInt(at, 10), "FIELDS", "1", field)
}

// move copies, renames, dumps or deletes a key, or gives it an expiry far away.
func (x *hashTwin) move(key string) {
	to := x.key()
	fields, there := x.w.keys[key]
	switch x.rnd.IntN(6) {
	case 0:
		if there && to != key {
			x.w.keys[to] = maps.Clone(fields)
			x.want(1, "COPY", key, to, "REPLACE")
		}
	case 1:
		if there && to != key {
			x.w.keys[to] = fields
			delete(x.w.keys, key)
			x.want("OK", "RENAME", key, to)
		}
	case 2:
		if x.rnd.IntN(4) == 0 {
			delete(x.w.keys, key)
			x.want(one(there), "UNLINK", key)
		}
	case 3:
		x.want(one(there), "PEXPIRE", key, "100000000")
	case 4:
		x.want(nil, "PERSIST", key)
	case 5:
		if x.rnd.IntN(4) == 0 {
			delete(x.w.keys, key)
			x.want("OK", "SET", key, "no hash")
			x.want(1, "DEL", key)
		}
	}
}

func (x *hashTwin) look(key, field string, old slowField, there bool) {
	ttl := "[-2]"
	if there {
		if ttl = "[-1]"; old.at != 0 {
			ttl = fmt.Sprintf("[%d]", old.at)
		}
	}
	x.want(ttl, "HPEXPIRETIME", key, "FIELDS", "1", field)
	x.want(len(x.w.keys[key]), "HLEN", key)
	var want []string
	for f := range x.w.keys[key] {
		if v, ok := x.w.see(key, f); ok {
			want = append(want, f, v.val)
		}
	}
	for _, args := range [][]string{{"HGETALL", key}, {"HSCAN", key, "0", "COUNT", "1000"}, {"HRANDFIELD", key, "1000", "WITHVALUES"}} {
		v := x.c.Value(args...)
		if args[0] == "HSCAN" {
			v = v.Elems[1]
		}
		if got, all := inOrder([]string{"HGETALL"}, v), inOrder([]string{"HGETALL"}, strs(want)); got != all {
			x.t.Fatalf("%q at %d: %s, want %s", args, x.w.now, got, all)
		}
	}
}

func strs(words []string) resp.Value {
	v := resp.Value{Kind: resp.KindArray}
	for _, w := range words {
		v.Elems = append(v.Elems, resp.Value{Kind: resp.KindBulk, Str: []byte(w)})
	}
	return v
}

// content is what an engine has, fields that are over included.
func content(t *testing.T, s *enginetest.Server) map[string]map[string]slowField {
	t.Helper()
	out := map[string]map[string]slowField{}
	s.Engine.EachShard(func(sh *keyspace.Shard) bool {
		d := sh.DB(0)
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		for pos, first := uint64(0), true; first || pos != 0; first = false {
			pos = d.Scan(pos, 100, func(e keyspace.Entry) {
				fields := map[string]slowField{}
				if e.Root() != 0 {
					value.OpenHash(d.Values(), e.Root()).Each(func(f value.Element) bool {
						fields[string(f.Member())] = slowField{string(f.Value()), max(f.ExpireAt(), 0)}
						return true
					})
				} else {
					var h collection.Hash
					h.Open(collection.Key{DB: d, Name: e.Key()}, e)
					h.Each(func(field, val []byte) bool {
						fields[string(field)] = slowField{string(val), 0}
						return true
					})
				}
				out[string(e.Key())] = fields
			})
		}
		return true
	})
	return out
}

func (x *hashTwin) compare(who string, got map[string]map[string]slowField) {
	x.t.Helper()
	if !maps.EqualFunc(got, x.w.keys, maps.Equal[map[string]slowField, map[string]slowField]) {
		x.t.Fatalf("%s at %d has\n%v\nwant\n%v", who, x.w.now, got, x.w.keys)
	}
}

// sweep runs the cycle, which leaves nothing that is over, on the replica neither.
func (x *hashTwin) sweep() {
	x.cycle.Run()
	x.expired += x.w.sweep()
	x.compare("the primary", content(x.t, x.s))
	if n := x.s.Engine.Counters().ExpiredFields; n != x.expired {
		x.t.Fatalf("expired_fields is %d, want %d", n, x.expired)
	}
	x.replicate()
	x.compare("the replica", content(x.t, x.r))
}

func (x *hashTwin) replicate() {
	for _, line := range x.s.Journal() {
		x.primary.Raw(strings.Fields(line)...)
	}
}

// TestHashTwin runs random commands against a slow twin, on a clock that goes on, and a replica that gets what is journaled. Fields expire all the time; the cycle runs from time to time.
func TestHashTwin(t *testing.T) {
	for round := range uint64(4) {
		s, r := enginetest.New(t, enginetest.Start), enginetest.New(t, enginetest.Start)
		smallLimits(s.Engine.Space)
		r.Engine.SetGate(engine.GateReplica|engine.GateReadOnly, 0)
		x := &hashTwin{t: t, rnd: rand.New(rand.NewPCG(*seed, round)), s: s, r: r, c: s.Client(), primary: r.Primary(), cycle: s.Engine.NewCycle(),
			w: slowHashes{now: enginetest.Start.UnixMilli(), keys: map[string]map[string]slowField{}}}
		for i := range 3000 {
			if x.step(); x.rnd.IntN(3) == 0 {
				ms := x.rnd.Int64N(12)
				s.Clock.Advance(time.Duration(ms) * time.Millisecond)
				r.Clock.Advance(time.Duration(ms) * time.Millisecond)
				x.w.now += ms
			}
			if i%50 == 49 {
				x.compare("the primary", content(t, s))
			}
			if i%97 == 96 {
				x.sweep()
			}
		}
		x.w.now += 1000
		s.Clock.Advance(time.Second)
		r.Clock.Advance(time.Second)
		x.sweep()
	}
}
