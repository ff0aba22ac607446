package commands

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/store/value"
)

// How much PFSELFTEST tries: it runs on a loop that serves others, so it is less than in Redis, which stops for seconds.
const (
	selfTestRounds   = 50
	selfTestElements = 1_000_000
)

func pfselftestRun(c *spec.Call) {
	failed := testRegisters(c.Engine.Rand)
	if failed == "" {
		failed = testEstimates(c.Engine.Rand())
	}
	if failed != "" {
		c.Out.Error("ERR TESTFAILED " + failed)
		return
	}
	c.Out.OK()
}

// testRegisters raises registers in a dense HyperLogLog, and looks whether each keeps its number and leaves its neighbours alone.
func testRegisters(random func() uint64) (failed string) {
	for range selfTestRounds {
		h, ok := value.NewHLL().ToDense()
		if !ok {
			return "a new HyperLogLog is corrupt"
		}
		var want value.HLLMax
		for i := range want {
			want[i] = uint8(random() % 64)
			h.Raise(i, want[i], 0)
		}
		for i, v := range want {
			if got := h.Register(i); got != v {
				return fmt.Sprintf("Register %d should be %d but is %d", i, v, got)
			}
		}
	}
	return ""
}

// testEstimates adds different elements to a dense HyperLogLog and to one that begins sparse. At every power of ten both must estimate
// the same, within six times the error that is expected.
func testEstimates(seed uint64) (failed string) {
	const sparseMost = 3000
	dense, _ := value.NewHLL().ToDense()
	other := value.NewHLL()
	next := 1
	for n := 1; n <= selfTestElements; n++ {
		var element [8]byte
		binary.LittleEndian.PutUint64(element[:], uint64(n)^seed)
		register, count := value.HLLPosition(element[:])
		dense.Raise(register, count, sparseMost)
		var ok bool
		if other, _, ok = other.Raise(register, count, sparseMost); !ok {
			return "a sparse HyperLogLog became corrupt"
		}
		if n != next {
			continue
		}
		next *= 10
		if other.Dense() && n < sparseMost/2 {
			return "sparse encoding not used"
		}
		if failed := compareEstimates(dense, other, n); failed != "" {
			return failed
		}
	}
	return ""
}

func compareEstimates(dense, other value.HLL, n int) (failed string) {
	a, _ := dense.Count()
	b, ok := other.Count()
	if !ok || a != b {
		return "dense/sparse disagree"
	}
	most := math.Ceil(1.04 / math.Sqrt(value.HLLRegisters) * 6 * float64(n))
	if off := math.Abs(float64(n) - float64(a)); off > most {
		return fmt.Sprintf("Too big error. card:%d abserr:%d", n, int64(off))
	}
	return ""
}
