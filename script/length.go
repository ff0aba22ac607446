package script

import (
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
)

// The operators # and unary - are calls of the helpers below. The interpreter's own # knows only a table's array, which ends before
// limits.MaxScriptArray; asks metatables, which in Lua 5.1 only that of a userdata is; and goes through all that is nil behind the last
// element, so that t[#t] = nil would take the longer the more was removed.

// measured is a table and its length when it was last asked for. shrunk: elements were taken off its end since it was first asked for.
type measured struct {
	t      *lua.LTable
	n      int
	shrunk bool
}

// near looks for a border beside the last one: where an element was taken off the end, and from then on where one was put there.
func (m *measured) near() bool {
	has := func(i int) bool { return i == 0 || m.t.RawGetInt(i) != lua.LNil }
	switch {
	case !has(m.n):
		m.n, m.shrunk = m.n-1, true
		return has(m.n)
	case m.shrunk && has(m.n+1):
		m.n++
		return !has(m.n + 1)
	}
	return m.shrunk
}

// length is a border of a table: an index that has a value before one that has none, or 0.
func (vm *VM) length(t *lua.LTable) int {
	m := &vm.measured
	if m.t != t || !m.near() {
		*m = measured{t: t, n: t.Len()}
	}
	if m.n < limits.MaxScriptArray-1 {
		return m.n
	}
	return hashedBorder(t, m.n)
}

// farIndex is an index that no array reaches.
const farIndex = 1 << 48

// hashedBorder is a border of a table among the elements behind n, the last one of its array.
func hashedBorder(t *lua.LTable, n int) int {
	has := func(i int) bool { return t.RawGet(lua.LNumber(i)) != lua.LNil }
	from, to := n, n+1
	for has(to) {
		if from, to = to, 2*to; to > farIndex { // no array, but made to look like one
			for from = n; has(from + 1); from++ {
			}
			return from
		}
	}
	for to-from > 1 {
		if mid := from + (to-from)/2; has(mid) {
			from = mid
		} else {
			to = mid
		}
	}
	return from
}

// libLength is `#x`.
func libLength(a args) int {
	switch v := a.L.Get(1).(type) {
	case *lua.LTable:
		return a.pushNumber(float64(a.vm.length(v)))
	case lua.LString:
		return a.pushNumber(float64(len(v)))
	default:
		op := a.L.GetMetaField(v, "__len")
		if op == lua.LNil {
			a.operandError(lengthOf, 0, 1, v)
		}
		return a.push(a.vm.call(a.L, op, v))
	}
}

// libMinus is `-x`.
func libMinus(a args) int {
	v := a.L.Get(1)
	if f, ok := toNumber(v); ok {
		return a.pushNumber(-f)
	}
	op := a.L.GetMetaField(v, "__unm")
	if op == lua.LNil {
		a.operandError(arithmetic, 0, 1, v)
	}
	return a.push(a.vm.call(a.L, op, v, v))
}

// operandError raises an error about a value that is the i-th of an operator's n operands.
func (a args) operandError(operator string, i, n int, v lua.LValue) {
	source, number := line(a.vm.position(a.L))
	at, _ := strconv.Atoi(number)
	a.fail("attempt to " + operator + " " + named(a.vm.operand(source, at, operator, i, n), v.Type().String()))
}

// operand is the name of the i-th of an operator's n operands on a line, if only one thing there can be meant.
func (vm *VM) operand(source string, line int, operator string, i, n int) string {
	name, found := "", false
	for _, s := range vm.sites[source][line] {
		if s.operator != operator || len(s.operands) != n {
			continue
		}
		if found && name != s.operands[i] {
			return ""
		}
		name, found = s.operands[i], true
	}
	return name
}
