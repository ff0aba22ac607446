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
	peer  *peer    // what the commands are also given to
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

func newGenerator(seed uint64, v *servers, k kind, dumps []string) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), start: v.start, cmds: v.drawn(), peer: v.peer, kind: k, dumps: dumps}
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
	viaScript := g.kind == scripts && !g.one(10) || g.kind == transactions && g.one(10)
	if viaScript && !cmd.Is(spec.NoScript) && !cmd.Is(spec.Blocking) {
		s.script = pick(g, viaLua...)
		if g.one(2) {
			s.declared = keysOf(cmd, s.args)
		}
	}
	return slices.Concat(g.before(s, cmd), act{s}, g.after(s, cmd))
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
			say("nosuchcommand", "x")
		case g.peer.release >= 800 && g.one(60): // since then they lose the transaction; before, they are only refused
			say(pick(g, "MULTI", "WATCH"), "x")
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
	var takes func(args []spec.Arg) bool
	takes = func(args []spec.Arg) bool {
		return slices.ContainsFunc(args, func(a spec.Arg) bool { return isTime(a.Name) || takes(a.Sub) })
	}
	return takes(cmd.Args)
}

// undrawn: the other server does not know the argument, or it stands for a time that is each server's own (the ID that XADD makes).
func (g *generator) undrawn(cmd *spec.Command, a *spec.Arg) bool {
	return a.Token != "" && !g.peer.takes(cmd, a.Token) || a.Type == spec.TypePureToken && a.Token == "*"
}

func (g *generator) arg(args []string, cmd *spec.Command, a *spec.Arg) []string {
	if a.Optional && (g.undrawn(cmd, a) || !g.one(2)) {
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
			some := slices.DeleteFunc(slices.Clone(a.Sub), func(a spec.Arg) bool { return g.undrawn(cmd, &a) })
			if len(some) == 0 { // its documentation names none of them
				some = a.Sub
			}
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
