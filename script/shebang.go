package script

import (
	"bytes"
	"fmt"
	"strings"
)

// refusal is an error whose text is what clients are told, as Redis has it.
type refusal string

func (e refusal) Error() string { return string(e) }

// Refusal makes an error whose text is what clients are told.
func Refusal(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// Shebang reads the first line of an EVAL script: "#!lua flags=no-writes,allow-oom". skip is how many bytes it has; its line end stays,
// so that lines keep their numbers. A script without one has the flag Compat.
func Shebang(source []byte) (flags Flags, skip int, err error) {
	if !bytes.HasPrefix(source, []byte("#!")) {
		return Compat, 0, nil
	}
	end := bytes.IndexByte(source, '\n')
	if end < 0 {
		return 0, 0, Refusal("Invalid script shebang")
	}
	parts, ok := words(string(source[:end]))
	if !ok || len(parts) == 0 {
		return 0, 0, Refusal("Invalid engine in script shebang")
	}
	if parts[0] != "#!lua" {
		return 0, 0, Refusal("Unexpected engine in script shebang: %s", parts[0])
	}
	for _, p := range parts[1:] {
		list, ok := strings.CutPrefix(p, "flags=")
		if !ok {
			return 0, 0, Refusal("Unknown lua shebang option: %s", p)
		}
		if list == "" {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			f := flagOf(name, func(a, b string) bool { return a == b })
			if f == 0 {
				return 0, 0, Refusal("Unexpected flag in script shebang: %s", name)
			}
			flags |= f
		}
	}
	return flags, end, nil
}

// LibraryHead reads the first line of a library: "#!lua name=mylib". code is the rest, from its line end on.
func LibraryHead(source []byte) (engine, name string, code []byte, err error) {
	if !bytes.HasPrefix(source, []byte("#!")) {
		return "", "", nil, Refusal("Missing library metadata")
	}
	end := bytes.IndexByte(source, '\n')
	if end < 0 {
		return "", "", nil, Refusal("Invalid library metadata")
	}
	parts, ok := words(string(source[:end]))
	if !ok || len(parts) == 0 {
		return "", "", nil, Refusal("Invalid library metadata")
	}
	given := false
	for _, p := range parts[1:] {
		if len(p) < 5 || !strings.EqualFold(p[:5], "name=") {
			return "", "", nil, Refusal("Invalid metadata value given: %s", p)
		}
		if given {
			return "", "", nil, Refusal("Invalid metadata value, name argument was given multiple times")
		}
		name, given = p[5:], true
	}
	if !given {
		return "", "", nil, Refusal("Library name was not given")
	}
	return parts[0][2:], name, source[end:], nil
}

// words splits a line as redis-cli splits its input: at blanks, with "quoted" and 'quoted' words; false if a quote is not closed or a
// closed one is not followed by a blank.
func words(line string) ([]string, bool) {
	var out []string
	for i := 0; ; {
		for i < len(line) && isBlank(line[i]) {
			i++
		}
		if i >= len(line) {
			return out, true
		}
		w, next, ok := word(line, i)
		if !ok {
			return nil, false
		}
		out, i = append(out, w), next
	}
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func word(line string, i int) (w string, next int, ok bool) {
	var b strings.Builder
	for i < len(line) && !isBlank(line[i]) {
		if c := line[i]; c != '"' && c != '\'' {
			b.WriteByte(c)
			i++
			continue
		}
		if i, ok = quoted(&b, line, i); !ok || i < len(line) && !isBlank(line[i]) {
			return "", 0, false
		}
	}
	return b.String(), i, true
}

// quoted reads a quoted part that begins at i and returns where it ends.
func quoted(b *strings.Builder, line string, i int) (int, bool) {
	quote := line[i]
	for i++; i < len(line); i++ {
		switch c := line[i]; {
		case c == quote:
			return i + 1, true
		case c == '\\' && i+1 < len(line) && (quote == '"' || line[i+1] == quote):
			i++
			b.WriteByte(unescaped(line[i]))
		default:
			b.WriteByte(c)
		}
	}
	return 0, false
}

func unescaped(c byte) byte {
	if i := strings.IndexByte("nrtab", c); i >= 0 {
		return "\n\r\t\a\b"[i]
	}
	return c
}
