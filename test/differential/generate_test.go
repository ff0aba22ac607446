package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/persist/rdb"
)

// step is one command of one of two connections.
type step struct {
	conn int
	args []string
}

// Few keys in few databases, so that commands meet each other's.
const (
	keyPool   = 8
	databases = 3
)

func keyName(i int) string { return fmt.Sprintf("key:%d", i) }

// generator makes random commands by walking the grammar of their declarations.
type generator struct {
	*rand.Rand
	start time.Time
	cmds  []*spec.Command
	multi bool
	// apart counts the points in time that were given. They are so far apart that it does not matter when exactly each server reads
	// its clock: which of two comes first is never in doubt.
	apart int64
	late  string // the key that the command being made sets with an expiry that is over
}

func newGenerator(seed uint64, start time.Time, cmds []*spec.Command, multi bool) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), start: start, cmds: cmds, multi: multi}
}

func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// next makes what belongs together: one command, or a transaction with all around it.
func (g *generator) next() []step {
	switch {
	case g.one(40):
		return []step{{g.IntN(2), []string{g.word("SELECT"), pick(g, strconv.Itoa(g.IntN(databases)), strconv.Itoa(g.IntN(databases)), "16", "-1", "x")}}}
	case g.multi && g.one(3):
		return g.transaction()
	case g.one(100):
		return []step{{g.IntN(2), []string{pick(g, "EXEC", "DISCARD", "UNWATCH")}}}
	}
	return g.alone()
}

// alone is a command outside of a transaction. What SET gave an expiry that is over, redis-server 7.0.15 keeps until somebody looks.
func (g *generator) alone() []step {
	g.late = ""
	s := step{g.IntN(2), g.command()}
	if g.late == "" {
		return []step{s}
	}
	return []step{s, {s.conn, []string{"EXISTS", s.args[min(1, len(s.args)-1)]}}}
}

func (g *generator) transaction() (out []step) {
	other := func() {
		if g.one(3) {
			out = append(out, step{1, g.command()})
		}
	}
	g.late = "none" // its commands are not to set expiries that are over: nobody can look in between
	defer func() { g.late = "" }()
	if g.one(2) {
		watch := []string{"WATCH", keyName(g.IntN(keyPool))}
		if g.one(2) {
			watch = append(watch, keyName(g.IntN(keyPool)))
		}
		out = append(out, step{0, watch})
		other()
	}
	out = append(out, step{0, []string{g.word("MULTI")}})
	for range g.IntN(6) {
		switch {
		case g.one(60):
			// MULTI and WATCH in here lose the transaction since Valkey 8; redis-server 7.0 only refuses them.
			out = append(out, step{0, []string{"nosuchcommand", "x"}})
		case g.one(30):
			out = append(out, step{0, []string{"SELECT", strconv.Itoa(g.IntN(databases))}})
		default:
			out = append(out, step{0, g.command()})
		}
		other()
	}
	return append(out, step{0, []string{pick(g, "EXEC", "exec", "Exec", "EXEC", "EXEC", "EXEC", "EXEC", "DISCARD")}})
}

// rarely are commands that leave so little behind that others would find nothing.
func rarely(name string) bool { return name == "flushdb" || name == "flushall" }

func (g *generator) command() []string {
	cmd := g.cmds[g.IntN(len(g.cmds))]
	for rarely(cmd.Name) && !g.one(20) {
		cmd = g.cmds[g.IntN(len(g.cmds))]
	}
	var args []string
	if p := cmd.Parent(); p != nil {
		args = append(args, g.word(p.Name))
	}
	args = append(args, g.word(cmd.Name))
	free := len(args)
	for i := range cmd.Args {
		args = g.arg(args, cmd, &cmd.Args[i])
	}
	args = g.spoil(args, free, cmd)
	if p := cmd.Parent(); p != nil && p.Name == "command" && len(args) == 3 && g.late == "none" {
		args = append(args, "x") // what only 7.2 takes would end the transaction on one side
	}
	return args
}

// word writes a word in some case.
func (g *generator) word(s string) string {
	if g.one(4) {
		return strings.ToLower(s)
	}
	return strings.ToUpper(s)
}

// spoil now and then makes a command wrong.
func (g *generator) spoil(args []string, free int, cmd *spec.Command) []string {
	if !g.one(10) {
		return args
	}
	if len(args) == free {
		return append(args, pick(g, "", "x", "0"))
	}
	at := free + g.IntN(len(args)-free)
	switch g.IntN(5) {
	case 0:
		return slices.Delete(args, at, at+1)
	case 1:
		return slices.Insert(args, at, args[at])
	case 2:
		return append(args, pick(g, "NX", "XX", "GT", "GET", "EX", "KEEPTTL", "REPLACE", "ABSTTL", "LEN", "foo", "", "0"))
	case 3:
		return args[:at]
	}
	if cmd.Name != "scan" && !timed(cmd) { // cursors are each server's own; and a time by chance may be near now
		args[at] = g.value()
	}
	return args
}

// timed: the command takes times.
func timed(cmd *spec.Command) bool {
	var has func(args []spec.Arg) bool
	has = func(args []spec.Arg) bool {
		return slices.ContainsFunc(args, func(a spec.Arg) bool { return isTime(a.Name) || has(a.Sub) })
	}
	return has(cmd.Args)
}

func (g *generator) arg(args []string, cmd *spec.Command, a *spec.Arg) []string {
	if a.Optional && !g.one(2) {
		return args
	}
	n := 1
	if a.Multiple {
		n += g.IntN(3)
	}
	for i := range n {
		if a.Token != "" && (i == 0 || a.MultipleToken || a.Type == spec.TypePureToken) {
			args = append(args, g.word(a.Token))
		}
		switch a.Type {
		case spec.TypePureToken:
		case spec.TypeOneOf:
			some := slices.DeleteFunc(slices.Clone(a.Sub), func(a spec.Arg) bool { return a.Since > "7.1" }) // what both servers know
			args = g.arg(args, cmd, &some[g.IntN(len(some))])
		case spec.TypeBlock:
			for i := range a.Sub {
				args = g.arg(args, cmd, &a.Sub[i])
			}
		default:
			args = append(args, g.simple(args, cmd, a))
		}
	}
	return args
}

func (g *generator) simple(args []string, cmd *spec.Command, a *spec.Arg) string {
	switch a.Type {
	case spec.TypeKey:
		if cmd.Group == spec.HyperLogLog && !g.one(6) {
			return keyName(keyPool - 1 - g.IntN(2)) // else few would find what others of them left
		}
		return keyName(g.IntN(keyPool))
	case spec.TypePattern:
		return pick(g, "*", "key:*", "key:[1-3]", "k?y:[^1]", "", "x", "key:\\1", "[", "key:[", "*[0-9]")
	case spec.TypeDouble:
		return pick(g, "0.1", "1e3", "-2.75", "3", "1e-7", "nan", "inf", "-inf", "x", " 1", "0x1p3", "1e400", "", "1.", ".5", "-0", "1e17", "123456789.123456789")
	case spec.TypeInteger, spec.TypeUnixTime:
		return g.number(args, cmd, a.Name)
	}
	switch a.Name {
	case "type":
		return pick(g, "string", "STRING", "list", "hash", "nosuch")
	case "encoding":
		return pick(g, "u8", "i8", "u1", "i1", "i64", "u63", "u64", "i65", "i0", "u5", "i13", "U8", "8", "")
	case "subcommand":
		return pick(g, "GETREG", "decode", "ENCODING", "todense", "nosuch")
	case "serialized-value":
		return pick(g, dumps...)
	case "username", "password", "connection-name":
		return pick(g, "name", "", "two words", "x\n")
	}
	return g.value()
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
	if isTime(name) {
		return g.time(args, cmd, name)
	}
	if cmd.Group == spec.Bitmap && name == "offset" {
		return pick(g, "0", "1", "7", "8", "63", "300", "8191", "8200", "-1", "4294967296", "9223372036854775807", "x", "#0", "#3", "#x", "#9223372036854775807")
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
	case g.late == "" && g.one(2):
		g.late = args[1]
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

// dumps are payloads of DUMP that both servers read, and what is none.
var dumps = append(payloads("hello", "12", "70000", "-1", "", strings.Repeat("packed", 100)), "", "\x00\x05hello", strings.Repeat("x", 20))

// payloads writes strings as redis-server 7.0.15 does.
func payloads(values ...string) (out []string) {
	for _, v := range values {
		b, err := rdb.DumpValue(rdb.Value{Type: rdb.TypeString, String: []byte(v)}, rdb.WriterOptions{Version: 10, Compress: true})
		if err != nil {
			panic(err) // a string has a payload in every version
		}
		out = append(out, string(b))
	}
	return out
}
