package script

import (
	"strconv"
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

// decoders are scripts that decode what they are given and, if that is sound, encode it twice. MessagePack goes there and back once before: what stands on
// the 16th level is packed as nil, as in Redis, which the table that it was in does not have then.
var decoders = []string{
	"local v = cjson.decode(ARGV[1]) local s = cjson.encode(v) return {s, cjson.encode(cjson.decode(s))}",
	"local s = cmsgpack.pack(cmsgpack.unpack(cmsgpack.pack(cmsgpack.unpack(ARGV[1])))) return {s, cmsgpack.pack(cmsgpack.unpack(s))}",
	"return {cmsgpack.unpack_limit(ARGV[1], 3, #ARGV[2])}",
	"return {struct.unpack(ARGV[2], ARGV[1], 1)}",
	"local out = {pcall(struct.unpack, ARGV[2], ARGV[1])} out[#out] = nil local s = struct.pack(ARGV[2], unpack(out, 2)) return {s, struct.pack(ARGV[2], struct.unpack(ARGV[2], s))}",
}

// FuzzDecode: no text crashes a decoder or makes it hang, and what was decoded is the same after another way there and back.
func FuzzDecode(f *testing.F) {
	for kind, texts := range [][2]string{{`{"a":[1,2.5e3,true,null,"\u00e9\ud83d\ude00"]}`, ""}, {"\x93\x01\xa1x\x81\xa1y\xcb?\xf0\x00\x00\x00\x00\x00\x00", ""},
		{"\x01\x02\x03", "x"}, {"\x01\x02\x03\x04abc\x00", ">I2bBs"}, {"\x01\x02\x03\x04abcdefgh", "<!4i2fc0"}} {
		f.Add(uint8(kind), []byte(texts[0]), texts[1])
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte, format string) {
		vm, n := newVM(), 0
		source := decoders[int(kind)%len(decoders)]
		got := eval(vm, &testHost{stop: func() string {
			if n++; n > 200 {
				return "ERR killed"
			}
			return ""
		}}, source, string(data), format)
		if got == "" || !strings.ContainsRune("-*", rune(got[0])) {
			t.Errorf("%q, %q: %q", data, format, got)
		}
		if first, second, ok := twoBlobs(got); ok && strings.HasPrefix(source, "local") && first != second {
			t.Errorf("%q, %q: %q and then %q", data, format, first, second)
		}
		if again := eval(vm, &testHost{}, "return 1"); again != ":1\r\n" {
			t.Errorf("after %q: %q", data, again)
		}
	})
}

// twoBlobs takes the two strings of a reply, if it is that.
func twoBlobs(reply string) (first, second string, ok bool) {
	rest, ok := strings.CutPrefix(reply, "*2\r\n")
	for _, to := range []*string{&first, &second} {
		length, after, found := strings.Cut(strings.TrimPrefix(rest, "$"), "\r\n")
		n, err := strconv.Atoi(length)
		if !ok || !found || err != nil || n < 0 || n+2 > len(after) {
			return "", "", false
		}
		*to, rest = after[:n], after[n+2:]
	}
	return first, second, true
}
