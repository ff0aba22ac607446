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
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// smallZSets lets sorted sets leave their packed form soon; the real server is told the same.
func smallZSets(s *keyspace.Space) []string {
	l := keyspace.DefaultLimits()
	l.ZSetEntries, l.ZSetValueBytes = 12, 30
	s.SetLimits(l)
	return []string{"CONFIG", "SET", "zset-max-listpack-entries", "12", "zset-max-listpack-value", "30"}
}

func pick(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

func zsetMember(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0:
		return fmt.Sprint(r.Int64() >> r.IntN(64))
	case 1:
		return fmt.Sprint(r.IntN(20) - 10)
	case 2:
		return pick(r, "", "1.5", "inf", "-0")
	}
	return fmt.Sprint("m", r.IntN(24))
}

// zsetScore is mostly one that 17 digits and the fewest digits write alike, as the two servers differ there.
func zsetScore(r *rand.Rand) string {
	switch r.IntN(14) {
	case 0:
		return pick(r, "inf", "-inf", "+inf", "1e20", "-1e20", "4503599627370497", "0x10")
	case 1:
		return pick(r, "x", "nan", "", "1e400", " 1", "1 ")
	case 2, 3, 4:
		return fmt.Sprint(float64(r.IntN(40))/4 - 5)
	}
	return fmt.Sprint(r.IntN(9) - 3)
}

func zsetBound(r *rand.Rand) string {
	return pick(r, "", "", "(") + pick(r, zsetScore(r), fmt.Sprint(r.IntN(9)-3), "-inf", "+inf")
}

func lexBound(r *rand.Rand) string {
	return pick(r, "-", "+", "["+zsetMember(r), "("+zsetMember(r), "["+zsetMember(r), "("+zsetMember(r), "(m2", "x", "[", "(", "-x", "")
}

func zsetIndex(r *rand.Rand) string {
	return pick(r, fmt.Sprint(r.IntN(30)-15), fmt.Sprint(r.IntN(30)-15), "0", "-1", "x", "9223372036854775807", "-9223372036854775808")
}

func zsetLimit(r *rand.Rand) []string {
	switch r.IntN(4) {
	case 0:
		return []string{"LIMIT", pick(r, "0", "1", "3", "100", "-1", "x"), pick(r, "0", "1", "5", "-1", "-3", "x")}
	case 1:
		return []string{pick(r, "LIMIT", "NOSUCH", "WITHSCORES")}
	}
	return nil
}

// randomZRange are the bounds and options of ZRANGE and ZRANGESTORE. Ranges of members are asked only of keys whose scores are equal.
func randomZRange(r *rand.Rand, lex bool) (out []string) {
	switch by := r.IntN(3); {
	case by == 2 && lex:
		out = []string{lexBound(r), lexBound(r), "BYLEX"}
	case by == 1:
		out = []string{zsetBound(r), zsetBound(r), "BYSCORE"}
	default:
		out = []string{zsetIndex(r), zsetIndex(r)}
	}
	if r.IntN(3) == 0 {
		out = append(out, "REV")
	}
	return append(out, zsetLimit(r)...)
}

func randomZAdd(r *rand.Rand, key string) []string {
	out := []string{"ZADD", key}
	for _, opt := range []string{"NX", "XX", "GT", "LT", "CH", "INCR"} {
		if r.IntN(7) == 0 {
			out = append(out, opt)
		}
	}
	long := !slices.Contains(out, "XX") && r.IntN(150) == 0
	for range 1 + r.IntN(5) {
		score := zsetScore(r)
		if key[0] == 'l' {
			score = "0"
		}
		out = append(out, score, zsetMember(r))
	}
	if long {
		out[len(out)-1] = strings.Repeat("long", 8)
	}
	if r.IntN(40) == 0 {
		out = out[:len(out)-1]
	}
	return out
}

// randomZAlgebra is a command of several sorted sets, and sets.
func randomZAlgebra(r *rand.Rand) (out []string) {
	name := pick(r, "ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD", "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE")
	out = append(out, name)
	if strings.HasSuffix(name, "STORE") {
		out = append(out, fmt.Sprint("z", r.IntN(5)))
	}
	n := 1 + r.IntN(3)
	out = append(out, pick(r, fmt.Sprint(n), fmt.Sprint(n), fmt.Sprint(n), fmt.Sprint(n), fmt.Sprint(n), "0", "x", "-1", "7"))
	for range n {
		out = append(out, pick(r, fmt.Sprint("z", r.IntN(5)), fmt.Sprint("z", r.IntN(5)), "l1", "none", pick(r, "z1", "str")))
	}
	if r.IntN(3) == 0 {
		out = append(out, "WEIGHTS")
		for range n {
			out = append(out, pick(r, "1", "2", "0.5", "3", "inf", pick(r, "2", "x")))
		}
	}
	if r.IntN(3) == 0 {
		out = append(out, "AGGREGATE", pick(r, "SUM", "MIN", "MAX", "min", pick(r, "max", "avg")))
	}
	if name == "ZINTERCARD" && r.IntN(2) == 0 {
		out = append(out, "LIMIT", pick(r, "0", "1", "3", "-1", "x"))
	}
	if r.IntN(3) == 0 {
		out = append(out, pick(r, "WITHSCORES", "WITHSCORES", "NOSUCH"))
	}
	return out
}

func randomZSetCommand(r *rand.Rand) []string {
	key, lex := fmt.Sprint("z", r.IntN(5)), r.IntN(5) == 0
	if lex {
		key = fmt.Sprint("l", r.IntN(2))
	}
	name := pick(r, "ZADD", "ZADD", "ZADD", "ZADD", "ZADD", "ZADD", "ZINCRBY", "ZREM", "ZREM", "ZCARD", "ZSCORE", "ZMSCORE", "ZRANK", "ZREVRANK", "ZCOUNT", "ZLEXCOUNT", "ZRANGE", "ZRANGE",
		"ZRANGESTORE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZREVRANGE", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREMRANGEBYLEX", "ZPOPMIN", "ZPOPMAX",
		"ZMPOP", "ZRANDMEMBER", "ZSCAN", "ALGEBRA", "ALGEBRA", "ALGEBRA", "DEL", "COPY", "OBJECT", "EXPIRE", "TYPE", "PTTL")
	if strings.HasSuffix(name, "LEX") || name == "ZLEXCOUNT" {
		key = fmt.Sprint("l", r.IntN(2))
	}
	switch name {
	case "ZADD":
		return randomZAdd(r, key)
	case "ALGEBRA":
		return randomZAlgebra(r)
	case "ZINCRBY":
		return []string{name, fmt.Sprint("z", r.IntN(5)), zsetScore(r), zsetMember(r)}
	case "ZREM", "ZMSCORE":
		return []string{name, key, zsetMember(r), zsetMember(r), zsetMember(r)}
	case "ZSCORE", "ZRANK", "ZREVRANK":
		return []string{name, key, zsetMember(r)}
	case "ZCOUNT", "ZREMRANGEBYSCORE":
		return []string{name, key, zsetBound(r), zsetBound(r)}
	case "ZLEXCOUNT", "ZREMRANGEBYLEX":
		return []string{name, key, lexBound(r), lexBound(r)}
	case "ZRANGE":
		return append([]string{name, key}, randomZRange(r, lex)...)
	case "ZRANGESTORE":
		return append([]string{name, fmt.Sprint("z", r.IntN(5)), key}, randomZRange(r, lex)...)
	case "ZRANGEBYSCORE", "ZREVRANGEBYSCORE":
		return append([]string{name, key, zsetBound(r), zsetBound(r)}, zsetLimit(r)...)
	case "ZRANGEBYLEX", "ZREVRANGEBYLEX":
		return append([]string{name, key, lexBound(r), lexBound(r)}, zsetLimit(r)...)
	case "ZREVRANGE":
		return append([]string{name, key, zsetIndex(r), zsetIndex(r)}, zsetLimit(r)...)
	case "ZREMRANGEBYRANK":
		return []string{name, key, zsetIndex(r), pick(r, zsetIndex(r), "2", "3")}
	case "ZPOPMIN", "ZPOPMAX":
		return append([]string{name, key}, [][]string{nil, nil, {"2"}, {"0"}, {"-1"}, {"x"}, {"1", "1"}}[r.IntN(7)]...)
	case "ZMPOP":
		return append([]string{name}, [][]string{{"2", key, "z1", "MIN"}, {"1", key, "MAX", "COUNT", "2"}, {"0", key, "MIN"}, {"1", key, "MID"}, {"3", key, "MIN"}, {"1", key, "MIN", "COUNT", "0"},
			{"x", key, "MIN"}, {"1", "str", "MIN"}, {"2", "none", "none", "MAX", "COUNT", "3"}, {"1", key, "MIN", "COUNT", "1", "COUNT", "1"}}[r.IntN(10)]...)
	case "ZRANDMEMBER":
		return append([]string{name, key}, [][]string{{"1000"}, {"100", "WITHSCORES"}, {"0"}, {"x"}, {"2", "NOSUCH"}, {"-9223372036854775808"}, {"1", "WITHSCORES", "x"}}[r.IntN(7)]...)
	case "ZSCAN":
		return append([]string{name, key}, [][]string{{"0", "COUNT", "1000"}, {"0", "MATCH", "m1*", "COUNT", "1000"}, {"x"}, {"0", "COUNT", "0"}, {"0", "NOSUCH"}}[r.IntN(5)]...)
	case "COPY":
		return []string{name, key, fmt.Sprint(key[:1], r.IntN(2))}
	case "OBJECT":
		return []string{name, "ENCODING", key}
	case "EXPIRE":
		return []string{name, key, "1000"}
	}
	return []string{name, key}
}

// zsetReply is a reply as it is compared: where the order means nothing it is sorted, −0 is 0 as Valkey packs it, and times are only there or not.
func zsetReply(args []string, v resp.Value) string {
	show := func(v resp.Value) string {
		return strings.NewReplacer(`"-0"`, `"0"`, ",-0", ",0", "(double) -0", "(double) 0").Replace(enginetest.Show(v))
	}
	elems, pairs := v.Elems, 1
	switch {
	case args[0] == "PTTL":
		return strconv.FormatBool(v.Int > 0)
	case args[0] == "ZRANDMEMBER" && v.Kind == resp.KindArray:
		if len(args) == 4 && len(elems) > 0 && elems[0].Kind != resp.KindArray {
			pairs = 2
		}
	case args[0] == "ZSCAN" && len(elems) == 2 && elems[1].Kind == resp.KindArray:
		elems, pairs = elems[1].Elems, 2
	default:
		return show(v)
	}
	var out []string
	for part := range slices.Chunk(elems, pairs) {
		var b strings.Builder
		for _, e := range part {
			b.WriteString(show(e) + " ")
		}
		out = append(out, b.String())
	}
	sort.Strings(out)
	return fmt.Sprint(v.Kind, len(v.Elems), out)
}

// TestZSetsAsRedis runs the same random commands here and on a real server, with limits so low that sorted sets leave their packed form.
func TestZSetsAsRedis(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		s := enginetest.New(t, enginetest.Start)
		c, real := s.Client(), enginetest.StartRedis(t).Dial()
		real.Raw(smallZSets(s.Engine.Space)...)
		c.Do("SET str x")
		real.Value("SET", "str", "x")
		r := rand.New(rand.NewPCG(*seed, 7))
		encodings := map[string]int{}
		asRedis(t, proto, c, real, 30_000, func() []string { return randomZSetCommand(r) }, zsetReply, func(args []string, said string) {
			if args[0] == "OBJECT" {
				encodings[said]++
			}
		})
		if len(encodings) < 3 {
			t.Errorf("RESP%s: only these encodings were met: %v", proto, encodings)
		}
	}
}

// TestZRankWithScore: what 7.2 added.
func TestZRankWithScore(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	c.Do("ZADD z 1 a 2.5 b")
	for line, want := range map[string]string{
		"ZRANK z b WITHSCORE": "*2\r\n:1\r\n$3\r\n2.5\r\n", "ZREVRANK z b withscore": "*2\r\n:0\r\n$3\r\n2.5\r\n", "ZRANK z x WITHSCORE": "*-1\r\n", "ZRANK none a WITHSCORE": "*-1\r\n",
		"ZRANK z b WITHSCORES": "-ERR syntax error\r\n", "ZRANK z b WITHSCORE x": "-ERR wrong number of arguments for 'zrank' command\r\n", "ZSCAN z 0 NOSCORES": "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
	} {
		if got := string(c.Raw(strings.Fields(line)...)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestZScanComplete: ZSCAN of a big sorted set, a few at a time, gives every member with its score, though others come and go.
func TestZScanComplete(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	for i := range 1000 {
		c.Do(fmt.Sprintf("ZADD z %d.5 m%d", i, i))
	}
	seen, cursor := map[string]string{}, "0"
	for rounds := 0; ; rounds++ {
		v := c.Value("ZSCAN", "z", cursor, "COUNT", "20")
		for pair := range slices.Chunk(v.Elems[1].Elems, 2) {
			seen[string(pair[0].Str)] = string(pair[1].Str)
		}
		c.Do(fmt.Sprintf("ZADD z 1 new%d", rounds))
		c.Do(fmt.Sprintf("ZREM z new%d", rounds-30))
		if cursor = string(v.Elems[0].Str); cursor == "0" {
			break
		}
	}
	for i := range 1000 {
		if got := seen[fmt.Sprint("m", i)]; got != fmt.Sprint(i)+".5" {
			t.Fatalf("m%d: %q", i, got)
		}
	}
}

// TestZSetScoresScanned: how ZSCAN writes scores depends on the encoding, as in Valkey.
func TestZSetScoresScanned(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, want := range []string{`"a" "0.1" "b" "100000000000000000"`, `"a" "0.10000000000000001" "b" "1e+17"`} {
		c.Do("DEL z")
		c.Do("ZADD z 0.1 a 1e17 b")
		both := c.Value("ZSCAN", "z", "0").Elems[1].Elems
		if string(both[0].Str) == "b" {
			both[0], both[1], both[2], both[3] = both[2], both[3], both[0], both[1]
		}
		if got := fmt.Sprintf("%q %q %q %q", both[0].Str, both[1].Str, both[2].Str, both[3].Str); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		l := keyspace.DefaultLimits()
		l.ZSetEntries = 0
		s.Engine.Space.SetLimits(l)
	}
}

// TestZSetsPropagated: what of sorted sets' commands is journaled, and which events they have.
func TestZSetsPropagated(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, step := range []effect{
		{"ZADD z 1 a 2 b 3 c", "ZADD z 1 a 2 b 3 c", "z zadd 0 z"},
		{"ZADD z 1 a 2 b 3 c", "", ""},
		{"ZADD none XX 1 a", "", ""},
		{"ZADD z GT 0 a", "", ""},
		{"ZINCRBY z 2 a", "ZINCRBY z 2 a", "z zincr 0 z"},
		{"ZINCRBY z nan a", "", ""},
		{"ZMPOP 2 none z MIN COUNT 2", "ZPOPMIN z 2", "z zpopmin 0 z"},
		{"ZREM z x", "", ""},
		{"ZRANGESTORE d z 0 -1", "ZRANGESTORE d z 0 -1", "z zrangestore 0 d"},
		{"ZRANGESTORE d none 0 -1", "ZRANGESTORE d none 0 -1", "g del 0 d"},
		{"ZRANGESTORE d none 0 -1", "", ""},
		{"ZUNIONSTORE d 1 z WEIGHTS 2", "ZUNIONSTORE d 1 z WEIGHTS 2", "z zunionstore 0 d"},
		{"ZDIFFSTORE d 2 z z", "ZDIFFSTORE d 2 z z", "g del 0 d"},
		{"ZREMRANGEBYSCORE z -inf +inf", "ZREMRANGEBYSCORE z -inf +inf", "z zremrangebyscore 0 z,g del 0 z"},
		{"ZPOPMAX z", "", ""},
	} {
		step.check(t, s, c)
	}
}
