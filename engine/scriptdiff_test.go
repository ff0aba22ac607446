package engine_test

import (
	"bytes"
	"testing"

	"github.com/larder-cache/larder/engine/enginetest"
)

// scriptCases are scripts whose replies, errors too, must be those of redis-server to the byte.
var scriptCases = []string{
	// Conversions.
	"return 1", "return 3.99", "return -3.99", "return 2^53", "return 1e100", "return 0/0", "return '1'", "return nil", "return true", "return false", "return {}",
	"return {1,2,nil,4}", "return {1,{2,{3,'x',false,true}}}", "return {ok='fine'}", "return {err='MY err'}", "return {err='ERR x'}", "return {a=1}", "return {1,a=2}",
	"return function() end", "return redis", "return", "return 1,2,3", "return {ok={}}", "return {double=3.5}", "return redis.status_reply('x')",
	"return redis.error_reply('x y')", "return redis.error_reply('-x y')", "return redis.error_reply('')", "return {map={a=1}}", "return {set={a=true}}",
	"return redis.call('get', 'none')", "return type(redis.call('get', 'none'))", "return redis.call('set', 'k', 1.5)", "return redis.call('get', 'k')",
	"return redis.call('mget', 'k', 'none')", "return redis.call('incr', 'n')", "return type(redis.call('incr', 'n'))", "return redis.call('set', 'k', 'v').ok",
	"redis.setresp(3) return redis.call('get', 'none')", "redis.setresp(3) return {double=3.5}", "redis.setresp(3) return true", "redis.setresp(4)", "redis.setresp()",
	"return #KEYS", "return #ARGV", "return KEYS[1]", "return tostring(1e15)", "return tostring(2^63)", "return tostring(0.1)", "return 1 .. ''", "return 10/3 .. ''",
	"return tostring(-0)", "return tonumber('0x10')", "return tonumber('zz', 36)", "return tonumber('8', 8)", "return tonumber('1e1')", "return tonumber('')", "return tonumber(' 5 ')",
	// Errors.
	"return redis.call('nosuch')", "return redis.pcall('nosuch')", "return redis.call()", "return redis.call({})", "return redis.call('get')", "return redis.pcall('get')",
	"return redis.call('incr', 'k')", "return redis.pcall('incr', 'k')", "return redis.pcall('incr', 'k').err", "return redis.call('eval', 'return 1', '0')", "return redis.call('multi')",
	"local ok, e = pcall(redis.call, 'incr', 'k') return e", "local ok, e = pcall(redis.call, 'nosuch') return {type(e), e.err}", "error('x')", "error({err='MY x'})", "error()",
	"error('x', 0)", "error('x', 2)", "\n\nerror('x')", "assert(false)", "assert(false, 'x')", "x = 1", "return x", "redis.x = 1", "return redis.x()", "local a return a.b", "local a return a()",
	"return 1 + nil", "return 1 + {}", "return 'a' + 1", "return {} .. 'x'", "return 1 < 'x'", "return {} < {}", "return #nil", "return -{}", "for i = 'x', 2 do end", "return (nil).x",
	"return 1 +", "return 'abc", "x = = 1", "for", "return }", "--[[", "return [[", "end", "if true then", "return string.rep()", "return string.rep('x')", "return string.rep({}, 1)",
	"return string.sub()", "return ('x'):bad()", "return math.floor('x')", "return setmetatable(1, {})", "return tostring()", "return next({}, 'x')", "return select(0)", "return unpack()",
	"return redis.sha1hex('')", "return redis.sha1hex()", "return redis.sha1hex('a', 'b')", "return redis.log()", "return redis.log(9, 'x')", "return redis.log('x', 'y')", "return redis.set_repl()",
	"return redis.set_repl(9)", "return redis.acl_check_cmd('get', 'x')", "return redis.acl_check_cmd('nosuch')", "return redis.acl_check_cmd()", "return loadstring('return 5')()", "return loadstring('x x')",
	"return print", "return dofile", "return require", "return io", "return os.time", "return getmetatable(_G)", "return rawget(_G, 'x')", "setfenv(1, {})", "return string.dump(function() end) ~= nil",
	"local a return a + 1", "local a return 1 + a", "local a = {} return a.b + 1", "local a local function f() return a + 1 end return f()", "local a return 'x' .. a",
	"local a = {} return 'x' .. a.b .. 'y'", "local a return a .. 'x'", "local a = {} return 'x' .. 1 .. a", "local a return #a", "local a return -a", "local a = {} return -a.b", "return -'x'", "return #5",
	"local a = 'x' return a + 1", "return {} + 1", "local a = {} return a - a", "local a, b return a + b", "local a local b = 1 return b * a", "local a = {} return a[1] + 1", "return KEYS + 1", "return 'x' .. KEYS",
	// Syntax.
	"if x", "while", "while true", "repeat", "repeat x()", "function", "function f", "function f(", "function f(a", "function f(1)", "function f(a,)", "function f(..., a)", "local", "local function", "local 1",
	"local a =", "return return", "x", "x.", "x:", "x:y", "x[", "x[1", "x = ", "(x", "(x)", "(x) = 1", "f() = 1", "a, b", "a, f() = 1", "a, (b) = 1", "for i", "for i = 1", "for i = 1, 2", "for i, j", "for i in",
	"for i in x", "for 1", "if x then else", "if x then elseif", "\nif x then\n\nreturn 1", "f(\n1", "t = {", "t = {1 2}", "t = {[1] 2}", "t = {a =}", "t = {\n1,\n", "x = 'a\nb'", "x = '\\300'", "x = 1.2.3",
	"x = 0xg", "x = 3e", "x = [=[a", "x = [=a", "--[==[a", "x = ~", "x = 1 ~ 2", "x = a ! b", "x = @", "return 1 2", "return 'a' 'b'", "do", "do return 1", "f\n(1)", "goto x", "::x::", "x = function",
	"return function() end end", "x = a.1", "x = a..", "return 1 ..", "return not", "return -", "return #", "return {", "return '\\q'", "return '\\x41'", "return 1;;", ";", "return 1 -- c", "x = \001", "break",
	"function f() return ... end", "return ('x'", "x = {f = function() end", "while x do y = 1", "local function f() return 1", "if x then return 1 elseif", "for i = 1, 2 do\n\n", "return 'a\\\nb'", "x = 'a", "return 5 'x'",
	"local x = 5; return x; ", "return [[a\n]]", "return [[\na]]", "return 'a\\065b'", "return 0x1F", "return 1e2", "return .5", "return 5.", "return 3 --[[c]] + 4", "#!lua name=x", "return a=1", "local t = {1,2;3} return t",
	// Strings, tables and numbers.
	"return #setmetatable({}, {__len = function() return 5 end})", "return -setmetatable({}, {__unm = function() return 'u' end})", "return -'3'", "return #'abc'", "return #{1,2,nil}", "return #{nil,nil,3}", "return -2^2",
	"return 2^-1 .. ''", "return - -3", "return #{n=1}", "return #{1,2,3} + #'ab'", "return 1 / -0 .. ''", "local t = {} for i = 1, 10 do t[#t+1] = i end for i = 1, 5 do t[#t] = nil end return {#t, t[#t]}",
	"table.sort({{}, {}})", "table.sort({1, {}})", "local t = {3, 1, 2} table.sort(t) return t", "table.sort({true, false})", "return struct.pack('ii', 1)", "return struct.pack('s')", "return struct.pack('d', {})",
	"return string.format('%5.1f|%-5d|%05d|%x|%X|%o|%c|%q|%s|%%', 1.25, 3, 4, 255, 255, 8, 65, 'a\"b', 'x')", "return string.format('%d', 3.7)", "return string.format('%d', 'x')",
	"return string.format('%s', nil)", "return string.format('%y', 1)", "return string.format('%10.3s|', 'abcdef')", "return string.format('%g %e', 1e20, 12345.678)", "return {string.byte('abc', 1, -1)}",
	"return {string.find('a.b', '.', 1, true)}", "return {string.find('key=val', '(%w+)=(%w+)')}", "return {string.gsub('abc', '%w', '%0%0')}", "return {string.gsub('abc', 'b', {b='X'})}",
	"return {string.gsub('hello', '', '-')}", "return string.gsub('x', 'x', '%2')", "return {string.match('2024-01-02', '(%d+)-(%d+)')}", "return string.reverse('abc')", "return ('%bxy'):len()",
	"local t = {} for w in string.gmatch('one two', '%a+') do t[#t+1] = w end return t", "return table.concat({1,2,'x'}, ',')", "return table.concat({1,{}}, ',')", "return table.concat({1,2,3}, '-', 2, 3)",
	"local t = {3,1,2} table.sort(t, function(a,b) return a > b end) return t", "table.sort({1,'x'})", "local t = {1,2} table.insert(t, 1, 0) return t", "table.insert({}, 1, 2, 3)", "return table.remove({1,2,3}, 1)",
	"return table.getn({1,2})", "return table.maxn({1,2,[10]=3})", "return math.max(1,5,3)", "return math.max()", "return math.fmod(7,3)", "return 7 % -3", "return -7 % 3", "return math.huge", "return 2^0.5 .. ''",
	"math.randomseed(7) return {math.random(1000), math.random(1000)}", "return math.random(0)", "return {unpack({1,2,3}, 2)}", "return {select(-1, 1, 2)}", "return {pcall(error, 'x')}", "return {xpcall(function() error('x') end, function(e) return 'h:' .. e end)}",
	"local co = coroutine.create(function(a) local b = coroutine.yield(a) error('x') end) return {coroutine.resume(co, 1), select(2, coroutine.resume(co)), coroutine.status(co)}",
	// cjson.
	"return cjson.encode({1,2,'x'})", "return cjson.encode({})", "return cjson.encode({a=1})", "return cjson.encode('a\\n\"/\\\\\\1')", "return cjson.encode(1.5)", "return cjson.encode(1e15)", "return cjson.encode(0.1)",
	"return cjson.encode(nil)", "return cjson.encode(cjson.null)", "return cjson.encode({1,nil,3})", "return cjson.encode({[1]=1,[50]=2})", "return cjson.encode({[1]=1,[5]=2})", "return cjson.encode(0/0)", "return cjson.encode(1/0)",
	"return cjson.encode(function() end)", "return cjson.encode({[{}]=1})", "return cjson.encode()", "return cjson.encode(1,2)", "return cjson.decode('[1,2.5,\"x\",true,false,null]')", "return cjson.decode('{\"a\":{\"b\":[1]}}').a.b",
	"return cjson.decode('\"\\\\u00e9\\\\ud83d\\\\ude00\"')", "return cjson.decode('\"\\\\ud83d\"')", "return cjson.decode('')", "return cjson.decode('[1,')", "return cjson.decode('{1:2}')", "return cjson.decode('[1 2]')", "return cjson.decode('nul')",
	"return cjson.decode('{\"a\":1,}')", "return cjson.decode('[1]x')", "return cjson.decode('0x10')", "return cjson.decode('\"a')", "return cjson.decode()", "return cjson.encode_keep_buffer()", "return cjson.encode_max_depth(0)",
	"cjson.encode_max_depth(2) return cjson.encode({{{}}})", "cjson.decode_max_depth(2) return cjson.decode('[[[]]]')", "cjson.encode_number_precision(3) return cjson.encode(3.14159)", "cjson.encode_number_precision(15)",
	"cjson.encode_sparse_array(true) return cjson.encode({[1]=1,[50]=2})", "cjson.encode_invalid_numbers(true) return cjson.encode(1/0)", "cjson.encode_invalid_numbers('null') return cjson.encode(0/0)", "return cjson.new",
	// cmsgpack.
	"return cmsgpack.pack(1)", "return cmsgpack.pack(-33, 128, 65536, 2^32, 1.5, 0.1, -2^40)", "return cmsgpack.pack({1,2,{a='x'}})", "return cmsgpack.pack(nil, true, false)", "return cmsgpack.pack()", "return cmsgpack.pack(('x'):rep(300))",
	"return {cmsgpack.unpack(cmsgpack.pack(1, 'x', {1,2}, -5, 1.5))}", "return cmsgpack.unpack('')", "return cmsgpack.unpack('\\147\\1')", "return cmsgpack.unpack('\\193')", "return {cmsgpack.unpack_one('\\1\\2')}", "return {cmsgpack.unpack_limit('\\1\\2\\3', 2)}",
	"return {cmsgpack.unpack_one('\\1', 5)}", "return {cmsgpack.unpack_limit('\\1', -1)}", "return cmsgpack.unpack()", "return cmsgpack.unpack({})",
	// struct.
	"return struct.pack('>I4', 258)", "return struct.pack('<i2bBhHlL', 1,2,3,4,5,6,7)", "return struct.pack('fd', 1.5, 2.5)", "return struct.pack('s', 'abc')", "return struct.pack('c2', 'abc')", "return struct.pack('c5', 'abc')", "return struct.pack('xx')",
	"return {struct.unpack('>I4', '\\0\\0\\1\\2')}", "return {struct.unpack('s', 'abc\\0')}", "return {struct.unpack('s', 'abc')}", "return {struct.unpack('bc0', '\\3abc')}", "return {struct.unpack('i4', 'ab')}", "return struct.size('!8bi8')", "return struct.size('s')",
	"return struct.pack('y', 1)", "return struct.pack('i', 'x')", "return struct.pack('i')", "return struct.pack('!3i', 1)", "return struct.unpack('i', 'abcd', 0)", "return {struct.unpack('<i4', 'abcdefgh', 5)}",
	// bit.
	"return bit.band(255, 15)", "return bit.bor(1, 2, 4)", "return bit.bxor(5, 1)", "return bit.bnot(0)", "return bit.lshift(1, 31)", "return bit.rshift(-1, 28)", "return bit.arshift(-256, 4)", "return bit.rol(0x12345678, 8)", "return bit.ror(1, 1)",
	"return bit.bswap(0x12345678)", "return bit.tohex(255)", "return bit.tohex(-1, 4)", "return bit.tobit(2^32 + 5)", "return bit.tobit(1e20)", "return bit.band()", "return bit.band('x')", "return bit.tohex(1, 0)", "return bit.lshift(1, 33)",
}

// scriptDifferences are the cases in which we differ, and why.
var scriptDifferences = map[string]string{
	"redis.setresp()":                           valkeyWords,
	"return redis.call('nosuch')":               valkeyWords,
	"return redis.pcall('nosuch')":              valkeyWords,
	"return redis.call()":                       valkeyWords,
	"return redis.call({})":                     valkeyWords,
	"return redis.call('get')":                  valkeyWords,
	"return redis.pcall('get')":                 valkeyWords,
	"return next({}, 'x')":                      "the interpreter takes a key that is not there for the last",
	"return redis.log()":                        valkeyWords,
	"return redis.log(9, 'x')":                  valkeyWords,
	"return redis.set_repl()":                   valkeyWords,
	"return redis.acl_check_cmd('nosuch')":      valkeyWords,
	"return redis.acl_check_cmd()":              valkeyWords,
	"return os.time":                            "Valkey 8.1 has os.clock",
	"setfenv(1, {})":                            "Valkey 8.1 has setfenv",
	"return string.dump(function() end) ~= nil": "there is no bytecode to dump",
}

const valkeyWords = "Valkey's errors do not say Redis"

// TestScriptsAsRedis: scripts answer what redis-server 7.0.15 answers.
func TestScriptsAsRedis(t *testing.T) {
	for _, proto := range []string{"2", "3"} {
		// A server of its own: cjson's settings outlive a script there.
		c, real := enginetest.New(t, enginetest.Start).Client(), enginetest.StartRedis(t).Dial()
		c.Value("HELLO", proto)
		real.Value("HELLO", proto)
		for _, source := range scriptCases {
			ours, theirs := c.Raw("EVAL", source, "0"), real.Raw("EVAL", source, "0")
			known := scriptDifferences[source] != ""
			if same := bytes.Equal(ours, theirs); !same && !known {
				t.Errorf("RESP%s %s\n  ours %.300q\ntheirs %.300q", proto, source, ours, theirs)
			} else if same && known && proto == "2" {
				t.Errorf("%s is listed as a difference, and is none", source)
			}
		}
	}
}
