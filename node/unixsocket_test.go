package node

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

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
