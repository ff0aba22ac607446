package resp_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// feed gives a parser the bytes in pieces of the given sizes (the last one repeats; none means all at once), each time in a
// new place, as a connection's buffer may move.
func feed(in []byte, lim *resp.Limits, pieces ...int) (cmds [][]string, err error) {
	var p resp.Parser
	var args [][]byte
	var buf []byte
	if len(pieces) == 0 {
		pieces = []int{len(in)}
	}
	for i := 0; len(in) > 0; i++ {
		n := min(max(pieces[min(i, len(pieces)-1)], 1), len(in))
		buf = append(bytes.Clone(buf), in[:n]...)
		in = in[n:]
		for len(buf) > 0 {
			consumed, out, err := p.Next(buf, args, lim)
			if err != nil {
				return cmds, err
			}
			if consumed == 0 {
				break
			}
			cmd := make([]string, 0, len(out))
			for _, a := range out {
				cmd = append(cmd, string(a))
			}
			cmds = append(cmds, cmd)
			buf, args = buf[consumed:], out
		}
	}
	return cmds, nil
}

func (m malformed) limits() *resp.Limits {
	lim := resp.DefaultLimits()
	if m.unauth {
		lim = lim.Unauthenticated()
	}
	return &lim
}

func TestMalformedRequests(t *testing.T) {
	if len(malformedRequests) < 40 {
		t.Fatalf("only %d cases", len(malformedRequests))
	}
	for _, c := range malformedRequests {
		t.Run(c.name, func(t *testing.T) {
			sizes := [][]int{nil, {1}, {3}, {4096}}
			if len(c.in) > 1000 {
				sizes = [][]int{nil, {1000}, {16384}, {len(c.in) - 1, 1}}
			}
			for _, size := range sizes {
				cmds, err := feed([]byte(c.in), c.limits(), size...)
				var perr *resp.ProtocolError
				if !errors.As(err, &perr) || perr.Error() != c.want {
					t.Fatalf("pieces %v: got %q, %v; want %q", size, cmds, err, c.want)
				}
				if len(cmds) != 0 {
					t.Fatalf("pieces %v: commands %q before the error", size, cmds)
				}
			}
		})
	}
}

// A request in front changes nothing, and one malformed never runs what is behind it.
func TestMalformedBehindValid(t *testing.T) {
	for _, c := range malformedRequests {
		in := multibulk("PING") + "*0\r\n" + c.in + multibulk("FLUSHALL")
		cmds, err := feed([]byte(in), c.limits())
		if err == nil || err.Error() != c.want || len(cmds) != 2 {
			t.Errorf("%s: got %q, %v", c.name, cmds, err)
		}
	}
}

func TestValidRequestsSplitEverywhere(t *testing.T) {
	lim := resp.DefaultLimits()
	for _, c := range validRequests {
		t.Run(c.name, func(t *testing.T) {
			check := func(pieces ...int) {
				t.Helper()
				got, err := feed([]byte(c.in), &lim, pieces...)
				if err != nil || !reflect.DeepEqual(got, c.want) {
					t.Fatalf("pieces %v: got %q, %v; want %q", pieces, got, err, c.want)
				}
			}
			check()
			check(1)
			for i := 1; i < len(c.in); i++ {
				check(i, len(c.in))
				for j := 1; i+j < len(c.in) && len(c.in) < 80; j++ {
					check(i, j, len(c.in))
				}
			}
		})
	}
}

// What an earlier call has read is not read again: it may be overwritten with nonsense in between, all but the arguments.
func TestPartialCommandIsReadOnce(t *testing.T) {
	lim := resp.DefaultLimits()
	in := []byte(multibulk("MSET", strings.Repeat("k", 20), strings.Repeat("v", 30), "end"))
	for cut := 5; cut < len(in); cut++ {
		var p resp.Parser
		buf := bytes.Clone(in)
		if n, _, err := p.Next(buf[:cut], nil, &lim); n != 0 || err != nil {
			t.Fatalf("cut %d: consumed %d, %v", cut, n, err)
		}
		copy(buf[1:], "!!!") // the first byte says which protocol it is
		n, out, err := p.Next(buf, nil, &lim)
		if n != len(in) || err != nil || len(out) != 4 || string(out[3]) != "end" {
			t.Fatalf("cut %d: consumed %d, %q, %v", cut, n, out, err)
		}
	}
}

func TestNeed(t *testing.T) {
	lim := resp.DefaultLimits()
	in := []byte("*2\r\n$3\r\nGET\r\n$1000\r\nabc")
	for _, c := range []struct{ cut, want int }{{3, 0}, {10, 3}, {13, 0}, {len(in) - 3, 1002}, {len(in), 999}} {
		var p resp.Parser
		if n, _, err := p.Next(in[:c.cut], nil, &lim); n != 0 || err != nil {
			t.Fatalf("consumed %d, %v", n, err)
		}
		if p.Need() != c.want {
			t.Errorf("after %d bytes: need %d, want %d", c.cut, p.Need(), c.want)
		}
	}
}

func TestResetForgetsPartialCommand(t *testing.T) {
	lim := resp.DefaultLimits()
	for _, c := range validRequests {
		for cut := range len(c.in) {
			var p resp.Parser
			if n, _, err := p.Next([]byte(c.in[:cut]), nil, &lim); n != 0 || err != nil {
				continue
			}
			p.Reset()
			n, out, err := p.Next([]byte("PING\r\n"), nil, &lim)
			if n != 6 || err != nil || len(out) != 1 || p.Need() != 0 {
				t.Fatalf("%s cut at %d: consumed %d, %q, %v", c.name, cut, n, out, err)
			}
		}
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	lim := resp.Limits{MaxBulk: 5, MaxMultibulk: 3, MaxInline: 8}
	for _, c := range []struct{ in, want string }{
		{multibulk("a", "b", "12345"), ""},
		{multibulk("a", "b", "123456"), badBulk},
		{multibulk("a", "b", "c", "d"), badMultibulk},
		{"12345678\n", ""},
		{"123456789\n", bigInline},
		{"123456789", bigInline},
	} {
		for _, size := range []int{1, 1000} {
			_, err := feed([]byte(c.in), &lim, size)
			if got := fmt.Sprint(err); err == nil && c.want != "" || err != nil && got != c.want {
				t.Errorf("%q in pieces of %d: %v, want %q", c.in, size, err, c.want)
			}
		}
	}
	auth := resp.DefaultLimits().Unauthenticated()
	full := append([]string{"AUTH"}, strings.Split("2 3 4 5 6 7 8 9", " ")...)
	if _, err := feed([]byte(multibulk(append(full, strings.Repeat("x", 16384))...)), &auth); err != nil {
		t.Errorf("ten arguments of 16 KiB: %v", err)
	}
}

func TestArgumentsCannotGrowIntoTheirNeighbours(t *testing.T) {
	lim := resp.DefaultLimits()
	for _, in := range []string{multibulk("SET", "key", "value"), "SET key value\r\n"} {
		var p resp.Parser
		buf := []byte(in)
		_, out, err := p.Next(buf, nil, &lim)
		if err != nil {
			t.Fatal(err)
		}
		_ = append(out[0], "XXXXXXXXXX"...)
		if string(buf) != in {
			t.Errorf("appending to an argument of %q changed the buffer: %q", in, buf)
		}
	}
}

func TestParserDoesNotAllocate(t *testing.T) {
	lim := resp.DefaultLimits()
	whole := []byte(multibulk("SET", "key", "value"))
	inline := []byte("SET key value\r\n")
	big := []byte(multibulk("SET", "key", strings.Repeat("v", 10000)))
	var p resp.Parser
	args := make([][]byte, 0, 8)
	for name, buf := range map[string][]byte{"whole": whole, "inline": inline, "in two pieces": big} {
		got := testing.AllocsPerRun(100, func() {
			if name == "in two pieces" {
				p.Next(buf[:1000], args, &lim)
			}
			if n, _, err := p.Next(buf, args, &lim); n != len(buf) || err != nil {
				t.Fatalf("%s: %d, %v", name, n, err)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
