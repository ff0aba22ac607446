package node

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// encodings are calls that make keys of every type, in every form in which a value is kept, some with expiries; and functions.
func encodings(rnd *rand.Rand) (calls [][]string) {
	long := strings.Repeat("packed well ", 50)
	calls = [][]string{
		{"SET", "string:int", "-1234567890123"}, {"SET", "string:small", "7"}, {"SET", "string:embstr", "short"}, {"SET", "string:raw", long},
		{"SET", "string:empty", ""}, {"SET", "string:bytes", "\x00\xff\r\n"}, {"SET", "string:timed", "v", "EX", "100000"}, {"SETBIT", "bits", "70000", "1"},
		{"PFADD", "hll:sparse", "a", "b", "c"}, {"PFADD", "hll:dense", "a"}, {"PFDEBUG", "TODENSE", "hll:dense"}, {"GEOADD", "places", "13.361389", "38.115556", "Palermo"},
		{"SADD", "set:intset16", "1", "-2"}, {"SADD", "set:intset32", "1", "70000"}, {"SADD", "set:intset64", "1", "9223372036854775807"}, {"SADD", "set:listpack", "a", "1"},
		{"SADD", "set:hashtable", "a", long}, {"HSET", "hash:listpack", "f", "v", "", "12"}, {"HSET", "hash:hashtable", "f", long}, {"ZADD", "zset:listpack", "1.5", "a", "-inf", "b"},
		{"ZADD", "zset:skiplist", "0.1", long, "100000000", "e", "18014398509481984", "f", "inf", "b", "1e300", ""}, {"RPUSH", "list:listpack", "a", "1", ""}, {"RPUSH", "list:quicklist", strings.Repeat("x", 9000), "a", long},
		{"XADD", "stream", "1-1", "f", "v"}, {"XADD", "stream", "2-1", "f", "w", "g", ""}, {"XGROUP", "CREATE", "stream", "g", "0"}, {"XGROUP", "CREATECONSUMER", "stream", "g", "idle"},
		{"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">"}, {"XADD", "stream:empty", "1-1", "f", "v"}, {"XDEL", "stream:empty", "1-1"},
		{"FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"}, {"SELECT", "3"}, {"SET", "elsewhere", "v", "PX", "100000000"},
		{"EVAL", "for i = 1, 2000 do redis.call('sadd', 'set:many', i) redis.call('hset', 'hash:many', i, i) redis.call('zadd', 'zset:many', i / 3, i) redis.call('rpush', 'list:many', i) end", "0"},
		{"SELECT", "0"},
	}
	some := collections(rnd)
	return append(append(calls, some[:min(len(some), 180)]...), streams(rnd)...)
}

// form is all that is compared of a key: what it is, how it is kept, until when, and its fingerprint.
func (p *peer) form(key string) string {
	p.t.Helper()
	return strings.Join([]string{p.run("TYPE", key), p.run("OBJECT", "ENCODING", key), p.run("PEXPIRETIME", key), p.run("DEBUG", "DIGEST-VALUE", key)}, " ")
}

// sameForms compares all keys of two servers in databases 0 and 3, and, if that is wanted, how they are kept. It returns how often each type was met in each encoding.
func sameForms(t *testing.T, a, b *peer, kept bool) map[string]int {
	t.Helper()
	met := map[string]int{}
	for _, db := range []string{"3", "0"} {
		a.want("SELECT "+db, "OK")
		b.want("SELECT "+db, "OK")
		keys, err := a.values("KEYS", "*")
		if err != nil || a.do("DBSIZE") != b.do("DBSIZE") {
			t.Fatalf("%v: %s and %s keys in database %s", err, a.do("DBSIZE"), b.do("DBSIZE"), db)
		}
		for _, key := range keys {
			x, y := a.form(key), b.form(key)
			if xs, ys := strings.Fields(x), strings.Fields(y); !kept && len(xs) == len(ys) { // how it is kept depends on what it was before
				ys[1] = xs[1]
				y = strings.Join(ys, " ")
			}
			if x != y {
				t.Errorf("%s was %s, and is now %s", key, x, y)
			}
			words := strings.Fields(x)
			met[words[0]+" "+words[1]]++
		}
	}
	return met
}

// direction is from where to where data goes.
type direction struct {
	from, to func(t *testing.T, args ...string) server
}

// directions are both; but what reads no file of version 11 (redis-server 7.0) is given none.
func directions(t *testing.T) map[string]direction {
	debug := []string{"--enable-debug-command", "yes"}
	real := func(t *testing.T, args ...string) server { return startRedis(t, append(debug, args...)...) }
	larder := func(t *testing.T, args ...string) server { return start(t, append(debug, args...)...) }
	both := map[string]direction{"to larder": {real, larder}, "to the real server": {larder, real}, "to larder again": {larder, larder}}
	if version := realVersion(t); enginetest.Release(version) < 702 {
		t.Logf("version %s reads nothing that larder has written for itself, and keeps small sets and lists in other forms", version)
		delete(both, "to larder")
		delete(both, "to the real server")
	}
	return both
}

func realVersion(t *testing.T) string {
	t.Helper()
	p := startRedis(t).dial()
	if v := p.info("valkey_version"); v != "" {
		return v
	}
	return p.info("redis_version")
}

// allForms are the types and encodings that there are.
var allForms = []string{`hash "hashtable"`, `hash "listpack"`, `list "listpack"`, `list "quicklist"`, `set "hashtable"`, `set "intset"`, `set "listpack"`, `stream "stream"`,
	`string "embstr"`, `string "int"`, `string "raw"`, `zset "listpack"`, `zset "skiplist"`}

func metAll(t *testing.T, met map[string]int) {
	t.Helper()
	for _, f := range allForms {
		if met[f] == 0 {
			t.Errorf("no %s was compared: %v", f, met)
		}
	}
}

// TestEncodingsInPayloads: a value of any type and encoding that one server dumps is the same in the other, kept in the way in which the first one keeps what it restores.
func TestEncodingsInPayloads(t *testing.T) {
	for name, d := range directions(t) {
		t.Run(name, func(t *testing.T) {
			from, to := d.from(t).dial(), d.to(t).dial()
			from.all(encodings(rand.New(rand.NewPCG(20261121, 11))))
			for _, db := range []string{"0", "3"} {
				from.want("SELECT "+db, "OK")
				to.want("SELECT "+db, "OK")
				keys, err := from.values("KEYS", "*")
				if err != nil {
					t.Fatal(err)
				}
				for _, key := range keys {
					at, payload := strconv.FormatInt(max(0, number(t, from.run("PEXPIRETIME", key))), 10), from.payload("DUMP", key)
					for _, p := range []*peer{from, to} {
						if got := p.run("RESTORE", key, at, payload, "ABSTTL", "REPLACE"); got != "OK" {
							t.Errorf("%s: %s", key, got)
						}
					}
				}
			}
			metAll(t, sameForms(t, from, to, true))
		})
	}
}

func number(t *testing.T, reply string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(reply, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// payload is a reply's bytes.
func (p *peer) payload(args ...string) string {
	p.t.Helper()
	p.send(string(resp.AppendCommandStrings(nil, args...)))
	v, err := p.in.ReadValue()
	if err != nil {
		p.t.Fatal(err)
	}
	return string(v.Str)
}

// TestEncodingsInFiles: the file that one server has saved makes the other what it makes the first one itself, functions too; with compressed strings and without.
func TestEncodingsInFiles(t *testing.T) {
	for name, d := range directions(t) {
		for _, compress := range []string{"yes", "no"} {
			t.Run(name+", compressed "+compress, func(t *testing.T) {
				from := d.from(t, "--rdbcompression", compress).dial()
				from.all(encodings(rand.New(rand.NewPCG(20261121, 12))))
				from.want("SAVE", "OK")
				dir := t.TempDir()
				file, err := os.ReadFile(filepath.Join(mustUnquote(t, from.run("CONFIG", "GET", "dir")), "dump.rdb"))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, "dump.rdb"), file, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				to := d.to(t, "--dir", dir).dial()
				from.want("DEBUG RELOAD", "OK")
				metAll(t, sameForms(t, from, to, true))
				if a, b := from.do("DEBUG DIGEST"), to.do("DEBUG DIGEST"); a != b {
					t.Errorf("the fingerprints are %s and %s", a, b)
				}
				if a, b := from.do("FUNCTION LIST WITHCODE"), to.do("FUNCTION LIST WITHCODE"); a != b || !strings.Contains(a, "register_function") {
					t.Errorf("the functions are %s and %s", a, b)
				}
			})
		}
	}
}

// mustUnquote gives the value of CONFIG GET's reply.
func mustUnquote(t *testing.T, reply string) string {
	t.Helper()
	words := strings.Fields(strings.Trim(reply, "[]{}"))
	i := slices.Index(words, `"dir"`)
	if i < 0 || i+1 >= len(words) {
		t.Fatalf("no folder in %s", reply)
	}
	s, err := strconv.Unquote(words[i+1])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEverythingUnderLoad: all types and encodings reach a replica by a full sync, and stay the same through cut links, while keys of all types are written.
func TestEverythingUnderLoad(t *testing.T) {
	for name, d := range directions(t) {
		t.Run(name, func(t *testing.T) {
			primary, replica := d.from(t, "--repl-backlog-size", "64mb"), d.to(t)
			p, r := primary.dial(), replica.dial()
			p.all(encodings(rand.New(rand.NewPCG(20261121, 13))))
			r.all([][]string{{"SET", "own", "gone"}, {"RPUSH", "list:0", "gone"}})
			stop := churnEverything(t, primary)
			follow(replica, primary)
			linked(t, replica)
			for i := range 4 {
				if i%2 == 0 {
					p.want("CLIENT KILL TYPE replica", "1")
				} else {
					r.want("CLIENT KILL TYPE master", "1")
				}
				until(t, "the replica is back", func() bool { return p.info("sync_partial_ok") == strconv.Itoa(i+1) })
				linked(t, replica)
			}
			stop()
			caughtUp(t, primary, replica)
			met := sameForms(t, p, r, false)
			if p.info("sync_full") != "1" || len(met) < 10 {
				t.Errorf("sync_full:%s, compared: %v", p.info("sync_full"), met)
			}
		})
	}
}

// churnEverything writes to keys of all types until stop is called.
func churnEverything(t *testing.T, s server) (stop func()) {
	t.Helper()
	p, rnd, i := s.dial(), rand.New(rand.NewPCG(20261121, 14)), 0
	return repeatedly(t, func() bool { i++; return p.writeEverything(rnd, i) })
}

// writeEverything sends some writes of all types at once; false when the connection is gone.
func (p *peer) writeEverything(rnd *rand.Rand, i int) bool {
	num := func(n int) string { return strconv.Itoa(rnd.IntN(n)) }
	key := func(typ string) string { return typ + ":" + num(120) }
	anyKey := func() string { return key([]string{"set", "hash", "list", "zset"}[rnd.IntN(4)]) }
	stream := "stream:" + num(streamKeys)
	calls := [][]string{
		{"SELECT", []string{"0", "0", "0", "3"}[rnd.IntN(4)]}, {"SET", "n:" + num(50), strings.Repeat("v", rnd.IntN(100)), "PX", "1000000" + num(10)}, {"APPEND", "a:" + num(9), "x"},
		{"INCRBYFLOAT", "f:" + num(9), "0.1"}, {"SETRANGE", "r:" + num(9), num(3000), "x"}, {"PFADD", "hll:" + num(5), num(10_000)}, {"BITFIELD", "b:" + num(9), "INCRBY", "u8", num(5000), "3"},
		{"SADD", key("set"), num(1000), "m" + num(9)}, {"SPOP", key("set"), num(3)}, {"SMOVE", key("set"), key("set"), num(100)}, {"HSET", key("hash"), "f" + num(20), num(99), num(99), "v"},
		{"HINCRBYFLOAT", key("hash"), "float" + num(3), "1.1"}, {"HDEL", key("hash"), num(100), "f" + num(20)}, {"RPUSH", key("list"), num(100), strings.Repeat("l", rnd.IntN(200))},
		{"LPOP", key("list"), num(5)}, {"LMOVE", key("list"), key("list"), "LEFT", "RIGHT"}, {"LTRIM", key("list"), num(3), "-" + num(3)}, {"ZADD", key("zset"), num(100), "m" + num(50)},
		{"ZINCRBY", key("zset"), "0.5", "m" + num(50)}, {"ZPOPMIN", key("zset")}, {"ZUNIONSTORE", key("zset"), "2", key("zset"), key("zset")}, {"XADD", stream, "*", "f", num(100)},
		{"XREADGROUP", "GROUP", "g", "c" + num(3), "COUNT", "3", "STREAMS", stream, ">"}, {"XAUTOCLAIM", stream, "g", "c" + num(3), "0", "0", "COUNT", "5"},
		{"XTRIM", stream, "MAXLEN", "~", "500"}, {"RENAME", anyKey(), anyKey()}, {"COPY", anyKey(), anyKey(), "REPLACE"}, {"PEXPIREAT", anyKey(), []string{"1", "99999999999999"}[rnd.IntN(2)]},
		{"PERSIST", anyKey()}, {"SORT", key("list"), "ALPHA", "STORE", "sorted:" + num(5)}, {"MULTI"}, {"INCR", "multi:" + num(5)}, {"EVAL", "redis.call('incr', KEYS[1]) return redis.call('keys', 'n:*')", "1", "eval:" + num(5)},
		{"EXEC"}, {"GEOADD", "places", num(90), num(80), "p" + num(99)}, {"SELECT", "0"},
	}
	if i%50 == 0 {
		calls = append(calls, []string{"UNLINK", anyKey()}, []string{"DEL", anyKey()}, []string{"FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\nredis.register_function('f', function() return " + num(100) + " end)"})
	}
	return p.answered(calls)
}
