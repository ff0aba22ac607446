package commands_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// smallStreams gives streams nodes of a few entries; the real server is told the same.
func smallStreams(s *keyspace.Space) []string {
	l := keyspace.DefaultLimits()
	l.StreamNodeEntries, l.StreamNodeBytes = 4, 200
	s.SetLimits(l)
	return []string{"CONFIG", "SET", "stream-node-max-entries", "4", "stream-node-max-bytes", "200"}
}

// streamRandom draws commands of streams.
type streamRandom struct {
	*rand.Rand
	ms    int                 // of the last entry, about
	added map[string][]string // the last ids of each key
	cur   string              // the key
}

func newStreamRandom(stream uint64) *streamRandom {
	return &streamRandom{Rand: rand.New(rand.NewPCG(*seed, stream)), ms: 10, added: map[string][]string{}}
}

func (r *streamRandom) key() string {
	r.cur = pick(r.Rand, "s0", "s0", "s1", "s1", "s2", "s3", pick(r.Rand, "s0", "s1", "none", "str"))
	return r.cur
}

// met is told what a command was answered.
func (r *streamRandom) met(args []string, said string) {
	if args[0] != "XADD" || said[0] != '"' {
		return
	}
	ids := append(r.added[args[1]], strings.Trim(said, `"`))
	r.added[args[1]] = ids[max(0, len(ids)-12):]
}

func (r *streamRandom) group() string {
	return pick(r.Rand, "g", "g", "g", "h", pick(r.Rand, "g", "no"))
}

func (r *streamRandom) consumer() string { return pick(r.Rand, "Alice", "Bob", "Carol") }

// id is one that may have been added, or nearly.
func (r *streamRandom) id() string {
	ms := max(0, r.ms-r.IntN(30))
	switch r.IntN(24) {
	case 0:
		return pick(r.Rand, "x", "1-", "-1", "1-2-3", "", "+", "-", "$", "18446744073709551616", " 1-1", "01-+2", "1--1", "(1-1", "1-*")
	case 1:
		return pick(r.Rand, "0", "0-0", "0-1", "18446744073709551615", "18446744073709551615-18446744073709551615")
	case 2, 3:
		return fmt.Sprint(ms)
	case 4, 5:
		return fmt.Sprint(ms, "-", r.IntN(3))
	}
	if ids := r.added[r.cur]; len(ids) > 0 {
		return ids[r.IntN(len(ids))]
	}
	return fmt.Sprint(ms, "-", r.IntN(3))
}

func (r *streamRandom) ids() (out []string) {
	for range 1 + r.IntN(4) {
		out = append(out, r.id())
	}
	return out
}

func (r *streamRandom) bound(least string) string {
	if r.IntN(3) == 0 {
		return least
	}
	return pick(r.Rand, "", "", "(") + r.id()
}

func (r *streamRandom) count() []string {
	return [][]string{nil, nil, {"COUNT", "3"}, {"COUNT", "1"}, {"count", pick(r.Rand, "0", "-1", "100", "x")}, {pick(r.Rand, "COUNT", "NOSUCH")}}[min(r.IntN(12), r.IntN(6))]
}

func (r *streamRandom) trim() (out []string) {
	out = append(out, pick(r.Rand, "MAXLEN", "MINID"))
	if s := pick(r.Rand, "", "~", "=", "~"); s != "" {
		out = append(out, s)
	}
	if out[0] == "MAXLEN" {
		out = append(out, pick(r.Rand, "5", "10", "20", "3", pick(r.Rand, "0", "-1", "x")))
	} else {
		out = append(out, r.id())
	}
	if r.IntN(4) == 0 {
		out = append(out, "LIMIT", pick(r.Rand, "0", "2", "5", "10", pick(r.Rand, "-1", "x")))
	}
	if r.IntN(40) == 0 {
		out = append(out, pick(r.Rand, "MAXLEN", "LIMIT", "MINID 1"))
	}
	return out
}

func (r *streamRandom) add(key string) []string {
	out := []string{"XADD", key}
	if r.IntN(8) == 0 {
		out = append(out, "NOMKSTREAM")
	}
	if r.IntN(8) == 0 {
		out = append(out, r.trim()...)
	}
	if id := r.id(); r.IntN(10) == 0 && !strings.HasPrefix(id, "1844") { // after which there is none
		out = append(out, id)
	} else {
		r.ms += r.IntN(2)
		out = append(out, fmt.Sprint(r.ms, "-", pick(r.Rand, "*", "*", "0", "1", "2", "3")))
	}
	for i := range 1 + r.IntN(3) {
		out = append(out, pick(r.Rand, fmt.Sprint("f", i), fmt.Sprint("f", i), fmt.Sprint(i)), pick(r.Rand, fmt.Sprint(r.IntN(100000)), "", "a value", strings.Repeat("long", r.IntN(30))))
	}
	if r.IntN(40) == 0 {
		out = out[:len(out)-1]
	}
	return out
}

// claim has times that are over long ago or not at all, so that the servers' clocks do not matter.
func (r *streamRandom) claim(key string) []string {
	out := append([]string{"XCLAIM", key, r.group(), r.consumer(), pick(r.Rand, "0", "0", "1000000000000", "-5", pick(r.Rand, "0", "x"))}, r.ids()...)
	for range r.IntN(3) {
		out = append(out, [][]string{{"FORCE"}, {"FORCE"}, {"justid"}, {"TIME", "5"}, {"IDLE", "1500000000000"}, {"RETRYCOUNT", pick(r.Rand, "7", "0", "-1", "x")}, {"LASTID", r.id()},
			{"TIME", "99999999999999"}, {"IDLE", pick(r.Rand, "-7", "x")}, {pick(r.Rand, "NOSUCH", "TIME", "FORCES 1")}}[min(r.IntN(16), r.IntN(10))]...)
	}
	return out
}

func (r *streamRandom) read(group bool) (out []string) {
	out = append(out, "XREAD")
	if group {
		out = append([]string{"XREADGROUP", "GROUP", r.group(), r.consumer()}, []string{"NOACK"}[:r.IntN(5)/4]...)
	}
	out = append(out, r.count()...)
	n := 1 + r.IntN(2)
	out = append(out, "STREAMS")
	for range n {
		out = append(out, r.key())
	}
	for range n {
		id := pick(r.Rand, r.id(), r.id(), "$")
		if group {
			id = pick(r.Rand, ">", ">", ">", "0", r.id())
		}
		if id == "+" {
			id = "0" // 7.0 does not know it
		}
		out = append(out, id)
	}
	if r.IntN(60) == 0 {
		out = out[:len(out)-1]
	}
	return out
}

// unbalanced: 7.0 words this error otherwise.
func unbalanced(args []string) bool {
	at := slices.Index(args, "STREAMS")
	return strings.HasPrefix(args[0], "XREAD") && at > 0 && (len(args)-at)%2 == 0
}

func (r *streamRandom) xgroup(key string) []string {
	id := pick(r.Rand, "$", "0", r.id())
	switch r.IntN(12) {
	case 0, 1, 2, 3, 11:
		return append([]string{"XGROUP", "CREATE", key, r.group(), pick(r.Rand, id, "0")}, [][]string{nil, {"MKSTREAM"}, {"mkstream", "entriesread", "2"}, {"ENTRIESREAD", pick(r.Rand, "3", "-1", "-2", "x")},
			{"NOSUCH"}, {"MKSTREAM", "MKSTREAM", "MKSTREAM", "MKSTREAM"}}[min(r.IntN(12), r.IntN(6))]...)
	case 4, 5:
		return append([]string{"XGROUP", "SETID", key, r.group(), id}, [][]string{nil, nil, {"ENTRIESREAD", "5"}, {"ENTRIESREAD"}, {"MKSTREAM"}}[r.IntN(5)]...)
	case 6:
		return []string{"XGROUP", "DESTROY", key, pick(r.Rand, r.group(), "no")}
	case 7, 8, 9:
		return []string{"XGROUP", "CREATECONSUMER", key, r.group(), r.consumer()}
	}
	return []string{"XGROUP", "DELCONSUMER", key, r.group(), r.consumer()}
}

func (r *streamRandom) xinfo(key string) []string {
	switch r.IntN(4) {
	case 0:
		return []string{"XINFO", "GROUPS", key}
	case 1:
		return []string{"XINFO", "CONSUMERS", key, r.group()}
	case 2:
		return []string{"XINFO", "STREAM", key}
	}
	return append([]string{"XINFO", "STREAM", key}, [][]string{{"FULL"}, {"full", "COUNT", pick(r.Rand, "0", "2", "-1", "x")}, {"FULL", "COUNT"}, {"NOSUCH"}}[min(r.IntN(10), r.IntN(4))]...)
}

func (r *streamRandom) pending(key string) []string {
	out := []string{"XPENDING", key, r.group()}
	if r.IntN(4) == 0 {
		return out
	}
	if r.IntN(3) == 0 {
		out = append(out, "IDLE", pick(r.Rand, "1000000000000", "0", "x"))
	}
	out = append(out, r.bound("-"), r.bound("+"), pick(r.Rand, "10", "1", "1000", "0", pick(r.Rand, "-1", "x")))
	if r.IntN(3) == 0 {
		out = append(out, r.consumer())
	}
	return out[:len(out)-r.IntN(20)/19]
}

// words are options in any order, mostly wrong.
func (r *streamRandom) words(key string) []string {
	out := []string{pick(r.Rand, "XADD", "XTRIM", "XRANGE", "XREAD", "XREADGROUP", "XPENDING", "XCLAIM", "XAUTOCLAIM", "XACK", "XDEL", "XINFO", "XGROUP")}
	switch out[0] {
	case "XINFO":
		out = append(out, pick(r.Rand, "STREAM", "GROUPS", "CONSUMERS", "nosuch"), key)
	case "XGROUP":
		out = append(out, pick(r.Rand, "CREATE", "SETID", "DESTROY", "CREATECONSUMER", "DELCONSUMER", "nosuch"), key)
	case "XREAD", "XREADGROUP":
	default:
		out = append(out, key)
	}
	for range r.IntN(9) {
		out = append(out, pick(r.Rand, "MAXLEN", "minid", "~", "=", "LIMIT", "NOMKSTREAM", "1-1", "5", "0", "x", "COUNT", "STREAMS", "STREAMS", "GROUP", "NOACK", ">", "g", "Alice", key, "IDLE",
			"TIME", "FORCE", "JUSTID", "LASTID", "RETRYCOUNT", "-", "MKSTREAM", "ENTRIESREAD", "FULL", "ENTRIESADDED", "MAXDELETEDID", ""))
	}
	return out
}

func (r *streamRandom) command() []string {
	key := r.key()
	switch name := pick(r.Rand, "XADD", "XADD", "XADD", "XADD", "XADD", "XDEL", "XTRIM", "XLEN", "XRANGE", "XREVRANGE", "XREAD", "XREADGROUP", "XREADGROUP", "XREADGROUP", "XACK",
		"XPENDING", "XPENDING", "XCLAIM", "XCLAIM", "XAUTOCLAIM", "XINFO", "XINFO", "XGROUP", "XGROUP", "XSETID", "RARE", "WORDS"); name {
	case "WORDS":
		return r.words(key)
	case "XADD":
		return r.add(key)
	case "XDEL":
		return append([]string{name, key}, r.ids()...)
	case "XTRIM":
		return append([]string{name, key}, r.trim()...)
	case "XRANGE":
		return append([]string{name, key, r.bound("-"), r.bound("+")}, r.count()...)
	case "XREVRANGE":
		return append([]string{name, key, r.bound("+"), r.bound("-")}, r.count()...)
	case "XREAD":
		return r.read(false)
	case "XREADGROUP":
		return r.read(true)
	case "XACK":
		return append([]string{name, key, r.group()}, r.ids()...)
	case "XPENDING":
		return r.pending(key)
	case "XCLAIM":
		return r.claim(key)
	case "XAUTOCLAIM":
		return append(append([]string{name, key, r.group(), r.consumer(), pick(r.Rand, "0", "1000000000000", pick(r.Rand, "0", "x")), r.bound("-")}, r.count()...), []string{"JUSTID"}[:r.IntN(2)]...)
	case "XINFO":
		return r.xinfo(key)
	case "XGROUP":
		return r.xgroup(key)
	case "XSETID":
		r.ms += 2 // 7.0 lets one be set that is less than that of what was deleted
		return append([]string{name, key, pick(r.Rand, fmt.Sprint(r.ms), fmt.Sprint(r.ms), "x", "-", "+")}, [][]string{nil, {"ENTRIESADDED", pick(r.Rand, "100", "1", "-1", "x")}, {"MAXDELETEDID", r.id()}, {"NOSUCH"}}[r.IntN(4)]...)
	case "RARE":
		return [][]string{{"EXISTS", key}, {"DEL", pick(r.Rand, key, "s3")}, {"COPY", "s0", pick(r.Rand, "s2", "s3"), "REPLACE"}, {"OBJECT", "ENCODING", key}, {"TYPE", key}, {"RENAME", pick(r.Rand, "s1", "s2"), "s3"}}[min(r.IntN(20), r.IntN(6))]
	default:
		return []string{name, key}
	}
}

// Fields of XINFO that are the clock's, or that 7.0 does not have or tells otherwise.
var streamClockFields = []string{"idle", "inactive", "seen-time", "active-time", "entries-read", "lag"}

// streamReply is a reply as it is compared: without fields that are not to be compared, and of times only whether they are of this century.
func streamReply(args []string, v resp.Value) string {
	const longAgo = 100_000_000_000
	name := strings.ToUpper(args[0])
	if unbalanced(args) && (v.Kind == resp.KindError) {
		return "an error"
	}
	var clean func(v *resp.Value)
	clean = func(v *resp.Value) {
		if v.Kind == resp.KindInt && v.Int > longAgo {
			v.Int = longAgo
		}
		if name == "XPENDING" && len(v.Elems) == 4 && v.Elems[0].Kind == resp.KindBulk && v.Elems[2].Kind == resp.KindInt && v.Elems[2].Int < longAgo {
			v.Elems[2].Int = 0
		}
		var left []resp.Value
		for i := 0; i < len(v.Elems); i++ {
			if name == "XINFO" && v.Elems[i].Kind == resp.KindBulk && slices.Contains(streamClockFields, string(v.Elems[i].Str)) {
				i++
				continue
			}
			if e := &v.Elems[i]; name != "XINFO" || !idleConsumer(e) {
				clean(e)
				left = append(left, *e)
			}
		}
		v.Elems = left
	}
	switch {
	case name == "XINFO" && len(v.Elems) > 0 && strings.EqualFold(args[1], "GROUPS"):
		for i := range v.Elems {
			v.Elems[i].Elems[3] = resp.Value{} // consumers
		}
	case name == "XGROUP" && args[1] == "CREATECONSUMER" && v.Kind == resp.KindInt:
		return "made or not"
	}
	clean(&v)
	return enginetest.Show(v)
}

// idleConsumer tells whether a part of XINFO's reply is a consumer that nothing is pending for: XREADGROUP, XCLAIM and XAUTOCLAIM make it in any case since 7.2.
func idleConsumer(v *resp.Value) bool {
	n := len(v.Elems)
	for i := 0; i+1 < n; i += 2 {
		switch string(v.Elems[i].Str) {
		case "seen-time":
			return v.Elems[n-3].Kind == resp.KindInt && v.Elems[n-3].Int == 0
		case "idle":
			return v.Elems[3].Int == 0
		}
	}
	return false
}

// TestStreamsAsRedis runs the same random commands here and on a real server, with nodes so small that streams have many.
func TestStreamsAsRedis(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		s := enginetest.New(t, enginetest.Start)
		c, real := s.Client(), enginetest.StartRedis(t).Dial()
		real.Raw(smallStreams(s.Engine.Space)...)
		c.Do("SET str x")
		real.Value("SET", "str", "x")
		r := newStreamRandom(71)
		good, all := map[string]int{}, map[string]int{}
		asRedis(t, proto, c, real, 30_000, r.command, streamReply, func(args []string, said string) {
			r.met(args, said)
			if all[args[0]]++; said[0] != '-' && said != "nil" && said != "[]" && said != "0" {
				good[args[0]]++
			}
		})
		for name, n := range all {
			if good[name]*20 < n {
				t.Errorf("RESP%s: of %d %s only %d did something", proto, n, name, good[name])
			}
		}
	}
}

// TestStreamsPropagated: what of streams' commands is journaled, and which events they have.
func TestStreamsPropagated(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	smallStreams(s.Engine.Space)
	c := s.Client()
	now := fmt.Sprint(enginetest.Start.UnixMilli())
	for _, step := range []effect{
		{"XADD s NOMKSTREAM * a 1", "", ""},
		{"XADD s 0-0 a 1", "", ""},
		{"XADD s 1-1 a 1", "XADD s 1-1 a 1", "t xadd 0 s"},
		{"XADD s 1-* a 1", "XADD s 1-2 a 1", "t xadd 0 s"},
		{"XADD s MAXLEN ~ 100 2 a 1", "XADD s MAXLEN = 3 2 a 1", "t xadd 0 s"},
		{"XADD s 3 a 1", "XADD s 3 a 1", "t xadd 0 s"},
		{"XADD s MINID ~ 3-* 4 a 1", "", ""},
		{"XADD s MAXLEN ~ 1 LIMIT 10 4-* a 1", "XADD s MAXLEN = 1 LIMIT 10 4-0 a 1", "t xadd 0 s,t xtrim 0 s"},
		{"XADD s MAXLEN 1 5 a 1", "XADD s MAXLEN 1 5 a 1", "t xadd 0 s,t xtrim 0 s"},
		{"XADD s MINID ~ 5 6 a 1", "XADD s MINID = 5-0 6 a 1", "t xadd 0 s"},
		{"XTRIM s MINID ~ 5", "", ""},
		{"XTRIM s MAXLEN 5", "", ""},
		{"XTRIM s MAXLEN ~ 0", "XTRIM s MAXLEN = 0", "t xtrim 0 s"},
		{"XADD s * a 1", "XADD s " + now + "-0 a 1", "t xadd 0 s"},
		{"XADD s * a 1", "XADD s " + now + "-1 a 1", "t xadd 0 s"},
		{"XTRIM s MINID ~ +", "", ""},
		{"XTRIM s MINID ~ 99999999999999", "XTRIM s MINID = 18446744073709551615-18446744073709551615", "t xtrim 0 s"},
		{"XSETID s 99999999999999", "XSETID s 99999999999999", "t xsetid 0 s"},
		{"XADD s * a 1", "XADD s 99999999999999-1 a 1", "t xadd 0 s"},
		{"XDEL s 1 2", "", ""},
		{"XDEL s 1 99999999999999-1", "XDEL s 1 99999999999999-1", "t xdel 0 s"},
		{"XGROUP CREATE s g $", "XGROUP CREATE s g $", "t xgroup-create 0 s"},
		{"XGROUP CREATE s g $", "", ""},
		{"XGROUP CREATE new g $ MKSTREAM", "XGROUP CREATE new g $ MKSTREAM", "t xgroup-create 0 new"},
		{"XGROUP CREATECONSUMER s g A", "XGROUP CREATECONSUMER s g A", "t xgroup-createconsumer 0 s"},
		{"XGROUP CREATECONSUMER s g A", "", ""},
		{"XGROUP DELCONSUMER s g A", "XGROUP DELCONSUMER s g A", "t xgroup-delconsumer 0 s"},
		{"XGROUP DELCONSUMER s g A", "", ""},
		{"XGROUP SETID s g 0 ENTRIESREAD 3", "XGROUP SETID s g 0 ENTRIESREAD 3", "t xgroup-setid 0 s"},
		{"XGROUP DESTROY s g", "XGROUP DESTROY s g", "t xgroup-destroy 0 s"},
		{"XGROUP DESTROY s g", "", ""},
	} {
		step.check(t, s, c)
	}
}

// TestStreamGroupsPropagated: what is delivered is journaled as what came of it, so that it can be done twice.
func TestStreamGroupsPropagated(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	now := enginetest.Start.UnixMilli()
	claim := func(consumer, id string, deliveries, age int64, last string) string {
		return fmt.Sprintf("XCLAIM s g %s 0 %s TIME %d RETRYCOUNT %d FORCE JUSTID LASTID %s", consumer, id, now-age, deliveries, last)
	}
	const made = "t xgroup-createconsumer 0 s"
	for _, line := range []string{"XADD s 1-0 a 1", "XADD s 2-0 a 1", "XADD s 3-0 a 1", "XADD s 4-0 a 1", "XGROUP CREATE s g 0 ENTRIESREAD 0"} {
		c.Do(line)
	}
	multi := func(lines ...string) string {
		return strings.Join(slices.Concat([]string{"MULTI"}, lines, []string{"EXEC"}), ",")
	}
	for _, step := range []effect{
		{"XREADGROUP GROUP g A COUNT 2 STREAMS s >", multi(claim("A", "1-0", 1, 0, "1-0"), claim("A", "2-0", 1, 0, "2-0"), "XGROUP SETID s g 2-0 ENTRIESREAD 2"), made},
		{"XREADGROUP GROUP g B COUNT 1 NOACK STREAMS s >", multi("XGROUP CREATECONSUMER s g B", "XGROUP SETID s g 3-0 ENTRIESREAD 3"), made},
		{"XREADGROUP GROUP g A STREAMS s 0", "", ""},
		{"XREADGROUP GROUP g C STREAMS s 0", "", made},
		{"XREADGROUP GROUP g A STREAMS s nonsense", "", ""},
		{"XCLAIM s g B 0 01-0", claim("B", "01-0", 3, 0, "3-0"), ""},
		{"XCLAIM s g B 10 1-0", "", ""},
		{"XCLAIM s g B 0 1-0 JUSTID IDLE 1000 LASTID 2-0", claim("B", "1-0", 3, 1000, "3-0"), ""},
		{"XCLAIM s g B 0 4-0", "", ""},
		{"XCLAIM s g B 0 9-0 FORCE", "", ""},
		{"XCLAIM s g B 0 9-0 LASTID 3-5", "XGROUP SETID s g 3-5 ENTRIESREAD 3", ""},
		{"XCLAIM s g D 0 4-0 FORCE RETRYCOUNT 7 LASTID 4-0", claim("D", "4-0", 7, 0, "4-0"), made},
		{"XDEL s 1-0", "XDEL s 1-0", "t xdel 0 s"},
		{"XCLAIM s g A 0 1-0", claim("B", "1-0", 3, 1000, "4-0"), ""},
		{"XDEL s 2-0", "XDEL s 2-0", "t xdel 0 s"},
		{"XAUTOCLAIM s g E 0 0", multi(claim("A", "2-0", 2, 0, "4-0"), claim("E", "4-0", 8, 0, "4-0")), made},
		{"XAUTOCLAIM s g E 5 0 JUSTID", "", ""},
		{"XACK s g 1-0 2-0", "", ""},
		{"XACK s g 4-0 4-0", "XACK s g 4-0 4-0", ""},
	} {
		if got := step.check(t, s, c); got[0] == '-' && !strings.Contains(step.line, "nonsense") {
			t.Errorf("%s: %s", step.line, got)
		}
	}
}

// TestStreamsReplicated: a replica that is told what is journaled has the same streams, groups and pending entries.
func TestStreamsReplicated(t *testing.T) {
	s, replica := enginetest.New(t, enginetest.Start), enginetest.New(t, enginetest.Start)
	smallStreams(s.Engine.Space) // and the replica has big nodes
	c, link, there := s.Client(), replica.Primary(), replica.Client()
	r := newStreamRandom(72)
	for range 20_000 {
		args := r.command()
		if at := slices.Index(args, "STREAMS"); args[0] == "XREADGROUP" && strings.Trim(strings.Join(args[at+1+(len(args)-at)/2:], ""), ">") != "" {
			continue // what is delivered once more is not told
		}
		if r.met(args, enginetest.Show(c.Value(args...))); r.IntN(50) > 0 {
			continue
		}
		for _, line := range s.Journal() {
			words, _ := resp.SplitArgs([]byte(line), nil)
			link.RawBytes(words)
		}
		for _, key := range []string{"s0", "s1", "s2", "s3"} {
			ours, theirs := replicated(c.Value("XINFO", "STREAM", key, "FULL", "COUNT", "0")), replicated(there.Value("XINFO", "STREAM", key, "FULL", "COUNT", "0"))
			if ours != theirs {
				t.Fatalf("after %q, %s\n primary %s\n replica %s", args, key, ours, theirs)
			}
		}
	}
}

// replicated writes XINFO STREAM FULL without what a replica is not told: how nodes are filled, when consumers were seen, and consumers that nothing is pending for.
func replicated(v resp.Value) string {
	var clean func(v *resp.Value)
	clean = func(v *resp.Value) {
		var left []resp.Value
		for i := 0; i < len(v.Elems); i++ {
			e := &v.Elems[i]
			if name := string(e.Str); e.Kind == resp.KindBulk && slices.Contains([]string{"radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time"}, name) {
				i++
				continue
			}
			if idleConsumer(e) {
				continue
			}
			clean(e)
			left = append(left, *e)
		}
		v.Elems = left
	}
	clean(&v)
	return enginetest.Show(v)
}

// TestStreamsSinceRedis70: what 7.2 and Valkey have, which the server that the others are compared with has not, and texts.
func TestStreamsSinceRedis70(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c := s.Client()
	for _, step := range [][2]string{
		{"XREAD STREAMS s +", "nil"},
		{"XGROUP CREATE s g $ MKSTREAM", "OK"},
		{"XREAD STREAMS s +", "-ERR the stream last element ID is 0-0"},
		{"XADD s 1-0 a 1", `"1-0"`}, {"XADD s 2-0 a 2", `"2-0"`},
		{"XREAD STREAMS s +", `[["s" [["2-0" ["a" "2"]]]]]`},
		{"XREAD COUNT 5 STREAMS none s 0 +", `[["s" [["2-0" ["a" "2"]]]]]`},
		{"XDEL s 2-0", "1"},
		{"XREAD STREAMS s +", "nil"},
		{"XREADGROUP GROUP g A STREAMS s +", "-ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set."},
		{"XREAD STREAMS s s 0", "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified."},
		{"XREADGROUP GROUP g A STREAMS s s 0", "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."},
		{"XREADGROUP GROUP STREAMS A COUNT 1 STREAMS s >", "-NOGROUP No such key 's' or consumer group 'STREAMS' in XREADGROUP with GROUP option"},
		{"XREADGROUP COUNT 1 GROUP g STREAMS STREAMS s >", `[["s" [["1-0" ["a" "1"]]]]]`},
		{"XINFO CONSUMERS s g", `[["name" "STREAMS" "pending" 1 "idle" 0 "inactive" 0]]`},
		{"XGROUP CREATECONSUMER s g B", "1"},
		{"XINFO CONSUMERS s g", `[["name" "B" "pending" 0 "idle" 0 "inactive" -1] ["name" "STREAMS" "pending" 1 "idle" 0 "inactive" 0]]`},
		{`XPENDING "a\x00b" "g\r\nh"`, "-NOGROUP No such key 'a' or consumer group 'g  h'"},
		{"xgroup setid s g 0 what", "-ERR unknown subcommand or wrong number of arguments for 'setid'. Try XGROUP HELP."},
		{"xinfo stream s what", "-ERR unknown subcommand or wrong number of arguments for 'stream'. Try XINFO HELP."},
	} {
		if got := c.Do(step[0]); got != step[1] {
			t.Errorf("%s: %s, want %s", step[0], got, step[1])
		}
	}
}

// TestStreamLag: how far a group has read, and how much it has not, through deletions, trimming and ids that were set. The values are Valkey's.
func TestStreamLag(t *testing.T) {
	c := enginetest.New(t, enginetest.Start).Client()
	for i := range 5 {
		c.Do(fmt.Sprintf("XADD s %d-0 a 1", i+1))
	}
	for _, step := range [][2]string{
		{"XGROUP CREATE s g 0", "nil 5"},
		{"XREADGROUP GROUP g A COUNT 1 STREAMS s >", "1 4"},
		{"XREADGROUP GROUP g A COUNT 1 STREAMS s >", "2 3"},
		{"XDEL s 1-0", "2 3"},
		{"XDEL s 4-0", "2 nil"},
		{"XREADGROUP GROUP g A COUNT 1 STREAMS s >", "nil nil"},
		{"XREADGROUP GROUP g A COUNT 1 STREAMS s >", "5 0"},
		{"XADD s 6-0 a 1", "5 1"},
		{"XGROUP SETID s g 3-0", "nil nil"},
		{"XGROUP SETID s g $", "nil 0"},
		{"XGROUP SETID s g 9-0", "nil nil"},
		{"XGROUP SETID s g 5-0 ENTRIESREAD 1", "1 5"},
		{"XTRIM s MAXLEN 1", "1 5"},
		{"XGROUP SETID s g 0", "nil 1"},
		{"XTRIM s MAXLEN 0", "nil 0"},
		{"XSETID s 7-0 ENTRIESADDED 0", "nil 0"},
	} {
		if got := c.Do(step[0]); got[0] == '-' {
			t.Fatalf("%s: %s", step[0], got)
		}
		g := c.Value("XINFO", "GROUPS", "s").Elems[0].Elems
		if got := enginetest.Show(g[9]) + " " + enginetest.Show(g[11]); got != step[1] {
			t.Errorf("after %s: %s, want %s", step[0], got, step[1])
		}
	}
}

// TestStreamsFreedLazily: a long stream that is unlinked is freed behind the scenes, and counted; a short one at once.
func TestStreamsFreedLazily(t *testing.T) {
	s := enginetest.New(t, enginetest.Start)
	c, cycle := s.Client(), s.Engine.NewCycle()
	used := s.Engine.Space.Arena().Used()
	for i := range 1000 {
		c.Do(fmt.Sprintf("XADD long %d foo bar", i+1))
	}
	for _, line := range []string{"XGROUP CREATE long g 0", "XREADGROUP GROUP g Alice STREAMS long >", "XDEL long 1", "XACK long g 2", "XADD short 1 a b", "XGROUP CREATE short g $",
		"XGROUP DESTROY short g", "UNLINK short", "SET a x", "SET b x"} {
		c.Do(line)
	}
	for i, want := range []uint64{0, 1, 3, 0} {
		c.Do([]string{"PING", "UNLINK long", "FLUSHALL", "PING"}[i])
		if i == 3 {
			s.Engine.ResetStats()
		}
		for cycle.Run(); cycle.Waiting() > 0; cycle.Run() {
		}
		if got := cycle.Freed(); got != want {
			t.Errorf("step %d: %d keys were freed in slices, want %d", i, got, want)
		}
	}
	if left := s.Engine.Space.Arena().Used() - used; left > 10_000 {
		t.Errorf("%d bytes are left", left)
	}
}
