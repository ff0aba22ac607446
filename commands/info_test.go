package commands_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/persist/keydump"
	"github.com/larder-cache/larder/wire/resp"
)

// infoFields are the elements of an entry of COMMAND INFO; the last, the subcommands, is compared one by one.
var infoFields = []string{"name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs"}

// sinceRedis70 are the differences from redis-server 7.0.15, which the tests compare with, by "command: field": what is new in 7.2.
var sinceRedis70 = map[string]string{
	"msetnx: tips":                   "7.2 took them back: it cannot be split",
	"scan: tips":                     "7.2 says how replies are put together",
	"randomkey: tips":                "7.2 says how replies are put together",
	"command|getkeys: arity":         "7.2 takes commands without arguments",
	"command|getkeysandflags: arity": "7.2 takes commands without arguments",
	"acl|deluser: tips":              "7.2 has them",
	"acl|save: tips":                 "7.2 has them",
	"acl|setuser: tips":              "7.2 has them",
	"client|setinfo: new":            "of 7.2",
	"client|setname: tips":           "7.2 has them",
	"client|import-source: new":      "of Valkey 8.1",
	"zrank: arity":                   "7.2 has WITHSCORE",
	"zrevrank: arity":                "7.2 has WITHSCORE",
	"multi: flags":                   "Valkey refuses it within MULTI by a flag, and the transaction is lost",
	"watch: flags":                   "Valkey refuses it within MULTI by a flag, and the transaction is lost",
	"client|capa: new":               "of Valkey 8.0",
	"client|no-touch: new":           "of 7.2",
	"commandlog: new":                "of Valkey 8.1",
	"commandlog|get: new":            "of Valkey 8.1",
	"commandlog|len: new":            "of Valkey 8.1",
	"commandlog|reset: new":          "of Valkey 8.1",
	"commandlog|help: new":           "of Valkey 8.1",
	"latency|reset: tips":            "8.0 adds up what its nodes answer",
	"blpop: flags":                   "7.2 lets scripts call it",
	"brpop: flags":                   "7.2 lets scripts call it",
	"blmove: flags":                  "7.2 lets scripts call it",
	"bzpopmin: flags":                "7.2 lets scripts call it",
	"bzpopmax: flags":                "7.2 lets scripts call it",
	"brpoplpush: flags":              "7.2 lets scripts call it",
	"delifeq: new":                   "of Valkey 9.0",
	"sinterstore: key specs":         "7.0 has them the other way round",
	"msetex: new":                    "of Valkey 9.1",
	"script|show: new":               "of Valkey 8.0",
	"hexpire: new":                   "of Valkey 9.0",
	"hpexpire: new":                  "of Valkey 9.0",
	"hexpireat: new":                 "of Valkey 9.0",
	"hpexpireat: new":                "of Valkey 9.0",
	"hpersist: new":                  "of Valkey 9.0",
	"httl: new":                      "of Valkey 9.0",
	"hpttl: new":                     "of Valkey 9.0",
	"hexpiretime: new":               "of Valkey 9.0",
	"hpexpiretime: new":              "of Valkey 9.0",
	"hsetex: new":                    "of Valkey 9.0",
	"hgetex: new":                    "of Valkey 9.0",
	"hgetdel: new":                   "of Valkey 9.1",
}

func TestInfoAsRedis(t *testing.T) {
	s := enginetest.New(t, enginetest.Start, append(keydump.Commands(keydump.Config{}), commands.Migrate(nil))...)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	c.Value("HELLO", "3")
	real.Value("HELLO", "3")
	used := map[string]bool{}
	for _, cmd := range s.Table.All() {
		ours := c.Value("COMMAND", "INFO", cmd.FullName()).Elems[0]
		theirs := real.Value("COMMAND", "INFO", cmd.FullName()).Elems[0]
		if theirs.Kind == resp.KindNull {
			differ(t, sinceRedis70, used, cmd.FullName()+": new", "there", "not there")
			continue
		}
		for i, field := range infoFields {
			differ(t, sinceRedis70, used, cmd.FullName()+": "+field, canonical(ours.Elems[i]), canonical(theirs.Elems[i]))
		}
	}
	checkUsed(t, sinceRedis70, used)
}

func checkUsed(t *testing.T, known map[string]string, used map[string]bool) {
	t.Helper()
	for what := range known {
		if !used[what] {
			t.Errorf("%s is listed as a difference, and is none", what)
		}
	}
}

// canonical writes a reply with its sets sorted: their order is a table's of the server's.
func canonical(v resp.Value) string {
	if v.Kind != resp.KindSet {
		return enginetest.Show(v)
	}
	words := make([]string, len(v.Elems))
	for i, e := range v.Elems {
		words[i] = canonical(e)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// differ compares a field, and notes the use of a difference that is known.
func differ(t *testing.T, known map[string]string, used map[string]bool, what, ours, theirs string) {
	t.Helper()
	if ours == theirs {
		return
	}
	if known[what] != "" {
		used[what] = true
		return
	}
	t.Errorf("%s\n  ours %s\ntheirs %s", what, ours, theirs)
}

// docFields are the fields of COMMAND DOCS that are compared; summaries were written anew for 7.2.
var docFields = []string{"since", "group", "deprecated_since", "replaced_by", "history"}

// docsSinceRedis70 are the differences from 7.0.15 in COMMAND DOCS, by "command: field".
var docsSinceRedis70 = map[string]string{
	"setnx: deprecated_since":            "since 7.2",
	"setnx: replaced_by":                 "since 7.2",
	"setex: deprecated_since":            "since 7.2",
	"setex: replaced_by":                 "since 7.2",
	"psetex: deprecated_since":           "since 7.2",
	"psetex: replaced_by":                "since 7.2",
	"mset: arguments":                    "7.2 calls the block data",
	"migrate: arguments":                 "Valkey 8 gives other names to them",
	"msetnx: arguments":                  "7.2 calls the block data",
	"hset: arguments":                    "7.2 calls the block data",
	"hmset: arguments":                   "7.2 calls the block data",
	"hscan: arguments":                   "Valkey 8.0 has NOVALUES",
	"zadd: arguments":                    "7.2 calls the block data",
	"zscan: arguments":                   "Valkey 8.0 has NOSCORES",
	"zscan: history":                     "Valkey 8.0 has NOSCORES",
	"zrank: arguments":                   "7.2 has WITHSCORE",
	"zrank: history":                     "7.2 has WITHSCORE",
	"zrevrank: arguments":                "7.2 has WITHSCORE",
	"zrevrank: history":                  "7.2 has WITHSCORE",
	"zrange: arguments":                  "7.2 calls the block limit",
	"zrangebyscore: arguments":           "7.2 calls the block limit",
	"zrevrangebyscore: arguments":        "7.2 calls the block limit",
	"zrangebylex: arguments":             "7.2 calls the block limit",
	"zrevrangebylex: arguments":          "7.2 calls the block limit",
	"zrangestore: arguments":             "7.2 calls the block limit",
	"xadd: arguments":                    "7.2 has other names for them",
	"xsetid: arguments":                  "7.2 has other names for them",
	"xreadgroup: arguments":              "7.2 has other names for them",
	"xgroup|create: arguments":           "7.2 has other names for them",
	"xgroup|setid: arguments":            "7.2 has other names for them",
	"xgroup|createconsumer: arguments":   "7.2 has other names for them",
	"xgroup|delconsumer: arguments":      "7.2 has other names for them",
	"xgroup|destroy: arguments":          "7.2 has other names for them",
	"xclaim: arguments":                  "7.2 has other names for them",
	"xinfo|consumers: arguments":         "7.2 has other names for them",
	"xinfo|stream: arguments":            "7.2 has other names for them",
	"xinfo|consumers: history":           "what 7.2 added",
	"xinfo|stream: history":              "what 7.2 added",
	"flushall: arguments":                "7.2 calls it flush-type",
	"flushdb: arguments":                 "7.2 calls it flush-type",
	"script|flush: arguments":            "7.2 calls it flush-type",
	"function|flush: arguments":          "7.2 calls it flush-type",
	"command|getkeys: arguments":         "7.2 has them",
	"command|getkeysandflags: arguments": "7.2 has them",
	"lcs: arguments":                     "7.2 calls it min-match-len",
	"set: history":                       "what 8.1 added",
	"set: arguments":                     "8.1 has IFEQ",
	"bitcount: history":                  "what 8.0 added",
	"bitcount: arguments":                "since 8.0 the end is optional",
	"bitpos: arguments":                  "7.2 has other names for them",
	"bitop: arguments":                   "7.2 lists the operations",
	"bitfield: arguments":                "7.2 has other names for them",
	"bitfield_ro: arguments":             "7.2 has other names for them",
	"pfmerge: arguments":                 "since 7.2 the sources are optional",
	"acl|cat: arguments":                 "7.2 calls it category",
	"acl|log: history":                   "what 7.2 added",
	"psubscribe: arguments":              "7.2 has no block around it",
	"geoadd: arguments":                  "7.2 calls the block data",
	"geopos: arguments":                  "since 7.2 the members are optional",
	"geohash: arguments":                 "since 7.2 the members are optional",
	"georadius: arguments":               "7.2 has a name for the block of COUNT, and STORE or STOREDIST",
	"georadius_ro: history":              "what 7.0 added",
	"georadius_ro: arguments":            "7.2 has a name for the block of COUNT",
	"georadiusbymember: history":         "what 6.2 added",
	"georadiusbymember: arguments":       "7.2 has a name for the block of COUNT, and STORE or STOREDIST",
	"georadiusbymember_ro: history":      "what 6.2 and 7.0 added",
	"georadiusbymember_ro: arguments":    "7.2 has a name for the block of COUNT",
	"geosearch: arguments":               "7.2 has a name for the block of COUNT",
	"geosearchstore: arguments":          "7.2 has a name for the block of COUNT",
	"sort: arguments":                    "7.2 has other names for them",
	"sort_ro: arguments":                 "7.2 has other names for them",
}

func TestDocsAsRedis(t *testing.T) {
	s := enginetest.New(t, enginetest.Start, append(keydump.Commands(keydump.Config{}), commands.Migrate(nil))...)
	c, real := s.Client(), enginetest.StartRedis(t).Dial()
	c.Value("HELLO", "3")
	real.Value("HELLO", "3")
	used := map[string]bool{}
	for _, cmd := range s.Table.All() {
		if top := cmd.Parent(); elsewhere(cmd) || top != nil && elsewhere(top) {
			continue
		}
		ours := c.Value("COMMAND", "DOCS", cmd.FullName()).Elems[1]
		theirs := real.Value("COMMAND", "DOCS", cmd.FullName())
		if len(theirs.Elems) == 0 {
			continue // new since: TestInfoAsRedis lists it
		}
		for _, field := range docFields {
			differ(t, docsSinceRedis70, used, cmd.FullName()+": "+field, canonical(get(ours, field)), canonical(get(theirs.Elems[1], field)))
		}
		differ(t, docsSinceRedis70, used, cmd.FullName()+": arguments", grammar(get(ours, "arguments")), grammar(get(theirs.Elems[1], "arguments")))
	}
	checkUsed(t, docsSinceRedis70, used)
}

// elsewhere: the engine documents its own commands.
func elsewhere(cmd *spec.Command) bool {
	for _, decl := range slices.Concat(engine.Transactions(), engine.Connection(), engine.ClientCommands()) {
		if decl.Name == cmd.Name {
			return true
		}
	}
	return false
}

// get finds a field of a map; the zero Value if it is not there.
func get(m resp.Value, field string) resp.Value {
	for i := 0; i+1 < len(m.Elems); i += 2 {
		if string(m.Elems[i].Str) == field {
			return m.Elems[i+1]
		}
	}
	return resp.Value{}
}

// grammar writes arguments without what 7.2 added to them.
func grammar(args resp.Value) string {
	var out []string
	for _, a := range args.Elems {
		s := string(get(a, "name").Str) + ":" + string(get(a, "type").Str)
		for _, f := range []string{"token", "since"} {
			if v := string(get(a, f).Str); v != "" {
				s += "," + f + "=" + v
			}
		}
		s += "," + canonical(get(a, "flags"))
		if sub := get(a, "arguments"); len(sub.Elems) > 0 {
			s += "(" + grammar(sub) + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}
