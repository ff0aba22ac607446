package differential

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
	"github.com/larder-cache/larder/wire/resp"
)

// difference is one that is meant: larder does what a version after 7.0.15 does, or what is its own choice and harms nobody.
type difference struct {
	// why says which version explains it, and how: a server of that version or a later one does as larder does. "no version explains it" is larder's own choice.
	why   string
	match func(s step, ours, theirs resp.Value) bool
	needs string // the command that it is about
	rare  bool   // a run may do without it
}

// applies tells whether a server of a release (enginetest.Release) may differ so.
func (d *difference) applies(release int) bool {
	version, _, _ := strings.Cut(strings.TrimPrefix(d.why, "Valkey "), " ")
	explains := enginetest.Release(version)
	return explains == 0 || release < explains
}

// longestIdle: only what was cut to the longest idle time, in seconds, is longer.
const longestIdle = 1<<24 - 1000

// differences are all that are meant. One that explains nothing any more fails the test.
var differences = []difference{
	{needs: "scan", rare: true, why: "8.1 refuses SCAN with a TYPE that does not exist, and says so before it looks at what follows", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "scan" && strings.HasPrefix(string(o.Str), "ERR unknown type name")
	}},
	{needs: "command", why: "7.2 takes a command without arguments in COMMAND GETKEYS", match: func(s step, o, r resp.Value) bool {
		return strings.HasPrefix(command(s.args), "command getkeys") && len(s.args) == 3 && strings.Contains(string(r.Str), "wrong number of arguments for 'command|getkeys")
	}},
	{needs: "bitcount", why: "7.2 reads the arguments of BITCOUNT and BITPOS though the key is not there, or no string", match: func(s step, o, r resp.Value) bool {
		return slices.Contains([]string{"bitcount", "bitpos"}, command(s.args)) && o.Kind == resp.KindError && (r.Kind == resp.KindInt && r.Int <= 0 || strings.HasPrefix(string(r.Str), "WRONGTYPE"))
	}},
	{needs: "bitcount", why: "8.0 takes a BITCOUNT from a start to the end", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "bitcount" && len(s.args) == 3 && string(r.Str) == "ERR syntax error"
	}},
	{needs: "bitcount", rare: true, why: "8.0 looks at the unit of BITCOUNT before it looks at the end", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "bitcount" && string(o.Str) == "ERR syntax error" && strings.HasPrefix(string(r.Str), "ERR value is not an integer")
	}},
	{needs: "object", rare: true, why: "no version explains it: which values are shared, and whom else an argument of EXEC belongs to, is each server's own: the count of OBJECT REFCOUNT is 1 or more", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "object refcount" && o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int >= 1 && r.Int >= 1
	}},
	{needs: "restore", rare: true, why: "no version explains it: an idle time beyond 194 days wraps in 24 bits there, and stays the longest that there is here (engine/access.go)",
		match: func(s step, o, r resp.Value) bool {
			return command(s.args) == "object idletime" && o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int > longestIdle
		}},
	{needs: "restore", rare: true, why: "no version explains it: a small integer is one value for all keys there, so the idle time that RESTORE gives to one is everybody's",
		match: func(s step, o, r resp.Value) bool {
			return command(s.args) == "object idletime" && o.Kind == resp.KindInt && r.Kind == resp.KindInt && o.Int < r.Int
		}},
	{needs: "eval", rare: true, why: "no version explains it: a string of a few more than 44 bytes that a script gives may be embstr there, as the allocator gave it room before", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "object encoding" && string(o.Str) == "raw" && string(r.Str) == "embstr"
	}},
	{needs: "expiretime", rare: true, why: "no version explains it: EXPIRETIME of the very last millisecond overflows there", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "expiretime" && o.Int == math.MaxInt64/1000+1 && r.Int < 0
	}},
	{needs: "pfdebug", rare: true, why: "no version explains it: a HyperLogLog whose last opcode is cut off is corrupt here, and there read beyond its end", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "pfdebug" && strings.HasPrefix(string(o.Str), "INVALIDOBJ Corrupted HLL object") && r.Kind == resp.KindBulk
	}},
	{needs: "zadd", why: "7.2 has small sets in a listpack, and small lists", match: func(s step, o, r resp.Value) bool {
		theirs := string(r.Str)
		return command(s.args) == "object encoding" && string(o.Str) == "listpack" && (theirs == "hashtable" || theirs == "quicklist")
	}},
	{needs: "blpop", why: "7.2 says of a timeout that is too long that it is out of range, not that it is negative", match: func(s step, o, r resp.Value) bool {
		return string(o.Str) == "ERR timeout is out of range" && string(r.Str) == "ERR timeout is negative"
	}},
	{needs: "xread", why: "7.2 writes the command's name in lower case into the error about streams and their IDs", match: func(s step, o, r resp.Value) bool {
		return strings.HasPrefix(string(o.Str), "ERR Unbalanced '") && strings.HasPrefix(string(r.Str), "ERR Unbalanced X")
	}},
	{needs: "xread", rare: true, why: "8.0 takes + for the last ID in XREAD, and has an error of its own for it in XREADGROUP", match: func(s step, o, r resp.Value) bool {
		return strings.HasPrefix(command(s.args), "xread") && slices.Contains(s.args, "+") && !bytes.Equal(o.Str, r.Str) && strings.HasPrefix(string(r.Str), "ERR Invalid stream ID")
	}},
	{needs: "sort", rare: true, why: "no version explains it: SORT leaves a sorted set packed", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "object encoding" && string(o.Str) == "listpack" && string(r.Str) == "skiplist"
	}},
	{needs: "lpos", rare: true, why: "7.2 refuses the lowest of all numbers as RANK of LPOS", match: func(s step, o, r resp.Value) bool {
		return command(s.args) == "lpos" && strings.HasPrefix(string(o.Str), "ERR value is out of range, value must between")
	}},
	{needs: "eval", why: "Valkey 8.0 does not say Redis in what it tells scripts", match: func(s step, o, r resp.Value) bool {
		eval := strings.HasPrefix(command(s.args), "eval") || strings.HasPrefix(command(s.args), "fcall")
		return (eval || s.script != "") && o.IsError() && r.IsError() && withoutRedis(o) == withoutRedis(r)
	}},
	{needs: "eval", rare: true, why: "no version explains it: the parser of scripts says in its own words what it did not expect", match: func(s step, o, r resp.Value) bool {
		const compiling = "ERR Error compiling "
		return strings.HasPrefix(string(o.Str), compiling) && strings.HasPrefix(string(r.Str), compiling)
	}},
	{needs: "evalsha", why: "Valkey 8.0 does not add \"Please use EVAL\"", match: func(s step, o, r resp.Value) bool {
		return string(o.Str) == "NOSCRIPT No matching script." && string(r.Str) == "NOSCRIPT No matching script. Please use EVAL."
	}},
	{needs: "zrank", why: "7.2 takes a WITHSCORE after ZRANK", match: func(s step, o, r resp.Value) bool {
		return strings.HasSuffix(command(s.args), "rank") && len(s.args) > 3 && strings.HasPrefix(string(r.Str), "ERR wrong number of arguments")
	}},
	{needs: "zadd", why: "7.2 writes a floating-point number with the fewest digits that tell it", match: func(s step, o, r resp.Value) bool {
		name := command(s.args)
		return (strings.Contains(name, "z") || strings.Contains(name, "geo")) && sameNumbers(o, r)
	}},
}

func withoutRedis(v resp.Value) string {
	return strings.NewReplacer("Lua redis lib command", "Command", "Redis ", "").Replace(string(v.Str))
}

// sameNumbers compares replies whose floating-point numbers are written in different ways.
func sameNumbers(o, r resp.Value) bool {
	if o.Kind != r.Kind || len(o.Elems) != len(r.Elems) {
		return false
	}
	for i := range o.Elems {
		if !sameNumbers(o.Elems[i], r.Elems[i]) {
			return false
		}
	}
	if len(o.Elems) > 0 || enginetest.Show(o) == enginetest.Show(r) {
		return true
	}
	a, err1 := strconv.ParseFloat(string(o.Str), 64)
	b, err2 := strconv.ParseFloat(string(r.Str), 64)
	return err1 == nil && err2 == nil && a == b
}

// TestApplies: what a version explains is no excuse for it.
func TestApplies(t *testing.T) {
	for _, c := range []struct {
		why     string
		release int
		want    bool
	}{{"7.2 is so", 700, true}, {"7.2 is so", 702, false}, {"Valkey 8.0 is so", 702, true}, {"Valkey 8.0 is so", 801, false}, {"no version explains it: x", 801, true}} {
		if d := (difference{why: c.why}); d.applies(c.release) != c.want {
			t.Errorf("%q applies to %d: %v", c.why, c.release, !c.want)
		}
	}
	for version, want := range map[string]int{"7.0.15": 700, "7.2.4": 702, "8.1.1": 801, "255.255.255": 800, "no": 0} {
		if got := enginetest.Release(version); got != want {
			t.Errorf("release of %s: %d, want %d", version, got, want)
		}
	}
}

// TestCompatPage: what differs is told to users.
func TestCompatPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/compat.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		if row := "- " + strings.TrimPrefix(d.why, "no version explains it: ") + "\n"; !bytes.Contains(page, []byte(row)) {
			t.Errorf("docs/compat.md does not have the line:\n%s", row)
		}
	}
}
