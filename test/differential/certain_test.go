package differential

import (
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/commands/spec"
)

// What makes the outcome of a call certain, and what it leaves behind the same on both servers: commands that come before and after it, and
// changes of its words.

// also is another command of the same connection.
func (s step) also(args ...string) step { return step{conn: s.conn, args: args} }

// before is what has to come before a call.
func (g *generator) before(s step, cmd *spec.Command) act {
	keys := keysOf(cmd, s.args)
	if len(keys) == 0 {
		return nil
	}
	old := g.peer.release < 702
	switch {
	case old && cmd.Name == "xsetid": // 7.2 looks at what was deleted before
		return act{s.also("DEL", keys[0]), s.also("XADD", keys[0], g.id(), "f1", "x")}
	case old && strings.HasSuffix(cmd.Name, "claim") && len(s.args) > 3:
		return act{s.also("XGROUP", "CREATECONSUMER", keys[0], s.args[2], s.args[3])}
	case old && cmd.Name == "xreadgroup":
		return consumers(s, keys)
	case strings.HasPrefix(cmd.Name, "sort"): // redis-server takes an errno that another command left for SORT's own; ZADD clears it
		return act{s.also("ZADD", keys[0], "XX", "1", "x")}
	case cmd.Group == spec.Geo && cmd.Name != "geoadd":
		return placesOnly(s, keys)
	case strings.Contains(cmd.Name, "lex") || has(s.args, "BYLEX"):
		return g.oneScore(s, keys[len(keys)-1])
	}
	return nil
}

// after is what has to come after a call.
func (g *generator) after(s step, cmd *spec.Command) act {
	keys := keysOf(cmd, s.args)
	switch {
	case g.late && g.peer.release < 800: // redis-server 7.0.15 keeps what SET gave an expiry that is over until somebody looks
		return act{s.also("EXISTS", s.args[min(1, len(s.args)-1)])}
	case cmd.Name == "spop" && len(keys) > 0: // which members are left is chance
		return act{s.also("DEL", keys[0])}
	case has(s.args, "STOREDIST") && len(keys) > 0: // sines differ by a bit
		return act{s.also(append([]string{"DEL"}, keys...)...)}
	}
	return nil
}

// consumers makes those that an XREADGROUP names: since 7.2 they are made whether there is something for them or not.
func consumers(s step, keys []string) (out act) {
	at := slices.IndexFunc(s.args, func(w string) bool { return strings.EqualFold(w, "GROUP") })
	if at < 0 || at+2 >= len(s.args) {
		return nil
	}
	for _, key := range keys {
		out = append(out, s.also("XGROUP", "CREATECONSUMER", key, s.args[at+1], s.args[at+2]))
	}
	return out
}

// placesOnly removes what is no place from sorted sets in which places are looked for: nobody knows where it lies, as the score of a place has
// 52 bits; and low scores, which all lie in one place, so that any of them is the nearest.
func placesOnly(s step, keys []string) (out act) {
	for _, key := range keys {
		out = append(out, s.also("ZREMRANGEBYSCORE", key, "-inf", "1000000"), s.also("ZREMRANGEBYSCORE", key, "4503599627370496", "inf"))
	}
	return out
}

// oneScore gives a sorted set members of one score: what ranges by name find among different ones is chance.
func (g *generator) oneScore(s step, key string) act {
	score := pick(g, "0", "0", "-1.5", "inf")
	add := []string{"ZADD", key}
	for range 1 + g.IntN(9) {
		add = append(add, score, g.member())
	}
	if g.peer.release < 702 {
		distinct("zadd", add)
	}
	return act{s.also("DEL", key), s.also(add...)}
}

// agreed changes what one server takes and the other does not, where that would end the transaction on one side, or say in a script
// another thing.
func (g *generator) agreed(args []string, cmd *spec.Command) []string {
	if has(args, "STORE") && has(args, "BY") { // the order may be left as it was
		args = without(args, "ALPHA")
	}
	if g.peer.release >= 702 {
		if cmd.Group == spec.SortedSet { // of a skiplist they count a negative offset from the other end
			args = offsetAboveZero(args)
		}
		if cmd.Name == "bitfield" && *told { // a string that only grew is propagated here only (docs/compat.md)
			args = without(args, "FAIL")
		}
		if cmd.Name == "setname" { // they look at what is before a NUL
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "\x00", "x")
			}
		}
		if n, err := strconv.ParseInt(args[min(2, len(args)-1)], 10, 64); cmd.Name == "lset" && err == nil && int64(int32(n)) != n { // of a listpack they take the lower half
			args[2] = "99"
		}
		return args
	}
	long := func(w string) bool { return len(w) > longest }
	if givers[cmd.Name][0] > 0 && (len(args) > 2*smallest || slices.ContainsFunc(args, long)) { // 7.2 reckons with what XX keeps out
		args = without(args, "XX")
	}
	distinct(cmd.Name, args)
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

// offsetAboveZero makes the offset of LIMIT no negative number.
func offsetAboveZero(args []string) []string {
	for i := 1; i < len(args); i++ {
		if strings.EqualFold(args[i-1], "LIMIT") {
			args[i] = strings.TrimPrefix(args[i], "-")
		}
	}
	return args
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

// without leaves a word out.
func without(words []string, word string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}
