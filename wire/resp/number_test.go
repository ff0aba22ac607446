package resp_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

func TestParseInt(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "10": 10, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"1000000000000000000": 1e18, "-9": -9,
	} {
		if got, ok := resp.ParseInt([]byte(in)); !ok || got != want {
			t.Errorf("%q: %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{
		"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1a", "a", "0x1", "1.0", "--1", "1-", "9223372036854775808",
		"-9223372036854775809", "18446744073709551616", "99999999999999999999", strings.Repeat("1", 100), "\x001", "1\x00", "１",
	} {
		if got, ok := resp.ParseInt([]byte(in)); ok {
			t.Errorf("%q: accepted as %d", in, got)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		n := int64(rng.Uint64() >> rng.IntN(64))
		if rng.IntN(2) == 0 {
			n = -n
		}
		if got, ok := resp.ParseInt([]byte(strconv.FormatInt(n, 10))); !ok || got != n {
			t.Fatalf("%d: %d, %v", n, got, ok)
		}
	}
}

var floats = map[string]float64{
	"0": 0, "1": 1, "-1.5": -1.5, "+1": 1, "01": 1, "1.": 1, ".5": 0.5, "-.5e1": -5, "1e3": 1000, "1E+3": 1000, "1e-3": 0.001,
	"inf": math.Inf(1), "-inf": math.Inf(-1), "+InF": math.Inf(1), "infinity": math.Inf(1), "-INFINITY": math.Inf(-1),
	"0x10": 16, "0x1.8p3": 12, "-0X.8P1": -1, "0x1p-2": 0.25, "0x1.": 1, "0e5": 0, "0.000": 0, "0x0p9": 0, "0x0": 0, "-0": math.Copysign(0, -1),
	"3.0000000000000000000000000000000001": 3, "4.9e-324": 5e-324, "1.7976931348623157e308": math.MaxFloat64, "5e-324": 5e-324,
	"0e999999999999999999999": 0, "123456789012345678901234567890": 123456789012345678901234567890,
}

var notFloats = []string{
	"", " 1", "1 ", "nan", "-nan", "NaN", "nan(1)", "1e", "1e+", ".", "-", "+", "e5", "1_000", "0x", "0x.", "0xp1", "0x1p", "0x_1p1", "1e5x",
	"1.2.3", "--1", "+-1", "infi", "in", "infinit", "1\x00", "\x00", "\t1", "1,5", "1e400", "-1e400", "1e-400", "-1e-400", "0b1", "0o7", "1p3", "0x1e400p5x",
	"1e99999999999999999999", "1e-99999999999999999999", "0x1p1025", "0x1p-2000", "1f", "1d", "１",
}

func TestParseFloat(t *testing.T) {
	for in, want := range floats {
		got, ok := resp.ParseFloat([]byte(in))
		if !ok || got != want || math.Signbit(got) != math.Signbit(want) {
			t.Errorf("%q: %v, %v; want %v", in, got, ok, want)
		}
	}
	for _, in := range notFloats {
		if got, ok := resp.ParseFloat([]byte(in)); ok {
			t.Errorf("%q: accepted as %v", in, got)
		}
	}
}

func TestAppendDouble(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {-1, "-1"}, {0.1, "0.1"}, {-0.1, "-0.1"}, {1.1, "1.1"}, {3.14, "3.14"}, {-1234.5, "-1234.5"},
		{1.0 / 3, "0.3333333333333333"}, {2.0 / 3, "0.6666666666666666"}, {100, "100"}, {1e15, "1000000000000000"}, {1e17, "100000000000000000"},
		{1 << 61, "2305843009213693952"}, {1 << 62, "4611686018427387904"}, {-(1 << 62), "-4611686018427387904"}, {-(1 << 61), "-2305843009213693952"}, {1e20, "1e+20"}, {1e21, "1e+21"}, {1.5e300, "1.5e+300"}, {-1.25e-10, "-1.25e-10"},
		{12345678901234567890123, "12345678901234568000000"}, {1e-3, "0.001"}, {1e-6, "0.000001"}, {1e-7, "1e-7"}, {1.2e-6, "1.2e-6"},
		{0.00012345678, "1.2345678e-4"}, {5e-324, "5e-324"}, {math.MaxFloat64, "1.7976931348623157e+308"}, {math.Inf(1), "inf"}, {math.Inf(-1), "-inf"}, {math.NaN(), "nan"},
		{4.5e18, "4500000000000000000"}, {1e19, "1e+19"}, {12345678e12, "1.2345678e+19"}, {0.5, "0.5"}, {17179869184.5, "17179869184.5"},
	} {
		if got := string(resp.AppendDouble([]byte("x"), c.f)); got != "x"+c.want {
			t.Errorf("%v: got %q, want %q", c.f, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		f := math.Float64frombits(rng.Uint64())
		text := resp.AppendDouble(nil, f)
		if back, ok := resp.ParseFloat(text); !math.IsNaN(f) && (!ok || back != f) {
			t.Fatalf("%v: %s reads back as %v, %v", f, text, back, ok)
		}
	}
}

func TestLongDouble(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"0.1", "0.2", "0.3"}, {"3.0", "1.1", "4.1"}, {"10.50", "0.1", "10.6"}, {"5.0e3", "2.0e2", "5200"}, {"1", "-1", "0"}, {"-0.5", "0.5", "0"},
		{"1", "0", "1"}, {"1.5", "0", "1.5"}, {"100", "0", "100"}, {"17179869184", "1.5", "17179869185.5"}, {"1e18", "1", "1000000000000000001"},
		{"9223372036854775807", "1", "9223372036854775808"}, {"1e-18", "0", "0"}, {"-1e-18", "0", "0"}, {"1e-17", "0", "0.00000000000000001"}, {"0x10", "0x.8p1", "17"},
		{"inf", "1", "inf"}, {"-inf", "1", "-inf"}, {"inf", "-inf", "nan"}, {"0.333333333333333333", "0", "0.33333333333333333"},
		{"123456789.123456789", "0.000000001", "123456789.12345678999554366"}, {"1e4000", "0", ""},
	} {
		a, ok := resp.ParseLongDouble([]byte(c.a))
		b, ok2 := resp.ParseLongDouble([]byte(c.b))
		if !ok || !ok2 {
			t.Fatalf("%q or %q refused", c.a, c.b)
		}
		sum := a.Add(b)
		got := string(sum.Append([]byte("x")))[1:]
		if c.want != "" && got != c.want {
			t.Errorf("%s + %s: got %s, want %s", c.a, c.b, got, c.want)
		}
		if finite := !strings.ContainsAny(got, "in"); sum.Finite() != finite {
			t.Errorf("%s + %s: Finite %v", c.a, c.b, sum.Finite())
		}
	}
	for in, want := range floats {
		v, ok := resp.ParseLongDouble([]byte(in))
		if got := v.Float64(); !ok || got != want || math.Signbit(got) != math.Signbit(want) {
			t.Errorf("%q: %v, %v", in, got, ok)
		}
	}
}

func TestLongDoubleRange(t *testing.T) {
	for _, in := range []string{"1.1e4932", "-1.1e4932", "1e-4950", "3.7e-4951", "1e400", "1e-400", "0x1p16383", "0x1p-16445", "0e999999999", "0." + strings.Repeat("0", 5000) + "1e5000"} {
		if _, ok := resp.ParseLongDouble([]byte(in)); !ok {
			t.Errorf("%.20q refused", in)
		}
	}
	for _, in := range []string{
		"1.2e4932", "-1.2e4932", "1e5000", "1e-4952", "1e-5000", "0x1p16384", "0x1p-16446", "1e999999999999999", "1e-999999999999999", "nan", "", " 1",
		strings.Repeat("1", 5000) + "e999999999", strings.Repeat("1", 5120), "0x1p99999999999", "0x1p-99999999999",
	} {
		if v, ok := resp.ParseLongDouble([]byte(in)); ok {
			t.Errorf("%.20q accepted as %.20s", in, v.Append(nil))
		}
	}
	most, _ := resp.ParseLongDouble([]byte("1.18e4932"))
	if sum := most.Add(most); sum.Finite() || string(sum.Append(nil)) != "inf" {
		t.Errorf("an overflow gives %.20s", sum.Append(nil))
	}
	if got := resp.FormatFloat(0.25); got != "0.25" {
		t.Errorf("got %s", got)
	}
	if got := resp.FormatFloat(math.NaN()); got != "nan" {
		t.Errorf("got %s", got)
	}
}
