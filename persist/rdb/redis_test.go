package rdb

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// redisServer is a real redis-server in a folder of its own, reached over a unix socket.
type redisServer struct {
	t   *testing.T
	dir string
	br  *bufio.Reader
	c   net.Conn
}

// startRedis starts the installed redis-server, or what REDIS_SERVER names; dump, if not nil, is what it loads. It ends with the test.
func startRedis(t *testing.T, dump []byte, options ...string) *redisServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "rdb") // t.TempDir can be too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if dump != nil {
		if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), dump, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sock := filepath.Join(dir, "s")
	args := append([]string{"--port", "0", "--unixsocket", sock, "--dir", dir, "--save", "", "--enable-debug-command", "yes", "--loglevel", "notice"}, options...)
	cmd := exec.Command(cmp.Or(os.Getenv("REDIS_SERVER"), "redis-server"), args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("these tests need redis-server (apt install redis-server): %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitReady(t, out)
	c, err := net.Dial("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &redisServer{t: t, dir: dir, br: bufio.NewReader(c), c: c}
}

// waitReady reads a server's log until it accepts connections, and goes on reading so that it never blocks.
func waitReady(t *testing.T, log io.Reader) {
	t.Helper()
	var seen strings.Builder
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "eady to accept connections") {
			go io.Copy(io.Discard, log)
			return
		}
	}
	t.Fatalf("redis-server ended before it was ready:\n%s", seen.String())
}

// do sends a command and returns its reply: string, int64, nil, or []any of them. An error reply fails the test.
func (s *redisServer) do(args ...string) any {
	s.t.Helper()
	reply, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("%.100q: %v", args, err)
	}
	return reply
}

// try is do that returns an error reply.
func (s *redisServer) try(args ...string) (any, error) {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(s.c, b.String()); err != nil {
		s.t.Fatal(err)
	}
	return s.reply()
}

// reply reads a RESP2 reply.
func (s *redisServer) reply() (any, error) {
	line, err := s.br.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	rest := strings.TrimRight(line[1:], "\r\n")
	n, _ := strconv.ParseInt(rest, 10, 64)
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return nil, fmt.Errorf("%s", rest)
	case ':':
		return n, nil
	case '$':
		if n < 0 {
			return nil, nil
		}
		p := make([]byte, n+2)
		if _, err := io.ReadFull(s.br, p); err != nil {
			s.t.Fatal(err)
		}
		return string(p[:n]), nil
	case '*':
		var all []any
		for range n {
			e, err := s.reply()
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
		return all, nil
	}
	s.t.Fatalf("reply %q", line)
	return nil, nil
}

// save makes the server write its dump and returns it.
func (s *redisServer) save() []byte {
	s.t.Helper()
	s.do("SAVE")
	p, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// digest returns the server's digest of all its data.
func (s *redisServer) digest() string {
	s.t.Helper()
	return s.do("DEBUG", "DIGEST").(string)
}
