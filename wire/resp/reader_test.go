package resp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-cache/larder/wire/resp"
)

// render shows a value on one line.
func render(v resp.Value) string {
	var b strings.Builder
	if len(v.Attrs) > 0 {
		fmt.Fprintf(&b, "|%s|", renderAll(v.Attrs))
	}
	switch v.Kind {
	case resp.KindInt, resp.KindBool:
		fmt.Fprintf(&b, "%c%d", v.Kind, v.Int)
	case resp.KindDouble:
		fmt.Fprintf(&b, ",%v", v.Float)
	case resp.KindArray, resp.KindMap, resp.KindSet, resp.KindPush:
		fmt.Fprintf(&b, "%c(%s)", v.Kind, renderAll(v.Elems))
	default:
		fmt.Fprintf(&b, "%c%q", v.Kind, v.Str)
	}
	return b.String()
}

func renderAll(vs []resp.Value) string {
	var parts []string
	for _, v := range vs {
		parts = append(parts, render(v))
	}
	return strings.Join(parts, " ")
}

// encode writes a value that was read.
func encode(dst []byte, v resp.Value) []byte {
	if len(v.Attrs) > 0 {
		dst = resp.AppendHeader(dst, '|', len(v.Attrs)/2)
		for _, a := range v.Attrs {
			dst = encode(dst, a)
		}
	}
	n := len(v.Elems)
	switch v.Kind {
	case resp.KindInt:
		return append(resp.AppendInt(append(dst, ':'), v.Int), "\r\n"...)
	case resp.KindBool:
		return append(dst, '#', "ft"[v.Int], '\r', '\n')
	case resp.KindBulk, resp.KindBulkError, resp.KindVerbatim:
		dst = append(resp.AppendHeader(dst, byte(v.Kind), len(v.Str)), v.Str...)
		return append(dst, "\r\n"...)
	case resp.KindMap:
		n /= 2
		fallthrough
	case resp.KindArray, resp.KindSet, resp.KindPush:
		dst = resp.AppendHeader(dst, byte(v.Kind), n)
		for _, e := range v.Elems {
			dst = encode(dst, e)
		}
		return dst
	}
	return append(append(append(dst, byte(v.Kind)), v.Str...), "\r\n"...)
}

var replies = []struct{ in, want string }{
	{"+OK\r\n", `+"OK"`},
	{"-ERR no\r\n", `-"ERR no"`},
	{":-12\r\n", ":-12"},
	{":+12\r\n", ":12"},
	{"$3\r\na\r\n\r\n", `$"a\r\n"`},
	{"$0\r\n\r\n", `$""`},
	{"$-1\r\n", `_""`},
	{"*-1\r\n", `_""`},
	{"_\r\n", `_""`},
	{"*0\r\n", "*()"},
	{"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", `*(:1 *($"x"))`},
	{"%1\r\n+a\r\n#t\r\n", `%(+"a" #1)`},
	{"~2\r\n#f\r\n_\r\n", `~(#0 _"")`},
	{">2\r\n+message\r\n:1\r\n", `>(+"message" :1)`},
	{",1.5\r\n", ",1.5"},
	{",inf\r\n", ",+Inf"},
	{",-inf\r\n", ",-Inf"},
	{",nan\r\n", ",NaN"},
	{"(12345678901234567890123\r\n", `("12345678901234567890123"`},
	{"=7\r\ntxt:abc\r\n", `="txt:abc"`},
	{"!5\r\nERR x\r\n", `!"ERR x"`},
	{"|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n", `|+"ttl" :5|$"v"`},
}

var badReplies = []string{
	"\r\n", "?\r\n", ":x\r\n", ":\r\n", "$x\r\n", "$-2\r\n", "$1\r\nab\r\n", "$536870913\r\n", "*x\r\n", "*-2\r\n", "*16777217\r\n",
	"#x\r\n", "#\r\n", "_x\r\n", ",x\r\n", ",\r\n", "%-1\r\n", "=-1\r\n", strings.Repeat("*1\r\n", 70), "*?\r\n", "$?\r\n", ": 1\r\n",
	"|1\r\n+a\r\n$x\r\n", "*2\r\n:1\r\n\r\n",
}

func TestReader(t *testing.T) {
	for _, c := range replies {
		r := resp.NewReader(iotest.OneByteReader(strings.NewReader(c.in + ":7\r\n")))
		v, err := r.ReadValue()
		if err != nil || render(v) != c.want {
			t.Errorf("%q: got %s, %v; want %s", c.in, render(v), err, c.want)
		}
		if next, err := r.ReadValue(); err != nil || next.Int != 7 {
			t.Errorf("behind %q: %v, %v", c.in, next, err)
		}
		if _, err := r.ReadValue(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
		for cut := 1; cut < len(c.in); cut++ {
			if _, err := resp.NewReader(strings.NewReader(c.in[:cut])).ReadValue(); err != io.ErrUnexpectedEOF {
				t.Errorf("%q: %v", c.in[:cut], err)
			}
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	for _, in := range badReplies {
		if v, err := resp.NewReader(strings.NewReader(in)).ReadValue(); !errors.Is(err, resp.ErrMalformed) {
			t.Errorf("%q: %s, %v", in, render(v), err)
		}
	}
	long := resp.NewReader(strings.NewReader("+" + strings.Repeat("x", 2<<20) + "\r\n"))
	if _, err := long.ReadValue(); !errors.Is(err, resp.ErrMalformed) {
		t.Errorf("a line of 2 MiB: %v", err)
	}
}

// A length alone must not take memory: the peer may never send the bytes.
func TestReaderMemoryFollowsTheBytes(t *testing.T) {
	for _, in := range []string{"$536870912\r\nabc", "*16777216\r\n", "%16777216\r\n+a\r\n"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := resp.NewReader(strings.NewReader(in)).ReadValue()
		runtime.ReadMemStats(&after)
		if err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", in, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
			t.Errorf("%q took %d bytes", in, got)
		}
	}
}

func TestReaderGivesWhatIsBehind(t *testing.T) {
	r := resp.NewReader(strings.NewReader("\n\n+FULLRESYNC abc 0\r\n$5\r\nREDIS"))
	for _, want := range []string{"", "", "+FULLRESYNC abc 0", "$5"} {
		if line, err := r.ReadLine(); err != nil || string(line) != want {
			t.Fatalf("got %q, %v; want %q", line, err, want)
		}
	}
	var rest bytes.Buffer
	if _, err := io.Copy(&rest, r); err != nil || rest.String() != "REDIS" {
		t.Errorf("behind: %q, %v", &rest, err)
	}
}
