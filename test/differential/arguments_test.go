package differential

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/persist/rdb"
)

// homes are the keys that commands of a group mostly take: else few would find what others of them left.
var homes = map[spec.Group][]int{
	spec.Hash: {0, 1}, spec.List: {2, 3}, spec.Set: {4, 5}, spec.SortedSet: {6, 7}, spec.Stream: {8, 9}, spec.Geo: {10}, spec.HyperLogLog: {11, 12},
	spec.String: {11, 12, 13, 14}, spec.Bitmap: {13, 14},
}

func (g *generator) key(cmd *spec.Command) string {
	if home := homes[cmd.Group]; len(home) > 0 && !g.one(9) {
		return keyName(pick(g, home...))
	}
	return keyName(g.IntN(keyPool))
}

// simple is one word of an argument.
func (g *generator) simple(args []string, cmd *spec.Command, a *spec.Arg) string {
	switch a.Type {
	case spec.TypeKey:
		return g.key(cmd)
	case spec.TypePattern:
		if cmd.Name == "sort" || cmd.Name == "sort_ro" {
			return pick(g, "key:*", "key:*->f1", "#", "nosort", "*", "key:1*", "key:*->*")
		}
		return pick(g, "*", "key:*", "key:[1-3]", "k?y:[^1]", "", "x", "key:\\1", "[", "key:[", "*[0-9]", "f*")
	case spec.TypeDouble:
		return g.double(cmd, a.Name)
	case spec.TypeInteger, spec.TypeUnixTime:
		return g.number(args, cmd, a.Name)
	}
	switch cmd.Group {
	case spec.Stream:
		return g.streamWord(a.Name)
	case spec.Scripting:
		return g.scriptWord(a.Name)
	}
	return g.text(args, cmd, a.Name)
}

func (g *generator) text(args []string, cmd *spec.Command, name string) string {
	switch name {
	case "type":
		return pick(g, "string", "STRING", "list", "hash", "set", "zset", "stream", "nosuch")
	case "encoding":
		return pick(g, "u8", "i8", "u1", "i1", "i64", "u63", "u64", "i65", "i0", "u5", "i13", "U8", "8", "")
	case "subcommand":
		return pick(g, "GETREG", "decode", "ENCODING", "todense", "nosuch")
	case "serialized-value":
		return pick(g, g.dumps...)
	case "username", "password", "connection-name":
		return pick(g, "name", "", "two words", "x\n")
	case "field":
		return g.field()
	case "element", "pivot":
		return pick(g, "a", "b", "c", "1", "2", g.value())
	case "member", "member1", "member2":
		if cmd.Group == spec.Set && len(args) > 1 && args[1] == keyName(homes[spec.Set][0]) && !g.one(30) {
			return strconv.Itoa(g.IntN(12) - 2) // a set of integers
		}
		return g.member()
	case "min", "max", "start", "stop":
		if strings.HasSuffix(cmd.Name, "lex") {
			return g.lexBound()
		}
		return pick(g, strconv.Itoa(g.IntN(8)-4), g.scoreBound(), g.lexBound())
	}
	return g.value()
}

func (g *generator) field() string {
	if g.one(15) {
		return g.value()
	}
	return "f" + strconv.Itoa(g.IntN(9))
}

func (g *generator) member() string {
	if g.one(15) {
		return g.value()
	}
	return pick(g, "a", "b", "c", "d", "e", "aa", "ab", "B", "", "1", "2", "10", "-7")
}

func (g *generator) lexBound() string {
	return pick(g, "-", "+", "-", "+", "[a", "(a", "[b", "(c", "[aa", "[", "(", "[1", "x", "")
}

func (g *generator) scoreBound() string {
	return pick(g, "-inf", "+inf", "inf", "0", "1", "(1", "3", "(3", "-2.5", "(-inf", "1e3", "nan", "(x", "[1", "")
}

// double is a floating-point number, mostly one that fits what it is for.
func (g *generator) double(cmd *spec.Command, name string) string {
	switch name {
	case "timeout":
		return pick(g, "0.001", "0.001", "0.001", "-1", "x", "1e400", "")
	case "min", "max":
		return g.scoreBound()
	case "longitude", "latitude":
		if !g.one(20) {
			most := map[string]float64{"longitude": 20, "latitude": 10}[name]
			return strconv.FormatFloat((g.Float64()*2-1)*most, 'f', 6, 64)
		}
	case "radius", "width", "height":
		if !g.one(12) {
			return pick(g, "1", "100", "1000", "2500.5", "10000", "0")
		}
	}
	if cmd.Group != spec.String && !g.one(10) {
		return pick(g, "0", "1", "2", "3", "-1", "1.5", "-2.5", "0.1", "1e3", "inf", "-inf", "3", "2", strconv.Itoa(g.IntN(20)))
	}
	return pick(g, "0.1", "1e3", "-2.75", "3", "1e-7", "nan", "inf", "-inf", "x", " 1", "0x1p3", "1e400", "", "1.", ".5", "-0", "1e17", "123456789.123456789")
}

// streamWord is an ID, or what else commands of streams take.
func (g *generator) streamWord(name string) string {
	switch name {
	case "group":
		return pick(g, "g1", "g1", "g1", "g2", "nosuch")
	case "consumer":
		return pick(g, "c1", "c1", "c2", "")
	case "field":
		return g.field()
	case "value":
		return g.value()
	case "min-idle-time":
		return pick(g, "0", "0", "0", "999999999999", "-1", "x") // what was idle for some time is each server's own
	case "threshold":
		return pick(g, "0", "3", "10", "-1", "x", g.id())
	case "id":
		if !g.one(5) { // of a new entry
			g.entries++
			return strconv.FormatUint(g.entries, 10) + pick(g, "-0", "-1", "-*", "")
		}
	}
	return g.id()
}

func (g *generator) id() string {
	if g.one(3) {
		return pick(g, "-", "+", "$", ">", "0", "0-0", "(1-1", "(-", "18446744073709551615-18446744073709551615", "18446744073709551616", "1-x", "x", "")
	}
	return strconv.FormatUint(g.Uint64N(g.entries+2), 10) + pick(g, "", "-0", "-1", "-2")
}

func isTime(name string) bool {
	switch name {
	case "seconds", "milliseconds", "unix-time-seconds", "unix-time-milliseconds", "ttl":
		return true
	}
	return false
}

// integers are those at which something overflows, and words that are none.
var integers = []string{"0", "1", "-1", "3", "-5", "100", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809",
	"2147483648", "4294967296", "1.0", "", "+1", "01", " 1", "1 ", "-0", "0x10", "x"}

func (g *generator) number(args []string, cmd *spec.Command, name string) string {
	switch {
	case cmd.Is(spec.Blocking) && name == "milliseconds":
		return pick(g, "1", "1", "-1", "x")
	case isTime(name):
		return g.time(args, cmd, name)
	case cmd.Group == spec.Bitmap && name == "offset":
		return pick(g, "0", "1", "7", "8", "63", "300", "8191", "8200", "-1", "4294967296", "9223372036854775807", "x", "#0", "#3", "#x", "#9223372036854775807")
	case cmd.Group != spec.String && cmd.Group != spec.Bitmap && cmd.Group != spec.Generic:
		return g.smallNumber(cmd, name)
	}
	switch name {
	case "cursor":
		return "0"
	case "count":
		return pick(g, "1000", "100000", "1000", "0", "-1", "x", "9223372036854775808")
	case "index", "destination-db", "index1", "index2":
		return pick(g, "0", "1", "2", "0", "1", "2", "15", "16", "-1", "x")
	case "offset", "start", "end":
		return pick(g, "0", "1", "5", "40", "300", "-1", "-3", "-100", strconv.Itoa(maxString-1), strconv.Itoa(maxString), "9223372036854775807", "-9223372036854775808", "x")
	case "bit":
		return pick(g, "0", "1", "0", "1", "2", "x")
	case "frequency":
		return pick(g, "0", "1", "255", "256", "-1", "x")
	case "min-match-len":
		return pick(g, "0", "1", "3", "-1", "9223372036854775807", "x")
	}
	return pick(g, integers...)
}

// smallNumber is one of the size of the collections here, or now and then another.
func (g *generator) smallNumber(cmd *spec.Command, name string) string {
	switch name {
	case "numkeys":
		g.many = 1 + g.IntN(3)
		if !g.one(20) {
			return strconv.Itoa(g.many)
		}
	case "cursor":
		return "0"
	case "count":
		if strings.HasSuffix(cmd.Name, "scan") {
			return pick(g, "1000", "100000", "1", "0", "-1", "x")
		}
	case "increment":
		return pick(g, integers...)
	}
	if g.one(20) {
		if strings.Contains(cmd.Name, "rand") { // a reply of that length
			return "x"
		}
		return pick(g, integers...)
	}
	return strconv.Itoa(g.IntN(9) - 3)
}

// time is a time far in the future, apart from all others, or now and then none.
func (g *generator) time(args []string, cmd *spec.Command, name string) string {
	g.apart++
	later := 100_000 + 1000*g.apart // seconds
	good, over := "", ""
	switch name {
	case "seconds":
		good = strconv.FormatInt(later, 10)
	case "milliseconds":
		good = strconv.FormatInt(later*1000+1, 10)
	case "ttl": // RESTORE's, which without ABSTTL counts from now: with it, this is long over
		return pick(g, "0", "0", strconv.FormatInt(later*1000+1, 10), "-1", "x")
	case "unix-time-seconds":
		good, over = strconv.FormatInt(g.start.Unix()+later+500, 10), "1000"
	case "unix-time-milliseconds":
		good, over = strconv.FormatInt(g.start.UnixMilli()+later*1000+500_000, 10), "1000000"
	}
	if !g.one(8) {
		return good
	}
	bad := []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775", "-9223372036854776", "x", "", "1.5", " 1"}
	switch {
	case over == "":
	case cmd.Name != "set":
		bad = append(bad, over, over, over)
	case !g.never && g.one(2):
		g.late = true
		return over
	}
	return pick(g, bad...)
}

func (g *generator) value() string {
	switch g.IntN(8) {
	case 0:
		return strconv.FormatInt(g.Int64N(2000)-1000, 10)
	case 1:
		return strconv.FormatUint(g.Uint64(), 10)
	case 2:
		return strconv.FormatFloat(g.NormFloat64(), 'g', -1, 64)
	case 3:
		return ""
	case 4:
		return strings.Repeat("x", g.IntN(100))
	case 5:
		return strings.Repeat("long", 200+g.IntN(500))
	case 6:
		return "\x00\xff\r\n" + strconv.Itoa(g.IntN(10))
	}
	return pick(g, append([]string{"007", "abc", "3.0", "5e2", "key:1"}, integers...)...)
}

// sources are scripts, right and wrong, whose replies have no part of chance.
var sources = []string{
	"return 1", "return {KEYS[1], ARGV[1], #KEYS, #ARGV}", "return redis.call('get', KEYS[1])", "return redis.call('set', KEYS[1], ARGV[1])",
	"return redis.pcall('incr', KEYS[1])", "return redis.call('lrange', KEYS[1], 0, -1)", "return redis.call('rpush', KEYS[1], unpack(ARGV))",
	"#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 1)", "#!lua\nreturn redis.pcall('get', KEYS[1])", "#!lua name=x\nreturn 1",
	"error('x')", "return redis.error_reply('MY x')", "return {1, 2.7, 'x', false, {ok='fine'}, nil, 3}", "redis.setresp(3) return redis.call('get', KEYS[1])",
	"return x", "return 1 +",
}

// libraries are for FUNCTION LOAD: each has the name's functions.
var libraries = []string{
	"#!lua name=one\nredis.register_function('first', function(keys, args) return {keys, args} end)",
	"#!lua name=one\nredis.register_function{function_name='first', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}",
	"#!lua name=two\nredis.register_function('second', function(keys, args) return redis.call('set', keys[1], args[1]) end)",
	"#!lua name=two\nredis.register_function('first', function() return 2 end)",
	"#!lua name=bad\nreturn 1", "#!lua\nreturn 1", "redis.register_function('f', function() end)", "#!nosuch name=x\n",
}

func (g *generator) scriptWord(name string) string {
	switch name {
	case "script":
		return pick(g, sources...)
	case "sha1":
		return pick(g, sha1Hex(pick(g, sources[:8]...)), "x", "")
	case "function":
		return pick(g, "first", "first", "second", "nosuch")
	case "function-code":
		return pick(g, libraries...)
	case "library-name", "library-name-pattern":
		return pick(g, "one", "two", "nosuch", "*")
	}
	return g.value()
}

// stringDumps are payloads of DUMP that both servers read, and what is none.
func stringDumps() []string {
	out := []string{"", "\x00\x05hello", strings.Repeat("x", 20)}
	for _, v := range []string{"hello", "12", "70000", "-1", "", strings.Repeat("packed", 100)} {
		b, err := rdb.DumpValue(rdb.Value{Type: rdb.TypeString, String: []byte(v)}, rdb.WriterOptions{Version: 10, Compress: true})
		if err != nil {
			panic(err) // a string has a payload in every version
		}
		out = append(out, string(b))
	}
	return out
}

// dumped are commands that make the collections whose payloads RESTORE is given.
func dumped() [][]string {
	many := func(name string, each func(i int) []string) []string {
		args := []string{name, "k"}
		for i := range 200 {
			args = append(args, each(i)...)
		}
		return args
	}
	long := strings.Repeat("long", 50)
	n := func(i int) string { return fmt.Sprint(i) }
	return [][]string{
		{"HSET", "k", "f1", "1", "f2", "x"}, {"HSET", "k", "f1", long}, many("HSET", func(i int) []string { return []string{"f" + n(i), n(i)} }),
		{"RPUSH", "k", "a", "b", "1", ""}, {"RPUSH", "k", long, "a"}, many("RPUSH", func(i int) []string { return []string{n(i)} }),
		{"SADD", "k", "1", "2", "-70000"}, {"SADD", "k", "a", "1", long}, many("SADD", func(i int) []string { return []string{n(i)} }),
		{"ZADD", "k", "1", "a", "-2.5", "b", "inf", "c"}, {"ZADD", "k", "1", long, "1", "a"}, many("ZADD", func(i int) []string { return []string{n(i / 2), n(i)} }),
		{"XADD", "k", "1-1", "f1", "x"},
	}
}

func sha1Hex(s string) string {
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
