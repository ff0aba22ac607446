package enginetest

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// Redis is a real redis-server, to compare with. It ends with the test.
type Redis struct {
	tb   testing.TB
	path string // of its unix socket
}

// RealServer is the program that tests compare with: what REDIS_SERVER of the environment names, else the redis-server that is installed.
func RealServer() string { return cmp.Or(os.Getenv("REDIS_SERVER"), "redis-server") }

// StartRedis starts RealServer on a unix socket in a folder of its own, without persistence.
func StartRedis(tb testing.TB, args ...string) *Redis {
	tb.Helper()
	dir, err := os.MkdirTemp("", "larder") // not the test's folder: a socket's path must be short
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	r := &Redis{tb, filepath.Join(dir, "s")}
	own := []string{"--port", "0", "--unixsocket", r.path, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", ""}
	cmd := exec.Command(RealServer(), append(own, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("these tests need redis-server (apt install redis-server): %v", err)
	}
	tb.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			tb.Error(err)
		}
		_ = cmd.Wait() // killed
	})
	var log strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "eady to accept connections") {
			go io.Copy(io.Discard, out) //nolint:errcheck // until it is killed
			return r
		}
		log.WriteString(lines.Text() + "\n")
	}
	tb.Fatalf("redis-server did not start:\n%s", log.String())
	return nil
}

// unreleased is the major version of what is built in between.
const unreleased = 255

// Release is a version without its last part: 702 is 7.2. What Valkey builds in between, as 255.255.255, counts as its first, 8.0, as no one can tell what
// else it has. What is no version is 0.
func Release(version string) int {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil {
		return 0
	}
	if a == unreleased {
		return 800
	}
	return 100*a + b
}

// Version is what INFO says: Valkey's version if it is one, else Redis'.
func (r *Redis) Version() string {
	r.tb.Helper()
	info := string(r.Dial().Value("INFO", "server").Str)
	for _, field := range []string{"valkey_version:", "redis_version:"} {
		if _, rest, found := strings.Cut(info, field); found {
			version, _, _ := strings.Cut(rest, "\r\n")
			return version
		}
	}
	r.tb.Fatalf("INFO tells no version: %s", info)
	return ""
}

// Peer is a connection to a real server.
type Peer struct {
	tb   testing.TB
	conn net.Conn
	raw  bytes.Buffer // what was read since the last command
	in   *resp.Reader
}

// Socket is the path of the unix socket on which it listens.
func (r *Redis) Socket() string { return r.path }

// Dial connects.
func (r *Redis) Dial() *Peer {
	r.tb.Helper()
	return Dial(r.tb, r.path)
}

// Dial connects to a server that listens on a unix socket, until the test ends.
func Dial(tb testing.TB, path string) *Peer {
	tb.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	p := &Peer{tb: tb, conn: conn}
	p.in = resp.NewReader(io.TeeReader(conn, &p.raw))
	return p
}

// Raw runs a command and gives the bytes of its reply.
func (p *Peer) Raw(args ...string) []byte {
	p.tb.Helper()
	p.Send(args...)
	return p.RawReply()
}

// Value runs a command and gives its reply.
func (p *Peer) Value(args ...string) resp.Value {
	p.tb.Helper()
	p.Send(args...)
	return p.Reply()
}

// Send sends a command, the reply of which may take a while.
func (p *Peer) Send(args ...string) {
	p.tb.Helper()
	if _, err := p.conn.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
		p.tb.Fatal(err)
	}
}

// Reply waits for the reply to what was sent.
func (p *Peer) Reply() resp.Value {
	p.tb.Helper()
	p.raw.Reset()
	v, err := p.in.ReadValue()
	if err != nil {
		p.tb.Fatalf("redis-server: %v", err)
	}
	return v
}

// RawReply is Reply, as bytes.
func (p *Peer) RawReply() []byte {
	p.tb.Helper()
	p.Reply()
	return bytes.Clone(p.raw.Bytes())
}
