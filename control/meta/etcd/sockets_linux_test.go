package etcd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/larder-cache/larder/control/meta"
)

// TestNoSockets: the embedded server opens no socket of any family, so there is nothing to connect to.
func TestNoSockets(t *testing.T) {
	before := sockets(t)
	store := startTest(t, Config{Dir: t.TempDir()}).Connect()
	put(t, store, meta.Put("k", nil))
	for _, s := range sockets(t) {
		if !slices.Contains(before, s) {
			t.Errorf("a socket was opened: %s", s)
		}
	}
}

// sockets returns this process's open sockets, as the kernel names them.
func sockets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot list open files: %v", err)
	}
	var out []string
	for _, f := range files {
		// A file that was closed since, as the listing's own, is no socket that stays.
		if target, err := os.Readlink(f); err == nil && strings.HasPrefix(target, "socket:") {
			out = append(out, target)
		}
	}
	return out
}
