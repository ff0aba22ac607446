package script

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

func unary(f func(float64) float64) libFunc {
	return func(a args) int { return a.pushNumber(f(a.num(1))) }
}

var mathLibrary = map[string]libFunc{
	"abs": unary(math.Abs), "acos": unary(math.Acos), "asin": unary(math.Asin), "atan": unary(math.Atan), "ceil": unary(math.Ceil),
	"cos": unary(math.Cos), "cosh": unary(math.Cosh), "deg": unary(func(f float64) float64 { return f / (math.Pi / 180) }),
	"exp": unary(math.Exp), "floor": unary(math.Floor), "log": unary(math.Log), "log10": unary(math.Log10),
	"rad": unary(func(f float64) float64 { return f * (math.Pi / 180) }), "sin": unary(math.Sin), "sinh": unary(math.Sinh),
	"sqrt": unary(math.Sqrt), "tan": unary(math.Tan), "tanh": unary(math.Tanh),
	"atan2": func(a args) int { return a.pushNumber(math.Atan2(a.num(1), a.num(2))) },
	"fmod":  mathMod, "mod": mathMod,
	"pow":   func(a args) int { return a.pushNumber(math.Pow(a.num(1), a.num(2))) },
	"ldexp": func(a args) int { return a.pushNumber(math.Ldexp(a.num(1), int(int32(a.int(2))))) },
	"frexp": mathFrexp, "modf": mathModf, "max": mathMax, "min": mathMin, "random": mathRandom, "randomseed": mathSeed,
}

func mathMod(a args) int { return a.pushNumber(math.Mod(a.num(1), a.num(2))) }

func mathFrexp(a args) int {
	f, e := math.Frexp(a.num(1))
	return a.push(lua.LNumber(f), lua.LNumber(e))
}

func mathModf(a args) int {
	f := a.num(1)
	whole := math.Trunc(f)
	frac := f - whole
	if math.IsInf(f, 0) {
		frac = 0
	}
	return a.push(lua.LNumber(whole), lua.LNumber(frac))
}

func mathMax(a args) int {
	best := a.num(1)
	for i := 2; i <= a.len(); i++ {
		if f := a.num(i); f > best {
			best = f
		}
	}
	return a.pushNumber(best)
}

func mathMin(a args) int {
	best := a.num(1)
	for i := 2; i <= a.len(); i++ {
		if f := a.num(i); f < best {
			best = f
		}
	}
	return a.pushNumber(best)
}

// rand48 is the generator that Redis gives to scripts: that of drand48, so that one seed gives the same numbers everywhere.
type rand48 struct{ state uint64 }

const (
	rand48Factor = 0x5DEECE66D
	rand48Add    = 0xB
	rand48Mask   = 1<<48 - 1
	rand48Max    = 1<<31 - 1
)

func (r *rand48) seed(n int32) { r.state = uint64(uint32(n))<<16 | 0x330E }

// next is a number of 31 bits.
func (r *rand48) next() int64 {
	r.state = (r.state*rand48Factor + rand48Add) & rand48Mask
	return int64(r.state >> 17)
}

func mathRandom(a args) int {
	r := float64(a.vm.rand.next()%rand48Max) / rand48Max
	switch a.len() {
	case 0:
		return a.pushNumber(r)
	case 1:
		u := int32(a.int(1))
		if u < 1 {
			a.argError(1, "interval is empty")
		}
		return a.pushNumber(math.Floor(r*float64(u)) + 1)
	case 2:
		l, u := int32(a.int(1)), int32(a.int(2))
		if l > u {
			a.argError(2, "interval is empty")
		}
		return a.pushNumber(math.Floor(r*float64(u-l+1)) + float64(l))
	}
	a.fail("wrong number of arguments")
	return 0
}

func mathSeed(a args) int {
	a.vm.rand.seed(int32(a.int(1)))
	return 0
}

// osClock is os.clock: seconds, by the node's monotonic clock.
func osClock(a args) int { return a.pushNumber(float64(a.vm.cfg.MonoNanos()) / 1e9) }
