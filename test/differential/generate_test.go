package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/larder-cache/larder/commands/spec"
)

// step is one command of one of two connections.
type step struct {
	conn int
	args []string
	// script is the source of the script that calls the command, with the keys that it declares; "" is the command as it is.
	script   string
	declared []string
}

// words are what is sent.
func (s step) words() []string {
	if s.script == "" {
		return s.args
	}
	return slices.Concat([]string{"EVAL", s.script, strconv.Itoa(len(s.declared))}, s.declared, s.args)
}

// act is steps that mean something only together: no command without what makes its outcome certain.
type act []step

// kind is how commands are given.
type kind int

const (
	plain kind = iota
	transactions
	scripts
)

func (k kind) String() string { return [...]string{"plain", "in MULTI", "through Lua"}[k] }

// Few keys in few databases, so that commands meet each other's.
const (
	keyPool   = 15
	databases = 3
)

func keyName(i int) string { return fmt.Sprintf("key:%d", i) }

// generator makes random commands by walking the grammar of their declarations.
type generator struct {
	*rand.Rand
	start time.Time
	cmds  []*spec.Command
	dumps []string // payloads for RESTORE
	kind  kind
	// focus are the commands that the present episode has most of: else no collection would grow.
	focus []*spec.Command
	// apart counts the points in time that were given. They are so far apart that it does not matter when exactly each server reads
	// its clock: which of two comes first is never in doubt.
	apart   int64
	late    bool   // the command being made sets an expiry that is over
	never   bool   // and it must not
	many    int    // how many keys the command being made says it has, 0 if it says nothing
	entries uint64 // of the streams: their IDs grow
}

func newGenerator(seed uint64, start time.Time, cmds []*spec.Command, k kind, dumps []string) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), start: start, cmds: cmds, kind: k, dumps: dumps}
}

func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// episode makes acts of n steps or a few more.
func (g *generator) episode(n int) (out []act, steps int) {
	g.apart, g.entries = 0, 0 // an idle time of more than 194 days is no time that either server knows
	group := g.cmds[g.IntN(len(g.cmds))].Group
	g.focus = slices.DeleteFunc(slices.Clone(g.cmds), func(c *spec.Command) bool { return c.Group != group })
	for steps < n {
		for _, a := range g.next() {
			out = append(out, a)
			steps += len(a)
		}
	}
	return out, steps
}

// next makes one command, or a transaction with all around it.
func (g *generator) next() []act {
	switch {
	case g.one(40):
		db := strconv.Itoa(g.IntN(databases))
		return []act{{{conn: g.IntN(2), args: []string{g.word("SELECT"), pick(g, db, db, db, db, "16", "-1", "x")}}}}
	case g.kind == transactions && g.one(3):
		return g.transaction()
	case g.one(100):
		return []act{{{conn: g.IntN(2), args: []string{pick(g, "EXEC", "DISCARD", "UNWATCH")}}}}
	}
	return []act{g.alone(g.IntN(2))}
}

// alone is a command outside of a transaction.
func (g *generator) alone(conn int) act {
	cmd := g.choose()
	for cmd.Is(spec.Blocking) && !g.one(4) { // they take time
		cmd = g.choose()
	}
	return g.act(conn, cmd)
}

// viaLua calls a command from a script.
var viaLua = []string{"return redis.pcall(unpack(ARGV))", "return redis.call(unpack(ARGV))", threeInLua}

const threeInLua = "redis.setresp(3) return redis.pcall(unpack(ARGV))"

// act makes a call of a command, with what has to come before and after it.
func (g *generator) act(conn int, cmd *spec.Command) act {
	g.late, g.many = false, 0
	s := step{conn: conn, args: g.call(cmd)}
	if g.kind == scripts && !cmd.Is(spec.NoScript) && !cmd.Is(spec.Blocking) && !g.one(10) {
		s.script = pick(g, viaLua...)
		if g.one(2) {
			s.declared = keysOf(cmd, s.args)
		}
	}
	a := g.before(s, cmd)
	a = append(a, s)
	switch keys := keysOf(cmd, s.args); {
	case g.late: // redis-server 7.0.15 keeps what SET gave an expiry that is over until somebody looks
		a = append(a, step{conn: conn, args: []string{"EXISTS", s.args[min(1, len(s.args)-1)]}})
	case cmd.Name == "spop" && len(s.args) > 1: // which members are left is chance
		a = append(a, step{conn: conn, args: []string{"DEL", s.args[1]}})
	case has(s.args, "STOREDIST") && len(keys) > 0: // sines differ by a bit
		a = append(a, step{conn: conn, args: append([]string{"DEL"}, keys...)})
	}
	return a
}

// mostPlace is beyond the score of every place: 52 bits.
const mostPlace = "4503599627370496"

// before makes the outcome of ranges by name certain: it is, where all scores are the same. And since 7.2 consumers are made whether there
// is something for them or not.
func (g *generator) before(s step, cmd *spec.Command) act {
	switch {
	case cmd.Name == "xsetid" && len(s.args) > 1: // 7.2 looks at what was deleted before
		return act{{conn: s.conn, args: []string{"DEL", s.args[1]}}, {conn: s.conn, args: []string{"XADD", s.args[1], g.id(), "f1", "x"}}}
	case strings.HasSuffix(cmd.Name, "claim") && len(s.args) > 3:
		return act{{conn: s.conn, args: slices.Concat([]string{"XGROUP", "CREATECONSUMER"}, s.args[1:4])}}
	case cmd.Name == "xreadgroup" && len(s.args) > 3:
		return consumers(s, cmd)
	}
	keys := keysOf(cmd, s.args)
	if cmd.Group == spec.Geo && cmd.Name != "geoadd" && len(keys) > 0 { // where a score lies that is no place, nobody knows
		key := keys[0]
		if cmd.Name == "geosearchstore" {
			key = keys[len(keys)-1]
		}
		return act{{conn: s.conn, args: []string{"ZREMRANGEBYSCORE", key, "-inf", "(0"}}, {conn: s.conn, args: []string{"ZREMRANGEBYSCORE", key, mostPlace, "inf"}}}
	}
	if len(keys) == 0 || !strings.Contains(cmd.Name, "lex") && !has(s.args, "BYLEX") {
		return nil
	}
	key := keys[len(keys)-1]
	score := pick(g, "0", "0", "-1.5", "inf")
	add := []string{"ZADD", key}
	for range 1 + g.IntN(9) {
		add = append(add, score, g.member())
	}
	distinct("zadd", add)
	return act{{conn: s.conn, args: []string{"DEL", key}}, {conn: s.conn, args: add}}
}

func without(words []string, word string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}

// consumers makes those that an XREADGROUP names.
func consumers(s step, cmd *spec.Command) (out act) {
	at := slices.IndexFunc(s.args, func(w string) bool { return strings.EqualFold(w, "GROUP") })
	if at < 0 || at+2 >= len(s.args) {
		return nil
	}
	for _, key := range keysOf(cmd, s.args) {
		out = append(out, step{conn: s.conn, args: []string{"XGROUP", "CREATECONSUMER", key, s.args[at+1], s.args[at+2]}})
	}
	return out
}

// has tells whether a word is among some, in any case.
func has(words []string, word string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}

// keysOf are a call's keys, none if they cannot be told.
func keysOf(cmd *spec.Command, args []string) (out []string) {
	words := make([][]byte, len(args))
	for i, a := range args {
		words[i] = []byte(a)
	}
	at, err := cmd.Positions(nil, words)
	if err != nil {
		return nil
	}
	for _, k := range at {
		out = append(out, args[k.Arg])
	}
	return out
}

func (g *generator) transaction() (out []act) {
	say := func(words ...string) { out = append(out, act{{conn: 0, args: words}}) }
	other := func() {
		if g.one(3) {
			out = append(out, g.alone(1))
		}
	}
	g.never = true // its commands are not to set expiries that are over: nobody can look in between
	defer func() { g.never = false }()
	if g.one(2) {
		watch := []string{"WATCH", keyName(g.IntN(keyPool))}
		if g.one(2) {
			watch = append(watch, keyName(g.IntN(keyPool)))
		}
		say(watch...)
		other()
	}
	say(g.word("MULTI"))
	for range g.IntN(6) {
		switch {
		case g.one(60):
			// MULTI and WATCH in here lose the transaction since Valkey 8; redis-server 7.0 only refuses them.
			say("nosuchcommand", "x")
		case g.one(30):
			say("SELECT", strconv.Itoa(g.IntN(databases)))
		default:
			out = append(out, g.act(0, g.choose()))
		}
		other()
	}
	say(pick(g, "EXEC", "exec", "Exec", "EXEC", "EXEC", "EXEC", "EXEC", "DISCARD"))
	return out
}

// rarely are commands that leave so little behind that others would find nothing.
func rarely(name string) bool { return name == "flushdb" || name == "flushall" }

func (g *generator) choose() *spec.Command {
	from := g.cmds
	if !g.one(3) {
		from = g.focus
	}
	cmd := from[g.IntN(len(from))]
	for rarely(cmd.Name) && !g.one(20) {
		cmd = from[g.IntN(len(from))]
	}
	return cmd
}

// call is a call of a command, right or wrong.
func (g *generator) call(cmd *spec.Command) (args []string) {
	if p := cmd.Parent(); p != nil {
		args = append(args, g.word(p.Name))
	}
	args = append(args, g.word(cmd.Name))
	free := len(args)
	for i := range cmd.Args {
		args = g.arg(args, cmd, &cmd.Args[i])
	}
	args = g.spoil(args, free, cmd)
	return g.agreed(args, cmd)
}

// givers are commands that give several members: where the last one stands, counted from the end, how far they are apart, and the least
// place of one.
var givers = map[string][3]int{"sadd": {1, 1, 2}, "hset": {2, 2, 2}, "hmset": {2, 2, 2}, "zadd": {1, 2, 3}, "geoadd": {1, 3, 4}}

// distinct makes the members of a call differ if they are many: 7.2 takes their number for how big the collection will be.
func distinct(name string, args []string) {
	end, apart, least := givers[name][0], givers[name][1], givers[name][2]
	if end == 0 || len(args)-least <= apart*smallest {
		return
	}
	seen := map[string]bool{}
	for i := len(args) - end; i >= least; i -= apart {
		if seen[args[i]] {
			args[i] = strconv.Itoa(100 + i)
		}
		seen[args[i]] = true
	}
}

// agreed changes what one server takes and the other does not, where that would end the transaction on one side, or say in a script
// another thing.
func (g *generator) agreed(args []string, cmd *spec.Command) []string {
	long := func(w string) bool { return len(w) > longest }
	if givers[cmd.Name][0] > 0 && (len(args) > 2*smallest || slices.ContainsFunc(args, long)) { // 7.2 reckons with what XX keeps out
		args = without(args, "XX")
	}
	distinct(cmd.Name, args)
	if has(args, "STORE") && has(args, "BY") { // the order may be left as it was
		args = without(args, "ALPHA")
	}
	if cmd.Name == "lrem" { // 7.2 refuses the lowest of all numbers, which has no opposite
		args = without(args, "-9223372036854775808")
	}
	switch p := cmd.Parent(); {
	case g.kind == plain:
	case p != nil && p.Name == "command" && len(args) == 3:
		return append(args, "x") // 7.2
	case strings.HasSuffix(cmd.Name, "rank") && len(args) > 3:
		return args[:3] // WITHSCORE
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
	if !g.one(12) {
		return args
	}
	if len(args) == free {
		return append(args, pick(g, "", "x", "0"))
	}
	at := free + g.IntN(len(args)-free)
	how := g.IntN(5)
	if cmd.Is(spec.Blocking) {
		how %= 2 // other words might be a long timeout
	}
	switch how {
	case 0:
		return slices.Delete(args, at, at+1)
	case 1:
		return args[:at]
	case 2:
		return slices.Insert(args, at, args[at])
	case 3:
		return append(args, pick(g, "NX", "XX", "GT", "GET", "EX", "KEEPTTL", "REPLACE", "ABSTTL", "LEN", "WITHSCORES", "LIMIT", "COUNT", "LEFT", "foo", "", "0"))
	}
	if !strings.HasSuffix(cmd.Name, "scan") && !timed(cmd) { // cursors are each server's own; and a time by chance may be near now
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

// undrawn: redis-server 7.0.15 does not know the argument; or it takes a time by chance (an ID that XADD makes), or two words that
// need not agree.
func undrawn(a *spec.Arg) bool {
	switch a.Token {
	case "NOVALUES", "NOSCORES", "WITHSCORE", "*":
		return a.Type == spec.TypePureToken
	}
	return a.Since > "7.1"
}

func (g *generator) arg(args []string, cmd *spec.Command, a *spec.Arg) []string {
	if a.Optional && (undrawn(a) || !g.one(2)) {
		return args
	}
	n := g.times(cmd, a)
	for i := range n {
		if a.Token != "" && (i == 0 || a.MultipleToken || a.Type == spec.TypePureToken) {
			args = append(args, g.word(a.Token))
		}
		switch a.Type {
		case spec.TypePureToken:
		case spec.TypeOneOf:
			some := slices.DeleteFunc(slices.Clone(a.Sub), func(a spec.Arg) bool { return undrawn(&a) })
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

// times is how often an argument stands there.
func (g *generator) times(cmd *spec.Command, a *spec.Arg) int {
	if !a.Multiple {
		return 1
	}
	counted := a.Type == spec.TypeKey || a.Name == "weight" || a.Name == "ID" && strings.HasPrefix(cmd.Name, "xread")
	if g.many > 0 && counted && !g.one(20) {
		return g.many
	}
	n := 1 + g.IntN(3)
	switch {
	case a.Type == spec.TypeKey:
		g.many = n // XREAD's IDs are as many
	case g.one(400):
		n += 150 // beyond what is packed, in many types
	case g.one(12):
		n += g.IntN(10)
	}
	return n
}
