package script

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

var cmsgpackLibrary = map[string]libFunc{"pack": packAll, "unpack": unpackAll, "unpack_one": unpackOne, "unpack_limit": unpackLimit}

// maxPackDepth is how deeply tables may nest; deeper ones are packed as nil.
const maxPackDepth = 16

// packer packs values of Lua as MessagePack.
type packer struct {
	a   args
	buf []byte
	n   int
}

func packAll(a args) int {
	if a.len() == 0 {
		a.argError(0, "MessagePack pack needs input.")
	}
	p := &packer{a: a}
	for i := 1; i <= a.len(); i++ {
		p.value(a.L.Get(i), 0)
	}
	return a.pushString(string(p.buf))
}

func (p *packer) value(v lua.LValue, level int) {
	if p.n++; p.n%stepsPerTick == 0 {
		p.a.vm.hook.patient()
	}
	if len(p.buf) > maxString {
		p.a.fail("string length overflow")
	}
	switch v := v.(type) {
	case lua.LString:
		p.text(string(v))
	case lua.LBool:
		if v {
			p.buf = append(p.buf, 0xc3)
		} else {
			p.buf = append(p.buf, 0xc2)
		}
	case lua.LNumber:
		p.number(float64(v))
	case *lua.LTable:
		if level == maxPackDepth {
			p.buf = append(p.buf, 0xc0)
			return
		}
		p.table(p.a.vm.read(v), level)
	default:
		p.buf = append(p.buf, 0xc0)
	}
}

func (p *packer) text(s string) {
	p.a.vm.charge(p.a.L, len(s))
	switch n := len(s); {
	case n < 32:
		p.buf = append(p.buf, 0xa0|byte(n))
	case n <= 0xff:
		p.buf = append(p.buf, 0xd9, byte(n))
	case n <= 0xffff:
		p.buf = binary.BigEndian.AppendUint16(append(p.buf, 0xda), uint16(n))
	default:
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, 0xdb), uint32(n))
	}
	p.buf = append(p.buf, s...)
}

func (p *packer) number(f float64) {
	if f == math.Trunc(f) && f >= math.MinInt64 && f < math.MaxInt64 {
		p.integer(int64(f))
		return
	}
	if float64(float32(f)) == f {
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, 0xca), math.Float32bits(float32(f)))
		return
	}
	p.buf = binary.BigEndian.AppendUint64(append(p.buf, 0xcb), math.Float64bits(f))
}

func (p *packer) integer(n int64) {
	be := binary.BigEndian
	switch {
	case n >= -32 && n <= 127:
		p.buf = append(p.buf, byte(n))
	case n >= 0 && n <= 0xff:
		p.buf = append(p.buf, 0xcc, byte(n))
	case n >= 0 && n <= 0xffff:
		p.buf = be.AppendUint16(append(p.buf, 0xcd), uint16(n))
	case n >= 0 && n <= 0xffffffff:
		p.buf = be.AppendUint32(append(p.buf, 0xce), uint32(n))
	case n >= 0:
		p.buf = be.AppendUint64(append(p.buf, 0xcf), uint64(n))
	case n >= math.MinInt8:
		p.buf = append(p.buf, 0xd0, byte(n))
	case n >= math.MinInt16:
		p.buf = be.AppendUint16(append(p.buf, 0xd1), uint16(n))
	case n >= math.MinInt32:
		p.buf = be.AppendUint32(append(p.buf, 0xd2), uint32(n))
	default:
		p.buf = be.AppendUint64(append(p.buf, 0xd3), uint64(n))
	}
}

// head writes the length of an array (of up to 15 elements: short) or a map.
func (p *packer) head(short, long byte, n int) {
	switch {
	case n <= 15:
		p.buf = append(p.buf, short|byte(n))
	case n <= 0xffff:
		p.buf = binary.BigEndian.AppendUint16(append(p.buf, long), uint16(n))
	default:
		p.buf = binary.BigEndian.AppendUint32(append(p.buf, long+1), uint32(n))
	}
}

func (p *packer) table(t *lua.LTable, level int) {
	n, array := shape(t)
	if array {
		p.head(0x90, 0xdc, n)
		for i := 1; i <= n; i++ {
			p.value(t.RawGet(lua.LNumber(i)), level+1)
		}
		return
	}
	p.head(0x80, 0xde, n)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		p.value(k, level+1)
		p.value(v, level+1)
	}
}

// shape is how many elements a table has, and whether its keys are 1 to that number.
func shape(t *lua.LTable) (n int, array bool) {
	most, array := 0.0, true
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		f, ok := k.(lua.LNumber)
		if !ok || f <= 0 || float64(f) != math.Trunc(float64(f)) || f > math.MaxInt32 {
			array = false
		}
		most = max(most, float64(f))
		n++
	}
	return n, array && most == float64(n)
}

// unpacker reads MessagePack.
type unpacker struct {
	a     args
	s     string
	depth int
	n     int
}

func unpackAll(a args) int { return unpackFrom(a, math.MaxInt32, 0, true) }

func unpackOne(a args) int { return unpackFrom(a, 1, a.optInt(2, 0), false) }

func unpackLimit(a args) int {
	limit := a.int(2)
	offset := a.optInt(3, 0)
	if limit == 0 && offset == 0 {
		return unpackFrom(a, math.MaxInt32, 0, true)
	}
	return unpackFrom(a, limit, offset, false)
}

func unpackFrom(a args, limit, offset int, all bool) int {
	s := a.str(1)
	switch {
	case offset < 0 || limit < 0:
		a.fail("Invalid request to unpack with offset of " + numberText(float64(int32(offset))) + " and limit of " + numberText(float64(len(s))) + ".")
	case offset > len(s):
		a.fail("Start offset " + numberText(float64(offset)) + " greater than input length " + numberText(float64(len(s))) + ".")
	}
	u := &unpacker{a: a, s: s[offset:]}
	var out []lua.LValue
	for len(u.s) > 0 && len(out) < limit {
		if len(out) >= maxResults-4 {
			a.fail("stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
		}
		out = append(out, u.value())
	}
	if all {
		return a.push(out...)
	}
	end := lua.LNumber(-1)
	if len(u.s) > 0 {
		end = lua.LNumber(len(s) - len(u.s))
	}
	return a.push(append([]lua.LValue{end}, out...)...)
}

// take takes n bytes.
func (u *unpacker) take(n int) string {
	if n > len(u.s) {
		u.a.fail("Missing bytes in input.")
	}
	out := u.s[:n]
	u.s = u.s[n:]
	return out
}

// uint takes an unsigned integer of n bytes.
func (u *unpacker) uint(n int) (v uint64) {
	for _, c := range []byte(u.take(n)) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (u *unpacker) value() lua.LValue {
	if u.n++; u.n%stepsPerTick == 0 {
		u.a.vm.hook.patient()
	}
	c := u.take(1)[0]
	switch {
	case c < 0x80:
		return lua.LNumber(c)
	case c < 0x90:
		return u.hash(int(c & 15))
	case c < 0xa0:
		return u.array(int(c & 15))
	case c < 0xc0:
		return u.text(int(c & 31))
	case c >= 0xe0:
		return lua.LNumber(int8(c))
	}
	return u.long(c)
}

// long reads a value whose kind takes a whole byte.
func (u *unpacker) long(c byte) lua.LValue {
	switch c {
	case 0xc0:
		return lua.LNil
	case 0xc2:
		return lua.LFalse
	case 0xc3:
		return lua.LTrue
	case 0xca:
		return lua.LNumber(math.Float32frombits(uint32(u.uint(4))))
	case 0xcb:
		return lua.LNumber(math.Float64frombits(u.uint(8)))
	case 0xcc, 0xcd, 0xce, 0xcf:
		return lua.LNumber(u.uint(1 << (c - 0xcc)))
	case 0xd0, 0xd1, 0xd2, 0xd3:
		n := 1 << (c - 0xd0)
		shift := 64 - 8*n
		return lua.LNumber(int64(u.uint(n)<<shift) >> shift)
	case 0xd9, 0xda, 0xdb:
		return u.text(int(u.uint(1 << (c - 0xd9))))
	case 0xdc, 0xdd:
		return u.array(int(u.uint(2 << (c - 0xdc))))
	case 0xde, 0xdf:
		return u.hash(int(u.uint(2 << (c - 0xde))))
	}
	u.a.fail("Bad data format in input.")
	return nil
}

func (u *unpacker) text(n int) lua.LValue {
	u.a.vm.charge(u.a.L, n)
	return lua.LString(u.take(n))
}

// deeper guards Go's stack: the text may nest as deeply as it is long.
func (u *unpacker) deeper() {
	if u.depth++; u.depth > maxJSONDepth {
		u.a.fail("stack overflow (in function mp_decode_to_lua_type)")
	}
}

func (u *unpacker) array(n int) lua.LValue {
	u.deeper()
	t := u.a.L.CreateTable(0, 0)
	for i := 1; i <= n; i++ {
		if v := u.value(); v != lua.LNil {
			u.a.L.RawSet(t, lua.LNumber(i), v)
		}
	}
	u.depth--
	return t
}

func (u *unpacker) hash(n int) lua.LValue {
	u.deeper()
	t := u.a.L.CreateTable(0, 0)
	for range n {
		k := u.value()
		u.a.L.RawSet(t, k, u.value())
	}
	u.depth--
	return t
}
