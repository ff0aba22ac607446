package script

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

var structLibrary = map[string]libFunc{"pack": structPack, "unpack": structUnpack, "size": structSize}

const (
	maxIntSize  = 32 // bytes
	structAlign = 8
)

// layout is where a format of struct is: its byte order, alignment and what is left of the text.
type layout struct {
	a      args
	format string
	order  binary.ByteOrder
	align  int
}

func newLayout(a args) *layout {
	f, _, _ := strings.Cut(a.str(1), "\x00")
	return &layout{a: a, format: f, order: binary.LittleEndian, align: 1}
}

// next takes the next option and its size in bytes; false at the end.
func (l *layout) next() (option byte, size int, ok bool) {
	if l.format == "" {
		return 0, 0, false
	}
	option, l.format = l.format[0], l.format[1:]
	switch option {
	case 'B', 'b', 'x':
		return option, 1, true
	case 'H', 'h':
		return option, 2, true
	case 'f':
		return option, 4, true
	case 'L', 'l', 'T', 'd':
		return option, 8, true
	case 'c':
		return option, l.number(1), true
	case 'i', 'I':
		n := l.number(4)
		if n > maxIntSize {
			l.a.fail("integral size " + strconv.Itoa(n) + " is larger than limit of " + strconv.Itoa(maxIntSize))
		}
		return option, n, true
	}
	return option, 0, true
}

// number takes a decimal number, or otherwise if there is none.
func (l *layout) number(otherwise int) int {
	if l.format == "" || !isDigit(l.format[0]) {
		return otherwise
	}
	n := 0
	for l.format != "" && isDigit(l.format[0]) {
		d := int(l.format[0] - '0')
		if n > math.MaxInt32/10 || n*10 > math.MaxInt32-d {
			l.a.fail("integral size overflow")
		}
		n, l.format = n*10+d, l.format[1:]
	}
	return n
}

// padding is how many bytes are to be skipped before an option of a size at a place.
func (l *layout) padding(pos int, option byte, size int) int {
	if size == 0 || option == 'c' {
		return 0
	}
	size = min(size, l.align)
	return (size - pos&(size-1)) & (size - 1)
}

// control takes an option that stands for no value.
func (l *layout) control(option byte) {
	switch option {
	case ' ':
	case '>':
		l.order = binary.BigEndian
	case '<':
		l.order = binary.LittleEndian
	case '!':
		n := l.number(structAlign)
		if n <= 0 || n&(n-1) != 0 {
			l.a.fail("alignment " + strconv.Itoa(n) + " is not a power of 2")
		}
		l.align = n
	default:
		l.a.argError(1, "invalid format option '"+string([]byte{option})+"'")
	}
}

func structPack(a args) int {
	l, arg := newLayout(a), 2
	var b []byte
	for {
		option, size, ok := l.next()
		if !ok {
			return a.pushString(string(b))
		}
		b = append(b, make([]byte, l.padding(len(b), option, size))...)
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			b = l.appendInt(b, packed(a, arg).num(arg), size)
		case 'f':
			b = l.appendBits(b, uint64(math.Float32bits(float32(packed(a, arg).num(arg)))), 4)
		case 'd':
			b = l.appendBits(b, math.Float64bits(packed(a, arg).num(arg)), 8)
		case 'c', 's':
			s := packed(a, arg).str(arg)
			if option == 's' || size == 0 {
				size = len(s)
			}
			if len(s) < size {
				a.argError(arg+1, "string too short")
			}
			a.vm.charge(a.L, size)
			if b = append(b, s[:size]...); option == 's' {
				b = append(b, 0)
			}
		case 'x':
			b = append(b, 0)
			continue
		default:
			l.control(option)
			continue
		}
		if arg++; len(b) > maxString {
			a.fail("string length overflow")
		}
	}
}

// packed are the arguments with the one that is missing, if it is that: C has put a nil behind the last.
func packed(a args, i int) args {
	if i == a.len()+1 {
		a.L.Push(lua.LNil)
	}
	return a
}

func (l *layout) appendInt(b []byte, f float64, size int) []byte {
	v := uint64(toInt(f))
	if f >= 0 {
		v = unsigned(f)
	}
	return l.appendBits(b, v, size)
}

// appendBits writes the low bytes of a value in the layout's order; beyond eight they are zero.
func (l *layout) appendBits(b []byte, v uint64, size int) []byte {
	start := len(b)
	for range size {
		b = append(b, byte(v))
		v >>= 8
	}
	if l.order == binary.BigEndian {
		reverse(b[start:])
	}
	return b
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

func structUnpack(a args) int {
	l, data := newLayout(a), a.str(2)
	pos := a.optInt(3, 1)
	if pos <= 0 {
		a.argError(3, "offset must be 1 or greater")
	}
	pos--
	var out []lua.LValue
	for {
		option, size, ok := l.next()
		if !ok {
			return a.push(append(out, lua.LNumber(pos+1))...)
		}
		pos += l.padding(pos, option, size)
		l.room(data, pos, size)
		if len(out) >= maxResults-4 {
			a.fail("stack overflow (too many results)")
		}
		switch option {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			out = append(out, lua.LNumber(l.integer(data[pos:pos+size], option >= 'a')))
		case 'x':
		case 'f':
			out = append(out, lua.LNumber(math.Float32frombits(uint32(l.bits(data[pos:pos+4])))))
		case 'd':
			out = append(out, lua.LNumber(math.Float64frombits(l.bits(data[pos:pos+8]))))
		case 'c':
			if size == 0 {
				size, out = l.counted(out)
				l.room(data, pos, size)
			}
			out = append(out, lua.LString(data[pos:pos+size]))
		case 's':
			end := strings.IndexByte(data[pos:], 0)
			if end < 0 {
				a.fail("unfinished string in data")
			}
			out = append(out, lua.LString(data[pos:pos+end]))
			size = end + 1
		default:
			l.control(option)
		}
		pos += size
	}
}

// counted takes the last value as the length of a string.
func (l *layout) counted(out []lua.LValue) (int, []lua.LValue) {
	if len(out) > 0 {
		if f, ok := toNumber(out[len(out)-1]); ok {
			return toInt(f), out[:len(out)-1]
		}
	}
	l.a.fail("format 'c0' needs a previous size")
	return 0, nil
}

// room checks that size bytes are there at a place.
func (l *layout) room(data string, pos, size int) {
	if size < 0 || size > len(data) || pos > len(data)-size {
		l.a.argError(2, "data string too short")
	}
}

func (l *layout) bits(s string) (v uint64) {
	for i := range len(s) {
		c := s[i]
		if l.order == binary.LittleEndian {
			c = s[len(s)-1-i]
		}
		v = v<<8 | uint64(c)
	}
	return v
}

func (l *layout) integer(s string, signed bool) float64 {
	v := l.bits(s)
	if !signed {
		return float64(v)
	}
	if n := len(s); n > 0 && n < 8 {
		shift := 64 - 8*n
		return float64(int64(v<<shift) >> shift)
	}
	return float64(int64(v))
}

func structSize(a args) int {
	l, pos := newLayout(a), 0
	for {
		option, size, ok := l.next()
		if !ok {
			return a.pushNumber(float64(pos))
		}
		pos += l.padding(pos, option, size)
		switch {
		case option == 's':
			a.argError(1, "option 's' has no fixed size")
		case option == 'c' && size == 0:
			a.argError(1, "option 'c0' has no fixed size")
		case !isLetter(option) && !isDigit(option):
			l.control(option)
		}
		pos += size
	}
}
