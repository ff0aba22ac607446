package node

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/engine"
	"github.com/larder-cache/larder/store/keyspace"
	"github.com/larder-cache/larder/wire/resp"
)

// debugState is what DEBUG has switched.
type debugState struct {
	pauseCron    atomic.Bool
	skipChecksum atomic.Bool // RESTORE and snapshots do without checksums
}

// debugSub is one subcommand of DEBUG; args counts the words behind its name.
type debugSub struct {
	name     string
	min, max int // max -1: any number
	run      func(n *Node, c *spec.Call, args [][]byte)
	help     []string
}

// debugCommand declares DEBUG. It is one command: its subcommands have no entries of their own in Redis either.
func (n *Node) debugCommand() *spec.Command {
	return &spec.Command{Name: "debug", Since: "1.0.0", Doc: "A container for debugging commands.", Complex: "Depends on subcommand.", Group: spec.Server,
		Internal: true,
		Arity:    -2, Flags: spec.Admin | spec.NoScript | spec.Loading | spec.Stale | spec.Protected, Scope: spec.EachShard, Run: n.debugRun}
}

// denied answers a command that a parameter has to permit, and does not.
func (n *Node) denied(c *spec.Call, command, param string) bool {
	if n.permitted(c, param) {
		return false
	}
	c.Out.Error("ERR " + command + " command not allowed. If the " + param + " option is set to \"local\", you can run it from a local connection, " +
		"otherwise you need to set this option in the configuration file, and then restart the server.")
	return true
}

func (n *Node) debugRun(c *spec.Call) {
	if n.denied(c, "DEBUG", "enable-debug-command") {
		return
	}
	name, args := strings.ToLower(string(c.Args[1])), c.Args[2:]
	if name == "help" && len(args) == 0 {
		debugHelp(c)
		return
	}
	for i := range debugSubs {
		if s := &debugSubs[i]; s.name == name && len(args) >= s.min && (s.max < 0 || len(args) <= s.max) {
			s.run(n, c, args)
			return
		}
	}
	c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + string(c.Args[1]) + "'. Try DEBUG HELP.")
}

func debugHelp(c *spec.Call) {
	lines := []string{"DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}
	for i := range debugSubs {
		s := &debugSubs[i]
		if len(s.help) > 0 {
			lines = append(lines, strings.ToUpper(s.name)+s.help[0])
			for _, h := range s.help[1:] {
				lines = append(lines, "    "+h)
			}
		}
	}
	lines = append(lines, "HELP", "    Print this help.")
	c.Out.Array(len(lines))
	for _, l := range lines {
		c.Out.Simple(l)
	}
}

// debugSubs are the subcommands. Those of what is not built yet (a list's nodes, the AOF, the cluster's packets) are not there,
// and answer Redis' error for an unknown one.
var debugSubs = []debugSub{
	{"assert", 0, 0, func(n *Node, c *spec.Call, _ [][]byte) { n.crash("ASSERTION FAILED") }, []string{"", "Crash by assertion failed."}},
	{"change-repl-id", 0, 0, debugChangeReplID, []string{"", "Change the replication IDs of the instance.",
		"Dangerous: should be used only for testing the replication subsystem."}},
	{"config-rewrite-force-all", 0, 0, func(n *Node, c *spec.Call, _ [][]byte) { n.rewriteConfig(c, true) },
		[]string{"", "Like CONFIG REWRITE but writes all configuration options, including", "keywords not listed in original configuration file or default values."}},
	{"crash-and-recover", 0, 1, debugNoRestart, nil},
	{"dict-resizing", 1, 1, debugSwitch, []string{" <0|1>", "Accepted without effect: the index grows and shrinks a segment at a time."}},
	{"digest", 0, 0, debugDigest, []string{"", "Output a hex signature representing the current DB content."}},
	{"digest-value", 0, -1, debugDigestValue, []string{" <key> [<key> ...]", "Output a hex signature of the values of all the specified keys."}},
	{"error", 1, 1, debugError, []string{" <string>", "Return a RESP protocol error with <string> as message. Useful for clients", "unit tests to simulate error replies."}},
	{"htstats", 1, 2, debugHTStats, []string{" <dbid> [full]", "Return hash table statistics of the specified database."}},
	{"log", 1, 1, debugLog, []string{" <message>", "Write <message> to the server log."}},
	{"object", 1, 2, debugObject, []string{" <key> [fast]", "Show low level info about `key` and associated value."}},
	{"oom", 0, 0, func(n *Node, c *spec.Call, _ [][]byte) {
		n.crash("Out Of Memory allocating 9223372036854775807 bytes!")
	},
		[]string{"", "Crash the server simulating an out-of-memory error."}},
	{"panic", 0, 0, debugPanic, []string{"", "Crash the server simulating a panic."}},
	{"pause-cron", 1, 1, debugPauseCron, []string{" <0|1>", "Stop periodic cron job processing."}},
	{"populate", 1, 3, debugPopulate, []string{" <count> [<prefix>] [<size>]", "Create <count> string keys named key:<num>. If <prefix> is specified then",
		"it is used instead of the 'key' prefix. These are not propagated to replicas."}},
	{"protocol", 1, 1, debugProtocol, []string{" <type>", "Reply with a test value of the specified type. <type> can be: string,",
		"integer, double, bignum, null, array, set, map, attrib, push, verbatim,", "true, false."}},
	{"quicklist-packed-threshold", 1, 1, debugPackedThreshold, []string{" <size>", "Sets the threshold for elements to be inserted as plain vs packed nodes",
		"Default value is that of list-max-listpack-size, allows values up to 4GB. Setting to 0 restores to default."}},
	{"reload", 0, -1, debugReload, []string{" [option ...]", "Save the RDB on disk and reload it back to memory. Valid <option> values:",
		"* MERGE: conflicting keys will be loaded from RDB.", "* NOFLUSH: the existing database will not be removed before load, but",
		"  conflicting keys make it fail.", "* NOSAVE: the database will be loaded from an existing RDB file."}},
	{"replicate", 1, -1, debugReplicate, []string{" <string>", "Replicates the provided string to replicas, allowing data divergence."}},
	{"replybuffer", 2, 2, debugReplyBuffer, []string{" PEAK-RESET-TIME <NEVER||RESET|time>, RESIZING <0|1>", "Accepted without effect: a reply buffer is given up as soon as it is too big."}},
	{"restart", 0, 1, debugNoRestart, nil},
	{"sdslen", 1, 1, debugSDSLen, []string{" <key>", "Show low level string info representing `key` and value."}},
	{"segfault", 0, 0, func(n *Node, c *spec.Call, _ [][]byte) { n.crash("crashed by signal: 11") }, []string{"", "Crash the server with sigsegv."}},
	{"set-active-expire", 1, 1, debugActiveExpire, []string{" <0|1>", "Setting it to 0 disables expiring keys in background when they are not",
		"accessed (otherwise the behavior). Setting it to 1 reenables back the", "default."}},
	{"set-disable-deny-scripts", 1, 1, debugScripts, []string{" <0|1>", "Lets scripts call DEBUG, or not."}},
	{"set-skip-checksum-validation", 1, 1, debugSkipChecksum, []string{" <0|1>", "Enables or disables checksum checks for RDB files and RESTORE's payload"}},
	{"sleep", 1, 1, debugSleep, []string{" <seconds>", "Stop the server for <seconds>. Decimals allowed."}},
	{"stringmatch-len", 2, 2, debugStringMatch, []string{" <length> <pattern>", "Match <pattern> against a string of <length> letters."}},
	{"stringmatch-test", 0, 0, debugStringMatchTest, []string{"", "Run a fuzz tester against the glob matcher."}},
	{"structsize", 0, 0, debugStructSize, []string{"", "Return the size of different core structures."}},
}

func debugSwitch(_ *Node, c *spec.Call, _ [][]byte) { c.Out.OK() }

func debugScripts(n *Node, c *spec.Call, args [][]byte) {
	n.engine.LetScriptsDebug(on(args[0]))
	c.Out.OK()
}

func debugLog(n *Node, c *spec.Call, args [][]byte) {
	n.log.Warn("DEBUG LOG: " + string(args[0]))
	c.Out.OK()
}

// debugReplicate puts a command into the stream that is not run here. A replica's stream is its primary's: there it does nothing.
func debugReplicate(n *Node, c *spec.Call, args [][]byte) {
	c.Engine.Shard(0, func(*keyspace.Shard) {
		if n.engine.Gate()&engine.GateReplica == 0 {
			n.journal.AppendRaw(resp.AppendCommand(nil, args...))
		}
	})
	c.Out.OK()
}

func debugError(_ *Node, c *spec.Call, args [][]byte) { c.Out.Error(string(args[0])) }

func debugPauseCron(n *Node, c *spec.Call, args [][]byte) {
	n.debug.pauseCron.Store(on(args[0]))
	c.Out.OK()
}

func debugActiveExpire(n *Node, c *spec.Call, args [][]byte) {
	n.cycle.SetExpiring(on(args[0]))
	c.Out.OK()
}

func debugSkipChecksum(n *Node, c *spec.Call, args [][]byte) {
	n.debug.skipChecksum.Store(on(args[0]))
	c.Out.OK()
}

// on reads a switch as C's atoi does: what is no number is 0.
func on(b []byte) bool {
	v, _ := strconv.Atoi(string(b))
	return v != 0
}

// debugSleep stops everything. Within a transaction the shards are held already.
func debugSleep(n *Node, c *spec.Call, args [][]byte) {
	s, err := strconv.ParseFloat(string(args[0]), 64)
	if err != nil || math.IsNaN(s) {
		s = 0 // as strtod reads it
	}
	d := time.Duration(min(max(s, 0), maxSleepSeconds) * float64(time.Second))
	n.engine.Sleep(c.Session.InMulti(), func() { clock.Sleep(n.ctx, n.clock, d) })
	c.Out.OK()
}

// maxSleepSeconds bounds DEBUG SLEEP: a day.
const maxSleepSeconds = 86400

func debugChangeReplID(n *Node, c *spec.Call, _ [][]byte) {
	if c.Session.InMulti() {
		c.Out.Error(notInMulti)
		return
	}
	n.log.Info("Changing replication IDs after receiving DEBUG change-repl-id")
	n.repl.ChangeID()
	c.Out.OK()
}

const notInMulti = "ERR Command not allowed inside a transaction"

func debugPackedThreshold(n *Node, c *spec.Call, args [][]byte) {
	v, err := parseMemory(string(args[0]))
	if err != nil || v > 1<<32-1<<20 {
		c.Out.Error("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
		return
	}
	l := *n.space.Limits()
	l.ListPlainFrom = int(v)
	n.space.SetLimits(l)
	c.Out.OK()
}

func debugReplyBuffer(n *Node, c *spec.Call, args [][]byte) {
	switch {
	case spec.EqualFold(args[0], "peak-reset-time"):
		if spec.EqualFold(args[1], "never") || spec.EqualFold(args[1], "reset") {
			break
		}
		if _, ok := c.Int(args[1]); !ok {
			return
		}
	case !spec.EqualFold(args[0], "resizing"):
		c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + string(c.Args[1]) + "'. Try DEBUG HELP.")
		return
	}
	c.Out.OK()
}

// debugNoRestart: a process can't become a new one of itself and keep its place among its supervisor's.
func debugNoRestart(_ *Node, c *spec.Call, _ [][]byte) {
	c.Out.Error("ERR failed to restart the server. larder-server is restarted by what started it.")
}

func debugPanic(n *Node, _ *spec.Call, _ [][]byte) {
	n.crash(fmt.Sprintf("DEBUG PANIC called at Unix time %d", n.clock.Now().Unix()))
}

func debugStringMatch(_ *Node, c *spec.Call, args [][]byte) {
	size, ok := c.Int(args[0])
	if !ok {
		return
	}
	if size < 0 || size > maxMatchBytes {
		c.Out.Error(spec.ErrOutOfRange)
		return
	}
	c.Out.Bool(glob.Match(args[1], []byte(strings.Repeat("a", int(size))), false))
}

// maxMatchBytes bounds the string of DEBUG STRINGMATCH-LEN.
const maxMatchBytes = 1 << 20

func debugStringMatchTest(_ *Node, c *spec.Call, _ [][]byte) {
	const alphabet = "*?[]^\\-ab"
	word := func() []byte {
		b := make([]byte, c.Engine.Rand()%32)
		for i := range b {
			b[i] = alphabet[c.Engine.Rand()%uint64(len(alphabet))]
		}
		return b
	}
	for range 100_000 {
		glob.Match(word(), word(), false)
	}
	c.Out.Simple("Apparently the server did not crash: test passed")
}

func debugStructSize(_ *Node, c *spec.Call, _ [][]byte) {
	c.Out.BulkString(fmt.Sprintf("bits:%d client:%d executor:%d ", strconv.IntSize, engine.SizeOfClient, engine.SizeOfExecutor))
}

// debugProtocol answers a value of each type.
func debugProtocol(_ *Node, c *spec.Call, args [][]byte) {
	out := c.Out
	switch strings.ToLower(string(args[0])) {
	case "string":
		out.BulkString("Hello World")
	case "integer":
		out.Int(12345)
	case "double":
		out.Double(3.141)
	case "bignum":
		out.BigNumber("1234567999999999999999999999999999999")
	case "null":
		out.Null()
	case "true", "false":
		out.Bool(spec.EqualFold(args[0], "true"))
	case "verbatim":
		out.Verbatim("txt", "This is a verbatim\nstring")
	case "array":
		out.Array(3)
		debugInts(out)
	case "set":
		out.Set(3)
		debugInts(out)
	case "map":
		out.Map(3)
		for i := range int64(3) {
			out.Int(i)
			out.Bool(i == 1)
		}
	case "attrib":
		if out.Attribute(1) {
			out.BulkString("key-popularity")
			out.Array(2)
			out.BulkString("key:123")
			out.Int(90)
		}
		out.BulkString("Some real reply following the attribute")
	case "push":
		debugPush(c)
	default:
		out.Error("ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
	}
}

func debugInts(out *resp.Writer) {
	for i := range int64(3) {
		out.Int(i)
	}
}

func debugPush(c *spec.Call) {
	if c.Session.Proto() < 3 {
		c.Out.Error("ERR RESP2 is not supported by this command")
		return
	}
	c.Out.Push(2)
	c.Out.BulkString("server-cpu-usage")
	c.Out.Int(42)
	c.Out.BulkString("Some real reply following the push reply")
}
