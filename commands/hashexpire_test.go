package commands_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
)

const (
	misfit  = "-ERR numfields should be greater than 0 and match the provided number of fields"
	notInt  = "-ERR value is not an integer or out of range"
	badWord = "-ERR syntax error"
)

func TestHExpire(t *testing.T) {
	s := runSteps(t, []step{
		{"HEXPIRE k 10 FIELDS 1 a", "[-2]", nil},
		{"HSET k a 1 b 2 c 3", "3", []string{"HSET k a 1 b 2 c 3"}},
		{"OBJECT ENCODING k", `"listpack"`, nil},
		{"HEXPIRE k 10 XX FIELDS 2 a none", "[0 -2]", nil},
		{"HEXPIRE k 10 GT FIELDS 1 a", "[0]", nil},
		{"OBJECT ENCODING k", `"listpack"`, nil},
		{"HEXPIRE k 10 NX FIELDS 3 a none b", "[1 -2 1]", []string{"HPEXPIREAT k " + in(10_000) + " NX FIELDS 3 a none b"}},
		{"OBJECT ENCODING k", `"hashtable"`, nil},
		{"HTTL k FIELDS 4 a b c none", "[10 10 -1 -2]", nil},
		{"HPTTL k FIELDS 1 a", "[10000]", nil},
		{"HPEXPIRETIME k FIELDS 2 a c", "[" + in(10_000) + " -1]", nil},
		{"HPEXPIRE k 499 nx FIELDS 1 a", "[0]", nil},
		{"HPEXPIRE k 499 XX LT FIELDS 2 a c", "[1 0]", []string{"HPEXPIREAT k " + in(499) + " XX LT FIELDS 2 a c"}},
		{"HTTL k FIELDS 1 a", "[0]", nil},
		{"HPEXPIREAT k " + in(500) + " GT FIELDS 2 a c", "[1 0]", []string{"HPEXPIREAT k " + in(500) + " GT FIELDS 2 a c"}},
		{"HTTL k FIELDS 1 a", "[1]", nil},
		{"HPEXPIREAT k " + in(600) + " LT FIELDS 1 a", "[0]", nil},
		{"HPERSIST k FIELDS 3 a c none", "[1 -1 -2]", []string{"HPERSIST k FIELDS 3 a c none"}},
		{"HPERSIST k FIELDS 1 a", "[-1]", nil},
		{"HPERSIST none FIELDS 1 a", "[-2]", nil},
		{"HSET k b 3", "0", []string{"HSET k b 3"}},
		{"HTTL k FIELDS 1 b", "[-1]", nil},
		{"HEXPIREAT k 0 FIELDS 2 a none", "[2 -2]", []string{"HDEL k a"}},
		{"HEXPIRE k 0 GT FIELDS 1 b", "[0]", nil},
		{"HMGET k a b c", `[nil "3" "3"]`, nil},
		{"HLEN k", "2", nil},
		{"HEXPIRE k 0 FIELDS 3 b c b", "[2 2 -2]", []string{"HDEL k b c"}},
		{"EXISTS k", "0", nil},
	})
	want := "h hset 0 k,h hexpire 0 k,h hexpire 0 k,h hexpire 0 k,h hpersist 0 k,h hset 0 k,h hexpired 0 k,h hexpired 0 k,g del 0 k"
	if got := slices.DeleteFunc(s.Events, func(e string) bool { return strings.HasPrefix(e, "n ") || strings.HasPrefix(e, "m ") }); strings.Join(got, ",") != want {
		t.Errorf("events\n %s\nwant\n %s", strings.Join(got, ","), want)
	}
	if n := s.Engine.Counters().ExpiredFields; n != 3 {
		t.Errorf("expired_fields is %d", n)
	}
}

func TestHExpireErrors(t *testing.T) {
	const wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value"
	runSteps(t, []step{
		{"SET s v", "OK", []string{"SET s v"}},
		{"HSET k a 1", "1", []string{"HSET k a 1"}},
		{"HEXPIRE k 10 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command", nil},
		{"HEXPIRE k 10 FIELDS 2 a", misfit, nil},
		{"HEXPIRE k 10 FIELDS 0 a", misfit, nil},
		{"HEXPIRE k 10 FIELDS -1 a", misfit, nil},
		{"HEXPIRE k 10 FIELDS x a", notInt, nil},
		{"HEXPIRE k 10 NX a b c", misfit, nil},
		{"HEXPIRE k 10 FIELDS 1 a b", misfit, nil},
		{"HEXPIRE k 10 NX XX FIELDS 1 a", "-ERR NX and XX, GT or LT options at the same time are not compatible", nil},
		{"HEXPIRE k 10 GT LT FIELDS 1 a", "-ERR GT and LT options at the same time are not compatible", nil},
		{"HEXPIRE k 10 ZZ FIELDS 1 a", "-ERR Unsupported option ZZ", nil},
		{"HEXPIRE k x FIELDS 1 a", notInt, nil},
		{"HEXPIRE k -1 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command", nil},
		{"HEXPIRE k 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command", nil},
		{"HPEXPIRE k 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hpexpire' command", nil},
		{"HPEXPIREAT k -5 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command", nil},
		{"HEXPIRE s x FIELDS 1 a", notInt, nil},
		{"HEXPIRE s 10 FIELDS 1 a", wrong, nil},
		{"HPERSIST s FIELDS 1 a", wrong, nil},
		{"HPERSIST k FIELDS 2 a", misfit, nil},
		{"HTTL s FIELDS 1 a", wrong, nil},
		{"HTTL k FIELDS 2 a", badWord, nil},
		{"HTTL k FIELDS x a", notInt, nil},
		{"HGETDEL s FIELDS 1 a", wrong, nil},
		{"HGETDEL k FIELDS 2 a", misfit, nil},
		{"HSETEX s FIELDS 1 a v", wrong, nil},
		{"HSETEX k FIELDS 1 a v b w", misfit, nil},
		{"HSETEX k EX 10 1 a v", misfit, nil},
		{"HSETEX k EX FIELDS 1 a v", badWord, nil},
		{"HSETEX k EX 1 PX 1 FIELDS 1 a v", badWord, nil},
		{"HSETEX k NX XX FIELDS 1 a v", badWord, nil},
		{"HSETEX k FNX FXX FIELDS 1 a v", badWord, nil},
		{"HSETEX k PERSIST FIELDS 1 a v", badWord, nil},
		{"HSETEX k EX 1 KEEPTTL FIELDS 1 a v", badWord, nil},
		{"HSETEX k EX -1 FIELDS 1 a v", "-ERR invalid expire time in 'hsetex' command", nil},
		{"HSETEX k EX x FIELDS 1 a v", notInt, nil},
		{"HGETEX s EX 10 FIELDS 1 a", wrong, nil},
		{"HGETEX k KEEPTTL FIELDS 1 a", badWord, nil},
		{"HGETEX k EX 10 PERSIST FIELDS 1 a", badWord, nil},
		{"HGETEX k EX -1 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command", nil},
		{"HGETEX k EX 1 FIELDS 2 a", misfit, nil},
		{"HGETALL k", `["a" "1"]`, nil},
	})
}

func TestHSetEx(t *testing.T) {
	s := runSteps(t, []step{
		{"HSETEX k XX FIELDS 1 a 1", "0", nil},
		{"HSETEX k FXX FIELDS 1 a 1", "0", nil},
		{"EXISTS k", "0", nil},
		{"HSETEX k NX fnx EX 10 FIELDS 2 a 1 b 2", "1", []string{"HSETEX k PXAT " + in(10_000) + " FIELDS 2 a 1 b 2"}},
		{"HTTL k FIELDS 2 a b", "[10 10]", nil},
		{"HSETEX k NX FIELDS 1 c 1", "0", nil},
		{"HSETEX k FNX FIELDS 2 c 1 b 2", "0", nil},
		{"HSETEX k FXX FIELDS 2 c 1 b 2", "0", nil},
		{"HSETEX k XX FXX KEEPTTL FIELDS 1 a 2", "1", []string{"HSETEX k KEEPTTL FIELDS 1 a 2"}},
		{"HSETEX k KEEPTTL FIELDS 1 a 3", "1", []string{"HSETEX k KEEPTTL FIELDS 1 a 3"}},
		{"HMGET k a b c", `["3" "2" nil]`, nil},
		{"HTTL k FIELDS 1 a", "[10]", nil},
		{"HSETEX k FIELDS 1 a 4", "1", []string{"HSETEX k FIELDS 1 a 4"}},
		{"HTTL k FIELDS 1 a", "[-1]", nil},
		{"HSETEX k PXAT " + in(7) + " FIELDS 1 a 4", "1", []string{"HSETEX k PXAT " + in(7) + " FIELDS 1 a 4"}},
		{"HSETEX fields PX 5 FIELDS 1 fields fields", "1", []string{"HSETEX fields PXAT " + in(5) + " FIELDS 1 fields fields"}},
		{"HSETEX k EXAT 0 FIELDS 2 a 5 none 5", "1", []string{"HDEL k a"}},
		{"HSETEX k PX 0 FIELDS 1 b 5", "1", []string{"HDEL k b"}},
		{"EXISTS k", "0", nil},
		{"HSETEX k PX 0 FIELDS 1 b 5", "1", nil},
	})
	if got := strings.Join(s.Events, ","); !strings.HasSuffix(got, "h hset 0 k,h hexpire 0 k,h hexpired 0 k,g del 0 k,h hset 0 k,h hexpire 0 k,h hexpired 0 k,g del 0 k") {
		t.Errorf("events %s", got)
	}
	if n := s.Engine.Counters().ExpiredFields; n != 4 {
		t.Errorf("expired_fields is %d", n)
	}
}

func TestHGetEx(t *testing.T) {
	s := runSteps(t, []step{
		{"HGETEX k EX 10 FIELDS 2 a b", "[nil nil]", nil},
		{"HSET k a 1 b 2", "2", []string{"HSET k a 1 b 2"}},
		{"HGETEX k FIELDS 2 a none", `["1" nil]`, nil},
		{"HGETEX k PERSIST FIELDS 1 a", `["1"]`, nil},
		{"HGETEX k EX 10 FIELDS 3 a none b", `["1" nil "2"]`, []string{"HPEXPIREAT k " + in(10_000) + " FIELDS 2 a b"}},
		{"HGETEX k PXAT " + in(5) + " FIELDS 1 a", `["1"]`, []string{"HPEXPIREAT k " + in(5) + " FIELDS 1 a"}},
		{"HGETEX k PERSIST FIELDS 2 a none", `["1" nil]`, []string{"HPERSIST k FIELDS 1 a"}},
		{"HPTTL k FIELDS 2 a b", "[-1 10000]", nil},
		{"HGETEX k PX 0 FIELDS 2 a a", `["1" nil]`, []string{"HDEL k a"}},
		{"HGETDEL k FIELDS 3 b b none", `["2" nil nil]`, []string{"HGETDEL k FIELDS 3 b b none"}},
		{"HGETDEL k FIELDS 1 b", "[nil]", nil},
		{"EXISTS k", "0", nil},
	})
	want := "h hexpire 0 k,h hexpire 0 k,h hpersist 0 k,h hexpired 0 k,h hdel 0 k,g del 0 k"
	if got := strings.Join(s.Events, ","); !strings.HasSuffix(got, want) {
		t.Errorf("events %s", got)
	}
}

// TestFieldsOver: a field whose time is over is there for nobody, but for HLEN, until the cycle deletes it. Who overwrites it makes it anew.
func TestFieldsOver(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	c.Do("HSET k stay 1 n 5")
	c.Do("HSETEX k PX 10 FIELDS 6 a 1 b 2 c 3 d 4 f 1.5 g 7")
	c.Do("HSETEX gone PX 10 FIELDS 1 a 1")
	s.Clock.Advance(10 * time.Millisecond)
	if got := c.Do("HMGET k a b"); got != `["1" "2"]` {
		t.Errorf("at the time itself: %s", got)
	}
	s.Clock.Advance(time.Millisecond)
	s.Journal()
	s.Events = nil
	for _, st := range []step{
		{"HGET k a", "nil", nil},
		{"HEXISTS k a", "0", nil},
		{"HSTRLEN k a", "0", nil},
		{"HMGET k a stay", `[nil "1"]`, nil},
		{"HTTL k FIELDS 1 a", "[-2]", nil},
		{"HLEN k", "8", nil},
		{"HLEN gone", "1", nil},
		{"EXISTS gone", "1", nil},
		{"HGETALL gone", "[]", nil},
		{"HRANDFIELD gone", "nil", nil},
		{"HRANDFIELD gone 5", "[]", nil},
		{"HRANDFIELD gone -5", "[]", nil},
		{"HKEYS gone", "[]", nil},
		{"HSCAN gone 0", `["0" []]`, nil},
		{"HDEL k a none", "0", nil},
		{"HGETDEL k FIELDS 1 a", "[nil]", nil},
		{"HEXPIRE k 10 FIELDS 1 a", "[-2]", nil},
		{"HPERSIST k FIELDS 1 a", "[-2]", nil},
		{"HGETEX k EX 10 FIELDS 1 a", "[nil]", nil},
		{"HSETEX k FXX FIELDS 1 a 1", "0", nil},
		{"HSET k a 2 b 3 stay 2", "2", []string{"HSET k a 2 b 3 stay 2"}},
		{"HINCRBY k c 1", "1", []string{"HSET k c 1"}},
		{"HSETNX k d 1", "1", []string{"HSET k d 1"}},
		{"HINCRBYFLOAT k f 2", `"2"`, []string{"HSET k f 2"}},
		{"HSETEX k KEEPTTL FIELDS 2 g 8 n 6", "1", []string{"MULTI", "HDEL k g", "HSETEX k KEEPTTL FIELDS 2 g 8 n 6", "EXEC"}},
		{"HTTL k FIELDS 6 a b c d f g", "[-1 -1 -1 -1 -1 -1]", nil},
		{"HEXPIRE k 10 FIELDS 1 n", "[1]", []string{"HPEXPIREAT k " + in(10_011) + " FIELDS 1 n"}},
		{"HINCRBY k n 1", "7", []string{"HSETEX k PXAT " + in(10_011) + " FIELDS 1 n 7"}},
		{"HINCRBYFLOAT k n 1", `"8"`, []string{"HSETEX k PXAT " + in(10_011) + " FIELDS 1 n 8"}},
		{"HTTL k FIELDS 1 n", "[10]", nil},
	} {
		if got := c.Do(st.do); got != st.want {
			t.Errorf("%s\n got %s\nwant %s", st.do, got, st.want)
		}
		if got := s.Journal(); !slices.Equal(got, st.journal) {
			t.Errorf("%s journals\n     %q\nwant %q", st.do, got, st.journal)
		}
	}
	want := "h hexpired 0 k,h hset 0 k,h hexpired 0 k,h hincrby 0 k,h hexpired 0 k,h hset 0 k,h hexpired 0 k,h hincrbyfloat 0 k,h hexpired 0 k,h hset 0 k,h hexpire 0 k"
	if got := strings.Join(slices.DeleteFunc(s.Events, func(e string) bool { return e[0] == 'm' }), ","); !strings.HasPrefix(got, want) {
		t.Errorf("events\n %s\nwant\n %s", got, want)
	}
	if n := s.Engine.Counters().ExpiredFields; n != 6 {
		t.Errorf("expired_fields is %d", n)
	}
}

// TestRandomFieldsOver: of many fields of which most are over, random ones are those that are left, each with the same chance.
func TestRandomFieldsOver(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	over := []string{"HSETEX", "k", "PX", "1", "FIELDS", "1000"}
	for i := range 1000 {
		over = append(over, "over:"+in(int64(i)), "v")
	}
	c.Raw(over...)
	c.Do("HSET k a 1 b 2 c 3")
	s.Clock.Advance(time.Second)
	for _, st := range [][2]string{{"HGETALL k", "6"}, {"HKEYS k", "3"}, {"HVALS k", "3"}, {"HRANDFIELD k 1000", "3"}, {"HRANDFIELD k 2 WITHVALUES", "4"}, {"HRANDFIELD k -300", "300"}} {
		v := c.Value(strings.Fields(st[0])...)
		count := map[string]int{}
		for _, e := range v.Elems {
			count[string(e.Str)]++
		}
		if n := len(v.Elems); n != atoi(st[1]) || strings.Contains(enginetest.Show(v), "over") {
			t.Errorf("%s: %d elements, want %s", st[0], n, st[1])
		}
		if st[0] == "HRANDFIELD k -300" && (count["a"] < 50 || count["b"] < 50 || count["c"] < 50) {
			t.Errorf("%s: %v", st[0], count)
		}
	}
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// TestFieldsAreObeyed: what the primary sends is done as it stands, however long a field's time is over.
func TestFieldsAreObeyed(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	p, c := s.Primary(), s.Client()
	for _, line := range []string{"HSETEX k PXAT 1000 FIELDS 2 a 5 b 1", "HINCRBY k a 1", "HPEXPIREAT k 2000 FIELDS 1 b", "HSETEX k KEEPTTL FIELDS 1 a 7", "HSET k c 1", "HDEL k c"} {
		p.Raw(strings.Fields(line)...)
	}
	if got := c.Do("HLEN k") + c.Do("HGETALL k"); got != "2[]" {
		t.Errorf("a client sees %s", got)
	}
	p.Raw("HPERSIST", "k", "FIELDS", "2", "a", "b")
	if got := c.Do("HMGET k a b"); got != `["7" "1"]` {
		t.Errorf("after HPERSIST: %s", got)
	}
}
