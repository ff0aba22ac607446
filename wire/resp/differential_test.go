package resp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/wire/resp"
)

// These tests ask the real redis-server (7.0.15, Debian's) what it answers. Where larder differs on purpose:
//   - the two bytes where CR LF belongs are checked, behind arguments and in header lines (malformed.redis says what 7.0.15 does);
//   - a line of more than 64 KiB is refused however it arrives, where Redis lets it pass if its end came with the same read;
//   - doubles are printed with the fewest digits, as since 7.2 (number_test.go).

// deadline bounds an answer that never comes; it is not waited for otherwise.
const deadline = 20 * time.Second

// realRedis starts redis-server on a random loopback port and ends it with the test.
func realRedis(t *testing.T) (addr string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed (apt install redis-server)")
	}
	for range 10 {
		probe, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr = probe.Addr().String()
		probe.Close()
		if startRedis(t, path, addr) {
			return addr
		}
	}
	t.Fatal("redis-server found no free port in ten attempts")
	return ""
}

// startRedis is false if the port was taken in the meantime.
func startRedis(t *testing.T, path, addr string) bool {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", "")
	cmd.Dir = filepath.Clean(dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	var log strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "eady to accept connections") {
			go io.Copy(io.Discard, out)
			return true
		}
		log.WriteString(lines.Text() + "\n")
	}
	if !strings.Contains(log.String(), "Address already in use") {
		t.Fatalf("redis-server did not start:\n%s", log.String())
	}
	return false
}

// peer is one connection to the real server.
type peer struct {
	t *testing.T
	*net.TCPConn
	*resp.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(deadline))
	return &peer{t, c.(*net.TCPConn), resp.NewReader(c)}
}

// Read settles which of the two Reads is meant.
func (p *peer) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// ask sends a command and reads its reply.
func (p *peer) ask(args ...string) resp.Value {
	p.t.Helper()
	return p.send(resp.AppendCommandStrings(nil, args...))
}

func (p *peer) send(b []byte) resp.Value {
	p.t.Helper()
	p.SetDeadline(time.Now().Add(deadline))
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
	v, err := p.ReadValue()
	if err != nil {
		p.t.Fatalf("behind %.100q: %v", b, err)
	}
	return v
}

// answer is all that the server says to the bytes of one new connection, which says no more.
func answer(t *testing.T, addr, in string) string {
	t.Helper()
	p := dial(t, addr)
	if _, err := p.Write([]byte(in)); err != nil {
		t.Fatal(err)
	}
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(p)
	if err != nil {
		t.Fatalf("%.100q: %v", in, err)
	}
	return string(all)
}

func TestMalformedRequestsAsRedis(t *testing.T) {
	addr := realRedis(t)
	admin := dial(t, addr)
	for _, unauth := range []bool{false, true} {
		if unauth {
			admin.ask("CONFIG", "SET", "requirepass", "secret")
		}
		for _, c := range malformedRequests {
			if c.unauth != unauth {
				continue
			}
			want := "-ERR " + c.want + "\r\n"
			if c.redis != "" {
				want = c.redis
			}
			if got := answer(t, addr, c.in); !strings.HasPrefix(got, want) || c.redis == "" && got != want {
				t.Errorf("%s: redis answers %q, the table says %q %s", c.name, got, want, c.why)
			}
		}
	}
}

// What a stream means is asked by how many commands Redis runs, and by the words of each.
func TestValidRequestsAsRedis(t *testing.T) {
	addr := realRedis(t)
	for _, c := range validRequests {
		var want []byte
		for _, cmd := range c.want {
			if len(cmd) > 0 {
				want = append(want, answer(t, addr, multibulk(cmd...))...)
			}
		}
		if got := answer(t, addr, c.in); got != string(want) {
			t.Errorf("%s: redis answers %q, the commands of the table get %q", c.name, got, want)
		}
	}
}

// Random lines, given to a script that returns its arguments.
func TestInlineAsRedis(t *testing.T) {
	addr := realRedis(t)
	rng := rand.New(rand.NewPCG(5, 6))
	pieces := []string{" ", " ", "\t", "\v", "\r", "a", "b", "'", "\"", "\"", "\\", "\\\"", "\\'", "\\x41", "\\xg", "\\n", "\\r", "\\t", "\\a", "\\b", "\xff", "#"}
	const head = "EVAL 'return ARGV' 0 "
	good := 0
	p := dial(t, addr)
	for range 4000 {
		var line strings.Builder
		for range rng.IntN(12) {
			line.WriteString(pieces[rng.IntN(len(pieces))])
		}
		want, ok := resp.SplitArgs([]byte(strings.TrimSuffix(line.String(), "\r")), nil)
		v := p.send([]byte(head + line.String() + "\n"))
		if !ok {
			if string(v.Str) != "ERR "+badQuotes {
				t.Errorf("%q: redis answers %s", line.String(), render(v))
			}
			p = dial(t, addr)
			continue
		}
		good++
		got := make([][]byte, 0, len(v.Elems))
		for _, e := range v.Elems {
			got = append(got, e.Str)
		}
		if v.Kind != resp.KindArray || !bytes.Equal(bytes.Join(got, []byte("\x00,")), bytes.Join(want, []byte("\x00,"))) || len(got) != len(want) {
			t.Errorf("%q: redis %q, larder %q", line.String(), got, want)
		}
	}
	if good < 1000 {
		t.Errorf("only %d lines of 4000 were valid: the generator is off", good)
	}
}

// numberText makes texts that are numbers, or nearly.
func numberText(rng *rand.Rand) string {
	pieces := []string{"0", "0", "1", "9", "12", "5", "00", ".", "-", "+", "e", "E", "e-", "x", "0x", "p", "a", "F", "inf", "nan", "e3", "p4", " ", "_", "922337203685477580", "7", "8"}
	var b strings.Builder
	for range 1 + rng.IntN(5) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

func TestNumbersAsRedis(t *testing.T) {
	p := dial(t, realRedis(t))
	rng := rand.New(rand.NewPCG(7, 8))
	texts := append([]string{}, notFloats...)
	for in := range floats {
		texts = append(texts, in)
	}
	for range 6000 {
		texts = append(texts, numberText(rng))
	}
	for range 500 {
		texts = append(texts, strconv.FormatFloat(math.Float64frombits(rng.Uint64()), "efg"[rng.IntN(3)], rng.IntN(20), 64))
	}
	accepted := 0
	for _, text := range texts {
		p.ask("DEL", "n", "z")
		n, ok := resp.ParseInt([]byte(text))
		if v := p.ask("INCRBY", "n", text); v.IsError() == ok || ok && v.Int != n {
			t.Errorf("integer %q: redis %s, larder %d, %v", text, render(v), n, ok)
		}
		f, ok := resp.ParseFloat([]byte(text))
		v := p.ask("ZADD", "z", text, "m")
		if v.IsError() == ok {
			t.Errorf("double %q: redis %s, larder %v, %v", text, render(v), f, ok)
		}
		if ok {
			accepted++
			v := p.ask("ZSCORE", "z", "m")
			if back, ok := resp.ParseFloat(v.Str); !ok || back != f {
				t.Errorf("double %q: redis %s, larder %v", text, render(v), f)
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d numbers: the generator is off", accepted)
	}
}

func TestLongDoublesAsRedis(t *testing.T) {
	p := dial(t, realRedis(t))
	rng := rand.New(rand.NewPCG(9, 10))
	next := func() string {
		switch rng.IntN(5) {
		case 0:
			return numberText(rng)
		case 1:
			return fmt.Sprintf("%de%d", rng.IntN(1000000), rng.IntN(40)-20)
		case 2:
			return fmt.Sprintf("%d.%de%d", rng.IntN(10), rng.Uint64(), rng.IntN(9950)-4970)
		case 3:
			return strconv.FormatFloat(math.Float64frombits(rng.Uint64()), "efg"[rng.IntN(3)], rng.IntN(20), 64)
		}
		return fmt.Sprintf("-%d.%02d", rng.IntN(100000), rng.IntN(100))
	}
	for range 3000 {
		x, y := next(), next()
		p.ask("SET", "k", x)
		v := p.ask("INCRBYFLOAT", "k", y)
		a, okA := resp.ParseLongDouble([]byte(x))
		b, okB := resp.ParseLongDouble([]byte(y))
		want := "ERR value is not a valid float"
		if okA && okB {
			sum := a.Add(b)
			if want = "ERR increment would produce NaN or Infinity"; sum.Finite() {
				want = string(sum.Append(nil))
			}
		}
		if string(v.Str) != want {
			t.Errorf("%q + %q: redis %.60q, larder %.60q", x, y, v.Str, want)
		}
	}
}
