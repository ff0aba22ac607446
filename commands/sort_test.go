package commands_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

func sortElement(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return pick(r, "1.5", "-0.5", "1e3", "inf", "-inf", "0x10", "12a", "", " 7")
	case 1:
		return pick(r, "B", "ab", "\xe4", "b\x00c")
	}
	return fmt.Sprint(r.IntN(40) - 10)
}

func sortPatternOf(r *rand.Rand) string {
	return pick(r, "w*", "w*", "h*->f", "h*->f", "#", "nosort", "*", "h*->", "h*->none", "l*", "*->f", "w*x*", "->*", "none*", "h*->f->g", "w*\x00x", "#\x00")
}

// randomSort is a SORT.
func randomSort(r *rand.Rand) (out []string) {
	out = []string{pick(r, "SORT", "SORT", "SORT", "SORT_RO"), pick(r, "list", "set", "ints", "zset", "list", "set", "ints", "zset", "nums", "nums", "none", pick(r, "w1", "h1", "dest"))}
	alpha := r.IntN(2) == 0
	if alpha {
		out = append(out, "ALPHA")
	}
	if r.IntN(3) == 0 {
		by := sortPatternOf(r)
		if alpha && strings.Contains(by, "*") {
			by = "v*" // of which no two are equal, as the order of those is chance's
			out[1] = pick(r, "ints", "nums")
		}
		out = append(out, "BY", by)
	}
	if r.IntN(3) == 0 {
		out = append(out, pick(r, "ASC", "DESC", "desc"))
	}
	if r.IntN(3) == 0 {
		out = append(out, "LIMIT", pick(r, "0", "1", "5", "-3", "100", pick(r, "x", "9223372036854775807")), pick(r, "3", "0", "-1", "10", "-5", pick(r, "x", "9223372036854775807")))
	}
	for range r.IntN(3) * r.IntN(2) {
		out = append(out, "GET", sortPatternOf(r))
	}
	if r.IntN(5) == 0 {
		for range 1 + r.IntN(2)*r.IntN(2) {
			out = append(out, "STORE", pick(r, "dest", "dest2", "list", "store"))
		}
	}
	if r.IntN(60) == 0 {
		out = append(out, pick(r, "NOSUCH", "STORE", "LIMIT", "BY", "GET"))
	}
	return out
}

func randomSortCommand(r *rand.Rand) []string {
	e, n := sortElement(r), fmt.Sprint(r.IntN(40)-10)
	switch r.IntN(24) {
	case 0:
		return []string{"RPUSH", "list", e, sortElement(r)}
	case 1:
		return []string{"SADD", "set", e}
	case 2:
		return []string{"SADD", "ints", n}
	case 3:
		return []string{"ZADD", "zset", fmt.Sprint(r.IntN(9)), e}
	case 4:
		return []string{"RPUSH", "nums", n}
	case 5:
		return []string{"SET", "w" + n, pick(r, sortElement(r), fmt.Sprint(r.Float64()))}
	case 6:
		return []string{"HSET", "h" + n, "f", sortElement(r), "f->g", n}
	case 7:
		return []string{pick(r, "LPOP", "LPOP", "DEL"), pick(r, "list", "nums")}
	case 8:
		return []string{"DEL", pick(r, "w"+n, "h"+n, "dest", "set", "ints", "zset")}
	case 9:
		return []string{"LRANGE", pick(r, "dest", "dest2", "list"), "0", "-1"}
	case 10:
		return []string{pick(r, "TTL", "TYPE"), "dest"}
	case 11:
		return []string{"EXPIRE", "dest", "1000"}
	}
	return randomSort(r)
}

// sortReply is a reply as it is compared. A set that is not sorted comes in any order; of that, what LIMIT leaves is chance's.
func sortReply(args []string, v resp.Value) string {
	unsorted := slices.ContainsFunc(args, func(a string) bool { return a == "nosort" || a == "#" || a == "->*" || a == "#\x00" })
	if strings.HasPrefix(args[0], "SORT") && (args[1] == "set" || args[1] == "ints") && slices.Contains(args, "BY") && unsorted && v.Kind == resp.KindArray {
		if slices.Contains(args, "LIMIT") || slices.Contains(args, "GET") {
			return fmt.Sprint(v.Kind, len(v.Elems))
		}
		var out []string
		for _, e := range v.Elems {
			out = append(out, enginetest.Show(e))
		}
		sort.Strings(out)
		return fmt.Sprint(v.Kind, out)
	}
	return enginetest.Show(v)
}

// TestSortAsRedis runs the same random commands here and on a real server.
func TestSortAsRedis(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		s := enginetest.New(t, enginetest.Start)
		c, real := s.Client(), enginetest.StartRedis(t).Dial()
		for n := range 40 {
			for _, line := range []string{fmt.Sprintf("SET v%d %d", n-10, n*7%40), fmt.Sprintf("SET w%d %d.5", n-10, n%8)} {
				c.Do(line)
				real.Value(strings.Fields(line)...)
			}
		}
		r := rand.New(rand.NewPCG(*seed, 19))
		sorted := 0
		asRedis(t, proto, c, real, 20_000, func() []string { return randomSortCommand(r) }, sortReply, func(args []string, said string) {
			if strings.HasPrefix(args[0], "SORT") && strings.HasPrefix(said, `["`) {
				sorted++
			}
		})
		if sorted < 1000 {
			t.Errorf("only %d were sorted", sorted)
		}
	}
}

// TestSortRefused: with patterns SORT needs the right to read every key; and then it reads any.
func TestSortRefused(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, line := range []string{"RPUSH l 2 1", "SET w1 2", "SET w2 1"} {
		c.Do(line)
	}
	const get, by = "-ERR GET option of SORT denied due to insufficient ACL permissions.", "-ERR BY option of SORT denied due to insufficient ACL permissions."
	for i, tt := range []struct{ rules, line, want string }{
		{"%R~* ~x", "SORT l BY w*", `["2" "1"]`},
		{"%R~* %W~x", "SORT l BY w* STORE x", "2"},
		{"~l ~w*", "SORT l BY w*", by},
		{"~l ~w*", "SORT l GET #", get},
		{"~l ~w*", "SORT_RO l GET w*", get},
		{"~l", "SORT l BY nosort", `["2" "1"]`},
		{"%W~* ~l", "SORT l BY w*", by},
		{"~l (+@all ~*)", "SORT_RO l BY w*", `["2" "1"]`},
		{"~l (+get ~*)", "SORT_RO l BY w*", by},
		{"~l", "SORT l STORE d", "-NOPERM No permissions to access a key"},
		{"~l", "SORT l STORE l STORE d", "-NOPERM No permissions to access a key"},
	} {
		u := s.Client()
		name := "u" + strconv.Itoa(i)
		c.Do("ACL SETUSER " + name + " on nopass +@all " + tt.rules)
		u.Do("AUTH " + name + " x")
		if got := u.Do(tt.line); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.rules, tt.line, got, tt.want)
		}
		if strings.HasPrefix(tt.want, "-NOPERM") {
			continue // the transaction and the script are refused otherwise
		}
		u.Do("MULTI")
		u.Do(tt.line)
		if got := u.Do("EXEC"); got != "["+tt.want+"]" {
			t.Errorf("%s, %s in MULTI: %s, want %s", tt.rules, tt.line, got, tt.want)
		}
		if got := enginetest.Show(u.Value(append([]string{"EVAL", "return redis.pcall(unpack(ARGV))", "0"}, strings.Fields(tt.line)...)...)); got != tt.want {
			t.Errorf("%s, %s in a script: %s, want %s", tt.rules, tt.line, got, tt.want)
		}
	}
}

// TestSortOfSetInScript: there, and where it is stored, a set comes sorted though nothing is to be sorted by.
func TestSortOfSetInScript(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	c.Do("SADD s e d c b a f")
	const want = `["a" "b" "c" "d" "e" "f"]`
	if got := enginetest.Show(c.Value("EVAL", "return redis.call('SORT','s','BY','nosort')", "1", "s")); got != want {
		t.Errorf("in a script: %s", got)
	}
	if c.Do("SORT s BY nosort STORE l"); c.Do("LRANGE l 0 -1") != want {
		t.Errorf("stored: %s", c.Do("LRANGE l 0 -1"))
	}
	if got := enginetest.Show(c.Value("EVAL", "return redis.call('SORT','s','BY','nosort','DESC','LIMIT','0','2')", "0")); got != `["f" "e"]` {
		t.Errorf("downwards: %s", got)
	}
}
