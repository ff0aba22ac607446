package commands_test

import (
	"bytes"
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

// smallLimits let collections leave their packed form soon; the real server is told the same.
func smallLimits(s *keyspace.Space) []string {
	l := keyspace.DefaultLimits()
	l.HashEntries, l.HashValueBytes = 20, 30
	s.SetLimits(l)
	return []string{"CONFIG", "SET", "hash-max-listpack-entries", "20", "hash-max-listpack-value", "30"}
}

func hashWord(r *rand.Rand) string {
	switch r.IntN(12) {
	case 0:
		return fmt.Sprint(r.Int64() >> r.IntN(64))
	case 1:
		return fmt.Sprint(r.IntN(20) - 10)
	case 2:
		return "1.5"
	case 3:
		return ""
	case 4:
		return strings.Repeat("long", r.IntN(12))
	}
	return fmt.Sprint("f", r.IntN(30))
}

func randomHashCommand(r *rand.Rand) []string {
	key := fmt.Sprint("h", r.IntN(5))
	words := func(n int) (out []string) {
		for range n {
			out = append(out, hashWord(r))
		}
		return out
	}
	name := []string{"HSET", "HSET", "HSET", "HMSET", "HSETNX", "HGET", "HMGET", "HDEL", "HDEL", "HLEN", "HSTRLEN", "HEXISTS", "HINCRBY", "HINCRBYFLOAT", "HGETALL", "HKEYS", "HVALS",
		"DEL", "RENAME", "COPY", "SET", "OBJECT", "TYPE", "HSCAN", "EXPIRE", "PERSIST", "HRANDFIELD"}[r.IntN(27)]
	switch name {
	case "HSET", "HMSET":
		return append([]string{name, key}, words(1+r.IntN(9))...)
	case "HSETNX":
		return append([]string{name, key}, words(2)...)
	case "HMGET", "HDEL":
		return append([]string{name, key}, words(1+r.IntN(6))...)
	case "HGET", "HSTRLEN", "HEXISTS":
		return append([]string{name, key}, words(1)...)
	case "HINCRBY":
		return []string{name, key, hashWord(r), []string{"1", "-7", "9223372036854775807", "-9223372036854775808", "x"}[r.IntN(5)]}
	case "HINCRBYFLOAT":
		return []string{name, key, hashWord(r), []string{"1", "-0.5", "1e20", "inf", "x", "3.25"}[r.IntN(6)]}
	case "RENAME", "COPY":
		return []string{name, key, fmt.Sprint("h", r.IntN(5))}
	case "SET":
		return []string{name, key, "v", "PX", "100000"}
	case "OBJECT":
		return []string{name, "ENCODING", key}
	case "EXPIRE":
		return []string{name, key, "1000"}
	case "HSCAN":
		return [][]string{{name, key, "0", "COUNT", "1000"}, {name, key, "0", "MATCH", "f1*", "COUNT", "1000"}, {name, key, "x"}, {name, key, "0", "COUNT", "0"}, {name, key, "0", "NOSUCH"}}[r.IntN(5)]
	case "HRANDFIELD":
		return [][]string{{name, key, "1000"}, {name, key, "100", "WITHVALUES"}, {name, key, "0"}, {name, key, "x"}, {name, key, "2", "NOSUCH"}, {name, key, "-9223372036854775808"},
			{name, key, "-9223372036854770000", "WITHVALUES"}, {name, key, "1", "WITHVALUES", "x"}}[r.IntN(8)]
	}
	return []string{name, key}
}

// inOrder is a reply with the elements sorted where their order means nothing: each alone, or by pairs.
func inOrder(args []string, v resp.Value) string {
	pairs := 1
	switch args[0] {
	case "HGETALL":
		pairs = 2
	case "HSCAN":
		if len(v.Elems) == 2 && v.Elems[1].Kind == resp.KindArray {
			return enginetest.Show(v.Elems[0]) + inOrder([]string{"HGETALL"}, v.Elems[1])
		}
		return enginetest.Show(v)
	case "HRANDFIELD":
		if len(args) == 4 && v.Kind == resp.KindArray && len(v.Elems) > 0 && v.Elems[0].Kind != resp.KindArray {
			pairs = 2
		}
	case "HKEYS", "HVALS":
	default:
		return enginetest.Show(v)
	}
	var out []string
	for part := range slices.Chunk(v.Elems, pairs) {
		var b strings.Builder
		for _, e := range part {
			b.WriteString(enginetest.Show(e) + " ")
		}
		out = append(out, b.String())
	}
	sort.Strings(out)
	return fmt.Sprint(v.Kind, len(v.Elems), out)
}

// TestHashesAsRedis runs the same random commands here and on a real server, with limits so low that hashes leave their packed form.
func TestHashesAsRedis(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		s := enginetest.New(t, enginetest.Start)
		c, real := s.Client(), enginetest.StartRedis(t).Dial()
		real.Raw(smallLimits(s.Engine.Space)...)
		r := rand.New(rand.NewPCG(*seed, 5))
		asRedis(t, proto, c, real, 20_000, func() []string { return randomHashCommand(r) }, inOrder, nil)
	}
}

// TestPackedOrder: a packed hash tells its fields in the order in which they came, as Redis does.
func TestPackedOrder(t *testing.T) {
	c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
	for _, line := range []string{"HSET h b 1 a 2 c 3 b 4", "HDEL h a", "HSET h a x d 77777777777", "HGETALL h", "HKEYS h", "HVALS h", "HSCAN h 0", "HRANDFIELD h 10 WITHVALUES", "OBJECT ENCODING h"} {
		args := strings.Fields(line)
		if ours, theirs := c.Raw(args...), real.Raw(args...); !bytes.Equal(ours, theirs) {
			t.Errorf("%s:\n  ours %q\ntheirs %q", line, ours, theirs)
		}
	}
}

// TestHashScanComplete: HSCAN of a big hash, a few at a time, gives every field, and none that is not there, though others come and go.
func TestHashScanComplete(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	for i := range 2000 {
		c.Do(fmt.Sprintf("HSET h f%d %d", i, i))
	}
	seen := map[string]string{}
	cursor, rounds := "0", 0
	for {
		v := c.Value("HSCAN", "h", cursor, "COUNT", "20")
		for pair := range slices.Chunk(v.Elems[1].Elems, 2) {
			seen[string(pair[0].Str)] = string(pair[1].Str)
		}
		c.Do(fmt.Sprintf("HSET h new%d x", rounds))
		c.Do(fmt.Sprintf("HDEL h new%d", rounds-30))
		rounds++
		if cursor = string(v.Elems[0].Str); cursor == "0" {
			break
		}
	}
	for i := range 2000 {
		if got := seen[fmt.Sprint("f", i)]; got != fmt.Sprint(i) {
			t.Fatalf("f%d: %q", i, got)
		}
	}
	if rounds < 20 || rounds > 400 {
		t.Errorf("%d calls for 2000 fields, 20 at a time", rounds)
	}
}
