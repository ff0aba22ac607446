package differential

import (
	"slices"
	"strings"
	"time"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// nearly is by how much two points in time may differ, as the two servers read their clocks one after the other: so much that
// it only finds wrong units and wrong bases.
const nearly = time.Minute

// sharedIdle is by how much idle times may differ: keys whose values are the same small integer share it in redis-server, and with it
// its idle time, which may be as old as the server. Those that RESTORE gives are further apart.
const sharedIdle = 500 * time.Second

// equivalent compares replies in which order, time or chance has a part; false for all others, which are the same bytes or differ.
func equivalent(s step, o, r resp.Value) bool {
	if command(s.args) == "xpending" || strings.HasPrefix(command(s.args), "xinfo") {
		o, r = withoutTimes(o), withoutTimes(r)
	}
	shapes := sameShape(o, r)
	if s.script == threeInLua { // a Lua table has lost the order of a map, which RESP2 writes as an array
		o, r = inOrder(o), inOrder(r)
	}
	if enginetest.Show(o) == enginetest.Show(r) && o.Kind == r.Kind {
		return true
	}
	switch name := command(s.args); name {
	case "ttl", "expiretime":
		return near(o, r, int64(nearly/time.Second))
	case "object idletime":
		return near(o, r, int64(sharedIdle/time.Second))
	case "pttl", "pexpiretime":
		return near(o, r, nearly.Milliseconds())
	case "keys", "hkeys", "hvals", "smembers", "sunion", "sinter", "sdiff", "function list":
		return sameSet(o, r, 1)
	case "sort", "sort_ro": // what ALPHA finds no weights for, or only words that begin with a NUL, is left as it was
		if s.script == threeInLua && has(s.args, "GET") { // there a list ends at the first null
			return o.Kind == r.Kind && o.Kind == resp.KindArray
		}
		if has(s.args, "LIMIT") {
			return shapes
		}
		return sameSet(o, r, 1)
	case "hgetall":
		return sameSet(o, r, 2)
	case "scan", "hscan", "sscan", "zscan":
		if o.Kind != resp.KindArray || r.Kind != resp.KindArray {
			return false
		}
		// Without a COUNT that takes them all they come in parts, each server's own.
		all := slices.ContainsFunc(s.args, func(a string) bool { return len(a) >= 4 && strings.Trim(a, "0") == "1" })
		each := 2
		if name == "scan" || name == "sscan" || has(s.args, "NOVALUES") || has(s.args, "NOSCORES") {
			each = 1
		}
		return !all || sameSet(o.Elems[1], r.Elems[1], each)
	case "randomkey", "spop", "srandmember", "hrandfield", "zrandmember":
		return shapes // which ones is chance
	}
	return false
}

// command is the name of a command or subcommand, in lower case.
func command(args []string) string {
	name := strings.ToLower(args[0])
	switch name {
	case "object", "client", "command", "memory", "acl", "config", "xgroup", "xinfo", "script", "function":
		if len(args) > 1 {
			return name + " " + strings.ToLower(args[1])
		}
	}
	return name
}

func near(o, r resp.Value, most int64) bool {
	return o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int >= 0 && r.Int >= 0 && max(o.Int-r.Int, r.Int-o.Int) <= most
}

// sameSet compares aggregates whose elements, each of some values, are in any order.
func sameSet(o, r resp.Value, each int) bool {
	return o.Kind == r.Kind && len(o.Elems) == len(r.Elems) && slices.Equal(sorted(o, each), sorted(r, each))
}

func sorted(v resp.Value, each int) (out []string) {
	for part := range slices.Chunk(v.Elems, each) {
		words := make([]string, len(part))
		for i, e := range part {
			words[i] = enginetest.Show(e)
		}
		out = append(out, strings.Join(words, " "))
	}
	slices.Sort(out)
	return out
}

// sameShape compares all but the words.
func sameShape(o, r resp.Value) bool {
	if o.Kind != r.Kind || o.IsError() || len(o.Elems) != len(r.Elems) {
		return false
	}
	for i := range o.Elems {
		if !sameShape(o.Elems[i], r.Elems[i]) {
			return false
		}
	}
	return true
}

// withoutTimes takes out of a reply about a stream when something happened, as far as that is no nonsense, and what only 7.2 tells of that.
func withoutTimes(v resp.Value) resp.Value {
	var out []resp.Value
	for i := 0; i < len(v.Elems); i++ {
		e, last := v.Elems[i], ""
		if i > 0 {
			last = string(v.Elems[i-1].Str)
		}
		pending := len(v.Elems) == 4 && i == 2 // of XPENDING: ID, consumer, idle time, deliveries
		switch {
		case string(e.Str) == "inactive" || string(e.Str) == "active-time":
			i++
			continue
		case e.Kind == resp.KindInt && (e.Int > nonsense || (last == "idle" || pending) && e.Int >= 0):
			e.Int = 0
		}
		out = append(out, withoutTimes(e))
	}
	v.Elems = out
	return v
}

// nonsense is before any time of today, in ms since 1970.
const nonsense = 1_600_000_000_000

// inOrder puts all that is in aggregates into one order.
func inOrder(v resp.Value) resp.Value {
	v.Elems = slices.Clone(v.Elems)
	for i := range v.Elems {
		v.Elems[i] = inOrder(v.Elems[i])
	}
	slices.SortFunc(v.Elems, func(a, b resp.Value) int { return strings.Compare(enginetest.Show(a), enginetest.Show(b)) })
	return v
}
