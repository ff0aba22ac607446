package commands_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
)

// step is one command of a table: its reply and what it journals; nil means nothing.
type step struct {
	do, want string
	journal  []string
}

var nowMs = enginetest.Start.UnixMilli()

// in is a point in time, ms since 1970, so many milliseconds after the clock's.
func in(ms int64) string { return strconv.FormatInt(nowMs+ms, 10) }

func runSteps(t *testing.T, steps []step) *enginetest.Server {
	t.Helper()
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, st := range steps {
		if got := c.Do(st.do); got != st.want {
			t.Fatalf("%s\n got %s\nwant %s", st.do, got, st.want)
		}
		if got := s.Journal(); !slices.Equal(got, st.journal) {
			t.Fatalf("%s journals\n     %q\nwant %q", st.do, got, st.journal)
		}
	}
	return s
}

func TestSet(t *testing.T) {
	runSteps(t, []step{
		{"GET k", "nil", nil},
		{"SET k v", "OK", []string{"SET k v"}},
		{"GET k", `"v"`, nil},
		{"SET k w NX", "nil", nil},
		{"SET k w XX", "OK", []string{"SET k w XX"}},
		{"SET other w XX", "nil", nil},
		{"SET k x GET", `"w"`, []string{"SET k x"}},
		{"SET k y NX GET", `"x"`, nil},
		{"SET fresh y nx get", "nil", []string{"SET fresh y nx"}},
		{"SET k z EX 10", "OK", []string{"SET k z PXAT " + in(10_000)}},
		{"SET k z PX 10", "OK", []string{"SET k z PXAT " + in(10)}},
		{"SET k z PXAT " + in(5000), "OK", []string{"SET k z PXAT " + in(5000)}},
		{"set k z xx pxat " + in(5000), "OK", []string{"set k z xx pxat " + in(5000)}},
		{"SET k z PXAT " + in(5000) + " GET", `"z"`, []string{"SET k z PXAT " + in(5000) + " GET"}},
		{"SET k z EXAT " + strconv.FormatInt(nowMs/1000+3, 10) + " XX GET", `"z"`, []string{"SET k z PXAT " + in(3000)}},
		{"PTTL k", "3000", nil},
		{"SET k zz KEEPTTL", "OK", []string{"SET k zz KEEPTTL"}},
		{"PTTL k", "3000", nil},
		{"SET k EX", "OK", []string{"SET k EX"}},
		{"TTL k", "-1", nil},
		{"SET k v EX 5 ex 6", "OK", []string{"SET k v PXAT " + in(6000)}},
		{"SET k v NX XX", "-ERR syntax error", nil},
		{"SET k v EX 1 PX 1", "-ERR syntax error", nil},
		{"SET k v EX 1 KEEPTTL", "-ERR syntax error", nil},
		{"SET k v EX", "-ERR syntax error", nil},
		{"SET k v FOO", "-ERR syntax error", nil},
		{"SET k v EX 0", "-ERR invalid expire time in 'set' command", nil},
		{"SET k v PX -1", "-ERR invalid expire time in 'set' command", nil},
		{"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command", nil},
		{"SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command", nil},
		{"SET k v EX ten", "-ERR value is not an integer or out of range", nil},
		{"SET k", "-ERR wrong number of arguments for 'set' command", nil},
	})
}

func TestSetInThePast(t *testing.T) {
	runSteps(t, []step{
		{"SET k v PXAT 1", "OK", nil},
		{"EXISTS k", "0", nil},
		{"SET k v", "OK", []string{"SET k v"}},
		{"SET k w PXAT 1 GET", `"v"`, []string{"UNLINK k"}},
		{"EXISTS k", "0", nil},
	})
}

func TestSetKin(t *testing.T) {
	runSteps(t, []step{
		{"SETNX k v", "1", []string{"SETNX k v"}},
		{"SETNX k w", "0", nil},
		{"SETEX k 10 v", "OK", []string{"SET k v PXAT " + in(10_000)}},
		{"PSETEX k 10 v", "OK", []string{"SET k v PXAT " + in(10)}},
		{"SETEX k 0 v", "-ERR invalid expire time in 'setex' command", nil},
		{"PSETEX k x v", "-ERR value is not an integer or out of range", nil},
		{"GETSET k w", `"v"`, []string{"SET k w"}},
		{"PTTL k", "-1", nil},
		{"GETSET n w", "nil", []string{"SET n w"}},
		{"GETDEL n", `"w"`, []string{"DEL n"}},
		{"GETDEL n", "nil", nil},
		{"MSET a 1 b 2", "OK", []string{"MSET a 1 b 2"}},
		{"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command", nil},
		{"MGET a nope b a", `["1" nil "2" "1"]`, nil},
		{"MSETNX a 3 c 4", "0", nil},
		{"MSETNX c 3 d 4 c 5", "1", []string{"MSETNX c 3 d 4 c 5"}},
		{"MGET c d", `["5" "4"]`, nil},
	})
}

func TestGetEx(t *testing.T) {
	runSteps(t, []step{
		{"GETEX k EX 10", "nil", nil},
		{"SET k v", "OK", []string{"SET k v"}},
		{"GETEX k", `"v"`, nil},
		{"GETEX k PERSIST", `"v"`, nil},
		{"GETEX k EX 10", `"v"`, []string{"PEXPIREAT k " + in(10_000)}},
		{"GETEX k PX 10", `"v"`, []string{"PEXPIREAT k " + in(10)}},
		{"GETEX k PERSIST", `"v"`, []string{"PERSIST k"}},
		{"GETEX k PXAT " + in(7), `"v"`, []string{"PEXPIREAT k " + in(7)}},
		{"GETEX k EX 1 PERSIST", "-ERR syntax error", nil},
		{"GETEX k KEEPTTL", "-ERR syntax error", nil},
		{"GETEX k EX 0", "-ERR invalid expire time in 'getex' command", nil},
		{"GETEX k EXAT 1", `"v"`, []string{"UNLINK k"}},
		{"EXISTS k", "0", nil},
	})
}

func TestNumbers(t *testing.T) {
	runSteps(t, []step{
		{"INCR n", "1", []string{"INCR n"}},
		{"DECRBY n 5", "-4", []string{"DECRBY n 5"}},
		{"INCRBY n 9223372036854775807", "9223372036854775803", []string{"INCRBY n 9223372036854775807"}},
		{"INCRBY n 5", "-ERR increment or decrement would overflow", nil},
		{"DECRBY n -9223372036854775808", "-ERR decrement would overflow", nil},
		{"INCRBY n 1.5", "-ERR value is not an integer or out of range", nil},
		{"SET s abc EX 10", "OK", []string{"SET s abc PXAT " + in(10_000)}},
		{"DECR s", "-ERR value is not an integer or out of range", nil},
		{"SET s 12 KEEPTTL", "OK", []string{"SET s 12 KEEPTTL"}},
		{"APPEND s 3", "3", []string{"APPEND s 3"}},
		{"INCR s", "124", []string{"INCR s"}},
		{"TTL s", "10", nil},
		{"INCRBYFLOAT s 0.1", `"124.1"`, []string{"SET s 124.1 KEEPTTL"}},
		{"INCRBYFLOAT s 0.2", `"124.3"`, []string{"SET s 124.3 KEEPTTL"}},
		{"INCRBYFLOAT s 3e3", `"3124.30000000000000004"`, []string{"SET s 3124.30000000000000004 KEEPTTL"}},
		{"INCRBYFLOAT s x", "-ERR value is not a valid float", nil},
		{"INCRBYFLOAT s inf", "-ERR increment would produce NaN or Infinity", nil},
		{"INCRBYFLOAT new 1.50", `"1.5"`, []string{"SET new 1.5 KEEPTTL"}},
		{"DECR min", "-1", []string{"DECR min"}},
		{"DECRBY min 9223372036854775807", "-9223372036854775808", []string{"DECRBY min 9223372036854775807"}},
		{"DECR min", "-ERR increment or decrement would overflow", nil},
	})
}

func TestRanges(t *testing.T) {
	runSteps(t, []step{
		{"APPEND k Hello", "5", []string{"APPEND k Hello"}},
		{`APPEND k ", you"`, "10", []string{`APPEND k ", you"`}},
		{"STRLEN k", "10", nil},
		{"STRLEN nope", "0", nil},
		{"GETRANGE k 0 4", `"Hello"`, nil},
		{"GETRANGE k -3 -1", `"you"`, nil},
		{"GETRANGE k -100 100", `"Hello, you"`, nil},
		{"GETRANGE k 5 4", `""`, nil},
		{"GETRANGE k -1 -3", `""`, nil},
		{"GETRANGE k 9223372036854775807 -9223372036854775808", `""`, nil},
		{"SUBSTR nope 0 1", `""`, nil},
		{"SETRANGE k 7 all", "10", []string{"SETRANGE k 7 all"}},
		{"GET k", `"Hello, all"`, nil},
		{`SETRANGE k 100 ""`, "10", nil},
		{`SETRANGE nope 100 ""`, "0", nil},
		{"EXISTS nope", "0", nil},
		{"SETRANGE pad 2 x", "3", []string{"SETRANGE pad 2 x"}},
		{"GET pad", `"\x00\x00x"`, nil},
		{"SETRANGE k -1 x", "-ERR offset is out of range", nil},
		{"SETRANGE k 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)", nil},
		{"SETRANGE k 9223372036854775807 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)", nil},
		{"INCRBY num 100", "100", []string{"INCRBY num 100"}},
		{"GETRANGE num 0 0", `"1"`, nil},
		{"APPEND num 0", "4", []string{"APPEND num 0"}},
	})
}

func TestExpire(t *testing.T) {
	runSteps(t, []step{
		{"EXPIRE k 10", "0", nil},
		{"SET k v", "OK", []string{"SET k v"}},
		{"EXPIRE k 10", "1", []string{"PEXPIREAT k " + in(10_000)}},
		{"TTL k", "10", nil},
		{"PTTL k", "10000", nil},
		{"PEXPIRETIME k", in(10_000), nil},
		{"EXPIRETIME k", strconv.FormatInt(nowMs/1000+10, 10), nil},
		{"EXPIRE k 20 NX", "0", nil},
		{"EXPIRE k 5 GT", "0", nil},
		{"EXPIRE k 20 XX GT", "1", []string{"PEXPIREAT k " + in(20_000) + " XX GT"}},
		{"PEXPIRE k 1500 LT", "1", []string{"PEXPIREAT k " + in(1500) + " LT"}},
		{"TTL k", "2", nil},
		{"PERSIST k", "1", []string{"PERSIST k"}},
		{"PERSIST k", "0", nil},
		{"EXPIRE k 5 XX", "0", nil},
		{"EXPIRE k 5 GT", "0", nil},
		{"EXPIRE k 5 LT", "1", []string{"PEXPIREAT k " + in(5000) + " LT"}},
		{"EXPIREAT k " + strconv.FormatInt(nowMs/1000+1, 10), "1", []string{"PEXPIREAT k " + in(1000)}},
		{"PEXPIREAT k " + in(1), "1", []string{"PEXPIREAT k " + in(1)}},
		{"EXPIRE k 1 GT LT", "-ERR GT and LT options at the same time are not compatible", nil},
		{"EXPIRE k 1 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible", nil},
		{"EXPIRE k 1 ZZ", "-ERR Unsupported option ZZ", nil},
		{"EXPIRE k one", "-ERR value is not an integer or out of range", nil},
		{"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command", nil},
		{"PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command", nil},
		{"EXPIRE k -9223372036854775808", "-ERR invalid expire time in 'expire' command", nil},
		{"EXPIRE k -1", "1", []string{"UNLINK k"}},
		{"TTL k", "-2", nil},
	})
}

// TestExpiryHappens: a key is gone a millisecond after its time, and that is journaled as a deletion before the effect of the
// command that saw it.
func TestExpiryHappens(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, k := range []string{"a", "b", "c", "d"} {
		c.Do("SET " + k + " 1 PX 100")
	}
	s.Journal()
	s.Clock.Advance(100 * time.Millisecond)
	if got := c.Do("GET a"); got != `"1"` {
		t.Fatalf("at its time: %s", got)
	}
	s.Clock.Advance(time.Millisecond)
	for _, st := range []step{
		{"GET a", "nil", []string{"UNLINK a"}},
		{"INCR b", "1", []string{"MULTI", "UNLINK b", "INCR b", "EXEC"}},
		{"DEL c", "0", []string{"UNLINK c"}},
		{"KEYS *", `["b"]`, nil},
		{"SETNX d 2", "1", []string{"MULTI", "UNLINK d", "SETNX d 2", "EXEC"}},
	} {
		if got := c.Do(st.do); got != st.want {
			t.Errorf("%s: %s, want %s", st.do, got, st.want)
		}
		if got := s.Journal(); !slices.Equal(got, st.journal) {
			t.Errorf("%s journals %q, want %q", st.do, got, st.journal)
		}
	}
}

func TestKeys(t *testing.T) {
	runSteps(t, []step{
		{"MSET a 1 b 2 c 3", "OK", []string{"MSET a 1 b 2 c 3"}},
		{"EXISTS a a nope b", "3", nil},
		{"TOUCH a nope", "1", nil},
		{"TYPE a", "string", nil},
		{"TYPE nope", "none", nil},
		{"DBSIZE", "3", nil},
		{"KEYS b*", `["b"]`, nil},
		{"DEL a a nope", "1", []string{"DEL a a nope"}},
		{"UNLINK b", "1", []string{"UNLINK b"}},
		{"UNLINK b", "0", nil},
		{"RANDOMKEY", `"c"`, nil},
		{"SELECT 3", "OK", nil},
		{"RANDOMKEY", "nil", nil},
		{"SET x 1", "OK", []string{"SET x 1"}},
		{"FLUSHDB", "OK", []string{"FLUSHDB"}},
		{"DBSIZE", "0", nil},
		{"FLUSHDB ASYNC", "OK", []string{"FLUSHDB ASYNC"}},
		{"SELECT 0", "OK", nil},
		{"DBSIZE", "1", nil},
		{"FLUSHALL SYNC NOW", "-ERR syntax error", nil},
		{"FLUSHALL LATER", "-ERR syntax error", nil},
		{"FLUSHALL", "OK", []string{"FLUSHALL"}},
		{"DBSIZE", "0", nil},
	})
}

func TestFlushFailsWatchers(t *testing.T) {
	for _, flush := range []string{"FLUSHALL", "FLUSHDB"} {
		s := enginetest.New(t, enginetest.Start)
		c, other := s.Client(), s.Client()
		c.Do("SET k v")
		c.Do("WATCH k")
		c.Do("MULTI")
		c.Do("GET k")
		if got := other.Do(flush); got != "OK" {
			t.Fatal(got)
		}
		if got := c.Do("EXEC"); got != "nil" {
			t.Errorf("EXEC after %s: %s", flush, got)
		}
	}
}

func TestEvents(t *testing.T) {
	s := runSteps(t, []step{
		{"SET k v EX 10", "OK", []string{"SET k v PXAT " + in(10_000)}},
		{"APPEND k x", "2", []string{"APPEND k x"}},
		{"PERSIST k", "1", []string{"PERSIST k"}},
		{"DEL k", "1", []string{"DEL k"}},
		{"INCR n", "1", []string{"INCR n"}},
		{"INCRBYFLOAT n 1", `"2"`, []string{"SET n 2 KEEPTTL"}},
		{"SETRANGE n 1 x", "2", []string{"SETRANGE n 1 x"}},
		{"GETDEL n", `"2x"`, []string{"DEL n"}},
	})
	want := []string{"$ set 0 k", "g expire 0 k", "$ append 0 k", "g persist 0 k", "g del 0 k", "$ incrby 0 n", "$ incrbyfloat 0 n", "$ setrange 0 n", "g del 0 n"}
	if !slices.Equal(s.Events, want) {
		t.Errorf("events\n     %q\nwant %q", s.Events, want)
	}
}

// TestPrimaryIsObeyed: what a primary sends is done as it stands, expired or not, and is not journaled again by the executor.
func TestPrimaryIsObeyed(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	p, c := s.Primary(), s.Client()
	s.Engine.SetGate(engine.GateReplica, 0) // nothing expires by itself
	p.Raw("SET", "k", "v")
	p.Raw("PEXPIREAT", "k", "1")
	p.Raw("SET", "l", "v", "PXAT", "1")
	p.Raw("PEXPIREAT", "l", "-5")
	if got := c.Do("DBSIZE"); got != "2" {
		t.Errorf("%s keys, want 2: only the primary's DEL may take them", got)
	}
	if got := c.Do("GET k"); got != "nil" {
		t.Errorf("an expired key on a replica: %s", got)
	}
	if got := s.Journal(); got != nil {
		t.Errorf("journaled %q", got)
	}
}

// TestScanExpires: SCAN deletes the expired keys that it would have told, RANDOMKEY those that it draws, KEYS none.
func TestScanExpires(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, watcher := s.Client(), s.Client()
	fill := func() (unlinks []string) {
		for i := range 100 {
			c.Do(fmt.Sprintf("SET gone:%d v PX 1", i))
			unlinks = append(unlinks, fmt.Sprintf("UNLINK gone:%d", i))
		}
		c.Do("SET stays v")
		s.Clock.Advance(2 * time.Millisecond)
		s.Journal()
		slices.Sort(unlinks)
		return unlinks
	}
	want := fill()
	watcher.Do("WATCH gone:1")
	for _, quiet := range []string{"KEYS *", "SCAN 0 COUNT 1000 MATCH stays", "SCAN 0 COUNT 1000 TYPE list"} {
		if c.Do(quiet); c.Do("DBSIZE") != "101" {
			t.Errorf("%s deletes expired keys", quiet)
		}
	}
	for _, do := range []string{"SCAN 0 COUNT 1000", "MULTI/SCAN 0 COUNT 1000/EXEC"} {
		words := strings.Split(do, "/")
		for _, w := range words {
			c.Do(w)
		}
		got := s.Journal()
		if len(words) > 1 && len(got) > 2 {
			if got[0] != "MULTI" || got[len(got)-1] != "EXEC" {
				t.Errorf("%s is no one effect: %q", do, got)
			}
			got = got[1 : len(got)-1]
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s journals\n     %q\nwant %q", do, got, want)
		}
		if n := c.Do("DBSIZE"); n != "1" {
			t.Errorf("%s leaves %s keys", do, n)
		}
		fill()
	}
	if got := c.Do("RANDOMKEY"); got != `"stays"` {
		t.Errorf("RANDOMKEY %s", got)
	}
	if got := s.Journal(); len(got) == 0 || !strings.HasPrefix(got[0], "UNLINK gone:") {
		t.Errorf("RANDOMKEY journals %q", got) // that it draws no expired key before has a chance of 1 in 101
	}
}

// TestScanOfReplica: a replica hides what is expired, and leaves it to its primary; RANDOMKEY tells it where there is nothing else.
func TestScanOfReplica(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET gone v PX 1")
	s.Clock.Advance(2 * time.Millisecond)
	s.Engine.SetGate(engine.GateReplica|engine.GateReadOnly, 0)
	for do, want := range map[string]string{"SCAN 0": `["0" []]`, "RANDOMKEY": `"gone"`, "KEYS *": "[]"} {
		if got := c.Do(do); got != want {
			t.Errorf("%s: %s, want %s", do, got, want)
		}
	}
	if got := c.Do("DBSIZE"); got != "1" {
		t.Errorf("%s keys", got)
	}
}

func TestScanGivesEveryKeyOnce(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	want := map[string]int{}
	for i := range 1000 {
		k := fmt.Sprintf("key:%d", i)
		want[k] = 0
		c.Do("SET " + k + " v")
	}
	c.Do("SELECT 1")
	c.Do("SET other v")
	c.Do("SELECT 0")
	for _, count := range []string{"1", "10", "7000"} {
		clear(want)
		cursor, calls := "0", 0
		for {
			reply := c.Do("SCAN " + cursor + " COUNT " + count)
			var rest string
			cursor, rest, _ = strings.Cut(strings.TrimPrefix(reply, "["), " ")
			cursor = strings.Trim(cursor, `"`)
			for _, k := range strings.Fields(strings.Trim(rest, "[]")) {
				want[strings.Trim(k, `"`)]++
			}
			if calls++; cursor == "0" || calls > 20_000 {
				break
			}
		}
		if len(want) != 1000 {
			t.Fatalf("COUNT %s: %d keys in %d calls", count, len(want), calls)
		}
		for k, n := range want {
			if n != 1 {
				t.Fatalf("COUNT %s: %s came %d times though nothing changed", count, k, n)
			}
		}
	}
}

func TestScanOptions(t *testing.T) {
	runSteps(t, []step{
		{"MSET a1 x a2 x b1 x", "OK", []string{"MSET a1 x a2 x b1 x"}},
		{"SCAN 0 MATCH b* COUNT 100", `["0" ["b1"]]`, nil},
		{"SCAN 0 TYPE STRING COUNT 100 MATCH b1", `["0" ["b1"]]`, nil},
		{"SCAN 0 TYPE list COUNT 100", `["0" []]`, nil},
		{"SCAN 0 TYPE nosuch", "-ERR unknown type name 'nosuch'", nil},
		{"SCAN x", "-ERR invalid cursor", nil},
		{"SCAN -1", "-ERR invalid cursor", nil},
		{"SCAN 18446744073709551616", "-ERR invalid cursor", nil},
		{"SCAN 18446744073709551615", `["0" []]`, nil},
		{"SCAN 0 COUNT 0", "-ERR syntax error", nil},
		{"SCAN 0 COUNT x", "-ERR value is not an integer or out of range", nil},
		{"SCAN 0 COUNT", "-ERR syntax error", nil},
		{"SCAN 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN", nil},
	})
}

// TestRandomKeyIsFair draws often enough that no key of a few can be missed by chance.
func TestRandomKeyIsFair(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for i := range 10 {
		c.Do(fmt.Sprintf("SET k%d v", i))
	}
	c.Do("SET gone v PX 1")
	s.Clock.Advance(time.Second)
	seen := map[string]int{}
	for range 2000 {
		seen[c.Do("RANDOMKEY")]++
	}
	if len(seen) != 10 || seen[`"gone"`] != 0 {
		t.Errorf("drew %v", seen)
	}
	for k, n := range seen {
		if n < 100 {
			t.Errorf("%s was drawn %d times in 2000, of ten keys", k, n)
		}
	}
}

func TestConnection(t *testing.T) {
	runSteps(t, []step{
		{"PING", "PONG", nil},
		{"PING hi", `"hi"`, nil},
		{"PING a b", "-ERR wrong number of arguments for 'ping' command", nil},
		{"ECHO hi", `"hi"`, nil},
		{"ECHO", "-ERR wrong number of arguments for 'echo' command", nil},
	})
}

// TestPeekLeavesTheAccessClock: commands that look at a key from outside do not count as use of its value.
func TestPeekLeavesTheAccessClock(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("SET k v")
	clock := func() (lru uint32) {
		h := s.Engine.Space.Hash([]byte("k"))
		s.Engine.WithShard(s.Engine.Space.ShardOf(h), func(sh *keyspace.Shard) { lru = sh.DB(0).Find(h, []byte("k")).LRU() })
		return lru
	}
	made := clock()
	s.Clock.Advance(10 * time.Second)
	for _, look := range []string{"TTL k", "PTTL k", "EXISTS k", "TYPE k", "EXPIRETIME k"} {
		if c.Do(look); clock() != made {
			t.Fatalf("%s touched the key", look)
		}
	}
	if c.Do("GET k"); clock() == made {
		t.Error("GET did not touch the key")
	}
}

func TestFastPathsDoNotAllocate(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	s.Engine.Journal.Stop()
	s.Engine.Events = nil
	c := s.Client()
	c.Do("SET n 12345")
	x := s.Engine.NewExecutor()
	for _, line := range []string{"SET k value-of-some-length", "GET k", "GET n", "GET nope"} {
		var args [][]byte
		for _, w := range strings.Fields(line) {
			args = append(args, []byte(w))
		}
		if n := testing.AllocsPerRun(1000, func() {
			x.BeginTurn()
			x.Run(c.Client, args)
			c.Out.Buf = c.Out.Buf[:0]
		}); n != 0 {
			t.Errorf("%s allocates %v times", line, n)
		}
	}
}

// TestMaxString: proto-max-bulk-len bounds what commands make, whatever it is now; the primary is obeyed.
func TestMaxString(t *testing.T) {
	const tooLong = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	s.Engine.SetMaxString(2000)
	for _, st := range []step{
		{"SETRANGE a 1999 x", "2000", nil},
		{"SETRANGE a 2000 x", tooLong, nil},
		{"SETRANGE a 9223372036854775807 x", tooLong, nil},
		{"APPEND a x", tooLong, nil},
		{"STRLEN a", "2000", nil},
	} {
		if got := c.Do(st.do); got != st.want {
			t.Errorf("%s: %s, want %s", st.do, got, st.want)
		}
	}
	s.Primary().Raw("APPEND", "a", "x")
	s.Engine.SetMaxString(600 << 20)
	if got := c.Do("SETRANGE a 536870912 x"); got != "536870913" {
		t.Errorf("above the default, with a larger bound: %s", got)
	}
}
