package script

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
	"github.com/larder-cache/larder/wire/resp"
)

// DebugConsole is the client of a debugging session, as the engine has it.
type DebugConsole interface {
	// Read waits for bytes that the client sends. An error: it is not to be heard any more.
	Read(b []byte) (int, error)
	// Write sends bytes to it.
	Write(b []byte) (int, error)
	// Refused reports whether the last Host.Call was refused before a command ran.
	Refused() bool
}

// Debugger is a debugging session: it stops a script at its lines, and then does what its client says. What it has to tell is gathered
// in a log, which is sent at each stop and after each command, as an array of statuses. It is for one run.
type Debugger struct {
	vm      *VM
	console DebugConsole
	patient int64 // after how many ns without a stop the script stops by itself

	lines  []string // of the source
	log    []string
	logged int  // bytes of log
	lost   bool // more came than log may have
	in     []byte

	step        bool // stop at the next line, and log what the script calls
	paused      bool // redis.breakpoint() was called
	breakpoints []int
	maxShown    int  // bytes of a value, 0: all
	hinted      bool // the client knows of maxlen
	line        int  // the current one
	resumed     int64
	evalUntil   int64 // when code of the client has had its time; 0: none runs
	states      []runningState
}

// runningState is a state that runs a function by VM.protect, and the coroutine that did so; nil outside of any.
type runningState struct{ l, co *lua.LState }

func (d *Debugger) enter(l, co *lua.LState) {
	if d != nil {
		d.states = append(d.states, runningState{l, co})
	}
}

func (d *Debugger) leave() {
	if d != nil {
		d.states = d.states[:len(d.states)-1]
	}
}

// caller is the state that waits for another one, nil if none does.
func (d *Debugger) caller(l *lua.LState) *lua.LState {
	at := slices.IndexFunc(d.states, func(s runningState) bool { return s.l == l })
	switch {
	case at < 0:
		return l.Parent // a coroutine
	case at > 0 && d.states[at-1].co == d.states[at].co:
		return d.states[at-1].l
	}
	return d.states[at].co
}

// shownBytes is how much of a value is shown until the client says otherwise. Source: Valkey 8.
const shownBytes = 256

// NewDebugger begins a session. source is what the client gave EVAL; patient is after how many ns without a stop a script stops.
func NewDebugger(source []byte, console DebugConsole, patient int64) *Debugger {
	text := strings.TrimRight(string(source), "\r\n")
	return &Debugger{console: console, patient: patient, step: true, maxShown: shownBytes, lines: strings.Split(text, "\n")}
}

// Debug is Eval of a function of CompileStops within a session.
func (vm *VM) Debug(f *Function, r Run, d *Debugger) (countedBefore bool) {
	d.vm, d.resumed = vm, vm.cfg.MonoNanos()
	vm.debug = d
	return vm.Eval(f, r)
}

// End tells the client that the session is over.
func (d *Debugger) End() {
	d.lost = false
	d.tell("<endsession>")
	d.send()
}

// active reports whether what the script calls is logged.
func (d *Debugger) active() bool { return d != nil && d.step }

// tell adds a line to the log.
func (d *Debugger) tell(text string) {
	if d.logged += len(text); d.logged <= limits.MaxDebugLogBytes {
		d.log = append(d.log, text)
		return
	}
	if !d.lost {
		d.lost = true
		d.log = append(d.log, "<hint> More was logged since the last stop than is kept.")
	}
}

// show logs what show writes, cut to what the client wants to see of a value.
func (d *Debugger) show(prefix string, show func(s *shower)) {
	most := d.maxShown
	if most == 0 {
		most = limits.MaxDebugValueBytes
	}
	s := shower{vm: d.vm, b: []byte(prefix), most: most}
	show(&s)
	if !s.full() {
		d.tell(string(s.b))
		return
	}
	d.tell(string(s.b[:most]) + " ...")
	if !d.hinted {
		d.hinted = true
		d.tell("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.")
	}
}

func (d *Debugger) showValue(prefix string, v lua.LValue) {
	d.show(prefix, func(s *shower) { s.value(v, 0) })
}

// send gives the client what was logged. Whether it arrives shows when it is read from.
func (d *Debugger) send() {
	b := resp.AppendHeader(nil, '*', len(d.log))
	clean := strings.NewReplacer("\r", " ", "\n", " ")
	for _, text := range d.log {
		b = append(append(append(b, '+'), clean.Replace(text)...), "\r\n"...)
	}
	d.log, d.logged, d.lost = nil, 0, false
	d.console.Write(b) //nolint:errcheck // see above
}

// called logs a command that the script is about to call.
func (d *Debugger) called(words [][]byte) {
	if !d.active() {
		return
	}
	text := "<command>"
	for i, w := range words {
		if i == shownWords {
			text += " ... (" + strconv.Itoa(len(words)-i-1) + " more)"
			break
		}
		text += " " + string(w[:min(len(w), limits.MaxDebugValueBytes)])
	}
	d.tell(text)
}

// shownWords is how many words of a command are shown.
const shownWords = 10

// answered logs a command's reply.
func (d *Debugger) answered(reply []byte) {
	switch {
	case !d.active():
	case d.console.Refused():
		d.failed(strings.TrimPrefix(firstOf(reply), "-ERR "))
	default:
		if len(reply) > 0 && reply[0] == '-' {
			d.failed(firstOf(reply))
		}
		d.show("<reply> ", func(s *shower) { s.reply(reply) })
	}
}

// firstOf is a reply's first line.
func firstOf(reply []byte) string {
	text, _, _ := bytes.Cut(reply, []byte("\r"))
	return string(text)
}

// failed logs an error of the script's calls.
func (d *Debugger) failed(text string) {
	if d.active() {
		d.tell("<error> " + text)
	}
}

func redisBreakpoint(a args) int {
	if a.vm.debug == nil {
		return a.push(lua.LFalse)
	}
	a.vm.debug.paused = true
	return a.push(lua.LTrue)
}

func redisDebug(a args) int {
	d := a.vm.debug
	if d == nil {
		return 0
	}
	s := shower{vm: a.vm, b: []byte("<debug> line " + strconv.Itoa(d.line) + ": "), most: limits.MaxDebugValueBytes}
	for i, v := range a.rest(1) {
		if i > 0 {
			s.add(", ")
		}
		s.value(v, 0)
	}
	d.tell(string(s.b[:min(len(s.b), s.most)]))
	return 0
}

// debugLine is lineHelper: the script is at a line.
func debugLine(a args) int {
	if d := a.vm.debug; d != nil {
		d.at(a.L)
	}
	return 0
}

// at stops the script if it is to stop where it is.
func (d *Debugger) at(l *lua.LState) {
	if d.evalUntil != 0 {
		return // the client's code has called one of the script's functions
	}
	frame, _ := l.GetStack(1)
	l.GetInfo("l", frame, lua.LNil) //nolint:errcheck // it fails for other letters only
	d.line = frame.CurrentLine
	here := slices.Contains(d.breakpoints, d.line)
	late := !d.step && !here && !d.paused && d.vm.cfg.MonoNanos()-d.resumed >= d.patient
	if !d.step && !here && !d.paused && !late {
		return
	}
	reason := "step over"
	switch {
	case d.paused:
		reason = "server.breakpoint() called"
	case here:
		reason = "break point"
	case late:
		reason = "timeout reached, infinite loop?"
	}
	d.step, d.paused = false, false
	d.tell("* Stopped at " + strconv.Itoa(d.line) + ", stop reason = " + reason)
	d.tellLine(d.line)
	d.send()
	if gone := !d.serve(l); gone && late {
		d.end(l, "ERR timeout during Lua debugging with client closing connection")
	}
	d.resumed = d.vm.cfg.MonoNanos()
}

// end ends the script with an error.
func (d *Debugger) end(l *lua.LState, text string) {
	d.vm.where = d.vm.position(l)
	d.vm.die(text)
}

// serve does what the client says until the script is to go on; false: it is gone, and the script goes on without.
func (d *Debugger) serve(l *lua.LState) (heard bool) {
	for {
		words, ok := d.command(l)
		if !ok {
			d.step, d.breakpoints = false, nil
			return false
		}
		if d.obey(l, words) {
			return true
		}
		d.send()
	}
}

// command waits for the client's next command; false if there will be none.
func (d *Debugger) command(l *lua.LState) (words [][]byte, ok bool) {
	for {
		words, rest, err := debugCommand(d.in)
		switch {
		case err != nil:
			d.end(l, "ERR "+err.Error())
		case words != nil:
			d.in = append([]byte(nil), rest...)
			return words, true
		case len(d.in) > limits.MaxDebugInputBytes:
			d.end(l, "ERR max client buffer reached")
		}
		var b [1024]byte
		n, err := d.console.Read(b[:])
		if why := d.vm.host.Interrupt(); why != "" {
			d.end(l, why)
		}
		if n <= 0 || err != nil {
			return nil, false
		}
		d.in = append(d.in, b[:n]...)
	}
}
