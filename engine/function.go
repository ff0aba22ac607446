package engine

import (
	"fmt"
	"strings"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/script"
)

// LibraryPolicy says what becomes of the libraries that there are when others are loaded.
type LibraryPolicy uint8

// The policies.
const (
	FlushLibraries   LibraryPolicy = iota // they are forgotten
	AppendLibraries                       // they stay, and one of the same name is an error
	ReplaceLibraries                      // they stay but for those of the same name
)

// LibraryCodec makes FUNCTION DUMP's payload of the libraries' sources, and reads one. The error's text is what clients are told.
type LibraryCodec struct {
	Encode func(sources [][]byte) []byte
	Decode func(payload []byte) (sources [][]byte, err error)
}

func functionCommand() *spec.Command {
	shards := []string{"request_policy:all_shards", "response_policy:all_succeeded"}
	mode := spec.OneOf("flush-type", spec.Token("ASYNC"), spec.Token("SYNC"))
	const write, some = spec.NoScript | spec.Write, "O(N) where N is the number of functions"
	return &spec.Command{Name: "function", Since: "7.0.0", Doc: "A container for function commands.", Complex: "Depends on subcommand.", Group: spec.Scripting,
		Arity: -2, Sub: []*spec.Command{
			{Name: "delete", Since: "7.0.0", Doc: "Deletes a library and its functions.", Complex: "O(1)", Arity: 3, Flags: write, Scope: spec.ShardZero, Interprets: true,
				Tips: shards, Args: spec.Args(spec.Str("library-name")), Run: functionDelete},
			{Name: "dump", Since: "7.0.0", Doc: "Dumps all libraries into a serialized binary payload.", Complex: some, Arity: 2, Flags: spec.NoScript,
				Interprets: true, Run: functionDump},
			{Name: "flush", Since: "7.0.0", Doc: "Deletes all libraries and functions.", Complex: some + " deleted", Arity: -2, Flags: write, Scope: spec.ShardZero,
				Interprets: true, Tips: shards, Args: spec.Args(spec.Opt(mode)), Run: functionFlush},
			{Name: "help", Since: "7.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2, Flags: spec.Loading | spec.Stale, Run: functionHelp},
			{Name: "kill", Since: "7.0.0", Doc: "Terminates a function during execution.", Complex: "O(1)", Arity: 2, Flags: spec.NoScript | spec.AllowBusy,
				Tips: []string{"request_policy:all_shards", "response_policy:one_succeeded"}, Run: func(c *spec.Call) { engineOf(c).killScript(c, false) }},
			{Name: "list", Since: "7.0.0", Doc: "Returns information about all libraries.", Complex: some, Arity: -2, Flags: spec.NoScript, Interprets: true,
				Tips: []string{"nondeterministic_output_order"},
				Args: spec.Args(spec.Opt(spec.After("LIBRARYNAME", spec.Str("library-name-pattern"))), spec.Opt(spec.Token("WITHCODE"))), Run: functionList},
			{Name: "load", Since: "7.0.0", Doc: "Creates a library.", Complex: "O(1) (considering compilation time is redundant)", Arity: -3, Flags: write | spec.DenyOOM,
				Scope: spec.ShardZero, Interprets: true, Tips: shards, Args: spec.Args(spec.Opt(spec.Token("REPLACE")), spec.Str("function-code")), Run: functionLoad},
			{Name: "restore", Since: "7.0.0", Doc: "Restores all libraries from a payload.", Complex: some + " on the payload", Arity: -3, Flags: write | spec.DenyOOM,
				Scope: spec.ShardZero, Interprets: true, Tips: shards, Run: functionRestore,
				Args: spec.Args(spec.Str("serialized-value"), spec.Opt(spec.OneOf("policy", spec.Token("FLUSH"), spec.Token("APPEND"), spec.Token("REPLACE"))))},
			{Name: "stats", Since: "7.0.0", Doc: "Returns information about a function during execution.", Complex: "O(1)", Arity: 2, Flags: spec.NoScript | spec.AllowBusy,
				Tips: []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"}, Run: functionStats},
		}}
}

func fcallRun(c *spec.Call) {
	showScript(c)
	s := &engineOf(c).scripts
	f := s.libraries.Function(string(c.Args[1]))
	if f == nil {
		c.Out.Error("ERR Function not found")
		return
	}
	if !numKeys(c, "ERR Bad number of keys provided") {
		return
	}
	c.Engine.(*Executor).runScript(c, &scriptRun{name: f.Name}, f.Flags, func(r script.Run) bool { return s.vm(true).FCall(f.Code, r) })
}

// loader is the host of a library that is loaded: it may log, and run for a while.
type loader struct {
	e     *Engine
	until int64 // ns by the monotonic clock; 0: as long as it takes
}

// The methods below are script.Host; a library that is loaded has only redis.log.

func (loader) Call([][]byte) []byte         { return []byte("-ERR not while a library is loaded\r\n") }
func (loader) MayRun([][]byte) (bool, bool) { return false, false }
func (loader) SetProto(int)                 {}
func (loader) SetReplication(int)           {}
func (l loader) Log(level int, s string)    { l.e.scriptLog(level, s) }

func (l loader) Interrupt() string {
	if l.until != 0 && l.e.Clock.MonoNanos() > l.until {
		return "ERR FUNCTION LOAD timeout"
	}
	return ""
}

// library runs a library's source for the functions that it registers. patient: it may take its time.
func (s *scripting) library(source []byte, patient bool) (*script.Library, error) {
	engine, name, code, err := script.LibraryHead(source)
	if err != nil {
		return nil, err
	}
	if !script.ValidName(name) {
		return nil, script.Refusal("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
	}
	if !strings.EqualFold(engine, "lua") {
		return nil, script.Refusal("Engine '%s' not found", engine)
	}
	h := loader{e: s.e}
	if !patient {
		h.until = s.e.Clock.MonoNanos() + int64(limits.LibraryLoadTimeout)
	}
	functions, err := s.vm(true).LoadLibrary(code, h)
	if err != nil {
		return nil, err
	}
	if len(functions) == 0 {
		return nil, script.Refusal("No functions registered")
	}
	return &script.Library{Name: name, Source: append([]byte(nil), source...), Functions: functions}, nil
}

func functionLoad(c *spec.Call) {
	s, replace := &engineOf(c).scripts, false
	for _, a := range c.Args[2 : len(c.Args)-1] {
		if !spec.EqualFold(a, "replace") {
			c.Out.Error("ERR Unknown option given: " + clip(a, len(a)))
			return
		}
		replace = true
	}
	source := c.Args[len(c.Args)-1]
	if engine, name, _, err := script.LibraryHead(source); err == nil && !replace && strings.EqualFold(engine, "lua") && s.libraries.Library(name) != nil {
		c.Out.Error("ERR Library '" + name + "' already exists")
		return
	}
	lib, err := s.library(source, c.Session.FromPrimary())
	if err == nil {
		err = s.join(replace, lib)
	}
	if err != nil {
		c.Out.Error("ERR " + err.Error())
		return
	}
	c.Engine.Dirty(1)
	c.Out.BulkString(lib.Name)
}

func (s *scripting) join(replace bool, libs ...*script.Library) error {
	if n, _ := s.libraries.Len(); n+len(libs) > limits.MaxLibraries {
		return fmt.Errorf("too many libraries")
	}
	err := s.libraries.Join(replace, libs...)
	s.countLibraries()
	return err
}

func functionDelete(c *spec.Call) {
	s := &engineOf(c).scripts
	if !s.libraries.Delete(string(c.Args[2])) {
		c.Out.Error("ERR Library not found")
		return
	}
	s.countLibraries()
	c.Engine.Dirty(1)
	c.Out.OK()
}

func functionFlush(c *spec.Call) {
	if len(c.Args) > 3 {
		c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + clip(c.Args[1], 128) + "'. Try FUNCTION HELP.")
		return
	}
	if !flushMode(c, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option") {
		return
	}
	engineOf(c).scripts.flushLibraries()
	c.Engine.Dirty(1)
	c.Out.OK()
}

func (s *scripting) flushLibraries() {
	s.libraries, s.lib = script.NewLibraries(), nil
	s.countLibraries()
}

func functionDump(c *spec.Call) {
	e := engineOf(c)
	c.Out.Bulk(e.Libraries.Encode(e.scripts.sources()))
}

func (s *scripting) sources() (out [][]byte) {
	for _, l := range s.libraries.All() {
		out = append(out, l.Source)
	}
	return out
}

func functionRestore(c *spec.Call) {
	e, policy := engineOf(c), AppendLibraries
	if len(c.Args) > 4 {
		c.Out.Error("ERR unknown subcommand or wrong number of arguments for '" + clip(c.Args[1], 128) + "'. Try FUNCTION HELP.")
		return
	}
	if len(c.Args) == 4 {
		switch strings.ToLower(string(c.Args[3])) {
		case "append":
		case "replace":
			policy = ReplaceLibraries
		case "flush":
			policy = FlushLibraries
		default:
			c.Out.Error("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
			return
		}
	}
	sources, err := e.Libraries.Decode(c.Args[2])
	if err == nil {
		err = e.scripts.restore(sources, policy, c.Session.FromPrimary())
	}
	if err != nil {
		c.Out.Error("ERR " + err.Error())
		return
	}
	c.Engine.Dirty(1)
	c.Out.OK()
}

// restore loads libraries, all or none.
func (s *scripting) restore(sources [][]byte, policy LibraryPolicy, patient bool) error {
	fresh := script.NewLibraries()
	for _, source := range sources {
		lib, err := s.library(source, patient)
		if err == nil {
			err = fresh.Join(false, lib)
		}
		if err != nil {
			return err
		}
	}
	if policy == FlushLibraries {
		s.libraries = fresh
		s.countLibraries()
		return nil
	}
	return s.join(policy == ReplaceLibraries, fresh.All()...)
}

func functionList(c *spec.Call) {
	pattern, code := []byte(nil), false
	for i := 2; i < len(c.Args); i++ {
		switch a := c.Args[i]; {
		case !code && spec.EqualFold(a, "withcode"):
			code = true
		case pattern == nil && spec.EqualFold(a, "libraryname"):
			if i++; i == len(c.Args) {
				c.Out.Error("ERR library name argument was not given")
				return
			}
			pattern = c.Args[i]
		default:
			c.Out.Error("ERR Unknown argument " + clip(a, len(a)))
			return
		}
	}
	var shown []*script.Library
	for _, l := range engineOf(c).scripts.libraries.All() {
		if pattern == nil || engineOf(c).Match(pattern, []byte(l.Name)) {
			shown = append(shown, l)
		}
	}
	c.Out.Array(len(shown))
	for _, l := range shown {
		listLibrary(c, l, code)
	}
}

func listLibrary(c *spec.Call, l *script.Library, code bool) {
	n := 3
	if code {
		n = 4
	}
	c.Out.Map(n)
	c.Out.BulkString("library_name")
	c.Out.BulkString(l.Name)
	c.Out.BulkString("engine")
	c.Out.BulkString("LUA")
	c.Out.BulkString("functions")
	c.Out.Array(len(l.Functions))
	for _, f := range l.Functions {
		c.Out.Map(3)
		c.Out.BulkString("name")
		c.Out.BulkString(f.Name)
		c.Out.BulkString("description")
		if f.Doc {
			c.Out.BulkString(f.Desc)
		} else {
			c.Out.Null()
		}
		c.Out.BulkString("flags")
		names := f.Flags.Names()
		c.Out.Set(len(names))
		for _, name := range names {
			c.Out.Simple(name)
		}
	}
	if code {
		c.Out.BulkString("library_code")
		c.Out.Bulk(l.Source)
	}
}

func functionStats(c *spec.Call) {
	e := engineOf(c)
	r := e.scripts.running.Load()
	if r != nil && r.shown.Load() == nil {
		r = nil // on one thread nobody hears of a script that is not busy
	}
	if r != nil && r.eval {
		c.Out.Error(busyEval)
		return
	}
	c.Out.Map(2)
	c.Out.BulkString("running_script")
	if r == nil {
		c.Out.Null()
	} else {
		c.Out.Map(3)
		c.Out.BulkString("name")
		c.Out.BulkString(r.name)
		c.Out.BulkString("command")
		args := *r.shown.Load()
		c.Out.Array(len(args))
		for _, a := range args {
			c.Out.Bulk(a)
		}
		c.Out.BulkString("duration_ms")
		c.Out.Int((e.Clock.MonoNanos() - r.begun) / 1e6)
	}
	c.Out.BulkString("engines")
	c.Out.Map(1)
	c.Out.BulkString("LUA")
	c.Out.Map(2)
	c.Out.BulkString("libraries_count")
	c.Out.Int(e.scripts.counts.libraries.Load())
	c.Out.BulkString("functions_count")
	c.Out.Int(e.scripts.counts.functions.Load())
}

func functionHelp(c *spec.Call) {
	c.Help("LOAD [REPLACE] <FUNCTION CODE>", "    Create a new library with the given library name and code.",
		"DELETE <LIBRARY NAME>", "    Delete the given library.",
		"LIST [LIBRARYNAME PATTERN] [WITHCODE]", "    Return general information on all the libraries:", "    * Library name",
		"    * The engine used to run the Library", "    * Functions list", "    * Library code (if WITHCODE is given)",
		"    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
		"STATS", "    Return information about the current function running:", "    * Function name", "    * Command used to run the function",
		"    * Duration in MS that the function is running", "    If no function is running, return nil", "    In addition, returns a list of available engines.",
		"KILL", "    Kill the current running function.",
		"FLUSH [ASYNC|SYNC]", "    Delete all the libraries.",
		"    When called without the optional mode argument, the behavior is determined by the", "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
		"    * ASYNC: Asynchronously flush the libraries.", "    * SYNC: Synchronously flush the libraries.",
		"DUMP", "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
		"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]", "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
		"    control how to handle existing libraries (default APPEND):", "    * FLUSH: delete all existing libraries.",
		"    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
		"    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
		"      libraries with the new libraries (notice that even on this option there is a chance of failure",
		"      in case of functions name collision with another library).")
}

// The methods below are for snapshots.

// LibrarySources are the sources of the libraries of functions. The caller is within Barrier.
func (e *Engine) LibrarySources() [][]byte {
	if p := e.scripts.published.Load(); p != nil {
		return *p
	}
	return nil
}

// LoadLibraries loads libraries, all or none. The error tells which one cannot be loaded.
func (e *Engine) LoadLibraries(sources [][]byte, policy LibraryPolicy) error {
	s := &e.scripts
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.restore(sources, policy, true)
}
