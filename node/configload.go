package node

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

// ConfigError is a configuration that can't be used; it names the line or the argument.
type ConfigError struct {
	Where string // "line 3", "argument --foo"
	Text  string // the line
	Why   string
}

// NoFile is the Where of a file that can't be read.
const NoFile = "file"

// Error implements error: where, the line, and why.
func (e *ConfigError) Error() string {
	what, text := "the configuration", ""
	if strings.HasPrefix(e.Where, "line ") {
		what = "the configuration file"
	}
	if e.Text != "" {
		text = "\n>>> '" + e.Text + "'"
	}
	return fmt.Sprintf("Reading %s, at %s%s\n%s", what, e.Where, text, e.Why)
}

// LoadFile reads a configuration file. It is the one that CONFIG REWRITE writes.
func (c *Config) LoadFile(path string) error {
	if err := c.readFile(path); err != nil {
		return err
	}
	var err error
	if c.file, err = filepath.Abs(path); err != nil {
		c.file = path
	}
	return nil
}

func (c *Config) readFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return &ConfigError{Where: NoFile, Why: "Fatal error, can't open config file '" + path + "': " + strerror(err)}
	}
	return c.text(string(b), " of "+path)
}

// include reads a file, or all files of a pattern: with a pattern there may be none.
func (c *Config) include(pattern string) error {
	if c.depth >= limits.MaxConfigIncludes {
		return fmt.Errorf("more than %d files include one another", limits.MaxConfigIncludes)
	}
	c.depth++
	defer func() { c.depth-- }()
	if !strings.ContainsAny(pattern, "*?[") {
		return c.readFile(pattern)
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := c.readFile(f); err != nil {
			return err
		}
	}
	return nil
}

// LoadText reads configuration lines.
func (c *Config) LoadText(text string) error { return c.text(text, "") }

// text reads lines; where is what they are of, for errors.
func (c *Config) text(text, where string) error {
	for i, line := range strings.Split(text, "\n") {
		if err := c.line(line, "line "+strconv.Itoa(i+1)+where); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) line(line, where string) error {
	line = strings.Trim(line, " \t\r\n")
	if line == "" || line[0] == '#' {
		return nil
	}
	words, ok := splitWords(line)
	if !ok {
		return &ConfigError{Where: where, Text: line, Why: "Unbalanced quotes in configuration line"}
	}
	return c.directive(words, where, line)
}

func splitWords(line string) ([]string, bool) {
	words, ok := resp.SplitArgs([]byte(line), nil)
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return out, ok
}

// LoadArgs reads the command line as redis-server does: each "--name" begins a line of configuration, what follows are its
// values, and the first value may itself begin with "--". Name and value may stand in one argument.
func (c *Config) LoadArgs(args []string) error {
	for _, line := range argLines(args) {
		where := "arguments"
		if name, _, _ := strings.Cut(line, " "); name != "" && name[0] != '"' {
			where = "argument --" + name
		}
		if err := c.line(line, where); err != nil {
			return err
		}
	}
	return nil
}

// argLines makes lines of configuration from arguments.
func argLines(args []string) []string {
	var lines []string
	mayName := true // the last option has a value, so an argument with "--" is the next
	add := func(s string) { lines[len(lines)-1] += " " + s }
	for i, a := range args {
		name, isName := strings.CutPrefix(a, "--")
		if !isName || !mayName {
			if len(lines) == 0 {
				lines = append(lines, "")
			}
			add(quote(a))
			mayName = true
			continue
		}
		lines = append(lines, strings.TrimRight(name, " "))
		if words, ok := splitWords(name); ok && len(words) > 1 {
			continue
		}
		// An empty save is written without its "" by those who make a command line of a list.
		last := i == len(args)-1
		if strings.EqualFold(a, "--save") && (last || strings.HasPrefix(args[i+1], "--")) {
			add(`""`)
			continue
		}
		mayName = false
	}
	return lines
}

// quote writes a string such that splitWords reads it back, in Redis' way.
func quote(s string) string {
	b := []byte{'"'}
	for i := range len(s) {
		switch ch := s[i]; ch {
		case '\\', '"':
			b = append(b, '\\', ch)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\a':
			b = append(b, '\\', 'a')
		case '\b':
			b = append(b, '\\', 'b')
		default:
			if ch < ' ' || ch > '~' {
				b = fmt.Appendf(b, "\\x%02x", ch)
			} else {
				b = append(b, ch)
			}
		}
	}
	return string(append(b, '"'))
}

// directive obeys one line of configuration.
func (c *Config) directive(args []string, where, line string) error {
	if len(args) == 0 {
		return nil
	}
	name, words := strings.ToLower(args[0]), args[1:]
	v := c.byName[name]
	if v == nil {
		return c.special(name, words, where, line)
	}
	if v.p.secret {
		line = args[0] + " …"
	}
	if s, err := c.value(v, words); err != nil {
		return &ConfigError{where, line, err.Error()}
	} else if err := v.set(s); errors.As(err, new(*notBuilt)) {
		c.refused[v.p.name] = &ConfigError{where, line, err.Error()} // unless what follows takes it back
	} else if err != nil {
		return &ConfigError{where, line, err.Error()}
	} else {
		delete(c.refused, v.p.name)
	}
	return nil
}

// Check fails when the configuration, with everything that was read, asks for what is not built.
func (c *Config) Check() error {
	for _, name := range slices.Sorted(maps.Keys(c.refused)) {
		return c.refused[name]
	}
	return nil
}

// notBuilt refuses a value that Redis knows.
type notBuilt struct{ value, instead string }

// Error implements error.
func (e *notBuilt) Error() string {
	return fmt.Sprintf("'%s' is not built in this version; it can be %s", e.value, e.instead)
}

// special obeys the lines that are no parameters.
func (c *Config) special(name string, words []string, where, line string) error {
	var err error
	switch n := len(words); {
	case name == "include" && n == 1:
		if err = c.include(words[0]); errors.As(err, new(*ConfigError)) {
			return err
		}
	case name == "rename-command" && n == 2:
		c.renames = append(c.renames, [2]string{words[0], words[1]})
		c.renamesAt = append(c.renamesAt, ConfigError{Where: where, Text: line})
	case obsolete(name) && n == 1:
	case name == "loadmodule":
		err = errors.New("modules are not built: larder-server is one program")
	case name == "sentinel":
		err = errors.New("sentinel directive while not in sentinel mode")
	default:
		err = redisText("Bad directive or wrong number of arguments")
	}
	if err != nil {
		return &ConfigError{where, line, err.Error()}
	}
	return nil
}

// obsolete are parameters of the past, which Redis accepts without effect.
func obsolete(name string) bool {
	return contains([]string{"list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands", "io-threads-do-reads"}, name)
}

// multi reports whether a parameter takes several words.
func (p *param) multi() bool {
	return (p.kind == kindList || p.kind == kindSpec || p.kind == kindFlags) && !p.single
}

// value makes one value of a line's words. "save" and "user" lines add up; the first one replaces the default, and so does a
// save with an empty argument.
func (c *Config) value(v *value, words []string) (string, error) {
	p := v.p
	if !p.multi() {
		if len(words) != 1 {
			return "", errors.New("wrong number of arguments")
		}
		return words[0], nil
	}
	if len(words) == 1 && p.name != "user" {
		if split, ok := splitWords(words[0]); ok {
			words = split
		}
	}
	s := strings.Join(words, " ")
	sep := map[string]string{"save": " ", "user": "\n"}[p.name]
	if sep == "" {
		return s, nil
	}
	if s != "" && c.adds[p.name] && v.string() != "" {
		s = v.string() + sep + s
	}
	c.adds[p.name] = true
	return s, nil
}
