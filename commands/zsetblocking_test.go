package commands_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
)

// TestBlockingZSets: a command waits, another client does something, and what each is answered and what is journaled is as it should be.
func TestBlockingZSets(t *testing.T) {
	const wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value"
	for _, tt := range []struct {
		name, wait string
		do         []string
		want       string
		journal    []string
	}{
		{"the least", "BZPOPMIN z 0", []string{"ZADD z 2 b 1.5 a"}, `["z" "a" "1.5"]`, []string{"ZADD z 2 b 1.5 a", "ZPOPMIN z"}},
		{"the most", "BZPOPMAX z 0", []string{"ZADD z 2 b 1 a"}, `["z" "b" "2"]`, []string{"ZADD z 2 b 1 a", "ZPOPMAX z"}},
		{"several", "BZMPOP 0 2 y z MAX COUNT 2", []string{"ZADD z 1 a 2 b 3 c"}, `["z" [["c" "3"] ["b" "2"]]]`, []string{"ZADD z 1 a 2 b 3 c", "ZPOPMAX z 2"}},
		{"as many as there are", "BZMPOP 0 1 z MIN COUNT 5", []string{"ZADD z 1 a 2 b"}, `["z" [["a" "1"] ["b" "2"]]]`, []string{"ZADD z 1 a 2 b", "ZPOPMIN z 2"}},
		{"the first in the command's order", "BZPOPMIN z1 z2 0", []string{"MULTI", "ZADD z2 1 b", "ZADD z1 1 a", "EXEC"}, `["z1" "a" "1"]`,
			[]string{"MULTI", "ZADD z2 1 b", "ZADD z1 1 a", "EXEC", "ZPOPMIN z1"}},
		{"incremented", "BZPOPMIN z 0", []string{"ZINCRBY z 3 a"}, `["z" "a" "3"]`, []string{"ZINCRBY z 3 a", "ZPOPMIN z"}},
		{"a union", "BZPOPMIN z 0", []string{"ZADD o 1 a", "ZUNIONSTORE z 1 o"}, `["z" "a" "1"]`, []string{"ZADD o 1 a", "ZUNIONSTORE z 1 o", "ZPOPMIN z"}},
		{"a range", "BZPOPMAX z 0", []string{"ZADD o 1 a", "ZRANGESTORE z o 0 -1"}, `["z" "a" "1"]`, []string{"ZADD o 1 a", "ZRANGESTORE z o 0 -1", "ZPOPMAX z"}},
		{"a place", "BZPOPMIN z 0", []string{"GEOADD z 0 0 a"}, `["z" "a" "3377699720527872"]`, []string{"zadd z 3377699720527872 a", "ZPOPMIN z"}},
		{"places", "BZPOPMIN z 0", []string{"GEOADD o 0 0 a", "GEOSEARCHSTORE z o FROMLONLAT 0 0 BYRADIUS 1 m"}, `["z" "a" "3377699720527872"]`,
			[]string{"zadd o 3377699720527872 a", "GEOSEARCHSTORE z o FROMLONLAT 0 0 BYRADIUS 1 m", "ZPOPMIN z"}},
		{"renamed", "BZPOPMIN z 0", []string{"ZADD o 1 a", "RENAME o z"}, `["z" "a" "1"]`, []string{"ZADD o 1 a", "RENAME o z", "ZPOPMIN z"}},
		{"swapped", "BZPOPMIN z 0", []string{"SELECT 1", "ZADD z 1 a", "SWAPDB 1 0"}, `["z" "a" "1"]`, []string{"ZADD z 1 a", "SWAPDB 1 0", "ZPOPMIN z"}},
		{"another type", "BZPOPMIN z 0", []string{"RPUSH z a"}, "", []string{"RPUSH z a"}},
		{"another of its keys has another type", "BZPOPMIN y z 0", []string{"SET y x", "ZADD z 1 a"}, wrong, []string{"SET y x", "ZADD z 1 a"}},
		{"gone again", "BZMPOP 0 1 z MIN", []string{"MULTI", "ZADD z 1 a", "DEL z", "EXEC"}, "", []string{"MULTI", "ZADD z 1 a", "DEL z", "EXEC"}},
		{"a sorted list", "BLPOP k 0", []string{"ZADD z 2 b 1 a", "SORT z BY nosort STORE k"}, `["k" "a"]`, []string{"ZADD z 2 b 1 a", "SORT z BY nosort STORE k", "LPOP k"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := enginetest.New(t, enginetest.Start)
			wakes(t, s.Client(), s.Client(), tt.wait, tt.do, tt.want)
			if got := s.Journal(); !slices.Equal(got, tt.journal) {
				t.Errorf("journaled %q, want %q", got, tt.journal)
			}
		})
	}
}

// TestBlockingZSetAtOnce: with a member there nobody waits, and the reply's form is that of a real server in both protocols; so are the errors.
func TestBlockingZSetAtOnce(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
		for _, line := range []string{"HELLO " + proto, "ZADD z 1 a 2.5 b 3 c 4 d 5 e", "BZPOPMIN none z 0", "BZPOPMAX z 0.5", "BZMPOP 0 2 none z MIN COUNT 2", "BZMPOP 0 1 z MAX",
			"BZPOPMIN z x", "BZPOPMIN z -1", "BZMPOP 0 0 z MIN", "BZMPOP 0 x z MIN", "BZMPOP 0 2 z MIN", "BZMPOP 0 1 z MIDDLE", "BZMPOP 0 1 z MIN COUNT 0", "BZMPOP x 1 z MIN", "BZMPOP 0 1 z",
			"SET str x", "BZPOPMIN str 0", "BZMPOP 0 1 str MIN", "MULTI", "BZPOPMIN none 0", "BZMPOP 0 1 none MAX", "EXEC"} {
			words := strings.Fields(line)
			ours, theirs := string(c.Raw(words...)), string(real.Raw(words...))
			if words[0] != "HELLO" && ours != theirs {
				t.Errorf("RESP%s, %s: %q, want %q", proto, line, ours, theirs)
			}
		}
	}
}

// TestRestoreWakes: what RESTORE puts in is for who waits.
func TestRestoreWakes(t *testing.T) {
	s := enginetest.New(t, enginetest.Start, keydump.Commands(keydump.Config{Sanitize: func(spec.Session) bool { return true }})...)
	w, c := s.Client(), s.Client()
	for _, tt := range [][3]string{{"ZADD o 7 a", "BZPOPMIN k 0", `["k" "a" "7"]`}, {"RPUSH o a", "BLPOP k 0", `["k" "a"]`}} {
		c.Do("DEL o")
		c.Do(tt[0])
		blocked(t, w, tt[1])
		if got := c.Value("RESTORE", "k", "0", string(c.Value("DUMP", "o").Str)); string(got.Str) != "OK" {
			t.Fatal(enginetest.Show(got))
		}
		if got := answered(t, w); got != tt[2] {
			t.Errorf("%s: %q", tt[1], got)
		}
	}
}
