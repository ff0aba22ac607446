package script

import (
	"math"
	"strconv"
	"strings"
)

const pi = math.Pi

var inf = math.Inf(1)

// maxExactText is from where on a whole number is not printed in full with 14 digits.
const maxExactText = 1e14

// numberText prints a number as Lua 5.1 does: "%.14g".
func numberText(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < maxExactText && (f != 0 || !math.Signbit(f)) {
		return strconv.FormatInt(int64(f), 10)
	}
	return formatG(f, 14)
}

// formatG is C's "%.*g".
func formatG(f float64, precision int) string {
	switch {
	case math.IsNaN(f) && math.Signbit(f):
		return "-nan"
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if precision == 0 {
		precision = 1
	}
	s := strconv.FormatFloat(f, 'e', precision-1, 64)
	mantissa, e, _ := strings.Cut(s, "e")
	exp, _ := strconv.Atoi(e)
	if exp < -4 || exp >= precision {
		return trimZeros(mantissa) + "e" + e
	}
	return trimZeros(strconv.FormatFloat(f, 'f', precision-1-exp, 64))
}

func trimZeros(s string) string {
	if strings.IndexByte(s, '.') < 0 {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// exactNumber prints a number such that the compiler reads the same one.
func exactNumber(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if len(s) > 1 && s[0] == '0' && s[1] != '.' {
		return s + ".0"
	}
	return s
}

// parseNumber reads a number as C's strtod does, and hexadecimal integers, with blanks around.
func parseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 || body == "" || strings.IndexByte(body, '_') >= 0 {
		return 0, false
	}
	if len(body) > 2 && body[0] == '0' && body[1]|0x20 == 'x' && !strings.ContainsAny(body, ".pP") {
		return parseHex(s[0] == '-', body[2:])
	}
	if body[0]|0x20 == 'i' || body[0]|0x20 == 'n' { // strtod reads inf and nan
		switch strings.ToLower(body) {
		case "inf", "infinity", "nan":
		default:
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(hexFloat(s), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// hexFloat gives a hexadecimal fraction the exponent without which Go does not read it.
func hexFloat(s string) string {
	if strings.ContainsAny(s, "xX") && !strings.ContainsAny(s, "pP") {
		return s + "p0"
	}
	return s
}

func parseHex(negative bool, digits string) (float64, bool) {
	f := 0.0
	for i := range len(digits) {
		d := hexDigit(digits[i])
		if d < 0 {
			return 0, false
		}
		f = f*16 + float64(d)
	}
	if negative {
		f = -f
	}
	return f, true
}

// hexDigit is the value of a hexadecimal digit, -1 of anything else.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
