package script

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Registered is a function that a library has registered.
type Registered struct {
	Name  string
	Desc  string
	Doc   bool // has a description
	Flags Flags
	Code  *Function
}

// loading is a library that is being loaded.
type loading struct {
	functions []*Registered
	sites     sites
	from      uint32 // VM.count when it began
}

// loadGrace is how many instructions a library may take to load, however long that is: a machine that is busy with other things is not
// its fault. Source: Valkey 8, which looks at the clock as often.
const loadGrace = 100_000

// openLoading makes what a library sees as globals while it is loaded: redis, with which it registers functions, and nothing else.
func (vm *VM) openLoading() {
	t := vm.l.CreateTable(0, 0)
	t.RawSetString("register_function", vm.fn("register_function", registerFunction))
	t.RawSetString("log", vm.fn("log", redisLog))
	vm.describe(t)
	vm.strict(t)
	p := vm.seal(t)
	vm.loadGlobals = vm.l.CreateTable(0, 0)
	vm.loadGlobals.RawSetString("redis", p)
	vm.loadGlobals.RawSetString("server", p)
	vm.strict(vm.loadGlobals)
}

// LoadLibrary runs a library's source, without its first line, and returns what it registers.
func (vm *VM) LoadLibrary(source []byte, h Host) ([]*Registered, error) {
	seen := vm.env.Metatable.(*lua.LTable)
	seen.RawSetString("__index", vm.loadGlobals)
	vm.loading = &loading{from: vm.count}
	defer func() {
		seen.RawSetString("__index", vm.globals)
		vm.loading = nil
	}()
	vm.begin(h)
	defer vm.end()
	fn, err := vm.compile(libraryChunk, string(source), vm.env)
	if err != nil {
		return nil, fmt.Errorf("Error compiling function: %s", err)
	}
	vm.loading.sites = vm.sites[libraryChunk]
	if _, err := vm.protect(fn, nil); err != nil {
		return nil, fmt.Errorf("Error registering functions: %s", loadError(vm.errorValue(err)))
	}
	return vm.loading.functions, nil
}

func loadError(v lua.LValue) string {
	if t, ok := v.(*lua.LTable); ok {
		return toString(t.RawGetString("err"))
	}
	return "ERR " + toString(v)
}

func registerFunction(a args) int {
	l := a.vm.loading
	if l == nil {
		a.raise(a.apiError("server.register_function can only be called on FUNCTION LOAD command"))
	}
	r := &Registered{}
	var text string
	switch a.len() {
	case 1:
		text = namedRegistration(a, r)
	case 2:
		text = plainRegistration(a, r)
	default:
		text = "wrong number of arguments to server.register_function"
	}
	if text == "" {
		text = l.add(r)
	}
	if text != "" {
		a.raise(a.apiError(text))
	}
	return 0
}

func (l *loading) add(r *Registered) string {
	if !ValidName(r.Name) {
		return "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
	}
	for _, other := range l.functions {
		if other.Name == r.Name {
			return "Function already exists in the library"
		}
	}
	r.Code.sites = l.sites
	l.functions = append(l.functions, r)
	return ""
}

func plainRegistration(a args, r *Registered) string {
	if !isText(a.L.Get(1)) {
		return "first argument to server.register_function must be a string"
	}
	fn, ok := a.L.Get(2).(*lua.LFunction)
	if !ok {
		return "second argument to server.register_function must be a function"
	}
	r.Name, r.Code = toString(a.L.Get(1)), &Function{fn: fn}
	return ""
}

func namedRegistration(a args, r *Registered) string {
	t, ok := a.L.Get(1).(*lua.LTable)
	if !ok {
		return "calling server.register_function with a single argument is only applicable to Lua table (representing named arguments)."
	}
	named := false
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if !isText(k) {
			return "named argument key given to server.register_function is not a string"
		}
		if text := r.set(strings.ToLower(toString(k)), v, &named); text != "" {
			return text
		}
	}
	switch {
	case !named:
		return "server.register_function must get a function name argument"
	case r.Code == nil:
		return "server.register_function must get a callback argument"
	}
	return ""
}

// set takes one named argument of register_function and returns what is wrong with it.
func (r *Registered) set(name string, v lua.LValue, named *bool) string {
	switch name {
	case "function_name":
		if !isText(v) {
			return "function_name argument given to server.register_function must be a string"
		}
		r.Name, *named = toString(v), true
	case "description":
		if !isText(v) {
			return "description argument given to server.register_function must be a string"
		}
		r.Desc, r.Doc = toString(v), true
	case "callback":
		fn, ok := v.(*lua.LFunction)
		if !ok {
			return "callback argument given to server.register_function must be a function"
		}
		r.Code = &Function{fn: fn}
	case "flags":
		t, ok := v.(*lua.LTable)
		if !ok {
			return "flags argument to server.register_function must be a table representing function flags"
		}
		return r.setFlags(t)
	default:
		return "unknown argument given to server.register_function"
	}
	return ""
}

func (r *Registered) setFlags(t *lua.LTable) string {
	for i := 1; ; i++ {
		v := t.RawGet(lua.LNumber(i))
		if v == lua.LNil {
			return ""
		}
		f := Flags(0)
		if isText(v) {
			f = flagOf(toString(v), strings.EqualFold)
		}
		if f == 0 {
			return "unknown flag given"
		}
		r.Flags |= f
	}
}
