package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

var stringLibrary = map[string]libFunc{
	"byte": strByte, "char": strChar, "find": strFind, "format": strFormat, "gfind": strGmatch, "gmatch": strGmatch,
	"gsub": strGsub, "len": strLen, "lower": strLower, "match": strMatch, "rep": strRep, "reverse": strReverse, "sub": strSub, "upper": strUpper,
}

// libConcat is `a .. b .. c`.
func libConcat(a args) int {
	n := a.len()
	size := 0
	for i := 1; i <= n; i++ {
		v := a.L.Get(i)
		if !isText(v) {
			return concatMeta(a, n)
		}
		if s, ok := v.(lua.LString); ok {
			size += len(s)
		}
	}
	a.vm.charge(a.L, size)
	if n == 2 {
		return a.pushString(toString(a.L.Get(1)) + toString(a.L.Get(2)))
	}
	var b strings.Builder
	b.Grow(size)
	for i := 1; i <= n; i++ {
		b.WriteString(toString(a.L.Get(i)))
	}
	return a.pushString(b.String())
}

// concatMeta concatenates from the right, where a metatable may say how.
func concatMeta(a args, n int) int {
	acc := a.L.Get(n)
	for i := n - 1; i >= 1; i-- {
		v := a.L.Get(i)
		if isText(v) && isText(acc) {
			l, r := toString(v), toString(acc)
			a.vm.charge(a.L, len(l)+len(r))
			acc = lua.LString(l + r)
			continue
		}
		op := metaOf(a.L, v, acc, "__concat")
		if op == lua.LNil {
			culprit := i - 1
			if isText(v) {
				v, culprit = acc, i
			}
			a.operandError(concatenation, culprit, n, v)
		}
		acc = a.vm.call(a.L, op, v, acc)
	}
	return a.push(acc)
}

// metaOf is the handler of an event for the first or, if that has none, the second operand.
func metaOf(l *lua.LState, x, y lua.LValue, event string) lua.LValue {
	if op := l.GetMetaField(x, event); op != lua.LNil {
		return op
	}
	return l.GetMetaField(y, event)
}

// at makes an index that may be negative, from the end, one from the beginning.
func at(i, n int) int {
	if i < 0 {
		i += n + 1
	}
	return max(i, 0)
}

func strByte(a args) int {
	s := a.str(1)
	from := at(a.optInt(2, 1), len(s))
	to := at(a.optInt(3, from), len(s))
	from, to = max(from, 1), min(to, len(s))
	if from > to {
		return 0
	}
	if to-from+1 >= maxResults {
		a.fail("string slice too long")
	}
	for i := from; i <= to; i++ {
		a.L.Push(lua.LNumber(s[i-1]))
	}
	return to - from + 1
}

func strChar(a args) int {
	b := make([]byte, a.len())
	for i := range b {
		c := a.int(i + 1)
		if c < 0 || c > 255 {
			a.argError(i+1, "invalid value")
		}
		b[i] = byte(c)
	}
	return a.pushString(string(b))
}

func strLen(a args) int { return a.pushNumber(float64(len(a.str(1)))) }

func strLower(a args) int {
	s := a.str(1)
	a.vm.charge(a.L, len(s))
	return a.pushString(mapASCII(s, 'A', 'Z'))
}

func strUpper(a args) int {
	s := a.str(1)
	a.vm.charge(a.L, len(s))
	return a.pushString(mapASCII(s, 'a', 'z'))
}

// mapASCII changes the case of the letters between two.
func mapASCII(s string, from, to byte) string {
	b := []byte(s)
	for i, c := range b {
		if from <= c && c <= to {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

func strRep(a args) int {
	s, n := a.str(1), a.int(2)
	if n <= 0 || s == "" {
		return a.pushString("")
	}
	if n > maxString/len(s) {
		a.fail("resulting string too large")
	}
	a.vm.charge(a.L, n*len(s))
	return a.pushString(strings.Repeat(s, n))
}

func strReverse(a args) int {
	s := a.str(1)
	a.vm.charge(a.L, len(s))
	b := make([]byte, len(s))
	for i := range b {
		b[i] = s[len(s)-1-i]
	}
	return a.pushString(string(b))
}

func strSub(a args) int {
	s := a.str(1)
	from := max(at(a.int(2), len(s)), 1)
	to := min(at(a.optInt(3, -1), len(s)), len(s))
	if from > to {
		return a.pushString("")
	}
	return a.pushString(s[from-1 : to])
}
