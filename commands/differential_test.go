package commands_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/commands"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

var (
	seed   = flag.Uint64("seed", 20261121, "seed of the random commands")
	rounds = flag.Int("commands", 4000, "how many random commands each comparison runs")
)

// TestRandomCommandsAsRedis gives the same random commands, made from the declarations, to larder and to redis-server 7.0.15,
// and compares the bytes of the replies. Where the two differ on purpose, sameValue says so.
func TestRandomCommandsAsRedis(t *testing.T) {
	for proto := 2; proto <= 3; proto++ {
		t.Run("RESP"+strconv.Itoa(proto), func(t *testing.T) {
			start := time.Now()
			s := enginetest.New(t, start)
			c, real := s.Client(), enginetest.StartRedis(t).Dial()
			c.Value("HELLO", strconv.Itoa(proto))
			real.Value("HELLO", strconv.Itoa(proto))
			g, q := newGenerator(*seed, start), &comparison{t: t}
			done := map[string]bool{} // commands that did something
			for i := range *rounds {
				args := g.command()
				if passed := time.Since(start); passed > time.Duration(s.Clock.MonoNanos()) {
					s.Clock.Advance(passed - time.Duration(s.Clock.MonoNanos()))
				}
				ours, theirs := c.Raw(args...), real.Raw(args...)
				if !q.same(args, ours, theirs) {
					t.Fatalf("seed %d, command %d: %q\n  ours %q\ntheirs %q", *seed, i, args, ours, theirs)
				}
				if ours[0] != '-' {
					done[strings.ToLower(args[0])] = true
				}
			}
			for _, cmd := range g.cmds {
				if !done[cmd.Name] {
					t.Errorf("%s was never run without an error", cmd.Name)
				}
			}
			c.Raw("DISCARD")
			real.Raw("DISCARD")
			sameKeys(t, c, real)
		})
	}
}

// TestUnknownAsRedis: what is said of a command that does not exist quotes it, within bounds.
func TestUnknownAsRedis(t *testing.T) {
	c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
	long := strings.Repeat("x", 200)
	for _, args := range [][]string{{"nosuch"}, {"nosuch", "a", "b"}, {long, long}, {"nosuch", long[:60], long[:60], "c", "d"}, {"no\x00such", "a\x00b", ""},
		{"nosuch", "", "\r\n", long[:119], "d"}, {"OBJECT", "no\x00such", "k"}, {"OBJECT", long, "k"}, {"OBJECT"}} {
		if ours, theirs := c.Raw(args...), real.Raw(args...); !bytes.Equal(ours, theirs) {
			t.Errorf("%q:\n  ours %q\ntheirs %q", args, ours, theirs)
		}
	}
}

// sameKeys compares what is in the databases in the end.
func sameKeys(t *testing.T, c *enginetest.Client, real *enginetest.Peer) {
	t.Helper()
	for db := range databases {
		c.Value("SELECT", strconv.Itoa(db))
		real.Value("SELECT", strconv.Itoa(db))
		for k := range keyPool {
			for _, name := range []string{"GET", "STRLEN", "PEXPIRETIME"} {
				args := []string{name, keyName(k)}
				if ours, theirs := c.Raw(args...), real.Raw(args...); !(&comparison{t: t}).same(args, ours, theirs) {
					t.Errorf("database %d in the end: %q: ours %q, theirs %q", db, args, ours, theirs)
				}
			}
		}
	}
}

// nearly is by how much two points in time may differ, as the two servers read their clocks one after the other: so much that
// it only finds wrong units and wrong bases.
const nearly = time.Minute

// comparison goes through a run of commands; it knows what a transaction has queued.
type comparison struct {
	t      *testing.T
	queued [][]string
}

// same compares two replies to a command, as far as they must be the same.
func (q *comparison) same(args []string, ours, theirs []byte) bool {
	q.t.Helper()
	defer q.queue(args, ours)
	if bytes.Equal(ours, theirs) {
		return true
	}
	o, r := parse(q.t, ours), parse(q.t, theirs)
	if !strings.EqualFold(args[0], "EXEC") {
		return sameValue(args, o, r)
	}
	if len(o.Elems) != len(r.Elems) || len(o.Elems) != len(q.queued) {
		return false
	}
	for i := range o.Elems {
		if enginetest.Show(o.Elems[i]) != enginetest.Show(r.Elems[i]) && !sameValue(q.queued[i], o.Elems[i], r.Elems[i]) {
			q.t.Logf("in EXEC: %q", q.queued[i])
			return false
		}
	}
	return true
}

func (q *comparison) queue(args []string, reply []byte) {
	switch {
	case string(reply) == "+QUEUED\r\n":
		q.queued = append(q.queued, args)
	case strings.EqualFold(args[0], "EXEC"):
		q.queued = nil
	}
}

// sameValue compares replies that are not the same bytes.
func sameValue(args []string, o, r resp.Value) bool {
	switch strings.ToUpper(args[0]) {
	case "TTL", "EXPIRETIME":
		return near(o, r, int64(nearly/time.Second))
	case "PTTL", "PEXPIRETIME":
		return near(o, r, nearly.Milliseconds())
	case "KEYS":
		return sameSet(o, r)
	case "SCAN":
		if o.Kind == resp.KindArray && r.Kind == resp.KindArray {
			// Without a COUNT they come in parts, each server's own.
			return !slices.ContainsFunc(args, func(a string) bool { return strings.EqualFold(a, "COUNT") }) || sameSet(o.Elems[1], r.Elems[1])
		}
		// 7.2 refuses unknown types.
		return strings.HasPrefix(string(o.Str), "ERR unknown type name")
	case "RANDOMKEY":
		return o.Kind == r.Kind // which one is chance
	case "OBJECT":
		return sameObject(args[1], o, r)
	}
	return false
}

// sameObject compares what OBJECT says.
func sameObject(sub string, o, r resp.Value) bool {
	switch strings.ToUpper(sub) {
	case "IDLETIME":
		return near(o, r, int64(nearly/time.Second))
	case "REFCOUNT":
		return o.Kind == r.Kind && o.Int != 0 && r.Int != 0 // where 7.0.15 shares small integers, and arguments of EXEC, is its own matter
	case "ENCODING":
		return string(o.Str) == "int" && string(r.Str) == "embstr" // INCRBYFLOAT's sum, if it is an integer
	case "HELP":
		return o.Kind == r.Kind // ours are our own words
	}
	return false
}

func parse(t *testing.T, b []byte) resp.Value {
	t.Helper()
	v, err := resp.NewReader(bytes.NewReader(b)).ReadValue()
	if err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}

func near(o, r resp.Value, most int64) bool {
	return o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int >= 0 && r.Int >= 0 && max(o.Int-r.Int, r.Int-o.Int) <= most
}

func sameSet(o, r resp.Value) bool {
	words := func(v resp.Value) []string {
		var out []string
		for _, e := range v.Elems {
			out = append(out, string(e.Str))
		}
		slices.Sort(out)
		return out
	}
	return o.Kind == r.Kind && slices.Equal(words(o), words(r))
}

// keyPool is how many keys are used, in so many databases.
const (
	keyPool   = 8
	databases = 3
)

func keyName(i int) string { return fmt.Sprintf("key:%d", i) }

// generator makes random commands from the declarations.
type generator struct {
	*rand.Rand
	start time.Time
	cmds  []*spec.Command
	apart int64 // points in time are so far apart that it does not matter when exactly a server reads its clock
}

func newGenerator(seed uint64, start time.Time) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), start: start}
	for _, cmd := range commands.All() {
		if cmd.Name != "flushall" { // keys would hardly ever be there
			g.cmds = append(g.cmds, cmd)
		}
	}
	return g
}

func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func (g *generator) command() []string {
	switch g.IntN(60) {
	case 0:
		return []string{"SELECT", strconv.Itoa(g.IntN(databases))}
	case 1:
		return []string{"MULTI"}
	case 2, 3:
		return []string{"EXEC"}
	}
	cmd := g.cmds[g.IntN(len(g.cmds))]
	if cmd.Name == "flushdb" && !g.one(20) {
		cmd = g.cmds[0]
	}
	args := []string{g.word(cmd.Name)}
	if len(cmd.Sub) > 0 {
		cmd = cmd.Sub[g.IntN(len(cmd.Sub))]
		args = append(args, g.word(cmd.Name))
	}
	for i := range cmd.Args {
		args = g.arg(args, cmd, &cmd.Args[i])
	}
	return g.spoil(args)
}

// word writes a word in some case.
func (g *generator) word(s string) string {
	if g.one(4) {
		return strings.ToLower(s)
	}
	return strings.ToUpper(s)
}

// spoil now and then makes a command wrong.
func (g *generator) spoil(args []string) []string {
	if len(args) < 2 || !g.one(12) {
		return args
	}
	at := 1 + g.IntN(len(args)-1)
	switch g.IntN(4) {
	case 0:
		return slices.Delete(args, at, at+1)
	case 1:
		return slices.Insert(args, at, args[at])
	case 2:
		return append(args, []string{"NX", "XX", "GET", "EX", "KEEPTTL", "foo", "", "0"}[g.IntN(8)])
	}
	if !strings.EqualFold(args[0], "SCAN") && !timed(args, at) { // cursors are the server's own
		args[at] = g.value()
	}
	return args
}

// timed: a time that is spoiled might be near now, where the two clocks differ.
func timed(args []string, at int) bool {
	return strings.Contains(strings.ToUpper(args[0]), "EX") || at > 2
}

func (g *generator) arg(args []string, cmd *spec.Command, a *spec.Arg) []string {
	if a.Optional && !g.one(2) {
		return args
	}
	n := 1
	if a.Multiple {
		n += g.IntN(3)
	}
	for range n {
		if a.Token != "" {
			args = append(args, g.word(a.Token))
		}
		switch a.Type {
		case spec.TypePureToken:
		case spec.TypeOneOf:
			args = g.arg(args, cmd, &a.Sub[g.IntN(len(a.Sub))])
		case spec.TypeBlock:
			for i := range a.Sub {
				args = g.arg(args, cmd, &a.Sub[i])
			}
		default:
			args = append(args, g.simple(cmd, a))
		}
	}
	return args
}

func (g *generator) simple(cmd *spec.Command, a *spec.Arg) string {
	switch a.Type {
	case spec.TypeKey:
		return keyName(g.IntN(keyPool))
	case spec.TypePattern:
		return []string{"*", "key:*", "key:[1-3]", "k?y:[^1]", "", "x"}[g.IntN(6)]
	case spec.TypeDouble:
		return []string{"0.1", "1e3", "-2.75", "3", "1e-7", "nan", "inf", "x", " 1", "0x1p3", "1e400"}[g.IntN(11)]
	case spec.TypeInteger, spec.TypeUnixTime:
		return g.number(cmd, a.Name)
	case spec.TypeString:
		if a.Name == "type" {
			return []string{"string", "STRING", "list", "nosuch"}[g.IntN(4)]
		}
	}
	return g.value()
}

func (g *generator) number(cmd *spec.Command, name string) string {
	g.apart++
	later := 100_000 + 1000*g.apart // seconds
	switch name {
	case "cursor":
		return "0"
	case "count":
		return []string{"1000", "100000", "0", "-1", "x"}[g.IntN(5)]
	case "seconds":
		return g.orBad(strconv.FormatInt(later, 10), cmd)
	case "milliseconds":
		return g.orBad(strconv.FormatInt(later*1000+1, 10), cmd)
	case "unix-time-seconds":
		return g.orBad(strconv.FormatInt(g.start.Unix()+later+500, 10), cmd)
	case "unix-time-milliseconds":
		return g.orBad(strconv.FormatInt(g.start.UnixMilli()+later*1000+500_000, 10), cmd)
	case "offset":
		return []string{"0", "1", "5", "40", "300", "-1", "536870912", "9223372036854775807", "x"}[g.IntN(9)]
	}
	return []string{"0", "1", "-1", "3", "-5", "100", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.0", "", "+1", "01"}[g.IntN(13)]
}

// orBad gives a time, or now and then one that is over or is none. SET refuses times before 1970, and 7.0.15 keeps a key that it sets with a
// later one that is over until someone looks, so that it does not get any.
func (g *generator) orBad(good string, cmd *spec.Command) string {
	if !g.one(8) {
		return good
	}
	bad := []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "x", "", "1.5"}
	if strings.HasSuffix(cmd.Name, "expireat") {
		bad = append(bad, "1")
	}
	return bad[g.IntN(len(bad))]
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
	return []string{"007", "-0", "9223372036854775807", "-9223372036854775808", "abc", "3.0", "5e2"}[g.IntN(7)]
}
