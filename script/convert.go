package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/wire/resp"
)

// maxReplyDepth is how deeply what a script returns may nest, near what Lua's C stack allows.
const maxReplyDepth = 7990

// converter writes a value of Lua as a reply.
type converter struct {
	vm    *VM
	out   *resp.Writer
	proto int // that the script has chosen for its own calls
}

// write writes a value. counted says that it is an error which was counted before.
func (c *converter) write(v lua.LValue, depth int) (countedBefore bool) {
	if depth > maxReplyDepth {
		c.out.Error("ERR reached lua stack limit")
		return false
	}
	switch v := v.(type) {
	case lua.LString:
		c.out.BulkString(string(v))
	case lua.LBool:
		c.boolean(bool(v))
	case lua.LNumber:
		c.out.Int(int64(toInt(float64(v))))
	case *lua.LTable:
		return c.table(c.vm.read(v), depth)
	default:
		c.out.Null()
	}
	return false
}

func (c *converter) boolean(b bool) {
	switch {
	case c.proto != 2:
		c.out.Bool(b)
	case b:
		c.out.Int(1)
	default:
		c.out.Null()
	}
}

func (c *converter) table(t *lua.LTable, depth int) (countedBefore bool) {
	if text, ok := t.RawGetString("err").(lua.LString); ok {
		c.out.Error(untilNUL(string(text)))
		return t.RawGetString(counted) == lua.LTrue
	}
	if text, ok := t.RawGetString("ok").(lua.LString); ok {
		c.out.Simple(untilNUL(string(text)))
		return false
	}
	if f, ok := t.RawGetString("double").(lua.LNumber); ok {
		c.out.Double(float64(f))
		return false
	}
	if s, ok := t.RawGetString("big_number").(lua.LString); ok {
		c.out.BigNumber(strings.NewReplacer("\r", " ", "\n", " ").Replace(string(s)))
		return false
	}
	if v, ok := t.RawGetString("verbatim_string").(*lua.LTable); ok && c.verbatim(v) {
		return false
	}
	if m, ok := t.RawGetString("map").(*lua.LTable); ok {
		mark, n := c.out.Defer(), 0
		for k, v := m.Next(lua.LNil); k != lua.LNil; k, v = m.Next(k) {
			c.write(k, depth+1)
			c.write(v, depth+1)
			n++
		}
		c.out.SetMap(mark, n)
		return false
	}
	if s, ok := t.RawGetString("set").(*lua.LTable); ok {
		mark, n := c.out.Defer(), 0
		for k, _ := s.Next(lua.LNil); k != lua.LNil; k, _ = s.Next(k) {
			c.write(k, depth+1)
			n++
		}
		c.out.SetSet(mark, n)
		return false
	}
	c.array(t, depth)
	return false
}

func (c *converter) verbatim(t *lua.LTable) bool {
	format, ok1 := t.RawGetString("format").(lua.LString)
	text, ok2 := t.RawGetString("string").(lua.LString)
	if !ok1 || !ok2 {
		return false
	}
	f := strings.NewReplacer("\r", " ", "\n", " ").Replace(untilNUL(string(format)))
	c.out.Verbatim((f + "   ")[:3], string(text))
	return true
}

// array writes the elements from 1 to the first that is nil.
func (c *converter) array(t *lua.LTable, depth int) {
	n := 0
	for t.RawGet(lua.LNumber(n+1)) != lua.LNil {
		n++
	}
	c.out.Array(n)
	for i := 1; i <= n; i++ {
		c.write(t.RawGet(lua.LNumber(i)), depth+1)
	}
}

// untilNUL is a text as C sees it.
func untilNUL(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}
