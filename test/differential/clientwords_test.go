package differential

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/wire/resp"
)

// templates are the commands, with how often each is taken. {a|b} is one of several, {name} what names has.
var templates = parseTemplates(`
6 {BLPOP|BRPOP} {l} {l} {t}
4 {BLPOP|BRPOP} {l} {t}
3 BLMOVE {l} {l} {LEFT|RIGHT} {LEFT|RIGHT} {t}
2 BRPOPLPUSH {l} {l} {t}
3 BLMPOP {t} 2 {l} {l} {LEFT|RIGHT} {|COUNT 2}
4 {BZPOPMIN|BZPOPMAX} {z} {z} {t}
2 BZMPOP {t} 2 {z} {z} {MIN|MAX} {|COUNT 2}
5 XREAD {|COUNT 1} BLOCK {ms} STREAMS {s} {$|0|{sid}|+}
2 XREAD BLOCK {ms} STREAMS {s} {s} {$ $|$ 0|{sid} $}
5 XREADGROUP GROUP {g} {c} {|COUNT 1} BLOCK {ms} {|NOACK} STREAMS {s} {>|>|>|0}
1 XREADGROUP GROUP {g} {c} BLOCK {ms} STREAMS {s} {s} > >
2 WAIT {0|1} {0|1|100000}
6 {RPUSH|LPUSH} {l} {e}
3 {RPUSH|LPUSH} {l} {e} {e} {e}
2 {LPOP|RPOP} {l}
1 LMOVE {l} {l} LEFT RIGHT
1 {RPUSHX|LPUSHX} {l} {e}
1 LREM {l} 0 {e}
1 LINSERT {l} BEFORE {e} {e}
5 ZADD {z} {1|2|3} {e}
1 ZADD {z} 1 {e} 2 {e}
1 ZREM {z} {e}
1 ZINCRBY {z} 1 {e}
1 ZUNIONSTORE {z} 2 {z} {z}
5 XADD {s} {next} f v
1 XADD {s} MAXLEN {0|1|2} {next} f v
1 XTRIM {s} MAXLEN 0
1 XDEL {s} {sid}
1 XSETID {s} {next}
4 XGROUP CREATE {s} {g} {$|0} {|MKSTREAM|MKSTREAM}
2 XGROUP DESTROY {s} {g}
1 XGROUP DELCONSUMER {s} {g} {c}
1 XGROUP SETID {s} {g} {0|$}
1 XACK {s} {g} {sid}
1 XCLAIM {s} {g} {c} 0 {sid}
3 SET {k} x
2 SET {v} x
1 GETSET {v} y
2 INCR {n}
1 APPEND {v} x
2 GET {v}
1 GETDEL {v}
1 MGET {v} {v} {n}
1 MSET {v} 1 {v} 2
1 EXISTS {k}
1 TYPE {k}
1 LLEN {l}
1 LRANGE {l} 0 -1
1 ZRANGE {z} 0 -1
1 XLEN {s}
1 XRANGE {s} - +
1 DBSIZE
1 TOUCH {k}
4 {DEL|UNLINK} {k}
2 DEL {k} {k} {k}
2 {RENAME|RENAMENX} {k} {k}
1 COPY {k} {k} {|REPLACE} {|DB {0|1}}
2 MOVE {k} {0|1|2}
2 RESTORE {l} 0 %list {|REPLACE}
1 RESTORE {z} 0 %zset {|REPLACE}
1 RESTORE {s} 0 %stream {|REPLACE}
1 RESTORE {k} 0 {%string|%list|%zset|%stream} REPLACE
2 SORT {l} BY nosort STORE {l}
1 SORT {z} ALPHA STORE {l}
2 SWAPDB {0|1} {0|1|2}
1 {FLUSHALL|FLUSHDB}
1 PERSIST {k}
8 MULTI
4 EXEC
1 DISCARD
3 WATCH {k} {|{k}}
1 UNWATCH
3 EVAL "return redis.call(unpack(ARGV))" 0 {RPUSH {l} {e}|ZADD {z} 1 {e}|XADD {s} {next} f v|DEL {k}|SET {k} x|RENAME {k} {k}|PUBLISH {ch} m|FLUSHDB|GET {v}|BLPOP {l} 0|SPUBLISH {ch} m}
2 EVAL "redis.call('rpush', KEYS[1], 'a') redis.call('lpush', KEYS[2], 'b') return redis.call('del', KEYS[1])" 2 {l} {l}
2 EVAL "redis.call('rpush', KEYS[1], ARGV[1]) redis.call('zadd', KEYS[2], 1, ARGV[1]) return redis.call('xadd', KEYS[3], ARGV[2], 'f', 'v')" 3 {l} {z} {s} {e} {next}
1 EVAL "redis.call('select', ARGV[1]) return redis.call('rpush', KEYS[1], 'x')" 1 {l} {db}
1 EVAL "redis.call('rpush', KEYS[1], 'x') return redis.call('incr', KEYS[1])" 1 {l}
1 EVAL_RO "return redis.call('get', KEYS[1])" 1 {v}
1 EVALSHA 0000000000000000000000000000000000000000 0
2 FCALL call 0 {RPUSH {l} {e}|ZADD {z} 1 {e}|DEL {k}|SET {k} x|PUBLISH {ch} m|GET {v}}
2 FCALL push 2 {l} {l} {e}
1 FUNCTION {DELETE lib|FLUSH}
1 SCRIPT {FLUSH|EXISTS 0000000000000000000000000000000000000000}
4 CLIENT UNBLOCK {id} {|TIMEOUT|ERROR}
2 CLIENT KILL ID {id} {|SKIPME no|SKIPME yes}
1 CLIENT KILL USER {u}
1 CLIENT KILL TYPE pubsub
1 CLIENT KILL ID {id} TYPE {normal|pubsub|replica} {|USER default}
1 CLIENT KILL {1.2.3.4:5|ADDR 1.2.3.4:5|LADDR 1.2.3.4:6}
2 CLIENT PAUSE 1000000 WRITE
4 CLIENT UNPAUSE
1 CLIENT NO-EVICT {ON|OFF}
1 CLIENT NO-TOUCH {ON|OFF}
2 CLIENT REPLY {ON|OFF|SKIP}
2 CLIENT REPLY ON
2 CLIENT TRACKING ON {|NOLOOP}
3 CLIENT TRACKING ON BCAST {|PREFIX {l|z|v1|v} {|PREFIX s}}
2 CLIENT TRACKING ON {OPTIN|OPTOUT} {|NOLOOP}
2 CLIENT TRACKING ON REDIRECT {id} {|BCAST|OPTIN|NOLOOP}
3 CLIENT TRACKING OFF
3 CLIENT CACHING {YES|NO}
1 CLIENT {TRACKINGINFO|GETREDIR|ID|GETNAME}
2 CLIENT SETNAME {name|other|""}
1 CLIENT SETINFO {LIB-NAME|LIB-VER} {x|y}
4 SUBSCRIBE {ch} {|{ch}}
3 PSUBSCRIBE {pat}
3 SSUBSCRIBE {ch} {|{ch}}
2 {UNSUBSCRIBE|SUNSUBSCRIBE} {|{ch}}
2 PUNSUBSCRIBE {|{pat}}
4 PUBLISH {ch} {e}
2 SPUBLISH {ch} {e}
1 PUBSUB {CHANNELS {ch}|NUMPAT|NUMSUB {ch}|SHARDCHANNELS {ch}|SHARDNUMSUB {ch}}
2 CONFIG SET notify-keyspace-events {KEA|KEAmn|Kl|Eg|KEx|Ez|KEt|Kn|Em|""|""|""}
3 SELECT {db}
2 RESET
5 HELLO {2|3|3|3}
1 HELLO 3 AUTH {u} p SETNAME x
3 ACL SETUSER {u} {on >p ~* &* +@all|on >p ~* &* +@all|off|on|resetkeys ~l*|allkeys|-@write|+@all|resetchannels|resetchannels &c1|allchannels|reset|-blpop|nopass|resetpass}
1 ACL DELUSER {u}
5 AUTH {u} {p|p|p|q}
1 AUTH default x
1 ACL WHOAMI
1 PING
1 QUIT
1 MONITOR
1 NOSUCH x
1 GET
1 OBJECT ENCODING {k}
`)

type template struct {
	weight int
	text   string
}

func parseTemplates(all string) (out []template) {
	for line := range strings.SplitSeq(strings.TrimSpace(all), "\n") {
		weight, text, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(weight)
		if err != nil {
			panic(err) // a line of the list above
		}
		out = append(out, template{n, text})
	}
	return out
}

// crowdNames are what a name of a template stands for.
var crowdNames = map[string][]string{
	"l": {"l1", "l2", "l1", "l2", "l3", "v1"}, "z": {"z1", "z2", "z1", "l1"}, "s": {"s1", "s2", "s1", "l1"}, "v": {"v1", "v2", "v1", "l1"}, "n": {"n1"},
	"k": {"l1", "l2", "l3", "z1", "z2", "s1", "s2", "v1", "v2"}, "e": {"a", "b", "c"}, "g": {"g1", "g2"}, "c": {"c1", "c2"},
	"t": {"0", "0", "0", "0", "0.001", "1000000"}, "ms": {"0", "0", "0", "1", "1000000000"}, "ch": {"c1", "c2", "l1"},
	"pat": {"c*", "*", "__keyspace@*", "__keyevent@0__:*", "c1"}, "db": {"0", "0", "0", "1", "1", "2", "16"}, "u": {"u1", "u1", "u2"},
}

// crowdGenerator makes moves with regard to what the real server says of its connections.
type crowdGenerator struct {
	*rand.Rand
	v       *crowd
	total   int // of all weights
	entries int
	list    [crowdSize]map[string]string
}

func newCrowdGenerator(seed uint64, v *crowd) *crowdGenerator {
	g := &crowdGenerator{Rand: rand.New(rand.NewPCG(seed, 2)), v: v}
	for _, t := range templates {
		g.total += t.weight
	}
	return g
}

func (g *crowdGenerator) begin() { g.entries = 0 }

func (g *crowdGenerator) one(n int) bool { return g.IntN(n) == 0 }

// next makes one move, or some that mean something only together.
func (g *crowdGenerator) next() []move {
	g.list = g.v.theirs.list()
	conn := g.IntN(crowdSize)
	for i := range crowdSize {
		if g.v.theirs.clients[i].closed {
			return []move{{conn: i}}
		}
	}
	if !slices.ContainsFunc(g.list[:], func(l map[string]string) bool { return !blocked(l) }) {
		return []move{{conn: conn}} // all wait
	}
	for tries := 0; blocked(g.list[conn]) && !(tries == 0 && g.one(30)); tries++ {
		conn = g.IntN(crowdSize)
	}
	if g.v.paused && g.one(5) {
		return []move{{conn: conn, words: []string{"CLIENT", "UNPAUSE"}}}
	}
	if multi := g.list[conn]["multi"]; multi != "-1" && g.one(4) {
		return []move{{conn: conn, words: []string{"EXEC"}}}
	}
	if flags := g.list[conn]["flags"]; strings.Contains(flags, "P") && g.list[conn]["resp"] == "2" && g.one(3) {
		return []move{{conn: conn, words: []string{pickOf(g.Rand, "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "RESET")}}}
	}
	if g.one(25) {
		return g.expiry(conn)
	}
	return []move{g.command(conn)}
}

func pickOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// expiry has a key expire, and somebody look at it.
func (g *crowdGenerator) expiry(conn int) []move {
	key := g.expand("{k}")
	look := pickOf(g.Rand, "EXISTS", "TYPE", "PEXPIRETIME", "DEL")
	return []move{{conn: conn, words: []string{"PEXPIRE", key, "1"}, pass: true}, {conn: g.IntN(crowdSize), words: []string{look, key}}}
}

func (g *crowdGenerator) command(conn int) move {
	n, text := g.IntN(g.total), ""
	for _, t := range templates {
		if n -= t.weight; n < 0 {
			text = t.text
			break
		}
	}
	words, ok := resp.SplitArgs([]byte(g.expand(text)), nil)
	if !ok {
		panic("unbalanced: " + text)
	}
	m := move{conn: conn}
	for _, w := range words {
		m.words = append(m.words, string(w))
	}
	m.awaited = slices.Contains(m.words, "0.001") || m.words[0][0] == 'X' && slices.Contains(m.words, "1") || m.words[0] == "WAIT" && m.words[2] == "1"
	return m
}

var braces = regexp.MustCompile(`\{[^{}]*\}`)

// expand chooses what stands for the braces of a template, from within.
func (g *crowdGenerator) expand(text string) string {
	for braces.MatchString(text) {
		text = braces.ReplaceAllStringFunc(text, func(s string) string {
			name := s[1 : len(s)-1]
			switch {
			case strings.Contains(name, "|"):
				return pickOf(g.Rand, strings.Split(name, "|")...)
			case name == "id":
				return "%" + strconv.Itoa(g.IntN(crowdSize))
			case name == "next":
				g.entries++
				return strconv.Itoa(g.entries) + "-1"
			case name == "sid":
				return strconv.Itoa(g.IntN(g.entries+1)) + "-1"
			}
			return pickOf(g.Rand, crowdNames[name]...)
		})
	}
	return text
}
