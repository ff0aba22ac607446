package glob_test

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-cache/larder/commands/glob"
	"github.com/larder-cache/larder/wire/resp"
)

// realRedis starts redis-server on a random loopback port, ends it with the test, and returns a way to ask it. Its Debian version is
// 7.0.15, which has no bound on the number of stars: the patterns here stay far below it.
func realRedis(t *testing.T) (ask func(args ...string) resp.Value) {
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
		addr := probe.Addr().String()
		probe.Close()
		if !startRedis(t, path, addr) {
			continue
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		r := resp.NewReader(conn)
		return func(args ...string) resp.Value {
			t.Helper()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := conn.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
				t.Fatal(err)
			}
			v, err := r.ReadValue()
			if err != nil || v.IsError() {
				t.Fatalf("%q: %s, %v", args, v.Str, err)
			}
			return v
		}
	}
	t.Fatal("redis-server found no free port in ten attempts")
	return nil
}

// startRedis is false if the port was taken in the meantime.
func startRedis(t *testing.T, path, addr string) bool {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--logfile", "")
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

func strs(v resp.Value) []string {
	var out []string
	for _, e := range v.Elems {
		out = append(out, string(e.Str))
	}
	slices.Sort(out)
	return out
}

func matching(pattern string, texts []string, nocase bool) []string {
	var out []string
	for _, s := range texts {
		if glob.Match([]byte(pattern), []byte(s), nocase) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// KEYS matches with case, over keys of few letters.
func TestMatchAsRedisKeys(t *testing.T) {
	ask := realRedis(t)
	rng := rand.New(rand.NewPCG(3, 4))
	var keys, patterns []string
	for _, c := range cases {
		keys = append(keys, c.s)
		patterns = append(patterns, c.pattern)
	}
	for range 150 {
		keys = append(keys, random(rng, textPieces, 5))
	}
	for c := range 256 {
		keys = append(keys, string([]byte{byte(c)}))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	args := []string{"MSET"}
	for _, k := range keys {
		args = append(args, k, "")
	}
	ask(args...)
	for range 2000 {
		patterns = append(patterns, random(rng, patternPieces, 8))
	}
	for range 500 {
		patterns = append(patterns, "["+string([]byte{byte(rng.Uint32()), '-', byte(rng.Uint32())})+"]")
	}
	for _, p := range patterns {
		if p == "*" {
			continue // KEYS does not ask the matcher
		}
		got, want := strs(ask("KEYS", p)), matching(p, keys, false)
		if !slices.Equal(got, want) {
			t.Errorf("%q: redis %q, larder %q", p, got, want)
		}
	}
}

// COMMAND LIST matches without case, over the names of commands.
func TestMatchAsRedisCommandList(t *testing.T) {
	ask := realRedis(t)
	names := strs(ask("COMMAND", "LIST"))
	rng := rand.New(rand.NewPCG(5, 6))
	pieces := []string{"*", "*", "*", "?", "??", "e", "S", "t", "G", "[a-M]", "[^A-R]", "[Z-a]", "[SG]", `[\s]`, `\S`, `[\S]`, "[s", "R", "p", "[a-e-]"}
	hits := 0
	for range 1000 {
		p := random(rng, pieces, 6)
		got, want := strs(ask("COMMAND", "LIST", "FILTERBY", "PATTERN", p)), matching(p, names, true)
		if !slices.Equal(got, want) {
			t.Errorf("%q: redis %q, larder %q", p, got, want)
		}
		hits += len(want)
	}
	if hits < 1000 {
		t.Errorf("only %d matches: the generator is off", hits)
	}
}
