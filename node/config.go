package node

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-cache/larder/base/limits"
)

// kind is what values a parameter takes.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt    // a number from min to max
	kindMemory // bytes, with units: 1k 1000, 1kb 1024, …
	kindEnum
	kindList  // words; the value keeps them joined by blanks
	kindSpec  // as kindList, checked by check
	kindOctal // a number of octal digits from min to max
	kindFlags // words of enum, kept in its order; its first word stands for none
)

// param declares one configuration parameter, under redis.conf's name.
type param struct {
	name, alias string
	kind        kind
	def         string
	min, max    int64
	clamp       [2]int64 // kindInt: what is beyond these is taken for the nearest
	enum        []string
	// only lists the values that work in this version; others are known to Redis and refused with that reason.
	only []string
	// inert says why a parameter is accepted and changes nothing: docs/compat.md tells it.
	inert      string
	immutable  bool // can be set at start only
	secret     bool // never in logs
	hidden     bool // CONFIG GET tells it only by its whole name
	protected  bool // CONFIG SET needs enable-protected-configs
	notLoading bool // CONFIG SET is refused while data is loaded
	single     bool // kindList, kindSpec: one word all the same
	check      func(value string) error
	merge      func(old, value string) string // for one that may say a part of what there is to say; both are checked
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
	// one is held by one CONFIG SET at a time, but for those within EXEC: who holds it may wait for shards, so nobody who holds shards
	// waits for it.
	one     sync.Mutex
	mu      sync.Mutex // held while values are changed or written to the file; who holds it waits for no shard
	byName  map[string]*value
	file    string                  // absolute path of the configuration file, "" if there was none
	adds    map[string]bool         // those whose next line adds to the last: save, user
	depth   int                     // of include
	refused map[string]*ConfigError // parameters whose last value is not built
	renames [][2]string             // of rename-command: the command and its new name, "" for none
	// renamesAt are where these stand, and their lines.
	renamesAt []ConfigError
}

// NewConfig has every parameter at its default.
func NewConfig() *Config {
	c := &Config{byName: map[string]*value{}, adds: map[string]bool{}, refused: map[string]*ConfigError{}}
	for i := range params {
		p := &params[i]
		v := &value{p: p}
		if err := v.set(p.def); err != nil {
			panic("node: default of " + p.name + ": " + err.Error())
		}
		if c.byName[p.name] != nil {
			panic("node: two parameters " + p.name)
		}
		c.byName[p.name] = v
		if p.alias != "" {
			c.byName[p.alias] = v
		}
	}
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
		return &notBuilt{text, strings.Join(quoted(v.p.only), " or ")}
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
	return slices.Contains(list, s)
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
		err = p.inRange(n)
		if p.clamp[1] != 0 {
			n = min(max(n, p.clamp[0]), p.clamp[1])
		}
		return n, strconv.FormatInt(n, 10), err
	case kindMemory:
		n, err := parseMemory(s)
		if err != nil {
			return 0, "", err
		}
		return n, strconv.FormatInt(n, 10), p.inRange(n)
	case kindOctal:
		n, err := strconv.ParseInt(s, 8, 64)
		if err != nil {
			return 0, "", errors.New("argument couldn't be parsed as an octal number")
		}
		return n, strconv.FormatInt(n, 8), p.inRange(n)
	case kindEnum:
		for i, e := range p.enum {
			if strings.EqualFold(e, s) {
				return int64(i), e, nil
			}
		}
		return 0, "", p.notInEnum()
	case kindFlags:
		if num, text, err = p.parseFlags(s); err != nil {
			return 0, "", err
		}
		s = text
	}
	if p.check != nil {
		err = p.check(s)
	}
	return num, s, err
}

func (p *param) notInEnum() error {
	return fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(p.enum, ", "))
}

// parseFlags makes a bit of each word of enum but the first, which is none of them.
func (p *param) parseFlags(s string) (bits int64, text string, err error) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 {
		return 0, "", p.notInEnum()
	}
	for _, w := range words {
		i := slices.Index(p.enum, w)
		if i < 0 {
			return 0, "", p.notInEnum()
		}
		if i > 0 {
			bits |= 1 << i
		}
	}
	var out []string
	for i, e := range p.enum {
		if bits&(1<<i) != 0 {
			out = append(out, e)
		}
	}
	if out == nil {
		out = p.enum[:1]
	}
	return bits, strings.Join(out, " "), nil
}

func (p *param) inRange(n int64) error {
	if n < p.min || n > p.max {
		if p.kind == kindOctal {
			return fmt.Errorf("argument must be between %o and %o inclusive", p.min, p.max)
		}
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

// Get is a parameter's value as CONFIG GET shows it; name must be one that larder-server has.
func (c *Config) Get(name string) string { return c.get(name).string() }

// LogOutput opens where the log goes: logfile, or standard output.
func (c *Config) LogOutput() (*os.File, error) {
	path := c.Path("logfile")
	if path == "" {
		return os.Stdout, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, because(errors.New(strerror(err)), "Can't open the log file")
	}
	return f, nil
}

// Path is a parameter that names a file, as seen from where the process is: a relative one is within dir. "" stays "".
func (c *Config) Path(name string) string {
	path := c.Get(name)
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Get("dir"), path)
}

// Renames are the commands that rename-command gives another name, and that name; "" takes the command away.
func (c *Config) Renames() [][2]string { return c.renames }

// Loops is the number of event loops: io-threads, or one a core.
func (c *Config) Loops() int {
	if t := c.get("io-threads").int(); t > 0 {
		return int(t)
	}
	return min(runtime.NumCPU(), limits.MaxLoops)
}
