package script

import (
	"strings"
	"testing"
)

// FuzzSource: no source crashes or hangs, each is answered, and the interpreter runs the next as if nothing had been.
func FuzzSource(f *testing.F) {
	for _, source := range []string{
		"return 1", "local t = {} for i = 1, 9 do t[#t+1] = i .. 'x' end return t", "return cjson.decode(cjson.encode({1,{a='b'}}))", "while true do end",
		"return {string.gsub('abc', '(%w)', '%1%1')}", "return cmsgpack.unpack(cmsgpack.pack({1,2}))", "return struct.unpack('>I2', struct.pack('>I2', 5))",
		"local function f() return pcall(f) end return f()", "return redis.call('get', KEYS[1])", "local co = coroutine.wrap(function() coroutine.yield(1) end) return co()",
		"return setmetatable({}, {__index = function(t, k) return k end}).x", "error({err='x'})", "goto x", "return [==[", "return 'a' .. 1 .. nil",
	} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		vm, n := newVM(), 0
		got := eval(vm, &testHost{stop: func() string {
			if n++; n > 200 {
				return "ERR killed"
			}
			return ""
		}}, source, "z")
		if got == "" || !strings.ContainsRune("!+-:$*", rune(got[0])) {
			t.Errorf("%q: %q", source, got)
		}
		if again := eval(vm, &testHost{}, "return 1"); again != ":1\r\n" {
			t.Errorf("after %q: %q", source, again)
		}
	})
}
