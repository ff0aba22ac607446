package value

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEncodeString(t *testing.T) {
	for _, c := range []struct {
		in  string
		enc Encoding
	}{
		{"", EmbStr}, {"0", Int}, {"-1", Int}, {"-0", EmbStr}, {"+1", EmbStr}, {"01", EmbStr}, {" 1", EmbStr}, {"1 ", EmbStr}, {"-", EmbStr},
		{"9223372036854775807", Int}, {"9223372036854775808", EmbStr}, {"-9223372036854775808", Int}, {"-9223372036854775809", EmbStr},
		{"18446744073709551616", EmbStr}, {"99999999999999999999", EmbStr}, {"1.0", EmbStr},
		{strings.Repeat("x", 44), EmbStr}, {strings.Repeat("x", 45), Raw}, {strings.Repeat("1", 44), EmbStr},
	} {
		if enc, n := EncodeString([]byte(c.in)); enc != c.enc || enc == Int && strconv.FormatInt(n, 10) != c.in {
			t.Errorf("%q: %v %d, want %v", c.in, enc, n, c.enc)
		}
	}
}

func TestParseIntIsInverseOfFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		if got, ok := ParseInt(strconv.AppendInt(nil, n, 10)); !ok || got != n {
			t.Fatalf("%d: %d %v", n, got, ok)
		}
		s := rapid.StringMatching(`[-+ ]?[0-9]{0,21}`).Draw(t, "s")
		n, ok := ParseInt([]byte(s))
		if want := strconv.FormatInt(n, 10) == s; ok && !want {
			t.Fatalf("%q read as %d", s, n)
		}
		if m, err := strconv.ParseInt(s, 10, 64); !ok && err == nil && strconv.FormatInt(m, 10) == s {
			t.Fatalf("%q refused", s)
		}
	})
	if n, ok := ParseInt([]byte("-9223372036854775808")); !ok || n != math.MinInt64 {
		t.Fatal(n, ok)
	}
}

func TestNames(t *testing.T) {
	if String.String() != "string" || Stream.String() != "stream" || Type(200).String() != "unknown" {
		t.Error("type names")
	}
	if Raw.String() != "raw" || EmbStr.String() != "embstr" || StreamEncoding.String() != "stream" || Encoding(99).String() != "unknown" {
		t.Error("encoding names")
	}
}
