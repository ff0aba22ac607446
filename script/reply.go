package script

import (
	"bytes"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// reply makes a value of Lua of a command's reply. The reply is the engine's own, so that it is whole and well-formed.
func (vm *VM) reply(b []byte) lua.LValue {
	r := replyReader{vm: vm, b: b}
	return r.value()
}

type replyReader struct {
	vm *VM
	b  []byte
}

// line takes a line: its kind and what follows.
func (r *replyReader) line() (kind byte, text []byte) {
	i := bytes.IndexByte(r.b, '\r')
	if i < 1 {
		r.b = nil
		return 0, nil
	}
	kind, text = r.b[0], r.b[1:i]
	r.b = r.b[min(i+2, len(r.b)):]
	return kind, text
}

// blob takes n bytes and their line end.
func (r *replyReader) blob(n int) []byte {
	n = min(n, len(r.b))
	out := r.b[:n]
	r.b = r.b[min(n+2, len(r.b)):]
	return out
}

func (r *replyReader) value() lua.LValue {
	kind, text := r.line()
	switch kind {
	case '+':
		return r.field("ok", lua.LString(text))
	case '-':
		t := r.vm.errorTable(errorText(string(text)))
		t.RawSetString(counted, lua.LTrue)
		return t
	case '#':
		return lua.LBool(len(text) > 0 && text[0] == 't')
	case ',':
		f, _ := parseNumber(string(text))
		return r.field("double", lua.LNumber(f))
	case '(':
		return r.field("big_number", lua.LString(text))
	case '_':
		return lua.LNil
	case ':':
		n, _ := strconv.ParseInt(string(text), 10, 64)
		return lua.LNumber(n)
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return lua.LFalse
	}
	return r.sized(kind, n)
}

func (r *replyReader) field(name string, v lua.LValue) lua.LValue {
	t := r.vm.record()
	t.RawSetString(name, v)
	return t
}

// sized reads what begins with a length.
func (r *replyReader) sized(kind byte, n int) lua.LValue {
	if n < 0 {
		return lua.LFalse
	}
	switch kind {
	case '$':
		return lua.LString(r.blob(n))
	case '=':
		b := r.blob(n)
		t := r.vm.record()
		if len(b) >= 4 {
			t.RawSetString("format", lua.LString(b[:3]))
			t.RawSetString("string", lua.LString(b[4:]))
		}
		return r.field("verbatim_string", t)
	case '*', '>':
		t := r.vm.l.CreateTable(n, 0)
		for i := range n {
			t.RawSetInt(i+1, r.value())
		}
		return t
	case '%':
		return r.field("map", r.pairs(n, r.value))
	case '~':
		return r.field("set", r.pairs(n, func() lua.LValue { return lua.LTrue }))
	case '|':
		for range 2 * n {
			r.value()
		}
		return r.value()
	}
	return lua.LNil
}

func (r *replyReader) pairs(n int, value func() lua.LValue) lua.LValue {
	t := r.vm.l.CreateTable(0, 0)
	for range n {
		k := r.value()
		if v := value(); k != lua.LNil {
			t.RawSet(k, v)
		}
	}
	return t
}
