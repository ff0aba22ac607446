package script

import (
	"bytes"
	"fmt"
	"strconv"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/wire/resp"
)

// shower writes values and replies as a debugger shows them. Once it is full it adds no more: of a value without end only so much is made.
type shower struct {
	vm   *VM
	b    []byte
	most int // bytes
}

func (s *shower) full() bool { return len(s.b) > s.most }

func (s *shower) add(text string) { s.b = append(s.b, text...) }

// quote adds a string as it is written in C, and no more of it than is shown.
func (s *shower) quote(word []byte) {
	s.b = resp.AppendQuoted(s.b, word[:min(len(word), s.most+1)])
}

// maxShownDepth is how deeply tables are shown. Source: Valkey 8.
const maxShownDepth = 10

func (s *shower) value(v lua.LValue, depth int) {
	if s.full() {
		return
	}
	if depth == maxShownDepth {
		s.add("<max recursion level reached! Nested table?>")
		return
	}
	switch v := v.(type) {
	case lua.LString:
		s.quote([]byte(v[:min(len(v), s.most+1)]))
	case lua.LNumber:
		s.add(formatG(float64(v), 6))
	case *lua.LTable:
		s.table(s.vm.read(v), depth)
	case *lua.LFunction:
		s.add(fmt.Sprintf(`"function@%p"`, v))
	case *lua.LState:
		s.add(fmt.Sprintf(`"thread@%p"`, v))
	case *lua.LUserData:
		if v == jsonNull {
			s.add(`"light-userdata@(nil)"`)
			return
		}
		s.add(fmt.Sprintf(`"userdata@%p"`, v))
	default:
		s.add(v.String()) // nil, true and false
	}
}

// table shows a table as {1; 2} if its keys are 1, 2, … in this order, else as {[key]=value; …}.
func (s *shower) table(t *lua.LTable, depth int) {
	array, n := true, 0
	for k, _ := t.Next(lua.LNil); k != lua.LNil && array; k, _ = t.Next(k) {
		n++
		f, ok := k.(lua.LNumber)
		array = ok && float64(f) == float64(n)
	}
	s.add("{")
	first := true
	for k, v := t.Next(lua.LNil); k != lua.LNil && !s.full(); k, v = t.Next(k) {
		if !first {
			s.add("; ")
		}
		first = false
		if !array {
			s.add("[")
			s.value(k, depth+1)
			s.add("]=")
		}
		s.value(v, depth+1)
	}
	s.add("}")
}

// reply shows one reply and returns what follows it. Replies are the engine's own, so that they are whole.
func (s *shower) reply(b []byte) (rest []byte) {
	r := replyReader{b: b}
	kind, text := r.line()
	switch kind {
	case '+', '-':
		s.quote(append([]byte{kind}, text...))
	case ':', '(':
		s.add(string(text))
	case ',':
		s.add("(double) " + string(text))
	case '#':
		s.add(map[bool]string{true: "#true", false: "#false"}[bytes.Equal(text, []byte("t"))])
	case '_':
		s.add("(null)")
	default:
		n, err := strconv.Atoi(string(text))
		if err != nil || n < 0 {
			s.add("NULL")
			return r.b
		}
		return s.sized(kind, n, r.b)
	}
	return r.b
}

// sized shows what begins with a length.
func (s *shower) sized(kind byte, n int, b []byte) (rest []byte) {
	switch kind {
	case '$', '=':
		r := replyReader{b: b}
		s.quote(r.blob(n))
		return r.b
	case '%':
		return s.elements("{", "}", n, 2, b)
	case '~':
		return s.elements("~(", ")", n, 1, b)
	}
	return s.elements("[", "]", n, 1, b)
}

// elements shows n elements, each of as many replies.
func (s *shower) elements(open, end string, n, each int, b []byte) (rest []byte) {
	s.add(open)
	for i := range n {
		if s.full() {
			return nil
		}
		if i > 0 {
			s.add(",")
		}
		for j := range each {
			if j > 0 {
				s.add(" => ")
			}
			b = s.reply(b)
		}
	}
	s.add(end)
	return b
}
