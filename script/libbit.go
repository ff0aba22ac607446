package script

import (
	"math"
	"math/bits"
)

// bitArg is an argument of bit: a number modulo 2^32, rounded.
func bitArg(a args, i int) uint32 {
	f := math.RoundToEven(a.num(i))
	if f >= -1<<52 && f <= 1<<52 {
		return uint32(int64(f))
	}
	// As adding 2^52 + 2^51 and taking the low bits of the sum gives it.
	return uint32(math.Float64bits(f + 6755399441055744.0))
}

func bitResult(a args, b uint32) int { return a.pushNumber(float64(int32(b))) }

func bitFold(f func(x, y uint32) uint32) libFunc {
	return func(a args) int {
		b := bitArg(a, 1)
		for i := a.len(); i > 1; i-- {
			b = f(b, bitArg(a, i))
		}
		return bitResult(a, b)
	}
}

func bitShift(f func(x uint32, n int) uint32) libFunc {
	return func(a args) int { return bitResult(a, f(bitArg(a, 1), int(bitArg(a, 2)&31))) }
}

var bitLibrary = map[string]libFunc{
	"tobit":   func(a args) int { return bitResult(a, bitArg(a, 1)) },
	"bnot":    func(a args) int { return bitResult(a, ^bitArg(a, 1)) },
	"band":    bitFold(func(x, y uint32) uint32 { return x & y }),
	"bor":     bitFold(func(x, y uint32) uint32 { return x | y }),
	"bxor":    bitFold(func(x, y uint32) uint32 { return x ^ y }),
	"lshift":  bitShift(func(x uint32, n int) uint32 { return x << n }),
	"rshift":  bitShift(func(x uint32, n int) uint32 { return x >> n }),
	"arshift": bitShift(func(x uint32, n int) uint32 { return uint32(int32(x) >> n) }),
	"rol":     bitShift(bits.RotateLeft32),
	"ror":     bitShift(func(x uint32, n int) uint32 { return bits.RotateLeft32(x, -n) }),
	"bswap":   func(a args) int { return bitResult(a, bits.ReverseBytes32(bitArg(a, 1))) },
	"tohex":   bitHex,
}

func bitHex(a args) int {
	b, n := bitArg(a, 1), int64(8)
	if a.len() >= 2 {
		n = int64(int32(bitArg(a, 2)))
	}
	digits := "0123456789abcdef"
	if n < 0 {
		n, digits = -n, "0123456789ABCDEF"
	}
	out := make([]byte, min(n, 8))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = digits[b&15]
		b >>= 4
	}
	return a.pushString(string(out))
}
