package script

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/base/limits"
)

// Config is what an interpreter is made of.
type Config struct {
	// MonoNanos is a monotonic clock.
	MonoNanos func() int64
	// Version is what redis.REDIS_VERSION says, such as "7.2.4", and ServerVersion what server.VALKEY_VERSION does.
	Version, ServerVersion string
	// Others is how many bytes of the heap belong to other parts of the process, as far as these count it; nil: it is not known.
	Others func() int64
	// Memory is how many bytes a run may take beyond what was in use before; 0: limits.MaxScriptMemory.
	Memory uint64
	// Libraries makes an interpreter for FUNCTION rather than for EVAL: KEYS and ARGV are arguments, not globals.
	Libraries bool
}

// VM is an interpreter. It serves one run at a time and is not for concurrent use.
type VM struct {
	cfg  Config
	l    *lua.LState // the main thread, on which nothing runs: errors would leave it half unwound
	idle []*lua.LState
	hook hook

	globals     *lua.LTable                 // what scripts see as globals, behind env
	env         *lua.LTable                 // the environment of scripts: a proxy of globals
	real        map[*lua.LTable]*lua.LTable // proxies, and what they stand for
	helpers     [helpers]*lua.LFunction
	readonly    *lua.LFunction
	ipairs      *lua.LFunction
	loadGlobals *lua.LTable // in the place of globals while a library is loaded
	loading     *loading    // the library that is being loaded, nil otherwise

	host   Host
	debug  *Debugger // of the script that runs, nil outside of a debugging session
	proto  int       // of the script's calls
	json   jsonConfig
	rand   rand48
	co     *lua.LState                    // the coroutine that runs, nil outside of any
	nested map[*lua.LState]bool           // coroutines that wait for one that they resumed
	starts map[*lua.LState]*lua.LFunction // what coroutines that have not begun will run
	depth  int                            // calls of Lua from Go that are nested

	command  commandWords      // what a script calls
	entry    *lua.LFunction    // what protect begins with
	onRaise  func(*lua.LState) // raised
	measured measured          // the last table whose length was asked for

	sites map[string]sites // what stands on the lines of the chunks, for error texts
	where string           // where the last error was raised: "user_script:3"

	count   uint32 // instructions
	dying   *lua.ApiError
	lastMem int64 // when memory was looked at, ns
	charged int64 // bytes allocated by library functions since
	memory  memory
}

// Function is compiled Lua.
type Function struct {
	fn    *lua.LFunction
	sites sites
}

// New makes an interpreter.
func New(cfg Config) *VM {
	if cfg.Memory == 0 {
		cfg.Memory = limits.MaxScriptMemory
	}
	vm := &VM{cfg: cfg, real: map[*lua.LTable]*lua.LTable{}, sites: map[string]sites{}}
	vm.l = lua.NewState(lua.Options{CallStackSize: limits.MaxScriptCalls, MinimizeStackMemory: true, RegistrySize: 1024,
		RegistryMaxSize: limits.MaxScriptRegisters, RegistryGrowStep: 8192, SkipOpenLibs: true})
	vm.l.G.MainThread, vm.l.G.CurrentThread = vm.l, vm.l
	vm.hook.vm = vm
	vm.entry, vm.onRaise = vm.l.NewFunction(vm.enter), vm.raised
	boundArrays()
	vm.memory.init(cfg)
	vm.json = defaultJSON
	vm.rand.seed(0)
	vm.openLibraries()
	return vm
}

// boundArrays lowers the index up to which the interpreter makes room for all elements below, too. It is the interpreter's only such
// setting, and one for the whole process.
var boundArrays = sync.OnceFunc(func() { lua.MaxArrayIndex = limits.MaxScriptArray })

// Compile makes a function of a chunk. name stands in its error texts. The error's text is Lua's.
func (vm *VM) Compile(name string, source []byte) (*Function, error) {
	fn, err := vm.compile(name, string(source), vm.env)
	if err != nil {
		return nil, err
	}
	return &Function{fn, vm.sites[name]}, nil
}

// CompileStops is Compile for a function that is to be run by Debug: it stops at its lines.
func (vm *VM) CompileStops(name string, source []byte) (*Function, error) {
	fn, err := vm.compileWith(name, string(source), vm.env, true)
	if err != nil {
		return nil, err
	}
	return &Function{fn, vm.sites[name]}, nil
}

func (vm *VM) compile(name, source string, env *lua.LTable) (*lua.LFunction, error) {
	return vm.compileWith(name, source, env, false)
}

// compileWith compiles a chunk and, if it needs ours, hands it its upvalues.
func (vm *VM) compileWith(name, source string, env *lua.LTable, stops bool) (*lua.LFunction, error) {
	c, err := compileChunk(name, source, stops)
	if err != nil {
		return nil, err
	}
	vm.sites[name] = c.sites
	was := vm.l.Env
	vm.l.Env = env
	fn := vm.l.NewFunctionFromProto(c.proto)
	vm.l.Env = was
	if len(c.uses) == 0 {
		return fn, nil
	}
	var args []lua.LValue
	for _, h := range c.uses {
		args = append(args, vm.helpers[h])
	}
	out, err := vm.protect(fn, args)
	if err != nil {
		return nil, err
	}
	return out[0].(*lua.LFunction), nil
}

// begin makes the interpreter ready for a run.
func (vm *VM) begin(h Host) {
	vm.host, vm.proto, vm.dying, vm.co, vm.depth = h, 2, nil, nil, 0
	vm.json = defaultJSON
	vm.l.G.CurrentThread = vm.l
	vm.charged, vm.where = 0, ""
	vm.lastMem = vm.cfg.MonoNanos()
	vm.memory.begun = false
}

// end lets go of what the run has left: what it loaded under names of its own, coroutines, states with deep stacks.
func (vm *VM) end() {
	vm.host, vm.debug, vm.dying = nil, nil, nil
	vm.nested, vm.starts, vm.co = nil, nil, nil
	vm.measured = measured{}
	vm.command.trim()
	clear(vm.sites)
	clear(vm.idle[min(len(vm.idle), maxIdle):])
	vm.idle = vm.idle[:min(len(vm.idle), maxIdle)]
}

// maxIdle is how many states are kept for the next run.
const maxIdle = 4

// thread gives a state to run on.
func (vm *VM) thread() *lua.LState {
	if n := len(vm.idle); n > 0 {
		th := vm.idle[n-1]
		vm.idle = vm.idle[:n-1]
		return th
	}
	th, _ := vm.l.NewThread()
	th.SetContext(&vm.hook)
	return th
}

// luaError is an error as Lua has it: any value.
type luaError struct{ value lua.LValue }

// Error implements error.
func (e *luaError) Error() string {
	if s, ok := e.value.(lua.LString); ok {
		return string(s)
	}
	return "(error object is not a string)"
}

// maxNested is how deeply Lua may call itself through functions of ours; as in Lua 5.1.
const maxNested = 195

// protect calls a function and returns what it returns, or the error that it raised. It runs on a state of its own: in the
// interpreter an error closes the variables of every function of its state, of those that go on, too.
func (vm *VM) protect(fn lua.LValue, args []lua.LValue) (out []lua.LValue, err error) {
	if vm.depth >= maxNested {
		return nil, &luaError{lua.LString(vm.where + "C stack overflow")}
	}
	depth, co := vm.depth, vm.co
	th := vm.thread()
	th.Push(vm.entry)
	th.Push(fn)
	for _, a := range args {
		th.Push(a)
	}
	vm.depth++
	vm.debug.enter(th, co)
	failed := th.PCall(1+len(args), lua.MultRet, nil)
	vm.debug.leave()
	vm.depth, vm.co = depth, co
	if failed != nil {
		var api *lua.ApiError
		errors.As(failed, &api)
		th.Close()
		return nil, &luaError{vm.translate(api.Object)}
	}
	out = make([]lua.LValue, th.GetTop())
	for i := range out {
		out[i] = th.Get(i + 1)
	}
	th.SetTop(0)
	vm.idle = append(vm.idle, th)
	return out, nil
}

// enter is a function of Lua that calls its first argument with the others, and returns what that returns.
func (vm *VM) enter(th *lua.LState) int {
	defer vm.rethrow(th)
	th.Panic = vm.onRaise
	th.Call(th.GetTop()-1, lua.MultRet)
	return th.GetTop()
}

// rethrow makes any panic below one of Lua's, with a trace, or else the interpreter would write one, at any length.
func (vm *VM) rethrow(th *lua.LState) {
	r := recover()
	if r == nil {
		return
	}
	api, ok := r.(*lua.ApiError)
	if !ok {
		api = &lua.ApiError{Type: lua.ApiErrorRun, Object: lua.LString(vm.position(th) + fmt.Sprint(r))}
	}
	api.StackTrace = "-"
	panic(api)
}

// raised is called for an error whose value is on top of the stack.
func (vm *VM) raised(th *lua.LState) {
	vm.where = vm.position(th)
	panic(&lua.ApiError{Type: lua.ApiErrorRun, Object: th.Get(-1), StackTrace: "-"})
}

// position is where the innermost function of Lua is: "user_script:3: ", or "".
func (vm *VM) position(th *lua.LState) string {
	for level := range 3 {
		if at := th.Where(level); at != "" && !strings.HasPrefix(at, "[G]") {
			return strings.TrimSuffix(at, ":") + ": "
		}
	}
	return ""
}

// call calls a function from one of ours, for one result.
func (vm *VM) call(l *lua.LState, fn lua.LValue, args ...lua.LValue) lua.LValue {
	if vm.depth >= maxNested {
		l.RaiseError("C stack overflow")
	}
	vm.depth++
	l.Push(fn)
	for _, a := range args {
		l.Push(a)
	}
	l.Call(len(args), 1)
	out := l.Get(-1)
	l.Pop(1)
	vm.depth--
	return out
}

// charge counts bytes that a library function is about to allocate.
func (vm *VM) charge(l *lua.LState, n int) {
	if n > limits.MaxScriptStringBytes {
		l.RaiseError("string length overflow")
	}
	if vm.charged += int64(n); vm.charged >= chargeStep {
		vm.lookAtMemory(uint64(n))
	}
}

// chargeStep is after how many bytes of strings memory is looked at.
const chargeStep = 16 << 20

// lookAtMemory ends a script that takes too much, or is about to.
func (vm *VM) lookAtMemory(more uint64) {
	vm.charged = 0
	if vm.memory.exceeded(more) {
		vm.die("not enough memory")
	}
}

// die ends the run with an error that no pcall catches for long: each further instruction raises it again.
func (vm *VM) die(text string) {
	t := vm.l.NewTable()
	t.RawSetString("err", lua.LString(text))
	vm.dying = &lua.ApiError{Type: lua.ApiErrorRun, Object: t, StackTrace: "-"}
	panic(vm.dying)
}

// tickEvery is how many instructions there are between two looks at the clock; a power of two. One instruction may allocate an array of
// limits.MaxScriptArray elements, so that it is also how far beyond its bound a script's memory can get.
const tickEvery = 8

// memoryEvery is how often memory is looked at, in ns, and pollEvery how often the host.
const memoryEvery = int64(time.Millisecond)

func (vm *VM) tick() {
	now := vm.cfg.MonoNanos()
	if now-vm.lastMem < memoryEvery {
		return
	}
	vm.lastMem = now
	vm.lookAtMemory(0)
	if vm.host == nil || vm.loading != nil && vm.count-vm.loading.from < loadGrace {
		return
	}
	if text := vm.host.Interrupt(); text != "" {
		vm.die(text)
	}
	if vm.debug.late(now) {
		vm.dying = errTooLate
		panic(vm.dying)
	}
}

// hook is the context of all states: the interpreter asks it before each instruction whether it is done.
type hook struct{ vm *VM }

// Done implements context.Context. It is where a run is counted, and ended, by a panic that the interpreter takes for an error.
func (h *hook) Done() <-chan struct{} {
	vm := h.vm
	vm.count++
	if vm.dying != nil {
		panic(vm.dying)
	}
	if vm.count%tickEvery == 0 {
		vm.tick()
	}
	return nil
}

// Deadline implements context.Context.
func (h *hook) Deadline() (time.Time, bool) { return time.Time{}, false }

// Err implements context.Context.
func (h *hook) Err() error { return nil }

// Value implements context.Context.
func (h *hook) Value(any) any { return nil }

var _ context.Context = (*hook)(nil)

// line is the number at the end of a position, "" if there is none.
func line(position string) (source, number string) {
	position = strings.TrimSuffix(position, ": ")
	i := strings.LastIndexByte(position, ':')
	if i < 0 {
		return "", ""
	}
	if _, err := strconv.Atoi(position[i+1:]); err != nil {
		return "", ""
	}
	return position[:i], position[i+1:]
}

// patient is for library functions that may take long: it looks at the clock.
func (h *hook) patient() {
	if h.vm.dying != nil {
		panic(h.vm.dying)
	}
	h.vm.tick()
}
