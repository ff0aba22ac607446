package engine_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/script"
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

// TestScriptLocks: a script takes the shards that it needs, and never all of them for its own sake.
func TestScriptLocks(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	cl := s.Client()
	want(t, cl, "$1\r\nl\r\n", "FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)")
	sha := script.SHA1([]byte("return redis.call('incr', KEYS[1])"))
	before := s.Engine.Counters().AllShardLocks
	want(t, cl, ":1\r\n", "EVAL", "return redis.call('incr', KEYS[1])", "1", "a")
	want(t, cl, ":2\r\n", "EVALSHA", sha, "1", "a")
	want(t, cl, ":3\r\n", "FCALL", "f", "1", "a")
	want(t, cl, "+OK\r\n", "EVAL", "return redis.call('mset', KEYS[1], 1, KEYS[2], 2, KEYS[3], 3)", "3", "a", "b", "c")
	want(t, cl, ":2\r\n", "EVAL", "redis.call('rename', 'a', 'd') return redis.call('del', 'c', 'd')", "0")
	want(t, cl, "$40\r\n"+sha+"\r\n", "SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])")
	want(t, cl, "*1\r\n:1\r\n", "SCRIPT", "EXISTS", sha)
	if n := s.Engine.Counters().AllShardLocks - before; n != 0 {
		t.Errorf("all shards were held %d times", n)
	}
	want(t, cl, ":1\r\n", "EVAL", "redis.call('flushall') return 1", "0")
	if n := s.Engine.Counters().AllShardLocks - before; n != 1 {
		t.Errorf("counted %d for FLUSHALL in a script", n)
	}
}

// TestLoadLibraries: libraries of a snapshot are put in the place of those that there are, or beside them, all or none.
func TestLoadLibraries(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	cl := s.Client()
	lib := func(name, function, answer string) []byte {
		return []byte("#!lua name=" + name + "\nredis.register_function('" + function + "', function() return '" + answer + "' end)")
	}
	want(t, cl, "$3\r\none\r\n", "FUNCTION", "LOAD", string(lib("one", "f", "old")))
	answers := func(f, g string) {
		t.Helper()
		want(t, cl, f, "FCALL", "f", "0")
		want(t, cl, g, "FCALL", "g", "0")
	}
	const none = "-ERR Function not found\r\n"
	load := func(policy engine.LibraryPolicy, wrong string, sources ...[]byte) {
		t.Helper()
		got := ""
		if err := s.Engine.LoadLibraries(sources, policy); err != nil {
			got = err.Error()
		}
		if got != wrong {
			t.Errorf("%q, want %q", got, wrong)
		}
	}
	load(engine.AppendLibraries, "Library one already exists", lib("two", "g", "new"), lib("one", "f", "new"))
	answers("$3\r\nold\r\n", none)
	load(engine.AppendLibraries, "", lib("two", "g", "new"))
	answers("$3\r\nold\r\n", "$3\r\nnew\r\n")
	load(engine.ReplaceLibraries, "Function g already exists", lib("one", "g", "newer"))
	answers("$3\r\nold\r\n", "$3\r\nnew\r\n")
	load(engine.ReplaceLibraries, "", lib("one", "f", "newer"))
	answers("$5\r\nnewer\r\n", "$3\r\nnew\r\n")
	load(engine.FlushLibraries, "", lib("two", "g", "last"))
	answers(none, "$4\r\nlast\r\n")
}

// TestScriptFor: what a script does, its caller does: the logs name it, WAIT waits for its writes, its cache is told, and its errors
// are its own.
func TestScriptFor(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	cl, other := s.Client(), s.Client()
	cl.Do("SET key v")
	cl.Do("CLIENT SETNAME caller")
	want(t, cl, ":1\r\n", "EVAL", "redis.call('ping') return 1", "0")
	if got := cl.Do("CLIENT INFO"); !strings.Contains(got, "tot-cmds=4") {
		t.Error(got)
	}
	for i := range 200 {
		want(t, other, "-CODE"+strconv.Itoa(i)+" text\r\n", "EVAL", "return {err=ARGV[1]}", "0", "CODE"+strconv.Itoa(i)+" text")
	}
	other.Do("LPUSH key x")
	s.Tidy()
	errs := s.Engine.Counters().Errors
	if errs["WRONGTYPE"] != 1 || errs["CODE1"] != 1 || errs["CODE199"] != 0 || errs["ERRORSTATS_OVERFLOW"] < 70 {
		t.Errorf("%v", errs)
	}
}

// TestDeclaredFlags: what a script declares counts when it is queued, whether its source comes along or not.
func TestDeclaredFlags(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	cl := s.Client()
	const writes, reads = "#!lua\nreturn 1", "#!lua flags=no-writes\nreturn 1"
	want(t, cl, "$1\r\nl\r\n", "FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('w', function() return 1 end)\n"+
		"redis.register_function{function_name='r', callback=function() return 1 end, flags={'no-writes'}}")
	for _, source := range []string{writes, reads} {
		want(t, cl, "$40\r\n"+script.SHA1([]byte(source))+"\r\n", "SCRIPT", "LOAD", source)
	}
	const refused = "READONLY You can't write against a read only replica."
	for _, c := range []struct {
		command []string
		refused bool
	}{
		{[]string{"EVAL", writes, "0"}, true}, {[]string{"EVAL", reads, "0"}, false}, {[]string{"EVALSHA", script.SHA1([]byte(writes)), "0"}, true},
		{[]string{"EVALSHA", script.SHA1([]byte(reads)), "0"}, false}, {[]string{"FCALL", "w", "0"}, true}, {[]string{"FCALL", "R", "0"}, false},
	} {
		cl.Do("MULTI")
		cl.Raw(c.command...)
		s.Engine.SetGate(engine.GateReplica|engine.GateReadOnly, 0)
		got, plain := string(cl.Raw("EXEC")), string(cl.Raw(c.command...))
		s.Engine.SetGate(0, engine.GateReplica|engine.GateReadOnly)
		if c.refused && (got != "-EXECABORT Transaction discarded because of: "+refused+"\r\n" || plain != "-"+refused+"\r\n") ||
			!c.refused && (got != "*1\r\n:1\r\n" || plain != ":1\r\n") {
			t.Errorf("%q: %q in a transaction, %q outside", c.command, got, plain)
		}
	}
}
