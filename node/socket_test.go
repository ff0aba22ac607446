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
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := try(t, "--unixsocket", file); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("with a file: %v", err)
	}
}

// TestRemoveDeadSocket: a socket takes the place of one that a dead process left and of an empty file (perl-redis' own tests pick
// the name with mkstemp), and of nothing else.
func TestRemoveDeadSocket(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	for _, c := range []struct {
		name  string
		put   func(path string) error
		stays bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"empty file", write(""), false},
		{"socket", leaveSocket, false},
		{"file", write("kept"), true},
		{"folder", func(path string) error { return os.Mkdir(path, 0o700) }, true},
		{"link", func(path string) error { return os.Symlink(filepath.Join(dir, "file"), path) }, true},
	} {
		path := filepath.Join(dir, c.name)
		if err := c.put(path); err != nil {
			t.Fatal(err)
		}
		err := removeDeadSocket(path)
		_, statErr := os.Lstat(path)
		if there := statErr == nil; there != c.stays || (err != nil) != c.stays {
			t.Errorf("%s: there %v, error %v", c.name, there, err)
		}
	}
}

// leaveSocket makes a socket that nobody listens on.
func leaveSocket(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}
