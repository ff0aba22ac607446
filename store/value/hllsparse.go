package value

import "strconv"

// The longest runs that a sparse HLL's opcodes can tell, and the highest value of a register.
const (
	hllZerosMost     = 64
	hllValueRunMost  = 4
	hllSparseMost    = 32
	hllManyZerosFlag = 0x40
	hllValueFlag     = 0x80
)

// hllRun is one opcode of a sparse HLL.
type hllRun struct {
	n     int   // registers
	value uint8 // of each
	bytes int   // of the opcode
}

// run reads the opcode at an offset; false if it is cut off.
func (h HLL) run(at int) (hllRun, bool) {
	b := h[at]
	switch {
	case b&hllValueFlag != 0:
		return hllRun{n: int(b&3) + 1, value: b>>2&31 + 1, bytes: 1}, true
	case b&hllManyZerosFlag == 0:
		return hllRun{n: int(b) + 1, bytes: 1}, true
	case at+1 == len(h):
		return hllRun{}, false
	}
	return hllRun{n: int(b&63)<<8 + int(h[at+1]) + 1, bytes: 2}, true
}

// eachRun gives the runs, and the register that each begins with, as far as they are within bounds; false if they are not exactly all
// registers.
func (h HLL) eachRun(visit func(from int, r hllRun)) bool {
	register := 0
	for at := hllHead; at < len(h); {
		r, ok := h.run(at)
		if !ok || register+r.n > HLLRegisters {
			return false
		}
		visit(register, r)
		register += r.n
		at += r.bytes
	}
	return register == HLLRegisters
}

// AppendRuns appends a sparse HLL's runs as PFDEBUG DECODE writes them: z:5 for zeros, Z:5 for those that take two bytes, v:value,length;
// false if it is corrupt.
func (h HLL) AppendRuns(dst []byte) ([]byte, bool) {
	start := len(dst)
	ok := h.eachRun(func(_ int, r hllRun) {
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		switch {
		case r.value > 0:
			dst = strconv.AppendInt(append(dst, "v:"...), int64(r.value), 10)
			dst = append(dst, ',')
		case r.bytes == 2:
			dst = append(dst, "Z:"...)
		default:
			dst = append(dst, "z:"...)
		}
		dst = strconv.AppendInt(dst, int64(r.n), 10)
	})
	return dst, ok
}

func appendZeros(dst []byte, n int) []byte {
	switch {
	case n == 0:
		return dst
	case n <= hllZerosMost:
		return append(dst, byte(n-1))
	}
	return append(dst, byte((n-1)>>8)|hllManyZerosFlag, byte(n-1))
}

func appendValues(dst []byte, value uint8, n int) []byte {
	if n == 0 {
		return dst
	}
	return append(dst, hllValueFlag|(value-1)<<2|byte(n-1))
}

// appendRun appends n registers of a value as one opcode, or nothing if n is 0. Values other than 0 come at most four at a time.
func appendRun(dst []byte, value uint8, n int) []byte {
	if value == 0 {
		return appendZeros(dst, n)
	}
	return appendValues(dst, value, n)
}

// raiseSparse is Raise for a sparse HLL.
func (h HLL) raiseSparse(register int, count uint8, sparseMost int) (out HLL, changed, ok bool) {
	if count > hllSparseMost {
		return h.promote(register, count)
	}
	first, at, before := 0, hllHead, hllHead // the run that has the register: its first one, where it is, and where the run before is
	var r hllRun
	for {
		if at >= len(h) {
			return h, false, false
		}
		if r, ok = h.run(at); !ok {
			return h, false, false
		}
		if register < first+r.n {
			break
		}
		before, first, at = at, first+r.n, at+r.bytes
	}
	if r.value >= count {
		return h, false, true
	}
	var buf [5]byte
	runs := appendRun(buf[:0], r.value, register-first)
	runs = appendValues(runs, count, 1)
	runs = appendRun(runs, r.value, first+r.n-1-register)
	longer := len(runs) - r.bytes
	if longer > 0 && len(h)+longer > sparseMost {
		return h.promote(register, count)
	}
	return h.splice(at, r.bytes, runs).mergeFrom(before), true, true
}

// promote makes a sparse HLL dense and raises a register there.
func (h HLL) promote(register int, count uint8) (out HLL, changed, ok bool) {
	d, ok := h.ToDense()
	if !ok {
		return h, false, false
	}
	return d, d.raise(register, count), true
}

// splice puts runs in the place of n bytes.
func (h HLL) splice(at, n int, runs []byte) HLL {
	tail := len(h) - at - n
	if grow := len(runs) - n; grow > 0 {
		h = append(h, make([]byte, grow)...)
	}
	copy(h[at+len(runs):], h[at+n:at+n+tail])
	copy(h[at:], runs)
	return h[:at+len(runs)+tail]
}

// mergeFrom joins neighbours of equal values among the next five opcodes, counting each join as one, as far as one opcode can tell
// them. The number is part of the format: a HyperLogLog of the same elements is to be the same bytes as in Redis.
func (h HLL) mergeFrom(at int) HLL {
	for looks := 5; looks > 0 && at < len(h); looks-- {
		r, ok := h.run(at)
		if !ok {
			return h
		}
		if r.value > 0 && at+1 < len(h) {
			next, ok := h.run(at + 1)
			if ok && next.value == r.value && r.n+next.n <= hllValueRunMost {
				appendValues(h[at+1:at+1], r.value, r.n+next.n)
				h = append(h[:at], h[at+1:]...)
				continue
			}
		}
		at += r.bytes
	}
	return h
}
