package script

import (
	"runtime"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

// testHost answers calls from a table and has no time limit.
type testHost struct {
	calls   [][]string
	answer  func(words []string) string
	proto   int
	logged  []string
	replica int
	stop    func() string
}

func (h *testHost) Call(args [][]byte) []byte {
	if string(args[0]) == "big" {
		return bigReply
	}
	var words []string
	for _, a := range args {
		words = append(words, string(a))
	}
	h.calls = append(h.calls, words)
	if h.answer == nil {
		return []byte("+OK\r\n")
	}
	return []byte(h.answer(words))
}
func (h *testHost) MayRun(args [][]byte) (bool, bool) { return true, string(args[0]) != "nope" }
func (h *testHost) SetProto(v int)                    { h.proto = v }
func (h *testHost) SetReplication(f int)              { h.replica = f }
func (h *testHost) Log(_ int, line string)            { h.logged = append(h.logged, line) }
func (h *testHost) Interrupt() string {
	if h.stop == nil {
		return ""
	}
	return h.stop()
}

// bigReply is what the command "big" answers.
var bigReply = []byte("*1000\r\n" + strings.Repeat("$10\r\n0123456789\r\n", 1000))

// ticks is a clock that goes on by some µs at each look: tests end by counts, not by time.
func ticks() func() int64 {
	now := int64(0)
	return func() int64 { now += 1_100_000; return now }
}

func newVM() *VM {
	return New(Config{MonoNanos: ticks(), Version: "7.2.4", ServerVersion: "8.1.0", Memory: testMemory})
}

// testMemory is the bound in tests, in bytes.
const testMemory = 16 << 20

func eval(vm *VM, h Host, source string, args ...string) string {
	f, err := vm.Compile(evalChunk, []byte(source))
	if err != nil {
		return "!" + err.Error()
	}
	out := resp.Writer{Proto: 2}
	var argv [][]byte
	for _, a := range args {
		argv = append(argv, []byte(a))
	}
	vm.Eval(f, Run{Host: h, Name: "sha", Args: argv, Out: &out})
	return string(out.Buf)
}

// TestLua: what scripts say, and what they answer, as Lua 5.1 does it.
func TestLua(t *testing.T) {
	vm := newVM()
	for source, want := range map[string]string{
		"return 1":                    ":1\r\n",
		"return 'a'..1 ..2.5 .. 1e15": "$10\r\na12.51e+15\r\n",
		"return tostring(10/3)":       "$15\r\n3.3333333333333\r\n",
		"return tostring(2^53)":       "$18\r\n9.007199254741e+15\r\n",
		"return {1,2,{3,'x'},nil,4}":  "*3\r\n:1\r\n:2\r\n*2\r\n:3\r\n$1\r\nx\r\n",
		"return ARGV[1]":              "$1\r\nz\r\n",
		"return {err='My Err'}":       "-My Err\r\n",
		"return {ok='fine'}":          "+fine\r\n",
		"return true":                 ":1\r\n",
		"return false":                "$-1\r\n",
		"local n=0; local function inc() n=n+1 end; pcall(error,'x'); inc(); return n": ":1\r\n",
		"foo = 1":             "-ERR user_script:1: Attempt to modify a readonly table script: sha, on @user_script:1.\r\n",
		"return foo":          "-ERR user_script:1: Script attempted to access nonexistent global variable 'foo' script: sha, on @user_script:1.\r\n",
		"redis.call=1":        "-ERR user_script:1: Attempt to modify a readonly table script: sha, on @user_script:1.\r\n",
		"local a; a.b()":      "-ERR user_script:1: attempt to index local 'a' (a nil value) script: sha, on @user_script:1.\r\n",
		"redis.foo()":         "-ERR user_script:1: attempt to call field 'foo' (a nil value) script: sha, on @user_script:1.\r\n",
		"\n\nerror('x')":      "-ERR user_script:3: x script: sha, on @user_script:3.\r\n",
		"return 1 + nil":      "-ERR user_script:1: attempt to perform arithmetic on a nil value script: sha, on @user_script:1.\r\n",
		"return ('x'):rep(3)": "$3\r\nxxx\r\n",
		"return string.format('%5.2f|%d|%s|%q', 3.14159, 42, 'x', 'a\\nb')":                                             "$17\r\n 3.14|42|x|\"a\\\nb\"\r\n",
		"return (string.gsub('hello world', 'o', '0'))":                                                                 "$11\r\nhell0 w0rld\r\n",
		"return {string.find('hello', 'l+')}":                                                                           "*2\r\n:3\r\n:4\r\n",
		"return cjson.encode({1,2,{a='b/c'}})":                                                                          "$18\r\n[1,2,{\"a\":\"b\\/c\"}]\r\n",
		"return cjson.decode('[1,{\"a\":null}]')[1]":                                                                    ":1\r\n",
		"return cmsgpack.unpack(cmsgpack.pack({1,2,'x'}))":                                                              "*3\r\n:1\r\n:2\r\n$1\r\nx\r\n",
		"return bit.tohex(65535, -4)":                                                                                   "$4\r\nFFFF\r\n",
		"return {struct.unpack('>I2', struct.pack('>I2', 513))}":                                                        "*2\r\n:513\r\n:3\r\n",
		"local co = coroutine.wrap(function(a) local b = coroutine.yield(a+1); return b*2 end); return {co(1), co(21)}": "*2\r\n:2\r\n:42\r\n",
		"return select('#', pcall(function() return 1,2,3 end))":                                                        ":4\r\n",
		"return {pcall(function() redis.call('x') end)}":                                                                "*1\r\n:1\r\n",
		"for i=1,3 do local x = i end return #{1,2,3}":                                                                  ":3\r\n",
		"local t = {3,1,2}; table.sort(t); return t":                                                                    "*3\r\n:1\r\n:2\r\n:3\r\n",
		"return loadstring('return 7')()":                                                                               ":7\r\n",
		"return tostring(0/0)..tostring(-1/0)":                                                                          "$8\r\n-nan-inf\r\n",
	} {
		if got := eval(vm, &testHost{}, source, "z"); got != want {
			t.Errorf("%s\n got %q\nwant %q", source, got, want)
		}
	}
}

// TestHostile: what would crash the node, or take all its memory, is an error. See CVE-2024-31449, 2022-24834, 2025-49844, 2024-46981,
// 2025-46817, 2025-46818, 2025-46819.
func TestHostile(t *testing.T) {
	for source, want := range map[string]string{
		"return string.rep('x', 2^40)":                                                         "string",
		"local s = 'x' while true do s = s .. s end":                                           "",
		"local function f() return 1 + f() end return f()":                                     "stack overflow",
		"local function f() return pcall(f) end return {f()}":                                  "",
		"local function f() local ok, e = pcall(f) error(e) end f()":                           "",
		"return unpack({}, 0, 2^31-1)":                                                         "too many results to unpack",
		"return unpack({}, -2^31, 2^31)":                                                       "too many results to unpack",
		"return {unpack({}, 1, 7000)}":                                                         "*0",
		"return bit.tohex(1, -2147483648)":                                                     "$8",
		"local t = {} for i=1,3000 do t = {t} end return cjson.encode(t)":                      "excessive nesting",
		"cjson.encode_max_depth(2^31-1) local t = {} t[1]=t return cjson.encode(t)":            "excessive nesting",
		"cjson.decode_max_depth(2^31-1) return cjson.decode(('['):rep(100000))":                "nested data structures",
		"return cmsgpack.unpack(('\\145'):rep(1000000))":                                       "stack overflow",
		"return cmsgpack.unpack('\\221\\255\\255\\255\\255')":                                  "Missing bytes",
		"return struct.pack('>I2147483648', 10)":                                               "integral size overflow",
		"return struct.pack('i33', 10)":                                                        "larger than limit",
		"return struct.unpack('c2147483647', 'abc')":                                           "data string too short",
		"return struct.unpack('c0', 'abc', 2^40)":                                              "data string too short",
		"getmetatable('').__index = function() return 1 end":                                   "readonly table",
		"getmetatable(_G).__index = function() return 1 end":                                   "readonly table",
		"setmetatable(_G, {})":                                                                 "readonly table",
		"rawset(_G, 'x', 1)":                                                                   "readonly table",
		"rawset(string, 'rep', 1)":                                                             "readonly table",
		"table.insert(redis, 1)":                                                               "readonly table",
		"string.len = nil":                                                                     "readonly table",
		"getmetatable('').__index.len = nil":                                                   "readonly table",
		"return string.find(('a'):rep(300000), ('.-'):rep(40)..'b')":                           "killed",
		"while true do pcall(function() while true do end end) end":                            "killed",
		"local f = function(...) return select('#', ...) end local t = {} t[1e9] = 1 return 1": ":1",
		"local t = {} while true do t[#t+1] = {} end":                                          "not enough memory",
		"local t = {} for i = 1, 1e6 do t[i] = {} t[i][4000000] = 1 end":                       "not enough memory",
		"local co co = coroutine.wrap(function() while true do end end) co()":                  "killed",
		"local function f() return coroutine.wrap(f)() end f()":                                "C stack overflow",
		"return coroutine.yield(1)":                                                            "attempt to yield",
		"local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x":    "stack overflow",
		"local t = {} t.__index = t setmetatable(t, t) return t.x":                             "loop in gettable",
		"return string.format('%99.99f', 1/3)":                                                 "$101",
		"return string.format('%1000d', 1)":                                                    "invalid format",
		"return ('x'):gsub('(' , '%1')":                                                        "unfinished capture",
		"return ('x'):gsub('%', '')":                                                           "malformed pattern",
		"return ('x'):gsub('[', '')":                                                           "malformed pattern",
		"return ('x'):find('[%')":                                                              "malformed pattern",
		"return ('x'):find('%f')":                                                              "missing '['",
		"return ('x'):find('%b')":                                                              "unbalanced pattern",
		"return ('x'):rep(100):find(('('):rep(200))":                                           "",
		"table.sort({3,2,1,5,4,7,8,9,1,2,3,4,5,6,7,8}, function() return true end) return 1":   ":1",
		"return tostring(setmetatable({}, {__tostring = function() error('x') end}))":          "x",
		"return redis.error_reply('a\\r\\nb\\0c')":                                             "-ERR a  b\r\n",
		"return redis.status_reply('a\\r\\nb\\0c')":                                            "+a  b\r\n",
		"return {err='a\\r\\n+b\\0c'}":                                                         "-a  +b\r\n",
		"return {double=1, verbatim_string={format='t\\r\\n', string='x'}}":                    "$1\r\n1",
	} {
		t.Run(source, func(t *testing.T) {
			vm := newVM()
			n := 0
			h := &testHost{stop: func() string {
				if n++; want == "killed" && n > 100 {
					return "ERR Script killed by user with SCRIPT KILL."
				}
				return ""
			}}
			got := eval(vm, h, source)
			if !strings.Contains(got, want) || got == "" {
				t.Errorf("%s\n got %.300q\nwant …%q…", source, got, want)
			}
			if again := eval(vm, &testHost{}, "return 1"); again != ":1\r\n" {
				t.Errorf("after %s: %q", source, again)
			}
		})
	}
}

// TestRepliesKeepTheirLine: no part of a reply that RESP3 ends by a line's end has one in it (CVE-2025-67733).
func TestRepliesKeepTheirLine(t *testing.T) {
	for source, want := range map[string]string{
		"return {verbatim_string={format='a\\r\\n+b', string='x\\r\\ny'}}": "=8\r\na  :x\r\ny\r\n",
		"return {big_number='1\\r\\n+2'}":                                  "(1  +2\r\n",
		"return redis.error_reply('a\\r\\n+b')":                            "-ERR a  +b\r\n",
	} {
		f, err := newVM().Compile(evalChunk, []byte(source))
		if err != nil {
			t.Fatal(err)
		}
		out := resp.Writer{Proto: 3}
		newVM().Eval(f, Run{Host: &testHost{}, Name: "sha", Out: &out})
		if string(out.Buf) != want {
			t.Errorf("%s: %q, want %q", source, out.Buf, want)
		}
	}
}

// TestMemory: whatever a script fills memory with, it ends at its bound, and the heap is never far beyond it.
func TestMemory(t *testing.T) {
	const full = "not enough memory"
	for source, want := range map[string]string{
		"local t = {} while true do t[#t+1] = {} end":                                                       full,
		"local t = {} while true do t[{}] = 1 end":                                                          full,
		"local t, i = {}, 0 while true do i = i + 1 t['k'..i] = i end":                                      full,
		"local t, i = {}, 0 while true do i = i + 1 t[i + 0.5] = i end":                                     full,
		"local t, i = {}, 0 while true do i = i + 1 t['k'] = i t['k'..i] = 1 t['k'..i] = nil end":           full,
		"local t = {} for i = 1, 1e6 do t[i] = {} t[i][4000000] = 1 end":                                    full,
		"local t = {} while true do t[#t+1] = ('x'):rep(1e6) .. #t end":                                     full,
		"local t = {} while true do t[#t+1] = function() return t end end":                                  full,
		"local t = {} while true do t[#t+1] = coroutine.create(function() end) end":                         full,
		"local t = {} while true do local c = coroutine.wrap(coroutine.yield) t[#t+1] = c end":              "Lua function expected",
		"local t = {} while true do t[#t+1] = coroutine.wrap(function() coroutine.yield() end) t[#t]() end": full,
		"local t, i = {}, 0 while true do i = i + 1 t[i] = loadstring('return 1', 'c'..i) end":              full,
		"local t = {} while true do t[#t+1] = newproxy(true) end":                                           full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = s:upper() t[#t+1] = s:reverse() end":       full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = s:gsub('^x', 'yy') end":                    full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = string.format('%s%s', s, s) end":           full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = table.concat({s, s}) end":                  full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = cjson.encode({s, s}) end":                  full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = cmsgpack.pack({s, s}) end":                 full,
		"local s, t = ('x'):rep(1e6), {} while true do t[#t+1] = struct.pack('s', s) end":                   full,
		"return cjson.decode('[' .. ('{},'):rep(3e6) .. '{}]')":                                             full,
		"return cjson.decode('[' .. ('\"a\",'):rep(9e6) .. '{}]')":                                          full,
		"return cmsgpack.unpack('\\221\\255\\255\\255\\254' .. ('\\144'):rep(3e6))":                         full,
		"local t = {} while true do t[#t+1] = redis.call('big') end":                                        full,
		"local function f(...) return f(1, ...) end f()":                                                    "killed",
		"while true do pcall(function() local t = {} while true do t[#t+1] = {} end end) end":               full,
		"while true do local s = ('x'):rep(1e6) end":                                                        "killed",
		"while true do local t = {} t[100000] = 1 end":                                                      "killed",
	} {
		t.Run(source, func(t *testing.T) {
			vm := newVM()
			runtime.GC()
			base, most, n := vm.memory.taken(), uint64(0), 0
			h := &testHost{stop: func() string {
				if n%8 == 0 {
					most = max(most, vm.memory.taken())
				}
				if n++; want == "killed" && n > 50 {
					return "ERR killed"
				}
				return ""
			}}
			if got := eval(vm, h, source); !strings.Contains(got, want) {
				t.Errorf("%s\n got %.300q\nwant …%q…", source, got, want)
			}
			// Beyond the bound there is what is dead, up to a quarter, and what one look missed: an array, and what it had outgrown.
			if beyond := int64(most-base) - testMemory; beyond > testMemory/4+4*16*limits.MaxScriptArray {
				t.Errorf("%s: %d bytes beyond the bound", source, beyond)
			}
			if len(vm.sites) > 0 || len(vm.starts) > 0 || len(vm.idle) > maxIdle {
				t.Errorf("%s: left: %d chunks, %d coroutines, %d states", source, len(vm.sites), len(vm.starts), len(vm.idle))
			}
		})
	}
}

// TestHostileSource: sources that nest without end, or are cut off anywhere, are syntax errors.
func TestHostileSource(t *testing.T) {
	vm := newVM()
	for _, source := range []string{
		strings.Repeat("(", 100_000), "return " + strings.Repeat("{", 100_000), "return " + strings.Repeat("not ", 100_000) + "1",
		"return 1" + strings.Repeat("+1", 100_000), "return 'a'" + strings.Repeat("..'a'", 100_000), strings.Repeat("do ", 100_000),
		"return " + strings.Repeat("function() ", 100_000), "local x = " + strings.Repeat("a.", 100_000) + "b", "[====[", "[====", "return [=[", "--[==[ x",
		"x = [=x[", "return '\\", "return \"abc", "return 0x", "return 1e", "\x1bLua", strings.Repeat("x", 2<<20), "return 1 1", "goto", "\x00", "return ~",
	} {
		if got := eval(vm, &testHost{}, source); !strings.HasPrefix(got, "!user_script:") {
			t.Errorf("%.20q… (%d bytes): %.200q", source, len(source), got)
		}
	}
}

// TestNUL: a byte 0 where a token should be is not named by Lua 5.1.
func TestNUL(t *testing.T) {
	for source, want := range map[string]string{
		"\x00return 1": "!user_script:1: unexpected symbol", "x\x00": "!user_script:1: '=' expected", "local \x00": "!user_script:1: '<name>' expected",
		"\x01": "!user_script:1: unexpected symbol near 'char(1)'", "return 1 -- \x00\n+ 1": ":2\r\n",
	} {
		if got := eval(newVM(), &testHost{}, source); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

// TestLoadGrace: a library that does little loads, however late its time is over; one that goes on does not.
func TestLoadGrace(t *testing.T) {
	vm := New(Config{MonoNanos: ticks(), Libraries: true})
	late := &testHost{stop: func() string { return "ERR FUNCTION LOAD timeout" }}
	const register = " redis.register_function('f', function() return 1 end)"
	if fs, err := vm.LoadLibrary([]byte("for i = 1, 1000 do end"+register), late); err != nil || len(fs) != 1 {
		t.Errorf("%v, %v", fs, err)
	}
	if _, err := vm.LoadLibrary([]byte("for i = 1, 1e6 do end"+register), late); err == nil || err.Error() != "Error registering functions: ERR FUNCTION LOAD timeout" {
		t.Errorf("%v", err)
	}
}
