package engine

import (
	"strconv"
	"sync"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// The command logs: commands that took long, and those whose request or reply was large. SLOWLOG shows the first, COMMANDLOG
// (Valkey 8.1) all three.

const (
	logSlow = iota
	logRequest
	logReply
	numLogs
)

var logNames = [numLogs]string{logSlow: "slow", logRequest: "large-request", logReply: "large-reply"}

// commandLog is one of them, the newest entry last.
type commandLog struct {
	mu      sync.Mutex
	entries []logEntry
	next    int64
	max     int64
}

type logEntry struct {
	id, unix, value int64
	args            []string
	addr, name      string
}

// setMax is how many entries are kept.
func (l *commandLog) setMax(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = min(n, limits.MaxCommandLogEntries)
	l.trim()
}

func (l *commandLog) trim() {
	if n := int64(len(l.entries)) - l.max; n > 0 {
		l.entries = append(l.entries[:0], l.entries[n:]...)
	}
}

// add logs a command. unix is the time, value its µs or bytes.
func (l *commandLog) add(unix, value int64, r *ran) {
	en := logEntry{unix: unix, value: value, args: logArgs(shown(r.cmd, r.args)), addr: r.client.addr(), name: text(&r.client.info.name)}
	l.mu.Lock()
	defer l.mu.Unlock()
	en.id = l.next
	l.next++
	if int64(len(l.entries)) >= l.max && len(l.entries) > 0 {
		copy(l.entries, l.entries[1:])
		l.entries = l.entries[:len(l.entries)-1]
	}
	l.entries = append(l.entries, en)
	l.trim()
}

// logArgs keeps of a command what a person wants to see.
func logArgs(args [][]byte) []string {
	n := min(len(args), limits.MaxCommandLogArgs)
	out := make([]string, n)
	for i := range out {
		switch a := args[i]; {
		case i == n-1 && n < len(args):
			out[i] = "... (" + strconv.Itoa(len(args)-n+1) + " more arguments)"
		case len(a) > limits.MaxCommandLogArgBytes:
			out[i] = string(a[:limits.MaxCommandLogArgBytes]) + "... (" + strconv.Itoa(len(a)-limits.MaxCommandLogArgBytes) + " more bytes)"
		default:
			out[i] = string(a)
		}
	}
	return out
}

func (l *commandLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *commandLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// newest are the last n entries (-1: all), the newest first.
func (l *commandLog) newest(n int64) []logEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := int64(len(l.entries)); n < 0 || n > have {
		n = have
	}
	out := make([]logEntry, n)
	for i := range out {
		out[i] = l.entries[len(l.entries)-1-i]
	}
	return out
}

func (l *commandLog) reply(w *resp.Writer, n int64) {
	entries := l.newest(n)
	w.Array(len(entries))
	for i := range entries {
		en := &entries[i]
		w.Array(6)
		w.Int(en.id)
		w.Int(en.unix)
		w.Int(en.value)
		w.Array(len(en.args))
		for _, a := range en.args {
			w.BulkString(a)
		}
		w.BulkString(en.addr)
		w.BulkString(en.name)
	}
}

// logCommands are SLOWLOG and COMMANDLOG.
func logCommands() []*spec.Command {
	const flags = spec.Admin | spec.Loading | spec.Stale
	tips := []string{"request_policy:all_nodes", "nondeterministic_output"}
	sum := []string{"request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"}
	all := []string{"request_policy:all_nodes", "response_policy:all_succeeded"}
	kind := spec.OneOf("type", spec.Token("SLOW"), spec.Token("LARGE-REQUEST"), spec.Token("LARGE-REPLY"))
	const returned, held = "O(N) where N is the number of entries returned", "O(N) where N is the number of entries in the "
	slow := []*spec.Command{
		{Name: "get", Since: "2.2.12", Doc: "Returns the slow log's entries.", Complex: returned, Arity: -2, Flags: flags, Tips: tips,
			History: [][2]string{{"4.0.0", "Added client IP address, port and name to the reply."}}, Args: spec.Args(spec.Opt(spec.Int("count"))), Run: slowlogGet},
		{Name: "len", Since: "2.2.12", Doc: "Returns the number of entries in the slow log.", Complex: "O(1)", Arity: 2, Flags: flags, Tips: sum, Run: slowlogLen},
		{Name: "reset", Since: "2.2.12", Doc: "Clears all entries from the slow log.", Complex: held + "slowlog", Arity: 2, Flags: flags, Tips: all, Run: slowlogReset},
		{Name: "help", Since: "6.2.0", Doc: "Show helpful text about the different subcommands", Complex: "O(1)", Arity: 2, Flags: spec.Loading | spec.Stale, Run: slowlogHelp},
	}
	logs := []*spec.Command{
		{Name: "get", Since: "8.1.0", Doc: "Returns the specified command log's entries.", Complex: returned, Arity: 4, Flags: flags, Tips: tips,
			Args: spec.Args(spec.Int("count"), kind), Run: commandlogGet},
		{Name: "len", Since: "8.1.0", Doc: "Returns the number of entries in the specified type of command log.", Complex: "O(1)", Arity: 3, Flags: flags,
			Tips: sum, Args: spec.Args(kind), Run: commandlogLen},
		{Name: "reset", Since: "8.1.0", Doc: "Clears all entries from the specified type of command log.", Complex: held + "commandlog", Arity: 3, Flags: flags,
			Tips: all, Args: spec.Args(kind), Run: commandlogReset},
		{Name: "help", Since: "8.1.0", Doc: "Show helpful text about the different subcommands", Complex: "O(1)", Arity: 2, Flags: spec.Loading | spec.Stale, Run: commandlogHelp},
	}
	return []*spec.Command{
		{Name: "slowlog", Since: "2.2.12", Doc: "A container for slow log commands.", Complex: "Depends on subcommand.", Group: spec.Server, Arity: -2, Sub: slow},
		{Name: "commandlog", Since: "8.1.0", Doc: "A container for command log commands.", Complex: "Depends on subcommand.", Group: spec.Server, Arity: -2, Sub: logs},
	}
}

// logCount reads how many entries are wanted; false after it has answered the error.
func logCount(c *spec.Call, arg []byte) (int64, bool) {
	n, ok := resp.ParseInt(arg)
	if !ok || n < -1 {
		c.Out.Error("ERR count should be greater than or equal to -1")
		return 0, false
	}
	return n, true
}

func slowlogGet(c *spec.Call) {
	n := int64(10)
	if len(c.Args) > 3 {
		c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + string(c.Args[1]) + "'. Try SLOWLOG HELP.")
		return
	}
	if len(c.Args) == 3 {
		var ok bool
		if n, ok = logCount(c, c.Args[2]); !ok {
			return
		}
	}
	engineOf(c).logs[logSlow].reply(c.Out, n)
}

func slowlogLen(c *spec.Call) { c.Out.Int(int64(engineOf(c).logs[logSlow].len())) }

func slowlogReset(c *spec.Call) {
	engineOf(c).logs[logSlow].reset()
	c.Out.OK()
}

func slowlogHelp(c *spec.Call) {
	c.Help("GET [<count>]",
		"    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
		"    Entries are made of:",
		"    id, timestamp, time in microseconds, arguments array, client IP and port,",
		"    client name",
		"LEN", "    Return the length of the slowlog.",
		"RESET", "    Reset the slowlog.")
}

// logOf is the log that an argument names; nil after it has answered that there is none.
func logOf(c *spec.Call, arg []byte) *commandLog {
	for i, name := range logNames {
		if spec.EqualFold(arg, name) {
			return &engineOf(c).logs[i]
		}
	}
	c.Out.Error("ERR type should be one of the following: slow, large-request, large-reply")
	return nil
}

func commandlogGet(c *spec.Call) {
	n, ok := logCount(c, c.Args[2])
	if !ok {
		return
	}
	if l := logOf(c, c.Args[3]); l != nil {
		l.reply(c.Out, n)
	}
}

func commandlogLen(c *spec.Call) {
	if l := logOf(c, c.Args[2]); l != nil {
		c.Out.Int(int64(l.len()))
	}
}

func commandlogReset(c *spec.Call) {
	if l := logOf(c, c.Args[2]); l != nil {
		l.reset()
		c.Out.OK()
	}
}

func commandlogHelp(c *spec.Call) {
	c.Help("GET <count> <type>",
		"    Return top <count> entries of the specified <type> from the commandlog (-1 mean all).",
		"    Entries are made of:",
		"    id, timestamp,",
		"        time in microseconds for type of slow,",
		"        or size in bytes for type of large-request,",
		"        or size in bytes for type of large-reply",
		"    arguments array, client IP and port,",
		"    client name",
		"LEN <type>", "    Return the length of the specified type of commandlog.",
		"RESET <type>", "    Reset the specified type of commandlog.")
}
