package node

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/wire/resp"
)

// debugging sends EVAL by a client that has said SCRIPT DEBUG, and returns where the script has stopped.
func (p *peer) debugging(mode, source string, args ...string) string {
	p.t.Helper()
	p.want("SCRIPT DEBUG "+mode, "OK")
	return p.run(append([]string{"EVAL", source}, args...)...)
}

const debugged = "redis.call('set', KEYS[1], 'v')\nreturn redis.call('get', KEYS[1])"

// TestScriptDebug: a session from its begin to its end. What YES changes is gone afterwards, what SYNC does stays and is journaled.
func TestScriptDebug(t *testing.T) {
	modes(t, func(t *testing.T, m mode) {
		n := m.start(t)
		for mode, left := range map[string]string{"YES": "nil", "sync": `"v"`} {
			p, q := m.dial(n), n.dial()
			q.want("DEL k", map[bool]string{true: "1", false: "0"}[q.do("EXISTS k") == "1"])
			if got := p.debugging(mode, debugged, "1", "k"); got != "[* Stopped at 1, stop reason = step over -> 1   redis.call('set', KEYS[1], 'v')]" {
				t.Fatalf("%s: %s", mode, got)
			}
			if got := q.do("PING"); !strings.HasPrefix(got, "-BUSY") {
				t.Errorf("another client: %s", got)
			}
			p.want("s", `[<command> set k v <reply> "+OK" * Stopped at 2, stop reason = step over -> 2   return redis.call('get', KEYS[1])]`)
			p.want("r get k", `[<command> get k <reply> "v"]`)
			p.want("c", "[<endsession>]")
			if got := p.reply(); got != `"v"` {
				t.Errorf("the reply: %s", got)
			}
			p.closed()
			until(t, "the session is over", func() bool { return q.do("PING") == "PONG" })
			q.want("GET k", left)
		}
	})
}

// TestScriptDebugRefused: what SCRIPT DEBUG is not for.
func TestScriptDebugRefused(t *testing.T) {
	p := start(t).dial()
	p.want("SCRIPT DEBUG maybe", "-ERR Use SCRIPT DEBUG YES/SYNC/NO")
	p.send("PING\r\nSCRIPT DEBUG YES\r\n")
	if a, b := p.reply(), p.reply(); a != "PONG" || b != "-ERR SCRIPT DEBUG must be called outside a pipeline" {
		t.Errorf("%s, %s", a, b)
	}
	p.want("SCRIPT DEBUG SYNC", "OK")
	p.want("EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0", "-ERR Please use EVAL instead of EVALSHA for debugging")
	p.want("MULTI", "OK")
	p.want("EVAL return 0", "QUEUED")
	p.want("EXEC", "[-ERR a script in a transaction cannot be debugged]")
	p.want("SCRIPT DEBUG NO", "OK")
	p.want("EVAL return'1' 0", `"1"`)
	p.want("SCRIPT DEBUG YES", "OK")
	p.want("EVAL return( 0", "[<endsession>]")
	if got := p.reply(); got != "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'" {
		t.Errorf("%s", got)
	}
	p.closed()
}

// TestScriptDebugPipeline: what was sent before and after EVAL at once is answered, and obeyed, once.
func TestScriptDebugPipeline(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		p := m.dial(m.start(t))
		p.want("SCRIPT DEBUG SYNC", "OK")
		p.send("PING\r\n" + string(resp.AppendCommandStrings(resp.AppendCommandStrings(nil, "EVAL", "return 1", "0"), "c")))
		for _, want := range []string{"PONG", "[* Stopped at 1, stop reason = step over -> 1   return 1]", "[<endsession>]", "1"} {
			if got := p.reply(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		p.closed()
	})
}

// TestScriptDebugEnds: a session ends when its client goes, when its script is killed, and when the node ends; others go on then.
func TestScriptDebugEnds(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		n := m.start(t)
		q := n.dial()
		free := func() { t.Helper(); until(t, "the session is over", func() bool { return q.do("PING") == "PONG" }) }
		p := m.dial(n)
		p.debugging("SYNC", debugged, "1", "gone")
		p.nc.Close()
		free()
		q.want("GET gone", `"v"`)
		p = m.dial(n)
		p.debugging("SYNC", debugged, "1", "killed")
		q.want("SCRIPT KILL", "OK")
		p.want("", "[<endsession>]")
		if got := p.reply(); !strings.HasPrefix(got, "-ERR Script killed by user with SCRIPT KILL.") {
			t.Errorf("%s", got)
		}
		free()
		q.want("GET killed", "nil")
		p = m.dial(n)
		p.debugging("SYNC", debugged, "1", "written")
		p.do("s")
		if got := q.do("SCRIPT KILL"); !strings.HasPrefix(got, "-UNKILLABLE") {
			t.Errorf("after a write: %s", got)
		}
		p.send("what\r\n")
		p.want("", "[<endsession>]")
		if got := p.reply(); !strings.HasPrefix(got, "-ERR protocol error") {
			t.Errorf("%s", got)
		}
		free()
		p = m.dial(n)
		p.debugging("YES", debugged, "1", "undone")
		p.do("s")
		q.want("SCRIPT KILL", "OK")
		free()
		q.want("GET undone", "nil")
		p = m.dial(n)
		p.debugging("SYNC", "while true do redis.call('ping') end", "0")
		n.stop() // returns though the session is open
	})
}

// TestScriptDebugSignal: a node that is told to end waits for the script, and for no person.
func TestScriptDebugSignal(t *testing.T) {
	dir := t.TempDir()
	n := start(t, "--dir", dir, "--save", "900", "1")
	n.dial().debugging("SYNC", debugged, "1", "k")
	if err := n.Signalled("shutdown-on-sigterm"); err != nil {
		t.Fatal(err)
	}
	n.stop()
	start(t, "--dir", dir).dial().want("GET k", `"v"`)
	n = start(t)
	n.dial().debugging("SYNC", debugged, "1", "k")
	p := n.dial()
	p.send("SHUTDOWN NOSAVE\r\n")
	<-n.Done()
}

// TestScriptDebugTLS: a session's bytes go through TLS as others do.
func TestScriptDebugTLS(t *testing.T) {
	versions(t, func(t *testing.T, s *secure, cfg *tls.Config) {
		p := mustDial(t, s, cfg)
		p.debugging("SYNC", debugged, "1", "k")
		p.want("p KEYS", `[<value> {"k"}]`)
		p.want("c", "[<endsession>]")
		if got := p.reply(); got != `"v"` {
			t.Errorf("the reply: %s", got)
		}
	})
}

// undone are commands of all kinds that change what seedDebug has made.
var undone = []string{
	"set s new", "set fresh x", "append big tail", "incr n", "expire s 100", "persist ttl", "setex ttl 1000 y", "pexpireat n 1", "del list", "lpush list a b", "lpush list c", "rename hash hash2", "hset hash2 f 2", "hdel hash f",
	"copy zset zset2", "zadd zset 5 x", "zrem zset2 a", "sadd set q", "smove set set2 m1", "xadd stream * a b", "xgroup create stream g2 $", "unlink biglist", "rpush biglist x", "sort list store sorted", "move s 3", "copy n n db 4",
	"select 4", "set other 1", "flushdb", "set other 2", "select 0", "swapdb 0 4", "set s swapped", "del n", "swapdb 4 5", "flushall", "set after flush", "rename after s", "flushall async", "mset a 1 b 2", "flushall maybe", "get a",
	"setbit bits 7 1", "pfadd hll z", "pfcount hll", "geoadd geo 1 1 x", "getdel a", "lmove biglist list left right", "spop bigset", "hincrby bighash f1 1", "zpopmin bigzset", "restore r 0 x", "get gone", "append gone x", "xtrim stream maxlen 0",
	"hexpire hash2 10 fields 1 g", "hexpire hash 10 fields 2 f g", "hpersist hash fields 1 g",
}

func seedDebug(t *testing.T, p *peer) {
	t.Helper()
	for _, line := range []string{"SET s v", "SET ttl x EX 10000", "SET n 5", "RPUSH list 1 2 3", "HSET hash f 1 g 2", "ZADD zset 1 a 2 b", "SADD set m1 m2", "XADD stream 1-1 a b", "XGROUP CREATE stream g 0",
		"PFADD hll a b", "HEXPIRE hash 20000 FIELDS 1 g", "SETRANGE big 100000 x", "SET gone x PX 1"} {
		if got := p.do(line); strings.HasPrefix(got, "-") {
			t.Fatalf("%s: %s", line, got)
		}
	}
	for _, line := range []string{"RPUSH biglist", "SADD bigset", "HSET bighash", "ZADD bigzset"} {
		words := strings.Fields(line)
		for i := range 600 {
			switch words[0] {
			case "HSET", "ZADD":
				words = append(words, map[bool]string{true: "f", false: ""}[words[0] == "HSET"]+string(resp.AppendInt(nil, int64(i))))
			}
			words = append(words, strings.Repeat("m", 20)+string(resp.AppendInt(nil, int64(i))))
		}
		if got := p.run(words...); strings.HasPrefix(got, "-") {
			t.Fatalf("%s: %s", line, got)
		}
	}
}

// TestScriptDebugUndoes: of a session with YES nothing stays: no value, no time to live, no effect for replicas and no word to others.
// What cannot be taken back is refused.
func TestScriptDebugUndoes(t *testing.T) {
	n := start(t, "--enable-debug-command", "yes", "--notify-keyspace-events", "KEA")
	p, q, sub := n.dial(), n.dial(), n.dial()
	q.want("DEBUG SET-ACTIVE-EXPIRE 0", "OK") // an expired key is there until it is looked for
	seedDebug(t, q)
	seeded := time.Now()
	until(t, "a key has expired", func() bool { return time.Since(seeded) > 2*time.Millisecond })
	digest, dirty := q.do("DEBUG DIGEST"), q.info("rdb_changes_since_last_save")
	times := func() string { return q.do("PEXPIRETIME ttl") + q.do("HPEXPIRETIME hash FIELDS 2 f g") }
	at := times()
	_, before := n.repl.History()
	q.want("CLIENT TRACKING ON BCAST REDIRECT "+sub.do("CLIENT ID"), "OK")
	sub.do("PSUBSCRIBE __key*")
	w := n.dial()
	w.want("WATCH s list", "OK")
	w.want("MULTI", "OK")
	w.want("GET s", "QUEUED")
	p.debugging("YES", "local a = 1\nreturn a", "0")
	for _, line := range undone {
		if got := p.do("r " + line); !strings.HasPrefix(got, "[<command> ") {
			t.Errorf("%s: %s", line, got)
		}
	}
	for _, line := range []string{"publish c x", "migrate 127.0.0.1 1 s 0 1"} {
		if got := p.do("r " + line); !strings.Contains(got, "cannot be rolled back: use SCRIPT DEBUG SYNC") {
			t.Errorf("%s: %s", line, got)
		}
	}
	p.want("c", "[<endsession>]")
	p.reply()
	until(t, "the session is over", func() bool { return q.do("PING") == "PONG" })
	if got := q.do("DEBUG DIGEST"); got != digest {
		t.Errorf("digest %s, was %s; %s", got, digest, q.do("KEYS *"))
	}
	if got := times(); got != at {
		t.Errorf("expiries %s, were %s", got, at)
	}
	if got := q.info("rdb_changes_since_last_save"); got != dirty {
		t.Errorf("%s changes, were %s", got, dirty)
	}
	if _, after := n.repl.History(); after != before {
		t.Errorf("journaled: %d bytes", after-before)
	}
	w.want("EXEC", `["v"]`)
	q.want("SET end 1", "OK")
	if got := sub.reply(); !slices.ContainsFunc([]string{`"__redis__:invalidate"`, `"__keyspace@0__:end"`}, func(s string) bool { return strings.Contains(got, s) }) || strings.Contains(got, "fresh") {
		t.Errorf("told: %s", got)
	}
}
