package script

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

// openRedis makes the table that scripts know as redis and as server.
func (vm *VM) openRedis() {
	t := vm.l.CreateTable(0, 0)
	for name, f := range redisLibrary {
		t.RawSetString(name, vm.fn(name, f))
	}
	if !vm.cfg.Libraries {
		for name, f := range evalLibrary {
			t.RawSetString(name, vm.fn(name, f))
		}
		handler := vm.fn("", errorHandler)
		vm.globals.RawSetString("__redis__err__handler", handler)
		vm.globals.RawSetString("__server__err__handler", handler)
	}
	for name, v := range map[string]int{"REPL_NONE": 0, "REPL_AOF": ReplAOF, "REPL_SLAVE": ReplReplica, "REPL_REPLICA": ReplReplica, "REPL_ALL": ReplAOF | ReplReplica} {
		t.RawSetString(name, lua.LNumber(v))
	}
	vm.describe(t)
	p := vm.seal(t)
	vm.globals.RawSetString("redis", p)
	vm.globals.RawSetString("server", p)
	if vm.cfg.Libraries {
		vm.openLoading()
	}
}

// describe adds the log's levels and the versions.
func (vm *VM) describe(t *lua.LTable) {
	for i, name := range []string{"LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"} {
		t.RawSetString(name, lua.LNumber(i))
	}
	for prefix, v := range map[string]string{"REDIS": vm.cfg.Version, "VALKEY": vm.cfg.ServerVersion} {
		t.RawSetString(prefix+"_VERSION", lua.LString(v))
		t.RawSetString(prefix+"_VERSION_NUM", lua.LNumber(versionNumber(v)))
	}
	t.RawSetString("SERVER_NAME", lua.LString("valkey"))
}

// versionNumber is 0x00MMmmpp of "MM.mm.pp".
func versionNumber(v string) (n int) {
	parts := strings.Split(v, ".")
	for i := range 3 {
		part := 0
		if i < len(parts) {
			part, _ = strconv.Atoi(parts[i])
		}
		n = n<<8 | part&0xff
	}
	return n
}

var redisLibrary = map[string]libFunc{
	"call": redisCall, "pcall": redisPcall, "log": redisLog, "setresp": redisSetProto, "sha1hex": redisSHA1, "error_reply": redisErrorReply,
	"status_reply": redisStatusReply, "set_repl": redisSetRepl, "acl_check_cmd": redisMayRun,
}

// evalLibrary are functions of EVAL only.
var evalLibrary = map[string]libFunc{
	"breakpoint":         redisBreakpoint,
	"debug":              redisDebug,
	"replicate_commands": func(a args) int { return a.push(lua.LTrue) },
}

func errorHandler(a args) int {
	if t, ok := a.L.Get(1).(*lua.LTable); ok {
		return a.push(t)
	}
	return a.push(a.vm.errorTable("ERR " + string(a.vm.tostring(a.L, a.L.Get(1)).(lua.LString))))
}

// errorTable is an error as redis.pcall gives it. text has its code.
func (vm *VM) errorTable(text string) *lua.LTable {
	t := vm.record()
	t.RawSetString("err", lua.LString(text))
	return t
}

// record makes a table for a field or two. The interpreter makes room for 32 where nothing is said.
func (vm *VM) record() *lua.LTable { return vm.l.CreateTable(0, 1) }

// counted is the field of an error that was counted when its command answered it.
const counted = "ignore_error_stats_update"

// apiError is an error of a redis.* function itself.
func (a args) apiError(text string) *lua.LTable {
	a.vm.debug.failed(text)
	return a.vm.errorTable("ERR " + text)
}

// commandArgs makes the arguments of a command, or the error that tells why they are none. They are good until the next call.
func commandArgs(a args) ([][]byte, *lua.LTable) {
	n := a.len()
	if n == 0 {
		return nil, a.apiError("Please specify at least one argument for this call")
	}
	c := &a.vm.command
	c.ends, c.text = c.ends[:0], c.text[:0]
	for i := 1; i <= n; i++ {
		switch v := a.L.Get(i).(type) {
		case lua.LString:
			c.text = append(c.text, v...)
		case lua.LNumber:
			c.text = appendCommandNumber(c.text, float64(v))
		default:
			return nil, a.apiError("Command arguments must be strings or integers")
		}
		c.ends = append(c.ends, len(c.text))
	}
	return c.split(), nil
}

// commandWords is room for the arguments of one command, one behind the other. It is used again by the next.
type commandWords struct {
	text  []byte
	ends  []int
	words [][]byte
}

// split gives the arguments.
func (c *commandWords) split() [][]byte {
	c.words = c.words[:0]
	start := 0
	for _, end := range c.ends {
		c.words = append(c.words, c.text[start:end:end])
		start = end
	}
	return c.words
}

// trim gives up what is more than most commands need.
func (c *commandWords) trim() {
	if cap(c.text) > keptCommandBytes || cap(c.words) > keptCommandWords {
		*c = commandWords{}
	}
}

// What is kept of a command's room for the next run.
const (
	keptCommandBytes = 16 << 10
	keptCommandWords = 256
)

// appendCommandNumber appends a number as an argument: in full where it is an integer.
func appendCommandNumber(b []byte, f float64) []byte {
	if f >= -math.MaxInt64/2 && f <= math.MaxInt64/2 && f == math.Trunc(f) {
		return strconv.AppendInt(b, int64(f), 10)
	}
	return resp.AppendDouble(b, f)
}

func redisCall(a args) int  { return command(a, true) }
func redisPcall(a args) int { return command(a, false) }

func command(a args, raise bool) int {
	words, bad := commandArgs(a)
	if bad != nil {
		return a.giveError(bad, raise)
	}
	if a.vm.host == nil {
		return a.giveError(a.apiError("redis.call/pcall can only be called inside a script invocation"), raise)
	}
	a.vm.debug.called(words)
	reply := a.vm.host.Call(words)
	a.vm.debug.answered(reply)
	a.vm.charge(a.L, min(len(reply), limits.MaxScriptStringBytes)) // it may hold many strings, or the longest there is
	v := a.vm.reply(reply)
	if t, ok := v.(*lua.LTable); ok && len(reply) > 0 && reply[0] == '-' {
		return a.giveError(t, raise)
	}
	return a.push(v)
}

func (a args) giveError(t *lua.LTable, raise bool) int {
	if raise {
		a.raise(t)
	}
	return a.push(t)
}

func redisLog(a args) int {
	if a.len() < 2 {
		a.raise(a.apiError("server.log() requires two arguments or more."))
	}
	f, ok := toNumber(a.L.Get(1))
	if !ok {
		a.raise(a.apiError("First argument must be a number (log level)."))
	}
	level := toInt(f)
	if level < LogDebug || level > LogWarning {
		a.raise(a.apiError("Invalid log level."))
	}
	var parts []string
	for _, v := range a.rest(2) {
		if isText(v) {
			parts = append(parts, toString(v))
		}
	}
	if a.vm.host != nil {
		a.vm.host.Log(level, strings.Join(parts, " "))
	}
	return 0
}

func redisSetProto(a args) int {
	if a.len() != 1 {
		a.raise(a.apiError("server.setresp() requires one argument."))
	}
	f, _ := toNumber(a.L.Get(1))
	if f = math.Trunc(f); f != 2 && f != 3 {
		a.raise(a.apiError("RESP version must be 2 or 3."))
	}
	a.vm.proto = int(f)
	a.vm.host.SetProto(int(f))
	return 0
}

func redisSHA1(a args) int {
	if a.len() != 1 {
		a.raise(a.apiError("wrong number of arguments"))
	}
	return a.pushString(SHA1([]byte(toString(a.L.Get(1)))))
}

// oneString is the only argument, if it is a string.
func oneString(a args) (string, bool) {
	s, ok := a.L.Get(1).(lua.LString)
	return string(s), ok && a.len() == 1
}

func redisErrorReply(a args) int {
	s, ok := oneString(a)
	if !ok {
		return a.push(a.apiError("wrong number or type of arguments"))
	}
	return a.push(a.vm.errorTable(errorText(s)))
}

// errorText makes a script's words an error with a code: "-CODE text", "CODE text" or a text of one word.
func errorText(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	code, text, ok := strings.Cut(strings.TrimPrefix(s, "-"), " ")
	if !ok {
		code, text = "ERR", code
	}
	return code + " " + strings.Trim(text, "\r\n")
}

func redisStatusReply(a args) int {
	s, ok := oneString(a)
	if !ok {
		return a.push(a.apiError("wrong number or type of arguments"))
	}
	t := a.vm.record()
	t.RawSetString("ok", lua.LString(s))
	return a.push(t)
}

func redisSetRepl(a args) int {
	if a.len() != 1 {
		a.raise(a.apiError("server.set_repl() requires one argument."))
	}
	f, _ := toNumber(a.L.Get(1))
	flags := toInt(f)
	if flags&^(ReplAOF|ReplReplica) != 0 {
		a.raise(a.apiError("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."))
	}
	a.vm.host.SetReplication(flags)
	return 0
}

func redisMayRun(a args) int {
	words, bad := commandArgs(a)
	if bad != nil {
		a.raise(bad)
	}
	allowed, known := a.vm.host.MayRun(words)
	if !known {
		a.raise(a.apiError("Invalid command passed to server.acl_check_cmd()"))
	}
	return a.push(lua.LBool(allowed))
}
