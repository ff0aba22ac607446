package script

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/limits"
)

// TestLongTables: tables are as long as they are, beyond what the interpreter keeps in an array, too.
func TestLongTables(t *testing.T) {
	n := limits.MaxScriptArray + 1000
	source := fmt.Sprintf("local out, t = {}, cjson.decode('[' .. ('0,'):rep(%d) .. '0]') ", n-1) + strings.Join([]string{
		"t[#t+1] = 7 t[#t+1] = 8", "out[1], out[2], out[3], out[4] = #t, table.getn(t), t[#t], t[#t-1]",
		"table.insert(t, 5)", "out[5], out[6], out[7] = #t, table.remove(t), #t",
		"t[#t] = nil t[#t] = nil", "out[8] = #t",
		"out[9] = #cjson.encode(t)",
		"out[10] = #table.concat(t)",
		"t[#t] = 9", "out[11], out[12] = unpack(t, #t - 1)",
		"t = cjson.decode('[' .. ('1,'):rep(#t - 1) .. '5]')", "out[13], out[14] = #t, t[#t]", "return out",
	}, " ")
	want := fmt.Sprintf("*14 %[3]d %[3]d 8 7 %[4]d 5 %[3]d %[1]d %[2]d %[1]d 0 9 %[1]d 5 ", n, 2*n+1, n+2, n+3)
	if got := strings.NewReplacer("\r\n", " ", ":", "").Replace(eval(roomy(), &testHost{}, source)); got != want {
		t.Errorf("%.300q, want %q", got, want)
	}
}

// roomy is an interpreter with room for long tables, and a clock that stands, so that it does not look at memory all the time.
func roomy() *VM { return New(Config{MonoNanos: func() int64 { return 0 }, Memory: 4 << 30}) }

// TestNotLong: indices that only look like a long table's, and tables whose ends were taken off.
func TestNotLong(t *testing.T) {
	for source, want := range map[string]string{
		fmt.Sprintf("local t = cjson.decode('[' .. ('0,'):rep(%d) .. '0]') for i = 0, 60 do t[2^i] = 1 end return #t", limits.MaxScriptArray-2): fmt.Sprintf(":%d\r\n",
			limits.MaxScriptArray),
		"local t = {} t[1e9] = 1 return #t":                                                   ":0\r\n",
		"local t = {1,2,3,4} t[4] = nil t[3] = nil local n = #t t[2] = nil return {n, #t}":    "*2\r\n:2\r\n:1\r\n",
		"local t, u = {1,2,3}, {1} local n = #t t[3] = nil u[1] = nil return {n, #u, #t, #u}": "*4\r\n:3\r\n:0\r\n:2\r\n:0\r\n",
	} {
		if got := eval(roomy(), &testHost{}, source); got != want {
			t.Errorf("%s: %.200q, want %q", source, got, want)
		}
	}
}

// TestStackOfATable: what is taken off a table's end one by one takes time by their number, not by its square.
func TestStackOfATable(t *testing.T) {
	vm := roomy()
	if got := eval(vm, &testHost{}, "local t = {} for i = 1, 100000 do t[i] = i end while #t > 0 do t[#t] = nil end return #t"); got != ":0\r\n" {
		t.Error(got)
	}
	if vm.measured.t != nil {
		t.Error("the table outlives the script")
	}
}

// TestSyntaxOfSound: the check of syntax finds nothing in what is sound.
func TestSyntaxOfSound(t *testing.T) {
	for _, source := range []string{
		"", "return", "return 1", "local a, b = 1 return a", "local function f(...) return ... end f() f{} f'x' f[[y]] f:g() f.x.y[1] = 2",
		"if a then b() elseif c then d() else e() end", "while a do break end", "repeat local x = 1 until x", "for i = 1, 2, 3 do end", "for k, v in pairs{} do end",
		"function a.b.c:d(x, y, ...) return ... end", "local goto_ = 1", "while a do local f = function() for i = 1, 2 do break end end break end", "a, b.c, d[1] = 1, 2", "return {1, a = 2, [3] = 4; 5, function() end}", "return -a ^ b .. c == d and not e or #f",
		"x = [==[ ]] ]=] ]==] --[=[ ]] ]=] y = 1", "x = 'a\\\nb\\065\\z'", "x = 0xAF + 1e-5 + .5 + 5.", "(f or g)(1):h().i = 3", "-- comment",
	} {
		if _, err := compileChunk("c", source, false); err != nil {
			t.Errorf("%q: %v", source, err)
		}
	}
}

// TestMemoryOfOthers: a script is not ended for what other parts of the process take meanwhile, if these count it.
func TestMemoryOfOthers(t *testing.T) {
	t.Run("counted", func(t *testing.T) { memoryOfOthers(t, true) })
	t.Run("not counted", func(t *testing.T) { memoryOfOthers(t, false) })
}

func memoryOfOthers(t *testing.T, counted bool) {
	var held [][]byte
	others := func() int64 {
		if !counted {
			return 0
		}
		return int64(len(held)) << 20
	}
	vm := New(Config{MonoNanos: ticks(), Memory: testMemory, Others: others})
	h := &testHost{stop: func() string {
		if len(held) < 256 {
			held = append(held, make([]byte, 1<<20))
		}
		return ""
	}}
	runtime.GC() // what other tests have left is no part of what is alive
	got := eval(vm, h, "for i = 1, 2000 do local x = {} end return 1")
	if ended := strings.Contains(got, "not enough memory"); ended == counted {
		t.Errorf("%q; %+v", got, vm.memory)
	}
	if own := eval(vm, h, "local t = {} while true do t[#t+1] = {} end"); !strings.Contains(own, "not enough memory") {
		t.Errorf("its own: %q", own)
	}
}
