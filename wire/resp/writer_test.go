package resp_test

import (
	"math"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

func TestWriter(t *testing.T) {
	for _, c := range []struct {
		name         string
		do           func(w *resp.Writer)
		resp2, resp3 string // resp3 empty: the same
	}{
		{"ok", func(w *resp.Writer) { w.OK() }, "+OK\r\n", ""},
		{"simple", func(w *resp.Writer) { w.Simple("PONG") }, "+PONG\r\n", ""},
		{"simple forging a reply", func(w *resp.Writer) { w.Simple("a\r\n+b\n") }, "+a  +b\r\n", ""},
		{"error", func(w *resp.Writer) { w.Error("ERR no such key") }, "-ERR no such key\r\n", ""},
		{"error forging a reply", func(w *resp.Writer) { w.Error("ERR a\r\n:1\r\n") }, "-ERR a  :1\r\n", ""},
		{"int", func(w *resp.Writer) { w.Int(7) }, ":7\r\n", ""},
		{"int 10", func(w *resp.Writer) { w.Int(10) }, ":10\r\n", ""},
		{"int negative", func(w *resp.Writer) { w.Int(-1) }, ":-1\r\n", ""},
		{"int least", func(w *resp.Writer) { w.Int(math.MinInt64) }, ":-9223372036854775808\r\n", ""},
		{"bulk", func(w *resp.Writer) { w.Bulk([]byte("a\r\nb")) }, "$4\r\na\r\nb\r\n", ""},
		{"bulk nil", func(w *resp.Writer) { w.Bulk(nil) }, "$0\r\n\r\n", ""},
		{"bulk string", func(w *resp.Writer) { w.BulkString("0123456789") }, "$10\r\n0123456789\r\n", ""},
		{"bulk int", func(w *resp.Writer) { w.BulkInt(-123) }, "$4\r\n-123\r\n", ""},
		{"null", func(w *resp.Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *resp.Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"array", func(w *resp.Writer) { w.Array(12) }, "*12\r\n", ""},
		{"empty array", func(w *resp.Writer) { w.EmptyArray() }, "*0\r\n", ""},
		{"map", func(w *resp.Writer) { w.Map(6) }, "*12\r\n", "%6\r\n"},
		{"set", func(w *resp.Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"push", func(w *resp.Writer) { w.Push(3) }, "*3\r\n", ">3\r\n"},
		{"double", func(w *resp.Writer) { w.Double(3.25) }, "$4\r\n3.25\r\n", ",3.25\r\n"},
		{"double inf", func(w *resp.Writer) { w.Double(math.Inf(1)) }, "$3\r\ninf\r\n", ",inf\r\n"},
		{"double -inf", func(w *resp.Writer) { w.Double(math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"double nan", func(w *resp.Writer) { w.Double(math.NaN()) }, "$3\r\nnan\r\n", ",nan\r\n"},
		{"true", func(w *resp.Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *resp.Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"big number", func(w *resp.Writer) { w.BigNumber("123") }, "$3\r\n123\r\n", "(123\r\n"},
		{"verbatim", func(w *resp.Writer) { w.Verbatim("txt", "a b") }, "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n"},
		{"verbatim short format", func(w *resp.Writer) { w.Verbatim("x", "") }, "$0\r\n\r\n", "=4\r\nx  :\r\n"},
		{"verbatim long format", func(w *resp.Writer) { w.Verbatim("markdown", "") }, "$0\r\n\r\n", "=4\r\nmar:\r\n"},
		{"attribute", func(w *resp.Writer) {
			if w.Attribute(1) {
				w.Simple("ttl")
				w.Int(1)
			}
			w.OK()
		}, "+OK\r\n", "|1\r\n+ttl\r\n:1\r\n+OK\r\n"},
		{"deferred", func(w *resp.Writer) {
			w.OK()
			outer := w.Defer()
			w.Int(1)
			inner := w.Defer()
			for range 11 {
				w.Int(2)
			}
			w.SetArray(inner, 11)
			empty := w.Defer()
			w.SetMap(empty, 0)
			w.SetSet(outer, 3)
			pairs := w.Defer()
			w.Int(3)
			w.Int(4)
			w.SetMap(pairs, 1)
		}, "+OK\r\n*3\r\n:1\r\n*11\r\n" + strings.Repeat(":2\r\n", 11) + "*0\r\n*2\r\n:3\r\n:4\r\n",
			"+OK\r\n~3\r\n:1\r\n*11\r\n" + strings.Repeat(":2\r\n", 11) + "%0\r\n%1\r\n:3\r\n:4\r\n"},
	} {
		for proto, want := range map[int]string{2: c.resp2, 3: c.resp3} {
			if want == "" {
				want = c.resp2
			}
			w := resp.Writer{Buf: []byte("x"), Proto: proto}
			c.do(&w)
			if got := string(w.Buf); got != "x"+want {
				t.Errorf("%s in RESP%d: got %q, want %q", c.name, proto, got, want)
			}
		}
	}
}

func TestAppendCommand(t *testing.T) {
	want := "x*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n"
	if got := string(resp.AppendCommand([]byte("x"), []byte("GET"), []byte("0123456789"))); got != want {
		t.Errorf("got %q", got)
	}
	if got := string(resp.AppendCommandStrings([]byte("x"), "GET", "0123456789")); got != want {
		t.Errorf("got %q", got)
	}
}

func TestWriterDoesNotAllocate(t *testing.T) {
	w := resp.Writer{Buf: make([]byte, 0, 4096), Proto: 2}
	value := []byte(strings.Repeat("v", 100))
	got := testing.AllocsPerRun(100, func() {
		w.Buf = w.Buf[:0]
		m := w.Defer()
		w.OK()
		w.Bulk(value)
		w.BulkInt(math.MinInt64)
		w.Int(123456)
		w.Double(1.0 / 3)
		w.Null()
		w.Error("ERR syntax error")
		w.Map(3)
		w.SetArray(m, 8)
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}
