package node

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

// kind is what values a parameter takes.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt    // a number from min to max
	kindMemory // bytes, with units: 1k 1000, 1kb 1024, …
	kindEnum
	kindList // words; the value keeps them joined by blanks
	kindSpec // as kindList, checked by check
)

// param declares one configuration parameter, under redis.conf's name.
type param struct {
	name, alias string
	kind        kind
	def         string
	min, max    int64
	enum        []string
	// only lists the values that work in this version; others are known to Redis and refused with that reason.
	only      []string
	immutable bool // can be set at start only
	secret    bool // never in logs
	check     func(value string) error
	merge     func(old, value string) string // for one that may say a part of what there is to say; both are checked
}

// value is a parameter's present value: text for CONFIG GET, and number for whoever obeys it.
type value struct {
	p    *param
	text atomic.Pointer[string]
	num  atomic.Int64 // kindInt, kindMemory: the number; kindBool: 0 or 1; kindEnum: its index
}

func (v *value) string() string { return *v.text.Load() }
func (v *value) int() int64     { return v.num.Load() }
func (v *value) bool() bool     { return v.num.Load() != 0 }

// Config is a node's configuration: what redis.conf, the command line and CONFIG SET say.
type Config struct {
	mu     sync.Mutex // one CONFIG SET at a time
	byName map[string]*value
	names  []string
	file   string // absolute path of the configuration file, "" if there was none
}

// NewConfig has every parameter at its default.
func NewConfig() *Config {
	c := &Config{byName: map[string]*value{}}
	for i := range params {
		p := &params[i]
		v := &value{p: p}
		if err := v.set(p.def); err != nil {
			panic("node: default of " + p.name + ": " + err.Error())
		}
		c.byName[p.name] = v
		c.names = append(c.names, p.name)
		if p.alias != "" {
			c.byName[p.alias] = v
		}
	}
	sort.Strings(c.names)
	return c
}

func (c *Config) get(name string) *value {
	v := c.byName[name]
	if v == nil {
		panic("node: no parameter " + name)
	}
	return v
}

// set checks a value and takes it.
func (v *value) set(s string) error {
	num, text, err := v.p.parse(s)
	if err != nil {
		return err
	}
	if v.p.merge != nil && v.text.Load() != nil {
		text = v.p.merge(v.string(), text)
	}
	if v.p.only != nil && !contains(v.p.only, text) {
		return fmt.Errorf("'%s' is not built in this version; it can be %s", text, strings.Join(quoted(v.p.only), " or "))
	}
	v.num.Store(num)
	v.text.Store(&text)
	return nil
}

func quoted(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = "'" + s + "'"
	}
	return out
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// parse checks a value as Redis does, and brings it into the form of CONFIG GET.
func (p *param) parse(s string) (num int64, text string, err error) {
	switch p.kind {
	case kindBool:
		switch strings.ToLower(s) {
		case "yes":
			return 1, "yes", nil
		case "no":
			return 0, "no", nil
		}
		return 0, "", errors.New("argument must be 'yes' or 'no'")
	case kindInt:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, "", errors.New("argument couldn't be parsed into an integer")
		}
		return n, strconv.FormatInt(n, 10), p.inRange(n)
	case kindMemory:
		n, err := parseMemory(s)
		if err != nil {
			return 0, "", err
		}
		return n, strconv.FormatInt(n, 10), p.inRange(n)
	case kindEnum:
		for i, e := range p.enum {
			if strings.EqualFold(e, s) {
				return int64(i), e, nil
			}
		}
		return 0, "", fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(p.enum, ", "))
	}
	if p.check != nil {
		err = p.check(s)
	}
	return 0, s, err
}

func (p *param) inRange(n int64) error {
	if n < p.min || n > p.max {
		return fmt.Errorf("argument must be between %d and %d inclusive", p.min, p.max)
	}
	return nil
}

var errMemory = errors.New("argument must be a memory value")

// parseMemory reads "100", "1k" (1000), "1kb" (1024) and so on up to gb.
func parseMemory(s string) (int64, error) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || i == 0 && s[i] == '-') {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	if err != nil || n < 0 {
		return 0, errMemory
	}
	unit, ok := map[string]int64{"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30}[strings.ToLower(s[i:])]
	if !ok || n > math.MaxInt64/unit {
		return 0, errMemory
	}
	return n * unit, nil
}

// ConfigError is a configuration that can't be used; it names the line or the argument.
type ConfigError struct {
	Where string // "line 3", "argument --foo"
	Text  string // the line
	Why   string
}

// Error implements error: where, the line, and why.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("Reading the configuration, at %s\n>>> '%s'\n%s", e.Where, e.Text, e.Why)
}

// LoadFile reads a configuration file.
func (c *Config) LoadFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return &ConfigError{Where: "file " + path, Why: "Can't open config file: " + err.Error()}
	}
	if c.file, err = filepath.Abs(path); err != nil {
		c.file = path
	}
	return c.LoadText(string(b))
}

// LoadText reads configuration lines.
func (c *Config) LoadText(text string) error {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		where := "line " + strconv.Itoa(i+1)
		words, ok := resp.SplitArgs([]byte(line), nil)
		if !ok {
			return &ConfigError{Where: where, Text: line, Why: "Unbalanced quotes in configuration line"}
		}
		args := make([]string, len(words))
		for j, w := range words {
			args[j] = string(w)
		}
		if err := c.directive(args, where, line); err != nil {
			return err
		}
	}
	return nil
}

// LoadArgs reads "--name value …" arguments.
func (c *Config) LoadArgs(args []string) error {
	for i := 0; i < len(args); {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok || name == "" {
			return &ConfigError{Where: "argument " + args[i], Text: args[i], Why: "Expected an option such as --port"}
		}
		j := i + 1
		for j < len(args) && !strings.HasPrefix(args[j], "--") {
			j++
		}
		words := append([]string{name}, args[i+1:j]...)
		if err := c.directive(words, "argument --"+name, strings.Join(args[i:j], " ")); err != nil {
			return err
		}
		i = j
	}
	return nil
}

func (c *Config) directive(args []string, where, line string) error {
	name := strings.ToLower(args[0])
	v := c.byName[name]
	if v != nil && v.p.secret {
		line = args[0] + " …"
	}
	fail := func(why string) error { return &ConfigError{Where: where, Text: line, Why: why} }
	if v == nil {
		return fail("Bad directive or wrong number of arguments: '" + args[0] + "' is no parameter of larder-server")
	}
	s, err := v.p.join(args[1:], v)
	if err == nil {
		err = v.set(s)
	}
	if err != nil {
		return fail(err.Error())
	}
	return nil
}

// join makes one value of a directive's words.
func (p *param) join(words []string, v *value) (string, error) {
	if p.kind == kindList || p.kind == kindSpec {
		s := strings.Join(words, " ")
		// "save 900 1" and "user …" lines add up; an empty argument begins anew.
		if (p.name == "save" || p.name == "user") && s != "" && v.string() != p.def {
			sep := " "
			if p.name == "user" {
				sep = "\n"
			}
			s = v.string() + sep + s
		}
		return s, nil
	}
	if len(words) != 1 {
		return "", errors.New("wrong number of arguments")
	}
	return words[0], nil
}

// Get is a parameter's value as CONFIG GET shows it; name must be one that larder-server has.
func (c *Config) Get(name string) string { return c.get(name).string() }

// LogOutput opens where the log goes: logfile, or standard output.
func (c *Config) LogOutput() (io.Writer, error) {
	path := c.Get("logfile")
	if path == "" {
		return os.Stdout, nil
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
}

// Loops is the number of event loops: io-threads, or one a core.
func (c *Config) Loops() int {
	if t := c.get("io-threads").int(); t > 0 {
		return int(t)
	}
	return min(runtime.NumCPU(), limits.MaxLoops)
}
