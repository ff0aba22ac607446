package script

import (
	"math"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// args are a library function's arguments, numbered from 1.
type args struct {
	L    *lua.LState
	vm   *VM
	name string
}

// fail raises an error with the place of the caller before it.
func (a args) fail(text string) { a.L.RaiseError("%s", text) }

// raise raises an error value as it is.
func (a args) raise(v lua.LValue) { a.L.Error(v, 0) }

// argError raises an error about an argument.
func (a args) argError(i int, text string) {
	a.fail("bad argument #" + strconv.Itoa(i) + " to '" + a.name + "' (" + text + ")")
}

// typeError raises an error about an argument's type.
func (a args) typeError(i int, want string) { a.argError(i, want+" expected, got "+a.typeName(i)) }

func (a args) typeName(i int) string {
	if i > a.L.GetTop() {
		return "no value"
	}
	return a.L.Get(i).Type().String()
}

func (a args) len() int { return a.L.GetTop() }

func (a args) any(i int) lua.LValue {
	if i > a.L.GetTop() {
		a.argError(i, "value expected")
	}
	return a.L.Get(i)
}

func (a args) absent(i int) bool { return a.L.Get(i) == lua.LNil }

// num takes a number, or a string that is one.
func (a args) num(i int) float64 {
	f, ok := toNumber(a.L.Get(i))
	if !ok {
		a.typeError(i, "number")
	}
	return f
}

func (a args) int(i int) int { return toInt(a.num(i)) }

func (a args) optInt(i, otherwise int) int {
	if a.absent(i) {
		return otherwise
	}
	return a.int(i)
}

// str takes a string, or a number as its text.
func (a args) str(i int) string {
	switch v := a.L.Get(i).(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(float64(v))
	}
	a.typeError(i, "string")
	return ""
}

func (a args) table(i int) *lua.LTable {
	t, ok := a.L.Get(i).(*lua.LTable)
	if !ok {
		a.typeError(i, "table")
	}
	return t
}

func (a args) fn(i int) *lua.LFunction {
	f, ok := a.L.Get(i).(*lua.LFunction)
	if !ok {
		a.typeError(i, "function")
	}
	return f
}

// rest are the arguments from i on.
func (a args) rest(i int) []lua.LValue {
	var out []lua.LValue
	for n := a.len(); i <= n; i++ {
		out = append(out, a.L.Get(i))
	}
	return out
}

// push pushes what the function returns.
func (a args) push(values ...lua.LValue) int {
	for _, v := range values {
		a.L.Push(v)
	}
	return len(values)
}

func (a args) pushString(s string) int  { return a.push(lua.LString(s)) }
func (a args) pushNumber(f float64) int { return a.push(lua.LNumber(f)) }

// toNumber is a value as a number, as Lua's arithmetic takes it.
func toNumber(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return parseNumber(string(v))
	}
	return 0, false
}

// toInt cuts a number as a C compiler's cast to 64 bits does on amd64: what does not fit is the least integer.
func toInt(f float64) int {
	if f >= math.MinInt64 && f < math.MaxInt64 {
		return int(f)
	}
	return math.MinInt64
}

// toString is a string or a number as text; "" of anything else.
func toString(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return string(v)
	case lua.LNumber:
		return numberText(float64(v))
	}
	return ""
}

// isText reports whether a value is a string or a number.
func isText(v lua.LValue) bool {
	t := v.Type()
	return t == lua.LTString || t == lua.LTNumber
}
