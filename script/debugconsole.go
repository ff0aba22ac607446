package script

import (
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

// debugHelp is what "help" says. Source: Valkey 8.
var debugHelp = []string{
	"Lua debugger help:",
	"[h]elp               Show this help.",
	"[s]tep               Run current line and stop again.",
	"[n]ext               Alias for step.",
	"[c]ontinue           Run till next breakpoint.",
	"[l]ist               List source code around current line.",
	"[l]ist [line]        List source code around [line].",
	"                     line = 0 means: current position.",
	"[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
	"                     to show before/after [line].",
	"[w]hole              List all source code. Alias for 'list 1 1000000'.",
	"[p]rint              Show all the local variables.",
	"[p]rint <var>        Show the value of the specified variable.",
	"                     Can also show global vars KEYS and ARGV.",
	"[b]reak              Show all breakpoints.",
	"[b]reak <line>       Add a breakpoint to the specified line.",
	"[b]reak -<line>      Remove breakpoint from the specified line.",
	"[b]reak 0            Remove all breakpoints.",
	"[t]race              Show a backtrace.",
	"[e]val <code>        Execute some Lua code (in a different callframe).",
	"[v]alkey <cmd>       Execute a command.",
	"[m]axlen [len]       Trim logged replies and Lua var dumps to len.",
	"                     Specifying zero as <len> means unlimited.",
	"[a]bort              Stop the execution of the script. In sync",
	"                     mode dataset changes will be retained.",
	"",
	"Debugger functions you can call from Lua scripts:",
	"server.debug()       Produce logs in the debugger console.",
	"server.breakpoint()  Stop execution like if there was a breakpoint in the",
	"                     next line of code.",
}

// obey does what a command says; true: the script goes on.
func (d *Debugger) obey(l *lua.LState, words [][]byte) (resume bool) {
	args := make([]string, len(words))
	for i, w := range words {
		args[i] = string(w)
	}
	switch name := strings.ToLower(args[0]); name {
	case "s", "step", "n", "next":
		d.step = true
		return true
	case "c", "continue":
		return true
	case "h", "help":
		for _, text := range debugHelp {
			d.tell(text)
		}
	case "a", "abort":
		d.end(l, "ERR script aborted for user request")
	case "t", "trace":
		d.trace(l)
	case "m", "maxlen":
		d.setMaxShown(args)
	case "b", "break":
		d.setBreakpoints(args)
	case "e", "eval":
		d.eval(l, args[1:])
	case "p", "print":
		if len(args) == 2 {
			d.print(l, args[1])
		} else {
			d.printAll(l)
		}
	case "l", "list":
		d.list(args)
	case "w", "whole":
		d.tellLines(1, len(d.lines))
	default:
		d.otherwise(name, words)
	}
	return false
}

// otherwise is "redis" and its other names, which call a command, or nothing.
func (d *Debugger) otherwise(name string, words [][]byte) {
	if len(words) < 2 || !slices.Contains([]string{"r", "redis", "v", "valkey", "server"}, name) {
		d.tell("<error> Unknown Lua debugger command or wrong number of arguments.")
		return
	}
	d.step = true
	d.called(words[1:])
	d.answered(d.vm.host.Call(words[1:]))
	d.step = false
}

// tellLine logs a line of the source.
func (d *Debugger) tellLine(n int) {
	mark := "   "
	switch at, here := n == d.line, slices.Contains(d.breakpoints, n); {
	case at && here:
		mark = "->#"
	case at:
		mark = "-> "
	case here:
		mark = "  #"
	}
	number := strconv.Itoa(n)
	text := "<out of range source code line>"
	if n >= 1 && n <= len(d.lines) {
		text = d.lines[n-1]
	}
	d.tell(mark + number + strings.Repeat(" ", max(3-len(number), 0)) + " " + text)
}

func (d *Debugger) tellLines(first, last int) {
	for n := max(first, 1); n <= min(last, len(d.lines)); n++ {
		d.tellLine(n)
	}
}

// list is "list [line] [context]".
func (d *Debugger) list(args []string) {
	around, context := d.line, 5
	if len(args) > 1 {
		if n := cInt(args[1]); n > 0 {
			around = n
		}
	}
	if len(args) > 2 {
		context = min(cInt(args[2]), len(d.lines))
	}
	around = min(around, len(d.lines)+limits.MaxScriptBytes)
	d.tellLines(around-context, around+context)
}

// cInt reads as much of a number as there is; 0 if there is none.
func cInt(s string) int {
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && (s[0] == '-' || s[0] == '+')) {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

func (d *Debugger) setMaxShown(args []string) {
	if len(args) == 2 {
		d.hinted = true
		if d.maxShown = cInt(args[1]); d.maxShown != 0 {
			d.maxShown = min(max(d.maxShown, 60), limits.MaxDebugValueBytes)
		}
	}
	if d.maxShown == 0 {
		d.tell("<value> replies are unlimited.")
		return
	}
	d.tell("<value> replies are truncated at " + strconv.Itoa(d.maxShown) + " bytes.")
}

func (d *Debugger) setBreakpoints(args []string) {
	if len(args) > 1 {
		for _, arg := range args[1:] {
			d.setBreakpoint(arg)
		}
		return
	}
	if len(d.breakpoints) == 0 {
		d.tell("No breakpoints set. Use 'b <line>' to add one.")
		return
	}
	d.tell(strconv.Itoa(len(d.breakpoints)) + " breakpoints set:")
	for _, line := range d.breakpoints {
		d.tellLine(line)
	}
}

// setBreakpoint is "break LINE", or -LINE for no longer there, or 0 for none anywhere.
func (d *Debugger) setBreakpoint(arg string) {
	n, ok := resp.ParseInt([]byte(arg))
	line := int(max(min(n, int64(len(d.lines))+1), -int64(len(d.lines))-1))
	switch at := slices.Index(d.breakpoints, max(line, -line)); {
	case !ok:
		d.tell("Invalid argument:'" + arg + "'")
	case line == 0:
		d.breakpoints = nil
		d.tell("All breakpoints removed.")
	case line < 0 && at < 0:
		d.tell("No breakpoint in the specified line.")
	case line < 0:
		d.breakpoints = slices.Delete(d.breakpoints, at, at+1)
		d.tell("Breakpoint removed.")
	case len(d.breakpoints) == limits.MaxDebugBreakpoints:
		d.tell("Too many breakpoints set.")
	case line > len(d.lines), at >= 0: // as in Valkey, for one that is there, too
		d.tell("Wrong line number.")
	default:
		d.breakpoints = append(d.breakpoints, line)
		d.tellLines(line-1, line+1)
	}
}

// frames visits the functions that run, the innermost first, until fn says no: those of the state that has stopped, and of those that
// wait for it.
func (d *Debugger) frames(l *lua.LState, fn func(l *lua.LState, frame *lua.Debug) bool) {
	for n := 0; l != nil && n < limits.MaxDebugFrames; l = d.caller(l) {
		for level := 0; n < limits.MaxDebugFrames; level++ {
			n++
			frame, ok := l.GetStack(level)
			if !ok {
				break
			}
			l.GetInfo("Snl", frame, lua.LNil) //nolint:errcheck // it fails for other letters only
			if frame.Source == evalChunk && !fn(l, frame) {
				return
			}
		}
	}
}

// trace is "trace": where the script is, and who has called whom.
func (d *Debugger) trace(l *lua.LState) {
	how := "In "
	d.frames(l, func(_ *lua.LState, frame *lua.Debug) bool {
		d.tell(how + frameName(frame) + ":")
		d.tellLine(frame.CurrentLine)
		how = "From "
		return true
	})
}

// frameName is a function's name as its caller wrote it.
func frameName(frame *lua.Debug) string {
	switch name := frame.Name; {
	case strings.HasPrefix(name, "<"), name == "?", name == "main chunk", name == "corountine":
		return "top level"
	default:
		return name
	}
}

// locals visits a function's local variables, the first declared first.
func locals(l *lua.LState, frame *lua.Debug, fn func(name string, v lua.LValue) bool) {
	for i := 1; i <= maxLocals; i++ {
		name, v := l.GetLocal(frame, i)
		if name == "" || name != "(*temporary)" && !fn(name, v) {
			return
		}
	}
}

// maxLocals is how many local variables a function may have. Source: Lua 5.1.
const maxLocals = 200

// print is "print NAME": of the innermost function that has such a variable.
func (d *Debugger) print(l *lua.LState, want string) {
	found := false
	d.frames(l, func(l *lua.LState, frame *lua.Debug) bool {
		locals(l, frame, func(name string, v lua.LValue) bool {
			if name == want {
				d.showValue("<value> ", v)
				found = true
			}
			return !found
		})
		return !found
	})
	switch {
	case found:
	case want == "ARGV", want == "KEYS":
		d.showValue("<value> ", d.vm.globals.RawGetString(want))
	default:
		d.tell("No such variable.")
	}
}

func (d *Debugger) printAll(l *lua.LState) {
	any := false
	d.frames(l, func(l *lua.LState, frame *lua.Debug) bool {
		locals(l, frame, func(name string, v lua.LValue) bool {
			d.showValue("<value> "+name+" = ", v)
			any = true
			return true
		})
		return false
	})
	if !any {
		d.tell("No local variables in the current context.")
	}
}

// evalChunkName is the client's code in error texts.
const evalChunkName = "ldb_eval"

// eval is "eval CODE": an expression, or else statements, with the script's globals. It has as much time as the script between two stops.
func (d *Debugger) eval(l *lua.LState, words []string) {
	vm, code := d.vm, strings.Join(words, " ")
	fn, err := vm.compile(evalChunkName, "return "+code, vm.env)
	if err != nil {
		fn, err = vm.compile(evalChunkName, code, vm.env)
	}
	if err != nil {
		d.tell("<error> " + err.Error())
		return
	}
	where := vm.where
	d.evalUntil = vm.cfg.MonoNanos() + d.patient
	out, err := vm.protect(fn, nil)
	d.evalUntil = 0
	if vm.dying == errTooLate {
		vm.dying = nil
	}
	vm.where = where
	if err != nil {
		d.tell("<error> " + d.errorText(err))
		return
	}
	var v lua.LValue = lua.LNil
	if len(out) > 0 {
		v = out[0]
	}
	d.showValue("<retval> ", v)
}

// errTooLate ends code of the client that takes too long.
var errTooLate = &lua.ApiError{Type: lua.ApiErrorRun, Object: lua.LString("timeout reached, infinite loop?"), StackTrace: "-"}

// late reports whether code of the client runs that has had its time.
func (d *Debugger) late(now int64) bool { return d != nil && d.evalUntil != 0 && now >= d.evalUntil }

// errorText is the text of an error of the client's code.
func (d *Debugger) errorText(err error) string {
	v := d.vm.errorValue(err)
	if t, ok := v.(*lua.LTable); ok {
		v = t.RawGetString("err")
	}
	if !isText(v) {
		return "(error object is not a string)"
	}
	return strings.TrimSpace(toString(v))
}
