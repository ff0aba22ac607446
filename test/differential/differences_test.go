package differential

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/larder-cache/larder/persist/rdb"
	"github.com/larder-cache/larder/wire/resp"
)

// nearly is by how much two points in time may differ, as the two servers read their clocks one after the other: so much that
// it only finds wrong units and wrong bases.
const nearly = time.Minute

// sharedIdle is by how much idle times may differ: keys whose values are the same small integer share it in redis-server, and with it
// its idle time, which may be as old as the server. Those that RESTORE gives are further apart.
const sharedIdle = 500 * time.Second

// equivalent compares replies in which time or chance has a part; false for all others, which are the same bytes or differ.
func equivalent(args []string, o, r resp.Value) bool {
	switch command(args) {
	case "ttl", "expiretime":
		return near(o, r, int64(nearly/time.Second))
	case "object idletime":
		return near(o, r, int64(sharedIdle/time.Second))
	case "pttl", "pexpiretime":
		return near(o, r, nearly.Milliseconds())
	case "keys":
		return sameSet(o, r)
	case "scan":
		if o.Kind != resp.KindArray || r.Kind != resp.KindArray {
			return false
		}
		// Without a COUNT that takes them all they come in parts, each server's own.
		return !slices.ContainsFunc(args, func(a string) bool { return len(a) >= 4 && strings.Trim(a, "0") == "1" }) || sameSet(o.Elems[1], r.Elems[1])
	case "randomkey":
		return o.Kind == r.Kind // which one is chance
	}
	return false
}

// command is the name of a command or subcommand, in lower case.
func command(args []string) string {
	name := strings.ToLower(args[0])
	switch name {
	case "object", "client", "command", "memory", "acl", "config":
		if len(args) > 1 {
			return name + " " + strings.ToLower(args[1])
		}
	}
	return name
}

func near(o, r resp.Value, most int64) bool {
	return o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int >= 0 && r.Int >= 0 && max(o.Int-r.Int, r.Int-o.Int) <= most
}

func sameSet(o, r resp.Value) bool { return o.Kind == r.Kind && slices.Equal(sorted(o), sorted(r)) }

func sorted(v resp.Value) (out []string) {
	for _, e := range v.Elems {
		out = append(out, string(e.Str))
	}
	slices.Sort(out)
	return out
}

// difference is one that is meant: larder does what a version after 7.0.15 does, or what is its own choice and harms nobody.
type difference struct {
	why   string // which version explains it, and how; "no version explains it" where it is larder's own
	match func(args []string, ours, theirs resp.Value) bool
	needs string // the command that it is about
	rare  bool   // a run may do without it
}

// longestIdle: only what was cut to the longest idle time, in seconds, is longer.
const longestIdle = 1<<24 - 1000

// differences are all that are meant. One that explains nothing any more fails the test.
var differences = []difference{
	{needs: "scan", why: "8.1 refuses SCAN with a TYPE that does not exist, and says so before it looks at what follows", match: func(args []string, o, r resp.Value) bool {
		return command(args) == "scan" && strings.HasPrefix(string(o.Str), "ERR unknown type name")
	}},
	{needs: "command", why: "7.2 takes a command without arguments in COMMAND GETKEYS", match: func(args []string, o, r resp.Value) bool {
		return strings.HasPrefix(command(args), "command getkeys") && len(args) == 3 && strings.Contains(string(r.Str), "wrong number of arguments for 'command|getkeys")
	}},
	{needs: "bitcount", why: "7.2 reads the arguments of BITCOUNT and BITPOS though the key is not there", match: func(args []string, o, r resp.Value) bool {
		return slices.Contains([]string{"bitcount", "bitpos"}, command(args)) && o.Kind == resp.KindError && r.Kind == resp.KindInt && r.Int <= 0
	}},
	{needs: "bitcount", why: "8.0 takes a BITCOUNT from a start to the end", match: func(args []string, o, r resp.Value) bool {
		return command(args) == "bitcount" && len(args) == 3 && string(r.Str) == "ERR syntax error"
	}},
	{needs: "bitcount", rare: true, why: "8.0 looks at the unit of BITCOUNT before it looks at the end", match: func(args []string, o, r resp.Value) bool {
		return command(args) == "bitcount" && string(o.Str) == "ERR syntax error" && strings.HasPrefix(string(r.Str), "ERR value is not an integer")
	}},
	{needs: "object", rare: true, why: "no version explains it: which values are shared, and whom else an argument of EXEC belongs to, is each server's own: the count is 1 or more", match: func(args []string, o, r resp.Value) bool {
		return command(args) == "object refcount" && o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int >= 1 && r.Int >= 1
	}},
	{needs: "restore", rare: true, why: "no version explains it: an idle time beyond 194 days wraps in 24 bits there, and stays the longest that there is here (engine/access.go)",
		match: func(args []string, o, r resp.Value) bool {
			return command(args) == "object idletime" && o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int > longestIdle
		}},
	{needs: "restore", rare: true, why: "no version explains it: a small integer is one value for all keys there, so the idle time that RESTORE gives to one is everybody's",
		match: func(args []string, o, r resp.Value) bool {
			return command(args) == "object idletime" && o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int < r.Int
		}},
	{needs: "pfdebug", rare: true, why: "no version explains it: a HyperLogLog whose last opcode is cut off is corrupt here, and there read beyond its end", match: func(args []string, o, r resp.Value) bool {
		return command(args) == "pfdebug" && strings.HasPrefix(string(o.Str), "INVALIDOBJ Corrupted HLL object") && r.Kind == resp.KindBulk
	}},
	{needs: "dump", why: "RDB version 11 is 7.2's, 10 is 7.0's; and a long string is packed as each server's LZF finds it", match: func(args []string, o, r resp.Value) bool {
		return command(args) == "dump" && o.Kind == resp.KindBulk && r.Kind == resp.KindBulk && sameDump(o.Str, r.Str)
	}},
}

// sameDump: two payloads of DUMP have the same value.
func sameDump(a, b []byte) bool {
	lim := rdb.Limits{MaxStringBytes: 1 << 20, MaxRawBytes: 1 << 20}
	va, err1 := rdb.ReadDump(a, lim)
	vb, err2 := rdb.ReadDump(b, lim)
	return err1 == nil && err2 == nil && va.Type == vb.Type && bytes.Equal(va.String, vb.String) && bytes.Equal(va.Raw, vb.Raw)
}
