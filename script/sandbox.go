package script

import (
	lua "github.com/yuin/gopher-lua"
)

// Tables that all scripts share (the globals, the libraries, the metatable of strings) are seen through proxies: empty tables whose
// metatable leads reads to the real one and refuses writes. Functions that go around metatables know them by vm.real.

const readonlyText = "Attempt to modify a readonly table"

// seal makes a proxy of a table.
func (vm *VM) seal(t *lua.LTable) *lua.LTable {
	p := vm.l.CreateTable(0, 0)
	mt := vm.l.CreateTable(0, 0)
	mt.RawSetString("__index", t)
	mt.RawSetString("__newindex", vm.readonly)
	p.Metatable = mt
	vm.real[p] = t
	return p
}

// sealed reports whether a table is a proxy.
func (vm *VM) sealed(t *lua.LTable) bool { return vm.real[t] != nil }

// read is the table that is meant by a table, or by a proxy of it.
func (vm *VM) read(t *lua.LTable) *lua.LTable {
	if r := vm.real[t]; r != nil {
		return r
	}
	return t
}

// strict makes reads of what a table does not have an error.
func (vm *VM) strict(t *lua.LTable) {
	mt := vm.l.CreateTable(0, 0)
	mt.RawSetString("__index", vm.fn("", func(a args) int {
		a.fail("Script attempted to access nonexistent global variable '" + toString(a.L.Get(2)) + "'")
		return 0
	}))
	t.Metatable = mt
}

// openLibraries makes the globals.
func (vm *VM) openLibraries() {
	vm.readonly = vm.fn("", func(a args) int { a.fail(readonlyText); return 0 })
	vm.helpers = [helpers]*lua.LFunction{concatHelper: vm.fn("", libConcat), lengthHelper: vm.fn("", libLength), minusHelper: vm.fn("", libMinus),
		lineHelper: vm.fn("", debugLine)}
	vm.globals = vm.l.CreateTable(0, 0)
	vm.env = vm.seal(vm.globals)
	for name, fn := range baseLibrary {
		vm.globals.RawSetString(name, vm.fn(name, fn))
	}
	vm.globals.RawSetString("_G", vm.env)
	vm.globals.RawSetString("_VERSION", lua.LString("Lua 5.1"))
	str := vm.library("string", stringLibrary, nil)
	vm.library("table", tableLibrary, nil)
	vm.library("math", mathLibrary, map[string]lua.LValue{"pi": lua.LNumber(pi), "huge": lua.LNumber(inf)})
	vm.library("os", map[string]libFunc{"clock": osClock}, nil)
	vm.library("coroutine", coroutineLibrary, nil)
	vm.library("bit", bitLibrary, nil)
	vm.library("struct", structLibrary, nil)
	vm.library("cjson", cjsonLibrary, map[string]lua.LValue{"null": jsonNull, "_NAME": lua.LString("cjson"), "_VERSION": lua.LString("2.1.0")})
	vm.library("cmsgpack", cmsgpackLibrary, map[string]lua.LValue{"_NAME": lua.LString("cmsgpack"), "_VERSION": lua.LString("lua-cmsgpack 0.4.0"),
		"_COPYRIGHT": lua.LString("Copyright (C) 2012, Redis Ltd."), "_DESCRIPTION": lua.LString("MessagePack C implementation for Lua")})
	mt := vm.l.CreateTable(0, 0)
	mt.RawSetString("__index", str)
	vm.l.SetMetatable(lua.LString(""), mt)
	vm.openRedis()
	vm.strict(vm.globals)
}

// library makes a table of functions and values a global, and returns its proxy.
func (vm *VM) library(name string, fns map[string]libFunc, values map[string]lua.LValue) *lua.LTable {
	t := vm.l.CreateTable(0, 0)
	for n, fn := range fns {
		t.RawSetString(n, vm.fn(n, fn))
	}
	for n, v := range values {
		t.RawSetString(n, v)
	}
	p := vm.seal(t)
	vm.globals.RawSetString(name, p)
	return p
}

// libFunc is a library function: it takes its arguments and pushes what it returns, and says how many values that is.
type libFunc func(a args) int

// fn makes a function of Lua of one of ours. name stands in its error texts.
func (vm *VM) fn(name string, f libFunc) *lua.LFunction {
	return vm.l.NewFunction(func(l *lua.LState) int { return f(args{L: l, vm: vm, name: name}) })
}
