package commands_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
)

func TestLists(t *testing.T) {
	runSteps(t, []step{
		{"RPUSH l a b c", "3", []string{"RPUSH l a b c"}},
		{"LPUSH l 1", "4", []string{"LPUSH l 1"}},
		{"LRANGE l 0 -1", `["1" "a" "b" "c"]`, nil},
		{"TYPE l", "list", nil},
		{"LPUSHX none a", "0", nil},
		{"GET l", "-WRONGTYPE Operation against a key holding the wrong kind of value", nil},
		{"LINSERT l AFTER a x", "5", []string{"LINSERT l AFTER a x"}},
		{"LINSERT l BEFORE none x", "-1", nil},
		{"LSET l -1 z", "OK", []string{"LSET l -1 z"}},
		{"LREM l 0 none", "0", nil},
		{"LREM l 0 x", "1", []string{"LREM l 0 x"}},
		{"LPOP l", `"1"`, []string{"LPOP l"}},
		{"RPOP l 5", `["z" "b" "a"]`, []string{"RPOP l 5"}},
		{"EXISTS l", "0", nil},
		{"RPUSH l a b", "2", []string{"RPUSH l a b"}},
		{"PEXPIREAT l " + in(5000), "1", []string{"PEXPIREAT l " + in(5000)}},
		{"LMOVE l l LEFT RIGHT", `"a"`, []string{"LMOVE l l LEFT RIGHT"}},
		{"LRANGE l 0 -1", `["b" "a"]`, nil},
		{"LTRIM l 0 0", "OK", []string{"LTRIM l 0 0"}},
		{"RPOPLPUSH l l", `"b"`, []string{"RPOPLPUSH l l"}}, // the key stays, with its expiry
		{"PTTL l", "5000", nil},
		{"RPOPLPUSH l m", `"b"`, []string{"RPOPLPUSH l m"}},
		{"EXISTS l", "0", nil},
		{"LMPOP 2 l m LEFT COUNT 9", `["m" ["b"]]`, []string{"LPOP m 1"}},
		{"LMPOP 2 l m LEFT", "nil", nil},
		// Valkey refuses what has no opposite; redis 7.0 does not.
		{"LPOS l a RANK -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807", nil},
		{"LREM l -9223372036854775808 a", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807", nil},
	})
}

// listKeys, listWords: few, so that lists become long and elements meet.
var (
	listKeys  = []string{"a", "b", "c", "str"}
	listWords = []string{"", "1", "-5", "0123", "12345678901", "x", "yy", "zzz", strings.Repeat("w", 70), strings.Repeat("v", 5000), strings.Repeat("u", 9000)}
)

// randomListCommand draws a command, now and then a wrong one.
func randomListCommand(r *rand.Rand) []string {
	key := func() string { return listKeys[min(r.IntN(60)/19, 3)] }
	word := func() string { return listWords[min(r.IntN(len(listWords)), r.IntN(len(listWords)))] }
	num := func() string {
		if r.IntN(40) == 0 {
			return []string{"x", "", "9223372036854775807", "9223372036854775808", "-9223372036854775807"}[r.IntN(5)]
		}
		return fmt.Sprint(r.IntN(2*r.IntN(200)+3) - r.IntN(100))
	}
	side := func() string { return []string{"LEFT", "right", "LEFT", "RIGHT", "up"}[r.IntN(5)] }
	switch r.IntN(22) {
	case 0, 1, 2, 3, 4:
		cmd := []string{[]string{"LPUSH", "RPUSH", "RPUSH", "RPUSHX", "LPUSHX"}[r.IntN(5)], key()}
		for range 1 + r.IntN(8) {
			cmd = append(cmd, word())
		}
		return cmd
	case 5:
		return []string{[]string{"LPOP", "RPOP"}[r.IntN(2)], key()}
	case 6:
		return []string{[]string{"LPOP", "RPOP"}[r.IntN(2)], key(), fmt.Sprint(r.IntN(8) - 1)}
	case 7:
		return []string{"LLEN", key()}
	case 8, 9:
		return []string{"LINDEX", key(), num()}
	case 10:
		return []string{"LRANGE", key(), num(), num()}
	case 11, 12:
		return []string{"LSET", key(), num(), word()}
	case 13, 14:
		return []string{"LINSERT", key(), []string{"before", "AFTER", "AFTER", "on"}[r.IntN(4)], word(), word()}
	case 15:
		return []string{"LREM", key(), fmt.Sprint(r.IntN(7) - 3), word()}
	case 16:
		return []string{"LTRIM", key(), fmt.Sprint(r.IntN(5)), fmt.Sprint(-1 - r.IntN(5))}
	case 17:
		cmd := []string{"LPOS", key(), word()}
		for range r.IntN(4) {
			cmd = append(cmd, []string{"RANK", "COUNT", "maxlen"}[r.IntN(3)], num())
		}
		return cmd[:len(cmd)-r.IntN(20)/19]
	case 18, 19:
		return []string{"LMOVE", key(), key(), side(), side()}
	case 20:
		return []string{"RPOPLPUSH", key(), key()}
	default:
		cmd := []string{"LMPOP", fmt.Sprint(r.IntN(4)), key(), key()}[:3+r.IntN(2)]
		return append(cmd, [][]string{{side()}, {side(), "COUNT", num()}, {side(), "COUNT"}, {}, {side(), "COUNT", "1", "COUNT", "1"}}[r.IntN(5)]...)
	}
}

// TestListsAsRedis compares random commands with redis-server, with nodes and listpacks of all sizes.
func TestListsAsRedis(t *testing.T) {
	real := enginetest.StartRedis(t).Dial()
	for i, size := range []int{-2, -1, -5, 1, 3, 128} {
		s := enginetest.New(t, enginetest.Start)
		c := s.Client()
		limits := keyspace.DefaultLimits()
		limits.ListSize = size
		s.Engine.Space.SetLimits(limits)
		real.Raw("FLUSHALL")
		c.Raw("SET", "str", "1")
		real.Raw("SET", "str", "1")
		r := rand.New(rand.NewPCG(*seed, uint64(i)))
		rooted := 0
		for n := range 4000 {
			args := randomListCommand(r)
			ours, theirs := c.Raw(args...), real.Raw(args...)
			if !bytes.Equal(ours, theirs) {
				t.Fatalf("size %d, command %d: %.300q\n  ours %.300q\ntheirs %.300q", size, n, args, ours, theirs)
			}
			if strings.Contains(string(c.Raw("OBJECT", "ENCODING", "a")), "quicklist") {
				rooted++
			}
		}
		if rooted < 100 || rooted > 3990 {
			t.Errorf("size %d: a list had a root %d times", size, rooted)
		}
		for _, key := range listKeys[:3] {
			if ours, theirs := c.Raw("LRANGE", key, "0", "-1"), real.Raw("LRANGE", key, "0", "-1"); !bytes.Equal(ours, theirs) {
				t.Errorf("size %d: %s differs", size, key)
			}
		}
	}
}

// TestListEncodings: when a list gets a root and loses it, as Valkey says.
func TestListEncodings(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	limits := keyspace.DefaultLimits()
	encoding := func(want string) {
		t.Helper()
		if got := c.Value("OBJECT", "ENCODING", "l"); string(got.Str) != want {
			t.Errorf("encoding %s, want %s", got.Str, want)
		}
	}
	limits.ListSize = 4
	s.Engine.Space.SetLimits(limits)
	c.Do("RPUSH l 1 2 3 4")
	encoding("listpack")
	c.Do("RPOPLPUSH l l")
	encoding("listpack")
	c.Do("RPUSH l 5")
	encoding("quicklist")
	c.Do("LPOP l 2") // three left, in two nodes or more than half of the limit
	encoding("quicklist")
	c.Do("LTRIM l -1 -1")
	encoding("listpack")
	c.Do("RPUSH l 6 7 8 9")
	for _, pop := range []string{"LPOP l", "RPOP l"} {
		encoding("quicklist")
		c.Do(pop)
	}
	encoding("quicklist")
	c.Do("LPOP l") // two left, in one node
	encoding("listpack")
	c.Do("DEL l")
	limits.ListSize = -1
	s.Engine.Space.SetLimits(limits)
	c.Do("RPUSH l " + strings.Repeat("x", 4000))
	encoding("listpack")
	c.Do("LSET l 0 " + strings.Repeat("x", 4090))
	encoding("quicklist")
	c.Do("LSET l 0 x")
	encoding("listpack")
	c.Do("RPUSH l " + strings.Repeat("x", 4200))
	encoding("quicklist")
	c.Do("LREM l 1 x")
	encoding("quicklist") // the one node that is left is plain
}
