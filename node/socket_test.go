package node

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-cache/larder/base/errs"
)

func TestUnixAndAdminSocket(t *testing.T) {
	backends(t, func(t *testing.T, m mode) {
		dir, err := os.MkdirTemp("", "larder")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		sock, admin := filepath.Join(dir, "s"), filepath.Join(dir, "a")
		n := m.start(t, "--unixsocket", sock, "--unixsocketperm", "700", "--admin-socket", admin)
		u, a := dial(t, "unix", sock), dial(t, "unix", admin)
		u.want("SET k v", "OK")
		a.want("GET k", `"v"`)
		if got := u.do("CLIENT INFO"); !strings.Contains(got, "addr="+sock+":0 laddr="+sock+":0") {
			t.Errorf("CLIENT INFO: %s", got)
		}
		for path, perm := range map[string]os.FileMode{sock: 0o700, admin: 0o600} {
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != perm {
				t.Errorf("%s: %v, %v", path, fi.Mode(), err)
			}
		}
		// Pauses hold everybody back but the control plane.
		u.want("CLIENT PAUSE 100000 ALL", "OK")
		a.want("SET k w", "OK")
		a.want("CLIENT UNPAUSE", "OK")
		n.stop()
		if _, err := os.Stat(sock); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	})
}

// TestSocketInUse: a node takes the place of a dead one's socket, not of one that somebody listens on.
func TestSocketInUse(t *testing.T) {
	dir, err := os.MkdirTemp("", "larder") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sock := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := try(t, "--unixsocket", sock); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("with a listener: %v", err)
	} else if !strings.Contains(errs.Sentence(err), "stop what listens there") {
		t.Errorf("it says %q", errs.Sentence(err))
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	start(t, "--unixsocket", sock)
	dial(t, "unix", sock).want("PING", "PONG")

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := try(t, "--unixsocket", file); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("with a file: %v", err)
	}
}
