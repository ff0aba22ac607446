package commands_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
)

// hostile are calls whose numbers overflowed, or took all memory, in some version of Redis: docs/hostile-input.md has the table.
// Each is to be answered at once, and as a mended version of Redis does.
var hostile = []string{
	// CVE-2022-35977: lengths and offsets whose sum overflows.
	"SETRANGE str 9223372036854775807 x", "SETRANGE str 4294967295 x", "SETBIT str 9223372036854775807 1", "BITFIELD str SET u8 9223372036854775807 1",
	"GETRANGE str -9223372036854775808 9223372036854775807", "LRANGE l -9223372036854775808 9223372036854775807",
	"LTRIM none -9223372036854775808 9223372036854775807", "ZRANGE z -9223372036854775808 9223372036854775807",
	"ZRANGEBYSCORE z -inf +inf LIMIT 9223372036854775807 9223372036854775807", "ZRANGEBYSCORE z -inf +inf LIMIT -9223372036854775808 -9223372036854775808",
	"ZRANGEBYLEX z - + LIMIT 1 9223372036854775807", "ZREMRANGEBYRANK none -9223372036854775808 9223372036854775807",
	// CVE-2023-22458 and CVE-2023-25155: counts whose negation, or double, overflows.
	"HRANDFIELD h -9223372036854775808", "HRANDFIELD h -9223372036854775808 WITHVALUES", "HRANDFIELD h -4611686018427387905 WITHVALUES",
	"HRANDFIELD none 9223372036854775807", "HRANDFIELD none 9223372036854775807 WITHVALUES", "ZRANDMEMBER z -9223372036854775808",
	"ZRANDMEMBER z -9223372036854775808 WITHSCORES", "ZRANDMEMBER z -4611686018427387905 WITHSCORES", "SRANDMEMBER s -9223372036854775808",
	"SRANDMEMBER none 9223372036854775807", "SPOP none 9223372036854775807", "SPOP none -9223372036854775808", "ZPOPMIN none 9223372036854775807",
	"ZPOPMIN none -9223372036854775808", "LPOP none -9223372036854775808", "LPOP none 9223372036854775807", "LMPOP 1 none LEFT COUNT 9223372036854775807",
	"LMPOP 9223372036854775807 l LEFT", "ZMPOP 9223372036854775807 z MIN", "ZUNION 9223372036854775807 z", "SINTERCARD 9223372036854775807 s",
	"LPOS l a MAXLEN 9223372036854775807 COUNT 0",
	"SCAN 18446744073709551616", "HSCAN h 99999999999999999999", "SCAN 0 COUNT -9223372036854775808",
	"EVAL return 9223372036854775807", "EVAL return -1",
	// CVE-2023-28856: results that are no number.
	"HINCRBYFLOAT h f inf", "HINCRBYFLOAT h f -inf", "HINCRBYFLOAT h f nan", "HINCRBYFLOAT h big 1.7e308", "HINCRBYFLOAT h huge 1.1e4932", "HINCRBYFLOAT h huge -1.1e4932", "INCRBYFLOAT huge 1.1e4932", "HEXISTS h none", "INCRBYFLOAT num inf",
	"INCRBYFLOAT num nan", "ZINCRBY z nan a", "ZADD z nan a", "ZADD z INCR -inf top", "ZADD z INCR +inf a", "HINCRBY h n 9223372036854775807",
	// Times whose milliseconds overflow.
	"SET str v PX 9223372036854775807", "GETEX str EX 9223372036854775807", "EXPIRE str 9223372036854775807", "RESTORE r 9223372036854775807 x",
	"BLPOP none -1",
}

func TestHostileNumbers(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	for _, line := range []string{"SET str v", "SET num 1", "RPUSH l a b c", "SADD s a b c", "ZADD z 1 a 2 b", "ZADD z inf top", "HSET h f 1 n 5 big 1.7e308 huge 1.1e4932", "SET huge 1.1e4932"} {
		c.Do(line)
		real.Value(strings.Fields(line)...)
	}
	for _, line := range hostile {
		args := strings.Fields(line)
		if s.Table.Lookup([]byte(args[0])) == nil {
			continue // of a part that this table has not: package node's tests run it
		}
		if ours, theirs := string(c.Raw(args...)), string(real.Raw(args...)); ours != theirs {
			t.Errorf("%s\n  ours %.200q\ntheirs %.200q", line, ours, theirs)
		}
	}
}

// TestHugePackedLimits is CVE-2021-32627, 32628, 32687 and 29478: with thresholds as high as they go nothing is reckoned from them that overflows.
func TestHugePackedLimits(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	l := keyspace.DefaultLimits()
	l.HashEntries, l.HashValueBytes, l.ZSetEntries, l.ZSetValueBytes = math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt
	l.SetIntSetEntries, l.SetEntries, l.SetValueBytes, l.ListSize = math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt32
	s.Engine.Space.SetLimits(l)
	long := strings.Repeat("x", 10_000)
	for i := range 100 {
		n := strconv.Itoa(i)
		c.Raw("HSET", "h", n, long)
		c.Raw("ZADD", "z", n, n+long)
		c.Raw("SADD", "s", n+long)
		c.Raw("SADD", "ints", n)
		c.Raw("RPUSH", "l", n+long)
	}
	for key, want := range map[string]string{"h": "HLEN h", "z": "ZCARD z", "s": "SCARD s", "ints": "SCARD ints", "l": "LLEN l"} {
		if got := c.Do(want); got != "100" {
			t.Errorf("%s: %s elements", key, got)
		}
	}
	for line, want := range map[string]string{"HGET h 70": strconv.Quote(long), "ZSCORE z 70" + long: `"70"`, "SISMEMBER s 70" + long: "1", "LINDEX l 70": strconv.Quote("70" + long)} {
		if got := c.Do(line); got != want {
			t.Errorf("%.20s: %.40s, want %.40s", line, got, want)
		}
	}
}
