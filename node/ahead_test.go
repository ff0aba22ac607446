package node

import (
	"strconv"
	"strings"
	"testing"

	"github.com/larder-cache/larder/base/clock"
	"github.com/larder-cache/larder/engine"
)

// silentConn is a connection that nobody reads from or writes to.
type silentConn struct{ engine.Conn }

func (silentConn) Resume()            {}
func (silentConn) Do(fn func())       { fn() }
func (silentConn) Close(bool)         {}
func (silentConn) RemoteAddr() string { return "127.0.0.1:1" }
func (silentConn) LocalAddr() string  { return "127.0.0.1:2" }
func (silentConn) FD() int            { return -1 }

// TestAheadKeepsTheLimits: what was parsed ahead under the limits of a client that is logged in is parsed again when it no longer is.
func TestAheadKeepsTheLimits(t *testing.T) {
	cfg := NewConfig()
	if err := cfg.LoadArgs([]string{"--port", "0", "--requirepass", "pw", "--dir", t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	n, err := New(cfg, t.Output(), clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	x, s := n.engine.NewExecutor(), session{cl: n.engine.NewClient(silentConn{})}
	command := func(words ...string) string {
		out := "*" + strconv.Itoa(len(words)) + "\r\n"
		for _, w := range words {
			out += "$" + strconv.Itoa(len(w)) + "\r\n" + w + "\r\n"
		}
		return out
	}
	many := append([]string{"ECHO"}, strings.Fields(strings.Repeat("x ", 12))...)
	data := command("AUTH", "pw") + command(many...) + command("RESET") + command("PING") + command(many...)
	x.BeginTurn()
	done, result := s.process(x, n.shared.limits.Load(), []byte(data))
	x.EndTurn()
	want := "+OK\r\n-ERR wrong number of arguments for 'echo' command\r\n+RESET\r\n-NOAUTH Authentication required.\r\n" +
		"-ERR Protocol error: unauthenticated multibulk length\r\n"
	if got := string(s.cl.Out.Buf); got != want || result != turnBroken || done != len(data) {
		t.Errorf("%d of %d bytes, result %d, answers %q, want %q", done, len(data), result, got, want)
	}
}
