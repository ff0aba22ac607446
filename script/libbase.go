package script

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

var baseLibrary = map[string]libFunc{
	"assert": baseAssert, "collectgarbage": baseCollect, "error": baseError, "gcinfo": baseGCInfo, "getfenv": baseGetEnv,
	"getmetatable": baseGetMeta, "ipairs": baseIpairs, "load": baseLoad, "loadstring": baseLoadString, "newproxy": baseNewProxy,
	"next": baseNext, "pairs": basePairs, "pcall": basePcall, "rawequal": baseRawEqual, "rawget": baseRawGet, "rawset": baseRawSet,
	"select": baseSelect, "setfenv": baseSetEnv, "setmetatable": baseSetMeta, "tonumber": baseToNumber, "tostring": baseToString,
	"type": baseType, "unpack": baseUnpack, "xpcall": baseXpcall,
}

func baseAssert(a args) int {
	if lua.LVAsBool(a.any(1)) {
		return a.len()
	}
	text := "assertion failed!"
	if !a.absent(2) {
		text = a.str(2)
	}
	a.fail(text)
	return 0
}

// baseCollect tells what it is asked; when garbage is collected is Go's matter.
func baseCollect(a args) int {
	option := "collect"
	if !a.absent(1) {
		option = a.str(1)
	}
	switch option {
	case "count":
		return a.pushNumber(float64(a.vm.memory.taken()) / 1024)
	case "step":
		return a.push(lua.LTrue)
	case "collect", "stop", "restart", "setpause", "setstepmul":
		return a.pushNumber(0)
	}
	a.argError(1, "invalid option '"+option+"'")
	return 0
}

func baseGCInfo(a args) int { return a.pushNumber(float64(a.vm.memory.taken() / 1024)) }

func baseError(a args) int {
	v := a.L.Get(1)
	level := a.optInt(2, 1)
	if text, ok := v.(lua.LString); ok && level > 0 {
		v = lua.LString(where(a.L, level)) + text
	}
	a.raise(v)
	return 0
}

// where is the position of the function at a level of the stack, "" if it is none of Lua's.
func where(l *lua.LState, level int) string {
	at := l.Where(level)
	if at == "" || strings.HasPrefix(at, "[G]") {
		return ""
	}
	return strings.TrimSuffix(at, ":") + ": "
}

// function is the function that getfenv and setfenv mean: itself, or the one at a level of the stack.
func function(a args, i int) *lua.LFunction {
	if f, ok := a.L.Get(i).(*lua.LFunction); ok {
		return f
	}
	level := a.optInt(i, 1)
	if level < 0 {
		a.argError(i, "level must be non-negative")
	}
	dbg, ok := a.L.GetStack(level)
	if !ok || level == 0 {
		if level > 0 {
			a.argError(i, "invalid level")
		}
		return nil
	}
	v, err := a.L.GetInfo("f", dbg, lua.LNil)
	f, ok := v.(*lua.LFunction)
	if err != nil || !ok {
		a.argError(i, "invalid level")
	}
	return f
}

func baseGetEnv(a args) int {
	f := function(a, 1)
	if f == nil || f.IsG {
		return a.push(a.vm.env)
	}
	return a.push(f.Env)
}

func baseSetEnv(a args) int {
	env := a.table(2)
	f := function(a, 1)
	if f == nil || f.IsG {
		a.fail("'setfenv' cannot change environment of given object")
	}
	f.Env = env
	return a.push(f)
}

func baseGetMeta(a args) int {
	v := a.any(1)
	if t, ok := v.(*lua.LTable); ok && a.vm.sealed(t) {
		return a.push(a.vm.metaView(a.vm.read(t)))
	}
	mt := a.L.GetMetatable(v)
	if t, ok := mt.(*lua.LTable); ok && v.Type() == lua.LTString {
		return a.push(a.vm.seal(t))
	}
	return a.push(mt)
}

// metaView is what scripts see as the metatable of a table that they share.
func (vm *VM) metaView(t *lua.LTable) lua.LValue {
	if mt, ok := t.Metatable.(*lua.LTable); ok {
		return vm.seal(mt)
	}
	return lua.LNil
}

func baseSetMeta(a args) int {
	t := a.table(1)
	mt := a.L.Get(2)
	if mt.Type() != lua.LTTable && (mt != lua.LNil || a.len() < 2) {
		a.argError(2, "nil or table expected")
	}
	if a.vm.sealed(t) {
		a.fail(readonlyText)
	}
	if old, ok := t.Metatable.(*lua.LTable); ok && old.RawGetString("__metatable") != lua.LNil {
		a.fail("cannot change a protected metatable")
	}
	t.Metatable = mt
	return a.push(t)
}

func baseRawEqual(a args) int { return a.push(lua.LBool(a.L.RawEqual(a.any(1), a.any(2)))) }

func baseRawGet(a args) int {
	t := a.table(1)
	return a.push(a.vm.read(t).RawGet(a.any(2)))
}

func baseRawSet(a args) int {
	t := a.table(1)
	a.any(2)
	a.any(3)
	if a.vm.sealed(t) {
		a.fail(readonlyText)
	}
	a.L.RawSet(t, a.L.Get(2), a.L.Get(3))
	return a.push(t)
}

func baseNext(a args) int {
	k, v := a.vm.read(a.table(1)).Next(a.L.Get(2))
	if k == lua.LNil {
		return a.push(lua.LNil)
	}
	return a.push(k, v)
}

func basePairs(a args) int {
	t := a.table(1)
	return a.push(a.vm.globals.RawGetString("next"), t, lua.LNil)
}

func baseIpairs(a args) int {
	t := a.table(1)
	return a.push(a.vm.ipairsStep(), t, lua.LNumber(0))
}

func (vm *VM) ipairsStep() lua.LValue {
	if vm.ipairs == nil {
		vm.ipairs = vm.fn("ipairs", func(a args) int {
			i := a.int(2) + 1
			v := a.vm.read(a.table(1)).RawGet(lua.LNumber(i))
			if v == lua.LNil {
				return 0
			}
			return a.push(lua.LNumber(i), v)
		})
	}
	return vm.ipairs
}

func baseSelect(a args) int {
	if s, ok := a.L.Get(1).(lua.LString); ok && s == "#" {
		return a.pushNumber(float64(a.len() - 1))
	}
	i, n := a.int(1), a.len()
	switch {
	case i < 0 && i+n >= 1:
		i += n
	case i < 1:
		a.argError(1, "index out of range")
	}
	return max(0, n-i)
}

func baseToNumber(a args) int {
	v := a.any(1)
	base := a.optInt(2, 10)
	if base == 10 {
		if f, ok := toNumber(v); ok {
			return a.pushNumber(f)
		}
		return a.push(lua.LNil)
	}
	s := a.str(1)
	if base < 2 || base > 36 {
		a.argError(2, "base out of range")
	}
	f, ok := inBase(s, base)
	if !ok {
		return a.push(lua.LNil)
	}
	return a.pushNumber(f)
}

// inBase reads an integer as C's strtoul does.
func inBase(s string, base int) (float64, bool) {
	s = strings.ToLower(strings.Trim(s, " \t\n\v\f\r"))
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	if base == 16 {
		digits = strings.TrimPrefix(digits, "0x")
	}
	if digits == "" {
		return 0, false
	}
	n, over := uint64(0), false
	for i := range len(digits) {
		d := strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyz", digits[i])
		if d < 0 || d >= base {
			return 0, false
		}
		over = over || n > (math.MaxUint64-uint64(d))/uint64(base)
		n = n*uint64(base) + uint64(d)
	}
	switch {
	case over:
		n = math.MaxUint64
	case s[0] == '-':
		n = -n
	}
	return float64(n), true
}

func baseToString(a args) int { return a.push(a.vm.tostring(a.L, a.any(1))) }

// tostring is a value as text, by its metatable if that says how.
func (vm *VM) tostring(l *lua.LState, v lua.LValue) lua.LValue {
	if mt, ok := l.GetMetatable(v).(*lua.LTable); ok && v.Type() != lua.LTString {
		if f := mt.RawGetString("__tostring"); f != lua.LNil {
			return vm.call(l, f, v)
		}
	}
	switch v := v.(type) {
	case lua.LString:
		return v
	case lua.LNumber:
		return lua.LString(numberText(float64(v)))
	case *lua.LUserData:
		if v == jsonNull {
			return lua.LString("userdata: (nil)")
		}
	}
	return lua.LString(v.String())
}

func baseType(a args) int { return a.pushString(a.any(1).Type().String()) }

// maxResults is how many values a function may return, as in Lua 5.1 with Redis' settings.
const maxResults = 8000

func baseUnpack(a args) int {
	t := a.vm.read(a.table(1))
	from := a.optInt(2, 1)
	to := a.optInt(3, a.vm.length(t))
	if from > to {
		return 0
	}
	if uint64(to)-uint64(from) >= maxResults-uint64(a.len()) {
		a.fail("too many results to unpack")
	}
	n := to - from + 1
	for i := from; ; i++ {
		a.L.Push(t.RawGet(lua.LNumber(i)))
		if i == to {
			return n
		}
	}
}

func basePcall(a args) int {
	f := a.any(1)
	out, err := a.vm.protect(f, a.rest(2))
	if err != nil {
		return a.push(lua.LFalse, plainError(a.vm.errorValue(err)))
	}
	return a.push(append([]lua.LValue{lua.LTrue}, out...)...)
}

// plainError is an error as pcall gives it: of a table like those that redis.call raises, its text, as before Redis 7.
func plainError(v lua.LValue) lua.LValue {
	if t, ok := v.(*lua.LTable); ok {
		if text := t.RawGetString("err"); isText(text) {
			return text
		}
	}
	return v
}

func (vm *VM) errorValue(err error) lua.LValue {
	if e, ok := err.(*luaError); ok {
		return e.value
	}
	return lua.LString(err.Error())
}

func baseXpcall(a args) int {
	f, handler := a.any(1), a.any(2)
	out, err := a.vm.protect(f, nil)
	if err == nil {
		return a.push(append([]lua.LValue{lua.LTrue}, out...)...)
	}
	out, err = a.vm.protect(handler, []lua.LValue{a.vm.errorValue(err)})
	if err != nil {
		return a.push(lua.LFalse, a.vm.errorValue(err))
	}
	return a.push(append([]lua.LValue{lua.LFalse}, out...)...)
}

func baseLoadString(a args) int {
	source := a.str(1)
	name := source
	if !a.absent(2) {
		name = a.str(2)
	}
	return loadChunk(a, source, name)
}

func baseLoad(a args) int {
	f := a.fn(1)
	name := "=(load)"
	if !a.absent(2) {
		name = a.str(2)
	}
	var b strings.Builder
	for {
		v := a.vm.call(a.L, f)
		if v == lua.LNil || v == lua.LString("") {
			return loadChunk(a, b.String(), name)
		}
		if !isText(v) {
			return a.push(lua.LNil, lua.LString("reader function must return a string"))
		}
		part := toString(v)
		a.vm.charge(a.L, b.Len()+len(part))
		b.WriteString(part)
	}
}

func loadChunk(a args, source, name string) int {
	fn, err := a.vm.compile(chunkID(name), source, a.vm.env)
	if err != nil {
		return a.push(lua.LNil, lua.LString(err.Error()))
	}
	return a.push(fn)
}

// maxChunkName is how much of its source is a chunk's name, in bytes.
const maxChunkName = 45

// chunkID is a chunk's name as error texts have it.
func chunkID(name string) string {
	if name != "" && (name[0] == '=' || name[0] == '@') {
		return name[1:min(len(name), maxChunkName)]
	}
	first, _, more := strings.Cut(name, "\n")
	if more || len(first) > maxChunkName {
		return `[string "` + first[:min(len(first), maxChunkName-3)] + `..."]`
	}
	return `[string "` + first + `"]`
}

func baseNewProxy(a args) int {
	ud := a.L.NewUserData()
	switch v := a.L.Get(1).(type) {
	case lua.LBool:
		if v {
			ud.Metatable = a.L.NewTable()
		}
	case *lua.LUserData:
		ud.Metatable = v.Metatable
	case *lua.LNilType:
	default:
		a.argError(1, "boolean or proxy expected")
	}
	return a.push(ud)
}
