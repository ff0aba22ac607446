package decimal

import (
	"math"
	"strconv"
	"testing"
)

func TestParse(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 10, 4095, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1} {
		if got, ok := Parse(strconv.AppendInt(nil, n, 10)); !ok || got != n {
			t.Errorf("%d: %d %v", n, got, ok)
		}
	}
	for _, s := range []string{"", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809", "18446744073709551617",
		"99999999999999999999", "123456789012345678901", "1\x00"} {
		if n, ok := Parse([]byte(s)); ok {
			t.Errorf("%q was read as %d", s, n)
		}
	}
}
