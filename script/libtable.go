package script

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
)

var tableLibrary = map[string]libFunc{
	"concat": tabConcat, "foreach": tabForeach, "foreachi": tabForeachi, "getn": tabGetn, "insert": tabInsert, "maxn": tabMaxn,
	"remove": tabRemove, "setn": tabSetn, "sort": tabSort,
}

// own takes a table that the function may change.
func own(a args, i int) *lua.LTable {
	t := a.table(i)
	if a.vm.sealed(t) {
		a.fail(readonlyText)
	}
	return t
}

func tabConcat(a args) int {
	t := a.vm.read(a.table(1))
	sep := ""
	if !a.absent(2) {
		sep = a.str(2)
	}
	from := a.optInt(3, 1)
	to := a.optInt(4, a.vm.length(t))
	var b strings.Builder
	for i := from; i <= to; i++ {
		v := t.RawGet(lua.LNumber(i))
		if !isText(v) {
			a.fail("invalid value (" + v.Type().String() + ") at index " + numberText(float64(i)) + " in table for 'concat'")
		}
		part := toString(v)
		a.vm.charge(a.L, len(part)+len(sep))
		if b.Len()+len(part)+len(sep) > maxString {
			a.fail("string length overflow")
		}
		b.WriteString(part)
		if i != to {
			b.WriteString(sep)
		}
		if i == math.MaxInt {
			break
		}
	}
	return a.pushString(b.String())
}

func tabForeach(a args) int {
	t, f := a.vm.read(a.table(1)), a.fn(2)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if r := a.vm.call(a.L, f, k, v); r != lua.LNil {
			return a.push(r)
		}
	}
	return 0
}

func tabForeachi(a args) int {
	t, f := a.vm.read(a.table(1)), a.fn(2)
	n := a.vm.length(t)
	for i := 1; i <= n; i++ {
		if r := a.vm.call(a.L, f, lua.LNumber(i), t.RawGet(lua.LNumber(i))); r != lua.LNil {
			return a.push(r)
		}
	}
	return 0
}

func tabGetn(a args) int { return a.pushNumber(float64(a.vm.length(a.vm.read(a.table(1))))) }

func tabSetn(a args) int {
	a.table(1)
	a.fail("'setn' is obsolete")
	return 0
}

func tabMaxn(a args) int {
	t, most := a.vm.read(a.table(1)), 0.0
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		if n, ok := k.(lua.LNumber); ok && float64(n) > most {
			most = float64(n)
		}
	}
	return a.pushNumber(most)
}

func tabInsert(a args) int {
	t := own(a, 1)
	n := a.vm.length(t)
	switch a.len() {
	case 2:
		a.vm.set(a.L, t, n+1, a.L.Get(2))
	case 3:
		pos := a.int(2)
		last := max(n+1, pos)
		if last-pos > limitMoves {
			a.fail("table is too big")
		}
		for i := last; i > pos; i-- {
			a.vm.set(a.L, t, i, t.RawGet(lua.LNumber(i-1)))
		}
		a.vm.set(a.L, t, pos, a.L.Get(3))
	default:
		a.fail("wrong number of arguments to 'insert'")
	}
	return 0
}

// limitMoves is how many elements one call moves at most.
const limitMoves = 1 << 28

// set stores an element of an array.
func (vm *VM) set(l *lua.LState, t *lua.LTable, i int, v lua.LValue) { l.RawSet(t, lua.LNumber(i), v) }

func tabRemove(a args) int {
	t := own(a, 1)
	n := a.vm.length(t)
	pos := a.optInt(2, n)
	if pos < 1 || pos > n {
		return 0
	}
	v := t.RawGet(lua.LNumber(pos))
	for i := pos; i < n; i++ {
		a.vm.set(a.L, t, i, t.RawGet(lua.LNumber(i+1)))
	}
	if n < limits.MaxScriptArray {
		t.Remove(n)
	} else {
		a.vm.set(a.L, t, n, lua.LNil)
	}
	return a.push(v)
}

// sorter sorts the elements of a table in place, by quicksort with a bound on its depth, so that an order that contradicts itself does
// no harm.
type sorter struct {
	a  args
	t  *lua.LTable
	fn lua.LValue
	n  uint32
}

func (s *sorter) less(x, y lua.LValue) bool {
	if s.n++; s.n%stepsPerTick == 0 {
		s.a.vm.hook.patient()
	}
	if s.fn != lua.LNil {
		return lua.LVAsBool(s.a.vm.call(s.a.L, s.fn, x, y))
	}
	if kind := x.Type(); kind != y.Type() {
		s.incomparable(x.Type().String() + " with " + y.Type().String())
	} else if kind != lua.LTNumber && kind != lua.LTString && metaOf(s.a.L, x, y, "__lt") == lua.LNil {
		s.incomparable("two " + kind.String() + " values")
	}
	return s.a.L.LessThan(x, y)
}

// incomparable raises the error without a place, as Lua does for what is raised in C.
func (s *sorter) incomparable(what string) {
	s.a.raise(lua.LString("attempt to compare " + what))
}

func tabSort(a args) int {
	t := own(a, 1)
	n := a.vm.length(t)
	s := &sorter{a: a, t: t, fn: lua.LNil}
	if !a.absent(2) {
		s.fn = a.fn(2)
	}
	values := make([]lua.LValue, n)
	for i := range values {
		values[i] = t.RawGet(lua.LNumber(i + 1))
	}
	s.sort(values, 2*bitLen(n))
	for i, v := range values {
		a.vm.set(a.L, t, i+1, v)
	}
	return 0
}

func bitLen(n int) (bits int) {
	for ; n > 0; n >>= 1 {
		bits++
	}
	return bits
}

func (s *sorter) sort(v []lua.LValue, depth int) {
	for len(v) > 12 {
		if depth == 0 {
			s.merge(v)
			return
		}
		depth--
		p := s.partition(v)
		if p < len(v)-p {
			s.sort(v[:p], depth)
			v = v[p+1:]
		} else {
			s.sort(v[p+1:], depth)
			v = v[:p]
		}
	}
	for i := 1; i < len(v); i++ {
		for j := i; j > 0 && s.less(v[j], v[j-1]); j-- {
			v[j], v[j-1] = v[j-1], v[j]
		}
	}
}

// partition puts the pivot, the median of three, into its place and returns that.
func (s *sorter) partition(v []lua.LValue) int {
	hi := len(v) - 1
	mid := hi / 2
	if s.less(v[mid], v[0]) {
		v[mid], v[0] = v[0], v[mid]
	}
	if s.less(v[hi], v[mid]) {
		v[hi], v[mid] = v[mid], v[hi]
		if s.less(v[mid], v[0]) {
			v[mid], v[0] = v[0], v[mid]
		}
	}
	v[mid], v[hi] = v[hi], v[mid]
	pivot, p := v[hi], 0
	for i := range hi {
		if s.less(v[i], pivot) {
			v[i], v[p] = v[p], v[i]
			p++
		}
	}
	v[p], v[hi] = v[hi], v[p]
	return p
}

// merge sorts where quicksort does badly.
func (s *sorter) merge(v []lua.LValue) {
	if len(v) < 2 {
		return
	}
	mid := len(v) / 2
	s.merge(v[:mid])
	s.merge(v[mid:])
	out := make([]lua.LValue, 0, len(v))
	i, j := 0, mid
	for i < mid && j < len(v) {
		if s.less(v[j], v[i]) {
			out = append(out, v[j])
			j++
		} else {
			out = append(out, v[i])
			i++
		}
	}
	out = append(append(out, v[i:mid]...), v[j:]...)
	copy(v, out)
}
