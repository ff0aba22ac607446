package script

import (
	"fmt"
	"math"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

var cjsonLibrary = map[string]libFunc{
	"encode": jsonEncode, "decode": jsonDecode, "encode_sparse_array": jsonSparse,
	"encode_max_depth":        jsonNumber(func(c *jsonConfig) *int { return &c.encodeDepth }, 1, math.MaxInt32),
	"decode_max_depth":        jsonNumber(func(c *jsonConfig) *int { return &c.decodeDepth }, 1, math.MaxInt32),
	"encode_number_precision": jsonNumber(func(c *jsonConfig) *int { return &c.precision }, 1, 14),
	"encode_keep_buffer":      jsonOption(func(c *jsonConfig) *int { return &c.keepBuffer }, "off", "on"),
	"encode_invalid_numbers":  jsonOption(func(c *jsonConfig) *int { return &c.encodeInvalid }, "off", "on", "null"),
	"decode_invalid_numbers":  jsonOption(func(c *jsonConfig) *int { return &c.decodeInvalid }, "off", "on"),
	"new":                     jsonNew,
}

// jsonNull is cjson.null. It has no state.
var jsonNull = &lua.LUserData{Metatable: lua.LNil}

// jsonConfig is what a script can set; each run begins with the defaults, so that none meets another's.
type jsonConfig struct {
	sparseConvert, sparseRatio, sparseSafe int
	encodeDepth, decodeDepth, precision    int
	keepBuffer                             int // remembered, and of no effect
	encodeInvalid, decodeInvalid           int
}

var defaultJSON = jsonConfig{sparseRatio: 2, sparseSafe: 10, encodeDepth: 1000, decodeDepth: 1000, precision: 14, keepBuffer: 1, decodeInvalid: 1}

// maxJSONDepth is how deeply values may nest whatever a script sets, near what Lua's C stack allows.
const maxJSONDepth = 2600

func jsonArgs(a args, most int) {
	if a.len() > most {
		a.argError(most+1, "found too many arguments")
	}
}

func setNumber(a args, i int, to *int, least, most int) {
	if !a.absent(i) {
		n := int(int32(a.int(i)))
		if n < least || n > most {
			a.argError(1, fmt.Sprintf("expected integer between %d and %d", least, most))
		}
		*to = n
	}
	a.pushNumber(float64(*to))
}

func setOption(a args, i int, to *int, options []string) {
	if b, ok := a.L.Get(i).(lua.LBool); ok {
		*to = 0
		if b {
			*to = 1
		}
	} else if !a.absent(i) {
		s, found := a.str(i), false
		for n, o := range options {
			if o == s {
				*to, found = n, true
			}
		}
		if !found {
			a.argError(i, "invalid option '"+s+"'")
		}
	}
	if *to < 2 {
		a.push(lua.LBool(*to == 1))
		return
	}
	a.pushString(options[*to])
}

func jsonNumber(field func(*jsonConfig) *int, least, most int) libFunc {
	return func(a args) int {
		jsonArgs(a, 1)
		setNumber(a, 1, field(&a.vm.json), least, most)
		return 1
	}
}

func jsonOption(field func(*jsonConfig) *int, options ...string) libFunc {
	return func(a args) int {
		jsonArgs(a, 1)
		setOption(a, 1, field(&a.vm.json), options)
		return 1
	}
}

func jsonSparse(a args) int {
	jsonArgs(a, 3)
	a.L.SetTop(3) // what is pushed below is no argument
	c := &a.vm.json
	setOption(a, 1, &c.sparseConvert, []string{"off", "on"})
	setNumber(a, 2, &c.sparseRatio, 0, math.MaxInt32)
	setNumber(a, 3, &c.sparseSafe, 0, math.MaxInt32)
	return 3
}

// jsonNew gives the library once more; it has one configuration.
func jsonNew(a args) int { return a.push(a.vm.globals.RawGetString("cjson")) }

// jsonWriter encodes one value.
type jsonWriter struct {
	a   args
	cfg *jsonConfig
	buf []byte
	n   int // values so far
}

func jsonEncode(a args) int {
	if a.len() != 1 {
		a.argError(1, "expected 1 argument")
	}
	w := &jsonWriter{a: a, cfg: &a.vm.json}
	w.value(a.L.Get(1), 0)
	return a.pushString(string(w.buf))
}

func (w *jsonWriter) fail(v lua.LValue, reason string) {
	w.a.fail("Cannot serialise " + v.Type().String() + ": " + reason)
}

func (w *jsonWriter) value(v lua.LValue, depth int) {
	if w.n++; w.n%stepsPerTick == 0 {
		w.a.vm.hook.patient()
	}
	switch v := v.(type) {
	case lua.LString:
		w.text(string(v))
	case lua.LNumber:
		w.number(v)
	case lua.LBool:
		w.buf = strconv.AppendBool(w.buf, bool(v))
	case *lua.LTable:
		w.table(w.a.vm.read(v), depth+1)
	case *lua.LNilType:
		w.buf = append(w.buf, "null"...)
	default:
		if v != jsonNull {
			w.fail(v, "type not supported")
		}
		w.buf = append(w.buf, "null"...)
	}
	if len(w.buf) > maxString {
		w.a.fail("string length overflow")
	}
}

func (w *jsonWriter) number(v lua.LNumber) {
	f := float64(v)
	if math.IsInf(f, 0) || math.IsNaN(f) {
		switch w.cfg.encodeInvalid {
		case 0:
			w.fail(v, "must not be NaN or Inf")
		case 1:
			if math.IsNaN(f) {
				w.buf = append(w.buf, "nan"...)
				return
			}
		default:
			w.buf = append(w.buf, "null"...)
			return
		}
	}
	w.buf = append(w.buf, formatG(f, w.cfg.precision)...)
}

// shortEscapes are the characters that JSON escapes with one letter, as this library does.
const shortEscapes, escapeLetters = "\b\t\n\f\r\"/\\", `btnfr"/\`

func (w *jsonWriter) text(s string) {
	w.a.vm.charge(w.a.L, len(s))
	w.buf = append(w.buf, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c == 127 || c == '"' || c == '/' || c == '\\':
			w.escape(c)
		default:
			w.buf = append(w.buf, c)
		}
	}
	w.buf = append(w.buf, '"')
}

func (w *jsonWriter) escape(c byte) {
	for i := range len(shortEscapes) {
		if shortEscapes[i] == c {
			w.buf = append(w.buf, '\\', escapeLetters[i])
			return
		}
	}
	const hex = "0123456789abcdef"
	w.buf = append(w.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

func (w *jsonWriter) table(t *lua.LTable, depth int) {
	if depth > w.cfg.encodeDepth || depth > maxJSONDepth {
		w.a.fail("Cannot serialise, excessive nesting (" + strconv.Itoa(depth) + ")")
	}
	if n := w.arrayLen(t); n > 0 {
		w.array(t, n, depth)
		return
	}
	w.buf = append(w.buf, '{')
	first := true
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if !first {
			w.buf = append(w.buf, ',')
		}
		first = false
		switch k := k.(type) {
		case lua.LNumber:
			w.buf = append(w.buf, '"')
			w.number(k)
			w.buf = append(w.buf, '"')
		case lua.LString:
			w.text(string(k))
		default:
			w.fail(k, "table key must be a number or string")
		}
		w.buf = append(w.buf, ':')
		w.value(v, depth)
	}
	w.buf = append(w.buf, '}')
}

// arrayLen is how long an array a table is, -1 if it is none.
func (w *jsonWriter) arrayLen(t *lua.LTable) int {
	most, items := 0, 0
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		f, ok := k.(lua.LNumber)
		if !ok || float64(f) != math.Floor(float64(f)) || f < 1 {
			return -1
		}
		most = max(most, int(min(float64(f), math.MaxInt32)))
		items++
	}
	c := w.cfg
	if c.sparseRatio > 0 && most > items*c.sparseRatio && most > c.sparseSafe {
		if c.sparseConvert == 0 {
			w.fail(t, "excessively sparse array")
		}
		return -1
	}
	return most
}

func (w *jsonWriter) array(t *lua.LTable, n, depth int) {
	w.buf = append(w.buf, '[')
	for i := 1; i <= n; i++ {
		if i > 1 {
			w.buf = append(w.buf, ',')
		}
		w.value(t.RawGet(lua.LNumber(i)), depth)
	}
	w.buf = append(w.buf, ']')
}
