package node

import (
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

const testLibrary = "#!lua name=lib\nredis.register_function('answer', function(keys, args) return args[1] end)"

// TestFunctionsAcrossRestart: libraries are in a snapshot, and are there again when it is loaded.
func TestFunctionsAcrossRestart(t *testing.T) {
	dir := t.TempDir()
	n := start(t, "--dir", dir)
	p := n.dial()
	if got := p.run("FUNCTION", "LOAD", testLibrary); got != `"lib"` {
		t.Fatalf("FUNCTION LOAD: %s", got)
	}
	p.want("FCALL answer 0 x", `"x"`)
	p.want("SAVE", "OK")
	q := start(t, "--dir", dir).dial()
	q.want("FCALL answer 0 y", `"y"`)
	if got := q.info("number_of_libraries") + " " + q.info("number_of_functions"); got != "1 1" {
		t.Errorf("INFO: %s", got)
	}
}

// TestBusyScript: while a script is busy, others are told so and may end it, if it has not written.
func TestBusyScript(t *testing.T) {
	n := start(t, "--busy-reply-threshold", "1")
	p, q := n.dial(), n.dial()
	q.want("SCRIPT KILL", "-NOTBUSY No scripts in execution right now.")
	p.send("*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
	until(t, "the script is busy", func() bool { return strings.HasPrefix(q.do("PING"), "-BUSY") })
	q.want("FUNCTION KILL", "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
	q.want("SCRIPT KILL", "OK")
	if got := p.reply(); !strings.Contains(got, "Script killed by user with SCRIPT KILL") {
		t.Errorf("the script: %s", got)
	}
	until(t, "it has ended", func() bool { return q.do("PING") == "PONG" })
	p.want("EVAL return'1' 0", `"1"`)
}

// TestKillWhileLoopsWait: a command that began to wait for a script's shard before the script was busy does not keep its loop from the connection that
// kills the script.
func TestKillWhileLoopsWait(t *testing.T) {
	n := start(t, "--io-threads", "3", "--busy-reply-threshold", "0", "--save", "", "--dir", t.TempDir())
	running, waiting, told, _, killer := n.dial(), n.dial(), n.dial(), n.dial(), n.dial() // the last is of the second one's loop
	told.want("SUBSCRIBE begun", `["subscribe" "begun" 1]`)
	key := "k" // not of the first shard, which PUBLISH takes
	for n.space.ShardOf(n.space.Hash([]byte(key))) == 0 {
		key += "k"
	}
	for _, tt := range []struct{ command, reply string }{
		{"DBSIZE", "-BUSY"}, {"INFO memory", "-BUSY"}, {"KEYS *", "-BUSY"}, {"SCAN 0", "["}, {"BGSAVE", "Background saving started"}, {"CLIENT PAUSE 0", "OK"},
		{"CONFIG SET maxmemory 1", "OK"}, {"SET other v", "-OOM"},
	} {
		n.engine.SetBusyThreshold(0)
		source := "redis.log(redis.LOG_WARNING, 'runs beside " + tt.command + "') while true do end"
		running.send("EVAL \"" + source + "\" 1 " + key + "\r\n")
		until(t, "the script runs", func() bool { return strings.Contains(n.log.String(), "runs beside "+tt.command) })
		waiting.send("PUBLISH begun x\r\n" + tt.command + "\r\n")
		told.reply()
		n.engine.SetBusyThreshold(1)
		killer.want("SCRIPT KILL", "OK")
		if got := running.reply(); !strings.Contains(got, "Script killed by user") {
			t.Errorf("%s: the script: %s", tt.command, got)
		}
		waiting.reply() // PUBLISH's
		if got := waiting.reply(); !strings.HasPrefix(got, tt.reply) && !strings.HasPrefix(got, "-BUSY") {
			t.Errorf("%s: %s", tt.command, got)
		}
		until(t, "it has ended", func() bool { return killer.do("PING") == "PONG" })
	}
}

// TestReloadLibraries: DEBUG RELOAD puts the snapshot's libraries in the place of all, or beside them, or is refused, as with keys.
func TestReloadLibraries(t *testing.T) {
	n := start(t, "--dir", t.TempDir(), "--enable-debug-command", "yes")
	p := n.dial()
	load := func(name, source string) {
		t.Helper()
		if got := p.run("FUNCTION", "LOAD", "REPLACE", source); got != `"`+name+`"` {
			t.Fatalf("FUNCTION LOAD: %s", got)
		}
	}
	load("lib", testLibrary)
	p.want("SAVE", "OK")
	load("lib", strings.Replace(testLibrary, "args[1]", "'changed'", 1))
	load("more", "#!lua name=more\nredis.register_function('other', function() return 'other' end)")
	const failed, noFunction = "-ERR Error trying to load the RDB dump, check server logs.", "-ERR Function not found"
	p.want("DEBUG RELOAD NOSAVE NOFLUSH", failed)
	p.want("FCALL answer 0 x", `"changed"`)
	p.want("DEBUG RELOAD NOSAVE NOFLUSH MERGE", "OK")
	p.want("FCALL answer 0 x", `"x"`)
	p.want("FCALL other 0", `"other"`)
	p.want("FUNCTION DELETE lib", "OK")
	p.want("DEBUG RELOAD NOSAVE NOFLUSH", "OK")
	p.want("FCALL answer 0 x", `"x"`)
	p.want("FCALL other 0", `"other"`)
	p.want("DEBUG RELOAD NOSAVE", "OK")
	p.want("FCALL other 0", noFunction)
	p.want("FCALL answer 0 x", `"x"`)
}

// TestTimeInScripts: the time that a script is told stands still.
func TestTimeInScripts(t *testing.T) {
	p := start(t).dial()
	source := "local a = redis.call('time') local n = 0 for i = 1, 1e5 do n = n + i end local b = redis.call('time') return a[1] .. a[2] == b[1] .. b[2]"
	if got := p.run("EVAL", source, "0"); got != "1" {
		t.Errorf("%s", got)
	}
}

// TestInventedErrors: the codes that scripts invent are counted together from some number on, those of commands never.
func TestInventedErrors(t *testing.T) {
	p := start(t).dial()
	for i := range 200 {
		p.run("EVAL", "return redis.error_reply(ARGV[1] .. ' is wrong')", "0", "CODE"+strconv.Itoa(i))
	}
	p.do("SET k")
	p.do("SET k v NX XX")
	if got := p.info("errorstat_ERR") + " " + p.info("errorstat_CODE0") + " " + p.info("errorstat_ERRORSTATS_OVERFLOW"); got != "count=2 count=1 count=72" {
		t.Errorf("the counts are %s", got)
	}
}

// TestScriptCommandsOfClient: what a script calls counts as its client's commands.
func TestScriptCommandsOfClient(t *testing.T) {
	p := start(t).dial()
	total := func() int {
		_, rest, _ := strings.Cut(p.do("CLIENT INFO"), "tot-cmds=")
		n := 0
		for _, c := range rest {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	before := total()
	p.run("EVAL", "redis.call('PING') redis.call('PING')", "0")
	if got := total() - before; got != 4 {
		t.Errorf("counted are %d", got)
	}
}

// TestReadersInPause: a script that declares that it does not write is served while writes pause, alone and in a transaction; another one waits.
func TestReadersInPause(t *testing.T) {
	n := start(t)
	p, admin := n.dial(), n.dial()
	admin.run("FUNCTION", "LOAD", "#!lua name=r\nserver.register_function{function_name='f', callback=function() return 3 end, flags={'no-writes'}}")
	const reader = "#!lua flags=no-writes\nreturn 1"
	sha := strings.Trim(admin.run("SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn 2"), `"`)
	writer := n.dial() // it has queued what a pause would keep from being queued
	writer.want("MULTI", "OK")
	writer.run("EVAL", reader, "0")
	writer.run("EVAL", "return 4", "0")
	admin.want("CLIENT PAUSE 1000000 WRITE", "OK")
	for _, c := range []struct {
		args []string
		want string
	}{{[]string{"EVAL", reader, "0"}, "1"}, {[]string{"EVALSHA", sha, "0"}, "2"}, {[]string{"FCALL", "f", "0"}, "3"},
		{[]string{"MULTI"}, "OK"}, {[]string{"EVAL", reader, "0"}, "QUEUED"}, {[]string{"EXEC"}, "[1]"}} {
		if got := p.run(c.args...); got != c.want {
			t.Fatalf("%q: %s", c.args, got)
		}
	}
	writer.send("*1\r\n$4\r\nEXEC\r\n")
	q := n.dial()
	q.send("*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 5\r\n$1\r\n0\r\n")
	until(t, "both wait", func() bool { return admin.info("blocked_clients") == "2" })
	admin.want("CLIENT UNPAUSE", "OK")
	if got := writer.reply() + q.reply(); got != "[1 4]5" {
		t.Error(got)
	}
}

// TestScriptReadsAreTracked: what a script reads is noted for its caller, and what it changes is its caller's doing.
func TestScriptReadsAreTracked(t *testing.T) {
	n := start(t)
	c, w := n.speak(3), n.dial()
	eval := func(script string, keys ...string) {
		t.Helper()
		c.run(append([]string{"EVAL", script, strconv.Itoa(len(keys))}, keys...)...)
	}
	w.want("MSET a 1 b 2", "OK")
	c.want("CLIENT TRACKING on", "OK")
	eval("redis.call('GET','a') redis.call('SET','x','1')", "a", "b")
	w.want("MSET a 2 b 3 x 4", "OK")
	c.hears(`["invalidate" ["a"]]`)
	c.want("PING", "PONG")
	c.want("CLIENT TRACKING off", "OK")
	c.want("CLIENT TRACKING on NOLOOP", "OK")
	c.want("GET a", `"2"`)
	eval("redis.call('SET','a','3')", "a")
	c.want("GET a", `"3"`)
}

// TestScriptsClient: the slow log names the caller of what a script calls, and WAIT in a script is about the caller's writes.
func TestScriptsClient(t *testing.T) {
	n := start(t, "--slowlog-log-slower-than", "0")
	p := n.dial()
	rawReplica(t, n)
	p.want("SET a 1", "OK")
	if got := p.run("EVAL", "return redis.call('WAIT','1','0')", "0"); got != "0" {
		t.Errorf("WAIT in a script: %s, and the replica has said nothing", got)
	}
	log := p.do("SLOWLOG GET -1")
	_, entry, found := strings.Cut(log, `["WAIT" "1" "0"] "`)
	if addr, _, _ := strings.Cut(entry, `"`); !found || addr != p.nc.LocalAddr().String() {
		t.Errorf("the address is %q in %.500s", addr, log)
	}
}

// TestBusyScriptSeesClients: a script that DEBUG lets call CLIENT LIST sees who has come, and what they have said of themselves, while it is busy; who is
// blocked is served when it has ended, with what it has pushed last.
func TestBusyScriptSeesClients(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes", "--busy-reply-threshold", "10")
	p, blocked, runner := n.dial(), n.dial(), n.dial()
	const list = "return redis.pcall('client','list')"
	if got := p.run("EVAL", list, "0"); got != "-ERR This Redis command is not allowed from script" {
		t.Fatal(got)
	}
	p.want("DEBUG SET-DISABLE-DENY-SCRIPTS 1", "OK")
	blocked.send("BLPOP x 0\r\n")
	until(t, "it is blocked", func() bool { return p.info("blocked_clients") == "1" })
	runner.send(string(resp.AppendCommandStrings(nil, "EVAL", `redis.call('lpush', KEYS[1], 'y')
		repeat until string.find(redis.call('client', 'list'), 'name=abort', 1, true)
		redis.call('lpush', KEYS[1], 'z')
		return 'seen'`, "1", "x")))
	until(t, "the script is busy", func() bool { return strings.HasPrefix(p.do("PING"), "-BUSY") })
	p.do("HELLO 2 SETNAME abort")
	if got := runner.reply(); got != `"seen"` {
		t.Error(got)
	}
	if got := blocked.reply(); got != `["x" "z"]` {
		t.Error(got)
	}
}
