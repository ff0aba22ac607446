package enginetest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-cache/larder/wire/resp"
)

// Redis is a real redis-server, to compare with. It ends with the test.
type Redis struct {
	tb   testing.TB
	path string // of its unix socket
}

// StartRedis starts the installed redis-server on a unix socket in a folder of its own, without persistence.
func StartRedis(tb testing.TB, args ...string) *Redis {
	tb.Helper()
	dir, err := os.MkdirTemp("", "larder") // not the test's folder: a socket's path must be short
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	r := &Redis{tb, filepath.Join(dir, "s")}
	own := []string{"--port", "0", "--unixsocket", r.path, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", ""}
	cmd := exec.Command("redis-server", append(own, args...)...)
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
		if strings.Contains(lines.Text(), "eady to accept connections at") {
			go io.Copy(io.Discard, out) //nolint:errcheck // until it is killed
			return r
		}
		log.WriteString(lines.Text() + "\n")
	}
	tb.Fatalf("redis-server did not start:\n%s", log.String())
	return nil
}

// Peer is a connection to a real server.
type Peer struct {
	tb   testing.TB
	conn net.Conn
	raw  bytes.Buffer // what was read since the last command
	in   *resp.Reader
}

// Dial connects.
func (r *Redis) Dial() *Peer {
	r.tb.Helper()
	conn, err := net.Dial("unix", r.path)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { conn.Close() })
	p := &Peer{tb: r.tb, conn: conn}
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
