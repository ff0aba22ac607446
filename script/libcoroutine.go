package script

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

var coroutineLibrary = map[string]libFunc{
	"create": coCreate, "resume": coResume, "running": coRunning, "status": coStatus, "wrap": coWrap, "yield": coYield,
}

// newCoroutine makes a state that is watched as the others are, and remembers what it is to run.
func newCoroutine(a args) *lua.LState {
	fn := a.fn(1)
	if fn.IsG {
		a.argError(1, "Lua function expected")
	}
	th, _ := a.vm.l.NewThread()
	th.SetContext(&a.vm.hook)
	if a.vm.starts == nil {
		a.vm.nested, a.vm.starts = map[*lua.LState]bool{}, map[*lua.LState]*lua.LFunction{}
	}
	a.vm.starts[th] = fn
	return th
}

func coCreate(a args) int { return a.push(newCoroutine(a)) }

// resume runs a coroutine on until it yields, ends or fails.
func (vm *VM) resume(a args, th *lua.LState, values []lua.LValue) ([]lua.LValue, lua.LValue) {
	switch {
	case th == vm.co || vm.nested[th]:
		return nil, lua.LString("cannot resume non-suspended coroutine")
	case th.Dead:
		return nil, lua.LString("cannot resume dead coroutine")
	case vm.depth >= maxNested:
		return nil, lua.LString("C stack overflow")
	}
	was, depth, panics := vm.co, vm.depth, a.L.Panic
	if was != nil {
		vm.nested[was] = true
	}
	vm.co = th
	vm.depth++
	fn := vm.starts[th]
	delete(vm.starts, th)
	_, err, out := a.L.Resume(th, fn, values...)
	vm.co, vm.depth, a.L.Panic = was, depth, panics
	delete(vm.nested, was)
	vm.l.G.CurrentThread = vm.l
	if was != nil {
		vm.l.G.CurrentThread = was
	}
	if err != nil {
		var api *lua.ApiError
		if errors.As(err, &api) {
			return nil, vm.translate(api.Object)
		}
		return nil, lua.LString(err.Error())
	}
	if th.Dead && len(out) == 1 && out[0] == lua.LNil {
		return nil, nil // the interpreter says nil for nothing
	}
	return out, nil
}

func coResume(a args) int {
	th, ok := a.L.Get(1).(*lua.LState)
	if !ok {
		a.argError(1, "coroutine expected")
	}
	out, failed := a.vm.resume(a, th, a.rest(2))
	if failed != nil {
		return a.push(lua.LFalse, failed)
	}
	return a.push(append([]lua.LValue{lua.LTrue}, out...)...)
}

func coWrap(a args) int {
	th := newCoroutine(a)
	return a.push(a.vm.fn("wrap", func(a args) int {
		out, failed := a.vm.resume(a, th, a.rest(1))
		if failed != nil {
			a.raise(failed)
		}
		return a.push(out...)
	}))
}

func coYield(a args) int {
	if a.vm.co == nil || a.vm.co != a.L {
		a.fail("attempt to yield across metamethod/C-call boundary")
	}
	return a.L.Yield(a.rest(1)...)
}

func coRunning(a args) int {
	if a.vm.co == nil {
		return a.push(lua.LNil)
	}
	return a.push(a.vm.co)
}

func coStatus(a args) int {
	th, ok := a.L.Get(1).(*lua.LState)
	switch {
	case !ok:
		a.argError(1, "coroutine expected")
	case th == a.vm.co:
		return a.pushString("running")
	case a.vm.nested[th]:
		return a.pushString("normal")
	case th.Dead:
		return a.pushString("dead")
	}
	return a.pushString("suspended")
}
