package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/larder-cache/larder/wire/resp"
)

// Run is one call of a script or of a library's function.
type Run struct {
	Host       Host
	Name       string // the SHA1, or the function's name, for error texts
	Keys, Args [][]byte
	Out        *resp.Writer // gets the reply
}

// Eval runs a script: KEYS and ARGV are globals. countedBefore says that the reply is an error which was counted when a command
// answered it.
func (vm *VM) Eval(f *Function, r Run) (countedBefore bool) {
	vm.globals.RawSetString("KEYS", vm.list(r.Keys))
	vm.globals.RawSetString("ARGV", vm.list(r.Args))
	defer func() {
		vm.globals.RawSetString("KEYS", lua.LNil)
		vm.globals.RawSetString("ARGV", lua.LNil)
	}()
	f.fn.Env = vm.env // setfenv may have changed it in an earlier run
	vm.sites[evalChunk] = f.sites
	return vm.run(f, r)
}

// FCall runs a library's function, whose arguments are the keys and the others.
func (vm *VM) FCall(f *Function, r Run) (countedBefore bool) {
	vm.sites[libraryChunk] = f.sites
	return vm.run(f, r, vm.list(r.Keys), vm.list(r.Args))
}

// The names of chunks in error texts.
const (
	evalChunk    = "user_script"
	libraryChunk = "user_function"
)

func (vm *VM) run(f *Function, r Run, args ...lua.LValue) (countedBefore bool) {
	vm.begin(r.Host)
	defer vm.end()
	out, err := vm.protect(f.fn, args)
	if err == nil {
		var v lua.LValue = lua.LNil
		if len(out) > 0 {
			v = out[0]
		}
		c := converter{vm: vm, out: r.Out, proto: vm.proto}
		return c.write(v, 0)
	}
	text, countedBefore := vm.failure(vm.errorValue(err), r.Name)
	r.Out.Error(text)
	return countedBefore
}

func (vm *VM) list(words [][]byte) *lua.LTable {
	t := vm.l.CreateTable(len(words), 0)
	for _, w := range words {
		t.Append(lua.LString(w))
	}
	return t
}

// failure is the error reply for an error that no one has caught.
func (vm *VM) failure(v lua.LValue, name string) (text string, countedBefore bool) {
	switch v := v.(type) {
	case *lua.LTable:
		text = untilNUL(toString(v.RawGetString("err")))
		countedBefore = v.RawGetString(counted) == lua.LTrue
	case lua.LString:
		text = "ERR " + string(v)
	default:
		text = "ERR " + v.String()
	}
	if source, number := line(vm.where); source != "" {
		text += " script: " + name + ", on @" + source + ":" + number + "."
	}
	return strings.TrimRight(untilNUL(text), "\r\n"), countedBefore
}
