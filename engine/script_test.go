package engine_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// TestScriptEffects: a script's changes are journaled as one, as their effects, and what it does not let be told is not.
func TestScriptEffects(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	cl := s.Client()
	want(t, cl, "*2\r\n+OK\r\n:1\r\n", "EVAL", "return {redis.call('set', KEYS[1], 'v'), redis.call('incr', 'other')}", "1", "k")
	if got := strings.Join(s.Journal(), "; "); got != "MULTI; set k v; incr other; EXEC" {
		t.Errorf("journal: %s", got)
	}
	want(t, cl, "$-1\r\n", "EVAL", "redis.set_repl(redis.REPL_NONE) redis.call('set', 'x', '1') redis.set_repl(redis.REPL_ALL) redis.call('set', 'y', '1')", "0")
	if got := strings.Join(s.Journal(), "; "); got != "set y 1" {
		t.Errorf("journal: %s", got)
	}
}

func want(t *testing.T, cl *enginetest.Client, reply string, args ...string) {
	t.Helper()
	if got := string(cl.Raw(args...)); got != reply {
		t.Errorf("%q: %q, want %q", args, got, reply)
	}
}

// TestScriptsAndMSET: a script that reaches keys which it did not declare, on any shard, and MSETs of the same keys, from several loops:
// nobody waits for ever, and whoever reads all keys sees them as one of the writers left them.
func TestScriptsAndMSET(t *testing.T) {
	s := raceServer(t)
	const keys = 16
	var names []string
	mset := func(v string) []string {
		args := []string{"MSET"}
		for i := range keys {
			args = append(args, "key:"+strconv.Itoa(i), v)
		}
		return args
	}
	for i := range keys {
		names = append(names, "key:"+strconv.Itoa(i))
	}
	write := "for i = 0, 15 do redis.call('set', 'key:' .. i, ARGV[1]) end"
	var torn atomic.Int64
	writer := func(n int) func() {
		l := newLoop(s)
		return func() {
			for i := range many(300) {
				v := strconv.Itoa(n*1000 + i)
				switch (n + i) % 3 {
				case 0:
					l.run(mset(v)...)
				case 1:
					l.run("EVAL", write, "0", v)
				default:
					l.run("EVAL", write, "1", "key:7", v)
				}
				got := strings.Split(l.run(append([]string{"MGET"}, names...)...), "\r\n")
				for j := 4; j < len(got)-1; j += 2 {
					if got[j] != got[2] {
						torn.Add(1)
					}
				}
			}
		}
	}
	together(writer(1), writer(2), writer(3), writer(4))
	if n := torn.Load(); n != 0 {
		t.Errorf("%d values are of another writer than the first", n)
	}
}
