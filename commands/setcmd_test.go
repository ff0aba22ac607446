package commands_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

func TestSets(t *testing.T) {
	runSteps(t, []step{
		{"SADD s 3 1 2 1", "3", []string{"SADD s 3 1 2 1"}},
		{"SADD s 1", "0", nil},
		{"TYPE s", "set", nil},
		{"OBJECT ENCODING s", `"intset"`, nil},
		{"SMEMBERS s", `["1" "2" "3"]`, nil},
		{"SADD s b 01", "2", []string{"SADD s b 01"}},
		{"OBJECT ENCODING s", `"listpack"`, nil},
		{"SMEMBERS s", `["1" "2" "3" "b" "01"]`, nil},
		{"SCARD s", "5", nil},
		{"SISMEMBER s 01", "1", nil},
		{"SMISMEMBER s 1 001 b x", "[1 0 1 0]", nil},
		{"SMISMEMBER none a b", "[0 0]", nil},
		{"SREM s none", "0", nil},
		{"SREM s 1 b", "2", []string{"SREM s 1 b"}},
		{"SMOVE s t 3", "1", []string{"SMOVE s t 3"}},
		{"SMOVE s t 3", "0", nil},
		{"SMOVE s s 01", "1", nil},
		{"SMOVE none t 1", "0", nil},
		{"SMEMBERS t", `["3"]`, nil},
		{"SET str v", "OK", []string{"SET str v"}},
		{"SMOVE s str 2", "-WRONGTYPE Operation against a key holding the wrong kind of value", nil},
		{"SADD str v", "-WRONGTYPE Operation against a key holding the wrong kind of value", nil},
		{"SUNION none str", "-WRONGTYPE Operation against a key holding the wrong kind of value", nil},
		{"SINTERSTORE str none s", "0", []string{"SINTERSTORE str none s"}}, // nothing results, and what was there goes
		{"EXISTS str", "0", nil},
		{"SINTERSTORE str none s", "0", nil},
		{"PEXPIREAT t " + in(5000), "1", []string{"PEXPIREAT t " + in(5000)}},
		{"SUNIONSTORE t s t", "3", []string{"SUNIONSTORE t s t"}},
		{"PTTL t", "-1", nil},
		{"SDIFF t s", `["3"]`, nil},
		{"SINTERCARD 2 s t LIMIT 1", "1", nil},
		{"SINTERCARD 0 s", "-ERR numkeys should be greater than 0", nil},
		{"SINTERCARD 3 s t", "-ERR Number of keys can't be greater than number of args", nil},
		{"SINTERCARD 1 s LIMIT -1", "-ERR LIMIT can't be negative", nil},
		{"SPOP s 0", "[]", nil},
		{"SPOP none", "nil", nil},
		{"SPOP s -1", "-ERR value is out of range, must be positive", nil},
		{"SPOP s 9", `["2" "01"]`, []string{"UNLINK s"}},
		{"EXISTS s", "0", nil},
		{"SADD s x", "1", []string{"SADD s x"}},
		{"SPOP s", `"x"`, []string{"SREM s x"}},
		{"EXISTS s", "0", nil},
		{"SRANDMEMBER t -9223372036854775807", "-ERR value is out of range", nil}, // Redis would answer until its memory ends
		{"SSCAN t 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN", nil},
	})
}

// TestSetEvents: the events of sets, in Redis' order.
func TestSetEvents(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, x := range []struct {
		line string
		want []string
	}{
		{"SADD a 1 2 3", []string{"s sadd 0 a"}},
		{"SADD a 1", nil},
		{"SREM a 9", nil},
		{"SMOVE a b 1", []string{"s srem 0 a", "s sadd 0 b"}},
		{"SMOVE b a 1", []string{"s srem 0 b", "g del 0 b", "s sadd 0 a"}},
		{"SPOP a", []string{"s spop 0 a"}},
		{"SPOP a 1", []string{"s spop 0 a"}},
		{"SUNIONSTORE b a", []string{"s sunionstore 0 b"}},
		{"SINTERSTORE b a", []string{"s sinterstore 0 b"}},
		{"SDIFFSTORE b a none", []string{"s sdiffstore 0 b"}},
		{"SDIFFSTORE b a a", []string{"g del 0 b"}},
		{"SPOP a 9", []string{"s spop 0 a", "g del 0 a"}},
		{"SADD a x", []string{"s sadd 0 a"}},
		{"SREM a x y", []string{"s srem 0 a", "g del 0 a"}},
	} {
		s.Events = nil
		c.Do(x.line)
		got := slices.DeleteFunc(s.Events, func(e string) bool { return strings.HasPrefix(e, "n ") || strings.HasPrefix(e, "m ") })
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", x.line, got, x.want)
		}
	}
}

const setKeys = 7

func setWord(r *rand.Rand) string {
	switch r.IntN(16) {
	case 0:
		return fmt.Sprint(r.Int64() >> r.IntN(64))
	case 1:
		return []string{"", "007", "-0", "1.5"}[r.IntN(4)]
	case 2:
		return strings.Repeat("long", r.IntN(12))
	case 3, 4:
		return fmt.Sprint("m", r.IntN(12))
	}
	return fmt.Sprint(r.IntN(30) - 5)
}

// randomSetCommand draws a command whose outcome is not left to chance, but for SRANDMEMBER's.
func randomSetCommand(r *rand.Rand) []string {
	key := func() string { return fmt.Sprint("k", r.IntN(setKeys)) }
	list := func(word func() string, n int, cmd ...string) []string {
		for range n {
			cmd = append(cmd, word())
		}
		return cmd
	}
	word := func() string { return setWord(r) }
	switch r.IntN(24) {
	case 0, 1, 2, 3:
		return list(word, 1+r.IntN(9), "SADD", key())
	case 4:
		// Only integers, so that intsets live for a while.
		return list(func() string { return fmt.Sprint(r.IntN(40)) }, 1+r.IntN(9), "SADD", key())
	case 5, 6:
		return list(word, 1+r.IntN(6), "SREM", key())
	case 7:
		return []string{[]string{"SMEMBERS", "SCARD", "TYPE", "DEL"}[r.IntN(4)], key()}
	case 8:
		return list(word, 1+r.IntN(5), "SMISMEMBER", key())
	case 9:
		return []string{"SISMEMBER", key(), word()}
	case 10, 11:
		return []string{"SMOVE", key(), key(), word()}
	case 12, 13, 14, 15:
		return list(key, 1+r.IntN(4), []string{"SINTER", "SUNION", "SDIFF"}[r.IntN(3)])
	case 16, 17, 18:
		return list(key, 2+r.IntN(4), []string{"SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"}[r.IntN(3)])
	case 19:
		return [][]string{{"SINTERCARD", "2", key(), key()}, {"SINTERCARD", "1", key(), "LIMIT", "3"}, {"SINTERCARD", "2", key(), key(), "LIMIT", "0", "limit", "2"},
			{"SINTERCARD", "3", key(), key()}, {"SINTERCARD", "x", key()}, {"SINTERCARD", "1", key(), "LIMIT"}, {"SINTERCARD", "1", key(), "LIMIT", "-1"},
			{"SINTERCARD", "1", key(), key()}}[r.IntN(8)]
	case 20:
		return [][]string{{"SPOP", key(), "1000"}, {"SPOP", key(), "0"}, {"SPOP", key(), "-1"}, {"SPOP", key(), "x"}, {"SPOP", key(), "1", "1"}}[r.IntN(5)]
	case 21:
		return [][]string{{"SRANDMEMBER", key()}, {"SRANDMEMBER", key(), "1000"}, {"SRANDMEMBER", key(), "0"}, {"SRANDMEMBER", key(), "-7"}, {"SRANDMEMBER", key(), "x"},
			{"SRANDMEMBER", key(), "-9223372036854775808"}, {"SRANDMEMBER", key(), "1", "1"}}[r.IntN(7)]
	case 22:
		return [][]string{{"SSCAN", key(), "0", "COUNT", "1000"}, {"SSCAN", key(), "0", "MATCH", "m1*", "COUNT", "1000"}, {"SSCAN", key(), "x"}, {"SSCAN", key(), "0", "COUNT", "0"},
			{"SSCAN", key(), "0", "NOSUCH"}}[r.IntN(5)]
	}
	return [][]string{{"OBJECT", "ENCODING", key()}, {"RENAME", key(), key()}, {"COPY", key(), key(), "REPLACE"}, {"SET", key(), "v", "PX", "100000"}, {"EXPIRE", key(), "1000"},
		{"PERSIST", key()}, {"GET", key()}}[r.IntN(7)]
}

// setReply is a reply with members sorted, and without what chance decides. redis 7.0 has no listpacks of sets.
func setReply(args []string, v resp.Value) string {
	switch args[0] {
	case "OBJECT":
		return strings.Replace(enginetest.Show(v), "listpack", "hashtable", 1)
	case "SRANDMEMBER":
		if len(args) == 2 {
			return fmt.Sprint(v.Kind)
		}
		if args[2] == "-7" && len(v.Elems) > 0 {
			return fmt.Sprint(v.Kind, len(v.Elems))
		}
	case "SSCAN":
		if len(v.Elems) == 2 {
			return enginetest.Show(v.Elems[0]) + setReply([]string{"SMEMBERS"}, v.Elems[1])
		}
	case "SMEMBERS", "SINTER", "SUNION", "SDIFF", "SPOP":
	default:
		return enginetest.Show(v)
	}
	if len(v.Elems) == 0 {
		return enginetest.Show(v)
	}
	out := make([]string, len(v.Elems))
	for i, e := range v.Elems {
		out[i] = enginetest.Show(e)
	}
	sort.Strings(out)
	return fmt.Sprint(v.Kind, out)
}

// smallSets let sets leave their packed forms soon; the real server, which has no listpacks of sets, is told the same.
func smallSets(s *keyspace.Space) []string {
	l := keyspace.DefaultLimits()
	l.SetIntSetEntries, l.SetEntries, l.SetValueBytes = 16, 10, 20
	s.SetLimits(l)
	return []string{"CONFIG", "SET", "set-max-intset-entries", "16"}
}

// TestSetsAsRedis runs the same random commands here and on a real server, with limits so low that sets have all three forms.
func TestSetsAsRedis(t *testing.T) {
	real := enginetest.StartRedis(t)
	for i, proto := range []string{"2", "3"} {
		s := enginetest.New(t, enginetest.Start)
		c, real := s.Client(), real.Dial()
		real.Raw("FLUSHALL")
		real.Raw(smallSets(s.Engine.Space)...)
		c.Value("HELLO", proto)
		real.Value("HELLO", proto)
		r := rand.New(rand.NewPCG(*seed, uint64(i)))
		forms := map[string]int{}
		for n := range 20_000 {
			args := randomSetCommand(r)
			ours, theirs := c.Value(args...), real.Value(args...)
			if a, b := setReply(args, ours), setReply(args, theirs); a != b {
				t.Fatalf("RESP%s, command %d: %q\n  ours %s\ntheirs %s", proto, n, args, a, b)
			}
			if args[0] == "OBJECT" {
				forms[string(ours.Str)]++
			}
		}
		for _, form := range []string{"intset", "listpack", "hashtable"} {
			if forms[form] < 10 {
				t.Errorf("a set was a %s only %d times", form, forms[form])
			}
		}
	}
}

// TestSetEncodings: when a set changes its form, as Valkey says.
func TestSetEncodings(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	smallSets(s.Engine.Space)
	numbers := func(from, n int) (out string) {
		for i := range n {
			out += fmt.Sprint(" ", from+i)
		}
		return out
	}
	encoding := func(key, want string) {
		t.Helper()
		if got := c.Value("OBJECT", "ENCODING", key); string(got.Str) != want {
			t.Errorf("%s: encoding %s, want %s", key, got.Str, want)
		}
	}
	c.Do("SADD i" + numbers(0, 16))
	encoding("i", "intset")
	c.Do("SINTERSTORE j i i")
	encoding("j", "intset")
	c.Do("SADD i 99")
	encoding("i", "hashtable")
	c.Do("SREM i 98 99 0 1")
	encoding("i", "hashtable")
	c.Do("SINTERSTORE j i") // thirteen integers: too many for a listpack, not for an intset
	encoding("j", "intset")
	c.Do("SADD j x")
	encoding("j", "hashtable")
	c.Do("SADD p 1 a")
	encoding("p", "listpack")
	c.Do("SREM p a")
	encoding("p", "listpack")
	c.Do("SADD p" + numbers(0, 10))
	encoding("p", "listpack")
	c.Do("SADD p 10")
	encoding("p", "hashtable")
	c.Do("SADD q 1 " + strings.Repeat("x", 20))
	encoding("q", "listpack")
	c.Do("SADD q " + strings.Repeat("x", 21))
	encoding("q", "hashtable")
	c.Do("SADD w 1")
	c.Do("SADD w " + strings.Repeat("x", 21))
	encoding("w", "hashtable")
	c.Do("SADD v" + strings.Repeat(" 1", 17)) // Redis goes by how many words there are
	encoding("v", "hashtable")
	c.Do("SADD u" + strings.Repeat(" a", 11))
	encoding("u", "hashtable")
	c.Do("SADD big" + numbers(0, 17) + " a b c")
	c.Do("SPOP big 17") // what stays is made anew
	encoding("big", "listpack")
}

// TestPoppedWhole: a set that SPOP takes as a whole is told as lazyfree-lazy-server-del wants it.
func TestPoppedWhole(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for lazy, want := range map[bool]string{true: "UNLINK s", false: "DEL s"} {
		s.Engine.SetLazyDel(lazy)
		c.Do("SADD s 1 2")
		s.Journal()
		c.Do("SPOP s 2")
		if got := s.Journal(); !slices.Equal(got, []string{want}) {
			t.Errorf("lazy %v: %q", lazy, got)
		}
	}
}

// TestPopped: SPOP takes each member once, leaves the others, and is propagated as what it took.
func TestPopped(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, replica := s.Client(), enginetest.New(t, enginetest.Start).Client()
	for _, kind := range []string{"%d", "m%d"} {
		for _, size := range []int{5, 100, 3000} {
			for _, n := range []int{1, size / 2, size - 1} {
				want := map[string]bool{}
				words := []string{"SADD", "s"}
				for i := range size {
					m := fmt.Sprintf(kind, i)
					want[m] = true
					words = append(words, m)
				}
				c.Value("DEL", "s")
				c.Value(words...)
				c.Value("PEXPIREAT", "s", in(5000))
				popped := c.Value("SPOP", "s", fmt.Sprint(n)).Elems
				for _, line := range s.Journal() {
					replica.Do(line)
				}
				for _, e := range append(popped, c.Value("SMEMBERS", "s").Elems...) {
					if !want[string(e.Str)] {
						t.Fatalf("%s, %d of %d: %q is none or comes twice", kind, n, size, e.Str)
					}
					delete(want, string(e.Str))
				}
				if len(popped) != n || len(want) > 0 || c.Do("PTTL s") != "5000" {
					t.Fatalf("%s, %d of %d: popped %d, %d lost, PTTL %s", kind, n, size, len(popped), len(want), c.Do("PTTL s"))
				}
				ours, theirs := c.Value("SMEMBERS", "s"), replica.Value("SMEMBERS", "s")
				if a, b := setReply([]string{"SMEMBERS"}, ours), setReply([]string{"SMEMBERS"}, theirs); a != b {
					t.Fatalf("%s, %d of %d: a replica has another set", kind, n, size)
				}
			}
		}
	}
}

// TestRandomMembers: every member has a chance, in all forms, and distinct ones are.
func TestRandomMembers(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	smallSets(s.Engine.Space)
	for _, members := range []string{"1 2 3 4 5 6 7 8", "1 2 3 4 a b c d", "1 2 3 4 5 6 7 8 9 10 a b"} {
		c.Do("DEL s")
		c.Do("SADD s " + members)
		total := len(strings.Fields(members))
		one, some, many := map[string]int{}, map[string]int{}, map[string]int{}
		const rounds = 2000
		for range rounds {
			one[c.Do("SRANDMEMBER s")]++
			seen := map[string]bool{}
			for _, e := range c.Value("SRANDMEMBER", "s", "3").Elems {
				some[string(e.Str)]++
				seen[string(e.Str)] = true
			}
			if len(seen) != 3 {
				t.Fatalf("%s: %v", members, seen)
			}
			for _, e := range c.Value("SRANDMEMBER", "s", "-3").Elems {
				many[string(e.Str)]++
			}
		}
		for what, counts := range map[string]map[string]int{"one": one, "some": some, "many": many} {
			per := rounds / total
			if what != "one" {
				per *= 3
			}
			for m, n := range counts {
				if n < per*2/3 || n > per*4/3 {
					t.Errorf("%s, %s: %s came %d times, not %d", members, what, m, n, per)
				}
			}
			if len(counts) != total {
				t.Errorf("%s, %s: %d different", members, what, len(counts))
			}
		}
	}
}

// TestManySets: both ways of a difference and both of a union are right, with sets of all forms.
func TestManySets(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	smallSets(s.Engine.Space)
	r := rand.New(rand.NewPCG(*seed, 9))
	for round := range 60 {
		sets := make([]map[string]bool, 2+r.IntN(14))
		var keys []string
		for i := range sets {
			sets[i] = map[string]bool{}
			key := fmt.Sprint("s", i)
			keys = append(keys, key)
			words := []string{"SADD", key}
			size := r.IntN(30)
			if i == 0 {
				size *= 1 + r.IntN(20)
			}
			for range size {
				m := []string{fmt.Sprint(r.IntN(200)), fmt.Sprint("m", r.IntN(200))}[r.IntN(1+round%2)]
				sets[i][m] = true
				words = append(words, m)
			}
			if c.Value("DEL", key); size > 0 {
				c.Value(words...)
			}
		}
		union, diff := map[string]bool{}, map[string]bool{}
		for i, set := range sets {
			for m := range set {
				union[m] = true
				if i == 0 {
					diff[m] = true
				}
			}
		}
		for _, set := range sets[1:] {
			for m := range set {
				delete(diff, m)
			}
		}
		for name, want := range map[string]map[string]bool{"SUNION": union, "SDIFF": diff} {
			v := c.Value(append([]string{name}, keys...)...)
			for _, e := range v.Elems {
				if !want[string(e.Str)] {
					t.Fatalf("%s, round %d: %q", name, round, e.Str)
				}
			}
			if n := c.Value(append([]string{name + "STORE", "to"}, keys...)...).Int; len(v.Elems) != len(want) || int(n) != len(want) {
				t.Fatalf("%s, round %d: %d members, %d stored, want %d", name, round, len(v.Elems), n, len(want))
			}
		}
	}
}
