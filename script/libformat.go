package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// directive is one of string.format's: %-5.2d.
type directive struct {
	flags            string
	width, precision int // -1: not given
	verb             byte
}

func strFormat(a args) int {
	format := a.str(1)
	var b strings.Builder
	arg := 1
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			b.WriteByte('%')
			continue
		}
		var d directive
		d, i = parseDirective(a, format, i)
		arg++
		text := d.apply(a, arg)
		a.vm.charge(a.L, len(text))
		if b.Len()+len(text) > maxString {
			a.fail("string length overflow")
		}
		b.WriteString(text)
	}
	return a.pushString(b.String())
}

// parseDirective reads a directive behind its '%' and returns where its verb stands.
func parseDirective(a args, f string, i int) (directive, int) {
	d := directive{width: -1, precision: -1}
	start := i
	for i < len(f) && strings.IndexByte("-+ #0", f[i]) >= 0 {
		i++
	}
	if d.flags = f[start:i]; len(d.flags) > 5 {
		a.fail("invalid format (repeated flags)")
	}
	d.width, i = twoDigits(f, i)
	if i < len(f) && f[i] == '.' {
		if d.precision, i = twoDigits(f, i+1); d.precision < 0 {
			d.precision = 0
		}
	}
	if i < len(f) && isDigit(f[i]) {
		a.fail("invalid format (width or precision too long)")
	}
	if i < len(f) {
		d.verb = f[i]
	}
	return d, i
}

func twoDigits(f string, i int) (n, next int) {
	start := i
	for i < len(f) && i < start+2 && isDigit(f[i]) {
		i++
	}
	if i == start {
		return -1, i
	}
	n, _ = strconv.Atoi(f[start:i])
	return n, i
}

func (d directive) apply(a args, arg int) string {
	switch d.verb {
	case 'c':
		return d.pad(string([]byte{byte(a.int(arg))}))
	case 'd', 'i':
		return d.integer(int64(toInt(a.num(arg))), 'd')
	case 'u':
		return d.integer(unsigned(a.num(arg)), 'd')
	case 'o', 'x', 'X':
		return d.integer(unsigned(a.num(arg)), rune(d.verb))
	case 'e', 'E', 'f', 'g', 'G':
		return d.float(a.num(arg))
	case 'q':
		return quote(a.str(arg))
	case 's':
		s := a.str(arg)
		if d.precision >= 0 && d.precision < len(s) {
			s = s[:d.precision]
		}
		return d.pad(s)
	}
	if d.verb == 0 {
		a.fail("invalid option '%' to 'format'")
	}
	a.fail("invalid option '%" + string([]byte{d.verb}) + "' to 'format'")
	return ""
}

// unsigned is a number as a C compiler's cast to an unsigned integer makes it.
func unsigned(f float64) uint64 {
	if f >= math.MaxInt64 && f < math.MaxUint64 {
		return uint64(f)
	}
	return uint64(toInt(f))
}

func (d directive) pad(s string) string {
	n := d.width - len(s)
	if n <= 0 {
		return s
	}
	if strings.IndexByte(d.flags, '-') >= 0 {
		return s + strings.Repeat(" ", n)
	}
	return strings.Repeat(" ", n) + s
}

// spec is the directive in Go's words. With a precision, C ignores the flag 0 of an integer.
func (d directive) spec(verb rune, flags string) string {
	s := "%" + flags
	if d.width >= 0 {
		s += strconv.Itoa(d.width)
	}
	if d.precision >= 0 {
		s += "." + strconv.Itoa(d.precision)
	}
	return s + string(verb)
}

func (d directive) integer(v any, verb rune) string {
	flags := d.flags
	if d.precision >= 0 {
		flags = strings.ReplaceAll(flags, "0", "")
	}
	if u, ok := v.(uint64); ok {
		flags = strings.NewReplacer("+", "", " ", "").Replace(flags)
		if u == 0 && verb != 'o' {
			flags = strings.ReplaceAll(flags, "#", "")
		}
	}
	return fmt.Sprintf(d.spec(verb, flags), v)
}

func (d directive) float(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		s := formatG(f, 1)
		if s[0] != '-' && strings.IndexByte(d.flags, '+') >= 0 {
			s = "+" + s
		}
		if d.verb < 'a' {
			s = strings.ToUpper(s)
		}
		return d.pad(s)
	}
	if d.precision < 0 {
		d.precision = 6
	}
	if d.verb|0x20 == 'g' && d.precision == 0 {
		d.precision = 1
	}
	return fmt.Sprintf(d.spec(rune(d.verb), d.flags), f)
}

// quote writes a string such that Lua reads it again.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\000`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
