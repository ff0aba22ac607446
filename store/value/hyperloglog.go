package value

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// HLL is a HyperLogLog in the bytes in which Redis keeps it in a string, so that DUMP, GET and replication carry it between the two.
// It estimates how many different elements were added, with a standard error of 0.81 %.
//
//	0 "HYLL"   4 encoding: 0 dense, 1 sparse   5…7 zero   8…15 cached estimate, little endian; its highest bit says that it is stale
//	16 registers: HLLRegisters numbers of 0 to 51, of which an element raises one
//
// Dense, a register has 6 bits, from the lowest of the first byte on. Sparse, runs of equal registers follow each other:
//
//	00nnnnnn            n+1 zeros
//	01nnnnnn nnnnnnnn   n+1 zeros
//	1vvvvvnn            n+1 times v+1
//
// Bytes may come from anywhere (a client can SET them): after Valid every method either works on them or says that they are corrupt, and
// none reads or writes outside. Nothing of an HLL that is returned is kept.
type HLL []byte

// HLLRegisters is the number of registers; HLLDenseBytes is how long a dense HLL is.
const (
	HLLRegisters  = 1 << hllIndexBits
	HLLDenseBytes = hllHead + HLLRegisters*hllRegisterBits/8

	hllIndexBits    = 14
	hllHashBits     = 64 - hllIndexBits // of which a register counts the zeros
	hllRegisterBits = 6
	hllRegisterMax  = 1<<hllRegisterBits - 1
	hllHead         = 16
	hllDense        = 0
	hllSparse       = 1
	hllStale        = 1 << 7
	hllSeed         = 0xadc83b19
)

// NewHLL makes one without elements: sparse, with an estimate of 0.
func NewHLL() HLL {
	h := append(make(HLL, 0, hllHead+2), "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return appendZeros(h, HLLRegisters)
}

// Valid reports whether a string may be an HLL, by its head and, if it is dense, its length. A sparse one's runs are checked by what
// reads them.
func (h HLL) Valid() bool {
	return len(h) >= hllHead && string(h[:4]) == "HYLL" && h[4] <= hllSparse && (h[4] == hllSparse || len(h) == HLLDenseBytes)
}

// Dense reports whether each register has its own bits.
func (h HLL) Dense() bool { return h[4] == hllDense }

// Cached is the estimate as it was last computed; false if elements were added since.
func (h HLL) Cached() (uint64, bool) {
	return binary.LittleEndian.Uint64(h[8:]), h[15]&hllStale == 0
}

// SetCached keeps an estimate. One of 2⁶³ is stale at once.
func (h HLL) SetCached(n uint64) { binary.LittleEndian.PutUint64(h[8:], n) }

// Invalidate says that the estimate has to be computed anew.
func (h HLL) Invalidate() { h[15] |= hllStale }

// HLLPosition is the register that an element raises, and what to.
func HLLPosition(element []byte) (register int, count uint8) {
	h := murmur64A(element, hllSeed)
	rest := h>>hllIndexBits | 1<<hllHashBits
	return int(h % HLLRegisters), uint8(bits.TrailingZeros64(rest) + 1)
}

// murmur64A is Austin Appleby's MurmurHash64A.
func murmur64A(b []byte, seed uint64) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := seed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		k ^= k >> r
		h = (h ^ k*m) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h ^= h >> r
	h *= m
	return h ^ h>>r
}

// Register is a register of a dense HLL.
func (h HLL) Register(i int) uint8 {
	at, shift := hllHead+i*hllRegisterBits/8, i*hllRegisterBits%8
	v := uint16(h[at])
	if shift > 8-hllRegisterBits {
		v |= uint16(h[at+1]) << 8
	}
	return uint8(v>>shift) & hllRegisterMax
}

// raise raises a register of a dense HLL; false if it is as high already.
func (h HLL) raise(i int, count uint8) bool {
	if h.Register(i) >= count {
		return false
	}
	h.setRegister(i, count)
	return true
}

func (h HLL) setRegister(i int, count uint8) {
	at, shift := hllHead+i*hllRegisterBits/8, i*hllRegisterBits%8
	mask, v := uint16(hllRegisterMax)<<shift, uint16(count)<<shift
	h[at] = h[at]&^byte(mask) | byte(v)
	if shift > 8-hllRegisterBits {
		h[at+1] = h[at+1]&^byte(mask>>8) | byte(v>>8)
	}
}

// Raise raises a register to a count, which HLLPosition gives. It may work in place, or return other bytes: a sparse HLL becomes longer or
// shorter, or dense where it would be longer than sparseMost bytes or the count is too high for its runs. changed is false if
// the register is as high already; ok if the HLL is not corrupt. The estimate of what has changed is stale.
func (h HLL) Raise(register int, count uint8, sparseMost int) (out HLL, changed, ok bool) {
	if h.Dense() {
		changed = h.raise(register, count)
	} else if h, changed, ok = h.raiseSparse(register, count, sparseMost); !ok {
		return h, false, false
	}
	if changed {
		h.Invalidate()
	}
	return h, changed, true
}

// ToDense gives the HLL in its dense form, which is itself if it is dense already; false if it is corrupt.
func (h HLL) ToDense() (HLL, bool) {
	if h.Dense() {
		return h, true
	}
	d := make(HLL, HLLDenseBytes)
	copy(d, h[:hllHead])
	d[4] = hllDense
	ok := h.eachRun(func(from int, r hllRun) {
		for i := from; r.value > 0 && i < from+r.n; i++ {
			d.setRegister(i, r.value)
		}
	})
	return d, ok
}

// HLLMax are registers a byte each, which take the highest of those of several HLLs.
type HLLMax [HLLRegisters]uint8

// Merge raises the registers to those of h; false if it is corrupt.
func (m *HLLMax) Merge(h HLL) bool {
	if !h.Dense() {
		return h.eachRun(func(from int, r hllRun) {
			for i := from; r.value > 0 && i < from+r.n; i++ {
				m[i] = max(m[i], r.value)
			}
		})
	}
	to := m[:]
	for b := h[hllHead:HLLDenseBytes]; len(b) >= 3 && len(to) >= 4; b, to = b[3:], to[4:] {
		v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		to[0] = max(to[0], uint8(v&hllRegisterMax))
		to[1] = max(to[1], uint8(v>>6&hllRegisterMax))
		to[2] = max(to[2], uint8(v>>12&hllRegisterMax))
		to[3] = max(to[3], uint8(v>>18))
	}
	return true
}

// Count is the estimate of how many different elements were added.
func (m *HLLMax) Count() uint64 {
	var hist hllHistogram
	for _, v := range m {
		hist[v&hllRegisterMax]++
	}
	return hist.estimate()
}

// Count is the estimate of how many different elements were added, computed anew; false if the HLL is corrupt.
func (h HLL) Count() (uint64, bool) {
	var hist hllHistogram
	if !h.Dense() {
		ok := h.eachRun(func(_ int, r hllRun) { hist[r.value] += r.n })
		if !ok {
			return 0, false
		}
		return hist.estimate(), true
	}
	for b := h[hllHead:HLLDenseBytes]; len(b) >= 3; b = b[3:] {
		v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		hist[v&hllRegisterMax]++
		hist[v>>6&hllRegisterMax]++
		hist[v>>12&hllRegisterMax]++
		hist[v>>18]++
	}
	return hist.estimate(), true
}

// hllHistogram is how many registers have each value.
type hllHistogram [hllRegisterMax + 1]int

// hllOverflow is the estimate of registers that no elements give, of infinitely many: what C makes of that number.
const hllOverflow = 1 << 63

// estimate is that of O. Ertl, New cardinality estimation algorithms for HyperLogLog sketches (arXiv:1702.01284). Every product is
// rounded by itself, so that the estimate is the same on every processor.
func (hist *hllHistogram) estimate() uint64 {
	const alpha, m = 0.721347520444481703680, float64(HLLRegisters) // alpha is 1/(2 ln 2)
	z := m * hllTau((m-float64(hist[hllHashBits+1]))/m)
	for i := hllHashBits; i >= 1; i-- {
		z = float64(z+float64(hist[i])) * 0.5
	}
	z += float64(m * hllSigma(float64(hist[0])/m))
	if n := math.Round(float64(alpha*m*m) / z); n < math.MaxInt64 {
		return uint64(n)
	}
	return hllOverflow
}

func hllSigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	for y, z := 1.0, x; ; y += y {
		x = float64(x * x)
		was := z
		if z += float64(x * y); z == was {
			return z
		}
	}
}

func hllTau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	for y, z := 1.0, 1-x; ; {
		x = math.Sqrt(x)
		was, d := z, 1-x
		y *= 0.5
		if z -= float64(float64(d*d) * y); z == was {
			return z / 3
		}
	}
}
