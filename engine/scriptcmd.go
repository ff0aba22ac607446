package engine

import (
	"strings"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/script"
	"github.com/larder-cache/larder/wire/resp"
)

const errNoScript = "NOSCRIPT No matching script."

// ScriptCommands are EVAL and its kin, SCRIPT, FUNCTION and FCALL.
func ScriptCommands() []*spec.Command {
	eval := func(name, since, doc, first string, ro bool, run func(*spec.Call)) *spec.Command {
		flags, access, note := spec.NoScript|spec.SkipMonitor|spec.NoMandatoryKeys|spec.Stale|spec.MovableKeys, spec.RW|spec.Reads|spec.Updates, "RW and UPDATE"
		if ro {
			flags, access, note = flags|spec.ReadOnly, spec.RO|spec.Reads, "RO and ACCESS"
		} else {
			flags |= spec.MayReplicate
		}
		note = "We cannot tell how the keys will be used so we assume the worst, " + note
		if first == "sha1" {
			note = ""
		}
		return &spec.Command{Name: name, Since: since, Doc: doc, Complex: "Depends on the " + ranBy(first) + " that is executed.", Group: spec.Scripting, Arity: -3,
			Flags: flags, Interprets: true, Run: run,
			Keys: spec.Keys{{Begin: spec.Begin{At: 2}, Find: spec.Find{NumKeys: true, FirstKey: 1, Step: 1}, Access: access, Notes: note}},
			Args: spec.Args(spec.Str(first), spec.Int("numkeys"), spec.Opt(spec.Many(spec.Key("key"))), spec.Opt(spec.Many(spec.Str("arg"))))}
	}
	return []*spec.Command{
		eval("eval", "2.6.0", "Executes a server-side Lua script.", "script", false, evalRun),
		eval("evalsha", "2.6.0", "Executes a server-side Lua script by SHA1 digest.", "sha1", false, evalshaRun),
		eval("eval_ro", "7.0.0", "Executes a read-only server-side Lua script.", "script", true, evalRun),
		eval("evalsha_ro", "7.0.0", "Executes a read-only server-side Lua script by SHA1 digest.", "sha1", true, evalshaRun),
		eval("fcall", "7.0.0", "Invokes a function.", "function", false, fcallRun),
		eval("fcall_ro", "7.0.0", "Invokes a read-only function.", "function", true, fcallRun),
		scriptCommand(), functionCommand(),
	}
}

func ranBy(first string) string {
	if first == "function" {
		return first
	}
	return "script"
}

func scriptCommand() *spec.Command {
	all := func(policy string) []string { return []string{"request_policy:all_nodes", "response_policy:" + policy} }
	mode := spec.OneOf("flush-type", spec.Token("ASYNC"), spec.Token("SYNC"))
	return &spec.Command{Name: "script", Since: "2.6.0", Doc: "A container for Lua scripts management commands.", Complex: "Depends on subcommand.",
		Group: spec.Scripting, Arity: -2, Sub: []*spec.Command{
			{Name: "debug", Since: "3.2.0", Doc: "Sets the debug mode of server-side Lua scripts.", Complex: "O(1)", Arity: 3, Flags: spec.NoScript,
				Args: spec.Args(spec.OneOf("mode", spec.Token("YES"), spec.Token("SYNC"), spec.Token("NO"))), Run: scriptDebug},
			{Name: "exists", Since: "2.6.0", Doc: "Determines whether server-side Lua scripts exist in the script cache.", Arity: -3, Flags: spec.NoScript,
				Complex: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).", Interprets: true,
				Tips: []string{"request_policy:all_shards", "response_policy:agg_logical_and"}, Args: spec.Args(spec.Many(spec.Str("sha1"))), Run: scriptExists},
			{Name: "flush", Since: "2.6.0", Doc: "Removes all server-side Lua scripts from the script cache.", Complex: "O(N) with N being the number of scripts in cache",
				Arity: -2, Flags: spec.NoScript, Interprets: true, Tips: all("all_succeeded"), Args: spec.Args(spec.Since("6.2.0", spec.Opt(mode))),
				History: [][2]string{{"6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers."}}, Run: scriptFlush},
			{Name: "help", Since: "5.0.0", Doc: "Returns helpful text about the different subcommands.", Complex: "O(1)", Arity: 2, Flags: spec.Loading | spec.Stale, Run: scriptHelp},
			{Name: "kill", Since: "2.6.0", Doc: "Terminates a server-side Lua script during execution.", Complex: "O(1)", Arity: 2, Flags: spec.NoScript | spec.AllowBusy,
				Tips: []string{"request_policy:all_shards", "response_policy:one_succeeded"}, Run: func(c *spec.Call) { engineOf(c).killScript(c, true) }},
			{Name: "load", Since: "2.6.0", Doc: "Loads a server-side Lua script to the script cache.", Complex: "O(N) with N being the length in bytes of the script body.",
				Arity: 3, Flags: spec.NoScript | spec.Stale, Interprets: true, Tips: all("all_succeeded"), Args: spec.Args(spec.Str("script")), Run: scriptLoad},
			{Name: "show", Since: "8.0.0", Doc: "Show server-side Lua script in the script cache.", Complex: "O(1).", Arity: 3, Flags: spec.NoScript, Interprets: true,
				Args: spec.Args(spec.Str("sha1")), Run: scriptShow},
		}}
}

// numKeys checks EVAL's number of keys, which must not be more than the arguments behind it; false after it has answered the error.
func numKeys(c *spec.Call, bad string) bool {
	n, ok := resp.ParseInt(c.Args[2])
	switch {
	case !ok && bad != "":
		c.Out.Error(bad)
	case !ok:
		c.Out.Error(spec.ErrNotInt)
	case n > int64(len(c.Args)-3):
		c.Out.Error("ERR Number of keys can't be greater than number of args")
	case n < 0:
		c.Out.Error("ERR Number of keys can't be negative")
	default:
		return true
	}
	return false
}

func evalRun(c *spec.Call) {
	if cl := c.Session.(*Client); cl.debugs != debugOff {
		evalDebugged(c, cl)
		return
	}
	showScript(c)
	if !numKeys(c, "") {
		return
	}
	s := &engineOf(c).scripts
	found, err := s.known(c.Args[1])
	if err != "" {
		c.Out.Error(err)
		return
	}
	s.evalCached(c, found)
}

// showScript shows a command that runs a script to the monitors, before what the script calls and whether or not it comes to run.
// Other commands are shown when they are done, which is why these have SkipMonitor.
func showScript(c *spec.Call) {
	x, cl := c.Engine.(*Executor), c.Session.(*Client)
	x.monitor(x.e.notice.Load(), &ran{client: cl, cmd: &spec.Command{}, args: c.Args, db: cl.db})
}

// known is the script with a source, compiled if it was not yet, or the error.
func (s *scripting) known(source []byte) (*script.Cached, string) {
	if found := s.cache.Find(source); found != nil {
		return found, ""
	}
	return s.add(script.SHA1(source), source, false)
}

func evalshaRun(c *spec.Call) {
	showScript(c)
	if len(c.Args[1]) != 40 {
		c.Out.Error(errNoScript)
		return
	}
	if c.Session.(*Client).debugs != debugOff {
		c.Out.Error("ERR Please use EVAL instead of EVALSHA for debugging")
		return
	}
	if !numKeys(c, "") {
		return
	}
	s := &engineOf(c).scripts
	found := s.cache.Get(strings.ToLower(string(c.Args[1])))
	if found == nil {
		c.Out.Error(errNoScript)
		return
	}
	s.evalCached(c, found)
}

func (s *scripting) evalCached(c *spec.Call, found *script.Cached) {
	x := c.Engine.(*Executor)
	x.runScript(c, &scriptRun{name: found.SHA, eval: true}, found.Flags, func(r script.Run) bool { return s.vm(false).Eval(found.Code, r) })
	s.cache.Used(found)
}

const (
	evalName      = "user_script" // of scripts in error texts
	compileFailed = "ERR Error compiling script (new function): "
)

// add compiles a script and keeps it, or returns the error.
func (s *scripting) add(sha string, source []byte, loaded bool) (*script.Cached, string) {
	flags, skip, err := script.Shebang(source)
	if err != nil {
		return nil, "ERR " + err.Error()
	}
	code, err := s.vm(false).Compile(evalName, source[skip:])
	if err != nil {
		return nil, compileFailed + err.Error()
	}
	found := &script.Cached{SHA: sha, Source: string(source), Flags: flags, Code: code}
	s.cache.Add(found, loaded)
	s.countScripts()
	return found, ""
}

func scriptLoad(c *spec.Call) {
	s := &engineOf(c).scripts
	sha := script.SHA1(c.Args[2])
	if found := s.cache.Get(sha); found != nil {
		s.cache.Keep(found)
	} else if _, err := s.add(sha, c.Args[2], true); err != "" {
		c.Out.Error(err)
		return
	}
	c.Out.BulkString(sha)
}

func scriptExists(c *spec.Call) {
	s := &engineOf(c).scripts
	c.Out.Array(len(c.Args) - 2)
	for _, sha := range c.Args[2:] {
		n := int64(0)
		if s.cache.Get(strings.ToLower(string(sha))) != nil {
			n = 1
		}
		c.Out.Int(n)
	}
}

func scriptShow(c *spec.Call) {
	found := engineOf(c).scripts.cache.Get(strings.ToLower(string(c.Args[2])))
	if found == nil {
		c.Out.Error(errNoScript)
		return
	}
	c.Out.BulkString(found.Source)
}

// flushMode reads [ASYNC|SYNC], which makes no difference here: what is forgotten is Go's to collect.
func flushMode(c *spec.Call, bad string) bool {
	if len(c.Args) == 2 || len(c.Args) == 3 && (spec.EqualFold(c.Args[2], "sync") || spec.EqualFold(c.Args[2], "async")) {
		return true
	}
	c.Out.Error(bad)
	return false
}

func scriptFlush(c *spec.Call) {
	if !flushMode(c, "ERR SCRIPT FLUSH only support SYNC|ASYNC option") {
		return
	}
	s := &engineOf(c).scripts
	s.cache.Flush()
	s.eval = nil
	s.countScripts()
	c.Out.OK()
}

func scriptHelp(c *spec.Call) {
	c.Help("DEBUG (YES|SYNC|NO)",
		"    Set the debug mode for subsequent scripts executed.",
		"EXISTS <sha1> [<sha1> ...]",
		"    Return information about the existence of the scripts in the script cache.",
		"FLUSH [ASYNC|SYNC]",
		"    Flush the Lua scripts cache. Very dangerous on replicas.",
		"    When called without the optional mode argument, the behavior is determined",
		"     by the lazyfree-lazy-user-flush configuration directive. Valid modes are:",
		"    * ASYNC: Asynchronously flush the scripts cache.",
		"    * SYNC: Synchronously flush the scripts cache.",
		"KILL", "    Kill the currently executing Lua script.",
		"LOAD <script>", "    Load a script into the scripts cache without executing it.",
		"SHOW <sha1>", "    Show a script from the scripts cache.")
}
