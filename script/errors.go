package script

import (
	"regexp"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// positioned splits an error text of Lua into where it was raised and what it says.
var positioned = regexp.MustCompile(`^([^:\n]*):(\d+): (?s:(.*))$`)

// translate words an error of the interpreter as Lua 5.1 does; what scripts raise themselves stays as it is.
func (vm *VM) translate(v lua.LValue) lua.LValue {
	s, ok := v.(lua.LString)
	if !ok {
		return v
	}
	m := positioned.FindStringSubmatch(string(s))
	if m == nil {
		return lua.LString(vm.words("", 0, string(s)))
	}
	n, _ := strconv.Atoi(m[2])
	return lua.LString(m[1] + ":" + m[2] + ": " + vm.words(m[1], n, m[3]))
}

// errorWords are texts that only differ.
var errorWords = map[string]string{
	"registry overflow":                         "stack overflow",
	"lua callstack overflow":                    "stack overflow",
	"too many recursions in gettable":           "loop in gettable",
	"too many recursions in settable":           "loop in settable",
	"for statement init must be a number":       "'for' initial value must be a number",
	"for statement limit must be a number":      "'for' limit must be a number",
	"for statement step must be a number":       "'for' step must be a number",
	"can not yield from outside of a coroutine": "attempt to yield across metamethod/C-call boundary",
}

var (
	indexText   = regexp.MustCompile(`^attempt to index a non-table object\((\w+)\) with key '(?s:(.*))'$`)
	arithText   = regexp.MustCompile(`^cannot perform \S+ operation between (\w+) and (\w+)$`)
	compareText = regexp.MustCompile(`^attempt to compare (\w+) with (\w+)$`)
)

func (vm *VM) words(source string, line int, text string) string {
	if w, ok := errorWords[text]; ok {
		return w
	}
	if text == "attempt to call a non-function object" {
		return "attempt to call " + named(vm.site(source, line, func(s site) bool { return s.call != "" }), "nil")
	}
	if m := indexText.FindStringSubmatch(text); m != nil {
		return "attempt to index " + named(vm.site(source, line, func(s site) bool { return s.call == "" && s.key == m[2] }), m[1])
	}
	if m := arithText.FindStringSubmatch(text); m != nil {
		culprit := 0
		if m[1] == "number" || m[1] == "string" && m[2] != "number" && m[2] != "string" {
			culprit = 1
		}
		return "attempt to " + arithmetic + " " + named(vm.operand(source, line, arithmetic, culprit, 2), m[1+culprit])
	}
	if m := compareText.FindStringSubmatch(text); m != nil && m[1] == m[2] {
		return "attempt to compare two " + m[1] + " values"
	}
	return strings.TrimSuffix(text, "\n")
}

func named(name, kind string) string {
	if name == "" {
		return "a " + kind + " value"
	}
	return name + " (a " + kind + " value)"
}

// site is the name of what an error on a line is about, if only one thing there can be meant.
func (vm *VM) site(source string, line int, fits func(site) bool) string {
	name := ""
	for _, s := range vm.sites[source][line] {
		if s.operator != "" || !fits(s) || s.name == name {
			continue
		}
		if name != "" {
			return ""
		}
		if name = s.name; name == "" {
			return ""
		}
	}
	return name
}
